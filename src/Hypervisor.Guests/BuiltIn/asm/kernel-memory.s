# Pages, page tables, address spaces, demand paging. What differs between the editions is how an entry of a table in use is
# written: pt_set, pt_table_ready, pt_commit_map, pt_commit_unmap, space_activate, space_seal, space_unseal.

    .text
# page_take() -> a0 = a page with whatever it held, or 0.
page_take:
    ld a0, G_FREE(gp)
    beqz a0, 1f
    ld t0, 0(a0)
    sd t0, G_FREE(gp)
    ret
1:  ld a0, G_BUMP(gp)
    ld t0, G_LIMIT(gp)
    bgeu a0, t0, 2f
    li t1, PAGE_SIZE
    add t1, a0, t1
    sd t1, G_BUMP(gp)
    ret
2:  li a0, 0
    ret

# page_alloc() -> a0 = a zeroed page, or 0.
page_alloc:
    mv t6, ra
    call page_take
    mv ra, t6
    beqz a0, 2f
    li t1, PAGE_SIZE
    add t1, a0, t1
    mv t0, a0
1:  sd zero, 0(t0)
    sd zero, 8(t0)
    sd zero, 16(t0)
    sd zero, 24(t0)
    sd zero, 32(t0)
    sd zero, 40(t0)
    sd zero, 48(t0)
    sd zero, 56(t0)
    addi t0, t0, 64
    bltu t0, t1, 1b
2:  ret

# page_free(a0)
page_free:
    ld t0, G_FREE(gp)
    sd t0, 0(a0)
    sd a0, G_FREE(gp)
    ret

# page_copy(a0 = to, a1 = from)
page_copy:
    li t0, PAGE_SIZE
    add t0, a0, t0
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
    bltu a0, t0, 1b
    ret

# pt_find(a0 = process, a1 = user va, a2 = 1 to make missing tables) -> a0 = address of the level-0 entry, or 0.
pt_find:
    ENTER
    mv s1, a1
    mv s2, a2
    ld s0, P_ROOT(a0)
    ld t0, P_LIVE(a0)
    sd t0, G_PT_LIVE(gp)
    li s3, 1                     # level of the table that the entry at s0 points to
1:  ld t0, 0(s0)
    andi t1, t0, PTE_V
    bnez t1, 2f
    li a0, 0
    beqz s2, 4f
    call page_alloc
    beqz a0, 4f
    mv s4, a0
    mv a1, s3
    call pt_table_ready
    srli a1, s4, 2
    ori a1, a1, PTE_V
    mv a0, s0
    call pt_set
    mv t1, s4
    j 3f
2:  srli t0, t0, 10
    slli t1, t0, 12
3:  # the entry of this va in the table at t1
    li t2, 21
    bnez s3, 5f
    li t2, 12
5:  srl t2, s1, t2
    andi t2, t2, 511
    slli t2, t2, 3
    add s0, t1, t2
    addi s3, s3, -1
    bgez s3, 1b
    mv a0, s0
4:  LEAVE

# space_new(a0 = process) -> a0 = 0, or -1. A root with the kernel's entries.
space_new:
    ENTER
    mv s0, a0
    sd zero, P_LIVE(s0)
    call page_alloc
    beqz a0, 1f
    sd a0, P_ROOT(s0)
    ld t0, G_KERNEL_ROOT(gp)
    ld t1, 16(t0)
    sd t1, 16(a0)
    ld t1, 32(t0)
    sd t1, 32(a0)
    li a0, 0
    j 2f
1:  sd zero, P_ROOT(s0)
    li a0, -1
2:  LEAVE

# space_free(a0 = process): its pages, tables and root. The space must not be the active one.
space_free:
    ENTER
    mv s0, a0
    ld s1, P_ROOT(s0)
    beqz s1, 5f
    call space_unseal
    ld t0, 0(s1)
    andi t1, t0, PTE_V
    beqz t1, 4f
    srli t0, t0, 10
    slli s2, t0, 12              # level-1 table
    mv s3, s2
    li t0, PAGE_SIZE
    add s4, s2, t0
1:  UNLESS_FOUR_EMPTY s3, 7f
    j 8f
7:  ld t0, 0(s3)
    andi t1, t0, PTE_V
    beqz t1, 3f
    srli t0, t0, 10
    slli s5, t0, 12              # level-0 table
    li t0, PAGE_SIZE
    add s6, s5, t0
2:  UNLESS_FOUR_EMPTY s5, 9f
    j 6f
9:  ld t0, 0(s5)
    addi s5, s5, 8
    beqz t0, 6f
    srli t0, t0, 10
    slli a0, t0, 12
    call page_free
6:  bltu s5, s6, 2b
    li t0, PAGE_SIZE
    sub a0, s5, t0
    call page_free
3:  addi s3, s3, 8
8:  bltu s3, s4, 1b
    mv a0, s2
    call page_free
4:  mv a0, s1
    call page_free
    sd zero, P_ROOT(s0)
5:  LEAVE

# space_copy(a0 = child, a1 = parent) -> a0 = 0, or -1 when memory ran out. Copies every mapped page of the parent.
space_copy:
    ENTER
    addi sp, sp, -16
    mv s0, a0
    mv s1, a1
    call space_new
    bnez a0, 6f
    ld t0, P_ROOT(s1)
    ld t0, 0(t0)
    andi t1, t0, PTE_V
    beqz t1, 5f
    srli t0, t0, 10
    slli s2, t0, 12
    li s3, 0                     # va
1:  UNLESS_FOUR_EMPTY s2, 8f
    li t0, 0x800000
    j 9f
8:  ld t0, 0(s2)
    addi s2, s2, 8
    andi t1, t0, PTE_V
    beqz t1, 4f
    srli t0, t0, 10
    slli s4, t0, 12
    mv a0, s0
    mv a1, s3
    li a2, 1
    call pt_find
    beqz a0, 6f
    mv s5, a0
    li t0, PAGE_SIZE
    add t0, s4, t0
    sd t0, 0(sp)
2:  UNLESS_FOUR_EMPTY s4, 8f
    addi s5, s5, 32
    j 10f
8:  ld s6, 0(s4)
    beqz s6, 3f
    call page_take
    beqz a0, 6f
    srli t0, a0, 2
    andi t1, s6, 0xff
    or t0, t0, t1
    sd t0, 0(s5)
    srli t0, s6, 10
    slli a1, t0, 12
    call page_copy
3:  addi s4, s4, 8
    addi s5, s5, 8
10: ld t0, 0(sp)
    bltu s4, t0, 2b
4:  li t0, 0x200000
9:  add s3, s3, t0
    srli t0, s3, USER_BITS
    beqz t0, 1b
5:  mv a0, s0
    call space_seal
    li a0, 0
    j 7f
6:  li a0, -1
7:  addi sp, sp, 16
    LEAVE

# vma_find(a0 = process, a1 = va) -> a0 = the area that holds it, or 0.
vma_find:
    addi a0, a0, P_VMAS
    li t0, MAX_VMAS
1:  ld t1, 0(a0)
    ld t2, 8(a0)
    bltu a1, t1, 2f
    bltu a1, t2, 3f
2:  addi a0, a0, VMA_SIZE
    addi t0, t0, -1
    bnez t0, 1b
    li a0, 0
3:  ret

# page_fault(a0 = va, a1 = cause) -> a0 = 0 if the current process may go on, -1 if it may not.
page_fault:
    ENTER
    mv s0, a0
    mv s1, a1
    srli t0, s0, USER_BITS
    bnez t0, 3f
    mv a0, tp
    mv a1, s0
    call vma_find
    beqz a0, 3f
    ld s2, 16(a0)                # the area's entry bits
    li t0, CAUSE_FETCH_FAULT
    beq s1, t0, 3f
    li t1, PTE_R
    li t0, CAUSE_LOAD_FAULT
    beq s1, t0, 1f
    li t1, PTE_W
1:  and t1, t1, s2
    beqz t1, 3f
    mv a0, tp
    mv a1, s0
    li a2, 1
    call pt_find
    beqz a0, 3f
    ld t0, 0(a0)
    bnez t0, 3f                  # mapped already: the access itself is wrong
    mv s3, a0
    call page_alloc
    beqz a0, 3f
    srli a1, a0, 2
    or a1, a1, s2
    mv a0, s3
    call pt_set
    mv a0, s0
    call pt_commit_map
    li a0, 0
    j 4f
3:  li a0, -1
4:  LEAVE
