using System.Diagnostics;
using System.Globalization;
using Hypervisor.Core.Engine;
using Hypervisor.Core.Engine.Interpreter;
using Hypervisor.Core.Engine.Native;
using Hypervisor.Core.Engine.Translator;
using Hypervisor.Core.Memory;
using Hypervisor.Guests.Common;

namespace Hypervisor.Bench;

/// <summary>Runs a static program that makes no system call but write and exit, on the engine alone: flat memory through the software TLB.</summary>
internal static unsafe class FlatProgram
{
    private const ulong MemoryBytes = 256 << 20;
    private const int Write = 64;

    /// <summary>The tier that the options name: none, as in use, or forced on everything.</summary>
    public static TranslatorSettings? TranslationOf(string[] options)
        => options.Contains("--translator") ? new TranslatorSettings() : options.Contains("--forced") ? TranslatorSettings.Forced : null;

    public static int Execute(string file, bool fuse, TranslatorSettings? translation = null, bool traces = false)
    {
        ElfImage elf = ElfImage.Parse(File.ReadAllBytes(file), file);
        using var memory = new GuestMemory(new MemoryRegion(0, MemoryBytes));
        foreach (ElfSegment segment in elf.Segments)
            memory.TryWrite(segment.VirtualAddress, segment.Data.Span);
        using var hart = new HartContext(memory, new FlatTranslator(memory), new ExitControls { Exceptions = ExitControls.AllExceptions }, singleContext: true);
        hart.State->Pc = elf.Entry;
        hart.State->X[2] = MemoryBytes - 4096;
        hart.State->FpEnabled = 1;
        using var code = new CodeCache(memory);
        var engine = new Interpreter(fuse, translation is null ? null : TranslatorTier.TryCreate(translation), traces || translation is { Eager: false } ? TraceTier.TryCreate() : null);
        Span<byte> buffer = stackalloc byte[256];
        long retired = 0;
        TimeSpan before = Process.GetCurrentProcess().UserProcessorTime;
        while (true)
        {
            VmExit exit = engine.Run(hart, code, 1L << 40);
            retired += exit.Retired;
            if (exit.Reason != VmExitReason.EnvironmentCall)
            {
                Console.Error.WriteLine($"{file}: {exit.Reason} at 0x{hart.State->Pc:x}");
                return 1;
            }

            if (hart.State->X[17] != Write)
                break;
            Span<byte> text = buffer;
            text = text[..(int)Math.Min(hart.State->X[12], 256)];
            memory.TryRead(hart.State->X[11], text);
            using Stream output = Console.OpenStandardOutput();
            output.Write(text);
            hart.State->X[10] = (ulong)text.Length;
            hart.State->Pc += 4;
        }

        double seconds = (Process.GetCurrentProcess().UserProcessorTime - before).TotalSeconds;
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"engine {seconds:f4} s, {retired} instructions"));
        return 0;
    }
}
