# The system calls that change what a process has mapped.

    .text
# mmap(address, length, prot, flags, fd, offset): anonymous, private, placed by the kernel.
sys_mmap:
    bnez a0, 9f
    beqz a1, 9f
    andi t0, a3, 0x20            # MAP_ANONYMOUS
    beqz t0, 9f
    li t0, MMAP_END
    bgtu a1, t0, 8f
    li t0, 4095
    add a1, a1, t0
    srli a1, a1, 12
    slli a1, a1, 12
    # PROT_READ 1, PROT_WRITE 2: the entry bits of its pages
    li t6, PTE_USER
    andi t0, a2, 3
    beqz t0, 9f
    ori t6, t6, PTE_R
    andi t0, a2, 2
    slli t0, t0, 1
    or t6, t6, t0
    # a free slot
    addi t0, tp, P_VMAS
    li t1, MAX_VMAS
1:  ld t2, 8(t0)
    beqz t2, 2f
    addi t0, t0, VMA_SIZE
    addi t1, t1, -1
    bnez t1, 1b
    j 8f
    # the lowest gap that is long enough: moved behind any area it touches, until it touches none
2:  li t2, MMAP_BASE
3:  add t3, t2, a1
    li t4, MMAP_END
    bgtu t3, t4, 8f
    addi t4, tp, P_VMAS
    li t5, MAX_VMAS
4:  ld a4, 0(t4)
    ld a5, 8(t4)
    bgeu a4, t3, 5f
    bgeu t2, a5, 5f
    mv t2, a5
    j 3b
5:  addi t4, t4, VMA_SIZE
    addi t5, t5, -1
    bnez t5, 4b
    sd t2, 0(t0)
    sd t3, 8(t0)
    sd t6, 16(t0)
    mv a0, t2
    ret
8:  li a0, -ENOMEM
    ret
9:  li a0, -EINVAL
    ret

# munmap(address, length): exactly one whole area.
sys_munmap:
    ENTER
    addi sp, sp, -16
    li t0, 4095
    add a1, a1, t0
    srli a1, a1, 12
    slli a1, a1, 12
    add s1, a0, a1
    mv s0, a0
    mv a0, tp
    mv a1, s0
    call vma_find
    beqz a0, 8f
    ld t0, 0(a0)
    bne t0, s0, 8f
    ld t0, 8(a0)
    bne t0, s1, 8f
    sd zero, 0(a0)
    sd zero, 8(a0)
    sd zero, 16(a0)
    mv s2, s0
    # a level-0 table at a time: find its entry once, then step through
1:  mv a0, tp
    mv a1, s2
    li a2, 0
    call pt_find
    mv s3, a0
    li t0, 0x200000
    add s4, s2, t0
    li t0, -0x200000
    and s4, s4, t0
    bleu s4, s1, 2f
    mv s4, s1
2:  beqz s3, 4f
3:  ld t0, 0(s3)
    beqz t0, 5f
    srli t0, t0, 10
    slli s5, t0, 12
    mv a0, s3
    li a1, 0
    call pt_set
    mv a0, s5
    call page_free
5:  addi s3, s3, 8
    li t0, PAGE_SIZE
    add s2, s2, t0
    bltu s2, s4, 3b
4:  mv s2, s4
    bltu s2, s1, 1b
    mv a0, s0
    sub a1, s1, s0
    srli a1, a1, 12
    call pt_commit_unmap
    li a0, 0
    j 9f
8:  li a0, -EINVAL
9:  addi sp, sp, 16
    LEAVE
