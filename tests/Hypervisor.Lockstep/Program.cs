using System.Globalization;
using Hypervisor.Core.Engine.Interpreter;
using Hypervisor.Lockstep;

string? Option(string name)
{
    int at = Array.IndexOf(args, name);
    return at >= 0 && at + 1 < args.Length ? args[at + 1] : null;
}

if (args.Length == 0 || args[0].StartsWith('-') || Option("--mode") is not { } mode)
{
    Console.Error.WriteLine("""
        usage: Hypervisor.Lockstep KERNEL --mode bare|full|assisted [--firmware FILE] [--memory MEGABYTES] [--steps N] [--slice N] [--seed N]
        Runs KERNEL on our engine and on qemu-system-riscv64 and reports the first instruction after which they differ.
        --slice 1 (the default) looks after every instruction, 0 after a random number of them.
        """);
    return 2;
}

long Number(string name, long otherwise) => Option(name) is { } text ? long.Parse(text, CultureInfo.InvariantCulture) : otherwise;

var run = new LockstepRun
{
    Kernel = args[0],
    Mode = mode,
    Firmware = Option("--firmware"),
    MemoryMegabytes = (int)Number("--memory", 128),
    Steps = Number("--steps", long.MaxValue),
    Slice = (int)Number("--slice", 1),
    Seed = (int)Number("--seed", 1),
};
Divergence? divergence = run.Execute(Hypervisor.Core.Engine.Translator.TranslatorTier.TryCreate(Hypervisor.Core.Engine.Translator.TranslatorSettings.Forced) is { } tier && args.Contains("--forced") ? new Interpreter(tier: tier) : new Interpreter(), out long made);
Console.WriteLine(divergence is null ? $"{made:N0} steps alike" : $"{divergence.Step:N0} steps alike. {divergence.Report}");
return divergence is null ? 0 : 1;
