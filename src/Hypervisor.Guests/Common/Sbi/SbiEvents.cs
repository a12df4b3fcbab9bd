namespace Hypervisor.Guests.Common.Sbi;

/// <summary>Firmware events that are counted for each hart, numbered as in SBI 2.0, section 11.7 (table 34).</summary>
internal enum SbiEvent
{
    SetTimer = 5,
    IpiSent = 6,
    IpiReceived = 7,
    InstructionFenceSent = 8,
    InstructionFenceReceived = 9,
    AddressFenceSent = 10,
    AddressFenceReceived = 11,
    AddressSpaceFenceSent = 12,
    AddressSpaceFenceReceived = 13,
}

/// <summary>Counts firmware events. Harts count on their own threads and on each other's behalf.</summary>
internal sealed class SbiEvents(int harts)
{
    private const int First = (int)SbiEvent.SetTimer;
    private const int Kinds = (int)SbiEvent.AddressSpaceFenceReceived - First + 1;

    private readonly long[] _counts = new long[harts * Kinds];

    /// <summary>Whether an event is counted.</summary>
    public static bool IsCounted(ulong code) => code is >= First and < First + Kinds;

    /// <summary>Counts one.</summary>
    public void Count(int hart, SbiEvent what) => Interlocked.Increment(ref _counts[(hart * Kinds) + (int)what - First]);

    /// <summary>How many there were since the machine was made.</summary>
    public ulong CountOf(int hart, SbiEvent what) => (ulong)Volatile.Read(ref _counts[(hart * Kinds) + (int)what - First]);
}
