namespace Hypervisor.Core.Devices;

/// <summary>Takes what a guest prints.</summary>
public interface IConsoleSink
{
    /// <summary>Takes bytes as the guest sent them. Called on the thread that runs the guest: return soon, do not call the machine.</summary>
    /// <param name="bytes">The bytes; valid during the call only.</param>
    void Write(ReadOnlySpan<byte> bytes);
}
