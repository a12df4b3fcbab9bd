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
}
