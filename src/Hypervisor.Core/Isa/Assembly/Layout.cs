namespace Hypervisor.Core.Isa.Assembly;

/// <summary>Gives every section its address: code, then read-only data, then writable data, each on pages of its own.</summary>
internal static class Layout
{
    /// <summary>Places the sections and returns them in the order of their addresses.</summary>
    internal static List<SectionBuffer> Place(AssemblyContext context)
    {
        var options = context.Options;
        var sections = context.Sections.OrderBy(Group).ThenBy(section => section.IsZeroed).ToList();
        var address = options.TextBase;
        var group = -1;
        foreach (var section in sections)
        {
            if (Group(section) != group)
            {
                address = group < 0 ? address : AlignUp(address, options.SegmentAlignment);
                group = Group(section);
                if (group == 2 && options.DataBase is { } dataBase)
                {
                    address = dataBase >= address || sections[0] == section
                        ? dataBase
                        : throw new HypervisorException(
                            $"{options.Name}: DataBase 0x{dataBase:x} lies below the end of code and read-only data, 0x{address:x}");
                }
            }

            section.Address = AlignUp(address, section.Alignment);
            address = section.Address + (ulong)section.Size;
            if (address < section.Address)
            {
                throw new HypervisorException($"{options.Name}: section {section.Name} reaches past the end of the address space");
            }
        }

        return sections;
    }

    private static int Group(SectionBuffer section) => section.IsExecutable ? 0 : section.IsWritable ? 2 : 1;

    private static ulong AlignUp(ulong value, ulong alignment) => unchecked(value + alignment - 1) & ~(alignment - 1);
}
