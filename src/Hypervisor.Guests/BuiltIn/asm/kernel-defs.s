# Layout constants and macros of the built-in kernel, both editions. No code.

    .option norvc
    .option norelax

    .equ PAGE_SIZE, 4096
    .equ RAM_BASE, 0x80000000
    .equ PARAM_FIXED, 0x80400000
    .equ POOL_BASE, 0x80600000
    .equ PARAM_MAGIC, 0x314D5241505648FF

    # Parameter block (docs/para-abi.md §7).
    .equ PARAM_FLAGS, 0x08
    .equ PARAM_ITERATIONS, 0x10
    .equ PARAM_RAM, 0x18
    .equ PARAM_HZ, 0x20
    .equ PARAM_TICK, 0x28
    .equ PARAM_PROGRAM, 0x30
    .equ PARAM_PROGRAM_SIZE, 0x38
    .equ FLAG_MARKERS, 1

    # User address space: below 1 GiB, so one root entry covers it.
    .equ USER_BITS, 30
    .equ PROGRAM_END, 0x10000000
    .equ MMAP_BASE, 0x10000000
    .equ MMAP_END, 0x30000000
    .equ STACK_TOP, 0x3ffff000
    .equ STACK_BYTES, 0x20000

    # A process: its saved registers (xN at 8*N, pc at 0), then the rest.
    .equ F_PC, 0
    .equ F_SP, 16
    .equ F_TP, 32
    .equ F_A0, 80
    .equ F_A1, 88
    .equ F_A2, 96
    .equ F_A3, 104
    .equ F_A4, 112
    .equ F_A5, 120
    .equ F_A7, 136
    .equ P_STATE, 256
    .equ P_PID, 264
    .equ P_PARENT, 272
    .equ P_EXIT, 280
    .equ P_ROOT, 288
    .equ P_ASID, 296
    .equ P_RESTART, 304
    .equ P_WAIT, 312
    .equ P_DEADLINE, 320
    .equ P_LIVE, 328
    .equ P_VMAS, 384
    .equ P_FDS, 768
    .equ P_SHIFT, 10
    .equ P_SIZE, 1024
    .equ MAX_PROCS, 32

    .equ VMA_SIZE, 24
    .equ MAX_VMAS, 16
    .equ FD_SIZE, 16
    .equ MAX_FDS, 16

    .equ STATE_FREE, 0
    .equ STATE_RUNNABLE, 1
    .equ STATE_BLOCKED, 2
    .equ STATE_ZOMBIE, 3

    # What a blocked process waits for: one of these, or the address of a pipe.
    .equ WAIT_TIMER, 1
    .equ WAIT_CHILD, 2
    .equ WAIT_BLOCK, 3

    .equ FD_CLOSED, 0
    .equ FD_CONSOLE, 1
    .equ FD_PIPE_READ, 2
    .equ FD_PIPE_WRITE, 3
    .equ FD_DISK, 4

    .equ PIPE_BUFFER, 0
    .equ PIPE_READ, 8
    .equ PIPE_WRITTEN, 16
    .equ PIPE_READERS, 24
    .equ PIPE_WRITERS, 32
    .equ PIPE_SIZE, 64
    .equ MAX_PIPES, 32

    # Globals, addressed from gp.
    .equ G_SLOTS, 0
    .equ G_ACTIVE, 8
    .equ G_FREE, 16
    .equ G_BUMP, 24
    .equ G_LIMIT, 32
    .equ G_FIXUP, 40
    .equ G_TICK_NEXT, 48
    .equ G_TICK, 56
    .equ G_ARMED, 64
    .equ G_HZ, 72
    .equ G_FLAGS, 80
    .equ G_KERNEL_ROOT, 88
    .equ G_NEXT_PID, 96
    .equ G_DISK_STATE, 104
    .equ G_DISK_OWNER, 112
    .equ G_DISK_BASE, 120
    .equ G_DISK_USED, 128
    .equ G_MMIO, 136
    .equ G_PARAMS, 144
    .equ G_HAS_ASID, 152
    .equ G_HAS_SSTC, 160
    .equ G_DISK_CHANNEL, 168
    .equ G_PT_LIVE, 176
    .equ G_PT_COUNT, 184
    .equ G_CALL_COUNT, 192
    .equ G_SLEEP, 200
    .equ G_DISK_IRQ, 208
    .equ G_DISK_SLOT, 216
    .equ G_EVENT_TIMER, 224
    .equ G_EVENT_DISK, 232
    .equ G_RING_CHANNEL, 240
    .equ G_EVENT_BALLOON, 248
    .equ G_BALLOON, 256
    .equ G_SIZE, 264

    .equ PTE_V, 0x01
    .equ PTE_R, 0x02
    .equ PTE_W, 0x04
    .equ PTE_USER, 0xd1              # V U A D; R W X as wanted
    .equ PTE_USER_DATA, 0xd7         # V R W U A D
    .equ PTE_KERNEL, 0xef            # V R W X G A D
    .equ PTE_DEVICE, 0xe7            # V R W G A D

    .equ CAUSE_USER_ECALL, 8
    .equ CAUSE_FETCH_FAULT, 12
    .equ CAUSE_LOAD_FAULT, 13
    .equ CAUSE_STORE_FAULT, 15
    .equ IRQ_TIMER, 5
    .equ IRQ_EXTERNAL, 9
    .equ SIE_TIMER_EXTERNAL, 0x220
    .equ SSTATUS_SUM_SPIE, 0x40020

    .equ ENOENT, 2
    .equ EIO, 5
    .equ EBADF, 9
    .equ ECHILD, 10
    .equ EAGAIN, 11
    .equ ENOMEM, 12
    .equ EFAULT, 14
    .equ EINVAL, 22
    .equ EMFILE, 24
    .equ EPIPE, 32
    .equ ENOSYS, 38

    # System-call numbers.
    .equ SYSCALL_LIMIT, 261
    .equ SYSCALL_MARK, 4096

    # The disk: request states and virtio-mmio registers (virtio 1.2 §4.2.2).
    .equ DISK_IDLE, 0
    .equ DISK_BUSY, 1
    .equ DISK_DONE, 2
    .equ QUEUE_ENTRIES, 8
    .equ QUEUE_AVAILABLE, 128
    .equ QUEUE_USED, 256
    .equ QUEUE_BYTES, 384
    .equ VIRTIO_MMIO, 0x10001000
    .equ VIRTIO_STRIDE, 0x1000
    .equ VIRTIO_SLOTS, 8
    .equ VIRTIO_MAGIC_VALUE, 0x74726976
    .equ VR_MAGIC, 0x000
    .equ VR_VERSION, 0x004
    .equ VR_DEVICE, 0x008
    .equ VR_DRIVER_FEATURES, 0x020
    .equ VR_DRIVER_FEATURES_SEL, 0x024
    .equ VR_QUEUE_SEL, 0x030
    .equ VR_QUEUE_MAX, 0x034
    .equ VR_QUEUE_NUM, 0x038
    .equ VR_QUEUE_READY, 0x044
    .equ VR_NOTIFY, 0x050
    .equ VR_INTERRUPT_STATUS, 0x060
    .equ VR_INTERRUPT_ACK, 0x064
    .equ VR_STATUS, 0x070
    .equ VR_QUEUE_DESC, 0x080
    .equ VR_QUEUE_AVAIL, 0x090
    .equ VR_QUEUE_USED, 0x0a0
    .equ CONSOLE_BYTES, 1024

    # A function that calls others: ra and s0..s6 kept on the stack.
    .macro ENTER
    addi sp, sp, -64
    sd ra, 0(sp)
    sd s0, 8(sp)
    sd s1, 16(sp)
    sd s2, 24(sp)
    sd s3, 32(sp)
    sd s4, 40(sp)
    sd s5, 48(sp)
    sd s6, 56(sp)
    .endm

    .macro LEAVE
    ld ra, 0(sp)
    ld s0, 8(sp)
    ld s1, 16(sp)
    ld s2, 24(sp)
    ld s3, 32(sp)
    ld s4, 40(sp)
    ld s5, 48(sp)
    ld s6, 56(sp)
    addi sp, sp, 64
    ret
    .endm

    # Skips four table entries at once: goes to \busy unless \at is at a multiple of four entries and all four are zero.
    .macro UNLESS_FOUR_EMPTY at, busy
    andi t0, \at, 31
    bnez t0, \busy
    ld t0, 0(\at)
    ld t1, 8(\at)
    ld t2, 16(\at)
    ld t3, 24(\at)
    or t0, t0, t1
    or t2, t2, t3
    or t0, t0, t2
    bnez t0, \busy
    addi \at, \at, 32
    .endm

    # All registers but x0, sp and \base's own slot order: xN at 8*N from \base.
    .macro SAVE_FRAME base
    sd x1, 8(\base)
    sd x3, 24(\base)
    sd x4, 32(\base)
    sd x5, 40(\base)
    sd x6, 48(\base)
    sd x7, 56(\base)
    sd x8, 64(\base)
    sd x9, 72(\base)
    sd x10, 80(\base)
    sd x11, 88(\base)
    sd x12, 96(\base)
    sd x13, 104(\base)
    sd x14, 112(\base)
    sd x15, 120(\base)
    sd x16, 128(\base)
    sd x17, 136(\base)
    sd x18, 144(\base)
    sd x19, 152(\base)
    sd x20, 160(\base)
    sd x21, 168(\base)
    sd x22, 176(\base)
    sd x23, 184(\base)
    sd x24, 192(\base)
    sd x25, 200(\base)
    sd x26, 208(\base)
    sd x27, 216(\base)
    sd x28, 224(\base)
    sd x29, 232(\base)
    sd x30, 240(\base)
    sd x31, 248(\base)
    .endm

    # The same registers, but those at 16 (sp) and 32 (tp), which the caller loads last.
    .macro LOAD_FRAME base
    ld x1, 8(\base)
    ld x3, 24(\base)
    ld x5, 40(\base)
    ld x6, 48(\base)
    ld x7, 56(\base)
    ld x8, 64(\base)
    ld x9, 72(\base)
    ld x10, 80(\base)
    ld x11, 88(\base)
    ld x12, 96(\base)
    ld x13, 104(\base)
    ld x14, 112(\base)
    ld x15, 120(\base)
    ld x16, 128(\base)
    ld x17, 136(\base)
    ld x18, 144(\base)
    ld x19, 152(\base)
    ld x20, 160(\base)
    ld x21, 168(\base)
    ld x22, 176(\base)
    ld x23, 184(\base)
    ld x24, 192(\base)
    ld x25, 200(\base)
    ld x26, 208(\base)
    ld x27, 216(\base)
    ld x28, 224(\base)
    ld x29, 232(\base)
    ld x30, 240(\base)
    ld x31, 248(\base)
    .endm
