using Hypervisor.Core.Devices;
using Hypervisor.Core.State;
using Hypervisor.Core.Time;

namespace Hypervisor.Tests.Devices;

/// <summary>Time that a test moves by hand, on one thread; timers may be armed on any.</summary>
internal sealed class FakeTimers : ITimerService
{
    private readonly List<(Action Fired, long Deadline)> _timers = [];

    public long NowNanoseconds { get; private set; }

    public int CreateTimer(Action fired)
    {
        _timers.Add((fired, long.MaxValue));
        return _timers.Count - 1;
    }

    public void Arm(int timer, long deadlineNanoseconds)
    {
        lock (_timers)
        {
            _timers[timer] = (_timers[timer].Fired, deadlineNanoseconds);
        }
    }

    public void Disarm(int timer) => Arm(timer, long.MaxValue);

    public void DeleteTimer(int timer) => Disarm(timer);

    public void AdvanceTo(long nanoseconds)
    {
        for (var rounds = 0; rounds < 1000; rounds++)
        {
            Action fired;
            lock (_timers)
            {
                var next = _timers.Min(timer => timer.Deadline);
                if (next > nanoseconds || next == long.MaxValue)
                {
                    NowNanoseconds = nanoseconds;
                    return;
                }

                NowNanoseconds = Math.Max(NowNanoseconds, next);
                var due = _timers.FindIndex(timer => timer.Deadline == next);
                fired = _timers[due].Fired;
                Disarm(due);
            }

            fired();
        }

        Assert.Fail("timers fire without end");
    }
}

internal sealed class FakeLine : IInterruptLine
{
    public bool Raised { get; private set; }

    public int Raises { get; private set; }

    public void Set(bool raised)
    {
        Raised = raised;
        Raises += raised ? 1 : 0;
    }
}

internal sealed class FakeSink : IConsoleSink
{
    private readonly List<byte> _bytes = [];

    public string Text => System.Text.Encoding.Latin1.GetString([.. _bytes]);

    public void Write(ReadOnlySpan<byte> bytes) => _bytes.AddRange(bytes);
}

internal static class DeviceState
{
    public static byte[] Of(IMmioDevice device)
    {
        var writer = new StateWriter();
        device.Save(writer);
        return writer.Written.ToArray();
    }

    public static void Load(IMmioDevice device, byte[] state)
    {
        var reader = new StateReader(state);
        device.Load(reader);
        Assert.True(reader.AtEnd);
    }
}
