using System.Globalization;
using System.Text;
using Hypervisor.Core.Isa;

namespace Hypervisor.Guests.Debug;

/// <summary>
/// The registers of a hart as GDB knows them (GDB manual, appendix G.5.11, RISC-V features), and their numbers: x0 to x31, pc,
/// f0 to f31, then CSRs at 65 and more, and the privilege mode after the last of them.
/// </summary>
internal static class TargetDescription
{
    /// <summary>Number of the program counter.</summary>
    public const int Pc = 32;

    /// <summary>Number of f0.</summary>
    public const int FirstFloat = 33;

    /// <summary>Number of CSR 0.</summary>
    public const int FirstCsr = 65;

    /// <summary>Number of the privilege mode.</summary>
    public const int Privilege = FirstCsr + 4096;

    private static readonly string[] s_integers =
    [
        "zero", "ra", "sp", "gp", "tp", "t0", "t1", "t2", "fp", "s1", "a0", "a1", "a2", "a3", "a4", "a5", "a6", "a7",
        "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11", "t3", "t4", "t5", "t6",
    ];

    private static readonly string[] s_floats =
    [
        "ft0", "ft1", "ft2", "ft3", "ft4", "ft5", "ft6", "ft7", "fs0", "fs1", "fa0", "fa1", "fa2", "fa3", "fa4", "fa5", "fa6", "fa7",
        "fs2", "fs3", "fs4", "fs5", "fs6", "fs7", "fs8", "fs9", "fs10", "fs11", "ft8", "ft9", "ft10", "ft11",
    ];

    /// <summary>The CSRs shown; a guest's view of those that exist is complete enough to debug a kernel or firmware with.</summary>
    private static readonly (string Name, int Number)[] s_csrs =
    [
        ("sstatus", CsrNumber.Sstatus), ("sie", CsrNumber.Sie), ("stvec", CsrNumber.Stvec), ("scounteren", CsrNumber.Scounteren),
        ("senvcfg", CsrNumber.Senvcfg), ("sscratch", CsrNumber.Sscratch), ("sepc", CsrNumber.Sepc), ("scause", CsrNumber.Scause),
        ("stval", CsrNumber.Stval), ("sip", CsrNumber.Sip), ("stimecmp", CsrNumber.Stimecmp), ("satp", CsrNumber.Satp),
        ("mstatus", CsrNumber.Mstatus), ("misa", CsrNumber.Misa), ("medeleg", CsrNumber.Medeleg), ("mideleg", CsrNumber.Mideleg),
        ("mie", CsrNumber.Mie), ("mtvec", CsrNumber.Mtvec), ("mcounteren", CsrNumber.Mcounteren), ("menvcfg", CsrNumber.Menvcfg),
        ("mscratch", CsrNumber.Mscratch), ("mepc", CsrNumber.Mepc), ("mcause", CsrNumber.Mcause), ("mtval", CsrNumber.Mtval),
        ("mip", CsrNumber.Mip), ("mcycle", CsrNumber.Mcycle), ("minstret", CsrNumber.Minstret), ("mhartid", CsrNumber.Mhartid),
        ("cycle", CsrNumber.Cycle), ("time", CsrNumber.Time), ("instret", CsrNumber.Instret),
        ("pmpcfg0", CsrNumber.Pmpcfg0), ("pmpcfg2", CsrNumber.Pmpcfg0 + 2), ("pmpaddr0", CsrNumber.Pmpaddr0), ("pmpaddr1", CsrNumber.Pmpaddr0 + 1),
    ];

    /// <summary>The description GDB reads as <c>target.xml</c>.</summary>
    public static byte[] Xml { get; } = Encoding.ASCII.GetBytes(Build());

    private static string Build()
    {
        var xml = new StringBuilder();
        xml.Append("<?xml version=\"1.0\"?><!DOCTYPE target SYSTEM \"gdb-target.dtd\"><target version=\"1.0\"><architecture>riscv:rv64</architecture>");
        xml.Append("<feature name=\"org.gnu.gdb.riscv.cpu\">");
        for (int i = 0; i < s_integers.Length; i++)
        {
            string type = s_integers[i] switch { "ra" => "code_ptr", "sp" or "gp" or "tp" or "fp" => "data_ptr", _ => "int" };
            Register(xml, s_integers[i], i, 64, type);
        }

        Register(xml, "pc", Pc, 64, "code_ptr");
        xml.Append("</feature><feature name=\"org.gnu.gdb.riscv.fpu\">");
        xml.Append("<union id=\"riscv_double\"><field name=\"float\" type=\"ieee_single\"/><field name=\"double\" type=\"ieee_double\"/></union>");
        for (int i = 0; i < s_floats.Length; i++)
            Register(xml, s_floats[i], FirstFloat + i, 64, "riscv_double");
        Register(xml, "fflags", FirstCsr + CsrNumber.Fflags, 32, "int");
        Register(xml, "frm", FirstCsr + CsrNumber.Frm, 32, "int");
        Register(xml, "fcsr", FirstCsr + CsrNumber.Fcsr, 32, "int");
        xml.Append("</feature><feature name=\"org.gnu.gdb.riscv.virtual\">");
        Register(xml, "priv", Privilege, 64, "int");
        xml.Append("</feature><feature name=\"org.gnu.gdb.riscv.csr\">");
        foreach ((string name, int number) in s_csrs)
            Register(xml, name, FirstCsr + number, 64, "int");
        return xml.Append("</feature></target>").ToString();
    }

    /// <summary>Bytes of a register, by its number.</summary>
    public static int SizeOf(int number) => number is >= FirstCsr + CsrNumber.Fflags and <= FirstCsr + CsrNumber.Fcsr ? 4 : 8;

    private static void Register(StringBuilder xml, string name, int number, int bits, string type)
        => xml.Append(CultureInfo.InvariantCulture, $"<reg name=\"{name}\" bitsize=\"{bits}\" regnum=\"{number}\" type=\"{type}\"{(number > FirstCsr - 1 ? " group=\"csr\" save-restore=\"no\"" : "")}/>");
}
