using FsCheck;
using FsCheck.Fluent;
using Hypervisor.Guests.Container;
using Hypervisor.Guests.Container.Kernel;
using Hypervisor.Guests.Container.Oci;
using Hypervisor.Guests.Container.Syscalls;
using Property = Hypervisor.Tests.Support.Property;

namespace Hypervisor.Tests.Container.Oci;

/// <summary>A profile of system calls and the filter made of it decide the same.</summary>
public sealed class SeccompTests
{
    private static readonly string[] s_calls = ["read", "write", "openat", "clone", "personality", "socket", "riscv_hwprobe", "io_setup", "seccomp", "clone3", "no_such_call"];
    private static readonly uint[] s_actions = [FilterAction.Allow, FilterAction.Error | 1, FilterAction.Error | 38, FilterAction.KillProcess, FilterAction.Log, FilterAction.Trap];

    // Values that meet in one half or in both.
    private static readonly ulong[] s_values = [0, 1, 5, 0xFFFF_FFFF, 0x1_0000_0000, 0x1_0000_0005, 0x5_0000_0001, 0x8000_0000_0000_0000, ulong.MaxValue];

    [Fact]
    public void Filter_OfAnyProfile_DecidesAsTheProfileSays()
    {
        Gen<ulong> value = Gen.Elements(s_values);
        Gen<SeccompComparison> comparison =
            from index in Gen.Choose(0, 5)
            from kind in Gen.Elements(Enum.GetValues<SeccompOperator>())
            from first in value
            from second in value
            select new SeccompComparison(index, kind, first, second);
        Gen<SeccompRule> rule =
            from names in Gen.Elements(s_calls).NonEmptyListOf()
            from action in Gen.Elements(s_actions)
            from count in Gen.Choose(0, 3)
            from comparisons in comparison.ArrayOf(count)
            select new SeccompRule([.. names], action, comparisons);
        Gen<(SeccompSpec Spec, ulong[] Arguments)> cases =
            from preset in Gen.Elements(s_actions)
            from rules in rule.ListOf()
            from knows in Gen.Elements(true, false)
            from arguments in value.ArrayOf(6)
            select (new SeccompSpec { DefaultAction = preset, Rules = [.. rules], KnowsArchitecture = knows }, arguments);
        Property.ForAll(cases.ToArbitrary(), each =>
        {
            FilterInstruction[] code = [.. SeccompCompiler.Compile(each.Spec)];
            FilterProgram program = FilterProgram.Check(code) ?? throw new InvalidOperationException("The filter would be refused.");
            foreach (int number in SyscallNames.Numbers.Append(600).Append(-1))
                Assert.Equal(Expected(each.Spec, number, each.Arguments), program.Run(Call(number, each.Arguments)));
            return true;
        });
    }

    /// <summary>The profile read as its text says, one rule after the other.</summary>
    private static uint Expected(SeccompSpec spec, int number, ulong[] arguments)
    {
        SeccompRule[] about = [.. spec.Rules.Where(rule => rule.Names.Any(name => SyscallNames.Find(name) == number))];
        bool isNamed = about.Length > 0;
        about = [.. about.Where(rule => rule.Action != spec.DefaultAction)];
        if (about.FirstOrDefault(rule => rule.Comparisons.Count == 0) is { } always)
            return always.Action;
        if (about.FirstOrDefault(rule => rule.Comparisons.All(each => Holds(each, arguments[each.Index]))) is { } first)
            return first.Action;
        if (!isNamed && !spec.KnowsArchitecture && number is (258 or 259))
            return FilterAction.Allow;
        int[] named = [.. spec.Rules.SelectMany(rule => rule.Names).Select(SyscallNames.Find).OfType<int>().Concat(spec.KnowsArchitecture ? [] : [259])];
        bool isYounger = named.Length > 0 && (uint)number > (uint)named.Max();
        return isYounger && (spec.DefaultAction & FilterAction.Mask) is not (FilterAction.Allow or FilterAction.Log or FilterAction.Trace) ? FilterAction.Error | 38 : spec.DefaultAction;
    }

    private static bool Holds(SeccompComparison comparison, ulong argument) => comparison.Operator switch
    {
        SeccompOperator.NotEqual => argument != comparison.Value,
        SeccompOperator.Less => argument < comparison.Value,
        SeccompOperator.LessOrEqual => argument <= comparison.Value,
        SeccompOperator.Equal => argument == comparison.Value,
        SeccompOperator.GreaterOrEqual => argument >= comparison.Value,
        SeccompOperator.Greater => argument > comparison.Value,
        _ => (argument & comparison.Value) == comparison.Second,
    };

    /// <summary>A call as filters see it (<c>struct seccomp_data</c>).</summary>
    private static byte[] Call(int number, ulong[] arguments)
    {
        var data = new byte[FilterProgram.DataBytes];
        BitConverter.TryWriteBytes(data, number);
        for (int i = 0; i < arguments.Length; i++)
            BitConverter.TryWriteBytes(data.AsSpan(16 + (i * 8)), arguments[i]);
        return data;
    }
}
