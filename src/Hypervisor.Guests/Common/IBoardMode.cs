using Hypervisor.Core.Engine;
using Hypervisor.Core.Hart;
using Hypervisor.Core.Machine;

namespace Hypervisor.Guests.Common;

/// <summary>A way to host a guest that owns a whole board: what bare, assisted and full do differently when a machine is built.</summary>
internal interface IBoardMode
{
    /// <summary>The mode's name.</summary>
    string Name { get; }

    /// <summary>Adds a hart in its state after reset, in machine mode.</summary>
    VCpu AddHart(ulong number, IExecutionEngine engine);

    /// <summary>Sets or clears interrupts as the guest sees them in mip, and wakes the vCPU where one was set. Any thread.</summary>
    void SetInterrupt(VCpu vcpu, ulong mask, bool pending);

    /// <summary>The privileged state that the guest believes to be its hart's.</summary>
    ref PrivilegedState StateOf(VCpu vcpu);

    /// <summary>Follows a write to a CSR of that state from outside the guest, while the vCPU is not in guest code.</summary>
    void Follow(VCpu vcpu, int csr, CsrEffects effects);
}
