using System.Runtime.CompilerServices;
using Hypervisor.Core.Engine.Interpreter.Steps;
using Hypervisor.Core.Isa;
using Handler = nint;
using unsafe Next = delegate*<Hypervisor.Core.Engine.Interpreter.Op*, Hypervisor.Core.Hart.HartState*, Hypervisor.Core.Memory.TlbEntry*, long, void>;
using static Hypervisor.Core.Engine.Interpreter.Handlers;

namespace Hypervisor.Core.Engine.Interpreter;

/// <summary>
/// Which handler executes which opcode. Each handler is named by a method of its own (<see cref="Of{A}"/>): one that names many has all of
/// their types loaded before it runs, and so a program pays only for what it uses.
/// </summary>
internal static unsafe class HandlerMap
{
    /// <summary>The handler of a single operation, or 0 where the dispatcher does it.</summary>
    public static Handler Single(Opcode opcode, bool dynamicRounding)
    {
        // The later extensions by their ranges, so that a program which uses none of them pays for none.
        if (opcode is >= Opcode.Clmul and <= Opcode.Xperm8)
            return BitPermutations(opcode);
        if (opcode >= Opcode.Aes64Ds)
            return Cryptography(opcode);
        if (opcode >= Opcode.Flh)
            return Half(opcode, dynamicRounding);
        Handler handler = Base(opcode);
        if (handler == 0)
            handler = MultiplyAndBits(opcode);
        if (handler == 0)
            handler = Atomics(opcode);
        if (handler == 0)
            handler = FloatMoves(opcode);
        if (handler == 0)
            handler = dynamicRounding ? FloatRounded<DynamicRounding>(opcode) : FloatRounded<StaticRounding>(opcode);
        return handler;
    }

    private static Handler P(Next handler) => (Handler)handler;

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static Handler Of<A>() where A : struct, IStep => P(&Step<A>);

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static Handler OfBranch<C>() where C : struct, ICondition => P(&Branch<C>);

    private static Handler Base(Opcode opcode) => opcode switch
    {
        Opcode.Add => Of<Rrr<Add>>(),
        Opcode.Sub => Of<Rrr<Sub>>(),
        Opcode.Sll => Of<Rrr<Sll>>(),
        Opcode.Slt => Of<Rrr<Slt>>(),
        Opcode.Sltu => Of<Rrr<Sltu>>(),
        Opcode.Xor => Of<Rrr<Xor>>(),
        Opcode.Srl => Of<Rrr<Srl>>(),
        Opcode.Sra => Of<Rrr<Sra>>(),
        Opcode.Or => Of<Rrr<Or>>(),
        Opcode.And => Of<Rrr<And>>(),
        Opcode.Addw => Of<Rrr<Addw>>(),
        Opcode.Subw => Of<Rrr<Subw>>(),
        Opcode.Sllw => Of<Rrr<Sllw>>(),
        Opcode.Srlw => Of<Rrr<Srlw>>(),
        Opcode.Sraw => Of<Rrr<Sraw>>(),
        Opcode.Addi => Of<Rri<Add>>(),
        Opcode.Slti => Of<Rri<Slt>>(),
        Opcode.Sltiu => Of<Rri<Sltu>>(),
        Opcode.Xori => Of<Rri<Xor>>(),
        Opcode.Ori => Of<Rri<Or>>(),
        Opcode.Andi => Of<Rri<And>>(),
        Opcode.Slli => Of<Rri<Sll>>(),
        Opcode.Srli => Of<Rri<Srl>>(),
        Opcode.Srai => Of<Rri<Sra>>(),
        Opcode.Addiw => Of<Rri<Addw>>(),
        Opcode.Slliw => Of<Rri<Sllw>>(),
        Opcode.Srliw => Of<Rri<Srlw>>(),
        Opcode.Sraiw => Of<Rri<Sraw>>(),
        Opcode.Lui => Of<Constant>(),
        Opcode.Lb => Of<Load<LoadB>>(),
        Opcode.Lbu => Of<Load<LoadBu>>(),
        Opcode.Lh => Of<Load<LoadH>>(),
        Opcode.Lhu => Of<Load<LoadHu>>(),
        Opcode.Lw => Of<Load<LoadW>>(),
        Opcode.Lwu => Of<Load<LoadWu>>(),
        Opcode.Ld => Of<Load<LoadD>>(),
        Opcode.Sb => Of<Store<StoreB>>(),
        Opcode.Sh => Of<Store<StoreH>>(),
        Opcode.Sw => Of<Store<StoreW>>(),
        Opcode.Sd => Of<Store<StoreD>>(),
        Opcode.Beq => OfBranch<Eq>(),
        Opcode.Bne => OfBranch<Ne>(),
        Opcode.Blt => OfBranch<Lt>(),
        Opcode.Bge => OfBranch<Ge>(),
        Opcode.Bltu => OfBranch<Ltu>(),
        Opcode.Bgeu => OfBranch<Geu>(),
        Opcode.Jal => P(&Jump),
        Opcode.Jalr => P(&JumpRegister),
        Opcode.Fence => Of<Fence>(),
        _ => 0,
    };

    private static Handler MultiplyAndBits(Opcode opcode) => opcode switch
    {
        Opcode.Mul => Of<Rrr<Mul>>(),
        Opcode.Mulh => Of<Rrr<Mulh>>(),
        Opcode.Mulhsu => Of<Rrr<Mulhsu>>(),
        Opcode.Mulhu => Of<Rrr<Mulhu>>(),
        Opcode.Div => Of<Rrr<Div>>(),
        Opcode.Divu => Of<Rrr<Divu>>(),
        Opcode.Rem => Of<Rrr<Rem>>(),
        Opcode.Remu => Of<Rrr<Remu>>(),
        Opcode.Mulw => Of<Rrr<Mulw>>(),
        Opcode.Divw => Of<Rrr<Divw>>(),
        Opcode.Divuw => Of<Rrr<Divuw>>(),
        Opcode.Remw => Of<Rrr<Remw>>(),
        Opcode.Remuw => Of<Rrr<Remuw>>(),
        Opcode.Sh1add => Of<Rrr<Sh1add>>(),
        Opcode.Sh2add => Of<Rrr<Sh2add>>(),
        Opcode.Sh3add => Of<Rrr<Sh3add>>(),
        Opcode.Sh1addUw => Of<Rrr<Sh1addUw>>(),
        Opcode.Sh2addUw => Of<Rrr<Sh2addUw>>(),
        Opcode.Sh3addUw => Of<Rrr<Sh3addUw>>(),
        Opcode.AddUw => Of<Rrr<AddUw>>(),
        Opcode.Andn => Of<Rrr<Andn>>(),
        Opcode.Orn => Of<Rrr<Orn>>(),
        Opcode.Xnor => Of<Rrr<Xnor>>(),
        Opcode.Min => Of<Rrr<Min>>(),
        Opcode.Minu => Of<Rrr<Minu>>(),
        Opcode.Max => Of<Rrr<Max>>(),
        Opcode.Maxu => Of<Rrr<Maxu>>(),
        Opcode.Rol => Of<Rrr<Rol>>(),
        Opcode.Ror => Of<Rrr<Ror>>(),
        Opcode.Rolw => Of<Rrr<Rolw>>(),
        Opcode.Rorw => Of<Rrr<Rorw>>(),
        Opcode.Clz => Of<Rrr<Clz>>(),
        Opcode.Ctz => Of<Rrr<Ctz>>(),
        Opcode.Cpop => Of<Rrr<Cpop>>(),
        Opcode.Clzw => Of<Rrr<Clzw>>(),
        Opcode.Ctzw => Of<Rrr<Ctzw>>(),
        Opcode.Cpopw => Of<Rrr<Cpopw>>(),
        Opcode.SextB => Of<Rrr<SextB>>(),
        Opcode.SextH => Of<Rrr<SextH>>(),
        Opcode.ZextH => Of<Rrr<ZextH>>(),
        Opcode.OrcB => Of<Rrr<OrcB>>(),
        Opcode.Rev8 => Of<Rrr<Rev8>>(),
        Opcode.Bclr => Of<Rrr<Bclr>>(),
        Opcode.Bext => Of<Rrr<Bext>>(),
        Opcode.Binv => Of<Rrr<Binv>>(),
        Opcode.Bset => Of<Rrr<Bset>>(),
        Opcode.CzeroEqz => Of<Rrr<CzeroEqz>>(),
        Opcode.CzeroNez => Of<Rrr<CzeroNez>>(),
        Opcode.SlliUw => Of<Rri<SlliUw>>(),
        Opcode.Rori => Of<Rri<Ror>>(),
        Opcode.Roriw => Of<Rri<Rorw>>(),
        Opcode.Bclri => Of<Rri<Bclr>>(),
        Opcode.Bexti => Of<Rri<Bext>>(),
        Opcode.Binvi => Of<Rri<Binv>>(),
        Opcode.Bseti => Of<Rri<Bset>>(),
        _ => 0,
    };

    private static Handler Atomics(Opcode opcode) => opcode switch
    {
        Opcode.LrW => Of<LoadReserved<LoadW>>(),
        Opcode.LrD => Of<LoadReserved<LoadD>>(),
        Opcode.ScW => Of<StoreConditionalWord>(),
        Opcode.ScD => Of<StoreConditionalDouble>(),
        Opcode.AmoSwapW => Of<Amo<AmoSwapW>>(),
        Opcode.AmoAddW => Of<Amo<AmoAddW>>(),
        Opcode.AmoAndW => Of<Amo<AmoAndW>>(),
        Opcode.AmoOrW => Of<Amo<AmoOrW>>(),
        Opcode.AmoXorW => Of<Amo<AmoLoopW<Xor>>>(),
        Opcode.AmoMinW => Of<Amo<AmoLoopW<Min>>>(),
        Opcode.AmoMaxW => Of<Amo<AmoLoopW<Max>>>(),
        Opcode.AmoMinuW => Of<Amo<AmoLoopW<Minu>>>(),
        Opcode.AmoMaxuW => Of<Amo<AmoLoopW<Maxu>>>(),
        Opcode.AmoSwapD => Of<Amo<AmoSwapD>>(),
        Opcode.AmoAddD => Of<Amo<AmoAddD>>(),
        Opcode.AmoAndD => Of<Amo<AmoAndD>>(),
        Opcode.AmoOrD => Of<Amo<AmoOrD>>(),
        Opcode.AmoXorD => Of<Amo<AmoLoopD<Xor>>>(),
        Opcode.AmoMinD => Of<Amo<AmoLoopD<Min>>>(),
        Opcode.AmoMaxD => Of<Amo<AmoLoopD<Max>>>(),
        Opcode.AmoMinuD => Of<Amo<AmoLoopD<Minu>>>(),
        Opcode.AmoMaxuD => Of<Amo<AmoLoopD<Maxu>>>(),
        _ => 0,
    };

    private static Handler FloatMoves(Opcode opcode) => opcode switch
    {
        Opcode.Flw => Of<LoadFloat>(),
        Opcode.Fld => Of<LoadDouble>(),
        Opcode.Fsw => Of<StoreFloat<StoreW>>(),
        Opcode.Fsd => Of<StoreFloat<StoreD>>(),
        Opcode.FsgnjS => Of<Raw2<SgnjS>>(),
        Opcode.FsgnjnS => Of<Raw2<SgnjnS>>(),
        Opcode.FsgnjxS => Of<Raw2<SgnjxS>>(),
        Opcode.FminS => Of<Raw2<MinS>>(),
        Opcode.FmaxS => Of<Raw2<MaxS>>(),
        Opcode.FeqS => Of<RawToInteger<EqS>>(),
        Opcode.FltS => Of<RawToInteger<LtS>>(),
        Opcode.FleS => Of<RawToInteger<LeS>>(),
        Opcode.FclassS => Of<RawToInteger<ClassS>>(),
        Opcode.FsgnjD => Of<Raw2<SgnjD>>(),
        Opcode.FsgnjnD => Of<Raw2<SgnjnD>>(),
        Opcode.FsgnjxD => Of<Raw2<SgnjxD>>(),
        Opcode.FminD => Of<Raw2<MinD>>(),
        Opcode.FmaxD => Of<Raw2<MaxD>>(),
        Opcode.FeqD => Of<RawToInteger<EqD>>(),
        Opcode.FltD => Of<RawToInteger<LtD>>(),
        Opcode.FleD => Of<RawToInteger<LeD>>(),
        Opcode.FclassD => Of<RawToInteger<ClassD>>(),
        Opcode.FmvXD => Of<RawToInteger<MoveToX>>(),
        Opcode.FmvXW => Of<RawToInteger<MoveToXWord>>(),
        Opcode.FmvDX => Of<MoveFromX>(),
        Opcode.FmvWX => Of<MoveFromXWord>(),
        _ => 0,
    };

    private static Handler BitPermutations(Opcode opcode) => opcode switch
    {
        Opcode.Clmul => Of<Rrr<Clmul>>(),
        Opcode.Clmulr => Of<Rrr<Clmulr>>(),
        Opcode.Clmulh => Of<Rrr<Clmulh>>(),
        Opcode.Pack => Of<Rrr<Pack>>(),
        Opcode.Packh => Of<Rrr<Packh>>(),
        Opcode.Packw => Of<Rrr<Packw>>(),
        Opcode.Brev8 => Of<Rrr<Brev8>>(),
        Opcode.Xperm4 => Of<Rrr<Xperm4>>(),
        Opcode.Xperm8 => Of<Rrr<Xperm8>>(),
        _ => 0,
    };

    private static Handler Cryptography(Opcode opcode) => opcode switch
    {
        Opcode.Aes64Ds => Of<Rrr<Aes64Ds>>(),
        Opcode.Aes64Dsm => Of<Rrr<Aes64Dsm>>(),
        Opcode.Aes64Es => Of<Rrr<Aes64Es>>(),
        Opcode.Aes64Esm => Of<Rrr<Aes64Esm>>(),
        Opcode.Aes64Ks2 => Of<Rrr<Aes64Ks2>>(),
        Opcode.Sm4Ed => Of<Sm4<Sm4Round>>(),
        Opcode.Sm4Ks => Of<Sm4<Sm4Key>>(),
        Opcode.Aes64Ks1i => Of<Rri<Aes64Ks1i>>(),
        Opcode.Aes64Im => Of<Rrr<Aes64Im>>(),
        Opcode.Sha256Sum0 => Of<Rrr<Sha256Sum0>>(),
        Opcode.Sha256Sum1 => Of<Rrr<Sha256Sum1>>(),
        Opcode.Sha256Sig0 => Of<Rrr<Sha256Sig0>>(),
        Opcode.Sha256Sig1 => Of<Rrr<Sha256Sig1>>(),
        Opcode.Sha512Sum0 => Of<Rrr<Sha512Sum0>>(),
        Opcode.Sha512Sum1 => Of<Rrr<Sha512Sum1>>(),
        Opcode.Sha512Sig0 => Of<Rrr<Sha512Sig0>>(),
        Opcode.Sha512Sig1 => Of<Rrr<Sha512Sig1>>(),
        Opcode.Sm3P0 => Of<Rrr<Sm3P0>>(),
        Opcode.Sm3P1 => Of<Rrr<Sm3P1>>(),
        _ => 0,
    };

    private static Handler Half(Opcode opcode, bool dynamicRounding)
    {
        Handler handler = HalfMoves(opcode);
        if (handler == 0)
            handler = dynamicRounding ? HalfRounded<DynamicRounding>(opcode) : HalfRounded<StaticRounding>(opcode);
        return handler;
    }

    private static Handler HalfMoves(Opcode opcode) => opcode switch
    {
        Opcode.Flh => Of<LoadHalf>(),
        Opcode.Fsh => Of<StoreFloat<StoreH>>(),
        Opcode.FsgnjH => Of<Raw2<SgnjH>>(),
        Opcode.FsgnjnH => Of<Raw2<SgnjnH>>(),
        Opcode.FsgnjxH => Of<Raw2<SgnjxH>>(),
        Opcode.FminH => Of<Raw2<MinH>>(),
        Opcode.FmaxH => Of<Raw2<MaxH>>(),
        Opcode.FeqH => Of<RawToInteger<EqH>>(),
        Opcode.FltH => Of<RawToInteger<LtH>>(),
        Opcode.FleH => Of<RawToInteger<LeH>>(),
        Opcode.FclassH => Of<RawToInteger<ClassH>>(),
        Opcode.FmvXH => Of<RawToInteger<MoveToXHalf>>(),
        Opcode.FmvHX => Of<MoveFromXHalf>(),
        _ => 0,
    };

    private static Handler HalfRounded<R>(Opcode opcode) where R : struct, IRounding => opcode switch
    {
        Opcode.FaddH => Of<Half3<AddH, R>>(),
        Opcode.FsubH => Of<Half3<SubH, R>>(),
        Opcode.FmulH => Of<Half3<MulH, R>>(),
        Opcode.FdivH => Of<Half3<DivH, R>>(),
        Opcode.FsqrtH => Of<Half3<SqrtH, R>>(),
        Opcode.FmaddH => Of<Half3<FusedH<Madd>, R>>(),
        Opcode.FmsubH => Of<Half3<FusedH<Msub>, R>>(),
        Opcode.FnmsubH => Of<Half3<FusedH<Nmsub>, R>>(),
        Opcode.FnmaddH => Of<Half3<FusedH<Nmadd>, R>>(),
        Opcode.FcvtWH => Of<ToInteger<CvtWH, R>>(),
        Opcode.FcvtWuH => Of<ToInteger<CvtWuH, R>>(),
        Opcode.FcvtLH => Of<ToInteger<CvtLH, R>>(),
        Opcode.FcvtLuH => Of<ToInteger<CvtLuH, R>>(),
        Opcode.FcvtHW => Of<FromInteger<CvtHW, R>>(),
        Opcode.FcvtHWu => Of<FromInteger<CvtHWu, R>>(),
        Opcode.FcvtHL => Of<FromInteger<CvtHL, R>>(),
        Opcode.FcvtHLu => Of<FromInteger<CvtHLu, R>>(),
        Opcode.FcvtHS => Of<FloatToFloat<CvtHS, R>>(),
        Opcode.FcvtHD => Of<FloatToFloat<CvtHD, R>>(),
        Opcode.FcvtSH => Of<FloatToFloat<CvtSH, R>>(),
        Opcode.FcvtDH => Of<FloatToFloat<CvtDH, R>>(),
        _ => 0,
    };

    private static Handler FloatRounded<R>(Opcode opcode) where R : struct, IRounding => opcode switch
    {
        Opcode.FaddS => Of<Single2<AddS, R>>(),
        Opcode.FsubS => Of<Single2<SubS, R>>(),
        Opcode.FmulS => Of<Single2<MulS, R>>(),
        Opcode.FdivS => Of<Single2<DivS, R>>(),
        Opcode.FsqrtS => Of<Single2<SqrtS, R>>(),
        Opcode.FmaddS => Of<FusedS<Madd, R>>(),
        Opcode.FmsubS => Of<FusedS<Msub, R>>(),
        Opcode.FnmsubS => Of<FusedS<Nmsub, R>>(),
        Opcode.FnmaddS => Of<FusedS<Nmadd, R>>(),
        Opcode.FcvtWS => Of<ToInteger<CvtWS, R>>(),
        Opcode.FcvtSW => Of<FromInteger<CvtSW, R>>(),
        Opcode.FcvtWuS => Of<ToInteger<CvtWuS, R>>(),
        Opcode.FcvtSWu => Of<FromInteger<CvtSWu, R>>(),
        Opcode.FcvtLS => Of<ToInteger<CvtLS, R>>(),
        Opcode.FcvtSL => Of<FromInteger<CvtSL, R>>(),
        Opcode.FcvtLuS => Of<ToInteger<CvtLuS, R>>(),
        Opcode.FcvtSLu => Of<FromInteger<CvtSLu, R>>(),
        Opcode.FaddD => Of<Double2<AddD, R>>(),
        Opcode.FsubD => Of<Double2<SubD, R>>(),
        Opcode.FmulD => Of<Double2<MulD, R>>(),
        Opcode.FdivD => Of<Double2<DivD, R>>(),
        Opcode.FsqrtD => Of<Double2<SqrtD, R>>(),
        Opcode.FmaddD => Of<FusedD<Madd, R>>(),
        Opcode.FmsubD => Of<FusedD<Msub, R>>(),
        Opcode.FnmsubD => Of<FusedD<Nmsub, R>>(),
        Opcode.FnmaddD => Of<FusedD<Nmadd, R>>(),
        Opcode.FcvtWD => Of<ToInteger<CvtWD, R>>(),
        Opcode.FcvtDW => Of<FromInteger<CvtDW, R>>(),
        Opcode.FcvtWuD => Of<ToInteger<CvtWuD, R>>(),
        Opcode.FcvtDWu => Of<FromInteger<CvtDWu, R>>(),
        Opcode.FcvtLD => Of<ToInteger<CvtLD, R>>(),
        Opcode.FcvtDL => Of<FromInteger<CvtDL, R>>(),
        Opcode.FcvtLuD => Of<ToInteger<CvtLuD, R>>(),
        Opcode.FcvtDLu => Of<FromInteger<CvtDLu, R>>(),
        Opcode.FcvtSD => Of<FloatToFloat<CvtSD, R>>(),
        Opcode.FcvtDS => Of<FloatToFloat<CvtDS, R>>(),
        _ => 0,
    };
}
