# Process switch: an operation is one round trip of a byte between two processes over two pipes.

    .text
workload_setup:
    mv s3, a0
    la a0, there
    li a1, 0
    SYSCALL SYS_PIPE2
    bnez a0, fail
    la a0, back
    li a1, 0
    SYSCALL SYS_PIPE2
    bnez a0, fail
    li a0, SIGCHLD
    li a1, 0
    li a2, 0
    li a3, 0
    li a4, 0
    SYSCALL SYS_CLONE
    bltz a0, fail
    beqz a0, echo
    la t0, there
    lw a0, 0(t0)
    SYSCALL SYS_CLOSE
    la t0, back
    lw a0, 4(t0)
    SYSCALL SYS_CLOSE
    mv a0, s3
    ret

workload_run:
    mv s3, a0
    li s4, 0
    la s5, there
    lw s5, 4(s5)
    la s6, back
    lw s6, 0(s6)
    la s7, byte
    li s8, 1
1:  beqz s3, 2f
    sb s3, 0(s7)
    mv a0, s5
    mv a1, s7
    li a2, 1
    SYSCALL SYS_WRITE
    bne a0, s8, fail
    mv a0, s6
    mv a1, s7
    li a2, 1
    SYSCALL SYS_READ
    bne a0, s8, fail
    lbu t0, 0(s7)
    add s4, s4, t0
    addi s3, s3, -1
    j 1b
2:  mv a0, s4
    ret

# The other process: every byte goes back plus one, until the first closes its end.
echo:
    la t0, there
    lw s5, 0(t0)
    lw a0, 4(t0)
    SYSCALL SYS_CLOSE
    la t0, back
    lw s6, 4(t0)
    lw a0, 0(t0)
    SYSCALL SYS_CLOSE
    la s7, byte
    li s8, 1
1:  mv a0, s5
    mv a1, s7
    li a2, 1
    SYSCALL SYS_READ
    bne a0, s8, 2f
    lbu t0, 0(s7)
    addi t0, t0, 1
    sb t0, 0(s7)
    mv a0, s6
    mv a1, s7
    li a2, 1
    SYSCALL SYS_WRITE
    beq a0, s8, 1b
2:  li a0, 0
    SYSCALL SYS_EXIT_GROUP

    .section .rodata
workload_name: .asciz "switch"
    .bss
    .balign 8
there:         .zero 8
back:          .zero 8
byte:          .zero 8
