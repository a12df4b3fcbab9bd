using System.Diagnostics;

namespace Hypervisor.Tests.Support;

/// <summary>Real guests in the cache: kernels, firmware and disks that nobody here wrote.</summary>
internal static class RealGuest
{
    private static readonly Lazy<Dictionary<string, string>> s_files = new(Find);

    /// <summary>The file of a guest by its name in <c>tests/RealGuests/prepare.sh</c>; null where it is not there.</summary>
    public static string? File(string name) => s_files.Value.GetValueOrDefault(name);

    /// <summary>Why a test that needs these guests cannot run; null where it can.</summary>
    public static string? Missing(string[] names)
    {
        string[] missing = [.. names.Where(name => File(name) is null)];
        return missing.Length == 0 ? null : $"{string.Join(", ", missing)} not in the cache of guests: run tests/RealGuests/prepare.sh";
    }

    private static Dictionary<string, string> Find()
    {
        DirectoryInfo? folder = new(AppContext.BaseDirectory);
        while (folder is not null && !System.IO.File.Exists(Path.Combine(folder.FullName, "Hypervisor.sln")))
            folder = folder.Parent;
        if (folder is null || !Peer.Exists("bash"))
            return [];
        var start = new ProcessStartInfo("bash", [Path.Combine(folder.FullName, "tests/RealGuests/prepare.sh")]) { RedirectStandardOutput = true };
        start.Environment["HV_GUEST_OFFLINE"] = "1";
        using Process process = Process.Start(start)!;
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => line.Split('=', 2)).ToDictionary(parts => parts[0], parts => parts[1]);
    }
}

/// <summary>A theory that boots real guests: skipped, saying so, where one is not in the cache (CI counts a skip as a failure).</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class RealGuestTheoryAttribute : TheoryAttribute
{
    public RealGuestTheoryAttribute(params string[] names) => Skip = RealGuest.Missing(names);
}
