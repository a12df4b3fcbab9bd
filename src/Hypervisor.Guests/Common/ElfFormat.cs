namespace Hypervisor.Guests.Common;

/// <summary>The numbers of the ELF-64 format and of its RISC-V supplement (RISC-V ELF psABI, "Object files").</summary>
internal static class ElfFormat
{
    public const int HeaderSize = 64;
    public const int ProgramHeaderSize = 56;
    public const int SectionHeaderSize = 64;
    public const int SymbolSize = 24;

    public const byte Class32 = 1;
    public const byte Class64 = 2;
    public const byte LittleEndian = 1;
    public const byte BigEndian = 2;

    public const ushort TypeRelocatable = 1;
    public const ushort TypeExecutable = 2;
    public const ushort TypeDynamic = 3;
    public const ushort TypeCore = 4;

    public const ushort MachineRiscV = 243;

    public const uint FlagCompressed = 0x1;
    public const uint FlagEmbedded = 0x8;
    public const int FloatAbiShift = 1;
    public const uint FloatAbiQuad = 3;

    public const uint SegmentLoad = 1;
    public const uint SegmentInterpreter = 3;
    public const uint SegmentProgramHeaders = 6;
    public const uint SegmentGnuStack = 0x6474_e551;

    public const uint SectionSymbols = 2;
    public const uint SectionStrings = 3;
    public const ushort UndefinedSection = 0;

    /// <summary>The usual name of an <c>e_machine</c> value, for messages.</summary>
    public static string MachineName(ushort machine) => machine switch
    {
        2 => "SPARC",
        3 => "x86 (i386)",
        4 => "m68k",
        8 => "MIPS",
        15 => "PA-RISC",
        20 => "PowerPC",
        21 => "PowerPC64",
        22 => "s390",
        40 => "ARM",
        42 => "SuperH",
        43 => "SPARC64",
        50 => "IA-64",
        62 => "x86-64",
        83 => "AVR",
        183 => "aarch64",
        MachineRiscV => "RISC-V",
        247 => "BPF",
        258 => "LoongArch",
        _ => $"machine {machine}",
    };
}
