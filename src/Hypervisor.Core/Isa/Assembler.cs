using Hypervisor.Core.Isa.Assembly;

namespace Hypervisor.Core.Isa;

/// <summary>
/// Assembles RISC-V source in a subset of GNU as: enough for kernels and test programs, without a linker. Instructions
/// are never compressed or relaxed.
/// </summary>
public static class Assembler
{
    /// <summary>Assembles a source and gives every section its address.</summary>
    /// <param name="source">The source text.</param>
    /// <param name="options">Where to place it, and its name in messages; null for the defaults.</param>
    /// <exception cref="HypervisorException">
    /// The source has errors: one line each, <c>name:line: message</c>, at most twenty.
    /// </exception>
    public static AssembledProgram Assemble(string source, AssemblerOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(source);
        options ??= new AssemblerOptions();
        if (options.SegmentAlignment == 0 || (options.SegmentAlignment & options.SegmentAlignment - 1) != 0)
        {
            throw new HypervisorException($"SegmentAlignment {options.SegmentAlignment} is not a power of two");
        }

        var context = new AssemblyContext(options);
        foreach (var (name, value) in options.Constants)
        {
            context.Symbols.Assign(name, new ValueExpression(new AssemblyValue(value)), 0);
        }

        new SourceReader(context, source).Read();
        var sections = Layout.Place(context);
        var writer = new FixupWriter(context.Symbols, context.Fixups);
        foreach (var fixup in context.Fixups)
        {
            try
            {
                writer.Write(fixup);
            }
            catch (AssemblyErrorException error)
            {
                context.Report(fixup.Line, error.Message, fixup.Where);
            }
        }

        var symbols = FinalSymbols(context);
        context.ThrowIfErrors();
        return new AssembledProgram(
            [.. sections.Where(section => section.Size > 0).Select(section => new AssembledSection(section))],
            symbols,
            context.Symbols.All.Where(symbol => symbol.IsGlobal).Select(symbol => symbol.Name).ToHashSet(),
            context.Symbols.All.Where(symbol => symbol.IsLabel).Select(symbol => symbol.Name).ToHashSet());
    }

    private static Dictionary<string, ulong> FinalSymbols(AssemblyContext context)
    {
        var symbols = new Dictionary<string, ulong>(StringComparer.Ordinal);
        foreach (var symbol in context.Symbols.All)
        {
            // Numeric and .L labels are the source's own affair.
            if (symbol.Definition is null || char.IsAsciiDigit(symbol.Name[0]) || symbol.Name.StartsWith(".L", StringComparison.Ordinal))
            {
                continue;
            }

            try
            {
                if (symbol.Evaluate(context.Symbols, final: true) is { Number: var value })
                {
                    symbols.Add(symbol.Name, (ulong)value);
                }
            }
            catch (AssemblyErrorException error)
            {
                context.Report(symbol.Line, error.Message);
            }
        }

        return symbols;
    }
}
