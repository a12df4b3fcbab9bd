using System.Text;
using Hypervisor.Core.Devices;

namespace Hypervisor.Host.Manifest;

/// <summary>What several guests print to one stream: whole lines, each with its guest's name before it.</summary>
internal sealed class PrefixedConsole(Stream output, Lock gate, string name) : IConsoleSink
{
    private const int LongestLine = 4096;

    private readonly byte[] _prefix = Encoding.UTF8.GetBytes($"{name} | ");
    private readonly List<byte> _line = [];

    /// <inheritdoc/>
    public void Write(ReadOnlySpan<byte> bytes)
    {
        lock (gate)
        {
            foreach (byte value in bytes)
            {
                if (value == (byte)'\r')
                    continue;
                _line.Add(value);
                if (value == (byte)'\n' || _line.Count == LongestLine)
                    WriteLine();
            }
        }
    }

    /// <summary>Writes what stands without an end of line.</summary>
    public void Finish()
    {
        lock (gate)
        {
            if (_line.Count > 0)
                WriteLine();
        }
    }

    private void WriteLine()
    {
        if (_line[^1] != (byte)'\n')
            _line.Add((byte)'\n');
        output.Write(_prefix);
        output.Write([.. _line]);
        output.Flush();
        _line.Clear();
    }
}
