using Hypervisor.Core.Engine;
using Hypervisor.Core.Engine.Interpreter;
using Hypervisor.Core.Hart;
using Hypervisor.Core.Isa;
using Hypervisor.Core.Memory;

namespace Hypervisor.Guests.Para;

/// <summary>Completes on the guest's behalf a device access that left the engine.</summary>
/// <remarks>Invariant for the unsafe code: register numbers come from the decoder and are below 32.</remarks>
internal static unsafe class DeviceAccess
{
    /// <summary>Does the access on the bus and retires the instruction, or delivers the access fault where nothing answers.</summary>
    public static void Complete(HartContext hart, in VmExit exit, IPhysicalBus? bus)
    {
        HartState* state = hart.State;
        Instruction instruction = Decoder.Decode(exit.Instruction);
        bool isStore = exit.Reason == VmExitReason.MmioWrite;
        ulong value = 0;
        bool answered = bus is not null
            && (isStore ? bus.TryWrite(exit.Value, exit.Size, exit.Data) : bus.TryRead(exit.Value, exit.Size, out value));
        if (!answered)
        {
            ulong address = RegisterFile.X(state)[instruction.Rs1] + (ulong)(long)instruction.Immediate;
            TrapUnit.Enter(state, ref state->Privileged,
                (ulong)(isStore ? TrapCause.StoreAccessFault : TrapCause.LoadAccessFault), address);
            hart.ContextStale = true;
            return;
        }

        if (!isStore)
            Load(state, in instruction, value);
        state->Pc += exit.Length;
    }

    private static void Load(HartState* state, in Instruction instruction, ulong value)
    {
        MemoryShape shape = MemoryShape.Of(instruction.Opcode);
        if (shape.IsFloat)
        {
            RegisterFile.F(state)[instruction.Rd] = shape.Size == 4 ? value | 0xFFFF_FFFF_0000_0000 : value;
            state->FpDirty = 1;
        }
        else if (instruction.Rd != 0)
        {
            RegisterFile.X(state)[instruction.Rd] = shape.Extend(value);
        }
    }
}
