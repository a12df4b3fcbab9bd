using System.Text;
using Hypervisor.Core.Engine.Interpreter;
using Hypervisor.Core.Isa;
using Hypervisor.Core.Machine;
using Hypervisor.Core.Memory;
using Hypervisor.Guests;
using Hypervisor.Guests.Common;
using Hypervisor.Guests.Para;
using Hypervisor.Tests.Container;

namespace Hypervisor.Tests.Modes;

/// <summary>
/// The device tree, the auxiliary vector and riscv_hwprobe say what there is: what they name executes, and of what they do not
/// name every instruction traps. A guest finds out by trying, in each mode at the highest level it has.
/// </summary>
public sealed class ExtensionTruthTests
{
    // An instruction or CSR access (of the form "csr n") for each extension: those we have, and those one might think we have.
    private static readonly (string Extension, string Words)[] s_samples =
    [
        ("m", "02a58533 02b55533"), ("a", "00a5a52f 00a5b52f"), ("f", "00b57553"), ("d", "02b57553 42058553"), ("c", "01 4501"),
        ("zicbom", "0015200f 0025200f 0005200f"), ("zicbop", "02056013 00156013 00356013"), ("zicboz", "0045200f"),
        ("zicntr", "c0002573 c0102573 c0202573"), ("zihpm", "c0302573 c1f02573"), ("zicond", "0eb555b3 0eb575b3"),
        ("zicsr", "00102573"), ("zifencei", "0000100f"), ("zihintntl", "00200033 00500033"), ("zihintpause", "0100000f"),
        ("zaamo", "00a5a52f 80a5b52f"), ("zalrsc", "1005a52f 18a5a52f"), ("zawrs", "00d00073 01d00073"),
        ("zfh", "04b57553 5c057553 c4057553 d4057553 e4051553"), ("zfhmin", "00051507 00a51027 e4050553 f4050553 44057553 40250553 42250553 44157553"),
        ("zca", "01"), ("zcd", "2108"), ("zba", "20b525b3 08b5053b"), ("zbb", "60051513 0ab54533 6b855513"), ("zbs", "48b51533"),
        ("zbc", "0ab51533 0ab53533 0ab52533"), ("zbkb", "08b54533 08b57533 08b5453b 68755513"), ("zbkc", "0ab51533 0ab53533"),
        ("zbkx", "28b52533 28b54533"), ("sstc", "14d02573"), ("svinval", "16b50073 18000073 18100073"),

        ("zknd", "3ab50533 3eb50533 30051513"), ("zkne", "32b50533 36b50533 31151513 7eb50533"), ("zknh", "10051513 10251513 10451513 10751513"),
        ("zksed", "30b50533 b4b50533"), ("zksh", "10851513 10951513"), ("zkr", "01501573"),

        ("v", "0d007057 02056007 c080f057 02218057"), ("zvfh", "022190d7"), ("h", "22b50073 62050073 600025f3"), ("q", "06b57553"), ("zacas", "28b5252f 28b5352f"), ("zabha", "00a5852f"),
        ("zalasr", "3405a52f"), ("zfa", "f0108553"), 
        ("zimop", "81c04073"), ("zcb", "8000"), ("zcmop", "6081"),
        ("zicfiss", "01102573"), ("smstateen", "30c02573"), ("ssstateen", "10c02573"), ("sscofpmf", "da002573"), ("smaia", "35002573"),
        ("ssaia", "15002573"), ("smrnmi", "74002573"), ("smcntrpmf", "32102573"), ("smcdeleg", "12002573"),
        ("sdtrig", "7a002573"), ("zfbfmin", "44857553"), ("zvbb", "4a056057"),
    ];

    // Named, but promises about what other instructions do: tests of those hold them.
    private static readonly string[] s_promises =
    [
        "zic64b", "ziccamoa", "ziccif", "zicclsm", "ziccrse", "za64rs", "zkt", "ssccptr", "sscounterenw", "sstvala", "sstvecd",
        "svadu", "svnapot", "svpbmt", "zve32f", "zve32x", "zve64d", "zve64f", "zve64x", "zvfhmin",
    ];

    /// <summary>Each mode, from machine mode and from supervisor mode above the built-in firmware.</summary>
    public static TheoryData<string, bool> Modes
    {
        get
        {
            var cases = new TheoryData<string, bool> { { "para", true } };
            foreach (string mode in MachineFactory.Modes)
            {
                cases.Add(mode, false);
                cases.Add(mode, true);
            }

            return cases;
        }
    }

    [Theory]
    [MemberData(nameof(Modes))]
    public void DeviceTree_EveryExtensionNamed_ExecutesAndNoOtherDoes(string mode, bool supervisor) => TryAll(mode, supervisor, 0);

    [Theory]
    [MemberData(nameof(Modes))]
    public void DeviceTree_HartsWithVectors_NameThem(string mode, bool supervisor) => TryAll(mode, supervisor, 128);

    private static void TryAll(string mode, bool supervisor, int vectorBits)
    {
        byte[] kernel = Assembler.Assemble(Guest(supervisor), new AssemblerOptions { Name = "probe", TextBase = supervisor ? 0x8020_0000UL : 0x8000_0000 }).ToElf();
        var loop = new EventLoop();
        var console = new ConsoleText();
        DeviceTree tree;
        if (mode == "para")
        {
            var machine = new VirtualMachine("guest", new GuestMemory(new MemoryRegion(0x8000_0000, 64 << 20)), loop) { VectorBits = vectorBits };
            using var guest = new ParaGuest(machine, new ParaGuestOptions { Engine = Support.TestEngine.Create(), Console = console });
            guest.Boot(new BootImages { Kernel = kernel });
            tree = TreeOf(machine);
            Assert.Equal(0, loop.Run(machine, 5_000_000).Code);
            machine.Dispose();
        }
        else
        {
            using BoardGuest guest = MachineFactory.Create(mode, new BoardGuestOptions { Engine = Support.TestEngine.Create(), Console = console, RamBytes = 64 << 20, VectorBits = vectorBits }, loop);
            guest.Boot(new BootImages { Kernel = kernel, BuiltInFirmware = supervisor });
            tree = TreeOf(guest.Machine);
            Assert.Equal(0, loop.Run(guest.Machine, 5_000_000).Code);
        }

        DeviceTreeNode cpu = tree.Find("cpus/cpu@0")!;
        Assert.True(cpu.TryGetProperty("riscv,isa-extensions", out DeviceTreeProperty? list) && list.TryGetStrings(out string[]? _));
        list.TryGetStrings(out string[]? named);
        Assert.True(cpu.TryGetProperty("riscv,isa", out DeviceTreeProperty? isa) && isa.TryGetStrings(out string[]? _));
        isa.TryGetStrings(out string[]? text);
        Assert.Equal("rv64" + string.Concat(named!.Select(name => name.Length == 1 ? name : "_" + name)), text![0]);

        string[] answers = console.ToString().Split('\n');
        Assert.True(answers.Length == 1 + s_samples.Sum(each => each.Words.Split(' ').Length), "not every try was answered: " + console);
        var wrong = new List<string>();
        int line = 0;
        foreach ((string extension, string words) in s_samples)
        {
            foreach (string word in words.Split(' '))
            {
                bool executes = answers[line++] == "0";
                if (executes != named!.Contains(extension))
                    wrong.Add($"{extension} {word}: {(executes ? "executes but is not named" : "is named but traps")}");
            }
        }

        Assert.True(wrong.Count == 0, string.Join('\n', wrong));
        string[] untested = [.. named!.Where(name => name != "i" && !s_promises.Contains(name) && s_samples.All(each => each.Extension != name))];
        Assert.True(untested.Length == 0, $"named, but nobody tries them: {string.Join(' ', untested)}");
    }

    [Theory]
    [InlineData("riscv,cbom-block-size", 64u)]
    [InlineData("riscv,cbop-block-size", 64u)]
    [InlineData("riscv,cboz-block-size", 64u)]
    public void DeviceTree_CacheBlocks_Are64Bytes(string property, uint expected)
    {
        using BoardGuest guest = MachineFactory.Create("bare", new BoardGuestOptions { Engine = Support.TestEngine.Create(), Console = new ConsoleText() }, new EventLoop());
        DeviceTreeNode cpu = DeviceTree.Parse(new BoardTree().Build(guest.Board), "ours").Find("cpus/cpu@0")!;
        Assert.True(cpu.TryGetProperty(property, out DeviceTreeProperty? found) && found.TryGetUInt32(out uint value) && value == expected);
        Assert.True(cpu.TryGetProperty("mmu-type", out DeviceTreeProperty? mmu) && mmu.TryGetStrings(out string[]? type) && type[0] == "riscv,sv57");
    }

    [Fact]
    public void InstructionTable_ExtensionOfEveryRow_IsNamed()
    {
        foreach (IsaExtension extension in Enum.GetValues<IsaExtension>())
        {
            if (extension is not (IsaExtension.I or IsaExtension.Privileged))
                Assert.Contains(extension.ToString().ToLowerInvariant(), HartExtensions.For(128));
        }
    }

    /// <summary>What the profiles demand (RISC-V Profiles 1.0, sections 4.1 and 4.2), but Svade: see <see cref="HartExtensions"/>.</summary>
    [Fact]
    public void HartExtensions_All_HoldWhatTheRva22ProfilesDemand()
    {
        string[] demanded =
        [
            "m", "a", "f", "d", "c", "zicsr", "zicntr", "ziccif", "ziccrse", "ziccamoa", "zicclsm", "za64rs", "zihpm", "zba", "zbb", "zbs",
            "zic64b", "zicbom", "zicbop", "zicboz", "zfhmin", "zkt", "zihintpause",
            "zifencei", "ssccptr", "sstvecd", "sstvala", "sscounterenw", "svpbmt", "svinval",
        ];
        Assert.Empty(demanded.Except(HartExtensions.All));
        Assert.Equal(0x112DUL, HartExtensions.CapabilityBits(0));
    }

    /// <summary>A program asks the container's kernel and then tries, with a handler for SIGILL, what it was told.</summary>
    [Support.PeerFact("riscv64-linux-gnu-gcc")]
    public void HardwareProbe_EveryExtensionNamed_ExecutesAndNoOtherDoes()
    {
        var bits = new Dictionary<string, int>
        {
            ["f"] = 0, ["d"] = 0, ["c"] = 1, ["v"] = 2, ["zba"] = 3, ["zbb"] = 4, ["zbs"] = 5, ["zicboz"] = 6, ["zbc"] = 7, ["zbkb"] = 8,
            ["zbkc"] = 9, ["zbkx"] = 10, ["zknd"] = 11, ["zkne"] = 12, ["zknh"] = 13, ["zksed"] = 14, ["zksh"] = 15, ["zfh"] = 27,
            ["zfhmin"] = 28, ["zihintntl"] = 29, ["zfa"] = 32, ["zacas"] = 34, ["zicond"] = 35, ["zihintpause"] = 36, ["zimop"] = 42,
            ["zca"] = 43, ["zcb"] = 44, ["zcd"] = 45, ["zcmop"] = 47, ["zawrs"] = 48, ["zicntr"] = 50, ["zihpm"] = 51, ["zfbfmin"] = 52, ["zaamo"] = 56,
            ["zalrsc"] = 57, ["zabha"] = 58, ["zalasr"] = 59, ["zicbop"] = 60,
        };
        var tries = new StringBuilder();
        foreach ((string extension, string words) in s_samples)
        {
            if (!bits.TryGetValue(extension, out int bit))
                continue;
            foreach (string word in words.Split(' '))
                tries.AppendLine($"    TRY({bit}, \"{extension} {word}\", \"{Directive(word)}\");");
        }

        using var folder = new Support.TemporaryFolder();
        string source = folder.Write("probe.c", Encoding.UTF8.GetBytes($$"""
            #include <setjmp.h>
            #include <signal.h>
            #include <stdint.h>
            #include <stdio.h>
            #include <sys/auxv.h>
            #include <sys/syscall.h>
            #include <unistd.h>
            struct pair { int64_t key; uint64_t value; };
            static sigjmp_buf back;
            static char memory[256] __attribute__((aligned(64)));
            static void handler(int s) { siglongjmp(back, s); }
            #define TRY(bit, name, text) do { \
                volatile int ran = 0; \
                if (!sigsetjmp(back, 1)) { \
                    register char* a0 asm("a0") = memory; register char* a1 asm("a1") = memory; \
                    asm volatile(text : "+r"(a0), "+r"(a1) : : "memory", "ra", "t0", "fa0", "fa1"); ran = 1; } \
                if (ran != (int)(pairs[0].value >> bit & 1)) printf("%s: named %d, ran %d\n", name, !ran, ran); \
            } while (0)
            static long probe(struct pair* pairs, long count, unsigned long bytes, void* cpus, unsigned flags)
            { return syscall(258, pairs, count, bytes, cpus, flags); }
            int main(void)
            {
                struct pair pairs[] = { {4, 0}, {3, 0}, {6, 0}, {9, 0}, {8, 0}, {12345, 7} };
                printf("%ld %ld %ld\n", probe(pairs, 6, 0, 0, 0), (long)pairs[5].key, (long)pairs[5].value);
                printf("%ld %ld %ld %ld\n", (long)pairs[1].value, (long)pairs[2].value, (long)pairs[3].value, (long)pairs[4].value);
                struct pair ask[] = { {4, 1 << 3}, {6, 64} };
                unsigned long cpus = ~0ul;
                long result = probe(ask, 2, sizeof cpus, &cpus, 1);
                printf("%ld %lx\n", result, cpus);
                ask[0].value = 1 << 2;
                result = probe(ask, 2, sizeof cpus, &cpus, 1);
                printf("%ld %lx\n", result, cpus);
                printf("%lx %d %d\n", getauxval(AT_HWCAP), (int)probe(pairs, 1, 0, 0, 2) , (int)probe((void*)8, 1, 0, 0, 0));
                signal(SIGILL, handler); signal(SIGSEGV, handler);
            {{tries}}
                return 0;
            }
            """));
        Support.Peer.Run("riscv64-linux-gnu-gcc", "-O1", "-static", "-o", folder["probe"], source);
        using var run = new ContainerRun();
        Guests.Container.Container container = run.Start(File.ReadAllBytes(folder["probe"]));
        run.Finish();
        Assert.Equal("0 -1 0\n1 64 2 10000000\n0 1\n0 0\n112d -1 -1\n", run.Output.ToString());
        Assert.Equal(0, container.Exit!.Value.Code);
    }

    private static unsafe DeviceTree TreeOf(VirtualMachine machine)
    {
        ulong address = machine.VCpus[0].Hart.State->X[11];
        var header = new byte[8];
        Assert.True(machine.Memory.TryRead(address, header));
        var blob = new byte[System.Buffers.Binary.BinaryPrimitives.ReadUInt32BigEndian(header.AsSpan(4))];
        Assert.True(machine.Memory.TryRead(address, blob));
        return DeviceTree.Parse(blob, "the guest's");
    }

    private static string Directive(string word) => word.Length switch
    {
        2 => ".2byte 0x0001",
        4 => $".2byte 0x{word}",
        _ => $".4byte 0x{word}",
    };

    /// <summary>
    /// Tries each sample with a0 and a1 at memory, and prints 0 where it ran, 1 where it was illegal. A guest in supervisor mode
    /// has what its SBI gave it; one in machine mode turns on what firmware would.
    /// </summary>
    private static string Guest(bool supervisor)
    {
        string level = supervisor ? "s" : "m";
        var text = new StringBuilder($"""
                .option norvc
                .text
                .globl _start
            _start:
                la t0, trap
                csrw {level}tvec, t0
                li t0, 0x6600
                csrs {level}status, t0
                li s11, 0x10000000

            """);
        if (!supervisor)
            text.AppendLine("    li t0, -1\n    csrw mcounteren, t0\n    csrs menvcfg, t0");
        foreach ((_, string words) in s_samples)
        {
            foreach (string word in words.Split(' '))
            {
                text.AppendLine($"    la a0, memory\n    la a1, memory\n    li s9, 48\n    {Directive(word)}");
                if (word.Length < 8)
                    text.AppendLine("    .2byte 1");
                text.AppendLine("    sb s9, 0(s11)\n    li s9, 10\n    sb s9, 0(s11)");
            }
        }

        return text.Append($"""

                li t0, 0x100000
                li t1, 0x5555
                sw t1, 0(t0)
            1:  j 1b
                .balign 4
            trap:
                li s9, 49
                csrr t0, {level}epc
                lhu t1, 0(t0)
                andi t1, t1, 3
                addi t0, t0, 2
                addi t1, t1, -3
                bnez t1, 1f
                addi t0, t0, 2
            1:  csrw {level}epc, t0
                {level}ret
                .data
                .balign 64
            memory:
                .space 4096
            """).ToString();
    }
}
