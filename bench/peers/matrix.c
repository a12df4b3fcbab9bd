#include "runtime.h"
#define N 160
static double a[N][N], b[N][N], c[N][N];
u64 work(void)
{
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++)
        {
            a[i][j] = (i * 7 + j * 3) % 11 / 3.0;
            b[i][j] = (i * 5 + j) % 13 / 7.0;
        }
    for (int k = 0; k < 5; k++)
    {
        for (int i = 0; i < N; i++)
            for (int j = 0; j < N; j++)
            {
                double s = 0;
                for (int l = 0; l < N; l++)
                    s += a[i][l] * b[l][j];
                c[i][j] = s;
            }
        for (int i = 0; i < N; i++)
            for (int j = 0; j < N; j++)
                a[i][j] = c[i][j] / 1000;
    }
    double t = 0;
    for (int i = 0; i < N; i++)
        t += c[i][(i * 3) % N];
    union { double d; u64 u; } bits = { t };
    return bits.u;
}
