# Files: descriptors, pipes, the console, and names of the disk.

    .text
# fd_get(a0 = fd) -> a0 = its slot (type, pointer), or 0.
fd_get:
    li t0, MAX_FDS
    bgeu a0, t0, 1f
    slli a0, a0, 4
    add a0, a0, tp
    addi a0, a0, P_FDS
    ld t0, 0(a0)
    beqz t0, 1f
    ret
1:  li a0, 0
    ret

# fd_new() -> a0 = the lowest free fd, a1 = its slot; a0 = -EMFILE if none.
fd_new:
    addi a1, tp, P_FDS
    li a0, 0
    li t0, MAX_FDS
1:  ld t1, 0(a1)
    beqz t1, 2f
    addi a1, a1, FD_SIZE
    addi a0, a0, 1
    bltu a0, t0, 1b
    li a0, -EMFILE
2:  ret

# openat(dirfd, path*, flags, mode): "/dev/blk" and "bench.dat" are the disk; nothing else exists.
sys_openat:
    ENTER
    la a0, scratch
    li a2, 10
    call copy_in
    bnez a0, 9f
    la t0, scratch
    la t1, text_disk_device
    li t2, 9
    call text_equal
    beqz a0, 1f
    la t0, scratch
    la t1, text_disk_file
    li t2, 10
    call text_equal
    li t0, -ENOENT
    bnez a0, 8f
1:  li t0, -ENOENT
    ld t1, G_DISK_BASE(gp)
    beqz t1, 8f
    call fd_new
    bltz a0, 9f
    li t0, FD_DISK
    sd t0, 0(a1)
    j 9f
8:  mv a0, t0
9:  LEAVE

# text_equal(t0, t1, t2 = length) -> a0 = 0 if equal
text_equal:
    lbu t3, 0(t0)
    lbu t4, 0(t1)
    sub a0, t3, t4
    bnez a0, 1f
    addi t0, t0, 1
    addi t1, t1, 1
    addi t2, t2, -1
    bnez t2, text_equal
1:  ret

sys_close:
    addi sp, sp, -16
    sd ra, 0(sp)
    call fd_get
    li t0, -EBADF
    beqz a0, 1f
    call file_close
    li t0, 0
1:  mv a0, t0
    ld ra, 0(sp)
    addi sp, sp, 16
    ret

# file_close(a0 = slot, open or not). The last holder of a pipe's end wakes the other end; the last of both frees it.
file_close:
    ENTER
    ld t0, 0(a0)
    ld s0, 8(a0)
    sd zero, 0(a0)
    sd zero, 8(a0)
    li t1, FD_PIPE_READ
    beq t0, t1, 1f
    li t1, FD_PIPE_WRITE
    bne t0, t1, 3f
    ld t0, PIPE_WRITERS(s0)
    addi t0, t0, -1
    sd t0, PIPE_WRITERS(s0)
    j 2f
1:  ld t0, PIPE_READERS(s0)
    addi t0, t0, -1
    sd t0, PIPE_READERS(s0)
2:  mv a0, s0
    call wake
    ld t0, PIPE_READERS(s0)
    ld t1, PIPE_WRITERS(s0)
    or t0, t0, t1
    bnez t0, 3f
    ld a0, PIPE_BUFFER(s0)
    sd zero, PIPE_BUFFER(s0)
    call page_free
3:  LEAVE

# pipe2(fds*, flags = 0)
sys_pipe2:
    ENTER
    mv s0, a0
    li a0, -EINVAL
    bnez a1, 9f
    la s1, pipes
    li t0, MAX_PIPES
1:  ld t1, PIPE_BUFFER(s1)
    beqz t1, 2f
    addi s1, s1, PIPE_SIZE
    addi t0, t0, -1
    bnez t0, 1b
    li a0, -EMFILE
    j 9f
2:  call fd_new
    bltz a0, 9f
    mv s2, a0
    mv s3, a1
    li t0, FD_PIPE_READ
    sd t0, 0(s3)
    call fd_new
    bltz a0, 8f
    mv s4, a0
    mv s5, a1
    la a1, scratch
    sw s2, 0(a1)
    sw s4, 4(a1)
    mv a0, s0
    li a2, 8
    call copy_out
    bnez a0, 8f
    call page_alloc
    mv t0, a0
    li a0, -ENOMEM
    beqz t0, 8f
    sd t0, PIPE_BUFFER(s1)
    sd zero, PIPE_READ(s1)
    sd zero, PIPE_WRITTEN(s1)
    li t0, 1
    sd t0, PIPE_READERS(s1)
    sd t0, PIPE_WRITERS(s1)
    sd s1, 8(s3)
    sd s1, 8(s5)
    li t0, FD_PIPE_WRITE
    sd t0, 0(s5)
    li a0, 0
    j 9f
8:  sd zero, 0(s3)
9:  LEAVE

# read(fd, buffer, length)
sys_read:
    addi sp, sp, -16
    sd ra, 0(sp)
    call fd_get
    ld ra, 0(sp)
    addi sp, sp, 16
    mv t1, a0
    beqz t1, 1f
    ld t0, 0(t1)
    li t2, FD_PIPE_READ
    beq t0, t2, pipe_read
    li a0, 0                     # the console has no input: end of file
    li t2, FD_CONSOLE
    beq t0, t2, 2f
1:  li a0, -EBADF
2:  ret

# write(fd, buffer, length)
sys_write:
    addi sp, sp, -16
    sd ra, 0(sp)
    call fd_get
    ld ra, 0(sp)
    addi sp, sp, 16
    mv t1, a0
    beqz t1, 1f
    ld t0, 0(t1)
    li t2, FD_PIPE_WRITE
    beq t0, t2, pipe_write
    li t2, FD_CONSOLE
    beq t0, t2, console_user_write
1:  li a0, -EBADF
    ret

# pipe_read(t1 = slot, a1 = buffer, a2 = length): what there is, at least a byte; 0 when no writer is left.
pipe_read:
    ENTER
    ld s0, 8(t1)
    mv s1, a1
    mv s2, a2
    li a0, 0
    beqz s2, 9f
    ld s3, PIPE_READ(s0)
    ld t0, PIPE_WRITTEN(s0)
    sub s4, t0, s3               # bytes there are
    bnez s4, 1f
    ld t0, PIPE_WRITERS(s0)
    beqz t0, 9f
    mv a0, s0
    j block_on
1:  bleu s2, s4, 2f
    mv s2, s4
2:  # up to the end of the ring; the rest comes with the next read
    li t0, 4095
    and t1, s3, t0
    li t2, PAGE_SIZE
    sub t2, t2, t1
    bleu s2, t2, 3f
    mv s2, t2
3:  ld t0, PIPE_BUFFER(s0)
    add a1, t0, t1
    mv a0, s1
    mv a2, s2
    call copy_out
    bnez a0, 9f
    add s3, s3, s2
    sd s3, PIPE_READ(s0)
    mv a0, s0
    call wake
    mv a0, s2
9:  LEAVE

# pipe_write(t1 = slot, a1 = buffer, a2 = length): waits for room, writes what fits (at most to the ring's end).
pipe_write:
    ENTER
    ld s0, 8(t1)
    mv s1, a1
    mv s2, a2
    li a0, 0
    beqz s2, 9f
    li a0, -EPIPE
    ld t0, PIPE_READERS(s0)
    beqz t0, 9f
    ld s3, PIPE_WRITTEN(s0)
    ld t0, PIPE_READ(s0)
    sub t0, s3, t0
    li t1, PAGE_SIZE
    sub s4, t1, t0               # room
    bnez s4, 1f
    mv a0, s0
    j block_on
1:  bleu s2, s4, 2f
    mv s2, s4
2:  li t0, 4095
    and t1, s3, t0
    li t2, PAGE_SIZE
    sub t2, t2, t1
    bleu s2, t2, 3f
    mv s2, t2
3:  ld t0, PIPE_BUFFER(s0)
    add a0, t0, t1
    mv a1, s1
    mv a2, s2
    call copy_in
    bnez a0, 9f
    add s3, s3, s2
    sd s3, PIPE_WRITTEN(s0)
    mv a0, s0
    call wake
    mv a0, s2
9:  LEAVE

# console_user_write(a1 = buffer, a2 = length), a buffer at a time.
console_user_write:
    ENTER
    mv s0, a1
    mv s1, a2
    li s2, 0
1:  sub s3, s1, s2
    beqz s3, 3f
    li t0, CONSOLE_BYTES
    bleu s3, t0, 2f
    mv s3, t0
2:  la a0, console_buffer
    add a1, s0, s2
    mv a2, s3
    call copy_in
    bnez a0, 4f
    la a0, console_buffer
    mv a1, s3
    call console_write
    add s2, s2, s3
    j 1b
4:  bnez s2, 3f
    mv s2, a0
3:  mv a0, s2
    LEAVE
