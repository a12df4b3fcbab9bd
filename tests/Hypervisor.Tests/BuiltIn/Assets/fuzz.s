# Random system calls with values that like to break things; argument 1 is the seed. An odd seed makes pipes but does not read
# or write, an even one reads and writes but makes no pipes: a process that waits for itself would rightly stop the machine.
# The process may destroy itself, the kernel may not.

    .equ CALLS, 400

    .text
workload_setup:
    ret

workload_run:
    mv s3, a0
    andi s4, a0, 1
    li t0, 0x9E3779B97F4A7C15
    mul s3, s3, t0
    addi s3, s3, 1
    li s5, CALLS
    li s6, 0
1:  call value
    mv s7, a0
    call value
    mv s8, a0
    call value
    mv s9, a0
    call value
    mv s10, a0
    call random
    andi a0, a0, 15
    slli t1, s4, 5
    la t0, calls
    add t0, t0, t1
    slli a0, a0, 1
    add t0, t0, a0
    lhu a7, 0(t0)
    li t0, SYS_CLONE
    bne a7, t0, 2f
    andi t0, s8, 3               # mostly a proper fork
    bnez t0, 2f
    li s7, SIGCHLD
    li s8, 0
2:  mv a0, s7
    mv a1, s8
    mv a2, s9
    mv a3, s10
    call small
    mv a4, s7
    mv a5, s8
    ecall
    add s6, s6, a0
    addi s5, s5, -1
    bnez s5, 1b
    mv a0, s6
    j finish

finish:
    li a0, 0
    SYSCALL SYS_EXIT_GROUP

# The first argument is often a descriptor or small.
small:
    andi t0, s3, 6
    beqz t0, 1f
    andi a0, a0, 7
1:  ret

random:
    slli t0, s3, 13
    xor s3, s3, t0
    srli t0, s3, 7
    xor s3, s3, t0
    slli t0, s3, 17
    xor s3, s3, t0
    mv a0, s3
    ret

# An interesting value: from the table, or near one, or anything.
value:
    addi sp, sp, -16
    sd ra, 8(sp)
    call random
    srli t1, a0, 20
    andi t1, t1, 31
    li t2, 24
    bgeu t1, t2, 1f
    la t0, values
    slli t1, t1, 3
    add t0, t0, t1
    ld t0, 0(t0)
    srli t1, a0, 30
    andi t1, t1, 7
    addi t1, t1, -5
    bgtz t1, 2f
    li t1, 0
2:  add a0, t0, t1
1:  ld ra, 8(sp)
    addi sp, sp, 16
    ret

    .section .rodata
    .balign 8
values:
    .dword 0, 1, 2, 3, 8, 64, 512, 4095, 4096, 8192, 0x10000, 0x11000, path, arena, arena + 4000, 0x10000000
    .dword 0x10001000, 0x3fffe000, 0x3fffffff, 0x40000000, 0x80000000, 0x80200000, -1, 0x7fffffffffffffff
calls:
    .half SYS_OPENAT, SYS_CLOSE, SYS_READ, SYS_WRITE, SYS_PREAD64, SYS_PWRITE64, 178, 113, 173, 124, SYS_MUNMAP
    .half SYS_CLONE, SYS_MMAP, SYS_WAIT4, SYS_PREAD64, 4097
    .half SYS_OPENAT, SYS_CLOSE, SYS_PIPE2, SYS_PIPE2, SYS_PREAD64, SYS_PWRITE64, 260, 113, 172, 124, SYS_MUNMAP
    .half SYS_CLONE, SYS_MMAP, SYS_WAIT4, SYS_MARK, 65535
workload_name: .asciz "fuzz"
path:          .asciz "bench.dat"
    .bss
    .balign 8
arena:         .zero 16384
