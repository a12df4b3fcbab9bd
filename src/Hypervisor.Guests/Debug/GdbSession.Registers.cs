using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using Hypervisor.Core.Engine;
using Hypervisor.Core.Hart;
using Hypervisor.Core.Machine;

namespace Hypervisor.Guests.Debug;

/// <summary>Threads, registers, memory, breakpoints. All of it only while the machine is held.</summary>
/// <remarks>Invariant for the unsafe code: register numbers are checked before they index a hart's state.</remarks>
internal sealed unsafe partial class GdbSession
{
    private VCpu _current;

    private static int NumberOf(VCpu vcpu) => vcpu.Id + 1;

    /// <summary>A thread by its number as the protocol writes it: 0 and -1 are any.</summary>
    private VCpu? FindThread(string id)
    {
        if (id is "-1" or "0")
            return _current;
        ulong number = ParseNumber(id);
        return Threads.FirstOrDefault(each => (ulong)NumberOf(each) == number);
    }

    /// <summary>H: the thread that later packets mean. Only that of registers and memory matters; vCont names its own.</summary>
    private string SelectThread(string what)
    {
        if (what.Length < 2 || FindThread(what[1..]) is not { } vcpu)
            return Error.NoThread;
        if (what[0] == 'g')
            _current = vcpu;
        return "OK";
    }

    private string ReadRegisters()
    {
        var all = new StringBuilder();
        for (int i = 0; i < TargetDescription.FirstCsr; i++)
            all.Append(ReadRegister((ulong)i));
        return all.ToString();
    }

    private string WriteRegisters(string values)
    {
        byte[] bytes = Convert.FromHexString(values);
        for (int i = 0; i < TargetDescription.FirstCsr && (i + 1) * sizeof(ulong) <= bytes.Length; i++)
            TrySetRegister((ulong)i, BinaryPrimitives.ReadUInt64LittleEndian(bytes.AsSpan(i * sizeof(ulong))));
        return "OK";
    }

    private string ReadRegister(ulong number)
    {
        if (!TryGetRegister(number, out ulong value))
            return Error.Malformed;
        Span<byte> bytes = stackalloc byte[sizeof(ulong)];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, value);
        return Hex(bytes[..TargetDescription.SizeOf((int)number)]);
    }

    private string WriteRegister(string assignment)
    {
        int equals = assignment.IndexOf('=', StringComparison.Ordinal);
        if (equals < 0)
            return Error.Malformed;
        byte[] bytes = Convert.FromHexString(assignment[(equals + 1)..]);
        if (bytes.Length is 0 or > sizeof(ulong))
            return Error.Malformed;
        Array.Resize(ref bytes, sizeof(ulong));
        return TrySetRegister(ParseNumber(assignment[..equals]), BinaryPrimitives.ReadUInt64LittleEndian(bytes)) ? "OK" : Error.Malformed;
    }

    private bool TryGetRegister(ulong number, out ulong value)
    {
        HartState* s = DebugTarget.Registers(_current);
        value = 0;
        switch (number)
        {
            case < TargetDescription.Pc:
                value = s->X[number];
                return true;
            case TargetDescription.Pc:
                value = s->Pc;
                return true;
            case < TargetDescription.FirstCsr:
                value = s->F[number - TargetDescription.FirstFloat];
                return true;
            case < TargetDescription.Privilege:
                return _target.TryReadCsr(_current, (int)number - TargetDescription.FirstCsr, out value);
            case TargetDescription.Privilege:
                value = (ulong)_target.ModeOf(_current);
                return true;
            default:
                return false;
        }
    }

    private bool TrySetRegister(ulong number, ulong value)
    {
        HartState* s = DebugTarget.Registers(_current);
        switch (number)
        {
            case 0:
                return true; // x0 takes every value and keeps none.
            case < TargetDescription.Pc:
                s->X[number] = value;
                return true;
            case TargetDescription.Pc:
                s->Pc = value & ~1UL;
                return true;
            case < TargetDescription.FirstCsr:
                s->F[number - TargetDescription.FirstFloat] = value;
                s->FpDirty = 1;
                return true;
            case < TargetDescription.Privilege:
                return _target.TryWriteCsr(_current, (int)number - TargetDescription.FirstCsr, value);
            default:
                return false;
        }
    }

    private string ReadMemory(string range)
    {
        (ulong address, ulong length) = ParsePair(range);
        var bytes = new byte[Math.Min(length, GdbPackets.LongestPacket / 2)];
        int count = _target.Read(_current, address, bytes);
        return count > 0 || bytes.Length == 0 ? Hex(bytes.AsSpan(0, count)) : Error.BadAddress;
    }

    private string WriteMemory(string command)
    {
        int colon = command.IndexOf(':', StringComparison.Ordinal);
        if (colon < 0)
            return Error.Malformed;
        (ulong address, ulong length) = ParsePair(command[..colon]);
        byte[] bytes = Convert.FromHexString(command[(colon + 1)..]);
        return Write(address, length, bytes);
    }

    private string WriteBinary(byte[] packet)
    {
        int colon = Array.IndexOf(packet, (byte)':');
        if (colon < 0)
            return Error.Malformed;
        (ulong address, ulong length) = ParsePair(Encoding.Latin1.GetString(packet, 1, colon - 1));
        return Write(address, length, packet.AsSpan(colon + 1));
    }

    private string Write(ulong address, ulong length, ReadOnlySpan<byte> bytes)
    {
        if (length != (ulong)bytes.Length)
            return Error.Malformed;
        return _target.TryWrite(_current, address, bytes) ? "OK" : Error.BadAddress;
    }

    /// <summary>Z: software and hardware breakpoints are one here, because neither changes the guest's memory.</summary>
    private string Insert(string what)
    {
        (char kind, ulong address, ulong length) = ParsePoint(what);
        if (kind is '0' or '1')
            _debugger.AddBreakpoint(address);
        else if (WatchOf(kind, address, length) is { } watch)
            _debugger.AddWatch(watch);
        else
            return kind is >= '2' and <= '4' ? Error.Malformed : "";
        return "OK";
    }

    private string Remove(string what)
    {
        (char kind, ulong address, ulong length) = ParsePoint(what);

        // To remove what is not there is no error: the client may say it twice.
        if (kind is '0' or '1')
            _debugger.RemoveBreakpoint(address);
        else if (WatchOf(kind, address, length) is { } watch)
            _debugger.RemoveWatch(watch);
        else
            return kind is >= '2' and <= '4' ? Error.Malformed : "";
        return "OK";
    }

    private static Watch? WatchOf(char kind, ulong address, ulong length)
        => kind is >= '2' and <= '4' && length > 0 ? new Watch(address, length, Loads: kind != '2', Stores: kind != '3') : null;

    private static (char Kind, ulong Address, ulong Length) ParsePoint(string what)
    {
        if (what.Length < 3 || what[1] != ',')
            throw new FormatException();
        int end = what.IndexOf(';', StringComparison.Ordinal);
        (ulong address, ulong length) = ParsePair(end < 0 ? what[2..] : what[2..end]);
        return (what[0], address, length);
    }

    private static (ulong First, ulong Second) ParsePair(string text)
    {
        int comma = text.IndexOf(',', StringComparison.Ordinal);
        return comma < 0 ? throw new FormatException() : (ParseNumber(text[..comma]), ParseNumber(text[(comma + 1)..]));
    }

    private static ulong ParseNumber(string hex) => ulong.Parse(hex, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);

    private static string Hex(ReadOnlySpan<byte> bytes) => Convert.ToHexStringLower(bytes);
}
