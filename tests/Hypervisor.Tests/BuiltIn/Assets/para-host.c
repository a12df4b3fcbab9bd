// A second, independent implementation of the hypervisor's side of docs/para-abi.md: M-mode firmware for QEMU's virt board,
// one hart, just enough to run the para kernel, and strict: it checks every rule of direct paging it can, and that pinned
// tables are never stored to (their sum must be as it was). mstatus.TVM makes any satp write or sfence.vma of the guest trap.
// At power-off it prints the number of calls of each function. Broken rules end the machine with code 200 + what.

typedef unsigned long u64;
typedef unsigned int u32;
typedef unsigned char u8;

#define RAM 0x80000000ul
#define RAM_END (RAM + (64ul << 20))
#define GUEST 0x80200000ul
#define REG8(a) (*(volatile u8 *)(a))
#define REG32(a) (*(volatile u32 *)(a))
#define REG64(a) (*(volatile u64 *)(a))
#define UART 0x10000000ul
#define MTIME REG64(0x0200bff8ul)
#define MTIMECMP REG64(0x02004000ul)
#define PLIC 0x0c000000ul
#define VIRTIO(slot) (0x10001000ul + (slot) * 0x1000ul)
#define csr_read(name) ({ u64 v_; asm volatile("csrr %0, " #name : "=r"(v_)); v_; })
#define csr_write(name, v) asm volatile("csrw " #name ", %0" :: "r"((u64)(v)) : "memory")
#define csr_set(name, v) asm volatile("csrs " #name ", %0" :: "r"((u64)(v)) : "memory")
#define csr_clear(name, v) asm volatile("csrc " #name ", %0" :: "r"((u64)(v)) : "memory")

enum { OK = 0, FAILED = -1, NOT_SUPPORTED = -2, INVALID_PARAM = -3, DENIED = -4, INVALID_ADDRESS = -5, AVAILABLE = -6 };
enum { CHANNEL_TIMER = 3, CHANNEL_VIRTIO = 8 };   // any numbers will do; the device's slot is added to the latter
#define NOT_PINNED 0xff

asm(".section .start, \"ax\"\n.globl start\nstart:\n"
    "bnez a0, 1f\nla sp, host_stack + 16384\ncall host_main\n1: wfi\nj 1b\n"
    ".balign 4\nhost_trap:\n"
    "csrrw sp, mscratch, sp\naddi sp, sp, -256\n"
    "sd x1,8(sp)\nsd x3,24(sp)\nsd x4,32(sp)\nsd x5,40(sp)\nsd x6,48(sp)\nsd x7,56(sp)\nsd x8,64(sp)\nsd x9,72(sp)\n"
    "sd x10,80(sp)\nsd x11,88(sp)\nsd x12,96(sp)\nsd x13,104(sp)\nsd x14,112(sp)\nsd x15,120(sp)\nsd x16,128(sp)\n"
    "sd x17,136(sp)\nsd x18,144(sp)\nsd x19,152(sp)\nsd x20,160(sp)\nsd x21,168(sp)\nsd x22,176(sp)\nsd x23,184(sp)\n"
    "sd x24,192(sp)\nsd x25,200(sp)\nsd x26,208(sp)\nsd x27,216(sp)\nsd x28,224(sp)\nsd x29,232(sp)\nsd x30,240(sp)\n"
    "sd x31,248(sp)\nmv a0, sp\ncall host_handle\n"
    "ld x1,8(sp)\nld x3,24(sp)\nld x4,32(sp)\nld x5,40(sp)\nld x6,48(sp)\nld x7,56(sp)\nld x8,64(sp)\nld x9,72(sp)\n"
    "ld x10,80(sp)\nld x11,88(sp)\nld x12,96(sp)\nld x13,104(sp)\nld x14,112(sp)\nld x15,120(sp)\nld x16,128(sp)\n"
    "ld x17,136(sp)\nld x18,144(sp)\nld x19,152(sp)\nld x20,160(sp)\nld x21,168(sp)\nld x22,176(sp)\nld x23,184(sp)\n"
    "ld x24,192(sp)\nld x25,200(sp)\nld x26,208(sp)\nld x27,216(sp)\nld x28,224(sp)\nld x29,232(sp)\nld x30,240(sp)\n"
    "ld x31,248(sp)\naddi sp, sp, 256\ncsrrw sp, mscratch, sp\nmret\n.text\n");
extern char host_trap[];
u8 host_stack[16384] __attribute__((aligned(16)));

static u8 level_of[(64ul << 20) / 4096];
static u64 sum_of[(64ul << 20) / 4096];
static u64 root, timer_bound, devices_bound;      // a bit a slot
static volatile u8 *shared;
static u64 calls[64], sbi_calls;

static void put(const char *s) { while (*s) REG8(UART) = *s++; }
static void put_number(u64 n) { if (n >= 10) put_number(n / 10); REG8(UART) = '0' + n % 10; }

static void finish(u64 code)
{
    static const char *const names[64] = { [0] = "features", [1] = "register", [2] = "yield", [3] = "block", [4] = "multicall",
        [5] = "mark", [0x10] = "bind", [0x11] = "send", [0x12] = "close", [0x13] = "poll", [0x20] = "pin", [0x21] = "unpin",
        [0x22] = "update", [0x23] = "root", [0x24] = "flush" };
    put("[");
    for (int i = 0; i < 64; i++)
        if (calls[i]) { put(names[i] ? names[i] : "unknown"); put("="); put_number(calls[i]); put(" "); }
    put("sbi="); put_number(sbi_calls); put("]\n");
    REG32(0x100000) = code ? code << 16 | 0x3333 : 0x5555;
    for (;;) ;
}

static void broken(u64 what) { put("[broken rule "); put_number(what); put("]\n"); finish(200 + what); }

static int in_ram(u64 address, u64 bytes) { return address >= GUEST && address < RAM_END && bytes <= RAM_END - address; }
static u64 page_index(u64 address) { return (address - RAM) >> 12; }
static int pinned(u64 address) { return in_ram(address, 1) && level_of[page_index(address)] != NOT_PINNED; }

static u64 page_sum(u64 page)
{
    u64 sum = 0;
    for (u64 i = 0; i < 512; i++) sum += ((u64 *)page)[i] * (i + 1);
    return sum;
}

static int entry_allowed(u64 pte, int level)
{
    if (!(pte & 1)) return 1;
    if (pte >> 54) return 0;
    u64 frame = (pte >> 10) << 12;
    if (pte & 0xe)
    {
        u64 size = 4096ul << 9 * level;
        if ((pte & 6) == 4 || frame & (size - 1)) return 0;
        return frame >= RAM && frame < RAM_END && size <= RAM_END - frame;
    }
    if (level == 0 || pte & 0xd0) return 0;
    return pinned(frame) && level_of[page_index(frame)] == level - 1;
}

struct result { long error; u64 value; };
static struct result answer(long error, u64 value) { return (struct result){ error, value }; }

static struct result pin(u64 gpa, u64 level)
{
    if (gpa & 4095 || !in_ram(gpa, 4096)) return answer(INVALID_ADDRESS, 0);
    if (level > 2) return answer(INVALID_PARAM, 0);
    if (pinned(gpa)) return answer(AVAILABLE, 0);
    for (u64 i = 0; i < 512; i++)
        if (!entry_allowed(((u64 *)gpa)[i], level)) return answer(INVALID_PARAM, i);
    level_of[page_index(gpa)] = level;
    sum_of[page_index(gpa)] = page_sum(gpa);
    return answer(OK, 0);
}

static void check_untouched(u64 page) { if (page_sum(page) != sum_of[page_index(page)]) broken(1); }

static struct result unpin(u64 gpa)
{
    if (gpa & 4095 || !pinned(gpa)) return answer(INVALID_ADDRESS, 0);
    check_untouched(gpa);
    if (gpa == root) return answer(DENIED, 0);
    for (u64 p = GUEST; p < RAM_END; p += 4096)
        if (pinned(p) && level_of[page_index(p)] == level_of[page_index(gpa)] + 1)
            for (u64 i = 0; i < 512; i++)
                if ((((u64 *)p)[i] & 0xf) == 1 && (((u64 *)p)[i] >> 10) << 12 == gpa) return answer(DENIED, 0);
    level_of[page_index(gpa)] = NOT_PINNED;
    return answer(OK, 0);
}

static struct result update(u64 gpa, u64 count)
{
    if (count > 512) return answer(INVALID_PARAM, 0);
    if (gpa & 7 || !in_ram(gpa, count * 16)) return answer(INVALID_ADDRESS, 0);
    for (u64 i = 0; i < count; i++)
    {
        u64 at = ((u64 *)gpa)[2 * i], value = ((u64 *)gpa)[2 * i + 1];
        if (at & 7 || !pinned(at)) return answer(INVALID_ADDRESS, i);
        if (!entry_allowed(value, level_of[page_index(at)])) return answer(INVALID_PARAM, i);
        sum_of[page_index(at)] += (value - *(u64 *)at) * ((at >> 3 & 511) + 1);
        *(u64 *)at = value;
    }
    return answer(OK, count);
}

static volatile u64 *pending(void) { return (volatile u64 *)(shared + 0x40); }
static u64 unmasked(void) { return shared ? pending()[0] & ~*(volatile u64 *)(shared + 0x60) : 0; }

static void fire(u64 channel)
{
    if (!shared) return;
    pending()[0] |= 1ul << channel;
    if (unmasked()) shared[0x15] = 1;
}

// Whatever the real timer and the real device have for us becomes events.
static void poll_sources(void)
{
    u64 mip = csr_read(mip);
    if (mip & 0x80 && csr_read(mie) & 0x80)
    {
        csr_clear(mie, 0x80);
        if (timer_bound) fire(CHANNEL_TIMER); else csr_set(mip, 0x20);
    }
    if (mip & 0x800)
    {
        u32 irq = REG32(PLIC + 0x200004);
        if (irq)
        {
            REG32(VIRTIO(irq - 1) + 0x64) = REG32(VIRTIO(irq - 1) + 0x60);
            fire(CHANNEL_VIRTIO + irq - 1);
            REG32(PLIC + 0x200004) = irq;
        }
    }
}

static struct result bind(u64 source, u64 index, u64 hart)
{
    if (hart || !shared) return answer(INVALID_PARAM, 0);
    if (source == 1 && index == 0)
    {
        if (timer_bound) return answer(AVAILABLE, 0);
        timer_bound = 1;
        return answer(OK, CHANNEL_TIMER);
    }
    if (source == 2 && index < 8)
    {
        if (devices_bound >> index & 1) return answer(AVAILABLE, 0);
        devices_bound |= 1 << index;
        REG32(PLIC + 4 * (index + 1)) = 1;
        REG32(PLIC + 0x2000) = devices_bound << 1;
        REG32(PLIC + 0x200000) = 0;
        csr_set(mie, 0x800);
        return answer(OK, CHANNEL_VIRTIO + index);
    }
    return answer(INVALID_PARAM, 0);
}

static struct result hvp(u64 function, u64 *a, int nested)
{
    if (function < 64) calls[function]++;
    switch (function)
    {
    case 0x00: return answer(OK, 1ul << 48 | 0x3f);
    case 0x01:
        if (a[0]) return answer(INVALID_PARAM, 0);
        if (a[1] & 4095 || !in_ram(a[1], 4096)) return answer(INVALID_ADDRESS, 0);
        shared = (u8 *)a[1];
        for (int i = 0; i < 512; i++) ((u64 *)shared)[i] = 0;
        *(u64 *)shared = 0x100000000ul | 0x31505648;
        *(u64 *)(shared + 8) = 0x3f;
        shared[0x14] = 1;
        *(u64 *)(shared + 0x18) = 10000000;
        for (int i = 0; i < 4; i++) ((u64 *)(shared + 0x60))[i] = ~0ul;
        return answer(OK, 0);
    case 0x02: return nested ? answer(DENIED, 0) : answer(OK, 0);
    case 0x03:
        if (nested) return answer(DENIED, 0);
        for (;;)
        {
            poll_sources();
            if (unmasked()) return answer(OK, 1);
            if (MTIME >= a[0]) return answer(OK, 0);
        }
    case 0x04:
        if (nested) return answer(DENIED, 0);
        if (a[1] > 128) return answer(INVALID_PARAM, 0);
        for (u64 i = 0; i < a[1]; i++)
        {
            u64 *entry = (u64 *)(a[0] + 80 * i);
            if ((u64)entry & 7 || !in_ram((u64)entry, 80)) return answer(INVALID_ADDRESS, i);
            if (entry[0] != 0x0A485650) { entry[8] = NOT_SUPPORTED; continue; }
            struct result r = hvp(entry[1], entry + 2, 1);
            entry[8] = r.error;
            entry[9] = r.value;
        }
        return answer(OK, a[1]);
    case 0x05: put("[mark "); put_number(a[0]); put(" "); put_number(a[1]); put("]\n"); return answer(OK, 0);
    case 0x10: return bind(a[0], a[1], a[2]);
    case 0x11:
        if (a[0] < CHANNEL_VIRTIO || a[0] >= CHANNEL_VIRTIO + 8 || !(devices_bound >> (a[0] - CHANNEL_VIRTIO) & 1))
            return answer(a[0] == CHANNEL_TIMER ? DENIED : INVALID_PARAM, 0);
        REG32(VIRTIO(a[0] - CHANNEL_VIRTIO) + 0x50) = a[1];
        poll_sources();
        return answer(OK, 0);
    case 0x13: return answer(OK, shared && !shared[0x14] && unmasked());
    case 0x20: return pin(a[0], a[1]);
    case 0x21: return unpin(a[0]);
    case 0x22: return update(a[0], a[1]);
    case 0x23:
        if (!pinned(a[0]) || level_of[page_index(a[0])] != 2 || a[1] > 0xffff) return answer(INVALID_PARAM, 0);
        check_untouched(a[0]);
        root = a[0];
        csr_write(satp, 8ul << 60 | a[1] << 44 | root >> 12);
        return answer(OK, 0);
    case 0x24:
        if (a[1] == 0) asm volatile("sfence.vma zero, %0" :: "r"(a[2]) : "memory");
        for (u64 i = 0; i < a[1]; i++) asm volatile("sfence.vma %0, %1" :: "r"(a[0] + 4096 * i), "r"(a[2]) : "memory");
        return answer(OK, 0);
    }
    return answer(NOT_SUPPORTED, 0);
}

static struct result call(u64 *x)
{
    u64 *a = x + 10;
    if (x[17] == 0x0A485650) return hvp(x[16], a, 0);
    sbi_calls++;
    switch (x[17])
    {
    case 0x10: return x[16] == 3 ? answer(OK, a[0] == 0x0A485650) : answer(NOT_SUPPORTED, 0);
    case 0x54494D45:
        MTIMECMP = a[0];
        csr_clear(mip, 0x20);
        csr_set(mie, 0x80);
        return answer(OK, 0);
    case 0x4442434E:
        if (!in_ram(a[1], a[0])) return answer(INVALID_PARAM, 0);
        for (u64 i = 0; i < a[0]; i++) REG8(UART) = ((u8 *)a[1])[i];
        return answer(OK, a[0]);
    case 0x53525354: finish(a[1] >> 28 == 15 ? a[1] & 0xfffffff : a[1] ? 1 : 0);
    }
    return answer(NOT_SUPPORTED, 0);
}

void host_handle(u64 *x)
{
    u64 cause = csr_read(mcause);
    poll_sources();
    if (cause == 9)
    {
        csr_write(mepc, csr_read(mepc) + 4);
        struct result r = call(x);
        x[10] = r.error;
        x[11] = r.value;
    }
    else if (!(cause >> 63)) broken(2);
    if (shared && !shared[0x14] && unmasked()) csr_set(mip, 0x200); else csr_clear(mip, 0x200);
}

void host_main(void)
{
    for (u64 i = 0; i < sizeof level_of; i++) level_of[i] = NOT_PINNED;
    csr_write(mtvec, host_trap);
    csr_write(mscratch, host_stack + sizeof host_stack - 1024);
    csr_write(pmpaddr0, -1ul);
    csr_write(pmpcfg0, 0x1f);
    csr_write(medeleg, 0xb1ff);
    csr_write(mideleg, 0x222);
    csr_write(mcounteren, 7);
    csr_write(scounteren, 7);
    csr_write(mie, 0);
    csr_clear(mstatus, 0x1888);
    csr_set(mstatus, 0x100800);      // TVM, MPP = S
    csr_write(mepc, GUEST);
    register u64 a0 asm("a0") = 0;
    register u64 a1 asm("a1") = 0x80400000;
    asm volatile("mret" :: "r"(a0), "r"(a1));
    __builtin_unreachable();
}
