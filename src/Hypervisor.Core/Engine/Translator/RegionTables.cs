using System.Runtime.InteropServices;
using Hypervisor.Core.Engine.Interpreter;
using Hypervisor.Core.Engine.Interpreter.Vector;
using Hypervisor.Core.Isa;
using unsafe Next = delegate*<Hypervisor.Core.Engine.Interpreter.Op*, Hypervisor.Core.Hart.HartState*, Hypervisor.Core.Memory.TlbEntry*, long, void>;

namespace Hypervisor.Core.Engine.Translator;

internal sealed unsafe partial class RegionCompiler
{
    /// <summary>The native memory that compiled code reads: targets of indirect jumps, ops for the interpreter, and places where it is left.</summary>
    private sealed class Tables
    {
        private const int MostHash = 1024;

        private readonly RegionPlan _plan;
        private readonly Op* _steps;
        private int _usedSlots;

        public Tables(RegionPlan plan)
        {
            _plan = plan;
            HashSize = 16;
            while (HashSize < MostHash && !IsPerfect(HashSize))
                HashSize *= 2;
            int bytes = HashSize * sizeof(RegionTarget)
                + plan.Blocks.Sum(block => block.Instructions.Sum(i => StepSlots(i.Opcode))) * sizeof(Op);
            Targets = (nint)NativeMemory.AllocZeroed((nuint)bytes);
            _steps = (Op*)(Targets + HashSize * sizeof(RegionTarget));
        }

        /// <summary>The hash table of <see cref="RegionTarget"/>, and where all but the leaves begins.</summary>
        public nint Targets { get; }

        /// <summary>The places of <see cref="RegionLeave"/>, when all are known.</summary>
        public nint Leaves { get; private set; }

        public int HashSize { get; private set; }

        /// <summary>An op of the interpreter's, for <see cref="RegionExits.RunStep"/>.</summary>
        public nint Step(in Instruction i)
        {
            bool dynamic = BlockBuilder.RoundsByMode(i.Opcode) && i.RoundingMode == 7;
            Op* op = Reserve(i.Opcode);
            op[0] = BlockBuilder.Plain(in i, _plan.Handlers.Single(i.Opcode, dynamic), 0);
            op[1] = new Op { Handler = (nint)(Next)(&RegionExits.Return) };
            return (nint)op;
        }

        /// <summary>The op of a vector instruction, and behind it its kernels.</summary>
        public nint Vector(in Instruction i)
        {
            Op* op = Reserve(i.Opcode);
            op[0] = BlockBuilder.Vector(in i, 0, 0);
            _plan.Handlers.KernelsOf(i.Opcode).CopyTo(new Span<nint>(op + 1, VectorOp.Kinds));
            return (nint)op;
        }

        /// <summary>The places where the region is left for the dispatcher, when all are known.</summary>
        public nint Place(List<RegionLeave> leaves)
        {
            RegionLeave* places = (RegionLeave*)NativeMemory.Alloc((nuint)Math.Max(1, leaves.Count), (nuint)sizeof(RegionLeave));
            CollectionsMarshal.AsSpan(leaves).CopyTo(new Span<RegionLeave>(places, leaves.Count));
            return Leaves = (nint)places;
        }

        /// <summary>Fills the tables, which are then the code's.</summary>
        public void Finish()
        {
            var targets = new Span<RegionTarget>((void*)Targets, HashSize);
            targets.Fill(new RegionTarget { Pc = 1 });
            foreach (PlanBlock block in _plan.Blocks)
            {
                // Where two share a place the second leaves the region: right, if slower.
                ref RegionTarget target = ref targets[Hash(block.Pc, HashSize)];
                if (block.Target >= 0 && target.Pc == 1)
                    target = new RegionTarget { Pc = block.Pc, Number = (ulong)block.Target, PageBit = 1UL << block.Page };
            }
        }

        /// <summary>How much memory an instruction has that the interpreter's code does, in ops.</summary>
        private static int StepSlots(Opcode opcode) => NeedsStep(opcode) ? 2 : IsVector(opcode) ? 1 + VectorOp.Kinds * sizeof(nint) / sizeof(Op) : 0;

        private Op* Reserve(Opcode opcode)
        {
            Op* op = _steps + _usedSlots;
            _usedSlots += StepSlots(opcode);
            return op;
        }

        private static int Hash(ulong pc, int size) => (int)((pc >> 1 ^ pc >> 12) & (ulong)(size - 1));

        private bool IsPerfect(int size)
        {
            var taken = new HashSet<int>();
            return _plan.Blocks.All(block => block.Target < 0 || taken.Add(Hash(block.Pc, size)));
        }
    }
}
