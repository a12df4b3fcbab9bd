using Hypervisor.Core;

namespace Hypervisor.Host.Oci;

/// <summary>
/// The arguments of <c>hv oci</c>, parsed as OCI runtimes do: options before the command are of the runtime, those behind it of
/// the command, and behind a container's name everything belongs to the program.
/// </summary>
internal sealed class OciArguments
{
    // Each option, and whether a value follows it. What callers of other runtimes pass is taken though it says nothing here.
    private static readonly Dictionary<string, bool> s_global = new()
    {
        ["--root"] = true, ["--log"] = true, ["--log-format"] = true, ["--debug"] = false, ["--systemd-cgroup"] = false,
        ["--rootless"] = true, ["--criu"] = true, ["--cgroup-manager"] = true, ["--help"] = false, ["--version"] = false,
    };

    private static readonly Dictionary<string, Dictionary<string, bool>> s_commands = new()
    {
        ["create"] = new() { ["--bundle"] = true, ["--console-socket"] = true, ["--pid-file"] = true, ["--no-pivot"] = false, ["--no-new-keyring"] = false, ["--preserve-fds"] = true, ["--no-subreaper"] = false },
        ["run"] = new() { ["--bundle"] = true, ["--console-socket"] = true, ["--pid-file"] = true, ["--no-pivot"] = false, ["--no-new-keyring"] = false, ["--preserve-fds"] = true, ["--no-subreaper"] = false, ["--detach"] = false, ["--keep"] = false },
        ["start"] = [],
        ["state"] = [],
        ["kill"] = new() { ["--all"] = false },
        ["delete"] = new() { ["--force"] = false },
        ["list"] = new() { ["--format"] = true, ["--quiet"] = false },
        ["ps"] = new() { ["--format"] = true },
        ["exec"] = new() { ["--process"] = true, ["--pid-file"] = true, ["--console-socket"] = true, ["--tty"] = false, ["--detach"] = false, ["--cwd"] = true, ["--env"] = true, ["--user"] = true, ["--additional-gids"] = true, ["--preserve-fds"] = true, ["--no-new-privs"] = false, ["--cap"] = true, ["--ignore-paused"] = false, ["--no-subreaper"] = false, ["--apparmor"] = true, ["--process-label"] = true, ["--cgroup"] = true },
        ["pause"] = [],
        ["events"] = new() { ["--stats"] = false, ["--interval"] = true },
        ["update"] = new()
        {
            ["--resources"] = true, ["--memory"] = true, ["--memory-reservation"] = true, ["--memory-swap"] = true, ["--cpu-period"] = true, ["--cpu-quota"] = true, ["--cpu-share"] = true,
            ["--pids-limit"] = true, ["--blkio-weight"] = true, ["--cpu-rt-period"] = true, ["--cpu-rt-runtime"] = true, ["--cpuset-cpus"] = true, ["--cpuset-mems"] = true, ["--kernel-memory"] = true, ["--kernel-memory-tcp"] = true,
        },
        ["resume"] = [],
        ["spec"] = new() { ["--bundle"] = true, ["--rootless"] = false },
        ["features"] = [],
        ["monitor"] = new() { ["--bundle"] = true, ["--console-socket"] = true, ["--ready"] = true, ["--caller"] = true },
        ["session"] = new() { ["--process"] = true, ["--console-socket"] = true, ["--ready"] = true, ["--caller"] = true },
    };

    private static readonly Dictionary<string, string> s_short = new()
    {
        ["-b"] = "--bundle", ["-a"] = "--all", ["-f"] = "--force", ["-d"] = "--detach", ["-t"] = "--tty", ["-e"] = "--env", ["-p"] = "--process",
        ["-u"] = "--user", ["-g"] = "--additional-gids", ["-c"] = "--cap", ["-q"] = "--quiet", ["-h"] = "--help", ["-r"] = "--resources", ["-m"] = "--memory", ["-v"] = "--version",
    };

    private readonly Dictionary<string, List<string>> _values = [];

    private OciArguments()
    {
    }

    /// <summary>The command; null where none was given.</summary>
    public string? Command { get; private set; }

    /// <summary>What is no option: the container's name first.</summary>
    public IReadOnlyList<string> Operands { get; private set; } = [];

    /// <summary>The names of commands, those for hv's own use left out.</summary>
    public static IEnumerable<string> Commands => s_commands.Keys.Where(name => name is not ("monitor" or "session"));

    /// <summary>Parses.</summary>
    /// <exception cref="HypervisorException">There is no such command or option, or a value is missing.</exception>
    public static OciArguments Parse(IReadOnlyList<string> arguments) => Parse(arguments, complain: true);

    /// <summary>Parses as far as possible, to learn where complaints go.</summary>
    public static OciArguments ParseLeniently(IReadOnlyList<string> arguments) => Parse(arguments, complain: false);

    public bool Has(string option) => _values.ContainsKey(option);

    /// <summary>An option's last value, or null.</summary>
    public string? this[string option] => _values.TryGetValue(option, out List<string>? values) && values.Count > 0 ? values[^1] : null;

    public IReadOnlyList<string> All(string option) => _values.TryGetValue(option, out List<string>? values) ? values : [];

    private static OciArguments Parse(IReadOnlyList<string> arguments, bool complain)
    {
        var parsed = new OciArguments();
        Dictionary<string, bool> known = s_global;
        int i = 0;
        var operands = new List<string>();
        for (; i < arguments.Count; i++)
        {
            string argument = arguments[i];
            if (argument == "--")
            {
                operands.AddRange(arguments.Skip(i + 1));
                break;
            }

            if (!argument.StartsWith('-') || argument == "-")
            {
                if (parsed.Command is null)
                {
                    parsed.Command = argument;
                    if (!s_commands.TryGetValue(argument, out known!))
                    {
                        if (complain)
                            throw new HypervisorException($"There is no command 'hv oci {argument}'; choose from {string.Join(", ", Commands)}.");
                        return parsed;
                    }

                    continue;
                }

                operands.Add(argument);

                // What follows the container's name is the program's and its arguments.
                if (parsed.Command == "exec")
                {
                    operands.AddRange(arguments.Skip(i + 1));
                    break;
                }

                continue;
            }

            if (!parsed.TryTake(arguments, known, ref i, out string? problem))
            {
                if (complain)
                    throw new HypervisorException(problem!);
                return parsed;
            }
        }

        parsed.Operands = operands;
        return parsed;
    }

    private bool TryTake(IReadOnlyList<string> arguments, Dictionary<string, bool> known, ref int i, out string? problem)
    {
        problem = null;
        string argument = arguments[i];
        int equals = argument.IndexOf('=', StringComparison.Ordinal);
        string name = equals > 0 ? argument[..equals] : argument;
        if (s_short.TryGetValue(name, out string? full))
            name = full;

        // A single dash before a long name is as good: runc takes both.
        if (name.Length > 2 && name[1] != '-')
            name = "-" + name;
        bool isGlobal = !known.TryGetValue(name, out bool takesValue);
        if (isGlobal && name is not "--help" || isGlobal && Command is null)
        {
            problem = Command is null
                ? $"hv oci has no option {argument}. See 'hv oci --help'."
                : $"hv oci {Command} has no option {argument}. See 'hv oci --help'.";
            return false;
        }

        if (!_values.TryGetValue(name, out List<string>? values))
            _values.Add(name, values = []);
        if (!takesValue)
        {
            if (equals > 0 && argument[(equals + 1)..] is "false" or "0")
                _values.Remove(name);
            return true;
        }

        if (equals > 0)
        {
            values.Add(argument[(equals + 1)..]);
        }
        else if (++i < arguments.Count)
        {
            values.Add(arguments[i]);
        }
        else
        {
            problem = $"{argument} needs a value.";
            return false;
        }

        return true;
    }
}
