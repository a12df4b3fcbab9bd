using Hypervisor.Core.Engine.Interpreter;
using Hypervisor.Core.Isa;
using Hypervisor.Guests;
using Hypervisor.Guests.Common;
using Hypervisor.Tests.BuiltIn;
using Hypervisor.Tests.Support;

namespace Hypervisor.Tests.Modes;

/// <summary>Random privileged programs beside QEMU: every trap they take, with cause, address, value and status, in every mode of ours.</summary>
public sealed class PrivilegedStreamPeerTests
{
    private const string Cpu = "rv64,h=false,debug=false,svpbmt=true,svinval=true,svnapot=true";
    private const int Steps = 250;

    [PeerFact("qemu-system-riscv64")]
    public void Run_RandomPrivilegedStream_TakesTheTrapsOfQemu()
    {
        for (int seed = 0; seed < 20; seed++)
        {
            AssembledProgram program = Assembler.Assemble(PrivilegedStream.GenerateForPeer(seed, Steps), new AssemblerOptions { Name = "stream", TextBase = 0x8000_0000 });
            using var qemu = new QemuBoard();
            (int code, string text) = qemu.RunPrivileged(program, [0], 1, "-cpu", Cpu);
            Assert.Equal(0, code);
            string[] expected = text.Replace("\r", "").Split('\n');
            Assert.True(expected.Length > 100, "the stream took hardly any trap");
            foreach (string mode in MachineFactory.Modes)
            {
                var loop = new EventLoop();
                var console = new ConsoleText();
                using BoardGuest guest = MachineFactory.Create(
                    mode, new BoardGuestOptions { Engine = Support.TestEngine.Create(), Console = console, RamBytes = 64 << 20 }, loop);
                guest.Boot(new BootImages { Kernel = program.ToElf() });
                Assert.Equal(0, loop.Run(guest.Machine, 5_000_000).Code);
                string[] actual = console.ToString().Split('\n');
                for (int i = 0; i < expected.Length; i++)
                {
                    string ours = i < actual.Length ? actual[i] : "nothing";
                    if (ours != expected[i])
                        Assert.Fail($"seed {seed}, {mode}: trap {i / 4}, {((string[])["cause", "pc", "value", "status"])[i % 4]} is {ours}, QEMU has {expected[i]}\n" + Around(actual, expected, i / 4));
                }
            }
        }
    }

    private static string Around(string[] actual, string[] expected, int trap)
        => string.Join('\n', Enumerable.Range(Math.Max(0, trap - 2), 5)
            .Select(i => $"{i}: {string.Join(' ', actual.Skip(i * 4).Take(4))}\n   {string.Join(' ', expected.Skip(i * 4).Take(4))} on QEMU"));
}
