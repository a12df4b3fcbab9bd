// Threads that share a counter under a mutex and hand over through a condition: futex, clone, exit and join.
#include <pthread.h>
#include <stdio.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t turn = PTHREAD_COND_INITIALIZER;
static long counter, whose;
static double total;

static void *count(void *argument)
{
    long me = (long)argument;
    for (int i = 0; i < 500; i++)
    {
        pthread_mutex_lock(&lock);
        while (whose != me)
            pthread_cond_wait(&turn, &lock);
        counter++;
        total += 1.0 / counter;
        whose = (me + 1) % 4;
        pthread_cond_broadcast(&turn);
        pthread_mutex_unlock(&lock);
    }

    return (void *)(me * 10);
}

int main(void)
{
    pthread_t threads[4];
    for (long i = 0; i < 4; i++)
        pthread_create(&threads[i], 0, count, (void *)i);
    long sum = 0;
    for (int i = 0; i < 4; i++)
    {
        void *result;
        pthread_join(threads[i], &result);
        sum += (long)result;
    }

    printf("%ld %ld %.12f\n", counter, sum, total);
    return 0;
}
