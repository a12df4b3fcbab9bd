using System.Globalization;
using System.Net;
using System.Text;
using Hypervisor.Core.Scheduling.Simulation;
using Hypervisor.Host.Compare;

namespace Hypervisor.Host.Schedule;

/// <summary>Simulations as one self-contained page: of each policy the shares beside the fluid ones, and the waits after waking.</summary>
internal static class ScheduleHtml
{
    private const int ChartWidth = 640;
    private const int LabelWidth = 110;
    private const int ValueWidth = 150;
    private const int BarHeight = 18;
    private const int BarGap = 6;
    private const int MostBars = 40;

    private const string Style = """
        :root{color-scheme:light dark;--ground:#fff;--ink:#1b1f24;--soft:#5b6570;--line:#d8dee4;--share:#2b7de9;--wait:#cf4a3d}
        @media (prefers-color-scheme:dark){:root{--ground:#14171b;--ink:#e6eaee;--soft:#98a3ae;--line:#323a43;--share:#6aa9ff;--wait:#f0776a}}
        body{background:var(--ground);color:var(--ink);font:15px/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem}
        h1{font-size:1.5rem}h2{font-size:1.15rem;margin:2rem 0 .4rem}p{color:var(--soft)}
        .charts{display:grid;grid-template-columns:repeat(auto-fill,minmax(21rem,1fr));gap:0 2rem}
        svg{width:100%;height:auto}text{fill:var(--ink);font:13px system-ui,sans-serif}
        """;

    /// <summary>The page.</summary>
    public static string Write(ScheduleWorkload workload, IReadOnlyList<SimulationResult> results)
    {
        var page = new StringBuilder();
        page.Append("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">")
            .Append("<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">")
            .Append("<title>Who runs when</title><style>").Append(Style).Append("</style></head><body>\n<h1>Who runs when</h1>\n<p>")
            .Append(Text($"{workload.VCpus.Count} vCPUs on {workload.Cpus} CPUs for {Figures.Time(workload.Duration)}, slice {Figures.Time(workload.Slice)}, seed {workload.Seed}. "))
            .Append("Bars: shares of a CPU, the line where CPUs that could be divided without end would put them; waits from waking to running, the bar to the 99th percentile, the line to the longest.</p>\n");
        foreach (SimulationResult result in results)
        {
            string jain = result.JainIndex is { } index ? ", Jain " + index.ToString("0.0000", CultureInfo.InvariantCulture) : "";
            page.Append("<h2>").Append(Text(result.Scheduler)).Append("</h2><p>").Append(Text($"{result.Switches} switches{jain}")).Append("</p><div class=\"charts\">");
            Chart(page, result, "share", vcpu => vcpu.RunNanoseconds, vcpu => vcpu.FluidNanoseconds ?? vcpu.RunNanoseconds,
                vcpu => (100.0 * vcpu.RunNanoseconds / result.Elapsed).ToString("0.00", CultureInfo.InvariantCulture) + " %");
            Chart(page, result, "wait", vcpu => vcpu.WakeLatency.Percentile(0.99), vcpu => vcpu.WakeLatency.Longest,
                vcpu => $"{Figures.Time(vcpu.WakeLatency.Percentile(0.99))}, max {Figures.Time(vcpu.WakeLatency.Longest)}");
            page.Append("</div>\n");
        }

        return page.Append("</body></html>\n").ToString();
    }

    private static void Chart(
        StringBuilder page, SimulationResult result, string kind, Func<SimulatedBooks, double> bar, Func<SimulatedBooks, double> mark, Func<SimulatedBooks, string> label)
    {
        List<SimulatedBooks> vcpus = [.. result.VCpus.Take(MostBars)];
        double greatest = vcpus.Max(vcpu => Math.Max(bar(vcpu), mark(vcpu)));
        int height = vcpus.Count * (BarHeight + BarGap);
        page.Append(CultureInfo.InvariantCulture, $"<svg viewBox=\"0 0 {ChartWidth} {height}\" role=\"img\" aria-label=\"{kind}\">");
        for (int i = 0; i < vcpus.Count; i++)
        {
            double y = i * (BarHeight + BarGap);
            double middle = y + (BarHeight / 2.0);
            double end = LabelWidth + Length(mark(vcpus[i]));
            double text = Math.Max(end, LabelWidth + Length(bar(vcpus[i]))) + 8;
            page.Append(CultureInfo.InvariantCulture, $"<text x=\"0\" y=\"{middle + 4:0.#}\">{Text(vcpus[i].Name)}</text>")
                .Append(CultureInfo.InvariantCulture, $"<rect x=\"{LabelWidth}\" y=\"{y:0.#}\" width=\"{Math.Max(Length(bar(vcpus[i])), 1):0.#}\" height=\"{BarHeight}\" rx=\"3\" fill=\"var(--{kind})\"/>")
                .Append(CultureInfo.InvariantCulture, $"<path d=\"M{end:0.#} {y:0.#}v{BarHeight}\" stroke=\"var(--ink)\" stroke-width=\"2\"/>")
                .Append(CultureInfo.InvariantCulture, $"<text x=\"{text:0.#}\" y=\"{middle + 4:0.#}\">{Text(label(vcpus[i]))}</text>");
        }

        page.Append("</svg>");

        double Length(double value) => greatest > 0 ? value / greatest * (ChartWidth - LabelWidth - ValueWidth) : 0;
    }

    private static string Text(string value) => WebUtility.HtmlEncode(value);
}
