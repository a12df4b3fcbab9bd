using System.Buffers.Binary;
using System.Globalization;

namespace Hypervisor.Core.Isa.Assembly;

/// <summary>The directives that emit data, choose sections and define symbols.</summary>
internal sealed class Directives(AssemblyContext context)
{
    /// <summary>Carries out a directive.</summary>
    internal void Run(string name, string text)
    {
        var operands = SourceLine.Operands(text);
        switch (name)
        {
            case ".text" or ".data" or ".rodata" or ".bss":
                context.Section = context.GetSection(name, null, null);
                break;
            case ".section":
                context.Section = SectionOf(operands);
                break;
            case ".pushsection":
                context.PushSection(SectionOf(operands));
                break;
            case ".popsection":
                context.PopSection();
                break;
            case ".previous":
                context.SwapSection();
                break;
            case ".globl" or ".global" or ".weak":
                operands.ForEach(operand => context.Symbols.GetOrAdd(operand).IsGlobal = true);
                break;
            case ".equ" or ".set" or ".equiv":
                Expect(name, operands, 2, 2);
                context.Symbols.Assign(operands[0], context.Parse(operands[1]), context.Line);
                break;
            case ".align" or ".p2align":
                Expect(name, operands, 1, 3);
                var power = context.Constant(operands[0], "the alignment");
                Align(power is >= 0 and <= 16 ? 1L << (int)power : throw new AssemblyErrorException($"alignment 2^{power} is out of range 2^0..2^16"), operands);
                break;
            case ".balign":
                Expect(name, operands, 1, 3);
                Align(context.Constant(operands[0], "the alignment"), operands);
                break;
            case ".byte":
                Data(operands, 1, FixupKind.Data8);
                break;
            case ".half" or ".short" or ".hword" or ".2byte":
                Data(operands, 2, FixupKind.Data16);
                break;
            case ".word" or ".long" or ".4byte" or ".int":
                Data(operands, 4, FixupKind.Data32);
                break;
            case ".dword" or ".quad" or ".8byte":
                Data(operands, 8, FixupKind.Data64);
                break;
            case ".float" or ".double":
                operands.ForEach(operand => FloatingPoint(operand, isDouble: name == ".double"));
                break;
            case ".ascii":
                operands.ForEach(operand => context.Emit(StringLiteral.Parse(operand)));
                break;
            case ".asciz" or ".string":
                operands.ForEach(operand => context.Emit([.. StringLiteral.Parse(operand), 0]));
                break;
            case ".zero" or ".space" or ".skip":
                Expect(name, operands, 1, 2);
                context.EmitFill(FillByte(operands, 1), context.Constant(operands[0], "the size"));
                break;
            case ".fill":
                Fill(operands);
                break;
            case ".comm" or ".lcomm":
                Common(name, operands);
                break;
            case ".error":
                throw new AssemblyErrorException(text.Trim('"'));
            case ".option" or ".type" or ".size" or ".file" or ".ident" or ".attribute" or ".local" or ".hidden"
                or ".cfi_startproc" or ".cfi_endproc" or ".end":
                // They tell a linker or a debugger something, or choose compression and relaxation, which are never done here.
                break;
            default:
                throw new AssemblyErrorException($"unknown directive '{name}'");
        }
    }

    private SectionBuffer SectionOf(List<string> operands)
    {
        Expect(".section", operands, 1, 4);
        var flags = operands.Count > 1 && operands[1].StartsWith('"') ? operands[1].Trim('"') : null;
        bool? isZeroed = operands.Count > 2 ? operands[2] is "@nobits" or "%nobits" : null;
        return context.GetSection(operands[0].Trim('"'), flags, isZeroed);
    }

    private void Align(long alignment, List<string> operands)
    {
        if (alignment == 0)
        {
            return;
        }

        if (alignment < 0 || alignment > 65536 || (alignment & alignment - 1) != 0)
        {
            throw new AssemblyErrorException($"alignment {alignment} is not a power of two up to 65536");
        }

        var section = context.Section;
        section.Alignment = Math.Max(section.Alignment, (ulong)alignment);
        var padding = -section.Size & alignment - 1;
        if (operands.Count > 2 && padding > context.Constant(operands[2], "the largest padding"))
        {
            return;
        }

        if (!section.IsExecutable || operands.Count > 1 && operands[1].Length > 0)
        {
            context.EmitFill(FillByte(operands, 1), padding);
            return;
        }

        // Code is padded with instructions that do nothing.
        context.EmitFill(0, padding & 1);
        if ((padding & 2) != 0)
        {
            context.Emit([0x01, 0x00]);
        }

        for (var index = 0L; index < padding >> 2; index++)
        {
            context.EmitWord(0x00000013);
        }
    }

    private void Data(List<string> operands, int size, FixupKind kind)
    {
        Span<byte> bytes = stackalloc byte[8];
        foreach (var operand in operands)
        {
            var expression = context.Parse(operand);
            long value = 0;
            if (expression.Evaluate(context.Symbols, final: false) is { Section: null, Number: var number })
            {
                value = size == 8 ? number : Ranges.CheckData(number, size * 8);
            }
            else
            {
                context.AddFixup(kind, expression, Opcode.Illegal);
            }

            BinaryPrimitives.WriteInt64LittleEndian(bytes, value);
            context.Emit(bytes[..size]);
        }
    }

    private void FloatingPoint(string operand, bool isDouble)
    {
        if (!double.TryParse(operand, NumberStyles.Float, CultureInfo.InvariantCulture, out var value))
        {
            throw new AssemblyErrorException($"'{operand}' is not a floating-point number");
        }

        Span<byte> bytes = stackalloc byte[8];
        if (isDouble)
        {
            BinaryPrimitives.WriteDoubleLittleEndian(bytes, value);
        }
        else
        {
            // Parsed as a float anew: rounding twice could differ in the last bit.
            BinaryPrimitives.WriteSingleLittleEndian(bytes, float.Parse(operand, CultureInfo.InvariantCulture));
        }

        context.Emit(bytes[..(isDouble ? 8 : 4)]);
    }

    private void Fill(List<string> operands)
    {
        Expect(".fill", operands, 1, 3);
        var count = context.Constant(operands[0], "the count");
        var size = operands.Count > 1 ? context.Constant(operands[1], "the size") : 1;
        var value = operands.Count > 2 ? context.Constant(operands[2], "the value") : 0;
        if (size is < 0 or > 8)
        {
            throw new AssemblyErrorException($"size {size} is out of range 0..8");
        }

        if (size <= 1 || value == 0)
        {
            // A product that overflows is far beyond the size that EmitFill refuses.
            context.EmitFill((byte)value, count > int.MaxValue ? int.MaxValue : count * size);
            return;
        }

        Span<byte> bytes = stackalloc byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(bytes, value);
        for (var index = 0L; index < count; index++)
        {
            context.Emit(bytes[..(int)size]);
        }
    }

    private void Common(string name, List<string> operands)
    {
        Expect(name, operands, 2, 3);
        var size = context.Constant(operands[1], "the size");
        context.PushSection(context.GetSection(".bss", null, null));
        try
        {
            Align(operands.Count > 2 ? context.Constant(operands[2], "the alignment") : 8, []);
            context.Symbols.DefineLabel(operands[0], context.Here, context.Line);
            context.Symbols.GetOrAdd(operands[0]).IsGlobal |= name == ".comm";
            context.EmitFill(0, size);
        }
        finally
        {
            context.PopSection();
        }
    }

    private byte FillByte(List<string> operands, int index)
        => operands.Count > index && operands[index].Length > 0
            ? (byte)Ranges.CheckData(context.Constant(operands[index], "the fill value"), 8)
            : (byte)0;

    private static void Expect(string name, List<string> operands, int minimum, int maximum)
    {
        if (operands.Count < minimum || operands.Count > maximum)
        {
            var wanted = minimum == maximum ? $"{minimum}" : $"{minimum} to {maximum}";
            throw new AssemblyErrorException($"'{name}' takes {wanted} operands, not {operands.Count}");
        }
    }
}
