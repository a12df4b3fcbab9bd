using Hypervisor.Core.Devices;
using Hypervisor.Core.Machine;
using Hypervisor.Core.Time;

namespace Hypervisor.Tests.Modes;

/// <summary>
/// The least host loop that is one: a single thread, round robin, and virtual time that follows retired instructions. The
/// tests of modes stand on it so that they need no scheduler.
/// </summary>
internal sealed class EventLoop : ITimerService
{
    private const long PicosecondsPerInstruction = 1000;
    private const long Slice = 20_000;

    private readonly List<(Action Fired, long Deadline)> _timers = [];

    public long NowNanoseconds { get; private set; }

    public int CreateTimer(Action fired)
    {
        _timers.Add((fired, long.MaxValue));
        return _timers.Count - 1;
    }

    public void Arm(int timer, long deadlineNanoseconds) => _timers[timer] = (_timers[timer].Fired, deadlineNanoseconds);

    public void Disarm(int timer) => Arm(timer, long.MaxValue);

    public void DeleteTimer(int timer) => Disarm(timer);

    /// <summary>Runs a machine until it ends; fails the test where it does not within an amount of instructions.</summary>
    public MachineExit Run(VirtualMachine machine, long instructions)
    {
        foreach (VCpu vcpu in machine.VCpus)
        {
            vcpu.Hart.PicosecondsPerInstruction = PicosecondsPerInstruction;
            vcpu.Status = VCpuStatus.Runnable;
            vcpu.WakeRequested = woken =>
            {
                if (woken.Status == VCpuStatus.Blocked)
                    woken.Status = VCpuStatus.Runnable;
            };
        }

        while (machine.Exit is null)
        {
            FireDue();
            bool any = false;
            foreach (VCpu vcpu in machine.VCpus)
            {
                if (vcpu.Status != VCpuStatus.Runnable || machine.Exit is not null)
                    continue;
                any = true;
                instructions -= RunOne(machine, vcpu);
            }

            if (!any)
            {
                long next = _timers.Min(timer => timer.Deadline);
                Assert.True(next != long.MaxValue, "every hart sleeps and no timer is armed");
                NowNanoseconds = Math.Max(NowNanoseconds, next);
            }

            Assert.True(instructions > 0, $"the guest did not end; pc 0x{PcOf(machine):x}");
        }

        return machine.Exit.Value;
    }

    private static unsafe ulong PcOf(VirtualMachine machine) => machine.VCpus[0].Hart.State->Pc;

    private long RunOne(VirtualMachine machine, VCpu vcpu)
    {
        long untilTimer = _timers.Min(timer => timer.Deadline) - NowNanoseconds;
        long budget = Math.Clamp(untilTimer, 1, Slice * PicosecondsPerInstruction / 1000) * 1000 / PicosecondsPerInstruction;
        vcpu.Status = VCpuStatus.Running;
        vcpu.Hart.TimeAtEntry = NowNanoseconds;
        SliceEnd end = vcpu.RunSlice(budget, machine.CodeCacheFor(0), out long retired);
        NowNanoseconds += Math.Max(retired, 1) * PicosecondsPerInstruction / 1000;
        vcpu.Status = end switch
        {
            SliceEnd.Blocked => VCpuStatus.Blocked,
            SliceEnd.Stopped => VCpuStatus.Stopped,
            _ => VCpuStatus.Runnable,
        };
        if (end == SliceEnd.Blocked && vcpu.Personality.HasPendingWork(vcpu))
            vcpu.Status = VCpuStatus.Runnable;
        return Math.Max(retired, 1);
    }

    private void FireDue()
    {
        for (int i = 0; i < _timers.Count; i++)
        {
            if (_timers[i].Deadline > NowNanoseconds)
                continue;
            Disarm(i);
            _timers[i].Fired();
        }
    }
}

/// <summary>Keeps what a guest prints.</summary>
internal sealed class ConsoleText : IConsoleSink
{
    private readonly List<byte> _bytes = [];

    public void Write(ReadOnlySpan<byte> bytes) => _bytes.AddRange(bytes);

    public override string ToString() => System.Text.Encoding.UTF8.GetString([.. _bytes]);
}
