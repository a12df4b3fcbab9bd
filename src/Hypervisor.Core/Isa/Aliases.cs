namespace Hypervisor.Core.Isa;

/// <summary>The usual names of special cases of instructions, as objdump prints them by default.</summary>
internal static class Aliases
{
    /// <summary>The alias's whole text; null where the instruction has none.</summary>
    internal static string? Find(in Instruction i, ulong pc)
    {
        string rd = Registers.Name(i.Rd), rs1 = Registers.Name(i.Rs1), rs2 = Registers.Name(i.Rs2);
        var target = i.Opcode is >= Opcode.Beq and <= Opcode.Bgeu or Opcode.Jal ? Disassembler.Target(i, pc) : "";
        switch (i.Opcode)
        {
            case Opcode.Addi when i is { Rd: 0, Rs1: 0, Immediate: 0 }:
                return "nop";
            case Opcode.Addi when i.Rs1 == 0:
                return $"li {rd},{i.Immediate}";
            case Opcode.Addi when i.Immediate == 0:
                return $"mv {rd},{rs1}";
            case Opcode.Add when i.Length == 2 && i.Rs1 == 0:
                return $"mv {rd},{rs2}";
            case Opcode.Xori when i.Immediate == -1:
                return $"not {rd},{rs1}";
            case Opcode.Andi when i.Immediate == 255:
                return $"zext.b {rd},{rs1}";
            case Opcode.Addiw when i.Immediate == 0:
                return $"sext.w {rd},{rs1}";
            case Opcode.AddUw when i.Rs2 == 0:
                return $"zext.w {rd},{rs1}";
            case Opcode.Sub when i.Rs1 == 0:
                return $"neg {rd},{rs2}";
            case Opcode.Subw when i.Rs1 == 0:
                return $"negw {rd},{rs2}";
            case Opcode.Sltiu when i.Immediate == 1:
                return $"seqz {rd},{rs1}";
            case Opcode.Sltu when i.Rs1 == 0:
                return $"snez {rd},{rs2}";
            case Opcode.Slt when i.Rs2 == 0:
                return $"sltz {rd},{rs1}";
            case Opcode.Slt when i.Rs1 == 0:
                return $"sgtz {rd},{rs2}";
            case Opcode.Beq when i.Rs2 == 0:
                return $"beqz {rs1},{target}";
            case Opcode.Bne when i.Rs2 == 0:
                return $"bnez {rs1},{target}";
            case Opcode.Bge when i.Rs1 == 0:
                return $"blez {rs2},{target}";
            case Opcode.Bge when i.Rs2 == 0:
                return $"bgez {rs1},{target}";
            case Opcode.Blt when i.Rs2 == 0:
                return $"bltz {rs1},{target}";
            case Opcode.Blt when i.Rs1 == 0:
                return $"bgtz {rs2},{target}";
            case Opcode.Jal when i.Rd == 0:
                return $"j {target}";
            case Opcode.Jal when i.Rd == Registers.ReturnAddress:
                return $"jal {target}";
            case Opcode.Jalr when i is { Rd: 0, Rs1: Registers.ReturnAddress, Immediate: 0 }:
                return "ret";
            case Opcode.Jalr when i.Rd is 0 or Registers.ReturnAddress:
                return (i.Rd == 0 ? "jr " : "jalr ") + (i.Immediate == 0 ? rs1 : $"{i.Immediate}({rs1})");
            case Opcode.Fence when i.Immediate == 0x0ff:
                return "fence";
            case Opcode.Fence when i.Immediate == 0x833:
                return "fence.tso";
            case Opcode.SfenceVma when i.Rs2 == 0:
                return i.Rs1 == 0 ? "sfence.vma" : $"sfence.vma {rs1}";
            case >= Opcode.Csrrw and <= Opcode.Csrrci:
                return FindCsr(i, rd, rs1);
            case Opcode.FsgnjS or Opcode.FsgnjnS or Opcode.FsgnjxS or Opcode.FsgnjD or Opcode.FsgnjnD or Opcode.FsgnjxD
                or Opcode.FsgnjH or Opcode.FsgnjnH or Opcode.FsgnjxH
                when i.Rs1 == i.Rs2:
                return FindSign(i);
            default:
                return null;
        }
    }

    private static string? FindCsr(in Instruction i, string rd, string rs1)
    {
        var csr = Disassembler.Csr(i.Immediate);
        switch (i.Opcode)
        {
            case Opcode.Csrrw when i is { Rd: 0, Rs1: 0, Immediate: CsrNumber.Cycle }:
                return "unimp";
            case Opcode.Csrrs when i.Rs1 == 0:
                return i.Immediate switch
                {
                    CsrNumber.Fflags => $"frflags {rd}",
                    CsrNumber.Frm => $"frrm {rd}",
                    CsrNumber.Fcsr => $"frcsr {rd}",
                    CsrNumber.Cycle => $"rdcycle {rd}",
                    CsrNumber.Time => $"rdtime {rd}",
                    CsrNumber.Instret => $"rdinstret {rd}",
                    _ => $"csrr {rd},{csr}",
                };
            case Opcode.Csrrw when i.Immediate is CsrNumber.Fflags or CsrNumber.Frm or CsrNumber.Fcsr:
                return i.Immediate switch
                {
                    CsrNumber.Fflags => "fsflags ",
                    CsrNumber.Frm => "fsrm ",
                    _ => "fscsr ",
                } + (i.Rd == 0 ? rs1 : $"{rd},{rs1}");
            case Opcode.Csrrwi when i.Immediate is CsrNumber.Fflags or CsrNumber.Frm:
                return (i.Immediate == CsrNumber.Fflags ? "fsflagsi " : "fsrmi ") + (i.Rd == 0 ? "" : $"{rd},") + i.Rs1;
        }

        if (i.Rd != 0)
        {
            return null;
        }

        var name = InstructionTable.Get(i.Opcode).Mnemonic.Replace("csrr", "csr", StringComparison.Ordinal);
        return i.Opcode >= Opcode.Csrrwi ? $"{name} {csr},{i.Rs1}" : $"{name} {csr},{rs1}";
    }

    private static string FindSign(in Instruction i)
    {
        var name = i.Opcode switch
        {
            Opcode.FsgnjS => "fmv.s",
            Opcode.FsgnjnS => "fneg.s",
            Opcode.FsgnjxS => "fabs.s",
            Opcode.FsgnjD => "fmv.d",
            Opcode.FsgnjnD => "fneg.d",
            Opcode.FsgnjxD => "fabs.d",
            Opcode.FsgnjH => "fmv.h",
            Opcode.FsgnjnH => "fneg.h",
            _ => "fabs.h",
        };
        return $"{name} {Registers.FloatName(i.Rd)},{Registers.FloatName(i.Rs1)}";
    }
}
