using System.Globalization;

namespace Hypervisor.Guests.Container.Isolation;

/// <summary>How numbers of users or groups of a user namespace correspond to the container's (user_namespaces(7)).</summary>
internal sealed class IdMap
{
    /// <summary>What is told in the place of somebody whom a namespace does not know.</summary>
    public const uint Overflow = 65534;

    /// <summary>Nobody.</summary>
    public const uint None = uint.MaxValue;

    private const int MostExtents = 340;

    private readonly List<Extent> _extents = new(capacity: 1);

    private readonly record struct Extent(uint Inside, uint Outside, uint Count);

    public bool IsEmpty => _extents.Count == 0;

    /// <summary>Somebody of the container's as the namespace knows him; <see cref="None"/> where it does not.</summary>
    public uint ToInside(uint id)
    {
        foreach (Extent extent in _extents)
        {
            if (id - extent.Outside < extent.Count)
                return extent.Inside + (id - extent.Outside);
        }

        return None;
    }

    /// <summary>Somebody of the namespace as the container knows him; <see cref="None"/> where there is no such.</summary>
    public uint ToOutside(uint id)
    {
        foreach (Extent extent in _extents)
        {
            if (id - extent.Inside < extent.Count)
                return extent.Outside + (id - extent.Inside);
        }

        return None;
    }

    /// <summary>The map as text, the outer numbers as another namespace knows them; null for the container's own.</summary>
    public string Tell(IdMap? viewer)
        => string.Concat(_extents.Select(extent => string.Create(CultureInfo.InvariantCulture, $"{extent.Inside,10} {(viewer is null ? extent.Outside : viewer.ToInside(extent.Outside)),10} {extent.Count,10}\n")));

    /// <summary>Reads a map whose outer numbers are another namespace's; null where the text is wrong.</summary>
    /// <param name="text">Lines of three numbers.</param>
    /// <param name="outer">The namespace that the outer numbers are of; null for the container's own.</param>
    /// <param name="only">The one outer number, where a single one is mapped.</param>
    /// <param name="isKnown">Whether the outer namespace knows all of them.</param>
    public static IdMap? Parse(string text, IdMap? outer, out uint? only, out bool isKnown)
    {
        (only, isKnown) = (null, true);
        var map = new IdMap();
        var outside = new List<Extent>();
        foreach (string line in text.TrimEnd('\n').Split('\n'))
        {
            string[] words = line.Split([' ', '\t'], StringSplitOptions.RemoveEmptyEntries);
            if (words.Length != 3 || !Number(words[0], out uint inside) || !Number(words[1], out uint lower) || !Number(words[2], out uint count)
                || count == 0 || inside == None || lower == None || inside + count <= inside || lower + count <= lower || outside.Count == MostExtents)
                return null;
            if (outside.Exists(each => Overlaps(each.Inside, each.Count, inside, count) || Overlaps(each.Outside, each.Count, lower, count)))
                return null;
            outside.Add(new Extent(inside, lower, count));
            uint first = outer is null ? lower : outer.ToOutside(lower);

            // What is in a row outside must be in a row for the container, too.
            if (first == None || (outer is not null && outer.ToOutside(lower + count - 1) != first + count - 1))
                isKnown = false;
            map._extents.Add(new Extent(inside, first, count));
        }

        if (map._extents is [{ Count: 1 } single])
            only = single.Outside;
        return map;
    }

    private static bool Overlaps(uint first, uint firstCount, uint second, uint secondCount) => first < (ulong)second + secondCount && second < (ulong)first + firstCount;

    private static bool Number(string text, out uint value) => uint.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out value);
}
