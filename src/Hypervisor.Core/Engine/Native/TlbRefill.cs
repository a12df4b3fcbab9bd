using Hypervisor.Core.Hart;
using Hypervisor.Core.Memory;

namespace Hypervisor.Core.Engine.Native;

/// <summary>
/// The routine that a trace calls where it finds no entry in the TLB: it makes the entry from the translation behind the TLB that the hart remembers
/// (<see cref="PageEntry"/>), as the dispatcher would, without leaving the trace.
/// </summary>
/// <remarks>
/// Invariants for the unsafe code: those of <see cref="Tlb"/> and <see cref="HartState"/>. A remembered translation is of a page of RAM, or bears no key that
/// an address has. An entry for stores is published first; then the number by which it was made without a look at the page's flags is read once more, which
/// <see cref="CodeTracker"/> changes before it looks for entries.
/// </remarks>
internal static unsafe class TlbRefill
{
    private const int SavedBytes = 6 * 8;
    private const int TagOnStack = SavedBytes + 8;
    private const int PlaceOnStack = SavedBytes + 16;

    private static readonly int s_pageEntries;
    private static readonly int s_pageStamp;
    private static readonly int s_storeNumber;
    private static readonly int s_storesMade;
    private static readonly int s_filled;
    private static readonly int s_ramOffset;
    private static readonly int s_refills;
    private static readonly int s_key;
    private static readonly int s_stamp;
    private static readonly int s_page;
    private static readonly int s_number;

    static TlbRefill()
    {
        HartState state;
        byte* start = (byte*)&state;
        s_pageEntries = (int)((byte*)&state.PageEntries - start);
        s_pageStamp = (int)((byte*)&state.PageStamp - start);
        s_storeNumber = (int)((byte*)&state.StoreNumber - start);
        s_storesMade = (int)((byte*)&state.StoresMade - start);
        s_filled = (int)((byte*)&state.Filled - start);
        s_ramOffset = (int)((byte*)&state.RamOffset - start);
        s_refills = (int)((byte*)&state.TlbRefills - start);
        PageEntry entry;
        start = (byte*)&entry;
        s_key = (int)((byte*)&entry.Key - start);
        s_stamp = (int)((byte*)&entry.Stamp - start);
        s_page = (int)((byte*)&entry.Page - start);
        s_number = (int)((byte*)&entry.StoreNumber - start);
    }

    /// <summary>A call of the routine; what it has found is in the flags: equal where there is an entry now.</summary>
    /// <param name="code">Where it is written.</param>
    /// <param name="routine">The routine's address.</param>
    /// <param name="tag">Holds the address with its page's offset cleared but for bits that must be 0 in an aligned access.</param>
    /// <param name="place">Holds the place of its entry. Both keep their values.</param>
    public static void WriteCall(X64Emitter code, nint routine, Reg tag, Reg place)
    {
        code.Push(place);
        code.Push(tag);
        code.Constant(place, routine);
        code.Call(place);
        code.Pop(tag);
        code.Pop(place);
    }

    /// <summary>Writes the routine. It keeps all registers and finds its arguments on the stack, below its return address.</summary>
    public static void Write(X64Emitter code, bool isStore)
    {
        ReadOnlySpan<Reg> saved = [Reg.Rax, Reg.Rdi, Reg.R8, Reg.R9, Reg.R10, Reg.R11];
        Span<int> misses = stackalloc int[6];
        int missCount = 0;
        foreach (Reg register in saved)
            code.Push(register);
        code.Load(Reg.Rax, Reg.Rsp, TagOnStack);
        code.Move32(Reg.R8, Reg.Rax);
        code.Operate(Alu.And, Reg.R8, GuestMemory.PageSize - 1, wide: false);
        misses[missCount++] = code.JumpIf(Condition.NotEqual);

        // The place of the remembered translation: see PageEntry.For.
        int entry = isStore ? sizeof(PageEntry) : 0;
        code.Move(Reg.R8, Reg.Rax);
        code.ShiftBy(Shift.Right, Reg.R8, 12);
        code.Move(Reg.R9, Reg.Rax);
        code.ShiftBy(Shift.Right, Reg.R9, 22);
        code.Operate(Alu.Xor, Reg.R8, Reg.R9);
        code.Operate(Alu.And, Reg.R8, PageEntry.Pages - 1, wide: false);
        code.ShiftBy(Shift.Left, Reg.R8, 6);
        code.Operate(Alu.Add, Reg.R8, Reg.Rsi, s_pageEntries);
        code.Address(Reg.R9, Reg.Rax, (int)(isStore ? AccessKind.Store : AccessKind.Load));
        code.Operate(Alu.Cmp, Reg.R9, Reg.R8, entry + s_key);
        misses[missCount++] = code.JumpIf(Condition.NotEqual);
        code.Load(Reg.R9, Reg.Rsi, s_pageStamp);
        code.Operate(Alu.Cmp, Reg.R9, Reg.R8, entry + s_stamp);
        misses[missCount++] = code.JumpIf(Condition.NotEqual);
        code.Load(Reg.R9, Reg.R8, entry + s_page);
        code.Move32(Reg.R10, Reg.R9);
        code.Operate(Alu.And, Reg.R10, (int)(isStore ? PageEntry.IsWritable : PageEntry.IsReadable), wide: false);
        misses[missCount++] = code.JumpIf(Condition.Equal);
        if (isStore)
        {
            code.Load(Reg.R10, Reg.Rsi, s_storeNumber);
            code.Load(Reg.R10, Reg.R10, 0);
            code.Operate(Alu.Cmp, Reg.R10, Reg.R8, entry + s_number);
            misses[missCount++] = code.JumpIf(Condition.NotEqual);
        }

        // What the entry adds, and the entry.
        code.Operate(Alu.And, Reg.R9, -GuestMemory.PageSize);
        code.Operate(Alu.Add, Reg.R9, Reg.Rsi, s_ramOffset);
        code.Operate(Alu.Sub, Reg.R9, Reg.Rax);
        code.Load(Reg.R10, Reg.Rsp, PlaceOnStack);
        code.Operate(Alu.Add, Reg.R10, Reg.Rdx);
        if (isStore)
            code.Operate(Alu.Add, Reg.R10, Tlb.StoreOffset);

        // It is noted for the next flush before it is made, as HartContext.NoteFill and NoteStoreFill do.
        code.Load(Reg.Rdi, Reg.Rsi, s_filled);
        code.Load(Reg.R11, Reg.Rdi, 0);
        code.Operate(Alu.Cmp, Reg.R11, TlbSpace.MostFilled);
        int noRoom = code.JumpIf(Condition.GreaterOrEqual);
        code.Address(Reg.R11, Reg.Rdi, Reg.R11, 3);
        code.Store(Reg.R10, Reg.R11, sizeof(nint), wide: true);
        code.Land(noRoom);
        Count(code, Reg.Rdi, 0);
        Count(code, Reg.Rsi, s_refills);
        if (isStore)
        {
            code.Load(Reg.R11, Reg.Rsi, s_storesMade);
            code.StoreConstant(Reg.R11, 0, 1, isByte: true);
        }

        code.Store(Reg.R9, Reg.R10, Tlb.AddendOffset, wide: true);
        code.Store(Reg.Rax, Reg.R10, 0, wide: true);
        if (isStore)
        {
            code.Fence();
            code.Load(Reg.R11, Reg.Rsi, s_storeNumber);
            code.Load(Reg.R11, Reg.R11, 0);
            code.Operate(Alu.Cmp, Reg.R11, Reg.R8, entry + s_number);
            int holds = code.JumpIf(Condition.Equal);
            code.Constant(Reg.R11, unchecked((long)Tlb.Invalid));
            code.Store(Reg.R11, Reg.R10, 0, wide: true);
            misses[missCount++] = code.Jump();
            code.Land(holds);
        }

        code.Operate(Alu.Cmp, Reg.Rax, Reg.Rax);
        int done = code.Jump();
        foreach (int miss in misses[..missCount])
            code.Land(miss);
        code.Operate(Alu.Or, Reg.Rax, 1, wide: false);
        code.Land(done);
        for (int i = saved.Length - 1; i >= 0; i--)
            code.Pop(saved[i]);
        code.Return();
    }

    private static void Count(X64Emitter code, Reg @base, int displacement)
    {
        code.Load(Reg.R11, @base, displacement);
        code.Operate(Alu.Add, Reg.R11, 1);
        code.Store(Reg.R11, @base, displacement, wide: true);
    }
}
