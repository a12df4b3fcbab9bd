# Misuse of system calls: each must answer with Linux's errno. Written on top of user-lib.s; the checksum is the number of
# the last check that passed. Argument 1 = 1 leaves out what only a kernel with few processes can show.

    .macro EXPECT value
    li t0, \value
    bne a0, t0, fail
    addi s4, s4, 1
    .endm

    .text
workload_setup:
    ret

workload_run:
    addi sp, sp, -16
    sd ra, 8(sp)
    mv s3, a0
    li s4, 0
    # an unknown call
    SYSCALL 1023
    EXPECT -38
    # buffers: nowhere, in the kernel, wrapping round the address space
    call pipe_ready
    lw a0, 4(s5)
    li a1, 0x8000
    li a2, 4
    SYSCALL SYS_WRITE
    EXPECT -14
    lw a0, 4(s5)
    li a1, -8
    li a2, 4
    SYSCALL SYS_WRITE
    EXPECT -14
    lw a0, 4(s5)
    li a1, 1
    slli a1, a1, 63
    li a2, 64
    SYSCALL SYS_WRITE
    EXPECT -14
    # into read-only memory, which stays as it was
    lw a0, 4(s5)
    la a1, workload_name
    li a2, 4
    SYSCALL SYS_WRITE
    EXPECT 4
    lw a0, 0(s5)
    la a1, _start
    li a2, 4
    SYSCALL SYS_READ
    EXPECT -14
    la t0, _start
    lwu a0, 0(t0)
    EXPECT 0x00013283            # ld t0, 0(sp)
    # the bytes are still there: copied to memory not yet touched
    li a0, 0
    li a1, 8192
    li a2, 3
    li a3, 0x22
    li a4, -1
    li a5, 0
    SYSCALL SYS_MMAP
    bltz a0, fail
    mv s6, a0
    lw a0, 0(s5)
    addi a1, s6, 2047
    addi a1, a1, 2047            # across the two pages
    li a2, 64
    SYSCALL SYS_READ
    EXPECT 4
    lwu a0, 2047(s6)
    EXPECT 0
    # file descriptors
    li a0, 77
    SYSCALL SYS_CLOSE
    EXPECT -9
    li a0, -1
    mv a1, s6
    li a2, 1
    SYSCALL SYS_READ
    EXPECT -9
    lw a0, 0(s5)
    mv a1, s6
    li a2, 1
    SYSCALL SYS_WRITE
    EXPECT -9
    # nobody writes any more: end of file
    lw a0, 4(s5)
    SYSCALL SYS_CLOSE
    EXPECT 0
    lw a0, 0(s5)
    mv a1, s6
    li a2, 1
    SYSCALL SYS_READ
    EXPECT 0
    lw a0, 0(s5)
    SYSCALL SYS_CLOSE
    EXPECT 0
    lw a0, 0(s5)
    SYSCALL SYS_CLOSE
    EXPECT -9
    li a0, 0x8000
    li a1, 0
    SYSCALL SYS_PIPE2
    EXPECT -14
    # no child
    li a0, -1
    li a1, 0
    li a2, 0
    li a3, 0
    SYSCALL SYS_WAIT4
    EXPECT -10
    # a file that is not there
    li a0, AT_FDCWD
    la a1, path
    li a2, 0
    li a3, 0
    SYSCALL SYS_OPENAT
    EXPECT -2
    # lengths and addresses of memory
    li a0, 0
    li a1, 0
    li a2, 3
    li a3, 0x22
    li a4, -1
    li a5, 0
    SYSCALL SYS_MMAP
    EXPECT -22
    li a0, 0
    li a1, 1
    slli a1, a1, 50
    li a2, 3
    li a3, 0x22
    li a4, -1
    li a5, 0
    SYSCALL SYS_MMAP
    EXPECT -12
    mv a0, s6
    li a1, 8192
    SYSCALL SYS_MUNMAP
    EXPECT 0
    # a child that touches what is no longer there dies of signal 11, and the parent learns it
    call fork
    bnez a0, 1f
    ld t0, 0(s6)
    j fail
1:  call reap
    lwu a0, 0(t0)
    andi a0, a0, 127
    EXPECT 11
    # so does one that writes to its own code
    call fork
    bnez a0, 2f
    la t0, _start
    sd zero, 0(t0)
    j fail
2:  call reap
    lwu a0, 0(t0)
    andi a0, a0, 127
    EXPECT 11
    # and one that runs its stack over
    call fork
    bnez a0, 3f
4:  addi sp, sp, -1024
    sd zero, 0(sp)
    j 4b
3:  call reap
    lwu a0, 0(t0)
    andi a0, a0, 127
    EXPECT 11
    li t0, 1
    beq s3, t0, 9f
    # fork until no more can be had; each child waits for the end of the pipe
    call pipe_ready
    li s7, 0
5:  call fork
    bltz a0, 6f
    beqz a0, 8f
    addi s7, s7, 1
    j 5b
6:  EXPECT -11
    lw a0, 4(s5)
    SYSCALL SYS_CLOSE
7:  call reap
    addi s7, s7, -1
    bnez s7, 7b
    li a0, -1
    li a1, 0
    li a2, 0
    li a3, 0
    SYSCALL SYS_WAIT4
    EXPECT -10
9:  mv a0, s4
    ld ra, 8(sp)
    addi sp, sp, 16
    ret
8:  lw a0, 4(s5)
    SYSCALL SYS_CLOSE
    lw a0, 0(s5)
    la a1, status
    li a2, 1
    SYSCALL SYS_READ
    SYSCALL SYS_EXIT_GROUP

pipe_ready:
    la s5, ends
    mv a0, s5
    li a1, 0
    SYSCALL SYS_PIPE2
    bnez a0, fail
    ret

fork:
    li a0, SIGCHLD
    li a1, 0
    li a2, 0
    li a3, 0
    li a4, 0
    SYSCALL SYS_CLONE
    ret

# Waits for any child; t0 = address of its status.
reap:
    li a0, -1
    la a1, status
    li a2, 0
    li a3, 0
    SYSCALL SYS_WAIT4
    blez a0, fail
    la t0, status
    ret

    .section .rodata
workload_name: .asciz "errors"
path:          .asciz "no/such/file"
    .bss
    .balign 8
ends:          .zero 8
status:        .zero 8
