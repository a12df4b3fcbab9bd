using System.Globalization;
using System.Text;
using Hypervisor.Core.Isa;

namespace Hypervisor.Lockstep;

/// <summary>The first difference found.</summary>
/// <param name="Step">Steps that both had made alike.</param>
/// <param name="Report">What differs and what led there, for people.</param>
internal sealed record Divergence(long Step, string Report);

/// <summary>
/// Two machines, step by step. What may differ is said here and nowhere else: the values of clocks and of registers that
/// name the implementation, loads from devices and from the first device tree (it holds a random seed), and bits that the specification leaves to the implementation.
/// </summary>
internal static class Comparison
{
    private const int HistoryLength = 12;
    private const int Mtval = 0x343;
    private const int Stval = 0x143;
    private const ulong Breakpoint = 3;
    private static readonly int s_machineCause = Array.IndexOf(HartSnapshot.CsrNames, "mcause");
    private static readonly int s_machineEpc = Array.IndexOf(HartSnapshot.CsrNames, "mepc");
    private static readonly int s_supervisorEpc = Array.IndexOf(HartSnapshot.CsrNames, "sepc");
    private static readonly int s_supervisorCause = Array.IndexOf(HartSnapshot.CsrNames, "scause");
    private const ulong TimerBits = 1 << 7 | 1 << 5;

    /// <summary>Interrupts of the hypervisor extension, which QEMU 7.2 keeps though it is off.</summary>
    private const ulong HypervisorBits = 1 << 2 | 1 << 6 | 1 << 10;

    /// <summary>Exceptions 0 to 9, 12, 13 and 15. QEMU 7.2 also lets calls from machine mode be delegated, which section 3.1.8 rules out.</summary>
    private const ulong Exceptions = 0xB3FF;

    /// <summary>
    /// CSRs whose reads give QEMU's value to both: clocks and counters, names of the implementation, PMP addresses (our grain is
    /// a page, QEMU's four bytes; section 3.7.1 leaves it open), and misa, whose letters name what is there, and medeleg, mepc and sepc
    /// for the bits said below, and mcounteren and scounteren, whose upper halves QEMU 7.2 keeps.
    /// </summary>
    private static bool IsAdopted(int csr) => csr is (>= 0xB00 and <= 0xB1F) or (>= 0xC00 and <= 0xC1F) or (>= 0x3B0 and <= 0x3EF)
        or (>= 0xF11 and <= 0xF13) or 0x301 or 0x302 or 0x141 or 0x341 or 0x106 or 0x306;

    /// <summary>Compares until one ends, or so many steps are made.</summary>
    /// <param name="own">Our machine, at the start of its first instruction.</param>
    /// <param name="qemu">QEMU's trace, before its reset vector.</param>
    /// <param name="steps">Steps at most.</param>
    /// <param name="slice">How many steps to make before looking: 1 finds the very instruction, more tries other slices.</param>
    /// <param name="atStart">Called with QEMU's state where the program begins.</param>
    /// <param name="made">Steps made.</param>
    public static Divergence? Run(OwnMachine own, QemuTrace qemu, long steps, Func<int> slice, Action<HartSnapshot> atStart, out long made)
    {
        var ours = new HartSnapshot();
        var before = new HartSnapshot();
        var start = new HartSnapshot();
        var history = new Queue<string>();
        made = 0;
        own.Read(ours);

        // QEMU's reset vector sets up what our loader does.
        do
        {
            if (!qemu.TryNext(start))
                return new Divergence(0, $"QEMU ended before it reached the start at 0x{ours.Pc:x}");
        }
        while (start.Pc != ours.Pc);
        atStart(start);
        for (int i = 1; i < 32; i++)
            own.SetRegister(i, start.X[i]);
        own.Read(ours);
        if (Differences(ours, start) is { } different)
            return new Divergence(0, Describe(different, ours, ours, start, history));

        // States of QEMU's after the one that both were last found in.
        var theirs = new List<HartSnapshot>();
        while (made < steps)
        {
            int wanted = slice();
            Instruction? instruction = own.InstructionAt(ours.Pc);
            if (wanted == 1)
                Remember(history, ours, instruction);
            before.CopyFrom(ours);
            int done = own.Run(wanted);
            if (done == 0)
                return null;
            made += done;
            while (theirs.Count < done)
            {
                var next = new HartSnapshot();
                if (!qemu.TryNext(next))
                    return null;
                theirs.Add(next);
            }

            if (done == 1 && instruction is { } executed && Adopts(own, before, executed) && theirs[0].Pc == before.Pc + executed.Length)
                own.SetRegister(executed.Rd, theirs[0].X[executed.Rd]);
            own.Read(ours);
            int found = Find(ours, theirs, done);
            if (found < 0 && StepsIntoFetchFault(own, ours))
            {
                made++;
                found = Find(ours, theirs, done);
            }

            if (found < 0)
                return new Divergence(made - done, Describe(Differences(ours, theirs[done - 1])!, before, ours, theirs[done - 1], history));
            theirs.RemoveRange(0, found + 1);
        }

        return null;
    }

    /// <summary>
    /// The last of QEMU's next states that is ours. Where a fetch faults QEMU shows none and is in the handler at once, so it may
    /// have come as far in fewer steps than we.
    /// </summary>
    private static int Find(HartSnapshot ours, List<HartSnapshot> theirs, int done)
    {
        int found = done - 1;
        while (found >= 0 && Differences(ours, theirs[found]) is not null)
            found--;
        return found;
    }

    /// <summary>We stand where a fetch is about to fault, and QEMU is in the handler already: follow it.</summary>
    private static bool StepsIntoFetchFault(OwnMachine own, HartSnapshot ours)
    {
        const ulong accessFault = 1;
        const ulong pageFault = 12;
        ulong pc = ours.Pc;
        if (own.Run(1) != 1)
            return false;
        own.Read(ours);
        return (ours.Csrs[s_machineCause] is accessFault or pageFault && ours.Csrs[s_machineEpc] == pc)
            || (ours.Csrs[s_supervisorCause] is accessFault or pageFault && ours.Csrs[s_supervisorEpc] == pc);
    }

    private static bool Adopts(OwnMachine own, HartSnapshot before, Instruction instruction) => instruction.Opcode switch
    {
        >= Opcode.Csrrw and <= Opcode.Csrrci => IsAdopted(instruction.Immediate & 0xFFF) || (instruction.Immediate & 0xFFF) switch
        {
            Mtval => before.Csrs[s_machineCause] == Breakpoint,
            Stval => before.Csrs[s_supervisorCause] == Breakpoint,
            _ => false,
        },
        >= Opcode.Lb and <= Opcode.Lwu => !own.IsCommon(before.X[instruction.Rs1] + (ulong)(long)instruction.Immediate),
        _ => false,
    };

    private static string? Differences(HartSnapshot ours, HartSnapshot theirs)
    {
        var text = new StringBuilder();
        void Check(string name, ulong a, ulong b)
        {
            if (a != b)
                text.Append(CultureInfo.InvariantCulture, $"  {name,-9} ours 0x{a:x16}  QEMU 0x{b:x16}\n");
        }

        Check("pc", ours.Pc, theirs.Pc);
        Check("mode", (ulong)ours.Mode, (ulong)theirs.Mode);
        for (int i = 1; i < 32; i++)
            Check(Registers.Name(i), ours.X[i], theirs.X[i]);
        for (int i = 0; i < HartSnapshot.CsrNames.Length; i++)
        {
            ulong mask = HartSnapshot.CsrNames[i] switch
            {
                // After ebreak the address or zero, as the implementation likes (section 3.1.16).
                "mtval" when ours.Csrs[s_machineCause] == Breakpoint => 0,
                "stval" when ours.Csrs[s_supervisorCause] == Breakpoint => 0,
                "mip" => ~TimerBits & ~HypervisorBits,
                "mie" or "mideleg" => ~HypervisorBits,
                "medeleg" => Exceptions,

                // QEMU 7.2 keeps bit 0, which is always zero (section 3.1.14).
                "mepc" or "sepc" => ~1UL,
                _ => ulong.MaxValue,
            };
            Check(HartSnapshot.CsrNames[i], ours.Csrs[i] & mask, theirs.Csrs[i] & mask);
        }

        return text.Length == 0 ? null : text.ToString();
    }

    private static void Remember(Queue<string> history, HartSnapshot state, Instruction? instruction)
    {
        if (history.Count == HistoryLength)
            history.Dequeue();
        history.Enqueue($"  {"USHM"[state.Mode]} {state.Pc:x16}  {(instruction is { } known ? Disassembler.Format(known, state.Pc) : "?")}");
    }

    private static string Describe(string difference, HartSnapshot before, HartSnapshot ours, HartSnapshot theirs, Queue<string> history)
    {
        var text = new StringBuilder("The machines differ:\n").Append(difference);
        text.Append(CultureInfo.InvariantCulture, $"  pc was 0x{before.Pc:x}, is 0x{ours.Pc:x} (ours), 0x{theirs.Pc:x} (QEMU)\n");
        if (history.Count > 0)
        {
            text.Append("The last instructions, the newest last:\n");
            foreach (string line in history)
                text.Append(line).Append('\n');
        }

        return text.ToString();
    }
}
