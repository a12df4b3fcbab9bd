using System.Runtime.CompilerServices;

namespace Hypervisor.Core.Isa.Assembly;

/// <summary>A value: a plain number, or an offset in a section whose address is not known yet.</summary>
internal readonly record struct AssemblyValue(long Number, SectionBuffer? Section = null);

/// <summary>An expression that waits for symbols or for addresses.</summary>
internal abstract class Expression
{
    /// <summary>
    /// Its value; null while it is not known: a symbol has no definition yet, or the result depends on where sections
    /// will lie. With <paramref name="final"/> addresses are known and an undefined symbol is an error.
    /// </summary>
    internal abstract AssemblyValue? Evaluate(SymbolTable symbols, bool final);

    /// <summary>Turns endless nesting into an error of the source instead of a stack overflow.</summary>
    internal static void EnsureStack()
    {
        if (!RuntimeHelpers.TryEnsureSufficientExecutionStack())
        {
            throw new AssemblyErrorException("expression too deep; split it up");
        }
    }
}

/// <summary>A constant, or a place in a section.</summary>
internal sealed class ValueExpression(AssemblyValue value) : Expression
{
    internal override AssemblyValue? Evaluate(SymbolTable symbols, bool final)
        => final && value.Section is { } section
            ? new AssemblyValue(value.Number + (long)section.Address)
            : value;
}

/// <summary>A symbol by name.</summary>
internal sealed class SymbolExpression(string name, string shownName) : Expression
{
    /// <summary>The symbol's name in the table.</summary>
    internal string Name { get; } = name;

    internal override AssemblyValue? Evaluate(SymbolTable symbols, bool final)
        => symbols.Find(Name)?.Evaluate(symbols, final)
            ?? (final ? throw new AssemblyErrorException($"undefined symbol '{shownName}'") : null);
}

/// <summary>A prefix operator on an expression.</summary>
internal sealed class UnaryExpression(char operation, Expression operand) : Expression
{
    internal override AssemblyValue? Evaluate(SymbolTable symbols, bool final)
    {
        if (operand.Evaluate(symbols, final) is not { Section: null, Number: var number })
        {
            return null;
        }

        return new AssemblyValue(operation switch
        {
            '-' => unchecked(-number),
            '~' => ~number,
            _ => number == 0 ? 1 : 0,
        });
    }
}

/// <summary>An operator between two expressions.</summary>
internal sealed class BinaryExpression(string operation, Expression left, Expression right) : Expression
{
    internal override AssemblyValue? Evaluate(SymbolTable symbols, bool final)
    {
        EnsureStack();
        if (left.Evaluate(symbols, final) is not { } a || right.Evaluate(symbols, final) is not { } b)
        {
            return null;
        }

        if (a.Section is not null && a.Section == b.Section && operation is "-" or "==" or "!=" or "<>" or "<" or ">" or "<=" or ">=")
        {
            // Within one section differences and comparisons do not depend on its address.
            a = new AssemblyValue(a.Number);
            b = new AssemblyValue(b.Number);
        }

        if (operation == "+" && (a.Section is null || b.Section is null))
        {
            return new AssemblyValue(unchecked(a.Number + b.Number), a.Section ?? b.Section);
        }

        if (operation == "-" && b.Section is null)
        {
            return new AssemblyValue(unchecked(a.Number - b.Number), a.Section);
        }

        return a.Section is null && b.Section is null ? new AssemblyValue(Compute(a.Number, b.Number)) : null;
    }

    // As in GNU as, a comparison that holds is -1, a logical operation that holds is 1.
    private long Compute(long a, long b) => operation switch
    {
        "*" => unchecked(a * b),
        "/" => b == -1 ? unchecked(-a) : a / NotZero(b),
        "%" => b == -1 ? 0 : a % NotZero(b),
        "<<" => b is < 0 or > 63 ? 0 : a << (int)b,
        ">>" => b is < 0 or > 63 ? 0 : (long)((ulong)a >> (int)b),
        "|" => a | b,
        "&" => a & b,
        "^" => a ^ b,
        "==" => a == b ? -1 : 0,
        "!=" or "<>" => a != b ? -1 : 0,
        "<" => a < b ? -1 : 0,
        ">" => a > b ? -1 : 0,
        "<=" => a <= b ? -1 : 0,
        ">=" => a >= b ? -1 : 0,
        "&&" => a != 0 && b != 0 ? 1 : 0,
        "||" => a != 0 || b != 0 ? 1 : 0,
        _ => throw new System.Diagnostics.UnreachableException($"operator {operation}"),
    };

    private static long NotZero(long divisor)
        => divisor != 0 ? divisor : throw new AssemblyErrorException("division by zero");
}
