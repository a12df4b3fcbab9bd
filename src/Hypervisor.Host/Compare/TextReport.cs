using Spectre.Console;

namespace Hypervisor.Host.Compare;

/// <summary>A comparison as tables of text.</summary>
internal static class TextReport
{
    /// <summary>Prints a report.</summary>
    public static void Write(IAnsiConsole console, ComparisonReport report)
    {
        console.WriteLine($"{report.Host.Processor}, {report.Host.Cores} cores, {report.Host.System}, {report.Host.Runtime}");
        console.WriteLine($"engine {report.Engine}, scheduler {report.Scheduler}, {report.PhysicalCpus} physical CPU"
            + (report.PhysicalCpus == 1 ? "" : "s") + (report.Quick ? ", quick: rough figures" : ""));
        console.WriteLine();
        console.WriteLine("Processor time of the host for one operation, its multiple of bare, half the range of the rounds (all medians over rounds)");
        console.Write(Times(report));
        console.WriteLine();
        console.WriteLine("Exits for one operation, by reason");
        console.Write(Exits(report));
    }

    private static Table Times(ComparisonReport report)
    {
        Table table = NewTable(report, "one operation is");
        foreach (WorkloadReport row in report.Workloads)
        {
            var cells = new List<string> { row.Name, row.Unit };
            foreach (string mode in report.Modes)
            {
                ModeReport cell = row.Modes[mode];
                string factor = row.Overhead(mode) is { } overhead ? Figures.Factor(overhead) + "  " : "";
                cells.Add($"{Figures.Time(cell.Nanoseconds.Median)}\n{factor}±{Figures.Percent(cell.Nanoseconds.Relative)}");
            }

            AddRow(table, cells);
        }

        return table;
    }

    private static Table Exits(ComparisonReport report)
    {
        Table table = NewTable(report, null);
        foreach (WorkloadReport row in report.Workloads)
        {
            var cells = new List<string> { row.Name };
            foreach (string mode in report.Modes)
            {
                ModeReport cell = row.Modes[mode];
                cells.Add(cell.Exits.Count == 0
                    ? "0"
                    : string.Join('\n', cell.Exits.Select(each => $"{Figures.Count(each.PerOperation)} {Figures.Reason(each.Reason)}")));
            }

            AddRow(table, cells);
        }

        return table;
    }

    private static Table NewTable(ComparisonReport report, string? second)
    {
        var table = new Table { Border = TableBorder.Horizontal, ShowRowSeparators = true };
        table.AddColumn(new TableColumn("workload"));
        if (second is not null)
            table.AddColumn(new TableColumn(second));
        foreach (string mode in report.Modes)
            table.AddColumn(new TableColumn(mode) { Alignment = Justify.Right, NoWrap = true });
        return table;
    }

    private static void AddRow(Table table, List<string> cells) => table.AddRow([.. cells.Select(cell => new Text(cell))]);
}
