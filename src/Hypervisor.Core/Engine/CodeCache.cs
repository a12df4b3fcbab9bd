using Hypervisor.Core.Memory;

namespace Hypervisor.Core.Engine;

/// <summary>Decoded code of one machine, for one host thread.</summary>
internal sealed class CodeCache : ICodeObserver, IDisposable
{
    private readonly GuestMemory _memory;

    public CodeCache(GuestMemory memory)
    {
        _memory = memory;
        memory.Code.Register(this);
    }

    public void CodePageWritten(int page)
    {
    }

    public void Dispose() => _memory.Code.Unregister(this);
}
