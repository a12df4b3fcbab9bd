using Hypervisor.Core.Devices;
using Hypervisor.Core.Engine;
using Hypervisor.Core.Engine.Interpreter;
using Hypervisor.Core.Hart;
using Hypervisor.Core.Isa;
using Hypervisor.Core.Machine;
using Hypervisor.Core.Memory;
using Hypervisor.Core.Time;
using Hypervisor.Guests.Common.Sbi;
using Hypervisor.Guests.Para;

namespace Hypervisor.Tests.Para;

/// <summary>A timer service whose time stands still until it is moved.</summary>
internal sealed class ManualTimers : ITimerService
{
    private readonly List<Action> _fired = [];
    private readonly Dictionary<int, long> _deadlines = [];

    public long NowNanoseconds { get; private set; }

    public IReadOnlyDictionary<int, long> Armed => _deadlines;

    public int CreateTimer(Action fired)
    {
        _fired.Add(fired);
        return _fired.Count - 1;
    }

    public void Arm(int timer, long deadlineNanoseconds) => _deadlines[timer] = deadlineNanoseconds;

    public void Disarm(int timer) => _deadlines.Remove(timer);

    public void DeleteTimer(int timer) => _deadlines.Remove(timer);

    public void MoveTo(long nanoseconds)
    {
        NowNanoseconds = nanoseconds;
        foreach (int timer in _deadlines.Where(each => each.Value <= nanoseconds).Select(each => each.Key).ToArray())
        {
            _deadlines.Remove(timer);
            _fired[timer]();
        }
    }
}

internal sealed class CollectingSink : IConsoleSink
{
    public List<byte> Bytes { get; } = [];

    public void Write(ReadOnlySpan<byte> bytes) => Bytes.AddRange(bytes);
}

/// <summary>A paravirtual machine of 16 MiB whose hypercalls are made by hand: registers in, exit, registers out.</summary>
internal sealed unsafe class ParaFixture : IDisposable
{
    public const ulong Ram = 0x8000_0000;
    public const ulong RamSize = 16 << 20;
    public const ulong RamEnd = Ram + RamSize;

    private readonly ParaGuest _guest;

    public ParaFixture(int harts = 2, ParaDomains? domains = null)
    {
        Machine = new VirtualMachine("test", new GuestMemory(new MemoryRegion(Ram, RamSize)), Timers);
        _guest = new ParaGuest(Machine, new ParaGuestOptions
        {
            Engine = Support.TestEngine.Create(),
            Console = Console,
            Harts = harts,
            Domains = domains,
            Entry = Ram,
            Opaque = Ram + 0x40_0000,
            Devices = [new Hypervisor.Core.Devices.Virtio.VirtioConsole(Console)],
            Marked = (_, ends, operations) => Marks.Add((ends, operations)),
        });
        Memory.TryWrite(Ram, 0x0000_0073u);
        foreach (VCpu vcpu in Machine.VCpus)
            vcpu.WakeRequested = woken => Woken.Add(woken.Id);
    }

    public ManualTimers Timers { get; } = new();

    public CollectingSink Console { get; } = new();

    public VirtualMachine Machine { get; }

    public GuestMemory Memory => Machine.Memory;

    public ParaMachine Para => _guest.Para;

    public List<int> Woken { get; } = [];

    public List<(bool Ends, ulong Operations)> Marks { get; } = [];

    public ExitVerdict LastVerdict { get; private set; }

    public HartState* State(int hart) => Machine.VCpus[hart].Hart.State;

    public ulong Pending(int hart) => State(hart)->Privileged.Mip;

    /// <summary>Makes a call as a guest does, with an environment-call exit; every register but a0 and a1 must stay.</summary>
    public (SbiError Error, ulong Value) Sbi(int hart, ulong extension, ulong function, params ulong[] arguments)
    {
        HartState* state = State(hart);
        for (int i = 1; i < 32; i++)
            state->X[i] = 0x1111_0000 + (ulong)i;
        for (int i = 0; i < arguments.Length; i++)
            state->X[10 + i] = arguments[i];
        state->X[16] = function;
        state->X[17] = extension;
        ulong pc = state->Pc;
        ulong[] before = [.. new ReadOnlySpan<ulong>(state->X, 32)];
        VCpu vcpu = Machine.VCpus[hart];
        var exit = new VmExit(VmExitReason.EnvironmentCall, 0, (ulong)TrapCause.EcallFromS, instruction: 0x73, length: 4);
        LastVerdict = vcpu.Personality.OnExit(vcpu, in exit);
        for (int i = 0; i < 32; i++)
        {
            if (i is not (10 or 11))
                Assert.Equal(before[i], state->X[i]);
        }

        Assert.Equal(pc + 4, state->Pc);
        return ((SbiError)(long)state->X[10], state->X[11]);
    }

    public (SbiError Error, ulong Value) Call(ulong function, params ulong[] arguments) => Sbi(0, ParaFunction.ExtensionId, function, arguments);

    public void Prepare(int hart) => Machine.VCpus[hart].Personality.PrepareRun(Machine.VCpus[hart]);

    public bool HasPendingWork(int hart) => Machine.VCpus[hart].Personality.HasPendingWork(Machine.VCpus[hart]);

    public ulong Read(ulong address) => Memory.TryRead(address, out ulong value) ? value : throw new InvalidOperationException($"0x{address:x}");

    public void Write(ulong address, ulong value) => Assert.True(Memory.TryWrite(address, value));

    public TranslationStatus Translate(ulong address, AccessKind kind, TlbContext context, out Translation translation)
        => Machine.VCpus[0].Hart.Translator.Translate(State(0), address, kind, context, out translation);

    public void Dispose()
    {
        _guest.Dispose();
        Machine.Dispose();
    }
}
