using System.Diagnostics;
using Hypervisor.Core;
using Hypervisor.Guests.Container.Oci;

namespace Hypervisor.Host.Oci;

/// <summary>Runs hooks: programs of the host that are told a container's state on their standard input.</summary>
internal static class OciHooks
{
    /// <summary>Runs them in order until one fails.</summary>
    /// <exception cref="HypervisorException">One cannot be run, fails, or takes too long.</exception>
    public static void Run(IEnumerable<HookSpec> hooks, string moment, string state)
    {
        foreach (HookSpec hook in hooks)
            Run(hook, moment, state);
    }

    private static void Run(HookSpec hook, string moment, string state)
    {
        // An argument zero of its own cannot be given to a program here: it gets its path.
        var start = new ProcessStartInfo(hook.Path, hook.Arguments.Skip(1)) { RedirectStandardInput = true, RedirectStandardError = true, RedirectStandardOutput = true };
        start.Environment.Clear();
        foreach (string variable in hook.Environment)
        {
            int equals = variable.IndexOf('=', StringComparison.Ordinal);
            if (equals > 0)
                start.Environment[variable[..equals]] = variable[(equals + 1)..];
        }

        try
        {
            using Process process = Process.Start(start)!;
            Task<string> errors = process.StandardError.ReadToEndAsync();
            Task<string> output = process.StandardOutput.ReadToEndAsync();
            try
            {
                process.StandardInput.Write(state);
                process.StandardInput.Close();
            }
            catch (IOException)
            {
                // A hook need not read its input.
            }

            if (!process.WaitForExit(hook.TimeoutSeconds is { } seconds ? TimeSpan.FromSeconds(seconds) : Timeout.InfiniteTimeSpan))
            {
                process.Kill(entireProcessTree: true);
                throw new HypervisorException($"The {moment} hook '{hook.Path}' took more than its {hook.TimeoutSeconds} s.");
            }

            if (process.ExitCode != 0)
                throw new HypervisorException($"The {moment} hook '{hook.Path}' failed with exit code {process.ExitCode}: {(errors.Result + output.Result).Trim()}");
        }
        catch (System.ComponentModel.Win32Exception problem)
        {
            throw new HypervisorException($"The {moment} hook '{hook.Path}' cannot be run: {problem.Message}", problem);
        }
    }
}
