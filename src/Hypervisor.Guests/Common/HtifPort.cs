using Hypervisor.Core.Devices;
using Hypervisor.Core.Machine;
using Hypervisor.Core.Time;

namespace Hypervisor.Guests.Common;

/// <summary>
/// The host-target interface of RISC-V test programs: a guest stores a command to <c>tohost</c>, the host clears it and may
/// answer in <c>fromhost</c>. Supported: the end of the program with its code, a console byte, and the proxied write call.
/// </summary>
/// <remarks>Looked at once each millisecond of the machine's time: a guest that stores waits for the answer.</remarks>
internal sealed class HtifPort : IDisposable
{
    private const long PeriodNanoseconds = 1_000_000;
    private const ulong ConsoleWrite = 0x0101;
    private const ulong WriteCall = 64;
    private const int LongestWrite = 4096;

    private readonly VirtualMachine _machine;
    private readonly ulong _toHost;
    private readonly ulong? _fromHost;
    private readonly IConsoleSink _console;
    private readonly int _timer;

    public HtifPort(VirtualMachine machine, ulong toHost, ulong? fromHost, IConsoleSink console)
    {
        _machine = machine;
        _toHost = toHost;
        _fromHost = fromHost;
        _console = console;
        _timer = machine.Timers.CreateTimer(Poll);
        Schedule();
    }

    public void Dispose() => _machine.Timers.DeleteTimer(_timer);

    private void Schedule() => _machine.Timers.Arm(_timer, _machine.Timers.NowNanoseconds + PeriodNanoseconds);

    private void Poll()
    {
        if (_machine.Exit is not null)
            return;
        if (_machine.Memory.TryRead(_toHost, out ulong command) && command != 0)
            Serve(command);
        Schedule();
    }

    private void Serve(ulong command)
    {
        ulong payload = command & 0xFFFF_FFFF_FFFF;
        ulong answer = 0;
        if (command >> 48 == ConsoleWrite)
        {
            _console.Write([(byte)payload]);
            answer = ConsoleWrite << 48;
        }
        else if ((payload & 1) != 0)
        {
            var code = (int)(payload >> 1);
            _machine.PowerOff(new MachineExit(code, code == 0 ? "guest ended with success" : $"guest ended with code {code}"));
        }
        else if (command >> 48 == 0)
        {
            CallHost(payload);
            answer = 1;
        }

        _machine.Memory.TryWrite(_toHost, 0UL);
        if (answer != 0 && _fromHost is { } fromHost)
            _machine.Memory.TryWrite(fromHost, answer);
    }

    /// <summary>A proxied system call: eight words, the number first; the result goes over the number.</summary>
    private void CallHost(ulong block)
    {
        if (!_machine.Memory.TryRead(block, out ulong number) || !_machine.Memory.TryRead(block + 16, out ulong buffer)
            || !_machine.Memory.TryRead(block + 24, out ulong length))
            return;
        ulong result = unchecked((ulong)-38);
        if (number == WriteCall && length <= LongestWrite)
        {
            var bytes = new byte[(int)length];
            if (_machine.Memory.TryRead(buffer, bytes))
            {
                _console.Write(bytes);
                result = length;
            }
        }

        _machine.Memory.TryWrite(block, result);
    }
}
