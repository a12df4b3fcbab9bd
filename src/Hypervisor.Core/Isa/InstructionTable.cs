using static Hypervisor.Core.Isa.InstructionFormat;
using static Hypervisor.Core.Isa.IsaExtension;

namespace Hypervisor.Core.Isa;

/// <summary>
/// The one table of instructions. Decoder, encoder, disassembler and assembler all work from these rows; an instruction
/// exists for all of them as soon as it has a row here and a member in <see cref="Opcode"/>.
/// </summary>
/// <remarks>
/// A word is the row's instruction when <c>(word &amp; Mask) == Match</c>. Where two rows match the same word the one with
/// more mask bits wins.
/// </remarks>
internal static partial class InstructionTable
{
    private static readonly InstructionRow[] s_rows = Joined(
    [
        new(Opcode.Illegal, "unimp", 0xffffffff, 0x00000000, None, I),

        // RV32I and RV64I (unprivileged specification, chapters 2 and 4).
        new(Opcode.Lui, "lui", 0x0000007f, 0x00000037, Upper, I),
        new(Opcode.Auipc, "auipc", 0x0000007f, 0x00000017, Upper, I),
        new(Opcode.Jal, "jal", 0x0000007f, 0x0000006f, Jump, I),
        new(Opcode.Jalr, "jalr", 0x0000707f, 0x00000067, JumpRegister, I),
        new(Opcode.Beq, "beq", 0x0000707f, 0x00000063, Branch, I),
        new(Opcode.Bne, "bne", 0x0000707f, 0x00001063, Branch, I),
        new(Opcode.Blt, "blt", 0x0000707f, 0x00004063, Branch, I),
        new(Opcode.Bge, "bge", 0x0000707f, 0x00005063, Branch, I),
        new(Opcode.Bltu, "bltu", 0x0000707f, 0x00006063, Branch, I),
        new(Opcode.Bgeu, "bgeu", 0x0000707f, 0x00007063, Branch, I),
        new(Opcode.Lb, "lb", 0x0000707f, 0x00000003, Load, I),
        new(Opcode.Lh, "lh", 0x0000707f, 0x00001003, Load, I),
        new(Opcode.Lw, "lw", 0x0000707f, 0x00002003, Load, I),
        new(Opcode.Ld, "ld", 0x0000707f, 0x00003003, Load, I),
        new(Opcode.Lbu, "lbu", 0x0000707f, 0x00004003, Load, I),
        new(Opcode.Lhu, "lhu", 0x0000707f, 0x00005003, Load, I),
        new(Opcode.Lwu, "lwu", 0x0000707f, 0x00006003, Load, I),
        new(Opcode.Sb, "sb", 0x0000707f, 0x00000023, Store, I),
        new(Opcode.Sh, "sh", 0x0000707f, 0x00001023, Store, I),
        new(Opcode.Sw, "sw", 0x0000707f, 0x00002023, Store, I),
        new(Opcode.Sd, "sd", 0x0000707f, 0x00003023, Store, I),
        new(Opcode.Addi, "addi", 0x0000707f, 0x00000013, Immediate, I),
        new(Opcode.Slti, "slti", 0x0000707f, 0x00002013, Immediate, I),
        new(Opcode.Sltiu, "sltiu", 0x0000707f, 0x00003013, Immediate, I),
        new(Opcode.Xori, "xori", 0x0000707f, 0x00004013, Immediate, I),
        new(Opcode.Ori, "ori", 0x0000707f, 0x00006013, Immediate, I),
        new(Opcode.Andi, "andi", 0x0000707f, 0x00007013, Immediate, I),
        new(Opcode.Slli, "slli", 0xfc00707f, 0x00001013, Shift, I),
        new(Opcode.Srli, "srli", 0xfc00707f, 0x00005013, Shift, I),
        new(Opcode.Srai, "srai", 0xfc00707f, 0x40005013, Shift, I),
        new(Opcode.Add, "add", 0xfe00707f, 0x00000033, Register, I),
        new(Opcode.Sub, "sub", 0xfe00707f, 0x40000033, Register, I),
        new(Opcode.Sll, "sll", 0xfe00707f, 0x00001033, Register, I),
        new(Opcode.Slt, "slt", 0xfe00707f, 0x00002033, Register, I),
        new(Opcode.Sltu, "sltu", 0xfe00707f, 0x00003033, Register, I),
        new(Opcode.Xor, "xor", 0xfe00707f, 0x00004033, Register, I),
        new(Opcode.Srl, "srl", 0xfe00707f, 0x00005033, Register, I),
        new(Opcode.Sra, "sra", 0xfe00707f, 0x40005033, Register, I),
        new(Opcode.Or, "or", 0xfe00707f, 0x00006033, Register, I),
        new(Opcode.And, "and", 0xfe00707f, 0x00007033, Register, I),
        new(Opcode.Addiw, "addiw", 0x0000707f, 0x0000001b, Immediate, I),
        new(Opcode.Slliw, "slliw", 0xfe00707f, 0x0000101b, ShiftWord, I),
        new(Opcode.Srliw, "srliw", 0xfe00707f, 0x0000501b, ShiftWord, I),
        new(Opcode.Sraiw, "sraiw", 0xfe00707f, 0x4000501b, ShiftWord, I),
        new(Opcode.Addw, "addw", 0xfe00707f, 0x0000003b, Register, I),
        new(Opcode.Subw, "subw", 0xfe00707f, 0x4000003b, Register, I),
        new(Opcode.Sllw, "sllw", 0xfe00707f, 0x0000103b, Register, I),
        new(Opcode.Srlw, "srlw", 0xfe00707f, 0x0000503b, Register, I),
        new(Opcode.Sraw, "sraw", 0xfe00707f, 0x4000503b, Register, I),
        new(Opcode.Fence, "fence", 0x0000707f, 0x0000000f, Fence, I),

        // Zihintpause: a FENCE with a meaning of its own, so it must win over the row above.
        new(Opcode.Pause, "pause", 0xffffffff, 0x0100000f, None, Zihintpause),
        new(Opcode.Ecall, "ecall", 0xffffffff, 0x00000073, None, I),
        new(Opcode.Ebreak, "ebreak", 0xffffffff, 0x00100073, None, I),

        // Zifencei. The unused fields are reserved for finer fences and ignored (chapter 6).
        new(Opcode.FenceI, "fence.i", 0x0000707f, 0x0000100f, None, Zifencei),

        // Zicsr (chapter 7).
        new(Opcode.Csrrw, "csrrw", 0x0000707f, 0x00001073, Csr, Zicsr),
        new(Opcode.Csrrs, "csrrs", 0x0000707f, 0x00002073, Csr, Zicsr),
        new(Opcode.Csrrc, "csrrc", 0x0000707f, 0x00003073, Csr, Zicsr),
        new(Opcode.Csrrwi, "csrrwi", 0x0000707f, 0x00005073, CsrImmediate, Zicsr),
        new(Opcode.Csrrsi, "csrrsi", 0x0000707f, 0x00006073, CsrImmediate, Zicsr),
        new(Opcode.Csrrci, "csrrci", 0x0000707f, 0x00007073, CsrImmediate, Zicsr),

        // Privileged instructions and Svinval (privileged specification).
        new(Opcode.Mret, "mret", 0xffffffff, 0x30200073, None, Privileged),
        new(Opcode.Sret, "sret", 0xffffffff, 0x10200073, None, Privileged),
        new(Opcode.Wfi, "wfi", 0xffffffff, 0x10500073, None, Privileged),
        new(Opcode.SfenceVma, "sfence.vma", 0xfe007fff, 0x12000073, AddressFence, Privileged),
        new(Opcode.SinvalVma, "sinval.vma", 0xfe007fff, 0x16000073, AddressFence, Svinval),
        new(Opcode.SfenceWInval, "sfence.w.inval", 0xffffffff, 0x18000073, None, Svinval),
        new(Opcode.SfenceInvalIr, "sfence.inval.ir", 0xffffffff, 0x18100073, None, Svinval),

        // M (chapter 13).
        new(Opcode.Mul, "mul", 0xfe00707f, 0x02000033, Register, M),
        new(Opcode.Mulh, "mulh", 0xfe00707f, 0x02001033, Register, M),
        new(Opcode.Mulhsu, "mulhsu", 0xfe00707f, 0x02002033, Register, M),
        new(Opcode.Mulhu, "mulhu", 0xfe00707f, 0x02003033, Register, M),
        new(Opcode.Div, "div", 0xfe00707f, 0x02004033, Register, M),
        new(Opcode.Divu, "divu", 0xfe00707f, 0x02005033, Register, M),
        new(Opcode.Rem, "rem", 0xfe00707f, 0x02006033, Register, M),
        new(Opcode.Remu, "remu", 0xfe00707f, 0x02007033, Register, M),
        new(Opcode.Mulw, "mulw", 0xfe00707f, 0x0200003b, Register, M),
        new(Opcode.Divw, "divw", 0xfe00707f, 0x0200403b, Register, M),
        new(Opcode.Divuw, "divuw", 0xfe00707f, 0x0200503b, Register, M),
        new(Opcode.Remw, "remw", 0xfe00707f, 0x0200603b, Register, M),
        new(Opcode.Remuw, "remuw", 0xfe00707f, 0x0200703b, Register, M),

        // A (chapter 14).
        new(Opcode.LrW, "lr.w", 0xf9f0707f, 0x1000202f, LoadReserved, A),
        new(Opcode.ScW, "sc.w", 0xf800707f, 0x1800202f, Atomic, A),
        new(Opcode.AmoSwapW, "amoswap.w", 0xf800707f, 0x0800202f, Atomic, A),
        new(Opcode.AmoAddW, "amoadd.w", 0xf800707f, 0x0000202f, Atomic, A),
        new(Opcode.AmoXorW, "amoxor.w", 0xf800707f, 0x2000202f, Atomic, A),
        new(Opcode.AmoAndW, "amoand.w", 0xf800707f, 0x6000202f, Atomic, A),
        new(Opcode.AmoOrW, "amoor.w", 0xf800707f, 0x4000202f, Atomic, A),
        new(Opcode.AmoMinW, "amomin.w", 0xf800707f, 0x8000202f, Atomic, A),
        new(Opcode.AmoMaxW, "amomax.w", 0xf800707f, 0xa000202f, Atomic, A),
        new(Opcode.AmoMinuW, "amominu.w", 0xf800707f, 0xc000202f, Atomic, A),
        new(Opcode.AmoMaxuW, "amomaxu.w", 0xf800707f, 0xe000202f, Atomic, A),
        new(Opcode.LrD, "lr.d", 0xf9f0707f, 0x1000302f, LoadReserved, A),
        new(Opcode.ScD, "sc.d", 0xf800707f, 0x1800302f, Atomic, A),
        new(Opcode.AmoSwapD, "amoswap.d", 0xf800707f, 0x0800302f, Atomic, A),
        new(Opcode.AmoAddD, "amoadd.d", 0xf800707f, 0x0000302f, Atomic, A),
        new(Opcode.AmoXorD, "amoxor.d", 0xf800707f, 0x2000302f, Atomic, A),
        new(Opcode.AmoAndD, "amoand.d", 0xf800707f, 0x6000302f, Atomic, A),
        new(Opcode.AmoOrD, "amoor.d", 0xf800707f, 0x4000302f, Atomic, A),
        new(Opcode.AmoMinD, "amomin.d", 0xf800707f, 0x8000302f, Atomic, A),
        new(Opcode.AmoMaxD, "amomax.d", 0xf800707f, 0xa000302f, Atomic, A),
        new(Opcode.AmoMinuD, "amominu.d", 0xf800707f, 0xc000302f, Atomic, A),
        new(Opcode.AmoMaxuD, "amomaxu.d", 0xf800707f, 0xe000302f, Atomic, A),

        // F (chapter 21).
        new(Opcode.Flw, "flw", 0x0000707f, 0x00002007, FloatLoad, F),
        new(Opcode.Fsw, "fsw", 0x0000707f, 0x00002027, FloatStore, F),
        new(Opcode.FmaddS, "fmadd.s", 0x0600007f, 0x00000043, FloatFused, F),
        new(Opcode.FmsubS, "fmsub.s", 0x0600007f, 0x00000047, FloatFused, F),
        new(Opcode.FnmsubS, "fnmsub.s", 0x0600007f, 0x0000004b, FloatFused, F),
        new(Opcode.FnmaddS, "fnmadd.s", 0x0600007f, 0x0000004f, FloatFused, F),
        new(Opcode.FaddS, "fadd.s", 0xfe00007f, 0x00000053, FloatArithmetic, F),
        new(Opcode.FsubS, "fsub.s", 0xfe00007f, 0x08000053, FloatArithmetic, F),
        new(Opcode.FmulS, "fmul.s", 0xfe00007f, 0x10000053, FloatArithmetic, F),
        new(Opcode.FdivS, "fdiv.s", 0xfe00007f, 0x18000053, FloatArithmetic, F),
        new(Opcode.FsqrtS, "fsqrt.s", 0xfff0007f, 0x58000053, FloatUnary, F),
        new(Opcode.FsgnjS, "fsgnj.s", 0xfe00707f, 0x20000053, FloatRegister, F),
        new(Opcode.FsgnjnS, "fsgnjn.s", 0xfe00707f, 0x20001053, FloatRegister, F),
        new(Opcode.FsgnjxS, "fsgnjx.s", 0xfe00707f, 0x20002053, FloatRegister, F),
        new(Opcode.FminS, "fmin.s", 0xfe00707f, 0x28000053, FloatRegister, F),
        new(Opcode.FmaxS, "fmax.s", 0xfe00707f, 0x28001053, FloatRegister, F),
        new(Opcode.FeqS, "feq.s", 0xfe00707f, 0xa0002053, FloatCompare, F),
        new(Opcode.FltS, "flt.s", 0xfe00707f, 0xa0001053, FloatCompare, F),
        new(Opcode.FleS, "fle.s", 0xfe00707f, 0xa0000053, FloatCompare, F),
        new(Opcode.FcvtWS, "fcvt.w.s", 0xfff0007f, 0xc0000053, FloatToInteger, F),
        new(Opcode.FcvtWuS, "fcvt.wu.s", 0xfff0007f, 0xc0100053, FloatToInteger, F),
        new(Opcode.FcvtLS, "fcvt.l.s", 0xfff0007f, 0xc0200053, FloatToInteger, F),
        new(Opcode.FcvtLuS, "fcvt.lu.s", 0xfff0007f, 0xc0300053, FloatToInteger, F),
        new(Opcode.FcvtSW, "fcvt.s.w", 0xfff0007f, 0xd0000053, IntegerToFloat, F),
        new(Opcode.FcvtSWu, "fcvt.s.wu", 0xfff0007f, 0xd0100053, IntegerToFloat, F),
        new(Opcode.FcvtSL, "fcvt.s.l", 0xfff0007f, 0xd0200053, IntegerToFloat, F),
        new(Opcode.FcvtSLu, "fcvt.s.lu", 0xfff0007f, 0xd0300053, IntegerToFloat, F),
        new(Opcode.FmvXW, "fmv.x.w", 0xfff0707f, 0xe0000053, FloatBitsToInteger, F),
        new(Opcode.FclassS, "fclass.s", 0xfff0707f, 0xe0001053, FloatBitsToInteger, F),
        new(Opcode.FmvWX, "fmv.w.x", 0xfff0707f, 0xf0000053, IntegerBitsToFloat, F),

        // D (chapter 22).
        new(Opcode.Fld, "fld", 0x0000707f, 0x00003007, FloatLoad, D),
        new(Opcode.Fsd, "fsd", 0x0000707f, 0x00003027, FloatStore, D),
        new(Opcode.FmaddD, "fmadd.d", 0x0600007f, 0x02000043, FloatFused, D),
        new(Opcode.FmsubD, "fmsub.d", 0x0600007f, 0x02000047, FloatFused, D),
        new(Opcode.FnmsubD, "fnmsub.d", 0x0600007f, 0x0200004b, FloatFused, D),
        new(Opcode.FnmaddD, "fnmadd.d", 0x0600007f, 0x0200004f, FloatFused, D),
        new(Opcode.FaddD, "fadd.d", 0xfe00007f, 0x02000053, FloatArithmetic, D),
        new(Opcode.FsubD, "fsub.d", 0xfe00007f, 0x0a000053, FloatArithmetic, D),
        new(Opcode.FmulD, "fmul.d", 0xfe00007f, 0x12000053, FloatArithmetic, D),
        new(Opcode.FdivD, "fdiv.d", 0xfe00007f, 0x1a000053, FloatArithmetic, D),
        new(Opcode.FsqrtD, "fsqrt.d", 0xfff0007f, 0x5a000053, FloatUnary, D),
        new(Opcode.FsgnjD, "fsgnj.d", 0xfe00707f, 0x22000053, FloatRegister, D),
        new(Opcode.FsgnjnD, "fsgnjn.d", 0xfe00707f, 0x22001053, FloatRegister, D),
        new(Opcode.FsgnjxD, "fsgnjx.d", 0xfe00707f, 0x22002053, FloatRegister, D),
        new(Opcode.FminD, "fmin.d", 0xfe00707f, 0x2a000053, FloatRegister, D),
        new(Opcode.FmaxD, "fmax.d", 0xfe00707f, 0x2a001053, FloatRegister, D),
        new(Opcode.FeqD, "feq.d", 0xfe00707f, 0xa2002053, FloatCompare, D),
        new(Opcode.FltD, "flt.d", 0xfe00707f, 0xa2001053, FloatCompare, D),
        new(Opcode.FleD, "fle.d", 0xfe00707f, 0xa2000053, FloatCompare, D),
        new(Opcode.FcvtWD, "fcvt.w.d", 0xfff0007f, 0xc2000053, FloatToInteger, D),
        new(Opcode.FcvtWuD, "fcvt.wu.d", 0xfff0007f, 0xc2100053, FloatToInteger, D),
        new(Opcode.FcvtLD, "fcvt.l.d", 0xfff0007f, 0xc2200053, FloatToInteger, D),
        new(Opcode.FcvtLuD, "fcvt.lu.d", 0xfff0007f, 0xc2300053, FloatToInteger, D),
        new(Opcode.FcvtDW, "fcvt.d.w", 0xfff0007f, 0xd2000053, IntegerToFloat, D),
        new(Opcode.FcvtDWu, "fcvt.d.wu", 0xfff0007f, 0xd2100053, IntegerToFloat, D),
        new(Opcode.FcvtDL, "fcvt.d.l", 0xfff0007f, 0xd2200053, IntegerToFloat, D),
        new(Opcode.FcvtDLu, "fcvt.d.lu", 0xfff0007f, 0xd2300053, IntegerToFloat, D),
        new(Opcode.FmvXD, "fmv.x.d", 0xfff0707f, 0xe2000053, FloatBitsToInteger, D),
        new(Opcode.FclassD, "fclass.d", 0xfff0707f, 0xe2001053, FloatBitsToInteger, D),
        new(Opcode.FmvDX, "fmv.d.x", 0xfff0707f, 0xf2000053, IntegerBitsToFloat, D),
        new(Opcode.FcvtSD, "fcvt.s.d", 0xfff0007f, 0x40100053, FloatUnary, D),
        new(Opcode.FcvtDS, "fcvt.d.s", 0xfff0007f, 0x42000053, FloatUnary, D),

        // Zba, Zbb and Zbs (bit manipulation, chapter 30).
        new(Opcode.Sh1add, "sh1add", 0xfe00707f, 0x20002033, Register, Zba),
        new(Opcode.Sh2add, "sh2add", 0xfe00707f, 0x20004033, Register, Zba),
        new(Opcode.Sh3add, "sh3add", 0xfe00707f, 0x20006033, Register, Zba),
        new(Opcode.Sh1addUw, "sh1add.uw", 0xfe00707f, 0x2000203b, Register, Zba),
        new(Opcode.Sh2addUw, "sh2add.uw", 0xfe00707f, 0x2000403b, Register, Zba),
        new(Opcode.Sh3addUw, "sh3add.uw", 0xfe00707f, 0x2000603b, Register, Zba),
        new(Opcode.AddUw, "add.uw", 0xfe00707f, 0x0800003b, Register, Zba),
        new(Opcode.SlliUw, "slli.uw", 0xfc00707f, 0x0800101b, Shift, Zba),
        new(Opcode.Andn, "andn", 0xfe00707f, 0x40007033, Register, Zbb),
        new(Opcode.Orn, "orn", 0xfe00707f, 0x40006033, Register, Zbb),
        new(Opcode.Xnor, "xnor", 0xfe00707f, 0x40004033, Register, Zbb),
        new(Opcode.Min, "min", 0xfe00707f, 0x0a004033, Register, Zbb),
        new(Opcode.Minu, "minu", 0xfe00707f, 0x0a005033, Register, Zbb),
        new(Opcode.Max, "max", 0xfe00707f, 0x0a006033, Register, Zbb),
        new(Opcode.Maxu, "maxu", 0xfe00707f, 0x0a007033, Register, Zbb),
        new(Opcode.Rol, "rol", 0xfe00707f, 0x60001033, Register, Zbb),
        new(Opcode.Ror, "ror", 0xfe00707f, 0x60005033, Register, Zbb),
        new(Opcode.Rolw, "rolw", 0xfe00707f, 0x6000103b, Register, Zbb),
        new(Opcode.Rorw, "rorw", 0xfe00707f, 0x6000503b, Register, Zbb),
        new(Opcode.Rori, "rori", 0xfc00707f, 0x60005013, Shift, Zbb),
        new(Opcode.Roriw, "roriw", 0xfe00707f, 0x6000501b, ShiftWord, Zbb),
        new(Opcode.Clz, "clz", 0xfff0707f, 0x60001013, Unary, Zbb),
        new(Opcode.Ctz, "ctz", 0xfff0707f, 0x60101013, Unary, Zbb),
        new(Opcode.Cpop, "cpop", 0xfff0707f, 0x60201013, Unary, Zbb),
        new(Opcode.Clzw, "clzw", 0xfff0707f, 0x6000101b, Unary, Zbb),
        new(Opcode.Ctzw, "ctzw", 0xfff0707f, 0x6010101b, Unary, Zbb),
        new(Opcode.Cpopw, "cpopw", 0xfff0707f, 0x6020101b, Unary, Zbb),
        new(Opcode.SextB, "sext.b", 0xfff0707f, 0x60401013, Unary, Zbb),
        new(Opcode.SextH, "sext.h", 0xfff0707f, 0x60501013, Unary, Zbb),
        new(Opcode.ZextH, "zext.h", 0xfff0707f, 0x0800403b, Unary, Zbb),
        new(Opcode.OrcB, "orc.b", 0xfff0707f, 0x28705013, Unary, Zbb),
        new(Opcode.Rev8, "rev8", 0xfff0707f, 0x6b805013, Unary, Zbb),
        new(Opcode.Bclr, "bclr", 0xfe00707f, 0x48001033, Register, Zbs),
        new(Opcode.Bext, "bext", 0xfe00707f, 0x48005033, Register, Zbs),
        new(Opcode.Binv, "binv", 0xfe00707f, 0x68001033, Register, Zbs),
        new(Opcode.Bset, "bset", 0xfe00707f, 0x28001033, Register, Zbs),
        new(Opcode.Bclri, "bclri", 0xfc00707f, 0x48001013, Shift, Zbs),
        new(Opcode.Bexti, "bexti", 0xfc00707f, 0x48005013, Shift, Zbs),
        new(Opcode.Binvi, "binvi", 0xfc00707f, 0x68001013, Shift, Zbs),
        new(Opcode.Bseti, "bseti", 0xfc00707f, 0x28001013, Shift, Zbs),

        // Zicond, Zicbom and Zicboz.
        new(Opcode.CzeroEqz, "czero.eqz", 0xfe00707f, 0x0e005033, Register, Zicond),
        new(Opcode.CzeroNez, "czero.nez", 0xfe00707f, 0x0e007033, Register, Zicond),
        new(Opcode.CboInval, "cbo.inval", 0xfff07fff, 0x0000200f, CacheBlock, Zicbom),
        new(Opcode.CboClean, "cbo.clean", 0xfff07fff, 0x0010200f, CacheBlock, Zicbom),
        new(Opcode.CboFlush, "cbo.flush", 0xfff07fff, 0x0020200f, CacheBlock, Zicbom),
        new(Opcode.CboZero, "cbo.zero", 0xfff07fff, 0x0040200f, CacheBlock, Zicboz),

        // Zicbop: ORI to x0 by their encoding, so that they must win over it; hints, and nothing to do here.
        new(Opcode.PrefetchI, "prefetch.i", 0x01f07fff, 0x00006013, Prefetch, Zicbop),
        new(Opcode.PrefetchR, "prefetch.r", 0x01f07fff, 0x00106013, Prefetch, Zicbop),
        new(Opcode.PrefetchW, "prefetch.w", 0x01f07fff, 0x00306013, Prefetch, Zicbop),

        // Zawrs.
        new(Opcode.WrsNto, "wrs.nto", 0xffffffff, 0x00d00073, None, Zawrs),
        new(Opcode.WrsSto, "wrs.sto", 0xffffffff, 0x01d00073, None, Zawrs),

        // Zbc (Zbkc is its first and last), Zbkb and Zbkx (chapters 30 and 31).
        new(Opcode.Clmul, "clmul", 0xfe00707f, 0x0a001033, Register, Zbc),
        new(Opcode.Clmulr, "clmulr", 0xfe00707f, 0x0a002033, Register, Zbc),
        new(Opcode.Clmulh, "clmulh", 0xfe00707f, 0x0a003033, Register, Zbc),
        new(Opcode.Pack, "pack", 0xfe00707f, 0x08004033, Register, Zbkb),
        new(Opcode.Packh, "packh", 0xfe00707f, 0x08007033, Register, Zbkb),
        new(Opcode.Packw, "packw", 0xfe00707f, 0x0800403b, Register, Zbkb),
        new(Opcode.Brev8, "brev8", 0xfff0707f, 0x68705013, Unary, Zbkb),
        new(Opcode.Xperm4, "xperm4", 0xfe00707f, 0x28002033, Register, Zbkx),
        new(Opcode.Xperm8, "xperm8", 0xfe00707f, 0x28004033, Register, Zbkx),

        // Zfh; Zfhmin is its loads, stores, moves and conversions between formats (chapter 24).
        new(Opcode.Flh, "flh", 0x0000707f, 0x00001007, FloatLoad, Zfhmin),
        new(Opcode.Fsh, "fsh", 0x0000707f, 0x00001027, FloatStore, Zfhmin),
        new(Opcode.FmaddH, "fmadd.h", 0x0600007f, 0x04000043, FloatFused, Zfh),
        new(Opcode.FmsubH, "fmsub.h", 0x0600007f, 0x04000047, FloatFused, Zfh),
        new(Opcode.FnmsubH, "fnmsub.h", 0x0600007f, 0x0400004b, FloatFused, Zfh),
        new(Opcode.FnmaddH, "fnmadd.h", 0x0600007f, 0x0400004f, FloatFused, Zfh),
        new(Opcode.FaddH, "fadd.h", 0xfe00007f, 0x04000053, FloatArithmetic, Zfh),
        new(Opcode.FsubH, "fsub.h", 0xfe00007f, 0x0c000053, FloatArithmetic, Zfh),
        new(Opcode.FmulH, "fmul.h", 0xfe00007f, 0x14000053, FloatArithmetic, Zfh),
        new(Opcode.FdivH, "fdiv.h", 0xfe00007f, 0x1c000053, FloatArithmetic, Zfh),
        new(Opcode.FsqrtH, "fsqrt.h", 0xfff0007f, 0x5c000053, FloatUnary, Zfh),
        new(Opcode.FsgnjH, "fsgnj.h", 0xfe00707f, 0x24000053, FloatRegister, Zfh),
        new(Opcode.FsgnjnH, "fsgnjn.h", 0xfe00707f, 0x24001053, FloatRegister, Zfh),
        new(Opcode.FsgnjxH, "fsgnjx.h", 0xfe00707f, 0x24002053, FloatRegister, Zfh),
        new(Opcode.FminH, "fmin.h", 0xfe00707f, 0x2c000053, FloatRegister, Zfh),
        new(Opcode.FmaxH, "fmax.h", 0xfe00707f, 0x2c001053, FloatRegister, Zfh),
        new(Opcode.FeqH, "feq.h", 0xfe00707f, 0xa4002053, FloatCompare, Zfh),
        new(Opcode.FltH, "flt.h", 0xfe00707f, 0xa4001053, FloatCompare, Zfh),
        new(Opcode.FleH, "fle.h", 0xfe00707f, 0xa4000053, FloatCompare, Zfh),
        new(Opcode.FcvtWH, "fcvt.w.h", 0xfff0007f, 0xc4000053, FloatToInteger, Zfh),
        new(Opcode.FcvtWuH, "fcvt.wu.h", 0xfff0007f, 0xc4100053, FloatToInteger, Zfh),
        new(Opcode.FcvtLH, "fcvt.l.h", 0xfff0007f, 0xc4200053, FloatToInteger, Zfh),
        new(Opcode.FcvtLuH, "fcvt.lu.h", 0xfff0007f, 0xc4300053, FloatToInteger, Zfh),
        new(Opcode.FcvtHW, "fcvt.h.w", 0xfff0007f, 0xd4000053, IntegerToFloat, Zfh),
        new(Opcode.FcvtHWu, "fcvt.h.wu", 0xfff0007f, 0xd4100053, IntegerToFloat, Zfh),
        new(Opcode.FcvtHL, "fcvt.h.l", 0xfff0007f, 0xd4200053, IntegerToFloat, Zfh),
        new(Opcode.FcvtHLu, "fcvt.h.lu", 0xfff0007f, 0xd4300053, IntegerToFloat, Zfh),
        new(Opcode.FmvXH, "fmv.x.h", 0xfff0707f, 0xe4000053, FloatBitsToInteger, Zfhmin),
        new(Opcode.FclassH, "fclass.h", 0xfff0707f, 0xe4001053, FloatBitsToInteger, Zfh),
        new(Opcode.FmvHX, "fmv.h.x", 0xfff0707f, 0xf4000053, IntegerBitsToFloat, Zfhmin),
        new(Opcode.FcvtHS, "fcvt.h.s", 0xfff0007f, 0x44000053, FloatUnary, Zfhmin),
        new(Opcode.FcvtHD, "fcvt.h.d", 0xfff0007f, 0x44100053, FloatUnary, Zfhmin),
        new(Opcode.FcvtSH, "fcvt.s.h", 0xfff0007f, 0x40200053, FloatUnary, Zfhmin),
        new(Opcode.FcvtDH, "fcvt.d.h", 0xfff0007f, 0x42200053, FloatUnary, Zfhmin),

        // Scalar cryptography (chapter 31). The key schedule's instructions belong to Zknd too.
        new(Opcode.Aes64Ds, "aes64ds", 0xfe00707f, 0x3a000033, Register, Zknd),
        new(Opcode.Aes64Dsm, "aes64dsm", 0xfe00707f, 0x3e000033, Register, Zknd),
        new(Opcode.Aes64Es, "aes64es", 0xfe00707f, 0x32000033, Register, Zkne),
        new(Opcode.Aes64Esm, "aes64esm", 0xfe00707f, 0x36000033, Register, Zkne),
        new(Opcode.Aes64Ks2, "aes64ks2", 0xfe00707f, 0x7e000033, Register, Zkne),
        new(Opcode.Sm4Ed, "sm4ed", 0x3e00707f, 0x30000033, ByteSelect, Zksed),
        new(Opcode.Sm4Ks, "sm4ks", 0x3e00707f, 0x34000033, ByteSelect, Zksed),
        new(Opcode.Aes64Ks1i, "aes64ks1i", 0xff00707f, 0x31001013, KeyRound, Zkne),
        new(Opcode.Aes64Im, "aes64im", 0xfff0707f, 0x30001013, Unary, Zknd),
        new(Opcode.Sha256Sum0, "sha256sum0", 0xfff0707f, 0x10001013, Unary, Zknh),
        new(Opcode.Sha256Sum1, "sha256sum1", 0xfff0707f, 0x10101013, Unary, Zknh),
        new(Opcode.Sha256Sig0, "sha256sig0", 0xfff0707f, 0x10201013, Unary, Zknh),
        new(Opcode.Sha256Sig1, "sha256sig1", 0xfff0707f, 0x10301013, Unary, Zknh),
        new(Opcode.Sha512Sum0, "sha512sum0", 0xfff0707f, 0x10401013, Unary, Zknh),
        new(Opcode.Sha512Sum1, "sha512sum1", 0xfff0707f, 0x10501013, Unary, Zknh),
        new(Opcode.Sha512Sig0, "sha512sig0", 0xfff0707f, 0x10601013, Unary, Zknh),
        new(Opcode.Sha512Sig1, "sha512sig1", 0xfff0707f, 0x10701013, Unary, Zknh),
        new(Opcode.Sm3P0, "sm3p0", 0xfff0707f, 0x10801013, Unary, Zksh),
        new(Opcode.Sm3P1, "sm3p1", 0xfff0707f, 0x10901013, Unary, Zksh),
    ], VectorRows());

    /// <summary>All rows, indexed by <see cref="Opcode"/>; the first is <see cref="Opcode.Illegal"/>.</summary>
    internal static ReadOnlySpan<InstructionRow> Rows => s_rows;

    /// <summary>The row of an opcode.</summary>
    internal static ref readonly InstructionRow Get(Opcode opcode) => ref s_rows[(int)opcode];

    /// <summary>Finds the row whose mnemonic is <paramref name="mnemonic"/> (lower case, without ordering suffix).</summary>
    internal static bool TryFind(string mnemonic, out InstructionRow row) => Mnemonics.Rows.TryGetValue(mnemonic, out row);

    /// <summary>Both, in one array. By hand: lists of our values have no code ahead of time, and whatever decodes waits for this.</summary>
    private static InstructionRow[] Joined(InstructionRow[] first, InstructionRow[] second)
    {
        var all = new InstructionRow[first.Length + second.Length];
        first.CopyTo(all, 0);
        second.CopyTo(all, first.Length);
        return all;
    }

    /// <summary>The rows by name, made when somebody assembles.</summary>
    private static class Mnemonics
    {
        public static Dictionary<string, InstructionRow> Rows { get; } = Build();

        private static Dictionary<string, InstructionRow> Build()
        {
            var map = new Dictionary<string, InstructionRow>(s_rows.Length, StringComparer.Ordinal);
            foreach (var row in s_rows.AsSpan(1))
            {
                map.Add(row.Mnemonic, row);
            }

            return map;
        }
    }
}
