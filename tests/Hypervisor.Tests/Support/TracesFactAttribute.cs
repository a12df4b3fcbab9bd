using Hypervisor.Core.Engine.Native;

namespace Hypervisor.Tests.Support;

/// <summary>A test of traces as host code, for hosts whose code can be made; elsewhere it is skipped, and says so.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class TracesFactAttribute : FactAttribute
{
    /// <summary>Why there are no traces on this host.</summary>
    public const string WhyNone = "traces become host code on x64 under Linux with BMI2 only";

    public TracesFactAttribute(params string[] programs) => Skip = TraceCompiler.IsSupported ? Peer.WhyNot(programs) : WhyNone;
}

/// <summary>The same for several cases.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class TracesTheoryAttribute : TheoryAttribute
{
    public TracesTheoryAttribute() => Skip = TraceCompiler.IsSupported ? null : TracesFactAttribute.WhyNone;
}
