using Hypervisor.Core;
using Hypervisor.Core.Machine;
using Hypervisor.Host.Networks;

namespace Hypervisor.Host.Run;

/// <summary>The one network that a single guest may be in.</summary>
internal static class RunNetwork
{
    /// <summary>Makes it as the options ask; null where they ask for none.</summary>
    /// <exception cref="HypervisorException">The capture cannot be written.</exception>
    public static HostNetworks? Create(RunOptions options, HypervisorHost host)
    {
        if (options.Network is not { } name)
            return null;
        var networks = new HostNetworks(host);
        try
        {
            networks.Add(new NetworkOptions { Name = name, CaptureFile = options.CaptureFile, IsOpenOutside = options.Nat });
            return networks;
        }
        catch
        {
            networks.Dispose();
            throw;
        }
    }
}
