using Hypervisor.Core;
using Hypervisor.Guests.Container;
using Hypervisor.Guests.Container.Files;
using Hypervisor.Guests.Container.Oci;

namespace Hypervisor.Host.Oci;

/// <summary>Processes beside the container's first: hooks of its own, and those of sessions.</summary>
internal sealed partial class OciMonitor
{
    /// <summary>Runs the hooks that are the container's own programs, before its first process does anything.</summary>
    private string RunStartHooks()
    {
        _running.Wait();
        string state = System.Text.Json.JsonSerializer.Serialize(new { ociVersion = OciFeatures.NewestSpecification, id = _id, status = "created", pid = Environment.ProcessId, bundle = _bundle });
        foreach (HookSpec hook in _hooks)
        {
            if (RunInside(hook, state) is not { } problem)
                continue;
            _container!.Signal(KillSignal);
            _container.HoldFirst(false);
            return "error " + problem;
        }

        _container!.HoldFirst(false);
        return "ok";
    }

    private string? RunInside(HookSpec hook, string state)
    {
        var input = new ContainerInput();
        input.Supply(System.Text.Encoding.UTF8.GetBytes(state));
        input.Complete();
        using var ended = new ManualResetEventSlim();
        int code = 0;
        try
        {
            ContainerProcess process = _container!.Execute(new ProcessOptions
            {
                Program = hook.Path,
                Arguments = hook.Arguments,
                Environment = hook.Environment,
                Input = input,
                Ended = result =>
                {
                    code = result;
                    ended.Set();
                },
            });
            if (!ended.Wait(hook.TimeoutSeconds is { } seconds ? TimeSpan.FromSeconds(seconds) : Timeout.InfiniteTimeSpan))
            {
                process.Signal(KillSignal);
                ended.Wait();
                return $"The startContainer hook '{hook.Path}' took more than its {hook.TimeoutSeconds} s.";
            }
        }
        catch (HypervisorException problem)
        {
            return $"The startContainer hook '{hook.Path}' cannot be run: {problem.Message}";
        }

        return code == 0 ? null : $"The startContainer hook '{hook.Path}' failed with exit code {code}.";
    }

    /// <summary>Runs one more process for a session, whose connection carries its streams; it goes when the session does.</summary>
    private void Execute(string json, Frames frames)
    {
        ContainerProcess process;
        var input = new ContainerInput();
        bool gone = false;

        // A short program prints and ends before the caller was told that it runs: what it says waits for that.
        var early = new List<(FrameKind Kind, byte[] Payload)>();
        bool told = false;
        try
        {
            if (!_started || _container is null)
                throw new HypervisorException("The container is not running: start it first.");
            ProcessSpec spec = ProcessSpec.Parse(System.Text.Encoding.UTF8.GetBytes(json));
            process = _container.Execute(OciContainers.Process(spec, _filter) with
            {
                Input = input,
                Output = bytes => Forward(FrameKind.Output, bytes),
                Error = bytes => Forward(FrameKind.Error, bytes),
                Ended = code => Forward(FrameKind.Exit, BitConverter.GetBytes(code)),
            });
        }
        catch (HypervisorException problem)
        {
            frames.Send("error " + problem.Message);
            return;
        }

        try
        {
            lock (early)
            {
                frames.Send("ok");
                foreach ((FrameKind kind, byte[] payload) in early)
                    frames.Send(kind, payload);
                told = true;
            }

            while (frames.TryReceive(out FrameKind kind, out byte[] payload))
            {
                if (kind == FrameKind.Input && payload.Length == 0)
                    input.Complete();
                else if (kind == FrameKind.Input)
                    input.Supply(payload);
                else if (kind == FrameKind.Signal && payload.Length == 4)
                    process.Signal(BitConverter.ToInt32(payload));
                else if (kind == FrameKind.Resize && payload.Length == 4)
                    process.ResizeTerminal(BitConverter.ToUInt16(payload), BitConverter.ToUInt16(payload, 2));
            }
        }
        finally
        {
            gone = true;
            input.Complete();
            process.Signal(KillSignal);
        }

        void Forward(FrameKind kind, ReadOnlySpan<byte> bytes)
        {
            if (gone)
                return;
            try
            {
                lock (early)
                {
                    if (told)
                        frames.Send(kind, bytes);
                    else
                        early.Add((kind, bytes.ToArray()));
                }
            }
            catch (Exception problem) when (problem is IOException or ObjectDisposedException)
            {
                gone = true; // The session ended: nobody reads any more.
            }
        }
    }
}
