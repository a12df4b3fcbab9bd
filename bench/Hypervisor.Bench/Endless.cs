using System.Diagnostics;
using Hypervisor.Core.Engine;
using Hypervisor.Core.Machine;

namespace Hypervisor.Bench;

/// <summary>Nothing ever leaves the engine.</summary>
internal sealed class Endless : IPersonality
{
    public string Name => "endless";

    public ExitVerdict BeforeSlice(VCpu vcpu) => ExitVerdict.Resume;

    public void PrepareRun(VCpu vcpu)
    {
    }

    public bool HasPendingWork(VCpu vcpu) => false;

    public ExitVerdict OnExit(VCpu vcpu, in VmExit exit) => throw new UnreachableException($"a guest that only computes left with {exit.Reason}");
}
