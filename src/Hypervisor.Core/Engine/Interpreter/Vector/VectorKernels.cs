using Hypervisor.Core.Hart;
using Hypervisor.Core.Isa;
using Hypervisor.Core.Memory;
using unsafe VectorKernel = delegate*<Hypervisor.Core.Engine.Interpreter.Op*, Hypervisor.Core.Hart.HartState*, Hypervisor.Core.Memory.TlbEntry*, bool>;

namespace Hypervisor.Core.Engine.Interpreter.Vector;

/// <summary>
/// Which kernel does which vector instruction on elements of which width. In groups, as <see cref="HandlerMap"/> is, because the
/// JIT loads every instantiation that a method names.
/// </summary>
internal static unsafe partial class VectorKernels
{
    private const int IllegalType = VectorUnit.IllegalType;

    /// <summary>The kernel of an instruction for elements of 2^width bytes, for an illegal type, or where vectors are off.</summary>
    public static nint Find(Opcode opcode, int width)
    {
        if (width == VectorUnit.Off)
            return P(&Illegal);
        nint kernel = Always(opcode);
        if (kernel == 0 && width != IllegalType)
            kernel = opcode <= Opcode.Vsoxei64V ? Memory(opcode) : OfWidth(opcode, width);
        return kernel == 0 ? P(&Illegal) : kernel;
    }

    private static nint OfWidth(Opcode opcode, int width)
    {
        nint kernel = Integers(opcode, width);
        if (kernel == 0)
            kernel = Results(opcode, width);
        if (kernel == 0)
            kernel = Places(opcode, width);
        if (kernel == 0)
            kernel = Widening(opcode, width);
        return kernel == 0 ? Float(opcode, width) : kernel;
    }

    private static nint P(VectorKernel kernel) => (nint)kernel;

    private static bool Illegal(Op* op, HartState* s, TlbEntry* tlb) => false;

    /// <summary>Those that need no legal type.</summary>
    private static nint Always(Opcode opcode) => opcode switch
    {
        Opcode.Vsetvli => P(&Configuration.SetRegister),
        Opcode.Vsetivli => P(&Configuration.SetImmediate),
        Opcode.Vsetvl => P(&Configuration.SetFromRegister),
        Opcode.Vl1re8V or Opcode.Vl1re16V or Opcode.Vl1re32V or Opcode.Vl1re64V => P(&VectorMemory.LoadWhole),
        Opcode.Vs1rV => P(&VectorMemory.StoreWhole),
        Opcode.Vmv1rV => P(&Permutations.Move1),
        Opcode.Vmv2rV => P(&Permutations.Move2),
        Opcode.Vmv4rV => P(&Permutations.Move4),
        Opcode.Vmv8rV => P(&Permutations.Move8),
        _ => 0,
    };

    private static nint Memory(Opcode opcode) => opcode switch
    {
        Opcode.Vle8V or Opcode.Vle16V or Opcode.Vle32V or Opcode.Vle64V or Opcode.Vle8ffV or Opcode.Vle16ffV or
            Opcode.Vle32ffV or Opcode.Vle64ffV => P(&VectorMemory.LoadUnit),
        Opcode.VlmV => P(&VectorMemory.LoadMask),
        Opcode.Vlse8V or Opcode.Vlse16V or Opcode.Vlse32V or Opcode.Vlse64V => P(&VectorMemory.LoadStrided),
        Opcode.Vluxei8V or Opcode.Vluxei16V or Opcode.Vluxei32V or Opcode.Vluxei64V or Opcode.Vloxei8V or
            Opcode.Vloxei16V or Opcode.Vloxei32V or Opcode.Vloxei64V => P(&VectorMemory.LoadIndexed),
        Opcode.Vse8V or Opcode.Vse16V or Opcode.Vse32V or Opcode.Vse64V => P(&VectorMemory.StoreUnit),
        Opcode.VsmV => P(&VectorMemory.StoreMask),
        Opcode.Vsse8V or Opcode.Vsse16V or Opcode.Vsse32V or Opcode.Vsse64V => P(&VectorMemory.StoreStrided),
        Opcode.Vsuxei8V or Opcode.Vsuxei16V or Opcode.Vsuxei32V or Opcode.Vsuxei64V or Opcode.Vsoxei8V or
            Opcode.Vsoxei16V or Opcode.Vsoxei32V or Opcode.Vsoxei64V => P(&VectorMemory.StoreIndexed),
        _ => 0,
    };

    private static nint Integers(Opcode opcode, int width) => opcode switch
    {
        Opcode.VaddVv or Opcode.VaddVx or Opcode.VaddVi => Unsigned<Add>(width),
        Opcode.VsubVv or Opcode.VsubVx => Unsigned<Subtract>(width),
        Opcode.VrsubVx or Opcode.VrsubVi => Unsigned<SubtractReversed>(width),
        Opcode.VminuVv or Opcode.VminuVx => Unsigned<Minimum>(width),
        Opcode.VminVv or Opcode.VminVx => Signed<Minimum>(width),
        Opcode.VmaxuVv or Opcode.VmaxuVx => Unsigned<Maximum>(width),
        Opcode.VmaxVv or Opcode.VmaxVx => Signed<Maximum>(width),
        Opcode.VandVv or Opcode.VandVx or Opcode.VandVi => Unsigned<And>(width),
        Opcode.VorVv or Opcode.VorVx or Opcode.VorVi => Unsigned<Or>(width),
        Opcode.VxorVv or Opcode.VxorVx or Opcode.VxorVi => Unsigned<Xor>(width),
        Opcode.VsllVv or Opcode.VsllVx or Opcode.VsllVi => Unsigned<ShiftLeft>(width),
        Opcode.VsrlVv or Opcode.VsrlVx or Opcode.VsrlVi => Unsigned<ShiftRight>(width),
        Opcode.VsraVv or Opcode.VsraVx or Opcode.VsraVi => Signed<ShiftRight>(width),
        Opcode.VdivuVv or Opcode.VdivuVx => Unsigned<Divide>(width),
        Opcode.VdivVv or Opcode.VdivVx => Signed<Divide>(width),
        Opcode.VremuVv or Opcode.VremuVx => Unsigned<Remainder>(width),
        Opcode.VremVv or Opcode.VremVx => Signed<Remainder>(width),
        Opcode.VmulhuVv or Opcode.VmulhuVx => Unsigned<MultiplyHigh>(width),
        Opcode.VmulVv or Opcode.VmulVx => Unsigned<Multiply>(width),
        Opcode.VmulhsuVv or Opcode.VmulhsuVx => Signed<MultiplyHighMixed>(width),
        Opcode.VmulhVv or Opcode.VmulhVx => Signed<MultiplyHigh>(width),
        Opcode.VmaddVv or Opcode.VmaddVx => Accumulate<MultiplyAdd>(width),
        Opcode.VnmsubVv or Opcode.VnmsubVx => Accumulate<NegatedMultiplySubtract>(width),
        Opcode.VmaccVv or Opcode.VmaccVx => Accumulate<MultiplyAccumulate>(width),
        Opcode.VnmsacVv or Opcode.VnmsacVx => Accumulate<NegatedMultiplyAccumulate>(width),
        _ => 0,
    };

    private static nint Results(Opcode opcode, int width) => opcode switch
    {
        Opcode.VmseqVv or Opcode.VmseqVx or Opcode.VmseqVi => CompareUnsigned<Equal>(width),
        Opcode.VmsneVv or Opcode.VmsneVx or Opcode.VmsneVi => CompareUnsigned<NotEqual>(width),
        Opcode.VmsltuVv or Opcode.VmsltuVx => CompareUnsigned<Less>(width),
        Opcode.VmsltVv or Opcode.VmsltVx => CompareSigned<Less>(width),
        Opcode.VmsleuVv or Opcode.VmsleuVx or Opcode.VmsleuVi => CompareUnsigned<LessOrEqual>(width),
        Opcode.VmsleVv or Opcode.VmsleVx or Opcode.VmsleVi => CompareSigned<LessOrEqual>(width),
        Opcode.VmsgtuVx or Opcode.VmsgtuVi => CompareUnsigned<Greater>(width),
        Opcode.VmsgtVx or Opcode.VmsgtVi => CompareSigned<Greater>(width),
        Opcode.VsadduVv or Opcode.VsadduVx or Opcode.VsadduVi => FixedUnsigned<SaturatingAdd>(width),
        Opcode.VsaddVv or Opcode.VsaddVx or Opcode.VsaddVi => FixedSigned<SaturatingAdd>(width),
        Opcode.VssubuVv or Opcode.VssubuVx => FixedUnsigned<SaturatingSubtract>(width),
        Opcode.VssubVv or Opcode.VssubVx => FixedSigned<SaturatingSubtract>(width),
        Opcode.VsmulVv or Opcode.VsmulVx => FixedSigned<SaturatingMultiply>(width),
        Opcode.VssrlVv or Opcode.VssrlVx or Opcode.VssrlVi => FixedUnsigned<RoundingShift>(width),
        Opcode.VssraVv or Opcode.VssraVx or Opcode.VssraVi => FixedSigned<RoundingShift>(width),
        Opcode.VaadduVv or Opcode.VaadduVx => FixedUnsigned<AveragingAdd>(width),
        Opcode.VaaddVv or Opcode.VaaddVx => FixedSigned<AveragingAdd>(width),
        Opcode.VasubuVv or Opcode.VasubuVx => FixedUnsigned<AveragingSubtract>(width),
        Opcode.VasubVv or Opcode.VasubVx => FixedSigned<AveragingSubtract>(width),
        _ => 0,
    };

    private static nint Places(Opcode opcode, int width) => opcode switch
    {
        Opcode.VrgatherVv or Opcode.VrgatherVx or Opcode.VrgatherVi => Gather(width),
        Opcode.VslideupVx or Opcode.VslideupVi => SlideUp(width),
        Opcode.Vrgatherei16Vv => Gather16(width),
        Opcode.VslidedownVx or Opcode.VslidedownVi => SlideDown(width),
        Opcode.VadcVvm or Opcode.VadcVxm or Opcode.VadcVim => Adc(width),
        Opcode.VmadcVvm or Opcode.VmadcVxm or Opcode.VmadcVim or Opcode.VmadcVv or Opcode.VmadcVx or Opcode.VmadcVi => Madc(width),
        Opcode.VsbcVvm or Opcode.VsbcVxm => Sbc(width),
        Opcode.VmsbcVvm or Opcode.VmsbcVxm or Opcode.VmsbcVv or Opcode.VmsbcVx => Msbc(width),
        Opcode.VmergeVvm or Opcode.VmergeVxm or Opcode.VmergeVim or Opcode.VfmergeVfm => Merge(width),
        Opcode.VmvVV or Opcode.VmvVX or Opcode.VmvVI or Opcode.VfmvVF => Move(width),
        Opcode.Vslide1upVx or Opcode.Vfslide1upVf => Slide1Up(width),
        Opcode.Vslide1downVx or Opcode.Vfslide1downVf => Slide1Down(width),
        Opcode.VmvXS => ToInteger(width),
        Opcode.VcpopM => P(&MaskBits.Count),
        Opcode.VfirstM => P(&MaskBits.First),
        Opcode.VmvSX => FromInteger(width),
        Opcode.VmsbfM => P(&MaskBits.SetBefore),
        Opcode.VmsofM => P(&MaskBits.SetOnly),
        Opcode.VmsifM => P(&MaskBits.SetIncluding),
        Opcode.ViotaM => Iota(width),
        Opcode.VidV => Id(width),
        Opcode.VcompressVm => Compress(width),
        Opcode.VmandnMm => P(&MaskBits.Logical<MaskAndn>),
        Opcode.VmandMm => P(&MaskBits.Logical<MaskAnd>),
        Opcode.VmorMm => P(&MaskBits.Logical<MaskOr>),
        Opcode.VmxorMm => P(&MaskBits.Logical<MaskXor>),
        Opcode.VmornMm => P(&MaskBits.Logical<MaskOrn>),
        Opcode.VmnandMm => P(&MaskBits.Logical<MaskNand>),
        Opcode.VmnorMm => P(&MaskBits.Logical<MaskNor>),
        Opcode.VmxnorMm => P(&MaskBits.Logical<MaskXnor>),
        Opcode.VfmvFS => ToFloat(width),
        Opcode.VfmvSF => FromFloat(width),
        _ => 0,
    };

    private static nint Widening(Opcode opcode, int width) => opcode switch
    {
        Opcode.VnsrlWv or Opcode.VnsrlWx or Opcode.VnsrlWi => NarrowUnsigned<NarrowShift>(width),
        Opcode.VnsraWv or Opcode.VnsraWx or Opcode.VnsraWi => NarrowSigned<NarrowShift>(width),
        Opcode.VnclipuWv or Opcode.VnclipuWx or Opcode.VnclipuWi => NarrowUnsigned<NarrowClip>(width),
        Opcode.VnclipWv or Opcode.VnclipWx or Opcode.VnclipWi => NarrowSigned<NarrowClip>(width),
        Opcode.VwredsumuVs => WideSumUnsigned(width),
        Opcode.VwredsumVs => WideSumSigned(width),
        Opcode.VredsumVs => ReduceUnsigned<Add>(width),
        Opcode.VredandVs => ReduceUnsigned<And>(width),
        Opcode.VredorVs => ReduceUnsigned<Or>(width),
        Opcode.VredxorVs => ReduceUnsigned<Xor>(width),
        Opcode.VredminuVs => ReduceUnsigned<Minimum>(width),
        Opcode.VredminVs => ReduceSigned<Minimum>(width),
        Opcode.VredmaxuVs => ReduceUnsigned<Maximum>(width),
        Opcode.VredmaxVs => ReduceSigned<Maximum>(width),
        Opcode.VzextVf8 => ExtendUnsigned8(width),
        Opcode.VsextVf8 => ExtendSigned8(width),
        Opcode.VzextVf4 => ExtendUnsigned4(width),
        Opcode.VsextVf4 => ExtendSigned4(width),
        Opcode.VzextVf2 => ExtendUnsigned2(width),
        Opcode.VsextVf2 => ExtendSigned2(width),
        Opcode.VwadduVv or Opcode.VwadduVx => WideUnsigned<Add>(width),
        Opcode.VwaddVv or Opcode.VwaddVx => WideSigned<Add>(width),
        Opcode.VwsubuVv or Opcode.VwsubuVx => WideUnsigned<Subtract>(width),
        Opcode.VwsubVv or Opcode.VwsubVx => WideSigned<Subtract>(width),
        Opcode.VwadduWv or Opcode.VwadduWx => WideSourceUnsigned<Add>(width),
        Opcode.VwaddWv or Opcode.VwaddWx => WideSourceSigned<Add>(width),
        Opcode.VwsubuWv or Opcode.VwsubuWx => WideSourceUnsigned<Subtract>(width),
        Opcode.VwsubWv or Opcode.VwsubWx => WideSourceSigned<Subtract>(width),
        Opcode.VwmuluVv or Opcode.VwmuluVx => WideUnsigned<Multiply>(width),
        Opcode.VwmulsuVv or Opcode.VwmulsuVx => WideMixed<Multiply>(width),
        Opcode.VwmulVv or Opcode.VwmulVx => WideSigned<Multiply>(width),
        Opcode.VwmaccuVv or Opcode.VwmaccuVx => WideAccumulateUnsigned(width),
        Opcode.VwmaccVv or Opcode.VwmaccVx => WideAccumulateSigned(width),
        Opcode.VwmaccusVx => WideAccumulateSignedUnsigned(width),
        Opcode.VwmaccsuVv or Opcode.VwmaccsuVx => WideAccumulateUnsignedSigned(width),
        _ => 0,
    };

    private static nint Float(Opcode opcode, int width) => opcode switch
    {
        Opcode.VfaddVv or Opcode.VfaddVf => FloatBinary<FAdd>(width),
        Opcode.VfredusumVs or Opcode.VfredosumVs => FloatReduce<FAdd>(width),
        Opcode.VfsubVv or Opcode.VfsubVf => FloatBinary<FSubtract>(width),
        Opcode.VfminVv or Opcode.VfminVf => FloatBinary<FMinimum>(width),
        Opcode.VfredminVs => FloatReduce<FMinimum>(width),
        Opcode.VfmaxVv or Opcode.VfmaxVf => FloatBinary<FMaximum>(width),
        Opcode.VfredmaxVs => FloatReduce<FMaximum>(width),
        Opcode.VfsgnjVv or Opcode.VfsgnjVf => FloatBinary<FSign>(width),
        Opcode.VfsgnjnVv or Opcode.VfsgnjnVf => FloatBinary<FSignNegated>(width),
        Opcode.VfsgnjxVv or Opcode.VfsgnjxVf => FloatBinary<FSignXor>(width),
        Opcode.VfcvtXuFV => ConvertSame<ToUnsigned>(width),
        Opcode.VfcvtXFV => ConvertSame<ToSigned>(width),
        Opcode.VfcvtFXuV => ConvertSame<FromUnsigned>(width),
        Opcode.VfcvtFXV => ConvertSame<FromSigned>(width),
        Opcode.VfcvtRtzXuFV => ConvertSame<ToUnsignedTruncated>(width),
        Opcode.VfcvtRtzXFV => ConvertSame<ToSignedTruncated>(width),
        Opcode.VfwcvtXuFV => ConvertWideTo<ToUnsigned>(width),
        Opcode.VfwcvtXFV => ConvertWideTo<ToSigned>(width),
        Opcode.VfwcvtFXuV => ConvertWideFrom<FromUnsigned>(width),
        Opcode.VfwcvtFXV => ConvertWideFrom<FromSigned>(width),
        Opcode.VfwcvtFFV => FormatWide(width),
        Opcode.VfwcvtRtzXuFV => ConvertWideTo<ToUnsignedTruncated>(width),
        Opcode.VfwcvtRtzXFV => ConvertWideTo<ToSignedTruncated>(width),
        Opcode.VfncvtXuFW => ConvertNarrowTo<ToUnsigned>(width),
        Opcode.VfncvtXFW => ConvertNarrowTo<ToSigned>(width),
        Opcode.VfncvtFXuW => ConvertNarrowFrom<FromUnsigned>(width),
        Opcode.VfncvtFXW => ConvertNarrowFrom<FromSigned>(width),
        Opcode.VfncvtFFW => FormatNarrow<FormatNarrower>(width),
        Opcode.VfncvtRodFFW => FormatNarrow<FormatNarrowerToOdd>(width),
        Opcode.VfncvtRtzXuFW => ConvertNarrowTo<ToUnsignedTruncated>(width),
        Opcode.VfncvtRtzXFW => ConvertNarrowTo<ToSignedTruncated>(width),
        Opcode.VfsqrtV => FloatUnary<FSquareRoot>(width),
        Opcode.Vfrsqrt7V => FloatUnary<FReciprocalRoot>(width),
        Opcode.Vfrec7V => FloatUnary<FReciprocal>(width),
        Opcode.VfclassV => FloatUnary<FClass>(width),
        Opcode.VmfeqVv or Opcode.VmfeqVf => FloatCompare<FEqual>(width),
        Opcode.VmfleVv or Opcode.VmfleVf => FloatCompare<FLessOrEqual>(width),
        Opcode.VmfltVv or Opcode.VmfltVf => FloatCompare<FLess>(width),
        Opcode.VmfneVv or Opcode.VmfneVf => FloatCompare<FNotEqual>(width),
        Opcode.VmfgtVf => FloatCompare<FGreater>(width),
        Opcode.VmfgeVf => FloatCompare<FGreaterOrEqual>(width),
        Opcode.VfdivVv or Opcode.VfdivVf => FloatBinary<FDivide>(width),
        Opcode.VfrdivVf => FloatBinary<FDivideReversed>(width),
        Opcode.VfmulVv or Opcode.VfmulVf => FloatBinary<FMultiply>(width),
        Opcode.VfrsubVf => FloatBinary<FSubtractReversed>(width),
        Opcode.VfmaddVv or Opcode.VfmaddVf => FloatFused<Fmadd>(width),
        Opcode.VfnmaddVv or Opcode.VfnmaddVf => FloatFused<Fnmadd>(width),
        Opcode.VfmsubVv or Opcode.VfmsubVf => FloatFused<Fmsub>(width),
        Opcode.VfnmsubVv or Opcode.VfnmsubVf => FloatFused<Fnmsub>(width),
        Opcode.VfmaccVv or Opcode.VfmaccVf => FloatFused<Fmacc>(width),
        Opcode.VfnmaccVv or Opcode.VfnmaccVf => FloatFused<Fnmacc>(width),
        Opcode.VfmsacVv or Opcode.VfmsacVf => FloatFused<Fmsac>(width),
        Opcode.VfnmsacVv or Opcode.VfnmsacVf => FloatFused<Fnmsac>(width),
        Opcode.VfwaddVv or Opcode.VfwaddVf => FloatWide<FAdd>(width),
        Opcode.VfwredusumVs or Opcode.VfwredosumVs => FloatReduceWide(width),
        Opcode.VfwsubVv or Opcode.VfwsubVf => FloatWide<FSubtract>(width),
        Opcode.VfwaddWv or Opcode.VfwaddWf => FloatWideSource<FAdd>(width),
        Opcode.VfwsubWv or Opcode.VfwsubWf => FloatWideSource<FSubtract>(width),
        Opcode.VfwmulVv or Opcode.VfwmulVf => FloatWide<FMultiply>(width),
        Opcode.VfwmaccVv or Opcode.VfwmaccVf => FloatWideFused<Fmacc>(width),
        Opcode.VfwnmaccVv or Opcode.VfwnmaccVf => FloatWideFused<Fnmacc>(width),
        Opcode.VfwmsacVv or Opcode.VfwmsacVf => FloatWideFused<Fmsac>(width),
        Opcode.VfwnmsacVv or Opcode.VfwnmsacVf => FloatWideFused<Fnmsac>(width),
        _ => 0,
    };
}
