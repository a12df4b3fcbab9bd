# The para edition's own part: hypercalls where the privileged edition uses privileged instructions and devices
# (docs/para-abi.md).

    .equ SBI_BASE, 0x10
    .equ SBI_TIME, 0x54494D45
    .equ SBI_DEBUG_CONSOLE, 0x4442434E
    .equ SBI_RESET, 0x53525354
    .equ SBI_HVP, 0x0A485650
    .equ HVP_REGISTER_SHARED_INFO, 0x01
    .equ HVP_YIELD, 0x02
    .equ HVP_BLOCK, 0x03
    .equ HVP_MULTICALL, 0x04
    .equ HVP_MARK, 0x05
    .equ HVP_EVENT_BIND, 0x10
    .equ HVP_EVENT_SEND, 0x11
    .equ HVP_EVENT_POLL, 0x13
    .equ HVP_MMU_PIN, 0x20
    .equ HVP_MMU_UNPIN, 0x21
    .equ HVP_MMU_UPDATE, 0x22
    .equ HVP_MMU_SET_ROOT, 0x23
    .equ HVP_MMU_FLUSH, 0x24
    .equ HVP_MEMORY_RELEASE, 0x40
    .equ SOURCE_TIMER, 1
    .equ SOURCE_VIRTIO, 2
    .equ SOURCE_BALLOON, 3

    .equ SHARED_FEATURES, 0x08
    .equ SHARED_UPCALL_MASK, 0x14
    .equ SHARED_UPCALL_PENDING, 0x15
    .equ SHARED_BALLOON_TARGET, 0x30
    .equ SHARED_PENDING, 0x40
    .equ SHARED_MASK, 0x60

    .equ FEATURE_BALLOON, 1 << 8

    .equ MAX_UPDATES, 256
    .equ MAX_CALLS, 64
    .equ CALL_SIZE, 80
    .equ MAX_BALLOON, 8192       # pages

    # A hypercall of our extension, its arguments in place. Changes a0, a1, a6, a7 only.
    .macro HVP function
    li a7, SBI_HVP
    li a6, \function
    ecall
    .endm

    .text
    .globl _start
_start:
    li t0, SSTATUS_SUM_SPIE
    csrw sstatus, t0
    j kernel_start

edition_early:
    li a7, SBI_BASE
    li a6, 3
    li a0, SBI_HVP
    ecall
    bnez a0, 1f
    beqz a1, 1f
    li a0, 0
    la a1, shared_info
    HVP HVP_REGISTER_SHARED_INFO
    bnez a0, 1f
    ret
1:  la a0, text_no_extension
    j panic

# Events, then paging.
edition_start:
    ENTER
    call ring_init
    la s0, shared_info
    li a0, SOURCE_TIMER
    li a1, 0
    call event_bind
    sd a0, G_EVENT_TIMER(gp)
    mv s1, a0
    ld t0, G_DISK_BASE(gp)
    beqz t0, 1f
    li a0, SOURCE_VIRTIO
    ld a1, G_DISK_SLOT(gp)
    call event_bind
    sd a0, G_EVENT_DISK(gp)
    sd a1, G_DISK_CHANNEL(gp)
    or s1, s1, a0
1:  ld t0, SHARED_FEATURES(s0)
    andi t0, t0, FEATURE_BALLOON
    beqz t0, 3f
    li a0, SOURCE_BALLOON
    li a1, 0
    call event_bind
    sd a0, G_EVENT_BALLOON(gp)
    or s1, s1, a0
3:  not s1, s1
    sd s1, SHARED_MASK(s0)
    sb zero, SHARED_UPCALL_MASK(s0)
    # RAM where it is, by 2 MiB pages: an entry may not reach past its end
    call page_alloc
    mv a1, a0
    ld t0, G_KERNEL_ROOT(gp)
    srli t1, a1, 2
    ori t1, t1, PTE_V
    sd t1, 16(t0)
    li t0, 0x200000
    ld t1, G_LIMIT(gp)
    li t2, -0x200000
    and t1, t1, t2
    sd t1, G_LIMIT(gp)
    li t2, RAM_BASE
2:  srli t3, t2, 2
    ori t3, t3, PTE_KERNEL
    sd t3, 0(a0)
    addi a0, a0, 8
    add t2, t2, t0
    bltu t2, t1, 2b
    li a0, HVP_MMU_PIN
    li a2, 1
    call call_add
    li a0, HVP_MMU_PIN
    ld a1, G_KERNEL_ROOT(gp)
    li a2, 2
    call call_add
    call space_activate_kernel
    call calls_flush
    call balloon_serve
    LEAVE

# event_bind(a0 = source, a1 = index) -> a0 = the channel's bit, a1 = the channel. The kernel uses the first 64 alone.
event_bind:
    li a2, 0
    HVP HVP_EVENT_BIND
    bnez a0, 1f
    li t0, 64
    bgeu a1, t0, 1f
    li a0, 1
    sll a0, a0, a1
    ret
1:  la a0, text_refused
    j panic

# set_timer(a0 = deadline)
set_timer:
    li a7, SBI_TIME
    li a6, 0
    ecall
    ret

# Waits, with nothing to run, for an event or the next sleeper's time. Upcalls are masked meanwhile: a plain store, and
# the events found are served without the trap.
wait_for_event:
    ENTER
    la s0, shared_info
    li t0, 1
    sb t0, SHARED_UPCALL_MASK(s0)
    lbu t0, SHARED_UPCALL_PENDING(s0)
    bnez t0, 1f
    ld a0, G_SLEEP(gp)
    HVP HVP_BLOCK
    call timers_run
1:  call events_serve
    call upcalls_unmask
    LEAVE

# The upcall. Only a hypercall lowers the line again: that which set the timer, or a poll.
device_interrupt:
    addi sp, sp, -16
    sd ra, 0(sp)
    call events_serve
    bnez a0, 1f
    HVP HVP_EVENT_POLL
1:  ld ra, 0(sp)
    addi sp, sp, 16
    ret

# events_serve() -> a0 = 0 if it made no hypercall after it took the pending events.
events_serve:
    ENTER
    la s0, shared_info
    sb zero, SHARED_UPCALL_PENDING(s0)
    fence
    ld t0, SHARED_MASK(s0)
    addi t1, s0, SHARED_PENDING
    amoand.d s1, t0, (t1)        # leaves what is masked
    not t0, t0
    and s1, s1, t0
    ld t0, G_EVENT_TIMER(gp)
    and t0, t0, s1
    beqz t0, 1f
    call timer_interrupt
1:  ld t0, G_EVENT_DISK(gp)
    and t0, t0, s1
    beqz t0, 2f
    call disk_complete
2:  ld t0, G_EVENT_BALLOON(gp)
    and t0, t0, s1
    beqz t0, 3f
    call balloon_serve
3:  ld t0, G_EVENT_TIMER(gp)
    and a0, t0, s1
    LEAVE

# Gives back as many pages as the hypervisor asks for, or takes some up again.
balloon_serve:
    ENTER
    la s0, shared_info
    ld s0, SHARED_BALLOON_TARGET(s0)
    li t0, MAX_BALLOON
    bleu s0, t0, 1f
    mv s0, t0
1:  ld s1, G_BALLOON(gp)         # pages in the balloon
    la s2, balloon_pages
    slli t0, s1, 3
    add s2, s2, t0
2:  bgeu s1, s0, 3f
    call page_take
    beqz a0, 4f
    sd a0, 0(s2)
    addi s2, s2, 8
    addi s1, s1, 1
    mv a1, a0
    li a0, HVP_MEMORY_RELEASE
    li a2, 1
    call call_add
    j 2b
3:  bleu s1, s0, 4f
    addi s2, s2, -8
    addi s1, s1, -1
    ld a0, 0(s2)
    call page_free
    j 3b
4:  sd s1, G_BALLOON(gp)
    call calls_flush
    LEAVE

# Upcalls on again; an event that came meanwhile did not raise the line.
upcalls_unmask:
    la t0, shared_info
    sb zero, SHARED_UPCALL_MASK(t0)
    fence
    lbu t1, SHARED_UPCALL_PENDING(t0)
    beqz t1, 1f
    HVP HVP_EVENT_POLL
1:  ret

# The doorbell. A device that has served the request by the time the call returns costs no upcall.
disk_kick:
    addi sp, sp, -16
    sd ra, 0(sp)
    la t0, shared_info
    li t1, 1
    sb t1, SHARED_UPCALL_MASK(t0)
    ld a0, G_DISK_CHANNEL(gp)
    li a1, 0
    HVP HVP_EVENT_SEND
    la t0, shared_info
    lbu t1, SHARED_UPCALL_PENDING(t0)
    beqz t1, 1f
    call events_serve
1:  call upcalls_unmask
    ld ra, 0(sp)
    addi sp, sp, 16
    ret

# sbi_write(a0 = text, a1 = length): physical and virtual addresses are the same here.
sbi_write:
    mv t0, a0
    mv t1, a1
1:  beqz t1, 2f
    mv a0, t1
    mv a1, t0
    li a2, 0
    li a6, 0
    li a7, SBI_DEBUG_CONSOLE
    ecall
    bnez a0, 2f
    add t0, t0, a1
    sub t1, t1, a1
    j 1b
2:  ret

# mark(a0 = kind, a1 = operations) -> a0 = 0
mark:
    HVP HVP_MARK
    ret

# power_off(a0 = code): 0 success. Never returns.
power_off:
    mv s0, a0
    call ring_drain
    li a1, 0
    beqz s0, 1f
    li a1, 0xf0000000
    or a1, a1, s0
1:  li a0, 0
    li a6, 0
    li a7, SBI_RESET
    ecall
2:  j 2b

    .section .rodata
text_no_extension:  .asciz "the hypervisor does not offer extension 0x0A485650"
text_refused:       .asciz "the hypervisor refused a call"

    .bss
    .balign 4096
shared_info:        .zero 4096
call_entries:       .zero CALL_SIZE * MAX_CALLS
update_entries:     .zero 16 * MAX_UPDATES
balloon_pages:      .zero 8 * MAX_BALLOON
