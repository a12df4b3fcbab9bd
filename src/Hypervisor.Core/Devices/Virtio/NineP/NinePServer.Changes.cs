using Hypervisor.Core.HostFiles;
using Microsoft.Win32.SafeHandles;

namespace Hypervisor.Core.Devices.Virtio.NineP;

/// <summary>Requests that change the share, and those that list it.</summary>
internal sealed partial class NinePServer
{
    private const uint KeepOwner = uint.MaxValue;

    private const uint SetMode = 1;
    private const uint SetUser = 2;
    private const uint SetGroup = 4;
    private const uint SetSize = 8;
    private const uint SetAccessed = 16;
    private const uint SetModified = 32;
    private const uint AccessedIsGiven = 128;
    private const uint ModifiedIsGiven = 256;
    private const long Now = (1L << 30) - 1;
    private const long Omit = (1L << 30) - 2;

    /// <summary>Lists a directory from a place on: entries of qid, place of the next, type and name.</summary>
    /// <param name="number">The fid.</param>
    /// <param name="place">Where to begin: zero, or what an entry said.</param>
    /// <param name="target">Takes whole entries.</param>
    /// <returns>Bytes written, or the error, negated.</returns>
    public int ReadDirectory(uint number, ulong place, Span<byte> target)
    {
        int error = OpenFile(number, out SafeFileHandle? directory);
        if (error < 0)
            return error;
        HostNode node = _fids[number].Node;
        var writer = new NinePWriter(target);
        Span<byte> entries = stackalloc byte[4096];
        while (true)
        {
            int read = HostNode.ReadEntries(directory!, (long)place, entries);
            if (read < 0)
                return writer.Length > 0 ? writer.Length : read;
            if (read == 0)
                return writer.Length;
            for (ReadOnlySpan<byte> left = entries[..read]; DirectoryRecord.TryTake(ref left, out DirectoryRecord entry);)
            {
                if (QidSize + 8 + 1 + 2 + entry.Name.Length > target.Length - writer.Length)
                    return writer.Length;
                WriteEntry(node, entry, ref writer);
                place = entry.Next;
            }
        }
    }

    private static void WriteEntry(HostNode directory, scoped DirectoryRecord entry, ref NinePWriter writer)
    {
        ReadOnlySpan<byte> name = entry.Name;
        int before = writer.Length;
        if (Step(directory, name.SequenceEqual("."u8) ? ".."u8 : name, out HostNode? node) < 0 || WriteQid(node!, ref writer) < 0)
        {
            // It went away meanwhile: listed as it was.
            if (writer.Length == before)
            {
                writer.Byte(entry.IsDirectory ? (byte)0x80 : (byte)0);
                writer.Word(0);
                writer.Long(entry.Inode);
            }
        }

        node?.Dispose();
        writer.Long(entry.Next);
        writer.Byte(entry.Type);
        writer.Text(name);
    }

    private int Change(NinePType type, ref NinePReader reader, ref NinePWriter writer)
    {
        switch (type)
        {
            case NinePType.SetAttributes:
                return SetAttributes(ref reader);
            case NinePType.Remove:
                // Which name a file has is not known from its number: Linux asks by unlinkat.
                Clunk(reader.Word());
                return -HostError.NotSupported;
            case NinePType.Create or NinePType.Symlink or NinePType.MakeNode or NinePType.MakeDirectory:
                return Make(type, ref reader, ref writer);
            case NinePType.Link:
                return At(reader.Word(), out Fid? directory) is var error and < 0 || (error = At(reader.Word(), out Fid? file)) < 0
                    ? error
                    : directory!.Node.Link(reader.Text(), file!.Node);
            case NinePType.RenameAt:
                return RenameAt(ref reader);
            case NinePType.UnlinkAt:
                if (At(reader.Word(), out Fid? from) is var missing and < 0)
                    return missing;
                ReadOnlySpan<byte> name = reader.Text();
                return from!.Node.Unlink(name, (reader.Word() & LinuxFiles.RemoveDirectory) != 0);
            default:
                // Authentication, extended attributes, and the renaming of what a number stands for, which Linux asks by RenameAt.
                return -HostError.NotSupported;
        }
    }

    private int At(uint number, out Fid? fid) => _fids.TryGetValue(number, out fid) ? 0 : -HostError.BadDescriptor;

    private int RenameAt(ref NinePReader reader)
    {
        int error = At(reader.Word(), out Fid? from);
        ReadOnlySpan<byte> name = reader.Text();
        if (error < 0 || (error = At(reader.Word(), out Fid? to)) < 0)
            return error;
        return from!.Node.Rename(name, to!.Node, reader.Text());
    }

    /// <summary>Makes something in a directory. What is made belongs to whom the guest says, where the host allows that.</summary>
    private int Make(NinePType type, ref NinePReader reader, ref NinePWriter writer)
    {
        int error = At(reader.Word(), out Fid? directory);
        if (error < 0)
            return error;
        ReadOnlySpan<byte> name = reader.Text();
        SafeFileHandle? file = null;
        uint group;
        switch (type)
        {
            case NinePType.Create:
                if (directory!.File is not null)
                    return -HostError.Invalid;
                int flags = (int)reader.Word();
                uint mode = reader.Word();
                group = reader.Word();
                error = directory.Node.Create(name, flags & ~LinuxFiles.Append, mode, out file);
                break;
            case NinePType.Symlink:
                ReadOnlySpan<byte> target = reader.Text();
                group = reader.Word();
                error = directory!.Node.MakeLink(name, target);
                break;
            case NinePType.MakeDirectory:
                mode = reader.Word();
                group = reader.Word();
                error = directory!.Node.MakeDirectory(name, mode);
                break;
            default:
                mode = reader.Word();
                reader.Long();
                group = reader.Word();
                error = directory!.Node.MakeNode(name, mode);
                break;
        }

        if (error < 0 || (error = directory.Node.Walk(name, out HostNode? made)) < 0)
        {
            file?.Dispose();
            return error;
        }

        made!.SetOwner(KeepOwner, group);
        error = WriteQid(made, ref writer);
        if (file is null)
        {
            made.Dispose();
            return error;
        }

        // The directory's number now stands for the open file.
        directory.Node.Dispose();
        directory.Node = made;
        directory.File = file;
        writer.Word(0);
        return error;
    }

    private int SetAttributes(ref NinePReader reader)
    {
        int error = At(reader.Word(), out Fid? fid);
        if (error < 0)
            return error;
        uint valid = reader.Word();
        uint mode = reader.Word();
        uint user = reader.Word();
        uint group = reader.Word();
        ulong size = reader.Long();
        (long, long) accessed = ((long)reader.Long(), (long)reader.Long());
        (long, long) modified = ((long)reader.Long(), (long)reader.Long());
        HostNode node = fid!.Node;
        if (reader.IsShort || ((valid & SetSize) != 0 && size > long.MaxValue))
            return -HostError.Invalid;
        if ((valid & (SetUser | SetGroup)) != 0)
            error = node.SetOwner((valid & SetUser) != 0 ? user : KeepOwner, (valid & SetGroup) != 0 ? group : KeepOwner);
        if (error == 0 && (valid & SetMode) != 0)
            error = node.SetMode(mode);
        if (error == 0 && (valid & SetSize) != 0)
            error = node.SetSize((long)size);
        if (error == 0 && (valid & (SetAccessed | SetModified)) != 0)
        {
            error = node.SetTimes(
                (valid & SetAccessed) == 0 ? (0, Omit) : (valid & AccessedIsGiven) == 0 ? (0, Now) : accessed,
                (valid & SetModified) == 0 ? (0, Omit) : (valid & ModifiedIsGiven) == 0 ? (0, Now) : modified);
        }

        return error;
    }
}
