# Page faults: an operation is the first touch of a page; 64 pages are mapped, touched and unmapped at a time (so the
# number of operations is the iterations rounded up to a multiple of 64).

    .equ PAGES, 64
    .equ BYTES, PAGES * 4096

    .text
workload_setup:
    addi a0, a0, PAGES - 1
    andi a0, a0, -PAGES
    ret

workload_run:
    addi s3, a0, PAGES - 1
    srli s3, s3, 6
    li s4, 0
1:  beqz s3, 4f
    li a0, 0
    li a1, BYTES
    li a2, 3
    li a3, 0x22
    li a4, -1
    li a5, 0
    SYSCALL SYS_MMAP
    bltz a0, fail
    mv s5, a0
    li t0, BYTES
    add t1, a0, t0
    li t2, 4096
2:  ld t3, 0(a0)                 # a fresh page reads as zero
    bnez t3, fail
    sd s3, 0(a0)
    ld t3, 0(a0)
    add s4, s4, t3
    add a0, a0, t2
    bltu a0, t1, 2b
    mv a0, s5
    li a1, BYTES
    SYSCALL SYS_MUNMAP
    bnez a0, fail
    addi s3, s3, -1
    j 1b
4:  mv a0, s4
    ret

    .section .rodata
workload_name: .asciz "pagefault"
