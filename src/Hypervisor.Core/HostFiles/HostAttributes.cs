namespace Hypervisor.Core.HostFiles;

/// <summary>What the host tells of a file, in Linux's terms. Times are seconds and nanoseconds since 1970; zero where one is not kept.</summary>
internal readonly record struct HostAttributes(
    uint Mode, uint User, uint Group, uint Links, ulong Inode, ulong Device, ulong SpecialDevice, ulong Size, ulong Blocks, uint BlockSize,
    (long Seconds, uint Nanoseconds) Accessed, (long Seconds, uint Nanoseconds) Modified, (long Seconds, uint Nanoseconds) Changed,
    (long Seconds, uint Nanoseconds) Born)
{
    public const uint TypeMask = 0xF000;
    public const uint TypeFifo = 0x1000;
    public const uint TypeDirectory = 0x4000;
    public const uint TypeRegular = 0x8000;
    public const uint TypeLink = 0xA000;
    public const uint TypeSocket = 0xC000;

    public bool IsDirectory => (Mode & TypeMask) == TypeDirectory;

    public bool IsRegular => (Mode & TypeMask) == TypeRegular;

    public bool IsLink => (Mode & TypeMask) == TypeLink;
}

/// <summary>Errors of the host's file calls that are told apart here, by Linux's numbers.</summary>
internal static class HostError
{
    public const int NotPermitted = 1;
    public const int NotFound = 2;
    public const int InputOutput = 5;
    public const int BadDescriptor = 9;
    public const int TryAgain = 11;
    public const int AccessDenied = 13;
    public const int Exists = 17;
    public const int CrossDevice = 18;
    public const int NotDirectory = 20;
    public const int IsDirectory = 21;
    public const int Invalid = 22;
    public const int TooManyFiles = 24;
    public const int NoSpace = 28;
    public const int ReadOnlyFileSystem = 30;
    public const int NameTooLong = 36;
    public const int NotEmpty = 39;
    public const int Protocol = 71;
    public const int NotSupported = 95;
}
