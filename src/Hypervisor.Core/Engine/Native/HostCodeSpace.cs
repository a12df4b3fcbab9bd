using Microsoft.Win32.SafeHandles;
using static Hypervisor.Core.Memory.HostMappings;

namespace Hypervisor.Core.Engine.Native;

/// <summary>A piece of executable memory: what is written at <see cref="Writable"/> is executed at <see cref="Executable"/>.</summary>
internal readonly record struct HostCodeChunk(nint Writable, nint Executable)
{
    /// <summary>Bytes of a chunk.</summary>
    public const int Bytes = 64 << 10;
}

/// <summary>
/// Executable memory of one engine, handed out in chunks. Each block of it is one object of the host mapped twice, once to write and once to
/// execute, so that no page is ever both. Pages cost nothing until something is written to them. One thread at a time.
/// </summary>
/// <remarks>Invariant: a chunk is in the hands of one holder or on the free list; its mappings stay until the space ends, which holders keep alive.</remarks>
internal sealed class HostCodeSpace
{
    private const int BlockBytes = 32 << 20;
    private const int MostBlocks = 64;

    private readonly List<(nint Writable, nint Executable)> _blocks = [];
    private readonly Stack<HostCodeChunk> _free = [];
    private int _used = BlockBytes;
    private bool _refused;

    ~HostCodeSpace()
    {
        foreach ((nint writable, nint executable) in _blocks)
        {
            _ = Unmap(writable, BlockBytes);
            _ = Unmap(executable, BlockBytes);
        }
    }

    /// <summary>A chunk, or null where the host gives no executable memory, or none more.</summary>
    public HostCodeChunk? TryTake()
    {
        if (_free.TryPop(out HostCodeChunk chunk))
            return chunk;
        if (_used == BlockBytes)
        {
            if (_refused || _blocks.Count == MostBlocks || !TryAddBlock())
            {
                _refused = true;
                return null;
            }

            _used = 0;
        }

        (nint writable, nint executable) = _blocks[^1];
        chunk = new HostCodeChunk(writable + _used, executable + _used);
        _used += HostCodeChunk.Bytes;
        return chunk;
    }

    /// <summary>Takes a chunk back that nothing runs in any more.</summary>
    public void Return(HostCodeChunk chunk) => _free.Push(chunk);

    private bool TryAddBlock()
    {
        int descriptor = CreateMemoryFile("translated-code", CloseOnExec);
        if (descriptor < 0)
            return false;
        using var file = new SafeFileHandle(descriptor, ownsHandle: true);
        if (SetLength(descriptor, BlockBytes) != 0)
            return false;
        nint writable = Map(0, BlockBytes, Read | Write, Shared, descriptor, 0);
        if (writable == Failed)
            return false;
        nint executable = Map(0, BlockBytes, Read | Execute, Shared, descriptor, 0);
        if (executable == Failed)
        {
            _ = Unmap(writable, BlockBytes);
            return false;
        }

        _blocks.Add((writable, executable));
        return true;
    }
}
