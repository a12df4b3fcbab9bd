using System.CommandLine;
using FsCheck.Fluent;
using Hypervisor.Core;
using Hypervisor.Host.Cli;
using Hypervisor.Host.Run;
using Hypervisor.Tests.Support;

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
        Check(["--memory", "64M", "--stats", "busybox"], ["sh", "-c", "echo", "--stats"], "--memory", "64M", "--stats", "busybox", "sh", "-c", "echo", "--stats");
        Check(["prog"], ["--help"], "prog", "--help");
        Check(["--env=A=B", "prog"], [], "--env=A=B", "prog");
        Check(["--mode", "full", "--kernel", "k"], [], "--mode", "full", "--kernel", "k");
        Check(["--stats", "-odd"], ["x"], "--stats", "--", "-odd", "x");
        Check([], []);

        void Check(string[] own, string[] guest, params string[] arguments)
        {
            (string[] foundOwn, string[] foundGuest) = GuestArguments.Split(arguments);
            Assert.Equal(own, foundOwn);
            Assert.Equal(guest, foundGuest);
        }
    }

    [Fact]
    public void RunLine_ReadWithoutTheParser_SaysWhatTheParserFinds()
    {
        string[] words = [.. RunFlags.All.Select(option => option.Name), "--env", "--stats", "--nat", "-v", "--memory", "prog", "prog", "2", "K=V", "", "true", "False", "--", "-", "-odd", "--memory=1G", "--stat", "@file", "run", "guests.yaml", "--help", "x y"];
        int plain = 0, withOptions = 0;
        Property.ForAll(Gen.Elements(words).ArrayOf(), line =>
        {
            if (RunLine.TryRead(line) is not { } read)
                return true;
            plain++;
            withOptions += RunFlags.All.Any(read.Has) ? 1 : 0;
            RunLine? parsed = null;
            (string[] own, string[] guest) = GuestArguments.Split(line);
            ParseResult result = new RootCommand { RunCommand.Create(() => guest, (found, _) => { parsed = found; return 0; }) }.Parse(["run", .. own]);
            Assert.Empty(result.Errors);
            Assert.Equal(0, result.Invoke());
            Assert.NotNull(parsed);
            Assert.Equal(parsed.Program, read.Program);
            Assert.Equal(parsed.Arguments, read.Arguments);
            foreach (RunOption option in RunFlags.All)
            {
                Assert.Equal(parsed.Text(option), read.Text(option));
                Assert.Equal(parsed.Each(option), read.Each(option));
            }

            return true;
        }, cases: 3000);
        Assert.True(plain > 100 && withOptions > 50, $"{plain} lines were plain, {withOptions} had options");
    }

    [Theory]
    [InlineData("--memory", "64M", "-v", "/a:/b", "--stats", "--volume", "/c:/d:ro", "prog", "--stats", "--")]
    [InlineData("--mode", "full", "--kernel", "k", "--append", "console=ttyS0 root=/dev/vda")]
    [InlineData("--env", "A=", "--env", "B=--x", "/bin/true")]
    public void RunLine_Plain_NeedsNoParser(params string[] line) => Assert.NotNull(RunLine.TryRead(line));

    [Theory]
    [InlineData("--stats", "true", "prog")]
    [InlineData("--memory=64M", "prog")]
    [InlineData("--memory", "64M", "--memory", "64M", "prog")]
    [InlineData("--env", "@file", "prog")]
    [InlineData("--help")]
    [InlineData("--", "prog")]
    [InlineData("--timeout", "2", "guests.yaml")]
    [InlineData("--kernel")]
    public void RunLine_OddlyWritten_IsLeftToTheParser(params string[] line) => Assert.Null(RunLine.TryRead(line));

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
