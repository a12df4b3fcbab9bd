namespace Hypervisor.Host.Run;

/// <summary>
/// Carries standard input to a guest on a thread of its own, which ends with the process: a read of standard input cannot
/// be called off.
/// </summary>
internal static class ConsoleInput
{
    private static readonly TimeSpan s_pause = TimeSpan.FromMilliseconds(5);

    /// <summary>Starts to carry.</summary>
    /// <param name="watchesEscape">Whether Ctrl-A x ends the guest.</param>
    /// <param name="offer">Gives the guest bytes and says how many it took.</param>
    /// <param name="atEnd">Called where there is no more input.</param>
    /// <param name="ended">Called where the user asked to end the guest.</param>
    public static void Start(bool watchesEscape, Func<ReadOnlyMemory<byte>, int> offer, Action atEnd, Action ended)
    {
        watchesEscape &= !Console.IsInputRedirected;
        var thread = new Thread(() => Carry(Console.OpenStandardInput(), watchesEscape, offer, atEnd, ended)) { IsBackground = true, Name = "console input" };
        thread.Start();
    }

    private static void Carry(Stream input, bool watchesEscape, Func<ReadOnlyMemory<byte>, int> offer, Action atEnd, Action ended)
    {
        var filter = new EscapeFilter();
        var buffer = new byte[4096];
        var toGuest = new List<byte>();
        while (true)
        {
            int count = input.Read(buffer);
            if (count <= 0)
            {
                atEnd();
                return;
            }

            toGuest.Clear();
            if (!watchesEscape)
                toGuest.AddRange(buffer.AsSpan(0, count));
            else if (filter.Filter(buffer.AsSpan(0, count), toGuest))
            {
                ended();
                return;
            }

            ReadOnlyMemory<byte> left = toGuest.ToArray();
            while (!left.IsEmpty)
            {
                left = left[offer(left)..];

                // The guest's queue is full until it reads: wait for it.
                if (!left.IsEmpty)
                    Thread.Sleep(s_pause);
            }
        }
    }
}
