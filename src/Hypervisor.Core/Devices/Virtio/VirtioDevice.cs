using Hypervisor.Core.State;

namespace Hypervisor.Core.Devices.Virtio;

/// <summary>
/// What a kind of virtio device does, apart from how a driver reaches it. All calls but those to <see cref="AfterProcess"/> come under the transport's lock.
/// </summary>
internal abstract class VirtioDevice
{
    /// <summary>The kind's number, §5.</summary>
    public abstract uint DeviceId { get; }

    /// <summary>The feature bits of the kind that are offered; the transport adds those of queues and version.</summary>
    public abstract ulong Features { get; }

    /// <summary>How many queues the kind has.</summary>
    public abstract int QueueCount { get; }

    /// <summary>The most entries of a queue; a power of two.</summary>
    public virtual ushort QueueSize => 256;

    /// <summary>The kind's configuration space.</summary>
    public virtual ReadOnlySpan<byte> Configuration => [];

    /// <summary>Takes a byte that the driver writes to the configuration space; most of it is read-only.</summary>
    public virtual void WriteConfiguration(int offset, byte value)
    {
    }

    /// <summary>The features the driver accepted, set before the first request.</summary>
    public ulong AcceptedFeatures { get; set; }

    /// <summary>Gives the device a way to have a queue processed when something arrives from outside. Set by the transport.</summary>
    public Action<int>? Arrived { get; set; }

    /// <summary>Gives the device a way to tell the driver that its configuration changed. Set by the transport.</summary>
    public Action? ConfigurationChanged { get; set; }

    /// <summary>Serves what it can of a queue.</summary>
    /// <param name="index">The queue's number.</param>
    /// <param name="queue">The queue, in use.</param>
    /// <param name="chain">Room for one request at a time.</param>
    /// <returns>False where a request made no sense: the driver must reset the device.</returns>
    public abstract bool Process(int index, VirtioQueue queue, VirtioChain chain);

    /// <summary>
    /// Whether the device may leave slow work, such as waiting for the host's storage, to another thread: in real time, where
    /// the vCPU that rang goes on meanwhile. In virtual time all is done at once, as what comes when must not depend on threads.
    /// </summary>
    public bool LeavesSlowWork { get; init; }

    /// <summary>
    /// What <see cref="Process"/> left to be done without the transport's lock; null for none. The queues rest until it is done,
    /// and are then processed again.
    /// </summary>
    public virtual Action? SlowWork => null;

    /// <summary>Called after queues were processed, without the transport's lock: here a device may call on others.</summary>
    public virtual void AfterProcess()
    {
    }

    /// <summary>Forgets what belongs to a driver.</summary>
    public virtual void Reset()
    {
    }

    /// <summary>Saves what the kind keeps beyond its queues.</summary>
    public virtual void Save(StateWriter writer)
    {
    }

    /// <summary>Loads what <see cref="Save"/> saved.</summary>
    public virtual void Load(StateReader reader)
    {
    }
}
