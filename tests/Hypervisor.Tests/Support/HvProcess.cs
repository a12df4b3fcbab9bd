using System.Diagnostics;
using System.Text;

namespace Hypervisor.Tests.Support;

/// <summary><c>hv</c> as a process, with somebody who types and reads.</summary>
internal sealed class HvProcess : IDisposable
{
    private readonly Thread[] _readers;
    private readonly Process _process;
    private readonly StringBuilder _output = new();
    private readonly StringBuilder _errors = new();
    private int _seen;

    public HvProcess(params string[] arguments)
        : this("dotnet", [Path.Combine(AppContext.BaseDirectory, "hv.dll"), .. arguments, .. EngineOption(arguments)])
    {
    }

    /// <summary>HV_ENGINE=translator is for real guests too.</summary>
    private static string[] EngineOption(string[] arguments)
        => arguments is ["run", "--mode", ..] && Environment.GetEnvironmentVariable("HV_ENGINE") is { Length: > 0 } && !arguments.Contains("--engine") ? ["--engine", "translator"] : [];

    private HvProcess(string program, string[] arguments)
    {
        _process = Process.Start(new ProcessStartInfo(program, arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        _readers = [new Thread(() => Collect(_process.StandardOutput, _output)), new Thread(() => Collect(_process.StandardError, _errors))];
        foreach (Thread reader in _readers)
        {
            reader.IsBackground = true;
            reader.Start();
        }
    }

    /// <summary>A shell command on a terminal of its own, in which $HV is hv; what is typed here is typed there.</summary>
    public static HvProcess OnTerminal(string command)
        => new("script", ["-qfec", $"HV='dotnet {Path.Combine(AppContext.BaseDirectory, "hv.dll")}'; {command}", "/dev/null"]);

    /// <summary>All it printed so far.</summary>
    public string Output
    {
        get
        {
            lock (_output)
                return _output.ToString();
        }
    }

    public string Errors
    {
        get
        {
            lock (_errors)
                return _errors.ToString();
        }
    }

    /// <summary>Types.</summary>
    public void Type(string text)
    {
        _process.StandardInput.Write(text);
        _process.StandardInput.Flush();
    }

    /// <summary>Waits until a text was printed, after the one waited for last; what came up to and with it.</summary>
    public string WaitFor(string text, int seconds = 60)
    {
        long end = Environment.TickCount64 + (seconds * 1000L);
        while (true)
        {
            string output = Output;
            int at = output.IndexOf(text, _seen, StringComparison.Ordinal);
            if (at >= 0)
            {
                string part = output[_seen..(at + text.Length)];
                _seen = at + text.Length;
                return part;
            }

            bool ended = _process.HasExited;
            if (ended || Environment.TickCount64 > end)
            {
                Thread.Sleep(100);
                if (ended && Output.IndexOf(text, _seen, StringComparison.Ordinal) >= 0)
                    continue;
                Assert.Fail($"'{text}' was not printed {(ended ? $"before hv ended with {_process.ExitCode}" : $"within {seconds} s")}; the end of the output:\n{Tail(Output)}\n{Tail(Errors)}");
            }

            Thread.Sleep(10);
        }
    }

    /// <summary>Waits for its end; its exit code.</summary>
    public int WaitForExit(int seconds = 60)
    {
        Assert.True(_process.WaitForExit(TimeSpan.FromSeconds(seconds)), $"hv did not end within {seconds} s:\n{Tail(Output)}\n{Tail(Errors)}");
        _process.WaitForExit();

        // What it wrote last may not have been read yet; a child that it left may hold the pipe for longer.
        foreach (Thread reader in _readers)
            reader.Join(TimeSpan.FromSeconds(2));
        return _process.ExitCode;
    }

    /// <summary>Ends it on the spot, as a power failure would.</summary>
    public void Kill()
    {
        _process.Kill();
        _process.WaitForExit();
    }

    public void Dispose()
    {
        if (!_process.HasExited)
            _process.Kill();
        _process.Dispose();
    }

    private static string Tail(string text) => text.Length <= 3000 ? text : text[^3000..];

    private static void Collect(StreamReader reader, StringBuilder into)
    {
        var buffer = new char[4096];
        for (int count; (count = reader.Read(buffer)) > 0;)
        {
            lock (into)
                into.Append(buffer, 0, count);
        }
    }
}
