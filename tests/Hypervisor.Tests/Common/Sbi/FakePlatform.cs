using Hypervisor.Core.Machine;
using Hypervisor.Core.Memory;
using Hypervisor.Guests.Common.Sbi;

namespace Hypervisor.Tests.Common.Sbi;

/// <summary>A platform that writes down what it is asked.</summary>
internal sealed class FakePlatform : ISbiPlatform, IDisposable
{
    public const ulong RamBase = 0x8000_0000;
    public const ulong RamSize = 0x10_0000;

    public List<string> Log { get; } = [];

    public SbiHartStatus[] Status { get; } = [SbiHartStatus.Started, SbiHartStatus.Stopped, SbiHartStatus.Suspended];

    public GuestMemory Memory { get; } = new(new MemoryRegion(RamBase, RamSize));

    public int HartCount => Status.Length;

    public bool IsAccessible(ulong address, ulong length, bool write) => Memory.Contains(address, length);

    public void SetTimer(int hart, ulong deadlineTicks) => Log.Add($"timer {hart} {deadlineTicks}");

    public void SendSoftwareInterrupt(int hart) => Log.Add($"ipi {hart}");

    public void Fence(int hart, in SbiFence fence) => Log.Add($"fence {hart} {fence.Kind} {fence.Start:x} {fence.Size:x}");

    public void AwaitFences(int caller) => Log.Add($"await {caller}");

    public SbiHartStatus StatusOf(int hart) => Status[hart];

    public bool TryStartHart(int hart, ulong address, ulong opaque)
    {
        if (Status[hart] != SbiHartStatus.Stopped)
            return false;
        Log.Add($"start {hart} {address:x} {opaque:x}");
        return true;
    }

    public void StopHart(int hart) => Log.Add($"stop {hart}");

    public void SuspendHart(int hart, ulong? resumeAddress, ulong opaque) => Log.Add($"suspend {hart} {resumeAddress:x} {opaque:x}");

    public VCpuMeter[] Meters { get; } = [new(), new(), new()];

    public Dictionary<(int Hart, int Counter), (bool Inhibited, ulong? Value)> Counters { get; } = [];

    public bool HardwareSetsBits { get; private set; } = true;

    public bool TryReadVirtual(int hart, ulong address, out ulong value) => Memory.TryRead(address, out value);

    public VCpuMeter MeterOf(int hart) => Meters[hart];

    public void SetCounter(int hart, int counter, bool inhibited, ulong? value) => Counters[(hart, counter)] = (inhibited, value);

    public bool SetsAccessedAndDirty(int hart, bool? value) => HardwareSetsBits = value ?? HardwareSetsBits;

    public void ClearSoftwareInterrupt(int hart) => Log.Add($"clear {hart}");

    public void End(MachineExit exit) => Log.Add($"end {exit.Code}");

    public void Dispose() => Memory.Dispose();
}

/// <summary>A console with given input that keeps its output.</summary>
internal sealed class FakeConsole : ISbiConsole
{
    public List<byte> Output { get; } = [];

    public Queue<byte> Input { get; } = [];

    public void Write(ReadOnlySpan<byte> bytes) => Output.AddRange(bytes);

    public int Read(Span<byte> buffer)
    {
        int count = 0;
        while (count < buffer.Length && Input.TryDequeue(out byte value))
            buffer[count++] = value;
        return count;
    }
}
