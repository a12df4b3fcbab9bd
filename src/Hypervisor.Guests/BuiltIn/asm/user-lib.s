# What every workload starts with. A workload defines:
#   workload_setup(a0 = iterations) -> a0 = operations it will do   (not measured; at least one pass as warm-up if it needs one)
#   workload_run(a0 = iterations)   -> a0 = checksum                (measured)
#   workload_name                   .asciz of at most 32 bytes
# The program prints "NAME CHECKSUM\n" (16 hexadecimal digits) and exits with 0, or with 1 through `fail`.

    .option norvc
    .option norelax

    .equ SYS_OPENAT, 56
    .equ SYS_CLOSE, 57
    .equ SYS_PIPE2, 59
    .equ SYS_READ, 63
    .equ SYS_WRITE, 64
    .equ SYS_PREAD64, 67
    .equ SYS_PWRITE64, 68
    .equ SYS_EXIT_GROUP, 94
    .equ SYS_CLOCK_NANOSLEEP, 115
    .equ SYS_GETPPID, 173
    .equ SYS_MUNMAP, 215
    .equ SYS_CLONE, 220
    .equ SYS_MMAP, 222
    .equ SYS_WAIT4, 260
    .equ SYS_MARK, 4096
    .equ AT_FDCWD, -100
    .equ SIGCHLD, 17

    .macro SYSCALL number
    li a7, \number
    ecall
    .endm

    .text
    .globl _start
_start:
    # argc, argv[0], argv[1]: iterations in decimal, 1 if not given
    ld t0, 0(sp)
    li s0, 1
    li t1, 2
    bltu t0, t1, 3f
    ld t0, 16(sp)
    li s0, 0
    li t2, 10
1:  lbu t1, 0(t0)
    beqz t1, 3f
    addi t1, t1, -48
    bgeu t1, t2, fail
    mul s0, s0, t2
    add s0, s0, t1
    addi t0, t0, 1
    j 1b
3:  mv a0, s0
    call workload_setup
    mv s1, a0
    # hv_mark(begin, operations); a kernel that does not know it answers ENOSYS, which is as good
    mv a1, s1
    li a0, 0
    SYSCALL SYS_MARK
    mv a0, s0
    call workload_run
    mv s2, a0
    mv a1, s1
    li a0, 1
    SYSCALL SYS_MARK
    # the result line
    addi sp, sp, -64
    la t0, workload_name
    mv t1, sp
4:  lbu t2, 0(t0)
    beqz t2, 5f
    sb t2, 0(t1)
    addi t0, t0, 1
    addi t1, t1, 1
    j 4b
5:  li t2, 32
    sb t2, 0(t1)
    addi t1, t1, 1
    li t3, 60
6:  srl t2, s2, t3
    andi t2, t2, 15
    li t4, 10
    bltu t2, t4, 7f
    addi t2, t2, 39
7:  addi t2, t2, 48
    sb t2, 0(t1)
    addi t1, t1, 1
    addi t3, t3, -4
    bgez t3, 6b
    li t2, 10
    sb t2, 0(t1)
    addi t1, t1, 1
    li a0, 1
    mv a1, sp
    sub a2, t1, sp
    SYSCALL SYS_WRITE
    li a0, 0
    SYSCALL SYS_EXIT_GROUP

# Something the workload relies on went wrong: exit with 1. The wrong value is in a0 for whoever debugs.
fail:
    mv s11, a0
    la a1, text_fail
    li a0, 2
    li a2, 16
    SYSCALL SYS_WRITE
    li a0, 1
    SYSCALL SYS_EXIT_GROUP

# mix(a0 = checksum, a1 = value) -> a0: order matters, every bit counts. Uses t0.
mix:
    xor a0, a0, a1
    slli t0, a0, 13
    xor a0, a0, t0
    srli t0, a0, 7
    xor a0, a0, t0
    slli t0, a0, 17
    xor a0, a0, t0
    addi a0, a0, 1
    ret

    .section .rodata
text_fail:
    .ascii "workload failed\n"
    .text
