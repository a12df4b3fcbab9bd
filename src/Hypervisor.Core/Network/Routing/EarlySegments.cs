namespace Hypervisor.Core.Network.Routing;

/// <summary>Segments that came before their turn. Only so many are kept: the others come again.</summary>
internal sealed class EarlySegments
{
    private const int Maximum = 256;

    private readonly List<(uint Sequence, byte[] Data)> _kept = [];

    /// <summary>Keeps bytes, where they lie in the window.</summary>
    /// <param name="data">The bytes.</param>
    /// <param name="sequence">The number of the first.</param>
    /// <param name="next">The number whose turn it is.</param>
    /// <param name="window">How many from there may come.</param>
    public void Keep(ReadOnlySpan<byte> data, uint sequence, uint next, int window)
    {
        uint ahead = sequence - next;
        int length = data.Length;
        if (length == 0 || (long)ahead + length > window || _kept.Count == Maximum
            || _kept.Exists(each => each.Sequence == sequence && each.Data.Length >= length))
            return;
        _kept.Add((sequence, data.ToArray()));
    }

    /// <summary>Takes bytes whose turn has come; null where there are none.</summary>
    public ReadOnlyMemory<byte>? Take(uint next)
    {
        for (int i = _kept.Count - 1; i >= 0; i--)
        {
            (uint sequence, byte[] data) = _kept[i];
            int known = (int)(next - sequence);
            if (known < 0)
                continue;
            _kept.RemoveAt(i);
            if (known < data.Length)
                return data.AsMemory(known);
        }

        return null;
    }

    /// <summary>Forgets all.</summary>
    public void Clear() => _kept.Clear();
}
