using Hypervisor.Core.Engine.Interpreter.Steps;
using Hypervisor.Core.Isa;
using Handler = nint;
using unsafe Next = delegate*<Hypervisor.Core.Engine.Interpreter.Op*, Hypervisor.Core.Hart.HartState*, Hypervisor.Core.Memory.TlbEntry*, long, void>;
using static Hypervisor.Core.Engine.Interpreter.Handlers;

namespace Hypervisor.Core.Engine.Interpreter;

/// <summary>
/// Superinstructions: the cross product of the operations compilers emit most, first by second. A pair saves one indirect
/// jump; its slots stay as they are, so nothing else knows of it. Rows are methods of their own and compiled when first met.
/// </summary>
internal static unsafe class FusedPairs
{
    /// <summary>The handler that does <paramref name="first"/> and then <paramref name="second"/>, or 0 where the two are not fused.</summary>
    public static Handler Find(FusedKind first, FusedKind second) => first switch
    {
        _ when second == FusedKind.JumpRegister => first == FusedKind.Addi ? P(&StepJumpRegister<Rri<Add>>) : 0,
        FusedKind.Addi => Row<Rri<Add>>(second),
        FusedKind.Add => Row<Rrr<Add>>(second),
        FusedKind.Sub => Row<Rrr<Sub>>(second),
        FusedKind.Addw => Row<Rrr<Addw>>(second),
        FusedKind.Subw => Row<Rrr<Subw>>(second),
        FusedKind.Addiw => Row<Rri<Addw>>(second),
        FusedKind.Slli => Row<Rri<Sll>>(second),
        FusedKind.Srli => Row<Rri<Srl>>(second),
        FusedKind.Slliw => Row<Rri<Sllw>>(second),
        FusedKind.Srliw => Row<Rri<Srlw>>(second),
        FusedKind.Andi => Row<Rri<And>>(second),
        FusedKind.And => Row<Rrr<And>>(second),
        FusedKind.Or => Row<Rrr<Or>>(second),
        FusedKind.Xor => Row<Rrr<Xor>>(second),
        FusedKind.Constant => Row<Constant>(second),
        FusedKind.Move => Row<Move>(second),
        FusedKind.Mul => Row<Rrr<Mul>>(second),
        FusedKind.Mulw => Row<Rrr<Mulw>>(second),
        FusedKind.Lh => Row<Load<LoadH>>(second),
        FusedKind.Lbu => Row<Load<LoadBu>>(second),
        FusedKind.Lhu => Row<Load<LoadHu>>(second),
        FusedKind.Lw => Row<Load<LoadW>>(second),
        FusedKind.Ld => Row<Load<LoadD>>(second),
        FusedKind.Sb => Row<Store<StoreB>>(second),
        FusedKind.Sw => Row<Store<StoreW>>(second),
        FusedKind.Sd => Row<Store<StoreD>>(second),
        _ => 0,
    };

    /// <summary>The handler of two accesses of a kind with one base register, or 0 where there is none.</summary>
    public static Handler FindTwice(FusedKind kind) => kind switch
    {
        FusedKind.Lw => P(&LoadTwice<LoadW>),
        FusedKind.Ld => P(&LoadTwice<LoadD>),
        FusedKind.Sw => P(&StoreTwice<StoreW>),
        FusedKind.Sd => P(&StoreTwice<StoreD>),
        _ => 0,
    };

    /// <summary>The handler of three accesses of a kind with one base register, or 0 where there is none.</summary>
    public static Handler FindThrice(FusedKind kind) => kind switch
    {
        FusedKind.Lw => P(&LoadThrice<LoadW>),
        FusedKind.Ld => P(&LoadThrice<LoadD>),
        FusedKind.Sw => P(&StoreThrice<StoreW>),
        FusedKind.Sd => P(&StoreThrice<StoreD>),
        _ => 0,
    };

    /// <summary>Whether two kinds are fused, without finding the handler.</summary>
    public static bool Has(FusedKind first, FusedKind second)
        => first is not FusedKind.None && first <= FusedKind.Sd && second is not FusedKind.None
            && (second is <= FusedKind.Sd or (>= FusedKind.Beq and <= FusedKind.Jump) || (second == FusedKind.JumpRegister && first == FusedKind.Addi));

    /// <summary>The kind of an operation that rounds by the mode in force, for fusing.</summary>
    public static FusedKind KindOfRounded(Opcode opcode) => opcode switch
    {
        Opcode.FmaddD => FusedKind.FmaddD,
        Opcode.FmulD => FusedKind.FmulD,
        Opcode.FsubD => FusedKind.FsubD,
        _ => FusedKind.None,
    };

    /// <summary>The kind of an opcode for fusing.</summary>
    public static FusedKind KindOf(Opcode opcode) => opcode switch
    {
        Opcode.Addi => FusedKind.Addi,
        Opcode.Add => FusedKind.Add,
        Opcode.Sub => FusedKind.Sub,
        Opcode.Addw => FusedKind.Addw,
        Opcode.Subw => FusedKind.Subw,
        Opcode.Addiw => FusedKind.Addiw,
        Opcode.Slli => FusedKind.Slli,
        Opcode.Srli => FusedKind.Srli,
        Opcode.Slliw => FusedKind.Slliw,
        Opcode.Srliw => FusedKind.Srliw,
        Opcode.Andi => FusedKind.Andi,
        Opcode.And => FusedKind.And,
        Opcode.Or => FusedKind.Or,
        Opcode.Xor => FusedKind.Xor,
        Opcode.Lui => FusedKind.Constant,
        Opcode.Mul => FusedKind.Mul,
        Opcode.Mulw => FusedKind.Mulw,
        Opcode.Lh => FusedKind.Lh,
        Opcode.Lbu => FusedKind.Lbu,
        Opcode.Lhu => FusedKind.Lhu,
        Opcode.Lw => FusedKind.Lw,
        Opcode.Ld => FusedKind.Ld,
        Opcode.Sb => FusedKind.Sb,
        Opcode.Sw => FusedKind.Sw,
        Opcode.Sd => FusedKind.Sd,
        Opcode.Sh => FusedKind.Sh,
        Opcode.Lb => FusedKind.Lb,
        Opcode.Lwu => FusedKind.Lwu,
        Opcode.Xori => FusedKind.Xori,
        Opcode.Srai => FusedKind.Srai,
        Opcode.Sraiw => FusedKind.Sraiw,
        Opcode.Sltu => FusedKind.Sltu,
        Opcode.Slt => FusedKind.Slt,
        Opcode.Sll => FusedKind.Sll,
        Opcode.Sllw => FusedKind.Sllw,
        Opcode.Srl => FusedKind.Srl,
        Opcode.Fld => FusedKind.Fld,
        Opcode.Beq => FusedKind.Beq,
        Opcode.Bne => FusedKind.Bne,
        Opcode.Blt => FusedKind.Blt,
        Opcode.Bge => FusedKind.Bge,
        Opcode.Bltu => FusedKind.Bltu,
        Opcode.Bgeu => FusedKind.Bgeu,
        Opcode.Jal => FusedKind.Jump,
        Opcode.Jalr => FusedKind.JumpRegister,
        _ => FusedKind.None,
    };

    private static Handler Row<A>(FusedKind second) where A : struct, IFusable
        => second < FusedKind.Lh ? Computed<A>(second) : second < FusedKind.Beq ? Memory<A>(second) : Control<A>(second);

    private static Handler Computed<A>(FusedKind second) where A : struct, IFusable => second switch
    {
        FusedKind.Addi => P(&Step2<A, Rri<Add>>),
        FusedKind.Add => P(&Step2<A, Rrr<Add>>),
        FusedKind.Sub => P(&Step2<A, Rrr<Sub>>),
        FusedKind.Addw => P(&Step2<A, Rrr<Addw>>),
        FusedKind.Subw => P(&Step2<A, Rrr<Subw>>),
        FusedKind.Addiw => P(&Step2<A, Rri<Addw>>),
        FusedKind.Slli => P(&Step2<A, Rri<Sll>>),
        FusedKind.Srli => P(&Step2<A, Rri<Srl>>),
        FusedKind.Slliw => P(&Step2<A, Rri<Sllw>>),
        FusedKind.Srliw => P(&Step2<A, Rri<Srlw>>),
        FusedKind.Andi => P(&Step2<A, Rri<And>>),
        FusedKind.And => P(&Step2<A, Rrr<And>>),
        FusedKind.Or => P(&Step2<A, Rrr<Or>>),
        FusedKind.Xor => P(&Step2<A, Rrr<Xor>>),
        FusedKind.Constant => P(&Step2<A, Constant>),
        FusedKind.Move => P(&Step2<A, Move>),
        FusedKind.Mul => P(&Step2<A, Rrr<Mul>>),
        FusedKind.Mulw => P(&Step2<A, Rrr<Mulw>>),
        _ => 0,
    };

    private static Handler Memory<A>(FusedKind second) where A : struct, IFusable => second switch
    {
        FusedKind.Lh => P(&Step2<A, Load<LoadH>>),
        FusedKind.Lbu => P(&Step2<A, Load<LoadBu>>),
        FusedKind.Lhu => P(&Step2<A, Load<LoadHu>>),
        FusedKind.Lw => P(&Step2<A, Load<LoadW>>),
        FusedKind.Ld => P(&Step2<A, Load<LoadD>>),
        FusedKind.Sb => P(&Step2<A, Store<StoreB>>),
        FusedKind.Sw => P(&Step2<A, Store<StoreW>>),
        FusedKind.Sd => P(&Step2<A, Store<StoreD>>),
        _ => 0,
    };

    private static Handler Control<A>(FusedKind second) where A : struct, IFusable => second switch
    {
        FusedKind.Beq => A.CanFail ? P(&StepBranchFailing<A, Eq>) : P(&StepBranch<A, Eq>),
        FusedKind.Bne => A.CanFail ? P(&StepBranchFailing<A, Ne>) : P(&StepBranch<A, Ne>),
        FusedKind.Blt => A.CanFail ? P(&StepBranchFailing<A, Lt>) : P(&StepBranch<A, Lt>),
        FusedKind.Bge => A.CanFail ? P(&StepBranchFailing<A, Ge>) : P(&StepBranch<A, Ge>),
        FusedKind.Bltu => A.CanFail ? P(&StepBranchFailing<A, Ltu>) : P(&StepBranch<A, Ltu>),
        FusedKind.Bgeu => A.CanFail ? P(&StepBranchFailing<A, Geu>) : P(&StepBranch<A, Geu>),
        FusedKind.Jump => P(&StepJump<A>),
        _ => 0,
    };

    private static Handler P(Next handler) => (Handler)handler;
}

/// <summary>
/// The operations that take part in fused handlers: computations, then memory, then those that only sequences know, then control flow,
/// which only ends them.
/// </summary>
internal enum FusedKind : byte
{
    None,
    Addi, Add, Sub, Addw, Subw, Addiw, Slli, Srli, Slliw, Srliw, Andi, And, Or, Xor, Constant, Move, Mul, Mulw,
    Lh, Lbu, Lhu, Lw, Ld, Sb, Sw, Sd,
    Sh, Lb, Lwu, Xori, Srai, Sraiw, Sltu, Slt, Sll, Sllw, Srl, Fld, FmaddD, FmulD, FsubD,
    Beq, Bne, Blt, Bge, Bltu, Bgeu, Jump, JumpRegister,
    Count,
}
