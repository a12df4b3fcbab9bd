using System.Globalization;
using System.Net;
using System.Text;

namespace Hypervisor.Bench;

/// <summary>Our two tiers beside QEMU, as one self-contained page: a bar for each program's speed as a multiple of QEMU's.</summary>
internal static class PeerChart
{
    private const int Width = 760;
    private const int Left = 130;
    private const int Row = 34;
    private const double Least = 0.125;
    private const double Most = 8;

    private static readonly (string Name, string Colour, Func<PeerRow, double> Ratio)[] s_tiers =
        [("interpreter", "#b7791f", row => row.InterpreterToQemu), ("translator", "#2b7de9", row => row.TranslatorToQemu)];

    /// <summary>The page.</summary>
    public static string Write(IReadOnlyList<PeerRow> rows)
    {
        StringBuilder page = ChartPage.Begin("Speed beside QEMU").Append("<p>QEMU's user time divided by ours; right of 1 we are faster. ");
        foreach ((string name, string colour, _) in s_tiers)
            page.Append(CultureInfo.InvariantCulture, $"<span style=\"color:{colour}\">&#9632;</span> {name} ");
        page.Append("</p>\n");
        foreach (IGrouping<string, PeerRow> table in rows.GroupBy(row => row.Table))
        {
            PeerRow[] programs = [.. table];
            int height = programs.Length * Row + 30;
            page.Append("<h2>").Append(WebUtility.HtmlEncode(table.Key)).Append("</h2>\n")
                .Append(CultureInfo.InvariantCulture, $"<svg viewBox=\"0 0 {Width} {height}\" role=\"img\">");
            for (double mark = Least; mark <= Most; mark *= 2)
            {
                page.Append(CultureInfo.InvariantCulture, $"<path d=\"M{X(mark):0.#} 0V{height - 24}\" stroke=\"{(mark == 1 ? "#57606a" : "#d8dee4")}\"/>")
                    .Append(CultureInfo.InvariantCulture, $"<text x=\"{X(mark):0.#}\" y=\"{height - 8}\" text-anchor=\"middle\">{mark:0.###}</text>");
            }

            for (int i = 0; i < programs.Length; i++)
            {
                page.Append(CultureInfo.InvariantCulture, $"<text x=\"{Left - 8}\" y=\"{i * Row + 20}\" text-anchor=\"end\">{WebUtility.HtmlEncode(programs[i].Program)}</text>");
                for (int tier = 0; tier < s_tiers.Length; tier++)
                {
                    (_, string colour, Func<PeerRow, double> ratio) = s_tiers[tier];
                    double x = X(ratio(programs[i]));
                    page.Append(CultureInfo.InvariantCulture, $"<rect x=\"{Math.Min(x, X(1)):0.#}\" y=\"{i * Row + 4 + tier * 12}\" width=\"{Math.Max(1, Math.Abs(x - X(1))):0.#}\" height=\"10\" fill=\"{colour}\"/>")
                        .Append(CultureInfo.InvariantCulture, $"<text x=\"{Math.Max(x, X(1)) + 4:0.#}\" y=\"{i * Row + 13 + tier * 12}\">{ratio(programs[i]):0.00}</text>");
                }
            }

            page.Append("</svg>\n");
        }

        return page.Append("</body></html>\n").ToString();
    }

    private static double X(double ratio)
        => Left + Math.Log(Math.Clamp(ratio, Least, Most) / Least) / Math.Log(Most / Least) * (Width - Left - 50);
}
