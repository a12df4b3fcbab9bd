# Memory streaming: an operation copies 1 MiB to another place and sums the copy. Four source and target pairs in turn.

    .equ MEGABYTE, 0x100000

    .text
workload_setup:
    addi sp, sp, -16
    sd s0, 0(sp)
    mv s0, a0
    li a0, 0
    li a1, MEGABYTE * 5
    li a2, 3
    li a3, 0x22
    li a4, -1
    li a5, 0
    SYSCALL SYS_MMAP
    bltz a0, fail
    la t0, area
    sd a0, 0(t0)
    # fill all of it: so that every page is there before the clock starts
    li t1, MEGABYTE * 5
    add t1, a0, t1
    li t2, 1
1:  slli t3, t2, 13
    xor t2, t2, t3
    srli t3, t2, 7
    xor t2, t2, t3
    slli t3, t2, 17
    xor t2, t2, t3
    sd t2, 0(a0)
    addi a0, a0, 8
    bltu a0, t1, 1b
    mv a0, s0
    ld s0, 0(sp)
    addi sp, sp, 16
    ret

workload_run:
    mv a3, a0
    li a0, 0
    la t0, area
    ld a1, 0(t0)
    li a2, MEGABYTE
    add a4, a1, a2
    slli a5, a2, 2
    add a5, a1, a5               # the last pair starts here
    mv a6, a1
1:  beqz a3, 4f
    mv t0, a6
    add t1, a6, a2
    add t6, t1, zero
    # copy
2:  ld t2, 0(t0)
    ld t3, 8(t0)
    ld t4, 16(t0)
    ld t5, 24(t0)
    sd t2, 0(t1)
    sd t3, 8(t1)
    sd t4, 16(t1)
    sd t5, 24(t1)
    addi t0, t0, 32
    addi t1, t1, 32
    bltu t0, t6, 2b
    # sum
    mv t0, t6
3:  ld t2, 0(t0)
    ld t3, 8(t0)
    ld t4, 16(t0)
    ld t5, 24(t0)
    add a0, a0, t2
    add a0, a0, t3
    add a0, a0, t4
    add a0, a0, t5
    addi t0, t0, 32
    bltu t0, t1, 3b
    # a word changes each round, so that no round is like another
    add t2, a0, a3
    sd t2, 0(a6)
    add a6, a6, a2
    bltu a6, a5, 5f
    mv a6, a1
5:  addi a3, a3, -1
    j 1b
4:  ret

    .section .rodata
workload_name: .asciz "memory"
    .bss
    .balign 8
area:          .zero 8
