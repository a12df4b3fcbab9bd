using Hypervisor.Core.Engine;

namespace Hypervisor.Core.Machine;

/// <summary>Where a vCPU stands with its host loop.</summary>
public enum VCpuStatus : byte
{
    /// <summary>Created, not started: a host loop does not schedule it.</summary>
    Created,

    /// <summary>Wants a physical CPU.</summary>
    Runnable,

    /// <summary>On a physical CPU.</summary>
    Running,

    /// <summary>Sleeps until woken.</summary>
    Blocked,

    /// <summary>Will never run again.</summary>
    Stopped,
}

/// <summary>Why a slice ended.</summary>
internal enum SliceEnd : byte
{
    /// <summary>The budget is used.</summary>
    Expired,

    /// <summary>The vCPU was asked to come out (a kick, a nearer timer): it stays runnable.</summary>
    Attention,

    /// <summary>It gave up the rest of its slice.</summary>
    Yielded,

    /// <summary>It spins: the rest of its slice is for another of its machine, which may hold what it waits for.</summary>
    Spun,

    /// <summary>It sleeps.</summary>
    Blocked,

    /// <summary>A debugger holds it: it sleeps until released, whatever is pending.</summary>
    Held,

    /// <summary>It is done.</summary>
    Stopped,
}

/// <summary>
/// A virtual CPU, and THE run loop of every mode: run, exit, verdict. A container task is one too, so that one scheduler,
/// one meter and one snapshot serve all.
/// </summary>
public sealed class VCpu : IDisposable
{
    /// <summary>Instructions that a vCPU runs at the most before the host loop is told whom it woke.</summary>
    private const long LongestPutOff = 1000;

    private readonly IExecutionEngine _engine;
    private IPersonality _personality;
    private int _kicked;
    private int _debugAction;

    internal VCpu(VirtualMachine machine, int id, HartContext hart, IPersonality personality, IExecutionEngine engine)
    {
        Machine = machine;
        Id = id;
        Hart = hart;
        _personality = personality;
        _engine = engine;
    }

    /// <summary>The machine it belongs to.</summary>
    public VirtualMachine Machine { get; }

    /// <summary>Its number within the machine.</summary>
    public int Id { get; }

    /// <summary>What it used so far.</summary>
    public VCpuMeter Meter { get; } = new();

    /// <summary>Where it stands with its host loop, which alone changes it.</summary>
    public VCpuStatus Status { get; internal set; }

    internal HartContext Hart { get; }

    /// <summary>Memory accesses met by counting code.</summary>
    internal ulong CountedAccesses => Hart.CountedAccesses;

    /// <summary>Address of the next instruction, while the vCPU is not in guest code.</summary>
    internal ulong Pc => Hart.Pc;

    /// <summary>What its exits mean. Whoever puts another in its place sees all of them: no call is made before it leaves any more.</summary>
    internal IPersonality Personality
    {
        get => _personality;
        set
        {
            _personality = value;
            Hart.Calls = null;
        }
    }

    /// <summary>The group it shares CPUs in, within its machine's; null for its machine's itself.</summary>
    internal Scheduling.SchedulingGroup? Group { get; init; }

    /// <summary>The number by which the host loop's scheduler knows this vCPU; -1 while it has none.</summary>
    internal int SchedulingId { get; set; } = -1;

    /// <summary>The host loop's: the physical CPU of the slice in progress, or of the last one.</summary>
    internal int Processor { get; set; }

    /// <summary>The host loop's: something arrived while the vCPU ran, so that it must not go to sleep on leaving.</summary>
    internal bool WakePending { get; set; }

    /// <summary>The host loop's: since when the vCPU has been waiting for a physical CPU.</summary>
    internal long WaitingSince { get; set; }

    /// <summary>The host loop's: when the vCPU's run in progress began, or its last one.</summary>
    internal long RunningSince { get; set; }

    /// <summary>The host loop's: instructions a nanosecond, learnt from slice to slice in real time.</summary>
    internal double Rate { get; set; } = 0.2;

    /// <summary>The host loop's hook for waking: null while the vCPU is on no host loop.</summary>
    internal Action<VCpu>? WakeRequested { get; set; }

    /// <summary>A personality's, set in <see cref="IPersonality.BeforeSlice"/>: the run that follows is prepared already.</summary>
    internal bool IsPrepared { get; set; }

    /// <summary>The host loop's, for the slice that begins: nobody waits for what this vCPU wakes within the next microseconds.</summary>
    internal bool MayPutOffWakes { get; set; }

    /// <summary>Whom this vCPU woke, where the host loop is yet to be told. Only on the thread that runs this vCPU.</summary>
    internal VCpu? PutOffWake { get; set; }

    /// <summary>What a debugger wants of the vCPU. Changed by the debugger's thread, and by the vCPU's own where a stop is due.</summary>
    internal DebugAction DebugAction
    {
        get => (DebugAction)Volatile.Read(ref _debugAction);
        set => Volatile.Write(ref _debugAction, (int)value);
    }

    /// <summary>Whether the vCPU would be runnable but for the debugger that holds it.</summary>
    internal bool HeldRunnable { get; set; }

    /// <summary>
    /// Goes with <see cref="ExitVerdict.Yield"/>: the vCPU of the same machine that should run next on this physical CPU. A
    /// personality sets it, on the vCPU that yields, before it gives that verdict; the host loop takes it once. It is a wish: one
    /// that sleeps, runs already, may not run there or is of another machine is passed over. Whoever is favoured pays for its
    /// time, so that no share moves.
    /// </summary>
    internal VCpu? YieldTarget { get; set; }

    /// <summary>Room for what a personality keeps for each vCPU.</summary>
    internal object? Data { get; set; }

    /// <summary>Something arrived for this vCPU: a blocked one becomes runnable, a running one comes out. Any thread.</summary>
    public void Wake()
    {
        // A host loop kicks it where it runs; one that sleeps looks when it comes on.
        if (WakeRequested is { } requested)
            requested(this);
        else
            Kick();
    }

    /// <summary>
    /// As <see cref="Wake"/>, in an exit of another vCPU and on its thread. Who wakes mostly sleeps next: where the host loop allows it, the
    /// waking waits for the end of that vCPU's slice, but for no more than its next exit or a few instructions, and is told to the policy together with it.
    /// </summary>
    internal void WakeSoon(VCpu by)
    {
        if (!by.MayPutOffWakes)
        {
            Wake();
            return;
        }

        if (by.PutOffWake is { } earlier && earlier != this)
            earlier.Wake();
        by.PutOffWake = this;
    }

    /// <summary>Makes a running vCPU come out of guest code soon. Any thread.</summary>
    internal void Kick()
    {
        Volatile.Write(ref _kicked, 1);
        Hart.RequestAttention();
    }

    /// <summary>Sets or clears interrupts in mip and wakes the vCPU where one was set. Any thread.</summary>
    internal void SetInterrupt(ulong mask, bool pending)
    {
        Hart.SetInterruptPending(mask, pending);
        if (pending)
            Wake();
    }

    /// <summary>Runs until the budget is used or the vCPU leaves its slice earlier.</summary>
    /// <param name="budget">Instructions, at least 1.</param>
    /// <param name="code">The calling host thread's code cache for this machine.</param>
    /// <param name="retired">Instructions retired in the slice.</param>
    internal SliceEnd RunSlice(long budget, CodeCache code, out long retired)
    {
        Meter.Slices++;
        long left = budget;
        SliceEnd end = SliceEnd.Expired;
        Volatile.Write(ref _kicked, 0);
        Hart.ConsumeAttention();
        if (Machine.Debugger is { } debugger && DebugAction != DebugAction.Run)
        {
            retired = DebugAction == DebugAction.Step ? Step(debugger, code) : 0;
            HeldRunnable = true;
            return SliceEnd.Held;
        }

        ExitVerdict before = Personality.BeforeSlice(this);
        if (before != ExitVerdict.Resume)
        {
            retired = 0;
            return EndOf(before);
        }

        Hart.Controls.SpinningExits = Machine.HasSeveralVCpus;
        if (IsPrepared)
            IsPrepared = false;
        else
            Personality.PrepareRun(this);
        while (left > 0)
        {
            long mark = Hart.InstructionsRetired;
            VmExit exit = _engine.Run(Hart, code, PutOffWake is null ? left : Math.Min(left, LongestPutOff));
            long calls = Hart.UsedInSlice - (budget - left);
            left -= exit.Retired + calls;
            Hart.UsedInSlice = budget - left;
            Meter.Retired += Hart.InstructionsRetired - mark;
            if (calls != 0)
                Meter.Count(VmExitReason.EnvironmentCall, calls);
            if (exit.Reason == VmExitReason.BudgetExpired && left > 0)
            {
                TellOfWake();
                continue;
            }

            Meter.Count(exit.Reason);
            if (exit.Reason == VmExitReason.BudgetExpired)
                break;
            if (exit.Reason == VmExitReason.Attention)
            {
                if (Volatile.Read(ref _kicked) != 0)
                {
                    end = SliceEnd.Attention;
                    break;
                }

                Personality.PrepareRun(this);
                continue;
            }

            if (exit.Reason == VmExitReason.Spinning)
            {
                end = SliceEnd.Spun;
                break;
            }

            if (exit.Reason == VmExitReason.Debug)
            {
                end = SliceEnd.Held;
                HeldRunnable = true;
                Report(exit);
                break;
            }

            // The instruction that exits takes a unit of budget, whether it is completed on the guest's behalf or faults:
            // a guest that only ever exits still comes to the end of its slice.
            left--;
            mark = Hart.InstructionsRetired;
            VCpu? putOff = PutOffWake;
            ExitVerdict verdict = Personality.OnExit(this, in exit);
            Hart.UsedInSlice++;

            // A program that replaced itself counts from the beginning again.
            Meter.Retired += Math.Max(0, Hart.InstructionsRetired - mark);
            if (verdict == ExitVerdict.Resume)
            {
                if (putOff is not null && putOff == PutOffWake)
                    TellOfWake();
                continue;
            }

            end = EndOf(verdict);
            break;
        }

        retired = budget - left;
        Hart.TimeAtEntry += Hart.VirtualNanoseconds(retired);
        Hart.UsedInSlice = 0;
        return end;
    }

    private void TellOfWake()
    {
        VCpu? woken = PutOffWake;
        PutOffWake = null;
        woken?.Wake();
    }

    private static SliceEnd EndOf(ExitVerdict verdict) => verdict switch
    {
        ExitVerdict.Yield => SliceEnd.Yielded,
        ExitVerdict.Block => SliceEnd.Blocked,
        _ => SliceEnd.Stopped,
    };

    /// <summary>Executes one instruction, or takes its exception, without taking interrupts; budget units used.</summary>
    private long Step(MachineDebugger debugger, CodeCache code)
    {
        long used = 0;
        long retired = Hart.InstructionsRetired;
        Hart.HoldsInterrupts = true;
        Hart.Controls.SpinningExits = false;
        Personality.PrepareRun(this);
        VmExit exit;
        while (true)
        {
            exit = _engine.Run(Hart, code, 1);
            used += exit.Retired;
            Meter.Count(exit.Reason);
            if (exit.Reason is VmExitReason.BudgetExpired or VmExitReason.Debug)
                break;
            if (exit.Reason == VmExitReason.Attention)
                continue;
            used++;

            // An instruction whose translation was missing has not run yet: again, unless it faulted or the vCPU is to sleep.
            ulong before = Pc;
            ExitVerdict verdict = Personality.OnExit(this, in exit);
            if (verdict != ExitVerdict.Resume || exit.Reason != VmExitReason.TranslationMiss || Pc != before)
                break;
        }

        Hart.HoldsInterrupts = false;
        Meter.Retired += Hart.InstructionsRetired - retired;
        DebugAction = DebugAction.Hold;
        debugger.Report(exit.Reason == VmExitReason.Debug ? StopOf(in exit) : new DebugStop(this, DebugStopKind.Step, Pc));
        return used;
    }

    private void Report(in VmExit exit)
    {
        DebugAction = DebugAction.Hold;
        Machine.Debugger?.Report(StopOf(in exit));
    }

    private DebugStop StopOf(in VmExit exit) => new(this, exit.Access switch
    {
        Core.Hart.AccessKind.Fetch => DebugStopKind.Breakpoint,
        Core.Hart.AccessKind.Load => DebugStopKind.Load,
        _ => DebugStopKind.Store,
    }, exit.Value);

    /// <summary>Releases the hart. The vCPU must not be on a host loop.</summary>
    public void Dispose() => Hart.Dispose();
}
