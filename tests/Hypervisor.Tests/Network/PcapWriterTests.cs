using System.Buffers.Binary;
using Hypervisor.Core.Network;

namespace Hypervisor.Tests.Network;

/// <summary>Captures, read by the words of the format (draft-ietf-opsawg-pcap) and nothing of the writer's.</summary>
public sealed class PcapWriterTests
{
    [Fact]
    public void Write_FramesOfAnyLength_AreReadBack()
    {
        const long epoch = 1_700_000_000_999_999_000;
        byte[][] frames = [new byte[14], [.. Enumerable.Range(0, 1514).Select(i => (byte)i)], new byte[61]];
        var stream = new MemoryStream();
        using (var writer = new PcapWriter(stream, epoch))
        {
            for (int i = 0; i < frames.Length; i++)
                writer.Write(frames[i], i * 700L);
            Assert.Equal(0, writer.Lost);
        }

        ReadOnlySpan<byte> file = stream.ToArray();
        uint[] header = [0xa1b2_3c4d, 4 << 16 | 2, 0, 0, 65_536, 1];
        for (int i = 0; i < header.Length; i++)
            Assert.Equal(header[i], BinaryPrimitives.ReadUInt32LittleEndian(file[(i * 4)..]));
        file = file[24..];
        for (int i = 0; i < frames.Length; i++)
        {
            long time = (BinaryPrimitives.ReadUInt32LittleEndian(file) * 1_000_000_000L) + BinaryPrimitives.ReadUInt32LittleEndian(file[4..]);
            Assert.Equal(epoch + (i * 700), time);
            Assert.True(BinaryPrimitives.ReadUInt32LittleEndian(file[4..]) < 1_000_000_000);
            Assert.Equal(frames[i].Length, BinaryPrimitives.ReadInt32LittleEndian(file[8..]));
            Assert.Equal(frames[i].Length, BinaryPrimitives.ReadInt32LittleEndian(file[12..]));
            Assert.Equal(frames[i], file.Slice(16, frames[i].Length));
            file = file[(16 + frames[i].Length)..];
        }

        Assert.True(file.IsEmpty);
    }
}
