using System.Runtime.InteropServices;
using Hypervisor.Core.HostFiles;
using Microsoft.Win32.SafeHandles;

namespace Hypervisor.Guests.Container.Files;

/// <summary>
/// A directory of the host that is held open. What is in it is reached by single names, never through a symbolic link. Calls
/// give 0 or a negated error.
/// </summary>
internal abstract class HostFolder : IDisposable
{
    /// <summary>Opens a directory that the user named; links on the way to it are the user's own and are followed.</summary>
    /// <exception cref="Core.HypervisorException">There is no such directory.</exception>
    public static HostFolder Open(string path)
    {
        if (!HostCalls.AreThere)
        {
            return Directory.Exists(path) ? new PortableHostFolder(Path.GetFullPath(path)) : throw new Core.HypervisorException($"There is no directory '{path}'.");
        }

        int descriptor = HostCalls.Open(LinuxFiles.CurrentDirectory, KernelText.FromHost(path), LinuxFiles.DirectoryOnly, 0);
        return descriptor >= 0
            ? new LinuxHostFolder(descriptor)
            : throw new Core.HypervisorException($"The directory '{path}' cannot be opened: {Marshal.GetPInvokeErrorMessage(-descriptor)}.");
    }

    public abstract int Status(string name, out HostStatus status);

    public abstract IReadOnlyList<string> Names();

    public abstract int OpenFolder(string name, out HostFolder? folder);

    /// <summary>Opens a regular file; made where it is new and must not exist then.</summary>
    public abstract int OpenFile(string name, bool forWriting, bool isNew, uint mode, out SafeFileHandle? file);

    public abstract int MakeFolder(string name, uint mode);

    public abstract int MakeSymlink(string name, string target);

    public abstract int ReadLink(string name, out string target);

    public abstract int Remove(string name, bool isFolder);

    public abstract int Rename(string name, HostFolder to, string newName);

    public abstract int Link(string name, HostFolder to, string newName);

    public abstract int ChangeMode(string name, uint mode);

    public abstract int ChangeOwner(string name, uint uid, uint gid);

    public abstract int ChangeTimes(string name, long access, long modify);

    public abstract void Dispose();
}

/// <summary>By Linux's own calls.</summary>
internal sealed class LinuxHostFolder : HostFolder
{
    private readonly SafeFileHandle _handle;

    public LinuxHostFolder(int descriptor) => _handle = new SafeFileHandle(descriptor, ownsHandle: true);

    private int Descriptor => (int)_handle.DangerousGetHandle();

    public override int Status(string name, out HostStatus status) => HostCalls.Status(Descriptor, name, out status);

    public override IReadOnlyList<string> Names() => HostCalls.Names(Descriptor);

    public override int OpenFolder(string name, out HostFolder? folder)
    {
        int descriptor = HostCalls.Open(Descriptor, name, LinuxFiles.DirectoryOnly | LinuxFiles.NoFollowLink, 0);
        folder = descriptor >= 0 ? new LinuxHostFolder(descriptor) : null;
        return Math.Min(descriptor, 0);
    }

    public override int OpenFile(string name, bool forWriting, bool isNew, uint mode, out SafeFileHandle? file)
    {
        // Without blocking, for what was put in the file's place meanwhile may be a pipe.
        int flags = (forWriting ? LinuxFiles.ReadWrite : LinuxFiles.ReadOnly) | LinuxFiles.NoFollowLink | LinuxFiles.NonBlocking | (isNew ? LinuxFiles.Create | LinuxFiles.Exclusive : 0);
        int descriptor = HostCalls.Open(Descriptor, name, flags, mode);
        file = null;
        if (descriptor < 0)
            return descriptor;
        if (HostCalls.Status(descriptor, out HostStatus status) < 0 || (status.Mode & InodeMode.TypeMask) != InodeMode.Regular)
        {
            _ = LinuxFiles.Close(descriptor);
            return -Errno.ENXIO;
        }

        file = new SafeFileHandle(descriptor, ownsHandle: true);
        return 0;
    }

    public override int MakeFolder(string name, uint mode) => HostCalls.MakeDirectory(Descriptor, name, mode);

    public override int MakeSymlink(string name, string target) => HostCalls.MakeSymlink(target, Descriptor, name);

    public override int ReadLink(string name, out string target) => Math.Min(HostCalls.ReadLink(Descriptor, name, out target), 0);

    public override int Remove(string name, bool isFolder) => HostCalls.Remove(Descriptor, name, isFolder);

    public override int Rename(string name, HostFolder to, string newName) => HostCalls.Rename(Descriptor, name, ((LinuxHostFolder)to).Descriptor, newName);

    public override int Link(string name, HostFolder to, string newName) => HostCalls.Link(Descriptor, name, ((LinuxHostFolder)to).Descriptor, newName);

    public override int ChangeMode(string name, uint mode) => HostCalls.ChangeMode(Descriptor, name, mode);

    public override int ChangeOwner(string name, uint uid, uint gid) => HostCalls.ChangeOwner(Descriptor, name, uid, gid);

    public override int ChangeTimes(string name, long access, long modify) => HostCalls.ChangeTimes(Descriptor, name, access, modify);

    public override void Dispose() => _handle.Dispose();
}

/// <summary>
/// By the runtime's portable calls, on systems without Linux's: links are recognised and never followed, but a change between
/// the look and the act by somebody of the host is not; owners are not kept.
/// </summary>
internal sealed class PortableHostFolder(string path) : HostFolder
{
    public override int Status(string name, out HostStatus status)
    {
        status = default;
        if (Info(name) is not { } info)
            return -Errno.ENOENT;
        uint permissions = OperatingSystem.IsWindows() ? 0x1EDu : (uint)info.UnixFileMode & InodeMode.Permissions;
        status.Mode = permissions | (info.LinkTarget is not null ? InodeMode.Symlink : info is DirectoryInfo ? InodeMode.Directory
            : (info.Attributes & FileAttributes.Device) != 0 ? InodeMode.Character : InodeMode.Regular);
        status.Links = 1;
        status.Size = info is FileInfo { LinkTarget: null } file ? file.Length : 0;
        status.Blocks = (status.Size + 511) / 512;

        // No file number is at hand everywhere: the path, which is one file's here, stands for it.
        status.Number = (ulong)StringComparer.Ordinal.GetHashCode(info.FullName);
        status.ModifyTime = status.ChangeTime = (info.LastWriteTimeUtc.Ticks - DateTime.UnixEpoch.Ticks) * 100;
        status.AccessTime = (info.LastAccessTimeUtc.Ticks - DateTime.UnixEpoch.Ticks) * 100;
        status.BirthTime = info.CreationTimeUtc.Ticks;
        return 0;
    }

    public override IReadOnlyList<string> Names()
    {
        try
        {
            return [.. new DirectoryInfo(path).EnumerateFileSystemInfos().Select(info => KernelText.FromHost(info.Name))];
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }

    public override int OpenFolder(string name, out HostFolder? folder)
    {
        folder = Info(name) is DirectoryInfo { LinkTarget: null } info ? new PortableHostFolder(info.FullName) : null;
        return folder is null ? -Errno.ENOTDIR : 0;
    }

    public override int OpenFile(string name, bool forWriting, bool isNew, uint mode, out SafeFileHandle? file)
    {
        SafeFileHandle? opened = null;
        int error = !isNew && Info(name) is not FileInfo { LinkTarget: null } ? -Errno.ENXIO : Do(() => opened = File.OpenHandle(
            At(name), isNew ? FileMode.CreateNew : FileMode.Open, forWriting ? FileAccess.ReadWrite : FileAccess.Read, FileShare.ReadWrite | FileShare.Delete));
        file = opened;
        return error;
    }

    public override int MakeFolder(string name, uint mode) => Info(name) is not null ? -Errno.EEXIST : Do(() => Directory.CreateDirectory(At(name)));

    public override int MakeSymlink(string name, string target) => Info(name) is not null ? -Errno.EEXIST : Do(() => File.CreateSymbolicLink(At(name), KernelText.ToHost(target)));

    public override int ReadLink(string name, out string target)
    {
        target = KernelText.FromHost(Info(name)?.LinkTarget ?? "");
        return target.Length == 0 ? -Errno.EINVAL : 0;
    }

    public override int Remove(string name, bool isFolder) => Info(name) is null ? -Errno.ENOENT : Do(() =>
    {
        if (isFolder)
            Directory.Delete(At(name));
        else
            File.Delete(At(name));
    });

    public override int Rename(string name, HostFolder to, string newName)
    {
        var target = (PortableHostFolder)to;
        return Do(() =>
        {
            if (Info(name) is DirectoryInfo { LinkTarget: null })
            {
                if (target.Info(newName) is DirectoryInfo)
                    Directory.Delete(target.At(newName));
                Directory.Move(At(name), target.At(newName));
            }
            else
            {
                File.Move(At(name), target.At(newName), overwrite: true);
            }
        });
    }

    public override int Link(string name, HostFolder to, string newName) => -Errno.EPERM;

    public override int ChangeMode(string name, uint mode)
    {
        return Info(name) is not { LinkTarget: null } ? 0 : Do(() =>
        {
            if (!OperatingSystem.IsWindows())
                File.SetUnixFileMode(At(name), (UnixFileMode)(mode & InodeMode.Permissions));
        });
    }

    public override int ChangeOwner(string name, uint uid, uint gid) => 0;

    public override int ChangeTimes(string name, long access, long modify) => Info(name) is not { LinkTarget: null } ? 0 : Do(() =>
    {
        File.SetLastAccessTimeUtc(At(name), DateTime.UnixEpoch.AddTicks(access / 100));
        File.SetLastWriteTimeUtc(At(name), DateTime.UnixEpoch.AddTicks(modify / 100));
    });

    public override void Dispose()
    {
    }

    private static int Do(Action action)
    {
        try
        {
            action();
            return 0;
        }
        catch (UnauthorizedAccessException)
        {
            return -Errno.EACCES;
        }
        catch (IOException)
        {
            return -Errno.EIO;
        }
    }

    private string At(string name) => Path.Combine(path, KernelText.ToHost(name));

    private FileSystemInfo? Info(string name)
    {
        if (name.Length == 0 || name is "." or ".." || name.AsSpan().ContainsAny('/', '\0', Path.DirectorySeparatorChar) || name.Contains(Path.VolumeSeparatorChar))
            return null;
        var file = new FileInfo(At(name));
        if (file.LinkTarget is not null)
            return file;
        if (Directory.Exists(At(name)))
            return new DirectoryInfo(At(name));
        return file.Exists ? file : null;
    }
}
