using System.Buffers.Binary;
using Hypervisor.Core;
using Hypervisor.Guests.Common;
using Hypervisor.Tests.Support;

namespace Hypervisor.Tests.Common;

public sealed class DeviceTreeTests
{
    internal static DeviceTreeBuilder Machine()
    {
        var tree = new DeviceTreeBuilder { BootHart = 1 };
        tree.ReserveMemory(0x80000000, 0x40000);
        tree.Root.SetCells("#address-cells", 2).SetCells("#size-cells", 2).SetStrings("compatible", "riscv-virtio").SetStrings("model", "test,machine");
        tree.Root.AddNode("chosen").SetStrings("bootargs", "console=ttyS0").SetStrings("stdout-path", "/soc/serial@10000000");
        tree.Root.AddNode("memory@80000000").SetStrings("device_type", "memory").SetLongs("reg", 0x80000000, 0x10000000);
        var soc = tree.Root.AddNode("soc").SetCells("#address-cells", 2).SetCells("#size-cells", 2)
            .SetStrings("compatible", "simple-bus").SetFlag("ranges");
        var serial = soc.AddNode("serial@10000000");
        var plic = soc.AddNode("interrupt-controller@c000000").SetFlag("interrupt-controller").SetCells("#interrupt-cells", 1)
            .SetCells("#address-cells", 0).SetLongs("reg", 0xc000000, 0x600000).SetStrings("compatible", "sifive,plic-1.0.0", "riscv,plic0");
        serial.SetStrings("compatible", "ns16550a").SetLongs("reg", 0x10000000, 0x100).SetReferences("interrupt-parent", plic)
            .SetCells("interrupts", 10).SetBytes("some-bytes", [1, 2, 3]);
        return tree;
    }

    private static string Text(DeviceTree tree, string path, string property)
    {
        var node = tree.Find(path);
        Assert.NotNull(node);
        Assert.True(node.TryGetProperty(property, out var found));
        Assert.True(found.TryGetStrings(out var strings));
        return string.Join('|', strings);
    }

    [Fact]
    public void Parse_BuiltTree_GivesItBack()
    {
        var tree = DeviceTree.Parse(Machine().Build(), "tree");
        Assert.Equal(1u, tree.BootHart);
        Assert.Equal([(0x80000000UL, 0x40000UL)], tree.MemoryReservations);
        Assert.Equal(3, tree.Root.Children.Count);
        Assert.Equal("console=ttyS0", Text(tree, "/chosen", "bootargs"));
        Assert.Equal("sifive,plic-1.0.0|riscv,plic0", Text(tree, "/soc/interrupt-controller", "compatible"));
        var serial = tree.Find("/soc/serial@10000000");
        Assert.NotNull(serial);
        Assert.True(serial.TryGetProperty("interrupts", out var interrupts) && interrupts.TryGetUInt32(out var line) && line == 10);
        Assert.True(serial.TryGetProperty("reg", out var reg) && reg.TryGetCells(out var cells) && cells.SequenceEqual([0u, 0x10000000u, 0u, 0x100u]));
        Assert.True(serial.TryGetProperty("some-bytes", out var bytes) && bytes.Value.Span.SequenceEqual((byte[])[1, 2, 3]));
        Assert.False(bytes.TryGetCells(out _) || bytes.TryGetUInt64(out _) || bytes.TryGetStrings(out _));
        Assert.True(serial.TryGetProperty("interrupt-parent", out var parent) && parent.TryGetUInt32(out var phandle) && phandle == 1);
        Assert.Null(tree.Find("/soc/nothing"));
    }

    [Fact]
    public void Build_SameCalls_GiveSameBytes() => Assert.Equal(Machine().Build(), Machine().Build());

    [PeerFact("dtc")]
    public void Build_Machine_IsWhatDtcUnderstands()
    {
        using var folder = new TemporaryFolder();
        var blob = folder.Write("machine.dtb", Machine().Build());

        // -q: its warnings are about what a real machine needs beyond this one (cpus), not about the format.
        var text = Peer.Run("dtc", "-I", "dtb", "-O", "dts", "-q", blob);
        Assert.Contains("/memreserve/\t0x0000000080000000 0x0000000000040000;", text, StringComparison.Ordinal);
        Assert.Contains("compatible = \"sifive,plic-1.0.0\", \"riscv,plic0\";", text.Replace("\\0", "\", \"", StringComparison.Ordinal), StringComparison.Ordinal);
        Assert.Contains("reg = <0x00 0x10000000 0x00 0x100>;", text, StringComparison.Ordinal);
        Assert.Contains("interrupt-parent = <0x01>;", text, StringComparison.Ordinal);
        Assert.Contains("some-bytes = [01 02 03];", text, StringComparison.Ordinal);
        Assert.Contains("ranges;", text, StringComparison.Ordinal);

        // What dtc compiles back from its text reads as the same tree.
        var again = folder["again.dtb"];
        Peer.Run("dtc", "-I", "dtb", "-O", "dtb", "-q", "-o", again, blob);
        AssertSame(DeviceTree.Parse(Machine().Build(), "ours").Root, DeviceTree.Parse(File.ReadAllBytes(again), "dtc's").Root);
    }

    [PeerFact("qemu-system-riscv64")]
    public void Parse_QemuMachine_IsUnderstood()
    {
        using var folder = new TemporaryFolder();
        var blob = folder["virt.dtb"];
        Peer.Run("qemu-system-riscv64", "-M", $"virt,dumpdtb={blob}", "-display", "none", "-bios", "none");
        var tree = DeviceTree.Parse(File.ReadAllBytes(blob), "virt");
        Assert.Equal("riscv-virtio", Text(tree, "/", "compatible"));
        Assert.Equal("ns16550a", Text(tree, "/soc/serial@10000000", "compatible"));
    }

    [Fact]
    public void AddNode_BadOrDuplicateName_Throws()
    {
        var tree = new DeviceTreeBuilder();
        tree.Root.AddNode("cpus");
        Assert.Throws<HypervisorException>(() => tree.Root.AddNode("cpus"));
        Assert.Throws<HypervisorException>(() => tree.Root.AddNode("a/b"));
        Assert.Throws<HypervisorException>(() => tree.Root.AddNode(""));
        Assert.Throws<HypervisorException>(() => tree.Root.SetFlag("a b"));
        Assert.Throws<HypervisorException>(() => tree.Root.SetStrings("a", "x\0y"));
        Assert.Throws<HypervisorException>(() => tree.ReserveMemory(1, 0));
        Assert.Throws<HypervisorException>(() => tree.Root.SetReferences("a", new DeviceTreeBuilder().Root));
        var node = tree.Root;
        Assert.Throws<HypervisorException>(() =>
        {
            for (var i = 0; i < 100; i++)
            {
                node = node.AddNode("deeper");
            }
        });
    }

    [Fact]
    public void Build_TooLarge_Throws()
    {
        var tree = new DeviceTreeBuilder();
        tree.Root.SetBytes("big", new byte[3 << 20]);
        Assert.Throws<HypervisorException>(() => tree.Build());
    }

    [Theory]
    [InlineData(0, 0x12345678u, "magic number")]
    [InlineData(4, 0x00fffff0u, "truncated or damaged")]
    [InlineData(8, 0x7fffffffu, "the structure block")]
    [InlineData(12, 0x7fffffffu, "the strings block")]
    [InlineData(16, 0xfffffff8u, "memory reservations")]
    [InlineData(20, 3u, "not supported")]
    [InlineData(36, 4u, "no end")]
    public void Parse_DamagedHeader_SaysWhat(int offset, uint value, string reason)
    {
        var blob = Machine().Build();
        BinaryPrimitives.WriteUInt32BigEndian(blob.AsSpan(offset), value);
        var error = Assert.Throws<HypervisorException>(() => DeviceTree.Parse(blob, "tree"));
        Assert.Contains(reason, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Parse_EndlessNesting_Throws()
    {
        var blob = new byte[1 << 16];
        ReadOnlySpan<uint> header = [0xd00dfeed, (uint)blob.Length, 64, 56, 40, 17, 16, 0, 8, (uint)blob.Length - 64];
        for (var i = 0; i < header.Length; i++)
        {
            BinaryPrimitives.WriteUInt32BigEndian(blob.AsSpan(i * 4), header[i]);
        }

        for (var i = 64; i < blob.Length; i += 8)
        {
            blob[i + 3] = 1;
        }

        var error = Assert.Throws<HypervisorException>(() => DeviceTree.Parse(blob, "tree"));
        Assert.Contains("deep", error.Message, StringComparison.Ordinal);
    }

    private static void AssertSame(DeviceTreeNode expected, DeviceTreeNode actual)
    {
        Assert.Equal(expected.Name, actual.Name);
        Assert.Equal(expected.Properties.Select(Show), actual.Properties.Select(Show));
        Assert.Equal(expected.Children.Count, actual.Children.Count);
        for (var i = 0; i < expected.Children.Count; i++)
        {
            AssertSame(expected.Children[i], actual.Children[i]);
        }
    }

    private static string Show(DeviceTreeProperty property) => $"{property.Name}={Convert.ToHexString(property.Value.Span)}";
}
