#include "runtime.h"
typedef struct N
{
    struct N *next;
    short d, i;
} N;
static N nodes[1000];
static short A[40][40], B[40][40];
static int C[40][40];
static u8 txt[] = "5012,0x1f,-3.14e5,+77,T0.3e-1F,-110.700,+0.64400,5500,8ff,..,";
static u32 crc16(u32 v, u32 c)
{
    for (int i = 0; i < 16; i++)
    {
        u32 x = (v ^ c) & 1;
        v >>= 1;
        c >>= 1;
        if (x)
            c ^= 0xa001;
    }
    return c;
}
static u32 state(u8 *p, u32 seed)
{
    u32 st = 0, cnt[8] = {0};
    for (; *p; p++)
    {
        u8 c = *p ^ (seed & 1);
        switch (st)
        {
        case 0:
            if (c >= '0' && c <= '9')
                st = 1;
            else if (c == '+' || c == '-')
                st = 2;
            else if (c == '.')
                st = 3;
            else
                st = 4;
            break;
        case 1:
            if (c == '.')
                st = 3;
            else if (c == 'e' || c == 'E')
                st = 5;
            else if (c == ',')
                st = 0;
            else if (c < '0' || c > '9')
                st = 4;
            break;
        case 2:
            if (c >= '0' && c <= '9')
                st = 1;
            else if (c == '.')
                st = 3;
            else
                st = 4;
            break;
        case 3:
            if (c == 'e' || c == 'E')
                st = 5;
            else if (c == ',')
                st = 0;
            else if (c < '0' || c > '9')
                st = 4;
            break;
        case 5:
            if (c == '+' || c == '-')
                st = 6;
            else
                st = 4;
            break;
        case 6:
            st = c == ',' ? 0 : 6;
            break;
        default:
            if (c == ',')
                st = 0;
        }
        cnt[st]++;
    }
    u32 r = 0;
    for (int i = 0; i < 8; i++)
        r = crc16(cnt[i], r);
    return r;
}
u64 work(void)
{
    u32 crc = 0;
    for (int it = 0; it < 1500; it++)
    {
        for (int i = 0; i < 999; i++)
        {
            nodes[i].next = &nodes[i + 1];
            nodes[i].d = (i * 7919 + it) & 0x7fff;
            nodes[i].i = i;
        }
        nodes[999].next = 0;
        N *p = nodes;
        N *prev = 0;
        while (p)
        {
            N *n = p->next;
            p->next = prev;
            prev = p;
            p = n;
        }
        u32 f = 0;
        for (N *q = prev; q; q = q->next)
        {
            if (q->d & 1)
                f += q->i;
            else
                f ^= q->d;
        }
        crc = crc16(f, crc);
        for (int i = 0; i < 40; i++)
            for (int j = 0; j < 40; j++)
            {
                A[i][j] = i * j + it;
                B[i][j] = i - j + it;
            }
        for (int i = 0; i < 40; i++)
            for (int j = 0; j < 40; j++)
            {
                int s = 0;
                for (int k = 0; k < 40; k++)
                    s += A[i][k] * B[k][j];
                C[i][j] = s;
            }
        crc = crc16(C[it % 40][(it * 7) % 40], crc);
        for (int k = 0; k < 20; k++)
            crc = crc16(state(txt, k + it), crc);
    }
    return crc;
}
