using System.Globalization;
using System.Net;
using System.Text;

namespace Hypervisor.Bench;

/// <summary>What decisions cost, as one self-contained page: for each table the nanoseconds over how many are runnable, both logarithmic.</summary>
internal static class SchedulerCostChart
{
    private const int Width = 760;
    private const int Height = 380;
    private const int Left = 60;
    private const int Right = 150;
    private const int Bottom = 40;
    private const double Least = 10;
    private const double Most = 10_000;

    private static readonly string[] s_colours = ["#2b7de9", "#cf4a3d", "#2e9d5b", "#b7791f", "#7a4fd0", "#0f8a99", "#c2418f", "#5b6570", "#8a6d3b"];

    /// <summary>The page.</summary>
    public static string Write(int[] runnable, IEnumerable<(string What, List<(string Name, double[] Nanoseconds)> Rows)> tables)
    {
        StringBuilder page = ChartPage.Begin("What a scheduling decision costs");
        foreach ((string what, List<(string, double[])> rows) in tables)
        {
            page.Append("<h2>").Append(WebUtility.HtmlEncode(what)).Append("</h2>\n").Append(CultureInfo.InvariantCulture, $"<svg viewBox=\"0 0 {Width} {Height}\" role=\"img\">");
            for (double mark = Least; mark <= Most; mark *= 10)
            {
                page.Append(CultureInfo.InvariantCulture, $"<path d=\"M{Left} {Y(mark):0.#}H{Width - Right}\" stroke=\"#d8dee4\"/>")
                    .Append(CultureInfo.InvariantCulture, $"<text x=\"{Left - 8}\" y=\"{Y(mark) + 4:0.#}\" text-anchor=\"end\">{mark:N0} ns</text>");
            }

            foreach (int n in runnable)
                page.Append(CultureInfo.InvariantCulture, $"<text x=\"{X(n):0.#}\" y=\"{Height - Bottom + 20}\" text-anchor=\"middle\">{n:N0}</text>");
            for (int i = 0; i < rows.Count; i++)
            {
                (string name, double[] cells) = rows[i];
                string colour = s_colours[i % s_colours.Length];
                string dash = i < s_colours.Length ? "" : " stroke-dasharray=\"5 4\"";
                string points = string.Join(' ', cells.TakeWhile(cell => !double.IsNaN(cell)).Select((cell, at) => FormattableString.Invariant($"{X(runnable[at]):0.#},{Y(cell):0.#}")));
                page.Append(CultureInfo.InvariantCulture, $"<polyline points=\"{points}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"{dash}/>")
                    .Append(CultureInfo.InvariantCulture, $"<path d=\"M{Width - Right + 12} {24 + (i * 20)}h24\" stroke=\"{colour}\" stroke-width=\"2\"{dash}/>")
                    .Append(CultureInfo.InvariantCulture, $"<text x=\"{Width - Right + 42}\" y=\"{28 + (i * 20)}\">{WebUtility.HtmlEncode(name)}</text>");
            }

            page.Append("</svg>\n");
        }

        return page.Append("</body></html>\n").ToString();

        double X(double n) => Left + ((Math.Log10(n) - 1) / (Math.Log10(runnable[^1]) - 1) * (Width - Left - Right - 20));

        static double Y(double nanoseconds)
            => Height - Bottom - (Math.Log10(Math.Clamp(nanoseconds, Least, Most) / Least) / Math.Log10(Most / Least) * (Height - Bottom - 20));
    }
}
