using System.Collections.Concurrent;
using System.Globalization;
using System.Text;
using Hypervisor.Core.Machine;

namespace Hypervisor.Guests.Debug;

/// <summary>
/// One client's session by the GDB remote serial protocol (GDB manual, appendix E): all-stop, threads are harts and numbered
/// from 1. The machine is held while the session begins, and runs on alone when it ends.
/// </summary>
internal sealed partial class GdbSession
{
    private static readonly TimeSpan s_look = TimeSpan.FromMilliseconds(50);

    private readonly DebugTarget _target;
    private readonly GdbPackets _packets;
    private readonly MachineDebugger _debugger;
    private readonly BlockingCollection<Event> _events = [];
    private readonly List<DebugStop> _watchStops = [];
    private DebugStop? _lastStop;
    private bool _interrupted;
    private bool _running;
    private bool _done;

    /// <summary>What happens to a session: a packet came, a vCPU stopped, or the client went (neither).</summary>
    private readonly record struct Event(byte[]? Packet, DebugStop? Stop);

    /// <summary>Begins a session: from here on the machine is held.</summary>
    public GdbSession(DebugTarget target, MachineDebugger debugger, Stream stream)
    {
        _target = target;
        _packets = new GdbPackets(stream);
        _debugger = debugger;
        debugger.Stopped = stop => _events.Add(new Event(null, stop));
        debugger.Hold();
        _current = target.Machine.VCpus[0];
    }

    private IReadOnlyList<VCpu> Threads => _target.Machine.VCpus;

    /// <summary>Serves the client until it detaches or goes, or the machine has ended.</summary>
    public void Serve()
    {
        var reader = new Thread(ReadPackets) { IsBackground = true, Name = "gdb packets" };
        reader.Start();
        try
        {
            while (!_done)
            {
                if (_target.Machine.Exit is { } exit && _running)
                {
                    _packets.Send($"W{exit.Code & 0xFF:x2}");
                    return;
                }

                if (!_events.TryTake(out Event next, s_look))
                    continue;
                if (next.Stop is { } stop)
                    OnStop(stop);
                else if (next.Packet is { } packet)
                    OnPacket(packet);
                else
                    return;
            }
        }
        finally
        {
            _debugger.Stopped = null;
            _debugger.Release();
        }
    }

    private void ReadPackets()
    {
        while (_packets.Read() is { } packet)
        {
            // Agreed on with this answer, so that the very next byte counts.
            if (packet.AsSpan().SequenceEqual("QStartNoAckMode"u8))
            {
                _packets.Send("OK");
                _packets.Acknowledges = false;
                continue;
            }

            _events.Add(new Event(packet, null));
        }

        _events.Add(default);
    }

    private void OnPacket(byte[] packet)
    {
        if (packet is [GdbPackets.InterruptByte])
        {
            Interrupt();
            return;
        }

        // While the machine runs, a client sends interrupts and nothing else.
        if (_running || packet.Length == 0)
        {
            _packets.Send("");
            return;
        }

        string text = Encoding.Latin1.GetString(packet);
        try
        {
            if (Answer(text, packet) is { } answer)
                _packets.Send(answer);
        }
        catch (Exception error) when (error is FormatException or OverflowException or ArgumentOutOfRangeException)
        {
            // Not what the protocol has: refused, and the session goes on.
            _packets.Send(Error.Malformed);
        }
    }

    /// <summary>The answer to a packet; empty for one not known; null where the answer comes later.</summary>
    private string? Answer(string text, byte[] packet) => text[0] switch
    {
        '?' => DescribeStop(),
        'g' => ReadRegisters(),
        'G' => WriteRegisters(text[1..]),
        'p' => ReadRegister(ParseNumber(text[1..])),
        'P' => WriteRegister(text[1..]),
        'm' => ReadMemory(text[1..]),
        'M' => WriteMemory(text[1..]),
        'X' => WriteBinary(packet),
        'H' => SelectThread(text[1..]),
        'T' => FindThread(text[1..]) is not null ? "OK" : Error.NoThread,
        'Z' => Insert(text[1..]),
        'z' => Remove(text[1..]),
        'c' or 's' => ResumeOld(text),
        'C' or 'S' => ResumeOld(text[0] == 'C' ? "c" : "s"),
        'D' => Detach(),
        'k' => Kill(null),
        'v' => AnswerVerbose(text),
        'q' => AnswerQuery(text),
        _ => "",
    };

    private string? AnswerVerbose(string text)
    {
        if (text == "vCont?")
            return "vCont;c;C;s;S;t";
        if (text.StartsWith("vCont;", StringComparison.Ordinal))
            return Resume(text["vCont;".Length..]);
        return text.StartsWith("vKill", StringComparison.Ordinal) ? Kill("OK") : "";
    }

    private string AnswerQuery(string text)
    {
        const string features = "qXfer:features:read:target.xml:";
        const string command = "qRcmd,";
        const string thread = "qThreadExtraInfo,";
        if (text.StartsWith("qSupported", StringComparison.Ordinal))
            return $"PacketSize={GdbPackets.LongestPacket:x};qXfer:features:read+;QStartNoAckMode+;vContSupported+;swbreak+;hwbreak+";
        if (text.StartsWith(features, StringComparison.Ordinal))
            return Part(TargetDescription.Xml, text[features.Length..]);
        if (text.StartsWith(command, StringComparison.Ordinal))
            return Monitor(Encoding.UTF8.GetString(Convert.FromHexString(text[command.Length..])));
        if (text.StartsWith(thread, StringComparison.Ordinal))
            return FindThread(text[thread.Length..]) is { } vcpu ? Hex(Encoding.ASCII.GetBytes(DescribeThread(vcpu))) : Error.NoThread;
        return text switch
        {
            "qC" => $"QC{NumberOf(_current):x}",
            "qfThreadInfo" => "m" + string.Join(',', Threads.Select(each => NumberOf(each).ToString("x", CultureInfo.InvariantCulture))),
            "qsThreadInfo" => "l",
            "qAttached" => "1",
            _ when text.StartsWith("qSymbol", StringComparison.Ordinal) => "OK",
            _ => "",
        };
    }

    /// <summary>What the user typed after <c>monitor</c>.</summary>
    private string Monitor(string command)
    {
        string answer = command.Trim() switch
        {
            "info" => string.Concat(Threads.Select(each => $"hart {each.Id}: {DescribeThread(each)}, pc 0x{each.Pc:x}, {each.Meter.Retired:N0} instructions\n")),
            "" or "help" => "info   the harts: mode, program counter, instructions retired\nhelp   this text\n",
            _ => $"There is no monitor command '{command}'; try monitor help.\n",
        };
        return Hex(Encoding.UTF8.GetBytes(answer));
    }

    private string DescribeThread(VCpu vcpu) => $"{_target.ModeOf(vcpu).ToString().ToLowerInvariant()} mode";

    /// <summary>A part of a document, as qXfer asks for it: offset and length.</summary>
    private static string Part(byte[] document, string range)
    {
        (ulong offset, ulong length) = ParsePair(range);
        if (offset >= (ulong)document.Length)
            return "l";
        int start = (int)offset;
        int count = (int)Math.Min(Math.Min(length, GdbPackets.LongestPacket / 2), (ulong)(document.Length - start));
        return (start + count == document.Length ? "l" : "m") + Encoding.Latin1.GetString(document, start, count);
    }

    private string Detach()
    {
        _done = true;
        return "OK";
    }

    private string? Kill(string? answer)
    {
        _done = true;
        _target.Machine.PowerOff(new MachineExit(0, "ended by the debugger"));
        return answer;
    }

    /// <summary>The protocol's error answers. It gives numbers no meaning; these are errno's nearest.</summary>
    private static class Error
    {
        public const string NoThread = "E03";
        public const string BadAddress = "E0e";
        public const string Malformed = "E16";
    }
}
