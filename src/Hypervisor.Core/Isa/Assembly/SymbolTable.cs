namespace Hypervisor.Core.Isa.Assembly;

/// <summary>A label or an assigned symbol.</summary>
internal sealed class Symbol(string name)
{
    private bool _isBeingEvaluated;

    internal string Name { get; } = name;

    /// <summary>Whether the symbol is visible outside, as <c>.globl</c> says.</summary>
    internal bool IsGlobal { get; set; }

    /// <summary>Whether it is a label, which may not be defined twice, rather than an assigned symbol, which may.</summary>
    internal bool IsLabel { get; set; }

    /// <summary>The line of its definition.</summary>
    internal int Line { get; set; }

    /// <summary>What it stands for; null while it is only referred to.</summary>
    internal Expression? Definition { get; set; }

    internal AssemblyValue? Evaluate(SymbolTable symbols, bool final)
    {
        Expression.EnsureStack();
        if (_isBeingEvaluated)
        {
            throw new AssemblyErrorException($"symbol '{Name}' is defined by itself");
        }

        _isBeingEvaluated = true;
        try
        {
            return Definition?.Evaluate(symbols, final);
        }
        finally
        {
            _isBeingEvaluated = false;
        }
    }
}

/// <summary>All symbols of a source, and its numeric local labels.</summary>
internal sealed class SymbolTable
{
    private readonly Dictionary<string, Symbol> _symbols = new(StringComparer.Ordinal);
    private readonly Dictionary<int, int> _localCounts = [];

    internal IEnumerable<Symbol> All => _symbols.Values;

    internal Symbol? Find(string name) => _symbols.GetValueOrDefault(name);

    /// <summary>Whether the symbol has a definition.</summary>
    internal bool IsDefined(string name) => Find(name)?.Definition is not null;

    internal Symbol GetOrAdd(string name)
    {
        if (!_symbols.TryGetValue(name, out var symbol))
        {
            symbol = new Symbol(name);
            _symbols.Add(name, symbol);
        }

        return symbol;
    }

    internal void DefineLabel(string name, AssemblyValue place, int line)
    {
        var symbol = GetOrAdd(name);
        if (symbol.Definition is not null)
        {
            throw new AssemblyErrorException($"'{name}' is already defined in line {symbol.Line}");
        }

        symbol.Definition = new ValueExpression(place);
        symbol.IsLabel = true;
        symbol.Line = line;
    }

    internal void Assign(string name, Expression value, int line)
    {
        var symbol = GetOrAdd(name);
        if (symbol.IsLabel)
        {
            throw new AssemblyErrorException($"'{name}' is a label, defined in line {symbol.Line}");
        }

        symbol.Definition = value;
        symbol.Line = line;
    }

    internal void DefineLocal(int number, AssemblyValue place, int line)
    {
        var count = _localCounts.GetValueOrDefault(number) + 1;
        _localCounts[number] = count;
        DefineLabel(LocalName(number, count), place, line);
    }

    /// <summary>The name in the table of the local label that <c>1b</c> or <c>1f</c> means at this point.</summary>
    internal string LocalReference(int number, bool forward)
        => LocalName(number, _localCounts.GetValueOrDefault(number) + (forward ? 1 : 0));

    // A blank cannot stand in a written name, so these never clash.
    private static string LocalName(int number, int count) => $"{number} {count}";
}
