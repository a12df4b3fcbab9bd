using System.Buffers.Binary;
using Hypervisor.Core.Engine;
using Hypervisor.Core.Engine.Interpreter;
using Hypervisor.Core.Hart;
using Hypervisor.Core.Memory;

namespace Hypervisor.Tests.Engine;

/// <summary>The plainest guest: one hart over flat memory, every exception an exit.</summary>
internal sealed unsafe class FlatGuest : IDisposable
{
    public FlatGuest(ulong memoryBase, ulong memorySize, bool fuse = true, bool forced = false, int vectorBits = 0)
        : this(memoryBase, memorySize, forced ? Support.TestEngine.Forced(fuse) : Support.TestEngine.Create(fuse), vectorBits)
    {
    }

    /// <param name="memoryBase">Where its memory begins.</param>
    /// <param name="memorySize">Bytes of it.</param>
    /// <param name="engine">What runs it, others too.</param>
    /// <param name="vectorBits">Bits of a vector register.</param>
    public FlatGuest(ulong memoryBase, ulong memorySize, Interpreter engine, int vectorBits = 0)
    {
        Memory = new GuestMemory(new MemoryRegion(memoryBase, memorySize));
        Hart = new HartContext(Memory, new FlatTranslator(Memory), new ExitControls { Exceptions = ExitControls.AllExceptions }, singleContext: true, vectorBits);
        Hart.State->FpEnabled = 1;
        VectorUnit.Enable(Hart.State, enabled: true);
        Hart.State->Pc = memoryBase;
        Code = new CodeCache(Memory);
        Engine = engine;
    }

    public GuestMemory Memory { get; }

    public HartContext Hart { get; }

    public CodeCache Code { get; }

    public Interpreter Engine { get; }

    public ulong Pc
    {
        get => Hart.State->Pc;
        set => Hart.State->Pc = value;
    }

    public ulong this[int register]
    {
        get => Hart.State->X[register];
        set => Hart.State->X[register] = value;
    }

    public void Load(ulong address, params ReadOnlySpan<uint> words)
    {
        Span<byte> bytes = stackalloc byte[4];
        foreach (uint word in words)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(bytes, word);
            Assert.True(Memory.TryWrite(address, bytes));
            address += 4;
        }
    }

    public VmExit Run(long budget) => Engine.Run(Hart, Code, budget);

    /// <summary>Everything a guest can see of its hart.</summary>
    public ulong[] Registers()
    {
        var all = new ulong[67];
        for (int i = 0; i < 32; i++)
        {
            all[i] = Hart.State->X[i];
            all[32 + i] = Hart.State->F[i];
        }

        all[64] = Hart.State->Pc;
        all[65] = Hart.State->Fflags;
        all[66] = Hart.State->Frm;
        return all;
    }

    public void Dispose()
    {
        Hart.Dispose();
        Code.Dispose();
        Memory.Dispose();
    }
}
