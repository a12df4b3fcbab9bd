# Integer compute in the manner of CoreMark: an operation is a walk and reversal of a linked list, a matrix product, a CRC
# and a state machine over text, each fed by the result of the one before.

    .equ NODES, 64
    .equ SIDE, 8

    .text
workload_setup:
    # the list's nodes (next, value), in an order that is not that of memory: node i*29 mod 64 follows
    la t0, nodes
    li t1, 0
    li t5, 1
    li t6, NODES
1:  addi t2, t5, 28
    andi t2, t2, NODES - 1       # index of the next
    slli t3, t1, 4
    add t3, t0, t3
    slli t4, t2, 4
    add t4, t0, t4
    sd t4, 0(t3)
    slli t4, t1, 7
    xor t4, t4, t1
    sd t4, 8(t3)
    mv t1, t2
    addi t5, t2, 1
    addi t6, t6, -1
    bnez t6, 1b
    sd zero, 0(t3)               # the last one visited ends the list
    # text of digits, signs, dots and letters
    la t0, text
    li t1, 0
    la t3, alphabet
2:  mul t2, t1, t1
    srli t4, t2, 3
    add t2, t2, t4
    andi t2, t2, 15
    add t2, t3, t2
    lbu t2, 0(t2)
    sb t2, 0(t0)
    addi t0, t0, 1
    addi t1, t1, 1
    li t2, 256
    bltu t1, t2, 2b
    ret

workload_run:
    addi sp, sp, -48
    sd ra, 0(sp)
    sd s0, 8(sp)
    sd s1, 16(sp)
    sd s2, 24(sp)
    mv s0, a0
    li s1, 1                     # checksum
    la s2, nodes                 # head of the list
1:  beqz s0, 2f
    mv a0, s1
    mv a1, s2
    call list_work
    mv s2, a1
    call matrix_work
    call crc_work
    call text_work
    mv a1, s0
    call mix
    mv s1, a0
    addi s0, s0, -1
    j 1b
2:  mv a0, s1
    ld ra, 0(sp)
    ld s0, 8(sp)
    ld s1, 16(sp)
    ld s2, 24(sp)
    addi sp, sp, 48
    ret

# list_work(a0 = seed, a1 = head) -> a0, a1 = new head: sums the values weighted by position, then reverses the list.
list_work:
    mv t0, a1
    li t1, 1
1:  ld t2, 8(t0)
    mul t3, t2, t1
    add a0, a0, t3
    addi t2, t2, 3
    sd t2, 8(t0)
    addi t1, t1, 1
    ld t0, 0(t0)
    bnez t0, 1b
    li t1, 0
2:  ld t0, 0(a1)
    sd t1, 0(a1)
    mv t1, a1
    mv a1, t0
    bnez t0, 2b
    mv a1, t1
    ret

# matrix_work(a0 = seed) -> a0: C = A·B of 32-bit words, A and B made from the seed, then folded.
matrix_work:
    la t0, matrix_a
    la t1, matrix_b
    li t2, SIDE * SIDE
    mv t3, a0
1:  slli t4, t3, 5
    sub t3, t4, t3
    addi t3, t3, 11
    sw t3, 0(t0)
    srli t4, t3, 9
    sw t4, 0(t1)
    addi t0, t0, 4
    addi t1, t1, 4
    addi t2, t2, -1
    bnez t2, 1b
    la a2, matrix_a
    li a3, SIDE
2:  la a4, matrix_b              # a row of A
    li a5, SIDE
3:  mv t0, a2                    # by a column of B
    mv t1, a4
    li t2, SIDE
    li t3, 0
4:  lw t4, 0(t0)
    lw t5, 0(t1)
    mulw t4, t4, t5
    addw t3, t3, t4
    addi t0, t0, 4
    addi t1, t1, SIDE * 4
    addi t2, t2, -1
    bnez t2, 4b
    slli t4, a0, 1
    srli t5, a0, 63
    or a0, t4, t5
    xor a0, a0, t3
    addi a4, a4, 4
    addi a5, a5, -1
    bnez a5, 3b
    addi a2, a2, SIDE * 4
    addi a3, a3, -1
    bnez a3, 2b
    ret

# crc_work(a0 = seed) -> a0: CRC-16 (CCITT, a bit at a time) of 32 bytes of the text, the seed's low half as start.
crc_work:
    la t0, text
    andi t1, a0, 127
    add t0, t0, t1
    li t1, 32
    slli t2, a0, 48
    srli t2, t2, 48
    li t5, 0x8408
1:  lbu t3, 0(t0)
    xor t2, t2, t3
    li t4, 8
2:  andi t3, t2, 1
    srli t2, t2, 1
    beqz t3, 3f
    xor t2, t2, t5
3:  addi t4, t4, -1
    bnez t4, 2b
    addi t0, t0, 1
    addi t1, t1, -1
    bnez t1, 1b
    slli t3, t2, 21
    add a0, a0, t3
    xor a0, a0, t2
    ret

# text_work(a0 = seed) -> a0: counts integers, fractions, words and faults in the text with a state machine.
text_work:
    la t0, text
    addi t1, t0, 256
    li t2, 0                     # state: 0 between, 1 sign, 2 integer, 3 fraction, 4 word, 5 fault
    li t3, 0                     # counts, a byte a state
    li a2, 10
    li a3, 32
    li a4, 46
    li a5, 43
1:  lbu t4, 0(t0)
    addi t0, t0, 1
    beq t4, a3, 6f
    addi t5, t4, -48
    bltu t5, a2, 2f
    beq t4, a4, 3f
    beq t4, a5, 4f
    li t6, 4                     # a letter: starts or goes on with a word, breaks a number
    beqz t2, 5f
    beq t2, t6, 7f
    li t6, 5
    j 5f
2:  li t6, 2                     # a digit
    bltu t2, t6, 5f
    j 7f
3:  li t6, 2                     # a dot: only after an integer
    bne t2, t6, 8f
    li t6, 3
    j 5f
4:  li t6, 1                     # a sign: only between
    beqz t2, 5f
8:  li t6, 5
5:  mv t2, t6
    j 7f
6:  slli t5, t2, 3               # a space ends what there was
    li t6, 1
    sll t6, t6, t5
    add t3, t3, t6
    li t2, 0
7:  bltu t0, t1, 1b
    add a0, a0, t3
    ret

    .section .rodata
workload_name: .asciz "compute"
alphabet:      .ascii "12 .+a7 3x.9 -b "
    .bss
    .balign 16
nodes:         .zero NODES * 16
matrix_a:      .zero SIDE * SIDE * 4
matrix_b:      .zero SIDE * SIDE * 4
text:          .zero 256
