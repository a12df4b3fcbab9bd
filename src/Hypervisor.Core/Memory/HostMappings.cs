using System.Runtime.InteropServices;

namespace Hypervisor.Core.Memory;

/// <summary>The system's calls for mappings, imported once.</summary>
internal static partial class HostMappings
{
    /// <summary>What <see cref="Map"/> gives where the host refuses.</summary>
    public const nint Failed = -1;

    public const int Read = 1;
    public const int Write = 2;
    public const int Execute = 4;
    public const int Shared = 1;
    public const int Private = 2;
    public const int Fixed = 0x10;

    /// <summary>Memory files are not handed on to programs that are started.</summary>
    public const uint CloseOnExec = 1;

    [LibraryImport("libc", EntryPoint = "mmap")]
    public static partial nint Map(nint address, nuint length, int protection, int flags, int descriptor, nint offset);

    [LibraryImport("libc", EntryPoint = "munmap")]
    public static partial int Unmap(nint address, nuint length);

    [LibraryImport("libc", EntryPoint = "madvise")]
    public static partial int Advise(nint address, nuint length, int advice);

    /// <summary>Linux alone.</summary>
    [LibraryImport("libc", EntryPoint = "memfd_create", StringMarshalling = StringMarshalling.Utf8)]
    public static partial int CreateMemoryFile(string name, uint flags);

    [LibraryImport("libc", EntryPoint = "ftruncate")]
    public static partial int SetLength(int descriptor, long length);
}
