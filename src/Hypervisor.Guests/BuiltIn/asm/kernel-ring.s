# The para edition's console: output over the transmit queue of a virtio console (virtio 1.2 §5.3) if there is one, else by
# SBI calls. A line is put into the next of eight buffers and the doorbell rung; nobody waits for the device unless all
# eight are under way, or the machine is about to end.

    .text
# ring_init(): before paging is on. G_RING_CHANNEL stays 0 without a device.
ring_init:
    ENTER
    li a0, 3
    call virtio_start
    beqz a0, 2f
    mv s0, a0
    mv s1, a1
    li a1, 0                     # a device may insist on both queues of its port
    la a2, ring_receive
    call virtio_queue
    bnez a1, 2f
    li a1, 1
    la a2, ring_queue
    call virtio_queue
    bnez a1, 2f
    call virtio_go
    la t0, ring_queue
    li t1, 1                     # no interrupts, please
    sh t1, QUEUE_AVAILABLE(t0)
    la t1, ring_buffers
    li t2, CONSOLE_BYTES
    li t3, QUEUE_ENTRIES
1:  sd t1, 0(t0)                 # descriptor n: buffer n
    add t1, t1, t2
    addi t0, t0, 16
    addi t3, t3, -1
    bnez t3, 1b
    li a0, SOURCE_VIRTIO
    mv a1, s1
    call event_bind              # its bit stays masked
    sd a1, G_RING_CHANNEL(gp)
2:  LEAVE

# console_write(a0 = text, a1 = length)
console_write:
    ld t0, G_RING_CHANNEL(gp)
    beqz t0, sbi_write
    ENTER
    mv s0, a0
    mv s1, a1
1:  beqz s1, 4f
    li a0, QUEUE_ENTRIES - 1
    call ring_wait
    la s2, ring_queue
    lhu s3, QUEUE_AVAILABLE + 2(s2)
    andi s4, s3, QUEUE_ENTRIES - 1
    mv s5, s1
    li t0, CONSOLE_BYTES
    bleu s5, t0, 2f
    mv s5, t0
2:  slli t0, s4, 4
    add t0, s2, t0
    sw s5, 8(t0)
    ld a0, 0(t0)
    mv a1, s0
    mv a2, s5
    call copy
    slli t0, s4, 1
    add t0, s2, t0
    sh s4, QUEUE_AVAILABLE + 4(t0)
    addi s3, s3, 1
    fence
    sh s3, QUEUE_AVAILABLE + 2(s2)
    fence
    lhu t0, QUEUE_USED(s2)       # bit 0: the device looks by itself
    andi t0, t0, 1
    bnez t0, 3f
    call ring_kick
3:  add s0, s0, s5
    sub s1, s1, s5
    j 1b
4:  LEAVE

ring_kick:
    ld a0, G_RING_CHANNEL(gp)
    li a1, 1
    HVP HVP_EVENT_SEND
    ret

# ring_wait(a0 = how many may be under way): gives the processor up, again and again, until no more are.
ring_wait:
    ENTER
    la s0, ring_queue
    mv s1, a0
1:  lhu t0, QUEUE_AVAILABLE + 2(s0)
    lhu t1, QUEUE_USED + 2(s0)
    fence
    sub t0, t0, t1
    slli t0, t0, 48
    srli t0, t0, 48
    bleu t0, s1, 2f
    HVP HVP_YIELD
    j 1b
2:  LEAVE

# ring_drain(): before the machine ends.
ring_drain:
    ld t0, G_RING_CHANNEL(gp)
    li a0, 0
    bnez t0, ring_wait
    ret

    .bss
    .balign 16
ring_receive:       .zero QUEUE_BYTES
ring_queue:         .zero QUEUE_BYTES
ring_buffers:       .zero CONSOLE_BYTES * QUEUE_ENTRIES
