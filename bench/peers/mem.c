#include "runtime.h"
static u64 a[1 << 19], b[1 << 19];
u64 work(void)
{
    u64 s = 0;
    for (int k = 0; k < 150; k++)
    {
        for (int i = 0; i < (1 << 19); i++)
            b[i] = a[i] + k;
        for (int i = 0; i < (1 << 19); i++)
        {
            s += b[i];
            a[i] = s;
        }
    }
    return s;
}
