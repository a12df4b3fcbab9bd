using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Hypervisor.Core.Hart;
using Hypervisor.Core.Memory;
using static Hypervisor.Core.Hart.RegisterFile;

namespace Hypervisor.Core.Engine.Interpreter.Vector;

/// <summary>
/// Loads and stores (section 30.7). They go through the TLB page by page; where it has no entry, vstart tells the element that is
/// next, and the dispatcher brings the entry, or the trap that the element takes.
/// </summary>
internal static unsafe class VectorMemory
{
    /// <summary>Where the elements of an access lie: the base, a step from element to element, offsets out of a register.</summary>
    private ref struct Places
    {
        public ulong Base, Step;
        public byte* Offsets;
        public int OffsetBytes;

        public readonly ulong Of(nint i)
        {
            ulong address = Base + (ulong)i * Step;
            return OffsetBytes switch
            {
                0 => address,
                1 => address + Offsets[i],
                2 => address + ((ushort*)Offsets)[i],
                4 => address + ((uint*)Offsets)[i],
                _ => address + ((ulong*)Offsets)[i],
            };
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static bool LoadUnit(Op* op, HartState* s, TlbEntry* tlb)
    {
        if (TryWithinPage(op, s, out ulong address, out uint bytes))
        {
            TlbEntry* entry = Tlb.LoadEntry(tlb, address);
            if (entry->Tag == (address & ~0xFFFUL))
            {
                Move(VectorOp.Register(s, op->Rd), (byte*)(address + (ulong)entry->Addend), bytes);
                return VectorOp.Done(s);
            }
        }

        return Unit(op, s, tlb, store: false);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static bool StoreUnit(Op* op, HartState* s, TlbEntry* tlb)
    {
        if (TryWithinPage(op, s, out ulong address, out uint bytes))
        {
            TlbEntry* entry = Tlb.StoreEntry(tlb, address);
            if (entry->Tag == (address & ~0xFFFUL))
            {
                Move((byte*)(address + (ulong)entry->Addend), VectorOp.Register(s, op->Rd), bytes);
                return VectorOp.Done(s);
            }
        }

        return Unit(op, s, tlb, store: true);
    }

    /// <summary>Whether an access is of the plainest kind: all elements, of the type's own width and unmasked, in one page.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static bool TryWithinPage(Op* op, HartState* s, out ulong address, out uint bytes)
    {
        const int fieldsAndForm = 0x3F << 13;
        address = X(s)[op->Rs1];
        int width = s->VectorSelect;
        bytes = (uint)s->Vl << width;
        int form = width == 0 ? 0 : width + 4;
        return (op->Imm & fieldsAndForm) == form << 16 && !VectorOp.IsMasked(op) && s->Vstart == 0 && (op->Rd & s->GroupMask) == 0
            && (address & 0xFFF) + bytes <= GuestMemory.PageSize;
    }

    /// <summary>Bytes from or to a register group, by host vectors where there are enough of them.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Move(byte* to, byte* from, ulong bytes)
    {
        if (Vector256.IsHardwareAccelerated && bytes >= 32 && (bytes & 31) == 0)
        {
            for (ulong i = 0; i < bytes; i += 32)
                Vector256.Store(Vector256.Load(from + i), to + i);
            return;
        }

        if (bytes == 16)
        {
            Vector128.Store(Vector128.Load(from), to);
            return;
        }

        Unsafe.CopyBlockUnaligned(to, from, (uint)bytes);
    }

    public static bool LoadStrided(Op* op, HartState* s, TlbEntry* tlb) => Strided(op, s, tlb, store: false);

    public static bool StoreStrided(Op* op, HartState* s, TlbEntry* tlb) => Strided(op, s, tlb, store: true);

    public static bool LoadIndexed(Op* op, HartState* s, TlbEntry* tlb) => Indexed(op, s, tlb, store: false);

    public static bool StoreIndexed(Op* op, HartState* s, TlbEntry* tlb) => Indexed(op, s, tlb, store: true);

    /// <summary>vlm.v: the bytes that hold vl bits.</summary>
    public static bool LoadMask(Op* op, HartState* s, TlbEntry* tlb) => Run(op, s, tlb, X(s)[op->Rs1], (nint)(s->Vl + 7 >> 3), 1, store: false);

    public static bool StoreMask(Op* op, HartState* s, TlbEntry* tlb) => Run(op, s, tlb, X(s)[op->Rs1], (nint)(s->Vl + 7 >> 3), 1, store: true);

    public static bool LoadWhole(Op* op, HartState* s, TlbEntry* tlb) => Whole(op, s, tlb, store: false);

    public static bool StoreWhole(Op* op, HartState* s, TlbEntry* tlb) => Whole(op, s, tlb, store: true);

    /// <summary>Bytes of an element, or of an offset, as the instruction's width field has them.</summary>
    private static int WidthOf(Op* op) => (op->Imm >> 16 & 7) switch
    {
        0 => 1,
        5 => 2,
        6 => 4,
        _ => 8,
    };

    /// <summary>Whole registers, whatever the type.</summary>
    private static bool Whole(Op* op, HartState* s, TlbEntry* tlb, bool store)
    {
        int registers = VectorOp.Fields(op);
        int bytes = WidthOf(op);
        return (op->Rd & (registers - 1)) == 0 && Run(op, s, tlb, X(s)[op->Rs1], registers * s->Vlenb / bytes, bytes, store);
    }

    private static bool Unit(Op* op, HartState* s, TlbEntry* tlb, bool store)
    {
        int bytes = WidthOf(op);
        if (!IsLegal(op, s, bytes, store, out int registers))
            return false;
        int fields = VectorOp.Fields(op);
        if (fields == 1 && !VectorOp.IsMasked(op))
            return Run(op, s, tlb, X(s)[op->Rs1], (nint)s->Vl, bytes, store);
        var places = new Places { Base = X(s)[op->Rs1], Step = (ulong)(fields * bytes) };
        return Each(op, s, tlb, in places, bytes, registers, store);
    }

    private static bool Strided(Op* op, HartState* s, TlbEntry* tlb, bool store)
    {
        int bytes = WidthOf(op);
        if (!IsLegal(op, s, bytes, store, out int registers))
            return false;
        var places = new Places { Base = X(s)[op->Rs1], Step = X(s)[op->Rs2] };
        return Each(op, s, tlb, in places, bytes, registers, store);
    }

    /// <summary>The width field tells the offsets' width; elements have that of the type.</summary>
    private static bool Indexed(Op* op, HartState* s, TlbEntry* tlb, bool store)
    {
        int offsetBytes = WidthOf(op);
        int bytes = 1 << s->VectorSelect;
        int group = s->VectorGroup;
        int offsets = BitOperations.Log2((uint)offsetBytes) - s->VectorSelect + group;
        if (!VectorRules.IsSize(offsets) || !VectorRules.IsGroup(op->Rs2, offsets) || !IsLegal(op, s, bytes, store, out int registers))
            return false;
        int fields = VectorOp.Fields(op);
        for (int field = 0; field < fields && !store; field++)
        {
            // A result may stand over offsets of its own width, which are read first; of several fields, none may.
            int result = op->Rd + field * registers;
            if ((fields > 1 || offsetBytes != bytes) && !(fields == 1 && result == op->Rs2 && offsetBytes > bytes) && !VectorRules.Apart(result, group, op->Rs2, offsets))
                return false;
            if (fields > 1 && result == op->Rs2)
                return false;
        }

        var places = new Places { Base = X(s)[op->Rs1], Offsets = VectorOp.Register(s, op->Rs2), OffsetBytes = offsetBytes };
        return Each(op, s, tlb, in places, bytes, registers, store);
    }

    /// <summary>Whether fields of elements of a width fit the registers from rd on.</summary>
    private static bool IsLegal(Op* op, HartState* s, int bytes, bool store, out int registers)
    {
        int group = BitOperations.Log2((uint)bytes) - s->VectorSelect + s->VectorGroup;
        registers = VectorRules.Registers(group);
        int all = registers * VectorOp.Fields(op);
        return VectorRules.IsSize(group) && VectorRules.IsGroup(op->Rd, group) && all <= 8 && op->Rd + all <= 32 && (store || VectorRules.MaskIsFree(op));
    }

    /// <summary>Elements one behind another, from and to consecutive registers: as many at once as a page has.</summary>
    private static bool Run(Op* op, HartState* s, TlbEntry* tlb, ulong address, nint count, int bytes, bool store)
    {
        byte* data = VectorOp.Register(s, op->Rd);
        nint i = (nint)s->Vstart;
        while (i < count)
        {
            ulong from = address + (ulong)(i * bytes);
            TlbEntry* entry = store ? Tlb.StoreEntry(tlb, from) : Tlb.LoadEntry(tlb, from);
            if (entry->Tag != (from & ~0xFFFUL))
                return Miss(s, i, from);
            nint elements = (nint)(GuestMemory.PageSize - (from & 0xFFF)) / bytes;
            if (elements == 0)
            {
                if (!TryElement(s, tlb, from, data + i * bytes, bytes, store, i))
                    return false;
                i++;
                continue;
            }

            elements = Math.Min(elements, count - i);
            byte* host = (byte*)(from + (ulong)entry->Addend);
            var guest = new Span<byte>(host, (int)(elements * bytes));
            var register = new Span<byte>(data + i * bytes, (int)(elements * bytes));
            if (store)
                register.CopyTo(guest);
            else
                guest.CopyTo(register);
            i += elements;
        }

        return VectorOp.Done(s);
    }

    /// <summary>Elements anywhere, under a mask, each of one or more fields.</summary>
    private static bool Each(Op* op, HartState* s, TlbEntry* tlb, in Places places, int bytes, int registers, bool store)
    {
        int fields = VectorOp.Fields(op);
        byte* mask = VectorOp.Mask(op, s);
        byte* data = VectorOp.Register(s, op->Rd);
        nint apart = registers * s->Vlenb;
        for (nint i = (nint)s->Vstart; i < (nint)s->Vl; i++)
        {
            if (!VectorOp.IsActive(mask, i))
                continue;
            ulong address = places.Of(i);
            for (int field = 0; field < fields; field++)
            {
                if (!TryElement(s, tlb, address + (ulong)(field * bytes), data + field * apart + i * bytes, bytes, store, i))
                    return false;
            }
        }

        return VectorOp.Done(s);
    }

    /// <summary>One element, wherever it lies, also across pages.</summary>
    private static bool TryElement(HartState* s, TlbEntry* tlb, ulong address, byte* data, int bytes, bool store, nint element)
    {
        TlbEntry* entry = store ? Tlb.StoreEntry(tlb, address) : Tlb.LoadEntry(tlb, address);
        if (entry->Tag != (address & ~0xFFFUL))
            return Miss(s, element, address);
        byte* host = (byte*)(address + (ulong)entry->Addend);
        int here = GuestMemory.PageSize - (int)(address & 0xFFF);
        if (here >= bytes)
        {
            Copy(store ? host : data, store ? data : host, bytes);
            return true;
        }

        ulong next = address + (ulong)here;
        TlbEntry* second = store ? Tlb.StoreEntry(tlb, next) : Tlb.LoadEntry(tlb, next);
        if (second->Tag != next)
            return Miss(s, element, next);
        byte* hostNext = (byte*)(next + (ulong)second->Addend);
        for (int k = 0; k < bytes; k++)
        {
            byte* guest = k < here ? host + k : hostNext + (k - here);
            if (store)
                *guest = data[k];
            else
                data[k] = *guest;
        }

        return true;
    }

    /// <summary>An element in one access, as other harts may see it.</summary>
    private static void Copy(byte* to, byte* from, int bytes)
    {
        switch (bytes)
        {
            case 1:
                *to = *from;
                break;
            case 2:
                *(ushort*)to = *(ushort*)from;
                break;
            case 4:
                *(uint*)to = *(uint*)from;
                break;
            default:
                *(ulong*)to = *(ulong*)from;
                break;
        }
    }

    private static bool Miss(HartState* s, nint element, ulong address)
    {
        s->Vstart = (ulong)element;
        s->VectorMiss = address;
        s->HasVectorMiss = 1;
        return false;
    }
}
