using Hypervisor.Core.Engine;

namespace Hypervisor.Core.Machine;

/// <summary>What a debugger wants of a vCPU.</summary>
internal enum DebugAction
{
    /// <summary>Run as if there were no debugger, up to a breakpoint or watchpoint.</summary>
    Run = 0,

    /// <summary>Stay where it is.</summary>
    Hold,

    /// <summary>Execute one instruction and stay.</summary>
    Step,
}

/// <summary>Why a vCPU stopped for a debugger.</summary>
internal enum DebugStopKind : byte
{
    /// <summary>A breakpoint stands at the next instruction.</summary>
    Breakpoint,

    /// <summary>The step is done.</summary>
    Step,

    /// <summary>A watched address was loaded from.</summary>
    Load,

    /// <summary>A watched address was stored to.</summary>
    Store,
}

/// <summary>A vCPU stopped for a debugger.</summary>
/// <param name="VCpu">The vCPU.</param>
/// <param name="Kind">Why.</param>
/// <param name="Address">The program counter, or the watched address.</param>
internal readonly record struct DebugStop(VCpu VCpu, DebugStopKind Kind, ulong Address);

/// <summary>
/// Holds, steps and releases the vCPUs of a machine, and keeps its breakpoints and watchpoints. All stop together: whoever
/// hears of a stop holds the rest. Stepping is done by the host loop, in whatever time it keeps, so that a machine in
/// virtual time stays as deterministic as ever. One thread at a time may call it.
/// </summary>
internal sealed class MachineDebugger
{
    private readonly VirtualMachine _machine;
    private readonly Dictionary<ulong, int> _breakpoints = [];
    private readonly List<Watch> _watches = [];

    /// <summary>Attaches to a machine and holds it.</summary>
    public MachineDebugger(VirtualMachine machine)
    {
        _machine = machine;
        machine.Debugger = this;
        Hold();
    }

    /// <summary>Called on a host thread when a vCPU stopped; must not block and not call back.</summary>
    public Action<DebugStop>? Stopped { get; set; }

    /// <summary>Has every vCPU leave guest code and stay out; returns when all have.</summary>
    public void Hold()
    {
        foreach (VCpu vcpu in _machine.VCpus)
            vcpu.DebugAction = DebugAction.Hold;

        // Paired with the host loop's lock: a vCPU that is marked as running after this sees that it is to hold.
        Interlocked.MemoryBarrier();
        foreach (VCpu vcpu in _machine.VCpus)
        {
            for (int i = 0; vcpu.Status == VCpuStatus.Running; i++)
            {
                vcpu.Kick();
                Thread.Sleep(i < 10 ? 0 : 1);
            }
        }
    }

    /// <summary>Lets vCPUs go on. Only while all are held.</summary>
    /// <param name="action">What each is to do.</param>
    public void Resume(Func<VCpu, DebugAction> action)
    {
        foreach (VCpu vcpu in _machine.VCpus)
            vcpu.DebugAction = action(vcpu);
        foreach (VCpu vcpu in _machine.VCpus)
        {
            // One that slept by itself goes on sleeping, unless it is to step.
            DebugAction wanted = vcpu.DebugAction;
            if (wanted == DebugAction.Step || (wanted == DebugAction.Run && vcpu.HeldRunnable))
            {
                vcpu.HeldRunnable = false;
                vcpu.Wake();
            }
        }
    }

    /// <summary>Puts a breakpoint at a virtual address, whatever is mapped there. Only while all vCPUs are held.</summary>
    public void AddBreakpoint(ulong address)
    {
        _breakpoints[address] = _breakpoints.GetValueOrDefault(address) + 1;
        ApplyBreakpoints();
    }

    /// <summary>Takes a breakpoint away; false where there is none. Only while all vCPUs are held.</summary>
    public bool RemoveBreakpoint(ulong address)
    {
        if (!_breakpoints.TryGetValue(address, out int count))
            return false;
        if (count == 1)
            _breakpoints.Remove(address);
        else
            _breakpoints[address] = count - 1;
        ApplyBreakpoints();
        return true;
    }

    /// <summary>Watches a range of virtual addresses. Only while all vCPUs are held.</summary>
    public void AddWatch(Watch watch)
    {
        _watches.Add(watch);
        ApplyWatches();
    }

    /// <summary>Ends a watch; false where there is none. Only while all vCPUs are held.</summary>
    public bool RemoveWatch(Watch watch)
    {
        if (!_watches.Remove(watch))
            return false;
        ApplyWatches();
        return true;
    }

    /// <summary>Whether an address is watched.</summary>
    public bool Watches(ulong address) => _watches.Any(each => address - each.Start < each.Length);

    /// <summary>Takes all breakpoints and watchpoints away and lets the machine run on alone.</summary>
    public void Release()
    {
        Hold();
        _breakpoints.Clear();
        _watches.Clear();
        ApplyBreakpoints();
        ApplyWatches();
        Resume(_ => DebugAction.Run);
    }

    /// <summary>A vCPU stopped. Called on its thread.</summary>
    internal void Report(DebugStop stop) => Stopped?.Invoke(stop);

    private void ApplyBreakpoints()
        => _machine.SetBreakpoints(_breakpoints.Count == 0 ? null : new HashSet<ulong>(_breakpoints.Keys));

    private void ApplyWatches()
    {
        WatchList? list = _watches.Count == 0 ? null : new WatchList([.. _watches]);
        foreach (VCpu vcpu in _machine.VCpus)
        {
            vcpu.Hart.Watches = list;
            vcpu.Hart.FlushTlb();
        }
    }
}
