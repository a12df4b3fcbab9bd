using System.Diagnostics;
using System.Text;
using Hypervisor.Core;
using Hypervisor.Core.Hart;
using Hypervisor.Guests.Container;
using Hypervisor.Guests.Container.Files;
using Hypervisor.Tests.Support;

namespace Hypervisor.Tests.Container;

/// <summary>Real programs on the container kernel, beside Linux (through QEMU's user-mode emulator) where they can be compared.</summary>
public sealed class ContainerTests
{
    private const string Compiler = "riscv64-linux-gnu-gcc";
    private const string Qemu = "qemu-riscv64-static";

    // The same program built for this machine asks its Linux directly, where the emulator stands in the way.
    private const string NativeCompiler = "gcc";

    [PeerTheory(Compiler, Qemu)]
    [InlineData("processes")]
    [InlineData("sockets")]
    [InlineData("threads")]
    public void Program_OnOurKernel_PrintsWhatItPrintsOnLinux(string name)
    {
        using var folder = new TemporaryFolder();
        byte[] program = Compile(folder, name, out string path);
        (string expected, int code) = RunOnLinux(Qemu, path);
        using var run = new ContainerRun();
        Guests.Container.Container container = run.Start(program);
        run.Finish();
        Assert.Equal(expected, run.Output.ToString());
        Assert.Equal(code, container.Exit!.Value.Code);
    }

    [PeerTheory(Compiler, NativeCompiler)]
    [InlineData("addresses")]
    [InlineData("direct")]
    [InlineData("exhausted")]
    [InlineData("files")]
    [InlineData("hostile")]
    [InlineData("filters")]
    [InlineData("ipc")]
    [InlineData("interpreters")]
    [InlineData("jobs")]
    [InlineData("namespaces")]
    [InlineData("readiness")]
    [InlineData("sharing")]
    public void Program_OnOurKernel_PrintsWhatItPrintsOnThisLinux(string name)
    {
        using var folder = new TemporaryFolder();
        byte[] program = Compile(folder, name, out string path);
        Peer.Run(NativeCompiler, "-O2", "-static", "-w", "-o", path + ".native", path + ".c", "-lpthread", "-lutil", "-lrt");

        // Changing users is root's: elsewhere it is asked for.
        (string expected, int code) = Environment.IsPrivilegedProcess ? RunOnLinux(path + ".native") : RunOnLinux("sudo", "-n", path + ".native");
        using var run = new ContainerRun();
        Guests.Container.Container container = run.Start(program);
        run.Finish();
        Assert.Equal(expected, run.Output.ToString());
        Assert.Equal(code, container.Exit!.Value.Code);
    }

    [PeerFact(Compiler)]
    public void Filter_OfAContainersUser_HoldsForItsPrograms()
    {
        const ushort load = 0x20, ifEqual = 0x15, giveBack = 0x06;
        const uint getParent = 173, error = 0x5_0000, allow = 0x7FFF_0000;
        using var folder = new TemporaryFolder();
        byte[] program = Compile(folder, "filters", out _);
        FilterInstruction[] filter = [new(load, 0, 0, 0), new(ifEqual, 0, 1, getParent), new(giveBack, 0, 0, error | 11), new(giveBack, 0, 0, allow)];
        using var run = new ContainerRun();
        Guests.Container.Container container = run.Start(program, Options(filter), "again");
        run.Finish();
        Assert.Equal("program: -1 errno 11\nNoNewPrivs:\t0\nSeccomp:\t2\nSeccomp_filters:\t1\nmode: 2 errno 0\n", run.Output.ToString());
        Assert.Equal(0, container.Exit!.Value.Code);
        string message = Assert.Throws<HypervisorException>(() => run.Start(program, Options(filter[..3]))).Message;
        Assert.Contains("filter", message, StringComparison.Ordinal);

        ContainerOptions Options(FilterInstruction[] code) => new()
        {
            Program = "",
            Arguments = [],
            User = ContainerUser.Root with { SystemCallFilter = code },
            Output = bytes => run.Output.Append(System.Text.Encoding.UTF8.GetString(bytes)),
        };
    }

    [PeerFact(Compiler)]
    public void Program_RunTwice_LeavesTheSameTrace()
    {
        using var folder = new TemporaryFolder();
        byte[] program = Compile(folder, "threads", out _);
        Assert.Equal(Trace(), Trace());

        (string, long, long) Trace()
        {
            using var run = new ContainerRun(cpus: 2);
            run.Start(program);
            run.Finish();
            return (run.Output.ToString(), run.Host.NowNanoseconds, run.Containers.SystemCalls);
        }
    }

    [PeerFact(Compiler)]
    public void Execute_ReplacesTheProgramAndKeepsWhatItShould()
    {
        using var folder = new TemporaryFolder();
        byte[] program = CompileText(folder, "exec", """
            #define _GNU_SOURCE
            #include <fcntl.h>
            #include <signal.h>
            #include <stdio.h>
            #include <stdlib.h>
            #include <sys/wait.h>
            #include <unistd.h>
            static void handler(int s) { (void)s; }
            int main(int argc, char **argv) {
                if (argc > 1) {
                    struct sigaction usr1, usr2;
                    sigaction(SIGUSR1, 0, &usr1); sigaction(SIGUSR2, 0, &usr2);
                    printf("%s %s %s ignored %d default %d open %d closed %d\n", argv[0], argv[1], getenv("WHAT"),
                        usr1.sa_handler == SIG_IGN, usr2.sa_handler == SIG_DFL, fcntl(10, F_GETFD) >= 0, fcntl(11, F_GETFD) < 0);
                    return 9;
                }
                signal(SIGUSR1, SIG_IGN); signal(SIGUSR2, handler);
                dup2(1, 10); dup3(1, 11, O_CLOEXEC);
                pid_t child = vfork();
                if (child == 0) { char *args[] = {"renamed", "argument", 0}, *env[] = {"WHAT=environment", 0}; execve("/proc/self/exe", args, env); _exit(99); }
                int status; waitpid(child, &status, 0);
                printf("exit %d\n", WEXITSTATUS(status)); fflush(stdout);
                execl("/bin/script", "script", "last", (char *)0);
                return 1;
            }
            """);
        using var run = new ContainerRun();
        Guests.Container.Container container = run.Start(program);
        var root = (MemoryDirectory)container.Paths.Root.Inode.Lookup("bin")!;
        root.Make("script", InodeMode.Regular | 0x1ED, out Inode? script);
        script!.WriteAt("#!/bin/program argument\n"u8, 0);
        run.Finish();
        Assert.Equal("renamed argument environment ignored 1 default 1 open 1 closed 1\nexit 9\n/bin/program argument (null) ignored 1 default 1 open 1 closed 1\n", run.Output.ToString());
        Assert.Equal(9, container.Exit!.Value.Code);
    }

    [PeerFact(Compiler)]
    public void ForkBomb_InOneContainer_EndsAtItsLimitAndLeavesTheOtherAlone()
    {
        using var folder = new TemporaryFolder();
        byte[] bomb = CompileText(folder, "bomb", "#include <unistd.h>\nint main(void){for(int i=0;i<200;i++){if(fork()<0)_exit(7);} return 0;}");
        byte[] good = CompileText(folder, "good", "#include <stdio.h>\n#include <unistd.h>\nint main(void){printf(\"%d %d\\n\",(int)getpid(),fork()>0);return 5;}");
        using var run = new ContainerRun();
        var text = new StringBuilder();
        var options = new ContainerOptions { Program = "", Arguments = [], TaskLimit = 16, Output = bytes => text.Append(Encoding.UTF8.GetString(bytes)) };
        Guests.Container.Container first = run.Start(bomb, options with { Name = "bomb" });
        Guests.Container.Container second = run.Start(good, options with { Name = "good" });
        run.Finish();
        Assert.Equal(7, first.Exit!.Value.Code);
        Assert.Equal(5, second.Exit!.Value.Code);
        Assert.Contains("1 1\n", text.ToString(), StringComparison.Ordinal); // its own process numbers begin at 1 too
    }

    [PeerFact(Compiler)]
    public void MemoryHog_IsKilledAtItsLimitAndGivesItsFramesBack()
    {
        using var folder = new TemporaryFolder();
        byte[] hog = CompileText(folder, "hog", "#include <stdlib.h>\n#include <string.h>\nint main(void){for(;;){char*p=malloc(1<<20);if(!p)return 3;memset(p,1,1<<20);}}");
        using var run = new ContainerRun();
        Guests.Container.Container container = run.Start(hog, new ContainerOptions { Program = "", Arguments = [], MemoryLimit = 16 << 20 });
        run.Finish();
        Assert.Equal(137, container.Exit!.Value.Code);
        Assert.Contains("memory", container.Exit!.Value.Reason, StringComparison.Ordinal);
        Assert.Equal(0UL, container.MemoryInUse);
        Assert.Equal(0, run.Containers.Frames.Used);
    }

    [PeerFact(Compiler)]
    public void Spinner_AtEqualWeight_TakesNoMoreThanItsShare()
    {
        using var folder = new TemporaryFolder();
        byte[] spin = CompileText(folder, "spin", "int main(void){for(volatile long i=0;;i++);}");
        using var run = new ContainerRun();
        Guests.Container.Container[] all = [.. new[] { 100, 100, 200 }.Select((weight, i) =>
            run.Start(spin, new ContainerOptions { Program = "", Arguments = [], Name = $"spin{i}", Weight = weight }))];
        run.Host.RunFor(2_000_000_000);
        long[] used = [.. run.Containers.Machine.VCpus.Select(vcpu => vcpu.Meter.RunNanoseconds)];
        Assert.Equal(3, used.Length);
        Assert.InRange(used[1] / (double)used[0], 0.99, 1.01);
        Assert.InRange(used[2] / (double)used[0], 1.98, 2.02);
        Assert.All(all, container => Assert.Null(container.Exit));
    }

    [PeerFact(Compiler)]
    public void CpuLimit_OnASpinnerOfTwoProcesses_IsHeldOverPeriods()
    {
        using var folder = new TemporaryFolder();
        byte[] spin = CompileText(folder, "spin", "#include <unistd.h>\nint main(void){fork();for(volatile long i=0;;i++);}");
        using var run = new ContainerRun(cpus: 2);
        run.Start(spin, new ContainerOptions { Program = "", Arguments = [], CpuLimit = 0.3 });
        run.Host.RunFor(1_000_000_000);
        double used = run.Containers.Machine.VCpus.Sum(vcpu => vcpu.Meter.RunNanoseconds) / 1e9;
        Assert.InRange(used, 0.29, 0.31);
        Assert.Throws<HypervisorException>(() => run.Start(spin, new ContainerOptions { Program = "", Arguments = [], CpuLimit = 0 }));
    }

    [PeerFact(Compiler)]
    public unsafe void SystemCalls_WithRandomArguments_NeverReachTheHost()
    {
        using var folder = new TemporaryFolder();

        // Makes calls with numbers and arguments that the test puts into its memory.
        byte[] caller = CompileText(folder, "caller", """
            #include <sys/syscall.h>
            volatile long calls[8];
            int main(void) { for (;;) {
                register long a7 asm("a7") = calls[0]; register long a0 asm("a0") = calls[1]; register long a1 asm("a1") = calls[2];
                register long a2 asm("a2") = calls[3]; register long a3 asm("a3") = calls[4]; register long a4 asm("a4") = calls[5]; register long a5 asm("a5") = calls[6];
                asm volatile("ecall" : "+r"(a0) : "r"(a1), "r"(a2), "r"(a3), "r"(a4), "r"(a5), "r"(a7) : "memory");
            } }
            """);
        int[] numbers = [.. Guests.Container.Syscalls.SyscallTable.Numbers, 4096, 500, 9999];
        for (int seed = 1; seed <= 40; seed++)
        {
            var random = new Random(seed);
            using var run = new ContainerRun(64 << 20);
            Guests.Container.Container container = run.Start(caller, new ContainerOptions { Program = "", Arguments = [], TaskLimit = 8, MemoryLimit = 8 << 20, FileLimit = 4 << 20 });
            for (int i = 0; i < 200 && container.Exit is null; i++)
            {
                foreach (Core.Machine.VCpu vcpu in run.Containers.Machine.VCpus)
                {
                    // Whatever the registers hold at the next call is what the kernel gets.
                    HartState* s = vcpu.Hart.State;
                    ulong stack = s->X[2];
                    s->X[17] = (ulong)numbers[random.Next(numbers.Length)];
                    for (int register = 10; register <= 15; register++)
                        s->X[register] = Argument(random, stack);
                }

                run.Host.RunFor(20_000);
            }
        }

        static ulong Argument(Random random, ulong stack) => random.Next(8) switch
        {
            0 => 0,
            1 => (ulong)random.Next(-5, 64),
            2 => stack + (ulong)random.Next(-64, 256),
            3 => stack & ~0xFFFUL,
            4 => ulong.MaxValue - (ulong)random.Next(4096),
            5 => 1UL << random.Next(64),
            6 => 0x10000 + (ulong)random.Next(0x40000),
            _ => (ulong)random.NextInt64(long.MinValue, long.MaxValue),
        };
    }

    [PeerFact("apt-get", "dpkg-deb")]
    public void Busybox_FromDebian_RunsAScript()
    {
        byte[] busybox = File.ReadAllBytes(Path.Combine(FetchRoot(), "usr/bin/busybox"));
        using var run = new ContainerRun();
        Guests.Container.Container container = run.Containers.Create(new ContainerOptions
        {
            Program = "/bin/busybox",
            ProgramImage = busybox,
            Arguments = ["busybox", "sh", "-c", "echo hi | tr a-z A-Z; ls /; uname -m; dd if=/dev/zero bs=1M count=2 2>/dev/null | wc -c; cd /tmp; seq 1 100 > n; sort -rn n | head -n 2; (exit 3); echo $?; kill -TERM $$"],
            Output = bytes => run.Output.Append(Encoding.UTF8.GetString(bytes)),
            Error = bytes => run.Output.Append(Encoding.UTF8.GetString(bytes)),
        });
        run.Finish();
        Assert.Equal("HI\nbin\ndev\nproc\nsys\ntmp\nriscv64\n2097152\n100\n99\n3\n", run.Output.ToString());
        Assert.Equal(128 + 15, container.Exit!.Value.Code);
    }

    [Fact]
    public void Create_BadPrograms_SaysWhatIsWrong()
    {
        using var run = new ContainerRun(16 << 20);
        Assert.Contains("/bin/program", Error([0x7f, .. "ELF not really"u8]), StringComparison.Ordinal);
        Assert.Contains("ELF", Error("plain text"u8.ToArray()), StringComparison.Ordinal);
        byte[] foreign = new byte[64];
        "\u007fELF\u0002\u0001\u0001"u8.CopyTo(foreign);
        foreign[16] = 2;
        foreign[18] = 62;
        Assert.Contains("x86-64", Error(foreign), StringComparison.Ordinal);
        Assert.Contains("no such file", Assert.Throws<HypervisorException>(() => run.Containers.Create(new ContainerOptions { Program = "/missing", Arguments = ["missing"] })).Message, StringComparison.Ordinal);
        Assert.Throws<HypervisorException>(() => run.Start(new byte[10], new ContainerOptions { Program = "", Arguments = [], MemoryLimit = 1 }));
        Assert.Throws<HypervisorException>(() => run.Start(new byte[10], new ContainerOptions { Program = "", Arguments = [], TaskLimit = 0 }));
        Assert.Throws<HypervisorException>(() => run.Start(new byte[10], new ContainerOptions { Program = "", Arguments = [], RootDirectory = "/no/such/folder" }));

        string Error(byte[] image) => Assert.Throws<HypervisorException>(() => run.Start(image)).Message;
    }

    [PeerFact(Compiler)]
    public void Create_InterpreterThatIsMissingOrNone_SaysWhichAndWhatToDo()
    {
        using var folder = new TemporaryFolder();
        folder.Write("program.c", "int main(void){return 0;}"u8);
        Peer.Run(Compiler, "-o", folder["program"], folder["program.c"]);
        byte[] program = File.ReadAllBytes(folder["program"]);
        using var run = new ContainerRun();
        string missing = Assert.Throws<HypervisorException>(() => run.Start(program)).Message;
        Assert.Contains("its interpreter '/lib/ld-linux-riscv64-lp64d.so.1' is not in the container", missing, StringComparison.Ordinal);
        Directory.CreateDirectory(folder["root/lib"]);
        folder.Write("root/lib/ld-linux-riscv64-lp64d.so.1", "no program"u8);
        Peer.Run("chmod", "755", folder["root/lib/ld-linux-riscv64-lp64d.so.1"]);
        string bad = Assert.Throws<HypervisorException>(() => run.Start(program, new ContainerOptions { Program = "", Arguments = [], RootDirectory = folder["root"] })).Message;
        Assert.Contains("its interpreter '/lib/ld-linux-riscv64-lp64d.so.1' is no riscv64 Linux program", bad, StringComparison.Ordinal);
    }

    [Fact]
    public void PathWalk_LinksAndParents_NeverLeaveTheRoot()
    {
        using var folder = new TemporaryFolder();
        string secret = folder.Write("secret", "outside"u8);
        Directory.CreateDirectory(folder["root/inner"]);
        File.WriteAllText(folder["root/inside"], "inside");
        File.CreateSymbolicLink(folder["root/absolute"], secret);
        File.CreateSymbolicLink(folder["root/relative"], "../secret");
        Directory.CreateSymbolicLink(folder["root/inner/up"], "../../..");
        var store = new FileStore(() => 0, 1 << 20);
        var root = new MemoryDirectory(store, 0x1ED, new HostDirectory(folder["root"]));
        var walk = new PathWalk(new Place(root, null, ""));
        foreach (string path in new[] { "/absolute", "/relative", "/../secret", "/inner/../../secret", "/inner/up/secret", "/inner/up/../../../secret" })
        {
            int error = walk.Resolve(walk.Root, path, true, out PathResult found);
            Assert.True(error != 0 || found.Inode is null, path);
        }

        Assert.Equal(0, walk.Resolve(walk.Root, "/inner/up/inside", true, out PathResult inside));
        Assert.NotNull(inside.Inode);

        // Changes stay in memory.
        Assert.Equal(3, inside.Inode!.WriteAt("new"u8, 0));
        Assert.Equal(0, root.Remove("inside"));
        Assert.Equal("inside", File.ReadAllText(folder["root/inside"]));
    }

    private static string FetchRoot()
    {
        DirectoryInfo? folder = new(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "Hypervisor.sln")))
            folder = folder.Parent;
        return Peer.Run("bash", Path.Combine(folder!.FullName, "tests/RealGuests/fetch.sh"), "busybox-static").Trim();
    }

    private static byte[] Compile(TemporaryFolder folder, string name, out string path)
    {
        string text = Resource($"{name}.c");
        byte[] image = CompileText(folder, name, text);
        path = folder[name];
        return image;
    }

    private static byte[] CompileText(TemporaryFolder folder, string name, string text)
    {
        folder.Write($"{name}.c", Encoding.UTF8.GetBytes(text));
        Peer.Run(Compiler, "-O2", "-static", "-w", "-o", folder[name], folder[$"{name}.c"], "-lpthread", "-lutil", "-lrt");
        return File.ReadAllBytes(folder[name]);
    }

    private static string Resource(string name)
    {
        using Stream stream = typeof(ContainerTests).Assembly.GetManifestResourceStream($"Hypervisor.Tests.Container.Programs.{name}")
            ?? throw new FileNotFoundException($"{name} is no resource of the tests");
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }

    private static (string Output, int Code) RunOnLinux(string program, params string[] arguments)
    {
        // Other tests' files may be open for a moment while it starts, and descriptors' numbers are printed.
        const string standardFilesOnly = """for f in /proc/$$/fd/*; do n=${f##*/}; [ "$n" -le 2 ] || eval "exec $n>&-"; done; exec "$0" "$@" """;
        using Process process = Process.Start(new ProcessStartInfo("bash", ["-c", standardFilesOnly, program, .. arguments]) { RedirectStandardOutput = true })!;
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (output, process.ExitCode);
    }
}
