namespace Hypervisor.Core.Isa;

/// <summary>
/// The numbers of the standard control and status registers of an RV64 hart (privileged specification, chapter 2), and
/// their names.
/// </summary>
public static class CsrNumber
{
    /// <summary><c>fflags</c>: accrued exceptions (Floating point (F)).</summary>
    public const ushort Fflags = 0x001;

    /// <summary><c>frm</c>: dynamic rounding mode (Floating point (F)).</summary>
    public const ushort Frm = 0x002;

    /// <summary><c>fcsr</c>: floating-point control and status (Floating point (F)).</summary>
    public const ushort Fcsr = 0x003;

    /// <summary><c>cycle</c>: cycles (User counters (Zicntr, Zihpm)).</summary>
    public const ushort Cycle = 0xc00;

    /// <summary><c>time</c>: wall-clock time (User counters (Zicntr, Zihpm)).</summary>
    public const ushort Time = 0xc01;

    /// <summary><c>instret</c>: instructions retired (User counters (Zicntr, Zihpm)).</summary>
    public const ushort Instret = 0xc02;

    /// <summary><c>hpmcounter3</c>: first of the 29 performance counters hpmcounter3 to hpmcounter31 (User counters (Zicntr, Zihpm)).</summary>
    public const ushort Hpmcounter3 = 0xc03;

    /// <summary><c>sstatus</c>: status (Supervisor).</summary>
    public const ushort Sstatus = 0x100;

    /// <summary><c>sie</c>: interrupt enable (Supervisor).</summary>
    public const ushort Sie = 0x104;

    /// <summary><c>stvec</c>: trap handler address (Supervisor).</summary>
    public const ushort Stvec = 0x105;

    /// <summary><c>scounteren</c>: counter enable (Supervisor).</summary>
    public const ushort Scounteren = 0x106;

    /// <summary><c>senvcfg</c>: environment configuration (Supervisor).</summary>
    public const ushort Senvcfg = 0x10a;

    /// <summary><c>scountinhibit</c>: counter inhibit (Supervisor).</summary>
    public const ushort Scountinhibit = 0x120;

    /// <summary><c>sscratch</c>: scratch (Supervisor).</summary>
    public const ushort Sscratch = 0x140;

    /// <summary><c>sepc</c>: exception program counter (Supervisor).</summary>
    public const ushort Sepc = 0x141;

    /// <summary><c>scause</c>: trap cause (Supervisor).</summary>
    public const ushort Scause = 0x142;

    /// <summary><c>stval</c>: trap value (Supervisor).</summary>
    public const ushort Stval = 0x143;

    /// <summary><c>sip</c>: interrupt pending (Supervisor).</summary>
    public const ushort Sip = 0x144;

    /// <summary><c>stimecmp</c>: timer compare (Sstc) (Supervisor).</summary>
    public const ushort Stimecmp = 0x14d;

    /// <summary><c>scountovf</c>: counter overflow (Sscofpmf) (Supervisor).</summary>
    public const ushort Scountovf = 0xda0;

    /// <summary><c>satp</c>: address translation and protection (Supervisor).</summary>
    public const ushort Satp = 0x180;

    /// <summary><c>scontext</c>: debug context (Supervisor).</summary>
    public const ushort Scontext = 0x5a8;

    /// <summary><c>sstateen0</c>: state enable 0 (Supervisor state enable (Smstateen)).</summary>
    public const ushort Sstateen0 = 0x10c;

    /// <summary><c>sstateen1</c>: state enable 1 (Supervisor state enable (Smstateen)).</summary>
    public const ushort Sstateen1 = 0x10d;

    /// <summary><c>sstateen2</c>: state enable 2 (Supervisor state enable (Smstateen)).</summary>
    public const ushort Sstateen2 = 0x10e;

    /// <summary><c>sstateen3</c>: state enable 3 (Supervisor state enable (Smstateen)).</summary>
    public const ushort Sstateen3 = 0x10f;

    /// <summary><c>hstatus</c>: status (Hypervisor (H)).</summary>
    public const ushort Hstatus = 0x600;

    /// <summary><c>hedeleg</c>: exception delegation (Hypervisor (H)).</summary>
    public const ushort Hedeleg = 0x602;

    /// <summary><c>hideleg</c>: interrupt delegation (Hypervisor (H)).</summary>
    public const ushort Hideleg = 0x603;

    /// <summary><c>hie</c>: interrupt enable (Hypervisor (H)).</summary>
    public const ushort Hie = 0x604;

    /// <summary><c>hcounteren</c>: counter enable (Hypervisor (H)).</summary>
    public const ushort Hcounteren = 0x606;

    /// <summary><c>hgeie</c>: guest external interrupt enable (Hypervisor (H)).</summary>
    public const ushort Hgeie = 0x607;

    /// <summary><c>htval</c>: trap value (Hypervisor (H)).</summary>
    public const ushort Htval = 0x643;

    /// <summary><c>hip</c>: interrupt pending (Hypervisor (H)).</summary>
    public const ushort Hip = 0x644;

    /// <summary><c>hvip</c>: virtual interrupt pending (Hypervisor (H)).</summary>
    public const ushort Hvip = 0x645;

    /// <summary><c>htinst</c>: trap instruction (Hypervisor (H)).</summary>
    public const ushort Htinst = 0x64a;

    /// <summary><c>hgeip</c>: guest external interrupt pending (Hypervisor (H)).</summary>
    public const ushort Hgeip = 0xe12;

    /// <summary><c>henvcfg</c>: environment configuration (Hypervisor (H)).</summary>
    public const ushort Henvcfg = 0x60a;

    /// <summary><c>hgatp</c>: guest address translation and protection (Hypervisor (H)).</summary>
    public const ushort Hgatp = 0x680;

    /// <summary><c>hcontext</c>: debug context (Hypervisor (H)).</summary>
    public const ushort Hcontext = 0x6a8;

    /// <summary><c>htimedelta</c>: guest time offset (Hypervisor (H)).</summary>
    public const ushort Htimedelta = 0x605;

    /// <summary><c>hstateen0</c>: state enable 0 (Hypervisor (H)).</summary>
    public const ushort Hstateen0 = 0x60c;

    /// <summary><c>hstateen1</c>: state enable 1 (Hypervisor (H)).</summary>
    public const ushort Hstateen1 = 0x60d;

    /// <summary><c>hstateen2</c>: state enable 2 (Hypervisor (H)).</summary>
    public const ushort Hstateen2 = 0x60e;

    /// <summary><c>hstateen3</c>: state enable 3 (Hypervisor (H)).</summary>
    public const ushort Hstateen3 = 0x60f;

    /// <summary><c>vsstatus</c>: status (Virtual supervisor (H)).</summary>
    public const ushort Vsstatus = 0x200;

    /// <summary><c>vsie</c>: interrupt enable (Virtual supervisor (H)).</summary>
    public const ushort Vsie = 0x204;

    /// <summary><c>vstvec</c>: trap handler address (Virtual supervisor (H)).</summary>
    public const ushort Vstvec = 0x205;

    /// <summary><c>vsscratch</c>: scratch (Virtual supervisor (H)).</summary>
    public const ushort Vsscratch = 0x240;

    /// <summary><c>vsepc</c>: exception program counter (Virtual supervisor (H)).</summary>
    public const ushort Vsepc = 0x241;

    /// <summary><c>vscause</c>: trap cause (Virtual supervisor (H)).</summary>
    public const ushort Vscause = 0x242;

    /// <summary><c>vstval</c>: trap value (Virtual supervisor (H)).</summary>
    public const ushort Vstval = 0x243;

    /// <summary><c>vsip</c>: interrupt pending (Virtual supervisor (H)).</summary>
    public const ushort Vsip = 0x244;

    /// <summary><c>vstimecmp</c>: timer compare (Sstc) (Virtual supervisor (H)).</summary>
    public const ushort Vstimecmp = 0x24d;

    /// <summary><c>vsatp</c>: address translation and protection (Virtual supervisor (H)).</summary>
    public const ushort Vsatp = 0x280;

    /// <summary><c>mvendorid</c>: vendor (Machine).</summary>
    public const ushort Mvendorid = 0xf11;

    /// <summary><c>marchid</c>: architecture (Machine).</summary>
    public const ushort Marchid = 0xf12;

    /// <summary><c>mimpid</c>: implementation (Machine).</summary>
    public const ushort Mimpid = 0xf13;

    /// <summary><c>mhartid</c>: hart (Machine).</summary>
    public const ushort Mhartid = 0xf14;

    /// <summary><c>mconfigptr</c>: configuration structure (Machine).</summary>
    public const ushort Mconfigptr = 0xf15;

    /// <summary><c>mstatus</c>: status (Machine).</summary>
    public const ushort Mstatus = 0x300;

    /// <summary><c>misa</c>: ISA and extensions (Machine).</summary>
    public const ushort Misa = 0x301;

    /// <summary><c>medeleg</c>: exception delegation (Machine).</summary>
    public const ushort Medeleg = 0x302;

    /// <summary><c>mideleg</c>: interrupt delegation (Machine).</summary>
    public const ushort Mideleg = 0x303;

    /// <summary><c>mie</c>: interrupt enable (Machine).</summary>
    public const ushort Mie = 0x304;

    /// <summary><c>mtvec</c>: trap handler address (Machine).</summary>
    public const ushort Mtvec = 0x305;

    /// <summary><c>mcounteren</c>: counter enable (Machine).</summary>
    public const ushort Mcounteren = 0x306;

    /// <summary><c>mcountinhibit</c>: counter inhibit (Machine).</summary>
    public const ushort Mcountinhibit = 0x320;

    /// <summary><c>mscratch</c>: scratch (Machine).</summary>
    public const ushort Mscratch = 0x340;

    /// <summary><c>mepc</c>: exception program counter (Machine).</summary>
    public const ushort Mepc = 0x341;

    /// <summary><c>mcause</c>: trap cause (Machine).</summary>
    public const ushort Mcause = 0x342;

    /// <summary><c>mtval</c>: trap value (Machine).</summary>
    public const ushort Mtval = 0x343;

    /// <summary><c>seed</c>: entropy (Zkr).</summary>
    public const ushort Seed = 0x015;

    /// <summary><c>vstart</c>: first element of a vector instruction (V).</summary>
    public const ushort Vstart = 0x008;

    /// <summary><c>vxsat</c>: fixed-point saturation (V).</summary>
    public const ushort Vxsat = 0x009;

    /// <summary><c>vxrm</c>: fixed-point rounding mode (V).</summary>
    public const ushort Vxrm = 0x00a;

    /// <summary><c>vcsr</c>: both of them (V).</summary>
    public const ushort Vcsr = 0x00f;

    /// <summary><c>vl</c>: vector length (V).</summary>
    public const ushort Vl = 0xc20;

    /// <summary><c>vtype</c>: vector type (V).</summary>
    public const ushort Vtype = 0xc21;

    /// <summary><c>vlenb</c>: bytes of a vector register (V).</summary>
    public const ushort Vlenb = 0xc22;

    /// <summary><c>mip</c>: interrupt pending (Machine).</summary>
    public const ushort Mip = 0x344;

    /// <summary><c>mtinst</c>: trap instruction (Machine).</summary>
    public const ushort Mtinst = 0x34a;

    /// <summary><c>mtval2</c>: second trap value (Machine).</summary>
    public const ushort Mtval2 = 0x34b;

    /// <summary><c>menvcfg</c>: environment configuration (Machine).</summary>
    public const ushort Menvcfg = 0x30a;

    /// <summary><c>mseccfg</c>: security configuration (Machine).</summary>
    public const ushort Mseccfg = 0x747;

    /// <summary><c>mstateen0</c>: state enable 0 (Machine).</summary>
    public const ushort Mstateen0 = 0x30c;

    /// <summary><c>mstateen1</c>: state enable 1 (Machine).</summary>
    public const ushort Mstateen1 = 0x30d;

    /// <summary><c>mstateen2</c>: state enable 2 (Machine).</summary>
    public const ushort Mstateen2 = 0x30e;

    /// <summary><c>mstateen3</c>: state enable 3 (Machine).</summary>
    public const ushort Mstateen3 = 0x30f;

    /// <summary><c>mnscratch</c>: resumable NMI scratch (Machine).</summary>
    public const ushort Mnscratch = 0x740;

    /// <summary><c>mnepc</c>: resumable NMI program counter (Machine).</summary>
    public const ushort Mnepc = 0x741;

    /// <summary><c>mncause</c>: resumable NMI cause (Machine).</summary>
    public const ushort Mncause = 0x742;

    /// <summary><c>mnstatus</c>: resumable NMI status (Machine).</summary>
    public const ushort Mnstatus = 0x744;

    /// <summary><c>pmpcfg0</c>: first of the protection configuration registers pmpcfg0 to pmpcfg15 (RV64 has the even ones) (Machine).</summary>
    public const ushort Pmpcfg0 = 0x3a0;

    /// <summary><c>pmpaddr0</c>: first of the protection addresses pmpaddr0 to pmpaddr63 (Machine).</summary>
    public const ushort Pmpaddr0 = 0x3b0;

    /// <summary><c>mcycle</c>: cycles (Machine).</summary>
    public const ushort Mcycle = 0xb00;

    /// <summary><c>minstret</c>: instructions retired (Machine).</summary>
    public const ushort Minstret = 0xb02;

    /// <summary><c>mhpmcounter3</c>: first of the 29 performance counters mhpmcounter3 to mhpmcounter31 (Machine).</summary>
    public const ushort Mhpmcounter3 = 0xb03;

    /// <summary><c>mhpmevent3</c>: first of the 29 event selectors mhpmevent3 to mhpmevent31 (Machine).</summary>
    public const ushort Mhpmevent3 = 0x323;

    /// <summary><c>tselect</c>: trigger select (Debug and trace).</summary>
    public const ushort Tselect = 0x7a0;

    /// <summary><c>tdata1</c>: trigger data 1 (Debug and trace).</summary>
    public const ushort Tdata1 = 0x7a1;

    /// <summary><c>tdata2</c>: trigger data 2 (Debug and trace).</summary>
    public const ushort Tdata2 = 0x7a2;

    /// <summary><c>tdata3</c>: trigger data 3 (Debug and trace).</summary>
    public const ushort Tdata3 = 0x7a3;

    /// <summary><c>tinfo</c>: trigger information (Debug and trace).</summary>
    public const ushort Tinfo = 0x7a4;

    /// <summary><c>tcontrol</c>: trigger control (Debug and trace).</summary>
    public const ushort Tcontrol = 0x7a5;

    /// <summary><c>mcontext</c>: debug context (Debug and trace).</summary>
    public const ushort Mcontext = 0x7a8;

    /// <summary><c>dcsr</c>: debug control and status (Debug and trace).</summary>
    public const ushort Dcsr = 0x7b0;

    /// <summary><c>dpc</c>: debug program counter (Debug and trace).</summary>
    public const ushort Dpc = 0x7b1;

    /// <summary><c>dscratch0</c>: debug scratch 0 (Debug and trace).</summary>
    public const ushort Dscratch0 = 0x7b2;

    /// <summary><c>dscratch1</c>: debug scratch 1 (Debug and trace).</summary>
    public const ushort Dscratch1 = 0x7b3;

    private static readonly Dictionary<ushort, string> s_names = BuildNames();
    private static readonly Dictionary<string, ushort> s_numbers = s_names.ToDictionary(p => p.Value, p => p.Key);

    /// <summary>The standard name of a register, such as <c>mstatus</c>; null where the number has none.</summary>
    public static string? Name(ushort number) => s_names.GetValueOrDefault(number);

    /// <summary>Finds a register by its standard name.</summary>
    public static bool TryParse(string name, out ushort number) => s_numbers.TryGetValue(name, out number);

    private static Dictionary<ushort, string> BuildNames()
    {
        var names = new Dictionary<ushort, string>();
        ReadOnlySpan<(string Name, ushort Number)> single =
        [
            ("fflags", Fflags),
            ("frm", Frm),
            ("fcsr", Fcsr),
            ("cycle", Cycle),
            ("time", Time),
            ("instret", Instret),
            ("sstatus", Sstatus),
            ("sie", Sie),
            ("stvec", Stvec),
            ("scounteren", Scounteren),
            ("senvcfg", Senvcfg),
            ("scountinhibit", Scountinhibit),
            ("sscratch", Sscratch),
            ("sepc", Sepc),
            ("scause", Scause),
            ("stval", Stval),
            ("sip", Sip),
            ("stimecmp", Stimecmp),
            ("scountovf", Scountovf),
            ("satp", Satp),
            ("scontext", Scontext),
            ("sstateen0", Sstateen0),
            ("sstateen1", Sstateen1),
            ("sstateen2", Sstateen2),
            ("sstateen3", Sstateen3),
            ("hstatus", Hstatus),
            ("hedeleg", Hedeleg),
            ("hideleg", Hideleg),
            ("hie", Hie),
            ("hcounteren", Hcounteren),
            ("hgeie", Hgeie),
            ("htval", Htval),
            ("hip", Hip),
            ("hvip", Hvip),
            ("htinst", Htinst),
            ("hgeip", Hgeip),
            ("henvcfg", Henvcfg),
            ("hgatp", Hgatp),
            ("hcontext", Hcontext),
            ("htimedelta", Htimedelta),
            ("hstateen0", Hstateen0),
            ("hstateen1", Hstateen1),
            ("hstateen2", Hstateen2),
            ("hstateen3", Hstateen3),
            ("vsstatus", Vsstatus),
            ("vsie", Vsie),
            ("vstvec", Vstvec),
            ("vsscratch", Vsscratch),
            ("vsepc", Vsepc),
            ("vscause", Vscause),
            ("vstval", Vstval),
            ("vsip", Vsip),
            ("vstimecmp", Vstimecmp),
            ("vsatp", Vsatp),
            ("mvendorid", Mvendorid),
            ("marchid", Marchid),
            ("mimpid", Mimpid),
            ("mhartid", Mhartid),
            ("mconfigptr", Mconfigptr),
            ("mstatus", Mstatus),
            ("misa", Misa),
            ("medeleg", Medeleg),
            ("mideleg", Mideleg),
            ("mie", Mie),
            ("mtvec", Mtvec),
            ("mcounteren", Mcounteren),
            ("mcountinhibit", Mcountinhibit),
            ("mscratch", Mscratch),
            ("mepc", Mepc),
            ("mcause", Mcause),
            ("mtval", Mtval),
            ("mip", Mip),
            ("mtinst", Mtinst),
            ("mtval2", Mtval2),
            ("menvcfg", Menvcfg),
            ("mseccfg", Mseccfg),
            ("seed", Seed),
            ("vstart", Vstart),
            ("vxsat", Vxsat),
            ("vxrm", Vxrm),
            ("vcsr", Vcsr),
            ("vl", Vl),
            ("vtype", Vtype),
            ("vlenb", Vlenb),
            ("mstateen0", Mstateen0),
            ("mstateen1", Mstateen1),
            ("mstateen2", Mstateen2),
            ("mstateen3", Mstateen3),
            ("mnscratch", Mnscratch),
            ("mnepc", Mnepc),
            ("mncause", Mncause),
            ("mnstatus", Mnstatus),
            ("mcycle", Mcycle),
            ("minstret", Minstret),
            ("tselect", Tselect),
            ("tdata1", Tdata1),
            ("tdata2", Tdata2),
            ("tdata3", Tdata3),
            ("tinfo", Tinfo),
            ("tcontrol", Tcontrol),
            ("mcontext", Mcontext),
            ("dcsr", Dcsr),
            ("dpc", Dpc),
            ("dscratch0", Dscratch0),
            ("dscratch1", Dscratch1),
        ];
        foreach (var (name, number) in single)
        {
            names.Add(number, name);
        }

        AddFamily("hpmcounter", Hpmcounter3, 3, 31);
        AddFamily("mhpmcounter", Mhpmcounter3, 3, 31);
        AddFamily("mhpmevent", Mhpmevent3, 3, 31);
        AddFamily("pmpcfg", Pmpcfg0, 0, 15);
        AddFamily("pmpaddr", Pmpaddr0, 0, 63);
        return names;

        void AddFamily(string prefix, ushort first, int from, int to)
        {
            for (var index = from; index <= to; index++)
            {
                names.Add((ushort)(first + index - from), $"{prefix}{index}");
            }
        }
    }
}
