using Hypervisor.Core.Devices;
using Hypervisor.Core.Devices.Virtio;
using Hypervisor.Core.Engine.Interpreter;
using Hypervisor.Core.Machine;
using Hypervisor.Core.Memory;
using Hypervisor.Core.Scheduling;
using Hypervisor.Guests;
using Hypervisor.Guests.BuiltIn;
using Hypervisor.Guests.Common;
using Hypervisor.Guests.Container;
using Hypervisor.Guests.Para;
using Hypervisor.Tests.Support;

namespace Hypervisor.Tests.Modes;

/// <summary>
/// From run to resume nothing is allocated, whatever left guest code: a workload that does ten times as much, after all was met once,
/// takes no more of the host's heap.
/// </summary>
public sealed class AllocationTests
{
    private const ulong RamBytes = 64 << 20;
    private const int DiskBytes = 1 << 20;
    private static readonly BuiltInGuests s_guests = new();

    /// <summary>Modes, workloads and how many operations are enough for many thousand exits.</summary>
    public static TheoryData<string, string, long> Cases
    {
        get
        {
            var cases = new TheoryData<string, string, long>();
            foreach (string mode in (string[])[.. MachineFactory.Modes, "para", "container"])
            {
                foreach ((string workload, long operations) in ((string, long)[])[("syscall", 20_000), ("switch", 4_000), ("timer", 100_000), ("block", 4_000), ("pagefault", 40_000), ("console", 5000)])
                {
                    // The container kernel makes a mapping for each call that maps: that is its work, not the way to it.
                    if (mode != "container" || workload != "pagefault")
                        cases.Add(mode, workload, operations);
                }
            }

            return cases;
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Run_TenTimesAsMuch_AllocatesNoMore(string mode, string workload, long operations)
    {
        Allocated(mode, workload, operations / 10);

        // What grows once, such as the decoded code, may grow in either run, and a collection that another test causes may book the rest of
        // this thread's allocation window; one small object for each exit would be many times this, every time.
        const long allowed = 16 << 10;
        long grown = long.MaxValue, exits = 0;
        for (int attempt = 0; attempt < 3 && grown >= allowed; attempt++)
        {
            (long little, _) = Allocated(mode, workload, operations / 10);
            (long much, exits) = Allocated(mode, workload, operations);
            Assert.True(exits > 0 || mode == "bare", "nothing left guest code");
            grown = Math.Min(grown, much - little);
        }

        Assert.True(grown < allowed, $"{grown} bytes more with {exits} exits");
    }

    private static (long Bytes, long Exits) Allocated(string mode, string workload, long operations)
    {
        long begin = 0;
        long bytes = -1;
        using var host = new HypervisorHost(new HostOptions());
        ReadOnlyMemory<byte> program = s_guests.WorkloadElf(workload);
        var parameters = new BootParameters { Iterations = operations, RamBytes = RamBytes, ProgramBytes = program.Length, Markers = true };
        using IDisposable guest = Create();
        VirtualMachine machine = guest switch { BoardGuest board => board.Machine, ContainerHost containers => containers.Machine, ParaParts para => para.Machine, _ => throw new InvalidOperationException() };
        host.Add(machine, SchedulingParameters.Default);
        host.RunFor(600_000_000_000);
        Assert.Equal(0, machine.Exit?.Code);
        Assert.True(bytes >= 0, "no region was marked");
        return (bytes, machine.EndedVCpus.TotalExits + machine.VCpus.Sum(vcpu => vcpu.Meter.TotalExits));

        void Mark(bool ends)
        {
            long now = GC.GetAllocatedBytesForCurrentThread();
            if (ends)
                bytes = now - begin;
            else
                begin = now;
        }

        IDisposable Create()
        {
            var sink = new Nowhere();
            VirtioDevice[] devices = [new VirtioBlock(new MemoryBlockBackend(new byte[DiskBytes]), "disk")];
            if (mode == "container")
            {
                var containers = new ContainerHost("container", RamBytes, host.Timers, new Interpreter());
                containers.Create(new ContainerOptions
                {
                    Program = "/" + workload, ProgramImage = program, Arguments = [workload, operations.ToString(System.Globalization.CultureInfo.InvariantCulture)],
                    Output = sink.Write, Error = sink.Write, Marked = (ends, _) => Mark(ends),
                });
                return containers;
            }

            if (mode == "para")
            {
                var kernel = s_guests.ParaKernel();
                var owner = new VirtualMachine("para", new GuestMemory(new MemoryRegion(Board.RamAddress, RamBytes)), host.Timers);
                var para = new ParaGuest(owner, new ParaGuestOptions
                {
                    Engine = new Interpreter(), Console = sink, Entry = kernel.Entry, Opaque = BootParameters.Address, Devices = devices, Marked = (_, ends, _) => Mark(ends),
                });
                owner.Memory.TryWrite(kernel.ImageBase, kernel.ToImage());
                owner.Memory.TryWrite(BootParameters.Address, parameters.ToBytes());
                owner.Memory.TryWrite(parameters.ProgramAddress, program.Span);
                return new ParaParts(owner, para);
            }

            BoardGuest guest = MachineFactory.Create(mode, new BoardGuestOptions
            {
                Engine = new Interpreter(), Console = sink, RamBytes = RamBytes, Devices = devices, Marked = (ends, _) => Mark(ends),
            }, host.Timers);
            guest.Boot(new BootImages
            {
                Kernel = s_guests.PrivilegedKernel().ToElf(),
                Blobs = [(BootParameters.Address, parameters.ToBytes()), (parameters.ProgramAddress, program)],
            });
            return guest;
        }
    }

    private sealed record ParaParts(VirtualMachine Machine, ParaGuest Guest) : IDisposable
    {
        public void Dispose()
        {
            Guest.Dispose();
            Machine.Dispose();
        }
    }

    private sealed class Nowhere : IConsoleSink
    {
        public void Write(ReadOnlySpan<byte> bytes)
        {
        }
    }
}
