namespace Hypervisor.Host.Run;

/// <summary>
/// Watches what is typed for the escape: Ctrl-A x ends the machine, Ctrl-A Ctrl-A sends one Ctrl-A, anything else after
/// Ctrl-A goes to the guest as typed.
/// </summary>
internal sealed class EscapeFilter
{
    private const byte Escape = 1;

    private bool _escaped;

    /// <summary>Takes what was typed and gives what goes to the guest.</summary>
    /// <returns>True where the user wants to end the machine; bytes after that are dropped.</returns>
    public bool Filter(ReadOnlySpan<byte> typed, List<byte> toGuest)
    {
        foreach (byte each in typed)
        {
            if (_escaped)
            {
                _escaped = false;
                if (each is (byte)'x' or (byte)'X')
                    return true;
                if (each != Escape)
                    toGuest.Add(Escape);
                toGuest.Add(each);
            }
            else if (each == Escape)
            {
                _escaped = true;
            }
            else
            {
                toGuest.Add(each);
            }
        }

        return false;
    }
}
