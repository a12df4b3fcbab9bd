# Virtio devices on the MMIO transport (virtio 1.2 §4.2), version 2, with split queues (§2.7) of 8 entries. Registers are
# reached before paging is on; a queue is QUEUE_BYTES of zeroed memory: descriptors at 0, then the available and the used
# ring.

    .text
# virtio_start(a0 = device id) -> a0 = its registers, or 0 if there is none; a1 = its slot. Negotiates version 1 alone.
virtio_start:
    li t3, VIRTIO_MMIO
    li a1, 0
1:  lwu t0, VR_MAGIC(t3)
    li t1, VIRTIO_MAGIC_VALUE
    bne t0, t1, 2f
    lwu t0, VR_DEVICE(t3)
    bne t0, a0, 2f
    lwu t0, VR_VERSION(t3)
    li t1, 2
    beq t0, t1, 3f
2:  li t0, VIRTIO_STRIDE
    add t3, t3, t0
    addi a1, a1, 1
    li t0, VIRTIO_SLOTS
    bltu a1, t0, 1b
4:  li a0, 0
    ret
3:  sw zero, VR_STATUS(t3)       # reset
    fence
    li t0, 3                     # ACKNOWLEDGE, DRIVER
    sw t0, VR_STATUS(t3)
    sw zero, VR_DRIVER_FEATURES_SEL(t3)
    sw zero, VR_DRIVER_FEATURES(t3)
    li t0, 1
    sw t0, VR_DRIVER_FEATURES_SEL(t3)
    sw t0, VR_DRIVER_FEATURES(t3)
    li t0, 11                    # and FEATURES_OK
    sw t0, VR_STATUS(t3)
    lwu t1, VR_STATUS(t3)
    bne t0, t1, 4b
    mv a0, t3
    ret

# virtio_queue(a0 = registers, a1 = queue number, a2 = its memory) -> a1 = 0, or -1 if the device has no such queue.
virtio_queue:
    sw a1, VR_QUEUE_SEL(a0)
    li a1, -1
    lwu t0, VR_QUEUE_MAX(a0)
    li t1, QUEUE_ENTRIES
    bltu t0, t1, 1f
    sw t1, VR_QUEUE_NUM(a0)
    srli t1, a2, 32
    sw a2, VR_QUEUE_DESC(a0)
    sw t1, VR_QUEUE_DESC + 4(a0)
    addi t0, a2, QUEUE_AVAILABLE
    sw t0, VR_QUEUE_AVAIL(a0)
    sw t1, VR_QUEUE_AVAIL + 4(a0)
    addi t0, a2, QUEUE_USED
    sw t0, VR_QUEUE_USED(a0)
    sw t1, VR_QUEUE_USED + 4(a0)
    li t0, 1
    sw t0, VR_QUEUE_READY(a0)
    li a1, 0
1:  ret

# virtio_go(a0 = registers): the queues are set up.
virtio_go:
    li t0, 15                    # and DRIVER_OK
    sw t0, VR_STATUS(a0)
    ret
