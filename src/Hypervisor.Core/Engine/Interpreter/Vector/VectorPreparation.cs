using System.Runtime.InteropServices;
using Hypervisor.Core.Hart;
using Hypervisor.Core.Isa;
using Hypervisor.Core.Memory;

namespace Hypervisor.Core.Engine.Interpreter.Vector;

/// <summary>
/// Has vector kernels compiled before a guest needs them. Linux measures its routines in the first milliseconds that it has them,
/// and would find ours slow for ever because they were being compiled.
/// </summary>
/// <remarks>
/// Invariant for the unsafe code: kernels are called on a machine of nothing, whose registers are memory of its own, whose TLB never
/// hits, so that they touch no guest's memory; one element is enough to have all that a kernel calls compiled.
/// </remarks>
internal static unsafe class VectorPreparation
{
    private const int RegisterBytes = VectorUnit.MaximumLength / 8;

    private static ReadOnlySpan<Opcode> Common =>
    [
        Opcode.Vsetvli, Opcode.Vsetivli, Opcode.Vle8V, Opcode.Vse8V, Opcode.Vl1re8V, Opcode.Vs1rV, Opcode.VxorVv, Opcode.VaddVv, Opcode.VandVv,
        Opcode.VorVv, Opcode.VsubVv, Opcode.VmvVV, Opcode.VmvVI, Opcode.VsllVi, Opcode.VsrlVi, Opcode.VsraVi, Opcode.VmseqVi, Opcode.VmsneVi,
        Opcode.VfirstM, Opcode.VcpopM, Opcode.VmsltuVx, Opcode.VmsgtuVx, Opcode.VmvXS, Opcode.VmvSX, Opcode.VidV, Opcode.VmergeVvm,
        Opcode.VrgatherVv, Opcode.Vslide1downVx, Opcode.VredsumVs, Opcode.VmaccVx,
    ];

    public static void Run(HandlerTable handlers)
    {
        int state = (sizeof(HartState) + 63) & -64;
        var memory = (byte*)NativeMemory.AllocZeroed((nuint)(state + Tlb.ContextBytes + 32 * RegisterBytes + sizeof(Op)));
        try
        {
            var s = (HartState*)memory;
            var tlb = (TlbEntry*)(memory + state);
            Tlb.Clear(tlb, Tlb.EntriesPerContext);
            s->V = (byte*)tlb + Tlb.ContextBytes;
            s->Vlenb = RegisterBytes;
            var op = (Op*)(s->V + 32 * RegisterBytes);
            foreach (Opcode opcode in Common)
            {
                handlers.OfVectors(opcode);
                InstructionRow row = InstructionTable.Get(opcode);
                Instruction instruction = Decoder.Decode(row.Match | 1 << 25);
                if (instruction.Opcode != opcode)
                    instruction = Decoder.Decode(row.Match);
                *op = new Op { Imm = VectorOp.Encode(in instruction), Rd = VectorOp.WritesInteger(opcode) ? HartState.Sink : (byte)8 };
                for (int width = 0; width < 4; width++)
                {
                    VectorUnit.Configure(s, (ulong)width << 3, 1);
                    ((delegate*<Op*, HartState*, TlbEntry*, bool>)((nint*)handlers.VectorKernels)[VectorOp.Kernel(op) * VectorOp.Kinds + width])(op, s, tlb);
                }
            }
        }
        finally
        {
            NativeMemory.Free(memory);
        }
    }
}
