using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Hypervisor.Core.Hart;
using Hypervisor.Core.Memory;

namespace Hypervisor.Core.Engine.Interpreter.Vector;

/// <summary>Operations that take each element by itself and have no effect beside their result.</summary>
/// <remarks>
/// Invariant of the unsafe code of all kernels: a register group lies within the 32 registers because its first register is a
/// multiple of its size, which <see cref="VectorRules"/> check, and vl never exceeds the elements of the group in force.
/// </remarks>
internal static unsafe class Elementwise
{
    /// <summary>vd = f(vs2, operand).</summary>
    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static bool Run<F, T>(Op* op, HartState* s, TlbEntry* tlb)
        where F : struct, IElements
        where T : unmanaged, IBinaryInteger<T>, IMinMaxValue<T>
    {
        if (!VectorRules.Plain(op, s))
            return false;
        nint count = (nint)s->Vl - (nint)s->Vstart;
        if (count <= 0)
            return VectorOp.Done(s);
        nint start = (nint)s->Vstart;
        T* a = (T*)VectorOp.Register(s, op->Rs2) + start;
        T* d = (T*)VectorOp.Register(s, op->Rd) + start;
        if (!VectorOp.IsMasked(op))
        {
            Compute<F, T>(op, s, d, a, start, count);
            return VectorOp.Done(s);
        }

        byte* allBytes = stackalloc byte[VectorUnit.MaximumGroupBytes];
        T* all = (T*)allBytes;
        Compute<F, T>(op, s, all, a, start, count);
        Blend(d, all, s->V, start, count);
        return VectorOp.Done(s);
    }

    private static void Compute<F, T>(Op* op, HartState* s, T* d, T* a, nint start, nint count)
        where F : struct, IElements
        where T : unmanaged, IBinaryInteger<T>, IMinMaxValue<T>
    {
        if (VectorOp.IsVectorForm(op))
            Apply<F, T>(d, a, (T*)VectorOp.Register(s, op->Rs1) + start, count);
        else
            ApplyUniform<F, T>(d, a, T.CreateTruncating(VectorOp.Scalar(op, s, sizeof(T))), count);
    }

    /// <summary>d[i] = f(a[i], b[i]).</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Apply<F, T>(T* d, T* a, T* b, nint count)
        where F : struct, IElements
        where T : unmanaged, IBinaryInteger<T>, IMinMaxValue<T>
    {
        nint i = 0;
        if (F.HasVectors)
        {
            if (Vector512.IsHardwareAccelerated)
            {
                for (; count - i >= Vector512<T>.Count; i += Vector512<T>.Count)
                    Vector512.Store(F.Apply(Vector512.Load(a + i), Vector512.Load(b + i)), d + i);
            }

            if (Vector256.IsHardwareAccelerated)
            {
                for (; count - i >= Vector256<T>.Count; i += Vector256<T>.Count)
                    Vector256.Store(F.Apply(Vector256.Load(a + i), Vector256.Load(b + i)), d + i);
            }

            if (Vector128.IsHardwareAccelerated)
            {
                for (; count - i >= Vector128<T>.Count; i += Vector128<T>.Count)
                    Vector128.Store(F.Apply(Vector128.Load(a + i), Vector128.Load(b + i)), d + i);
            }
        }

        for (; i < count; i++)
            d[i] = F.Apply(a[i], b[i]);
    }

    /// <summary>d[i] = f(a[i], b).</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void ApplyUniform<F, T>(T* d, T* a, T b, nint count)
        where F : struct, IElements
        where T : unmanaged, IBinaryInteger<T>, IMinMaxValue<T>
    {
        nint i = 0;
        if (F.HasVectors)
        {
            if (Vector512.IsHardwareAccelerated)
            {
                for (; count - i >= Vector512<T>.Count; i += Vector512<T>.Count)
                    Vector512.Store(F.Apply(Vector512.Load(a + i), Vector512.Create(b)), d + i);
            }

            if (Vector256.IsHardwareAccelerated)
            {
                for (; count - i >= Vector256<T>.Count; i += Vector256<T>.Count)
                    Vector256.Store(F.Apply(Vector256.Load(a + i), Vector256.Create(b)), d + i);
            }

            if (Vector128.IsHardwareAccelerated)
            {
                for (; count - i >= Vector128<T>.Count; i += Vector128<T>.Count)
                    Vector128.Store(F.Apply(Vector128.Load(a + i), Vector128.Create(b)), d + i);
            }
        }
        else if (F.HasUniform)
        {
            int shift = int.CreateTruncating(b) & sizeof(T) * 8 - 1;
            if (Vector512.IsHardwareAccelerated)
            {
                for (; count - i >= Vector512<T>.Count; i += Vector512<T>.Count)
                    Vector512.Store(F.ApplyUniform(Vector512.Load(a + i), Vector512.Create(b), shift), d + i);
            }

            if (Vector256.IsHardwareAccelerated)
            {
                for (; count - i >= Vector256<T>.Count; i += Vector256<T>.Count)
                    Vector256.Store(F.ApplyUniform(Vector256.Load(a + i), Vector256.Create(b), shift), d + i);
            }

            if (Vector128.IsHardwareAccelerated)
            {
                for (; count - i >= Vector128<T>.Count; i += Vector128<T>.Count)
                    Vector128.Store(F.ApplyUniform(Vector128.Load(a + i), Vector128.Create(b), shift), d + i);
            }
        }

        for (; i < count; i++)
            d[i] = F.Apply(a[i], b);
    }

    /// <summary>d[i] = b[i] where the mask has bit start + i.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Blend<T>(T* d, T* b, byte* mask, nint start, nint count) where T : unmanaged
    {
        nint i = 0;
        if (Vector128.IsHardwareAccelerated && (start & 7) == 0)
        {
            byte* bits = mask + (start >> 3);
            for (; count - i >= 8; i += 8)
            {
                byte eight = bits[i >> 3];
                if (eight == 0)
                    continue;
                for (int k = 0; k < 8; k += Vector128<T>.Count)
                {
                    Vector128<T> select = Lanes<T>(eight >> k);
                    if (sizeof(T) == 1)
                    {
                        // Eight bytes are half a host vector.
                        Vector64<byte> old = Vector64.Load((byte*)(d + i));
                        Vector64.Store(Vector64.ConditionalSelect(select.AsByte().GetLower(), Vector64.Load((byte*)(b + i)), old), (byte*)(d + i));
                        break;
                    }

                    Vector128.Store(Vector128.ConditionalSelect(select, Vector128.Load(b + i + k), Vector128.Load(d + i + k)), d + i + k);
                }
            }
        }

        for (; i < count; i++)
        {
            if (VectorOp.IsActive(mask, start + i))
                d[i] = b[i];
        }
    }

    /// <summary>Lanes of ones where the low bits are set.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<T> Lanes<T>(int bits) where T : unmanaged
    {
        if (sizeof(T) == 1)
        {
            Vector128<byte> powers = Vector128.Create(0x8040_2010_0804_0201UL).AsByte();
            return Vector128.Equals(Vector128.Create((byte)bits) & powers, powers).As<byte, T>();
        }

        if (sizeof(T) == 2)
        {
            Vector128<ushort> powers = Vector128.Create((ushort)1, 2, 4, 8, 16, 32, 64, 128);
            return Vector128.Equals(Vector128.Create((ushort)bits) & powers, powers).As<ushort, T>();
        }

        if (sizeof(T) == 4)
        {
            Vector128<uint> powers = Vector128.Create(1u, 2, 4, 8);
            return Vector128.Equals(Vector128.Create((uint)bits) & powers, powers).As<uint, T>();
        }
        else
        {
            Vector128<ulong> powers = Vector128.Create(1ul, 2);
            return Vector128.Equals(Vector128.Create((ulong)bits) & powers, powers).As<ulong, T>();
        }
    }

    /// <summary>vmv.v.v, vmv.v.x, vmv.v.i and vfmv.v.f.</summary>
    public static bool Move<T>(Op* op, HartState* s, TlbEntry* tlb) where T : unmanaged, IBinaryInteger<T>
    {
        if (!VectorRules.Plain(op, s) || (VectorOp.IsFloatForm(op) && !VectorRules.Float(s, sizeof(T))))
            return false;
        nint start = (nint)s->Vstart;
        nint count = (nint)s->Vl - start;
        if (count > 0)
        {
            var d = new Span<T>((T*)VectorOp.Register(s, op->Rd) + start, (int)count);
            if (VectorOp.IsVectorForm(op))
                new Span<T>((T*)VectorOp.Register(s, op->Rs1) + start, (int)count).CopyTo(d);
            else
                d.Fill(T.CreateTruncating(VectorOp.Scalar(op, s, sizeof(T))));
        }

        return VectorOp.Done(s);
    }

    /// <summary>vmerge and vfmerge: the mask chooses between vs2 and the operand.</summary>
    [SkipLocalsInit]
    public static bool Merge<T>(Op* op, HartState* s, TlbEntry* tlb) where T : unmanaged, IBinaryInteger<T>
    {
        if (!VectorRules.Plain(op, s) || (VectorOp.IsFloatForm(op) && !VectorRules.Float(s, sizeof(T))))
            return false;
        nint start = (nint)s->Vstart;
        nint count = (nint)s->Vl - start;
        if (count <= 0)
            return VectorOp.Done(s);
        byte* resultBytes = stackalloc byte[VectorUnit.MaximumGroupBytes];
        T* result = (T*)resultBytes;
        int bytes = (int)count * sizeof(T);
        new Span<byte>((T*)VectorOp.Register(s, op->Rs2) + start, bytes).CopyTo(new Span<byte>(result, bytes));
        if (VectorOp.IsVectorForm(op))
        {
            Blend(result, (T*)VectorOp.Register(s, op->Rs1) + start, s->V, start, count);
        }
        else
        {
            byte* allBytes = stackalloc byte[VectorUnit.MaximumGroupBytes];
            T* all = (T*)allBytes;
            new Span<T>(all, (int)count).Fill(T.CreateTruncating(VectorOp.Scalar(op, s, sizeof(T))));
            Blend(result, all, s->V, start, count);
        }

        new Span<byte>(result, bytes).CopyTo(new Span<byte>((T*)VectorOp.Register(s, op->Rd) + start, bytes));
        return VectorOp.Done(s);
    }
}
