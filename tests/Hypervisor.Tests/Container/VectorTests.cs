using System.Text;
using Hypervisor.Tests.Support;

namespace Hypervisor.Tests.Container;

/// <summary>Vectors as programs in containers meet them: what the kernel says of them, and that signals and task switches keep them.</summary>
public sealed class VectorTests
{
    [PeerTheory("riscv64-linux-gnu-gcc")]
    [InlineData(128)]
    [InlineData(256)]
    [InlineData(512)]
    public void Vectors_SignalsAndForks_KeepTheRegisters(int bits)
    {
        using var folder = new TemporaryFolder();
        string source = folder.Write("vectors.c", Encoding.UTF8.GetBytes(Program));
        Peer.Run("riscv64-linux-gnu-gcc", "-O1", "-static", "-march=rv64gcv", "-o", folder["vectors"], source);
        using var run = new ContainerRun(vectorBits: bits);
        Guests.Container.Container container = run.Start(File.ReadAllBytes(folder["vectors"]));
        run.Finish();
        Assert.Equal($"hwcap 1 vlenb {bits / 8}\nprobe 1 3\nsignals 200 bad 0\nframe 53465457 {8 + 48 + (32 * bits / 8)} next 0\nfault at 1 vstart 3\nfirst 7\nthreads 0\n", run.Output.ToString());
        Assert.Equal(0, container.Exit!.Value.Code);
    }

    [PeerFact("riscv64-linux-gnu-gcc")]
    public void Vectors_ContainerWithoutThem_AreIllegalAndNotNamed()
    {
        using var folder = new TemporaryFolder();
        string source = folder.Write("none.c", """
            #include <stdio.h>
            #include <signal.h>
            #include <stdlib.h>
            #include <sys/auxv.h>
            static void handler(int s) { puts("illegal"); exit(0); }
            int main(void)
            {
                printf("hwcap %d\n", (int)(getauxval(AT_HWCAP) >> ('v' - 'a') & 1));
                fflush(stdout);
                signal(SIGILL, handler);
                asm volatile(".4byte 0x0d007057");
                return 1;
            }
            """u8);
        Peer.Run("riscv64-linux-gnu-gcc", "-O1", "-static", "-o", folder["none"], source);
        using var run = new ContainerRun();
        run.Start(File.ReadAllBytes(folder["none"]));
        run.Finish();
        Assert.Equal("hwcap 0\nillegal\n", run.Output.ToString());
    }

    private const string Program = """
        #define _GNU_SOURCE
        #include <pthread.h>
        #include <signal.h>
        #include <stdint.h>
        #include <stdio.h>
        #include <string.h>
        #include <sys/auxv.h>
        #include <sys/mman.h>
        #include <sys/syscall.h>
        #include <sys/time.h>
        #include <ucontext.h>
        #include <unistd.h>
        static volatile int hits, faults;
        static uint32_t frame[3];
        static char other[4096];
        static uint8_t* protected_page;
        static long fault_vstart;
        static void clobber(void)
        {
            asm volatile("vsetvli t0, zero, e8, m8, ta, ma\n vmv.v.i v0, -1\n vmv.v.i v8, -1\n vmv.v.i v16, -1\n vmv.v.i v24, -1\n"
                         "csrwi vcsr, 7" ::: "t0");
        }
        static void handler(int s, siginfo_t* i, void* c)
        {
            uint8_t* header = (uint8_t*)c + 176 + 256 + 520;
            memcpy(frame, header, 8);
            memcpy(frame + 2, header + frame[1], 4);
            clobber();
            hits++;
        }
        static void on_fault(int s, siginfo_t* i, void* c)
        {
            uint8_t* header = (uint8_t*)c + 176 + 256 + 520;
            memcpy(&fault_vstart, header + 8, 8);
            faults += (uint8_t*)i->si_addr == protected_page;
            mprotect(protected_page, 4096, PROT_READ | PROT_WRITE);
            clobber();
        }
        /* Adds up in vectors for a while; whoever takes the registers away spoils the sum. */
        static int spin(long rounds, long seed)
        {
            uint64_t out[2], vl;
            asm volatile("vsetivli zero, 2, e64, m1, ta, ma\n csrwi vcsr, 2\n vmv.v.i v31, 0\n vmv.v.x v30, %3\n"
                         "1: vadd.vv v31, v31, v30\n addi %1, %1, -1\n bnez %1, 1b\n"
                         "vse64.v v31, (%2)\n csrr %0, vl"
                         : "=r"(vl), "+r"(rounds) : "r"(out), "r"(seed) : "memory");
            return vl != 2 || out[0] != out[1] ? -1 : (int)(out[0] / seed);
        }
        static void* thread(void* p)
        {
            for (int i = 0; i < 20; i++)
                if (spin(20000, 3 + (long)p) != 20000) return (void*)1;
            return 0;
        }
        int main(void)
        {
            long vlenb;
            asm volatile("csrr %0, vlenb" : "=r"(vlenb));
            printf("hwcap %d vlenb %ld\n", (int)(getauxval(AT_HWCAP) >> ('v' - 'a') & 1), vlenb);
            struct { int64_t key; uint64_t value; } pairs[] = { {4, 0}, {10, 0} };
            syscall(258, pairs, 2, 0, 0, 0);
            printf("probe %d %d\n", (int)(pairs[0].value >> 2 & 1), (int)pairs[1].value);

            struct sigaction action = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO };
            sigaction(SIGALRM, &action, 0);
            struct itimerval timer = { { 0, 200 }, { 0, 200 } };
            setitimer(ITIMER_REAL, &timer, 0);
            int bad = 0;
            while (hits < 200)
                bad += spin(3000, 5) != 3000;
            struct itimerval none = { 0 };
            setitimer(ITIMER_REAL, &none, 0);
            printf("signals %d bad %d\n", hits > 200 ? 200 : hits, bad);
            printf("frame %x %d next %x\n", frame[0], frame[1], frame[2]);

            /* A store that runs into a page it may not write goes on where it was, after the handler let it. */
            uint8_t* pages = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            protected_page = pages + 4096;
            mprotect(protected_page, 4096, PROT_NONE);
            struct sigaction segv = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO };
            sigaction(SIGSEGV, &segv, 0);
            asm volatile("vsetivli zero, 8, e8, m1, ta, ma\n vid.v v3\n vse8.v v3, (%0)" :: "r"(pages + 4093) : "memory");
            for (int k = 0; k < 8; k++)
                if (pages[4093 + k] != k) printf("byte %d is %d\n", k, pages[4093 + k]);
            printf("fault at %d vstart %ld\n", faults, fault_vstart);

            /* Fault-only-first: the string ends before the page that is not there. */
            mprotect(protected_page, 4096, PROT_NONE);
            long got;
            asm volatile("vsetivli zero, 16, e8, m1, ta, ma\n vle8ff.v v4, (%1)\n csrr %0, vl" : "=r"(got) : "r"(pages + 4089) : "memory");
            printf("first %ld\n", got);

            pthread_t threads[4];
            long failed = 0;
            for (long k = 0; k < 4; k++) pthread_create(&threads[k], 0, thread, (void*)k);
            for (int k = 0; k < 4; k++) { void* r; pthread_join(threads[k], &r); failed += (long)r; }
            printf("threads %ld\n", failed);
            return 0;
        }
        """;
}
