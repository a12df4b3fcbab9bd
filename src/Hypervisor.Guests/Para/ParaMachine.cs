using Hypervisor.Core.Devices;
using Hypervisor.Core.Engine;
using Hypervisor.Core.Hart;
using Hypervisor.Core.Machine;
using Hypervisor.Core.Memory;
using Hypervisor.Guests.Common;
using Hypervisor.Guests.Common.Sbi;

namespace Hypervisor.Guests.Para;

/// <summary>What a guest marks: docs/para-abi.md, function mark.</summary>
internal enum ParaMark
{
    Begin = 0,
    End = 1,
}

/// <summary>
/// The hypervisor's side of one paravirtual machine: its harts, channels and page tables, and the platform beneath its SBI.
/// </summary>
internal sealed class ParaMachine : ISbiPlatform
{
    private const long LastTick = long.MaxValue / HartContext.NanosecondsPerTick;

    private readonly VirtualMachine _machine;
    private readonly List<ParaHart> _harts = [];
    private readonly Lock _hartLock = new();
    private ulong _balloonTarget;

    /// <summary>Creates the state for a machine whose vCPUs are added after.</summary>
    /// <param name="machine">The machine.</param>
    /// <param name="console">Where SBI console calls go.</param>
    /// <param name="bus">Its device space.</param>
    /// <param name="hartCount">How many harts it will have.</param>
    /// <param name="domains">The machines it may talk to; null for none.</param>
    public ParaMachine(VirtualMachine machine, ISbiConsole console, IPhysicalBus bus, int hartCount, ParaDomains? domains = null)
    {
        _machine = machine;
        Grants = new GrantTable(this);
        Bus = bus;
        HartCount = hartCount;
        Channels = new EventChannels(_harts, hartCount, Board.SlotCount, slot => VirtioSlots.HasDevice(bus, slot));
        Paging = new DirectPaging(machine.Memory, IsRoot);
        CannotBeTable = page => IsSharedInfo(page) || (Memory.FlagsOf(Memory.PageIndex(page)) & PageFlag.Shared) != 0;
        StealTime = new StealTimeExtension(this);
        Sbi = StandardExtensions.Create(this, console, StealTime);
        Sbi.Register(new ParaExtension(this));
        if (domains is not null)
        {
            Domain = domains.Join(this);
            Domains = domains;
        }
    }

    /// <summary>The machines it may talk to; null for none.</summary>
    public ParaDomains? Domains { get; }

    /// <summary>Its number among them; 0 where there are none.</summary>
    public int Domain { get; }

    /// <summary>What it granted to others of them, and mapped of theirs.</summary>
    public GrantTable Grants { get; }

    /// <summary>The feature bits of the paravirtual extension.</summary>
    public ulong Features => ParaFunction.FeaturesOf(Domains is not null);

    /// <summary>Pages that the guest is asked to give back. Any thread.</summary>
    public ulong BalloonTarget
    {
        get => Volatile.Read(ref _balloonTarget);
        set
        {
            Volatile.Write(ref _balloonTarget, value);
            Channels.TellBalloon(value);
        }
    }

    /// <summary>Pages that the guest gave back so far by memory_release.</summary>
    public long ReleasedPages { get; private set; }

    /// <summary>Device space.</summary>
    public IPhysicalBus Bus { get; }

    /// <summary>Tells harts for how long they had to wait.</summary>
    public StealTimeExtension StealTime { get; }

    /// <summary>The extensions it offers.</summary>
    public SbiRegistry Sbi { get; }

    /// <summary>Its event channels.</summary>
    public EventChannels Channels { get; }

    /// <summary>Its pinned page tables.</summary>
    public DirectPaging Paging { get; }

    /// <summary>Hears the guest's marks, on the thread that runs it: the hart, the kind and the operations done.</summary>
    public Action<VCpu, ParaMark, ulong>? Marked { get; set; }

    /// <inheritdoc/>
    public GuestMemory Memory => _machine.Memory;

    /// <inheritdoc/>
    public int HartCount { get; }

    /// <summary>A hart by its number.</summary>
    public ParaHart Hart(int id) => _harts[id];

    /// <summary>Takes in a vCPU, as the hart of the next number, stopped.</summary>
    public ParaHart Add(VCpu vcpu)
    {
        var hart = new ParaHart(vcpu);
        hart.Timer = _machine.CreateTimer(() => TimerExpired(hart));
        hart.BlockTimer = _machine.CreateTimer(vcpu.Wake);
        vcpu.Data = hart;
        _harts.Add(hart);
        return hart;
    }

    /// <summary>Whether a page is a hart's shared-info page.</summary>
    public bool IsSharedInfo(ulong address) => Channels.IsSharedInfo(address);

    /// <summary>Whether a page is in a use that forbids it to be a page table.</summary>
    public Func<ulong, bool> CannotBeTable { get; }

    /// <summary>Takes a page into use as a hart's shared-info page; all ones gives the one in use back.</summary>
    public SbiError SetSharedInfo(ParaHart hart, ulong address)
    {
        if (address == ulong.MaxValue)
            return Channels.SetSharedInfo(hart, null);
        if ((address & (GuestMemory.PageSize - 1)) != 0 || !Memory.Contains(address, GuestMemory.PageSize))
            return SbiError.InvalidAddress;
        if (hart.SharedInfo is not null)
            return SbiError.AlreadyAvailable;
        if ((Memory.FlagsOf(Memory.PageIndex(address)) & (PageFlag.Protected | PageFlag.Shared)) != 0 || Channels.IsSharedInfo(address))
            return SbiError.Denied;
        const ulong timebase = 1_000_000_000 / HartContext.NanosecondsPerTick;
        var page = new SharedInfoPage(Memory, address, hart.Id, timebase, Features);
        page.SetBalloonTarget(BalloonTarget);
        return Channels.SetSharedInfo(hart, page);
    }

    /// <summary>Gives pages back to the host, to be zero when they are touched again; the value is how many were.</summary>
    public SbiResult Release(ulong address, ulong pages)
    {
        if ((address & (GuestMemory.PageSize - 1)) != 0 || pages > Memory.Region.Size / GuestMemory.PageSize
            || !Memory.Contains(address, pages * GuestMemory.PageSize))
            return SbiError.InvalidAddress;
        for (ulong done = 0; done < pages; done++)
        {
            ulong page = address + (done * GuestMemory.PageSize);
            if ((Memory.FlagsOf(Memory.PageIndex(page)) & (PageFlag.Protected | PageFlag.Shared)) != 0 || IsSharedInfo(page))
                return new SbiResult(SbiError.Denied, done);
        }

        Memory.Release(address, (long)(pages * GuestMemory.PageSize));
        ReleasedPages += (long)pages;
        return SbiResult.Ok(pages);
    }

    /// <summary>After pages became another machine's too: no hart goes on with code it holds of them.</summary>
    public void FlushAllHarts()
    {
        foreach (ParaHart hart in _harts)
            hart.OrderFence();
    }

    /// <inheritdoc/>
    public bool IsAccessible(ulong address, ulong length, bool write)
    {
        if (!Memory.Contains(address, length))
            return false;
        if (!write || length == 0)
            return true;
        int last = Memory.PageIndex(address + length - 1);
        for (int page = Memory.PageIndex(address); page <= last; page++)
        {
            if ((Memory.FlagsOf(page) & PageFlag.Protected) != 0)
                return false;
        }

        return true;
    }

    /// <inheritdoc/>
    public void SetTimer(int hart, ulong deadlineTicks)
    {
        ParaHart target = _harts[hart];
        target.SetInterrupt(InterruptBits.Sti, false);
        if (deadlineTicks <= target.NowTicks)
        {
            _machine.Timers.Disarm(target.Timer);
            TimerExpired(target);
        }
        else
        {
            Arm(target.Timer, deadlineTicks);
        }
    }

    /// <summary>Puts a hart to sleep until an event or a deadline; false where it need not sleep.</summary>
    public bool TryBlock(ParaHart hart, ulong deadlineTicks)
    {
        if (deadlineTicks <= hart.NowTicks)
            return false;
        hart.InBlock = true;
        hart.BlockDeadline = deadlineTicks;
        Arm(hart.BlockTimer, deadlineTicks);
        return true;
    }

    /// <summary>Whether a block call of a hart has something to return for.</summary>
    public static bool BlockIsOver(ParaHart hart)
        => hart.SharedInfo is { HasEvents: true } || hart.HasInterrupt || hart.NowTicks >= hart.BlockDeadline;

    /// <summary>Ends a block call.</summary>
    public void FinishBlock(ParaHart hart)
    {
        hart.InBlock = false;
        _machine.Timers.Disarm(hart.BlockTimer);
    }

    /// <inheritdoc/>
    public void SendSoftwareInterrupt(int hart) => _harts[hart].SetInterrupt(InterruptBits.Ssi, true);

    /// <inheritdoc/>
    public void Fence(int hart, in SbiFence fence) => _harts[hart].OrderFence();

    /// <inheritdoc/>
    public void AwaitFences(int caller)
    {
        ParaHart self = _harts[caller];
        self.ObeyFences();

        // In virtual time nothing else runs now, and each hart obeys before it runs next.
        if (self.Hart.RealClock is null)
            return;
        var spin = new SpinWait();
        foreach (ParaHart other in _harts)
        {
            // A hart that waits for us in the same way obeys while it waits, and so do we: none waits for ever.
            while (other.FencePending && other.VCpu.Status == VCpuStatus.Running && _machine.Exit is null)
            {
                self.ObeyFences();
                spin.SpinOnce();
            }
        }
    }

    /// <inheritdoc/>
    public SbiHartStatus StatusOf(int hart) => _harts[hart].Status;

    /// <inheritdoc/>
    public bool TryStartHart(int hart, ulong address, ulong opaque)
    {
        ParaHart target = _harts[hart];
        lock (_hartLock)
        {
            if (target.Status != SbiHartStatus.Stopped)
                return false;
            target.StartAddress = address;
            target.StartOpaque = opaque;
            target.Status = SbiHartStatus.StartPending;
        }

        target.VCpu.Wake();
        return true;
    }

    /// <inheritdoc/>
    public void StopHart(int hart)
    {
        ParaHart target = _harts[hart];
        _machine.Timers.Disarm(target.Timer);
        target.Root = 0;
        target.Status = SbiHartStatus.Stopped;
        target.Park();
    }

    /// <inheritdoc/>
    public void SuspendHart(int hart, ulong? resumeAddress, ulong opaque)
    {
        ParaHart target = _harts[hart];
        target.ResumesAnew = resumeAddress is not null;
        target.StartAddress = resumeAddress ?? 0;
        target.StartOpaque = opaque;
        target.Status = SbiHartStatus.Suspended;
    }

    /// <inheritdoc/>
    public bool TryReadVirtual(int hart, ulong address, out ulong value)
    {
        value = 0;
        return GuestWalk.TryTranslate(Memory, in StateOf(hart), address, out ulong physical) && Memory.TryRead(physical, out value);
    }

    /// <inheritdoc/>
    public VCpuMeter MeterOf(int hart) => _harts[hart].VCpu.Meter;

    /// <inheritdoc/>
    public void SetCounter(int hart, int counter, bool inhibited, ulong? value)
    {
        CsrCounters counters = _harts[hart].Hart.Counters;
        CsrFile.SetCounter(ref StateOf(hart), counter, inhibited, value, in counters);
    }

    /// <inheritdoc/>
    public bool SetsAccessedAndDirty(int hart, bool? value)
    {
        ref PrivilegedState p = ref StateOf(hart);
        if (value is { } wanted)
        {
            p.Menvcfg = wanted ? p.Menvcfg | CsrFile.EnvSetsAccessedAndDirty : p.Menvcfg & ~CsrFile.EnvSetsAccessedAndDirty;
            ServedHart.Follow(_harts[hart].VCpu, CsrEffects.ContextChanged | CsrEffects.TranslationChanged);
        }

        return (p.Menvcfg & CsrFile.EnvSetsAccessedAndDirty) != 0;
    }

    /// <inheritdoc/>
    public void ClearSoftwareInterrupt(int hart) => _harts[hart].SetInterrupt(InterruptBits.Ssi, false);

    /// <inheritdoc/>
    public void End(MachineExit exit) => _machine.PowerOff(exit);

    private ref PrivilegedState StateOf(int hart) => ref ServedHart.StateOf(_harts[hart].VCpu);

    private bool IsRoot(ulong address)
    {
        foreach (ParaHart hart in _harts)
        {
            if (hart.Root == address)
                return true;
        }

        return false;
    }

    private void TimerExpired(ParaHart hart)
    {
        if (!Channels.TryFireTimer(hart.Id))
            hart.SetInterrupt(InterruptBits.Sti, true);
    }

    private void Arm(int timer, ulong deadlineTicks)
    {
        if (deadlineTicks > LastTick)
            _machine.Timers.Disarm(timer);
        else
            _machine.Timers.Arm(timer, (long)deadlineTicks * HartContext.NanosecondsPerTick);
    }
}
