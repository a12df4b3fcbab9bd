using System.Text.RegularExpressions;
using Hypervisor.Tests.Support;

namespace Hypervisor.Tests.RealGuests;

/// <summary>A Debian system on a virtio disk: systemd to a login prompt, work, and off again with a file system that is whole.</summary>
public sealed class DebianSystemTests : IDisposable
{
    private const string Prompt = "debian# ";

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [RealGuestTheory("kernel", "firmware", "debian-disk", "debian-initrd")]
    [InlineData("assisted")]
    [InlineData("full")]
    [InlineData("para")]
    public void Boot_DebianUnderSystemd_LogsInWorksAndLeavesTheDiskWhole(string mode)
    {
        string disk = _folder["disk.ext4"];
        Peer.Run("cp", "--sparse=always", RealGuest.File("debian-disk")!, disk);
        using (HvProcess hv = Start(mode, disk))
        {
            string boot = hv.WaitFor("login: ", 280);
            Assert.DoesNotContain("[FAILED]", Regex.Replace(boot, "\u001b\\[[0-9;]*m", "").Replace("[FAILED  ]", "[FAILED]"));
            hv.Type("root\n");
            hv.WaitFor(Prompt, 60);
            hv.Type("ps -o comm= -p 1; . /etc/os-release; echo $VERSION_CODENAME; seq 100000 | sha256sum > /root/made; sync; sha256sum < /root/made\n");
            string answer = hv.WaitFor(Prompt, 60);
            Assert.Contains("systemd", answer);
            Assert.Contains("trixie", answer);
            hv.Type("poweroff\n");
            Assert.Equal(0, hv.WaitForExit(100));
        }

        string check = Peer.Run("e2fsck", "-fn", disk);
        Assert.Contains("debian: ", check);
        string made = Peer.Run("debugfs", "-R", "cat /root/made", disk);
        string expected = Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(
            System.Text.Encoding.ASCII.GetBytes(string.Concat(Enumerable.Range(1, 100_000).Select(i => i + "\n")))));
        Assert.Contains(expected, made);
    }

    /// <summary>A machine that dies while it writes leaves what a power failure leaves: the journal mends it, and what was synced is there.</summary>
    [RealGuestTheory("kernel", "firmware", "debian-disk", "debian-initrd")]
    [InlineData("para")]
    public void Kill_InMidWrite_LeavesADiskThatTheJournalMends(string mode)
    {
        string disk = _folder["disk.ext4"];
        Peer.Run("cp", "--sparse=always", RealGuest.File("debian-disk")!, disk);
        using (HvProcess hv = Start(mode, disk))
        {
            hv.WaitFor("login: ", 280);
            hv.Type("root\n");
            hv.WaitFor(Prompt, 60);
            hv.Type("seq 50000 > /root/kept; sync; echo synced\n");
            hv.WaitFor("synced\r\n", 60);
            hv.WaitFor(Prompt, 60);
            hv.Type("i=0; while :; do i=$((i+1)); seq 20000 > /root/churn$i; [ $((i % 5)) = 0 ] && sync && rm /root/churn*; echo round $i; done\n");
            hv.WaitFor("round 12", 120);
            hv.Kill();
        }

        // 0: clean; 1: errors were corrected, such as the journal's replay.
        (int code, string report) = Peer.Try("e2fsck", "-fp", disk);
        Assert.True(code is 0 or 1, report);
        Peer.Run("e2fsck", "-fn", disk);
        string kept = Peer.Run("debugfs", "-R", "cat /root/kept", disk);
        Assert.EndsWith("\n49999\n50000\n", kept.Replace("\r", "", StringComparison.Ordinal));
    }

    private static HvProcess Start(string mode, string disk) => new(
        ["run", "--mode", mode, "--memory", "512M", "--kernel", RealGuest.File("kernel")!, .. mode == "para" ? (string[])[] : ["--firmware", RealGuest.File("firmware")!],
        "--initrd", RealGuest.File("debian-initrd")!, "--disk", disk, "--append", "console=ttyS0 quiet", "--timeout", "300"]);
}
