# Copies to and from user memory. A fault inside a copy that demand paging cannot mend ends it with -EFAULT (G_FIXUP).

    .text
# user_range(a0 = address, a1 = length) -> a0 = 0 if all of it is user space.
user_range:
    li t0, 1
    slli t0, t0, USER_BITS
    bgtu a0, t0, 1f
    sub t0, t0, a0
    bgtu a1, t0, 1f
    li a0, 0
    ret
1:  li a0, -1
    ret

# copy_in(a0 = kernel, a1 = user, a2 = length) and copy_out(a0 = user, a1 = kernel, a2 = length) -> a0 = 0, or -EFAULT.
copy_in:
    addi sp, sp, -32
    sd ra, 0(sp)
    sd a0, 8(sp)
    sd a1, 16(sp)
    mv a0, a1
    j copy_checked
copy_out:
    addi sp, sp, -32
    sd ra, 0(sp)
    sd a0, 8(sp)
    sd a1, 16(sp)
copy_checked:
    mv a1, a2
    call user_range
    bnez a0, copy_failed
    ld a0, 8(sp)
    ld a1, 16(sp)
    la t0, copy_failed
    sd t0, G_FIXUP(gp)
    call copy
    sd zero, G_FIXUP(gp)
    li a0, 0
    ld ra, 0(sp)
    addi sp, sp, 32
    ret
# Also entered from a fault inside copy, which leaves sp as it was.
copy_failed:
    sd zero, G_FIXUP(gp)
    li a0, -EFAULT
    ld ra, 0(sp)
    addi sp, sp, 32
    ret

# copy(a0 = to, a1 = from, a2 = length): by eights where both are aligned. Uses no stack.
copy:
    add a3, a0, a2
    or t0, a0, a1
    andi t0, t0, 7
    bnez t0, 3f
    andi t0, a2, -32
    add t0, a0, t0
    beq a0, t0, 2f
1:  ld t1, 0(a1)
    ld t2, 8(a1)
    ld t3, 16(a1)
    ld t4, 24(a1)
    sd t1, 0(a0)
    sd t2, 8(a0)
    sd t3, 16(a0)
    sd t4, 24(a0)
    addi a0, a0, 32
    addi a1, a1, 32
    bne a0, t0, 1b
2:  andi t0, a2, 24
    add t0, a0, t0
    beq a0, t0, 3f
4:  ld t1, 0(a1)
    sd t1, 0(a0)
    addi a0, a0, 8
    addi a1, a1, 8
    bne a0, t0, 4b
3:  beq a0, a3, 5f
6:  lbu t1, 0(a1)
    sb t1, 0(a0)
    addi a0, a0, 1
    addi a1, a1, 1
    bne a0, a3, 6b
5:  ret
