# Console output: an operation is a write of one line of 64 bytes to standard output.

    .text
workload_setup:
    ret

workload_run:
    mv s3, a0
    li s4, 0
    li s5, 64
1:  beqz s3, 2f
    li a0, 1
    la a1, line
    mv a2, s5
    SYSCALL SYS_WRITE
    bne a0, s5, fail
    add s4, s4, a0
    addi s3, s3, -1
    j 1b
2:  mv a0, s4
    ret

    .section .rodata
workload_name: .asciz "console"
line:          .ascii "the quick brown fox jumps over the lazy dog 0123456789 ABCDEFGH\n"
