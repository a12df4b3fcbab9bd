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

    // Calls that change the system itself, and calls that ask for what is so anyway.
    private static readonly int[] s_forbidden = [89, 105, 106, 116, 142, 170, 171, 224, 225, 273];
    private static readonly int[] s_nothing = [81, 231, 259];
    private static readonly delegate*<KernelTask, in SyscallArguments, long>[] s_calls = Build();

    /// <summary>The numbers that are served.</summary>
    public static IEnumerable<int> Numbers => Enumerable.Range(0, Size).Where(number => s_calls[number] != null);

    /// <summary>Whether a call is served at all.</summary>
    public static bool IsServed(int number) => number is >= 0 and < Size && s_calls[number] != null;

    /// <summary>Whether a call is refused to everybody.</summary>
    public static bool IsForbidden(int number) => s_forbidden.Contains(number);

    /// <summary>Whether a call succeeds without doing anything.</summary>
    public static bool DoesNothing(int number) => s_nothing.Contains(number);

    /// <summary>Makes the call in a task's registers.</summary>
    public static ExitVerdict Dispatch(KernelTask task)
    {
        HartState* s = task.State;
        ulong* x = RegisterFile.X(s);
        ulong number = x[17];
        long result;
        if (task.FilterMode != FilterCalls.None && !task.Restarted && !FilterCalls.Allows(task, out result))
        {
            // Another than the call itself has been done.
        }
        else if (number < Size && s_calls[number] != null)
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

        t[17] = &NameCalls.GetWorkingDirectory;
        t[35] = &NameCalls.Unlink;
        t[36] = &NameCalls.MakeSymlink;
        t[37] = &NameCalls.Link;
        t[49] = &NameCalls.ChangeDirectory;
        t[50] = &NameCalls.ChangeToOpenDirectory;
        t[51] = &NameCalls.ChangeRoot;
        t[78] = &NameCalls.ReadLink;
        t[276] = &NameCalls.Rename;

        t[23] = &DescriptorCalls.Duplicate;
        t[24] = &DescriptorCalls.Duplicate3;
        t[25] = &DescriptorCalls.Control;
        t[29] = &DescriptorCalls.DeviceControl;
        t[57] = &DescriptorCalls.Close;
        t[59] = &DescriptorCalls.MakePipe;
        t[62] = &DescriptorCalls.Seek;
        t[82] = &DescriptorCalls.Sync;
        t[83] = &DescriptorCalls.Sync;
        t[84] = &DescriptorCalls.SyncRange;
        t[213] = &DescriptorCalls.ReadAhead;
        t[223] = &DescriptorCalls.Advise;
        t[267] = &DescriptorCalls.Sync;
        t[436] = &DescriptorCalls.CloseRange;

        t[33] = &FileCalls.MakeNode;
        t[34] = &FileCalls.MakeDirectory;
        t[56] = &OpenCalls.Open;
        t[166] = &FileCalls.SetUmask;
        t[437] = &OpenCalls.OpenLimited;
        t[293] = &SequenceCalls.Register;
        t[279] = &FileCalls.MakeMemoryFile;

        t[43] = &StatCalls.StatFileSystem;
        t[44] = &StatCalls.StatFileSystemOf;
        t[48] = &StatCalls.Access;
        t[61] = &StatCalls.GetEntries;
        t[79] = &StatCalls.Stat;
        t[80] = &StatCalls.StatOpen;
        t[291] = &StatCalls.StatExtended;
        t[439] = &StatCalls.AccessWithFlags;

        t[5] = &AttributeCalls.SetAttribute;
        t[6] = &AttributeCalls.SetLinkAttribute;
        t[7] = &AttributeCalls.SetOpenAttribute;
        t[8] = &AttributeCalls.GetAttribute;
        t[9] = &AttributeCalls.GetLinkAttribute;
        t[10] = &AttributeCalls.GetOpenAttribute;
        t[11] = &AttributeCalls.ListAttributes;
        t[12] = &AttributeCalls.ListLinkAttributes;
        t[13] = &AttributeCalls.ListOpenAttributes;
        t[14] = &AttributeCalls.RemoveAttribute;
        t[15] = &AttributeCalls.RemoveLinkAttribute;
        t[16] = &AttributeCalls.RemoveOpenAttribute;
        t[45] = &AttributeCalls.Truncate;
        t[46] = &AttributeCalls.TruncateOpen;
        t[47] = &AttributeCalls.Allocate;
        t[52] = &AttributeCalls.ChangeModeOpen;
        t[53] = &AttributeCalls.ChangeMode;
        t[54] = &AttributeCalls.ChangeOwner;
        t[55] = &AttributeCalls.ChangeOwnerOpen;
        t[88] = &AttributeCalls.SetTimes;
        t[452] = &AttributeCalls.ChangeModeWithFlags;

        t[63] = &ReadWriteCalls.Read;
        t[64] = &ReadWriteCalls.Write;
        t[65] = &ReadWriteCalls.ReadVector;
        t[66] = &ReadWriteCalls.WriteVector;
        t[67] = &ReadWriteCalls.ReadAt;
        t[68] = &ReadWriteCalls.WriteAt;
        t[69] = &ReadWriteCalls.ReadVectorAt;
        t[70] = &ReadWriteCalls.WriteVectorAt;
        t[286] = &ReadWriteCalls.ReadVector2;
        t[287] = &ReadWriteCalls.WriteVector2;

        t[71] = &TransferCalls.SendFile;
        t[75] = &TransferCalls.FromMemory;
        t[76] = &TransferCalls.Splice;
        t[77] = &TransferCalls.Tee;
        t[285] = &TransferCalls.CopyRange;

        t[72] = &PollCalls.Select;
        t[73] = &PollCalls.Poll;

        t[19] = &EventCalls.MakeEvent;
        t[20] = &EventCalls.MakeEpoll;
        t[21] = &EventCalls.ControlEpoll;
        t[22] = &EventCalls.WaitEpoll;
        t[85] = &EventCalls.MakeTimer;
        t[86] = &EventCalls.SetTimer;
        t[87] = &EventCalls.GetTimer;
        t[441] = &EventCalls.WaitEpollPrecisely;

        t[180] = &QueueCalls.Open;
        t[181] = &QueueCalls.Unlink;
        t[182] = &QueueCalls.Send;
        t[183] = &QueueCalls.Receive;
        t[184] = &QueueCalls.Notify;
        t[185] = &QueueCalls.Attributes;
        t[186] = &MessageCalls.Get;
        t[187] = &MessageCalls.Control;
        t[188] = &MessageCalls.Receive;
        t[189] = &MessageCalls.Send;
        t[190] = &SemaphoreCalls.Get;
        t[191] = &SemaphoreCalls.Control;
        t[192] = &SemaphoreCalls.OperateInTime;
        t[193] = &SemaphoreCalls.Operate;
        t[194] = &SharedMemoryCalls.Get;
        t[195] = &SharedMemoryCalls.Control;
        t[196] = &SharedMemoryCalls.Attach;
        t[197] = &SharedMemoryCalls.Detach;

        t[198] = &SocketCalls.Make;
        t[199] = &SocketCalls.MakePair;
        t[200] = &SocketCalls.Bind;
        t[201] = &SocketCalls.Listen;
        t[202] = &SocketCalls.Accept;
        t[203] = &SocketCalls.Connect;
        t[204] = &SocketCalls.GetName;
        t[205] = &SocketCalls.GetPeer;
        t[206] = &SocketTransfers.SendTo;
        t[207] = &SocketTransfers.ReceiveFrom;
        t[208] = &SocketOptions.Set;
        t[209] = &SocketOptions.Get;
        t[210] = &SocketCalls.Shutdown;
        t[211] = &SocketTransfers.SendMessage;
        t[212] = &SocketTransfers.ReceiveMessage;
        t[242] = &SocketCalls.Accept4;
        t[243] = &SocketTransfers.ReceiveMany;
        t[269] = &SocketTransfers.SendMany;

        t[93] = &ProcessCalls.Exit;
        t[94] = &ProcessCalls.ExitGroup;
        t[96] = &ProcessCalls.SetClearAddress;
        t[124] = &ProcessCalls.Yield;
        t[172] = &ProcessCalls.GetId;
        t[173] = &ProcessCalls.GetParentId;
        t[178] = &ProcessCalls.GetTaskId;
        t[221] = &ProcessCalls.Execute;
        t[281] = &ProcessCalls.ExecuteAt;

        t[39] = &MountCalls.Unmount;
        t[40] = &MountCalls.Mount;
        t[41] = &MountCalls.PivotRoot;
        t[97] = &NamespaceCalls.Unshare;
        t[161] = &SystemCalls.SetHostName;
        t[162] = &SystemCalls.SetDomainName;
        t[268] = &NamespaceCalls.Join;

        t[95] = &WaitCalls.WaitId;
        t[260] = &WaitCalls.Wait;

        t[98] = &Futex.Call;
        t[99] = &Futex.SetRobustList;
        t[100] = &Futex.GetRobustList;
        t[449] = &Futex.WaitMany;

        t[154] = &GroupCalls.SetGroup;
        t[155] = &GroupCalls.GetGroup;
        t[156] = &GroupCalls.GetSession;
        t[157] = &GroupCalls.SetSession;

        t[90] = &IdentityCalls.GetCapabilities;
        t[91] = &IdentityCalls.SetCapabilities;
        t[143] = &IdentityCalls.SetRealAndEffectiveGid;
        t[144] = &IdentityCalls.SetGid;
        t[145] = &IdentityCalls.SetRealAndEffectiveUid;
        t[146] = &IdentityCalls.SetUid;
        t[147] = &IdentityCalls.SetUids;
        t[148] = &IdentityCalls.GetUids;
        t[149] = &IdentityCalls.SetGids;
        t[150] = &IdentityCalls.GetGids;
        t[151] = &IdentityCalls.SetFileUid;
        t[152] = &IdentityCalls.SetFileGid;
        t[158] = &IdentityCalls.GetGroups;
        t[159] = &IdentityCalls.SetGroups;
        t[174] = &IdentityCalls.GetUid;
        t[175] = &IdentityCalls.GetEffectiveUid;
        t[176] = &IdentityCalls.GetGid;
        t[177] = &IdentityCalls.GetEffectiveGid;

        t[220] = &CloneCalls.Clone;
        t[435] = &CloneCalls.Clone3;

        t[214] = &MemoryCalls.SetBreak;
        t[215] = &MemoryCalls.Unmap;
        t[216] = &MemoryCalls.Remap;
        t[222] = &MemoryCalls.Map;
        t[226] = &MemoryCalls.Protect;
        t[227] = &MemoryCalls.Synchronize;
        t[228] = &MemoryCalls.Lock;
        t[229] = &MemoryCalls.Lock;
        t[230] = &MemoryCalls.LockAll;
        t[232] = &MemoryCalls.Resident;
        t[233] = &MemoryCalls.Advise;
        t[284] = &MemoryCalls.Lock;

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

        t[101] = &TimeCalls.Sleep;
        t[102] = &TimeCalls.GetIntervalTimer;
        t[103] = &TimeCalls.SetIntervalTimer;
        t[112] = &TimeCalls.SetTime;
        t[113] = &TimeCalls.GetTime;
        t[114] = &TimeCalls.GetResolution;
        t[115] = &TimeCalls.SleepOnClock;
        t[153] = &TimeCalls.Times;
        t[165] = &TimeCalls.GetUsage;
        t[169] = &TimeCalls.GetTimeOfDay;

        t[107] = &TimerCalls.Create;
        t[108] = &TimerCalls.Get;
        t[109] = &TimerCalls.GetOverrun;
        t[110] = &TimerCalls.Set;
        t[111] = &TimerCalls.Delete;

        t[30] = &SchedulingCalls.SetInputOutputPriority;
        t[31] = &SchedulingCalls.GetInputOutputPriority;
        t[118] = &SchedulingCalls.SetParameters;
        t[119] = &SchedulingCalls.SetScheduler;
        t[120] = &SchedulingCalls.GetScheduler;
        t[121] = &SchedulingCalls.GetParameters;
        t[122] = &SchedulingCalls.SetAffinity;
        t[123] = &SchedulingCalls.GetAffinity;
        t[125] = &SchedulingCalls.GetMostPriority;
        t[126] = &SchedulingCalls.GetLeastPriority;
        t[127] = &SchedulingCalls.GetInterval;
        t[140] = &SchedulingCalls.SetPriority;
        t[141] = &SchedulingCalls.GetPriority;
        t[168] = &SchedulingCalls.GetProcessor;
        t[274] = &SchedulingCalls.SetAttributes;
        t[275] = &SchedulingCalls.GetAttributes;
        t[283] = &SchedulingCalls.Barrier;

        t[92] = &SystemCalls.GetPersonality;
        t[160] = &SystemCalls.GetNames;
        t[163] = &SystemCalls.GetLimit;
        t[164] = &SystemCalls.SetLimit;
        t[179] = &SystemCalls.GetInfo;
        t[261] = &SystemCalls.Limits;
        t[277] = &FilterCalls.Call;
        t[278] = &SystemCalls.GetRandom;

        t[167] = &ControlCalls.Control;

        t[258] = &HardwareProbe.Call;

        t[26] = &FileEventCalls.MakeNotify;
        t[27] = &FileEventCalls.AddWatch;
        t[28] = &FileEventCalls.RemoveWatch;
        t[74] = &FileEventCalls.MakeSignalFile;
        t[424] = &FileEventCalls.SignalProcess;
        t[434] = &FileEventCalls.OpenProcess;
        t[438] = &FileEventCalls.TakeFile;

        t[32] = &LockCalls.Flock;

        foreach (int number in s_forbidden)
            t[number] = &SystemCalls.Forbidden;
        foreach (int number in s_nothing)
            t[number] = &SystemCalls.Nothing;
        return t;
    }
}
