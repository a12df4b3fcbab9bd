using FsCheck.Fluent;
using Hypervisor.Core.Time;
using Hypervisor.Tests.Support;

namespace Hypervisor.Tests.Time;

public sealed class TimerQueueTests
{
    [Fact]
    public void TakeDue_EqualDeadlines_FireInTheOrderTheyWereArmed()
    {
        var queue = new TimerQueue();
        var fired = new List<int>();
        int[] timers = [.. Enumerable.Range(0, 20).Select(i => queue.Create(() => fired.Add(i)))];
        foreach (int i in new[] { 7, 3, 19, 0, 11 })
            queue.Arm(timers[i], 100);
        queue.Arm(timers[3], 100); // armed again: it goes to the end
        Assert.Null(queue.TakeDue(99));
        while (queue.TakeDue(100) is { } action)
            action();
        Assert.Equal([7, 19, 0, 11, 3], fired);
        Assert.Equal(long.MaxValue, queue.NextDeadline);
    }

    [Fact]
    public void Delete_ArmedTimer_NeverFiresAndItsNumberIsReused()
    {
        var queue = new TimerQueue();
        int first = queue.Create(() => Assert.Fail("deleted"));
        queue.Arm(first, 1);
        queue.Delete(first);
        queue.Delete(first);
        bool fired = false;
        Assert.Equal(first, queue.Create(() => fired = true));
        Assert.Null(queue.TakeDue(10));
        queue.Arm(first, 5);
        queue.TakeDue(10)!();
        Assert.True(fired);
    }

    [Fact]
    public void Queue_AnySequence_AgreesWithASortedList() => Property.ForAll(Gen.Choose(0, int.MaxValue), seed =>
    {
        var random = new Random(seed);
        var queue = new TimerQueue();
        var fired = new List<int>();
        var model = new Dictionary<int, (long Deadline, long Order)>();
        int[] timers = [.. Enumerable.Range(0, 30).Select(i => queue.Create(() => fired.Add(i)))];
        long order = 0;
        for (int step = 0; step < 300; step++)
        {
            int i = random.Next(30);
            switch (random.Next(3))
            {
                case 0:
                    long deadline = random.Next(1000);
                    queue.Arm(timers[i], deadline);
                    model[i] = (deadline, order++);
                    break;
                case 1:
                    queue.Disarm(timers[i]);
                    model.Remove(i);
                    break;
                default:
                    long now = random.Next(1000);
                    int[] expected = [.. model.Where(entry => entry.Value.Deadline <= now).OrderBy(entry => entry.Value).Select(entry => entry.Key)];
                    fired.Clear();
                    while (queue.TakeDue(now) is { } action)
                        action();
                    if (!fired.SequenceEqual(expected))
                        return false;
                    foreach (int gone in expected)
                        model.Remove(gone);
                    break;
            }
        }

        return queue.NextDeadline == (model.Count == 0 ? long.MaxValue : model.Values.Min(value => value.Deadline));
    });

    [Fact]
    public void Arm_AgainAndAgain_AllocatesNothing()
    {
        var queue = new TimerQueue();
        int[] timers = [.. Enumerable.Range(0, 100).Select(_ => queue.Create(() => { }))];
        Turn();
        Assert.Equal(0, Allocations.Of(Turn));

        void Turn()
        {
            for (int i = 0; i < 10_000; i++)
            {
                queue.Arm(timers[i % 100], i * 7 % 1000);
                if (i % 3 == 0)
                    queue.TakeDue(i % 500);
            }
        }
    }
}
