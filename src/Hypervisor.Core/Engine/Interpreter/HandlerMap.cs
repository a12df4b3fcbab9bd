using Hypervisor.Core.Engine.Interpreter.Steps;
using Hypervisor.Core.Isa;
using Handler = nint;
using unsafe Next = delegate*<Hypervisor.Core.Engine.Interpreter.Op*, Hypervisor.Core.Hart.HartState*, Hypervisor.Core.Memory.TlbEntry*, long, void>;
using static Hypervisor.Core.Engine.Interpreter.Handlers;

namespace Hypervisor.Core.Engine.Interpreter;

/// <summary>
/// Which handler executes which opcode. Grouped by extension, one small method each, because the JIT loads every
/// instantiation that a method names when it compiles the method: a program pays for the groups it uses.
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

    private static Handler Base(Opcode opcode) => opcode switch
    {
        Opcode.Add => P(&Step<Rrr<Add>>),
        Opcode.Sub => P(&Step<Rrr<Sub>>),
        Opcode.Sll => P(&Step<Rrr<Sll>>),
        Opcode.Slt => P(&Step<Rrr<Slt>>),
        Opcode.Sltu => P(&Step<Rrr<Sltu>>),
        Opcode.Xor => P(&Step<Rrr<Xor>>),
        Opcode.Srl => P(&Step<Rrr<Srl>>),
        Opcode.Sra => P(&Step<Rrr<Sra>>),
        Opcode.Or => P(&Step<Rrr<Or>>),
        Opcode.And => P(&Step<Rrr<And>>),
        Opcode.Addw => P(&Step<Rrr<Addw>>),
        Opcode.Subw => P(&Step<Rrr<Subw>>),
        Opcode.Sllw => P(&Step<Rrr<Sllw>>),
        Opcode.Srlw => P(&Step<Rrr<Srlw>>),
        Opcode.Sraw => P(&Step<Rrr<Sraw>>),
        Opcode.Addi => P(&Step<Rri<Add>>),
        Opcode.Slti => P(&Step<Rri<Slt>>),
        Opcode.Sltiu => P(&Step<Rri<Sltu>>),
        Opcode.Xori => P(&Step<Rri<Xor>>),
        Opcode.Ori => P(&Step<Rri<Or>>),
        Opcode.Andi => P(&Step<Rri<And>>),
        Opcode.Slli => P(&Step<Rri<Sll>>),
        Opcode.Srli => P(&Step<Rri<Srl>>),
        Opcode.Srai => P(&Step<Rri<Sra>>),
        Opcode.Addiw => P(&Step<Rri<Addw>>),
        Opcode.Slliw => P(&Step<Rri<Sllw>>),
        Opcode.Srliw => P(&Step<Rri<Srlw>>),
        Opcode.Sraiw => P(&Step<Rri<Sraw>>),
        Opcode.Lui => P(&Step<Constant>),
        Opcode.Lb => P(&Step<Load<LoadB>>),
        Opcode.Lbu => P(&Step<Load<LoadBu>>),
        Opcode.Lh => P(&Step<Load<LoadH>>),
        Opcode.Lhu => P(&Step<Load<LoadHu>>),
        Opcode.Lw => P(&Step<Load<LoadW>>),
        Opcode.Lwu => P(&Step<Load<LoadWu>>),
        Opcode.Ld => P(&Step<Load<LoadD>>),
        Opcode.Sb => P(&Step<Store<StoreB>>),
        Opcode.Sh => P(&Step<Store<StoreH>>),
        Opcode.Sw => P(&Step<Store<StoreW>>),
        Opcode.Sd => P(&Step<Store<StoreD>>),
        Opcode.Beq => P(&Branch<Eq>),
        Opcode.Bne => P(&Branch<Ne>),
        Opcode.Blt => P(&Branch<Lt>),
        Opcode.Bge => P(&Branch<Ge>),
        Opcode.Bltu => P(&Branch<Ltu>),
        Opcode.Bgeu => P(&Branch<Geu>),
        Opcode.Jal => P(&Jump),
        Opcode.Jalr => P(&JumpRegister),
        Opcode.Fence => P(&Step<Fence>),
        _ => 0,
    };

    private static Handler MultiplyAndBits(Opcode opcode) => opcode switch
    {
        Opcode.Mul => P(&Step<Rrr<Mul>>),
        Opcode.Mulh => P(&Step<Rrr<Mulh>>),
        Opcode.Mulhsu => P(&Step<Rrr<Mulhsu>>),
        Opcode.Mulhu => P(&Step<Rrr<Mulhu>>),
        Opcode.Div => P(&Step<Rrr<Div>>),
        Opcode.Divu => P(&Step<Rrr<Divu>>),
        Opcode.Rem => P(&Step<Rrr<Rem>>),
        Opcode.Remu => P(&Step<Rrr<Remu>>),
        Opcode.Mulw => P(&Step<Rrr<Mulw>>),
        Opcode.Divw => P(&Step<Rrr<Divw>>),
        Opcode.Divuw => P(&Step<Rrr<Divuw>>),
        Opcode.Remw => P(&Step<Rrr<Remw>>),
        Opcode.Remuw => P(&Step<Rrr<Remuw>>),
        Opcode.Sh1add => P(&Step<Rrr<Sh1add>>),
        Opcode.Sh2add => P(&Step<Rrr<Sh2add>>),
        Opcode.Sh3add => P(&Step<Rrr<Sh3add>>),
        Opcode.Sh1addUw => P(&Step<Rrr<Sh1addUw>>),
        Opcode.Sh2addUw => P(&Step<Rrr<Sh2addUw>>),
        Opcode.Sh3addUw => P(&Step<Rrr<Sh3addUw>>),
        Opcode.AddUw => P(&Step<Rrr<AddUw>>),
        Opcode.Andn => P(&Step<Rrr<Andn>>),
        Opcode.Orn => P(&Step<Rrr<Orn>>),
        Opcode.Xnor => P(&Step<Rrr<Xnor>>),
        Opcode.Min => P(&Step<Rrr<Min>>),
        Opcode.Minu => P(&Step<Rrr<Minu>>),
        Opcode.Max => P(&Step<Rrr<Max>>),
        Opcode.Maxu => P(&Step<Rrr<Maxu>>),
        Opcode.Rol => P(&Step<Rrr<Rol>>),
        Opcode.Ror => P(&Step<Rrr<Ror>>),
        Opcode.Rolw => P(&Step<Rrr<Rolw>>),
        Opcode.Rorw => P(&Step<Rrr<Rorw>>),
        Opcode.Clz => P(&Step<Rrr<Clz>>),
        Opcode.Ctz => P(&Step<Rrr<Ctz>>),
        Opcode.Cpop => P(&Step<Rrr<Cpop>>),
        Opcode.Clzw => P(&Step<Rrr<Clzw>>),
        Opcode.Ctzw => P(&Step<Rrr<Ctzw>>),
        Opcode.Cpopw => P(&Step<Rrr<Cpopw>>),
        Opcode.SextB => P(&Step<Rrr<SextB>>),
        Opcode.SextH => P(&Step<Rrr<SextH>>),
        Opcode.ZextH => P(&Step<Rrr<ZextH>>),
        Opcode.OrcB => P(&Step<Rrr<OrcB>>),
        Opcode.Rev8 => P(&Step<Rrr<Rev8>>),
        Opcode.Bclr => P(&Step<Rrr<Bclr>>),
        Opcode.Bext => P(&Step<Rrr<Bext>>),
        Opcode.Binv => P(&Step<Rrr<Binv>>),
        Opcode.Bset => P(&Step<Rrr<Bset>>),
        Opcode.CzeroEqz => P(&Step<Rrr<CzeroEqz>>),
        Opcode.CzeroNez => P(&Step<Rrr<CzeroNez>>),
        Opcode.SlliUw => P(&Step<Rri<SlliUw>>),
        Opcode.Rori => P(&Step<Rri<Ror>>),
        Opcode.Roriw => P(&Step<Rri<Rorw>>),
        Opcode.Bclri => P(&Step<Rri<Bclr>>),
        Opcode.Bexti => P(&Step<Rri<Bext>>),
        Opcode.Binvi => P(&Step<Rri<Binv>>),
        Opcode.Bseti => P(&Step<Rri<Bset>>),
        _ => 0,
    };

    private static Handler Atomics(Opcode opcode) => opcode switch
    {
        Opcode.LrW => P(&Step<LoadReserved<LoadW>>),
        Opcode.LrD => P(&Step<LoadReserved<LoadD>>),
        Opcode.ScW => P(&Step<StoreConditionalWord>),
        Opcode.ScD => P(&Step<StoreConditionalDouble>),
        Opcode.AmoSwapW => P(&Step<Amo<AmoSwapW>>),
        Opcode.AmoAddW => P(&Step<Amo<AmoAddW>>),
        Opcode.AmoAndW => P(&Step<Amo<AmoAndW>>),
        Opcode.AmoOrW => P(&Step<Amo<AmoOrW>>),
        Opcode.AmoXorW => P(&Step<Amo<AmoLoopW<Xor>>>),
        Opcode.AmoMinW => P(&Step<Amo<AmoLoopW<Min>>>),
        Opcode.AmoMaxW => P(&Step<Amo<AmoLoopW<Max>>>),
        Opcode.AmoMinuW => P(&Step<Amo<AmoLoopW<Minu>>>),
        Opcode.AmoMaxuW => P(&Step<Amo<AmoLoopW<Maxu>>>),
        Opcode.AmoSwapD => P(&Step<Amo<AmoSwapD>>),
        Opcode.AmoAddD => P(&Step<Amo<AmoAddD>>),
        Opcode.AmoAndD => P(&Step<Amo<AmoAndD>>),
        Opcode.AmoOrD => P(&Step<Amo<AmoOrD>>),
        Opcode.AmoXorD => P(&Step<Amo<AmoLoopD<Xor>>>),
        Opcode.AmoMinD => P(&Step<Amo<AmoLoopD<Min>>>),
        Opcode.AmoMaxD => P(&Step<Amo<AmoLoopD<Max>>>),
        Opcode.AmoMinuD => P(&Step<Amo<AmoLoopD<Minu>>>),
        Opcode.AmoMaxuD => P(&Step<Amo<AmoLoopD<Maxu>>>),
        _ => 0,
    };

    private static Handler FloatMoves(Opcode opcode) => opcode switch
    {
        Opcode.Flw => P(&Step<LoadFloat>),
        Opcode.Fld => P(&Step<LoadDouble>),
        Opcode.Fsw => P(&Step<StoreFloat<StoreW>>),
        Opcode.Fsd => P(&Step<StoreFloat<StoreD>>),
        Opcode.FsgnjS => P(&Step<Raw2<SgnjS>>),
        Opcode.FsgnjnS => P(&Step<Raw2<SgnjnS>>),
        Opcode.FsgnjxS => P(&Step<Raw2<SgnjxS>>),
        Opcode.FminS => P(&Step<Raw2<MinS>>),
        Opcode.FmaxS => P(&Step<Raw2<MaxS>>),
        Opcode.FeqS => P(&Step<RawToInteger<EqS>>),
        Opcode.FltS => P(&Step<RawToInteger<LtS>>),
        Opcode.FleS => P(&Step<RawToInteger<LeS>>),
        Opcode.FclassS => P(&Step<RawToInteger<ClassS>>),
        Opcode.FsgnjD => P(&Step<Raw2<SgnjD>>),
        Opcode.FsgnjnD => P(&Step<Raw2<SgnjnD>>),
        Opcode.FsgnjxD => P(&Step<Raw2<SgnjxD>>),
        Opcode.FminD => P(&Step<Raw2<MinD>>),
        Opcode.FmaxD => P(&Step<Raw2<MaxD>>),
        Opcode.FeqD => P(&Step<RawToInteger<EqD>>),
        Opcode.FltD => P(&Step<RawToInteger<LtD>>),
        Opcode.FleD => P(&Step<RawToInteger<LeD>>),
        Opcode.FclassD => P(&Step<RawToInteger<ClassD>>),
        Opcode.FmvXD => P(&Step<RawToInteger<MoveToX>>),
        Opcode.FmvXW => P(&Step<RawToInteger<MoveToXWord>>),
        Opcode.FmvDX => P(&Step<MoveFromX>),
        Opcode.FmvWX => P(&Step<MoveFromXWord>),
        _ => 0,
    };

    private static Handler BitPermutations(Opcode opcode) => opcode switch
    {
        Opcode.Clmul => P(&Step<Rrr<Clmul>>),
        Opcode.Clmulr => P(&Step<Rrr<Clmulr>>),
        Opcode.Clmulh => P(&Step<Rrr<Clmulh>>),
        Opcode.Pack => P(&Step<Rrr<Pack>>),
        Opcode.Packh => P(&Step<Rrr<Packh>>),
        Opcode.Packw => P(&Step<Rrr<Packw>>),
        Opcode.Brev8 => P(&Step<Rrr<Brev8>>),
        Opcode.Xperm4 => P(&Step<Rrr<Xperm4>>),
        Opcode.Xperm8 => P(&Step<Rrr<Xperm8>>),
        _ => 0,
    };

    private static Handler Cryptography(Opcode opcode) => opcode switch
    {
        Opcode.Aes64Ds => P(&Step<Rrr<Aes64Ds>>),
        Opcode.Aes64Dsm => P(&Step<Rrr<Aes64Dsm>>),
        Opcode.Aes64Es => P(&Step<Rrr<Aes64Es>>),
        Opcode.Aes64Esm => P(&Step<Rrr<Aes64Esm>>),
        Opcode.Aes64Ks2 => P(&Step<Rrr<Aes64Ks2>>),
        Opcode.Sm4Ed => P(&Step<Sm4<Sm4Round>>),
        Opcode.Sm4Ks => P(&Step<Sm4<Sm4Key>>),
        Opcode.Aes64Ks1i => P(&Step<Rri<Aes64Ks1i>>),
        Opcode.Aes64Im => P(&Step<Rrr<Aes64Im>>),
        Opcode.Sha256Sum0 => P(&Step<Rrr<Sha256Sum0>>),
        Opcode.Sha256Sum1 => P(&Step<Rrr<Sha256Sum1>>),
        Opcode.Sha256Sig0 => P(&Step<Rrr<Sha256Sig0>>),
        Opcode.Sha256Sig1 => P(&Step<Rrr<Sha256Sig1>>),
        Opcode.Sha512Sum0 => P(&Step<Rrr<Sha512Sum0>>),
        Opcode.Sha512Sum1 => P(&Step<Rrr<Sha512Sum1>>),
        Opcode.Sha512Sig0 => P(&Step<Rrr<Sha512Sig0>>),
        Opcode.Sha512Sig1 => P(&Step<Rrr<Sha512Sig1>>),
        Opcode.Sm3P0 => P(&Step<Rrr<Sm3P0>>),
        Opcode.Sm3P1 => P(&Step<Rrr<Sm3P1>>),
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
        Opcode.Flh => P(&Step<LoadHalf>),
        Opcode.Fsh => P(&Step<StoreFloat<StoreH>>),
        Opcode.FsgnjH => P(&Step<Raw2<SgnjH>>),
        Opcode.FsgnjnH => P(&Step<Raw2<SgnjnH>>),
        Opcode.FsgnjxH => P(&Step<Raw2<SgnjxH>>),
        Opcode.FminH => P(&Step<Raw2<MinH>>),
        Opcode.FmaxH => P(&Step<Raw2<MaxH>>),
        Opcode.FeqH => P(&Step<RawToInteger<EqH>>),
        Opcode.FltH => P(&Step<RawToInteger<LtH>>),
        Opcode.FleH => P(&Step<RawToInteger<LeH>>),
        Opcode.FclassH => P(&Step<RawToInteger<ClassH>>),
        Opcode.FmvXH => P(&Step<RawToInteger<MoveToXHalf>>),
        Opcode.FmvHX => P(&Step<MoveFromXHalf>),
        _ => 0,
    };

    private static Handler HalfRounded<R>(Opcode opcode) where R : struct, IRounding => opcode switch
    {
        Opcode.FaddH => P(&Step<Half3<AddH, R>>),
        Opcode.FsubH => P(&Step<Half3<SubH, R>>),
        Opcode.FmulH => P(&Step<Half3<MulH, R>>),
        Opcode.FdivH => P(&Step<Half3<DivH, R>>),
        Opcode.FsqrtH => P(&Step<Half3<SqrtH, R>>),
        Opcode.FmaddH => P(&Step<Half3<FusedH<Madd>, R>>),
        Opcode.FmsubH => P(&Step<Half3<FusedH<Msub>, R>>),
        Opcode.FnmsubH => P(&Step<Half3<FusedH<Nmsub>, R>>),
        Opcode.FnmaddH => P(&Step<Half3<FusedH<Nmadd>, R>>),
        Opcode.FcvtWH => P(&Step<ToInteger<CvtWH, R>>),
        Opcode.FcvtWuH => P(&Step<ToInteger<CvtWuH, R>>),
        Opcode.FcvtLH => P(&Step<ToInteger<CvtLH, R>>),
        Opcode.FcvtLuH => P(&Step<ToInteger<CvtLuH, R>>),
        Opcode.FcvtHW => P(&Step<FromInteger<CvtHW, R>>),
        Opcode.FcvtHWu => P(&Step<FromInteger<CvtHWu, R>>),
        Opcode.FcvtHL => P(&Step<FromInteger<CvtHL, R>>),
        Opcode.FcvtHLu => P(&Step<FromInteger<CvtHLu, R>>),
        Opcode.FcvtHS => P(&Step<FloatToFloat<CvtHS, R>>),
        Opcode.FcvtHD => P(&Step<FloatToFloat<CvtHD, R>>),
        Opcode.FcvtSH => P(&Step<FloatToFloat<CvtSH, R>>),
        Opcode.FcvtDH => P(&Step<FloatToFloat<CvtDH, R>>),
        _ => 0,
    };

    private static Handler FloatRounded<R>(Opcode opcode) where R : struct, IRounding => opcode switch
    {
        Opcode.FaddS => P(&Step<Single2<AddS, R>>),
        Opcode.FsubS => P(&Step<Single2<SubS, R>>),
        Opcode.FmulS => P(&Step<Single2<MulS, R>>),
        Opcode.FdivS => P(&Step<Single2<DivS, R>>),
        Opcode.FsqrtS => P(&Step<Single2<SqrtS, R>>),
        Opcode.FmaddS => P(&Step<FusedS<Madd, R>>),
        Opcode.FmsubS => P(&Step<FusedS<Msub, R>>),
        Opcode.FnmsubS => P(&Step<FusedS<Nmsub, R>>),
        Opcode.FnmaddS => P(&Step<FusedS<Nmadd, R>>),
        Opcode.FcvtWS => P(&Step<ToInteger<CvtWS, R>>),
        Opcode.FcvtSW => P(&Step<FromInteger<CvtSW, R>>),
        Opcode.FcvtWuS => P(&Step<ToInteger<CvtWuS, R>>),
        Opcode.FcvtSWu => P(&Step<FromInteger<CvtSWu, R>>),
        Opcode.FcvtLS => P(&Step<ToInteger<CvtLS, R>>),
        Opcode.FcvtSL => P(&Step<FromInteger<CvtSL, R>>),
        Opcode.FcvtLuS => P(&Step<ToInteger<CvtLuS, R>>),
        Opcode.FcvtSLu => P(&Step<FromInteger<CvtSLu, R>>),
        Opcode.FaddD => P(&Step<Double2<AddD, R>>),
        Opcode.FsubD => P(&Step<Double2<SubD, R>>),
        Opcode.FmulD => P(&Step<Double2<MulD, R>>),
        Opcode.FdivD => P(&Step<Double2<DivD, R>>),
        Opcode.FsqrtD => P(&Step<Double2<SqrtD, R>>),
        Opcode.FmaddD => P(&Step<FusedD<Madd, R>>),
        Opcode.FmsubD => P(&Step<FusedD<Msub, R>>),
        Opcode.FnmsubD => P(&Step<FusedD<Nmsub, R>>),
        Opcode.FnmaddD => P(&Step<FusedD<Nmadd, R>>),
        Opcode.FcvtWD => P(&Step<ToInteger<CvtWD, R>>),
        Opcode.FcvtDW => P(&Step<FromInteger<CvtDW, R>>),
        Opcode.FcvtWuD => P(&Step<ToInteger<CvtWuD, R>>),
        Opcode.FcvtDWu => P(&Step<FromInteger<CvtDWu, R>>),
        Opcode.FcvtLD => P(&Step<ToInteger<CvtLD, R>>),
        Opcode.FcvtDL => P(&Step<FromInteger<CvtDL, R>>),
        Opcode.FcvtLuD => P(&Step<ToInteger<CvtLuD, R>>),
        Opcode.FcvtDLu => P(&Step<FromInteger<CvtDLu, R>>),
        Opcode.FcvtSD => P(&Step<FloatToFloat<CvtSD, R>>),
        Opcode.FcvtDS => P(&Step<FloatToFloat<CvtDS, R>>),
        _ => 0,
    };
}
