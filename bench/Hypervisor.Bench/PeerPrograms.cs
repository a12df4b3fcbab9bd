using System.Diagnostics;

namespace Hypervisor.Bench;

/// <summary>One program on QEMU and on both our tiers: medians of user CPU time in seconds.</summary>
internal sealed record PeerRow(string Table, string Program, double Qemu, double QemuSpread, double Interpreter, double Translator)
{
    public double InterpreterToQemu => Qemu / Interpreter;

    public double TranslatorToQemu => Qemu / Translator;

    /// <summary>The row of some rounds of measurements.</summary>
    public static PeerRow Of(string table, string program, List<double> qemu, List<double> interpreter, List<double> translator)
        => new(table, program, Median(qemu), (qemu.Max() - qemu.Min()) / Median(qemu), Median(interpreter), Median(translator));

    public static double Median(List<double> values)
    {
        double[] sorted = [.. values.Order()];
        return sorted[sorted.Length / 2];
    }
}

/// <summary>
/// Whole processes beside QEMU's: the programs of bench/peers as supervisors of a machine with translation on, and programs of
/// Debian as containers. Start-up and compilation count on both sides.
/// </summary>
internal static class PeerPrograms
{
    private const string QemuUser = "qemu-riscv64-static";
    private const string QemuSystem = "qemu-system-riscv64";

    /// <summary>Work of a second or so on QEMU, the same at every run.</summary>
    private static readonly (string Name, string[] Command)[] s_real =
    [
        ("python3", ["/usr/bin/python3", "-c", "d={}\nfor i in range(400000):\n d[i%977]=d.get(i%977,0)+i*i\nprint(sum(d.values()), sum(x*x for x in range(300000)), len(sorted(str(i) for i in range(60000))))"]),
        ("sqlite3", ["/usr/bin/sqlite3", ":memory:", "with recursive n(i) as (select 1 union all select i+1 from n where i<200000) select sum(i*i%97), count(distinct i%1009) from n; create table t(a,b); with recursive n(i) as (select 1 union all select i+1 from n where i<60000) insert into t select i*7919%60013, i from n; create index x on t(a); select sum(b) from t where a between 100 and 40000; select count(*) from t x join t y on x.a=y.b;"]),
        ("gzip", ["/usr/bin/gzip", "-c", "/usr/bin/python3.13"]),
        ("bzip2", ["/usr/bin/bzip2", "-c", "/usr/bin/openssl"]),
        ("openssl sha256", ["/usr/bin/openssl", "dgst", "-sha256", "/usr/bin/python3.13", "/usr/bin/perl", "/usr/bin/python3.13", "/usr/bin/perl"]),
        ("openssl aes", ["/usr/bin/openssl", "enc", "-aes-128-cbc", "-K", "000102030405060708090a0b0c0d0e0f", "-iv", "000102030405060708090a0b0c0d0e0f", "-in", "/usr/bin/python3.13"]),
        ("perl", ["/usr/bin/perl", "-e", "my %h; for my $i (0..300000) { $h{$i % 1013} .= chr(65 + $i % 26) if $i % 3; } my $s = join '', map { $h{$_} } sort keys %h; my $n = () = $s =~ /AB|CD/g; print length($s), ' ', $n, \"\\n\";"]),
    ];

    /// <summary>Compiled for a machine of their own.</summary>
    public static IEnumerable<PeerRow> Supervisors(string compiler, string sources, string folder, IEnumerable<(string Name, int Repeat)> programs, int rounds)
    {
        foreach ((string program, int repeat) in programs)
        {
            string binary = Path.Combine(folder, program + "-supervisor");
            Run(compiler, "-O2", "-static", "-nostdlib", "-ffreestanding", "-fno-pic", "-no-pie", "-march=rv64gc", "-mabi=lp64d", "-w",
                "-fno-tree-loop-distribute-patterns", "-Wl,--no-relax,-n", "-DSUPERVISOR", "-mcmodel=medany", "-Wl,-Ttext=0x80000000,--build-id=none",
                $"-DREPEAT={repeat}", "-o", binary, Path.Combine(sources, program + ".c"));
            yield return Compare("supervisor", program, rounds, [QemuSystem, "-M", "virt", "-m", "256M", "-nographic", "-bios", "none", "-kernel", binary],
                ["--mode", "bare", "--kernel", binary]);
        }
    }

    /// <summary>Debian's programs, unpacked by tests/RealGuests/program-root.sh.</summary>
    public static IEnumerable<PeerRow> Real(string script, int rounds)
    {
        string root = Run("bash", script).Output.Trim();
        foreach ((string name, string[] command) in s_real)
            yield return Compare("real", name, rounds, [QemuUser, "-L", root, root + command[0], .. command[1..]], ["--rootfs", root, .. command]);
    }

    private static PeerRow Compare(string table, string program, int rounds, string[] theirs, string[] ours)
    {
        var qemu = new List<double>();
        var interpreter = new List<double>();
        var translator = new List<double>();
        string hv = Path.Combine(AppContext.BaseDirectory, "hv.dll");
        for (int i = 0; i < rounds; i++)
        {
            (string translated, double translatedUser) = Run("dotnet", ["exec", hv, "run", .. ours]);
            (string expected, double user) = Run(theirs[0], theirs[1..]);
            (string interpreted, double interpretedUser) = Run("dotnet", ["exec", hv, "run", "--engine", "interpreter", .. ours]);
            if (translated != expected || interpreted != expected)
                throw new InvalidOperationException($"{program}: what it prints translated, interpreted and on QEMU is not the same");
            translator.Add(translatedUser);
            interpreter.Add(interpretedUser);
            qemu.Add(user);
        }

        return PeerRow.Of(table, program, qemu, interpreter, translator);
    }

    /// <summary>Runs a program to its end: what it prints, and the user time that it took.</summary>
    public static (string Output, double UserSeconds) Run(string program, params string[] arguments)
    {
        double before = ProcessorTime.UserOfChildren();
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardInput = true, StandardOutputEncoding = System.Text.Encoding.Latin1 };
        using Process process = Process.Start(start)!;
        process.StandardInput.Close();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        if (process.ExitCode != 0)
            throw new InvalidOperationException($"{program} {string.Join(' ', arguments)} ended with {process.ExitCode}");
        return (output, ProcessorTime.UserOfChildren() - before);
    }
}
