namespace Hypervisor.Guests.Container.Kernel;

/// <summary>A filter over a task's system calls, before those that it had already; a new one never allows what an old one forbids.</summary>
internal sealed class SystemCallFilter(FilterProgram program, SystemCallFilter? before)
{
    /// <summary>What programs are told they run on (AUDIT_ARCH_RISCV64).</summary>
    public const uint Architecture = 0xC000_00F3;

    private const int EachCosts = 4;

    public SystemCallFilter? Before => before;

    /// <summary>How many there are, this one included.</summary>
    public int Count { get; } = (before?.Count ?? 0) + 1;

    /// <summary>Instructions of all of them, with what each counts for beside.</summary>
    public int Instructions { get; } = program.Count + (before is null ? 0 : before.Instructions + EachCosts);

    /// <summary>Whether it is another, or came after it.</summary>
    public bool Follows(SystemCallFilter? other)
    {
        for (SystemCallFilter? at = this; at is not null; at = at.Before)
        {
            if (at == other)
                return true;
        }

        return other is null;
    }

    /// <summary>What they decide about the call in a task's registers: the strictest of all.</summary>
    public uint Decide(KernelTask task)
    {
        Span<byte> data = stackalloc byte[FilterProgram.DataBytes];
        BitConverter.TryWriteBytes(data, (uint)task.CallNumber);
        BitConverter.TryWriteBytes(data[4..], Architecture);
        BitConverter.TryWriteBytes(data[8..], task.Pc + 4);
        for (int i = 0; i < 6; i++)
            BitConverter.TryWriteBytes(data[(16 + (i * 8))..], task.CallArgument(i));
        uint decided = FilterAction.Allow;
        for (SystemCallFilter? at = this; at is not null; at = at.Before)
        {
            uint each = at.Run(data);
            if ((int)(each & FilterAction.Mask) < (int)(decided & FilterAction.Mask))
                decided = each;
        }

        return decided;
    }

    private uint Run(ReadOnlySpan<byte> data) => program.Run(data);
}

/// <summary>What a filter may decide (seccomp(2)); the lower half tells more.</summary>
internal static class FilterAction
{
    public const uint Mask = 0xFFFF_0000, DataMask = 0xFFFF;
    public const uint KillProcess = 0x8000_0000, KillTask = 0, Trap = 0x3_0000, Error = 0x5_0000, Trace = 0x7FF0_0000, Log = 0x7FFC_0000, Allow = 0x7FFF_0000;

    /// <summary>Whether an action is known.</summary>
    public static bool IsKnown(uint action) => action is KillProcess or KillTask or Trap or Error or Trace or Log or Allow;
}
