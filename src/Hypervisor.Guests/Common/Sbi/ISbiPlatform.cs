using Hypervisor.Core.Machine;
using Hypervisor.Core.Memory;

namespace Hypervisor.Guests.Common.Sbi;

/// <summary>The states of a hart (SBI 2.0, section 9, table 13), numbered as there.</summary>
internal enum SbiHartStatus
{
    Started = 0,
    Stopped = 1,
    StartPending = 2,
    StopPending = 3,
    Suspended = 4,
    SuspendPending = 5,
    ResumePending = 6,
}

/// <summary>What a remote fence orders.</summary>
internal enum SbiFenceKind : byte
{
    /// <summary>FENCE.I.</summary>
    Instructions,

    /// <summary>SFENCE.VMA over a range.</summary>
    Addresses,
}

/// <summary>One remote fence; a size of zero or all ones means every address.</summary>
internal readonly record struct SbiFence(SbiFenceKind Kind, ulong Start = 0, ulong Size = 0)
{
    public bool IsEverything => Kind == SbiFenceKind.Instructions || (Start == 0 && Size == 0) || Size == ulong.MaxValue;
}

/// <summary>
/// What the standard extensions need of the machine beneath them. Every personality that offers the SBI implements it;
/// arguments were checked by the extension, and hart numbers are below <see cref="HartCount"/>.
/// </summary>
internal interface ISbiPlatform
{
    /// <summary>The machine's RAM.</summary>
    GuestMemory Memory { get; }

    /// <summary>Harts are numbered from 0 without gaps.</summary>
    int HartCount { get; }

    /// <summary>Whether the guest may have the range read or written on its behalf: RAM, and not kept read-only.</summary>
    bool IsAccessible(ulong address, ulong length, bool write);

    /// <summary>Clears the hart's timer interrupt and raises it again at a time in ticks; all ones means never.</summary>
    void SetTimer(int hart, ulong deadlineTicks);

    /// <summary>Raises a hart's supervisor software interrupt.</summary>
    void SendSoftwareInterrupt(int hart);

    /// <summary>Orders a fence on a hart, which obeys before its next guest instruction.</summary>
    void Fence(int hart, in SbiFence fence);

    /// <summary>Returns once the harts that run beside the caller have obeyed the fences ordered so far.</summary>
    void AwaitFences(int caller);

    /// <summary>Where a hart stands.</summary>
    SbiHartStatus StatusOf(int hart);

    /// <summary>Starts a stopped hart; false where it is not stopped.</summary>
    bool TryStartHart(int hart, ulong address, ulong opaque);

    /// <summary>Marks the calling hart stopped; the caller then blocks it.</summary>
    void StopHart(int hart);

    /// <summary>Marks the calling hart suspended; the caller then blocks it.</summary>
    /// <param name="hart">The caller.</param>
    /// <param name="resumeAddress">Where it goes on after it lost its registers, or null where it keeps them.</param>
    /// <param name="opaque">What it finds in a1 there.</param>
    void SuspendHart(int hart, ulong? resumeAddress, ulong opaque);

    /// <summary>Reads 8 bytes at an address of the calling hart's address space; false where they are not there.</summary>
    bool TryReadVirtual(int hart, ulong address, out ulong value);

    /// <summary>What a hart used so far.</summary>
    VCpuMeter MeterOf(int hart);

    /// <summary>Stops or lets run a counter of the calling hart, 0 for cycles or 2 for instructions, and gives it a value.</summary>
    void SetCounter(int hart, int counter, bool inhibited, ulong? value);

    /// <summary>Whether the calling hart sets A and D bits itself (Svadu); changed first where a value is given.</summary>
    bool SetsAccessedAndDirty(int hart, bool? value);

    /// <summary>Clears the calling hart's supervisor software interrupt.</summary>
    void ClearSoftwareInterrupt(int hart);

    /// <summary>Ends the machine.</summary>
    void End(MachineExit exit);
}

/// <summary>The machine's console, as the debug console extension and the legacy calls use it. It never blocks.</summary>
internal interface ISbiConsole
{
    /// <summary>Writes all bytes.</summary>
    void Write(ReadOnlySpan<byte> bytes);

    /// <summary>Reads what input there is, up to the buffer's length; 0 where there is none.</summary>
    int Read(Span<byte> buffer);
}
