using System.Text;
using Hypervisor.Core.Devices;
using Hypervisor.Core.Devices.Virtio;
using Hypervisor.Core.Engine;
using Hypervisor.Core.Engine.Interpreter;
using Hypervisor.Core.Isa;
using Hypervisor.Core.Machine;
using Hypervisor.Core.Memory;
using Hypervisor.Core.Time;
using Hypervisor.Guests.BuiltIn;
using Hypervisor.Guests.Para;

namespace Hypervisor.Tests.BuiltIn;

/// <summary>Runs the built-in kernels on our own engine, one hart, in virtual time of a nanosecond an instruction.</summary>
internal static class OwnBoard
{
    private const ulong RamBytes = 64 << 20;
    private const long Slice = 50_000;
    private const long MostSlices = 20_000;

    public static (int ExitCode, string Output, List<(bool Ends, ulong Operations)> Marks) RunPara(
        AssembledProgram kernel, byte[] program, long iterations, bool ringConsole = false)
    {
        var timers = new SteppedTimers();
        var console = new TextSink();
        var marks = new List<(bool, ulong)>();
        using var machine = new VirtualMachine("test", new GuestMemory(new MemoryRegion(0x8000_0000, RamBytes)), timers);
        using var guest = new ParaGuest(machine, new ParaGuestOptions
        {
            Engine = Support.TestEngine.Create(),
            Console = console,
            Entry = kernel.Entry,
            Opaque = BootParameters.Address,
            Devices = ringConsole ? [new VirtioConsole(console), Disk()] : [Disk()],
            Marked = (_, ends, operations) => marks.Add((ends, operations)),
        });
        Load(machine.Memory, kernel, program, iterations);
        Run(machine, timers);
        return (machine.Exit!.Value.Code, console.Text, marks);
    }

    private static VirtioBlock Disk() => new(new MemoryBlockBackend(new byte[1 << 20]), "disk");

    private static void Load(GuestMemory memory, AssembledProgram kernel, byte[] program, long iterations)
    {
        var parameters = new BootParameters { Iterations = iterations, RamBytes = RamBytes, ProgramBytes = program.Length, Markers = true };
        Assert.True(memory.TryWrite(kernel.ImageBase, kernel.ToImage()));
        Assert.True(memory.TryWrite(BootParameters.Address, parameters.ToBytes()));
        Assert.True(memory.TryWrite(parameters.ProgramAddress, program));
    }

    private static void Run(VirtualMachine machine, SteppedTimers timers)
    {
        var vcpu = machine.VCpus[0];
        var code = machine.CodeCacheFor(0);
        vcpu.Hart.PicosecondsPerInstruction = 1000;
        for (long slice = 0; machine.Exit is null; slice++)
        {
            Assert.True(slice < MostSlices, "the machine did not power off");
            vcpu.Hart.TimeAtEntry = timers.NowNanoseconds;
            var end = vcpu.RunSlice(Math.Clamp(timers.Next - timers.NowNanoseconds, 1, Slice), code, out var retired);
            var now = timers.NowNanoseconds + retired;
            if (end == SliceEnd.Blocked && !vcpu.Personality.HasPendingWork(vcpu))
            {
                Assert.True(timers.Next != long.MaxValue, "the machine waits for nothing");
                now = Math.Max(now, timers.Next);
            }

            timers.MoveTo(now);
        }
    }

    private sealed class TextSink : IConsoleSink
    {
        private readonly StringBuilder _text = new();

        public string Text => _text.ToString();

        public void Write(ReadOnlySpan<byte> bytes) => _text.Append(Encoding.ASCII.GetString(bytes));
    }

    /// <summary>Timers that fire when the loop moves time past them.</summary>
    private sealed class SteppedTimers : ITimerService
    {
        private readonly List<(Action Fired, long Deadline)> _timers = [];

        public long NowNanoseconds { get; private set; }

        public long Next => _timers.Count == 0 ? long.MaxValue : _timers.Min(timer => timer.Deadline);

        public int CreateTimer(Action fired)
        {
            _timers.Add((fired, long.MaxValue));
            return _timers.Count - 1;
        }

        public void Arm(int timer, long deadlineNanoseconds) => _timers[timer] = _timers[timer] with { Deadline = deadlineNanoseconds };

        public void Disarm(int timer) => Arm(timer, long.MaxValue);

        public void DeleteTimer(int timer) => Disarm(timer);

        public void MoveTo(long nanoseconds)
        {
            NowNanoseconds = nanoseconds;
            for (var timer = 0; timer < _timers.Count; timer++)
            {
                if (_timers[timer].Deadline <= nanoseconds)
                {
                    Disarm(timer);
                    _timers[timer].Fired();
                }
            }
        }
    }
}
