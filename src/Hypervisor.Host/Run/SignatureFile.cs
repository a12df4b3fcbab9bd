using System.Globalization;
using Hypervisor.Core;
using Hypervisor.Core.Memory;
using Hypervisor.Guests.Common;

namespace Hypervisor.Host.Run;

/// <summary>
/// The results of a RISC-V test program as the RISC-V world's frameworks compare them: memory from <c>begin_signature</c> to
/// <c>end_signature</c>, a line of hexadecimal digits for each unit, the unit's last byte first.
/// </summary>
internal static class SignatureFile
{
    /// <summary>Whether a line may hold units of so many bytes.</summary>
    public static bool IsGranularity(int bytes) => bytes is 1 or 2 or 4 or 8 or 16;

    /// <summary>Checks, before the guest runs, that there will be something to write.</summary>
    /// <exception cref="HypervisorException">The image has no signature in the guest's RAM.</exception>
    public static void Check(BoardGuest guest, string kernel)
    {
        if (guest.Signature is not { } range)
            throw new HypervisorException($"--signature: '{kernel}' has no symbols begin_signature and end_signature; it must be an ELF that was not stripped, booted without firmware.");
        MemoryRegion ram = guest.Machine.Memory.Region;
        if (range.End < range.Start || !guest.Machine.Memory.Contains(range.Start, range.End - range.Start))
            throw new HypervisorException(
                $"--signature: begin_signature 0x{range.Start:x} to end_signature 0x{range.End:x} in '{kernel}' is no range of the guest's RAM, 0x{ram.Size:x} bytes at 0x{ram.Base:x}.");
    }

    /// <summary>Writes the signature.</summary>
    public static void Write(BoardGuest guest, int granularity, Stream file)
    {
        (ulong start, ulong end) = guest.Signature!.Value;
        using var writer = new StreamWriter(file, leaveOpen: true) { NewLine = "\n" };
        var unit = new byte[granularity];
        for (ulong at = start; at < end; at += (ulong)granularity)
        {
            Array.Clear(unit);
            guest.Machine.Memory.TryRead(at, unit.AsSpan(0, (int)Math.Min((ulong)granularity, end - at)));
            for (int i = granularity - 1; i >= 0; i--)
                writer.Write(unit[i].ToString("x2", CultureInfo.InvariantCulture));
            writer.WriteLine();
        }
    }
}
