using System.Globalization;
using System.Text.RegularExpressions;
using Hypervisor.Core;
using Hypervisor.Core.Scheduling;
using Hypervisor.Core.Scheduling.Simulation;

namespace Hypervisor.Host.Schedule;

/// <summary>
/// Reads what happened, to have it happen again under any policy: a trace of <c>hv run --sched-trace</c>, or the text of <c>perf script</c> after
/// <c>perf sched record</c>. Of each vCPU, or thread, it keeps how long it wanted to run and how long it slept then; who ran where
/// and when is what the simulation finds anew.
/// </summary>
internal sealed partial class TraceReader
{
    private readonly string _file;
    private readonly Dictionary<string, Life> _lives = [];
    private readonly List<Life> _inOrder = [];
    private readonly Dictionary<string, SchedulingGroup> _groups = [];
    private ScheduleWorkload _workload = new();
    private int _line;
    private long _begin = -1;
    private long _end;
    private int _mostCpu;

    private TraceReader(string file) => _file = file;

    /// <summary>One that is traced: when it came and went, and its runs and sleeps.</summary>
    private sealed class Life(string name, SchedulingParameters parameters)
    {
        public readonly string Name = name;
        public readonly List<SimulatedSpan> Phases = [];
        public readonly List<(long, SchedulingParameters)> Changes = [];
        public SchedulingParameters First = parameters;
        public SchedulingParameters Now = parameters;
        public long Arrives = -1;
        public long Leaves = long.MaxValue;
        public long Ran;
        public long RunsSince = -1;
        public long SleepsSince = -1;
    }

    /// <summary>Whether a file is a workload in YAML rather than a trace.</summary>
    public static bool IsYaml(string file) => Path.GetExtension(file) is ".yaml" or ".yml";

    /// <summary>Reads a file.</summary>
    /// <exception cref="HypervisorException">It cannot be read, or is no trace.</exception>
    public static ScheduleWorkload Read(string file)
    {
        try
        {
            using var reader = new StreamReader(file);
            return new TraceReader(file).Read(reader);
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
        {
            throw new HypervisorException($"The trace '{file}' cannot be read: {problem.Message}", problem);
        }
    }

    private ScheduleWorkload Read(TextReader reader)
    {
        bool isOwn = false;
        while (reader.ReadLine() is { } line)
        {
            _line++;
            if (line.StartsWith(TraceRecorder.Heading, StringComparison.Ordinal))
                isOwn = true;
            else if (isOwn && line.StartsWith('#'))
                ReadHeading(line);
            else if (isOwn && line.Length > 0 && !line.StartsWith("time,", StringComparison.Ordinal))
                ReadEvent(line);
            else if (!isOwn)
                ReadPerf(line);
        }

        if (_inOrder.Count == 0)
            throw new HypervisorException($"{_file}: nobody runs in this trace; it should begin with '{TraceRecorder.Heading}' or hold sched_switch lines of perf script.");
        if (!isOwn)
            _workload = _workload with { Cpus = Math.Min(64, _mostCpu + 1) };
        return _workload with
        {
            Duration = Math.Max(1, _end),
            Groups = [.. _groups.Values],
            VCpus = [.. _inOrder.Where(life => life.Arrives >= 0).Select(Finish)],
        };
    }

    private static SimulatedVCpu Finish(Life life)
    {
        // What it would have done after the trace: go on sleeping, or running.
        if (life.SleepsSince >= 0)
        {
            life.Phases.Add(new(SchedulingParameters.MaximumSlice, SchedulingParameters.MaximumSlice));
        }
        else if (life.Phases.Count > 0 || life.Leaves != long.MaxValue)
        {
            life.Phases.Add(new(SchedulingParameters.MaximumSlice, SchedulingParameters.MaximumSlice));
            life.Phases.Add(new(1, 1));
        }

        return new SimulatedVCpu(life.Name, life.First) { Phases = life.Phases, Arrives = life.Arrives, Leaves = life.Leaves, Changes = life.Changes };
    }

    private void ReadHeading(string line)
    {
        foreach ((string name, string value) in Words(line[1..]))
        {
            _workload = name switch
            {
                "cpus" => _workload with { Cpus = (int)Number(value, 1, 64) },
                "slice" => _workload with { Slice = Number(value, 1000, SchedulingParameters.MaximumSlice) },
                "scheduler" => _workload with { Schedulers = [Core.Scheduling.Schedulers.IsKnown(value) ? value : throw Wrong(ScheduleYaml.Unknown(value))] },
                _ => throw Wrong($"'{name}' is not of a heading; cpus, slice and scheduler are"),
            };
        }
    }

    private void ReadEvent(string line)
    {
        string[] columns = line.Split(',');
        if (columns.Length != 4)
            throw Wrong($"'{line}' has {columns.Length} columns; a line is time,who,event,value");
        long time = Number(columns[0], _end, long.MaxValue);
        _end = time;
        (string who, string what, string value) = (columns[1], columns[2], columns[3]);
        if (what == "end")
            return;
        if (what == "group")
        {
            _groups.Add(who, Group(who, value));
            return;
        }

        if (what == "arrive")
        {
            var life = new Life(who, Parameters(value));
            if (!_lives.TryAdd(who, life))
                throw Wrong($"'{who}' arrives twice");
            _inOrder.Add(life);
            return;
        }

        if (!_lives.TryGetValue(who, out Life? known))
            throw Wrong($"'{who}' has not arrived");
        switch (what)
        {
            case "set":
                known.Now = Parameters(value);
                if (known.Arrives < 0)
                    known.First = known.Now;
                else
                    known.Changes.Add((time, known.Now));
                break;
            case "wake":
                Wake(known, time);
                break;
            case "run":
                break;
            case "expire" or "preempt":
                known.Ran += Number(value, 0, long.MaxValue);
                break;
            case "yield":
                known.Ran += Number(value, 0, long.MaxValue);
                Sleep(known, time);
                Wake(known, time);
                break;
            case "sleep":
                known.Ran += Number(value, 0, long.MaxValue);
                Sleep(known, time);
                break;
            case "leave":
                known.Leaves = known.Arrives < 0 ? long.MaxValue : Math.Max(known.Arrives + 1, time);
                break;
            default:
                throw Wrong($"there is no event '{what}'; there are group, arrive, set, wake, run, expire, preempt, yield, sleep, leave and end");
        }
    }

    private static void Wake(Life life, long time)
    {
        if (life.Arrives < 0)
            life.Arrives = time;
        else if (life.SleepsSince >= 0)
            life.Phases.Add(Span(time - life.SleepsSince));
        life.SleepsSince = -1;
    }

    private static void Sleep(Life life, long time)
    {
        life.Phases.Add(Span(Math.Max(1, life.Ran)));
        life.Ran = 0;
        life.SleepsSince = time;
    }

    private static SimulatedSpan Span(long time)
    {
        long span = Math.Min(time, SchedulingParameters.MaximumSlice);
        return new SimulatedSpan(span, span);
    }

    // Lines such as: bash 812 [001] 52.000123: sched:sched_switch: prev_comm=bash prev_pid=812 prev_prio=120 prev_state=S ==> next_comm=cc next_pid=9 next_prio=120
    private void ReadPerf(string line)
    {
        if (Stamp().Match(line) is not { Success: true } stamp)
            return;
        long time = (long)(decimal.Parse(stamp.Groups["time"].ValueSpan, CultureInfo.InvariantCulture) * 1_000_000_000);
        if (_begin < 0)
            _begin = time;
        time -= _begin;
        if (time < _end)
            throw Wrong("time goes back; sort the lines by time");
        _end = time;
        _mostCpu = Math.Max(_mostCpu, int.Parse(stamp.Groups["cpu"].ValueSpan, CultureInfo.InvariantCulture));
        if (Switch().Match(line) is { Success: true } change)
        {
            if (Thread(change, "prev", time) is { } previous)
            {
                if (previous.RunsSince >= 0)
                    previous.Ran += time - previous.RunsSince;
                previous.RunsSince = -1;
                if (!change.Groups["state"].ValueSpan.StartsWith("R", StringComparison.Ordinal))
                    Sleep(previous, time);
            }

            if (Thread(change, "next", time) is { } next)
            {
                Wake(next, time);
                next.RunsSince = time;
            }
        }
        else if (Wakeup().Match(line) is { Success: true } wake && Thread(wake, "next", time) is { } woken)
        {
            Wake(woken, time);
        }
    }

    private Life? Thread(Match match, string which, long time)
    {
        string number = match.Groups[which + "pid"].Value;
        if (number == "0")
            return null;
        string name = $"{match.Groups[which].Value}-{number}";
        if (_lives.TryGetValue(name, out Life? life))
            return life;

        // A level of nice is a quarter of weight, as Linux has it.
        int priority = int.Parse(match.Groups[which + "prio"].ValueSpan, CultureInfo.InvariantCulture);
        int weight = (int)Math.Clamp(Math.Round(1024 * Math.Pow(1.25, 120 - priority)), 1, SchedulingParameters.MaximumWeight);
        _lives.Add(name, life = new Life(name, SchedulingParameters.Default with { Weight = weight }));
        _inOrder.Add(life);
        Wake(life, time);
        if (which == "prev")
            life.RunsSince = time;
        return life;
    }

    private SchedulingParameters Parameters(string text)
    {
        SchedulingParameters parameters = SchedulingParameters.Default;
        foreach ((string name, string value) in Words(text))
        {
            parameters = name switch
            {
                "weight" => parameters with { Weight = (int)Number(value, 1, SchedulingParameters.MaximumWeight) },
                "slice" => parameters with { SliceNanoseconds = Number(value, 1000, SchedulingParameters.MaximumSlice) },
                "cpus" => parameters with { Affinity = new CpuSet(value.Split('+').Aggregate(0UL, (bits, cpu) => bits | (1UL << (int)Number(cpu, 0, 63)))) },
                "cap" => parameters with { Cap = Time(value) },
                "reservation" => parameters with { Reservation = Time(value) },
                "group" => parameters with { Group = Known(value) },
                _ => throw Wrong($"'{name}' is not of a vCPU; weight, slice, cpus, cap, reservation and group are"),
            };
        }

        return parameters;
    }

    private SchedulingGroup Group(string name, string text)
    {
        Dictionary<string, string> words = Words(text).ToDictionary(word => word.Name, word => word.Value);
        return new SchedulingGroup(name)
        {
            Weight = words.TryGetValue("weight", out string? weight) ? (int)Number(weight, 1, SchedulingParameters.MaximumWeight) : SchedulingParameters.Default.Weight,
            SliceNanoseconds = words.TryGetValue("slice", out string? slice) ? Number(slice, 1000, SchedulingParameters.MaximumSlice) : 0,
            Parent = words.TryGetValue("in", out string? parent) ? Known(parent) : null,
            Inside = words.GetValueOrDefault("inside"),
            Limit = words.TryGetValue("limit", out string? limit) ? Time(limit) : default,
            Reservation = words.TryGetValue("reservation", out string? reservation) ? Time(reservation) : default,
        };
    }

    private SchedulingGroup Known(string name) => _groups.TryGetValue(name, out SchedulingGroup? group) ? group : throw Wrong($"there is no group '{name}' above");

    private Bandwidth Time(string value)
    {
        string[] parts = value.Split('/');
        return parts.Length == 2 ? new Bandwidth(Number(parts[0], 1, long.MaxValue), Number(parts[1], 1, long.MaxValue)) : throw Wrong($"'{value}' is not time in a period, such as 2000000/10000000");
    }

    private IEnumerable<(string Name, string Value)> Words(string text)
    {
        foreach (string word in text.Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            int sign = word.IndexOf('=', StringComparison.Ordinal);
            yield return sign > 0 ? (word[..sign], word[(sign + 1)..]) : throw Wrong($"'{word}' is not name=value");
        }
    }

    private long Number(string text, long least, long most)
        => long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out long value) && value >= least && value <= most
            ? value
            : throw Wrong($"'{text}' must be a whole number from {least} to {most}");

    private HypervisorException Wrong(string what) => new($"{_file}:{_line}: {what}.");

    [GeneratedRegex(@"\[(?<cpu>\d+)\]\s.*?(?<time>\d+\.\d+):\s")]
    private static partial Regex Stamp();

    [GeneratedRegex(@"sched_switch:\s.*?prev_comm=(?<prev>.*?) prev_pid=(?<prevpid>\d+) prev_prio=(?<prevprio>\d+) prev_state=(?<state>\S+) ==> next_comm=(?<next>.*?) next_pid=(?<nextpid>\d+) next_prio=(?<nextprio>\d+)")]
    private static partial Regex Switch();

    [GeneratedRegex(@"sched_wakeup(?:_new)?:\s.*?comm=(?<next>.*?) pid=(?<nextpid>\d+) prio=(?<nextprio>\d+)")]
    private static partial Regex Wakeup();
}
