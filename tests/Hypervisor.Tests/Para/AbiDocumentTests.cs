using System.Globalization;
using System.Reflection;
using System.Text.RegularExpressions;
using Hypervisor.Core.Isa;
using Hypervisor.Guests.Common;
using Hypervisor.Guests.Common.Sbi;
using Hypervisor.Guests.Para;
using Hypervisor.Tests.Architecture;

namespace Hypervisor.Tests.Para;

/// <summary>The tables of docs/para-abi.md against the hypervisor's side and the guest's.</summary>
public sealed partial class AbiDocumentTests : IDisposable
{
    private const ulong Page = ParaFixture.Ram + 0x10_0000;

    private static readonly string s_document = File.ReadAllText(Path.Combine(Repository.Root, "docs/para-abi.md"));
    private static readonly string s_guest = File.ReadAllText(Path.Combine(Repository.Root, "src/Hypervisor.Guests/BuiltIn/asm/kernel-para.s"));

    private readonly ParaFixture _fixture = new();

    public void Dispose() => _fixture.Dispose();

    [Fact]
    public void Functions_OfTheTable_AreThoseOfTheCode()
    {
        Dictionary<string, ulong> documented = FunctionRow().Matches(s_document).ToDictionary(row => row.Groups[2].Value, row => Number(row.Groups[1].Value));
        Dictionary<string, ulong> coded = typeof(ParaFunction).GetFields(BindingFlags.Public | BindingFlags.Static)
            .Where(field => field.Name is not (nameof(ParaFunction.ExtensionId) or nameof(ParaFunction.Version)))
            .ToDictionary(field => Snake(field.Name), field => Convert.ToUInt64(field.GetValue(null), CultureInfo.InvariantCulture));
        Assert.Equal(coded.OrderBy(each => each.Key), documented.OrderBy(each => each.Key));
        Assert.Contains($"**EID `0x{ParaFunction.ExtensionId:X8}`**", s_document);

        // Each is served, and no other: an unknown number is refused as such.
        for (ulong function = 0; function < 0x100; function++)
        {
            bool known = _fixture.Call(function, ulong.MaxValue - 1, ulong.MaxValue - 1, ulong.MaxValue - 1).Error != SbiError.NotSupported;
            Assert.True(known == documented.ContainsValue(function), $"function 0x{function:x}");
        }
    }

    [Fact]
    public void Functions_AsTheGuestNamesThem_AreThose()
    {
        int found = 0;
        foreach (Match match in GuestConstant().Matches(s_guest))
        {
            string name = match.Groups[1].Value.ToLowerInvariant() switch
            {
                "mmu_pin" => "mmu_pin_table",
                "mmu_unpin" => "mmu_unpin_table",
                string other => other,
            };
            Match row = Regex.Match(s_document, $@"\| (0x[0-9a-f]+) \| `{name}`");
            Assert.True(row.Success, name);
            Assert.Equal(Number(row.Groups[1].Value), Number(match.Groups[2].Value));
            found++;
        }

        Assert.True(found > 10);
    }

    [Fact]
    public void SharedInfo_Fields_LieWhereTheTableSays()
    {
        Dictionary<string, (ulong Offset, string Size)> fields = FieldRow().Matches(Section("## 3.", "## 4."))
            .ToDictionary(row => row.Groups[3].Value, row => (Number(row.Groups[1].Value), row.Groups[2].Value));
        _fixture.Machine.VCpus[1].Meter.RunNanoseconds = 1_000_000;
        _fixture.Machine.VCpus[1].Meter.WaitNanoseconds = 3_000_000;
        Assert.Equal(SbiError.Success, _fixture.Call(ParaFunction.RegisterSharedInfo, 1, Page).Error);
        ulong At(string field) => Page + fields[field].Offset;
        ulong Read(string field) => _fixture.Memory.TryRead(At(field), out ulong value) ? value & (ulong.MaxValue >> (64 - (8 * Math.Min(8, int.Parse(fields[field].Size, CultureInfo.InvariantCulture))))) : throw new InvalidOperationException(field);
        Assert.Equal(0x3150_5648UL, Read("magic"));
        Assert.Equal(ParaFunction.Version, Read("version"));
        Assert.Equal(_fixture.Para.Features, Read("features"));
        Assert.Equal(1UL, Read("hart"));
        Assert.Equal(1UL, Read("upcall_mask"));
        Assert.Equal(0UL, Read("upcall_pending"));
        Assert.Equal(10_000_000UL, Read("timebase"));
        Assert.Equal(0UL, Read("balloon_target"));
        _fixture.Para.BalloonTarget = 77;
        Assert.Equal(77UL, Read("balloon_target"));
        Assert.Equal(0UL, Read("pending[4]"));
        Assert.Equal(ulong.MaxValue, Read("mask[4]"));
        _fixture.Prepare(1);
        Assert.Equal(10_000UL, Read("run_ticks"));
        Assert.Equal(30_000UL, Read("steal_ticks"));
        foreach ((string guest, string field) in ((string, string)[])[("UPCALL_MASK", "upcall_mask"), ("UPCALL_PENDING", "upcall_pending"), ("PENDING", "pending[4]"), ("MASK", "mask[4]")])
            Assert.Matches($@"\.equ SHARED_{guest}, 0x{fields[field].Offset:x}\b", s_guest);
    }

    [Fact]
    public void Extensions_OfTheList_AreOfferedAndNoOthers()
    {
        string list = Regex.Match(s_document, @"Standard extensions offered: ([^.]*)\.").Groups[1].Value;
        Dictionary<string, ulong> ids = typeof(SbiExtensionId).GetFields().ToDictionary(field => field.Name, field => (ulong)field.GetValue(null)!);
        (string Name, string Id)[] names =
        [
            ("Base", "Base"), ("TIME", "Time"), ("IPI", "Ipi"), ("RFENCE", "RemoteFence"), ("HSM", "HartState"), ("SRST", "SystemReset"), ("DBCN", "DebugConsole"),
            ("PMU", "PerformanceMonitoring"), ("SUSP", "SystemSuspend"), ("CPPC", "PerformanceControl"), ("STA", "StealTime"), ("FWFT", "FirmwareFeatures"),
        ];
        Assert.Equal(names.Length, ids.Count(each => !each.Key.StartsWith("Legacy", StringComparison.Ordinal)));
        foreach ((string name, string id) in names)
        {
            Assert.Matches($@"\b{name}\b", list);
            Assert.Equal((SbiError.Success, 1UL), _fixture.Sbi(0, SbiExtensionId.Base, 3, ids[id]));
        }

        Assert.Contains("legacy", list);
        Assert.Equal((SbiError.Success, 0UL), _fixture.Sbi(0, SbiExtensionId.Base, 3, 0x4E41434C));
    }

    [Fact]
    public void Board_Addresses_AreThoseOfTheTable()
    {
        string table = Section("## 7.", "**Parameter block**");
        foreach (ulong address in (ulong[])[Board.FinisherAddress, Board.MarkerAddress, Board.ClintAddress, Board.PlicAddress, Board.UartAddress, Board.FirstSlotAddress, Board.RamAddress])
            Assert.Contains($"0x{address >> 16:x4}_{address & 0xffff:x4}", table);
        Assert.Contains($"IRQ {Board.UartInterrupt} ", table);
        Assert.Contains($"slot n (0…{Board.SlotCount - 1})", table);
    }

    [Fact]
    public void Errors_OfTheText_AreTheSbis()
    {
        foreach (Match error in Regex.Matches(Section("## 1.", "## 2."), @"`(-?\d+)`\s+([A-Z_]+)"))
            Assert.Equal(Enum.Parse<SbiError>(error.Groups[2].Value.Replace("_", "", StringComparison.Ordinal), ignoreCase: true), (SbiError)long.Parse(error.Groups[1].Value, CultureInfo.InvariantCulture));
    }

    private static string Section(string from, string to)
    {
        int start = s_document.IndexOf(from, StringComparison.Ordinal);
        return s_document[start..s_document.IndexOf(to, start, StringComparison.Ordinal)];
    }

    private static ulong Number(string text) => text.StartsWith("0x", StringComparison.Ordinal)
        ? ulong.Parse(text.AsSpan(2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture)
        : ulong.Parse(text, CultureInfo.InvariantCulture);

    private static string Snake(string name) => Regex.Replace(name, "(?<!^)([A-Z])", "_$1").ToLowerInvariant();

    [GeneratedRegex(@"^\| (0x[0-9a-f]+) \| `(\w+)` \|", RegexOptions.Multiline)]
    private static partial Regex FunctionRow();

    [GeneratedRegex(@"^\| (0x[0-9a-f]+) \| (\d+) \| ([\w\[\]]+) \|", RegexOptions.Multiline)]
    private static partial Regex FieldRow();

    [GeneratedRegex(@"\.equ HVP_(\w+), (0x[0-9a-f]+)")]
    private static partial Regex GuestConstant();
}
