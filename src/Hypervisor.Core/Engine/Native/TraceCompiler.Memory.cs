using Hypervisor.Core.Engine.Interpreter;
using Hypervisor.Core.Isa;
using Hypervisor.Core.Memory;

namespace Hypervisor.Core.Engine.Native;

/// <summary>
/// Accesses to memory. Each looks into the TLB, and leaves to the dispatcher where it misses. Where several follow one another with one base
/// register, as at the begin and end of functions, the first looks for all: then what the base points to in the host's memory stays in a register.
/// </summary>
internal sealed unsafe partial class TraceCompiler
{
    /// <summary>How far accesses of a group may lie apart: a wider group would more often reach into another page, which leaves it all to the interpreter.</summary>
    private const int MostSpan = 256;

    /// <summary>How many slots on the members of a group are looked for.</summary>
    private const int MostSlots = 40;

    private Group _loads;
    private Group _stores;

    /// <summary>Accesses of one kind with one base register.</summary>
    /// <param name="Base">The guest register, which stays as it is up to the last.</param>
    /// <param name="Lowest">Their lowest distance from the base.</param>
    /// <param name="Span">Bytes from there to behind the highest.</param>
    /// <param name="Alignment">The largest of their sizes.</param>
    /// <param name="Last">Slot of the last access, or 0 for no group.</param>
    private readonly record struct Group(int Base, int Lowest, int Span, int Alignment, int Last);

    private void EmitAccess(int slot, Opcode opcode)
    {
        ref Op op = ref _ops[slot];
        MemoryShape shape = MemoryShape.Of(opcode);
        if (shape.IsFloat)
            RequireFloats(slot);
        ref Group group = ref shape.IsStore ? ref _stores : ref _loads;
        int kept = shape.IsStore ? TraceRegisters.StoreHost : TraceRegisters.LoadHost;
        Reg value = shape.IsStore && !shape.IsFloat ? _registers.Use(op.Rs2) : default;
        if (group.Last != 0 && group.Base == op.Rs1 && IsWithin(group, op.Imm, shape.Size) && _registers.TryUse(kept, out Reg host))
        {
            Transfer(ref op, opcode, shape, value, new Place(host, op.Imm), _registers.Take());
            return;
        }

        Reg @base = _registers.Use(op.Rs1);
        Reg place = _registers.Take();
        Reg scratch = _registers.Take();
        Group found = FindGroup(slot, shape);
        int first = found.Last != 0 ? found.Lowest : op.Imm;
        int alignment = found.Last != 0 ? found.Alignment : shape.Size;
        if (first != 0)
            _code.Address(scratch, @base, first);
        else
            _code.Move(scratch, @base);
        _code.RotateRight(place, scratch, 8, wide: true);
        _code.Operate(Alu.And, place, (Tlb.Entries - 1) << 4, wide: false);
        if (found.Last != 0)
        {
            // All of them lie in the page, or none is done here. It is not the dispatcher that then does the first, which would come back to here.
            Reg offset = _registers.Take();
            _code.Move32(offset, scratch);
            _code.Operate(Alu.And, offset, 0xFFF, wide: false);
            _code.Operate(Alu.Cmp, offset, GuestMemory.PageSize - found.Span, wide: false);
            Leave(Condition.Above, slot, WayKind.Interpret);
        }

        _code.Operate(Alu.And, scratch, ~0xFFF | (alignment - 1));
        int kind = shape.IsStore ? Tlb.StoreOffset : 0;
        var refill = new Refill(shape.IsStore ? StoreRefill : LoadRefill, _code.Length, scratch, place);
        _code.CompareIndexed(scratch, Reg.Rdx, place, kind);
        Leave(Condition.NotEqual, slot, found.Last != 0 ? WayKind.Interpret : WayKind.Slow, refill);
        _code.LoadIndexed(place, Reg.Rdx, place, kind + Tlb.AddendOffset);
        if (found.Last == 0)
        {
            Transfer(ref op, opcode, shape, value, new Place(place, op.Imm, @base), scratch);
            return;
        }

        _code.Operate(Alu.Add, place, @base);
        _registers.Keep(kept, place);
        group = found;
        Transfer(ref op, opcode, shape, value, new Place(place, op.Imm), scratch);
    }

    private void Transfer(ref Op op, Opcode opcode, MemoryShape shape, Reg value, Place place, Reg scratch)
    {
        if (shape.IsStore)
        {
            if (shape.IsFloat)
            {
                value = scratch;
                _code.Load(value, Reg.Rsi, s_floats + op.Rs2 * 8);
            }

            _code.Store(value, place, shape.Size);
            return;
        }

        _code.Load(scratch, place, shape.Size, IsSigned(opcode));
        if (!shape.IsFloat)
        {
            _registers.Define(op.Rd, scratch);
            return;
        }

        if (shape.Size == 4)
        {
            // Singles are boxed: the high half all ones.
            Reg box = _registers.Take();
            _code.Constant(box, -1L << 32);
            _code.Operate(Alu.Or, scratch, box);
        }

        _code.Store(scratch, Reg.Rsi, s_floats + op.Rd * 8, wide: true);
        _code.StoreConstant(Reg.Rsi, s_fpDirty, 1, isByte: true);
    }

    private static bool IsSigned(Opcode opcode) => opcode is Opcode.Lb or Opcode.Lh or Opcode.Lw;

    /// <summary>Ends groups whose last access is done, so that nothing is kept for them.</summary>
    private void EndGroups(int slot)
    {
        if (_loads.Last != 0 && _loads.Last < slot)
        {
            _registers.Drop(TraceRegisters.LoadHost);
            _loads = default;
        }

        if (_stores.Last != 0 && _stores.Last < slot)
        {
            _registers.Drop(TraceRegisters.StoreHost);
            _stores = default;
        }
    }

    private static bool IsWithin(Group group, int distance, int size)
        => distance >= group.Lowest && distance + size <= group.Lowest + group.Span && size <= group.Alignment && IsMultiple(distance, size);

    private static bool IsMultiple(int distance, int size) => (distance & (size - 1)) == 0;

    /// <summary>
    /// The accesses that follow one, of its kind and with its base register; none where there is no other. The lowest distance is a multiple of the largest
    /// size, and each of its own: so all are aligned where the lowest is.
    /// </summary>
    private Group FindGroup(int slot, MemoryShape shape)
    {
        int guest = _ops[slot].Rs1;
        int alignment = shape.Size;
        int lowest = _ops[slot].Imm;
        int highest = lowest + alignment;
        if (!IsMultiple(lowest, alignment))
            return default;
        int last = 0;
        int end = Math.Min(_slots, slot + MostSlots);
        for (int i = slot; i < end;)
        {
            FusedKind kind = Kind(i);
            if (kind is >= FusedKind.Beq and <= FusedKind.Bgeu)
            {
                i += 3;
                continue;
            }

            if (kind is FusedKind.Jump or FusedKind.JumpRegister || !IsKnown(i))
                break;
            bool isWide = IsWide(i);
            MemoryShape other = kind is FusedKind.Constant or FusedKind.Move || isWide ? default : MemoryShape.Of(_infos[i].Opcode);
            int distance = _ops[i].Imm;
            if (i != slot && other.Size != 0 && other.IsStore == shape.IsStore && _ops[i].Rs1 == guest && IsMultiple(distance, other.Size))
            {
                int size = Math.Max(alignment, other.Size);
                int from = Math.Min(lowest, distance) & -size;
                int to = Math.Max(highest, distance + other.Size);
                if (to - from <= MostSpan)
                    (lowest, highest, alignment, last) = (from, to, size, i);
            }

            if (_ops[i].Rd == guest && WritesInteger(i, other))
                break;
            i += isWide ? 2 : 1;
        }

        return last == 0 ? default : new Group(guest, lowest, highest - lowest, alignment, last);
    }

    private bool WritesInteger(int slot, MemoryShape shape)
        => shape.Size != 0 ? !shape.IsStore && !shape.IsFloat : _infos[slot].Opcode is not (Opcode.Fence or Opcode.FmvDX or Opcode.FsgnjD);
}
