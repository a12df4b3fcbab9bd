using System.Text;
using Hypervisor.Core.Engine;
using Hypervisor.Core.Machine;
using Hypervisor.Tests.Support;

namespace Hypervisor.Tests.Container;

/// <summary>System calls that are made where the engine meets them: nothing but the time they take may tell them from those that leave.</summary>
public sealed class DirectCallTests
{
    private const string Compiler = "riscv64-linux-gnu-gcc";

    // A vCPU's books, and what a program saw of them by its counters and clocks.
    private sealed record Trace(string Output, long Calls, long Slices, long Retired, string Exits, long Now);

    [PeerTheory(Compiler)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(7)]
    [InlineData(64)]
    [InlineData(1000)]
    [InlineData(1_000_000)]
    public void Calls_MadeWithAndWithoutLeaving_LeaveTheSameTraceInSlicesOfAnyLength(int slice)
    {
        byte[] program = Compile();
        Trace left = Run(program, slice, direct: false);
        Trace direct = Run(program, slice, direct: true);
        Assert.Equal(left, direct);
        Assert.StartsWith("calls 300 signals 5\n", direct.Output, StringComparison.Ordinal);

        // Slices change nothing that the program can see.
        Assert.Equal(Run(program, 100_000, direct: true).Output, direct.Output);
    }

    [PeerFact(Compiler)]
    public void Calls_MadeWhereTheEngineMeetsThem_LeaveItOnlyForTheRest()
    {
        byte[] program = Compile();
        var seen = new CountingPersonality();
        Run(program, 1_000_000, direct: false, seen);
        int all = seen.Calls;
        Run(program, 1_000_000, direct: true, seen);
        Assert.True(all >= 600, $"{all} calls");
        Assert.InRange(seen.Calls, 1, all - 500);
    }

    private static Trace Run(byte[] program, int slice, bool direct, CountingPersonality? counter = null)
    {
        using var run = new ContainerRun();
        run.Start(program);
        VCpu vcpu = Assert.Single(run.Containers.Machine.VCpus);
        CallHandler? handler = vcpu.Hart.Calls;
        Assert.NotNull(handler);
        if (counter is not null)
        {
            counter.Calls = 0;
            counter.Inner = vcpu.Personality;
            vcpu.Personality = counter;
        }
        else
        {
            vcpu.Personality = vcpu.Personality;
        }

        Assert.Null(vcpu.Hart.Calls);
        vcpu.Hart.Calls = direct ? handler : null;
        while (run.Containers.Containers[0].Exit is null)
            run.Host.RunFor(slice);
        Assert.Equal(0, run.Containers.Containers[0].Exit!.Value.Code);
        VCpuMeter meter = vcpu.Meter;
        string exits = string.Join(' ', Enum.GetValues<VmExitReason>().Select(reason => meter.Exits(reason)));
        return new Trace(run.Output.ToString(), run.Containers.SystemCalls, meter.Slices, meter.Retired, exits, run.Host.NowNanoseconds);
    }

    private static byte[] Compile()
    {
        using var folder = new TemporaryFolder();
        string source = folder.Write("calls.c", Encoding.UTF8.GetBytes(Program));
        Peer.Run(Compiler, "-O2", "-static", "-w", "-nostartfiles", "-o", folder["calls"], source);
        return File.ReadAllBytes(folder["calls"]);
    }

    // Short, so that it can be run in slices of one instruction: it starts without a library's beginning.
    private const string Program = """
        #include <stdint.h>
        static long call(long number, long a, long b, long c, long d)
        {
            register long n asm("a7") = number, x asm("a0") = a, y asm("a1") = b, z asm("a2") = c, w asm("a3") = d;
            asm volatile("ecall" : "+r"(x) : "r"(n), "r"(y), "r"(z), "r"(w) : "memory");
            return x;
        }
        enum { write = 64, end = 93, now = 113, action = 134, kill = 129, itimer = 103, self = 172, parent = 173, user = 174, task = 178 };
        #define COUNTER(name) ({ uint64_t v; asm volatile("csrr %0, " name : "=r"(v) :: "memory"); v; })
        static volatile long signals;
        static void handler(int s) { signals++; }
        static char text[400];
        static int length;
        static void print(const char *name, uint64_t value)
        {
            char digits[24];
            int count = 0;
            while (*name)
                text[length++] = *name++;
            do
                digits[count++] = '0' + value % 10;
            while (value /= 10);
            while (count)
                text[length++] = digits[--count];
        }
        static void work(void)
        {
            struct { void (*handler)(int); unsigned long flags, mask; } how = { handler };
            call(action, 10, (long)&how, 0, 8);
            long calls = 0, sum = 0;
            uint64_t hash = 0, time[2] = { 0 };
            long me = call(self, 0, 0, 0, 0);
            for (int i = 0; i < 100; i++) {
                calls += call(self, 0, 0, 0, 0) == me;
                calls += call(task, 0, 0, 0, 0) == me;
                calls += call(parent, 0, 0, 0, 0) == 0;
                for (int j = 0; j < i; j++)
                    sum += j ^ i;
                hash = hash * 31 + COUNTER("cycle");
                call(user, 0, 0, 0, 0);
                hash = hash * 31 + COUNTER("instret");
                call(now, 1, (long)time, 0, 0);
                hash = hash * 31 + time[1];
                hash = hash * 31 + COUNTER("time");
                call(now, 1, (long)time, 0, 0);
                hash = hash * 31 + time[1];

                // A signal is taken right behind the call that sends it.
                if (i % 20 == 0) {
                    long before = signals;
                    call(kill, me, 10, 0, 0);
                    hash = hash * 31 + (signals - before) + call(self, 0, 0, 0, 0);
                }
            }
            print("calls ", calls);
            print(" signals ", signals);
            print("\nhash ", hash);
            print(" cycles ", COUNTER("cycle"));
            print(" instructions ", COUNTER("instret"));
            text[length++] = '\n';
            call(write, 1, (long)text, length, 0);
            call(end, calls != 300, 0, 0, 0);
        }
        void _start(void)
        {
            asm volatile(".option push\n.option norelax\nla gp, __global_pointer$\n.option pop");
            work();
        }
        """;

    /// <summary>Counts environment calls that leave the engine.</summary>
    private sealed class CountingPersonality : IPersonality
    {
        public IPersonality Inner { get; set; } = null!;

        public int Calls { get; set; }

        public string Name => Inner.Name;

        public ExitVerdict BeforeSlice(VCpu vcpu) => Inner.BeforeSlice(vcpu);

        public void PrepareRun(VCpu vcpu) => Inner.PrepareRun(vcpu);

        public ExitVerdict OnExit(VCpu vcpu, in VmExit exit)
        {
            Calls += exit.Reason == VmExitReason.EnvironmentCall ? 1 : 0;
            return Inner.OnExit(vcpu, in exit);
        }

        public bool HasPendingWork(VCpu vcpu) => Inner.HasPendingWork(vcpu);
    }
}
