using System.Reflection.Emit;
using Hypervisor.Core.Engine.Interpreter;
using Hypervisor.Core.Isa;
using Hypervisor.Core.Memory;

namespace Hypervisor.Core.Engine.Translator;

/// <summary>
/// The way to guest memory: a TLB entry that hits. Accesses of a block that have their base register in common, as those of a
/// function's stack frame have, are looked up once: the range that they span must lie in one page.
/// </summary>
internal sealed unsafe partial class RegionCompiler
{
    /// <summary>Bytes that a group may span: a wider one would too often cross a page.</summary>
    private const int MostSpan = 512;

    private const int MostGroups = 4;

    private readonly Dictionary<int, Group> _groups = [];
    private readonly LocalBuilder?[] _hosts = new LocalBuilder?[MostGroups];

    /// <summary>Accesses of one kind relative to one value of a register.</summary>
    private sealed class Group
    {
        public int First { get; init; }

        public int Last { get; set; }

        public int Lowest { get; set; }

        public int End { get; set; }

        public int Members { get; set; }

        /// <summary>Which local holds the host address of its lowest byte.</summary>
        public int Slot { get; set; }
    }

    /// <summary>Finds the groups of the block that is to be emitted.</summary>
    private void FindGroups()
    {
        _groups.Clear();
        if (!_plan.GroupsAccesses)
            return;
        var open = new Dictionary<(byte Base, bool Store), Group>();
        var members = new List<(int Instruction, Group Group)>();
        for (int k = 0; k < _block.Instructions.Count; k++)
        {
            Instruction i = _block.Instructions[k];
            MemoryShape shape = MemoryShape.Of(i.Opcode);
            if (shape.Size != 0 && !shape.IsAtomic && (!shape.IsFloat || shape.Size >= 4))
            {
                int end = i.Immediate + shape.Size;
                if (open.TryGetValue((i.Rs1, shape.IsStore), out Group? group)
                    && Math.Max(group.End, end) - Math.Min(group.Lowest, i.Immediate) <= MostSpan)
                {
                    group.Lowest = Math.Min(group.Lowest, i.Immediate);
                    group.End = Math.Max(group.End, end);
                }
                else
                {
                    group = new Group { First = k, Lowest = i.Immediate, End = end };
                    open[(i.Rs1, shape.IsStore)] = group;
                }

                group.Last = k;
                group.Members++;
                members.Add((k, group));
            }

            if (OperandKinds.Of(i.Opcode).WritesRd)
            {
                open.Remove((i.Rd, true));
                open.Remove((i.Rd, false));
            }
        }

        var busy = new int[MostGroups];
        foreach ((int instruction, Group group) in members)
        {
            if (group.Members == 1)
                continue;
            if (group.First == instruction)
                group.Slot = Array.FindIndex(busy, until => until <= instruction);
            if (group.Slot < 0)
                continue;
            busy[group.Slot] = Math.Max(busy[group.Slot], group.Last + 1);
            _groups[instruction] = group;
        }
    }

    /// <summary>Leaves the host address of an access on the stack, or goes to <paramref name="slow"/>.</summary>
    private void EmitProbe(in Instruction i, MemoryShape shape, Label slow)
    {
        int window = _windows.Of(_blockIndex, _instruction);
        if (!_groups.TryGetValue(_instruction, out Group? group))
        {
            if (window >= 0)
                EmitWindowed(i.Rs1, i.Immediate, shape.Size, shape.IsStore, window, single: true);
            else
                EmitLookup(i.Rs1, shape.IsAtomic ? 0 : i.Immediate, shape.Size, shape.IsStore, slow);
            return;
        }

        LocalBuilder host = _hosts[group.Slot] ??= _il.DeclareLocal(typeof(nint));
        if (group.First == _instruction)
        {
            int span = group.End - group.Lowest;
            if (window >= 0)
                EmitWindowed(i.Rs1, group.Lowest, span, shape.IsStore, window, single: span == shape.Size);
            else
                EmitLookup(i.Rs1, group.Lowest, span, shape.IsStore, span == shape.Size ? slow : Counted(slow));
            _il.Emit(OpCodes.Stloc, host);
        }

        _il.Emit(OpCodes.Ldloc, host);
        LoadField(i.Immediate - group.Lowest);
    }

    /// <summary>As a slow exit, and counted: where groups cross pages all the time, the region is made anew without them.</summary>
    private Label Counted(Label slow) => OutOfLine(() =>
    {
        Count(Offsets.GroupsLeft);
        _il.Emit(OpCodes.Br, slow);
    });

    /// <summary>One more in a counter of the region's cell.</summary>
    private void Count(int offset)
    {
        _il.Emit(OpCodes.Ldloc, _cell);
        LoadField(offset);
        _il.Emit(OpCodes.Dup);
        _il.Emit(OpCodes.Ldind_I8);
        _il.Emit(OpCodes.Ldc_I8, 1L);
        _il.Emit(OpCodes.Add);
        _il.Emit(OpCodes.Stind_I8);
    }

    /// <summary>Leaves the host address of a range on the stack whose bytes all lie in one page with an entry.</summary>
    private void EmitLookup(byte register, int offset, int size, bool store, Label slow)
    {
        Load(register);
        if (offset != 0)
        {
            _il.Emit(OpCodes.Ldc_I8, (long)offset);
            _il.Emit(OpCodes.Add);
        }

        _il.Emit(OpCodes.Stloc, _address);
        EmitFind(size, store, slow);
        LoadHost(store);
    }

    /// <summary>The host address of the guest's in the local, for which the local has the TLB's entry.</summary>
    private void LoadHost(bool store)
    {
        _il.Emit(OpCodes.Ldloc, _entry);
        LoadField((store ? Tlb.Entries * sizeof(TlbEntry) : 0) + 8);
        _il.Emit(OpCodes.Ldind_I8);
        _il.Emit(OpCodes.Ldloc, _address);
        _il.Emit(OpCodes.Add);
        _il.Emit(OpCodes.Conv_U);
    }

    /// <summary>Finds the TLB's entry for a range at the address in the local.</summary>
    private void EmitFind(int size, bool store, Label slow)
    {
        int table = store ? Tlb.Entries * sizeof(TlbEntry) : 0;
        _il.Emit(OpCodes.Ldarg_2);
        _il.Emit(OpCodes.Ldloc, _address);
        _il.Emit(OpCodes.Ldc_I4_8);
        _il.Emit(OpCodes.Shr_Un);
        _il.Emit(OpCodes.Ldc_I8, (Tlb.Entries - 1L) << 4);
        _il.Emit(OpCodes.And);
        _il.Emit(OpCodes.Conv_U);
        _il.Emit(OpCodes.Add);
        _il.Emit(OpCodes.Stloc, _entry);
        _il.Emit(OpCodes.Ldloc, _entry);
        LoadField(table);
        _il.Emit(OpCodes.Volatile);
        _il.Emit(OpCodes.Ldind_I8);
        _il.Emit(OpCodes.Ldloc, _address);
        if (size > 1)
        {
            // The entry was chosen by the first byte: that it is the last byte's too says that the range crosses no page. The host
            // does misaligned accesses.
            _il.Emit(OpCodes.Ldc_I8, size - 1L);
            _il.Emit(OpCodes.Add);
        }

        _il.Emit(OpCodes.Ldc_I8, ~0xFFFL);
        _il.Emit(OpCodes.And);
        _il.Emit(OpCodes.Bne_Un, slow);
    }
}
