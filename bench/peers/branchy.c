#include "runtime.h"
static u8 text[1 << 16];
static u32 counts[16];
/* A state machine over unpredictable bytes, through a switch: indirect jumps and short branches. */
static u32 step(u32 state, u8 c)
{
    switch (state)
    {
    case 0: return c < 64 ? 1 : c < 128 ? 2 : 3;
    case 1: return c & 1 ? 4 : 0;
    case 2: return c & 2 ? 5 : c & 4 ? 6 : 0;
    case 3: return c == 200 ? 7 : 8;
    case 4: return c > 100 ? 9 : 1;
    case 5: return c % 3 ? 2 : 10;
    case 6: return c % 5 == 0 ? 11 : 3;
    case 7: return 0;
    case 8: return c & 8 ? 12 : 4;
    case 9: return c & 16 ? 13 : 5;
    case 10: return c & 32 ? 14 : 6;
    case 11: return c ^ 85 ? 15 : 7;
    case 12: return c < 32 ? 0 : 8;
    case 13: return c < 220 ? 9 : 1;
    case 14: return c & 3 ? 10 : 2;
    default: return c & 1;
    }
}
u64 work(void)
{
    u32 x = 99;
    for (int i = 0; i < (1 << 16); i++)
    {
        x = x * 1103515245 + 12345;
        text[i] = x >> 16;
    }
    u32 state = 0;
    for (int k = 0; k < 120; k++)
        for (int i = 0; i < (1 << 16); i++)
        {
            state = step(state, text[i] ^ k);
            counts[state]++;
        }
    u64 s = 0;
    for (int i = 0; i < 16; i++)
        s = s * 31 + counts[i];
    return s;
}
