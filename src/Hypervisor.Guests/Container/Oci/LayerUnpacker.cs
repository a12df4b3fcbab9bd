using System.Formats.Tar;
using System.Globalization;
using System.Text;
using Hypervisor.Core;
using Hypervisor.Guests.Container.Files;
using Microsoft.Win32.SafeHandles;

namespace Hypervisor.Guests.Container.Oci;

/// <summary>
/// Unpacks one layer into a directory of the host, name by name under directories that it opened itself: no <c>..</c>, no
/// absolute path and no link that an earlier entry made leads out of it.
/// </summary>
internal sealed class LayerUnpacker
{
    private const uint OwnerMayRead = 0x100, OwnerMayWrite = 0x80, OwnerMayEnter = 0x40;
    private const int DeepestPath = 256;

    private readonly HostTreeDirectory _root;
    private readonly StringBuilder _owners = new();

    public LayerUnpacker(string directory) => _root = new HostVolume(new FileStore(() => 0, 0), directory).Root;

    /// <summary>Unpacks all entries, and writes what the host does not keep to a file.</summary>
    /// <exception cref="HypervisorException">An entry leads out, or cannot be made.</exception>
    public void Unpack(Stream tar, string ownersFile)
    {
        using var reader = new TarReader(tar, leaveOpen: true);
        while (reader.GetNextEntry() is { } entry)
        {
            switch (entry.EntryType)
            {
                case TarEntryType.Directory or TarEntryType.DirectoryList:
                    MakeDirectory(entry);
                    break;
                case TarEntryType.RegularFile or TarEntryType.V7RegularFile or TarEntryType.ContiguousFile or TarEntryType.SparseFile:
                    MakeFile(entry);
                    break;
                case TarEntryType.SymbolicLink:
                    (HostFolder folder, string name) = Place(entry.Name);
                    Clear(folder, name);
                    Check(folder.MakeSymlink(name, KernelText.FromHost(entry.LinkName)), entry);
                    SetTime(folder, name, entry);
                    break;
                case TarEntryType.HardLink:
                    MakeLink(entry);
                    break;
                default:
                    // Devices and pipes are the container kernel's own; headers of formats carry nothing.
                    break;
            }
        }

        if (_owners.Length > 0)
            File.WriteAllText(ownersFile, _owners.ToString());
    }

    private void MakeDirectory(TarEntry entry)
    {
        if (Parts(entry.Name).Count == 0)
            return;
        (HostFolder folder, string name) = Place(entry.Name);
        bool isThere = folder.Status(name, out HostStatus status) == 0 && (status.Mode & InodeMode.TypeMask) == InodeMode.Directory;
        uint mode = (uint)entry.Mode & InodeMode.Permissions;
        uint kept = mode & 0x1FF | OwnerMayRead | OwnerMayWrite | OwnerMayEnter;
        if (!isThere)
        {
            Clear(folder, name);
            Check(folder.MakeFolder(name, kept), entry);
        }

        Check(folder.ChangeMode(name, kept), entry);
        Note(entry, mode, kept);
    }

    private void MakeFile(TarEntry entry)
    {
        (HostFolder folder, string name) = Place(entry.Name);
        Clear(folder, name);
        uint mode = (uint)entry.Mode & InodeMode.Permissions;
        uint kept = mode & 0x1FF | OwnerMayRead | OwnerMayWrite;
        Check(folder.OpenFile(name, forWriting: true, isNew: true, kept, out SafeFileHandle? handle), entry);
        using (var file = new FileStream(handle!, FileAccess.Write))
            entry.DataStream?.CopyTo(file);
        Check(folder.ChangeMode(name, kept), entry);
        SetTime(folder, name, entry);
        Note(entry, mode, kept);
    }

    private void MakeLink(TarEntry entry)
    {
        (HostFolder from, string target) = Place(entry.LinkName);
        (HostFolder folder, string name) = Place(entry.Name);
        if (from.Status(target, out HostStatus status) != 0 || (status.Mode & InodeMode.TypeMask) == InodeMode.Directory)
            throw new HypervisorException($"The layer's entry '{entry.Name}' is a link to '{entry.LinkName}', which is no file in it.");
        if (Parts(entry.Name).SequenceEqual(Parts(entry.LinkName)))
            return;
        Clear(folder, name);
        Check(from.Link(target, folder, name), entry);
    }

    /// <summary>The directory of an entry, made where it is missing, and its name in it.</summary>
    private (HostFolder Folder, string Name) Place(string path)
    {
        List<string> parts = Parts(path);
        if (parts.Count == 0)
            throw new HypervisorException($"The layer has an entry '{path}' without a name.");
        HostTreeDirectory at = _root;
        foreach (string part in parts.Take(parts.Count - 1))
        {
            Inode? next = at.Lookup(part);
            if (next is null && at.Make(part, InodeMode.Directory | 0x1ED, out next) != 0)
                throw new HypervisorException($"The layer's entry '{path}' cannot be unpacked: '{part}' cannot be made.");
            at = next as HostTreeDirectory ?? throw new HypervisorException($"The layer's entry '{path}' leads through '{part}', which is no directory in it.");
        }

        int error = at.TryFolder(out HostFolder? folder);
        return error == 0 ? (folder!, parts[^1]) : throw new HypervisorException($"The layer's entry '{path}' cannot be unpacked: error {-error}.");
    }

    private static List<string> Parts(string path)
    {
        List<string> parts = [.. path.Split('/', StringSplitOptions.RemoveEmptyEntries).Where(part => part != ".").Select(KernelText.FromHost)];
        if (parts.Contains("..") || path.Contains('\0', StringComparison.Ordinal) || parts.Count > DeepestPath)
            throw new HypervisorException($"The layer has an entry '{path}', which leads out of it.");
        return parts;
    }

    private static void SetTime(HostFolder folder, string name, TarEntry entry)
    {
        long time = (entry.ModificationTime.UtcTicks - DateTime.UnixEpoch.Ticks) * 100;
        Check(folder.ChangeTimes(name, time, time), entry);
    }

    /// <summary>A later entry replaces an earlier one of its name.</summary>
    private static void Clear(HostFolder folder, string name)
    {
        if (folder.Status(name, out HostStatus status) == 0)
            folder.Remove(name, (status.Mode & InodeMode.TypeMask) == InodeMode.Directory);
    }

    private static void Check(int error, TarEntry entry)
    {
        if (error != 0)
            throw new HypervisorException($"The layer's entry '{entry.Name}' cannot be unpacked: error {-error}.");
    }

    /// <summary>Owners are the host user's, and permissions at least what unpacking needs: what the image says is written down.</summary>
    private void Note(TarEntry entry, uint mode, uint kept)
    {
        string path = string.Join('/', Parts(entry.Name).Select(KernelText.ToHost));
        if ((entry.Uid != 0 || entry.Gid != 0 || mode != kept) && !path.Contains('\n', StringComparison.Ordinal))
            _owners.Append(CultureInfo.InvariantCulture, $"{mode} {(uint)entry.Uid} {(uint)entry.Gid} {path}\n");
    }
}
