# The privileged edition's own part: M-mode start, timer, interrupts, tables written directly, 16550, marker, power-off.

    .equ UART, 0x10000000
    .equ UART_DATA, 0
    .equ UART_FIFO_CONTROL, 2
    .equ UART_LINE_STATUS, 5
    .equ UART_EMPTY, 0x20
    .equ UART_FIFO_BYTES, 16
    .equ FINISHER, 0x100000
    .equ MARKER, 0x110000
    .equ CLINT_MTIMECMP, 0x02004000
    .equ PLIC, 0x0c000000
    .equ PLIC_ENABLE, 0x0c002080         # context 1
    .equ PLIC_CONTEXT, 0x0c201000
    .equ CSR_STIMECMP, 0x14d
    .equ CSR_MENVCFG, 0x30a
    .equ MIP_STIP, 0x20
    .equ MIE_MTIE, 0x80

    .text
    .globl _start
_start:
    csrw mie, zero
    bnez a0, other_hart
    mv s0, a1
    la gp, globals
    # PMP may be absent: then the write traps to the next label
    la t0, 1f
    csrw mtvec, t0
    li t0, -1
    csrw pmpaddr0, t0
    li t0, 0x1f                  # NAPOT over everything, R W X
    csrw pmpcfg0, t0
    .balign 4
1:  # Sstc, if menvcfg exists and keeps its bit 63, and stimecmp exists (some keep the bit without it)
    sd zero, G_HAS_SSTC(gp)
    la t0, 2f
    csrw mtvec, t0
    li t0, 1
    slli t0, t0, 63
    csrs CSR_MENVCFG, t0
    csrr t1, CSR_MENVCFG
    csrr t0, CSR_STIMECMP
    srli t1, t1, 63
    sd t1, G_HAS_SSTC(gp)
    .balign 4
2:  la t0, machine_trap
    csrw mtvec, t0
    la t0, machine_frame
    csrw mscratch, t0
    li t0, 0xb1ff                # every exception of U and S, but S's own ecall
    csrw medeleg, t0
    li t0, 0x222
    csrw mideleg, t0
    li t0, 7                     # cycle, time, instret
    csrw mcounteren, t0
    csrw scounteren, t0
    li t0, 0x1888                # MPP, MPIE, MIE cleared …
    csrc mstatus, t0
    li t0, 0x800                 # … MPP = S
    csrs mstatus, t0
    la t0, supervisor_start
    csrw mepc, t0
    mret

other_hart:
    wfi
    j other_hart

# M-mode after the start serves the timer where Sstc is missing: S asks by ecall (a0 = deadline), the CLINT fires, S gets STIP.
    .balign 4
machine_trap:
    csrrw t0, mscratch, t0
    sd t1, 0(t0)
    csrr t1, mcause
    bltz t1, 2f
    addi t1, t1, -9
    bnez t1, 3f
    li t1, CLINT_MTIMECMP
    sd a0, 0(t1)
    csrr t1, mepc
    addi t1, t1, 4
    csrw mepc, t1
    li t1, MIP_STIP
    csrc mip, t1
    li t1, MIE_MTIE
    csrs mie, t1
1:  ld t1, 0(t0)
    csrrw t0, mscratch, t0
    mret
2:  li t1, MIE_MTIE
    csrc mie, t1
    li t1, MIP_STIP
    csrs mip, t1
    j 1b
3:  # nothing else can come here: fail with code 254
    li t1, FINISHER
    li t0, 254 << 16 | 0x3333
    sw t0, 0(t1)
4:  j 4b

supervisor_start:
    mv a1, s0
    li t0, SSTATUS_SUM_SPIE
    csrw sstatus, t0
    j kernel_start

edition_early:
    li t0, UART
    li t1, 1
    sb t1, UART_FIFO_CONTROL(t0)
    ret

# Interrupts and paging on.
edition_start:
    ld t0, G_DISK_BASE(gp)
    beqz t0, 1f
    # PLIC: priority 1, enabled for hart 0's S-mode, threshold 0
    ld t0, G_DISK_IRQ(gp)
    li t1, PLIC
    slli t2, t0, 2
    add t1, t1, t2
    li t2, 1
    sw t2, 0(t1)
    sll t2, t2, t0
    li t1, PLIC_ENABLE
    sw t2, 0(t1)
    li t1, PLIC_CONTEXT
    sw zero, 0(t1)
1:  # RAM where it is; devices, in frame 0 and up, 4 GiB up
    ld t0, G_KERNEL_ROOT(gp)
    li t1, RAM_BASE >> 2
    ori t1, t1, PTE_KERNEL
    sd t1, 16(t0)
    li t1, PTE_DEVICE
    sd t1, 32(t0)
    # does satp keep an address space id?
    srli t0, t0, 12
    li t1, 8
    slli t1, t1, 60
    or t0, t0, t1
    li t1, 63
    slli t1, t1, 44
    or t1, t1, t0
    sfence.vma
    csrw satp, t1
    csrr t2, satp
    xor t1, t1, t2
    seqz t1, t1
    sd t1, G_HAS_ASID(gp)
    csrw satp, t0
    sfence.vma
    li t0, 1
    slli t0, t0, 32
    sd t0, G_MMIO(gp)
    ret

# set_timer(a0 = deadline)
set_timer:
    ld t0, G_HAS_SSTC(gp)
    beqz t0, 1f
    csrw CSR_STIMECMP, a0
    ret
1:  ecall
    ret

# Waits, with nothing to run, for the timer or a device, and serves it.
wait_for_event:
    ENTER
    call timer_arm
1:  wfi
    csrr s0, sip
    andi t0, s0, 0x20
    beqz t0, 2f
    call timer_interrupt
2:  andi t0, s0, 0x200
    beqz t0, 3f
    call device_interrupt
3:  andi s0, s0, 0x220
    beqz s0, 1b
    LEAVE

# A device interrupts: claim, serve, complete.
device_interrupt:
    ENTER
    ld s0, G_MMIO(gp)
    li t0, PLIC_CONTEXT
    add s0, s0, t0
    lwu s1, 4(s0)
    beqz s1, 1f
    ld t0, G_DISK_IRQ(gp)
    bne s1, t0, 2f
    ld t0, G_DISK_BASE(gp)
    ld t1, G_MMIO(gp)
    add t0, t0, t1
    lwu t1, VR_INTERRUPT_STATUS(t0)
    sw t1, VR_INTERRUPT_ACK(t0)
    call disk_complete
2:  sw s1, 4(s0)
1:  LEAVE

disk_kick:
    ld t0, G_DISK_BASE(gp)
    ld t1, G_MMIO(gp)
    add t0, t0, t1
    sw zero, VR_NOTIFY(t0)
    ret

# pt_set(a0 = entry, a1 = value)
pt_set:
    sd a1, 0(a0)
    ret

pt_table_ready:
    ret

# pt_commit_map(a0 = va): an invalid entry may have been cached (Privileged §4.2.1).
pt_commit_map:
    sfence.vma a0, zero
    ret

# pt_commit_unmap(a0 = va, a1 = pages), of the current process.
pt_commit_unmap:
    li t0, 32
    bgtu a1, t0, 2f
    li t0, PAGE_SIZE
1:  sfence.vma a0, zero
    add a0, a0, t0
    addi a1, a1, -1
    bnez a1, 1b
    ret
2:  ld t0, G_HAS_ASID(gp)
    beqz t0, 3f
    ld t0, P_ASID(tp)
    sfence.vma zero, t0
    ret
3:  sfence.vma
    ret

# space_seal(a0 = process): its tables are built. The id may have been another's before.
space_seal:
    ld t0, G_HAS_ASID(gp)
    beqz t0, 1f
    ld t0, P_ASID(a0)
    sfence.vma zero, t0
1:  ret

space_unseal:
    ret

# space_activate(a0 = process)
space_activate:
    ld t0, P_ROOT(a0)
    ld t1, P_ASID(a0)
activate:
    srli t0, t0, 12
    li t2, 8
    slli t2, t2, 60
    or t0, t0, t2
    ld t2, G_HAS_ASID(gp)
    beqz t2, 1f
    slli t1, t1, 44
    or t0, t0, t1
    csrw satp, t0
    ret
1:  csrw satp, t0
    sfence.vma
    ret

space_activate_kernel:
    ld t0, G_KERNEL_ROOT(gp)
    li t1, 0
    j activate

# console_write(a0 = text, a1 = length): by polling, a FIFO's worth at a time.
console_write:
    beqz a1, 4f
    ld t0, G_MMIO(gp)
    li t1, UART
    add t0, t0, t1
    add a1, a0, a1
1:  lbu t1, UART_LINE_STATUS(t0)
    andi t1, t1, UART_EMPTY
    beqz t1, 1b
    addi t2, a0, UART_FIFO_BYTES
    bleu t2, a1, 2f
    mv t2, a1
2:  lbu t1, 0(a0)
    sb t1, UART_DATA(t0)
    addi a0, a0, 1
    bltu a0, t2, 2b
    bltu a0, a1, 1b
4:  ret

# mark(a0 = kind, a1 = operations) -> a0 = 0
mark:
    ld t0, G_MMIO(gp)
    li t1, MARKER
    add t0, t0, t1
    sd a1, 8(t0)
    sd a0, 0(t0)
    li a0, 0
    ret

# power_off(a0 = code): 0 success. Never returns.
power_off:
    ld t0, G_MMIO(gp)
    li t1, FINISHER
    add t0, t0, t1
    li t1, 0x5555
    beqz a0, 1f
    slli a0, a0, 16
    li t1, 0x3333
    or t1, t1, a0
1:  sw t1, 0(t0)
2:  j 2b

    .bss
    .balign 8
machine_frame:      .zero 16
