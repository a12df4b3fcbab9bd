using Hypervisor.Core.Hart;
using Hypervisor.Core.Memory;

namespace Hypervisor.Guests.Assisted;

/// <summary>
/// The hypervisor's own stage of translation: for each page of guest-physical memory the host page behind it and what may be
/// done to it. Filled as the guest touches pages; a page not filled makes the access leave the engine.
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

    private readonly nint[] _entries = new nint[memory.Region.Size / GuestMemory.PageSize];

    /// <summary>The host page behind a guest-physical address of RAM; <see cref="TranslationStatus.Exit"/> where it is not filled in.</summary>
    public TranslationStatus TryMap(ulong address, AccessKind kind, out byte* page)
    {
        nint entry = Volatile.Read(ref _entries[memory.PageIndex(address)]);
        page = (byte*)(entry & ~Rights);
        nint wanted = kind switch { AccessKind.Fetch => Executable, AccessKind.Load => Readable, _ => Writable };
        return (entry & wanted) != 0 ? TranslationStatus.Ok : TranslationStatus.Exit;
    }

    /// <summary>Whether an address is RAM, which this stage maps; all else is device space.</summary>
    public bool Covers(ulong address) => memory.Contains(address, 1);

    /// <summary>Puts in the page that holds an address of RAM, with all rights.</summary>
    public void Fill(ulong address)
        => Volatile.Write(ref _entries[memory.PageIndex(address)], (nint)memory.HostPage(address) | Readable | Writable | Executable);
}
