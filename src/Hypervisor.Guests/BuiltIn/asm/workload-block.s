# Block device: an operation writes 4 KiB and reads them back, at 64 places in turn (the disk or file: 256 KiB at least).

    .equ PLACES, 64

    .text
workload_setup:
    mv s3, a0
    li a0, AT_FDCWD
    la a1, path
    li a2, 0x42                  # O_RDWR, O_CREAT
    li a3, 0x1a4
    SYSCALL SYS_OPENAT
    bltz a0, fail
    la t0, file
    sd a0, 0(t0)
    la t0, outgoing
    li t1, 512
    li t2, 7
1:  sd t2, 0(t0)
    slli t3, t2, 5
    sub t2, t3, t2
    addi t2, t2, 1
    addi t0, t0, 8
    addi t1, t1, -1
    bnez t1, 1b
    mv a0, s3
    ret

workload_run:
    mv s3, a0
    li s4, 0
    li s5, 0                     # place
    la s6, file
    ld s6, 0(s6)
    la s7, outgoing
    la s8, incoming
    li s9, 4096
1:  beqz s3, 3f
    sd s3, 0(s7)
    sd s3, 1984(s7)
    mv a0, s6
    mv a1, s7
    mv a2, s9
    slli a3, s5, 12
    SYSCALL SYS_PWRITE64
    bne a0, s9, fail
    mv a0, s6
    mv a1, s8
    mv a2, s9
    slli a3, s5, 12
    SYSCALL SYS_PREAD64
    bne a0, s9, fail
    # a word of each 64 bytes must have come back
    mv t0, s7
    mv t1, s8
    add t2, s7, s9
2:  ld t3, 0(t0)
    ld t4, 0(t1)
    bne t3, t4, fail
    add s4, s4, t4
    addi t0, t0, 64
    addi t1, t1, 64
    bltu t0, t2, 2b
    addi s5, s5, 1
    andi s5, s5, PLACES - 1
    addi s3, s3, -1
    j 1b
3:  mv a0, s4
    ret

    .section .rodata
workload_name: .asciz "block"
path:          .asciz "bench.dat"
    .bss
    .balign 8
file:          .zero 8
outgoing:      .zero 4096
incoming:      .zero 4096
