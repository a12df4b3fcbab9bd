using System.Runtime.InteropServices;
using Hypervisor.Host.Compare;

namespace Hypervisor.Host;

/// <summary>Names the machine that figures come from.</summary>
internal static class HostDescriber
{
    /// <summary>Describes this host.</summary>
    public static HostDescription Describe()
        => new(RuntimeInformation.OSDescription, Processor(), Environment.ProcessorCount, RuntimeInformation.FrameworkDescription);

    private static string Processor()
    {
        const string information = "/proc/cpuinfo";
        if (OperatingSystem.IsLinux() && File.Exists(information))
        {
            string? model = File.ReadLines(information).FirstOrDefault(line => line.StartsWith("model name", StringComparison.Ordinal));
            if (model is not null)
                return model[(model.IndexOf(':', StringComparison.Ordinal) + 1)..].Trim();
        }

        return Environment.GetEnvironmentVariable("PROCESSOR_IDENTIFIER") ?? RuntimeInformation.ProcessArchitecture.ToString();
    }
}
