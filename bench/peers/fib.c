#include "runtime.h"
u64 __attribute__((noinline)) fib(u64 n)
{
    return n < 2 ? n : fib(n - 1) + fib(n - 2);
}
u64 work(void)
{
    return fib(37);
}
