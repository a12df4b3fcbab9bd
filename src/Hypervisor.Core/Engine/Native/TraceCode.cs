using System.Runtime.CompilerServices;
using Hypervisor.Core.Engine.Interpreter;

namespace Hypervisor.Core.Engine.Native;

/// <summary>The host code of one code cache's traces. Belongs to the cache's thread, and is used while no handler of the cache runs.</summary>
/// <remarks>
/// Invariant for the unsafe code: what is written lies in chunks that this object holds; they are given back only when the ops that lead into them
/// are gone.
/// </remarks>
internal sealed unsafe class TraceCode : IDisposable
{
    private const int MostChunks = 256;

    private readonly TraceTier _tier;
    private readonly List<HostCodeChunk> _chunks = [];
    private int _chunk = -1;
    private int _used = HostCodeChunk.Bytes;
    private bool _refused;
    private long _sinceLetIn;
    private long _ops;
    private long _left;

    public TraceCode(TraceTier tier)
    {
        _tier = tier;
    }

    /// <inheritdoc cref="TraceTier.Threshold"/>
    public int Threshold => _tier.Threshold;

    /// <summary>Traces made so far, for reports.</summary>
    public long Made { get; private set; }

    /// <summary>Whether more than one instruction in twenty of the traces made is of floating point or vectors and left to handlers.</summary>
    public bool LeavesMuch => _left * 20 > _ops;

    /// <summary>Bytes of executable memory held.</summary>
    public long Bytes => (long)_chunks.Count * HostCodeChunk.Bytes;

    /// <summary>Whether there is no room, so that the cache had better be cleared. What is left of a chunk counts as none.</summary>
    public bool IsFull => _chunk == MostChunks - 1 && _used > HostCodeChunk.Bytes - 4096;

    /// <inheritdoc cref="TraceTier.LetRuntimeIn"/>
    public void LetRuntimeIn()
    {
        _sinceLetIn = 0;
        _tier.LetRuntimeIn();
    }

    /// <summary>Instructions were run: now and then the runtime is let in, however short the runs are.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Note(long instructions)
    {
        _sinceLetIn += instructions;
        if (_sinceLetIn >= TraceTier.Interval)
            LetRuntimeIn();
    }

    /// <summary>Makes host code of the trace that an op begins, and leads its ops into it; where that cannot be, into its handlers.</summary>
    public void Make(Op* first, HandlerTable handlers)
    {
        BlockHeader* header = BlockHeader.Of(first);
        nint handler = header->Own;
        TraceCompiler compiler = _tier.Rent(handlers);
        try
        {
            if (compiler.Compile(header) && TryPlace(compiler.Code, out nint start))
            {
                Made++;
                _ops += compiler.Ops;
                _left += compiler.Left;
                foreach ((int slot, int offset) in compiler.Entries)
                {
                    if (slot == 0)
                        handler = start + offset;
                    else
                        first[slot].Handler = start + offset;
                }
            }
        }
        finally
        {
            _tier.Return(compiler);
        }

        if (header->Original != 0)
            header->Original = handler;
        else
            first->Handler = handler;
    }

    /// <summary>Drops everything: the ops that led here are gone.</summary>
    public void Clear()
    {
        _chunk = -1;
        _used = HostCodeChunk.Bytes;
    }

    public void Dispose()
    {
        foreach (HostCodeChunk chunk in _chunks)
            _tier.Return(chunk);
        _chunks.Clear();
        Clear();
    }

    private bool TryPlace(ReadOnlySpan<byte> code, out nint start)
    {
        start = 0;
        if (code.Length > HostCodeChunk.Bytes - _used && !TryAddChunk())
            return false;
        HostCodeChunk chunk = _chunks[_chunk];
        code.CopyTo(new Span<byte>((byte*)chunk.Writable + _used, code.Length));
        start = chunk.Executable + _used;
        _used += (code.Length + 15) & ~15;
        return true;
    }

    private bool TryAddChunk()
    {
        if (_chunk + 1 == _chunks.Count)
        {
            if (_refused || _chunks.Count == MostChunks || _tier.TryTake() is not { } chunk)
            {
                _refused = _chunks.Count != MostChunks;
                return false;
            }

            _chunks.Add(chunk);
        }

        _chunk++;
        _used = 0;
        return true;
    }
}
