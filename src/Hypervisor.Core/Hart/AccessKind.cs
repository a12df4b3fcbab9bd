namespace Hypervisor.Core.Hart;

/// <summary>What an access wants to do.</summary>
internal enum AccessKind : byte
{
    Fetch = 0,
    Load = 1,
    Store = 2,
}
