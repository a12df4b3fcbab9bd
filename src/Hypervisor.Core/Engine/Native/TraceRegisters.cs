using System.Diagnostics;
using System.Numerics;
using Hypervisor.Core.Hart;

namespace Hypervisor.Core.Engine.Native;

/// <summary>Which guest registers are written back on a way out: eight bits for each register of the pool, 0xFF where none.</summary>
internal readonly record struct Unwritten(ulong Low, ulong High)
{
    public int GuestAt(int place) => (int)((place < 8 ? Low >> (place * 8) : High >> (place * 8 - 64)) & 0xFF);
}

/// <summary>
/// Guest registers in host registers within a trace. Values are loaded when first read, stay until their place is wanted, and are
/// written back only where the trace is left: each way out writes what is unwritten there. In a loop some are fixed: they are loaded before
/// it, and stay where they are from one time around to the next.
/// </summary>
internal sealed class TraceRegisters
{
    /// <summary>Stand for the host addresses of what a base register points to, for loads and for stores: see <see cref="TraceCompiler"/>.</summary>
    public const int LoadHost = HartState.Sink + 1;

    public const int StoreHost = HartState.Sink + 2;

    /// <summary>Host registers that an instruction may need beside those of guests.</summary>
    public const int Temporaries = 5;

    private const int Guests = HartState.Sink + 3;
    private const int Free = 6;
    private const sbyte None = -1;

    /// <summary>
    /// First those that the host's convention lets a leaf change, without those of a handler's arguments that are needed throughout: the hart's state (rsi),
    /// its TLB (rdx) and the budget (rcx). The op's (rdi) is a constant of each way out. Behind them those that must be put back before the trace is left.
    /// </summary>
    private static ReadOnlySpan<Reg> Pool => [Reg.Rax, Reg.Rdi, Reg.R8, Reg.R9, Reg.R10, Reg.R11, Reg.Rbx, Reg.Rbp, Reg.R12, Reg.R13, Reg.R14, Reg.R15];

    private readonly X64Emitter _code;
    private readonly sbyte[] _placeOf = new sbyte[Guests];
    private readonly sbyte[] _guestAt = new sbyte[12];
    private readonly int[] _used = new int[12];
    private int _places;
    private uint _dirty;
    private uint _pinned;
    private uint _fixed;
    private int _time;

    public TraceRegisters(X64Emitter code)
    {
        _code = code;
        Start();
    }

    /// <summary>Guest registers that may be fixed at most.</summary>
    public static int MostFixed => Pool.Length - Temporaries;

    /// <summary>What a way out from here must write back.</summary>
    public Unwritten Unwritten => Pack(_dirty);

    /// <summary>What must be written back before a loop goes around: all but what is fixed.</summary>
    public Unwritten UnwrittenInLoop => Pack(_dirty & ~_fixed);

    /// <summary>Begins a trace: nothing is in a register, and no register is to be put back.</summary>
    public void Start()
    {
        Array.Fill(_placeOf, None);
        Array.Fill(_guestAt, None);
        _dirty = 0;
        _pinned = 0;
        _fixed = 0;
        _places = Free;
    }

    /// <summary>Fixes guest registers and loads them. Those that a loop writes count as unwritten from the start.</summary>
    /// <param name="guests">Which, <see cref="MostFixed"/> at most.</param>
    /// <param name="written">For each guest register whether the loop writes it, as bits.</param>
    public void Fix(ReadOnlySpan<int> guests, ulong written)
    {
        _places = Math.Clamp(guests.Length + Temporaries, Free, Pool.Length);
        for (int place = Free; place < _places; place++)
            _code.Push(Pool[place]);

        // Behind the temporaries: rax is wanted for divisions.
        int next = _places - guests.Length;
        foreach (int guest in guests)
        {
            _code.Load(Pool[next], Reg.Rsi, guest * 8);
            Bind(guest, next);
            _fixed |= 1u << next;
            if ((written >> guest & 1) != 0)
                _dirty |= 1u << next;
            next++;
        }
    }

    /// <summary>Puts back what must be before the trace is left. Flags stay.</summary>
    public void Restore()
    {
        for (int place = _places - 1; place >= Free; place--)
            _code.Pop(Pool[place]);
    }

    /// <summary>Begins an instruction: what the last one held may go.</summary>
    public void Begin() => _pinned = 0;

    /// <summary>The host register that holds a guest's, loaded where it must be. Flags change only for x0.</summary>
    public Reg Use(int guest)
    {
        int place = _placeOf[guest];
        if (place < 0)
        {
            place = FindFree();
            if (guest == 0)
                _code.Constant(Pool[place], 0);
            else
                _code.Load(Pool[place], Reg.Rsi, guest * 8);
            Bind(guest, place);
        }

        return Touch(place);
    }

    /// <summary>A host register to compute in.</summary>
    public Reg Take() => Touch(FindFree());

    /// <summary>Frees a register that the host's instruction wants, and holds it.</summary>
    public void Claim(Reg register)
    {
        int place = Pool.IndexOf(register);
        Evict(place);
        Touch(place);
    }

    /// <summary>A guest's register has the value that was computed in a host register.</summary>
    public void Define(int guest, Reg register)
    {
        int place = Pool.IndexOf(register);
        int before = _placeOf[guest];
        if (before >= 0 && (_fixed >> before & 1) != 0)
        {
            if (before != place)
                _code.Move(Pool[before], register);
            _dirty |= 1u << before;
            return;
        }

        if (before >= 0 && before != place)
            Unbind(before);
        if (_guestAt[place] >= 0 && _guestAt[place] != guest)
            Unbind(place);
        if (guest == HartState.Sink)
            return;
        Bind(guest, place);
        _dirty |= 1u << place;
    }

    /// <summary>A host register holds what is not a guest's: it is lost where its place is wanted.</summary>
    public void Keep(int what, Reg register)
    {
        Drop(what);
        Bind(what, Pool.IndexOf(register));
    }

    /// <summary>Where something kept is, while it is there.</summary>
    public bool TryUse(int what, out Reg register)
    {
        register = default;
        if (_placeOf[what] < 0)
            return false;
        register = Touch(_placeOf[what]);
        return true;
    }

    /// <summary>Something kept is not wanted any more.</summary>
    public void Drop(int what)
    {
        if (_placeOf[what] >= 0)
            Unbind(_placeOf[what]);
    }

    /// <summary>Writes everything back.</summary>
    public void Flush()
    {
        Write(_code, Unwritten);
        _dirty = 0;
    }

    private Unwritten Pack(uint dirty)
    {
        (ulong low, ulong high) = (ulong.MaxValue, ulong.MaxValue);
        for (; dirty != 0; dirty &= dirty - 1)
        {
            int place = BitOperations.TrailingZeroCount(dirty);
            if (place < 8)
                low &= ~(0xFFUL << (place * 8)) | (ulong)(byte)_guestAt[place] << (place * 8);
            else
                high &= ~(0xFFUL << (place * 8 - 64)) | (ulong)(byte)_guestAt[place] << (place * 8 - 64);
        }

        return new Unwritten(low, high);
    }

    /// <summary>Writes back what is unwritten on a way out.</summary>
    public static void Write(X64Emitter code, Unwritten unwritten)
    {
        for (int place = 0; place < Pool.Length; place++)
        {
            int guest = unwritten.GuestAt(place);
            if (guest != 0xFF)
                code.Store(Pool[place], Reg.Rsi, guest * 8, wide: true);
        }
    }

    private Reg Touch(int place)
    {
        _used[place] = ++_time;
        _pinned |= 1u << place;
        return Pool[place];
    }

    /// <summary>A place for something new: an empty one, or that which was used least lately.</summary>
    private int FindFree()
    {
        int chosen = -1;
        for (int i = 0; i < _places; i++)
        {
            if (((_pinned | _fixed) >> i & 1) != 0)
                continue;
            if (_guestAt[i] < 0)
                return i;
            if (chosen < 0 || _used[i] < _used[chosen])
                chosen = i;
        }

        if (chosen < 0)
            throw new UnreachableException("an instruction holds more host registers than there are");
        Evict(chosen);
        return chosen;
    }

    private void Evict(int place)
    {
        int guest = _guestAt[place];
        if (guest < 0)
            return;
        if ((_dirty >> place & 1) != 0)
            _code.Store(Pool[place], Reg.Rsi, guest * 8, wide: true);
        Unbind(place);
    }

    private void Bind(int guest, int place)
    {
        _placeOf[guest] = (sbyte)place;
        _guestAt[place] = (sbyte)guest;
    }

    private void Unbind(int place)
    {
        _placeOf[_guestAt[place]] = None;
        _guestAt[place] = None;
        _dirty &= ~(1u << place);
    }
}
