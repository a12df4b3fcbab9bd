using Hypervisor.Core.Engine.Native;

namespace Hypervisor.Tests.Support;

/// <summary>A test of traces as host code, for hosts whose code can be made; elsewhere it is skipped, and says so.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class TracesFactAttribute : FactAttribute
{
    public TracesFactAttribute(params string[] programs)
        => Skip = TraceCompiler.IsSupported ? Peer.WhyNot(programs) : "traces become host code on x64 under Linux with BMI2 only";
}
