namespace Hypervisor.Core.Isa;

/// <summary>Which operand fields an instruction has, where they lie in the word, and how they are written.</summary>
internal enum InstructionFormat : byte
{
    None,
    Upper,
    Jump,
    JumpRegister,
    Branch,
    Load,
    Store,
    Immediate,
    Shift,
    ShiftWord,
    KeyRound,
    Register,
    ByteSelect,
    Unary,
    Fence,
    Csr,
    CsrImmediate,
    AddressFence,
    LoadReserved,
    Atomic,
    CacheBlock,
    Prefetch,
    FloatLoad,
    FloatStore,
    FloatFused,
    FloatArithmetic,
    FloatUnary,
    FloatRegister,
    FloatCompare,
    FloatToInteger,
    IntegerToFloat,
    FloatBitsToInteger,
    IntegerBitsToFloat,
    VectorSet,
    VectorSetImmediate,
    VectorLoad,
    VectorWhole,
    VectorStrided,
    VectorIndexed,
    VectorVv,
    VectorVx,
    VectorVi,
    VectorVu,
    VectorVvm,
    VectorVxm,
    VectorVim,
    VectorMoveV,
    VectorMoveX,
    VectorMoveI,
    VectorUnary,
    VectorToInteger,
    VectorNullary,
    VectorVvAdd,
    VectorVxAdd,
    VectorVf,
    VectorToFloat,
    VectorMoveF,
    VectorVfm,
    VectorVfAdd,
}

/// <summary>The extension that brings an instruction.</summary>
[Flags]
internal enum IsaExtension : uint
{
    I = 1 << 0,
    M = 1 << 1,
    A = 1 << 2,
    F = 1 << 3,
    D = 1 << 4,
    Zicsr = 1 << 5,
    Zifencei = 1 << 6,
    Zihintpause = 1 << 7,
    Zba = 1 << 8,
    Zbb = 1 << 9,
    Zbs = 1 << 10,
    Zicond = 1 << 11,
    Zicbom = 1 << 12,
    Zicboz = 1 << 13,
    Privileged = 1 << 14,
    Svinval = 1 << 15,
    Zicbop = 1 << 16,
    Zawrs = 1 << 17,
    Zbc = 1 << 18,
    Zbkb = 1 << 19,
    Zbkx = 1 << 20,
    Zfhmin = 1 << 21,
    Zfh = 1 << 22,
    Zknd = 1 << 23,
    Zkne = 1 << 24,
    Zknh = 1 << 25,
    Zksed = 1 << 26,
    Zksh = 1 << 27,
    V = 1 << 28,
}

/// <summary>One row of the <see cref="InstructionTable"/>.</summary>
/// <param name="Opcode">The operation.</param>
/// <param name="Mnemonic">Its name in assembly, without ordering or rounding suffixes.</param>
/// <param name="Mask">The bits that tell it from all others.</param>
/// <param name="Match">The value of those bits.</param>
/// <param name="Format">Its operands.</param>
/// <param name="Extension">Where it comes from.</param>
internal readonly record struct InstructionRow(
    Opcode Opcode, string Mnemonic, uint Mask, uint Match, InstructionFormat Format, IsaExtension Extension);
