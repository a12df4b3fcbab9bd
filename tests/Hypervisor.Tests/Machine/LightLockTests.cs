using Hypervisor.Core.Machine;

namespace Hypervisor.Tests.Machine;

/// <summary>The lock of system calls and changes of task.</summary>
public sealed class LightLockTests
{
    // Some hold it for longer than others spin, so that all ways in are gone.
    [Theory]
    [InlineData(2, 300_000, 0)]
    [InlineData(4, 50_000, 64)]
    [InlineData(8, 2_000, 4)]
    public void Enter_ManyThreads_OneAtATimeAndNoneIsLeftWaiting(int threads, int times, int holdsLongEach)
    {
        var gate = new LightLock();
        long sum = 0;
        int inside = 0, met = 0;
        Thread[] all = [.. Enumerable.Range(0, threads).Select(number => new Thread(() =>
        {
            for (int i = 0; i < times; i++)
            {
                using (gate.Enter())
                {
                    met |= inside++;
                    sum++;
                    if (holdsLongEach != 0 && (i + number) % holdsLongEach == 0)
                        Thread.SpinWait(20_000 / holdsLongEach);
                    if (holdsLongEach == 4 && i % 512 == number)
                        Thread.Sleep(1);
                    inside--;
                }
            }
        })
        { IsBackground = true })];
        foreach (Thread thread in all)
            thread.Start();
        Assert.All(all, thread => Assert.True(thread.Join(TimeSpan.FromMinutes(2)), "a thread waits for ever"));
        Assert.Equal(0, met);
        Assert.Equal((long)threads * times, sum);
    }

    [Fact]
    public void Enter_AgainByItsHolder_IsGivenBackWithTheLast()
    {
        var gate = new LightLock();
        bool taken = false;
        var other = new Thread(() =>
        {
            using (gate.Enter())
                Volatile.Write(ref taken, true);
        })
        { IsBackground = true };
        Assert.False(gate.IsHeldByCurrentThread);
        using (gate.Enter())
        {
            using (gate.Enter())
                Assert.True(gate.IsHeldByCurrentThread);
            Assert.True(gate.IsHeldByCurrentThread);
            other.Start();
            Assert.False(other.Join(50));
            Assert.False(Volatile.Read(ref taken));
        }

        Assert.True(other.Join(TimeSpan.FromSeconds(30)));
        Assert.False(gate.IsHeldByCurrentThread);
    }

    [Fact]
    public void Dispose_AfterAnException_GivesItBack()
    {
        var gate = new LightLock();
        Assert.Throws<InvalidOperationException>(() => HoldAndThrow(gate));
        var other = new Thread(() => gate.Enter().Dispose()) { IsBackground = true };
        other.Start();
        Assert.True(other.Join(TimeSpan.FromSeconds(30)));
    }

    private static void HoldAndThrow(LightLock gate)
    {
        using (gate.Enter())
            throw new InvalidOperationException();
    }
}
