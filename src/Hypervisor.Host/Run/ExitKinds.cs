using System.Globalization;
using Hypervisor.Core.Devices;
using Hypervisor.Core.Engine;
using Hypervisor.Core.Hart;
using Hypervisor.Core.Isa;
using Hypervisor.Core.Machine;
using Hypervisor.Guests.Common;

namespace Hypervisor.Host.Run;

/// <summary>
/// Parts the exits of one reason by what caused them: privileged instructions by CSR or name, device accesses by device, calls
/// by extension or system call, faults by access.
/// </summary>
internal sealed class ExitKinds(BoardGuest? board)
{
    private const ulong CsrKey = 1UL << 32;
    private const ulong SupervisorKey = 1UL << 63;
    private const int CallRegister = 17;

    /// <summary>The kind of an exit, as a number.</summary>
    public ulong KeyOf(VCpu vcpu, in VmExit exit)
    {
        switch (exit.Reason)
        {
            case VmExitReason.PrivilegedInstruction:
            {
                var opcode = (Opcode)exit.Opcode;
                return opcode is >= Opcode.Csrrw and <= Opcode.Csrrci ? CsrKey | exit.Instruction >> 20 : exit.Opcode;
            }

            case VmExitReason.MmioRead:
            case VmExitReason.MmioWrite:
                return exit.Value >> 12;

            case VmExitReason.EnvironmentCall:
                if (board is null)
                    return vcpu.Hart.Register(CallRegister);
                return board.Mode.StateOf(vcpu).Mode switch
                {
                    PrivilegeMode.Supervisor => SupervisorKey | vcpu.Hart.Register(CallRegister),
                    var mode => (ulong)mode,
                };

            case VmExitReason.TranslationMiss:
            case VmExitReason.PageFault:
            case VmExitReason.AccessFault:
                return (ulong)exit.Access;

            default:
                return 0;
        }
    }

    /// <summary>What to call a kind; null where the reason says it all.</summary>
    public string? NameOf(VmExitReason reason, ulong key) => reason switch
    {
        VmExitReason.PrivilegedInstruction => (key & CsrKey) != 0
            ? CsrNumber.Name((ushort)key) ?? string.Create(CultureInfo.InvariantCulture, $"csr 0x{key & 0xFFF:x}")
            : ((Opcode)key).ToString().ToLowerInvariant(),
        VmExitReason.MmioRead or VmExitReason.MmioWrite => DeviceAt(key << 12),
        VmExitReason.EnvironmentCall => board is null ? string.Create(CultureInfo.InvariantCulture, $"call {Call(key)}")
            : (key & SupervisorKey) != 0 ? "SBI " + Call(key & ~SupervisorKey) : $"from {((PrivilegeMode)key).ToString().ToLowerInvariant()} mode",
        VmExitReason.TranslationMiss or VmExitReason.PageFault or VmExitReason.AccessFault => ((AccessKind)key).ToString().ToLowerInvariant(),
        _ => null,
    };

    /// <summary>SBI extensions are four letters; system calls and old SBI calls small numbers.</summary>
    private static string Call(ulong number)
    {
        Span<char> letters = stackalloc char[4];
        for (int i = 0; i < 4; i++)
            letters[i] = (char)(number >> (24 - (i * 8)) & 0xFF);
        string name = new string(letters).TrimStart('\0');
        return name.Length >= 3 && name.All(char.IsAsciiLetterOrDigit) ? name : number.ToString(CultureInfo.InvariantCulture);
    }

    private string DeviceAt(ulong page)
    {
        foreach (MmioBus.Mapping mapping in board?.Board.Bus.Mappings ?? [])
        {
            if (page < mapping.Address + mapping.Size && mapping.Address < page + 4096)
                return mapping.Name;
        }

        return string.Create(CultureInfo.InvariantCulture, $"nothing at 0x{page:x}");
    }
}
