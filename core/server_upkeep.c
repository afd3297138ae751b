/* SPDX-License-Identifier: MIT */
/* What is looked after each second: that all workers answer, that nothing waits for the time that
 * the machine slept, memory, watched files, what is old enough to go. The main thread. */
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "server.h"
#include "server_int.h"

#include <unistd.h>

#define UPKEEP_MS 1000
#define SLEPT_LEAST_MS 1000
#define RETENTION_TURNS 5 /* every fifth upkeep */
#define STUCK_MS 10000    /* the process ends after that */
#define SANITIZER_SLOWNESS 10

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define PATIENCE SANITIZER_SLOWNESS
#else
#define PATIENCE 1
#endif

unsigned server_find_stuck(const struct server *server, int64_t within_ms)
{
    unsigned i = 0;
    while (i < server->worker_count && worker_is_alive(server->workers[i], within_ms * PATIENCE))
        i++;
    return i;
}

/* Timers stand still while the machine sleeps: without this they would be late by as much. */
static void look_for_sleep(struct server *server)
{
    const int64_t slept_ms = clock_slept_ms();
    const int64_t for_ms = slept_ms - server->slept_ms;
    if (for_ms < SLEPT_LEAST_MS)
        return;
    server->slept_ms = slept_ms;
    log_info("machine slept", "for=%llds", (long long)((for_ms + 500) / 1000));
    for (unsigned i = 0; i < server->worker_count; i++)
        worker_wake(server->workers[i]);
}

static void on_upkeep(uv_timer_t *timer)
{
    struct server *server = container_of(timer, struct server, upkeep);
    if (server->state == SERVER_ENDING)
        return;
    const unsigned stuck = server_find_stuck(server, STUCK_MS);
    if (stuck < server->worker_count) {
        log_error("worker stuck", "worker=%u for=%dms exit=%d", stuck, STUCK_MS, EXIT_STUCK);
        _exit(EXIT_STUCK);
    }
    look_for_sleep(server);
    memory_reserve();
    memory_trim();
    server_watch_turn(server);
    server_tasks_turn(server);
    server_ownership_turn(server);
    if (++server->upkeep_turn % RETENTION_TURNS == 0 && server->generation)
        server_retain(server);
}

void server_upkeep_start(struct server *server)
{
    server->slept_ms = clock_slept_ms();
    check(uv_timer_init(&server->loop, &server->upkeep) == 0);
    check(uv_timer_start(&server->upkeep, on_upkeep, UPKEEP_MS, UPKEEP_MS) == 0);
}
