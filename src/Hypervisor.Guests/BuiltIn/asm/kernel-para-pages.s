# The para edition's page tables. Changes of tables in use are gathered and go over in one call, with the pins and flushes
# that belong to them.

    .text
# call_add(a0 = function, a1, a2, a3 = its arguments): into the next multicall.
call_add:
    ld t0, G_CALL_COUNT(gp)
    li t1, MAX_CALLS
    bltu t0, t1, 1f
    addi sp, sp, -48
    sd ra, 0(sp)
    sd a0, 8(sp)
    sd a1, 16(sp)
    sd a2, 24(sp)
    sd a3, 32(sp)
    call calls_flush
    ld ra, 0(sp)
    ld a0, 8(sp)
    ld a1, 16(sp)
    ld a2, 24(sp)
    ld a3, 32(sp)
    addi sp, sp, 48
    li t0, 0
1:  addi t1, t0, 1
    sd t1, G_CALL_COUNT(gp)
    li t1, CALL_SIZE
    mul t0, t0, t1
    la t1, call_entries
    add t0, t0, t1
    li t1, SBI_HVP
    sd t1, 0(t0)
    sd a0, 8(t0)
    sd a1, 16(t0)
    sd a2, 24(t0)
    sd a3, 32(t0)
    ret

# Makes the gathered calls: one directly, more as a multicall. Any refusal is a bug of this kernel.
calls_flush:
    ld t0, G_CALL_COUNT(gp)
    beqz t0, 3f
    sd zero, G_CALL_COUNT(gp)
    la t1, call_entries
    li t2, 1
    bne t0, t2, 1f
    ld a6, 8(t1)
    ld a0, 16(t1)
    ld a1, 24(t1)
    ld a2, 32(t1)
    li a7, SBI_HVP
    ecall
    bnez a0, 4f
    ret
1:  mv a0, t1
    mv a1, t0
    HVP HVP_MULTICALL
    bnez a0, 4f
2:  ld a0, 64(t1)
    bnez a0, 4f
    addi t1, t1, CALL_SIZE
    addi t0, t0, -1
    bnez t0, 2b
3:  ret
4:  la a0, text_refused
    j panic

# pt_set(a0 = entry, a1 = value): at once in tables not yet in use, else with the next commit.
pt_set:
    ld t0, G_PT_LIVE(gp)
    bnez t0, 1f
    sd a1, 0(a0)
    ret
1:  ld t0, G_PT_COUNT(gp)
    la t1, update_entries
    slli t2, t0, 4
    add t1, t1, t2
    sd a0, 0(t1)
    sd a1, 8(t1)
    addi t0, t0, 1
    sd t0, G_PT_COUNT(gp)
    li t1, MAX_UPDATES
    bgeu t0, t1, updates_commit
    ret

# pt_table_ready(a0 = a zeroed table, a1 = its level): about to be linked.
pt_table_ready:
    ld t0, G_PT_LIVE(gp)
    beqz t0, 1f
    mv a2, a1
    mv a1, a0
    li a0, HVP_MMU_PIN
    j call_add
1:  ret

# Adds the gathered entries to the calls, if there are any.
updates_add:
    ld a2, G_PT_COUNT(gp)
    beqz a2, 1f
    sd zero, G_PT_COUNT(gp)
    la a1, update_entries
    li a0, HVP_MMU_UPDATE
    j call_add
1:  ret

# Nothing invalid is ever cached, so a new mapping needs no flush.
pt_commit_map:
updates_commit:
    addi sp, sp, -16
    sd ra, 0(sp)
    call updates_add
    call calls_flush
    ld ra, 0(sp)
    addi sp, sp, 16
    ret

# pt_commit_unmap(a0 = va, a1 = pages), of the current process.
pt_commit_unmap:
    addi sp, sp, -32
    sd ra, 0(sp)
    sd a0, 8(sp)
    sd a1, 16(sp)
    call updates_add
    li a0, HVP_MMU_FLUSH
    ld a1, 8(sp)
    ld a2, 16(sp)
    ld a3, P_ASID(tp)
    call call_add
    call calls_flush
    ld ra, 0(sp)
    addi sp, sp, 32
    ret

# space_seal(a0 = process): pins its tables, children first, and forgets what its address space id held before.
space_seal:
    ENTER
    mv s0, a0
    li s1, HVP_MMU_PIN
    call tables_visit
    ld a1, P_ROOT(s0)
    li a2, 2
    mv a0, s1
    call call_add
    li t0, 1
    sd t0, P_LIVE(s0)
    li a0, HVP_MMU_FLUSH
    li a1, 0
    li a2, 0
    ld a3, P_ASID(s0)
    call call_add
    call calls_flush
    LEAVE

# space_unseal(a0 = process): unpins them, root first.
space_unseal:
    ENTER
    mv s0, a0
    ld t0, P_LIVE(s0)
    beqz t0, 1f
    sd zero, P_LIVE(s0)
    li a0, HVP_MMU_UNPIN
    ld a1, P_ROOT(s0)
    call call_add
    li s1, HVP_MMU_UNPIN
    call tables_visit
    call calls_flush
1:  LEAVE

# tables_visit(s0 = process, s1 = pin or unpin): adds a call for each table below the root; level 1 last when pinning,
# first when unpinning.
tables_visit:
    addi sp, sp, -48
    sd ra, 0(sp)
    sd s2, 8(sp)
    sd s3, 16(sp)
    sd s4, 24(sp)
    ld t0, P_ROOT(s0)
    ld t0, 0(t0)
    andi t1, t0, PTE_V
    beqz t1, 4f
    srli t0, t0, 10
    slli s2, t0, 12
    li t0, HVP_MMU_UNPIN
    bne s1, t0, 1f
    mv a0, s1
    mv a1, s2
    call call_add
1:  mv s3, s2
    li t0, PAGE_SIZE
    add s4, s2, t0
2:  UNLESS_FOUR_EMPTY s3, 5f
    j 6f
5:  ld t0, 0(s3)
    beqz t0, 3f
    srli t0, t0, 10
    slli a1, t0, 12
    mv a0, s1
    li a2, 0
    call call_add
3:  addi s3, s3, 8
6:  bltu s3, s4, 2b
    li t0, HVP_MMU_PIN
    bne s1, t0, 4f
    mv a0, s1
    mv a1, s2
    li a2, 1
    call call_add
4:  ld ra, 0(sp)
    ld s2, 8(sp)
    ld s3, 16(sp)
    ld s4, 24(sp)
    addi sp, sp, 48
    ret

# space_activate(a0 = process)
space_activate:
    ld a1, P_ASID(a0)
    ld a0, P_ROOT(a0)
    HVP HVP_MMU_SET_ROOT
    bnez a0, 1f
    ret
1:  la a0, text_refused
    j panic

# Only gathered: it goes over with the calls that need it (those that unpin the tables left).
space_activate_kernel:
    li a0, HVP_MMU_SET_ROOT
    ld a1, G_KERNEL_ROOT(gp)
    li a2, 0
    j call_add
