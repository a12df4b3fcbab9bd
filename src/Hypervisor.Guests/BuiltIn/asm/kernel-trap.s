# Traps, the way back to user mode, and the scheduler.
#
# The kernel never runs with interrupts on: it is entered from user mode (or from its own wait for an interrupt), does one
# thing, and leaves. So it needs one stack, and a process that must wait is only marked as blocked; its system call is run
# again from the start when what it waited for has happened (P_RESTART).
#
# In user mode sscratch holds the process's address; in the kernel it holds 0. In the kernel tp is the process that entered
# (or was picked), gp the globals.

    .text
    .balign 4
trap_entry:
    csrrw sp, sscratch, sp
    beqz sp, trap_from_kernel
    SAVE_FRAME sp
    csrrw t0, sscratch, zero
    sd t0, F_SP(sp)
    mv tp, sp
    la sp, kernel_stack_top
    la gp, globals
    csrr t1, sepc
    csrr s0, scause
    bltz s0, trap_interrupt
    li t0, CAUSE_USER_ECALL
    bne s0, t0, trap_exception
    addi t1, t1, 4
    sd t1, F_PC(tp)

# The arguments are in a0..a5, the number in a7. A handler returns its result in a0, or leaves through block_on.
syscall_dispatch:
    li t0, SYSCALL_LIMIT
    bgeu a7, t0, 1f
    la t1, syscall_table
    slli t0, a7, 3
    add t0, t1, t0
    ld t0, 0(t0)
    jalr t0
    sd a0, F_A0(tp)
    j return_to_user
1:  li t0, SYSCALL_MARK
    beq a7, t0, 2f
    call sys_unknown
    sd a0, F_A0(tp)
    j return_to_user
2:  call sys_mark
    sd a0, F_A0(tp)

return_to_user:
    ld t0, F_PC(tp)
    csrw sepc, t0
    csrw sscratch, tp
    LOAD_FRAME tp
    ld sp, F_SP(tp)
    ld tp, F_TP(tp)
    sret

trap_exception:
    sd t1, F_PC(tp)
    li t0, CAUSE_FETCH_FAULT
    beq s0, t0, 1f
    li t0, CAUSE_LOAD_FAULT
    beq s0, t0, 1f
    li t0, CAUSE_STORE_FAULT
    bne s0, t0, 2f
1:  csrr a0, stval
    mv a1, s0
    call page_fault
    beqz a0, return_to_user
2:  mv a0, s0
    csrr a1, stval
    j kill_current

trap_interrupt:
    sd t1, F_PC(tp)
    slli s0, s0, 1
    srli s0, s0, 1
    li t0, IRQ_TIMER
    bne s0, t0, 1f
    call timer_interrupt
    j schedule
1:  li t0, IRQ_EXTERNAL
    bne s0, t0, 2f
    call device_interrupt
    j schedule
2:  la a0, text_bad_interrupt
    j panic

# A trap in the kernel is a fault of a copy to or from user memory, or a bug.
trap_from_kernel:
    csrrw sp, sscratch, zero
    addi sp, sp, -256
    SAVE_FRAME sp
    la gp, globals
    csrr a1, scause
    li t0, CAUSE_LOAD_FAULT
    beq a1, t0, 1f
    li t0, CAUSE_STORE_FAULT
    bne a1, t0, 3f
1:  ld t0, G_FIXUP(gp)
    beqz t0, 3f
    csrr s1, sepc
    csrr a0, stval
    call page_fault
    beqz a0, 2f
    ld s1, G_FIXUP(gp)
2:  csrw sepc, s1
    LOAD_FRAME sp
    ld tp, F_TP(sp)
    addi sp, sp, 256
    sret
3:  la a0, text_kernel_trap
    j panic

# Marks the current process as waiting for a0; its system call starts over once woken.
block_on:
    sd a0, P_WAIT(tp)
    li t0, STATE_BLOCKED
    sd t0, P_STATE(tp)
    li t0, 1
    sd t0, P_RESTART(tp)

# Runs the next runnable process after the current one, round robin. Never returns.
schedule:
    la sp, kernel_stack_top
    ld s1, G_SLOTS(gp)
    la s3, processes
    slli s4, s1, P_SHIFT
    add s4, s3, s4
    mv s2, tp
    li t1, STATE_RUNNABLE
1:  addi s2, s2, P_SIZE
    bltu s2, s4, 2f
    mv s2, s3
2:  ld t0, P_STATE(s2)
    beq t0, t1, 4f
    addi s1, s1, -1
    bnez s1, 1b
    # Nobody can run: something must be under way that will wake somebody.
    ld t0, G_SLEEP(gp)
    li t1, -1
    bne t0, t1, 3f
    ld t0, G_DISK_STATE(gp)
    li t1, DISK_BUSY
    beq t0, t1, 3f
    la a0, text_deadlock
    j panic
3:  call wait_for_event
    j schedule
4:  mv tp, s2
    ld t0, G_SLEEP(gp)
    ld t1, G_ARMED(gp)
    bgeu t0, t1, 5f
    call timer_arm
5:  ld t0, G_ACTIVE(gp)
    beq t0, tp, 6f
    sd tp, G_ACTIVE(gp)
    mv a0, tp
    call space_activate
6:  ld t0, P_RESTART(tp)
    beqz t0, return_to_user
    sd zero, P_RESTART(tp)
    ld a0, F_A0(tp)
    ld a1, F_A1(tp)
    ld a2, F_A2(tp)
    ld a3, F_A3(tp)
    ld a4, F_A4(tp)
    ld a5, F_A5(tp)
    ld a7, F_A7(tp)
    j syscall_dispatch

# wake(a0 = what was waited for): all who wait for it may run.
wake:
    la t0, processes
    ld t1, G_SLOTS(gp)
    li t2, STATE_BLOCKED
    li t3, STATE_RUNNABLE
1:  ld t4, P_STATE(t0)
    bne t4, t2, 2f
    ld t4, P_WAIT(t0)
    bne t4, a0, 2f
    sd t3, P_STATE(t0)
2:  addi t0, t0, P_SIZE
    addi t1, t1, -1
    bnez t1, 1b
    ret

# Wakes sleepers whose time has come, and finds the next one's.
timers_run:
    csrr a0, time
    li a1, -1
    la t0, processes
    ld t1, G_SLOTS(gp)
    li t2, STATE_BLOCKED
    li t3, WAIT_TIMER
1:  ld t4, P_STATE(t0)
    bne t4, t2, 3f
    ld t4, P_WAIT(t0)
    bne t4, t3, 3f
    ld t4, P_DEADLINE(t0)
    bgtu t4, a0, 2f
    li t4, STATE_RUNNABLE
    sd t4, P_STATE(t0)
    j 3f
2:  bgeu t4, a1, 3f
    mv a1, t4
3:  addi t0, t0, P_SIZE
    addi t1, t1, -1
    bnez t1, 1b
    sd a1, G_SLEEP(gp)
    ret

# The timer fired: wake sleepers, start the next tick if this one is over, and arm it again.
timer_interrupt:
    addi sp, sp, -16
    sd ra, 0(sp)
    call timers_run
    csrr t0, time
    ld t1, G_TICK_NEXT(gp)
    bltu t0, t1, 1f
    ld t1, G_TICK(gp)
    add t1, t0, t1
    sd t1, G_TICK_NEXT(gp)
1:  call timer_arm
    ld ra, 0(sp)
    addi sp, sp, 16
    ret

# Arms the timer for the next tick or sleeper, whichever is first.
timer_arm:
    ld a0, G_TICK_NEXT(gp)
    ld t0, G_SLEEP(gp)
    bgeu t0, a0, 1f
    mv a0, t0
1:  ld t0, G_ARMED(gp)
    beq t0, a0, 2f
    sd a0, G_ARMED(gp)
    j set_timer
2:  ret
