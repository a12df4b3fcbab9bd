namespace Hypervisor.Tests.Modes;

/// <summary>
/// A machine-mode program in which up to eight harts do to each other all that harts can: atomics under contention, locks,
/// calls by software interrupt that are waited for, code written by one and run by the others, page tables changed under
/// readers with remote fences, and the orderings that fences promise. It powers off when everything held; otherwise it
/// reports the number of what did not.
/// </summary>
internal static class SharedMemoryProgram
{
    public const int Counters = 1;
    public const int Lock = 2;
    public const int Code = 3;
    public const int PageTable = 4;
    public const int StoreBuffer = 5;
    public const int Message = 6;
    public const int Trap = 7;

    public static string Source(int harts, int rounds) => $"""
            .option norvc
            .equ HARTS, {harts}
            .equ ROUNDS, {rounds}
        """ + Text;

    private const string Text = """

            .text
            .globl _start
        _start:
            mv s0, a0
            la s2, slots                 # a page for each hart: registers while it is interrupted
            slli t0, s0, 12
            add s2, s2, t0
            csrw mscratch, s2
            la t0, trap
            csrw mtvec, t0
            li t0, -1
            csrw pmpaddr0, t0
            li t0, 0x1f
            csrw pmpcfg0, t0
            la t0, root
            srli t0, t0, 12
            li t1, 8
            slli t1, t1, 60
            or t0, t0, t1
            csrw satp, t0
            li t0, 8
            csrw mie, t0
            csrsi mstatus, 8
            li s11, 0                    # barriers passed
            bnez s0, counters
            # va 0x40000000 by three levels to page a
            la t0, root
            la t1, middle
            srli t1, t1, 2
            ori t1, t1, 1
            sd t1, 8(t0)
            la t0, middle
            la t1, leaf
            srli t1, t1, 2
            ori t1, t1, 1
            sd t1, 0(t0)
            la t0, leaf
            la t1, page_a
            srli t1, t1, 2
            ori t1, t1, 0xc7
            sd t1, 0(t0)

        counters:
            call barrier
            li s3, ROUNDS
            la s4, counts
        1:  li t0, 1
            amoadd.d zero, t0, (s4)
            addi t1, s4, 64
        2:  lr.d t2, (t1)
            addi t2, t2, 1
            sc.d t3, t2, (t1)
            bnez t3, 2b
            addi t1, s4, 128
        3:  lr.w.aq t2, (t1)
            addi t2, t2, 1
            sc.w.rl t3, t2, (t1)
            bnez t3, 3b
            # a lock over two plain words that must stay equal
            addi t1, s4, 192
        4:  amoswap.w.aq t2, t0, (t1)
            bnez t2, 4b
            ld t3, 64(t1)
            ld t4, 128(t1)
            li a0, 2
            bne t3, t4, fail
            addi t3, t3, 1
            sd t3, 64(t1)
            addi t4, t4, 1
            sd t4, 128(t1)
            amoswap.w.rl zero, zero, (t1)
            andi t0, s3, 15
            bnez t0, 5f
            call call_all
        5:  addi s3, s3, -1
            bnez s3, 1b
            call barrier
            li t0, ROUNDS * HARTS
            li a0, 1
            ld t1, 0(s4)
            bne t0, t1, fail
            ld t1, 64(s4)
            bne t0, t1, fail
            lw t1, 128(s4)
            bne t0, t1, fail
            ld t1, 256(s4)
            bne t0, t1, fail

        code:
            call barrier
            li s3, 1                     # the round
            la s4, round
        1:  bnez s0, 2f
            slli t0, s3, 20
            li t1, 0x513                 # addi a0, zero, round
            or t0, t0, t1
            la t1, patched
            sw t0, 0(t1)
            fence
            sd s3, 0(s4)
            j 3f
        2:  call patched                 # whatever it is now
            ld t0, 0(s4)
            bne t0, s3, 2b
        3:  fence
            fence.i
            call patched
            mv t0, a0
            li a0, 3
            bne t0, s3, fail
            call barrier
            addi s3, s3, 1
            li t0, 30
            bne s3, t0, 1b

        table:
            call barrier
            la s4, epoch
            li s3, 1
            bnez s0, 3f
        1:  andi t0, s3, 1               # the round's number into the page not mapped, and that page into the table
            slli t0, t0, 12
            la t1, page_a
            add t1, t1, t0
            sd s3, 0(t1)
            srli t1, t1, 2
            ori t1, t1, 0xc7
            la t0, leaf
            sd t1, 0(t0)
            call call_all
            sd s3, 0(s4)
            addi s3, s3, 1
            li t0, ROUNDS
            bne s3, t0, 1b
            li s3, -1
            fence
            sd s3, 0(s4)
            j buffer
        3:  ld t0, 0(s4)
            bltz t0, buffer
            fence
            csrci mstatus, 8
            li t1, 0x21800               # loads as supervisor: MPRV, MPP = S
            csrc mstatus, t1
            li t1, 0x20800
            csrs mstatus, t1
            li t2, 0x40000000
            ld t3, 0(t2)
            li t1, 0x20000
            csrc mstatus, t1
            csrsi mstatus, 8
            li a0, 4
            bltu t3, t0, fail
            j 3b

        buffer:                          # store, fence, load of the other's: one of two sees the other
            call barrier
            li s3, 1
            la s4, pairs
            andi t0, s0, -2
            slli t0, t0, 9
            add s4, s4, t0
            andi t0, s0, 1
            slli t0, t0, 8
            add s5, s4, t0               # mine
            xori t0, t0, 256
            add s6, s4, t0               # the other's
            xori t0, s0, 1
            li t1, HARTS
            bge t0, t1, message
        1:  li t0, 1                     # both arrive
            addi t1, s4, 512
            amoadd.d zero, t0, (t1)
            slli t2, s3, 1
        2:  ld t3, 0(t1)
            blt t3, t2, 2b
            sd s3, 0(s5)
            fence rw, rw
            ld t0, 0(s6)
            sd t0, 128(s5)
            fence
            li t0, 1
            addi t1, s4, 640
            amoadd.d zero, t0, (t1)
        3:  ld t3, 0(t1)
            blt t3, t2, 3b
            fence
            ld t0, 128(s5)
            ld t1, 128(s6)
            beq t0, s3, 4f
            li a0, 5
            bne t1, s3, fail
        4:  addi s3, s3, 1
            li t0, ROUNDS
            blt s3, t0, 1b

        message:                         # data, fence, flag: who sees the flag sees the data
            call barrier
            la s4, flag
            li s3, 1
            bnez s0, 2f
        1:  sd s3, 64(s4)
            fence w, w
            sd s3, 0(s4)
            addi s3, s3, 1
            li t0, ROUNDS * 16
            bne s3, t0, 1b
            j end
        2:  ld t0, 0(s4)
            fence r, r
            ld t1, 64(s4)
            li a0, 6
            blt t1, t0, fail
            li t1, ROUNDS * 16 - 1
            bne t0, t1, 2b

        end:
            call barrier
            bnez s0, 1f
            li t0, 0x100000
            li t1, 0x5555
            sw t1, 0(t0)
        1:  wfi
            j 1b

        fail:                            # a0: what did not hold
            li t0, 0x100000
            li t1, 0x3333
            slli a0, a0, 16
            or a0, a0, t1
            sw a0, 0(t0)
        1:  j 1b

        barrier:
            addi s11, s11, 1
            li t0, 1
            la t1, arrived
            fence
            amoadd.d zero, t0, (t1)
            li t2, HARTS
            mul t2, t2, s11
        1:  ld t3, 0(t1)
            bltu t3, t2, 1b
            fence
            ret

        # Has every other hart take an interrupt and fence its translations; returns when all did.
        call_all:
            la t0, asked                 # asked[from][to], done[from][to]: 8 bytes each
            slli t1, s0, 6
            add t0, t0, t1
            li t2, 0
        1:  beq t2, s0, 2f
            slli t3, t2, 3
            add t3, t3, t0
            ld t4, 0(t3)
            addi t4, t4, 1
            sd t4, 0(t3)
            fence
            li t5, 0x02000000
            slli t6, t2, 2
            add t5, t5, t6
            li t6, 1
            sw t6, 0(t5)
        2:  addi t2, t2, 1
            li t3, HARTS
            bne t2, t3, 1b
            li t2, 0
        3:  beq t2, s0, 4f
            slli t3, t2, 3
            add t3, t3, t0
            ld t4, 0(t3)
            ld t5, 512(t3)
            bne t4, t5, 3b
        4:  addi t2, t2, 1
            li t3, HARTS
            bne t2, t3, 3b
            fence
            ret

            .balign 4
        trap:
            csrrw sp, mscratch, sp
            sd t0, 0(sp)
            sd t1, 8(sp)
            sd t2, 16(sp)
            sd t3, 24(sp)
            csrr t0, mcause
            bltz t0, 1f
            csrrw sp, mscratch, sp
            li a0, 7
            j fail
        1:  li t0, 0x02000000
            slli t1, s0, 2
            add t0, t0, t1
            sw zero, 0(t0)
            fence
            la t0, asked
            slli t1, s0, 3
            add t0, t0, t1
            li t1, HARTS
        2:  ld t2, 0(t0)
            ld t3, 512(t0)
            beq t2, t3, 3f
            sfence.vma
            fence
            sd t2, 512(t0)
        3:  addi t0, t0, 64
            addi t1, t1, -1
            bnez t1, 2b
            ld t0, 0(sp)
            ld t1, 8(sp)
            ld t2, 16(sp)
            ld t3, 24(sp)
            csrrw sp, mscratch, sp
            mret

            .balign 64
        patched:
            addi a0, zero, 0
            ret

            .data
            .balign 4096
        slots:   .zero 4096 * 8
        root:    .zero 4096
        middle:  .zero 4096
        leaf:    .zero 4096
        page_a:  .zero 4096
        page_b:  .zero 4096
        asked:   .zero 512
        answered: .zero 512
        pairs:   .zero 4096
        counts:  .zero 512
        arrived: .zero 64
        round:   .zero 64
        epoch:   .zero 64
        flag:    .zero 128
        """;
}
