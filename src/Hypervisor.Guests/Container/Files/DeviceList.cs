namespace Hypervisor.Guests.Container.Files;

/// <summary>What /dev of a container has before a program changes it.</summary>
internal sealed class DeviceList(Container container) : ILowerDirectory
{
    private static readonly string[] s_names =
        ["null", "zero", "full", "random", "urandom", "tty", "ptmx", "pts", "console", "fd", "stdin", "stdout", "stderr", "shm", "blk"];

    public bool IsCounted => true;

    public Inode? Open(string name, FileStore store) => name switch
    {
        "null" => Device(1, 3, (inode, flags) => new NullFile(inode, flags)),
        "zero" => Device(1, 5, (inode, flags) => new ZeroFile(inode, flags, full: false)),
        "full" => Device(1, 7, (inode, flags) => new ZeroFile(inode, flags, full: true)),
        "random" => Device(1, 8, (inode, flags) => new RandomFile(inode, flags, container.Random)),
        "urandom" => Device(1, 9, (inode, flags) => new RandomFile(inode, flags, container.Random)),
        "tty" => new ControllingTerminalInode(container.Store),
        "ptmx" => new PtyMasterInode(container),
        "pts" => ContainerTree.Terminals(container),
        "console" => Device(5, 1, (inode, flags) => ContainerTree.Stream(container, inode, 1, flags)),
        "fd" => new Symlink(container.Store, "/proc/self/fd"),
        "stdin" => new Symlink(container.Store, "/proc/self/fd/0"),
        "stdout" => new Symlink(container.Store, "/proc/self/fd/1"),
        "stderr" => new Symlink(container.Store, "/proc/self/fd/2"),
        "shm" => new MemoryDirectory(container.Store, 0x3FF),
        "blk" => new MemoryFile(container.Store, 0x1B6),
        _ => null,
    };

    public bool Exists(string name) => Array.IndexOf(s_names, name) >= 0;

    public IEnumerable<string> Names() => s_names;

    private DeviceInode Device(uint major, uint minor, Func<DeviceInode, int, OpenFile> open) => new(container.Store, major, minor, open);
}
