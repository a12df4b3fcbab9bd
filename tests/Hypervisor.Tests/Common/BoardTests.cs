using System.Buffers.Binary;
using Hypervisor.Core;
using Hypervisor.Core.Devices;
using Hypervisor.Core.Devices.Virtio;
using Hypervisor.Core.Memory;
using Hypervisor.Core.State;
using Hypervisor.Guests.Common;
using Hypervisor.Tests.Devices;
using Hypervisor.Tests.Support;

namespace Hypervisor.Tests.Common;

public sealed class BoardTests : IDisposable
{
    private readonly GuestMemory _memory = new(new MemoryRegion(Board.RamAddress, 128 << 20));
    private readonly FakeTimers _timers = new();
    private readonly FakeSink _sink = new();
    private readonly List<string> _events = [];

    public void Dispose() => _memory.Dispose();

    private Board Create(int harts = 2, int consoles = 0, bool marker = false) => new(_memory, _timers, new BoardOptions
    {
        Harts = harts,
        Console = _sink,
        Devices = [.. Enumerable.Range(0, consoles).Select(_ => new VirtioConsole(_sink))],
        Interrupt = (hart, mask, pending) => _events.Add($"{hart}:{mask:x}{(pending ? '+' : '-')}"),
        End = (request, code) => _events.Add($"{request} {code}"),
        Marked = marker ? (ends, operations) => _events.Add($"{(ends ? "end" : "begin")} {operations}") : null,
    });

    private static void Write(Board board, ulong address, int size, ulong value) => Assert.True(board.Bus.TryWrite(address, size, value));

    [Fact]
    public void Devices_OfTwoHarts_ReachTheRightInterrupts()
    {
        using var board = Create();
        _events.Clear();
        Write(board, Board.ClintAddress + 4, 4, 1);
        Write(board, Board.ClintAddress + 0x4008, 8, 0);
        Assert.Equal(["1:8+", "1:80+"], _events);
        _events.Clear();
        Write(board, Board.PlicAddress + (4 * Board.UartInterrupt), 4, 1);
        Write(board, Board.PlicAddress + 0x2000 + (3 * 0x80), 4, 1 << Board.UartInterrupt);
        Write(board, Board.UartAddress + 1, 1, 1);
        board.Uart.Receive("x"u8);
        Assert.Equal(["1:200+"], _events);
        Write(board, Board.PlicAddress + 0x2000 + (0 * 0x80), 4, 1 << Board.UartInterrupt);
        Assert.Equal(["1:200+", "0:800+"], _events);
        Write(board, Board.UartAddress, 1, 'h');
        Assert.Equal("h", _sink.Text);
    }

    [Fact]
    public void FinisherAndMarker_Stores_AreReported()
    {
        using var board = Create(marker: true);
        _events.Clear();
        Write(board, Board.MarkerAddress + 8, 8, 77);
        Write(board, Board.MarkerAddress, 8, 0);
        Write(board, Board.MarkerAddress, 8, 1);
        Write(board, Board.MarkerAddress, 8, 2);
        Write(board, Board.FinisherAddress, 4, 0x33333);
        Assert.Equal(["begin 77", "end 77", "Fail 3"], _events);
        using var plain = Create();
        Assert.False(plain.Bus.TryWrite(Board.MarkerAddress, 8, 0));
    }

    [Fact]
    public void Slots_FilledAndEmpty_TellSo()
    {
        using var board = Create(consoles: 2);
        for (var slot = 0; slot < Board.SlotCount; slot++)
        {
            Assert.True(board.Bus.TryRead(Board.FirstSlotAddress + (0x1000 * (ulong)slot) + 8, 4, out var id));
            Assert.Equal(slot < 2 ? 3UL : 0, id);
        }

        Assert.Throws<HypervisorException>(() => Create(consoles: 9));
        Assert.Throws<HypervisorException>(() => Create(harts: 0));
    }

    [Fact]
    public void Load_SavedBoard_IsTheSame()
    {
        using var board = Create(consoles: 1, marker: true);
        board.Uart.Receive("typed"u8);
        Write(board, Board.MarkerAddress + 8, 8, 5);
        var writer = new StateWriter();
        board.Save(writer);
        using var restored = Create(consoles: 1, marker: true);
        var reader = new StateReader(writer.Written.ToArray());
        restored.Load(reader);
        Assert.True(reader.AtEnd);
        var again = new StateWriter();
        restored.Save(again);
        Assert.Equal(writer.Hash(), again.Hash());
    }

    [PeerFact("dtc")]
    public void DeviceTree_Described_PassesDtcWithoutWarnings()
    {
        using var board = Create(harts: 3, consoles: 2);
        using var folder = new TemporaryFolder();
        var blob = folder.Write("board.dtb", new BoardTree
        {
            CommandLine = "console=ttyS0",
            InitialRamDisk = new MemoryRegion(0x8400_0000, 0x1000),
            RandomSeed = new byte[32],
            Reserved = [new MemoryRegion(Board.RamAddress, 0x20_0000)],
        }.Build(board));
        var text = Peer.Run("sh", "-c", $"dtc -I dtb -O dts '{blob}' 2>&1");
        Assert.DoesNotContain("Warning", text, StringComparison.Ordinal);
        Assert.Contains("linux,initrd-end = <0x00 0x84001000>;", text, StringComparison.Ordinal);
        Assert.Contains("riscv,isa = \"rv64imafdc_zic64b_zicbom_zicbop_zicboz_", text, StringComparison.Ordinal);
    }

    [PeerFact("dtc", "qemu-system-riscv64")]
    public void DeviceTree_SharedDevices_AgreeWithQemusBoard()
    {
        using var folder = new TemporaryFolder();
        Peer.Run("qemu-system-riscv64", "-M", $"virt,dumpdtb={folder["qemu.dtb"]}", "-smp", "2", "-display", "none", "-bios", "none");
        var qemu = DeviceTree.Parse(File.ReadAllBytes(folder["qemu.dtb"]), "QEMU's");
        using var board = Create(consoles: Board.SlotCount);
        var ours = DeviceTree.Parse(new BoardTree().Build(board), "ours");
        foreach (var path in (string[])["soc/clint", "soc/plic", "soc/serial", "soc/rtc", "soc/test", .. Enumerable.Range(1, 8).Select(i => $"soc/virtio_mmio@{0x10000000 + (i * 0x1000):x}")])
        {
            foreach (var property in (string[])["reg", "interrupts", "riscv,ndev", "compatible"])
            {
                Assert.Equal((path, property, Value(qemu, path, property)), (path, property, Value(ours, path, property)));
            }
        }
    }

    private static string Value(DeviceTree tree, string path, string property)
        => tree.Find(path) is { } node && node.TryGetProperty(property, out var found) ? Convert.ToHexString(found.Value.Span) : "none";

    [PeerFact("qemu-system-riscv64")]
    public void DeviceTree_OpenSbiOnQemu_FindsTheDevices()
    {
        using var folder = new TemporaryFolder();
        using var board = Create(harts: 2);
        var blob = folder.Write("board.dtb", new BoardTree().Build(board));

        // A kernel that asks the firmware to power off: SRST system_reset(0, 0).
        var code = new byte[24];
        foreach (var (word, i) in ((uint[])[0x535258b7, 0x35488893, 0x00000813, 0x00000513, 0x00000593, 0x00000073]).Select((word, i) => (word, i)))
        {
            BinaryPrimitives.WriteUInt32LittleEndian(code.AsSpan(i * 4), word);
        }

        var kernel = folder.Write("off.bin", code);
        var output = Peer.Run("qemu-system-riscv64", "-M", "virt", "-smp", "2", "-dtb", blob, "-kernel", kernel, "-display", "none", "-serial", "stdio", "-monitor", "none");
        string Field(string name) => output.Split('\n').First(line => line.StartsWith(name, StringComparison.Ordinal)).Split(':', 2)[1].Trim();
        Assert.Equal("riscv-virtio,hypervisor", Field("Platform Name"));
        Assert.Equal("2", Field("Platform HART Count"));
        Assert.Equal("aclint-mswi", Field("Platform IPI Device"));
        Assert.Equal("aclint-mtimer @ 10000000Hz", Field("Platform Timer Device"));
        Assert.Equal("uart8250", Field("Platform Console Device"));
        Assert.Equal("sifive_test", Field("Platform Shutdown Device"));
    }
}
