#include "runtime.h"
/* Records, strings and small procedures, in the manner of Dhrystone. */
struct record { struct record *next; int kind, value; char name[32]; };
static struct record pool[2];
static int global, table[50][50];
static char here[32] = "DHRYSTONE PROGRAM, 1'ST STRING", there[32] = "DHRYSTONE PROGRAM, 2'ND STRING";
static int __attribute__((noinline)) same(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return *a - *b;
}
static void __attribute__((noinline)) copy(char *d, const char *s)
{
    while ((*d++ = *s++))
        ;
}
static int __attribute__((noinline)) pick(char a, char b) { return a == b ? 0 : (global = a, 1); }
static void __attribute__((noinline)) third(struct record **p)
{
    if (pool[0].next)
        *p = pool[0].next;
    pool[0].value += global & 7;
}
static void __attribute__((noinline)) first(struct record *p)
{
    struct record *n = p->next;
    *n = *p;
    n->value = 5;
    third(&n->next);
    if (n->kind == 0)
        n->value = p->value + 6;
    else
        *p = *n;
}
static void __attribute__((noinline)) eighth(int t[50][50], int i, int v)
{
    int at = i % 40 + 5;
    t[at][at] = v;
    t[at][at + 1] = t[at][at];
    t[at + 3][at] = at;
    for (int k = at; k <= at + 1; k++)
        t[at][k] = at;
    t[at][at - 1] += 1;
    global = 5 + v;
}
u64 work(void)
{
    char name[32];
    u64 sum = 0;
    pool[0].next = &pool[1];
    copy(pool[0].name, here);
    for (int i = 0; i < 400000; i++)
    {
        copy(name, i & 1 ? here : there);
        global += same(name, here) > 0;
        int v = 2 + i % 3;
        while (v < 6)
            v = v * 5 - 7 + pick('A' + (i & 3), 'C');
        eighth(table, i, v);
        pool[0].kind = i & 1;
        first(&pool[0]);
        pool[0].next = &pool[1];
        sum = sum * 3 + pool[1].value + global + v / (i % 7 + 1);
    }
    return sum;
}
