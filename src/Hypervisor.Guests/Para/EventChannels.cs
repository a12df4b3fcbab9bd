using Hypervisor.Core.Devices;
using Hypervisor.Guests.Common.Sbi;

namespace Hypervisor.Guests.Para;

/// <summary>
/// The event channels of one machine (docs/para-abi.md, section 4) and the shared-info pages they fire into. Devices and
/// timers fire from any thread; the lock keeps a channel, its page and its hart together.
/// </summary>
internal sealed class EventChannels
{
    /// <summary>Channels are 1 to 255.</summary>
    public const int Count = 256;

    private readonly Lock _lock = new();
    private readonly Channel[] _channels = new Channel[Count];
    private readonly IReadOnlyList<ParaHart> _harts;
    private readonly Func<int, bool> _hasDevice;

    // By hart and by slot: the channel bound to the source, 0 for none.
    private readonly int[] _timerChannels;
    private readonly int[] _deviceChannels;
    private readonly int[] _balloonChannel = new int[1];

    /// <summary>Creates a machine's channels, all closed.</summary>
    /// <param name="harts">The harts that events go to.</param>
    /// <param name="hartCount">How many they will be.</param>
    /// <param name="slots">How many virtio slots the board has.</param>
    /// <param name="hasDevice">Whether a virtio device sits in a slot.</param>
    public EventChannels(IReadOnlyList<ParaHart> harts, int hartCount, int slots, Func<int, bool> hasDevice)
    {
        _harts = harts;
        _hasDevice = hasDevice;
        _timerChannels = new int[hartCount];
        _deviceChannels = new int[slots];
    }

    /// <summary>Takes a page into use for a hart, or gives it back where it is null.</summary>
    public SbiError SetSharedInfo(ParaHart hart, SharedInfoPage? page)
    {
        lock (_lock)
        {
            if (page is not null && hart.SharedInfo is not null)
                return SbiError.AlreadyAvailable;
            if (page is null && Array.Exists(_channels, channel => channel.Hart == hart))
                return SbiError.Denied;
            hart.SharedInfo = page;
            return SbiError.Success;
        }
    }

    /// <summary>Whether a page is some hart's shared-info page.</summary>
    public bool IsSharedInfo(ulong address)
    {
        foreach (ParaHart hart in _harts)
        {
            if (hart.SharedInfo?.Address == address)
                return true;
        }

        return false;
    }

    /// <summary>Binds a source to a new channel of a hart; the value is the channel.</summary>
    public SbiResult Bind(ulong source, ulong index, ulong hart)
    {
        lock (_lock)
        {
            if (hart >= (ulong)_harts.Count || _harts[(int)hart].SharedInfo is null)
                return SbiError.InvalidParam;
            bool exists = source switch
            {
                0 => index == 0,
                1 => index < (ulong)_harts.Count,
                2 => index < (ulong)_deviceChannels.Length && _hasDevice((int)index),
                3 => index == 0,
                _ => false,
            };
            if (!exists)
                return SbiError.InvalidParam;
            var kind = (ChannelSource)(source + 1);
            if (kind != ChannelSource.Software && Bound(kind, (int)index) != 0)
                return SbiError.AlreadyAvailable;
            SbiResult bound = Take(new Channel(kind, (int)index, _harts[(int)hart], null), out int number);
            if (kind != ChannelSource.Software)
                Bound(kind, (int)index) = number;
            return bound;
        }
    }

    /// <summary>Makes one end of a channel that a domain may bind the other end of. Under the domains' gate.</summary>
    public SbiResult Offer(ulong domain, ulong hart)
    {
        lock (_lock)
        {
            if (hart >= (ulong)_harts.Count || _harts[(int)hart].SharedInfo is null)
                return SbiError.InvalidParam;
            SbiResult offered = Take(new Channel(ChannelSource.Peer, 0, _harts[(int)hart], null), out int number);
            if (number != 0)
                _channels[number] = _channels[number] with { Pair = new ChannelPair(this, number, domain) };
            return offered;
        }
    }

    /// <summary>Binds the other end of a channel that was offered to the calling machine. Under the domains' gate.</summary>
    public SbiResult Connect(EventChannels offering, ulong offered, ulong domain, ulong hart)
    {
        if (offering.OfferedTo(offered, domain) is not { } pair)
            return SbiError.InvalidParam;
        if (pair.Second is not null)
            return SbiError.AlreadyAvailable;
        lock (_lock)
        {
            if (hart >= (ulong)_harts.Count || _harts[(int)hart].SharedInfo is null)
                return SbiError.InvalidParam;
            SbiResult bound = Take(new Channel(ChannelSource.Peer, 0, _harts[(int)hart], pair), out int number);
            if (number != 0)
                pair.Bind(this, number);
            return bound;
        }
    }

    /// <summary>The machine is about to go: its ends are closed, and no event finds a page of it any more. Under the domains' gate.</summary>
    public void CloseAll()
    {
        for (int number = 1; number < Count; number++)
        {
            if (_channels[number].Source == ChannelSource.Peer)
                Close((ulong)number);
        }

        lock (_lock)
        {
            foreach (ParaHart hart in _harts)
                hart.SharedInfo = null;
        }
    }

    /// <summary>
    /// Frees a channel; its source goes back to the plain interrupt, and the end of another machine that faces it fires once and
    /// is dead. Under the domains' gate where there are domains.
    /// </summary>
    public SbiError Close(ulong number)
    {
        Channel channel;
        lock (_lock)
        {
            if (number >= Count || _channels[number].Source == ChannelSource.None)
                return SbiError.InvalidParam;
            channel = _channels[number];
            _channels[number] = default;
            if (channel.Source is not (ChannelSource.Software or ChannelSource.Peer))
                Bound(channel.Source, channel.Index) = 0;
            channel.Hart!.SharedInfo?.ClearPending((int)number);
        }

        if (channel.Pair is { } pair)
        {
            (EventChannels Channels, int Number)? facing = pair.IsClosed ? null : pair.Facing(this, (int)number);
            pair.IsClosed = true;
            facing?.Channels.FireFrom(pair, facing.Value.Number);
        }

        return SbiError.Success;
    }

    /// <summary>
    /// A guest's send: fires a software channel, or the end of another machine that faces the channel; for a device's channel the answer is the slot whose doorbell is to ring.
    /// </summary>
    public SbiError Send(ulong number, out int doorbellSlot)
    {
        doorbellSlot = -1;
        ChannelPair? pair;
        lock (_lock)
        {
            if (number >= Count)
                return SbiError.InvalidParam;
            ref Channel channel = ref _channels[number];
            pair = channel.Pair;
            switch (channel.Source)
            {
                case ChannelSource.Software:
                    Fire((int)number);
                    return SbiError.Success;
                case ChannelSource.Device:
                    doorbellSlot = channel.Index;
                    return SbiError.Success;
                case ChannelSource.Peer:
                    break;
                case ChannelSource.None:
                    return SbiError.InvalidParam;
                default:
                    return SbiError.Denied;
            }
        }

        // Outside the lock: the two machines' locks are never held together.
        if (pair is null || pair.IsClosed || pair.Facing(this, (int)number) is not { } facing)
            return SbiError.Denied;
        return facing.Channels.FireFrom(pair, facing.Number) ? SbiError.Success : SbiError.Denied;
    }

    /// <summary>The target of the balloon changed.</summary>
    public void TellBalloon(ulong pages)
    {
        lock (_lock)
        {
            foreach (ParaHart hart in _harts)
                hart.SharedInfo?.SetBalloonTarget(pages);
            Fire(_balloonChannel[0]);
        }
    }

    /// <summary>A hart's timer expired: true where a channel took it, so that no interrupt is due.</summary>
    public bool TryFireTimer(int hart)
    {
        lock (_lock)
            return Fire(_timerChannels[hart]);
    }

    /// <summary>
    /// The line of the virtio device in a slot: while a channel is bound each raise fires it, else the line leads on to the
    /// interrupt controller.
    /// </summary>
    public IInterruptLine DeviceLine(int slot, IInterruptLine controller) => new ChannelLine(this, slot, controller);

    /// <summary>Takes a free channel; its number is 0 where none is free. Under the lock.</summary>
    private SbiResult Take(in Channel channel, out int number)
    {
        number = Array.FindIndex(_channels, 1, each => each.Source == ChannelSource.None);
        if (number < 0)
        {
            number = 0;
            return SbiError.Failed;
        }

        _channels[number] = channel;
        return SbiResult.Ok((ulong)number);
    }

    /// <summary>A channel that was offered to a domain, whether or not it is taken by now.</summary>
    private ChannelPair? OfferedTo(ulong number, ulong domain)
    {
        lock (_lock)
            return number < Count && _channels[number].Pair is { IsClosed: false } pair && pair.Invited == domain && pair.Facing(this, (int)number)?.Channels != this
                ? pair
                : null;
    }

    /// <summary>Fires an end for the machine that it faces; false where the end is gone.</summary>
    private bool FireFrom(ChannelPair pair, int number)
    {
        lock (_lock)
            return _channels[number].Pair == pair && Fire(number);
    }

    private bool Fire(int number)
    {
        if (number == 0 || _channels[number].Hart is not { SharedInfo: { } page } hart)
            return false;
        page.SetPending(number);
        hart.EventArrived(page);
        return true;
    }

    private ref int Bound(ChannelSource source, int index)
        => ref (source switch
        {
            ChannelSource.Timer => _timerChannels,
            ChannelSource.Balloon => _balloonChannel,
            _ => _deviceChannels,
        })[index];

    private enum ChannelSource : byte
    {
        None = 0,
        Software = 1,
        Timer = 2,
        Device = 3,
        Balloon = 4,
        Peer = 5,
    }

    private readonly record struct Channel(ChannelSource Source, int Index, ParaHart? Hart, ChannelPair? Pair);

    private sealed class ChannelLine(EventChannels channels, int slot, IInterruptLine controller) : IInterruptLine
    {
        private bool _controllerRaised;

        public void Set(bool raised)
        {
            lock (channels._lock)
            {
                if (channels._deviceChannels[slot] is > 0 and var number)
                {
                    if (raised)
                        channels.Fire(number);

                    // What the controller saw before the channel was bound must not stay up there.
                    if (!_controllerRaised)
                        return;
                    raised = false;
                }

                _controllerRaised = raised;
            }

            controller.Set(raised);
        }
    }
}
