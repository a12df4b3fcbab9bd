namespace Hypervisor.Guests.Container.Files;

/// <summary>The settings of a terminal: <c>struct termios</c> of asm-generic.</summary>
internal sealed class Termios
{
    public const int Bytes = 36;
    public const int BytesWithSpeeds = 44;

    // c_iflag
    public const uint IgnoreCr = 0x80, CrToNl = 0x100, NlToCr = 0x40, StripBit = 0x20, FlowOut = 0x400, AnyRestarts = 0x800, BellOnFull = 0x2000, ToLower = 0x200;

    // c_oflag
    public const uint PostProcess = 1, NlToCrNl = 4, CrToNlOut = 8, NoCrAtStart = 0x10, NlReturns = 0x20, ToUpper = 2, TabMask = 0x1800;

    // c_lflag
    public const uint SignalKeys = 1, Canonical = 2, Echo = 8, EchoErase = 0x10, EchoKill = 0x20, EchoNl = 0x40, NoFlush = 0x80, StopBackground = 0x100;
    public const uint EchoControl = 0x200, EchoKillErase = 0x800, Extended = 0x8000;

    // c_cc
    public const int Interrupt = 0, Quit = 1, Erase = 2, Kill = 3, EndOfFile = 4, Time = 5, Minimum = 6, Start = 8, Stop = 9, Suspend = 10;
    public const int EndOfLine = 11, Reprint = 12, Discard = 13, EraseWord = 14, LiteralNext = 15, EndOfLine2 = 16;

    private const int CharacterCount = 19;
    private readonly byte[] _characters = [3, 28, 127, 21, 4, 0, 1, 0, 17, 19, 26, 0, 18, 15, 23, 22, 0, 0, 0];

    public uint Input { get; private set; } = CrToNl | FlowOut;

    public uint Output { get; private set; } = PostProcess | NlToCrNl;

    public uint Control { get; private set; } = 0xBF;

    public uint Local { get; private set; } = SignalKeys | Canonical | Echo | EchoErase | EchoKill | EchoControl | EchoKillErase | Extended;

    public byte Line { get; private set; }

    public uint InputSpeed { get; private set; } = 38400;

    public uint OutputSpeed { get; private set; } = 38400;

    public byte this[int character] => _characters[character];

    /// <summary>Whether a byte is a control character that is set; a zero stands for none.</summary>
    public bool Is(byte value, int character) => value != 0 && _characters[character] == value;

    public void Write(Span<byte> bytes)
    {
        BitConverter.TryWriteBytes(bytes, Input);
        BitConverter.TryWriteBytes(bytes[4..], Output);
        BitConverter.TryWriteBytes(bytes[8..], Control);
        BitConverter.TryWriteBytes(bytes[12..], Local);
        bytes[16] = Line;
        _characters.CopyTo(bytes[17..]);
        if (bytes.Length < BytesWithSpeeds)
            return;
        BitConverter.TryWriteBytes(bytes[36..], InputSpeed);
        BitConverter.TryWriteBytes(bytes[40..], OutputSpeed);
    }

    public void Read(ReadOnlySpan<byte> bytes)
    {
        Input = BitConverter.ToUInt32(bytes);
        Output = BitConverter.ToUInt32(bytes[4..]);
        Control = BitConverter.ToUInt32(bytes[8..]);
        Local = BitConverter.ToUInt32(bytes[12..]);
        Line = bytes[16];
        bytes.Slice(17, CharacterCount).CopyTo(_characters);
        if (bytes.Length < BytesWithSpeeds)
            return;
        InputSpeed = BitConverter.ToUInt32(bytes[36..]);
        OutputSpeed = BitConverter.ToUInt32(bytes[40..]);
    }
}
