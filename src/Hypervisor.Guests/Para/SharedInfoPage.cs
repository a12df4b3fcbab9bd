using System.Runtime.CompilerServices;
using Hypervisor.Core.Memory;

namespace Hypervisor.Guests.Para;

/// <summary>
/// One hart's shared-info page (docs/para-abi.md, section 3), seen from the hypervisor. It is guest RAM: every field the
/// guest may write is read afresh and only ever decides whether this hart is interrupted.
/// </summary>
/// <remarks>
/// Invariant for the unsafe code: <c>_page</c> is the host address of one whole, page-aligned page of the machine's RAM, which
/// outlives this object, and all offsets used are below 4096.
/// </remarks>
internal sealed unsafe class SharedInfoPage
{
    private const uint Magic = 0x3150_5648;
    private const int HartOffset = 0x10;
    private const int UpcallMask = 0x14;
    private const int UpcallPending = 0x15;
    private const int Timebase = 0x18;
    private const int RunTicks = 0x20;
    private const int StealTicks = 0x28;
    private const int BalloonTarget = 0x30;
    private const int Pending = 0x40;
    private const int Mask = 0x60;
    private const int Words = 4;

    private readonly GuestMemory _memory;
    private readonly byte* _page;

    /// <summary>Takes a page into use: zeroes it and fills the hypervisor's fields.</summary>
    /// <param name="memory">The machine's RAM.</param>
    /// <param name="address">The page's guest-physical address, aligned and known to be RAM.</param>
    /// <param name="hart">The hart it serves.</param>
    /// <param name="timebase">Ticks of the time CSR in a second.</param>
    /// <param name="features">The machine's feature bits.</param>
    public SharedInfoPage(GuestMemory memory, ulong address, int hart, ulong timebase, ulong features)
    {
        _memory = memory;
        Address = address;
        _page = memory.HostPage(address);
        memory.WritableWindow(address, GuestMemory.PageSize).Clear();
        Write(0x00, Magic);
        Write(0x04, ParaFunction.Version);
        Write(0x08, features);
        Write(HartOffset, (uint)hart);
        Write(UpcallMask, (byte)1);
        Write(Timebase, timebase);
        for (int word = 0; word < Words; word++)
            Write(Mask + (8 * word), ulong.MaxValue);
    }

    /// <summary>Where the page lies.</summary>
    public ulong Address { get; }

    /// <summary>Whether some pending bit is not masked, whatever the upcall mask says.</summary>
    public bool HasEvents
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get
        {
            ulong* pending = (ulong*)(_page + Pending);
            ulong* mask = (ulong*)(_page + Mask);
            return ((pending[0] & ~mask[0]) | (pending[1] & ~mask[1]) | (pending[2] & ~mask[2]) | (pending[3] & ~mask[3])) != 0;
        }
    }

    /// <summary>The upcall line: events there are, and the guest wants to hear of them.</summary>
    public bool LineRaised
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => _page[UpcallMask] == 0 && HasEvents;
    }

    /// <summary>Sets a channel's pending bit and, where it is not masked, upcall_pending. Any thread.</summary>
    public void SetPending(int channel)
    {
        ulong bit = 1UL << (channel & 63);
        int word = 8 * (channel >> 6);
        Interlocked.Or(ref *(ulong*)(_page + Pending + word), bit);
        if ((Volatile.Read(ref *(ulong*)(_page + Mask + word)) & bit) == 0)
            Volatile.Write(ref _page[UpcallPending], 1);
        NoteWrite();
    }

    /// <summary>Clears a channel's pending bit.</summary>
    public void ClearPending(int channel)
    {
        Interlocked.And(ref *(ulong*)(_page + Pending + (8 * (channel >> 6))), ~(1UL << (channel & 63)));
        NoteWrite();
    }

    /// <summary>Brings the hart's time accounts up to date.</summary>
    public void SetAccounts(ulong runTicks, ulong stealTicks)
    {
        *(ulong*)(_page + RunTicks) = runTicks;
        *(ulong*)(_page + StealTicks) = stealTicks;
        NoteWrite();
    }

    /// <summary>Says how many pages the guest is asked to give back.</summary>
    public void SetBalloonTarget(ulong pages)
    {
        Volatile.Write(ref *(ulong*)(_page + BalloonTarget), pages);
        NoteWrite();
    }

    private void Write<T>(int offset, T value) where T : unmanaged => Unsafe.WriteUnaligned(_page + offset, value);

    // Nothing forbids a guest to run code from the page: cached code of it must then go.
    private void NoteWrite()
    {
        int page = _memory.PageIndex(Address);
        if ((_memory.FlagsOf(page) & PageFlag.Code) != 0)
            _memory.Code.PageWritten(page);
    }
}
