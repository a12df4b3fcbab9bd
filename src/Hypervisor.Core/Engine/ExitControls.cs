namespace Hypervisor.Core.Engine;

/// <summary>
/// What leaves the engine: pure data, as a CPU's hypervisor controls are. The engine reads it where a trap is about to be
/// taken and never asks which mode a guest is in.
/// </summary>
internal struct ExitControls
{
    /// <summary>
    /// One bit per exception cause: set, the exception leaves the engine; clear, it is delivered to the guest's own trap
    /// vector by the delegation rules.
    /// </summary>
    public ulong Exceptions;

    /// <summary>Whether the engine delivers pending enabled interrupts by itself (false: the personality injects them).</summary>
    public bool DeliverInterrupts;

    /// <summary>Whether device accesses leave the engine; when false they go straight to the hart's bus, as on bare metal.</summary>
    public bool DeviceAccessExits;

    /// <summary>Whether a hart that spins, by its hints, leaves the engine: where another vCPU may hold what it waits for.</summary>
    public bool SpinningExits;

    /// <summary>Every exception leaves: containers and deprivileged guests.</summary>
    public const ulong AllExceptions = ulong.MaxValue;
}
