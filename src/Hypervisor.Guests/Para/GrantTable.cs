using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Hypervisor.Core.Memory;
using Hypervisor.Guests.Common.Sbi;
using Microsoft.Win32.SafeHandles;

namespace Hypervisor.Guests.Para;

/// <summary>
/// The pages that one machine granted to others, and those of others that it has mapped (docs/para-abi.md, section 8). Every
/// call is under the gate of <see cref="ParaDomains"/>, so that no machine in it goes away meanwhile.
/// </summary>
internal sealed class GrantTable(ParaMachine machine)
{
    /// <summary>Grants are 1 to 64.</summary>
    public const int Count = 64;

    /// <summary>Most pages of a grant.</summary>
    public const int MostPages = 64;

    private const ulong Mappable = 1;
    private const int CopySize = 40;
    private const int CopyResult = 32;
    private const ulong MostCopies = 64;

    private readonly Grant?[] _grants = new Grant?[Count + 1];
    private readonly Dictionary<ulong, Mapping> _mappings = [];

    private GuestMemory Memory => machine.Memory;

    /// <summary>Grants pages to a domain; the value is the grant's number.</summary>
    public SbiResult Create(ulong address, ulong pages, ulong domain, ulong flags)
    {
        if (pages - 1 >= MostPages || flags > Mappable || domain == (ulong)machine.Domain || machine.Domains!.Find(domain) is null)
            return SbiError.InvalidParam;
        if (!IsRange(address, pages))
            return SbiError.InvalidAddress;
        int number = Array.IndexOf(_grants, null, 1);
        if (number < 0)
            return SbiError.Failed;
        var grant = new Grant(address, (int)pages, domain, (flags & Mappable) != 0);
        if (grant.IsWritable)
        {
            if (!IsOrdinary(address, pages))
                return SbiError.Denied;
            grant.Object = Memory.TryShare(address, grant.Pages);
            if (grant.Object is null)
                return ParaFunction.CanMapGrants ? SbiError.Failed : SbiError.NotSupported;
            machine.FlushAllHarts();
        }

        _grants[number] = grant;
        return SbiResult.Ok((ulong)number);
    }

    /// <summary>Takes a grant back.</summary>
    public SbiError End(ulong number)
    {
        if (Find(number) is not { } grant)
            return SbiError.InvalidParam;
        if (grant.Mappings > 0)
            return SbiError.Denied;
        if (grant.Object is not null)
        {
            if (!Memory.TryUnshare(grant.Address, grant.Pages, keepContent: true))
                return SbiError.Failed;
            grant.Object.Dispose();
        }

        _grants[number] = null;
        return SbiError.Success;
    }

    /// <summary>Puts another domain's granted pages in place of own ones.</summary>
    public SbiError Map(ulong domain, ulong number, ulong address, ulong pages)
    {
        if (Granted(domain, number) is not { Object: { } shared } grant || pages != (ulong)grant.Pages)
            return SbiError.InvalidParam;
        if (!IsRange(address, pages))
            return SbiError.InvalidAddress;
        if (!IsOrdinary(address, pages))
            return SbiError.Denied;
        if (!Memory.TryMapShared(shared, address, grant.Pages))
            return SbiError.Failed;
        grant.Mappings++;
        _mappings.Add(address, new Mapping(grant, grant.Pages));
        machine.FlushAllHarts();
        return SbiError.Success;
    }

    /// <summary>Gives mapped pages up; own, zeroed ones take their place.</summary>
    public SbiError Unmap(ulong address)
    {
        if (!_mappings.TryGetValue(address, out Mapping? mapping))
            return SbiError.InvalidParam;
        if (!Memory.TryUnshare(address, mapping.Pages, keepContent: false))
            return SbiError.Failed;
        mapping.Grant.Mappings--;
        _mappings.Remove(address);
        return SbiError.Success;
    }

    /// <summary>Copies from or to granted pages by a batch of entries; the value is how many were looked at.</summary>
    public SbiResult Copy(ulong entries, ulong count)
    {
        if (count > MostCopies)
            return SbiError.InvalidParam;
        if ((entries & 7) != 0)
            return SbiError.InvalidAddress;
        Span<byte> entry = stackalloc byte[CopyResult];
        for (ulong done = 0; done < count; done++)
        {
            // Read once: the guest's other harts may change the entry meanwhile.
            ulong at = entries + (done * CopySize);
            if (!machine.IsAccessible(at, CopySize, write: true) || !Memory.TryRead(at, entry))
                return new SbiResult(SbiError.InvalidAddress, done);
            SbiError error = Copy(entry);
            Memory.TryWrite(at + CopyResult, (ulong)error);
        }

        return SbiResult.Ok(count);
    }

    /// <summary>Lets everything go, as the machine is about to.</summary>
    public void EndAll()
    {
        foreach (Mapping mapping in _mappings.Values)
            mapping.Grant.Mappings--;
        _mappings.Clear();
        foreach (Grant? grant in _grants)
            grant?.Object?.Dispose();
        Array.Clear(_grants);
    }

    private SbiError Copy(ReadOnlySpan<byte> entry)
    {
        ulong domain = BinaryPrimitives.ReadUInt32LittleEndian(entry);
        ulong number = BinaryPrimitives.ReadUInt32LittleEndian(entry[4..]);
        ulong offset = BinaryPrimitives.ReadUInt64LittleEndian(entry[8..]);
        ulong own = BinaryPrimitives.ReadUInt64LittleEndian(entry[16..]);
        ulong length = BinaryPrimitives.ReadUInt32LittleEndian(entry[24..]);
        uint direction = BinaryPrimitives.ReadUInt32LittleEndian(entry[28..]);
        if (direction > 1 || Granted(domain, number) is not { } grant)
            return SbiError.InvalidParam;
        ulong size = (ulong)grant.Pages * GuestMemory.PageSize;
        if (offset > size || length > size - offset || !machine.IsAccessible(own, length, write: direction == 0))
            return SbiError.InvalidAddress;
        GuestMemory theirs = machine.Domains!.Find(domain)!.Memory;
        if (direction == 0)
            Memory.TryWrite(own, theirs.Window(grant.Address + offset, (int)length));
        else if (!grant.IsWritable)
            return SbiError.Denied;
        else
            theirs.TryWrite(grant.Address + offset, Memory.Window(own, (int)length));
        return SbiError.Success;
    }

    /// <summary>What another domain granted to this one.</summary>
    private Grant? Granted(ulong domain, ulong number)
        => machine.Domains!.Find(domain)?.Grants.Find(number) is { } grant && grant.Domain == (ulong)machine.Domain ? grant : null;

    private Grant? Find(ulong number) => number is > 0 and <= Count ? _grants[number] : null;

    private bool IsRange(ulong address, ulong pages)
        => (address & (GuestMemory.PageSize - 1)) == 0 && Memory.Contains(address, pages * GuestMemory.PageSize);

    /// <summary>Whether pages are neither tables, nor a hart's shared-info page, nor shared already.</summary>
    private bool IsOrdinary(ulong address, ulong pages)
    {
        for (ulong page = address; page < address + (pages * GuestMemory.PageSize); page += GuestMemory.PageSize)
        {
            if ((Memory.FlagsOf(Memory.PageIndex(page)) & (PageFlag.Protected | PageFlag.Shared)) != 0 || machine.IsSharedInfo(page))
                return false;
        }

        return true;
    }

    private sealed class Grant(ulong address, int pages, ulong domain, bool isWritable)
    {
        public ulong Address => address;

        public int Pages => pages;

        public ulong Domain => domain;

        public bool IsWritable => isWritable;

        /// <summary>What other machines map; null for a grant that can only be copied from.</summary>
        public SafeFileHandle? Object { get; set; }

        public int Mappings { get; set; }
    }

    private sealed record Mapping(Grant Grant, int Pages);
}
