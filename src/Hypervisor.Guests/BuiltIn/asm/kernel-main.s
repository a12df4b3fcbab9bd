# Start of both editions once in S-mode, printing, panic, and the kernel's data.

    .text
# kernel_start(a1 = where the parameter block may be): in S-mode, satp 0, stack not yet set. Never returns.
kernel_start:
    la sp, kernel_stack_top
    la gp, globals
    la t0, trap_entry
    csrw stvec, t0
    csrw sscratch, zero
    mv s0, a1
    call edition_early
    # the parameter block
    andi t0, s0, 7
    bnez t0, 1f
    li t0, RAM_BASE
    bltu s0, t0, 1f
    li t1, 0xbfffffc0
    bgtu s0, t1, 1f
    ld t0, 0(s0)
    li t1, PARAM_MAGIC
    beq t0, t1, 2f
1:  li s0, PARAM_FIXED
    ld t0, 0(s0)
    li t1, PARAM_MAGIC
    beq t0, t1, 2f
    la a0, text_no_parameters
    j panic
2:  sd s0, G_PARAMS(gp)
    ld t0, PARAM_FLAGS(s0)
    sd t0, G_FLAGS(gp)
    ld t0, PARAM_HZ(s0)
    sd t0, G_HZ(gp)
    ld t1, PARAM_TICK(s0)
    sd t1, G_TICK(gp)
    ld t2, PARAM_RAM(s0)
    srli t3, t2, 24              # 16 MiB at least
    seqz t3, t3
    seqz t0, t0
    seqz t1, t1
    or t0, t0, t1
    or t0, t0, t3
    li t1, 0x40000000
    sltu t1, t1, t2
    or t0, t0, t1
    beqz t0, 3f
    la a0, text_bad_parameters
    j panic
3:  li t0, RAM_BASE
    add t2, t2, t0
    sd t2, G_LIMIT(gp)
    li t0, POOL_BASE
    sd t0, G_BUMP(gp)
    li t0, 1
    sd t0, G_NEXT_PID(gp)
    li t0, -1
    sd t0, G_SLEEP(gp)
    call disk_init
    # the kernel's own root; every process's has the same kernel entries
    call page_alloc
    sd a0, G_KERNEL_ROOT(gp)
    call edition_start
    call first_process
    li t0, SIE_TIMER_EXTERNAL
    csrw sie, t0
    csrr t0, time
    ld t1, G_TICK(gp)
    add t0, t0, t1
    sd t0, G_TICK_NEXT(gp)
    call timer_arm
    j schedule

# print(a0 = text that ends with 0)
print:
    mv t0, a0
1:  lbu t1, 0(t0)
    beqz t1, 2f
    addi t0, t0, 1
    j 1b
2:  sub a1, t0, a0
    j console_write

# print_hex(a0)
print_hex:
    la t0, scratch
    li t1, 60
1:  srl t2, a0, t1
    andi t2, t2, 15
    li t3, 10
    bltu t2, t3, 2f
    addi t2, t2, 39              # 'a' - '0' - 10
2:  addi t2, t2, 48
    sb t2, 0(t0)
    addi t0, t0, 1
    addi t1, t1, -4
    bgez t1, 1b
    la a0, scratch
    li a1, 16
    j console_write

# print_trap(a0 = cause, a1 = value, a2 = pc)
print_trap:
    ENTER
    mv s0, a0
    mv s1, a1
    mv s2, a2
    la a0, text_cause
    call print
    mv a0, s0
    call print_hex
    la a0, text_pc
    call print
    mv a0, s2
    call print_hex
    la a0, text_value
    call print
    mv a0, s1
    call print_hex
    la a0, text_line_end
    call print
    LEAVE

# panic(a0 = text): says it with the trap registers, and fails the machine with code 255.
panic:
    la gp, globals
    la sp, kernel_stack_top
    mv s0, a0
    la a0, text_panic
    call print
    mv a0, s0
    call print
    csrr a0, scause
    csrr a1, stval
    csrr a2, sepc
    call print_trap
    li a0, 255
    call power_off

    .section .rodata
text_panic:         .asciz "panic: "
text_bad_interrupt: .asciz "interrupt of no known source"
text_kernel_trap:   .asciz "trap in the kernel"
text_deadlock:      .asciz "every process waits, and nothing will wake one"
text_no_memory:     .asciz "out of memory"
text_bad_program:   .asciz "the program is not a static RISC-V ELF that fits"
text_no_parameters: .asciz "no parameter block"
text_bad_parameters: .asciz "parameter block out of range"
text_killed:        .asciz "killed process "
text_cause:         .asciz " cause "
text_pc:            .asciz " pc "
text_value:         .asciz " value "
text_line_end:      .asciz "\n"
text_disk_device:   .asciz "/dev/blk"
text_disk_file:     .asciz "bench.dat"
    .balign 8
text_program:       .asciz "program"

    .bss
    .balign 4096
disk_data:          .zero 4096
disk_queue:         .zero QUEUE_BYTES
disk_request:       .zero 16
disk_status:        .zero 8
scratch:            .zero 64
globals:            .zero G_SIZE
    .balign 16
pipes:              .zero PIPE_SIZE * MAX_PIPES
processes:          .zero P_SIZE * MAX_PROCS
console_buffer:     .zero CONSOLE_BYTES
    .balign 16
kernel_stack:       .zero 8192
kernel_stack_top:
