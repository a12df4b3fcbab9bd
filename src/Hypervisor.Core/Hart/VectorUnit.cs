namespace Hypervisor.Core.Hart;

/// <summary>The vector unit's configuration: vtype, vl and what follows from them (unprivileged specification, sections 30.3 and 30.6).</summary>
/// <remarks>Invariant for the unsafe code: where <see cref="HartState.Vlenb"/> is not 0, 32 registers of as many bytes lie at <see cref="HartState.V"/>.</remarks>
internal static unsafe class VectorUnit
{
    /// <summary>The largest register, in bits.</summary>
    public const int MaximumLength = 512;

    /// <summary>Bytes of the largest register group.</summary>
    public const int MaximumGroupBytes = 8 * MaximumLength / 8;

    /// <summary><see cref="HartState.VectorSelect"/> where vtype is illegal.</summary>
    public const byte IllegalType = 4;

    /// <summary><see cref="HartState.VectorSelect"/> where there are no vectors, or mstatus.VS is Off.</summary>
    public const byte Off = 5;

    /// <summary>vtype.vill, alone set in an illegal type.</summary>
    public const ulong Illegal = 1UL << 63;

    private const int ElementLength = 64;

    /// <summary>Whether a number of bits can be a register's length.</summary>
    public static bool IsLength(int bits) => bits is 128 or 256 or 512;

    /// <summary>Turns the instructions on or off, as mstatus.VS says.</summary>
    public static void Enable(HartState* s, bool enabled)
        => s->VectorSelect = !enabled || s->Vlenb == 0 ? Off : s->Vtype == Illegal ? IllegalType : (byte)(s->Vtype >> 3 & 7);

    /// <summary>Whether instructions and registers of vectors are legal.</summary>
    public static bool IsEnabled(HartState* s) => s->VectorSelect != Off;

    /// <summary>Puts a vtype in force, and the vector length that it gives an application's length.</summary>
    public static void Configure(HartState* s, ulong type, ulong length)
    {
        if (type == s->Vtype && type != Illegal)
        {
            s->Vstart = 0;
            s->VectorDirty = 1;
            s->Vl = Math.Min(length, s->VectorMaximum);
            return;
        }

        Change(s, type, length);
    }

    private static void Change(HartState* s, ulong type, ulong length)
    {
        s->Vstart = 0;
        s->VectorDirty = 1;
        if (!IsLegal(type))
        {
            s->Vtype = Illegal;
            s->Vl = 0;
            s->VectorMaximum = 0;
            s->VectorGroup = 0;
            s->GroupMask = 0;
            s->VectorSelect = IllegalType;
            return;
        }

        s->Vtype = type;
        s->VectorGroup = (sbyte)GroupOf(type);
        s->GroupMask = GroupMaskOf(type);
        s->VectorSelect = (byte)WidthOf(type);
        s->VectorMaximum = MaximumOf(s);
        s->Vl = Math.Min(length, s->VectorMaximum);
    }

    /// <summary>Whether a vtype can be in force.</summary>
    public static bool IsLegal(ulong type)
    {
        int group = GroupOf(type);
        return type <= 0xFF && WidthOf(type) <= 3 && group != -4 && (group >= 0 || ElementLength >> -group >= 8 << WidthOf(type));
    }

    /// <summary>The logarithm of the element's bytes under a vtype.</summary>
    public static int WidthOf(ulong type) => (int)(type >> 3 & 7);

    /// <summary>The bits that are clear in the number of a group's first register under a vtype.</summary>
    public static byte GroupMaskOf(ulong type) => (byte)((1 << Math.Max(0, GroupOf(type))) - 1);

    private static int GroupOf(ulong type) => (int)(type & 7) is var bits && bits >= 4 ? bits - 8 : bits;

    /// <summary>Writes vstart; always legal.</summary>
    public static bool Write(HartState* s, ref ulong register, ulong value)
    {
        register = value;
        s->VectorDirty = 1;
        return true;
    }

    /// <summary>Writes vxrm and vxsat; always legal.</summary>
    public static bool WriteFixedPoint(HartState* s, byte rounding, byte saturated)
    {
        s->Vxrm = rounding;
        s->Vxsat = saturated;
        s->VectorDirty = 1;
        return true;
    }

    /// <summary>VLMAX of the type in force, which is legal.</summary>
    private static ulong MaximumOf(HartState* s)
    {
        int shift = s->VectorGroup - (int)(s->Vtype >> 3 & 7);
        return shift >= 0 ? (ulong)s->Vlenb << shift : (ulong)s->Vlenb >> -shift;
    }

    /// <summary>The registers after reset and for a new program: all zero, with an illegal type.</summary>
    public static void Reset(HartState* s)
    {
        if (s->Vlenb == 0)
            return;
        bool enabled = IsEnabled(s);
        new Span<byte>(s->V, 32 * s->Vlenb).Clear();
        Configure(s, Illegal, 0);
        s->Vxrm = 0;
        s->Vxsat = 0;
        s->VectorDirty = 0;
        Enable(s, enabled);
    }
}
