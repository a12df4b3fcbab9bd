namespace Hypervisor.Core.Isa;

/// <summary>
/// Every instruction of RV64GC with Zba, Zbb, Zbs, Zicond, Zicbom, Zicboz and Svinval. Compressed instructions have no
/// members of their own: <see cref="Decoder"/> expands them to these.
/// </summary>
public enum Opcode : ushort
{
    /// <summary>No instruction: the word is reserved, or belongs to an extension that is not supported.</summary>
    Illegal = 0,

    /// <summary><c>lui rd, imm</c> (I).</summary>
    Lui,

    /// <summary><c>auipc rd, imm</c> (I).</summary>
    Auipc,

    /// <summary><c>jal rd, target</c> (I).</summary>
    Jal,

    /// <summary><c>jalr rd, offset(rs1)</c> (I).</summary>
    Jalr,

    /// <summary><c>beq rs1, rs2, target</c> (I).</summary>
    Beq,

    /// <summary><c>bne rs1, rs2, target</c> (I).</summary>
    Bne,

    /// <summary><c>blt rs1, rs2, target</c> (I).</summary>
    Blt,

    /// <summary><c>bge rs1, rs2, target</c> (I).</summary>
    Bge,

    /// <summary><c>bltu rs1, rs2, target</c> (I).</summary>
    Bltu,

    /// <summary><c>bgeu rs1, rs2, target</c> (I).</summary>
    Bgeu,

    /// <summary><c>lb rd, offset(rs1)</c> (I).</summary>
    Lb,

    /// <summary><c>lh rd, offset(rs1)</c> (I).</summary>
    Lh,

    /// <summary><c>lw rd, offset(rs1)</c> (I).</summary>
    Lw,

    /// <summary><c>ld rd, offset(rs1)</c> (I).</summary>
    Ld,

    /// <summary><c>lbu rd, offset(rs1)</c> (I).</summary>
    Lbu,

    /// <summary><c>lhu rd, offset(rs1)</c> (I).</summary>
    Lhu,

    /// <summary><c>lwu rd, offset(rs1)</c> (I).</summary>
    Lwu,

    /// <summary><c>sb rs2, offset(rs1)</c> (I).</summary>
    Sb,

    /// <summary><c>sh rs2, offset(rs1)</c> (I).</summary>
    Sh,

    /// <summary><c>sw rs2, offset(rs1)</c> (I).</summary>
    Sw,

    /// <summary><c>sd rs2, offset(rs1)</c> (I).</summary>
    Sd,

    /// <summary><c>addi rd, rs1, imm</c> (I).</summary>
    Addi,

    /// <summary><c>slti rd, rs1, imm</c> (I).</summary>
    Slti,

    /// <summary><c>sltiu rd, rs1, imm</c> (I).</summary>
    Sltiu,

    /// <summary><c>xori rd, rs1, imm</c> (I).</summary>
    Xori,

    /// <summary><c>ori rd, rs1, imm</c> (I).</summary>
    Ori,

    /// <summary><c>andi rd, rs1, imm</c> (I).</summary>
    Andi,

    /// <summary><c>slli rd, rs1, shamt</c> (I).</summary>
    Slli,

    /// <summary><c>srli rd, rs1, shamt</c> (I).</summary>
    Srli,

    /// <summary><c>srai rd, rs1, shamt</c> (I).</summary>
    Srai,

    /// <summary><c>add rd, rs1, rs2</c> (I).</summary>
    Add,

    /// <summary><c>sub rd, rs1, rs2</c> (I).</summary>
    Sub,

    /// <summary><c>sll rd, rs1, rs2</c> (I).</summary>
    Sll,

    /// <summary><c>slt rd, rs1, rs2</c> (I).</summary>
    Slt,

    /// <summary><c>sltu rd, rs1, rs2</c> (I).</summary>
    Sltu,

    /// <summary><c>xor rd, rs1, rs2</c> (I).</summary>
    Xor,

    /// <summary><c>srl rd, rs1, rs2</c> (I).</summary>
    Srl,

    /// <summary><c>sra rd, rs1, rs2</c> (I).</summary>
    Sra,

    /// <summary><c>or rd, rs1, rs2</c> (I).</summary>
    Or,

    /// <summary><c>and rd, rs1, rs2</c> (I).</summary>
    And,

    /// <summary><c>addiw rd, rs1, imm</c> (I).</summary>
    Addiw,

    /// <summary><c>slliw rd, rs1, shamt</c> (I).</summary>
    Slliw,

    /// <summary><c>srliw rd, rs1, shamt</c> (I).</summary>
    Srliw,

    /// <summary><c>sraiw rd, rs1, shamt</c> (I).</summary>
    Sraiw,

    /// <summary><c>addw rd, rs1, rs2</c> (I).</summary>
    Addw,

    /// <summary><c>subw rd, rs1, rs2</c> (I).</summary>
    Subw,

    /// <summary><c>sllw rd, rs1, rs2</c> (I).</summary>
    Sllw,

    /// <summary><c>srlw rd, rs1, rs2</c> (I).</summary>
    Srlw,

    /// <summary><c>sraw rd, rs1, rs2</c> (I).</summary>
    Sraw,

    /// <summary><c>fence pred, succ</c> (I).</summary>
    Fence,

    /// <summary><c>pause</c> (Zihintpause).</summary>
    Pause,

    /// <summary><c>ecall</c> (I).</summary>
    Ecall,

    /// <summary><c>ebreak</c> (I).</summary>
    Ebreak,

    /// <summary><c>fence.i</c> (Zifencei).</summary>
    FenceI,

    /// <summary><c>csrrw rd, csr, rs1</c> (Zicsr).</summary>
    Csrrw,

    /// <summary><c>csrrs rd, csr, rs1</c> (Zicsr).</summary>
    Csrrs,

    /// <summary><c>csrrc rd, csr, rs1</c> (Zicsr).</summary>
    Csrrc,

    /// <summary><c>csrrwi rd, csr, uimm</c> (Zicsr).</summary>
    Csrrwi,

    /// <summary><c>csrrsi rd, csr, uimm</c> (Zicsr).</summary>
    Csrrsi,

    /// <summary><c>csrrci rd, csr, uimm</c> (Zicsr).</summary>
    Csrrci,

    /// <summary><c>mret</c> (Privileged).</summary>
    Mret,

    /// <summary><c>sret</c> (Privileged).</summary>
    Sret,

    /// <summary><c>wfi</c> (Privileged).</summary>
    Wfi,

    /// <summary><c>sfence.vma rs1, rs2</c> (Privileged).</summary>
    SfenceVma,

    /// <summary><c>sinval.vma rs1, rs2</c> (Svinval).</summary>
    SinvalVma,

    /// <summary><c>sfence.w.inval</c> (Svinval).</summary>
    SfenceWInval,

    /// <summary><c>sfence.inval.ir</c> (Svinval).</summary>
    SfenceInvalIr,

    /// <summary><c>mul rd, rs1, rs2</c> (M).</summary>
    Mul,

    /// <summary><c>mulh rd, rs1, rs2</c> (M).</summary>
    Mulh,

    /// <summary><c>mulhsu rd, rs1, rs2</c> (M).</summary>
    Mulhsu,

    /// <summary><c>mulhu rd, rs1, rs2</c> (M).</summary>
    Mulhu,

    /// <summary><c>div rd, rs1, rs2</c> (M).</summary>
    Div,

    /// <summary><c>divu rd, rs1, rs2</c> (M).</summary>
    Divu,

    /// <summary><c>rem rd, rs1, rs2</c> (M).</summary>
    Rem,

    /// <summary><c>remu rd, rs1, rs2</c> (M).</summary>
    Remu,

    /// <summary><c>mulw rd, rs1, rs2</c> (M).</summary>
    Mulw,

    /// <summary><c>divw rd, rs1, rs2</c> (M).</summary>
    Divw,

    /// <summary><c>divuw rd, rs1, rs2</c> (M).</summary>
    Divuw,

    /// <summary><c>remw rd, rs1, rs2</c> (M).</summary>
    Remw,

    /// <summary><c>remuw rd, rs1, rs2</c> (M).</summary>
    Remuw,

    /// <summary><c>lr.w rd, (rs1)</c> (A).</summary>
    LrW,

    /// <summary><c>sc.w rd, rs2, (rs1)</c> (A).</summary>
    ScW,

    /// <summary><c>amoswap.w rd, rs2, (rs1)</c> (A).</summary>
    AmoSwapW,

    /// <summary><c>amoadd.w rd, rs2, (rs1)</c> (A).</summary>
    AmoAddW,

    /// <summary><c>amoxor.w rd, rs2, (rs1)</c> (A).</summary>
    AmoXorW,

    /// <summary><c>amoand.w rd, rs2, (rs1)</c> (A).</summary>
    AmoAndW,

    /// <summary><c>amoor.w rd, rs2, (rs1)</c> (A).</summary>
    AmoOrW,

    /// <summary><c>amomin.w rd, rs2, (rs1)</c> (A).</summary>
    AmoMinW,

    /// <summary><c>amomax.w rd, rs2, (rs1)</c> (A).</summary>
    AmoMaxW,

    /// <summary><c>amominu.w rd, rs2, (rs1)</c> (A).</summary>
    AmoMinuW,

    /// <summary><c>amomaxu.w rd, rs2, (rs1)</c> (A).</summary>
    AmoMaxuW,

    /// <summary><c>lr.d rd, (rs1)</c> (A).</summary>
    LrD,

    /// <summary><c>sc.d rd, rs2, (rs1)</c> (A).</summary>
    ScD,

    /// <summary><c>amoswap.d rd, rs2, (rs1)</c> (A).</summary>
    AmoSwapD,

    /// <summary><c>amoadd.d rd, rs2, (rs1)</c> (A).</summary>
    AmoAddD,

    /// <summary><c>amoxor.d rd, rs2, (rs1)</c> (A).</summary>
    AmoXorD,

    /// <summary><c>amoand.d rd, rs2, (rs1)</c> (A).</summary>
    AmoAndD,

    /// <summary><c>amoor.d rd, rs2, (rs1)</c> (A).</summary>
    AmoOrD,

    /// <summary><c>amomin.d rd, rs2, (rs1)</c> (A).</summary>
    AmoMinD,

    /// <summary><c>amomax.d rd, rs2, (rs1)</c> (A).</summary>
    AmoMaxD,

    /// <summary><c>amominu.d rd, rs2, (rs1)</c> (A).</summary>
    AmoMinuD,

    /// <summary><c>amomaxu.d rd, rs2, (rs1)</c> (A).</summary>
    AmoMaxuD,

    /// <summary><c>flw frd, offset(rs1)</c> (F).</summary>
    Flw,

    /// <summary><c>fsw frs2, offset(rs1)</c> (F).</summary>
    Fsw,

    /// <summary><c>fmadd.s frd, frs1, frs2, frs3, rm</c> (F).</summary>
    FmaddS,

    /// <summary><c>fmsub.s frd, frs1, frs2, frs3, rm</c> (F).</summary>
    FmsubS,

    /// <summary><c>fnmsub.s frd, frs1, frs2, frs3, rm</c> (F).</summary>
    FnmsubS,

    /// <summary><c>fnmadd.s frd, frs1, frs2, frs3, rm</c> (F).</summary>
    FnmaddS,

    /// <summary><c>fadd.s frd, frs1, frs2, rm</c> (F).</summary>
    FaddS,

    /// <summary><c>fsub.s frd, frs1, frs2, rm</c> (F).</summary>
    FsubS,

    /// <summary><c>fmul.s frd, frs1, frs2, rm</c> (F).</summary>
    FmulS,

    /// <summary><c>fdiv.s frd, frs1, frs2, rm</c> (F).</summary>
    FdivS,

    /// <summary><c>fsqrt.s frd, frs1, rm</c> (F).</summary>
    FsqrtS,

    /// <summary><c>fsgnj.s frd, frs1, frs2</c> (F).</summary>
    FsgnjS,

    /// <summary><c>fsgnjn.s frd, frs1, frs2</c> (F).</summary>
    FsgnjnS,

    /// <summary><c>fsgnjx.s frd, frs1, frs2</c> (F).</summary>
    FsgnjxS,

    /// <summary><c>fmin.s frd, frs1, frs2</c> (F).</summary>
    FminS,

    /// <summary><c>fmax.s frd, frs1, frs2</c> (F).</summary>
    FmaxS,

    /// <summary><c>feq.s rd, frs1, frs2</c> (F).</summary>
    FeqS,

    /// <summary><c>flt.s rd, frs1, frs2</c> (F).</summary>
    FltS,

    /// <summary><c>fle.s rd, frs1, frs2</c> (F).</summary>
    FleS,

    /// <summary><c>fcvt.w.s rd, frs1, rm</c> (F).</summary>
    FcvtWS,

    /// <summary><c>fcvt.wu.s rd, frs1, rm</c> (F).</summary>
    FcvtWuS,

    /// <summary><c>fcvt.l.s rd, frs1, rm</c> (F).</summary>
    FcvtLS,

    /// <summary><c>fcvt.lu.s rd, frs1, rm</c> (F).</summary>
    FcvtLuS,

    /// <summary><c>fcvt.s.w frd, rs1, rm</c> (F).</summary>
    FcvtSW,

    /// <summary><c>fcvt.s.wu frd, rs1, rm</c> (F).</summary>
    FcvtSWu,

    /// <summary><c>fcvt.s.l frd, rs1, rm</c> (F).</summary>
    FcvtSL,

    /// <summary><c>fcvt.s.lu frd, rs1, rm</c> (F).</summary>
    FcvtSLu,

    /// <summary><c>fmv.x.w rd, frs1</c> (F).</summary>
    FmvXW,

    /// <summary><c>fclass.s rd, frs1</c> (F).</summary>
    FclassS,

    /// <summary><c>fmv.w.x frd, rs1</c> (F).</summary>
    FmvWX,

    /// <summary><c>fld frd, offset(rs1)</c> (D).</summary>
    Fld,

    /// <summary><c>fsd frs2, offset(rs1)</c> (D).</summary>
    Fsd,

    /// <summary><c>fmadd.d frd, frs1, frs2, frs3, rm</c> (D).</summary>
    FmaddD,

    /// <summary><c>fmsub.d frd, frs1, frs2, frs3, rm</c> (D).</summary>
    FmsubD,

    /// <summary><c>fnmsub.d frd, frs1, frs2, frs3, rm</c> (D).</summary>
    FnmsubD,

    /// <summary><c>fnmadd.d frd, frs1, frs2, frs3, rm</c> (D).</summary>
    FnmaddD,

    /// <summary><c>fadd.d frd, frs1, frs2, rm</c> (D).</summary>
    FaddD,

    /// <summary><c>fsub.d frd, frs1, frs2, rm</c> (D).</summary>
    FsubD,

    /// <summary><c>fmul.d frd, frs1, frs2, rm</c> (D).</summary>
    FmulD,

    /// <summary><c>fdiv.d frd, frs1, frs2, rm</c> (D).</summary>
    FdivD,

    /// <summary><c>fsqrt.d frd, frs1, rm</c> (D).</summary>
    FsqrtD,

    /// <summary><c>fsgnj.d frd, frs1, frs2</c> (D).</summary>
    FsgnjD,

    /// <summary><c>fsgnjn.d frd, frs1, frs2</c> (D).</summary>
    FsgnjnD,

    /// <summary><c>fsgnjx.d frd, frs1, frs2</c> (D).</summary>
    FsgnjxD,

    /// <summary><c>fmin.d frd, frs1, frs2</c> (D).</summary>
    FminD,

    /// <summary><c>fmax.d frd, frs1, frs2</c> (D).</summary>
    FmaxD,

    /// <summary><c>feq.d rd, frs1, frs2</c> (D).</summary>
    FeqD,

    /// <summary><c>flt.d rd, frs1, frs2</c> (D).</summary>
    FltD,

    /// <summary><c>fle.d rd, frs1, frs2</c> (D).</summary>
    FleD,

    /// <summary><c>fcvt.w.d rd, frs1, rm</c> (D).</summary>
    FcvtWD,

    /// <summary><c>fcvt.wu.d rd, frs1, rm</c> (D).</summary>
    FcvtWuD,

    /// <summary><c>fcvt.l.d rd, frs1, rm</c> (D).</summary>
    FcvtLD,

    /// <summary><c>fcvt.lu.d rd, frs1, rm</c> (D).</summary>
    FcvtLuD,

    /// <summary><c>fcvt.d.w frd, rs1, rm</c> (D).</summary>
    FcvtDW,

    /// <summary><c>fcvt.d.wu frd, rs1, rm</c> (D).</summary>
    FcvtDWu,

    /// <summary><c>fcvt.d.l frd, rs1, rm</c> (D).</summary>
    FcvtDL,

    /// <summary><c>fcvt.d.lu frd, rs1, rm</c> (D).</summary>
    FcvtDLu,

    /// <summary><c>fmv.x.d rd, frs1</c> (D).</summary>
    FmvXD,

    /// <summary><c>fclass.d rd, frs1</c> (D).</summary>
    FclassD,

    /// <summary><c>fmv.d.x frd, rs1</c> (D).</summary>
    FmvDX,

    /// <summary><c>fcvt.s.d frd, frs1, rm</c> (D).</summary>
    FcvtSD,

    /// <summary><c>fcvt.d.s frd, frs1, rm</c> (D).</summary>
    FcvtDS,

    /// <summary><c>sh1add rd, rs1, rs2</c> (Zba).</summary>
    Sh1add,

    /// <summary><c>sh2add rd, rs1, rs2</c> (Zba).</summary>
    Sh2add,

    /// <summary><c>sh3add rd, rs1, rs2</c> (Zba).</summary>
    Sh3add,

    /// <summary><c>sh1add.uw rd, rs1, rs2</c> (Zba).</summary>
    Sh1addUw,

    /// <summary><c>sh2add.uw rd, rs1, rs2</c> (Zba).</summary>
    Sh2addUw,

    /// <summary><c>sh3add.uw rd, rs1, rs2</c> (Zba).</summary>
    Sh3addUw,

    /// <summary><c>add.uw rd, rs1, rs2</c> (Zba).</summary>
    AddUw,

    /// <summary><c>slli.uw rd, rs1, shamt</c> (Zba).</summary>
    SlliUw,

    /// <summary><c>andn rd, rs1, rs2</c> (Zbb).</summary>
    Andn,

    /// <summary><c>orn rd, rs1, rs2</c> (Zbb).</summary>
    Orn,

    /// <summary><c>xnor rd, rs1, rs2</c> (Zbb).</summary>
    Xnor,

    /// <summary><c>min rd, rs1, rs2</c> (Zbb).</summary>
    Min,

    /// <summary><c>minu rd, rs1, rs2</c> (Zbb).</summary>
    Minu,

    /// <summary><c>max rd, rs1, rs2</c> (Zbb).</summary>
    Max,

    /// <summary><c>maxu rd, rs1, rs2</c> (Zbb).</summary>
    Maxu,

    /// <summary><c>rol rd, rs1, rs2</c> (Zbb).</summary>
    Rol,

    /// <summary><c>ror rd, rs1, rs2</c> (Zbb).</summary>
    Ror,

    /// <summary><c>rolw rd, rs1, rs2</c> (Zbb).</summary>
    Rolw,

    /// <summary><c>rorw rd, rs1, rs2</c> (Zbb).</summary>
    Rorw,

    /// <summary><c>rori rd, rs1, shamt</c> (Zbb).</summary>
    Rori,

    /// <summary><c>roriw rd, rs1, shamt</c> (Zbb).</summary>
    Roriw,

    /// <summary><c>clz rd, rs1</c> (Zbb).</summary>
    Clz,

    /// <summary><c>ctz rd, rs1</c> (Zbb).</summary>
    Ctz,

    /// <summary><c>cpop rd, rs1</c> (Zbb).</summary>
    Cpop,

    /// <summary><c>clzw rd, rs1</c> (Zbb).</summary>
    Clzw,

    /// <summary><c>ctzw rd, rs1</c> (Zbb).</summary>
    Ctzw,

    /// <summary><c>cpopw rd, rs1</c> (Zbb).</summary>
    Cpopw,

    /// <summary><c>sext.b rd, rs1</c> (Zbb).</summary>
    SextB,

    /// <summary><c>sext.h rd, rs1</c> (Zbb).</summary>
    SextH,

    /// <summary><c>zext.h rd, rs1</c> (Zbb).</summary>
    ZextH,

    /// <summary><c>orc.b rd, rs1</c> (Zbb).</summary>
    OrcB,

    /// <summary><c>rev8 rd, rs1</c> (Zbb).</summary>
    Rev8,

    /// <summary><c>bclr rd, rs1, rs2</c> (Zbs).</summary>
    Bclr,

    /// <summary><c>bext rd, rs1, rs2</c> (Zbs).</summary>
    Bext,

    /// <summary><c>binv rd, rs1, rs2</c> (Zbs).</summary>
    Binv,

    /// <summary><c>bset rd, rs1, rs2</c> (Zbs).</summary>
    Bset,

    /// <summary><c>bclri rd, rs1, shamt</c> (Zbs).</summary>
    Bclri,

    /// <summary><c>bexti rd, rs1, shamt</c> (Zbs).</summary>
    Bexti,

    /// <summary><c>binvi rd, rs1, shamt</c> (Zbs).</summary>
    Binvi,

    /// <summary><c>bseti rd, rs1, shamt</c> (Zbs).</summary>
    Bseti,

    /// <summary><c>czero.eqz rd, rs1, rs2</c> (Zicond).</summary>
    CzeroEqz,

    /// <summary><c>czero.nez rd, rs1, rs2</c> (Zicond).</summary>
    CzeroNez,

    /// <summary><c>cbo.inval (rs1)</c> (Zicbom).</summary>
    CboInval,

    /// <summary><c>cbo.clean (rs1)</c> (Zicbom).</summary>
    CboClean,

    /// <summary><c>cbo.flush (rs1)</c> (Zicbom).</summary>
    CboFlush,

    /// <summary><c>cbo.zero (rs1)</c> (Zicboz).</summary>
    CboZero,

    /// <summary><c>prefetch.i imm(rs1)</c> (Zicbop).</summary>
    PrefetchI,

    /// <summary><c>prefetch.r imm(rs1)</c> (Zicbop).</summary>
    PrefetchR,

    /// <summary><c>prefetch.w imm(rs1)</c> (Zicbop).</summary>
    PrefetchW,

    /// <summary><c>wrs.nto</c> (Zawrs).</summary>
    WrsNto,

    /// <summary><c>wrs.sto</c> (Zawrs).</summary>
    WrsSto,

    /// <summary><c>clmul rd, rs1, rs2</c> (Zbc).</summary>
    Clmul,

    /// <summary><c>clmulr rd, rs1, rs2</c> (Zbc).</summary>
    Clmulr,

    /// <summary><c>clmulh rd, rs1, rs2</c> (Zbc).</summary>
    Clmulh,

    /// <summary><c>pack rd, rs1, rs2</c> (Zbkb).</summary>
    Pack,

    /// <summary><c>packh rd, rs1, rs2</c> (Zbkb).</summary>
    Packh,

    /// <summary><c>packw rd, rs1, rs2</c> (Zbkb).</summary>
    Packw,

    /// <summary><c>brev8 rd, rs1</c> (Zbkb).</summary>
    Brev8,

    /// <summary><c>xperm4 rd, rs1, rs2</c> (Zbkx).</summary>
    Xperm4,

    /// <summary><c>xperm8 rd, rs1, rs2</c> (Zbkx).</summary>
    Xperm8,

    /// <summary><c>flh rd, imm(rs1)</c> (Zfhmin).</summary>
    Flh,

    /// <summary><c>fsh rs2, imm(rs1)</c> (Zfhmin).</summary>
    Fsh,

    /// <summary><c>fmadd.h rd, rs1, rs2, rs3</c> (Zfh).</summary>
    FmaddH,

    /// <summary><c>fmsub.h rd, rs1, rs2, rs3</c> (Zfh).</summary>
    FmsubH,

    /// <summary><c>fnmsub.h rd, rs1, rs2, rs3</c> (Zfh).</summary>
    FnmsubH,

    /// <summary><c>fnmadd.h rd, rs1, rs2, rs3</c> (Zfh).</summary>
    FnmaddH,

    /// <summary><c>fadd.h rd, rs1, rs2</c> (Zfh).</summary>
    FaddH,

    /// <summary><c>fsub.h rd, rs1, rs2</c> (Zfh).</summary>
    FsubH,

    /// <summary><c>fmul.h rd, rs1, rs2</c> (Zfh).</summary>
    FmulH,

    /// <summary><c>fdiv.h rd, rs1, rs2</c> (Zfh).</summary>
    FdivH,

    /// <summary><c>fsqrt.h rd, rs1</c> (Zfh).</summary>
    FsqrtH,

    /// <summary><c>fsgnj.h rd, rs1, rs2</c> (Zfh).</summary>
    FsgnjH,

    /// <summary><c>fsgnjn.h rd, rs1, rs2</c> (Zfh).</summary>
    FsgnjnH,

    /// <summary><c>fsgnjx.h rd, rs1, rs2</c> (Zfh).</summary>
    FsgnjxH,

    /// <summary><c>fmin.h rd, rs1, rs2</c> (Zfh).</summary>
    FminH,

    /// <summary><c>fmax.h rd, rs1, rs2</c> (Zfh).</summary>
    FmaxH,

    /// <summary><c>feq.h rd, rs1, rs2</c> (Zfh).</summary>
    FeqH,

    /// <summary><c>flt.h rd, rs1, rs2</c> (Zfh).</summary>
    FltH,

    /// <summary><c>fle.h rd, rs1, rs2</c> (Zfh).</summary>
    FleH,

    /// <summary><c>fcvt.w.h rd, rs1</c> (Zfh).</summary>
    FcvtWH,

    /// <summary><c>fcvt.wu.h rd, rs1</c> (Zfh).</summary>
    FcvtWuH,

    /// <summary><c>fcvt.l.h rd, rs1</c> (Zfh).</summary>
    FcvtLH,

    /// <summary><c>fcvt.lu.h rd, rs1</c> (Zfh).</summary>
    FcvtLuH,

    /// <summary><c>fcvt.h.w rd, rs1</c> (Zfh).</summary>
    FcvtHW,

    /// <summary><c>fcvt.h.wu rd, rs1</c> (Zfh).</summary>
    FcvtHWu,

    /// <summary><c>fcvt.h.l rd, rs1</c> (Zfh).</summary>
    FcvtHL,

    /// <summary><c>fcvt.h.lu rd, rs1</c> (Zfh).</summary>
    FcvtHLu,

    /// <summary><c>fmv.x.h rd, rs1</c> (Zfhmin).</summary>
    FmvXH,

    /// <summary><c>fclass.h rd, rs1</c> (Zfh).</summary>
    FclassH,

    /// <summary><c>fmv.h.x rd, rs1</c> (Zfhmin).</summary>
    FmvHX,

    /// <summary><c>fcvt.h.s rd, rs1</c> (Zfhmin).</summary>
    FcvtHS,

    /// <summary><c>fcvt.h.d rd, rs1</c> (Zfhmin).</summary>
    FcvtHD,

    /// <summary><c>fcvt.s.h rd, rs1</c> (Zfhmin).</summary>
    FcvtSH,

    /// <summary><c>fcvt.d.h rd, rs1</c> (Zfhmin).</summary>
    FcvtDH,

    /// <summary><c>aes64ds rd, rs1, rs2</c> (Zknd).</summary>
    Aes64Ds,

    /// <summary><c>aes64dsm rd, rs1, rs2</c> (Zknd).</summary>
    Aes64Dsm,

    /// <summary><c>aes64es rd, rs1, rs2</c> (Zkne).</summary>
    Aes64Es,

    /// <summary><c>aes64esm rd, rs1, rs2</c> (Zkne).</summary>
    Aes64Esm,

    /// <summary><c>aes64ks2 rd, rs1, rs2</c> (Zkne).</summary>
    Aes64Ks2,

    /// <summary><c>sm4ed rd, rs1, rs2, bs</c> (Zksed).</summary>
    Sm4Ed,

    /// <summary><c>sm4ks rd, rs1, rs2, bs</c> (Zksed).</summary>
    Sm4Ks,

    /// <summary><c>aes64ks1i rd, rs1, rnum</c> (Zkne).</summary>
    Aes64Ks1i,

    /// <summary><c>aes64im rd, rs1</c> (Zknd).</summary>
    Aes64Im,

    /// <summary><c>sha256sum0 rd, rs1</c> (Zknh).</summary>
    Sha256Sum0,

    /// <summary><c>sha256sum1 rd, rs1</c> (Zknh).</summary>
    Sha256Sum1,

    /// <summary><c>sha256sig0 rd, rs1</c> (Zknh).</summary>
    Sha256Sig0,

    /// <summary><c>sha256sig1 rd, rs1</c> (Zknh).</summary>
    Sha256Sig1,

    /// <summary><c>sha512sum0 rd, rs1</c> (Zknh).</summary>
    Sha512Sum0,

    /// <summary><c>sha512sum1 rd, rs1</c> (Zknh).</summary>
    Sha512Sum1,

    /// <summary><c>sha512sig0 rd, rs1</c> (Zknh).</summary>
    Sha512Sig0,

    /// <summary><c>sha512sig1 rd, rs1</c> (Zknh).</summary>
    Sha512Sig1,

    /// <summary><c>sm3p0 rd, rs1</c> (Zksh).</summary>
    Sm3P0,

    /// <summary><c>sm3p1 rd, rs1</c> (Zksh).</summary>
    Sm3P1,

    /// <summary><c>vsetvli rd, rs1, vtype</c> (V).</summary>
    Vsetvli,

    /// <summary><c>vsetivli rd, uimm, vtype</c> (V).</summary>
    Vsetivli,

    /// <summary><c>vsetvl rd, rs1, rs2</c> (V).</summary>
    Vsetvl,

    /// <summary><c>vle8.v vd, (rs1)</c> (V).</summary>
    Vle8V,

    /// <summary><c>vle16.v vd, (rs1)</c> (V).</summary>
    Vle16V,

    /// <summary><c>vle32.v vd, (rs1)</c> (V).</summary>
    Vle32V,

    /// <summary><c>vle64.v vd, (rs1)</c> (V).</summary>
    Vle64V,

    /// <summary><c>vle8ff.v vd, (rs1)</c> (V).</summary>
    Vle8ffV,

    /// <summary><c>vle16ff.v vd, (rs1)</c> (V).</summary>
    Vle16ffV,

    /// <summary><c>vle32ff.v vd, (rs1)</c> (V).</summary>
    Vle32ffV,

    /// <summary><c>vle64ff.v vd, (rs1)</c> (V).</summary>
    Vle64ffV,

    /// <summary><c>vlm.v vd, (rs1)</c> (V).</summary>
    VlmV,

    /// <summary><c>vl1re8.v vd, (rs1)</c> (V).</summary>
    Vl1re8V,

    /// <summary><c>vl1re16.v vd, (rs1)</c> (V).</summary>
    Vl1re16V,

    /// <summary><c>vl1re32.v vd, (rs1)</c> (V).</summary>
    Vl1re32V,

    /// <summary><c>vl1re64.v vd, (rs1)</c> (V).</summary>
    Vl1re64V,

    /// <summary><c>vlse8.v vd, (rs1), rs2</c> (V).</summary>
    Vlse8V,

    /// <summary><c>vlse16.v vd, (rs1), rs2</c> (V).</summary>
    Vlse16V,

    /// <summary><c>vlse32.v vd, (rs1), rs2</c> (V).</summary>
    Vlse32V,

    /// <summary><c>vlse64.v vd, (rs1), rs2</c> (V).</summary>
    Vlse64V,

    /// <summary><c>vluxei8.v vd, (rs1), vs2</c> (V).</summary>
    Vluxei8V,

    /// <summary><c>vluxei16.v vd, (rs1), vs2</c> (V).</summary>
    Vluxei16V,

    /// <summary><c>vluxei32.v vd, (rs1), vs2</c> (V).</summary>
    Vluxei32V,

    /// <summary><c>vluxei64.v vd, (rs1), vs2</c> (V).</summary>
    Vluxei64V,

    /// <summary><c>vloxei8.v vd, (rs1), vs2</c> (V).</summary>
    Vloxei8V,

    /// <summary><c>vloxei16.v vd, (rs1), vs2</c> (V).</summary>
    Vloxei16V,

    /// <summary><c>vloxei32.v vd, (rs1), vs2</c> (V).</summary>
    Vloxei32V,

    /// <summary><c>vloxei64.v vd, (rs1), vs2</c> (V).</summary>
    Vloxei64V,

    /// <summary><c>vse8.v vd, (rs1)</c> (V).</summary>
    Vse8V,

    /// <summary><c>vse16.v vd, (rs1)</c> (V).</summary>
    Vse16V,

    /// <summary><c>vse32.v vd, (rs1)</c> (V).</summary>
    Vse32V,

    /// <summary><c>vse64.v vd, (rs1)</c> (V).</summary>
    Vse64V,

    /// <summary><c>vsm.v vd, (rs1)</c> (V).</summary>
    VsmV,

    /// <summary><c>vs1r.v vd, (rs1)</c> (V).</summary>
    Vs1rV,

    /// <summary><c>vsse8.v vd, (rs1), rs2</c> (V).</summary>
    Vsse8V,

    /// <summary><c>vsse16.v vd, (rs1), rs2</c> (V).</summary>
    Vsse16V,

    /// <summary><c>vsse32.v vd, (rs1), rs2</c> (V).</summary>
    Vsse32V,

    /// <summary><c>vsse64.v vd, (rs1), rs2</c> (V).</summary>
    Vsse64V,

    /// <summary><c>vsuxei8.v vd, (rs1), vs2</c> (V).</summary>
    Vsuxei8V,

    /// <summary><c>vsuxei16.v vd, (rs1), vs2</c> (V).</summary>
    Vsuxei16V,

    /// <summary><c>vsuxei32.v vd, (rs1), vs2</c> (V).</summary>
    Vsuxei32V,

    /// <summary><c>vsuxei64.v vd, (rs1), vs2</c> (V).</summary>
    Vsuxei64V,

    /// <summary><c>vsoxei8.v vd, (rs1), vs2</c> (V).</summary>
    Vsoxei8V,

    /// <summary><c>vsoxei16.v vd, (rs1), vs2</c> (V).</summary>
    Vsoxei16V,

    /// <summary><c>vsoxei32.v vd, (rs1), vs2</c> (V).</summary>
    Vsoxei32V,

    /// <summary><c>vsoxei64.v vd, (rs1), vs2</c> (V).</summary>
    Vsoxei64V,

    /// <summary><c>vadd.vv vd, vs2, vs1</c> (V).</summary>
    VaddVv,

    /// <summary><c>vadd.vx vd, vs2, rs1</c> (V).</summary>
    VaddVx,

    /// <summary><c>vadd.vi vd, vs2, imm</c> (V).</summary>
    VaddVi,

    /// <summary><c>vsub.vv vd, vs2, vs1</c> (V).</summary>
    VsubVv,

    /// <summary><c>vsub.vx vd, vs2, rs1</c> (V).</summary>
    VsubVx,

    /// <summary><c>vrsub.vx vd, vs2, rs1</c> (V).</summary>
    VrsubVx,

    /// <summary><c>vrsub.vi vd, vs2, imm</c> (V).</summary>
    VrsubVi,

    /// <summary><c>vminu.vv vd, vs2, vs1</c> (V).</summary>
    VminuVv,

    /// <summary><c>vminu.vx vd, vs2, rs1</c> (V).</summary>
    VminuVx,

    /// <summary><c>vmin.vv vd, vs2, vs1</c> (V).</summary>
    VminVv,

    /// <summary><c>vmin.vx vd, vs2, rs1</c> (V).</summary>
    VminVx,

    /// <summary><c>vmaxu.vv vd, vs2, vs1</c> (V).</summary>
    VmaxuVv,

    /// <summary><c>vmaxu.vx vd, vs2, rs1</c> (V).</summary>
    VmaxuVx,

    /// <summary><c>vmax.vv vd, vs2, vs1</c> (V).</summary>
    VmaxVv,

    /// <summary><c>vmax.vx vd, vs2, rs1</c> (V).</summary>
    VmaxVx,

    /// <summary><c>vand.vv vd, vs2, vs1</c> (V).</summary>
    VandVv,

    /// <summary><c>vand.vx vd, vs2, rs1</c> (V).</summary>
    VandVx,

    /// <summary><c>vand.vi vd, vs2, imm</c> (V).</summary>
    VandVi,

    /// <summary><c>vor.vv vd, vs2, vs1</c> (V).</summary>
    VorVv,

    /// <summary><c>vor.vx vd, vs2, rs1</c> (V).</summary>
    VorVx,

    /// <summary><c>vor.vi vd, vs2, imm</c> (V).</summary>
    VorVi,

    /// <summary><c>vxor.vv vd, vs2, vs1</c> (V).</summary>
    VxorVv,

    /// <summary><c>vxor.vx vd, vs2, rs1</c> (V).</summary>
    VxorVx,

    /// <summary><c>vxor.vi vd, vs2, imm</c> (V).</summary>
    VxorVi,

    /// <summary><c>vrgather.vv vd, vs2, vs1</c> (V).</summary>
    VrgatherVv,

    /// <summary><c>vrgather.vx vd, vs2, rs1</c> (V).</summary>
    VrgatherVx,

    /// <summary><c>vrgather.vi vd, vs2, imm</c> (V).</summary>
    VrgatherVi,

    /// <summary><c>vslideup.vx vd, vs2, rs1</c> (V).</summary>
    VslideupVx,

    /// <summary><c>vslideup.vi vd, vs2, imm</c> (V).</summary>
    VslideupVi,

    /// <summary><c>vrgatherei16.vv vd, vs2, vs1</c> (V).</summary>
    Vrgatherei16Vv,

    /// <summary><c>vslidedown.vx vd, vs2, rs1</c> (V).</summary>
    VslidedownVx,

    /// <summary><c>vslidedown.vi vd, vs2, imm</c> (V).</summary>
    VslidedownVi,

    /// <summary><c>vadc.vvm vd, vs2, vs1, v0</c> (V).</summary>
    VadcVvm,

    /// <summary><c>vadc.vxm vd, vs2, rs1, v0</c> (V).</summary>
    VadcVxm,

    /// <summary><c>vadc.vim vd, vs2, imm, v0</c> (V).</summary>
    VadcVim,

    /// <summary><c>vmadc.vvm vd, vs2, vs1, v0</c> (V).</summary>
    VmadcVvm,

    /// <summary><c>vmadc.vxm vd, vs2, rs1, v0</c> (V).</summary>
    VmadcVxm,

    /// <summary><c>vmadc.vim vd, vs2, imm, v0</c> (V).</summary>
    VmadcVim,

    /// <summary><c>vmadc.vv vd, vs2, vs1</c> (V).</summary>
    VmadcVv,

    /// <summary><c>vmadc.vx vd, vs2, rs1</c> (V).</summary>
    VmadcVx,

    /// <summary><c>vmadc.vi vd, vs2, imm</c> (V).</summary>
    VmadcVi,

    /// <summary><c>vsbc.vvm vd, vs2, vs1, v0</c> (V).</summary>
    VsbcVvm,

    /// <summary><c>vsbc.vxm vd, vs2, rs1, v0</c> (V).</summary>
    VsbcVxm,

    /// <summary><c>vmsbc.vvm vd, vs2, vs1, v0</c> (V).</summary>
    VmsbcVvm,

    /// <summary><c>vmsbc.vxm vd, vs2, rs1, v0</c> (V).</summary>
    VmsbcVxm,

    /// <summary><c>vmsbc.vv vd, vs2, vs1</c> (V).</summary>
    VmsbcVv,

    /// <summary><c>vmsbc.vx vd, vs2, rs1</c> (V).</summary>
    VmsbcVx,

    /// <summary><c>vmerge.vvm vd, vs2, vs1, v0</c> (V).</summary>
    VmergeVvm,

    /// <summary><c>vmerge.vxm vd, vs2, rs1, v0</c> (V).</summary>
    VmergeVxm,

    /// <summary><c>vmerge.vim vd, vs2, imm, v0</c> (V).</summary>
    VmergeVim,

    /// <summary><c>vmv.v.v vd, vs1</c> (V).</summary>
    VmvVV,

    /// <summary><c>vmv.v.x vd, rs1</c> (V).</summary>
    VmvVX,

    /// <summary><c>vmv.v.i vd, imm</c> (V).</summary>
    VmvVI,

    /// <summary><c>vmseq.vv vd, vs2, vs1</c> (V).</summary>
    VmseqVv,

    /// <summary><c>vmseq.vx vd, vs2, rs1</c> (V).</summary>
    VmseqVx,

    /// <summary><c>vmseq.vi vd, vs2, imm</c> (V).</summary>
    VmseqVi,

    /// <summary><c>vmsne.vv vd, vs2, vs1</c> (V).</summary>
    VmsneVv,

    /// <summary><c>vmsne.vx vd, vs2, rs1</c> (V).</summary>
    VmsneVx,

    /// <summary><c>vmsne.vi vd, vs2, imm</c> (V).</summary>
    VmsneVi,

    /// <summary><c>vmsltu.vv vd, vs2, vs1</c> (V).</summary>
    VmsltuVv,

    /// <summary><c>vmsltu.vx vd, vs2, rs1</c> (V).</summary>
    VmsltuVx,

    /// <summary><c>vmslt.vv vd, vs2, vs1</c> (V).</summary>
    VmsltVv,

    /// <summary><c>vmslt.vx vd, vs2, rs1</c> (V).</summary>
    VmsltVx,

    /// <summary><c>vmsleu.vv vd, vs2, vs1</c> (V).</summary>
    VmsleuVv,

    /// <summary><c>vmsleu.vx vd, vs2, rs1</c> (V).</summary>
    VmsleuVx,

    /// <summary><c>vmsleu.vi vd, vs2, imm</c> (V).</summary>
    VmsleuVi,

    /// <summary><c>vmsle.vv vd, vs2, vs1</c> (V).</summary>
    VmsleVv,

    /// <summary><c>vmsle.vx vd, vs2, rs1</c> (V).</summary>
    VmsleVx,

    /// <summary><c>vmsle.vi vd, vs2, imm</c> (V).</summary>
    VmsleVi,

    /// <summary><c>vmsgtu.vx vd, vs2, rs1</c> (V).</summary>
    VmsgtuVx,

    /// <summary><c>vmsgtu.vi vd, vs2, imm</c> (V).</summary>
    VmsgtuVi,

    /// <summary><c>vmsgt.vx vd, vs2, rs1</c> (V).</summary>
    VmsgtVx,

    /// <summary><c>vmsgt.vi vd, vs2, imm</c> (V).</summary>
    VmsgtVi,

    /// <summary><c>vsaddu.vv vd, vs2, vs1</c> (V).</summary>
    VsadduVv,

    /// <summary><c>vsaddu.vx vd, vs2, rs1</c> (V).</summary>
    VsadduVx,

    /// <summary><c>vsaddu.vi vd, vs2, imm</c> (V).</summary>
    VsadduVi,

    /// <summary><c>vsadd.vv vd, vs2, vs1</c> (V).</summary>
    VsaddVv,

    /// <summary><c>vsadd.vx vd, vs2, rs1</c> (V).</summary>
    VsaddVx,

    /// <summary><c>vsadd.vi vd, vs2, imm</c> (V).</summary>
    VsaddVi,

    /// <summary><c>vssubu.vv vd, vs2, vs1</c> (V).</summary>
    VssubuVv,

    /// <summary><c>vssubu.vx vd, vs2, rs1</c> (V).</summary>
    VssubuVx,

    /// <summary><c>vssub.vv vd, vs2, vs1</c> (V).</summary>
    VssubVv,

    /// <summary><c>vssub.vx vd, vs2, rs1</c> (V).</summary>
    VssubVx,

    /// <summary><c>vsll.vv vd, vs2, vs1</c> (V).</summary>
    VsllVv,

    /// <summary><c>vsll.vx vd, vs2, rs1</c> (V).</summary>
    VsllVx,

    /// <summary><c>vsll.vi vd, vs2, imm</c> (V).</summary>
    VsllVi,

    /// <summary><c>vsmul.vv vd, vs2, vs1</c> (V).</summary>
    VsmulVv,

    /// <summary><c>vsmul.vx vd, vs2, rs1</c> (V).</summary>
    VsmulVx,

    /// <summary><c>vmv1r.v vd, vs2</c> (V).</summary>
    Vmv1rV,

    /// <summary><c>vmv2r.v vd, vs2</c> (V).</summary>
    Vmv2rV,

    /// <summary><c>vmv4r.v vd, vs2</c> (V).</summary>
    Vmv4rV,

    /// <summary><c>vmv8r.v vd, vs2</c> (V).</summary>
    Vmv8rV,

    /// <summary><c>vsrl.vv vd, vs2, vs1</c> (V).</summary>
    VsrlVv,

    /// <summary><c>vsrl.vx vd, vs2, rs1</c> (V).</summary>
    VsrlVx,

    /// <summary><c>vsrl.vi vd, vs2, imm</c> (V).</summary>
    VsrlVi,

    /// <summary><c>vsra.vv vd, vs2, vs1</c> (V).</summary>
    VsraVv,

    /// <summary><c>vsra.vx vd, vs2, rs1</c> (V).</summary>
    VsraVx,

    /// <summary><c>vsra.vi vd, vs2, imm</c> (V).</summary>
    VsraVi,

    /// <summary><c>vssrl.vv vd, vs2, vs1</c> (V).</summary>
    VssrlVv,

    /// <summary><c>vssrl.vx vd, vs2, rs1</c> (V).</summary>
    VssrlVx,

    /// <summary><c>vssrl.vi vd, vs2, imm</c> (V).</summary>
    VssrlVi,

    /// <summary><c>vssra.vv vd, vs2, vs1</c> (V).</summary>
    VssraVv,

    /// <summary><c>vssra.vx vd, vs2, rs1</c> (V).</summary>
    VssraVx,

    /// <summary><c>vssra.vi vd, vs2, imm</c> (V).</summary>
    VssraVi,

    /// <summary><c>vnsrl.wv vd, vs2, vs1</c> (V).</summary>
    VnsrlWv,

    /// <summary><c>vnsrl.wx vd, vs2, rs1</c> (V).</summary>
    VnsrlWx,

    /// <summary><c>vnsrl.wi vd, vs2, imm</c> (V).</summary>
    VnsrlWi,

    /// <summary><c>vnsra.wv vd, vs2, vs1</c> (V).</summary>
    VnsraWv,

    /// <summary><c>vnsra.wx vd, vs2, rs1</c> (V).</summary>
    VnsraWx,

    /// <summary><c>vnsra.wi vd, vs2, imm</c> (V).</summary>
    VnsraWi,

    /// <summary><c>vnclipu.wv vd, vs2, vs1</c> (V).</summary>
    VnclipuWv,

    /// <summary><c>vnclipu.wx vd, vs2, rs1</c> (V).</summary>
    VnclipuWx,

    /// <summary><c>vnclipu.wi vd, vs2, imm</c> (V).</summary>
    VnclipuWi,

    /// <summary><c>vnclip.wv vd, vs2, vs1</c> (V).</summary>
    VnclipWv,

    /// <summary><c>vnclip.wx vd, vs2, rs1</c> (V).</summary>
    VnclipWx,

    /// <summary><c>vnclip.wi vd, vs2, imm</c> (V).</summary>
    VnclipWi,

    /// <summary><c>vwredsumu.vs vd, vs2, vs1</c> (V).</summary>
    VwredsumuVs,

    /// <summary><c>vwredsum.vs vd, vs2, vs1</c> (V).</summary>
    VwredsumVs,

    /// <summary><c>vredsum.vs vd, vs2, vs1</c> (V).</summary>
    VredsumVs,

    /// <summary><c>vredand.vs vd, vs2, vs1</c> (V).</summary>
    VredandVs,

    /// <summary><c>vredor.vs vd, vs2, vs1</c> (V).</summary>
    VredorVs,

    /// <summary><c>vredxor.vs vd, vs2, vs1</c> (V).</summary>
    VredxorVs,

    /// <summary><c>vredminu.vs vd, vs2, vs1</c> (V).</summary>
    VredminuVs,

    /// <summary><c>vredmin.vs vd, vs2, vs1</c> (V).</summary>
    VredminVs,

    /// <summary><c>vredmaxu.vs vd, vs2, vs1</c> (V).</summary>
    VredmaxuVs,

    /// <summary><c>vredmax.vs vd, vs2, vs1</c> (V).</summary>
    VredmaxVs,

    /// <summary><c>vaaddu.vv vd, vs2, vs1</c> (V).</summary>
    VaadduVv,

    /// <summary><c>vaaddu.vx vd, vs2, rs1</c> (V).</summary>
    VaadduVx,

    /// <summary><c>vaadd.vv vd, vs2, vs1</c> (V).</summary>
    VaaddVv,

    /// <summary><c>vaadd.vx vd, vs2, rs1</c> (V).</summary>
    VaaddVx,

    /// <summary><c>vasubu.vv vd, vs2, vs1</c> (V).</summary>
    VasubuVv,

    /// <summary><c>vasubu.vx vd, vs2, rs1</c> (V).</summary>
    VasubuVx,

    /// <summary><c>vasub.vv vd, vs2, vs1</c> (V).</summary>
    VasubVv,

    /// <summary><c>vasub.vx vd, vs2, rs1</c> (V).</summary>
    VasubVx,

    /// <summary><c>vslide1up.vx vd, vs2, rs1</c> (V).</summary>
    Vslide1upVx,

    /// <summary><c>vslide1down.vx vd, vs2, rs1</c> (V).</summary>
    Vslide1downVx,

    /// <summary><c>vmv.x.s rd, vs2</c> (V).</summary>
    VmvXS,

    /// <summary><c>vcpop.m rd, vs2</c> (V).</summary>
    VcpopM,

    /// <summary><c>vfirst.m rd, vs2</c> (V).</summary>
    VfirstM,

    /// <summary><c>vmv.s.x vd, rs1</c> (V).</summary>
    VmvSX,

    /// <summary><c>vzext.vf8 vd, vs2</c> (V).</summary>
    VzextVf8,

    /// <summary><c>vsext.vf8 vd, vs2</c> (V).</summary>
    VsextVf8,

    /// <summary><c>vzext.vf4 vd, vs2</c> (V).</summary>
    VzextVf4,

    /// <summary><c>vsext.vf4 vd, vs2</c> (V).</summary>
    VsextVf4,

    /// <summary><c>vzext.vf2 vd, vs2</c> (V).</summary>
    VzextVf2,

    /// <summary><c>vsext.vf2 vd, vs2</c> (V).</summary>
    VsextVf2,

    /// <summary><c>vmsbf.m vd, vs2</c> (V).</summary>
    VmsbfM,

    /// <summary><c>vmsof.m vd, vs2</c> (V).</summary>
    VmsofM,

    /// <summary><c>vmsif.m vd, vs2</c> (V).</summary>
    VmsifM,

    /// <summary><c>viota.m vd, vs2</c> (V).</summary>
    ViotaM,

    /// <summary><c>vid.v vd</c> (V).</summary>
    VidV,

    /// <summary><c>vcompress.vm vd, vs2, vs1</c> (V).</summary>
    VcompressVm,

    /// <summary><c>vmandn.mm vd, vs2, vs1</c> (V).</summary>
    VmandnMm,

    /// <summary><c>vmand.mm vd, vs2, vs1</c> (V).</summary>
    VmandMm,

    /// <summary><c>vmor.mm vd, vs2, vs1</c> (V).</summary>
    VmorMm,

    /// <summary><c>vmxor.mm vd, vs2, vs1</c> (V).</summary>
    VmxorMm,

    /// <summary><c>vmorn.mm vd, vs2, vs1</c> (V).</summary>
    VmornMm,

    /// <summary><c>vmnand.mm vd, vs2, vs1</c> (V).</summary>
    VmnandMm,

    /// <summary><c>vmnor.mm vd, vs2, vs1</c> (V).</summary>
    VmnorMm,

    /// <summary><c>vmxnor.mm vd, vs2, vs1</c> (V).</summary>
    VmxnorMm,

    /// <summary><c>vdivu.vv vd, vs2, vs1</c> (V).</summary>
    VdivuVv,

    /// <summary><c>vdivu.vx vd, vs2, rs1</c> (V).</summary>
    VdivuVx,

    /// <summary><c>vdiv.vv vd, vs2, vs1</c> (V).</summary>
    VdivVv,

    /// <summary><c>vdiv.vx vd, vs2, rs1</c> (V).</summary>
    VdivVx,

    /// <summary><c>vremu.vv vd, vs2, vs1</c> (V).</summary>
    VremuVv,

    /// <summary><c>vremu.vx vd, vs2, rs1</c> (V).</summary>
    VremuVx,

    /// <summary><c>vrem.vv vd, vs2, vs1</c> (V).</summary>
    VremVv,

    /// <summary><c>vrem.vx vd, vs2, rs1</c> (V).</summary>
    VremVx,

    /// <summary><c>vmulhu.vv vd, vs2, vs1</c> (V).</summary>
    VmulhuVv,

    /// <summary><c>vmulhu.vx vd, vs2, rs1</c> (V).</summary>
    VmulhuVx,

    /// <summary><c>vmul.vv vd, vs2, vs1</c> (V).</summary>
    VmulVv,

    /// <summary><c>vmul.vx vd, vs2, rs1</c> (V).</summary>
    VmulVx,

    /// <summary><c>vmulhsu.vv vd, vs2, vs1</c> (V).</summary>
    VmulhsuVv,

    /// <summary><c>vmulhsu.vx vd, vs2, rs1</c> (V).</summary>
    VmulhsuVx,

    /// <summary><c>vmulh.vv vd, vs2, vs1</c> (V).</summary>
    VmulhVv,

    /// <summary><c>vmulh.vx vd, vs2, rs1</c> (V).</summary>
    VmulhVx,

    /// <summary><c>vmadd.vv vd, vs1, vs2</c> (V).</summary>
    VmaddVv,

    /// <summary><c>vmadd.vx vd, rs1, vs2</c> (V).</summary>
    VmaddVx,

    /// <summary><c>vnmsub.vv vd, vs1, vs2</c> (V).</summary>
    VnmsubVv,

    /// <summary><c>vnmsub.vx vd, rs1, vs2</c> (V).</summary>
    VnmsubVx,

    /// <summary><c>vmacc.vv vd, vs1, vs2</c> (V).</summary>
    VmaccVv,

    /// <summary><c>vmacc.vx vd, rs1, vs2</c> (V).</summary>
    VmaccVx,

    /// <summary><c>vnmsac.vv vd, vs1, vs2</c> (V).</summary>
    VnmsacVv,

    /// <summary><c>vnmsac.vx vd, rs1, vs2</c> (V).</summary>
    VnmsacVx,

    /// <summary><c>vwaddu.vv vd, vs2, vs1</c> (V).</summary>
    VwadduVv,

    /// <summary><c>vwaddu.vx vd, vs2, rs1</c> (V).</summary>
    VwadduVx,

    /// <summary><c>vwadd.vv vd, vs2, vs1</c> (V).</summary>
    VwaddVv,

    /// <summary><c>vwadd.vx vd, vs2, rs1</c> (V).</summary>
    VwaddVx,

    /// <summary><c>vwsubu.vv vd, vs2, vs1</c> (V).</summary>
    VwsubuVv,

    /// <summary><c>vwsubu.vx vd, vs2, rs1</c> (V).</summary>
    VwsubuVx,

    /// <summary><c>vwsub.vv vd, vs2, vs1</c> (V).</summary>
    VwsubVv,

    /// <summary><c>vwsub.vx vd, vs2, rs1</c> (V).</summary>
    VwsubVx,

    /// <summary><c>vwaddu.wv vd, vs2, vs1</c> (V).</summary>
    VwadduWv,

    /// <summary><c>vwaddu.wx vd, vs2, rs1</c> (V).</summary>
    VwadduWx,

    /// <summary><c>vwadd.wv vd, vs2, vs1</c> (V).</summary>
    VwaddWv,

    /// <summary><c>vwadd.wx vd, vs2, rs1</c> (V).</summary>
    VwaddWx,

    /// <summary><c>vwsubu.wv vd, vs2, vs1</c> (V).</summary>
    VwsubuWv,

    /// <summary><c>vwsubu.wx vd, vs2, rs1</c> (V).</summary>
    VwsubuWx,

    /// <summary><c>vwsub.wv vd, vs2, vs1</c> (V).</summary>
    VwsubWv,

    /// <summary><c>vwsub.wx vd, vs2, rs1</c> (V).</summary>
    VwsubWx,

    /// <summary><c>vwmulu.vv vd, vs2, vs1</c> (V).</summary>
    VwmuluVv,

    /// <summary><c>vwmulu.vx vd, vs2, rs1</c> (V).</summary>
    VwmuluVx,

    /// <summary><c>vwmulsu.vv vd, vs2, vs1</c> (V).</summary>
    VwmulsuVv,

    /// <summary><c>vwmulsu.vx vd, vs2, rs1</c> (V).</summary>
    VwmulsuVx,

    /// <summary><c>vwmul.vv vd, vs2, vs1</c> (V).</summary>
    VwmulVv,

    /// <summary><c>vwmul.vx vd, vs2, rs1</c> (V).</summary>
    VwmulVx,

    /// <summary><c>vwmaccu.vv vd, vs1, vs2</c> (V).</summary>
    VwmaccuVv,

    /// <summary><c>vwmaccu.vx vd, rs1, vs2</c> (V).</summary>
    VwmaccuVx,

    /// <summary><c>vwmacc.vv vd, vs1, vs2</c> (V).</summary>
    VwmaccVv,

    /// <summary><c>vwmacc.vx vd, rs1, vs2</c> (V).</summary>
    VwmaccVx,

    /// <summary><c>vwmaccus.vx vd, rs1, vs2</c> (V).</summary>
    VwmaccusVx,

    /// <summary><c>vwmaccsu.vv vd, vs1, vs2</c> (V).</summary>
    VwmaccsuVv,

    /// <summary><c>vwmaccsu.vx vd, rs1, vs2</c> (V).</summary>
    VwmaccsuVx,

    /// <summary><c>vfadd.vv vd, vs2, vs1</c> (V).</summary>
    VfaddVv,

    /// <summary><c>vfadd.vf vd, vs2, fs1</c> (V).</summary>
    VfaddVf,

    /// <summary><c>vfredusum.vs vd, vs2, vs1</c> (V).</summary>
    VfredusumVs,

    /// <summary><c>vfsub.vv vd, vs2, vs1</c> (V).</summary>
    VfsubVv,

    /// <summary><c>vfsub.vf vd, vs2, fs1</c> (V).</summary>
    VfsubVf,

    /// <summary><c>vfredosum.vs vd, vs2, vs1</c> (V).</summary>
    VfredosumVs,

    /// <summary><c>vfmin.vv vd, vs2, vs1</c> (V).</summary>
    VfminVv,

    /// <summary><c>vfmin.vf vd, vs2, fs1</c> (V).</summary>
    VfminVf,

    /// <summary><c>vfredmin.vs vd, vs2, vs1</c> (V).</summary>
    VfredminVs,

    /// <summary><c>vfmax.vv vd, vs2, vs1</c> (V).</summary>
    VfmaxVv,

    /// <summary><c>vfmax.vf vd, vs2, fs1</c> (V).</summary>
    VfmaxVf,

    /// <summary><c>vfredmax.vs vd, vs2, vs1</c> (V).</summary>
    VfredmaxVs,

    /// <summary><c>vfsgnj.vv vd, vs2, vs1</c> (V).</summary>
    VfsgnjVv,

    /// <summary><c>vfsgnj.vf vd, vs2, fs1</c> (V).</summary>
    VfsgnjVf,

    /// <summary><c>vfsgnjn.vv vd, vs2, vs1</c> (V).</summary>
    VfsgnjnVv,

    /// <summary><c>vfsgnjn.vf vd, vs2, fs1</c> (V).</summary>
    VfsgnjnVf,

    /// <summary><c>vfsgnjx.vv vd, vs2, vs1</c> (V).</summary>
    VfsgnjxVv,

    /// <summary><c>vfsgnjx.vf vd, vs2, fs1</c> (V).</summary>
    VfsgnjxVf,

    /// <summary><c>vfslide1up.vf vd, vs2, fs1</c> (V).</summary>
    Vfslide1upVf,

    /// <summary><c>vfslide1down.vf vd, vs2, fs1</c> (V).</summary>
    Vfslide1downVf,

    /// <summary><c>vfmv.f.s fd, vs2</c> (V).</summary>
    VfmvFS,

    /// <summary><c>vfmv.s.f vd, fs1</c> (V).</summary>
    VfmvSF,

    /// <summary><c>vfcvt.xu.f.v vd, vs2</c> (V).</summary>
    VfcvtXuFV,

    /// <summary><c>vfcvt.x.f.v vd, vs2</c> (V).</summary>
    VfcvtXFV,

    /// <summary><c>vfcvt.f.xu.v vd, vs2</c> (V).</summary>
    VfcvtFXuV,

    /// <summary><c>vfcvt.f.x.v vd, vs2</c> (V).</summary>
    VfcvtFXV,

    /// <summary><c>vfcvt.rtz.xu.f.v vd, vs2</c> (V).</summary>
    VfcvtRtzXuFV,

    /// <summary><c>vfcvt.rtz.x.f.v vd, vs2</c> (V).</summary>
    VfcvtRtzXFV,

    /// <summary><c>vfwcvt.xu.f.v vd, vs2</c> (V).</summary>
    VfwcvtXuFV,

    /// <summary><c>vfwcvt.x.f.v vd, vs2</c> (V).</summary>
    VfwcvtXFV,

    /// <summary><c>vfwcvt.f.xu.v vd, vs2</c> (V).</summary>
    VfwcvtFXuV,

    /// <summary><c>vfwcvt.f.x.v vd, vs2</c> (V).</summary>
    VfwcvtFXV,

    /// <summary><c>vfwcvt.f.f.v vd, vs2</c> (V).</summary>
    VfwcvtFFV,

    /// <summary><c>vfwcvt.rtz.xu.f.v vd, vs2</c> (V).</summary>
    VfwcvtRtzXuFV,

    /// <summary><c>vfwcvt.rtz.x.f.v vd, vs2</c> (V).</summary>
    VfwcvtRtzXFV,

    /// <summary><c>vfncvt.xu.f.w vd, vs2</c> (V).</summary>
    VfncvtXuFW,

    /// <summary><c>vfncvt.x.f.w vd, vs2</c> (V).</summary>
    VfncvtXFW,

    /// <summary><c>vfncvt.f.xu.w vd, vs2</c> (V).</summary>
    VfncvtFXuW,

    /// <summary><c>vfncvt.f.x.w vd, vs2</c> (V).</summary>
    VfncvtFXW,

    /// <summary><c>vfncvt.f.f.w vd, vs2</c> (V).</summary>
    VfncvtFFW,

    /// <summary><c>vfncvt.rod.f.f.w vd, vs2</c> (V).</summary>
    VfncvtRodFFW,

    /// <summary><c>vfncvt.rtz.xu.f.w vd, vs2</c> (V).</summary>
    VfncvtRtzXuFW,

    /// <summary><c>vfncvt.rtz.x.f.w vd, vs2</c> (V).</summary>
    VfncvtRtzXFW,

    /// <summary><c>vfsqrt.v vd, vs2</c> (V).</summary>
    VfsqrtV,

    /// <summary><c>vfrsqrt7.v vd, vs2</c> (V).</summary>
    Vfrsqrt7V,

    /// <summary><c>vfrec7.v vd, vs2</c> (V).</summary>
    Vfrec7V,

    /// <summary><c>vfclass.v vd, vs2</c> (V).</summary>
    VfclassV,

    /// <summary><c>vfmerge.vfm vd, vs2, fs1, v0</c> (V).</summary>
    VfmergeVfm,

    /// <summary><c>vfmv.v.f vd, fs1</c> (V).</summary>
    VfmvVF,

    /// <summary><c>vmfeq.vv vd, vs2, vs1</c> (V).</summary>
    VmfeqVv,

    /// <summary><c>vmfeq.vf vd, vs2, fs1</c> (V).</summary>
    VmfeqVf,

    /// <summary><c>vmfle.vv vd, vs2, vs1</c> (V).</summary>
    VmfleVv,

    /// <summary><c>vmfle.vf vd, vs2, fs1</c> (V).</summary>
    VmfleVf,

    /// <summary><c>vmflt.vv vd, vs2, vs1</c> (V).</summary>
    VmfltVv,

    /// <summary><c>vmflt.vf vd, vs2, fs1</c> (V).</summary>
    VmfltVf,

    /// <summary><c>vmfne.vv vd, vs2, vs1</c> (V).</summary>
    VmfneVv,

    /// <summary><c>vmfne.vf vd, vs2, fs1</c> (V).</summary>
    VmfneVf,

    /// <summary><c>vmfgt.vf vd, vs2, fs1</c> (V).</summary>
    VmfgtVf,

    /// <summary><c>vmfge.vf vd, vs2, fs1</c> (V).</summary>
    VmfgeVf,

    /// <summary><c>vfdiv.vv vd, vs2, vs1</c> (V).</summary>
    VfdivVv,

    /// <summary><c>vfdiv.vf vd, vs2, fs1</c> (V).</summary>
    VfdivVf,

    /// <summary><c>vfrdiv.vf vd, vs2, fs1</c> (V).</summary>
    VfrdivVf,

    /// <summary><c>vfmul.vv vd, vs2, vs1</c> (V).</summary>
    VfmulVv,

    /// <summary><c>vfmul.vf vd, vs2, fs1</c> (V).</summary>
    VfmulVf,

    /// <summary><c>vfrsub.vf vd, vs2, fs1</c> (V).</summary>
    VfrsubVf,

    /// <summary><c>vfmadd.vv vd, vs1, vs2</c> (V).</summary>
    VfmaddVv,

    /// <summary><c>vfmadd.vf vd, fs1, vs2</c> (V).</summary>
    VfmaddVf,

    /// <summary><c>vfnmadd.vv vd, vs1, vs2</c> (V).</summary>
    VfnmaddVv,

    /// <summary><c>vfnmadd.vf vd, fs1, vs2</c> (V).</summary>
    VfnmaddVf,

    /// <summary><c>vfmsub.vv vd, vs1, vs2</c> (V).</summary>
    VfmsubVv,

    /// <summary><c>vfmsub.vf vd, fs1, vs2</c> (V).</summary>
    VfmsubVf,

    /// <summary><c>vfnmsub.vv vd, vs1, vs2</c> (V).</summary>
    VfnmsubVv,

    /// <summary><c>vfnmsub.vf vd, fs1, vs2</c> (V).</summary>
    VfnmsubVf,

    /// <summary><c>vfmacc.vv vd, vs1, vs2</c> (V).</summary>
    VfmaccVv,

    /// <summary><c>vfmacc.vf vd, fs1, vs2</c> (V).</summary>
    VfmaccVf,

    /// <summary><c>vfnmacc.vv vd, vs1, vs2</c> (V).</summary>
    VfnmaccVv,

    /// <summary><c>vfnmacc.vf vd, fs1, vs2</c> (V).</summary>
    VfnmaccVf,

    /// <summary><c>vfmsac.vv vd, vs1, vs2</c> (V).</summary>
    VfmsacVv,

    /// <summary><c>vfmsac.vf vd, fs1, vs2</c> (V).</summary>
    VfmsacVf,

    /// <summary><c>vfnmsac.vv vd, vs1, vs2</c> (V).</summary>
    VfnmsacVv,

    /// <summary><c>vfnmsac.vf vd, fs1, vs2</c> (V).</summary>
    VfnmsacVf,

    /// <summary><c>vfwadd.vv vd, vs2, vs1</c> (V).</summary>
    VfwaddVv,

    /// <summary><c>vfwadd.vf vd, vs2, fs1</c> (V).</summary>
    VfwaddVf,

    /// <summary><c>vfwredusum.vs vd, vs2, vs1</c> (V).</summary>
    VfwredusumVs,

    /// <summary><c>vfwsub.vv vd, vs2, vs1</c> (V).</summary>
    VfwsubVv,

    /// <summary><c>vfwsub.vf vd, vs2, fs1</c> (V).</summary>
    VfwsubVf,

    /// <summary><c>vfwredosum.vs vd, vs2, vs1</c> (V).</summary>
    VfwredosumVs,

    /// <summary><c>vfwadd.wv vd, vs2, vs1</c> (V).</summary>
    VfwaddWv,

    /// <summary><c>vfwadd.wf vd, vs2, fs1</c> (V).</summary>
    VfwaddWf,

    /// <summary><c>vfwsub.wv vd, vs2, vs1</c> (V).</summary>
    VfwsubWv,

    /// <summary><c>vfwsub.wf vd, vs2, fs1</c> (V).</summary>
    VfwsubWf,

    /// <summary><c>vfwmul.vv vd, vs2, vs1</c> (V).</summary>
    VfwmulVv,

    /// <summary><c>vfwmul.vf vd, vs2, fs1</c> (V).</summary>
    VfwmulVf,

    /// <summary><c>vfwmacc.vv vd, vs1, vs2</c> (V).</summary>
    VfwmaccVv,

    /// <summary><c>vfwmacc.vf vd, fs1, vs2</c> (V).</summary>
    VfwmaccVf,

    /// <summary><c>vfwnmacc.vv vd, vs1, vs2</c> (V).</summary>
    VfwnmaccVv,

    /// <summary><c>vfwnmacc.vf vd, fs1, vs2</c> (V).</summary>
    VfwnmaccVf,

    /// <summary><c>vfwmsac.vv vd, vs1, vs2</c> (V).</summary>
    VfwmsacVv,

    /// <summary><c>vfwmsac.vf vd, fs1, vs2</c> (V).</summary>
    VfwmsacVf,

    /// <summary><c>vfwnmsac.vv vd, vs1, vs2</c> (V).</summary>
    VfwnmsacVv,

    /// <summary><c>vfwnmsac.vf vd, fs1, vs2</c> (V).</summary>
    VfwnmsacVf,
}
