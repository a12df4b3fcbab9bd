using Hypervisor.Core.Engine;
using Hypervisor.Core.Engine.Interpreter;
using Hypervisor.Core.Hart;
using Hypervisor.Core.Hart.FloatingPoint;
using Hypervisor.Core.Isa;
using Hypervisor.Core.Memory;

namespace Hypervisor.Guests.Common;

/// <summary>Completes on the guest's behalf a device access that left the engine.</summary>
/// <remarks>Invariant for the unsafe code: register numbers come from the decoder and are below 32.</remarks>
internal static unsafe class MmioEmulation
{
    /// <summary>
    /// Does the access on the bus and advances the program counter. False where nothing answers: then nothing changed, and
    /// the access fault of the access kind at <paramref name="faultAddress"/> is the guest's.
    /// </summary>
    public static bool TryComplete(HartState* s, in VmExit exit, IPhysicalBus bus, out ulong faultAddress)
    {
        Instruction instruction = Decoder.Decode(exit.Instruction);
        ulong value = 0;
        bool answered = exit.Reason == VmExitReason.MmioWrite
            ? bus.TryWrite(exit.Value, exit.Size, exit.Data)
            : bus.TryRead(exit.Value, exit.Size, out value);
        if (!answered)
        {
            faultAddress = RegisterFile.X(s)[instruction.Rs1] + (ulong)(long)instruction.Immediate;
            return false;
        }

        faultAddress = 0;
        if (exit.Reason == VmExitReason.MmioRead)
            Load(s, in instruction, value);
        Retire(s, exit.Length);
        return true;
    }

    /// <summary>Retires an instruction that was done outside the engine: the hart's counters count it as any other.</summary>
    public static void Retire(HartState* s, int length)
    {
        s->Pc += (ulong)length;
        s->UsedBefore++;
    }

    /// <summary>The cause of an access fault for a device access that nothing answered.</summary>
    public static TrapCause FaultOf(in VmExit exit)
        => exit.Reason == VmExitReason.MmioWrite ? TrapCause.StoreAccessFault : TrapCause.LoadAccessFault;

    private static void Load(HartState* s, in Instruction instruction, ulong value)
    {
        MemoryShape shape = MemoryShape.Of(instruction.Opcode);
        if (shape.IsFloat)
        {
            RegisterFile.F(s)[instruction.Rd] = NanBox.BoxLoaded(value, shape.Size);
            s->FpDirty = 1;
        }
        else if (instruction.Rd != 0)
        {
            RegisterFile.X(s)[instruction.Rd] = shape.Extend(value);
        }
    }
}
