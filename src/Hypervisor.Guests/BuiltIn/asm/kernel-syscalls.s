# System calls: Linux riscv64 numbers, arguments, results. The table, identity and time.

    .text
sys_unknown:
    li a0, -ENOSYS
    ret

# mark(kind, operations): the edge of a measured region, told to the host if the parameter block wants it.
sys_mark:
    ld t0, G_FLAGS(gp)
    andi t0, t0, FLAG_MARKERS
    beqz t0, 1f
    j mark
1:  li a0, 0
    ret

sys_getpid:
    ld a0, P_PID(tp)
    ret

sys_getppid:
    ld t0, P_PARENT(tp)
    li a0, 0
    beqz t0, 1f
    ld a0, P_PID(t0)
1:  ret

sys_sched_yield:
    sd zero, F_A0(tp)
    j schedule

# clock_gettime(clock, timespec*)
sys_clock_gettime:
    addi sp, sp, -16
    sd ra, 0(sp)
    csrr t0, time
    ld t1, G_HZ(gp)
    divu t2, t0, t1
    remu t0, t0, t1
    li t3, 1000000000
    mul t0, t0, t3
    divu t0, t0, t1
    mv a0, a1
    la a1, scratch
    sd t2, 0(a1)
    sd t0, 8(a1)
    li a2, 16
    call copy_out
    ld ra, 0(sp)
    addi sp, sp, 16
    ret

# clock_nanosleep(clock, flags, request*, remainder*): relative only. nanosleep(request*, remainder*) is the same.
sys_nanosleep:
    mv a2, a0
    li a1, 0
sys_clock_nanosleep:
    ENTER
    ld s0, P_DEADLINE(tp)
    bnez s0, 1f
    li a0, -EINVAL
    bnez a1, 3f
    la a0, scratch
    mv a1, a2
    li a2, 16
    call copy_in
    bnez a0, 3f
    la t0, scratch
    ld t1, 0(t0)
    ld t2, 8(t0)
    li t3, 1000000000
    li a0, -EINVAL
    bgeu t2, t3, 3f
    srli t0, t1, 31
    bnez t0, 3f
    ld t4, G_HZ(gp)
    mul t1, t1, t4
    mul t2, t2, t4
    add t2, t2, t3
    addi t2, t2, -1
    divu t2, t2, t3
    csrr s0, time
    add s0, s0, t1
    add s0, s0, t2
    sd s0, P_DEADLINE(tp)
1:  csrr t0, time
    bgeu t0, s0, 2f
    ld t0, G_SLEEP(gp)
    bgeu s0, t0, 4f
    sd s0, G_SLEEP(gp)
4:  li a0, WAIT_TIMER
    j block_on
2:  sd zero, P_DEADLINE(tp)
    li a0, 0
3:  LEAVE

    .section .rodata
    .balign 8
syscall_table:
    .rept 56
    .dword sys_unknown
    .endr
    .dword sys_openat            # 56
    .dword sys_close             # 57
    .dword sys_unknown
    .dword sys_pipe2             # 59
    .rept 3
    .dword sys_unknown
    .endr
    .dword sys_read              # 63
    .dword sys_write             # 64
    .dword sys_unknown
    .dword sys_unknown
    .dword sys_pread64           # 67
    .dword sys_pwrite64          # 68
    .rept 24
    .dword sys_unknown
    .endr
    .dword sys_exit              # 93
    .dword sys_exit              # 94
    .rept 6
    .dword sys_unknown
    .endr
    .dword sys_nanosleep         # 101
    .rept 11
    .dword sys_unknown
    .endr
    .dword sys_clock_gettime     # 113
    .dword sys_unknown
    .dword sys_clock_nanosleep   # 115
    .rept 8
    .dword sys_unknown
    .endr
    .dword sys_sched_yield       # 124
    .rept 47
    .dword sys_unknown
    .endr
    .dword sys_getpid            # 172
    .dword sys_getppid           # 173
    .rept 4
    .dword sys_unknown
    .endr
    .dword sys_getpid            # 178, gettid
    .rept 36
    .dword sys_unknown
    .endr
    .dword sys_munmap            # 215
    .rept 4
    .dword sys_unknown
    .endr
    .dword sys_clone             # 220
    .dword sys_unknown
    .dword sys_mmap              # 222
    .rept 37
    .dword sys_unknown
    .endr
    .dword sys_wait4             # 260
