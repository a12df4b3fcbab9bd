# The disk: a virtio block device (virtio 1.2 §5.2), one request at a time. The editions differ in disk_kick (the doorbell)
# and in how its interrupt arrives.

    .text
# disk_init(): takes the first block device into use. Without one G_DISK_BASE stays 0.
disk_init:
    ENTER
    li a0, 2
    call virtio_start
    beqz a0, 9f
    mv s0, a0
    mv s1, a1
    li a1, 0
    la a2, disk_queue
    call virtio_queue
    bnez a1, 9f
    call virtio_go
    sd s0, G_DISK_BASE(gp)
    sd s1, G_DISK_SLOT(gp)
    addi s1, s1, 1
    sd s1, G_DISK_IRQ(gp)
    # the descriptors that never change: 0 the request's head, 1 the data, 2 the status byte
    la t0, disk_queue
    la t1, disk_request
    sd t1, 0(t0)
    li t2, 16
    sw t2, 8(t0)
    li t2, 0x10001               # flags NEXT, next 1
    sw t2, 12(t0)
    la t1, disk_data
    sd t1, 16(t0)
    la t1, disk_status
    sd t1, 32(t0)
    li t2, 1
    sw t2, 40(t0)
    li t2, 2                     # flags WRITE, no next
    sw t2, 44(t0)
9:  LEAVE

# pread64(fd, buffer, length, offset) and pwrite64: whole sectors, at most a page at a time.
sys_pread64:
    li t6, 0
    j disk_transfer
sys_pwrite64:
    li t6, 1
disk_transfer:
    ENTER
    mv s0, t6                    # 1 = write
    mv s1, a1
    mv s2, a2
    mv s3, a3
    call fd_get
    beqz a0, 7f
    ld t0, 0(a0)
    li t1, FD_DISK
    bne t0, t1, 7f
    or t0, s2, s3
    andi t0, t0, 511
    bnez t0, 8f
    li a0, 0
    beqz s2, 9f
    bltz s3, 8f
    li t0, PAGE_SIZE
    bleu s2, t0, 1f
    mv s2, t0
1:  ld t0, G_DISK_STATE(gp)
    beqz t0, 2f
    ld t1, G_DISK_OWNER(gp)
    bne t1, tp, 3f
    li t1, DISK_DONE
    bne t0, t1, 3f
    # our request is served
    sd zero, G_DISK_STATE(gp)
    li a0, WAIT_BLOCK
    call wake
    la t0, disk_status
    lbu t0, 0(t0)
    bnez t0, 6f
    mv a0, s2
    bnez s0, 9f
    mv a0, s1
    la a1, disk_data
    mv a2, s2
    call copy_out
    bnez a0, 9f
    mv a0, s2
    j 9f
2:  # the disk is free: start
    beqz s0, 4f
    la a0, disk_data
    mv a1, s1
    mv a2, s2
    call copy_in
    bnez a0, 9f
4:  la t0, disk_request
    sw s0, 0(t0)                 # type: 0 in, 1 out
    srli t1, s3, 9
    sd t1, 8(t0)
    la t0, disk_queue
    sw s2, 24(t0)
    li t1, 0x20001               # flags NEXT, next 2
    bnez s0, 5f
    ori t1, t1, 2                # the device writes the data
5:  sw t1, 28(t0)
    la t0, disk_status
    li t1, 0xff
    sb t1, 0(t0)
    la t0, disk_queue            # the ring of heads stays zero: all are head 0
    lhu t1, QUEUE_AVAILABLE + 2(t0)
    addi t1, t1, 1
    fence
    sh t1, QUEUE_AVAILABLE + 2(t0)
    fence
    sd tp, G_DISK_OWNER(gp)
    li t0, DISK_BUSY
    sd t0, G_DISK_STATE(gp)
    call disk_kick
    ld t0, G_DISK_STATE(gp)
    li t1, DISK_DONE
    beq t0, t1, 1b               # served already
3:  li a0, WAIT_BLOCK
    j block_on
6:  li a0, -EIO
    j 9f
7:  li a0, -EBADF
    j 9f
8:  li a0, -EINVAL
9:  LEAVE

# disk_complete(): looks whether the device has used the request.
disk_complete:
    la t0, disk_queue
    lhu t1, QUEUE_USED + 2(t0)
    ld t2, G_DISK_USED(gp)
    beq t1, t2, 1f
    sd t1, G_DISK_USED(gp)
    fence
    ld t0, G_DISK_STATE(gp)
    li t1, DISK_BUSY
    bne t0, t1, 1f
    li t0, DISK_DONE
    sd t0, G_DISK_STATE(gp)
    li a0, WAIT_BLOCK
    j wake
1:  ret
