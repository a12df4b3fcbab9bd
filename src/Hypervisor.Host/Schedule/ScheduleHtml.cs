using System.Globalization;
using System.Net;
using System.Text;
using Hypervisor.Core.Scheduling.Simulation;
using Hypervisor.Host.Compare;

namespace Hypervisor.Host.Schedule;

/// <summary>
/// Simulations as one self-contained page: the policies beside each other, and of each the shares beside the fluid ones, the extremes of
/// lag, and the waits after waking.
/// </summary>
internal static class ScheduleHtml
{
    private const int ChartWidth = 640;
    private const int LabelWidth = 130;
    private const int ValueWidth = 190;
    private const int BarHeight = 18;
    private const int BarGap = 6;
    private const int MostBars = 40;

    private const string Style = """
        :root{color-scheme:light dark;--ground:#fff;--ink:#1b1f24;--soft:#5b6570;--line:#d8dee4;--share:#2b7de9;--wait:#cf4a3d;--lag:#2e9d5b;--policy:#7a4fd0}
        @media (prefers-color-scheme:dark){:root{--ground:#14171b;--ink:#e6eaee;--soft:#98a3ae;--line:#323a43;--share:#6aa9ff;--wait:#f0776a;--lag:#5cc98a;--policy:#a98af0}}
        body{background:var(--ground);color:var(--ink);font:15px/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem}
        h1{font-size:1.5rem}h2{font-size:1.15rem;margin:2rem 0 .4rem}h3{font-size:.95rem;margin:.8rem 0 .2rem;font-weight:600}p{color:var(--soft)}
        .charts{display:grid;grid-template-columns:repeat(auto-fill,minmax(21rem,1fr));gap:0 2rem}
        svg{width:100%;height:auto}text{fill:var(--ink);font:13px system-ui,sans-serif}
        """;

    /// <summary>One bar: from where to where, a line, and what is written behind.</summary>
    private readonly record struct Bar(string Label, double From, double To, double Mark, string Value);

    /// <summary>The page.</summary>
    public static string Write(ScheduleWorkload workload, IReadOnlyList<SimulationResult> results)
    {
        var page = new StringBuilder();
        page.Append("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">")
            .Append("<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">")
            .Append("<title>Who runs when</title><style>").Append(Style).Append("</style></head><body>\n<h1>Who runs when</h1>\n<p>")
            .Append(Text($"{workload.VCpus.Count} vCPUs on {workload.Cpus} CPUs for {Figures.Time(workload.Duration)}, slice {Figures.Time(workload.Slice)}, seed {workload.Seed}."))
            .Append("</p>\n<h2>The policies</h2><div class=\"charts\">");
        Chart(page, "policy", "context switches", [.. results.Select(result => From0(result.Scheduler, result.Switches, result.Switches.ToString("N0", CultureInfo.InvariantCulture)))]);
        if (results.All(result => result.JainIndex is not null))
        {
            Chart(page, "policy", "Jain's index of service over fluid share", [.. results.Select(result => From0(result.Scheduler, result.JainIndex!.Value, result.JainIndex.Value.ToString("0.0000", CultureInfo.InvariantCulture)))]);
            Chart(page, "policy", "worst lag either way", [.. results.Select(result => From0(result.Scheduler, WorstLag(result), Figures.Time(WorstLag(result))))]);
        }

        foreach (double fraction in new[] { 0.5, 0.99, 0.999 })
        {
            Chart(page, "policy", $"waits after waking, {(fraction * 100).ToString(CultureInfo.InvariantCulture)}th percentile of the vCPU that waits longest",
                [.. results.Select(result => From0(result.Scheduler, LongestAt(result, fraction), Figures.Time(LongestAt(result, fraction))))]);
        }

        page.Append("</div>\n");
        foreach (SimulationResult result in results)
            Write(page, result);
        return page.Append("</body></html>\n").ToString();
    }

    private static void Write(StringBuilder page, SimulationResult result)
    {
        List<SimulatedBooks> vcpus = [.. result.VCpus.Take(MostBars)];
        string jain = result.JainIndex is { } index ? ", Jain " + index.ToString("0.0000", CultureInfo.InvariantCulture) : "";
        page.Append("<h2>").Append(Text(result.Scheduler)).Append("</h2><p>").Append(Text($"{result.Switches} switches{jain}")).Append("</p><div class=\"charts\">");
        Chart(page, "share", "share of a CPU; the line: of CPUs that could be divided without end", [.. vcpus.Select(vcpu => new Bar(
            vcpu.Name, 0, vcpu.RunNanoseconds, vcpu.FluidNanoseconds ?? vcpu.RunNanoseconds, (100.0 * vcpu.RunNanoseconds / result.Elapsed).ToString("0.00", CultureInfo.InvariantCulture) + " %"))]);
        if (vcpus.TrueForAll(vcpu => vcpu.Lag is not null))
        {
            Chart(page, "lag", "lag, from the least to the most; the line: none", [.. vcpus.Select(vcpu => new Bar(
                vcpu.Name, vcpu.Lag!.Value.Least, vcpu.Lag.Value.Most, 0, $"{Signed(vcpu.Lag.Value.Least)} … {Signed(vcpu.Lag.Value.Most)}"))]);
        }

        Chart(page, "wait", "wait from waking to running, to the 99th percentile; the line: the longest", [.. vcpus.Where(vcpu => vcpu.WakeLatency.Count > 0).Select(vcpu => new Bar(
            vcpu.Name, 0, vcpu.WakeLatency.Percentile(0.99), vcpu.WakeLatency.Longest,
            $"p50 {Figures.Time(vcpu.WakeLatency.Percentile(0.5))}, p99 {Figures.Time(vcpu.WakeLatency.Percentile(0.99))}, max {Figures.Time(vcpu.WakeLatency.Longest)}"))]);
        page.Append("</div>\n");
    }

    private static Bar From0(string label, double value, string text) => new(label, 0, value, value, text);

    private static double WorstLag(SimulationResult result)
        => result.VCpus.Max(vcpu => vcpu.Lag is { } lag ? Math.Max(-lag.Least, lag.Most) : 0);

    private static double LongestAt(SimulationResult result, double fraction) => result.VCpus.Max(vcpu => vcpu.WakeLatency.Percentile(fraction));

    private static void Chart(StringBuilder page, string kind, string title, List<Bar> bars)
    {
        if (bars.Count == 0)
            return;
        double least = Math.Min(0, bars.Min(bar => Math.Min(bar.From, bar.Mark)));
        double most = bars.Max(bar => Math.Max(bar.To, bar.Mark));
        int height = bars.Count * (BarHeight + BarGap);
        page.Append("<div><h3>").Append(Text(title)).Append("</h3>")
            .Append(CultureInfo.InvariantCulture, $"<svg viewBox=\"0 0 {ChartWidth} {height}\" role=\"img\" aria-label=\"{Text(title)}\">");
        for (int i = 0; i < bars.Count; i++)
        {
            Bar bar = bars[i];
            double y = i * (BarHeight + BarGap);
            double middle = y + (BarHeight / 2.0);
            double text = Math.Max(X(bar.Mark), X(bar.To)) + 8;
            page.Append(CultureInfo.InvariantCulture, $"<text x=\"0\" y=\"{middle + 4:0.#}\">{Text(bar.Label)}</text>")
                .Append(CultureInfo.InvariantCulture, $"<rect x=\"{X(bar.From):0.#}\" y=\"{y:0.#}\" width=\"{Math.Max(X(bar.To) - X(bar.From), 1):0.#}\" height=\"{BarHeight}\" rx=\"3\" fill=\"var(--{kind})\"/>")
                .Append(CultureInfo.InvariantCulture, $"<path d=\"M{X(bar.Mark):0.#} {y:0.#}v{BarHeight}\" stroke=\"var(--ink)\" stroke-width=\"2\"/>")
                .Append(CultureInfo.InvariantCulture, $"<text x=\"{text:0.#}\" y=\"{middle + 4:0.#}\">{Text(bar.Value)}</text>");
        }

        page.Append("</svg></div>");

        double X(double value) => LabelWidth + (most > least ? (value - least) / (most - least) * (ChartWidth - LabelWidth - ValueWidth) : 0);
    }

    private static string Signed(double nanoseconds) => (nanoseconds < 0 ? "−" : "") + Figures.Time(Math.Abs(nanoseconds));

    private static string Text(string value) => WebUtility.HtmlEncode(value);
}
