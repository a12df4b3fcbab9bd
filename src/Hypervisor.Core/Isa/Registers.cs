namespace Hypervisor.Core.Isa;

/// <summary>The names of the integer and floating-point registers in the standard calling convention.</summary>
public static class Registers
{
    /// <summary>x1, <c>ra</c>.</summary>
    public const byte ReturnAddress = 1;

    /// <summary>x2, <c>sp</c>.</summary>
    public const byte StackPointer = 2;

    private static readonly string[] s_integer =
    [
        "zero", "ra", "sp", "gp", "tp", "t0", "t1", "t2", "s0", "s1", "a0", "a1", "a2", "a3", "a4", "a5",
        "a6", "a7", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11", "t3", "t4", "t5", "t6",
    ];

    private static readonly string[] s_float =
    [
        "ft0", "ft1", "ft2", "ft3", "ft4", "ft5", "ft6", "ft7", "fs0", "fs1", "fa0", "fa1", "fa2", "fa3", "fa4", "fa5",
        "fa6", "fa7", "fs2", "fs3", "fs4", "fs5", "fs6", "fs7", "fs8", "fs9", "fs10", "fs11", "ft8", "ft9", "ft10", "ft11",
    ];

    private static readonly Dictionary<string, byte> s_integerNumbers = Build(s_integer, 'x', ("fp", (byte)8));
    private static readonly Dictionary<string, byte> s_floatNumbers = Build(s_float, 'f');

    /// <summary>The name of integer register <paramref name="number"/> (0 to 31), such as <c>a0</c>.</summary>
    public static string Name(int number) => s_integer[number];

    /// <summary>The name of floating-point register <paramref name="number"/> (0 to 31), such as <c>fa0</c>.</summary>
    public static string FloatName(int number) => s_float[number];

    /// <summary>Finds an integer register by its name (<c>a0</c>, <c>fp</c>) or number (<c>x10</c>).</summary>
    public static bool TryParse(string name, out byte number) => s_integerNumbers.TryGetValue(name, out number);

    /// <summary>Finds a floating-point register by its name (<c>fa0</c>) or number (<c>f10</c>).</summary>
    public static bool TryParseFloat(string name, out byte number) => s_floatNumbers.TryGetValue(name, out number);

    private static Dictionary<string, byte> Build(string[] names, char prefix, params ReadOnlySpan<(string Name, byte Number)> others)
    {
        var map = new Dictionary<string, byte>(StringComparer.Ordinal);
        for (byte number = 0; number < names.Length; number++)
        {
            map.Add(names[number], number);
            map.Add($"{prefix}{number}", number);
        }

        foreach (var (name, number) in others)
        {
            map.Add(name, number);
        }

        return map;
    }
}
