using Hypervisor.Core;

namespace Hypervisor.Guests.Common.Sbi;

/// <summary>The extensions that one machine offers, found by number without hashing or allocation.</summary>
internal sealed class SbiRegistry
{
    private ulong[] _lastIds = [];
    private ISbiExtension[] _extensions = [];

    /// <summary>Adds an extension.</summary>
    /// <exception cref="HypervisorException">Its range is empty or overlaps that of another.</exception>
    public void Register(ISbiExtension extension)
    {
        if (extension.FirstId > extension.LastId)
            throw new HypervisorException(
                $"SBI extension {extension.Name} serves no number: its range 0x{extension.FirstId:x}..0x{extension.LastId:x} is empty.");
        foreach (ISbiExtension other in _extensions)
        {
            if (extension.FirstId <= other.LastId && other.FirstId <= extension.LastId)
                throw new HypervisorException(
                    $"SBI extensions {extension.Name} and {other.Name} both claim numbers in "
                    + $"0x{Math.Max(extension.FirstId, other.FirstId):x}..0x{Math.Min(extension.LastId, other.LastId):x}; register only one of them.");
        }

        _extensions = [.. _extensions.Append(extension).OrderBy(each => each.LastId)];
        _lastIds = [.. _extensions.Select(each => each.LastId)];
    }

    /// <summary>Whether some extension serves the number.</summary>
    public bool IsAvailable(ulong id) => Find(id) is not null;

    /// <summary>Serves a call; <see cref="SbiError.NotSupported"/> where no extension has its number.</summary>
    public SbiResult Call(in SbiCall call)
        => Find(call.Extension) is { } extension ? extension.Call(in call) : SbiError.NotSupported;

    private ISbiExtension? Find(ulong id)
    {
        ulong[] lastIds = _lastIds;
        int low = 0;
        int high = lastIds.Length;
        while (low < high)
        {
            int middle = (low + high) >>> 1;
            if (lastIds[middle] < id)
                low = middle + 1;
            else
                high = middle;
        }

        return low < lastIds.Length && _extensions[low].FirstId <= id ? _extensions[low] : null;
    }
}
