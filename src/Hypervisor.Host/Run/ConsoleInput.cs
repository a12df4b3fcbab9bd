namespace Hypervisor.Host.Run;

/// <summary>
/// Carries standard input to a guest on a thread of its own, which ends with the process: a read of standard input cannot
/// be called off.
/// </summary>
internal sealed class ConsoleInput
{
    private static readonly TimeSpan s_pause = TimeSpan.FromMilliseconds(5);

    private readonly bool _watchesEscape;
    private readonly Action _ended;
    private volatile IRunningGuest? _guest;
    private volatile bool _atEnd;

    /// <summary>Starts to carry.</summary>
    /// <param name="watchesEscape">Whether Ctrl-A x ends the guest.</param>
    /// <param name="ended">Called where the user asked to end the guest.</param>
    public ConsoleInput(bool watchesEscape, Action ended)
    {
        _watchesEscape = watchesEscape && !Console.IsInputRedirected;
        _ended = ended;
        new Thread(Carry) { IsBackground = true, Name = "console input" }.Start();
    }

    /// <summary>Who gets the input; while there is nobody, between two lives of a machine, it waits.</summary>
    public IRunningGuest? Guest
    {
        get => _guest;
        set
        {
            _guest = value;
            if (_atEnd)
                value?.InputEnded();
        }
    }

    private static int Read(Stream input, byte[] buffer)
    {
        try
        {
            return input.Read(buffer);
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
        {
            // A terminal that hung up, or no file to read from: the guest hears no more, and runs on.
            Console.Error.WriteLine($"hv: standard input cannot be read: {problem.Message}");
            return 0;
        }
    }

    private void Carry()
    {
        Stream input;
        try
        {
            input = RawTerminal.OpenInput();
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException or ArgumentException)
        {
            // Closed before hv began: there is no input.
            Console.Error.WriteLine($"hv: standard input cannot be read: {problem.Message}");
            _atEnd = true;
            _guest?.InputEnded();
            return;
        }

        var filter = new EscapeFilter();
        var buffer = new byte[4096];
        var toGuest = new List<byte>();
        while (true)
        {
            int count = Read(input, buffer);
            if (count <= 0)
            {
                _atEnd = true;
                _guest?.InputEnded();
                return;
            }

            toGuest.Clear();
            if (!_watchesEscape)
                toGuest.AddRange(buffer.AsSpan(0, count));
            else if (filter.Filter(buffer.AsSpan(0, count), toGuest))
            {
                _ended();
                return;
            }

            ReadOnlyMemory<byte> left = toGuest.ToArray();
            while (!left.IsEmpty)
            {
                left = left[(_guest?.Input(left) ?? 0)..];

                // The guest's queue is full until it reads, or there is no guest just now: wait for it.
                if (!left.IsEmpty)
                    Thread.Sleep(s_pause);
            }
        }
    }
}
