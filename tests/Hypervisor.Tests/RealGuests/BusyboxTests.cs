using System.Diagnostics;
using System.Text;
using Hypervisor.Guests.Container;
using Hypervisor.Tests.Container;
using Hypervisor.Tests.Support;

namespace Hypervisor.Tests.RealGuests;

/// <summary>Debian's busybox as a container, applet by applet, beside this machine's own busybox on its Linux.</summary>
public sealed class BusyboxTests
{
    [PeerFact("apt-get", "dpkg-deb")]
    public void Applets_OfDebian_PrintWhatThisLinuxsDo()
    {
        using var folder = new TemporaryFolder();
        string script = folder.Write("busybox.sh", Encoding.UTF8.GetBytes(Script()));
        foreach (string name in (string[])["root/tmp", "root/bin", "root/etc"])
            Directory.CreateDirectory(folder[name]);
        File.Copy(Path.Combine(Tree("fetch.sh", "busybox-static"), "usr/bin/busybox"), folder["root/bin/busybox"]);
        File.Copy(script, folder["root/busybox.sh"]);
        folder.Write("root/etc/passwd", "root:x:0:0:root:/root:/bin/sh\n"u8);
        folder.Write("root/etc/group", "root:x:0:\n"u8);
        using var run = new ContainerRun();
        Guests.Container.Container container = run.Containers.Create(new ContainerOptions
        {
            Program = "/bin/busybox",
            Arguments = ["busybox", "sh", "/busybox.sh", "/tmp"],
            RootDirectory = folder["root"],
            Output = bytes => run.Output.Append(Encoding.Latin1.GetString(bytes)),
            Error = bytes => run.Output.Append(Encoding.Latin1.GetString(bytes)),
        });
        run.Finish(300);
        Dictionary<string, string> ours = Sections(run.Output.ToString());
        Dictionary<string, string> expected = Sections(RunHere(Tree("native-busybox.sh"), script, Directory.CreateDirectory(folder["here"]).FullName));
        Assert.True(expected.Count > 150, $"only {expected.Count} applets ran here");
        Assert.Equal(expected.Keys, ours.Keys);
        string[] different = [.. expected.Where(each => ours[each.Key] != each.Value).Select(each => $"{each.Key}:\nexpected\n{each.Value}\nis\n{ours[each.Key]}")];
        Assert.True(different.Length == 0, string.Join("\n", different));
        Assert.Equal(0, container.Exit!.Value.Code);
    }

    private static string RunHere(string busybox, string script, string folder)
    {
        string[] command = ["env", "--default-signal=PIPE", busybox, "sh", "-c", $"exec 2>&1; . {script}", "busybox.sh", folder];

        // The .NET runtime ignores SIGPIPE, and its children would; what belongs to root is made by root.
        if (!Environment.IsPrivilegedProcess)
            command = ["sudo", "-n", .. command];
        var start = new ProcessStartInfo(command[0], command[1..]) { RedirectStandardOutput = true, RedirectStandardInput = true, StandardOutputEncoding = Encoding.Latin1 };
        using Process process = Process.Start(start)!;
        process.StandardInput.Close();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return output;
    }

    private static Dictionary<string, string> Sections(string output)
        => output.Split("== ", StringSplitOptions.RemoveEmptyEntries).Select(section => section.Split('\n', 2)).ToDictionary(section => section[0], section => section[1]);

    private static string Tree(string script, params string[] arguments)
    {
        DirectoryInfo? folder = new(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "Hypervisor.sln")))
            folder = folder.Parent;
        return Peer.Run("bash", [Path.Combine(folder!.FullName, "tests/RealGuests", script), .. arguments]).Trim();
    }

    private static string Script()
    {
        using Stream stream = typeof(BusyboxTests).Assembly.GetManifestResourceStream("Hypervisor.Tests.Container.Programs.busybox.sh")
            ?? throw new FileNotFoundException("busybox.sh is no resource of the tests");
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }
}
