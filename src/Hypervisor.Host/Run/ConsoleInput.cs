namespace Hypervisor.Host.Run;

/// <summary>
/// Carries standard input to a guest on a thread of its own, which ends with the process: a read of standard input cannot
/// be called off.
/// </summary>
internal sealed class ConsoleInput
{
    private const int MostAtOnce = 4096;

    private static readonly TimeSpan s_pause = TimeSpan.FromMilliseconds(5);

    private readonly bool _watchesEscape;
    private readonly Action _ended;
    private volatile IRunningGuest? _guest;
    private volatile bool _atEnd;

    /// <summary>Makes it; it carries from <see cref="Start"/> or <see cref="Begin"/> on.</summary>
    /// <param name="watchesEscape">Whether Ctrl-A x ends the guest.</param>
    /// <param name="ended">Called where the user asked to end the guest.</param>
    public ConsoleInput(bool watchesEscape, Action ended)
    {
        _watchesEscape = watchesEscape && !Console.IsInputRedirected;
        _ended = ended;
    }

    /// <summary>Whether <see cref="Begin"/> can tell what there is without waiting for it.</summary>
    public static bool CanBeginLate => TerminalSettings.AreThere;

    /// <summary>Starts to carry.</summary>
    public void Start() => new Thread(() => Carry(Open())) { IsBackground = true, Name = "console input" }.Start();

    /// <summary>Takes what there is now and starts to carry what comes, unless that is all.</summary>
    public (ReadOnlyMemory<byte> Bytes, bool IsAll) Begin()
    {
        Stream? input = Open();
        if (input is null)
            return (default, true);
        ReadOnlyMemory<byte> bytes = default;
        if (TerminalSettings.IsReadable(RawTerminal.StandardInput))
        {
            var buffer = new byte[MostAtOnce];
            bytes = buffer.AsMemory(0, Read(input, buffer));
            if (bytes.IsEmpty)
            {
                _atEnd = true;
                return (default, true);
            }
        }

        new Thread(() => Carry(input)) { IsBackground = true, Name = "console input" }.Start();
        return (bytes, false);
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

    /// <summary>Standard input; null where there is none, which the guest hears.</summary>
    private Stream? Open()
    {
        try
        {
            return RawTerminal.OpenInput();
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException or ArgumentException)
        {
            // Closed before hv began: there is no input.
            Console.Error.WriteLine($"hv: standard input cannot be read: {problem.Message}");
            _atEnd = true;
            return null;
        }
    }

    private void Carry(Stream? input)
    {
        if (input is null)
        {
            _guest?.InputEnded();
            return;
        }

        var filter = new EscapeFilter();
        var buffer = new byte[MostAtOnce];
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
