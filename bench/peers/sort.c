#include "runtime.h"
static u32 a[1 << 20];
static void qs(u32 *a, long l, long r)
{
    while (l < r)
    {
        u32 p = a[(l + r) / 2];
        long i = l, j = r;
        while (i <= j)
        {
            while (a[i] < p)
                i++;
            while (a[j] > p)
                j--;
            if (i <= j)
            {
                u32 t = a[i];
                a[i] = a[j];
                a[j] = t;
                i++;
                j--;
            }
        }
        if (j - l < r - i)
        {
            qs(a, l, j);
            l = i;
        }
        else
        {
            qs(a, i, r);
            r = j;
        }
    }
}
u64 work(void)
{
    u64 s = 0;
    u32 x = 12345;
    for (int k = 0; k < 6; k++)
    {
        for (int i = 0; i < (1 << 20); i++)
        {
            x = x * 1664525 + 1013904223;
            a[i] = x;
        }
        qs(a, 0, (1 << 20) - 1);
        for (int i = 0; i < (1 << 20); i += 1000)
            s = s * 31 + a[i];
    }
    return s;
}
