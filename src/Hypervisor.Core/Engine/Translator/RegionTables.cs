using System.Runtime.InteropServices;
using Hypervisor.Core.Engine.Interpreter;
using Hypervisor.Core.Isa;
using unsafe Next = delegate*<Hypervisor.Core.Engine.Interpreter.Op*, Hypervisor.Core.Hart.HartState*, Hypervisor.Core.Memory.TlbEntry*, long, void>;

namespace Hypervisor.Core.Engine.Translator;

internal sealed unsafe partial class RegionCompiler
{
    /// <summary>The native memory of a region: its cell, pages, targets of indirect jumps, and places in mid-block where it is left.</summary>
    private sealed class Tables
    {
        private const int MostHash = 1024;

        private readonly RegionPlan _plan;
        private readonly nint _start;
        private readonly Op* _steps;
        private int _usedSteps;

        public Tables(RegionPlan plan, int windows)
        {
            _plan = plan;
            int pages = plan.Pages.Count * 16;
            HashSize = 16;
            while (HashSize < MostHash && !IsPerfect(HashSize))
                HashSize *= 2;
            int bytes = sizeof(RegionCell) + pages + windows * sizeof(long) + HashSize * sizeof(RegionTarget)
                + plan.Blocks.Sum(block => block.Instructions.Count(i => NeedsStep(i.Opcode))) * 2 * sizeof(Op);
            _start = (nint)NativeMemory.AllocZeroed((nuint)bytes);
            Cell = _start;
            Misses = _start + sizeof(RegionCell) + pages;
            Targets = Misses + windows * sizeof(long);
            _steps = (Op*)(Targets + HashSize * sizeof(RegionTarget));
        }

        public nint Cell { get; }

        public nint Targets { get; }

        /// <summary>How often each window was left for another page.</summary>
        public nint Misses { get; }

        public int HashSize { get; private set; }

        /// <summary>An op of the interpreter's, for <see cref="RegionExits.RunStep"/>.</summary>
        public nint Step(in Instruction i)
        {
            bool dynamic = BlockBuilder.RoundsByMode(i.Opcode) && i.RoundingMode == 7;
            Op* op = _steps + 2 * _usedSteps++;
            op[0] = BlockBuilder.Plain(in i, _plan.Handlers.Single(i.Opcode, dynamic), 0);
            op[1] = new Op { Handler = (nint)(Next)(&RegionExits.Return) };
            return (nint)op;
        }

        /// <summary>The places where the region is left for the dispatcher, when all are known.</summary>
        public nint Place(List<RegionLeave> leaves)
        {
            RegionLeave* places = (RegionLeave*)NativeMemory.Alloc((nuint)Math.Max(1, leaves.Count), (nuint)sizeof(RegionLeave));
            CollectionsMarshal.AsSpan(leaves).CopyTo(new Span<RegionLeave>(places, leaves.Count));
            ((RegionCell*)Cell)->Leaves = places;
            return (nint)places;
        }

        /// <summary>Fills the tables, which are then the region's.</summary>
        public nint Finish()
        {
            var cell = (RegionCell*)Cell;
            cell->PageCount = (ulong)_plan.Pages.Count;
            cell->Pages = (ulong*)(cell + 1);
            cell->Misses = (long*)Misses;
            for (int i = 0; i < _plan.Pages.Count; i++)
            {
                cell->Pages[2 * i] = _plan.Pages[i].Virtual;
                cell->Pages[2 * i + 1] = _plan.Pages[i].Physical;
            }

            var targets = new Span<RegionTarget>((void*)Targets, HashSize);
            targets.Fill(new RegionTarget { Pc = 1 });
            foreach (PlanBlock block in _plan.Blocks)
            {
                // Where two share a place the second leaves the region: right, if slower.
                ref RegionTarget target = ref targets[Hash(block.Pc, HashSize)];
                if (block.Target >= 0 && target.Pc == 1)
                    target = new RegionTarget { Pc = block.Pc, Number = (ulong)block.Target, PageBit = 1UL << block.Page };
            }

            return _start;
        }

        private static int Hash(ulong pc, int size) => (int)((pc >> 1 ^ pc >> 12) & (ulong)(size - 1));

        private bool IsPerfect(int size)
        {
            var taken = new HashSet<int>();
            return _plan.Blocks.All(block => block.Target < 0 || taken.Add(Hash(block.Pc, size)));
        }
    }
}
