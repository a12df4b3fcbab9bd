using unsafe VectorKernel = delegate*<Hypervisor.Core.Engine.Interpreter.Op*, Hypervisor.Core.Hart.HartState*, Hypervisor.Core.Memory.TlbEntry*, bool>;

namespace Hypervisor.Core.Engine.Interpreter.Vector;

/// <content>The instantiations of each kind of kernel for the element widths that it has; 0 for others.</content>
internal static unsafe partial class VectorKernels
{
    private static nint Unsigned<F>(int width) where F : struct, IElements => width switch
    {
        0 => P(&Elementwise.Run<F, byte>),
        1 => P(&Elementwise.Run<F, ushort>),
        2 => P(&Elementwise.Run<F, uint>),
        3 => P(&Elementwise.Run<F, ulong>),
        _ => 0,
    };

    private static nint Signed<F>(int width) where F : struct, IElements => width switch
    {
        0 => P(&Elementwise.Run<F, sbyte>),
        1 => P(&Elementwise.Run<F, short>),
        2 => P(&Elementwise.Run<F, int>),
        3 => P(&Elementwise.Run<F, long>),
        _ => 0,
    };

    private static nint CompareUnsigned<F>(int width) where F : struct, IComparison => width switch
    {
        0 => P(&Comparisons.Run<F, byte>),
        1 => P(&Comparisons.Run<F, ushort>),
        2 => P(&Comparisons.Run<F, uint>),
        3 => P(&Comparisons.Run<F, ulong>),
        _ => 0,
    };

    private static nint CompareSigned<F>(int width) where F : struct, IComparison => width switch
    {
        0 => P(&Comparisons.Run<F, sbyte>),
        1 => P(&Comparisons.Run<F, short>),
        2 => P(&Comparisons.Run<F, int>),
        3 => P(&Comparisons.Run<F, long>),
        _ => 0,
    };

    private static nint FixedUnsigned<F>(int width) where F : struct, IFixedPoint => width switch
    {
        0 => P(&FixedPoint.Run<F, byte>),
        1 => P(&FixedPoint.Run<F, ushort>),
        2 => P(&FixedPoint.Run<F, uint>),
        3 => P(&FixedPoint.Run<F, ulong>),
        _ => 0,
    };

    private static nint FixedSigned<F>(int width) where F : struct, IFixedPoint => width switch
    {
        0 => P(&FixedPoint.Run<F, sbyte>),
        1 => P(&FixedPoint.Run<F, short>),
        2 => P(&FixedPoint.Run<F, int>),
        3 => P(&FixedPoint.Run<F, long>),
        _ => 0,
    };

    private static nint Accumulate<F>(int width) where F : struct, IAccumulation => width switch
    {
        0 => P(&Accumulations.Run<F, byte>),
        1 => P(&Accumulations.Run<F, ushort>),
        2 => P(&Accumulations.Run<F, uint>),
        3 => P(&Accumulations.Run<F, ulong>),
        _ => 0,
    };

    private static nint ReduceUnsigned<F>(int width) where F : struct, IElements => width switch
    {
        0 => P(&Reductions.Run<F, byte>),
        1 => P(&Reductions.Run<F, ushort>),
        2 => P(&Reductions.Run<F, uint>),
        3 => P(&Reductions.Run<F, ulong>),
        _ => 0,
    };

    private static nint ReduceSigned<F>(int width) where F : struct, IElements => width switch
    {
        0 => P(&Reductions.Run<F, sbyte>),
        1 => P(&Reductions.Run<F, short>),
        2 => P(&Reductions.Run<F, int>),
        3 => P(&Reductions.Run<F, long>),
        _ => 0,
    };

    private static nint NarrowUnsigned<F>(int width) where F : struct, INarrowing => width switch
    {
        0 => P(&Narrowing.Run<F, byte, ushort>),
        1 => P(&Narrowing.Run<F, ushort, uint>),
        2 => P(&Narrowing.Run<F, uint, ulong>),
        _ => 0,
    };

    private static nint NarrowSigned<F>(int width) where F : struct, INarrowing => width switch
    {
        0 => P(&Narrowing.Run<F, sbyte, short>),
        1 => P(&Narrowing.Run<F, short, int>),
        2 => P(&Narrowing.Run<F, int, long>),
        _ => 0,
    };

    private static nint WideUnsigned<F>(int width) where F : struct, IElements => width switch
    {
        0 => P(&Vector.Widening.Run<F, byte, byte, ushort>),
        1 => P(&Vector.Widening.Run<F, ushort, ushort, uint>),
        2 => P(&Vector.Widening.Run<F, uint, uint, ulong>),
        _ => 0,
    };

    private static nint WideSigned<F>(int width) where F : struct, IElements => width switch
    {
        0 => P(&Vector.Widening.Run<F, sbyte, sbyte, ushort>),
        1 => P(&Vector.Widening.Run<F, short, short, uint>),
        2 => P(&Vector.Widening.Run<F, int, int, ulong>),
        _ => 0,
    };

    private static nint WideMixed<F>(int width) where F : struct, IElements => width switch
    {
        0 => P(&Vector.Widening.Run<F, sbyte, byte, ushort>),
        1 => P(&Vector.Widening.Run<F, short, ushort, uint>),
        2 => P(&Vector.Widening.Run<F, int, uint, ulong>),
        _ => 0,
    };

    private static nint WideSourceUnsigned<F>(int width) where F : struct, IElements => width switch
    {
        0 => P(&Vector.Widening.RunWide<F, byte, ushort>),
        1 => P(&Vector.Widening.RunWide<F, ushort, uint>),
        2 => P(&Vector.Widening.RunWide<F, uint, ulong>),
        _ => 0,
    };

    private static nint WideSourceSigned<F>(int width) where F : struct, IElements => width switch
    {
        0 => P(&Vector.Widening.RunWide<F, sbyte, ushort>),
        1 => P(&Vector.Widening.RunWide<F, short, uint>),
        2 => P(&Vector.Widening.RunWide<F, int, ulong>),
        _ => 0,
    };

    private static nint WideAccumulateUnsigned(int width) => width switch
    {
        0 => P(&Vector.Widening.Accumulate<byte, byte, ushort>),
        1 => P(&Vector.Widening.Accumulate<ushort, ushort, uint>),
        2 => P(&Vector.Widening.Accumulate<uint, uint, ulong>),
        _ => 0,
    };

    private static nint WideAccumulateSigned(int width) => width switch
    {
        0 => P(&Vector.Widening.Accumulate<sbyte, sbyte, ushort>),
        1 => P(&Vector.Widening.Accumulate<short, short, uint>),
        2 => P(&Vector.Widening.Accumulate<int, int, ulong>),
        _ => 0,
    };

    private static nint WideAccumulateSignedUnsigned(int width) => width switch
    {
        0 => P(&Vector.Widening.Accumulate<sbyte, byte, ushort>),
        1 => P(&Vector.Widening.Accumulate<short, ushort, uint>),
        2 => P(&Vector.Widening.Accumulate<int, uint, ulong>),
        _ => 0,
    };

    private static nint WideAccumulateUnsignedSigned(int width) => width switch
    {
        0 => P(&Vector.Widening.Accumulate<byte, sbyte, ushort>),
        1 => P(&Vector.Widening.Accumulate<ushort, short, uint>),
        2 => P(&Vector.Widening.Accumulate<uint, int, ulong>),
        _ => 0,
    };

    private static nint WideSumUnsigned(int width) => width switch
    {
        0 => P(&Reductions.RunWide<byte, ushort>),
        1 => P(&Reductions.RunWide<ushort, uint>),
        2 => P(&Reductions.RunWide<uint, ulong>),
        _ => 0,
    };

    private static nint WideSumSigned(int width) => width switch
    {
        0 => P(&Reductions.RunWide<sbyte, ushort>),
        1 => P(&Reductions.RunWide<short, uint>),
        2 => P(&Reductions.RunWide<int, ulong>),
        _ => 0,
    };

    private static nint ExtendUnsigned2(int width) => width switch
    {
        1 => P(&Vector.Widening.Extend<byte, ushort>),
        2 => P(&Vector.Widening.Extend<ushort, uint>),
        3 => P(&Vector.Widening.Extend<uint, ulong>),
        _ => 0,
    };

    private static nint ExtendUnsigned4(int width) => width switch
    {
        2 => P(&Vector.Widening.Extend<byte, uint>),
        3 => P(&Vector.Widening.Extend<ushort, ulong>),
        _ => 0,
    };

    private static nint ExtendUnsigned8(int width) => width switch
    {
        3 => P(&Vector.Widening.Extend<byte, ulong>),
        _ => 0,
    };

    private static nint ExtendSigned2(int width) => width switch
    {
        1 => P(&Vector.Widening.Extend<sbyte, ushort>),
        2 => P(&Vector.Widening.Extend<short, uint>),
        3 => P(&Vector.Widening.Extend<int, ulong>),
        _ => 0,
    };

    private static nint ExtendSigned4(int width) => width switch
    {
        2 => P(&Vector.Widening.Extend<sbyte, uint>),
        3 => P(&Vector.Widening.Extend<short, ulong>),
        _ => 0,
    };

    private static nint ExtendSigned8(int width) => width switch
    {
        3 => P(&Vector.Widening.Extend<sbyte, ulong>),
        _ => 0,
    };

    private static nint Gather(int width) => width switch
    {
        0 => P(&Permutations.Gather<byte>),
        1 => P(&Permutations.Gather<ushort>),
        2 => P(&Permutations.Gather<uint>),
        3 => P(&Permutations.Gather<ulong>),
        _ => 0,
    };

    private static nint Gather16(int width) => width switch
    {
        0 => P(&Permutations.Gather16<byte>),
        1 => P(&Permutations.Gather16<ushort>),
        2 => P(&Permutations.Gather16<uint>),
        3 => P(&Permutations.Gather16<ulong>),
        _ => 0,
    };

    private static nint SlideUp(int width) => width switch
    {
        0 => P(&Permutations.SlideUp<byte>),
        1 => P(&Permutations.SlideUp<ushort>),
        2 => P(&Permutations.SlideUp<uint>),
        3 => P(&Permutations.SlideUp<ulong>),
        _ => 0,
    };

    private static nint SlideDown(int width) => width switch
    {
        0 => P(&Permutations.SlideDown<byte>),
        1 => P(&Permutations.SlideDown<ushort>),
        2 => P(&Permutations.SlideDown<uint>),
        3 => P(&Permutations.SlideDown<ulong>),
        _ => 0,
    };

    private static nint Slide1Up(int width) => width switch
    {
        0 => P(&Permutations.Slide1Up<byte>),
        1 => P(&Permutations.Slide1Up<ushort>),
        2 => P(&Permutations.Slide1Up<uint>),
        3 => P(&Permutations.Slide1Up<ulong>),
        _ => 0,
    };

    private static nint Slide1Down(int width) => width switch
    {
        0 => P(&Permutations.Slide1Down<byte>),
        1 => P(&Permutations.Slide1Down<ushort>),
        2 => P(&Permutations.Slide1Down<uint>),
        3 => P(&Permutations.Slide1Down<ulong>),
        _ => 0,
    };

    private static nint Adc(int width) => width switch
    {
        0 => P(&Comparisons.AddCarry<byte>),
        1 => P(&Comparisons.AddCarry<ushort>),
        2 => P(&Comparisons.AddCarry<uint>),
        3 => P(&Comparisons.AddCarry<ulong>),
        _ => 0,
    };

    private static nint Sbc(int width) => width switch
    {
        0 => P(&Comparisons.SubtractBorrow<byte>),
        1 => P(&Comparisons.SubtractBorrow<ushort>),
        2 => P(&Comparisons.SubtractBorrow<uint>),
        3 => P(&Comparisons.SubtractBorrow<ulong>),
        _ => 0,
    };

    private static nint Madc(int width) => width switch
    {
        0 => P(&Comparisons.CarryOut<byte>),
        1 => P(&Comparisons.CarryOut<ushort>),
        2 => P(&Comparisons.CarryOut<uint>),
        3 => P(&Comparisons.CarryOut<ulong>),
        _ => 0,
    };

    private static nint Msbc(int width) => width switch
    {
        0 => P(&Comparisons.BorrowOut<byte>),
        1 => P(&Comparisons.BorrowOut<ushort>),
        2 => P(&Comparisons.BorrowOut<uint>),
        3 => P(&Comparisons.BorrowOut<ulong>),
        _ => 0,
    };

    private static nint Merge(int width) => width switch
    {
        0 => P(&Elementwise.Merge<byte>),
        1 => P(&Elementwise.Merge<ushort>),
        2 => P(&Elementwise.Merge<uint>),
        3 => P(&Elementwise.Merge<ulong>),
        _ => 0,
    };

    private static nint Move(int width) => width switch
    {
        0 => P(&Elementwise.Move<byte>),
        1 => P(&Elementwise.Move<ushort>),
        2 => P(&Elementwise.Move<uint>),
        3 => P(&Elementwise.Move<ulong>),
        _ => 0,
    };

    private static nint Compress(int width) => width switch
    {
        0 => P(&Permutations.Compress<byte>),
        1 => P(&Permutations.Compress<ushort>),
        2 => P(&Permutations.Compress<uint>),
        3 => P(&Permutations.Compress<ulong>),
        _ => 0,
    };

    private static nint Iota(int width) => width switch
    {
        0 => P(&MaskBits.Iota<byte>),
        1 => P(&MaskBits.Iota<ushort>),
        2 => P(&MaskBits.Iota<uint>),
        3 => P(&MaskBits.Iota<ulong>),
        _ => 0,
    };

    private static nint Id(int width) => width switch
    {
        0 => P(&MaskBits.Id<byte>),
        1 => P(&MaskBits.Id<ushort>),
        2 => P(&MaskBits.Id<uint>),
        3 => P(&MaskBits.Id<ulong>),
        _ => 0,
    };

    private static nint ToFloat(int width) => width switch
    {
        0 => P(&Permutations.ToFloat<byte>),
        1 => P(&Permutations.ToFloat<ushort>),
        2 => P(&Permutations.ToFloat<uint>),
        3 => P(&Permutations.ToFloat<ulong>),
        _ => 0,
    };

    private static nint FromFloat(int width) => width switch
    {
        0 => P(&Permutations.FromFloat<byte>),
        1 => P(&Permutations.FromFloat<ushort>),
        2 => P(&Permutations.FromFloat<uint>),
        3 => P(&Permutations.FromFloat<ulong>),
        _ => 0,
    };

    private static nint FromInteger(int width) => width switch
    {
        0 => P(&Permutations.FromInteger<byte>),
        1 => P(&Permutations.FromInteger<ushort>),
        2 => P(&Permutations.FromInteger<uint>),
        3 => P(&Permutations.FromInteger<ulong>),
        _ => 0,
    };

    private static nint ToInteger(int width) => width switch
    {
        0 => P(&Permutations.ToInteger<sbyte>),
        1 => P(&Permutations.ToInteger<short>),
        2 => P(&Permutations.ToInteger<int>),
        3 => P(&Permutations.ToInteger<long>),
        _ => 0,
    };

    private static nint FloatBinary<F>(int width) where F : struct, IFloatBinary => width switch
    {
        1 => P(&FloatKernels.Binary<F, HalfFloat, ushort>),
        2 => P(&FloatKernels.Binary<F, SingleFloat, uint>),
        3 => P(&FloatKernels.Binary<F, DoubleFloat, ulong>),
        _ => 0,
    };

    private static nint FloatUnary<F>(int width) where F : struct, IFloatUnary => width switch
    {
        1 => P(&FloatKernels.Unary<F, HalfFloat, ushort>),
        2 => P(&FloatKernels.Unary<F, SingleFloat, uint>),
        3 => P(&FloatKernels.Unary<F, DoubleFloat, ulong>),
        _ => 0,
    };

    private static nint FloatCompare<F>(int width) where F : struct, IFloatComparison => width switch
    {
        1 => P(&FloatKernels.Compare<F, HalfFloat, ushort>),
        2 => P(&FloatKernels.Compare<F, SingleFloat, uint>),
        3 => P(&FloatKernels.Compare<F, DoubleFloat, ulong>),
        _ => 0,
    };

    private static nint FloatReduce<F>(int width) where F : struct, IFloatBinary => width switch
    {
        1 => P(&FloatKernels.Reduce<F, HalfFloat, ushort>),
        2 => P(&FloatKernels.Reduce<F, SingleFloat, uint>),
        3 => P(&FloatKernels.Reduce<F, DoubleFloat, ulong>),
        _ => 0,
    };

    private static nint FloatFused<G>(int width) where G : struct, IFusedForm => width switch
    {
        1 => P(&FloatKernels.Fused<G, HalfFloat, ushort>),
        2 => P(&FloatKernels.Fused<G, SingleFloat, uint>),
        3 => P(&FloatKernels.Fused<G, DoubleFloat, ulong>),
        _ => 0,
    };

    private static nint FloatWide<F>(int width) where F : struct, IFloatBinary => width switch
    {
        1 => P(&FloatKernels.Wide<F, HalfFloat, SingleFloat, ushort, uint>),
        2 => P(&FloatKernels.Wide<F, SingleFloat, DoubleFloat, uint, ulong>),
        _ => 0,
    };

    private static nint FloatWideSource<F>(int width) where F : struct, IFloatBinary => width switch
    {
        1 => P(&FloatKernels.WideSource<F, HalfFloat, SingleFloat, ushort, uint>),
        2 => P(&FloatKernels.WideSource<F, SingleFloat, DoubleFloat, uint, ulong>),
        _ => 0,
    };

    private static nint FloatWideFused<G>(int width) where G : struct, IFusedForm => width switch
    {
        1 => P(&FloatKernels.WideFused<G, HalfFloat, SingleFloat, ushort, uint>),
        2 => P(&FloatKernels.WideFused<G, SingleFloat, DoubleFloat, uint, ulong>),
        _ => 0,
    };

    private static nint FloatReduceWide(int width) => width switch
    {
        1 => P(&FloatKernels.ReduceWide<HalfFloat, SingleFloat, ushort, uint>),
        2 => P(&FloatKernels.ReduceWide<SingleFloat, DoubleFloat, uint, ulong>),
        _ => 0,
    };

    private static nint ConvertSame<C>(int width) where C : struct, IFloatConversion => width switch
    {
        1 => P(&FloatKernels.Convert<C, HalfFloat, ushort, ushort>),
        2 => P(&FloatKernels.Convert<C, SingleFloat, uint, uint>),
        3 => P(&FloatKernels.Convert<C, DoubleFloat, ulong, ulong>),
        _ => 0,
    };

    private static nint ConvertWideTo<C>(int width) where C : struct, IFloatConversion => width switch
    {
        1 => P(&FloatKernels.Convert<C, HalfFloat, ushort, uint>),
        2 => P(&FloatKernels.Convert<C, SingleFloat, uint, ulong>),
        _ => 0,
    };

    private static nint ConvertWideFrom<C>(int width) where C : struct, IFloatConversion => width switch
    {
        0 => P(&FloatKernels.Convert<C, HalfFloat, byte, ushort>),
        1 => P(&FloatKernels.Convert<C, SingleFloat, ushort, uint>),
        2 => P(&FloatKernels.Convert<C, DoubleFloat, uint, ulong>),
        _ => 0,
    };

    private static nint ConvertNarrowTo<C>(int width) where C : struct, IFloatConversion => width switch
    {
        0 => P(&FloatKernels.Convert<C, HalfFloat, ushort, byte>),
        1 => P(&FloatKernels.Convert<C, SingleFloat, uint, ushort>),
        2 => P(&FloatKernels.Convert<C, DoubleFloat, ulong, uint>),
        _ => 0,
    };

    private static nint ConvertNarrowFrom<C>(int width) where C : struct, IFloatConversion => width switch
    {
        1 => P(&FloatKernels.Convert<C, HalfFloat, uint, ushort>),
        2 => P(&FloatKernels.Convert<C, SingleFloat, ulong, uint>),
        _ => 0,
    };

    private static nint FormatWide(int width) => width switch
    {
        1 => P(&FloatKernels.Convert<FormatWider, HalfFloat, ushort, uint>),
        2 => P(&FloatKernels.Convert<FormatWider, SingleFloat, uint, ulong>),
        _ => 0,
    };

    private static nint FormatNarrow<C>(int width) where C : struct, IFloatConversion => width switch
    {
        1 => P(&FloatKernels.Convert<C, SingleFloat, uint, ushort>),
        2 => P(&FloatKernels.Convert<C, DoubleFloat, ulong, uint>),
        _ => 0,
    };
}
