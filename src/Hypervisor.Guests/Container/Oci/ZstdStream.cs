using System.ComponentModel;
using System.Diagnostics;
using Hypervisor.Core;

namespace Hypervisor.Guests.Container.Oci;

/// <summary>
/// Unpacks Zstandard with the host's <c>zstd</c> program, which reads what is packed from a pipe and writes to another: it has
/// nothing to do with files, and what it makes is checked like any other layer.
/// </summary>
internal sealed class ZstdStream : SequentialStream
{
    private readonly Process _process;
    private readonly Task _feeding;
    private readonly Task<string> _complaints;

    /// <summary>Begins to unpack.</summary>
    /// <exception cref="HypervisorException">The host has no such program.</exception>
    public ZstdStream(Stream packed)
    {
        try
        {
            _process = Process.Start(new ProcessStartInfo("zstd", ["--decompress", "--stdout", "--quiet"])
            {
                RedirectStandardInput = true,
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            })!;
        }
        catch (Win32Exception problem)
        {
            throw new HypervisorException("A layer is packed by Zstandard, which the program zstd unpacks: install it, or have gzip used, as 'skopeo copy --dest-compress-format gzip' does.", problem);
        }

        _complaints = _process.StandardError.ReadToEndAsync();
        _feeding = Task.Run(() =>
        {
            try
            {
                using Stream input = _process.StandardInput.BaseStream;
                packed.CopyTo(input);
            }
            catch (IOException)
            {
                // It stopped reading: why, its exit code and what it prints tell.
            }
        });
    }

    public override int Read(Span<byte> buffer)
    {
        int count = _process.StandardOutput.BaseStream.Read(buffer);
        if (count > 0 || buffer.Length == 0)
            return count;
        _process.WaitForExit();
        _feeding.Wait();
        return _process.ExitCode == 0 ? 0 : throw new InvalidDataException(_complaints.Result.Trim());
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            // Who reads no further needs nothing more of it.
            if (!_process.HasExited)
                _process.Kill();
            _process.WaitForExit();
            _feeding.Wait();
            _process.Dispose();
        }

        base.Dispose(disposing);
    }
}
