namespace Hypervisor.Core.Isa;

/// <summary>Where <see cref="Assembler"/> places a program, and what it tells the source.</summary>
public sealed record AssemblerOptions
{
    /// <summary>The source's name in error messages.</summary>
    public string Name { get; init; } = "source";

    /// <summary>The address of the first section: code comes first, then read-only data, then writable data.</summary>
    public ulong TextBase { get; init; } = 0x10000;

    /// <summary>The address of the writable sections; null: after the others.</summary>
    public ulong? DataBase { get; init; }

    /// <summary>Code, read-only and writable data each start at a multiple of this, a power of two.</summary>
    public ulong SegmentAlignment { get; init; } = 4096;

    /// <summary>Symbols with constant values, as if the source began with <c>.set</c> for each.</summary>
    public IReadOnlyDictionary<string, long> Constants { get; init; } = new Dictionary<string, long>();
}
