using System.Globalization;
using System.Text.RegularExpressions;
using Hypervisor.Core.Engine.Interpreter;
using Hypervisor.Core.Isa;
using Hypervisor.Lockstep;
using Hypervisor.Tests.Modes;
using Hypervisor.Tests.Support;

namespace Hypervisor.Tests.Lockstep;

/// <summary>
/// Privileged code step by step beside QEMU, every register and CSR compared: in every mode, looked at after each instruction or
/// after slices of random length. HV_LOCKSTEP_SEEDS=N tries N random programs instead of a few.
/// </summary>
public sealed class PrivilegedLockstepTests : IDisposable
{
    private const int Steps = 150;
    private const int FewSeeds = 2;
    private const long MostSteps = 400_000;

    private readonly TemporaryFolder _folder = new();
    private readonly Interpreter _engine = new();

    public void Dispose() => _folder.Dispose();

    public static TheoryData<string, int> Cases
    {
        get
        {
            var cases = new TheoryData<string, int>();
            foreach (string mode in (string[])["bare", "full", "assisted"])
            {
                cases.Add(mode, 1);
                cases.Add(mode, 0);
            }

            return cases;
        }
    }

    public static TheoryData<string, string, int> Programs
    {
        get
        {
            var programs = new TheoryData<string, string, int>();
            foreach (string name in PrivilegedPrograms.Names)
            {
                foreach (object[] each in Cases)
                    programs.Add(name, (string)each[0], (int)each[1]);
            }

            return programs;
        }
    }

    [PeerTheory(QemuTrace.Program, "mkfifo")]
    [MemberData(nameof(Cases))]
    public void RandomPrivilegedStreams_BesideQemu_NeverDiffer(string mode, int slice)
    {
        int seeds = Environment.GetEnvironmentVariable("HV_LOCKSTEP_SEEDS") is { } many ? int.Parse(many, CultureInfo.InvariantCulture) : FewSeeds;
        int first = Environment.GetEnvironmentVariable("HV_LOCKSTEP_SEEDS") is null ? 1 : Random.Shared.Next(1 << 20);
        for (int seed = first; seed < first + seeds; seed++)
            Check(PrivilegedStream.GenerateForPeer(seed, Steps), mode, slice, $"seed {seed}", atLeast: 1000);
    }

    [PeerTheory(QemuTrace.Program, "mkfifo")]
    [MemberData(nameof(Programs))]
    public void PrivilegedProgram_BesideQemu_NeverDiffers(string program, string mode, int slice)
        => Check(PrivilegedPrograms.Source(program), mode, slice, program, atLeast: 100);

    [RealGuestTheory("firmware", "small-kernel")]
    [InlineData("full", 1, 300_000)]
    [InlineData("assisted", 0, 1_500_000)]
    public void Boot_OpenSbiAndLinuxBesideQemu_NeverDiffer(string mode, int slice, long steps)
    {
        string firmware = Path.Combine(Path.GetDirectoryName(RealGuest.File("firmware"))!, "fw_jump.bin");
        Divergence? divergence = new LockstepRun { Kernel = RealGuest.File("small-kernel")!, Firmware = firmware, Mode = mode, Slice = slice, Steps = steps }
            .Execute(_engine, out long made);
        Assert.True(divergence is null, $"{mode}, after {divergence?.Step} steps: {divergence?.Report}");
        Assert.True(made >= steps);
    }

    private void Check(string source, string mode, int slice, string what, long atLeast)
    {
        // What may differ by rule is only known instruction by instruction.
        if (slice != 1)
        {
            source = source.Replace("    ebreak\n", "", StringComparison.Ordinal);
            source = Regex.Replace(source, @"(csrr[wsc]i?) \w+, ([ms]epc),", "$1 zero, $2,");
            source = Regex.Replace(source, @"csrr (a5|s2), [ms]epc", "li $1, 0");
        }

        string elf = _folder.Write("program.elf", Assembler.Assemble(source, new AssemblerOptions { Name = what, TextBase = 0x8000_0000 }).ToElf());
        Divergence? divergence = new LockstepRun { Kernel = elf, Mode = mode, Slice = slice, Steps = MostSteps }.Execute(_engine, out long made);
        Assert.True(divergence is null, $"{what} in {mode}, slice {slice}, after {divergence?.Step} steps: {divergence?.Report}");
        Assert.True(made >= atLeast, $"{what} in {mode}, slice {slice}: only {made} steps were compared");
        Assert.True(made < MostSteps, $"{what} in {mode}, slice {slice}: the program does not end");
    }
}
