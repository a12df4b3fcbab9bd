using Hypervisor.Core.Hart;
using Hypervisor.Core.Memory;

namespace Hypervisor.Core.Engine;

/// <summary>Why a vCPU left guest code. Meters count by these.</summary>
public enum VmExitReason : byte
{
    /// <summary>The budget is used up: nothing happened, the slice is over.</summary>
    BudgetExpired = 0,

    /// <summary>Somebody asked for attention (an interrupt, a kick, a changed timer).</summary>
    Attention,

    /// <summary>An environment call: a system call, SBI call or hypercall. Cause tells from which mode.</summary>
    EnvironmentCall,

    /// <summary>A breakpoint instruction.</summary>
    Breakpoint,

    /// <summary>A known privileged instruction (CSR access, xRET, WFI, SFENCE) that the hart's mode may not execute.</summary>
    PrivilegedInstruction,

    /// <summary>An encoding that no implemented extension defines.</summary>
    IllegalInstruction,

    /// <summary>The translator asked for the hypervisor: a shadow entry or a second-stage page is missing. The instruction restarts.</summary>
    TranslationMiss,

    /// <summary>A page fault of the guest's own that the exit controls send to the hypervisor.</summary>
    PageFault,

    /// <summary>An access outside RAM and devices, or a misaligned one that cannot be split.</summary>
    AccessFault,

    /// <summary>A load from device space; <see cref="VmExit.Value"/> is the guest-physical address.</summary>
    MmioRead,

    /// <summary>A store to device space; <see cref="VmExit.Data"/> is what is stored.</summary>
    MmioWrite,

    /// <summary>WFI with nothing pending: the vCPU wants to sleep.</summary>
    WaitForInterrupt,

    /// <summary>The hart spins, by its hints (PAUSE, WRS): somebody else should run. The last hint has retired.</summary>
    Spinning,

    /// <summary>A debugger's breakpoint, before the instruction at it, or a debugger's watchpoint, after the access to it.</summary>
    Debug,
}

/// <summary>
/// What left the engine and why. At an exit the program counter stands at the instruction that caused it, which has not
/// retired; whoever completes it on the guest's behalf advances the counter.
/// </summary>
public readonly struct VmExit
{
    internal VmExit(VmExitReason reason, long retired, ulong cause = 0, ulong value = 0, ulong data = 0,
        uint instruction = 0, byte length = 0, byte size = 0, AccessKind access = AccessKind.Load, ushort opcode = 0)
    {
        Reason = reason;
        Retired = retired;
        Cause = cause;
        Value = value;
        Data = data;
        Instruction = instruction;
        Length = length;
        Size = size;
        Access = access;
        Opcode = opcode;
    }

    /// <summary>Why the vCPU left.</summary>
    public VmExitReason Reason { get; }

    /// <summary>Instructions retired by this run, exactly.</summary>
    public long Retired { get; }

    /// <summary>The exception cause (privileged specification, table of mcause values), where the reason is an exception.</summary>
    public ulong Cause { get; }

    /// <summary>The faulting virtual address, the guest-physical address of a device access, or what the translator reported.</summary>
    public ulong Value { get; }

    /// <summary>The value of a device store.</summary>
    public ulong Data { get; }

    /// <summary>The instruction word at fault: 16 significant bits where <see cref="Length"/> is 2.</summary>
    public uint Instruction { get; }

    /// <summary>Bytes of the instruction, 2 or 4; 0 where none was fetched.</summary>
    public byte Length { get; }

    /// <summary>Bytes of a device access: 1, 2, 4 or 8.</summary>
    public byte Size { get; }

    /// <summary>Whether a fault was a fetch, a load or a store.</summary>
    internal AccessKind Access { get; }

    /// <summary>The decoded <c>Opcode</c> of the instruction, so that emulators need not decode again.</summary>
    internal ushort Opcode { get; }
}
