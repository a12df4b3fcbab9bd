using Hypervisor.Core.Hart;
using Hypervisor.Core.Memory;

namespace Hypervisor.Guests.Assisted;

/// <summary>
/// The hypervisor's own stage of translation: for each page of guest-physical memory the host page behind it and what may be
/// done to it, in two levels of tables. Filled as the guest touches pages; a page not filled makes the access leave the engine.
/// </summary>
/// <remarks>
/// Invariant for the unsafe code: an entry is zero or a page of <see cref="GuestMemory"/> with rights in its low bits. Harts
/// fill entries at the same time; all write the same value, at once.
/// </remarks>
internal sealed unsafe class SecondStage(GuestMemory memory)
{
    private const nint Readable = 1;
    private const nint Writable = 2;
    private const nint Executable = 4;
    private const nint Rights = 0xFFF;

    /// <summary>Pages in one leaf table: two megabytes of guest-physical memory.</summary>
    private const int LeafPages = 512;

    private readonly nint[]?[] _leaves = new nint[]?[(int)((memory.Region.Size / GuestMemory.PageSize + LeafPages - 1) / LeafPages)];

    /// <summary>The host page behind a guest-physical address of RAM; <see cref="TranslationStatus.Exit"/> where it is not filled in.</summary>
    public TranslationStatus TryMap(ulong address, AccessKind kind, out byte* page)
    {
        int index = memory.PageIndex(address);
        nint[]? leaf = Volatile.Read(ref _leaves[index / LeafPages]);
        nint entry = leaf is null ? 0 : Volatile.Read(ref leaf[index % LeafPages]);
        page = (byte*)(entry & ~Rights);
        nint wanted = kind switch { AccessKind.Fetch => Executable, AccessKind.Load => Readable, _ => Writable };
        return (entry & wanted) != 0 ? TranslationStatus.Ok : TranslationStatus.Exit;
    }

    /// <summary>Whether an address is RAM, which this stage maps; all else is device space.</summary>
    public bool Covers(ulong address) => memory.Contains(address, 1);

    /// <summary>Puts in the page that holds an address of RAM, with all rights.</summary>
    public void Fill(ulong address)
    {
        int index = memory.PageIndex(address);
        ref nint[]? slot = ref _leaves[index / LeafPages];
        nint[] leaf = Volatile.Read(ref slot) ?? Interlocked.CompareExchange(ref slot, new nint[LeafPages], null) ?? slot;
        Volatile.Write(ref leaf[index % LeafPages], (nint)memory.HostPage(address) | Readable | Writable | Executable);
    }
}
