using Hypervisor.Core.Hart;
using Hypervisor.Guests.Container.Memory;

namespace Hypervisor.Guests.Container.Kernel;

/// <summary>Signal numbers and delivery (signal(7); the frame is arch/riscv's rt_sigframe).</summary>
internal static unsafe class Signals
{
    public const int SIGHUP = 1, SIGINT = 2, SIGQUIT = 3, SIGILL = 4, SIGTRAP = 5, SIGABRT = 6, SIGBUS = 7, SIGFPE = 8, SIGKILL = 9, SIGSEGV = 11;
    public const int SIGPIPE = 13, SIGALRM = 14, SIGTERM = 15, SIGCHLD = 17, SIGCONT = 18, SIGSTOP = 19, SIGTSTP = 20;
    public const int SIGTTIN = 21, SIGTTOU = 22, SIGURG = 23, SIGXFSZ = 25, SIGVTALRM = 26, SIGPROF = 27, SIGWINCH = 28, SIGIO = 29, SIGSYS = 31;
    public const int Count = 64;

    /// <summary>Signals whose default is to stop.</summary>
    public const ulong Stopping = 1UL << (SIGSTOP - 1) | 1UL << (SIGTSTP - 1) | 1UL << (SIGTTIN - 1) | 1UL << (SIGTTOU - 1);

    public const ulong Unblockable = 1UL << (SIGKILL - 1) | 1UL << (SIGSTOP - 1);

    private const ulong FlagOnStack = 0x0800_0000;
    private const ulong FlagNoDefer = 0x4000_0000;
    private const ulong FlagResetHand = 0x8000_0000;

    // siginfo 128 bytes, then ucontext: flags, link, stack (24), mask (128), then the registers at a multiple of 16.
    private const int ContextAt = 128;
    private const int MaskAt = ContextAt + 40;
    private const int RegistersAt = ContextAt + 176;
    private const int FloatsAt = RegistersAt + 256;
    private const int VectorAt = FloatsAt + 520;

    /// <summary>Bytes of a frame without vectors.</summary>
    public const int FrameBytes = ContextAt + 176 + 256 + 528;

    public static ulong Bit(int signal) => 1UL << (signal - 1);

    /// <summary>Whether the default action is to do nothing.</summary>
    public static bool IsIgnoredByDefault(int signal) => signal is SIGCHLD or SIGCONT or SIGURG or SIGWINCH;

    /// <summary>Whether sending the signal would have no effect.</summary>
    public static bool IsIgnored(Process process, int signal)
    {
        ulong handler = process.Actions[signal].Handler;
        return handler == 1 || (handler == 0 && IsIgnoredByDefault(signal));
    }

    /// <summary>Puts a frame on the task's stack and its registers at the handler; false where the stack cannot take it.</summary>
    public static bool TryEnter(KernelTask task, in SignalInfo info, in SignalAction action)
    {
        int signal = info.Signal;
        HartState* s = task.State;
        ulong* x = RegisterFile.X(s);
        ulong stack = x[2];
        bool onAlternate = stack > task.AlternateStack && stack <= task.AlternateStack + task.AlternateStackSize;
        if ((action.Flags & FlagOnStack) != 0 && task.AlternateStackSize != 0 && !onAlternate)
            stack = task.AlternateStack + task.AlternateStackSize;
        int size = FrameBytes + VectorFrame.BytesFor(s);
        ulong frame = (stack - (ulong)size) & ~15UL;

        Span<byte> bytes = stackalloc byte[size];
        bytes.Clear();
        info.Write(bytes);
        BitConverter.TryWriteBytes(bytes[(ContextAt + 16)..], task.AlternateStack);
        BitConverter.TryWriteBytes(bytes[(ContextAt + 24)..], task.AlternateStackSize == 0 ? 2 : onAlternate ? 1 : 0);
        BitConverter.TryWriteBytes(bytes[(ContextAt + 32)..], task.AlternateStackSize);
        BitConverter.TryWriteBytes(bytes[MaskAt..], task.SavedMask ?? task.SignalMask);
        BitConverter.TryWriteBytes(bytes[RegistersAt..], s->Pc);
        for (int i = 1; i < 32; i++)
            BitConverter.TryWriteBytes(bytes[(RegistersAt + i * 8)..], x[i]);
        ulong* f = RegisterFile.F(s);
        for (int i = 0; i < 32; i++)
            BitConverter.TryWriteBytes(bytes[(FloatsAt + i * 8)..], f[i]);
        BitConverter.TryWriteBytes(bytes[(FloatsAt + 256)..], s->Fflags | s->Frm << 5);
        if (size > FrameBytes)
            VectorFrame.Write(s, bytes, VectorAt, frame);
        if (!task.TryWrite(frame, bytes))
            return false;

        task.SavedMask = null;
        task.SignalMask |= action.Mask;
        if ((action.Flags & FlagNoDefer) == 0)
            task.SignalMask |= Bit(signal);
        task.SignalMask &= ~Unblockable;
        x[1] = ProgramLoader.TrampolineAddress;
        x[2] = frame;
        x[10] = (ulong)signal;
        x[11] = frame;
        x[12] = frame + ContextAt;
        s->Pc = action.Handler;
        if ((action.Flags & FlagResetHand) != 0)
            task.Process.Actions[signal].Handler = 0;
        return true;
    }

    /// <summary>rt_sigreturn: puts back what the frame on the stack holds; false where it cannot be read.</summary>
    public static bool TryReturn(KernelTask task)
    {
        HartState* s = task.State;
        ulong* x = RegisterFile.X(s);
        Span<byte> bytes = stackalloc byte[FrameBytes];
        ulong frame = x[2];
        if (!task.TryRead(frame, bytes) || !VectorFrame.TryRead(task, bytes[VectorAt..], frame + VectorAt))
            return false;
        task.SignalMask = BitConverter.ToUInt64(bytes[MaskAt..]) & ~Unblockable;
        s->Pc = BitConverter.ToUInt64(bytes[RegistersAt..]) & ~1UL;
        for (int i = 1; i < 32; i++)
            x[i] = BitConverter.ToUInt64(bytes[(RegistersAt + i * 8)..]);
        ulong* f = RegisterFile.F(s);
        for (int i = 0; i < 32; i++)
            f[i] = BitConverter.ToUInt64(bytes[(FloatsAt + i * 8)..]);
        uint fcsr = BitConverter.ToUInt32(bytes[(FloatsAt + 256)..]);
        s->Fflags = fcsr & 31;
        s->Frm = fcsr >> 5 & 7;
        return true;
    }
}
