using Hypervisor.Core.Devices;

namespace Hypervisor.Tests.Devices.Images;

/// <summary>A disk that a test closes, whatever it is on.</summary>
internal sealed class OpenedDisk(IBlockBackend disk) : IDisposable
{
    public IBlockBackend Disk => disk;

    public void Dispose() => (disk as IDisposable)?.Dispose();
}
