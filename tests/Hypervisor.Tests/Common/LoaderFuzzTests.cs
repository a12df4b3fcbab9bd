using FsCheck.Fluent;
using Hypervisor.Core;
using Hypervisor.Guests.Common;
using Hypervisor.Tests.Support;

namespace Hypervisor.Tests.Common;

/// <summary>Damaged and random files: a reader may only succeed or say why not, and may not allocate out of proportion.</summary>
public sealed class LoaderFuzzTests
{
    private const long AllowedPerFile = 1 << 20;

    // Values that bring out overflows and boundary errors sit among plain random bytes.
    private static readonly ulong[] s_awkward =
        [0, 1, 0xff, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 0x1_0000_0000, long.MaxValue, 1UL << 63, ulong.MaxValue, ulong.MaxValue - 0xfff];

    [Fact]
    public void ElfImage_MutatedFile_OnlySaysWhyNot() => Fuzz(new ElfFile().ToArray(), ReadElf, cases: 20_000, hotBytes: 64 + (2 * 56));

    [Fact]
    public void ElfImage_RandomBytes_OnlySaysWhyNot() => Random("\u007fELF\u0002\u0001\u0001"u8.ToArray(), ReadElf);

    [Fact]
    public void DeviceTree_MutatedBlob_OnlySaysWhyNot() => Fuzz(DeviceTreeTests.Machine().Build(), ReadTree, cases: 20_000, hotBytes: 40);

    [Fact]
    public void DeviceTree_RandomBytes_OnlySaysWhyNot() => Random([0xd0, 0x0d, 0xfe, 0xed, 0, 0, 0, 40, 0, 0, 0, 40], ReadTree);

    [Fact]
    public void CpioArchive_MutatedArchive_OnlySaysWhyNot() => Fuzz(
        new CpioArchive().AddFile("a/b", new byte[100]).AddSymbolicLink("c", "a/b").ToArray(), ReadArchive, cases: 10_000, hotBytes: 110);

    [Fact]
    public void LinuxImage_RandomHeader_OnlySaysWhyNot()
        => Fuzz([.. new byte[56], .. "RSC\u0005"u8, .. new byte[100]], file => LinuxImage.TryParse(file, "fuzz", out _), cases: 5_000, hotBytes: 56);

    private static void ReadElf(byte[] file)
    {
        var image = ElfImage.Parse(file, "fuzz");
        Assert.NotEmpty(image.Segments);
        for (var i = 0; i < image.Segments.Count; i++)
        {
            var segment = image.Segments[i];
            Assert.True((ulong)segment.Data.Length <= segment.MemorySize && segment.VirtualEnd > segment.VirtualAddress);
            Assert.True(i == 0 || image.Segments[i - 1].VirtualEnd <= segment.VirtualAddress);
        }

        image.TryGetSymbol("tohost", out _);
    }

    private static void ReadTree(byte[] file) => DeviceTree.Parse(file, "fuzz").Find("/soc/serial");

    private static void ReadArchive(byte[] file) => CpioArchive.Read(file, "fuzz");

    private static void Fuzz(byte[] valid, Action<byte[]> read, int cases, int hotBytes)
    {
        var place = Gen.OneOf(Gen.Choose(0, hotBytes - 1), Gen.Choose(0, valid.Length - 1));
        var value = Gen.OneOf(Gen.Choose(0, int.MaxValue).Select(number => (ulong)number), Gen.Elements(s_awkward));
        var change = place.SelectMany(_ => Gen.Elements(1, 2, 4, 8), (at, size) => (at, size))
            .SelectMany(_ => value, (where, what) => (where.at, where.size, what));
        var mutants = change.NonEmptyListOf().SelectMany(_ => Gen.OneOf(Gen.Constant(valid.Length), Gen.Choose(0, valid.Length)), (changes, length) =>
        {
            var file = (byte[])valid.Clone();
            foreach (var (at, size, what) in changes.Take(4))
            {
                for (var i = 0; i < size && at + i < file.Length; i++)
                {
                    file[at + i] = (byte)(what >> (8 * i));
                }
            }

            return file[..length];
        });
        Property.ForAll(mutants, file => OnlySaysWhyNot(file, read), cases);
    }

    private static void Random(byte[] start, Action<byte[]> read) => Property.ForAll(
        Gen.Choose(0, 255).Select(number => (byte)number).ArrayOf().Resize(512),
        bytes => OnlySaysWhyNot(bytes, read) && OnlySaysWhyNot([.. start, .. bytes], read),
        cases: 2_000);

    private static bool OnlySaysWhyNot(byte[] file, Action<byte[]> read)
    {
        var before = GC.GetAllocatedBytesForCurrentThread();
        try
        {
            read(file);
        }
        catch (HypervisorException error)
        {
            Assert.Contains("fuzz", error.Message, StringComparison.Ordinal);
        }

        return GC.GetAllocatedBytesForCurrentThread() - before < AllowedPerFile;
    }
}
