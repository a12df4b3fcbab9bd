using Hypervisor.Core.Devices;
using Hypervisor.Core.Engine.Interpreter;
using Hypervisor.Core.Hart;
using Hypervisor.Core.Isa;
using Hypervisor.Core.Machine;
using Hypervisor.Guests;
using Hypervisor.Guests.Common;
using Hypervisor.Guests.Debug;

namespace Hypervisor.Lockstep;

/// <summary>Our side: one hart in one of the modes, run in slices of any length, seen as its guest sees it.</summary>
/// <remarks>Invariant for the unsafe code: the hart's state lives as long as the guest.</remarks>
internal sealed unsafe class OwnMachine : IDisposable
{
    private const long NanosecondsPerStep = 1;

    private readonly Interpreter _engine;
    private readonly StepTimers _timers = new();
    private readonly BoardGuest _guest;
    private readonly DebugTarget _target;
    private readonly VCpu _vcpu;
    private ulong _treeStart;
    private ulong _treeBytes;
    private readonly int[] _csrs = [.. HartSnapshot.CsrNames.Select(name => CsrNumber.TryParse(name, out ushort number) ? number : throw new ArgumentException(name))];

    public OwnMachine(string mode, ulong ramBytes, Interpreter engine)
    {
        _engine = engine;
        _guest = MachineFactory.Create(mode, new BoardGuestOptions { Engine = engine, Console = new Silence(), RamBytes = ramBytes }, _timers);
        _target = DebugTarget.Of(_guest);
        _vcpu = _guest.Machine.VCpus[0];
        _vcpu.Hart.PicosecondsPerInstruction = NanosecondsPerStep * 1000;
    }

    public BoardGuest Guest => _guest;

    /// <summary>How the machine ended; null while it lives.</summary>
    public MachineExit? Exit => _guest.Machine.Exit;

    /// <summary>Instructions completed and exceptions taken.</summary>
    private ulong Progress => _vcpu.Hart.State->UsedBefore;

    /// <summary>Runs at least one step and at most so many, and takes the interrupt that is due then.</summary>
    /// <returns>Steps made: instructions and exceptions; 0 where the hart sleeps for ever or the machine has ended.</returns>
    public int Run(int steps)
    {
        ulong before = Progress;
        while (Progress == before && Exit is null)
        {
            SliceEnd end = _vcpu.RunSlice(steps, _guest.Machine.CodeCacheFor(0), out _);
            _timers.Advance(NanosecondsPerStep * (long)(Progress - before));
            if (end == SliceEnd.Stopped || (end == SliceEnd.Blocked && Progress == before && !_vcpu.Personality.HasPendingWork(_vcpu)))
                break;
        }

        TakeInterrupt();
        return (int)(Progress - before);
    }

    /// <summary>An interrupt is taken before the next instruction: QEMU shows the state after that, so we do too.</summary>
    public void TakeInterrupt()
    {
        _vcpu.Personality.PrepareRun(_vcpu);
        _engine.Run(_vcpu.Hart, _guest.Machine.CodeCacheFor(0), 0);
    }

    public void Read(HartSnapshot state)
    {
        HartState* s = _vcpu.Hart.State;
        state.Pc = s->Pc;
        state.Mode = (int)_target.ModeOf(_vcpu);
        new ReadOnlySpan<ulong>(s->X, 32).CopyTo(state.X);
        for (int i = 0; i < _csrs.Length; i++)
            _target.TryReadCsr(_vcpu, _csrs[i], out state.Csrs[i]);
    }

    public void SetRegister(int number, ulong value)
    {
        if (number != 0)
            _vcpu.Hart.State->X[number] = value;
    }

    /// <summary>The instruction at an address as the hart sees it; null where there is none.</summary>
    public Instruction? InstructionAt(ulong pc)
    {
        Span<byte> bytes = stackalloc byte[4];
        bytes.Clear();
        return _target.Read(_vcpu, pc, bytes) >= 2 ? Decoder.Decode(BitConverter.ToUInt32(bytes)) : null;
    }

    /// <summary>Puts the device tree where the other machine has its own.</summary>
    public void SetDeviceTree(ulong address, byte[] tree)
    {
        _treeStart = address;
        _treeBytes = (ulong)tree.Length;
        _guest.Machine.Memory.TryWrite(address, tree);
    }

    /// <summary>Whether what lies at a guest-virtual address is the same on both machines: RAM, but not the tree with its random seed.</summary>
    public bool IsCommon(ulong address)
    {
        if (address - _treeStart < _treeBytes)
            return false;
        Span<byte> one = stackalloc byte[1];
        return _target.Read(_vcpu, address, one) == 1;
    }

    public void Dispose() => _guest.Dispose();

    private sealed class Silence : IConsoleSink
    {
        public void Write(ReadOnlySpan<byte> bytes)
        {
        }
    }
}
