using System.Globalization;
using System.Text;

namespace Hypervisor.Guests.Debug;

/// <summary>
/// The framing of the GDB remote serial protocol (GDB manual, appendix E.1): <c>$data#checksum</c>, acknowledged by + or -
/// until both sides agree to do without. Reads from hostile hands: whatever does not fit is refused, never believed.
/// </summary>
internal sealed class GdbPackets(Stream stream)
{
    /// <summary>The longest packet taken, in bytes of data.</summary>
    public const int LongestPacket = 0x4000;

    /// <summary>What a client sends outside packets to interrupt the machine.</summary>
    public const byte InterruptByte = 3;

    private const byte Escape = (byte)'}';
    private const byte EscapeMask = 0x20;

    private readonly byte[] _buffer = new byte[4096];
    private readonly Lock _writing = new();
    private int _at;
    private int _count;
    private volatile bool _acknowledges = true;
    private byte[] _last = [];

    /// <summary>Whether packets are acknowledged; off after QStartNoAckMode.</summary>
    public bool Acknowledges
    {
        get => _acknowledges;
        set => _acknowledges = value;
    }

    /// <summary>The next packet's data, unescaped; a single <see cref="InterruptByte"/> for an interrupt; null at the end of the stream.</summary>
    public byte[]? Read()
    {
        while (true)
        {
            int start = ReadByte();
            switch (start)
            {
                case < 0:
                    return null;
                case InterruptByte:
                    return [InterruptByte];
                case '-' when Acknowledges:
                    Write(_last);
                    continue;
                case '$':
                    break;
                default:
                    continue;
            }

            byte[]? data = ReadData(out bool ended);
            if (ended)
                return null;
            if (Acknowledges)
                Write([(byte)(data is null ? '-' : '+')]);
            if (data is not null)
                return data;
        }
    }

    /// <summary>Sends a packet.</summary>
    public void Send(string data) => Send(Encoding.Latin1.GetBytes(data));

    /// <inheritdoc cref="Send(string)"/>
    public void Send(ReadOnlySpan<byte> data)
    {
        var packet = new List<byte>(data.Length + 4) { (byte)'$' };
        byte sum = 0;
        foreach (byte each in data)
        {
            if (each is (byte)'#' or (byte)'$' or (byte)'*' or Escape)
            {
                packet.Add(Escape);
                packet.Add((byte)(each ^ EscapeMask));
                sum += (byte)(Escape + (each ^ EscapeMask));
            }
            else
            {
                packet.Add(each);
                sum += each;
            }
        }

        packet.Add((byte)'#');
        packet.AddRange(Encoding.ASCII.GetBytes(sum.ToString("x2", CultureInfo.InvariantCulture)));
        _last = [.. packet];
        Write(_last);
    }

    private byte[]? ReadData(out bool ended)
    {
        var data = new List<byte>();
        byte sum = 0;
        bool escaped = false;
        bool tooLong = false;
        ended = false;
        while (true)
        {
            int next = ReadByte();
            if (next < 0)
            {
                ended = true;
                return null;
            }

            if (next == '#')
                break;
            if (next == '$')
            {
                // A packet that never ended, and another begins.
                data.Clear();
                (sum, escaped, tooLong) = (0, false, false);
                continue;
            }

            sum += (byte)next;
            if (next == Escape && !escaped)
            {
                escaped = true;
                continue;
            }

            if (data.Count == LongestPacket)
                tooLong = true;
            else
                data.Add((byte)(escaped ? next ^ EscapeMask : next));
            escaped = false;
        }

        int high = ReadByte();
        int low = ReadByte();
        ended = low < 0;
        bool intact = HexOf(high) * 16 + HexOf(low) == sum && HexOf(high) >= 0 && HexOf(low) >= 0;
        return !ended && !tooLong && (intact || !Acknowledges) ? [.. data] : null;
    }

    private static int HexOf(int digit) => digit switch
    {
        >= '0' and <= '9' => digit - '0',
        >= 'a' and <= 'f' => digit - 'a' + 10,
        >= 'A' and <= 'F' => digit - 'A' + 10,
        _ => -1,
    };

    private int ReadByte()
    {
        if (_at == _count)
        {
            _at = 0;
            try
            {
                _count = stream.Read(_buffer);
            }
            catch (Exception error) when (error is IOException or ObjectDisposedException)
            {
                // The client went away in the middle: the same as its end.
                _count = 0;
            }

            if (_count == 0)
                return -1;
        }

        return _buffer[_at++];
    }

    private void Write(byte[] bytes)
    {
        lock (_writing)
        {
            try
            {
                stream.Write(bytes);
                stream.Flush();
            }
            catch (Exception error) when (error is IOException or ObjectDisposedException)
            {
                // Nobody listens: the reader finds the end of the stream, and that ends the session.
            }
        }
    }
}
