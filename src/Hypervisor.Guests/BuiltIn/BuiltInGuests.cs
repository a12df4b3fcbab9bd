using System.Collections.Frozen;
using System.Text;
using Hypervisor.Core;
using Hypervisor.Core.Isa;

namespace Hypervisor.Guests.BuiltIn;

/// <summary>
/// The guests that come with the library: a small kernel in two editions, and the workloads that run on both and as
/// containers. They are kept as assembly source and assembled when first asked for, once per instance.
/// </summary>
public sealed class BuiltInGuests
{
    /// <summary>Where the privileged edition is linked and entered, in M-mode.</summary>
    public const ulong PrivilegedBase = 0x8000_0000;

    /// <summary>Where the para edition is linked and entered, in S-mode.</summary>
    public const ulong ParaBase = 0x8020_0000;

    private const ulong ProgramBase = 0x10000;

    private static readonly string[] CommonSources =
    [
        "kernel-trap", "kernel-memory", "kernel-copy", "kernel-mmap", "kernel-process", "kernel-syscalls", "kernel-files", "kernel-virtio",
        "kernel-disk", "kernel-main",
    ];

    private readonly Lazy<AssembledProgram> _privileged = new(() => AssembleKernel("privileged kernel", PrivilegedSource(), PrivilegedBase));
    private readonly Lazy<AssembledProgram> _para = new(() => AssembleKernel("para kernel", ParaSource(), ParaBase));
    private readonly FrozenDictionary<string, (Workload Workload, Lazy<byte[]> Elf)> _programs = Workloads.ToFrozenDictionary(
        workload => workload.Name, workload => (workload, new Lazy<byte[]>(() => AssembleWorkload(workload.Name).ToElf())));

    /// <summary>All workloads, in the order of a report.</summary>
    public static IReadOnlyList<Workload> Workloads { get; } =
    [
        new("compute", "round", 3_000, 15_000),
        new("memory", "MiB copied and summed", 60, 300),
        new("syscall", "system call", 100_000, 500_000),
        new("pagefault", "page", 19_200, 96_000),
        new("switch", "round trip", 10_000, 50_000),
        new("process", "process", 500, 2_500),
        new("timer", "sleep of 1 µs", 5_000, 25_000),
        new("block", "4 KiB written and read", 2_000, 10_000, NeedsDisk: true),
        new("console", "line of 64 bytes", 4_000, 20_000),
    ];

    /// <summary>The kernel that uses privileged instructions and the board's devices.</summary>
    public AssembledProgram PrivilegedKernel() => _privileged.Value;

    /// <summary>The kernel that uses hypercalls and shared pages instead.</summary>
    public AssembledProgram ParaKernel() => _para.Value;

    /// <summary>A workload as a static ELF file, linked at 0x10000. It takes its iterations as argument 1, in decimal.</summary>
    /// <param name="name">The name of one of <see cref="Workloads"/>.</param>
    /// <exception cref="HypervisorException">There is no workload of this name.</exception>
    public ReadOnlyMemory<byte> WorkloadElf(string name) => Program(name).Elf.Value;

    /// <summary>The workload of a name.</summary>
    /// <param name="name">Its name.</param>
    /// <exception cref="HypervisorException">There is none.</exception>
    public Workload Find(string name) => Program(name).Workload;

    /// <summary>The privileged edition's source as it is assembled, all parts in one.</summary>
    internal static string PrivilegedSource() => KernelSource("kernel-privileged");

    /// <summary>The para edition's source as it is assembled, all parts in one.</summary>
    internal static string ParaSource() => KernelSource("kernel-para", "kernel-para-pages", "kernel-ring");

    /// <summary>A workload's source as it is assembled.</summary>
    internal static string WorkloadSource(string name) => string.Join('\n', Source("user-lib"), Source($"workload-{name}"));

    /// <summary>Assembles a user program written on top of <c>user-lib.s</c> or by itself.</summary>
    internal static AssembledProgram AssembleProgram(string source, string name)
        => Assembler.Assemble(source, new AssemblerOptions { Name = name, TextBase = ProgramBase });

    internal static AssembledProgram AssembleWorkload(string name) => AssembleProgram(WorkloadSource(name), $"workload-{name}");

    private static AssembledProgram AssembleKernel(string name, string source, ulong address)
        => Assembler.Assemble(source, new AssemblerOptions { Name = name, TextBase = address });

    private static string KernelSource(params string[] edition) => string.Join('\n', ((string[])["kernel-defs", .. edition, .. CommonSources]).Select(Source));

    private static string Source(string name)
    {
        using var stream = typeof(BuiltInGuests).Assembly.GetManifestResourceStream($"BuiltIn/{name}.s")
            ?? throw new System.Diagnostics.UnreachableException($"source {name} is not embedded");
        using var reader = new StreamReader(stream, Encoding.UTF8);
        return reader.ReadToEnd();
    }

    private (Workload Workload, Lazy<byte[]> Elf) Program(string name)
        => _programs.TryGetValue(name, out var program)
            ? program
            : throw new HypervisorException(
                $"no workload is called '{name}'; there are {string.Join(", ", Workloads.Select(workload => workload.Name))}");
}
