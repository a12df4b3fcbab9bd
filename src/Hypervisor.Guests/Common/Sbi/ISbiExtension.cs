namespace Hypervisor.Guests.Common.Sbi;

/// <summary>One SBI extension: a range of extension numbers, usually of one, and what its functions do.</summary>
internal interface ISbiExtension
{
    /// <summary>A name for messages.</summary>
    string Name { get; }

    /// <summary>The first extension number served.</summary>
    ulong FirstId { get; }

    /// <summary>The last extension number served.</summary>
    ulong LastId { get; }

    /// <summary>
    /// Serves a call. Nothing in it can be trusted. An unknown function answers <see cref="SbiError.NotSupported"/>, and a
    /// refused call has changed nothing unless the function says otherwise.
    /// </summary>
    SbiResult Call(in SbiCall call);
}
