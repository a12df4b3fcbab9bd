using Hypervisor.Core.Engine.Interpreter.Vector;
using Hypervisor.Core.Hart;
using Hypervisor.Core.Isa;
using Hypervisor.Core.Memory;

namespace Hypervisor.Core.Engine.Interpreter;

/// <content>What vector instructions leave to the dispatcher: those that are illegal as things stand, and translations of addresses.</content>
internal sealed unsafe partial class Interpreter
{
    private SlowOutcome DoVector(HartContext hart, CodeCache code, Op* op, Opcode opcode, out VmExit exit)
    {
        HartState* s = hart.State;
        if (s->HasVectorMiss == 0)
            return Illegal(hart, op, out exit);
        s->HasVectorMiss = 0;
        ulong address = s->VectorMiss;
        bool store = opcode is >= Opcode.Vse8V and <= Opcode.Vsoxei64V;
        AccessKind kind = store ? AccessKind.Store : AccessKind.Load;
        if (opcode is >= Opcode.Vle8ffV and <= Opcode.Vle64ffV && s->Vstart > 0
            && (hart.Translator.Translate(s, address, kind, hart.Context, out Translation there) != TranslationStatus.Ok || there.HostPage == null))
        {
            // Behind the first element nothing faults: the vector ends before it.
            s->Vl = s->Vstart;
            exit = default;
            return SlowOutcome.Again;
        }

        if (!Translate(hart, op, address, kind, out Translation translation, out SlowOutcome outcome, out exit))
            return outcome;
        if (translation.HostPage == null)
        {
            // Vectors do not reach devices: device space is not of a kind that takes accesses which may be made in part.
            hart.UncachedAccesses++;
            return Trap(hart, op, store ? TrapCause.StoreAccessFault : TrapCause.LoadAccessFault, address, out exit);
        }

        if (store ? FillStore(hart, address, in translation) : FillLoad(hart, address, in translation))
        {
            hart.CountRefill();
            return SlowOutcome.Again;
        }

        hart.UncachedAccesses++;
        return DoVectorPage(hart, code, op, kind, address, in translation, out exit);
    }

    /// <summary>
    /// Does elements from vstart on, as far as a page goes that may have no entry for all to use, by an entry of its own: it holds
    /// decoded code, is protected, or a debugger watches it.
    /// </summary>
    private SlowOutcome DoVectorPage(HartContext hart, CodeCache code, Op* op, AccessKind kind, ulong address, in Translation first, out VmExit exit)
    {
        HartState* s = hart.State;
        TlbEntry* tlb = stackalloc TlbEntry[Tlb.EntriesPerContext];
        Tlb.Clear(tlb, Tlb.EntriesPerContext);
        Translation translation = first;
        ulong element = s->Vstart;
        bool done;
        exit = default;
        while (true)
        {
            ulong page = address & ~0xFFFUL;
            *(kind == AccessKind.Store ? Tlb.StoreEntry(tlb, address) : Tlb.LoadEntry(tlb, address))
                = new TlbEntry { Tag = page, Addend = (nint)translation.HostPage - (nint)page };
            done = VectorStep.Execute(op, s, tlb);
            if (kind == AccessKind.Store)
                NoteStore(hart, translation.GuestPhysical & ~0xFFFUL, GuestMemory.PageSize);
            s->HasVectorMiss = 0;
            if (done || s->Vstart != element)
                break;

            // The element goes on in another page.
            address = s->VectorMiss;
            if (!Translate(hart, op, address, kind, out translation, out SlowOutcome outcome, out exit))
                return outcome;
            if (translation.HostPage == null)
                return Trap(hart, op, kind == AccessKind.Store ? TrapCause.StoreAccessFault : TrapCause.LoadAccessFault, address, out exit);
        }

        // The store may have changed the very trace that goes on: what follows is looked up anew.
        bool changed = kind == AccessKind.Store && code.Settle(_handlers.Stale, fence: false);
        if (done)
            return changed ? Retire(s, op) : SlowOutcome.Next;
        if (!changed)
            return SlowOutcome.Again;
        SettleAt(s, op);
        return SlowOutcome.Lookup;
    }
}
