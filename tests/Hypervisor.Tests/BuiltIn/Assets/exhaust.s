# Touches 512 MiB, page by page: more than the machine has.

    .text
workload_setup:
    ret

workload_run:
    li a0, 0
    li a1, 0x1ff00000
    li a2, 3
    li a3, 0x22
    li a4, -1
    li a5, 0
    SYSCALL SYS_MMAP
    bltz a0, fail
    li t0, 0x1ff00000
    add t1, a0, t0
    li t2, 4096
1:  sd t2, 0(a0)
    add a0, a0, t2
    bltu a0, t1, 1b
    ret

    .section .rodata
workload_name: .asciz "exhaust"
