using System.Globalization;
using System.Net;
using System.Text;

namespace Hypervisor.Host.Compare;

/// <summary>A comparison as one self-contained page: a bar chart for each workload, and the tables, in light and dark.</summary>
internal static class HtmlReport
{
    private const int ChartWidth = 640;
    private const int LabelWidth = 90;
    private const int ValueWidth = 190;
    private const int BarHeight = 22;
    private const int BarGap = 8;

    private const string Style = """
        :root{color-scheme:light dark;--ground:#fff;--ink:#1b1f24;--soft:#5b6570;--line:#d8dee4;
        --bare:#6e7781;--full:#cf4a3d;--assisted:#2b7de9;--para:#1a9e5c;--container:#9a5fd0}
        @media (prefers-color-scheme:dark){:root{--ground:#14171b;--ink:#e6eaee;--soft:#98a3ae;--line:#323a43;
        --bare:#98a3ae;--full:#f0776a;--assisted:#6aa9ff;--para:#4fcf8f;--container:#c095f2}}
        body{background:var(--ground);color:var(--ink);font:15px/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem}
        h1{font-size:1.5rem}h2{font-size:1.15rem;margin:2rem 0 .4rem}p,.soft{color:var(--soft)}
        .charts{display:grid;grid-template-columns:repeat(auto-fill,minmax(21rem,1fr));gap:0 2rem}
        svg{width:100%;height:auto}text{fill:var(--ink);font:13px system-ui,sans-serif}
        .scroll{overflow-x:auto}table{border-collapse:collapse;width:100%}
        th,td{text-align:right;padding:.35rem .7rem;border-bottom:1px solid var(--line);vertical-align:top;white-space:nowrap}
        th:first-child,td:first-child{text-align:left}
        """;

    /// <summary>The page.</summary>
    public static string Write(ComparisonReport report)
    {
        var page = new StringBuilder();
        page.Append("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">")
            .Append("<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">")
            .Append("<title>What hosting costs</title><style>").Append(Style).Append("</style></head><body>\n")
            .Append("<h1>What hosting costs</h1>\n<p>")
            .Append(Text($"{report.Host.Processor}, {report.Host.Cores} cores, {report.Host.System}, {report.Host.Runtime}; "))
            .Append(Text($"engine {report.Engine}, scheduler {report.Scheduler}, physical CPUs {report.PhysicalCpus}{(report.Quick ? ", quick: rough figures" : "")}."))
            .Append(" The same programs in every mode; times are the host's processor time for one operation, medians; whiskers the range of the repetitions.</p>\n<div class=\"charts\">");
        foreach (WorkloadReport row in report.Workloads)
            AppendChart(page, report, row);
        page.Append("</div>\n<h2>Time for one operation</h2>\n");
        AppendTable(page, report, (row, mode) =>
        {
            ModeReport cell = row.Modes[mode];
            string factor = row.Overhead(mode) is { } overhead ? Figures.Factor(overhead) + " " : "";
            return $"{Text(Figures.Time(cell.Nanoseconds.Median))}<br><span class=\"soft\">{Text($"{factor}±{Figures.Percent(cell.Nanoseconds.Relative)}")}</span>";
        });
        page.Append("<h2>Exits for one operation</h2>\n");
        AppendTable(page, report, (row, mode) => row.Modes[mode].Exits is { Count: > 0 } exits
            ? string.Join("<br>", exits.Select(each => Text($"{Figures.Count(each.PerOperation)} {Figures.Reason(each.Reason)}")))
            : "0");
        return page.Append("</body></html>\n").ToString();
    }

    private static void AppendChart(StringBuilder page, ComparisonReport report, WorkloadReport row)
    {
        double greatest = row.Modes.Values.Max(cell => cell.Nanoseconds.High);
        int height = report.Modes.Count * (BarHeight + BarGap);
        page.Append(CultureInfo.InvariantCulture,
            $"<section><h2>{Text(row.Name)} <span class=\"soft\">one {Text(row.Unit)}</span></h2>\n<svg viewBox=\"0 0 {ChartWidth} {height}\" role=\"img\" aria-label=\"{Text(row.Name)}\">");
        for (int i = 0; i < report.Modes.Count; i++)
        {
            string mode = report.Modes[i];
            ModeReport cell = row.Modes[mode];
            double y = i * (BarHeight + BarGap);
            double width = Length(cell.Nanoseconds.Median);
            double low = LabelWidth + Length(cell.Nanoseconds.Low);
            double high = LabelWidth + Length(cell.Nanoseconds.High);
            double middle = y + (BarHeight / 2.0);
            string factor = row.Overhead(mode) is { } overhead ? "  " + Figures.Factor(overhead) : "";
            page.Append(CultureInfo.InvariantCulture, $"<text x=\"0\" y=\"{middle + 4:0.#}\">{Text(mode)}</text>")
                .Append(CultureInfo.InvariantCulture, $"<rect x=\"{LabelWidth}\" y=\"{y:0.#}\" width=\"{Math.Max(width, 1):0.#}\" height=\"{BarHeight}\" rx=\"3\" fill=\"var(--{Text(mode)})\"/>")
                .Append(CultureInfo.InvariantCulture, $"<path d=\"M{low:0.#} {middle:0.#}H{high:0.#}\" stroke=\"var(--ink)\" stroke-width=\"2\"/>")
                .Append(CultureInfo.InvariantCulture, $"<text x=\"{high + 8:0.#}\" y=\"{middle + 4:0.#}\">{Text(Figures.Time(cell.Nanoseconds.Median) + factor)}</text>");
        }

        page.Append("</svg></section>\n");

        double Length(double nanoseconds) => greatest > 0 ? nanoseconds / greatest * (ChartWidth - LabelWidth - ValueWidth) : 0;
    }

    private static void AppendTable(StringBuilder page, ComparisonReport report, Func<WorkloadReport, string, string> cell)
    {
        page.Append("<div class=\"scroll\"><table><thead><tr><th>workload</th>");
        foreach (string mode in report.Modes)
            page.Append("<th>").Append(Text(mode)).Append("</th>");
        page.Append("</tr></thead><tbody>\n");
        foreach (WorkloadReport row in report.Workloads)
        {
            page.Append("<tr><td>").Append(Text(row.Name)).Append("<br><span class=\"soft\">").Append(Text(row.Unit)).Append("</span></td>");
            foreach (string mode in report.Modes)
                page.Append("<td>").Append(cell(row, mode)).Append("</td>");
            page.Append("</tr>\n");
        }

        page.Append("</tbody></table></div>\n");
    }

    private static string Text(string value) => WebUtility.HtmlEncode(value);
}
