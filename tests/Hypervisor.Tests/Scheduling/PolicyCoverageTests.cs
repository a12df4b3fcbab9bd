using System.Reflection;
using Hypervisor.Core.Scheduling;

namespace Hypervisor.Tests.Scheduling;

/// <summary>No policy of the registry is forgotten: each is asked every property that is of every policy.</summary>
public sealed class PolicyCoverageTests
{
    [Fact]
    public void Catalogue_HoldsEveryNameInEveryCombinatorThatTakesIt()
    {
        foreach (string name in Schedulers.Names)
        {
            Assert.Contains(name, PolicyCatalogue.Ids);
            Assert.Contains(PolicyCatalogue.GroupsPrefix + name, PolicyCatalogue.Ids);
            Assert.Contains(Schedulers.PartitionedPrefix + name, PolicyCatalogue.Ids);
            Assert.Contains(PolicyCatalogue.GroupsPrefix + Schedulers.PartitionedPrefix + name, PolicyCatalogue.Ids);
            Assert.Equal(Schedulers.IsKnown(Schedulers.GangPrefix + name), PolicyCatalogue.Ids.Contains(Schedulers.GangPrefix + name));
            Assert.Equal(Schedulers.IsKnown(Schedulers.GangPrefix + name), PolicyCatalogue.Ids.Contains(PolicyCatalogue.GroupsPrefix + Schedulers.GangPrefix + name));
        }

        Assert.All(PolicyCatalogue.Ids, id => Assert.Equal(id[(PolicyCatalogue.KnowsGroups(id) ? PolicyCatalogue.GroupsPrefix.Length : 0)..], PolicyCatalogue.Create(id, 2).Name));
    }

    [Fact]
    public void PropertiesOfEveryPolicy_AreAskedOfEveryPolicy()
    {
        MethodInfo[] properties = [.. typeof(EveryPolicyTests).GetMethods().Where(method => method.GetCustomAttribute<OfEveryPolicyAttribute>() is not null)];
        Assert.True(properties.Length >= 12);
        foreach (MethodInfo property in properties)
        {
            string source = property.GetCustomAttribute<MemberDataAttribute>()!.MemberName;
            var data = (IEnumerable<object[]>)typeof(EveryPolicyTests).GetProperty(source)!.GetValue(null)!;
            string[] asked = [.. data.Select(row => (string)row[0])];
            string[] left = [.. PolicyCatalogue.Ids.Except(asked)];
            string? reason = property.GetCustomAttribute<OfEveryPolicyAttribute>()!.Except;
            Assert.True(left.Length == 0 || reason is not null, $"{property.Name} is not asked of {string.Join(", ", left)}");
            Assert.True(left.Length > 0 || reason is null, $"{property.Name} gives a reason to leave some out and leaves none out");
        }

        // Whoever writes a theory over all of them says so.
        Assert.All(typeof(EveryPolicyTests).GetMethods().Where(method => method.GetCustomAttribute<TheoryAttribute>() is not null), method => Assert.Contains(method, properties));
    }
}
