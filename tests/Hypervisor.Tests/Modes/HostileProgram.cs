namespace Hypervisor.Tests.Modes;

/// <summary>Machine-mode programs that misuse the board, and one that only wants its share and whole memory.</summary>
internal static class HostileProgram
{
    /// <summary>
    /// Loads and stores of any size with any value at any offset of any device, of holes and of RAM; now and then it sets a
    /// virtio queue up as a driver would, on rings that hold noise. All interrupts are taken and none is ever cleared.
    /// </summary>
    public static string Devices(int seed) => $"""
            .option norvc
            .equ SEED, {seed | 1}
        """ + """

            .text
            .globl _start
        _start:
            la t0, trap
            csrw mtvec, t0
            li s0, SEED
            slli t0, a0, 40
            add s0, s0, t0
            la s1, windows
            li s2, 0
        loop:
            addi s2, s2, 1
            andi t0, s2, 255
            bnez t0, 1f
            li t0, -1
            csrw mie, t0
            csrsi mstatus, 8
        1:  call random
            mv s3, a0
            andi t0, s3, 15              # a window
            slli t0, t0, 4
            add t0, t0, s1
            ld s4, 0(t0)
            ld t1, 8(t0)
            srli t2, s3, 16
            and t2, t2, t1
            add s4, s4, t2
            srli t0, s3, 4
            andi t0, t0, 3
            beqz t0, 2f                  # one in four unaligned
            andi s4, s4, -8
            andi t0, s3, 256
            beqz t0, 2f
            addi s4, s4, 4
        2:  call random
            mv s5, a0
            srli t0, s3, 9
            andi t0, t0, 3
            beqz t0, 3f                  # the value: any, small, a bit, an address in RAM
            li t1, 1
            bne t0, t1, 4f
            andi s5, s5, 255
            j 3f
        4:  li t1, 2
            bne t0, t1, 5f
            andi t0, s5, 63
            sll s5, t1, t0
            j 3f
        5:  call ram
            mv s5, a0
        3:  srli t0, s3, 11
            andi t0, t0, 15
            la t1, accesses
            slli t0, t0, 3
            add t1, t1, t0
            jr t1
        accesses:
            sb s5, 0(s4)
            j loop
            sh s5, 0(s4)
            j loop
            sw s5, 0(s4)
            j loop
            sd s5, 0(s4)
            j loop
            lb t0, 0(s4)
            j loop
            lh t0, 0(s4)
            j loop
            lw t0, 0(s4)
            j loop
            ld t0, 0(s4)
            j loop
            sw s5, 0(s4)
            j loop
            amoadd.w t0, s5, (s4)
            j loop
            lr.d t0, (s4)
            j loop
            sc.d t0, s5, (s4)
            j loop
            fsd ft0, 0(s4)
            j loop
            flw ft0, 0(s4)
            j loop
            nop
            j queue
            nop
            j queue

        queue:                           # the legal steps of a driver, with rings anywhere
            call random
            andi t0, a0, 7
            slli t0, t0, 12
            li s4, 0x10001000
            add s4, s4, t0
            srli t0, a0, 8
            andi t0, t0, 7
            beqz t0, 1f                  # mostly without reset
            sw zero, 0x70(s4)
        1:  li t0, 1
            sw t0, 0x70(s4)
            li t0, 3
            sw t0, 0x70(s4)
            sw zero, 0x14(s4)
            lw t1, 0x10(s4)
            sw zero, 0x24(s4)
            sw t1, 0x20(s4)
            li t0, 1
            sw t0, 0x14(s4)
            lw t1, 0x10(s4)
            sw t0, 0x24(s4)
            sw t1, 0x20(s4)
            li t0, 11
            sw t0, 0x70(s4)
            srli t0, a0, 12
            andi t0, t0, 3
            sw t0, 0x30(s4)
            srli t0, a0, 16
            andi t0, t0, 7
            li t1, 1
            sll t1, t1, t0
            sw t1, 0x38(s4)
            call ram
            sw a0, 0x80(s4)
            srli t0, a0, 32
            sw t0, 0x84(s4)
            call ram
            sw a0, 0x90(s4)
            sw zero, 0x94(s4)
            mv s6, a0
            call ram
            sw a0, 0xa0(s4)
            sw zero, 0xa4(s4)
            li t0, 1
            sw t0, 0x44(s4)
            li t0, 15
            sw t0, 0x70(s4)
            # noise into descriptors near the rings, then kicks
            li s7, 16
        2:  call ram
            mv s5, a0
            call ram
            sd a0, 0(s5)
            call random
            andi a0, a0, 7
            sh a0, 2(s6)
            andi a0, a0, 3
            sw a0, 0x50(s4)
            addi s7, s7, -1
            bnez s7, 2b
            j loop

        ram:                             # mostly inside a 64 KiB area, so that things refer to each other
            mv s8, ra
            call random
            andi t0, a0, 7
            la t1, noise
            beqz t0, 1f
            slli a0, a0, 48
            srli a0, a0, 48
            andi a0, a0, -16
            add a0, a0, t1
        1:  mv ra, s8
            ret

        random:
            slli t0, s0, 13
            xor s0, s0, t0
            srli t0, s0, 7
            xor s0, s0, t0
            slli t0, s0, 17
            xor s0, s0, t0
            mv a0, s0
            ret

            .balign 4
        trap:
            csrr t6, mcause
            bltz t6, 1f
            csrr t6, mepc
            addi t6, t6, 4
            csrw mepc, t6
            mret
        1:  addi s9, s9, 1
            andi t6, s9, 63
            bnez t6, 2f
            csrw mie, zero               # after a storm of 64, some way on
        2:  mret

            .data
            .balign 16
        windows:
            .dword 0x10000000, 0xff      # serial port
            .dword 0x10001000, 0x7fff    # virtio
            .dword 0x10001000, 0x71ff
            .dword 0x10001000, 0x70ff
            .dword 0x10001000, 0x7fff
            .dword 0x02000000, 0xffff    # CLINT
            .dword 0x02004000, 0x3f
            .dword 0x0200bff8, 0x7
            .dword 0x0c000000, 0x3ffffff # PLIC
            .dword 0x0c000000, 0x1ff
            .dword 0x0c002000, 0x1ff
            .dword 0x0c200000, 0x3fff
            .dword 0x00101000, 0xfff     # clock
            .dword 0x00110000, 0xffff    # a hole, or the marker
            .dword 0x00000000, -1        # anywhere
            .dword noise, 0xffff
            .balign 4096
        noise:
            .zero 65536
        """;

    /// <summary>A storm on a hart's own interrupts: <paramref name="kind"/> says which, and none is ever cleared.</summary>
    public static string Storm(string kind) => """
            .option norvc
            .text
            .globl _start
        _start:
            la t0, trap
            csrw mtvec, t0
            li t0, -1
            csrw mie, t0
        """ + "\n" + kind switch
    {
        // The comparator in the past: pending for ever.
        "timer" => """
                li t0, 0x02004000
                sd zero, 0(t0)
            """,
        // Empty for ever, so that the transmitter always asks; taken and completed, never served.
        "serial" => """
                li t0, 0x0c000000
                li t1, 1
                sw t1, 40(t0)
                li t0, 0x0c002000
                li t1, 0x400
                sw t1, 0(t0)
                li t0, 0x10000000
                li t1, 2
                sb t1, 1(t0)
            """,
        // Armed anew for the next tick by its own handler.
        "rearm" => """
                li t0, 1
                slli t0, t0, 63
                csrw menvcfg, t0
                csrr t0, time
                csrw stimecmp, t0
            """,
        // Nothing but sleep that never lasts.
        "wfi" => """
                li t0, 0x02004000
                sd zero, 0(t0)
                li t0, 0x80
                csrw mie, t0
            1:  wfi
                j 1b
            """,
        // Traps into a handler that traps: nothing ever retires.
        "traps" => """
                la t0, undefined
                csrw mtvec, t0
            .balign 4
            undefined: .word 0xffffffff
            """,
        // Software interrupts to itself.
        "self" => """
                li t0, 0x02000000
                li t1, 1
                sw t1, 0(t0)
            """,
        _ => throw new ArgumentOutOfRangeException(nameof(kind), kind, null),
    } + """

            csrsi mstatus, 8
        1:  addi s1, s1, 1
            j 1b
            .balign 4
        trap:
            addi s9, s9, 1
            li t0, 0x0c200004
            lw t1, 0(t0)
            sw t1, 0(t0)
            csrr t0, time
            addi t0, t0, 1
            csrw stimecmp, t0
            mret
        """;

    public static IReadOnlyList<string> Storms => ["timer", "serial", "rearm", "wfi", "traps", "self"];

    /// <summary>Fills its memory, checks it, counts the rounds in s11 and reports a byte that is not its own.</summary>
    public const string Neighbour = """
            .option norvc
            .text
            .globl _start
        _start:
            la s0, memory
            li s1, 8192
            li s11, 0
        1:  mv t0, s0
            mv t1, s1
        2:  xor t2, t0, s11
            sd t2, 0(t0)
            addi t0, t0, 8
            addi t1, t1, -1
            bnez t1, 2b
            mv t0, s0
            mv t1, s1
        3:  xor t2, t0, s11
            ld t3, 0(t0)
            bne t2, t3, 4f
            addi t0, t0, 8
            addi t1, t1, -1
            bnez t1, 3b
            addi s11, s11, 1
            j 1b
        4:  li t0, 0x100000
            li t1, 0x13333
            sw t1, 0(t0)
        5:  j 5b
            .data
            .balign 4096
        memory: .zero 65536
        """;
}
