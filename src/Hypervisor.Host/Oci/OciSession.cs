using System.IO.Pipes;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Hypervisor.Core;
using Hypervisor.Guests.Container.Oci;
using Hypervisor.Host.Cli;

namespace Hypervisor.Host.Oci;

/// <summary>
/// A process that <c>exec</c> added to a container, seen from outside: carries its streams and signals, and ends with its exit
/// code. The process goes when this one does.
/// </summary>
internal static class OciSession
{
    /// <summary>Opens a connection to the process that holds a container.</summary>
    /// <exception cref="HypervisorException">It does not answer.</exception>
    public static Frames Connect(ContainerStore store, string id)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            socket.Connect(new UnixDomainSocketEndPoint(store.SocketOf(id)));
            return new Frames(new NetworkStream(socket, ownsSocket: true));
        }
        catch (SocketException problem)
        {
            socket.Dispose();
            throw new HypervisorException($"Container '{id}' is not running: its process does not answer ({problem.Message}).", problem);
        }
    }

    /// <summary>Runs a process in a container to its end.</summary>
    /// <param name="store">Where the container's record is.</param>
    /// <param name="id">The container.</param>
    /// <param name="process">The process as JSON.</param>
    /// <param name="consoleSocket">Where a terminal of its own is sent; null for none.</param>
    /// <param name="isReady">Called once it runs.</param>
    /// <returns>Its exit code.</returns>
    public static int Run(ContainerStore store, string id, string process, string? consoleSocket, Action isReady)
    {
        ProcessSpec spec = ProcessSpec.Parse(System.Text.Encoding.UTF8.GetBytes(process));
        using Frames frames = Connect(store, id);
        if (consoleSocket is not null)
        {
            HostTerminal.LeaveSession();
            HostTerminal.Adopt(consoleSocket, spec.Rows, spec.Columns);
        }

        frames.Send("exec " + process);
        string answer = frames.ReceiveText() ?? throw new HypervisorException($"Container '{id}' ended.");
        if (answer != "ok")
            throw new HypervisorException(answer["error ".Length..]);
        List<PosixSignalRegistration> signals = ForwardSignals(frames);

        // The terminal may have been given a size before anybody here heard of it.
        if (consoleSocket is not null && HostTerminal.TryGetSize(out ushort rows, out ushort columns) && rows != 0)
            frames.SendNumber(FrameKind.Resize, rows | columns << 16);
        isReady();
        new Thread(() => CarryInput(frames)) { IsBackground = true, Name = "standard input" }.Start();
        try
        {
            return CarryOutput(frames);
        }
        finally
        {
            foreach (PosixSignalRegistration signal in signals)
                signal.Dispose();
        }
    }

    /// <summary>As a process of its own, for <c>exec --detach</c>.</summary>
    public static int RunDetached(ContainerStore store, OciArguments arguments)
    {
        using var ready = new AnonymousPipeClientStream(PipeDirection.Out, arguments["--ready"]!);
        bool isReady = false;
        try
        {
            HostTerminal.LeaveSession();
            int code = Run(store, arguments.Operands[0], File.ReadAllText(arguments["--process"]!), arguments["--console-socket"], () =>
            {
                isReady = true;
                ready.Write("ok"u8);
                ready.Dispose();
            });
            WaitForCaller(arguments);
            return code;
        }
        catch (Exception problem) when (!isReady && problem is HypervisorException or IOException or UnauthorizedAccessException)
        {
            ready.Write(System.Text.Encoding.UTF8.GetBytes("error " + problem.Message));
            return ExitCode.GuestFailed;
        }
    }

    /// <summary>
    /// Waits for the end of the process that started this one. A child that ends first is reaped there, and its exit code is
    /// lost to whoever takes in orphans and waits for it: conmon, or containerd's shim.
    /// </summary>
    public static void WaitForCaller(OciArguments arguments)
    {
        if (arguments["--caller"] is not { } handle)
            return;
        using var caller = new AnonymousPipeClientStream(PipeDirection.In, handle);
        _ = caller.ReadByte();
    }

    private static int CarryOutput(Frames frames)
    {
        using Stream output = Console.OpenStandardOutput();
        using Stream error = Console.OpenStandardError();
        while (frames.TryReceive(out FrameKind kind, out byte[] payload))
        {
            try
            {
                if (kind == FrameKind.Output)
                    output.Write(payload);
                else if (kind == FrameKind.Error)
                    error.Write(payload);
                else if (kind == FrameKind.Exit)
                    return BitConverter.ToInt32(payload);
            }
            catch (IOException)
            {
                // Nobody reads it any more; its exit code is still waited for.
            }
        }

        // The container ended, and its processes with it.
        return 128 + 9;
    }

    private static void CarryInput(Frames frames)
    {
        try
        {
            using (Stream stream = Host.Run.RawTerminal.OpenInput())
            {
                var buffer = new byte[16 << 10];
                for (int count; (count = stream.Read(buffer)) > 0;)
                    frames.Send(FrameKind.Input, buffer.AsSpan(0, count));
            }

            frames.Send(FrameKind.Input, []);
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException or ArgumentException or ObjectDisposedException)
        {
            // No input, or nobody who takes it.
        }
    }

    private static List<PosixSignalRegistration> ForwardSignals(Frames frames)
    {
        if (OperatingSystem.IsWindows())
            return [];
        return [.. new[] { 1, 2, 3, 10, 12, 15, 28 }.Select(signal => PosixSignalRegistration.Create((PosixSignal)signal, context =>
        {
            context.Cancel = true;
            if (signal == 28 && HostTerminal.TryGetSize(out ushort rows, out ushort columns))
                frames.SendNumber(FrameKind.Resize, rows | columns << 16);
            else
                frames.SendNumber(FrameKind.Signal, signal);
        }))];
    }
}
