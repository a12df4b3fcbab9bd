using Hypervisor.Core.Engine;
using Hypervisor.Core.Engine.Interpreter;
using Hypervisor.Core.Engine.Native;
using Hypervisor.Core.Hart;
using Hypervisor.Core.Isa;
using Hypervisor.Core.Memory;
using Hypervisor.Tests.Support;

namespace Hypervisor.Tests.Engine.Native;

/// <summary>Entries of the TLB that traces make themselves: the routine alone, and guests with more pages than the TLB has entries.</summary>
public sealed unsafe class TlbRefillTests : IDisposable
{
    private const ulong Code = 0x1000;
    private const ulong MemoryBytes = 16 << 20;
    private const ulong Page = 0x7000;

    private readonly HostCodeSpace _space = new();
    private readonly List<HostCodeChunk> _chunks = [];

    public void Dispose()
    {
        foreach (HostCodeChunk chunk in _chunks)
            _space.Return(chunk);
    }

    [TracesTheory]
    [InlineData(false)]
    [InlineData(true)]
    public void Routine_RememberedTranslation_MakesTheEntry(bool isStore)
    {
        AccessKind kind = isStore ? AccessKind.Store : AccessKind.Load;
        using FlatGuest guest = Remembering(kind);
        HartState* state = guest.Hart.State;
        nint before = state->Filled[0];
        Assert.True(Call(guest, kind, Page));
        TlbEntry* entry = Entry(guest, kind, Page);
        Assert.Equal(Page, entry->Tag);
        Assert.Equal((nint)guest.Memory.HostPage(Page) - (nint)Page, entry->Addend);
        Assert.Equal(before + 1, state->Filled[0]);
        Assert.Equal((nint)entry, state->Filled[before + 1]);
        Assert.Equal(kind == AccessKind.Store ? 1 : 0, *state->StoresMade & 0xFF);
        guest.Hart.FlushTlb();
        Assert.Equal(Tlb.Invalid, entry->Tag);
        Assert.False(Call(guest, kind, Page));
    }

    /// <summary>One thing after the other that makes a remembered translation none.</summary>
    [TracesTheory]
    [InlineData(false)]
    [InlineData(true)]
    public void Routine_WhatDoesNotHold_MakesNone(bool isStore)
    {
        AccessKind kind = isStore ? AccessKind.Store : AccessKind.Load;
        var ways = new Dictionary<string, Action<FlatGuest>>
        {
            ["nothing remembered"] = guest => guest.Hart.FlushTlbPage(Page),
            ["another page in its place"] = guest => Remembered(guest, kind)->Key += (ulong)PageEntry.Pages << 12,
            ["another kind"] = guest => Remembered(guest, kind)->Key ^= 3,
            ["dropped translations"] = guest => guest.Hart.FlushTlb(),
            ["no right to it"] = guest => Remembered(guest, kind)->Page &= ~PageEntry.Flags,
        };
        if (kind == AccessKind.Store)
        {
            ways["code decoded there"] = guest => guest.Memory.Code.MarkCode(guest.Memory.PageIndex(Page), 0, 4);
            ways["protected"] = guest => guest.Memory.Code.SetProtected(guest.Memory.PageIndex(Page), true);
            ways["the right never found out"] = guest => Remembered(guest, kind)->StoreNumber = 0;
        }

        foreach ((string what, Action<FlatGuest> change) in ways)
        {
            using FlatGuest guest = Remembering(kind);
            TlbEntry* entry = Entry(guest, kind, Page);
            entry->Tag = Tlb.Invalid;
            change(guest);
            Assert.False(Call(guest, kind, Page), what);
            Assert.True(entry->Tag == Tlb.Invalid, what);
        }

        using FlatGuest aligned = Remembering(kind);
        Assert.False(Call(aligned, kind, Page | 1), "misaligned");
    }

    [TracesFact]
    public void Routine_MoreEntriesThanAreNoted_AreAllDroppedByAFlush()
    {
        using FlatGuest guest = Remembering(AccessKind.Load);
        for (ulong page = 0x10_0000; page < 0x18_0000; page += 4096)
        {
            Remember(guest, AccessKind.Load, page);
            Entry(guest, AccessKind.Load, page)->Tag = Tlb.Invalid;
            Assert.True(Call(guest, AccessKind.Load, page));
        }

        guest.Hart.FlushTlb();
        for (ulong page = 0x10_0000; page < 0x18_0000; page += 4096)
            Assert.Equal(Tlb.Invalid, Entry(guest, AccessKind.Load, page)->Tag);
    }

    /// <summary>Two thousand pages at random, with loads, stores, groups of both and misaligned ones among them.</summary>
    [TracesFact]
    public void Run_MorePagesThanTheTlbHasEntries_AgreesWithTheInterpreter()
    {
        const string source = """
                li s2, 0x5851F42D4C957F2D
                li s4, 0xBFF
            loop:
                mul s3, s3, s2
                addi s3, s3, 1
                srli t0, s3, 33
                and t1, t0, s4
                slli t1, t1, 12
                srli t2, t0, 12
                andi t2, t2, 0x7F8
                add t1, t1, t2
                add t1, t1, s0
                ld t3, 0(t1)
                add t3, t3, s3
                sd t3, 0(t1)
                srli t4, s3, 45
                andi t4, t4, 0xFF
                add t4, t4, t1
                lw t5, 16(t1)
                lw t6, 24(t1)
                add t5, t5, t6
                sw t5, 16(t1)
                sw t3, 24(t1)
                lh t6, 3(t4)
                sh t6, 9(t4)
                addi s5, s5, -1
                bnez s5, loop
                ecall
            """;
        using FlatGuest expected = Load(source, new Interpreter());
        using FlatGuest actual = Load(source, TestEngine.Traced());
        expected[21] = actual[21] = 30_000;
        TranslatorTests.RunBothInSlices(expected, actual, 20_000);
        Assert.True(actual.Hart.TlbRefills > 30_000);
        var theirs = new byte[MemoryBytes];
        var ours = new byte[MemoryBytes];
        Assert.True(expected.Memory.TryRead(0, theirs) && actual.Memory.TryRead(0, ours));
        Assert.True(theirs.AsSpan().SequenceEqual(ours));
    }

    /// <summary>A page that was stored to, then left the TLB, then was run: the next store must be noticed though its translation is remembered.</summary>
    [TracesFact]
    public void Run_StoreToAPageThatBecameCode_IsNoticed()
    {
        const string source = """
            again:
                sw s4, 0(s3)
                sw zero, 0(s6)
                fence.i
                jalr ra, s3
                sw s5, 0(s3)
                sw zero, 0(s6)
                fence.i
                jalr ra, s3
                addi s7, s7, -1
                bnez s7, again
                ecall
            """;
        using FlatGuest guest = Load(source, TestEngine.Traced());
        guest[19] = 0x40_0000;
        guest[20] = 0x0019_0913; // addi s2, s2, 1
        guest[21] = 0x0649_0913; // addi s2, s2, 100
        guest[22] = 0x40_0000 + Tlb.Entries * 4096; // falls on the same entry
        guest[23] = 1000;
        guest.Load(0x40_0004, 0x0000_8067); // ret
        Assert.Equal(VmExitReason.EnvironmentCall, guest.Run(1 << 24).Reason);
        Assert.Equal(101_000UL, guest[18]);
    }

    private static FlatGuest Load(string source, Interpreter engine)
    {
        var guest = new FlatGuest(0, MemoryBytes, engine) { Pc = Code };
        Assert.True(guest.Memory.TryWrite(Code, Assembler.Assemble(source, new AssemblerOptions { Name = "refill", TextBase = Code }).ToImage()));
        guest[8] = 0x10_0000;
        return guest;
    }

    /// <summary>A guest that has made one access to the page, whose entry is gone.</summary>
    private static FlatGuest Remembering(AccessKind kind)
    {
        FlatGuest guest = Load("ecall\n", new Interpreter());
        guest.Run(100);
        Remember(guest, kind, Page);
        Entry(guest, kind, Page)->Tag = Tlb.Invalid;
        return guest;
    }

    private static void Remember(FlatGuest guest, AccessKind kind, ulong address)
    {
        guest[10] = address;
        guest.Load(Code, kind == AccessKind.Store ? 0x0005_3023u : 0x0005_3583u, 0x73); // sd zero, 0(a0) or ld a1, 0(a0)
        guest.Pc = Code;
        Assert.Equal(VmExitReason.EnvironmentCall, guest.Run(100).Reason);
        Assert.Equal(address, Entry(guest, kind, address)->Tag);
    }

    private static PageEntry* Remembered(FlatGuest guest, AccessKind kind) => PageEntry.For(guest.Hart.State->PageEntries, Page, kind);

    private static TlbEntry* Entry(FlatGuest guest, AccessKind kind, ulong address)
        => kind == AccessKind.Store ? Tlb.StoreEntry((TlbEntry*)guest.Hart.State->Tlb, address) : Tlb.LoadEntry((TlbEntry*)guest.Hart.State->Tlb, address);

    /// <summary>Calls the routine as a trace does; checks that no register of a trace is another behind it.</summary>
    private bool Call(FlatGuest guest, AccessKind kind, ulong tag)
    {
        var code = new X64Emitter();
        TlbRefill.Write(code, kind == AccessKind.Store);
        nint routine = Place(code);
        code.Clear();

        // State, TLB, tag and place come as a function's arguments; what the routine may not change lies in other registers.
        code.Move(Reg.R8, Reg.Rdx);
        code.Move(Reg.R9, Reg.Rcx);
        code.Move(Reg.Rdx, Reg.Rsi);
        code.Move(Reg.Rsi, Reg.Rdi);
        code.Constant(Reg.R10, 10);
        code.Constant(Reg.R11, 11);
        code.Constant(Reg.Rdi, 12);
        code.Constant(Reg.Rcx, 13);
        TlbRefill.WriteCall(code, routine, Reg.R8, Reg.R9);
        code.SetIf(Condition.Equal, Reg.Rax);
        foreach ((Reg register, int value) in new[] { (Reg.R10, 10), (Reg.R11, 11), (Reg.Rdi, 12), (Reg.Rcx, 13) })
        {
            code.Operate(Alu.Sub, register, value);
            code.ShiftBy(Shift.Left, register, 8);
            code.Operate(Alu.Or, Reg.Rax, register);
        }

        code.Return();
        var call = (delegate* unmanaged<HartState*, void*, ulong, ulong, ulong>)Place(code);
        ulong found = call(guest.Hart.State, guest.Hart.State->Tlb, tag, Tlb.PlaceOf(tag));
        Assert.InRange(found, 0UL, 1UL);
        return found == 1;
    }

    private nint Place(X64Emitter code)
    {
        HostCodeChunk chunk = _space.TryTake() ?? throw new InvalidOperationException("this host gives no executable memory");
        _chunks.Add(chunk);
        code.Code.CopyTo(new Span<byte>((void*)chunk.Writable, HostCodeChunk.Bytes));
        return chunk.Executable;
    }
}
