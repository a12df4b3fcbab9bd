using System.Globalization;
using System.Numerics;
using System.Text;
using Hypervisor.Core.Scheduling;

namespace Hypervisor.Host.Schedule;

/// <summary>
/// A policy that writes down what happens to it, as comma-separated lines that <see cref="TraceReader"/> reads: time in nanoseconds,
/// who, event, value. docs/scheduling.md lists the events.
/// </summary>
internal sealed class TraceRecorder : IScheduler, IDisposable
{
    /// <summary>The first line of a trace.</summary>
    public const string Heading = "# hv schedule trace 1";

    private readonly IScheduler _inner;
    private readonly TextWriter _writer;
    private readonly ulong _cpus;
    private readonly Dictionary<int, string> _names = [];
    private readonly Dictionary<int, int> _uses = [];
    private readonly Dictionary<SchedulingGroup, string> _groups = [];
    private long _last;

    /// <summary>Makes one around a policy that knows nobody yet.</summary>
    public TraceRecorder(IScheduler inner, Stream stream, int cpus, long slice)
    {
        _inner = inner;
        _cpus = CpuSet.First(cpus).Bits;
        _writer = new StreamWriter(stream, new UTF8Encoding(false), 1 << 16) { NewLine = "\n" };
        _writer.WriteLine(Heading);
        _writer.WriteLine(string.Create(CultureInfo.InvariantCulture, $"# cpus={cpus} slice={slice} scheduler={inner.Name}"));
        _writer.WriteLine("time,who,event,value");
    }

    public string Name => _inner.Name;

    public CpuSet Set(int vcpu, in SchedulingParameters parameters, long now, RemovalToken arriving = default)
    {
        CpuSet called = _inner.Set(vcpu, in parameters, now, arriving);
        bool isNew = !_names.ContainsKey(vcpu);
        if (isNew)
        {
            int use = _uses[vcpu] = _uses.GetValueOrDefault(vcpu) + 1;
            _names[vcpu] = use == 1 ? string.Create(CultureInfo.InvariantCulture, $"v{vcpu}") : string.Create(CultureInfo.InvariantCulture, $"v{vcpu}.{use}");
        }

        Write(parameters.Group, now);
        Write(now, _names[vcpu], isNew ? "arrive" : "set", Describe(in parameters));
        return called;
    }

    public CpuSet Ready(int vcpu, ReadyReason reason, long now)
    {
        Write(now, _names[vcpu], "wake", "");
        return _inner.Ready(vcpu, reason, now);
    }

    public PickResult Pick(int cpu, long now)
    {
        PickResult pick = _inner.Pick(cpu, now);
        if (pick.VCpu >= 0)
            Write(now, _names[pick.VCpu], "run", cpu.ToString(CultureInfo.InvariantCulture));
        return pick;
    }

    public CpuSet Stopped(int cpu, int vcpu, long used, StopReason reason, int yieldTo, long now)
    {
        Write(now, _names[vcpu], reason switch
        {
            StopReason.Blocked => "sleep",
            StopReason.Yielded => "yield",
            StopReason.Expired => "expire",
            _ => "preempt",
        }, used.ToString(CultureInfo.InvariantCulture));
        return _inner.Stopped(cpu, vcpu, used, reason, yieldTo, now);
    }

    public RemovalToken Remove(int vcpu, long now)
    {
        Write(now, _names[vcpu], "leave", "");
        _names.Remove(vcpu);
        return _inner.Remove(vcpu, now);
    }

    /// <summary>Ends the trace.</summary>
    public void Dispose()
    {
        Write(_last, "", "end", "");
        _writer.Dispose();
    }

    private string Describe(in SchedulingParameters parameters)
    {
        var text = new StringBuilder().Append(CultureInfo.InvariantCulture, $"weight={parameters.Weight}");
        if (parameters.SliceNanoseconds > 0)
            text.Append(CultureInfo.InvariantCulture, $" slice={parameters.SliceNanoseconds}");
        if ((parameters.Affinity.Bits & _cpus) != _cpus)
        {
            text.Append(" cpus=");
            for (ulong rest = parameters.Affinity.Bits & _cpus; rest != 0; rest &= rest - 1)
                text.Append(CultureInfo.InvariantCulture, $"{BitOperations.TrailingZeroCount(rest)}{((rest & (rest - 1)) != 0 ? "+" : "")}");
        }

        Append(text, "cap", parameters.Cap);
        Append(text, "reservation", parameters.Reservation);
        if (parameters.Group is { } group)
            text.Append(CultureInfo.InvariantCulture, $" group={Word(group)}");
        return text.ToString();
    }

    private static void Append(StringBuilder text, string name, Bandwidth bandwidth)
    {
        if (!bandwidth.IsNone)
            text.Append(CultureInfo.InvariantCulture, $" {name}={bandwidth.Budget}/{bandwidth.Period}");
    }

    private string Word(SchedulingGroup group) => _groups[group];

    /// <summary>A name of its own, of one word.</summary>
    private string Invent(SchedulingGroup group)
    {
        string word = string.Concat(group.Name.Select(each => char.IsWhiteSpace(each) || each is ',' or '=' ? '_' : each));
        string name = word;
        for (int i = 2; _groups.ContainsValue(name); i++)
            name = string.Create(CultureInfo.InvariantCulture, $"{word}.{i}");
        return name;
    }

    private void Write(SchedulingGroup? group, long now)
    {
        if (group is null || _groups.ContainsKey(group))
            return;
        Write(group.Parent, now);
        _groups.Add(group, Invent(group));
        var text = new StringBuilder().Append(CultureInfo.InvariantCulture, $"weight={group.Weight}");
        if (group.SliceNanoseconds > 0)
            text.Append(CultureInfo.InvariantCulture, $" slice={group.SliceNanoseconds}");
        if (group.Parent is { } parent)
            text.Append(CultureInfo.InvariantCulture, $" in={Word(parent)}");
        if (group.Inside is { } inside)
            text.Append(CultureInfo.InvariantCulture, $" inside={inside}");
        Append(text, "limit", group.Limit);
        Append(text, "reservation", group.Reservation);
        Write(now, Word(group), "group", text.ToString());
    }

    private void Write(long now, string who, string what, string value)
    {
        _last = now;
        _writer.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{now},{who},{what},{value}"));
    }
}
