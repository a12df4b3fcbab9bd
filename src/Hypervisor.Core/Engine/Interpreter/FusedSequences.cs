using Hypervisor.Core.Engine.Interpreter.Steps;
using Handler = nint;
using unsafe Next = delegate*<Hypervisor.Core.Engine.Interpreter.Op*, Hypervisor.Core.Hart.HartState*, Hypervisor.Core.Memory.TlbEntry*, long, void>;
using K = Hypervisor.Core.Engine.Interpreter.FusedKind;
using static Hypervisor.Core.Engine.Interpreter.Handlers;

namespace Hypervisor.Core.Engine.Interpreter;

/// <summary>
/// Superinstructions beyond <see cref="FusedPairs"/>: three operations, or two of which one is rarer. These are the ones that save most
/// jumps from handler to handler by counts over programs of Debian (Python, SQLite, Perl, compression, hashes, text tools, shells, a
/// compiler) and over the programs of bench/peers, each with as much weight as all of the other kind.
/// </summary>
internal static unsafe class FusedSequences
{
    /// <summary>The sequences, three kinds each; the third is <see cref="K.None"/> for a pair. A test holds that they are those of <see cref="Find"/>.</summary>
    public static ReadOnlySpan<K> Kinds =>
    [
        K.Addi, K.Addi, K.Add, K.Addi, K.Addi, K.Sd, K.Addi, K.Addi, K.Beq, K.Addi, K.Addi, K.Bne, K.Addi, K.Addi, K.Bge,
        K.Addi, K.Addi, K.Bltu, K.Addi, K.Addi, K.Bgeu, K.Addi, K.Addi, K.Jump, K.Addi, K.Add, K.Add, K.Addi, K.Add, K.Lw,
        K.Addi, K.Add, K.Sd, K.Addi, K.Add, K.Xori, K.Addi, K.Add, K.Bltu, K.Addi, K.Sub, K.Beq, K.Addi, K.Sub, K.JumpRegister,
        K.Addi, K.Addw, K.Addw, K.Addi, K.Addw, K.Addiw, K.Addi, K.Addw, K.Slli, K.Addi, K.Addiw, K.Addw, K.Addi, K.Addiw, K.Addiw,
        K.Addi, K.Slli, K.Add, K.Addi, K.Srli, K.Bne, K.Addi, K.Srliw, K.Srli, K.Addi, K.Andi, K.Srli, K.Addi, K.Andi, K.Bne,
        K.Addi, K.Constant, K.Add, K.Addi, K.Constant, K.Slli, K.Addi, K.Constant, K.Jump, K.Addi, K.Constant, K.JumpRegister,
        K.Addi, K.Lbu, K.Slli, K.Addi, K.Ld, K.Beq, K.Addi, K.Sb, K.Bne, K.Addi, K.Sd, K.Andi, K.Addi, K.Sd, K.Constant,
        K.Addi, K.Sd, K.Ld, K.Addi, K.Sd, K.Sd, K.Addi, K.Sd, K.Bne, K.Addi, K.Sd, K.Blt, K.Addi, K.Sd, K.Bgeu, K.Addi, K.Sd, K.Jump,
        K.Addi, K.FmaddD, K.Bne, K.Add, K.Add, K.Add, K.Add, K.Add, K.Slli, K.Add, K.Add, K.Srli, K.Add, K.Add, K.Andi,
        K.Add, K.Add, K.Beq, K.Add, K.Slli, K.Add, K.Add, K.Srli, K.Slli, K.Add, K.And, K.Or, K.Add, K.And, K.Xor, K.Add, K.Or, K.Slli,
        K.Add, K.Or, K.Xori, K.Add, K.Constant, K.Jump, K.Add, K.Move, K.Ld, K.Add, K.Lbu, K.Lbu, K.Add, K.Lbu, K.Bne,
        K.Add, K.Lhu, K.Bgeu, K.Add, K.Lw, K.Addi, K.Add, K.Lw, K.Move, K.Add, K.Lw, K.Sw, K.Add, K.Lw, K.Beq, K.Add, K.Lw, K.Bltu,
        K.Add, K.Ld, K.Slli, K.Add, K.Ld, K.Beq, K.Add, K.Ld, K.Bne, K.Add, K.Sb, K.Bne, K.Add, K.Sd, K.Bne, K.Add, K.Xori, K.Bne,
        K.Add, K.Sltu, K.None, K.Sub, K.Sub, K.Bge, K.Sub, K.And, K.Add, K.Sub, K.And, K.Constant, K.Sub, K.And, K.Move,
        K.Sub, K.Sd, K.Andi, K.Sub, K.Srai, K.None, K.Addw, K.Addi, K.Bne, K.Addw, K.Addw, K.Addw, K.Addw, K.Addw, K.Xor,
        K.Addw, K.Addiw, K.Slli, K.Addw, K.Addiw, K.Sw, K.Addw, K.Srliw, K.Slliw, K.Addw, K.Srliw, K.Constant, K.Addw, K.And, K.Addw,
        K.Addw, K.Or, K.Or, K.Addw, K.Or, K.Xor, K.Addw, K.Xor, K.Addw, K.Addw, K.Xor, K.Or, K.Addw, K.Move, K.Bge,
        K.Addw, K.Sw, K.Bne, K.Addw, K.Sw, K.JumpRegister, K.Subw, K.Srliw, K.Addw, K.Subw, K.Move, K.Bne, K.Addiw, K.Addi, K.Bne,
        K.Addiw, K.Addw, K.Or, K.Addiw, K.Addw, K.Xor, K.Addiw, K.Addiw, K.Addiw, K.Addiw, K.Addiw, K.Bne, K.Addiw, K.Addiw, K.Bltu,
        K.Addiw, K.Slli, K.Slli, K.Addiw, K.Slli, K.Srli, K.Addiw, K.Andi, K.Bltu, K.Addiw, K.Constant, K.Sw,
        K.Addiw, K.Constant, K.Bltu, K.Addiw, K.Constant, K.JumpRegister, K.Addiw, K.Lw, K.Slliw, K.Addiw, K.Ld, K.Ld,
        K.Addiw, K.Sw, K.Beq, K.Addiw, K.Sw, K.Bne, K.Addiw, K.Sw, K.Bge, K.Slli, K.Addi, K.Add, K.Slli, K.Addi, K.Srli,
        K.Slli, K.Addi, K.Andi, K.Slli, K.Addi, K.Xor, K.Slli, K.Add, K.Addi, K.Slli, K.Add, K.Add, K.Slli, K.Add, K.Or,
        K.Slli, K.Add, K.Lhu, K.Slli, K.Add, K.Lw, K.Slli, K.Add, K.Ld, K.Slli, K.Add, K.Sw, K.Slli, K.Slli, K.Srli,
        K.Slli, K.Slli, K.Srliw, K.Slli, K.Srli, K.Add, K.Slli, K.Srli, K.Subw, K.Slli, K.Srli, K.Slli, K.Slli, K.Srli, K.Srli,
        K.Slli, K.Srli, K.Or, K.Slli, K.Srli, K.Xor, K.Slli, K.Srli, K.Sh, K.Slli, K.Slliw, K.Or, K.Slli, K.Or, K.Slli,
        K.Slli, K.Or, K.Or, K.Slli, K.Or, K.Xor, K.Slli, K.Or, K.Lbu, K.Slli, K.Constant, K.Blt, K.Slli, K.Lbu, K.Or,
        K.Srli, K.Addi, K.Bne, K.Srli, K.Add, K.Add, K.Srli, K.Add, K.Slli, K.Srli, K.Add, K.Lbu, K.Srli, K.Add, K.Srai,
        K.Srli, K.Sub, K.Bne, K.Srli, K.Slli, K.Add, K.Srli, K.Slli, K.Srli, K.Srli, K.Slli, K.Or, K.Srli, K.Srli, K.Andi,
        K.Srli, K.Andi, K.Beq, K.Srli, K.Andi, K.Bne, K.Srli, K.Or, K.Or, K.Srli, K.Xor, K.Slli, K.Srli, K.Sw, K.Add,
        K.Slliw, K.Addw, K.Slliw, K.Slliw, K.Addw, K.Move, K.Slliw, K.Slliw, K.Srliw, K.Slliw, K.Srliw, K.Addw, K.Slliw, K.Srliw, K.Or,
        K.Slliw, K.Andi, K.Slli, K.Slliw, K.Or, K.Addw, K.Slliw, K.Or, K.Addiw, K.Slliw, K.Or, K.Or, K.Slliw, K.Or, K.Xor,
        K.Slliw, K.Or, K.Lw, K.Slliw, K.Sd, K.Addi, K.Slliw, K.Sraiw, K.Bge, K.Slliw, K.Srl, K.Bne, K.Srliw, K.Addiw, K.Mulw,
        K.Srliw, K.Addiw, K.Beq, K.Srliw, K.Slliw, K.Or, K.Srliw, K.Slliw, K.Xor, K.Srliw, K.Srliw, K.Addi, K.Srliw, K.Srliw, K.Or,
        K.Srliw, K.Xor, K.And, K.Srliw, K.Constant, K.Slliw, K.Srliw, K.Ld, K.Add, K.Andi, K.Add, K.Ld, K.Andi, K.Add, K.Beq,
        K.Andi, K.Subw, K.JumpRegister, K.Andi, K.Slli, K.Addi, K.Andi, K.Slli, K.Add, K.Andi, K.Srli, K.JumpRegister,
        K.Andi, K.Andi, K.Addi, K.Andi, K.Andi, K.Add, K.Andi, K.Constant, K.Addi, K.Andi, K.Constant, K.Bne, K.Andi, K.Move, K.Beq,
        K.Andi, K.Move, K.Bne, K.And, K.Add, K.Or, K.And, K.Addw, K.Xor, K.And, K.Slli, K.Srli, K.And, K.And, K.Or,
        K.And, K.And, K.Xor, K.And, K.And, K.Beq, K.And, K.Or, K.JumpRegister, K.And, K.Xor, K.Slliw, K.And, K.Xor, K.And,
        K.And, K.Xor, K.Xor, K.Or, K.Addi, K.Ld, K.Or, K.Add, K.Xor, K.Or, K.Addw, K.Xor, K.Or, K.Addw, K.Constant,
        K.Or, K.Addiw, K.Addw, K.Or, K.Slli, K.Add, K.Or, K.Slli, K.Addw, K.Or, K.Slli, K.Srli, K.Or, K.Slli, K.Or,
        K.Or, K.Slli, K.Lbu, K.Or, K.Slli, K.Lw, K.Or, K.Srli, K.Slli, K.Or, K.Slliw, K.Srliw, K.Or, K.Srliw, K.Slliw,
        K.Or, K.Srliw, K.Xor, K.Or, K.Andi, K.Xori, K.Or, K.Andi, K.Bne, K.Or, K.Or, K.Slli, K.Or, K.Or, K.Or, K.Or, K.Xor, K.Addw,
        K.Or, K.Xor, K.Srli, K.Or, K.Xor, K.Srliw, K.Or, K.Xor, K.Xor, K.Or, K.Lbu, K.Lbu, K.Or, K.Ld, K.Addi, K.Or, K.Xori, K.Add,
        K.Xor, K.Add, K.Ld, K.Xor, K.Add, K.Xori, K.Xor, K.Addw, K.Addw, K.Xor, K.Addw, K.Srliw, K.Xor, K.Addiw, K.Addw,
        K.Xor, K.Slli, K.Srli, K.Xor, K.Srliw, K.Slliw, K.Xor, K.Srliw, K.Andi, K.Xor, K.Srliw, K.Xor, K.Xor, K.Andi, K.Beq,
        K.Xor, K.Andi, K.Bne, K.Xor, K.And, K.And, K.Xor, K.Xor, K.Addw, K.Xor, K.Xor, K.And, K.Xor, K.Xor, K.Bne,
        K.Xor, K.Constant, K.Bne, K.Xor, K.Lbu, K.Addw, K.Constant, K.Addi, K.Add, K.Constant, K.Addi, K.Slli,
        K.Constant, K.Addi, K.Constant, K.Constant, K.Addi, K.Ld, K.Constant, K.Addi, K.Sd, K.Constant, K.Addi, K.Bne,
        K.Constant, K.Addi, K.Bge, K.Constant, K.Addi, K.Bltu, K.Constant, K.Addi, K.JumpRegister, K.Constant, K.Addw, K.Addiw,
        K.Constant, K.Addw, K.Sh, K.Constant, K.Addw, K.Xori, K.Constant, K.Addw, K.JumpRegister, K.Constant, K.Addiw, K.Move,
        K.Constant, K.Slliw, K.Or, K.Constant, K.Xor, K.Addiw, K.Constant, K.Constant, K.Addi, K.Constant, K.Constant, K.Constant,
        K.Constant, K.Constant, K.Bgeu, K.Constant, K.Constant, K.Jump, K.Constant, K.Move, K.Move, K.Constant, K.Move, K.Beq,
        K.Constant, K.Move, K.Bltu, K.Constant, K.Move, K.Bgeu, K.Constant, K.Lbu, K.Beq, K.Constant, K.Lw, K.Addi,
        K.Constant, K.Lw, K.Constant, K.Constant, K.Lw, K.Beq, K.Constant, K.Ld, K.Addi, K.Constant, K.Ld, K.Add,
        K.Constant, K.Ld, K.Move, K.Constant, K.Ld, K.Lw, K.Constant, K.Ld, K.Ld, K.Constant, K.Ld, K.Sd, K.Constant, K.Ld, K.Beq,
        K.Constant, K.Ld, K.JumpRegister, K.Constant, K.Sw, K.Sd, K.Constant, K.Sd, K.Constant, K.Constant, K.Fld, K.None,
        K.Move, K.Addi, K.Slli, K.Move, K.Addi, K.Move, K.Move, K.Addi, K.Bne, K.Move, K.Addi, K.JumpRegister, K.Move, K.Add, K.Beq,
        K.Move, K.Slliw, K.Slliw, K.Move, K.Constant, K.Constant, K.Move, K.Constant, K.Lh, K.Move, K.Constant, K.Jump,
        K.Move, K.Constant, K.JumpRegister, K.Move, K.Move, K.Constant, K.Move, K.Move, K.Move, K.Move, K.Move, K.Sd,
        K.Move, K.Move, K.Beq, K.Move, K.Move, K.Bne, K.Move, K.Move, K.Blt, K.Move, K.Move, K.Bgeu, K.Move, K.Move, K.JumpRegister,
        K.Move, K.Ld, K.Ld, K.Move, K.Ld, K.Beq, K.Move, K.Sd, K.Sd, K.Mul, K.Slli, K.Constant, K.Mulw, K.Addw, K.Bne,
        K.Mulw, K.Srli, K.Subw, K.Mulw, K.Andi, K.Bltu, K.Mulw, K.Andi, K.Bgeu, K.Lh, K.Addi, K.Addi, K.Lbu, K.Addi, K.Addi,
        K.Lbu, K.Add, K.Lbu, K.Lbu, K.Addw, K.Bne, K.Lbu, K.Slli, K.Or, K.Lbu, K.Andi, K.Beq, K.Lbu, K.And, K.Addw,
        K.Lbu, K.Or, K.Slli, K.Lbu, K.Xor, K.Beq, K.Lbu, K.Xor, K.Bltu, K.Lbu, K.Constant, K.Beq, K.Lbu, K.Move, K.Beq,
        K.Lbu, K.Lbu, K.Addi, K.Lbu, K.Lbu, K.Add, K.Lbu, K.Lbu, K.Addw, K.Lbu, K.Lbu, K.Slli, K.Lbu, K.Lbu, K.Constant,
        K.Lbu, K.Lbu, K.Lbu, K.Lbu, K.Lbu, K.Sb, K.Lbu, K.Lbu, K.Bne, K.Lbu, K.Sb, K.Bne, K.Lbu, K.Sw, K.Beq, K.Lhu, K.Srliw, K.Ld,
        K.Lhu, K.Andi, K.Beq, K.Lhu, K.Move, K.Bgeu, K.Lhu, K.Lhu, K.Bne, K.Lw, K.Add, K.Bgeu, K.Lw, K.Add, K.JumpRegister,
        K.Lw, K.Subw, K.Bge, K.Lw, K.Addiw, K.Beq, K.Lw, K.Slli, K.Blt, K.Lw, K.Andi, K.Bne, K.Lw, K.Constant, K.Addi,
        K.Lw, K.Constant, K.Lhu, K.Lw, K.Constant, K.Ld, K.Lw, K.Constant, K.Beq, K.Lw, K.Lh, K.Bge, K.Lw, K.Lbu, K.Addi,
        K.Lw, K.Lw, K.Slli, K.Lw, K.Lw, K.Srliw, K.Lw, K.Lw, K.Lw, K.Lw, K.Sd, K.Sd, K.Ld, K.Addi, K.Addi, K.Ld, K.Addi, K.Sub,
        K.Ld, K.Addi, K.Slli, K.Ld, K.Addi, K.Sd, K.Ld, K.Addi, K.Beq, K.Ld, K.Addi, K.Bne, K.Ld, K.Addi, K.Jump,
        K.Ld, K.Addi, K.JumpRegister, K.Ld, K.Addiw, K.Sw, K.Ld, K.Slli, K.Add, K.Ld, K.Slli, K.Blt, K.Ld, K.Srli, K.Add,
        K.Ld, K.Andi, K.Beq, K.Ld, K.Andi, K.Bne, K.Ld, K.Andi, K.Bgeu, K.Ld, K.Xor, K.Xor, K.Ld, K.Xor, K.Bne,
        K.Ld, K.Constant, K.Addi, K.Ld, K.Constant, K.Beq, K.Ld, K.Constant, K.Jump, K.Ld, K.Move, K.Move, K.Ld, K.Move, K.Ld,
        K.Ld, K.Move, K.Beq, K.Ld, K.Move, K.JumpRegister, K.Ld, K.Mul, K.Bgeu, K.Ld, K.Lw, K.Lw, K.Ld, K.Ld, K.Addi,
        K.Ld, K.Ld, K.Add, K.Ld, K.Ld, K.Slliw, K.Ld, K.Ld, K.Move, K.Ld, K.Ld, K.Ld, K.Ld, K.Ld, K.Sd, K.Ld, K.Ld, K.Beq,
        K.Ld, K.Ld, K.Bne, K.Ld, K.Ld, K.Bgeu, K.Ld, K.Ld, K.JumpRegister, K.Ld, K.Sw, K.Ld, K.Ld, K.Sd, K.Addi,
        K.Ld, K.Sd, K.Constant, K.Ld, K.Sd, K.Move, K.Ld, K.Sd, K.Sd, K.Ld, K.Sd, K.Srl, K.Ld, K.Sd, K.Beq, K.Ld, K.Sd, K.Bne,
        K.Ld, K.Sh, K.Jump, K.Sb, K.Addi, K.Beq, K.Sb, K.Addi, K.Bne, K.Sb, K.Sb, K.Addi, K.Sb, K.Sb, K.Sb, K.Sb, K.Sb, K.Bltu,
        K.Sw, K.Addi, K.Addiw, K.Sw, K.Addi, K.Bne, K.Sw, K.Add, K.Sd, K.Sw, K.Addw, K.Bne, K.Sw, K.Addiw, K.Sw,
        K.Sw, K.Constant, K.Addi, K.Sw, K.Constant, K.JumpRegister, K.Sw, K.Lw, K.Sd, K.Sw, K.Sh, K.Jump, K.Sd, K.Addi, K.Lbu,
        K.Sd, K.Addi, K.Bne, K.Sd, K.Sub, K.Beq, K.Sd, K.Addiw, K.Addiw, K.Sd, K.Constant, K.Addi, K.Sd, K.Constant, K.Move,
        K.Sd, K.Constant, K.Ld, K.Sd, K.Constant, K.Beq, K.Sd, K.Constant, K.Jump, K.Sd, K.Move, K.Addi, K.Sd, K.Move, K.Move,
        K.Sd, K.Move, K.Beq, K.Sd, K.Lw, K.Sd, K.Sd, K.Ld, K.Ld, K.Sd, K.Ld, K.Sd, K.Sd, K.Sd, K.Addi, K.Sd, K.Sd, K.Andi,
        K.Sd, K.Sd, K.Constant, K.Sd, K.Sd, K.Move, K.Sd, K.Sd, K.Ld, K.Sd, K.Sd, K.Sd, K.Sd, K.Sd, K.Beq, K.Sd, K.Sd, K.Bge,
        K.Sd, K.Sll, K.None, K.Sd, K.Srl, K.Sll, K.Sh, K.Addi, K.Bne, K.Sh, K.Sh, K.None, K.Lb, K.Bge, K.None, K.Lwu, K.Slli, K.Add,
        K.Xori, K.Addw, K.Or, K.Xori, K.Srliw, K.Slliw, K.Xori, K.And, K.And, K.Srai, K.Xor, K.None, K.Sltu, K.Slliw, K.Slli,
        K.Slt, K.Addw, K.Andi, K.Sll, K.Addi, K.None, K.Sll, K.Or, K.Ld, K.Sll, K.Srl, K.None, K.Sllw, K.And, K.Beq,
        K.Srl, K.Andi, K.None, K.Srl, K.Andi, K.Bne, K.Srl, K.Or, K.Addi, K.Srl, K.Sll, K.None, K.Fld, K.Fld, K.Addi,
        K.FsubD, K.Addiw, K.FmulD,
    ];

    /// <summary>The handler of a sequence, or 0 where there is none. Rows are methods of their own: whoever asks has his row's types loaded.</summary>
    public static Handler Find(K first, K second, K third) => first switch
    {
        K.Addi => second < K.Lh ? AddiComputed(second, third) : AddiMemory(second, third),
        K.Add => second < K.Lh ? AddComputed(second, third) : AddMemory(second, third),
        K.Sub => AfterSub(second, third),
        K.Addw => AfterAddw(second, third),
        K.Subw => AfterSubw(second, third),
        K.Addiw => AfterAddiw(second, third),
        K.Slli => second < K.Lh ? SlliComputed(second, third) : SlliMemory(second, third),
        K.Srli => AfterSrli(second, third),
        K.Slliw => AfterSlliw(second, third),
        K.Srliw => AfterSrliw(second, third),
        K.Andi => AfterAndi(second, third),
        K.And => AfterAnd(second, third),
        K.Or => second < K.Lh ? OrComputed(second, third) : OrMemory(second, third),
        K.Xor => AfterXor(second, third),
        K.Constant => second < K.Lh ? ConstantComputed(second, third) : ConstantMemory(second, third),
        K.Move => AfterMove(second, third),
        K.Mul => AfterMul(second, third),
        K.Mulw => AfterMulw(second, third),
        K.Lh => AfterLh(second, third),
        K.Lbu => AfterLbu(second, third),
        K.Lhu => AfterLhu(second, third),
        K.Lw => AfterLw(second, third),
        K.Ld => second < K.Lh ? LdComputed(second, third) : LdMemory(second, third),
        K.Sb => AfterSb(second, third),
        K.Sw => AfterSw(second, third),
        K.Sd => second < K.Lh ? SdComputed(second, third) : SdMemory(second, third),
        K.Sh => AfterSh(second, third),
        K.Lb => AfterLb(second, third),
        K.Lwu => AfterLwu(second, third),
        K.Xori => AfterXori(second, third),
        K.Srai => AfterSrai(second, third),
        K.Sltu => AfterSltu(second, third),
        K.Slt => AfterSlt(second, third),
        K.Sll => AfterSll(second, third),
        K.Sllw => AfterSllw(second, third),
        K.Srl => AfterSrl(second, third),
        K.Fld => AfterFld(second, third),
        K.FsubD => AfterFsubD(second, third),
        _ => 0,
    };

    private static Handler AddiComputed(K second, K third) => (second, third) switch
    {
        (K.Addi, K.Add) => P(&Step3<Rri<Add>, Rri<Add>, Rrr<Add>>),
        (K.Addi, K.Sd) => P(&Step3<Rri<Add>, Rri<Add>, Store<StoreD>>),
        (K.Addi, K.Beq) => P(&Step2Branch<Rri<Add>, Rri<Add>, Eq>),
        (K.Addi, K.Bne) => P(&Step2Branch<Rri<Add>, Rri<Add>, Ne>),
        (K.Addi, K.Bge) => P(&Step2Branch<Rri<Add>, Rri<Add>, Ge>),
        (K.Addi, K.Bltu) => P(&Step2Branch<Rri<Add>, Rri<Add>, Ltu>),
        (K.Addi, K.Bgeu) => P(&Step2Branch<Rri<Add>, Rri<Add>, Geu>),
        (K.Addi, K.Jump) => P(&Step2Jump<Rri<Add>, Rri<Add>>),
        (K.Add, K.Add) => P(&Step3<Rri<Add>, Rrr<Add>, Rrr<Add>>),
        (K.Add, K.Lw) => P(&Step3<Rri<Add>, Rrr<Add>, Load<LoadW>>),
        (K.Add, K.Sd) => P(&Step3<Rri<Add>, Rrr<Add>, Store<StoreD>>),
        (K.Add, K.Xori) => P(&Step3<Rri<Add>, Rrr<Add>, Rri<Xor>>),
        (K.Add, K.Bltu) => P(&Step2Branch<Rri<Add>, Rrr<Add>, Ltu>),
        (K.Sub, K.Beq) => P(&Step2Branch<Rri<Add>, Rrr<Sub>, Eq>),
        (K.Sub, K.JumpRegister) => P(&Step2JumpRegister<Rri<Add>, Rrr<Sub>>),
        (K.Addw, K.Addw) => P(&Step3<Rri<Add>, Rrr<Addw>, Rrr<Addw>>),
        (K.Addw, K.Addiw) => P(&Step3<Rri<Add>, Rrr<Addw>, Rri<Addw>>),
        (K.Addw, K.Slli) => P(&Step3<Rri<Add>, Rrr<Addw>, Rri<Sll>>),
        (K.Addiw, K.Addw) => P(&Step3<Rri<Add>, Rri<Addw>, Rrr<Addw>>),
        (K.Addiw, K.Addiw) => P(&Step3<Rri<Add>, Rri<Addw>, Rri<Addw>>),
        (K.Slli, K.Add) => P(&Step3<Rri<Add>, Rri<Sll>, Rrr<Add>>),
        (K.Srli, K.Bne) => P(&Step2Branch<Rri<Add>, Rri<Srl>, Ne>),
        (K.Srliw, K.Srli) => P(&Step3<Rri<Add>, Rri<Srlw>, Rri<Srl>>),
        (K.Andi, K.Srli) => P(&Step3<Rri<Add>, Rri<And>, Rri<Srl>>),
        (K.Andi, K.Bne) => P(&Step2Branch<Rri<Add>, Rri<And>, Ne>),
        (K.Constant, K.Add) => P(&Step3<Rri<Add>, Constant, Rrr<Add>>),
        (K.Constant, K.Slli) => P(&Step3<Rri<Add>, Constant, Rri<Sll>>),
        (K.Constant, K.Jump) => P(&Step2Jump<Rri<Add>, Constant>),
        (K.Constant, K.JumpRegister) => P(&Step2JumpRegister<Rri<Add>, Constant>),
        _ => 0,
    };

    private static Handler AddiMemory(K second, K third) => (second, third) switch
    {
        (K.Lbu, K.Slli) => P(&Step3<Rri<Add>, Load<LoadBu>, Rri<Sll>>),
        (K.Ld, K.Beq) => P(&Step2BranchFailing<Rri<Add>, Load<LoadD>, Eq>),
        (K.Sb, K.Bne) => P(&Step2BranchFailing<Rri<Add>, Store<StoreB>, Ne>),
        (K.Sd, K.Andi) => P(&Step3<Rri<Add>, Store<StoreD>, Rri<And>>),
        (K.Sd, K.Constant) => P(&Step3<Rri<Add>, Store<StoreD>, Constant>),
        (K.Sd, K.Ld) => P(&Step3Failing<Rri<Add>, Store<StoreD>, Load<LoadD>>),
        (K.Sd, K.Sd) => P(&Step3Failing<Rri<Add>, Store<StoreD>, Store<StoreD>>),
        (K.Sd, K.Bne) => P(&Step2BranchFailing<Rri<Add>, Store<StoreD>, Ne>),
        (K.Sd, K.Blt) => P(&Step2BranchFailing<Rri<Add>, Store<StoreD>, Lt>),
        (K.Sd, K.Bgeu) => P(&Step2BranchFailing<Rri<Add>, Store<StoreD>, Geu>),
        (K.Sd, K.Jump) => P(&Step2Jump<Rri<Add>, Store<StoreD>>),
        (K.FmaddD, K.Bne) => P(&Step2BranchFailing<Rri<Add>, FusedD<Madd, DynamicRounding>, Ne>),
        _ => 0,
    };

    private static Handler AddComputed(K second, K third) => (second, third) switch
    {
        (K.Add, K.Add) => P(&Step3<Rrr<Add>, Rrr<Add>, Rrr<Add>>),
        (K.Add, K.Slli) => P(&Step3<Rrr<Add>, Rrr<Add>, Rri<Sll>>),
        (K.Add, K.Srli) => P(&Step3<Rrr<Add>, Rrr<Add>, Rri<Srl>>),
        (K.Add, K.Andi) => P(&Step3<Rrr<Add>, Rrr<Add>, Rri<And>>),
        (K.Add, K.Beq) => P(&Step2Branch<Rrr<Add>, Rrr<Add>, Eq>),
        (K.Slli, K.Add) => P(&Step3<Rrr<Add>, Rri<Sll>, Rrr<Add>>),
        (K.Srli, K.Slli) => P(&Step3<Rrr<Add>, Rri<Srl>, Rri<Sll>>),
        (K.And, K.Or) => P(&Step3<Rrr<Add>, Rrr<And>, Rrr<Or>>),
        (K.And, K.Xor) => P(&Step3<Rrr<Add>, Rrr<And>, Rrr<Xor>>),
        (K.Or, K.Slli) => P(&Step3<Rrr<Add>, Rrr<Or>, Rri<Sll>>),
        (K.Or, K.Xori) => P(&Step3<Rrr<Add>, Rrr<Or>, Rri<Xor>>),
        (K.Constant, K.Jump) => P(&Step2Jump<Rrr<Add>, Constant>),
        (K.Move, K.Ld) => P(&Step3<Rrr<Add>, Move, Load<LoadD>>),
        _ => 0,
    };

    private static Handler AddMemory(K second, K third) => (second, third) switch
    {
        (K.Lbu, K.Lbu) => P(&Step3Failing<Rrr<Add>, Load<LoadBu>, Load<LoadBu>>),
        (K.Lbu, K.Bne) => P(&Step2BranchFailing<Rrr<Add>, Load<LoadBu>, Ne>),
        (K.Lhu, K.Bgeu) => P(&Step2BranchFailing<Rrr<Add>, Load<LoadHu>, Geu>),
        (K.Lw, K.Addi) => P(&Step3<Rrr<Add>, Load<LoadW>, Rri<Add>>),
        (K.Lw, K.Move) => P(&Step3<Rrr<Add>, Load<LoadW>, Move>),
        (K.Lw, K.Sw) => P(&Step3Failing<Rrr<Add>, Load<LoadW>, Store<StoreW>>),
        (K.Lw, K.Beq) => P(&Step2BranchFailing<Rrr<Add>, Load<LoadW>, Eq>),
        (K.Lw, K.Bltu) => P(&Step2BranchFailing<Rrr<Add>, Load<LoadW>, Ltu>),
        (K.Ld, K.Slli) => P(&Step3<Rrr<Add>, Load<LoadD>, Rri<Sll>>),
        (K.Ld, K.Beq) => P(&Step2BranchFailing<Rrr<Add>, Load<LoadD>, Eq>),
        (K.Ld, K.Bne) => P(&Step2BranchFailing<Rrr<Add>, Load<LoadD>, Ne>),
        (K.Sb, K.Bne) => P(&Step2BranchFailing<Rrr<Add>, Store<StoreB>, Ne>),
        (K.Sd, K.Bne) => P(&Step2BranchFailing<Rrr<Add>, Store<StoreD>, Ne>),
        (K.Xori, K.Bne) => P(&Step2Branch<Rrr<Add>, Rri<Xor>, Ne>),
        (K.Sltu, K.None) => P(&Step2<Rrr<Add>, Rrr<Sltu>>),
        _ => 0,
    };

    private static Handler AfterSub(K second, K third) => (second, third) switch
    {
        (K.Sub, K.Bge) => P(&Step2Branch<Rrr<Sub>, Rrr<Sub>, Ge>),
        (K.And, K.Add) => P(&Step3<Rrr<Sub>, Rrr<And>, Rrr<Add>>),
        (K.And, K.Constant) => P(&Step3<Rrr<Sub>, Rrr<And>, Constant>),
        (K.And, K.Move) => P(&Step3<Rrr<Sub>, Rrr<And>, Move>),
        (K.Sd, K.Andi) => P(&Step3<Rrr<Sub>, Store<StoreD>, Rri<And>>),
        (K.Srai, K.None) => P(&Step2<Rrr<Sub>, Rri<Sra>>),
        _ => 0,
    };

    private static Handler AfterAddw(K second, K third) => (second, third) switch
    {
        (K.Addi, K.Bne) => P(&Step2Branch<Rrr<Addw>, Rri<Add>, Ne>),
        (K.Addw, K.Addw) => P(&Step3<Rrr<Addw>, Rrr<Addw>, Rrr<Addw>>),
        (K.Addw, K.Xor) => P(&Step3<Rrr<Addw>, Rrr<Addw>, Rrr<Xor>>),
        (K.Addiw, K.Slli) => P(&Step3<Rrr<Addw>, Rri<Addw>, Rri<Sll>>),
        (K.Addiw, K.Sw) => P(&Step3<Rrr<Addw>, Rri<Addw>, Store<StoreW>>),
        (K.Srliw, K.Slliw) => P(&Step3<Rrr<Addw>, Rri<Srlw>, Rri<Sllw>>),
        (K.Srliw, K.Constant) => P(&Step3<Rrr<Addw>, Rri<Srlw>, Constant>),
        (K.And, K.Addw) => P(&Step3<Rrr<Addw>, Rrr<And>, Rrr<Addw>>),
        (K.Or, K.Or) => P(&Step3<Rrr<Addw>, Rrr<Or>, Rrr<Or>>),
        (K.Or, K.Xor) => P(&Step3<Rrr<Addw>, Rrr<Or>, Rrr<Xor>>),
        (K.Xor, K.Addw) => P(&Step3<Rrr<Addw>, Rrr<Xor>, Rrr<Addw>>),
        (K.Xor, K.Or) => P(&Step3<Rrr<Addw>, Rrr<Xor>, Rrr<Or>>),
        (K.Move, K.Bge) => P(&Step2Branch<Rrr<Addw>, Move, Ge>),
        (K.Sw, K.Bne) => P(&Step2BranchFailing<Rrr<Addw>, Store<StoreW>, Ne>),
        (K.Sw, K.JumpRegister) => P(&Step2JumpRegister<Rrr<Addw>, Store<StoreW>>),
        _ => 0,
    };

    private static Handler AfterSubw(K second, K third) => (second, third) switch
    {
        (K.Srliw, K.Addw) => P(&Step3<Rrr<Subw>, Rri<Srlw>, Rrr<Addw>>),
        (K.Move, K.Bne) => P(&Step2Branch<Rrr<Subw>, Move, Ne>),
        _ => 0,
    };

    private static Handler AfterAddiw(K second, K third) => (second, third) switch
    {
        (K.Addi, K.Bne) => P(&Step2Branch<Rri<Addw>, Rri<Add>, Ne>),
        (K.Addw, K.Or) => P(&Step3<Rri<Addw>, Rrr<Addw>, Rrr<Or>>),
        (K.Addw, K.Xor) => P(&Step3<Rri<Addw>, Rrr<Addw>, Rrr<Xor>>),
        (K.Addiw, K.Addiw) => P(&Step3<Rri<Addw>, Rri<Addw>, Rri<Addw>>),
        (K.Addiw, K.Bne) => P(&Step2Branch<Rri<Addw>, Rri<Addw>, Ne>),
        (K.Addiw, K.Bltu) => P(&Step2Branch<Rri<Addw>, Rri<Addw>, Ltu>),
        (K.Slli, K.Slli) => P(&Step3<Rri<Addw>, Rri<Sll>, Rri<Sll>>),
        (K.Slli, K.Srli) => P(&Step3<Rri<Addw>, Rri<Sll>, Rri<Srl>>),
        (K.Andi, K.Bltu) => P(&Step2Branch<Rri<Addw>, Rri<And>, Ltu>),
        (K.Constant, K.Sw) => P(&Step3<Rri<Addw>, Constant, Store<StoreW>>),
        (K.Constant, K.Bltu) => P(&Step2Branch<Rri<Addw>, Constant, Ltu>),
        (K.Constant, K.JumpRegister) => P(&Step2JumpRegister<Rri<Addw>, Constant>),
        (K.Lw, K.Slliw) => P(&Step3<Rri<Addw>, Load<LoadW>, Rri<Sllw>>),
        (K.Ld, K.Ld) => P(&Step3Failing<Rri<Addw>, Load<LoadD>, Load<LoadD>>),
        (K.Sw, K.Beq) => P(&Step2BranchFailing<Rri<Addw>, Store<StoreW>, Eq>),
        (K.Sw, K.Bne) => P(&Step2BranchFailing<Rri<Addw>, Store<StoreW>, Ne>),
        (K.Sw, K.Bge) => P(&Step2BranchFailing<Rri<Addw>, Store<StoreW>, Ge>),
        _ => 0,
    };

    private static Handler SlliComputed(K second, K third) => (second, third) switch
    {
        (K.Addi, K.Add) => P(&Step3<Rri<Sll>, Rri<Add>, Rrr<Add>>),
        (K.Addi, K.Srli) => P(&Step3<Rri<Sll>, Rri<Add>, Rri<Srl>>),
        (K.Addi, K.Andi) => P(&Step3<Rri<Sll>, Rri<Add>, Rri<And>>),
        (K.Addi, K.Xor) => P(&Step3<Rri<Sll>, Rri<Add>, Rrr<Xor>>),
        (K.Add, K.Addi) => P(&Step3<Rri<Sll>, Rrr<Add>, Rri<Add>>),
        (K.Add, K.Add) => P(&Step3<Rri<Sll>, Rrr<Add>, Rrr<Add>>),
        (K.Add, K.Or) => P(&Step3<Rri<Sll>, Rrr<Add>, Rrr<Or>>),
        (K.Add, K.Lhu) => P(&Step3<Rri<Sll>, Rrr<Add>, Load<LoadHu>>),
        (K.Add, K.Lw) => P(&Step3<Rri<Sll>, Rrr<Add>, Load<LoadW>>),
        (K.Add, K.Ld) => P(&Step3<Rri<Sll>, Rrr<Add>, Load<LoadD>>),
        (K.Add, K.Sw) => P(&Step3<Rri<Sll>, Rrr<Add>, Store<StoreW>>),
        (K.Slli, K.Srli) => P(&Step3<Rri<Sll>, Rri<Sll>, Rri<Srl>>),
        (K.Slli, K.Srliw) => P(&Step3<Rri<Sll>, Rri<Sll>, Rri<Srlw>>),
        (K.Srli, K.Add) => P(&Step3<Rri<Sll>, Rri<Srl>, Rrr<Add>>),
        (K.Srli, K.Subw) => P(&Step3<Rri<Sll>, Rri<Srl>, Rrr<Subw>>),
        (K.Srli, K.Slli) => P(&Step3<Rri<Sll>, Rri<Srl>, Rri<Sll>>),
        (K.Srli, K.Srli) => P(&Step3<Rri<Sll>, Rri<Srl>, Rri<Srl>>),
        (K.Srli, K.Or) => P(&Step3<Rri<Sll>, Rri<Srl>, Rrr<Or>>),
        (K.Srli, K.Xor) => P(&Step3<Rri<Sll>, Rri<Srl>, Rrr<Xor>>),
        (K.Srli, K.Sh) => P(&Step3<Rri<Sll>, Rri<Srl>, Store<StoreH>>),
        (K.Slliw, K.Or) => P(&Step3<Rri<Sll>, Rri<Sllw>, Rrr<Or>>),
        (K.Or, K.Slli) => P(&Step3<Rri<Sll>, Rrr<Or>, Rri<Sll>>),
        (K.Or, K.Or) => P(&Step3<Rri<Sll>, Rrr<Or>, Rrr<Or>>),
        (K.Or, K.Xor) => P(&Step3<Rri<Sll>, Rrr<Or>, Rrr<Xor>>),
        (K.Or, K.Lbu) => P(&Step3<Rri<Sll>, Rrr<Or>, Load<LoadBu>>),
        (K.Constant, K.Blt) => P(&Step2Branch<Rri<Sll>, Constant, Lt>),
        _ => 0,
    };

    private static Handler SlliMemory(K second, K third) => (second, third) switch
    {
        (K.Lbu, K.Or) => P(&Step3<Rri<Sll>, Load<LoadBu>, Rrr<Or>>),
        _ => 0,
    };

    private static Handler AfterSrli(K second, K third) => (second, third) switch
    {
        (K.Addi, K.Bne) => P(&Step2Branch<Rri<Srl>, Rri<Add>, Ne>),
        (K.Add, K.Add) => P(&Step3<Rri<Srl>, Rrr<Add>, Rrr<Add>>),
        (K.Add, K.Slli) => P(&Step3<Rri<Srl>, Rrr<Add>, Rri<Sll>>),
        (K.Add, K.Lbu) => P(&Step3<Rri<Srl>, Rrr<Add>, Load<LoadBu>>),
        (K.Add, K.Srai) => P(&Step3<Rri<Srl>, Rrr<Add>, Rri<Sra>>),
        (K.Sub, K.Bne) => P(&Step2Branch<Rri<Srl>, Rrr<Sub>, Ne>),
        (K.Slli, K.Add) => P(&Step3<Rri<Srl>, Rri<Sll>, Rrr<Add>>),
        (K.Slli, K.Srli) => P(&Step3<Rri<Srl>, Rri<Sll>, Rri<Srl>>),
        (K.Slli, K.Or) => P(&Step3<Rri<Srl>, Rri<Sll>, Rrr<Or>>),
        (K.Srli, K.Andi) => P(&Step3<Rri<Srl>, Rri<Srl>, Rri<And>>),
        (K.Andi, K.Beq) => P(&Step2Branch<Rri<Srl>, Rri<And>, Eq>),
        (K.Andi, K.Bne) => P(&Step2Branch<Rri<Srl>, Rri<And>, Ne>),
        (K.Or, K.Or) => P(&Step3<Rri<Srl>, Rrr<Or>, Rrr<Or>>),
        (K.Xor, K.Slli) => P(&Step3<Rri<Srl>, Rrr<Xor>, Rri<Sll>>),
        (K.Sw, K.Add) => P(&Step3<Rri<Srl>, Store<StoreW>, Rrr<Add>>),
        _ => 0,
    };

    private static Handler AfterSlliw(K second, K third) => (second, third) switch
    {
        (K.Addw, K.Slliw) => P(&Step3<Rri<Sllw>, Rrr<Addw>, Rri<Sllw>>),
        (K.Addw, K.Move) => P(&Step3<Rri<Sllw>, Rrr<Addw>, Move>),
        (K.Slliw, K.Srliw) => P(&Step3<Rri<Sllw>, Rri<Sllw>, Rri<Srlw>>),
        (K.Srliw, K.Addw) => P(&Step3<Rri<Sllw>, Rri<Srlw>, Rrr<Addw>>),
        (K.Srliw, K.Or) => P(&Step3<Rri<Sllw>, Rri<Srlw>, Rrr<Or>>),
        (K.Andi, K.Slli) => P(&Step3<Rri<Sllw>, Rri<And>, Rri<Sll>>),
        (K.Or, K.Addw) => P(&Step3<Rri<Sllw>, Rrr<Or>, Rrr<Addw>>),
        (K.Or, K.Addiw) => P(&Step3<Rri<Sllw>, Rrr<Or>, Rri<Addw>>),
        (K.Or, K.Or) => P(&Step3<Rri<Sllw>, Rrr<Or>, Rrr<Or>>),
        (K.Or, K.Xor) => P(&Step3<Rri<Sllw>, Rrr<Or>, Rrr<Xor>>),
        (K.Or, K.Lw) => P(&Step3<Rri<Sllw>, Rrr<Or>, Load<LoadW>>),
        (K.Sd, K.Addi) => P(&Step3<Rri<Sllw>, Store<StoreD>, Rri<Add>>),
        (K.Sraiw, K.Bge) => P(&Step2Branch<Rri<Sllw>, Rri<Sraw>, Ge>),
        (K.Srl, K.Bne) => P(&Step2Branch<Rri<Sllw>, Rrr<Srl>, Ne>),
        _ => 0,
    };

    private static Handler AfterSrliw(K second, K third) => (second, third) switch
    {
        (K.Addiw, K.Mulw) => P(&Step3<Rri<Srlw>, Rri<Addw>, Rrr<Mulw>>),
        (K.Addiw, K.Beq) => P(&Step2Branch<Rri<Srlw>, Rri<Addw>, Eq>),
        (K.Slliw, K.Or) => P(&Step3<Rri<Srlw>, Rri<Sllw>, Rrr<Or>>),
        (K.Slliw, K.Xor) => P(&Step3<Rri<Srlw>, Rri<Sllw>, Rrr<Xor>>),
        (K.Srliw, K.Addi) => P(&Step3<Rri<Srlw>, Rri<Srlw>, Rri<Add>>),
        (K.Srliw, K.Or) => P(&Step3<Rri<Srlw>, Rri<Srlw>, Rrr<Or>>),
        (K.Xor, K.And) => P(&Step3<Rri<Srlw>, Rrr<Xor>, Rrr<And>>),
        (K.Constant, K.Slliw) => P(&Step3<Rri<Srlw>, Constant, Rri<Sllw>>),
        (K.Ld, K.Add) => P(&Step3<Rri<Srlw>, Load<LoadD>, Rrr<Add>>),
        _ => 0,
    };

    private static Handler AfterAndi(K second, K third) => (second, third) switch
    {
        (K.Add, K.Ld) => P(&Step3<Rri<And>, Rrr<Add>, Load<LoadD>>),
        (K.Add, K.Beq) => P(&Step2Branch<Rri<And>, Rrr<Add>, Eq>),
        (K.Subw, K.JumpRegister) => P(&Step2JumpRegister<Rri<And>, Rrr<Subw>>),
        (K.Slli, K.Addi) => P(&Step3<Rri<And>, Rri<Sll>, Rri<Add>>),
        (K.Slli, K.Add) => P(&Step3<Rri<And>, Rri<Sll>, Rrr<Add>>),
        (K.Srli, K.JumpRegister) => P(&Step2JumpRegister<Rri<And>, Rri<Srl>>),
        (K.Andi, K.Addi) => P(&Step3<Rri<And>, Rri<And>, Rri<Add>>),
        (K.Andi, K.Add) => P(&Step3<Rri<And>, Rri<And>, Rrr<Add>>),
        (K.Constant, K.Addi) => P(&Step3<Rri<And>, Constant, Rri<Add>>),
        (K.Constant, K.Bne) => P(&Step2Branch<Rri<And>, Constant, Ne>),
        (K.Move, K.Beq) => P(&Step2Branch<Rri<And>, Move, Eq>),
        (K.Move, K.Bne) => P(&Step2Branch<Rri<And>, Move, Ne>),
        _ => 0,
    };

    private static Handler AfterAnd(K second, K third) => (second, third) switch
    {
        (K.Add, K.Or) => P(&Step3<Rrr<And>, Rrr<Add>, Rrr<Or>>),
        (K.Addw, K.Xor) => P(&Step3<Rrr<And>, Rrr<Addw>, Rrr<Xor>>),
        (K.Slli, K.Srli) => P(&Step3<Rrr<And>, Rri<Sll>, Rri<Srl>>),
        (K.And, K.Or) => P(&Step3<Rrr<And>, Rrr<And>, Rrr<Or>>),
        (K.And, K.Xor) => P(&Step3<Rrr<And>, Rrr<And>, Rrr<Xor>>),
        (K.And, K.Beq) => P(&Step2Branch<Rrr<And>, Rrr<And>, Eq>),
        (K.Or, K.JumpRegister) => P(&Step2JumpRegister<Rrr<And>, Rrr<Or>>),
        (K.Xor, K.Slliw) => P(&Step3<Rrr<And>, Rrr<Xor>, Rri<Sllw>>),
        (K.Xor, K.And) => P(&Step3<Rrr<And>, Rrr<Xor>, Rrr<And>>),
        (K.Xor, K.Xor) => P(&Step3<Rrr<And>, Rrr<Xor>, Rrr<Xor>>),
        _ => 0,
    };

    private static Handler OrComputed(K second, K third) => (second, third) switch
    {
        (K.Addi, K.Ld) => P(&Step3<Rrr<Or>, Rri<Add>, Load<LoadD>>),
        (K.Add, K.Xor) => P(&Step3<Rrr<Or>, Rrr<Add>, Rrr<Xor>>),
        (K.Addw, K.Xor) => P(&Step3<Rrr<Or>, Rrr<Addw>, Rrr<Xor>>),
        (K.Addw, K.Constant) => P(&Step3<Rrr<Or>, Rrr<Addw>, Constant>),
        (K.Addiw, K.Addw) => P(&Step3<Rrr<Or>, Rri<Addw>, Rrr<Addw>>),
        (K.Slli, K.Add) => P(&Step3<Rrr<Or>, Rri<Sll>, Rrr<Add>>),
        (K.Slli, K.Addw) => P(&Step3<Rrr<Or>, Rri<Sll>, Rrr<Addw>>),
        (K.Slli, K.Srli) => P(&Step3<Rrr<Or>, Rri<Sll>, Rri<Srl>>),
        (K.Slli, K.Or) => P(&Step3<Rrr<Or>, Rri<Sll>, Rrr<Or>>),
        (K.Slli, K.Lbu) => P(&Step3<Rrr<Or>, Rri<Sll>, Load<LoadBu>>),
        (K.Slli, K.Lw) => P(&Step3<Rrr<Or>, Rri<Sll>, Load<LoadW>>),
        (K.Srli, K.Slli) => P(&Step3<Rrr<Or>, Rri<Srl>, Rri<Sll>>),
        (K.Slliw, K.Srliw) => P(&Step3<Rrr<Or>, Rri<Sllw>, Rri<Srlw>>),
        (K.Srliw, K.Slliw) => P(&Step3<Rrr<Or>, Rri<Srlw>, Rri<Sllw>>),
        (K.Srliw, K.Xor) => P(&Step3<Rrr<Or>, Rri<Srlw>, Rrr<Xor>>),
        (K.Andi, K.Xori) => P(&Step3<Rrr<Or>, Rri<And>, Rri<Xor>>),
        (K.Andi, K.Bne) => P(&Step2Branch<Rrr<Or>, Rri<And>, Ne>),
        (K.Or, K.Slli) => P(&Step3<Rrr<Or>, Rrr<Or>, Rri<Sll>>),
        (K.Or, K.Or) => P(&Step3<Rrr<Or>, Rrr<Or>, Rrr<Or>>),
        (K.Xor, K.Addw) => P(&Step3<Rrr<Or>, Rrr<Xor>, Rrr<Addw>>),
        (K.Xor, K.Srli) => P(&Step3<Rrr<Or>, Rrr<Xor>, Rri<Srl>>),
        (K.Xor, K.Srliw) => P(&Step3<Rrr<Or>, Rrr<Xor>, Rri<Srlw>>),
        (K.Xor, K.Xor) => P(&Step3<Rrr<Or>, Rrr<Xor>, Rrr<Xor>>),
        _ => 0,
    };

    private static Handler OrMemory(K second, K third) => (second, third) switch
    {
        (K.Lbu, K.Lbu) => P(&Step3Failing<Rrr<Or>, Load<LoadBu>, Load<LoadBu>>),
        (K.Ld, K.Addi) => P(&Step3<Rrr<Or>, Load<LoadD>, Rri<Add>>),
        (K.Xori, K.Add) => P(&Step3<Rrr<Or>, Rri<Xor>, Rrr<Add>>),
        _ => 0,
    };

    private static Handler AfterXor(K second, K third) => (second, third) switch
    {
        (K.Add, K.Ld) => P(&Step3<Rrr<Xor>, Rrr<Add>, Load<LoadD>>),
        (K.Add, K.Xori) => P(&Step3<Rrr<Xor>, Rrr<Add>, Rri<Xor>>),
        (K.Addw, K.Addw) => P(&Step3<Rrr<Xor>, Rrr<Addw>, Rrr<Addw>>),
        (K.Addw, K.Srliw) => P(&Step3<Rrr<Xor>, Rrr<Addw>, Rri<Srlw>>),
        (K.Addiw, K.Addw) => P(&Step3<Rrr<Xor>, Rri<Addw>, Rrr<Addw>>),
        (K.Slli, K.Srli) => P(&Step3<Rrr<Xor>, Rri<Sll>, Rri<Srl>>),
        (K.Srliw, K.Slliw) => P(&Step3<Rrr<Xor>, Rri<Srlw>, Rri<Sllw>>),
        (K.Srliw, K.Andi) => P(&Step3<Rrr<Xor>, Rri<Srlw>, Rri<And>>),
        (K.Srliw, K.Xor) => P(&Step3<Rrr<Xor>, Rri<Srlw>, Rrr<Xor>>),
        (K.Andi, K.Beq) => P(&Step2Branch<Rrr<Xor>, Rri<And>, Eq>),
        (K.Andi, K.Bne) => P(&Step2Branch<Rrr<Xor>, Rri<And>, Ne>),
        (K.And, K.And) => P(&Step3<Rrr<Xor>, Rrr<And>, Rrr<And>>),
        (K.Xor, K.Addw) => P(&Step3<Rrr<Xor>, Rrr<Xor>, Rrr<Addw>>),
        (K.Xor, K.And) => P(&Step3<Rrr<Xor>, Rrr<Xor>, Rrr<And>>),
        (K.Xor, K.Bne) => P(&Step2Branch<Rrr<Xor>, Rrr<Xor>, Ne>),
        (K.Constant, K.Bne) => P(&Step2Branch<Rrr<Xor>, Constant, Ne>),
        (K.Lbu, K.Addw) => P(&Step3<Rrr<Xor>, Load<LoadBu>, Rrr<Addw>>),
        _ => 0,
    };

    private static Handler ConstantComputed(K second, K third) => (second, third) switch
    {
        (K.Addi, K.Add) => P(&Step3<Constant, Rri<Add>, Rrr<Add>>),
        (K.Addi, K.Slli) => P(&Step3<Constant, Rri<Add>, Rri<Sll>>),
        (K.Addi, K.Constant) => P(&Step3<Constant, Rri<Add>, Constant>),
        (K.Addi, K.Ld) => P(&Step3<Constant, Rri<Add>, Load<LoadD>>),
        (K.Addi, K.Sd) => P(&Step3<Constant, Rri<Add>, Store<StoreD>>),
        (K.Addi, K.Bne) => P(&Step2Branch<Constant, Rri<Add>, Ne>),
        (K.Addi, K.Bge) => P(&Step2Branch<Constant, Rri<Add>, Ge>),
        (K.Addi, K.Bltu) => P(&Step2Branch<Constant, Rri<Add>, Ltu>),
        (K.Addi, K.JumpRegister) => P(&Step2JumpRegister<Constant, Rri<Add>>),
        (K.Addw, K.Addiw) => P(&Step3<Constant, Rrr<Addw>, Rri<Addw>>),
        (K.Addw, K.Sh) => P(&Step3<Constant, Rrr<Addw>, Store<StoreH>>),
        (K.Addw, K.Xori) => P(&Step3<Constant, Rrr<Addw>, Rri<Xor>>),
        (K.Addw, K.JumpRegister) => P(&Step2JumpRegister<Constant, Rrr<Addw>>),
        (K.Addiw, K.Move) => P(&Step3<Constant, Rri<Addw>, Move>),
        (K.Slliw, K.Or) => P(&Step3<Constant, Rri<Sllw>, Rrr<Or>>),
        (K.Xor, K.Addiw) => P(&Step3<Constant, Rrr<Xor>, Rri<Addw>>),
        (K.Constant, K.Addi) => P(&Step3<Constant, Constant, Rri<Add>>),
        (K.Constant, K.Constant) => P(&Step3<Constant, Constant, Constant>),
        (K.Constant, K.Bgeu) => P(&Step2Branch<Constant, Constant, Geu>),
        (K.Constant, K.Jump) => P(&Step2Jump<Constant, Constant>),
        (K.Move, K.Move) => P(&Step3<Constant, Move, Move>),
        (K.Move, K.Beq) => P(&Step2Branch<Constant, Move, Eq>),
        (K.Move, K.Bltu) => P(&Step2Branch<Constant, Move, Ltu>),
        (K.Move, K.Bgeu) => P(&Step2Branch<Constant, Move, Geu>),
        _ => 0,
    };

    private static Handler ConstantMemory(K second, K third) => (second, third) switch
    {
        (K.Lbu, K.Beq) => P(&Step2BranchFailing<Constant, Load<LoadBu>, Eq>),
        (K.Lw, K.Addi) => P(&Step3<Constant, Load<LoadW>, Rri<Add>>),
        (K.Lw, K.Constant) => P(&Step3<Constant, Load<LoadW>, Constant>),
        (K.Lw, K.Beq) => P(&Step2BranchFailing<Constant, Load<LoadW>, Eq>),
        (K.Ld, K.Addi) => P(&Step3<Constant, Load<LoadD>, Rri<Add>>),
        (K.Ld, K.Add) => P(&Step3<Constant, Load<LoadD>, Rrr<Add>>),
        (K.Ld, K.Move) => P(&Step3<Constant, Load<LoadD>, Move>),
        (K.Ld, K.Lw) => P(&Step3Failing<Constant, Load<LoadD>, Load<LoadW>>),
        (K.Ld, K.Ld) => P(&Step3Failing<Constant, Load<LoadD>, Load<LoadD>>),
        (K.Ld, K.Sd) => P(&Step3Failing<Constant, Load<LoadD>, Store<StoreD>>),
        (K.Ld, K.Beq) => P(&Step2BranchFailing<Constant, Load<LoadD>, Eq>),
        (K.Ld, K.JumpRegister) => P(&Step2JumpRegister<Constant, Load<LoadD>>),
        (K.Sw, K.Sd) => P(&Step3Failing<Constant, Store<StoreW>, Store<StoreD>>),
        (K.Sd, K.Constant) => P(&Step3<Constant, Store<StoreD>, Constant>),
        (K.Fld, K.None) => P(&Step2<Constant, LoadDouble>),
        _ => 0,
    };

    private static Handler AfterMove(K second, K third) => (second, third) switch
    {
        (K.Addi, K.Slli) => P(&Step3<Move, Rri<Add>, Rri<Sll>>),
        (K.Addi, K.Move) => P(&Step3<Move, Rri<Add>, Move>),
        (K.Addi, K.Bne) => P(&Step2Branch<Move, Rri<Add>, Ne>),
        (K.Addi, K.JumpRegister) => P(&Step2JumpRegister<Move, Rri<Add>>),
        (K.Add, K.Beq) => P(&Step2Branch<Move, Rrr<Add>, Eq>),
        (K.Slliw, K.Slliw) => P(&Step3<Move, Rri<Sllw>, Rri<Sllw>>),
        (K.Constant, K.Constant) => P(&Step3<Move, Constant, Constant>),
        (K.Constant, K.Lh) => P(&Step3<Move, Constant, Load<LoadH>>),
        (K.Constant, K.Jump) => P(&Step2Jump<Move, Constant>),
        (K.Constant, K.JumpRegister) => P(&Step2JumpRegister<Move, Constant>),
        (K.Move, K.Constant) => P(&Step3<Move, Move, Constant>),
        (K.Move, K.Move) => P(&Step3<Move, Move, Move>),
        (K.Move, K.Sd) => P(&Step3<Move, Move, Store<StoreD>>),
        (K.Move, K.Beq) => P(&Step2Branch<Move, Move, Eq>),
        (K.Move, K.Bne) => P(&Step2Branch<Move, Move, Ne>),
        (K.Move, K.Blt) => P(&Step2Branch<Move, Move, Lt>),
        (K.Move, K.Bgeu) => P(&Step2Branch<Move, Move, Geu>),
        (K.Move, K.JumpRegister) => P(&Step2JumpRegister<Move, Move>),
        (K.Ld, K.Ld) => P(&Step3Failing<Move, Load<LoadD>, Load<LoadD>>),
        (K.Ld, K.Beq) => P(&Step2BranchFailing<Move, Load<LoadD>, Eq>),
        (K.Sd, K.Sd) => P(&Step3Failing<Move, Store<StoreD>, Store<StoreD>>),
        _ => 0,
    };

    private static Handler AfterMul(K second, K third) => (second, third) switch
    {
        (K.Slli, K.Constant) => P(&Step3<Rrr<Mul>, Rri<Sll>, Constant>),
        _ => 0,
    };

    private static Handler AfterMulw(K second, K third) => (second, third) switch
    {
        (K.Addw, K.Bne) => P(&Step2Branch<Rrr<Mulw>, Rrr<Addw>, Ne>),
        (K.Srli, K.Subw) => P(&Step3<Rrr<Mulw>, Rri<Srl>, Rrr<Subw>>),
        (K.Andi, K.Bltu) => P(&Step2Branch<Rrr<Mulw>, Rri<And>, Ltu>),
        (K.Andi, K.Bgeu) => P(&Step2Branch<Rrr<Mulw>, Rri<And>, Geu>),
        _ => 0,
    };

    private static Handler AfterLh(K second, K third) => (second, third) switch
    {
        (K.Addi, K.Addi) => P(&Step3<Load<LoadH>, Rri<Add>, Rri<Add>>),
        _ => 0,
    };

    private static Handler AfterLbu(K second, K third) => (second, third) switch
    {
        (K.Addi, K.Addi) => P(&Step3<Load<LoadBu>, Rri<Add>, Rri<Add>>),
        (K.Add, K.Lbu) => P(&Step3Failing<Load<LoadBu>, Rrr<Add>, Load<LoadBu>>),
        (K.Addw, K.Bne) => P(&Step2BranchFailing<Load<LoadBu>, Rrr<Addw>, Ne>),
        (K.Slli, K.Or) => P(&Step3<Load<LoadBu>, Rri<Sll>, Rrr<Or>>),
        (K.Andi, K.Beq) => P(&Step2BranchFailing<Load<LoadBu>, Rri<And>, Eq>),
        (K.And, K.Addw) => P(&Step3<Load<LoadBu>, Rrr<And>, Rrr<Addw>>),
        (K.Or, K.Slli) => P(&Step3<Load<LoadBu>, Rrr<Or>, Rri<Sll>>),
        (K.Xor, K.Beq) => P(&Step2BranchFailing<Load<LoadBu>, Rrr<Xor>, Eq>),
        (K.Xor, K.Bltu) => P(&Step2BranchFailing<Load<LoadBu>, Rrr<Xor>, Ltu>),
        (K.Constant, K.Beq) => P(&Step2BranchFailing<Load<LoadBu>, Constant, Eq>),
        (K.Move, K.Beq) => P(&Step2BranchFailing<Load<LoadBu>, Move, Eq>),
        (K.Lbu, K.Addi) => P(&Step3Failing<Load<LoadBu>, Load<LoadBu>, Rri<Add>>),
        (K.Lbu, K.Add) => P(&Step3Failing<Load<LoadBu>, Load<LoadBu>, Rrr<Add>>),
        (K.Lbu, K.Addw) => P(&Step3Failing<Load<LoadBu>, Load<LoadBu>, Rrr<Addw>>),
        (K.Lbu, K.Slli) => P(&Step3Failing<Load<LoadBu>, Load<LoadBu>, Rri<Sll>>),
        (K.Lbu, K.Constant) => P(&Step3Failing<Load<LoadBu>, Load<LoadBu>, Constant>),
        (K.Lbu, K.Lbu) => P(&Step3Failing<Load<LoadBu>, Load<LoadBu>, Load<LoadBu>>),
        (K.Lbu, K.Sb) => P(&Step3Failing<Load<LoadBu>, Load<LoadBu>, Store<StoreB>>),
        (K.Lbu, K.Bne) => P(&Step2BranchFailing<Load<LoadBu>, Load<LoadBu>, Ne>),
        (K.Sb, K.Bne) => P(&Step2BranchFailing<Load<LoadBu>, Store<StoreB>, Ne>),
        (K.Sw, K.Beq) => P(&Step2BranchFailing<Load<LoadBu>, Store<StoreW>, Eq>),
        _ => 0,
    };

    private static Handler AfterLhu(K second, K third) => (second, third) switch
    {
        (K.Srliw, K.Ld) => P(&Step3Failing<Load<LoadHu>, Rri<Srlw>, Load<LoadD>>),
        (K.Andi, K.Beq) => P(&Step2BranchFailing<Load<LoadHu>, Rri<And>, Eq>),
        (K.Move, K.Bgeu) => P(&Step2BranchFailing<Load<LoadHu>, Move, Geu>),
        (K.Lhu, K.Bne) => P(&Step2BranchFailing<Load<LoadHu>, Load<LoadHu>, Ne>),
        _ => 0,
    };

    private static Handler AfterLw(K second, K third) => (second, third) switch
    {
        (K.Add, K.Bgeu) => P(&Step2BranchFailing<Load<LoadW>, Rrr<Add>, Geu>),
        (K.Add, K.JumpRegister) => P(&Step2JumpRegister<Load<LoadW>, Rrr<Add>>),
        (K.Subw, K.Bge) => P(&Step2BranchFailing<Load<LoadW>, Rrr<Subw>, Ge>),
        (K.Addiw, K.Beq) => P(&Step2BranchFailing<Load<LoadW>, Rri<Addw>, Eq>),
        (K.Slli, K.Blt) => P(&Step2BranchFailing<Load<LoadW>, Rri<Sll>, Lt>),
        (K.Andi, K.Bne) => P(&Step2BranchFailing<Load<LoadW>, Rri<And>, Ne>),
        (K.Constant, K.Addi) => P(&Step3<Load<LoadW>, Constant, Rri<Add>>),
        (K.Constant, K.Lhu) => P(&Step3Failing<Load<LoadW>, Constant, Load<LoadHu>>),
        (K.Constant, K.Ld) => P(&Step3Failing<Load<LoadW>, Constant, Load<LoadD>>),
        (K.Constant, K.Beq) => P(&Step2BranchFailing<Load<LoadW>, Constant, Eq>),
        (K.Lh, K.Bge) => P(&Step2BranchFailing<Load<LoadW>, Load<LoadH>, Ge>),
        (K.Lbu, K.Addi) => P(&Step3Failing<Load<LoadW>, Load<LoadBu>, Rri<Add>>),
        (K.Lw, K.Slli) => P(&Step3Failing<Load<LoadW>, Load<LoadW>, Rri<Sll>>),
        (K.Lw, K.Srliw) => P(&Step3Failing<Load<LoadW>, Load<LoadW>, Rri<Srlw>>),
        (K.Lw, K.Lw) => P(&Step3Failing<Load<LoadW>, Load<LoadW>, Load<LoadW>>),
        (K.Sd, K.Sd) => P(&Step3Failing<Load<LoadW>, Store<StoreD>, Store<StoreD>>),
        _ => 0,
    };

    private static Handler LdComputed(K second, K third) => (second, third) switch
    {
        (K.Addi, K.Addi) => P(&Step3<Load<LoadD>, Rri<Add>, Rri<Add>>),
        (K.Addi, K.Sub) => P(&Step3<Load<LoadD>, Rri<Add>, Rrr<Sub>>),
        (K.Addi, K.Slli) => P(&Step3<Load<LoadD>, Rri<Add>, Rri<Sll>>),
        (K.Addi, K.Sd) => P(&Step3Failing<Load<LoadD>, Rri<Add>, Store<StoreD>>),
        (K.Addi, K.Beq) => P(&Step2BranchFailing<Load<LoadD>, Rri<Add>, Eq>),
        (K.Addi, K.Bne) => P(&Step2BranchFailing<Load<LoadD>, Rri<Add>, Ne>),
        (K.Addi, K.Jump) => P(&Step2Jump<Load<LoadD>, Rri<Add>>),
        (K.Addi, K.JumpRegister) => P(&Step2JumpRegister<Load<LoadD>, Rri<Add>>),
        (K.Addiw, K.Sw) => P(&Step3Failing<Load<LoadD>, Rri<Addw>, Store<StoreW>>),
        (K.Slli, K.Add) => P(&Step3<Load<LoadD>, Rri<Sll>, Rrr<Add>>),
        (K.Slli, K.Blt) => P(&Step2BranchFailing<Load<LoadD>, Rri<Sll>, Lt>),
        (K.Srli, K.Add) => P(&Step3<Load<LoadD>, Rri<Srl>, Rrr<Add>>),
        (K.Andi, K.Beq) => P(&Step2BranchFailing<Load<LoadD>, Rri<And>, Eq>),
        (K.Andi, K.Bne) => P(&Step2BranchFailing<Load<LoadD>, Rri<And>, Ne>),
        (K.Andi, K.Bgeu) => P(&Step2BranchFailing<Load<LoadD>, Rri<And>, Geu>),
        (K.Xor, K.Xor) => P(&Step3<Load<LoadD>, Rrr<Xor>, Rrr<Xor>>),
        (K.Xor, K.Bne) => P(&Step2BranchFailing<Load<LoadD>, Rrr<Xor>, Ne>),
        (K.Constant, K.Addi) => P(&Step3<Load<LoadD>, Constant, Rri<Add>>),
        (K.Constant, K.Beq) => P(&Step2BranchFailing<Load<LoadD>, Constant, Eq>),
        (K.Constant, K.Jump) => P(&Step2Jump<Load<LoadD>, Constant>),
        (K.Move, K.Move) => P(&Step3<Load<LoadD>, Move, Move>),
        (K.Move, K.Ld) => P(&Step3Failing<Load<LoadD>, Move, Load<LoadD>>),
        (K.Move, K.Beq) => P(&Step2BranchFailing<Load<LoadD>, Move, Eq>),
        (K.Move, K.JumpRegister) => P(&Step2JumpRegister<Load<LoadD>, Move>),
        (K.Mul, K.Bgeu) => P(&Step2BranchFailing<Load<LoadD>, Rrr<Mul>, Geu>),
        _ => 0,
    };

    private static Handler LdMemory(K second, K third) => (second, third) switch
    {
        (K.Lw, K.Lw) => P(&Step3Failing<Load<LoadD>, Load<LoadW>, Load<LoadW>>),
        (K.Ld, K.Addi) => P(&Step3Failing<Load<LoadD>, Load<LoadD>, Rri<Add>>),
        (K.Ld, K.Add) => P(&Step3Failing<Load<LoadD>, Load<LoadD>, Rrr<Add>>),
        (K.Ld, K.Slliw) => P(&Step3Failing<Load<LoadD>, Load<LoadD>, Rri<Sllw>>),
        (K.Ld, K.Move) => P(&Step3Failing<Load<LoadD>, Load<LoadD>, Move>),
        (K.Ld, K.Ld) => P(&Step3Failing<Load<LoadD>, Load<LoadD>, Load<LoadD>>),
        (K.Ld, K.Sd) => P(&Step3Failing<Load<LoadD>, Load<LoadD>, Store<StoreD>>),
        (K.Ld, K.Beq) => P(&Step2BranchFailing<Load<LoadD>, Load<LoadD>, Eq>),
        (K.Ld, K.Bne) => P(&Step2BranchFailing<Load<LoadD>, Load<LoadD>, Ne>),
        (K.Ld, K.Bgeu) => P(&Step2BranchFailing<Load<LoadD>, Load<LoadD>, Geu>),
        (K.Ld, K.JumpRegister) => P(&Step2JumpRegister<Load<LoadD>, Load<LoadD>>),
        (K.Sw, K.Ld) => P(&Step3Failing<Load<LoadD>, Store<StoreW>, Load<LoadD>>),
        (K.Sd, K.Addi) => P(&Step3Failing<Load<LoadD>, Store<StoreD>, Rri<Add>>),
        (K.Sd, K.Constant) => P(&Step3Failing<Load<LoadD>, Store<StoreD>, Constant>),
        (K.Sd, K.Move) => P(&Step3Failing<Load<LoadD>, Store<StoreD>, Move>),
        (K.Sd, K.Sd) => P(&Step3Failing<Load<LoadD>, Store<StoreD>, Store<StoreD>>),
        (K.Sd, K.Srl) => P(&Step3Failing<Load<LoadD>, Store<StoreD>, Rrr<Srl>>),
        (K.Sd, K.Beq) => P(&Step2BranchFailing<Load<LoadD>, Store<StoreD>, Eq>),
        (K.Sd, K.Bne) => P(&Step2BranchFailing<Load<LoadD>, Store<StoreD>, Ne>),
        (K.Sh, K.Jump) => P(&Step2Jump<Load<LoadD>, Store<StoreH>>),
        _ => 0,
    };

    private static Handler AfterSb(K second, K third) => (second, third) switch
    {
        (K.Addi, K.Beq) => P(&Step2BranchFailing<Store<StoreB>, Rri<Add>, Eq>),
        (K.Addi, K.Bne) => P(&Step2BranchFailing<Store<StoreB>, Rri<Add>, Ne>),
        (K.Sb, K.Addi) => P(&Step3Failing<Store<StoreB>, Store<StoreB>, Rri<Add>>),
        (K.Sb, K.Sb) => P(&Step3Failing<Store<StoreB>, Store<StoreB>, Store<StoreB>>),
        (K.Sb, K.Bltu) => P(&Step2BranchFailing<Store<StoreB>, Store<StoreB>, Ltu>),
        _ => 0,
    };

    private static Handler AfterSw(K second, K third) => (second, third) switch
    {
        (K.Addi, K.Addiw) => P(&Step3<Store<StoreW>, Rri<Add>, Rri<Addw>>),
        (K.Addi, K.Bne) => P(&Step2BranchFailing<Store<StoreW>, Rri<Add>, Ne>),
        (K.Add, K.Sd) => P(&Step3Failing<Store<StoreW>, Rrr<Add>, Store<StoreD>>),
        (K.Addw, K.Bne) => P(&Step2BranchFailing<Store<StoreW>, Rrr<Addw>, Ne>),
        (K.Addiw, K.Sw) => P(&Step3Failing<Store<StoreW>, Rri<Addw>, Store<StoreW>>),
        (K.Constant, K.Addi) => P(&Step3<Store<StoreW>, Constant, Rri<Add>>),
        (K.Constant, K.JumpRegister) => P(&Step2JumpRegister<Store<StoreW>, Constant>),
        (K.Lw, K.Sd) => P(&Step3Failing<Store<StoreW>, Load<LoadW>, Store<StoreD>>),
        (K.Sh, K.Jump) => P(&Step2Jump<Store<StoreW>, Store<StoreH>>),
        _ => 0,
    };

    private static Handler SdComputed(K second, K third) => (second, third) switch
    {
        (K.Addi, K.Lbu) => P(&Step3Failing<Store<StoreD>, Rri<Add>, Load<LoadBu>>),
        (K.Addi, K.Bne) => P(&Step2BranchFailing<Store<StoreD>, Rri<Add>, Ne>),
        (K.Sub, K.Beq) => P(&Step2BranchFailing<Store<StoreD>, Rrr<Sub>, Eq>),
        (K.Addiw, K.Addiw) => P(&Step3<Store<StoreD>, Rri<Addw>, Rri<Addw>>),
        (K.Constant, K.Addi) => P(&Step3<Store<StoreD>, Constant, Rri<Add>>),
        (K.Constant, K.Move) => P(&Step3<Store<StoreD>, Constant, Move>),
        (K.Constant, K.Ld) => P(&Step3Failing<Store<StoreD>, Constant, Load<LoadD>>),
        (K.Constant, K.Beq) => P(&Step2BranchFailing<Store<StoreD>, Constant, Eq>),
        (K.Constant, K.Jump) => P(&Step2Jump<Store<StoreD>, Constant>),
        (K.Move, K.Addi) => P(&Step3<Store<StoreD>, Move, Rri<Add>>),
        (K.Move, K.Move) => P(&Step3<Store<StoreD>, Move, Move>),
        (K.Move, K.Beq) => P(&Step2BranchFailing<Store<StoreD>, Move, Eq>),
        _ => 0,
    };

    private static Handler SdMemory(K second, K third) => (second, third) switch
    {
        (K.Lw, K.Sd) => P(&Step3Failing<Store<StoreD>, Load<LoadW>, Store<StoreD>>),
        (K.Ld, K.Ld) => P(&Step3Failing<Store<StoreD>, Load<LoadD>, Load<LoadD>>),
        (K.Ld, K.Sd) => P(&Step3Failing<Store<StoreD>, Load<LoadD>, Store<StoreD>>),
        (K.Sd, K.Addi) => P(&Step3Failing<Store<StoreD>, Store<StoreD>, Rri<Add>>),
        (K.Sd, K.Andi) => P(&Step3Failing<Store<StoreD>, Store<StoreD>, Rri<And>>),
        (K.Sd, K.Constant) => P(&Step3Failing<Store<StoreD>, Store<StoreD>, Constant>),
        (K.Sd, K.Move) => P(&Step3Failing<Store<StoreD>, Store<StoreD>, Move>),
        (K.Sd, K.Ld) => P(&Step3Failing<Store<StoreD>, Store<StoreD>, Load<LoadD>>),
        (K.Sd, K.Sd) => P(&Step3Failing<Store<StoreD>, Store<StoreD>, Store<StoreD>>),
        (K.Sd, K.Beq) => P(&Step2BranchFailing<Store<StoreD>, Store<StoreD>, Eq>),
        (K.Sd, K.Bge) => P(&Step2BranchFailing<Store<StoreD>, Store<StoreD>, Ge>),
        (K.Sll, K.None) => P(&Step2<Store<StoreD>, Rrr<Sll>>),
        (K.Srl, K.Sll) => P(&Step3<Store<StoreD>, Rrr<Srl>, Rrr<Sll>>),
        _ => 0,
    };

    private static Handler AfterSh(K second, K third) => (second, third) switch
    {
        (K.Addi, K.Bne) => P(&Step2BranchFailing<Store<StoreH>, Rri<Add>, Ne>),
        (K.Sh, K.None) => P(&Step2<Store<StoreH>, Store<StoreH>>),
        _ => 0,
    };

    private static Handler AfterLb(K second, K third) => (second, third) switch
    {
        (K.Bge, K.None) => P(&StepBranchFailing<Load<LoadB>, Ge>),
        _ => 0,
    };

    private static Handler AfterLwu(K second, K third) => (second, third) switch
    {
        (K.Slli, K.Add) => P(&Step3<Load<LoadWu>, Rri<Sll>, Rrr<Add>>),
        _ => 0,
    };

    private static Handler AfterXori(K second, K third) => (second, third) switch
    {
        (K.Addw, K.Or) => P(&Step3<Rri<Xor>, Rrr<Addw>, Rrr<Or>>),
        (K.Srliw, K.Slliw) => P(&Step3<Rri<Xor>, Rri<Srlw>, Rri<Sllw>>),
        (K.And, K.And) => P(&Step3<Rri<Xor>, Rrr<And>, Rrr<And>>),
        _ => 0,
    };

    private static Handler AfterSrai(K second, K third) => (second, third) switch
    {
        (K.Xor, K.None) => P(&Step2<Rri<Sra>, Rrr<Xor>>),
        _ => 0,
    };

    private static Handler AfterSltu(K second, K third) => (second, third) switch
    {
        (K.Slliw, K.Slli) => P(&Step3<Rrr<Sltu>, Rri<Sllw>, Rri<Sll>>),
        _ => 0,
    };

    private static Handler AfterSlt(K second, K third) => (second, third) switch
    {
        (K.Addw, K.Andi) => P(&Step3<Rrr<Slt>, Rrr<Addw>, Rri<And>>),
        _ => 0,
    };

    private static Handler AfterSll(K second, K third) => (second, third) switch
    {
        (K.Addi, K.None) => P(&Step2<Rrr<Sll>, Rri<Add>>),
        (K.Or, K.Ld) => P(&Step3<Rrr<Sll>, Rrr<Or>, Load<LoadD>>),
        (K.Srl, K.None) => P(&Step2<Rrr<Sll>, Rrr<Srl>>),
        _ => 0,
    };

    private static Handler AfterSllw(K second, K third) => (second, third) switch
    {
        (K.And, K.Beq) => P(&Step2Branch<Rrr<Sllw>, Rrr<And>, Eq>),
        _ => 0,
    };

    private static Handler AfterSrl(K second, K third) => (second, third) switch
    {
        (K.Andi, K.None) => P(&Step2<Rrr<Srl>, Rri<And>>),
        (K.Andi, K.Bne) => P(&Step2Branch<Rrr<Srl>, Rri<And>, Ne>),
        (K.Or, K.Addi) => P(&Step3<Rrr<Srl>, Rrr<Or>, Rri<Add>>),
        (K.Sll, K.None) => P(&Step2<Rrr<Srl>, Rrr<Sll>>),
        _ => 0,
    };

    private static Handler AfterFld(K second, K third) => (second, third) switch
    {
        (K.Fld, K.Addi) => P(&Step3Failing<LoadDouble, LoadDouble, Rri<Add>>),
        _ => 0,
    };

    private static Handler AfterFsubD(K second, K third) => (second, third) switch
    {
        (K.Addiw, K.FmulD) => P(&Step3Failing<Double2<SubD, DynamicRounding>, Rri<Addw>, Double2<MulD, DynamicRounding>>),
        _ => 0,
    };

    private static Handler P(Next handler) => (Handler)handler;
}
