using Hypervisor.Core.Hart;

namespace Hypervisor.Guests.Container.Kernel;

/// <summary>
/// The vector registers in a signal's frame, behind those of floating point: a context header of their own, the CSRs, a pointer to
/// the registers, the registers, and the header that ends the list (arch/riscv/include/uapi/asm/sigcontext.h and ptrace.h).
/// </summary>
/// <remarks>Invariant for the unsafe code: a task's vector registers lie at <see cref="HartState.V"/>, 32 times Vlenb bytes.</remarks>
internal static unsafe class VectorFrame
{
    private const uint Magic = 0x5346_5457;
    private const int HeaderBytes = 8;
    private const int StateBytes = 48;

    /// <summary>Bytes that a frame takes more: none before the task's first vector instruction.</summary>
    public static int BytesFor(HartState* s) => s->Vlenb == 0 || s->VectorDirty == 0 ? 0 : MostBytes(s->Vlenb);

    /// <summary>Bytes that a frame may take more where registers have a length.</summary>
    public static int MostBytes(int vlenb) => vlenb == 0 ? 0 : (ContextBytes(vlenb) + HeaderBytes + 15) & ~15;

    /// <summary>Writes header, state and registers, and leaves the header behind them zero.</summary>
    /// <param name="s">The task's registers.</param>
    /// <param name="frame">The frame.</param>
    /// <param name="at">Where in it the first header is.</param>
    /// <param name="address">Where in memory it will be.</param>
    public static void Write(HartState* s, Span<byte> frame, int at, ulong address)
    {
        int dataAt = at + HeaderBytes + StateBytes;
        BitConverter.TryWriteBytes(frame[at..], Magic);
        BitConverter.TryWriteBytes(frame[(at + 4)..], ContextBytes(s->Vlenb));
        ReadOnlySpan<ulong> words = [s->Vstart, s->Vl, s->Vtype, s->Vxsat | (uint)s->Vxrm << 1, (uint)s->Vlenb, address + (ulong)dataAt];
        for (int i = 0; i < words.Length; i++)
            BitConverter.TryWriteBytes(frame[(at + HeaderBytes + i * 8)..], words[i]);
        new ReadOnlySpan<byte>(s->V, 32 * s->Vlenb).CopyTo(frame[dataAt..]);
    }

    /// <summary>Puts back what a frame holds, which may be nothing; false where it cannot be read or is no frame of this task's.</summary>
    /// <param name="task">The task.</param>
    /// <param name="header">The first header.</param>
    /// <param name="address">Where it is in memory.</param>
    public static bool TryRead(KernelTask task, ReadOnlySpan<byte> header, ulong address)
    {
        uint magic = BitConverter.ToUInt32(header);
        int size = BitConverter.ToInt32(header[4..]);
        if (magic == 0)
            return size == 0;
        HartState* s = task.State;
        Span<byte> state = stackalloc byte[StateBytes];
        if (magic != Magic || s->Vlenb == 0 || size != ContextBytes(s->Vlenb) || !task.TryRead(address + HeaderBytes, state))
            return false;
        Span<byte> registers = stackalloc byte[32 * s->Vlenb];
        if (!task.TryRead(BitConverter.ToUInt64(state[40..]), registers))
            return false;
        registers.CopyTo(new Span<byte>(s->V, registers.Length));
        VectorUnit.Configure(s, BitConverter.ToUInt64(state[16..]), BitConverter.ToUInt64(state[8..]));
        s->Vstart = BitConverter.ToUInt64(state) & ((ulong)s->Vlenb * 8 - 1);
        VectorUnit.WriteFixedPoint(s, (byte)(state[24] >> 1 & 3), (byte)(state[24] & 1));
        return true;
    }

    private static int ContextBytes(int vlenb) => HeaderBytes + StateBytes + 32 * vlenb;
}
