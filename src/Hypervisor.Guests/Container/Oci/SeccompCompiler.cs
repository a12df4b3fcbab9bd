using Hypervisor.Guests.Container.Kernel;
using Hypervisor.Guests.Container.Syscalls;

namespace Hypervisor.Guests.Container.Oci;

/// <summary>
/// From a profile to the filter that decides as it says. As with libseccomp, a rule that compares no argument goes before those
/// that do, rules that decide what is decided anyway are nothing, and of the others the first that holds decides.
/// </summary>
internal sealed class SeccompCompiler
{
    private const ushort LoadWord = 0x20, And = 0x54, JumpAlways = 0x05, JumpEqual = 0x15, JumpGreater = 0x25, JumpGreaterOrEqual = 0x35, Return = 0x06;
    private const uint Enosys = 38;
    private const int ArgumentsAt = 16;

    // Jumps to where a comparison fails, until that place is known.
    private const byte Fails = 255;

    private readonly SeccompSpec _spec;
    private readonly List<FilterInstruction> _code = [];

    private SeccompCompiler(SeccompSpec spec) => _spec = spec;

    /// <summary>Compiles a profile.</summary>
    public static IReadOnlyList<FilterInstruction> Compile(SeccompSpec spec)
    {
        var compiler = new SeccompCompiler(spec);
        compiler._code.Add(new FilterInstruction(LoadWord, 0, 0, 0));
        compiler.Search(compiler.Decisions());
        return compiler._code;
    }

    /// <summary>What a range of numbers, up to where the next begins, comes to: rules in their order, then an action.</summary>
    private sealed record Decision(uint First, uint Action, IReadOnlyList<SeccompRule> Rules);

    private List<Decision> Decisions()
    {
        var rules = new SortedDictionary<int, List<SeccompRule>>();
        foreach (SeccompRule rule in _spec.Rules)
        {
            foreach (int number in rule.Names.Select(SyscallNames.Find).OfType<int>().Distinct())
            {
                if (!rules.TryGetValue(number, out List<SeccompRule>? those))
                    rules.Add(number, those = []);
                if (rule.Action != _spec.DefaultAction)
                    those.Add(rule);
            }
        }

        // A profile for other architectures cannot have heard of calls that only this one has, and every program needs.
        if (!_spec.KnowsArchitecture)
        {
            foreach (string name in (string[])["riscv_hwprobe", "riscv_flush_icache"])
                rules.TryAdd(SyscallNames.Find(name)!.Value, [new SeccompRule([name], FilterAction.Allow, [])]);
        }

        var decisions = new List<Decision> { new(0, _spec.DefaultAction, []) };
        int newest = -1;
        foreach ((int number, List<SeccompRule> those) in rules)
        {
            newest = number;
            SeccompRule? always = those.Find(rule => rule.Comparisons.Count == 0);
            Add(decisions, new Decision((uint)number, always?.Action ?? _spec.DefaultAction, always is null ? those : []));
            Add(decisions, new Decision((uint)number + 1, _spec.DefaultAction, []));
        }

        // Calls younger than the profile are told to be missing, so that the C library falls back on older ones as on an old kernel.
        if (newest >= 0 && (_spec.DefaultAction & FilterAction.Mask) is FilterAction.Error or FilterAction.KillTask or FilterAction.KillProcess or FilterAction.Trap)
            Add(decisions, new Decision((uint)newest + 1, FilterAction.Error | Enosys, []));
        return decisions;
    }

    /// <summary>Adds the next range, as part of the one before it where both come to the same.</summary>
    private static void Add(List<Decision> decisions, Decision next)
    {
        if (decisions[^1].First == next.First)
            decisions.RemoveAt(decisions.Count - 1);
        if (decisions.Count == 0 || next.Rules.Count > 0 || decisions[^1].Rules.Count > 0 || decisions[^1].Action != next.Action)
            decisions.Add(next);
    }

    /// <summary>Finds the range of the number that was loaded, by halves.</summary>
    private void Search(ReadOnlySpan<Decision> decisions)
    {
        if (decisions.Length == 1)
        {
            Decide(decisions[0]);
            return;
        }

        // A conditional jump reaches 255 instructions; the one behind it takes whatever is farther.
        int middle = decisions.Length / 2;
        _code.Add(new FilterInstruction(JumpGreaterOrEqual, 0, 1, decisions[middle].First));
        int jump = _code.Count;
        _code.Add(default);
        Search(decisions[..middle]);
        _code[jump] = new FilterInstruction(JumpAlways, 0, 0, (uint)(_code.Count - jump - 1));
        Search(decisions[middle..]);
    }

    private void Search(List<Decision> decisions) => Search(System.Runtime.InteropServices.CollectionsMarshal.AsSpan(decisions));

    private void Decide(Decision decision)
    {
        foreach (SeccompRule rule in decision.Rules)
        {
            int start = _code.Count;
            foreach (SeccompComparison comparison in rule.Comparisons)
                Compare(comparison);
            _code.Add(new FilterInstruction(Return, 0, 0, rule.Action));

            // At most six comparisons of six instructions: what fails is in reach.
            for (int i = start; i < _code.Count; i++)
            {
                FilterInstruction at = _code[i];
                if (at.Code is JumpEqual or JumpGreater or JumpGreaterOrEqual)
                    _code[i] = at with { JumpTrue = Target(at.JumpTrue, i), JumpFalse = Target(at.JumpFalse, i) };
            }
        }

        _code.Add(new FilterInstruction(Return, 0, 0, decision.Action));

        byte Target(byte jump, int from) => jump == Fails ? (byte)(_code.Count - from - 1) : jump;
    }

    /// <summary>Compares an argument, its upper half first: what passes goes on behind.</summary>
    private void Compare(SeccompComparison comparison)
    {
        int at = ArgumentsAt + (comparison.Index * 8);
        ulong value = comparison.Operator == SeccompOperator.MaskedEqual ? comparison.Second : comparison.Value;
        (uint high, uint low) = ((uint)(value >> 32), (uint)value);
        switch (comparison.Operator)
        {
            case SeccompOperator.Equal:
                Load(at + 4);
                Jump(JumpEqual, high, 0, Fails);
                Load(at);
                Jump(JumpEqual, low, 0, Fails);
                break;
            case SeccompOperator.NotEqual:
                Load(at + 4);
                Jump(JumpEqual, high, 0, 2);
                Load(at);
                Jump(JumpEqual, low, Fails, 0);
                break;
            case SeccompOperator.MaskedEqual:
                Load(at + 4);
                _code.Add(new FilterInstruction(And, 0, 0, (uint)(comparison.Value >> 32)));
                Jump(JumpEqual, high, 0, Fails);
                Load(at);
                _code.Add(new FilterInstruction(And, 0, 0, (uint)comparison.Value));
                Jump(JumpEqual, low, 0, Fails);
                break;
            case SeccompOperator.Greater or SeccompOperator.GreaterOrEqual:
                Load(at + 4);
                Jump(JumpGreater, high, 3, 0);
                Jump(JumpEqual, high, 0, Fails);
                Load(at);
                Jump(comparison.Operator == SeccompOperator.Greater ? JumpGreater : JumpGreaterOrEqual, low, 0, Fails);
                break;
            default:
                Load(at + 4);
                Jump(JumpGreater, high, Fails, 0);
                Jump(JumpEqual, high, 0, 2);
                Load(at);
                Jump(comparison.Operator == SeccompOperator.Less ? JumpGreaterOrEqual : JumpGreater, low, Fails, 0);
                break;
        }
    }

    private void Load(int offset) => _code.Add(new FilterInstruction(LoadWord, 0, 0, (uint)offset));

    private void Jump(ushort code, uint value, byte whenTrue, byte whenFalse) => _code.Add(new FilterInstruction(code, whenTrue, whenFalse, value));
}
