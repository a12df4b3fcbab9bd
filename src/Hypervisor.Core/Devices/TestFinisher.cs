using Hypervisor.Core.State;

namespace Hypervisor.Core.Devices;

/// <summary>How a guest asked to end, through a <see cref="TestFinisher"/>.</summary>
internal enum FinisherRequest
{
    /// <summary>Power off; all went well.</summary>
    Pass,

    /// <summary>Power off; the guest failed with a code.</summary>
    Fail,

    /// <summary>Reboot.</summary>
    Reset,
}

/// <summary>
/// The test finisher, <c>sifive,test0</c> and <c>sifive,test1</c>: a store of 0x5555 ends the machine, one of
/// <c>code &lt;&lt; 16 | 0x3333</c> ends it with that code, one of 0x7777 reboots it.
/// </summary>
/// <param name="requested">Called on the thread of the store, with the code (0 unless it failed).</param>
internal sealed class TestFinisher(Action<FinisherRequest, int> requested) : IMmioDevice
{
    private const uint Fail = 0x3333;
    private const uint Pass = 0x5555;
    private const uint Reset = 0x7777;

    /// <inheritdoc/>
    public ulong Size => 0x1000;

    /// <inheritdoc/>
    public ulong Read(ulong offset, int size) => 0;

    /// <inheritdoc/>
    public void Write(ulong offset, int size, ulong value)
    {
        if (offset != 0 || size < 2)
            return;
        switch ((uint)value & 0xffff)
        {
            case Pass:
                requested(FinisherRequest.Pass, 0);
                break;
            case Fail:
                requested(FinisherRequest.Fail, (int)((uint)value >> 16));
                break;
            case Reset:
                requested(FinisherRequest.Reset, 0);
                break;
        }
    }

    /// <summary>The device keeps nothing.</summary>
    public void Save(StateWriter writer)
    {
    }

    /// <summary>The device keeps nothing.</summary>
    public void Load(StateReader reader)
    {
    }
}
