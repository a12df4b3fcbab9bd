using FsCheck.Fluent;
using Hypervisor.Core.Engine.Interpreter;
using Hypervisor.Core.Isa;
using Hypervisor.Core.Machine;
using Hypervisor.Guests;
using Hypervisor.Guests.Common;
using Hypervisor.Tests.BuiltIn;
using Hypervisor.Tests.Support;

namespace Hypervisor.Tests.Modes;

/// <summary>The same guest in every mode: it must not be able to tell which.</summary>
public sealed class ModeDifferentialTests
{
    private const int Steps = 150;

    [Fact]
    public void Run_RandomPrivilegedStream_LeavesTheSameStateInEveryMode()
        => Property.ForAll(Gen.Choose(0, 1 << 30), seed =>
        {
            LeavesTheSameStateInEveryMode(seed);
            return true;
        }, cases: 400);

    /// <summary>Seeds that found something: 64 KiB pages (Svnapot) whose 16 entries differ.</summary>
    [Theory]
    [InlineData(788812972)]
    public void Run_StreamThatOnceDiffered_LeavesTheSameStateInEveryMode(int seed) => LeavesTheSameStateInEveryMode(seed);

    private static void LeavesTheSameStateInEveryMode(int seed)
    {
        AssembledProgram program = Assembler.Assemble(PrivilegedStream.Generate(seed, Steps), new AssemblerOptions { Name = "stream", TextBase = 0x8000_0000 });
        byte[] expected = Run("bare", program);
        foreach (string mode in MachineFactory.Modes)
            Assert.True(expected.AsSpan().SequenceEqual(Run(mode, program)), $"{mode} differs from bare for seed {seed}");
    }

    private static byte[] Run(string mode, AssembledProgram program)
    {
        var loop = new EventLoop();
        using BoardGuest guest = MachineFactory.Create(
            mode, new BoardGuestOptions { Engine = Support.TestEngine.Create(), Console = new ConsoleText(), RamBytes = 4 << 20 }, loop);
        guest.Boot(new BootImages { Kernel = program.ToElf() });
        MachineExit exit = loop.Run(guest.Machine, 2_000_000);
        Assert.Equal(0, exit.Code);
        var log = new byte[PrivilegedStream.LogBytes];
        Assert.True(guest.Machine.Memory.TryRead(PrivilegedStream.Log, log));
        return log;
    }
}
