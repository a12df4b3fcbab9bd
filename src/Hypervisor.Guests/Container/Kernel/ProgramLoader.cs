using System.Buffers.Binary;
using Hypervisor.Core;
using Hypervisor.Core.Hart;
using Hypervisor.Guests.Common;
using Hypervisor.Guests.Container.Files;
using Hypervisor.Guests.Container.Isolation;
using Hypervisor.Guests.Container.Memory;

namespace Hypervisor.Guests.Container.Kernel;

/// <summary>execve's half of loading: an address space from an ELF program, its interpreter, its stack and auxiliary vector.</summary>
internal static unsafe class ProgramLoader
{
    /// <summary>Where the code lies that a signal handler returns to.</summary>
    public const ulong TrampolineAddress = AddressSpace.Limit - 0x1000;

    private const ulong StackTop = AddressSpace.Limit - 0x10_0000;
    private const ulong StackBytes = 8 << 20;
    private const ulong PieBase = 0x2A_AAAA_A000;
    private const ulong InterpreterBase = 0x3F_0000_0000;
    private const int MaximumArguments = 2 << 20;
    private const int MaximumScripts = 5;

    /// <summary>What is read of a program to learn what it is.</summary>
    private const int HeadBytes = 4096;

    /// <summary>Where anonymous mappings are placed, downwards.</summary>
    public const ulong MapCeiling = StackTop - StackBytes - 0x10_0000;

    /// <summary>Loads a program into a fresh space and prepares the registers to enter it; 0 or a negated error.</summary>
    public static int Load(Process process, string path, IReadOnlyList<string> arguments,
        IReadOnlyList<string> environment, AddressSpace space, HartState* registers, out LoadedProgram program)
    {
        program = default;
        string name = path;
        for (int depth = 0; ; depth++)
        {
            int error = Open(process, path, out Image image);
            if (error != 0)
                return error;
            if (image.Bytes.Length > 2 && image.Bytes.Span[0] == '#' && image.Bytes.Span[1] == '!')
            {
                if (depth == MaximumScripts)
                    return -Errno.ELOOP;
                (path, arguments) = Script(image.Bytes.Span, path, arguments);
                if (path.Length == 0)
                    return -Errno.ENOEXEC;
                continue;
            }

            program = new LoadedProgram(image.Path, Become(process.Credentials, image.Inode, image.MaySetId));
            return LoadElf(process, image, name, arguments, environment, space, registers, program.Credentials);
        }
    }

    /// <summary>The interpreter that a program names, for those who tell why it does not run; null where it names none.</summary>
    public static string? InterpreterOf(Process process, string path) => Open(process, path, out Image image) == 0 ? image.Elf?.Interpreter : null;

    /// <summary>Who a process is once it runs a program: set-id bits, and what capabilities that leaves (capabilities(7)).</summary>
    private static Credentials Become(Credentials old, Inode program, bool maySetId)
    {
        const uint setUid = 0x800, setGid = 0x400, groupExecutes = 8, noRoot = 1;
        Credentials now = old;
        if (!old.NoNewPrivileges && maySetId && old.TellUser(program.Uid, IdMap.None) != IdMap.None && old.TellGroup(program.Gid, IdMap.None) != IdMap.None)
        {
            if ((program.Mode & setUid) != 0)
                now = now with { EffectiveUid = program.Uid };
            if ((program.Mode & (setGid | groupExecutes)) == (setGid | groupExecutes))
                now = now with { EffectiveGid = program.Gid };
        }

        now = now with { SavedUid = now.EffectiveUid, FileUid = now.EffectiveUid, SavedGid = now.EffectiveGid, FileGid = now.EffectiveGid };
        bool changed = now.EffectiveUid != old.EffectiveUid || now.EffectiveGid != old.EffectiveGid;
        ulong ambient = changed ? 0 : old.Ambient;
        bool isRoot = (now.IsRoot(now.Uid) || now.IsRoot(now.EffectiveUid)) && (old.SecureBits & noRoot) == 0;
        ulong permitted = isRoot ? (old.Inheritable | old.Bounding) & (old.NoNewPrivileges ? old.Permitted : ulong.MaxValue) : ambient;
        return now with
        {
            Ambient = ambient,
            Permitted = permitted,
            Effective = isRoot ? now.IsRoot(now.EffectiveUid) ? permitted : 0 : ambient,
            SecureBits = old.SecureBits & ~(1u << 4),
        };
    }

    private static (string Path, IReadOnlyList<string> Arguments) Script(ReadOnlySpan<byte> image, string path, IReadOnlyList<string> arguments)
    {
        int end = image.IndexOf((byte)'\n');
        string line = KernelText.Decode(image[2..Math.Min(end < 0 ? image.Length : end, 256)]).Trim();
        string[] parts = line.Split([' ', '\t'], 2, StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        List<string> all = [parts.Length > 0 ? parts[0] : ""];
        if (parts.Length > 1)
            all.Add(parts[1]);
        all.Add(path);
        all.AddRange(arguments.Skip(1));
        return (all[0], all);
    }

    private static int Open(Process process, string path, out Image image)
    {
        image = default;
        int error = process.Paths.Resolve(process.Credentials, process.WorkingDirectory, path, followLast: true, out PathResult found, out _, process.Root);
        if (error != 0)
            return error;
        if (found.Inode is not { } file)
            return -Errno.ENOENT;
        if (!file.IsRegular || AccessCheck.Check(process.Credentials, file, AccessCheck.Execute) != 0)
            return -Errno.EACCES;

        // A file that no mount has, reached by way of /proc, is not that mount's.
        bool isNameless = found.Told is not null && found.Mount.Type == "proc";
        if ((found.Mount.Rights & MountRights.NoExecute) != 0 && !isNameless)
            return -Errno.EACCES;
        bool maySetId = (found.Mount.Rights & MountRights.NoSetId) == 0 && found.Mount.Namespace == process.Paths;
        if (file.Size > 512 << 20)
            return -Errno.ENOMEM;
        if (file.Pages is { Program: { } known } pages && known.Version == pages.Version)
        {
            image = new Image(known.Head, known.Elf, file, found.Path, maySetId);
            return 0;
        }

        long size = file.Size;
        if (!TryReadHead(file, (int)Math.Min(size, HeadBytes), out byte[] bytes))
            return -Errno.EIO;
        ElfImage? elf = null;
        if (ElfImage.IsElf(bytes))
        {
            elf = Parse(bytes, size, path);

            // Headers may stand anywhere in a file, though linkers put them first.
            if (elf is null && size > bytes.Length)
                elf = TryReadHead(file, (int)size, out bytes) ? Parse(bytes, size, path) : null;
            if (elf is null)
                return -Errno.ENOEXEC;

            if (file.Pages is { } fresh)
                fresh.Program = new ParsedProgram(fresh.Version, bytes, elf);
        }

        image = new Image(bytes, elf, file, found.Path, maySetId);
        return 0;
    }

    private static bool TryReadHead(Inode file, int length, out byte[] bytes)
    {
        bytes = new byte[length];
        return file.ReadAt(bytes, 0) == length;
    }

    private static ElfImage? Parse(byte[] head, long length, string path)
    {
        try
        {
            return ElfImage.ParseHead(head, (ulong)length, path);
        }
        catch (HypervisorException)
        {
            return null; // What is wrong with it, its caller cannot be told but by ENOEXEC.
        }
    }

    private static int LoadElf(Process process, in Image image, string name, IReadOnlyList<string> arguments,
        IReadOnlyList<string> environment, AddressSpace space, HartState* registers, Credentials credentials)
    {
        if (image.Elf is not { } elf)
            return -Errno.ENOEXEC;
        ulong bias = elf.IsPositionIndependent ? PieBase : 0;
        if (!TryMap(space, elf, bias, image.Inode, image.Path))
            return -Errno.ENOMEM;
        ulong entry = elf.Entry + bias;
        ulong interpreterBase = 0;
        if (elf.Interpreter is { } interpreter)
        {
            int error = Open(process, interpreter, out Image linker);
            if (error != 0)
                return error == -Errno.ENOEXEC ? -Errno.ELIBBAD : error;
            if (linker.Elf is not { } loader)
                return -Errno.ELIBBAD;
            interpreterBase = loader.IsPositionIndependent ? InterpreterBase : 0;
            if (!TryMap(space, loader, interpreterBase, linker.Inode, linker.Path))
                return -Errno.ENOMEM;
            entry = loader.Entry + interpreterBase;
        }

        space.BreakStart = space.Break = PageUp(elf.EndAddress + bias);
        space.Map(new Mapping(StackTop - StackBytes, StackTop, Protection.Read | Protection.Write | (elf.StackIsExecutable ? Protection.Execute : 0), false, null, 0, "[stack]"));
        space.Map(new Mapping(TrampolineAddress, TrampolineAddress + AddressSpace.PageSize, Protection.Read | Protection.Execute | Protection.Write, false, null, 0, "[vdso]"));

        // li a7, 139 (rt_sigreturn); ecall
        if (!space.TryWrite(TrampolineAddress, 0x0000_0073_08b0_0893UL))
            return -Errno.ENOMEM;
        space.Protect(TrampolineAddress, TrampolineAddress + AddressSpace.PageSize, Protection.Read | Protection.Execute);

        int stackError = BuildStack(process.Container, elf, bias, interpreterBase, name, arguments, environment, space, credentials, out ulong stack);
        if (stackError != 0)
            return stackError;
        new Span<ulong>(registers->X, 33).Clear();
        new Span<ulong>(registers->F, 32).Clear();
        registers->Fflags = registers->Frm = 0;
        VectorUnit.Reset(registers);
        registers->X[2] = stack;
        registers->Pc = entry;
        return 0;
    }

    private static bool TryMap(AddressSpace space, ElfImage elf, ulong bias, Inode file, string name)
    {
        foreach (ElfSegment segment in elf.Segments)
        {
            ulong start = (segment.VirtualAddress + bias) & ~(AddressSpace.PageSize - 1);
            ulong end = PageUp(segment.VirtualEnd + bias);
            if (end > AddressSpace.Limit)
                return false;
            Protection protection = ((segment.Access & ElfAccess.Read) != 0 ? Protection.Read : 0)
                | ((segment.Access & ElfAccess.Write) != 0 ? Protection.Write : 0) | ((segment.Access & ElfAccess.Execute) != 0 ? Protection.Execute : 0);
            bool mapped = file.Pages is not null && (segment.FileOffset - segment.VirtualAddress & (AddressSpace.PageSize - 1)) == 0
                && space.IsFree(start, end)
                ? TryMapPages(space, segment, bias, protection, file, name)
                : TryCopy(space, segment, bias, protection, file, name);
            if (!mapped)
                return false;
        }

        return true;
    }

    /// <summary>Maps a segment's pages from the file, as the kernel does with every well-formed program.</summary>
    private static bool TryMapPages(AddressSpace space, ElfSegment segment, ulong bias, Protection protection, Inode file, string name)
    {
        ulong start = (segment.VirtualAddress + bias) & ~(AddressSpace.PageSize - 1);
        ulong fileEnd = segment.VirtualAddress + bias + segment.FileSize;
        ulong end = PageUp(segment.VirtualEnd + bias);
        ulong pagesEnd = segment.FileSize == 0 ? start : PageUp(fileEnd);
        if (pagesEnd > start)
            space.Map(new Mapping(start, pagesEnd, protection | Protection.Write, false, file, (long)(segment.FileOffset - (segment.VirtualAddress & (AddressSpace.PageSize - 1))), name));
        if (end > pagesEnd)
            space.Map(new Mapping(pagesEnd, end, protection, false, null, 0, ""));

        // What the file holds behind the segment in its last page is not the segment's.
        if (segment.VirtualEnd + bias > fileEnd && (fileEnd & (AddressSpace.PageSize - 1)) != 0 && pagesEnd > start
            && !space.TryWrite(fileEnd, new byte[pagesEnd - fileEnd]))
            return false;
        if (pagesEnd > start && (protection & Protection.Write) == 0)
            space.Protect(start, pagesEnd, protection);
        return true;
    }

    /// <summary>Copies a segment that shares pages with another, or whose file cannot be mapped.</summary>
    private static bool TryCopy(AddressSpace space, ElfSegment segment, ulong bias, Protection protection, Inode file, string name)
    {
        ulong start = (segment.VirtualAddress + bias) & ~(AddressSpace.PageSize - 1);
        ulong end = PageUp(segment.VirtualEnd + bias);
        ulong free = start;

        // Segments may share a page at their edge: the later one then only extends what is mapped.
        while (free < end && !space.IsFree(free, free + AddressSpace.PageSize))
            free += AddressSpace.PageSize;
        if (free > start)
            space.Protect(start, free, Protection.Read | Protection.Write);
        if (free < end)
            space.Map(new Mapping(free, end, Protection.Read | Protection.Write, false, null, 0, name));
        if (segment.FileSize != 0)
        {
            // No more than the file's length, which was checked.
            var content = new byte[segment.FileSize];
            if (file.ReadAt(content, (long)segment.FileOffset) != content.Length || !space.TryWrite(segment.VirtualAddress + bias, content))
                return false;
        }

        space.Protect(start, end, protection);
        return true;
    }

    private static int BuildStack(Container container, ElfImage elf, ulong bias, ulong interpreterBase, string path,
        IReadOnlyList<string> arguments, IReadOnlyList<string> environment, AddressSpace space, Credentials credentials, out ulong stack)
    {
        var strings = new List<byte>();
        List<int> argumentAt = Append(strings, arguments);
        List<int> environmentAt = Append(strings, environment);
        int pathAt = Append(strings, [path])[0];
        stack = 0;
        if (strings.Count > MaximumArguments)
            return -Errno.E2BIG;
        ulong stringsBase = (StackTop - 64 - (ulong)strings.Count) & ~15UL;
        ulong random = stringsBase - 16;
        Span<byte> seed = stackalloc byte[16];
        container.Random.NextBytes(seed);

        List<ulong> words = [(ulong)arguments.Count];
        foreach (int at in argumentAt)
            words.Add(stringsBase + (ulong)at);
        words.Add(0);
        foreach (int at in environmentAt)
            words.Add(stringsBase + (ulong)at);
        words.Add(0);
        ulong headers = (elf.ProgramHeadersAddress ?? 0) + (elf.ProgramHeadersAddress is null ? 0 : bias);
        words.AddRange((ReadOnlySpan<ulong>)[
            3, headers,                                                     // AT_PHDR
            4, (ulong)elf.ProgramHeaderSize,                                // AT_PHENT
            5, (ulong)elf.ProgramHeaderCount,                               // AT_PHNUM
            6, AddressSpace.PageSize,                                       // AT_PAGESZ
            7, interpreterBase,                                             // AT_BASE
            8, 0,                                                           // AT_FLAGS
            9, elf.Entry + bias,                                            // AT_ENTRY
            11, credentials.TellUser(credentials.Uid), 12, credentials.TellUser(credentials.EffectiveUid), 13, credentials.TellGroup(credentials.Gid), 14, credentials.TellGroup(credentials.EffectiveGid),
            16, HartExtensions.CapabilityBits(container.Host.VectorBits), // AT_HWCAP
            17, 100,                                                        // AT_CLKTCK
            23, credentials.Uid != credentials.EffectiveUid || credentials.Gid != credentials.EffectiveGid ? 1UL : 0, // AT_SECURE
            27, RestartableSequence.Served, 28, RestartableSequence.Alignment, // AT_RSEQ_FEATURE_SIZE, AT_RSEQ_ALIGN
            25, random,                                                     // AT_RANDOM
            31, stringsBase + (ulong)pathAt,                                // AT_EXECFN
            51, (ulong)(Signals.FrameBytes + VectorFrame.MostBytes(container.Host.VectorBits / 8)), // AT_MINSIGSTKSZ
            0, 0]);
        stack = (random - (ulong)words.Count * 8) & ~15UL;
        space.Arguments = (stringsBase, stringsBase + (ulong)(environmentAt.Count > 0 ? environmentAt[0] : pathAt));
        space.Environment = (space.Arguments.End, stringsBase + (ulong)pathAt);
        var block = new byte[words.Count * 8];
        for (int i = 0; i < words.Count; i++)
            BinaryPrimitives.WriteUInt64LittleEndian(block.AsSpan(i * 8), words[i]);
        return space.TryWrite(stringsBase, strings.ToArray()) && space.TryWrite(random, seed) && space.TryWrite(stack, block)
            ? 0
            : -Errno.ENOMEM;
    }

    private static List<int> Append(List<byte> bytes, IReadOnlyList<string> texts)
    {
        var places = new List<int>();
        foreach (string text in texts)
        {
            places.Add(bytes.Count);
            bytes.AddRange(KernelText.Encode(text));
            bytes.Add(0);
        }

        return places;
    }

    private static ulong PageUp(ulong address) => (address + AddressSpace.PageSize - 1) & ~(AddressSpace.PageSize - 1);

    /// <summary>A file that is to be run.</summary>
    private readonly record struct Image(ReadOnlyMemory<byte> Bytes, ElfImage? Elf, Inode Inode, string Path, bool MaySetId);
}

/// <summary>What exec found.</summary>
/// <param name="Path">The program's path, links followed.</param>
/// <param name="Credentials">Who the process is now.</param>
internal readonly record struct LoadedProgram(string Path, Credentials Credentials);
