using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Hypervisor.Core.Devices;

/// <summary>Holes in files: bytes that read as zero and take no storage.</summary>
internal static partial class FileHoles
{
    private const int KeepSize = 1;
    private const int PunchHole = 2;

    /// <summary>Makes a hole; false, with nothing changed, where system or file system has none.</summary>
    public static bool TryPunch(SafeFileHandle file, long offset, long length)
        => OperatingSystem.IsLinux() && Environment.Is64BitProcess && Allocate(file, KeepSize | PunchHole, offset, length) == 0;

    [LibraryImport("libc", EntryPoint = "fallocate", SetLastError = true)]
    private static partial int Allocate(SafeFileHandle file, int mode, long offset, long length);
}
