using Hypervisor.Guests.Common.Sbi;

namespace Hypervisor.Guests.Para;

/// <summary>The paravirtual extension: docs/para-abi.md, section 2. Every argument is the guest's word and checked here.</summary>
internal sealed class ParaExtension(ParaMachine machine) : ISbiExtension
{
    private const int EntrySize = 80;
    private const int EntryResult = 64;
    private const ulong LongestMulticall = 128;
    private const ulong LargestPageFlush = 64;
    private const ulong LargestAsid = 0xFFFF;

    public string Name => "HVP";

    public ulong FirstId => ParaFunction.ExtensionId;

    public ulong LastId => ParaFunction.ExtensionId;

    public SbiResult Call(in SbiCall call)
    {
        ParaHart hart = machine.Hart(call.Hart);
        switch (call.Function)
        {
            case ParaFunction.Features:
                return SbiResult.Ok(((ulong)ParaFunction.Version << 48) | machine.Features);
            case ParaFunction.RegisterSharedInfo:
                return RegisterSharedInfo(call.A0, call.A1);
            case ParaFunction.Yield:
                return call.Nested ? SbiError.Denied : new SbiResult(SbiError.Success, 0, SbiCompletion.Yield);
            case ParaFunction.Block:
                return call.Nested ? SbiError.Denied : Block(hart, call.A0);
            case ParaFunction.Multicall:
                return call.Nested ? SbiError.Denied : Multicall(in call);
            case ParaFunction.Mark:
                return Mark(hart, call.A0, call.A1);
            case ParaFunction.YieldTo:
                return call.Nested ? SbiError.Denied : YieldTo(hart, call.A0);
            case ParaFunction.Domain:
                return SbiResult.Ok((ulong)machine.Domain);
            case ParaFunction.EventBind:
                return machine.Channels.Bind(call.A0, call.A1, call.A2);
            case ParaFunction.EventSend:
                return EventSend(call.A0, call.A1);
            case ParaFunction.EventClose:
                return EventClose(call.A0);
            case ParaFunction.EventPoll:
                return SbiResult.Ok(hart.SharedInfo is { LineRaised: true } ? 1UL : 0);
            case ParaFunction.MmuPinTable:
                return machine.Paging.Pin(call.A0, call.A1, machine.CannotBeTable);
            case ParaFunction.MmuUnpinTable:
                return machine.Paging.Unpin(call.A0);
            case ParaFunction.MmuUpdate:
                return machine.Paging.Update(call.A0, call.A1);
            case ParaFunction.MmuSetRoot:
                return SetRoot(hart, call.A0, call.A1);
            case ParaFunction.MmuFlush:
                return Flush(hart, call.A0, call.A1, call.A2);
            case ParaFunction.MemoryRelease:
                return machine.Release(call.A0, call.A1);
            default:
                return machine.Domains is { } domains ? CallBetween(domains, in call) : IsBetween(call.Function) ? SbiError.Denied : SbiError.NotSupported;
        }
    }

    private static bool IsBetween(ulong function)
        => function is ParaFunction.EventOffer or ParaFunction.EventConnect or (>= ParaFunction.GrantCreate and <= ParaFunction.GrantCopy);

    /// <summary>What concerns another machine too.</summary>
    private SbiResult CallBetween(ParaDomains domains, in SbiCall call)
    {
        lock (domains.Gate)
        {
            switch (call.Function)
            {
                case ParaFunction.EventOffer:
                    return call.A0 == (ulong)machine.Domain || domains.Find(call.A0) is null ? SbiError.InvalidParam : machine.Channels.Offer(call.A0, call.A1);
                case ParaFunction.EventConnect:
                    return domains.Find(call.A0) is { } offering && offering != machine
                        ? machine.Channels.Connect(offering.Channels, call.A1, (ulong)machine.Domain, call.A2)
                        : SbiError.InvalidParam;
                case ParaFunction.GrantCreate:
                    return machine.Grants.Create(call.A0, call.A1, call.A2, call.A3);
                case ParaFunction.GrantEnd:
                    return machine.Grants.End(call.A0);
                case ParaFunction.GrantMap:
                    return machine.Grants.Map(call.A0, call.A1, call.A2, call.A3);
                case ParaFunction.GrantUnmap:
                    return machine.Grants.Unmap(call.A0);
                case ParaFunction.GrantCopy:
                    return machine.Grants.Copy(call.A0, call.A1);
                default:
                    return SbiError.NotSupported;
            }
        }
    }

    private SbiError EventClose(ulong channel)
    {
        if (machine.Domains is not { } domains)
            return machine.Channels.Close(channel);
        lock (domains.Gate)
            return machine.Channels.Close(channel);
    }

    private SbiResult YieldTo(ParaHart hart, ulong target)
    {
        if (target >= (ulong)machine.HartCount)
            return SbiError.InvalidParam;
        hart.VCpu.YieldTarget = machine.Hart((int)target).VCpu;
        return new SbiResult(SbiError.Success, 0, SbiCompletion.Yield);
    }

    private SbiError RegisterSharedInfo(ulong hart, ulong address)
    {
        if (hart >= (ulong)machine.HartCount)
            return SbiError.InvalidParam;
        return machine.SetSharedInfo(machine.Hart((int)hart), address);
    }

    private SbiResult Block(ParaHart hart, ulong deadline)
    {
        hart.EvaluateLine();
        if (hart.SharedInfo is { HasEvents: true })
            return SbiResult.Ok(1);
        if (hart.HasInterrupt || !machine.TryBlock(hart, deadline))
            return SbiResult.Ok(0);
        return new SbiResult(SbiError.Success, 0, SbiCompletion.Block);
    }

    private SbiError Mark(ParaHart hart, ulong kind, ulong operations)
    {
        if (kind > (ulong)ParaMark.End)
            return SbiError.InvalidParam;
        machine.Marked?.Invoke(hart.VCpu, (ParaMark)kind, operations);
        return SbiError.Success;
    }

    private SbiError EventSend(ulong channel, ulong argument)
    {
        SbiError error = machine.Channels.Send(channel, out int slot);

        // Outside the channels' lock: the device may answer at once, by raising the channel.
        if (slot >= 0)
            VirtioSlots.Notify(machine.Bus, slot, argument);
        return error;
    }

    private SbiResult Multicall(in SbiCall call)
    {
        if (call.A1 > LongestMulticall)
            return SbiError.InvalidParam;
        if ((call.A0 & 7) != 0)
            return SbiError.InvalidAddress;
        Span<ulong> words = stackalloc ulong[EntryResult / 8];
        for (ulong done = 0; done < call.A1; done++)
        {
            // Read once: the guest's other harts may change the entry meanwhile.
            ulong entry = call.A0 + (done * EntrySize);
            if (!machine.IsAccessible(entry, EntrySize, write: true)
                || !machine.Memory.TryRead(entry, System.Runtime.InteropServices.MemoryMarshal.AsBytes(words)))
                return new SbiResult(SbiError.InvalidAddress, done);
            SbiResult result = machine.Sbi.Call(new SbiCall(call.Hart, words[0], words[1],
                words[2], words[3], words[4], words[5], words[6], words[7], nested: true));
            machine.Memory.TryWrite(entry + EntryResult, (ulong)result.Error);
            machine.Memory.TryWrite(entry + EntryResult + 8, result.Value);
        }

        return SbiResult.Ok(call.A1);
    }

    private SbiError SetRoot(ParaHart hart, ulong address, ulong asid)
    {
        if (asid > LargestAsid)
            return SbiError.InvalidParam;
        SbiError error = machine.Paging.UseRoot(address, hart);
        if (error == SbiError.Success)
            hart.SetAddressSpace(Sv39.SatpMode | (asid << Sv39.SatpAsidShift) | (address >> 12));
        return error;
    }

    private static SbiError Flush(ParaHart hart, ulong address, ulong pages, ulong asid)
    {
        if (asid > LargestAsid)
            return SbiError.InvalidParam;
        if (pages is 0)
        {
            hart.Hart.FlushTlb(asid, hart.Satp);
            return SbiError.Success;
        }

        if (pages > LargestPageFlush)
        {
            hart.Hart.FlushTlb();
            return SbiError.Success;
        }

        for (ulong page = 0; page < pages; page++)
            hart.Hart.FlushTlbPage(address + (page << 12));
        return SbiError.Success;
    }
}
