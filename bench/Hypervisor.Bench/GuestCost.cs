using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using Hypervisor.Core.Engine;
using Hypervisor.Core.Engine.Interpreter;
using Hypervisor.Core.Hart;
using Hypervisor.Core.Machine;
using Hypervisor.Core.Memory;
using Hypervisor.Core.Scheduling;
using Hypervisor.Guests.Container;

namespace Hypervisor.Bench;

/// <summary>What guests cost to make, to keep and to release: processor time and resident memory for each.</summary>
internal static unsafe class GuestCost
{
    private const int Alive = 5000;
    private const ulong GuestBytes = 0x10000;

    // li a7, 93; li a0, 0; ecall: a program that ends at once.
    private static readonly uint[] s_exit = [0x05d0_0893, 0x0000_0513, 0x0000_0073];

    public static int Execute(string[] arguments)
    {
        int at = Array.IndexOf(arguments, "--rounds");
        int rounds = at >= 0 ? int.Parse(arguments[at + 1], CultureInfo.InvariantCulture) : 5;
        (string Name, Func<(double Made, double Released, double Kept)> Measure)[] rows =
        [
            ("64 KiB of memory, hart and code cache, made and released one after another", () => OneByOne(load: false)),
            ("the same with a program of 12 bytes in it", () => OneByOne(load: true)),
            ($"{Alive} of these at once", () => Together(run: false)),
            ($"{Alive} of these at once, each with 3 instructions run", () => Together(run: true)),
            ($"{Alive} containers of one program in one machine", () => Containers(Options())),
            ($"{Alive} containers of one unpacked image in one machine", () => Unpacked(Containers)),
        ];
        if (BootComparison.Option(arguments, "--only") is { } only)
            rows = [.. rows.Where(row => row.Name.Contains(only, StringComparison.Ordinal))];
        Console.WriteLine("| guests | made, µs | released, µs | resident each, KiB |");
        Console.WriteLine("|---|---|---|---|");
        foreach ((string name, Func<(double Made, double Released, double Kept)> measure) in rows)
        {
            measure();
            (double Made, double Released, double Kept)[] results = [.. Enumerable.Range(0, rounds).Select(_ => measure())];
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"| {name} | {PeerRow.Median([.. results.Select(each => each.Made)]):f1} | {PeerRow.Median([.. results.Select(each => each.Released)]):f1} | {PeerRow.Median([.. results.Select(each => each.Kept)]):f1} |"));
        }

        Console.WriteLine($"Blocks of code decoded by 1 and by {Alive} containers of that program, run to their ends: {Decoded(1)}, {Decoded(Alive)}.");
        return 0;
    }

    private static long Decoded(int count)
    {
        using var host = new HypervisorHost(new HostOptions());
        using var containers = new ContainerHost(host, memoryBytes: 1UL << 32);
        ContainerOptions options = Options();
        for (int i = 0; i < count; i++)
            containers.Create(options);
        host.RunUntilIdle();
        return containers.Machine.BlocksDecoded;
    }

    private static ContainerOptions Options()
        => new() { Name = "guest", Program = "/bin/program", ProgramImage = Elf(), Arguments = ["program"], MemoryLimit = 1 << 20 };

    private static (double, double, double) OneByOne(bool load)
    {
        TimeSpan before = Used();
        for (int i = 0; i < Alive * 10; i++)
        {
            Guest guest = Make(load);
            guest.Dispose();
        }

        return ((Used() - before).TotalMicroseconds / Alive / 10, 0, 0);
    }

    private static (double, double, double) Together(bool run)
    {
        var engine = new Interpreter();
        long resident = Resident();
        TimeSpan start = Used();
        var guests = new Guest[Alive];
        for (int i = 0; i < Alive; i++)
        {
            guests[i] = Make(load: true);
            if (run)
                engine.Run(guests[i].Hart, guests[i].Code, 3);
        }

        TimeSpan made = Used();
        long kept = Resident() - resident;
        TimeSpan measured = Used();
        foreach (Guest guest in guests)
            guest.Dispose();
        return ((made - start).TotalMicroseconds / Alive, (Used() - measured).TotalMicroseconds / Alive, kept / 1024.0 / Alive);
    }

    /// <summary>Does something with containers of a directory that holds the program.</summary>
    private static (double, double, double) Unpacked(Func<ContainerOptions, (double, double, double)> measure)
    {
        DirectoryInfo root = Directory.CreateTempSubdirectory("hv-guests-");
        try
        {
            Directory.CreateDirectory(Path.Combine(root.FullName, "bin"));
            File.WriteAllBytes(Path.Combine(root.FullName, "bin/program"), Elf());
            if (!OperatingSystem.IsWindows())
                File.SetUnixFileMode(Path.Combine(root.FullName, "bin/program"), UnixFileMode.UserRead | UnixFileMode.UserExecute);
            return measure(Options() with { ProgramImage = null, RootDirectory = root.FullName });
        }
        finally
        {
            root.Delete(recursive: true);
        }
    }

    private static (double, double, double) Containers(ContainerOptions options)
    {
        long resident = Resident();
        TimeSpan start = Used();
        using var host = new HypervisorHost(new HostOptions());
        using var containers = new ContainerHost(host, memoryBytes: 1UL << 32);
        for (int i = 0; i < Alive; i++)
            containers.Create(options);
        TimeSpan made = Used();
        long kept = Resident() - resident;
        TimeSpan measured = Used();
        containers.Dispose();
        return ((made - start).TotalMicroseconds / Alive, (Used() - measured).TotalMicroseconds / Alive, kept / 1024.0 / Alive);
    }

    private static Guest Make(bool load)
    {
        var memory = new GuestMemory(new MemoryRegion(0, GuestBytes));
        if (load)
            memory.TryWrite(0, MemoryMarshal.AsBytes<uint>(s_exit));
        return new Guest(memory, new HartContext(memory, new FlatTranslator(memory), default, singleContext: true), new CodeCache(memory));
    }

    /// <summary>A static program of one page, read and executed where it lies.</summary>
    public static byte[] Elf()
    {
        const int headers = 64 + 56;
        var image = new byte[headers + s_exit.Length * 4];
        new byte[] { 0x7f, (byte)'E', (byte)'L', (byte)'F', 2, 1, 1 }.CopyTo(image, 0);
        void Put(int at, long value, int size) => BitConverter.GetBytes(value).AsSpan(0, size).CopyTo(image.AsSpan(at));
        Put(16, 2, 2); // ET_EXEC
        Put(18, 243, 2); // EM_RISCV
        Put(20, 1, 4);
        Put(24, 0x10000 + headers, 8);
        Put(32, 64, 8);
        Put(52, 64, 2);
        Put(54, 56, 2);
        Put(56, 1, 2);
        Put(64, 1, 4); // PT_LOAD
        Put(68, 5, 4);
        Put(80, 0x10000, 8);
        Put(88, 0x10000, 8);
        Put(96, image.Length, 8);
        Put(104, image.Length, 8);
        Put(112, 4096, 8);
        MemoryMarshal.AsBytes<uint>(s_exit).CopyTo(image.AsSpan(headers));
        return image;
    }

    private static TimeSpan Used()
    {
        using var process = Process.GetCurrentProcess();
        return process.TotalProcessorTime;
    }

    private static long Resident()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        GC.Collect();
        using var process = Process.GetCurrentProcess();
        return process.WorkingSet64;
    }

    private sealed record Guest(GuestMemory Memory, HartContext Hart, CodeCache Code) : IDisposable
    {
        public void Dispose()
        {
            Code.Dispose();
            Hart.Dispose();
            Memory.Dispose();
        }
    }
}
