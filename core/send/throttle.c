/* SPDX-License-Identifier: MIT */
/* The rate of an application: one bucket for all its endpoints, whichever worker owns them. Any
 * thread. */
#include "send/send.h"

#include <pthread.h>
#include <stdlib.h>

struct throttle {
    pthread_mutex_t mutex;
    struct rate rate;
    double per_s; /* 0: no limit */
};

struct throttle *throttle_create(void)
{
    struct throttle *throttle = must_alloc(sizeof *throttle);
    check(pthread_mutex_init(&throttle->mutex, NULL) == 0);
    return throttle;
}

void throttle_destroy(struct throttle *throttle)
{
    check(pthread_mutex_destroy(&throttle->mutex) == 0);
    free(throttle);
}

void throttle_set(struct throttle *throttle, double per_s)
{
    check(pthread_mutex_lock(&throttle->mutex) == 0);
    throttle->per_s = per_s;
    check(pthread_mutex_unlock(&throttle->mutex) == 0);
}

bool throttle_take(struct throttle *throttle, int64_t now_ns, int64_t *wait_ms)
{
    check(pthread_mutex_lock(&throttle->mutex) == 0);
    const double per_s = throttle->per_s;
    const bool is_taken = rate_take(&throttle->rate, per_s, per_s > 1 ? per_s : 1, now_ns, wait_ms);
    check(pthread_mutex_unlock(&throttle->mutex) == 0);
    return is_taken;
}

void throttle_put_back(struct throttle *throttle)
{
    check(pthread_mutex_lock(&throttle->mutex) == 0);
    rate_put_back(&throttle->rate, 1);
    check(pthread_mutex_unlock(&throttle->mutex) == 0);
}
