#include "runtime.h"
u64 work(void)
{
    double x = 0.5, s = 0;
    for (int i = 0; i < 20000000; i++)
    {
        x = 3.9 * x * (1 - x);
        s += x * 1.0001;
        if (s > 1e6)
            s /= 3;
    }
    u64 r;
    __builtin_memcpy(&r, &s, 8);
    return r;
}
