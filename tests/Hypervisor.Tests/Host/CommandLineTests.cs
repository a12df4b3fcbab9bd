using Hypervisor.Core;
using Hypervisor.Host.Cli;
using Hypervisor.Host.Run;

namespace Hypervisor.Tests.Host;

public sealed class CommandLineTests
{
    [Theory]
    [InlineData("4096", 4096UL)]
    [InlineData("256M", 256UL << 20)]
    [InlineData("256MiB", 256UL << 20)]
    [InlineData("1g", 1UL << 30)]
    [InlineData("64KB", 64UL << 10)]
    public void MemorySize_GoodText_IsRead(string text, ulong bytes) => Assert.Equal(bytes, MemorySize.Parse(text));

    [Theory]
    [InlineData("")]
    [InlineData("M")]
    [InlineData("0")]
    [InlineData("-1M")]
    [InlineData("1.5G")]
    [InlineData("12Q")]
    [InlineData("99999999999999999999")]
    [InlineData("99999999T")]
    public void MemorySize_BadText_SaysWhatToWrite(string text)
        => Assert.Contains("256M", Assert.Throws<HypervisorException>(() => MemorySize.Parse(text)).Message);

    [Fact]
    public void MemorySize_MoreThanTheHostHas_IsRefused()
    {
        Assert.Throws<HypervisorException>(() => MemorySize.ParseRam("9000T"));
        Assert.Throws<HypervisorException>(() => MemorySize.ParseRam("4097"));
    }

    [Theory]
    [InlineData(0, "frob")]
    [InlineData(0, "run")]
    [InlineData(1, "run", "--vcpus", "0", "prog")]
    [InlineData(1, "run", "--vcpus", "-3", "prog")]
    [InlineData(1, "run", "--vcpus", "many", "prog")]
    [InlineData(1, "run", "--cpus", "half", "prog")]
    [InlineData(1, "run", "--timeout", "soon", "prog")]
    [InlineData(1, "run", "--gdb", "1.5", "--mode", "full", "--kernel", "k")]
    [InlineData(1, "run", "--memory", "9000T", "prog")]
    [InlineData(1, "run", "--memory", "much", "prog")]
    [InlineData(1, "run", "--mode", "warp", "prog")]
    [InlineData(1, "run", "--mode", "full")]
    [InlineData(1, "run", "--kernel", "k")]
    [InlineData(1, "run", "--mode", "full", "--kernel", "/no/such/file")]
    [InlineData(1, "run", "--timeout", "0", "prog")]
    [InlineData(1, "run", "--engine", "warp", "prog")]
    [InlineData(1, "run", "--weight", "0", "prog")]
    [InlineData(1, "run", "--scheduler", "whim", "prog")]
    [InlineData(1, "run", "--env", "NOTHING", "prog")]
    [InlineData(1, "run", "/no/such/program")]
    [InlineData(1, "compare", "--modes", "warp")]
    [InlineData(1, "compare", "--workloads", "sing")]
    [InlineData(1, "compare", "--pcpus", "0")]
    [InlineData(1, "compare", "--scheduler", "whim")]
    [InlineData(1, "compare", "--json", "/no/such/folder/x.json")]
    [InlineData(0, "compare", "--pcpus", "many")]
    public void Run_BadInput_ExitsWithTwoAndSaysWhy(int leastLines, params string[] arguments)
    {
        var error = new StringWriter();
        Assert.Equal(ExitCode.BadInput, HvCommandLine.Run(arguments, error));
        Assert.StartsWith("hv: ", error.ToString());
        Assert.True(error.ToString().Split('\n').Length > leastLines);
    }

    [Fact]
    public void GuestArguments_AfterTheProgram_AreTheGuests()
    {
        var options = RunCommand.Create(() => []).Options;
        Check(["--memory", "64M", "--stats", "busybox"], ["sh", "-c", "echo", "--stats"], "--memory", "64M", "--stats", "busybox", "sh", "-c", "echo", "--stats");
        Check(["prog"], ["--help"], "prog", "--help");
        Check(["--env=A=B", "prog"], [], "--env=A=B", "prog");
        Check(["--mode", "full", "--kernel", "k"], [], "--mode", "full", "--kernel", "k");
        Check(["--stats", "-odd"], ["x"], "--stats", "--", "-odd", "x");
        Check([], []);

        void Check(string[] own, string[] guest, params string[] arguments)
        {
            (string[] foundOwn, string[] foundGuest) = GuestArguments.Split(arguments, options);
            Assert.Equal(own, foundOwn);
            Assert.Equal(guest, foundGuest);
        }
    }

    [Fact]
    public void EscapeFilter_Typed_SendsAllButTheEscape()
    {
        var filter = new EscapeFilter();
        var sent = new List<byte>();
        Assert.False(filter.Filter("ab\u0001"u8, sent));
        Assert.False(filter.Filter("\u0001c\u0001d"u8, sent));
        Assert.Equal("ab\u0001c\u0001d"u8.ToArray(), sent);
        Assert.True(filter.Filter("e\u0001xf"u8, sent));
        Assert.Equal("ab\u0001c\u0001de"u8.ToArray(), sent);
    }
}
