namespace Hypervisor.Core.Isa.Assembly;

/// <summary>The pseudo-instructions that are another instruction with its operands rearranged.</summary>
internal static class PseudoInstructions
{
    // Of each: name, number of operands, instruction, its operands ($0 is the first written operand).
    private static readonly Dictionary<(string Name, int Count), (string Mnemonic, string[] Operands)> s_templates = Build(
        """
        nop 0 addi zero,zero,0
        mv 2 addi $0,$1,0
        move 2 addi $0,$1,0
        not 2 xori $0,$1,-1
        neg 2 sub $0,zero,$1
        negw 2 subw $0,zero,$1
        sext.w 2 addiw $0,$1,0
        zext.b 2 andi $0,$1,255
        zext.w 2 add.uw $0,$1,zero
        seqz 2 sltiu $0,$1,1
        snez 2 sltu $0,zero,$1
        sltz 2 slt $0,$1,zero
        sgtz 2 slt $0,zero,$1
        sgt 3 slt $0,$2,$1
        sgtu 3 sltu $0,$2,$1
        beqz 2 beq $0,zero,$1
        bnez 2 bne $0,zero,$1
        blez 2 bge zero,$0,$1
        bgez 2 bge $0,zero,$1
        bltz 2 blt $0,zero,$1
        bgtz 2 blt zero,$0,$1
        bgt 3 blt $1,$0,$2
        ble 3 bge $1,$0,$2
        bgtu 3 bltu $1,$0,$2
        bleu 3 bgeu $1,$0,$2
        j 1 jal zero,$0
        jal 1 jal ra,$0
        jr 1 jalr zero,$0
        jr 2 jalr zero,$0,$1
        jalr 1 jalr ra,$0
        ret 0 jalr zero,0(ra)
        csrr 2 csrrs $0,$1,zero
        csrw 2 csrrw zero,$0,$1
        csrs 2 csrrs zero,$0,$1
        csrc 2 csrrc zero,$0,$1
        csrwi 2 csrrwi zero,$0,$1
        csrsi 2 csrrsi zero,$0,$1
        csrci 2 csrrci zero,$0,$1
        rdcycle 1 csrrs $0,cycle,zero
        rdtime 1 csrrs $0,time,zero
        rdinstret 1 csrrs $0,instret,zero
        frcsr 1 csrrs $0,fcsr,zero
        fscsr 1 csrrw zero,fcsr,$0
        fscsr 2 csrrw $0,fcsr,$1
        frrm 1 csrrs $0,frm,zero
        fsrm 1 csrrw zero,frm,$0
        fsrm 2 csrrw $0,frm,$1
        fsrmi 1 csrrwi zero,frm,$0
        fsrmi 2 csrrwi $0,frm,$1
        frflags 1 csrrs $0,fflags,zero
        fsflags 1 csrrw zero,fflags,$0
        fsflags 2 csrrw $0,fflags,$1
        fsflagsi 1 csrrwi zero,fflags,$0
        fsflagsi 2 csrrwi $0,fflags,$1
        fmv.s 2 fsgnj.s $0,$1,$1
        fneg.s 2 fsgnjn.s $0,$1,$1
        fabs.s 2 fsgnjx.s $0,$1,$1
        fmv.d 2 fsgnj.d $0,$1,$1
        fneg.d 2 fsgnjn.d $0,$1,$1
        fabs.d 2 fsgnjx.d $0,$1,$1
        fmv.h 2 fsgnj.h $0,$1,$1
        fneg.h 2 fsgnjn.h $0,$1,$1
        fabs.h 2 fsgnjx.h $0,$1,$1
        fgt.h 3 flt.h $0,$2,$1
        fge.h 3 fle.h $0,$2,$1
        fgt.s 3 flt.s $0,$2,$1
        fge.s 3 fle.s $0,$2,$1
        fgt.d 3 flt.d $0,$2,$1
        fge.d 3 fle.d $0,$2,$1
        fmv.x.s 2 fmv.x.w $0,$1
        fmv.s.x 2 fmv.w.x $0,$1
        fence 0 fence iorw,iorw
        sfence.vma 0 sfence.vma zero,zero
        sfence.vma 1 sfence.vma $0,zero
        sinval.vma 0 sinval.vma zero,zero
        sinval.vma 1 sinval.vma $0,zero
        unimp 0 csrrw zero,cycle,zero
        scall 0 ecall
        sbreak 0 ebreak
        """);

    private static readonly HashSet<string> s_names = [.. s_templates.Keys.Select(key => key.Name)];

    /// <summary>Whether there is a pseudo-instruction of this name, with whatever operands.</summary>
    internal static bool Exists(string mnemonic) => s_names.Contains(mnemonic);

    /// <summary>The instruction and operands that a pseudo-instruction stands for.</summary>
    internal static bool TryExpand(string mnemonic, List<string> operands, out string realMnemonic, out List<string> realOperands)
    {
        if (!s_templates.TryGetValue((mnemonic, operands.Count), out var template))
        {
            (realMnemonic, realOperands) = (mnemonic, operands);
            return false;
        }

        realMnemonic = template.Mnemonic;
        realOperands = new List<string>(template.Operands.Length);
        foreach (var operand in template.Operands)
        {
            realOperands.Add(operand[0] == '$' ? operands[operand[1] - '0'] : operand);
        }

        return true;
    }

    private static Dictionary<(string, int), (string, string[])> Build(string lines)
    {
        var templates = new Dictionary<(string, int), (string, string[])>();
        foreach (var line in lines.Split('\n'))
        {
            var parts = line.TrimEnd('\r').Split(' ');
            templates.Add((parts[0], parts[1][0] - '0'), (parts[2], parts.Length > 3 ? parts[3].Split(',') : []));
        }

        return templates;
    }
}
