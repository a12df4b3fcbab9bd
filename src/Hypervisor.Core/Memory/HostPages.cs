using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using static Hypervisor.Core.Memory.HostMappings;

namespace Hypervisor.Core.Memory;

/// <summary>
/// Zeroed, page-aligned, lazily committed host memory: an anonymous private mapping where the system has one, the C
/// allocator elsewhere. Invariant: <see cref="Base"/> is valid for exactly <see cref="Length"/> bytes until disposal.
/// </summary>
internal sealed unsafe class HostPages : IDisposable
{
    private const int DontNeed = 4;

    private readonly bool _mapped;
    private byte* _base;

    private HostPages(byte* start, nuint length, bool mapped)
    {
        _base = start;
        Length = length;
        _mapped = mapped;
    }

    ~HostPages() => Release();

    /// <summary>Whether pages cost nothing until they are touched, so that more may be reserved than the host has.</summary>
    public static bool AreLazy => OperatingSystem.IsLinux() || OperatingSystem.IsMacOS();

    /// <summary>The first byte.</summary>
    public byte* Base => _base;

    /// <summary>Bytes, a multiple of the page size.</summary>
    public nuint Length { get; }

    /// <summary>Reserves <paramref name="length"/> zero bytes without committing them.</summary>
    /// <exception cref="HypervisorException">The host cannot give that much.</exception>
    public static HostPages Allocate(nuint length)
    {
        length = (length + 4095) & ~(nuint)4095;
        if (AreLazy)
        {
            int flags = Private | (OperatingSystem.IsLinux() ? 0x20 | 0x4000 : 0x1000 | 0x40);
            nint address = Map(0, length, Read | Write, flags, -1, 0);
            if (address == Failed)
                throw OutOfHostMemory(length);
            return new HostPages((byte*)address, length, mapped: true);
        }

        try
        {
            var start = (byte*)NativeMemory.AlignedAlloc(length, 4096);
            NativeMemory.Clear(start, length);
            return new HostPages(start, length, mapped: false);
        }
        catch (OutOfMemoryException error)
        {
            throw new HypervisorException(OutOfHostMemory(length).Message, error);
        }
    }

    /// <summary>Gives pages back, to be zero when they are touched again. Both must be multiples of the page size, within the pages.</summary>
    public void Discard(nuint offset, nuint length)
    {
        if (_mapped && OperatingSystem.IsLinux() && Advise((nint)(_base + offset), length, DontNeed) == 0)
            return;
        NativeMemory.Clear(_base + offset, length);
    }

    /// <summary>
    /// Puts a range's content into an object that other mappings can join, and maps that object in its place; null where the
    /// host has no such objects or no room. What other threads write to the range meanwhile may be lost.
    /// </summary>
    public SafeFileHandle? TryShare(nuint offset, nuint length)
    {
        if (!_mapped || !OperatingSystem.IsLinux())
            return null;
        nint descriptor = CreateMemoryFile("guest-grant", CloseOnExec);
        if (descriptor < 0)
            return null;
        var file = new SafeFileHandle(descriptor, ownsHandle: true);
        try
        {
            RandomAccess.SetLength(file, (long)length);
            RandomAccess.Write(file, new ReadOnlySpan<byte>(_base + offset, (int)length), 0);
            if (TryJoin(file, offset, length))
                return file;
        }
        catch (IOException)
        {
            // The host has no memory left for it: told by null.
        }

        file.Dispose();
        return null;
    }

    /// <summary>Maps a shared object in place of a range, whose content is lost; false where the host refuses.</summary>
    public bool TryJoin(SafeFileHandle shared, nuint offset, nuint length)
        => Map((nint)(_base + offset), length, Read | Write, Shared | Fixed, (int)shared.DangerousGetHandle(), 0) != Failed;

    /// <summary>Makes a range that was shared this mapping's own again, zeroed; false where the host refuses.</summary>
    public bool TryLeave(nuint offset, nuint length)
        => Map((nint)(_base + offset), length, Read | Write, Private | Fixed | 0x20 | 0x4000, -1, 0) != Failed;

    public void Dispose()
    {
        Release();
        GC.SuppressFinalize(this);
    }

    private void Release()
    {
        if (_base == null)
            return;
        if (_mapped)
            _ = Unmap((nint)_base, Length);
        else
            NativeMemory.AlignedFree(_base);
        _base = null;
    }

    private static HypervisorException OutOfHostMemory(nuint length)
        => new($"The host refused {length >> 20} MiB of memory for a guest; ask for less memory or stop other guests.");
}
