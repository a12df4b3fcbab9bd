using Hypervisor.Core.Hart;
using Hypervisor.Core.Machine;
using Hypervisor.Guests.Container.Kernel;

namespace Hypervisor.Guests.Container.Syscalls;

/// <summary>The arguments of a system call, a0 to a5.</summary>
internal readonly unsafe struct SyscallArguments(ulong* registers)
{
    public ulong A0 => registers[10];

    public ulong A1 => registers[11];

    public ulong A2 => registers[12];

    public ulong A3 => registers[13];

    public ulong A4 => registers[14];

    public ulong A5 => registers[15];

    public int Fd => (int)registers[10];
}

/// <summary>
/// What the container kernel serves: the numbers of asm-generic/unistd.h, each with its implementation. A call gives its result
/// or a negated error, or one of the marks below.
/// </summary>
internal static unsafe class SyscallTable
{
    /// <summary>It cannot go on yet: the task sleeps where it is and makes the call again when woken.</summary>
    public const long Blocked = long.MinValue;

    /// <summary>The registers are as the task shall see them; nothing is written to a0 and the program counter stays.</summary>
    public const long RegistersSet = long.MinValue + 1;

    /// <summary>The result is 0 and the rest of the slice is given up.</summary>
    public const long Yielded = long.MinValue + 2;

    private const int Size = 512;
    private static readonly delegate*<KernelTask, in SyscallArguments, long>[] s_calls = Build();

    /// <summary>The numbers that are served.</summary>
    public static IEnumerable<int> Numbers => Enumerable.Range(0, Size).Where(number => s_calls[number] != null);

    /// <summary>Makes the call in a task's registers.</summary>
    public static ExitVerdict Dispatch(KernelTask task)
    {
        HartState* s = task.State;
        ulong* x = RegisterFile.X(s);
        ulong number = x[17];
        long result;
        if (number < Size && s_calls[number] != null)
        {
            result = s_calls[number](task, new SyscallArguments(x));
        }
        else if (number == BuiltIn.Workload.MarkSystemCall)
        {
            task.Process.Container.Options.Marked?.Invoke(x[10] != 0, x[11]);
            result = 0;
        }
        else
        {
            System.Runtime.InteropServices.CollectionsMarshal.GetValueRefOrAddDefault(task.Process.Container.Unknown, number, out _)++;
            result = -Errno.ENOSYS;
        }

        if (result == Blocked)
        {
            task.Restarted = true;
            return ExitVerdict.Block;
        }

        if (task.Restarted || task.Held is not null)
            Blocking.Finish(task);
        if (result == RegistersSet)
            return ExitVerdict.Resume;
        x[10] = result == Yielded ? 0 : (ulong)result;
        s->Pc += 4;
        return result == Yielded ? ExitVerdict.Yield : ExitVerdict.Resume;
    }

    private static delegate*<KernelTask, in SyscallArguments, long>[] Build()
    {
        var t = new delegate*<KernelTask, in SyscallArguments, long>[Size];

        // Files and directories.
        t[17] = &FileCalls.GetWorkingDirectory;
        t[23] = &DescriptorCalls.Duplicate;
        t[24] = &DescriptorCalls.Duplicate3;
        t[25] = &DescriptorCalls.Control;
        t[29] = &DescriptorCalls.DeviceControl;
        t[33] = &FileCalls.MakeNode;
        t[34] = &FileCalls.MakeDirectory;
        t[35] = &FileCalls.Unlink;
        t[36] = &FileCalls.MakeSymlink;
        t[37] = &FileCalls.Link;
        t[43] = &FileCalls.StatFileSystem;
        t[44] = &FileCalls.StatFileSystemOf;
        t[45] = &FileCalls.Truncate;
        t[46] = &FileCalls.TruncateOpen;
        t[48] = &FileCalls.Access;
        t[49] = &FileCalls.ChangeDirectory;
        t[50] = &FileCalls.ChangeToOpenDirectory;
        t[52] = &FileCalls.ChangeModeOpen;
        t[53] = &FileCalls.ChangeMode;
        t[54] = &FileCalls.ChangeOwner;
        t[55] = &FileCalls.ChangeOwnerOpen;
        t[56] = &FileCalls.Open;
        t[57] = &DescriptorCalls.Close;
        t[59] = &DescriptorCalls.MakePipe;
        t[61] = &FileCalls.GetEntries;
        t[62] = &DescriptorCalls.Seek;
        t[63] = &DescriptorCalls.Read;
        t[64] = &DescriptorCalls.Write;
        t[65] = &DescriptorCalls.ReadVector;
        t[66] = &DescriptorCalls.WriteVector;
        t[67] = &DescriptorCalls.ReadAt;
        t[68] = &DescriptorCalls.WriteAt;
        t[71] = &DescriptorCalls.SendFile;
        t[72] = &PollCalls.Select;
        t[73] = &PollCalls.Poll;
        t[76] = &DescriptorCalls.Splice;
        t[78] = &FileCalls.ReadLink;
        t[79] = &FileCalls.Stat;
        t[80] = &FileCalls.StatOpen;
        t[81] = &SystemCalls.Nothing;
        t[82] = &DescriptorCalls.Sync;
        t[83] = &DescriptorCalls.Sync;
        t[88] = &FileCalls.SetTimes;
        t[166] = &FileCalls.SetUmask;
        t[223] = &SystemCalls.Nothing;
        t[276] = &FileCalls.Rename;
        t[291] = &FileCalls.StatExtended;
        t[439] = &FileCalls.Access;

        // Events.
        t[19] = &EventCalls.MakeEvent;
        t[20] = &EventCalls.MakeEpoll;
        t[21] = &EventCalls.ControlEpoll;
        t[22] = &EventCalls.WaitEpoll;
        t[85] = &EventCalls.MakeTimer;
        t[86] = &EventCalls.SetTimer;
        t[87] = &EventCalls.GetTimer;
        t[441] = &EventCalls.WaitEpollPrecisely;

        // Sockets.
        t[198] = &SocketCalls.Make;
        t[199] = &SocketCalls.MakePair;
        t[200] = &SocketCalls.Bind;
        t[201] = &SocketCalls.Listen;
        t[202] = &SocketCalls.Accept;
        t[203] = &SocketCalls.Connect;
        t[204] = &SocketCalls.GetName;
        t[205] = &SocketCalls.GetPeer;
        t[206] = &SocketCalls.SendTo;
        t[207] = &SocketCalls.ReceiveFrom;
        t[208] = &SocketCalls.SetOption;
        t[209] = &SocketCalls.GetOption;
        t[210] = &SocketCalls.Shutdown;
        t[211] = &SocketCalls.SendMessage;
        t[212] = &SocketCalls.ReceiveMessage;
        t[242] = &SocketCalls.Accept4;

        // Processes.
        t[93] = &ProcessCalls.Exit;
        t[94] = &ProcessCalls.ExitGroup;
        t[95] = &WaitCalls.WaitId;
        t[96] = &ProcessCalls.SetClearAddress;
        t[99] = &Futex.SetRobustList;
        t[100] = &Futex.GetRobustList;
        t[449] = &Futex.WaitMany;
        t[124] = &ProcessCalls.Yield;
        t[154] = &GroupCalls.SetGroup;
        t[155] = &GroupCalls.GetGroup;
        t[156] = &GroupCalls.GetSession;
        t[157] = &GroupCalls.SetSession;
        t[172] = &ProcessCalls.GetId;
        t[173] = &ProcessCalls.GetParentId;
        t[174] = &SystemCalls.Nothing;
        t[175] = &SystemCalls.Nothing;
        t[176] = &SystemCalls.Nothing;
        t[177] = &SystemCalls.Nothing;
        t[143] = &SystemCalls.Nothing;
        t[144] = &SystemCalls.Nothing;
        t[145] = &SystemCalls.Nothing;
        t[146] = &SystemCalls.Nothing;
        t[147] = &SystemCalls.Nothing;
        t[149] = &SystemCalls.Nothing;
        t[158] = &SystemCalls.Nothing;
        t[178] = &ProcessCalls.GetTaskId;
        t[220] = &ProcessCalls.Clone;
        t[221] = &ProcessCalls.Execute;
        t[260] = &WaitCalls.Wait;
        t[98] = &Futex.Call;

        // Memory.
        t[214] = &MemoryCalls.SetBreak;
        t[215] = &MemoryCalls.Unmap;
        t[216] = &MemoryCalls.Remap;
        t[222] = &MemoryCalls.Map;
        t[226] = &MemoryCalls.Protect;
        t[227] = &MemoryCalls.Synchronize;
        t[228] = &MemoryCalls.Lock;
        t[229] = &MemoryCalls.Lock;
        t[230] = &MemoryCalls.LockAll;
        t[231] = &SystemCalls.Nothing;
        t[232] = &MemoryCalls.Resident;
        t[284] = &MemoryCalls.Lock;
        t[279] = &FileCalls.MakeMemoryFile;
        t[47] = &FileCalls.Allocate;
        t[233] = &MemoryCalls.Advise;

        // Signals.
        t[129] = &SignalCalls.Kill;
        t[130] = &SignalCalls.KillTask;
        t[131] = &SignalCalls.KillTaskOf;
        t[132] = &SignalCalls.AlternateStack;
        t[133] = &SignalCalls.Suspend;
        t[134] = &SignalCalls.Action;
        t[135] = &SignalCalls.Mask;
        t[136] = &SignalCalls.Pending;
        t[137] = &SignalCalls.WaitFor;
        t[138] = &SignalCalls.Queue;
        t[139] = &SignalCalls.Return;
        t[240] = &SignalCalls.QueueToTask;

        // Time.
        t[101] = &TimeCalls.Sleep;
        t[102] = &TimeCalls.GetIntervalTimer;
        t[103] = &TimeCalls.SetIntervalTimer;
        t[107] = &TimerCalls.Create;
        t[108] = &TimerCalls.Get;
        t[109] = &TimerCalls.GetOverrun;
        t[110] = &TimerCalls.Set;
        t[111] = &TimerCalls.Delete;
        t[112] = &TimeCalls.SetTime;
        t[113] = &TimeCalls.GetTime;
        t[114] = &TimeCalls.GetResolution;
        t[115] = &TimeCalls.SleepOnClock;
        t[153] = &TimeCalls.Times;
        t[165] = &TimeCalls.GetUsage;
        t[169] = &TimeCalls.GetTimeOfDay;

        // The system.
        t[119] = &SystemCalls.Nothing;
        t[120] = &SystemCalls.Nothing;
        t[122] = &SystemCalls.Nothing;
        t[123] = &SystemCalls.GetAffinity;
        t[160] = &SystemCalls.GetNames;
        t[163] = &SystemCalls.GetLimit;
        t[164] = &SystemCalls.SetLimit;
        t[167] = &SystemCalls.ProcessControl;
        t[179] = &SystemCalls.GetInfo;
        t[258] = &HardwareProbe.Call;
        t[261] = &SystemCalls.Limits;
        t[278] = &SystemCalls.GetRandom;
        return t;
    }
}
