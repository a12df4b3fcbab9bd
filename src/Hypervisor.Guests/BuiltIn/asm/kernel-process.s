# Processes: creation, end, waiting; loading of the first program.

    .text
# process_new() -> a0 = a free slot, zeroed, with its pid set; or 0.
process_new:
    la a0, processes
    li t0, 0
    li t1, MAX_PROCS
1:  ld t2, P_STATE(a0)
    beqz t2, 2f
    addi a0, a0, P_SIZE
    addi t0, t0, 1
    bltu t0, t1, 1b
    li a0, 0
    ret
2:  addi t0, t0, 1               # slot + 1: address space id; slots in use never shrink
    ld t1, G_SLOTS(gp)
    bgeu t1, t0, 3f
    sd t0, G_SLOTS(gp)
3:  addi t1, a0, P_SIZE
    mv t2, a0
4:  sd zero, 0(t2)
    sd zero, 8(t2)
    sd zero, 16(t2)
    sd zero, 24(t2)
    addi t2, t2, 32
    bltu t2, t1, 4b
    sd t0, P_ASID(a0)
    ld t0, G_NEXT_PID(gp)
    sd t0, P_PID(a0)
    addi t0, t0, 1
    sd t0, G_NEXT_PID(gp)
    ret

# clone(flags, …): only plain fork (SIGCHLD).
sys_clone:
    ENTER
    li t0, 17
    bne a0, t0, 7f
    bnez a1, 7f
    call process_new
    beqz a0, 8f
    mv s0, a0
    # registers, areas, open files
    mv t0, tp
    mv t1, s0
    addi t2, tp, 256
1:  ld t3, 0(t0)
    sd t3, 0(t1)
    addi t0, t0, 8
    addi t1, t1, 8
    bltu t0, t2, 1b
    addi t0, tp, P_VMAS
    addi t1, s0, P_VMAS
    addi t2, tp, P_SIZE
2:  ld t3, 0(t0)
    sd t3, 0(t1)
    addi t0, t0, 8
    addi t1, t1, 8
    bltu t0, t2, 2b
    sd zero, F_A0(s0)
    sd tp, P_PARENT(s0)
    mv a1, tp
    call space_copy
    bnez a0, 6f
    # each open pipe end has one more holder
    addi t0, s0, P_FDS
    addi t1, s0, P_SIZE
3:  ld t2, 0(t0)
    ld t3, 8(t0)
    li t4, FD_PIPE_READ
    bne t2, t4, 4f
    ld t4, PIPE_READERS(t3)
    addi t4, t4, 1
    sd t4, PIPE_READERS(t3)
4:  li t4, FD_PIPE_WRITE
    bne t2, t4, 5f
    ld t4, PIPE_WRITERS(t3)
    addi t4, t4, 1
    sd t4, PIPE_WRITERS(t3)
5:  addi t0, t0, FD_SIZE
    bltu t0, t1, 3b
    li t0, STATE_RUNNABLE
    sd t0, P_STATE(s0)
    ld a0, P_PID(s0)
    j 9f
6:  mv a0, s0
    call space_free
    li a0, -ENOMEM
    j 9f
7:  li a0, -EINVAL
    j 9f
8:  li a0, -EAGAIN
9:  LEAVE

# kill_current(a0 = cause, a1 = value): a fault the process may not survive. Says so, and ends it as signal 11 would.
kill_current:
    mv s0, a0
    mv s1, a1
    la a0, text_killed
    call print
    ld a0, P_PID(tp)
    call print_hex
    mv a0, s0
    mv a1, s1
    ld a2, F_PC(tp)
    call print_trap
    li a0, 11
    j exit_current

# exit(code), exit_group(code)
sys_exit:
    andi a0, a0, 255
    slli a0, a0, 8
# exit_current(a0 = wait status). Never returns.
exit_current:
    mv s0, a0
    la t0, processes
    bne t0, tp, 1f
    # the first process: its end is the machine's
    srli a0, s0, 8
    andi t0, s0, 127
    beqz t0, 8f
    addi a0, t0, 128
8:  call power_off
1:  sd s0, P_EXIT(tp)
    addi s1, tp, P_FDS
    addi s2, tp, P_SIZE
2:  mv a0, s1
    call file_close
    addi s1, s1, FD_SIZE
    bltu s1, s2, 2b
    sd zero, G_ACTIVE(gp)
    call space_activate_kernel
    mv a0, tp
    call space_free
    # children: the dead ones go, the living ones are nobody's now
    la s1, processes
    ld s2, G_SLOTS(gp)
3:  ld t0, P_STATE(s1)
    beqz t0, 5f
    ld t1, P_PARENT(s1)
    bne t1, tp, 5f
    sd zero, P_PARENT(s1)
    li t1, STATE_ZOMBIE
    bne t0, t1, 5f
    sd zero, P_STATE(s1)
5:  addi s1, s1, P_SIZE
    addi s2, s2, -1
    bnez s2, 3b
    ld s1, P_PARENT(tp)
    sd zero, P_STATE(tp)
    beqz s1, 6f
    li t0, STATE_ZOMBIE
    sd t0, P_STATE(tp)
    ld t0, P_STATE(s1)
    li t1, STATE_BLOCKED
    bne t0, t1, 6f
    ld t0, P_WAIT(s1)
    li t1, WAIT_CHILD
    bne t0, t1, 6f
    li t0, STATE_RUNNABLE
    sd t0, P_STATE(s1)
6:  j schedule

# wait4(pid, status*, options, rusage*): pid -1 or a child's; options 0 or WNOHANG.
sys_wait4:
    ENTER
    mv s3, a1
    la s0, processes
    ld s1, G_SLOTS(gp)
    li s2, 0                     # children seen
1:  ld t0, P_STATE(s0)
    beqz t0, 3f
    ld t1, P_PARENT(s0)
    bne t1, tp, 3f
    bltz a0, 2f
    ld t1, P_PID(s0)
    bne t1, a0, 3f
2:  addi s2, s2, 1
    li t1, STATE_ZOMBIE
    beq t0, t1, 5f
3:  addi s0, s0, P_SIZE
    addi s1, s1, -1
    bnez s1, 1b
    beqz s2, 4f
    andi a2, a2, 1
    li a0, 0
    bnez a2, 9f
    li a0, WAIT_CHILD
    j block_on
4:  li a0, -ECHILD
    j 9f
5:  ld s4, P_PID(s0)
    beqz s3, 6f
    ld t0, P_EXIT(s0)
    la a1, scratch
    sw t0, 0(a1)
    mv a0, s3
    li a2, 4
    call copy_out
    bnez a0, 9f
6:  sd zero, P_STATE(s0)
    mv a0, s4
9:  LEAVE

# program_load(a0 = process, a1 = ELF, a2 = its size): maps and fills its segments, sets pc. Panics on a bad file.
program_load:
    ENTER
    addi sp, sp, -80
    mv s0, a0
    mv s1, a1
    sd a2, 0(sp)
    li t0, 64
    bltu a2, t0, 9f
    lwu t0, 0(s1)
    li t1, 0x464c457f
    bne t0, t1, 9f
    lhu t0, 18(s1)               # e_machine: RISC-V
    li t1, 243
    bne t0, t1, 9f
    ld t0, 24(s1)
    sd t0, F_PC(s0)
    lhu s3, 56(s1)               # e_phnum
    ld s2, 32(s1)                # e_phoff
    li t0, 56
    mul t0, t0, s3
    add t0, t0, s2
    bgtu t0, a2, 9f
    bgtu s2, a2, 9f
    add s2, s1, s2
    beqz s3, 9f
1:  lwu t0, 0(s2)
    li t1, 1                     # PT_LOAD
    bne t0, t1, 7f
    ld t0, 8(s2)                 # offset
    ld t1, 16(s2)                # vaddr
    ld t2, 32(s2)                # filesz
    ld t3, 40(s2)                # memsz
    ld t4, 0(sp)
    bgtu t0, t4, 9f
    sub t4, t4, t0
    bgtu t2, t4, 9f
    bgtu t2, t3, 9f
    li t4, PROGRAM_END
    bgtu t1, t4, 9f
    sub t4, t4, t1
    bgtu t3, t4, 9f
    add t0, s1, t0
    sub t0, t0, t1
    sd t0, 8(sp)                 # add to a va: where its byte lies in the file
    add t2, t1, t2
    sd t2, 16(sp)                # end of file bytes
    add t3, t1, t3
    sd t3, 24(sp)                # end
    lwu t0, 4(s2)
    li t4, PTE_USER
    andi t5, t0, 1
    slli t5, t5, 3
    or t4, t4, t5
    andi t5, t0, 2
    slli t5, t5, 1
    or t4, t4, t5
    ori t4, t4, PTE_R
    sd t4, 32(sp)
    mv s4, t1
2:  ld t0, 24(sp)
    bgeu s4, t0, 7f
    mv a0, s0
    mv a1, s4
    li a2, 1
    call pt_find
    beqz a0, 8f
    mv s5, a0
    ld t0, 0(s5)
    bnez t0, 3f
    call page_alloc
    beqz a0, 8f
    srli t0, a0, 2
3:  ld t1, 32(sp)
    or t0, t0, t1
    sd t0, 0(s5)
    srli t0, t0, 10
    slli t0, t0, 12              # the page
    li t1, 4095
    and t1, s4, t1
    add a0, t0, t1
    li t0, PAGE_SIZE
    sub s6, t0, t1               # bytes of this page
    ld t0, 16(sp)
    bgeu s4, t0, 5f
    sub a2, t0, s4
    bleu a2, s6, 4f
    mv a2, s6
4:  ld a1, 8(sp)
    add a1, a1, s4
    call copy
5:  add s4, s4, s6
    j 2b
7:  addi s2, s2, 56
    addi s3, s3, -1
    bnez s3, 1b
    fence.i
    addi sp, sp, 80
    LEAVE
8:  la a0, text_no_memory
    j panic
9:  la a0, text_bad_program
    j panic

# first_process(): process 1 with its program, and the stack Linux would give it. Leaves it in tp.
first_process:
    ENTER
    call process_new
    mv tp, a0
    call space_new
    bnez a0, 8f
    ld s1, G_PARAMS(gp)
    mv a0, tp
    ld a1, PARAM_PROGRAM(s1)
    ld a2, PARAM_PROGRAM_SIZE(s1)
    li t0, RAM_BASE
    bltu a1, t0, 9f
    li t0, POOL_BASE
    bgtu a1, t0, 9f
    sub t0, t0, a1
    bgtu a2, t0, 9f
    call program_load
    # the stack: its top page now, the rest when touched
    addi t0, tp, P_VMAS
    li t1, STACK_TOP
    li t2, STACK_BYTES
    sub t2, t1, t2
    sd t2, 0(t0)
    sd t1, 8(t0)
    li t1, PTE_USER_DATA
    sd t1, 16(t0)
    li a1, STACK_TOP - PAGE_SIZE
    mv a0, tp
    li a2, 1
    call pt_find
    beqz a0, 8f
    mv s2, a0
    call page_alloc
    beqz a0, 8f
    mv s3, a0
    srli t0, a0, 2
    ori t0, t0, PTE_USER_DATA
    sd t0, 0(s2)
    # argv[0] = "program", argv[1] = the iterations in decimal, in the last 64 bytes
    li t0, PAGE_SIZE - 64
    add s4, s3, t0
    la t1, text_program
    ld t2, 0(t1)
    sd t2, 0(s4)
    ld t0, PARAM_ITERATIONS(s1)
    addi t1, s4, 40
    li t2, 10
    sb zero, 0(t1)
1:  remu t3, t0, t2
    divu t0, t0, t2
    addi t3, t3, 48
    addi t1, t1, -1
    sb t3, 0(t1)
    bnez t0, 1b
    li t2, STACK_TOP - PAGE_SIZE
    sub t1, t1, s3
    add t1, t1, t2               # user address of argv[1]
    li t3, STACK_TOP - 64
    li t0, PAGE_SIZE - 256
    add s4, s3, t0
    li t4, 2
    sd t4, 0(s4)                 # argc
    sd t3, 8(s4)
    sd t1, 16(s4)
    # argv and the environment end with 0 (fresh pages are); then the auxiliary vector: page size, end
    li t4, 6
    sd t4, 40(s4)
    li t4, PAGE_SIZE
    sd t4, 48(s4)
    li t4, STACK_TOP - 256
    sd t4, F_SP(tp)
    # standard input, output, error
    li t0, FD_CONSOLE
    sd t0, P_FDS(tp)
    sd t0, P_FDS+FD_SIZE(tp)
    sd t0, P_FDS+2*FD_SIZE(tp)
    li t0, STATE_RUNNABLE
    sd t0, P_STATE(tp)
    mv a0, tp
    call space_seal
    LEAVE
8:  la a0, text_no_memory
    j panic
9:  la a0, text_bad_program
    j panic
