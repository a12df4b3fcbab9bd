using Hypervisor.Core.Isa;
using Hypervisor.Tests.Support;

namespace Hypervisor.Tests.Host;

/// <summary><c>hv run</c> of a machine on a real terminal: what is typed, and what is left of the terminal afterwards.</summary>
public sealed class TerminalTests : IDisposable
{
    /// <summary>Echoes what it gets on the serial port as hexadecimal, and powers off at a q.</summary>
    private const string Echo = """
        _start:
            li s0, 0x10000000
            li a0, '>'
            sb a0, 0(s0)
        1:  lbu a1, 5(s0)
            andi a1, a1, 1
            beqz a1, 1b
            lbu a2, 0(s0)
            li a3, 'q'
            beq a2, a3, 3f
            srli a0, a2, 4
            jal digit
            andi a0, a2, 15
            jal digit
            j 1b
        digit:
            addi a0, a0, '0'
            li a4, '9'
            ble a0, a4, 2f
            addi a0, a0, 39
        2:  sb a0, 0(s0)
            ret
        3:  li t0, 0x100000
            li t1, END
            sw t1, 0(t0)
            j .
        """;

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [PeerFact("script", "stty")]
    public void Keys_OnATerminal_ReachTheGuestOneByOneAndUnchanged()
    {
        using HvProcess hv = Start("0x5555");
        hv.WaitFor(">");
        hv.Type("a\r\n\u0003\u001a\u001c\u0001\u0001\u0001b\u007f\u0013\u0011");
        Assert.EndsWith("610d0a031a1c0101627f1311", hv.WaitFor("1311"));
        hv.Type("q");
        hv.WaitFor("code 0");
        AssertRestored(hv);
    }

    [PeerFact("script", "stty")]
    public void ControlAX_Typed_EndsTheMachine()
    {
        using HvProcess hv = Start("0x5555");
        hv.WaitFor(">");
        hv.Type("\u0001x");
        hv.WaitFor("ended at the keyboard");
        hv.WaitFor("code 0");
        AssertRestored(hv);
    }

    [PeerFact("script", "stty")]
    public void Failure_OfTheGuest_LeavesTheTerminalAsItWas()
    {
        using HvProcess hv = Start("0x73333");
        hv.WaitFor(">");
        hv.Type("q");
        hv.WaitFor("code 7");
        AssertRestored(hv);
    }

    [PeerFact("script", "stty")]
    public void Timeout_LeavesTheTerminalAsItWas()
    {
        using HvProcess hv = Start("0x5555", "--timeout 1");
        hv.WaitFor("code 124");
        AssertRestored(hv);
    }

    [PeerFact("script", "stty", "pkill")]
    public void Termination_ByASignal_LeavesTheTerminalAsItWas()
    {
        using HvProcess hv = Start("0x5555");
        hv.WaitFor(">");
        Peer.Run("pkill", "-TERM", "-f", $"hv.dll run .*{_folder.Root}");
        hv.WaitFor("code 1");
        AssertRestored(hv);
    }

    /// <summary>A long text pasted in one go comes whole and in order, though the serial port's queue is short.</summary>
    [PeerFact("script", "stty")]
    public void LongPaste_OnATerminal_ArrivesWhole()
    {
        using HvProcess hv = Start("0x5555");
        hv.WaitFor(">");
        string text = string.Concat(Enumerable.Range(0, 3000).Select(i => (char)('A' + (i * 7 % 26))));
        for (int at = 0; at < text.Length; at += 500)
            hv.Type(text.Substring(at, 500));
        hv.Type("!");
        string echoed = hv.WaitFor("21");
        Assert.Equal(Convert.ToHexStringLower(System.Text.Encoding.ASCII.GetBytes(text + "!")), echoed);
        hv.Type("q");
        hv.WaitFor("code 0");
        AssertRestored(hv);
    }

    private HvProcess Start(string end, string more = "")
    {
        string kernel = _folder.Write("echo.elf", Assembler.Assemble(Echo.Replace("END", end, StringComparison.Ordinal),
            new AssemblerOptions { Name = "echo", TextBase = 0x8000_0000 }).ToElf());
        return HvProcess.OnTerminal($"stty -a > {_folder["before"]}; $HV run --mode full --kernel {kernel} {more}; echo code $?; stty -a > {_folder["after"]}; echo end");
    }

    private void AssertRestored(HvProcess hv)
    {
        hv.WaitFor("end");
        hv.WaitForExit();
        Assert.Equal(File.ReadAllText(_folder["before"]), File.ReadAllText(_folder["after"]));
    }
}
