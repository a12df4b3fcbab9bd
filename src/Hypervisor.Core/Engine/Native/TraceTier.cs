using System.Runtime.CompilerServices;
using Hypervisor.Core.Engine.Interpreter;

namespace Hypervisor.Core.Engine.Native;

/// <summary>
/// The middle tier of an engine: the interpreter's traces as host code, made at once, for what is too cold to be worth the runtime's
/// compiler and too warm to be interpreted. It holds no state of guests; what was made for them is with their code caches.
/// </summary>
internal sealed unsafe class TraceTier
{
    /// <summary>How often a trace is interpreted before it is made host code: making it costs as much as some hundred times of what that saves once.</summary>
    public const int DefaultThreshold = 40;

    /// <summary>Instructions after which a thread that runs traces lets the runtime stop it: some tens of microseconds.</summary>
    public const long Interval = 1 << 16;

    private readonly Lock _lock = new();
    private readonly Stack<TraceCompiler> _idle = [];
    private HostCodeSpace? _space;
    private nint _nothing;
    private nint _loadRefill;
    private nint _storeRefill;

    private TraceTier(int threshold) => Threshold = threshold;

    /// <summary>Executions of a trace before it is made host code, 1 or more.</summary>
    public int Threshold { get; }

    /// <summary>The tier, or null where this host offers no means for it. Where it gives no executable memory in the end, no trace is made.</summary>
    public static TraceTier? TryCreate(int threshold = DefaultThreshold)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(threshold, 1);
        return TraceCompiler.IsSupported ? new TraceTier(threshold) : null;
    }

    /// <summary>
    /// Lets the runtime stop this thread, for a collection, say. It stops threads in managed code only, and one that runs traces is there too
    /// seldom to be met: a call of foreign code looks on its way back.
    /// </summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public void LetRuntimeIn()
    {
        // Set before the first trace is made, and so seen by whoever ran one.
        if (_nothing != 0)
            ((delegate* unmanaged<void>)_nothing)();
    }

    /// <summary>A piece of executable memory, or null where the host gives none.</summary>
    public HostCodeChunk? TryTake()
    {
        lock (_lock)
            return _nothing != 0 ? _space!.TryTake() : null;
    }

    /// <summary>Takes memory for what all traces use, and writes it. Under the lock; again and again where the host gives none, as then no trace is made either.</summary>
    private void Prepare(TraceCompiler compiler)
    {
        // Made when it is first wanted: programs that end before that need not load what it is made of.
        _space ??= new HostCodeSpace();
        if (_space.TryTake() is not { } first)
            return;
        const int entry = 16;
        int second = compiler.WriteRefills();
        *(byte*)first.Writable = 0xC3; // ret
        compiler.Code.CopyTo(new Span<byte>((byte*)first.Writable + entry, HostCodeChunk.Bytes - entry));
        _loadRefill = first.Executable + entry;
        _storeRefill = _loadRefill + second;
        Volatile.Write(ref _nothing, first.Executable);
    }

    /// <summary>Takes a piece back that nothing runs in any more.</summary>
    public void Return(HostCodeChunk chunk)
    {
        lock (_lock)
            _space!.Return(chunk);
    }

    /// <summary>A compiler for the calling thread's use.</summary>
    public TraceCompiler Rent(HandlerTable handlers)
    {
        lock (_lock)
        {
            if (!_idle.TryPop(out TraceCompiler? compiler))
                compiler = new TraceCompiler(handlers);
            if (_nothing == 0)
                Prepare(compiler);
            (compiler.LoadRefill, compiler.StoreRefill) = (_loadRefill, _storeRefill);
            return compiler;
        }
    }

    /// <summary>Takes a compiler back.</summary>
    public void Return(TraceCompiler compiler)
    {
        lock (_lock)
            _idle.Push(compiler);
    }
}
