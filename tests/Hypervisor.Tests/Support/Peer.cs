using System.Diagnostics;

namespace Hypervisor.Tests.Support;

/// <summary>A fact that needs outside programs: skipped, saying so, where one is missing (CI counts a skip as a failure).</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class PeerFactAttribute : FactAttribute
{
    public PeerFactAttribute(params string[] programs) => Skip = Peer.WhyNot(programs);
}

/// <summary>A theory that needs outside programs, as <see cref="PeerFactAttribute"/>.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class PeerTheoryAttribute : TheoryAttribute
{
    public PeerTheoryAttribute(params string[] programs) => Skip = Peer.WhyNot(programs);
}

/// <summary>A fact that needs outside programs which only the superuser can use: they mount and make namespaces.</summary>
[AttributeUsage(AttributeTargets.Method)]
public abstract class PrivilegedPeerFactAttribute : FactAttribute
{
    protected PrivilegedPeerFactAttribute(params string[] programs)
        => Skip = Peer.WhyNot(programs) ?? (Environment.IsPrivilegedProcess ? null : $"{programs[0]} needs the superuser here: it mounts and makes namespaces");
}

/// <summary>Runs the outside programs the tests compare against.</summary>
internal static class Peer
{
    public static bool Exists(string program) => (Environment.GetEnvironmentVariable("PATH") ?? "")
        .Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries)
        .Any(folder => File.Exists(Path.Combine(folder, program)));

    /// <summary>Why a test that needs these programs cannot run, or null.</summary>
    public static string? WhyNot(params string[] programs)
    {
        string[] missing = [.. programs.Where(program => !Exists(program))];
        return missing.Length == 0 ? null : $"{string.Join(", ", missing)} not found: run tests/install-peers.sh";
    }

    /// <summary>Runs a program to its end and returns what it printed; fails the test when it fails or takes a minute.</summary>
    public static string Run(string program, params string[] arguments)
    {
        (int code, string output) = Try(program, arguments);
        Assert.True(code == 0, $"{program} {string.Join(' ', arguments)} ended with {code}: {output}");
        return output;
    }

    /// <summary>Runs a program to its end; its exit code and what it printed, where it failed its errors first. Fails the test when it takes a minute.</summary>
    public static (int Code, string Output) Try(string program, params string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEndAsync();
        var errors = process.StandardError.ReadToEndAsync();
        if (!process.WaitForExit(TimeSpan.FromMinutes(1)))
        {
            process.Kill(entireProcessTree: true);
            Assert.Fail($"{program} {string.Join(' ', arguments)} did not end within a minute");
        }

        return (process.ExitCode, process.ExitCode == 0 ? output.Result : errors.Result + output.Result);
    }
}

/// <summary>A folder for one test, removed afterwards.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    public string Root { get; } = Directory.CreateTempSubdirectory("hypervisor-test-").FullName;

    public string this[string name] => Path.Combine(Root, name);

    public string Write(string name, ReadOnlySpan<byte> content)
    {
        File.WriteAllBytes(this[name], content);
        return this[name];
    }

    public void Dispose() => Directory.Delete(Root, recursive: true);
}

/// <summary>A fact about what only Linux hosts do: skipped elsewhere, saying so.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class LinuxFactAttribute : FactAttribute
{
    public LinuxFactAttribute()
    {
        if (!OperatingSystem.IsLinux())
            Skip = "this host does not run Linux";
    }
}

/// <summary>A theory about what only Linux hosts do: skipped elsewhere, saying so.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class LinuxTheoryAttribute : TheoryAttribute
{
    public LinuxTheoryAttribute()
    {
        if (!OperatingSystem.IsLinux())
            Skip = "this host does not run Linux";
    }
}
