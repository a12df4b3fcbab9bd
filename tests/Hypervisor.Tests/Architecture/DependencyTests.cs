using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;

namespace Hypervisor.Tests.Architecture;

/// <summary>Holds the house: which parts may know which, and where unsafe code may stand.</summary>
public sealed class DependencyTests
{
    // Each part of the core, and the parts it may use. Machine stands on top, Isa, Time and State at the bottom.
    private static readonly Dictionary<string, string[]> s_core = new()
    {
        ["Isa"] = [],
        ["Time"] = [],
        ["State"] = [],
        ["Hart"] = ["Isa", "Time", "State"],
        ["Memory"] = ["Hart", "Isa", "Time", "State"],
        ["Engine"] = ["Hart", "Memory", "Isa", "Time", "State"],
        ["HostSockets"] = [],
        ["Network"] = ["HostSockets", "Time", "State"],
        ["HostFiles"] = [],
        ["Devices"] = ["Network", "HostFiles", "HostSockets", "Hart", "Memory", "Isa", "Time", "State"],
        ["Scheduling"] = ["Time", "State"],
        ["Machine"] = ["Scheduling", "Devices", "Network", "Engine", "Hart", "Memory", "Isa", "Time", "State"],
    };

    [Fact]
    public void Core_Parts_DependDownwardsOnly()
    {
        var violations = new SortedSet<string>();
        foreach ((string from, string to) in NamespaceReferences("Hypervisor.Core.dll"))
        {
            string? user = Part(from);
            string? used = Part(to);
            if (user is null || used is null || user == used)
                continue;
            if (!s_core.TryGetValue(user, out string[]? allowed))
                violations.Add($"{user} is no part of the core: add it to this test with what it may use");
            else if (!allowed.Contains(used))
                violations.Add($"{user} uses {used}");
        }

        Assert.True(violations.Count == 0, string.Join('\n', violations));

        static string? Part(string space) => space.StartsWith("Hypervisor.Core.", StringComparison.Ordinal) ? space.Split('.')[2] : null;
    }

    [Fact]
    public void Projects_Reference_HostThenGuestsThenCore()
    {
        Assert.DoesNotContain(AssemblyReferences("Hypervisor.Core.dll"), name => name.StartsWith("Hypervisor.", StringComparison.Ordinal) || name == "hv");
        Assert.DoesNotContain(AssemblyReferences("Hypervisor.Guests.dll"), name => name == "hv");
        Assert.Contains("Hypervisor.Core", AssemblyReferences("Hypervisor.Guests.dll"));
    }

    [Fact]
    public void Core_AndGuests_NeedNoPackages()
    {
        foreach (string assembly in new[] { "Hypervisor.Core.dll", "Hypervisor.Guests.dll" })
        {
            Assert.All(AssemblyReferences(assembly), name =>
                Assert.True(name.StartsWith("System", StringComparison.Ordinal) || name.StartsWith("Hypervisor.", StringComparison.Ordinal)
                    || name is "Microsoft.Win32.Primitives", $"{assembly} references {name}"));
        }
    }

    [Fact]
    public void Personalities_AreNotToldApartOutsideTheirFolders()
    {
        string[] names = ["BareMode", "FullMode", "AssistedMode", "ParaPersonality", "ContainerHost"];
        foreach (string file in SourceFiles("src/Hypervisor.Core"))
        {
            string text = File.ReadAllText(file);
            Assert.All(names, name => Assert.False(text.Contains(name, StringComparison.Ordinal), $"{Relative(file)} names {name}"));
        }
    }

    [Fact]
    public void Unsafe_StandsInNamedFilesOnly()
    {
        string list = File.ReadAllText(Path.Combine(Repository.Root, "tests/Hypervisor.Tests/Architecture/unsafe-files.txt"));
        var allowed = list.Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)
            .Where(line => !line.StartsWith('#'))
            .ToHashSet();
        var found = SourceFiles("src").Where(UsesUnsafe).Select(Relative).ToHashSet();
        Assert.True(found.SetEquals(allowed),
            $"unsafe without leave: {string.Join(", ", found.Except(allowed).Order())}; listed but no longer unsafe: {string.Join(", ", allowed.Except(found).Order())}");
    }

    [Fact]
    public void Statics_AreNeverMutable()
    {
        foreach (string file in SourceFiles("src/Hypervisor.Core").Concat(SourceFiles("src/Hypervisor.Guests")))
        {
            foreach (string line in File.ReadLines(file).Select(line => line.Trim()))
            {
                Assert.False(line.Contains("[ThreadStatic]", StringComparison.Ordinal), $"{Relative(file)}: {line}");
                bool field = (line.StartsWith("private static ", StringComparison.Ordinal) || line.StartsWith("internal static ", StringComparison.Ordinal))
                    && !line.Contains('(') && (line.EndsWith(';') || line.Contains(" = ", StringComparison.Ordinal)) && !line.Contains("=>", StringComparison.Ordinal) && !line.Contains('{');
                if (field)
                    Assert.True(line.Contains(" readonly ", StringComparison.Ordinal) || line.Contains(" class ", StringComparison.Ordinal) || line.Contains(" delegate ", StringComparison.Ordinal), $"{Relative(file)}: {line}");
            }
        }
    }

    private static string Relative(string file) => Path.GetRelativePath(Repository.Root, file).Replace('\\', '/');

    private static IEnumerable<string> SourceFiles(string folder) => Directory.EnumerateFiles(Path.Combine(Repository.Root, folder), "*.cs", SearchOption.AllDirectories)
        .Where(file => !Relative(file).Contains("/obj/", StringComparison.Ordinal) && !Relative(file).Contains("/bin/", StringComparison.Ordinal));

    private static bool UsesUnsafe(string file) => File.ReadLines(file)
        .Select(line => line.Trim())
        .Any(line => !line.StartsWith("//", StringComparison.Ordinal) && !line.StartsWith('*')
            && System.Text.RegularExpressions.Regex.IsMatch(line, @"\bunsafe\b(?! code)"));

    private static IEnumerable<string> AssemblyReferences(string assembly)
    {
        using var file = new PEReader(File.OpenRead(Path.Combine(AppContext.BaseDirectory, assembly)));
        MetadataReader reader = file.GetMetadataReader();
        return reader.AssemblyReferences.Select(handle => reader.GetString(reader.GetAssemblyReference(handle).Name)).ToList();
    }

    /// <summary>Which namespace's source mentions which: by the using directives and qualified names of each file.</summary>
    private static IEnumerable<(string From, string To)> NamespaceReferences(string assembly)
    {
        Assert.True(File.Exists(Path.Combine(AppContext.BaseDirectory, assembly)));
        foreach (string file in SourceFiles("src/Hypervisor.Core"))
        {
            string text = File.ReadAllText(file);
            var space = System.Text.RegularExpressions.Regex.Match(text, @"^namespace ([\w.]+);", System.Text.RegularExpressions.RegexOptions.Multiline);
            if (!space.Success)
                continue;
            foreach (System.Text.RegularExpressions.Match use in System.Text.RegularExpressions.Regex.Matches(text, @"Hypervisor\.Core\.(\w+)"))
                yield return (space.Groups[1].Value, use.Value);
        }
    }
}
