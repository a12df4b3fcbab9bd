using Hypervisor.Core.Hart;
using Hypervisor.Guests.Container.Files;
using Hypervisor.Guests.Container.Isolation;
using Hypervisor.Guests.Container.Kernel;
using Hypervisor.Guests.Container.Memory;

namespace Hypervisor.Guests.Container.Syscalls;

/// <summary>clone and clone3: new tasks and processes.</summary>
internal static unsafe class CloneCalls
{
    private const ulong SignalMask = 0xFF, Memory = 0x100, FileSystem = 0x200, Files = 0x400, Handlers = 0x800, ProcessDescriptor = 0x1000, Vfork = 0x4000, SameParent = 0x8000;
    private const ulong Thread = 0x1_0000, MountNamespace = 0x2_0000, Tls = 0x8_0000, ParentTid = 0x10_0000, ClearTid = 0x20_0000, ChildTid = 0x100_0000;
    private const ulong NewTime = 0x80;
    private const ulong ClearHandlers = 1UL << 32, IntoGroup = 1UL << 33;

    /// <summary>What is asked for.</summary>
    private readonly record struct Request(ulong Flags, int ExitSignal, ulong Stack, ulong Tls, ulong ParentTid, ulong ChildTid, ulong Descriptor);

    public static long Clone(KernelTask task, in SyscallArguments a)
        => task.Restarted ? Waited(task) : Make(task, new Request(a.A0 & uint.MaxValue & ~SignalMask, (int)(a.A0 & SignalMask), a.A1, a.A3, a.A2, a.A4, a.A2), isOld: true);

    public static long Clone3(KernelTask task, in SyscallArguments a)
    {
        const ulong smallest = 64, largest = 4096;
        const int words = 11;
        if (task.Restarted)
            return Waited(task);
        if (a.A1 > largest)
            return -Errno.E2BIG;
        if (a.A1 < smallest)
            return -Errno.EINVAL;

        // Read once; what a longer structure holds beyond what is known must be zero.
        var bytes = new byte[Math.Max(a.A1, words * 8)];
        if (!task.TryRead(a.A0, bytes.AsSpan(0, (int)a.A1)))
            return -Errno.EFAULT;
        if (bytes.AsSpan(words * 8).ContainsAnyExcept((byte)0))
            return -Errno.E2BIG;
        ulong Word(int index) => BitConverter.ToUInt64(bytes, index * 8);
        (ulong flags, ulong signal, ulong stack, ulong stackSize) = (Word(0), Word(4), Word(5), Word(6));
        if ((flags & (SignalMask | ~(uint.MaxValue | ClearHandlers | IntoGroup))) != 0 || signal > Signals.Count || (stack == 0) != (stackSize == 0))
            return -Errno.EINVAL;
        if ((flags & (Thread | SameParent)) != 0 && signal != 0)
            return -Errno.EINVAL;
        if ((flags & (ClearHandlers | Handlers)) == (ClearHandlers | Handlers) || (flags & IntoGroup) != 0 || (Word(8) == 0) != (Word(9) == 0))
            return -Errno.EINVAL;
        if (Word(8) != 0)
            return -Errno.EPERM;
        return Make(task, new Request(flags, (int)signal, stack + stackSize, Word(7), Word(3), Word(2), Word(1)), isOld: false);
    }

    /// <summary>Made again by the parent of a vfork: it goes on when the child no longer uses its memory.</summary>
    private static long Waited(KernelTask task) => task.VforkChild is null ? task.Progress : SyscallTable.Blocked;

    private static long Make(KernelTask task, in Request request, bool isOld)
    {
        Process process = task.Process;
        Container container = process.Container;
        ulong flags = request.Flags;
        bool isThread = (flags & Thread) != 0;
        if ((flags & (MountNamespace | FileSystem)) == (MountNamespace | FileSystem) || (isThread && (flags & Handlers) == 0)
            || ((flags & Handlers) != 0 && (flags & Memory) == 0) || (isThread && (flags & ProcessDescriptor) != 0)
            || (isOld && (flags & (ProcessDescriptor | ParentTid)) == (ProcessDescriptor | ParentTid)))
            return -Errno.EINVAL;
        if ((flags & (NamespaceKind.Users | FileSystem)) == (NamespaceKind.Users | FileSystem) || (!isOld && (flags & NewTime) != 0)
            || (isThread && ((flags & (NamespaceKind.Users | NamespaceKind.Processes)) != 0 || process.Namespaces.ForChildren != process.Pids))
            || ((flags & SameParent) != 0 && process.Pids.First == process))
            return -Errno.EINVAL;
        if (IsAtLimit(process))
            return -Errno.EAGAIN;
        int error = NamespaceCalls.TryMake(process, flags, out NamespaceCalls.Made made);
        if (error != 0)
            return error;
        if (!isThread && made.Namespaces.ForChildren.IsDead)
            return -Errno.ENOMEM;
        int id = container.NextId();
        if (id == 0)
        {
            made.Namespaces.Acquire().Release();
            return -Errno.EAGAIN;
        }

        Process target = isThread ? process : Copy(task, request, id, in made);
        int descriptor = -1;
        if ((flags & ProcessDescriptor) != 0)
        {
            descriptor = process.Files.Add(FileEventCalls.Make(task, target, 0), closeOnExec: true);
            if (descriptor < 0 || !task.TryWrite(request.Descriptor, descriptor))
            {
                if (descriptor >= 0)
                    process.Files.Close(descriptor);
                Undo(container, target);
                return descriptor < 0 ? descriptor : -Errno.EFAULT;
            }
        }

        KernelTask child = container.Host.NewTask(target, id);
        HartState* from = task.State;
        HartState* to = child.State;
        new Span<ulong>(from->X, 33).CopyTo(new Span<ulong>(to->X, 33));
        new Span<ulong>(from->F, 32).CopyTo(new Span<ulong>(to->F, 32));
        to->Fflags = from->Fflags;
        to->Frm = from->Frm;
        to->Pc = from->Pc + 4;
        to->X[10] = 0;
        if (request.Stack != 0)
            to->X[2] = request.Stack;
        if ((flags & Tls) != 0)
            to->X[4] = request.Tls;
        child.SignalMask = task.SignalMask;
        child.Name = task.Name;
        (child.Filter, child.FilterMode) = (task.Filter, task.FilterMode);
        (child.Nice, child.Policy, child.Priority, child.Affinity, child.InputOutputPriority) = (task.Nice, task.Policy, task.Priority, task.Affinity, task.InputOutputPriority);
        if ((flags & (Memory | Vfork)) != Memory)
            (child.AlternateStack, child.AlternateStackSize) = (task.AlternateStack, task.AlternateStackSize);
        if ((flags & Memory) == 0)
            child.Sequence = task.Sequence;
        if ((flags & ClearTid) != 0)
            child.ClearOnExit = request.ChildTid;
        if ((flags & ParentTid) != 0)
            task.TryWrite(request.ParentTid, task.LocalId(id));
        if ((flags & ChildTid) != 0)
            child.TryWrite(request.ChildTid, child.LocalId(id));
        container.Host.Start(child);
        if ((flags & Vfork) == 0)
            return task.LocalId(id);
        child.VforkParent = task;
        task.VforkChild = child;
        task.Progress = task.LocalId(id);
        return SyscallTable.Blocked;
    }

    private static Process Copy(KernelTask task, in Request request, int id, in NamespaceCalls.Made made)
    {
        Process process = task.Process;
        Container container = process.Container;
        ulong flags = request.Flags;

        // vfork and plain CLONE_VM children share memory until they execute.
        AddressSpace space = process.Space;
        if ((flags & Memory) != 0)
            space.Acquire();
        else
            space = process.Space.Fork(container.Account);
        DescriptorTable files = process.Files;
        if ((flags & Files) != 0)
            files.Acquire();
        else
            files = files.Fork();
        Process? parent = (flags & SameParent) != 0 ? process.Parent : process;
        var child = new Process(container, id, space, files, made.Translate(process.WorkingDirectory))
        {
            Parent = parent,
            Group = process.Group,
            Session = process.Session,
            Umask = process.Umask,
            Limits = process.Limits.Copy(),
            Credentials = made.Credentials,
            Namespaces = made.Namespaces,
            Pids = made.Namespaces.ForChildren,
            Terminal = process.Terminal,
            Root = process.Root is { } root ? made.Translate(root) : null,
            Environment = process.Environment,
            ExitSignal = (flags & SameParent) != 0 ? process.ExitSignal : request.ExitSignal,
            Name = process.Name,
            ExecutablePath = process.ExecutablePath,
            Arguments = process.Arguments,
            Dumpable = process.Dumpable,
            BarrierRegistrations = process.BarrierRegistrations,
            Actions = (flags & Handlers) != 0 ? process.Actions : (SignalAction[])process.Actions.Clone(),
            StartedAt = container.Host.Now,
        };
        for (int signal = 1; (flags & ClearHandlers) != 0 && signal <= Signals.Count; signal++)
        {
            if (child.Actions[signal].Handler > 1)
                child.Actions[signal] = default;
        }

        if (child.Pids is { Level: > 0, First: null })
            child.Pids.First = child;
        parent?.Children.Add(child);
        container.Add(child);
        return child;
    }

    /// <summary>Takes back a process that no task was made for.</summary>
    private static void Undo(Container container, Process process)
    {
        process.Parent?.Children.Remove(process);
        process.Files.Release();
        process.Space.Release();
        if (process.Pids.First == process)
            process.Pids.First = null;
        process.LeaveNamespaces();
        container.Forget(process);
    }

    /// <summary>Whether a process's user has as many tasks as RLIMIT_NPROC allows; root has no such limit.</summary>
    private static bool IsAtLimit(Process process)
    {
        uint user = process.Credentials.Uid;
        return user != 0 && !process.Credentials.Has(Capability.Resource) && !process.Credentials.Has(Capability.Administer)
            && (ulong)process.Container.Processes.Where(other => other.Credentials.Uid == user).Sum(other => other.Tasks.Count) >= process.Limits[ResourceLimits.Processes].Soft;
    }
}
