/* SPDX-License-Identifier: MIT */
/* What /metrics says: the process, the workers, the store, reloads, and the scripts' own figures.
 * The text format of Prometheus, version 0.0.4; base units. Main thread. */
#include "server_int.h"

#include "base/files.h"
#include "send/send.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#define USEC_PER_S 1e6

struct writing {
    struct buf *out;
    enum status status;
};

static void put(struct writing *writing, const char *text)
{
    if (writing->status == OK)
        writing->status = buf_add_str(writing->out, text);
}

static void put_type(struct writing *writing, const char *name, const char *kind, const char *help)
{
    if (writing->status == OK)
        writing->status =
            buf_printf(writing->out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind);
}

/* labels: "{a=\"b\"}" or "". */
static void put_sample(struct writing *writing, const char *name, const char *labels, double value)
{
    if (writing->status == OK)
        writing->status = buf_printf(writing->out, "%s%s %.15g\n", name, labels, value);
}

static void put_one(struct writing *writing, const char *name, const char *kind, const char *help,
                    double value)
{
    put_type(writing, name, kind, help);
    put_sample(writing, name, "", value);
}

/* ---- The process ---- */

static unsigned count_fds(void)
{
    unsigned count = 0;
    DIR *dir = opendir("/proc/self/fd");
    while (dir && readdir(dir))
        count++;
    if (dir)
        (void)closedir(dir);
    return count > 3 ? count - 3 : 0; /* ".", ".." and the folder's own */
}

static double resident_bytes(void)
{
    unsigned long long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file && fscanf(file, "%*u %llu", &pages) != 1)
        pages = 0;
    if (file)
        (void)fclose(file);
    return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

static void put_process(struct writing *writing, const struct server *server)
{
    struct rusage usage = {0};
    (void)getrusage(RUSAGE_SELF, &usage);
    put_one(writing, "process_cpu_seconds_total", "counter", "CPU of all threads.",
            (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / USEC_PER_S);
    put_one(writing, "process_max_fds", "gauge", "Files that may be open.", (double)files_max());
    put_one(writing, "process_open_fds", "gauge", "Files that are open.", count_fds());
    put_one(writing, "process_resident_memory_bytes", "gauge", "Memory in use.", resident_bytes());
    put_one(writing, "process_start_time_seconds", "gauge", "Unix time of the start.",
            (double)server->started_ms / 1000);
}

/* ---- Workers ---- */

static void put_workers(struct writing *writing, const struct server *server)
{
    struct worker_counts sum = {0};
    put_type(writing, "anzol_lua_memory_bytes", "gauge", "Held by the scripts of a worker.");
    for (unsigned i = 0; i < server->worker_count; i++) {
        struct worker_counts counts;
        char labels[32];
        worker_counts(server->workers[i], &counts);
        (void)snprintf(labels, sizeof labels, "{state=\"%u\"}", i);
        put_sample(writing, "anzol_lua_memory_bytes", labels, (double)counts.lua_bytes);
        sum.runs += counts.runs;
        sum.runs_failed += counts.runs_failed;
        sum.attempts += counts.attempts;
        sum.events_held += counts.events_held;
        sum.deliveries_held += counts.deliveries_held;
        sum.in_flight += counts.in_flight;
    }
    put_one(writing, "anzol_handler_runs_total", "counter", "Runs of handlers begun.",
            (double)sum.runs);
    put_one(writing, "anzol_handler_failures_total", "counter", "Runs of handlers that failed.",
            (double)sum.runs_failed);
    put_one(writing, "anzol_attempts_total", "counter", "Attempts to send that are over.",
            (double)sum.attempts);
    put_one(writing, "anzol_attempts_in_flight", "gauge", "Attempts under way.",
            (double)sum.in_flight);
    put_one(writing, "anzol_events_held", "gauge", "Events in memory.", (double)sum.events_held);
    put_one(writing, "anzol_deliveries_held", "gauge", "Deliveries in memory.",
            (double)sum.deliveries_held);
}

/* ---- The store, the scripts ---- */

static void put_store(struct writing *writing, const struct server *server)
{
    struct store_health health;
    store_health(server->store, &health);
    put_one(writing, "anzol_store_writable", "gauge", "0: the disk is full, intake is refused.",
            health.is_writable);
    put_one(writing, "anzol_store_commits_total", "counter", "Groups committed.",
            (double)health.commits);
    put_one(writing, "anzol_store_operations_total", "counter", "Operations committed.",
            (double)health.operations);
    put_one(writing, "anzol_store_queued", "gauge", "Operations that wait.", (double)health.queued);
}

static void put_scripts(struct writing *writing, const struct server *server)
{
    put_one(writing, "anzol_generation", "gauge", "The load of scripts that serves.",
            server->generation ? (double)generation_registry(server->generation)->generation : 0);
    put_one(writing, "anzol_config_last_reload_successful", "gauge",
            "0: the last reload was refused.", server->is_last_reload_good);
    put_one(writing, "anzol_config_last_reload_success_timestamp_seconds", "gauge",
            "Unix time of the last reload that serves.", (double)server->reloaded_ms / 1000);
    put_one(writing, "anzol_shared_bytes", "gauge", "Held by cache, limiters and breakers.",
            (double)shared_bytes(server->shared));
}

/* Those whose breaker may open. */
static void put_endpoints(struct writing *writing, const struct server *server)
{
    const struct registry *registry =
        server->generation ? generation_registry(server->generation) : NULL;
    put_type(writing, "anzol_endpoint_breaker_open", "gauge",
             "1: the endpoint gets no attempts but a probe now and then.");
    for (size_t i = 0; registry && i < registry->endpoint_count; i++) {
        const struct endpoint_spec *spec = &registry->endpoints[i];
        char labels[LIMIT_NAME_BYTES + 16];
        (void)snprintf(labels, sizeof labels, "{endpoint=\"%s\"}", spec->name);
        if (spec->circuit.failures > 0)
            put_sample(writing, "anzol_endpoint_breaker_open", labels,
                       atomic_load(&spec->gate->circuit) != CIRCUIT_CLOSED);
    }
}

static void put_queue_figures(struct writing *writing, const struct registry *registry,
                              const char *name, double (*figure)(struct gate *gate))
{
    for (size_t i = 0; registry && i < registry->endpoint_count; i++) {
        const struct endpoint_spec *spec = &registry->endpoints[i];
        char labels[LIMIT_NAME_BYTES + 16];
        (void)snprintf(labels, sizeof labels, "{endpoint=\"%s\"}", spec->name);
        if (spec->queue)
            put_sample(writing, name, labels, figure(spec->gate));
    }
}

static double receivers_of(struct gate *gate)
{
    return atomic_load(&gate->receivers);
}

static double given_of(struct gate *gate)
{
    return (double)atomic_load(&gate->given);
}

static double acknowledged_of(struct gate *gate)
{
    return (double)atomic_load(&gate->acknowledged);
}

static double unacknowledged_of(struct gate *gate)
{
    return (double)atomic_load(&gate->unacknowledged);
}

static void put_queues(struct writing *writing, const struct server *server)
{
    static const struct {
        const char *name, *kind, *help;
        double (*figure)(struct gate *gate);
    } rows[] = {
        {"anzol_queue_receivers", "gauge", "Receivers that wait for messages.", receivers_of},
        {"anzol_queue_given_total", "counter", "Messages leased to receivers.", given_of},
        {"anzol_queue_acknowledged_total", "counter", "Leases that were acknowledged.",
         acknowledged_of},
        {"anzol_queue_unacknowledged_total", "counter",
         "Leases that ended by time, or were given back.", unacknowledged_of},
    };
    const struct registry *registry =
        server->generation ? generation_registry(server->generation) : NULL;
    for (size_t i = 0; i < array_count(rows); i++) {
        put_type(writing, rows[i].name, rows[i].kind, rows[i].help);
        put_queue_figures(writing, registry, rows[i].name, rows[i].figure);
    }
}

struct breakers {
    struct writing *writing;
};

static void put_breaker(struct slice name, bool is_open, void *ctx)
{
    struct breakers *breakers = ctx;
    char labels[LIMIT_NAME_BYTES + 16];
    (void)snprintf(labels, sizeof labels, "{breaker=\"%.*s\"}", (int)name.len, name.data);
    put_sample(breakers->writing, "anzol_breaker_open", labels, is_open);
}

enum status server_write_metrics(struct server *server, struct buf *out)
{
    struct writing writing = {.out = out};
    put_type(&writing, "anzol_build_info", "gauge", "Which program this is.");
    put(&writing, "anzol_build_info{version=\"" ANZOL_VERSION "\"} 1\n");
    put_process(&writing, server);
    put_workers(&writing, server);
    put_store(&writing, server);
    put_scripts(&writing, server);
    put_endpoints(&writing, server);
    put_queues(&writing, server);
    put_type(&writing, "anzol_breaker_open", "gauge", "1: calls are not made for now.");
    breaker_list(server->shared, put_breaker, &(struct breakers){&writing});
    if (writing.status == OK)
        writing.status = metric_write(server->shared, METRIC_OF_CORE, "anzol_", out);
    if (writing.status == OK)
        writing.status = metric_write(server->shared, METRIC_OF_SCRIPTS, "anzol_user_", out);
    return writing.status;
}
