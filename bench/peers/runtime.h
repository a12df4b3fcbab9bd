typedef unsigned long u64;
typedef unsigned int u32;
typedef unsigned char u8;
static long sys(long n, long a, long b, long c)
{
    register long a7 asm("a7") = n, a0 asm("a0") = a, a1 asm("a1") = b, a2 asm("a2") = c;
    asm volatile("ecall" : "+r"(a0) : "r"(a1), "r"(a2), "r"(a7) : "memory");
    return a0;
}
static void puthex(u64 v)
{
    char b[17];
    for (int i = 15; i >= 0; i--)
    {
        b[i] = "0123456789abcdef"[v & 15];
        v >>= 4;
    }
    b[16] = '\n';
    sys(64, 1, (long)b, 17);
}
u64 __attribute__((noipa)) work(void);
#ifndef REPEAT
#define REPEAT 1
#endif
void __attribute__((noreturn)) _start(void)
{
    u64 sum = 0;
    for (int i = 0; i < REPEAT; i++)
        sum += work();
    puthex(sum);
    sys(93, 0, 0, 0);
    for (;;)
        ;
}
void *memcpy(void *d, const void *s, u64 n)
{
    u8 *p = d;
    const u8 *q = s;
    while (n--)
        *p++ = *q++;
    return d;
}
void *memset(void *d, int c, u64 n)
{
    u8 *p = d;
    while (n--)
        *p++ = c;
    return d;
}
