// What the vector and cryptography extensions bring: each loop in plain RV64GC beside itself with the extension, the two taking
// turns. Prints nanoseconds for one call of each, the least of all turns, and their ratio. The argument multiplies the calls of a
// turn: a translator must have time to find what is hot.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static uint8_t a[1 << 16] __attribute__((aligned(64))), b[1 << 16] __attribute__((aligned(64)));
static uint64_t sink;
static long times = 1;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e9 + t.tv_nsec;
}

// A word at a time, as a C library does without vectors.
static void copy_scalar(long n)
{
    uint64_t *d = (uint64_t *)b, *s = (uint64_t *)a;
    for (long i = 0; i < n / 8; i += 4) { d[i] = s[i]; d[i + 1] = s[i + 1]; d[i + 2] = s[i + 2]; d[i + 3] = s[i + 3]; asm volatile("" ::: "memory"); }
}
static void copy_vector(long n)
{
    uint8_t *d = b, *s = a;
    asm volatile(".option push\n .option arch,+v\n 1: vsetvli t0, %0, e8, m8, ta, ma\n vle8.v v0, (%1)\n add %1, %1, t0\n sub %0, %0, t0\n vse8.v v0, (%2)\n add %2, %2, t0\n bnez %0, 1b\n .option pop"
                 : "+r"(n), "+r"(s), "+r"(d) :: "t0", "memory");
}
static void set_scalar(long n)
{
    uint64_t *d = (uint64_t *)b;
    for (long i = 0; i < n / 8; i += 4) { d[i] = 0x55; d[i + 1] = 0x55; d[i + 2] = 0x55; d[i + 3] = 0x55; asm volatile("" ::: "memory"); }
}
static void set_vector(long n)
{
    uint8_t *d = b;
    asm volatile(".option push\n .option arch,+v\n vsetvli t0, zero, e8, m8, ta, ma\n vmv.v.i v0, 5\n 1: vsetvli t0, %0, e8, m8, ta, ma\n vse8.v v0, (%1)\n add %1, %1, t0\n sub %0, %0, t0\n bnez %0, 1b\n .option pop"
                 : "+r"(n), "+r"(d) :: "t0", "memory");
}
// strlen: eight bytes at a time with orc.b, as glibc does with Zbb.
static void length_scalar(long n)
{
    uint64_t *p = (uint64_t *)a;
    for (;; p++) {
        uint64_t w = *p, r;
        asm(".option push\n .option arch,+zbb\n orc.b %0, %1\n .option pop" : "=r"(r) : "r"(w));
        if (r != ~0ul) { sink += (uint8_t *)p - a; return; }
    }
}
static void length_vector(long n)
{
    uint8_t *p = a;
    long found;
    asm volatile(".option push\n .option arch,+v\n 1: vsetvli t0, zero, e8, m8, ta, ma\n vle8ff.v v8, (%0)\n csrr t0, vl\n vmseq.vi v0, v8, 0\n vfirst.m %1, v0\n add %0, %0, t0\n bltz %1, 1b\n sub %0, %0, t0\n add %0, %0, %1\n .option pop"
                 : "+r"(p), "=&r"(found) :: "t0", "memory");
    sink += p - a;
}
static void sum_scalar(long n)
{
    uint32_t s = 0, *p = (uint32_t *)a;
    for (long i = 0; i < n / 4; i++) { s += p[i] * 3; asm("" : "+r"(s)); }
    sink += s;
}
static void sum_vector(long n)
{
    uint32_t *p = (uint32_t *)a;
    long left = n / 4, s, three = 3;
    asm volatile(".option push\n .option arch,+v\n vsetvli t0, zero, e32, m8, ta, ma\n vmv.v.i v8, 0\n 1: vsetvli t0, %0, e32, m8, tu, ma\n vle32.v v0, (%1)\n vmacc.vx v8, %3, v0\n sub %0, %0, t0\n slli t0, t0, 2\n add %1, %1, t0\n bnez %0, 1b\n vsetvli t0, zero, e32, m8, ta, ma\n vmv.s.x v16, zero\n vredsum.vs v16, v8, v16\n vmv.x.s %2, v16\n .option pop"
                 : "+r"(left), "+r"(p), "=&r"(s) : "r"(three) : "t0", "memory");
    sink += s;
}
static float fa[4096], fb[4096];
static void saxpy_scalar(long n)
{
    for (long i = 0; i < n / 4; i++) { fb[i] = fa[i] * 1.25f + fb[i]; asm volatile("" ::: "memory"); }
}
static void saxpy_vector(long n)
{
    float *x = fa, *y = fb, k = 1.25f;
    long left = n / 4;
    asm volatile(".option push\n .option arch,+v\n 1: vsetvli t0, %0, e32, m8, ta, ma\n vle32.v v0, (%1)\n vle32.v v8, (%2)\n sub %0, %0, t0\n slli t0, t0, 2\n vfmacc.vf v8, %3, v0\n add %1, %1, t0\n vse32.v v8, (%2)\n add %2, %2, t0\n bnez %0, 1b\n .option pop"
                 : "+r"(left), "+r"(x), "+r"(y) : "f"(k) : "t0", "memory");
}

// AES-128: ten rounds for each block. By a table of 256 words, and by Zkne.
static uint32_t te[256];
static uint32_t keys[44];
static void tables(void)
{
    uint8_t p = 1, q = 1, box[256];
    do {
        p = p ^ (p << 1) ^ (p & 128 ? 0x1b : 0);
        q ^= q << 1; q ^= q << 2; q ^= q << 4; if (q & 128) q ^= 9;
        int x = q | q << 8;
        box[p] = q ^ x >> 7 ^ x >> 6 ^ x >> 5 ^ x >> 4 ^ 0x63;
    } while (p != 1);
    box[0] = 0x63;
    for (int i = 0; i < 256; i++) {
        uint8_t s = box[i], d = s << 1 ^ (s & 128 ? 0x1b : 0);
        te[i] = d | s << 8 | s << 16 | (uint32_t)(d ^ s) << 24;
    }
    for (int i = 0; i < 44; i++) keys[i] = i * 0x9e3779b9u;
}
static uint32_t rotl(uint32_t x, int n) { return n ? x << n | x >> (32 - n) : x; }
static void aes_scalar(long n)
{
    for (long at = 0; at < n; at += 16) {
        uint32_t s[4], t[4];
        memcpy(s, a + at, 16);
        for (int r = 0; r < 10; r++) {
            for (int i = 0; i < 4; i++)
                t[i] = te[s[i] & 255] ^ rotl(te[s[(i + 1) & 3] >> 8 & 255], 8) ^ rotl(te[s[(i + 2) & 3] >> 16 & 255], 16) ^ rotl(te[s[(i + 3) & 3] >> 24], 24) ^ keys[r * 4 + i];
            memcpy(s, t, 16);
        }
        memcpy(b + at, s, 16);
    }
}
static void aes_zkne(long n)
{
    uint64_t *k = (uint64_t *)keys;
    for (long at = 0; at < n; at += 16) {
        uint64_t x, y, u, v;
        memcpy(&x, a + at, 8); memcpy(&y, a + at + 8, 8);
        for (int r = 0; r < 10; r++) {
            asm(".option push\n .option arch,+zkne\n aes64esm %0, %2, %3\n aes64esm %1, %3, %2\n .option pop" : "=&r"(u), "=&r"(v) : "r"(x), "r"(y));
            x = u ^ k[r * 2]; y = v ^ k[r * 2 + 1];
        }
        memcpy(b + at, &x, 8); memcpy(b + at + 8, &y, 8);
    }
}
// SHA-256's message schedule and rounds.
#define SHA(NAME, S0, S1, B0, B1) \
static void NAME(long n) { \
    uint32_t h[8] = { 1, 2, 3, 4, 5, 6, 7, 8 }; \
    for (long at = 0; at < n; at += 64) { \
        uint32_t w[64]; memcpy(w, a + at, 64); \
        for (int i = 16; i < 64; i++) w[i] = w[i - 16] + S0(w[i - 15]) + w[i - 7] + S1(w[i - 2]); \
        uint32_t v[8]; memcpy(v, h, 32); \
        for (int i = 0; i < 64; i++) { \
            uint32_t t1 = v[7] + B1(v[4]) + ((v[4] & v[5]) ^ (~v[4] & v[6])) + i * 0x428a2f98u + w[i]; \
            uint32_t t2 = B0(v[0]) + ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2])); \
            v[7] = v[6]; v[6] = v[5]; v[5] = v[4]; v[4] = v[3] + t1; v[3] = v[2]; v[2] = v[1]; v[1] = v[0]; v[0] = t1 + t2; } \
        for (int i = 0; i < 8; i++) h[i] += v[i]; } \
    sink += h[0]; }
static inline uint32_t rr(uint32_t x, int n) { return x >> n | x << (32 - n); }
#define PS0(x) (rr(x, 7) ^ rr(x, 18) ^ x >> 3)
#define PS1(x) (rr(x, 17) ^ rr(x, 19) ^ x >> 10)
#define PB0(x) (rr(x, 2) ^ rr(x, 13) ^ rr(x, 22))
#define PB1(x) (rr(x, 6) ^ rr(x, 11) ^ rr(x, 25))
#define K(NAME) static inline uint32_t k_##NAME(uint32_t x) { uint64_t r; asm(".option push\n .option arch,+zknh\n " #NAME " %0, %1\n .option pop" : "=r"(r) : "r"((uint64_t)x)); return r; }
K(sha256sig0) K(sha256sig1) K(sha256sum0) K(sha256sum1)
SHA(sha_scalar, PS0, PS1, PB0, PB1)
SHA(sha_zknh, k_sha256sig0, k_sha256sig1, k_sha256sum0, k_sha256sum1)
// GHASH's core: carry-less products of 64 bits, by bits and by Zbkc.
static void ghash_scalar(long n)
{
    uint64_t h = 0x66e94bd4ef8a2c3bul, x = 0;
    for (long at = 0; at < n; at += 8) {
        x ^= *(uint64_t *)(a + at);
        uint64_t lo = 0, hi = 0;
        for (int i = 0; i < 64; i++) {
            uint64_t m = -(x >> i & 1);
            lo ^= h << i & m;
            hi ^= (i ? h >> (64 - i) : 0) & m;
        }
        x = lo ^ hi;
    }
    sink += x;
}
static void ghash_zbkc(long n)
{
    uint64_t h = 0x66e94bd4ef8a2c3bul, x = 0;
    for (long at = 0; at < n; at += 8) {
        uint64_t lo, hi;
        x ^= *(uint64_t *)(a + at);
        asm(".option push\n .option arch,+zbkc\n clmul %0, %2, %3\n clmulh %1, %2, %3\n .option pop" : "=&r"(lo), "=&r"(hi) : "r"(x), "r"(h));
        x = lo ^ hi;
    }
    sink += x;
}

static double least(void (*f)(long), long n, long calls)
{
    double t = now();
    for (long i = 0; i < calls; i++) f(n);
    return (now() - t) / calls;
}
static void compare(const char *name, void (*plain)(long), void (*extended)(long), long n, long calls)
{
    double p = 1e18, e = 1e18;
    calls *= times;
    plain(n); extended(n);
    for (int turn = 0; turn < 9; turn++) {
        double x = least(plain, n, calls), y = least(extended, n, calls);
        if (x < p) p = x;
        if (y < e) e = y;
    }
    printf("| %-22s | %8ld | %10.0f | %10.0f | %6.2f |\n", name, n, p, e, p / e);
    fflush(stdout);
}
int main(int count, char **arguments)
{
    if (count > 1) times = atol(arguments[1]);
    memset(a, 0x41, sizeof a);
    a[sizeof a - 1] = 0;
    tables();
    printf("| loop | bytes | plain, ns | extended, ns | times |\n|---|---|---|---|---|\n");
    for (long n = 64; n <= 32768; n *= 8) compare("copy", copy_scalar, copy_vector, n, 4000000 / n / 8 + 1);
    for (long n = 64; n <= 32768; n *= 8) compare("set", set_scalar, set_vector, n, 4000000 / n / 8 + 1);
    a[4096] = 0;
    compare("length", length_scalar, length_vector, 4096, 100);
    a[4096] = 0x41; a[200] = 0;
    compare("length", length_scalar, length_vector, 200, 2000);
    a[200] = 0x41;
    compare("sum of products (V)", sum_scalar, sum_vector, 16384, 20);
    for (int i = 0; i < 4096; i++) { fa[i] = i * 0.37f; fb[i] = i; }
    compare("saxpy, float (V)", saxpy_scalar, saxpy_vector, 16384, 10);
    compare("AES-128 (Zkne)", aes_scalar, aes_zkne, 4096, 4);
    compare("SHA-256 (Zknh)", sha_scalar, sha_zknh, 4096, 4);
    compare("GHASH core (Zbkc)", ghash_scalar, ghash_zbkc, 4096, 2);
    return sink == 1;
}
