using Hypervisor.Guests.Container.Kernel;

namespace Hypervisor.Guests.Container.Files;

/// <summary>
/// A terminal: what comes in from its far end (keys) passes the line discipline to readers, what is written to it passes output
/// processing to the far end. The far end is a pty's master or the container's streams.
/// </summary>
/// <param name="container">Whose processes it signals.</param>
/// <param name="transmit">Takes what goes to the far end; how many bytes it took.</param>
internal sealed class Terminal(Container container, Func<ReadOnlySpan<byte>, int> transmit)
{
    private const int MostInput = 4096;

    // What can be read; the ends of its lines stand beside it, so that an end of file can be told from nothing.
    private readonly Queue<byte> _input = new();
    private readonly Queue<int> _lines = new();
    private readonly List<byte> _line = [];
    private bool _literal;
    private bool _stopped;
    private int _column;

    public Termios Settings { get; } = new();

    /// <summary>Its device number.</summary>
    public int Device { get; init; } = 5 << 8 | 1;

    public ushort Rows { get; set; }

    public ushort Columns { get; set; }

    public uint Pixels { get; set; }

    /// <summary>The session it controls; 0 for none.</summary>
    public int Session { get; set; }

    /// <summary>The process group in the foreground.</summary>
    public int Foreground { get; set; }

    /// <summary>The far end is gone: reads end, writes fail.</summary>
    public bool IsHungUp { get; set; }

    /// <summary>Nothing more will come in.</summary>
    public bool HasEnded { get; set; }

    /// <summary>Woken when there is something to read, or room to write.</summary>
    public WaitQueue Ready { get; } = new();

    private bool IsCanonical => (Settings.Local & Termios.Canonical) != 0;

    /// <summary>Bytes a read would give now.</summary>
    public int Available => IsCanonical ? (_lines.TryPeek(out int line) ? line : 0) : _input.Count;

    public bool CanRead => IsHungUp || HasEnded || (IsCanonical ? _lines.Count > 0 : _input.Count >= Math.Max(1, Settings[Termios.Time] == 0 ? (int)Settings[Termios.Minimum] : 1));

    /// <summary>Whether another key can be taken.</summary>
    public bool HasRoom => _input.Count + _line.Count < MostInput;

    /// <summary>Output is held back (Ctrl-S).</summary>
    public bool IsStopped => _stopped;

    /// <summary>Reads what the mode gives; EAGAIN where nothing is there yet.</summary>
    public int Read(Span<byte> buffer)
    {
        if (IsHungUp)
            return 0;
        if (!IsCanonical)
        {
            // VMIN of 0 gives what is there, be it nothing; with VTIME the first byte is enough.
            bool polls = Settings[Termios.Minimum] == 0 && Settings[Termios.Time] == 0;
            int minimum = Settings[Termios.Time] == 0 ? Math.Min(Settings[Termios.Minimum], buffer.Length) : 1;
            if (_input.Count < Math.Max(1, minimum) && !HasEnded && !polls)
                return -Errno.EAGAIN;
            return Take(buffer, _input.Count);
        }

        if (!_lines.TryPeek(out int line))
            return HasEnded ? 0 : -Errno.EAGAIN;
        int count = Take(buffer, line);
        if (count == line)
            _lines.Dequeue();
        else
            ShortenFirstLine(line - count);
        return count;
    }

    /// <summary>Takes what has come though it is less than was asked for (VTIME is over).</summary>
    public int ReadRest(Span<byte> buffer) => Take(buffer, _input.Count);

    /// <summary>Writes, with output processing; how many bytes, or EAGAIN.</summary>
    public int Write(ReadOnlySpan<byte> data)
    {
        if (IsHungUp)
            return -Errno.EIO;
        if (_stopped)
            return -Errno.EAGAIN;
        if (data.Length == 0)
            return 0;
        if ((Settings.Output & Termios.PostProcess) == 0)
        {
            int sent = transmit(data);
            return sent == 0 ? -Errno.EAGAIN : sent;
        }

        var bytes = new List<byte>(data.Length + 16);
        for (int i = 0; i < data.Length; i++)
            Process(data[i], bytes);
        int taken = transmit(System.Runtime.InteropServices.CollectionsMarshal.AsSpan(bytes));
        if (taken == bytes.Count)
            return data.Length;
        if (taken == 0)
            return -Errno.EAGAIN;

        // A part fitted: as many of the bytes as it is made of, counted again.
        int done = 0;
        var again = new List<byte>();
        while (done < data.Length)
        {
            Process(data[done], again);
            if (again.Count > taken)
                break;
            done++;
        }

        return done == 0 ? -Errno.EAGAIN : done;
    }

    /// <summary>Keys come in from the far end; how many were taken.</summary>
    public int Receive(ReadOnlySpan<byte> keys)
    {
        int taken = 0;
        foreach (byte key in keys)
        {
            if (_input.Count + _line.Count >= MostInput && !(IsCanonical && key is (byte)'\n' or (byte)'\r'))
                break;
            Receive(key);
            taken++;
        }

        if (taken > 0)
            Ready.WakeAll();
        return taken;
    }

    /// <summary>Changes the settings; what was typed stays.</summary>
    public void Change(ReadOnlySpan<byte> termios)
    {
        bool wasCanonical = IsCanonical;
        Settings.Read(termios);
        if (wasCanonical && !IsCanonical)
        {
            foreach (byte value in _line)
                _input.Enqueue(value);
            _line.Clear();
            _lines.Clear();
        }
        else if (!wasCanonical && IsCanonical && _input.Count > 0)
        {
            _lines.Enqueue(_input.Count);
        }

        if ((Settings.Input & Termios.FlowOut) == 0)
            _stopped = false;
        Ready.WakeAll();
    }

    /// <summary>Drops what was typed and not read.</summary>
    public void FlushInput()
    {
        _input.Clear();
        _lines.Clear();
        _line.Clear();
    }

    /// <summary>Holds output back, or lets it go on.</summary>
    public void SetStopped(bool stopped)
    {
        _stopped = stopped;
        Ready.WakeAll();
    }

    private int Take(Span<byte> buffer, int most)
    {
        int count = Math.Min(buffer.Length, most);
        for (int i = 0; i < count; i++)
            buffer[i] = _input.Dequeue();
        return count;
    }

    private void ShortenFirstLine(int left)
    {
        int others = _lines.Count;
        _lines.Dequeue();
        _lines.Enqueue(left);
        for (int i = 1; i < others; i++)
            _lines.Enqueue(_lines.Dequeue());
    }

    private void Receive(byte key)
    {
        Termios s = Settings;
        if ((s.Input & Termios.StripBit) != 0)
            key &= 0x7F;
        if (_literal)
        {
            _literal = false;
            Accept(key, isLiteral: true);
            return;
        }

        if (key == '\r')
        {
            if ((s.Input & Termios.IgnoreCr) != 0)
                return;
            if ((s.Input & Termios.CrToNl) != 0)
                key = (byte)'\n';
        }
        else if (key == '\n' && (s.Input & Termios.NlToCr) != 0)
        {
            key = (byte)'\r';
        }

        bool extended = (s.Local & Termios.Extended) != 0;
        if (extended && s.Is(key, Termios.LiteralNext))
        {
            _literal = true;
            if ((s.Local & Termios.Echo) != 0 && (s.Local & Termios.EchoControl) != 0)
                Echo("^\b"u8);
            return;
        }

        if ((s.Input & Termios.FlowOut) != 0)
        {
            if (s.Is(key, Termios.Stop))
            {
                _stopped = true;
                return;
            }

            if (s.Is(key, Termios.Start) || (_stopped && (s.Input & Termios.AnyRestarts) != 0))
            {
                _stopped = false;
                if (s.Is(key, Termios.Start))
                    return;
            }
        }

        if ((s.Local & Termios.SignalKeys) != 0)
        {
            int signal = s.Is(key, Termios.Interrupt) ? Signals.SIGINT : s.Is(key, Termios.Quit) ? Signals.SIGQUIT : s.Is(key, Termios.Suspend) ? Signals.SIGTSTP : 0;
            if (signal != 0)
            {
                if ((s.Local & Termios.NoFlush) == 0)
                    FlushInput();
                EchoKey(key);
                JobControl.SendToGroup(container, Foreground, SignalInfo.OfKernel(signal));
                return;
            }
        }

        if (IsCanonical && EditsLine(key, extended))
            return;
        Accept(key, isLiteral: false);
    }

    /// <summary>Keys that change the line being typed.</summary>
    private bool EditsLine(byte key, bool extended)
    {
        Termios s = Settings;
        if (s.Is(key, Termios.Erase))
        {
            EraseLast();
            return true;
        }

        if (extended && s.Is(key, Termios.EraseWord))
        {
            while (_line.Count > 0 && !IsWord(_line[^1]))
                EraseLast();
            while (_line.Count > 0 && IsWord(_line[^1]))
                EraseLast();
            return true;
        }

        if (s.Is(key, Termios.Kill))
        {
            if ((s.Local & Termios.EchoKillErase) != 0 && (s.Local & Termios.EchoKill) != 0 && (s.Local & Termios.EchoErase) != 0)
            {
                while (_line.Count > 0)
                    EraseLast();
                return true;
            }

            _line.Clear();
            EchoKey(key);
            if ((s.Local & Termios.EchoKill) != 0)
                Echo("\n"u8);
            return true;
        }

        if (extended && s.Is(key, Termios.Reprint))
        {
            EchoKey(key);
            Echo("\n"u8);
            foreach (byte value in _line)
                EchoKey(value);
            return true;
        }

        if (s.Is(key, Termios.EndOfFile))
        {
            EndLine();
            return true;
        }

        return false;
    }

    private void Accept(byte key, bool isLiteral)
    {
        Termios s = Settings;
        if (!IsCanonical)
        {
            EchoKey(key);
            _input.Enqueue(key);
            return;
        }

        _line.Add(key);
        bool ends = !isLiteral && (key == '\n' || s.Is(key, Termios.EndOfLine) || ((s.Local & Termios.Extended) != 0 && s.Is(key, Termios.EndOfLine2)));
        if (key == '\n' && !isLiteral && (s.Local & (Termios.Echo | Termios.EchoNl)) != 0)
            Echo("\n"u8);
        else
            EchoKey(key);
        if (ends)
            EndLine();
    }

    private void EndLine()
    {
        foreach (byte value in _line)
            _input.Enqueue(value);
        _lines.Enqueue(_line.Count);
        _line.Clear();
    }

    private void EraseLast()
    {
        if (_line.Count == 0)
            return;

        // A character of several bytes (UTF-8) goes as one.
        byte removed = _line[^1];
        _line.RemoveAt(_line.Count - 1);
        while ((removed & 0xC0) == 0x80 && _line.Count > 0 && (_line[^1] & 0x80) != 0)
        {
            removed = _line[^1];
            _line.RemoveAt(_line.Count - 1);
        }

        if ((Settings.Local & Termios.Echo) == 0)
            return;
        if ((Settings.Local & Termios.EchoErase) == 0)
        {
            EchoKey(Settings[Termios.Erase]);
            return;
        }

        bool isControl = removed < 32 && removed != '\t' || removed == 127;
        Echo("\b \b"u8);
        if (isControl && (Settings.Local & Termios.EchoControl) != 0)
            Echo("\b \b"u8);
    }

    private static bool IsWord(byte value) => value > 127 || char.IsAsciiLetterOrDigit((char)value) || value == '_';

    private void EchoKey(byte key)
    {
        if ((Settings.Local & Termios.Echo) == 0)
            return;
        bool isControl = (key < 32 && key is not ((byte)'\t' or (byte)'\n')) || key == 127;
        if (isControl && (Settings.Local & Termios.EchoControl) != 0)
            Echo([(byte)'^', (byte)(key ^ 0x40)]);
        else
            Echo([key]);
    }

    private void Echo(ReadOnlySpan<byte> bytes)
    {
        if ((Settings.Output & Termios.PostProcess) == 0)
        {
            transmit(bytes);
            return;
        }

        var processed = new List<byte>();
        foreach (byte value in bytes)
            Process(value, processed);
        transmit(System.Runtime.InteropServices.CollectionsMarshal.AsSpan(processed));
    }

    private void Process(byte value, List<byte> output)
    {
        uint flags = Settings.Output;
        switch (value)
        {
            case (byte)'\n' when (flags & Termios.NlToCrNl) != 0:
                output.Add((byte)'\r');
                output.Add(value);
                _column = 0;
                break;
            case (byte)'\r' when (flags & Termios.NoCrAtStart) != 0 && _column == 0:
                break;
            case (byte)'\r':
                output.Add((flags & Termios.CrToNlOut) != 0 ? (byte)'\n' : value);
                _column = 0;
                break;
            case (byte)'\t' when (flags & Termios.TabMask) == Termios.TabMask:
                int spaces = 8 - (_column & 7);
                for (int i = 0; i < spaces; i++)
                    output.Add((byte)' ');
                _column += spaces;
                break;
            default:
                output.Add(value);
                _column += value >= 32 ? 1 : 0;
                break;
        }
    }
}
