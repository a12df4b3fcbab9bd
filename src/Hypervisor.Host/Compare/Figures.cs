using System.Globalization;
using Hypervisor.Core.Engine;

namespace Hypervisor.Host.Compare;

/// <summary>Figures as people read them, the same in every culture.</summary>
internal static class Figures
{
    /// <summary>A time with three significant digits and its unit.</summary>
    public static string Time(double nanoseconds) => nanoseconds switch
    {
        < 1_000 => Significant(nanoseconds) + " ns",
        < 1_000_000 => Significant(nanoseconds / 1_000) + " µs",
        < 1_000_000_000 => Significant(nanoseconds / 1_000_000) + " ms",
        _ => Significant(nanoseconds / 1_000_000_000) + " s",
    };

    /// <summary>A factor, such as 1.04×.</summary>
    public static string Factor(double factor) => Significant(factor) + "×";

    /// <summary>A count for one operation: at most two decimals, and never zero for something that happened.</summary>
    public static string Count(double count) => count switch
    {
        0 => "0",
        < 0.005 => "<0.01",
        < 100 => count.ToString("0.##", CultureInfo.InvariantCulture),
        _ => count.ToString("#,0", CultureInfo.InvariantCulture),
    };

    /// <summary>A part as a percentage.</summary>
    public static string Percent(double part) => (part * 100).ToString(part < 0.0995 ? "0.#" : "0", CultureInfo.InvariantCulture) + " %";

    /// <summary>An exit reason in words.</summary>
    public static string Reason(VmExitReason reason) => reason switch
    {
        VmExitReason.BudgetExpired => "slice end",
        VmExitReason.Attention => "attention",
        VmExitReason.EnvironmentCall => "call",
        VmExitReason.Breakpoint => "breakpoint",
        VmExitReason.PrivilegedInstruction => "privileged",
        VmExitReason.IllegalInstruction => "illegal",
        VmExitReason.TranslationMiss => "translation",
        VmExitReason.PageFault => "page fault",
        VmExitReason.AccessFault => "access fault",
        VmExitReason.MmioRead => "device read",
        VmExitReason.MmioWrite => "device write",
        VmExitReason.WaitForInterrupt => "wait",
        VmExitReason.Spinning => "spin",
        _ => reason.ToString(),
    };

    /// <summary>An exit reason as a key of JSON: the name in camel case.</summary>
    public static string Key(VmExitReason reason)
    {
        string name = reason.ToString();
        return char.ToLowerInvariant(name[0]) + name[1..];
    }

    private static string Significant(double value) => value.ToString(
        value switch { < 9.995 => "0.00", < 99.95 => "0.0", _ => "#,0" }, CultureInfo.InvariantCulture);
}
