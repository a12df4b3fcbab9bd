using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Hypervisor.Core.Hart;

namespace Hypervisor.Core.Engine.Interpreter;

/// <summary>One entry of a jump cache: address and context of a block's start, and its first op.</summary>
/// <remarks>
/// An address has two places. Handlers, regions and traces look into the first; traces and the dispatcher into the second too. What is new comes into its first place
/// and has what was there move to its other, and so on for a few steps: so nearly all stay that are in use, while they are fewer than half the entries. With
/// one place for each, two targets used by turns have each other looked for again and again, and among a few hundred there are such pairs.
/// </remarks>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct JumpCacheEntry
{
    /// <summary>The address, with the bits of its context (<see cref="HartState.KeyBits"/>). An empty entry's belongs to another place.</summary>
    public ulong Key;

    public Op* Op;

    private const int CountBits = 12;

    public const int Count = 1 << CountBits;

    /// <summary>By how much an address is shifted for the second half of its first place.</summary>
    public const int HighShift = CountBits + 1;

    /// <summary>The second place is told by the upper bits of half the address times this, in 32 bits.</summary>
    public const uint OtherFactor = 0x9E37_79B1;

    /// <summary>By how much that product is shifted.</summary>
    public const int OtherShift = 32 - CountBits;

    /// <summary>The first place of an address. Functions of a large program lie at like places of its pages, so that what is above them counts too.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static JumpCacheEntry* For(HartState* s, ulong pc) => (JumpCacheEntry*)s->JumpCache + IndexOf(pc);

    /// <summary>The second place of an address.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static JumpCacheEntry* Other(HartState* s, ulong pc) => (JumpCacheEntry*)s->JumpCache + OtherIndexOf(pc);

    /// <summary>Number of the first place of an address, or of a key.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint IndexOf(ulong pc) => (uint)(pc >> 1 ^ pc >> HighShift) & (Count - 1);

    /// <summary>Number of the second place of an address, or of a key.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint OtherIndexOf(ulong pc) => unchecked((uint)(pc >> 1) * OtherFactor) >> OtherShift;
}
