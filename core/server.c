/* SPDX-License-Identifier: MIT */
#include "server.h"

#include "base/clock.h"
#include "base/files.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/memory.h"
#include "model/hops.h"
#include "server_int.h"
#include "supervise.h"
#include "worker/black_box.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define FATAL_MS 300 /* for the 503 of the last group to leave */
#define PATH_BYTES 4096
#define READERS 3

/* ---- What the workers ask for (each on its own thread)
 * ------------------------------------------- */

static void on_quiet(struct worker *worker, void *ctx)
{
    (void)worker;
    server_post_letter(ctx, (struct server_letter){.kind = LETTER_QUIET});
}

static void on_prepared(struct worker *worker, uint64_t number, const char *problem, void *ctx)
{
    (void)worker;
    server_post_letter(ctx, (struct server_letter){
                                .kind = LETTER_PREPARED,
                                .number = number,
                                .problem = problem ? must_copy(problem, strlen(problem)) : NULL,
                            });
}

static void on_adopted(struct worker *worker, uint64_t number, void *ctx)
{
    (void)worker;
    server_post_letter(ctx, (struct server_letter){.kind = LETTER_ADOPTED, .number = number});
}

static void on_tasks(void *ctx)
{
    server_post_letter(ctx, (struct server_letter){.kind = LETTER_TASKS});
}

static void on_disabled(uint64_t endpoint, void *ctx)
{
    if (endpoint >= ID_ENDPOINT_REGISTERED)
        server_post_letter(ctx,
                           (struct server_letter){.kind = LETTER_DISABLED, .number = endpoint});
}

static const struct worker_hooks worker_hooks = {
    .on_start = server_receive,
    .on_quiesce = server_receive_quiesce,
    .is_quiet = server_receive_is_quiet,
    .on_end = server_receive_end,
    .on_quiet = on_quiet,
    .on_prepared = on_prepared,
    .on_adopted = on_adopted,
    .on_tasks = on_tasks,
    .on_published = server_published,
    .on_disabled = on_disabled,
};

/* ---- Stop
 * --------------------------------------------------------------------------------------------- */

static void on_api_closed(void *ctx)
{
    struct server *server = ctx;
    store_client_destroy(server->client);
    inbox_close(&server->inbox);
}

static void end(struct server *server)
{
    server->state = SERVER_ENDING;
    (void)uv_timer_stop(&server->fatal);
    for (unsigned i = 0; i < server->worker_count; i++)
        worker_finish(server->workers[i]);
    for (unsigned i = 0; i < server->worker_count; i++)
        worker_destroy(server->workers[i]);
    turns_destroy(server->turns);
    black_box_close(server->box);
    server_watch_close(server);
    server_ownership_close(server);
    uv_close((uv_handle_t *)&server->on_hup, NULL);
    uv_close((uv_handle_t *)&server->on_term, NULL);
    uv_close((uv_handle_t *)&server->on_int, NULL);
    uv_close((uv_handle_t *)&server->upkeep, NULL);
    uv_close((uv_handle_t *)&server->fatal, NULL);
    uv_close((uv_handle_t *)&server->task_tick, NULL);
    api_close(server->api, on_api_closed, server);
}

void server_end_if_quiet(struct server *server)
{
    if (server->quiet_count == server->worker_count && !server->reload && !server->tasks &&
        server->task_reads == 0 && server->refreshes == 0 && !server->secrets.is_walking)
        end(server);
}

static void on_fatal_time(uv_timer_t *timer)
{
    const struct server *server = container_of(timer, struct server, fatal);
    if (server->state == SERVER_DRAINING)
        log_error("not drained in time", "limit=%lldms outcomes=left to the next start",
                  (long long)server->config.drain_ms);
    _exit(EXIT_STORE);
}

void server_drain(struct server *server)
{
    server->state = SERVER_DRAINING;
    server_tasks_stop(server);
    server_ownership_stop(server);
    /* With a full disk outcomes wait for ever: the process does not. */
    check(uv_timer_start(&server->fatal, on_fatal_time, (uint64_t)server->config.drain_ms, 0) == 0);
    /* A tenth is kept for the last commits and the threads to end. */
    for (unsigned i = 0; i < server->worker_count; i++)
        worker_stop(server->workers[i], server->config.drain_ms - server->config.drain_ms / 10);
}

/* Before anything was served: there is nothing to drain. */
static _Noreturn void leave(const struct server *server, int code)
{
    if (server->has_dev_store)
        server_dev_close(&server->config);
    _exit(code);
}

/* The second one ends the process at once. */
static void stop_by_signal(struct server *server, int signal_number)
{
    if (server->state == SERVER_DRAINING || server->state == SERVER_ENDING) {
        log_warn("stopped at once", "signal=%d", signal_number);
        _exit(EXIT_FAILURE);
    }
    if (server->state == SERVER_STARTING)
        leave(server, EXIT_SUCCESS);
    log_info("draining", "signal=%d limit=%lldms", signal_number,
             (long long)server->config.drain_ms);
    server_drain(server);
}

static void on_signal(uv_signal_t *handle, int signal_number)
{
    struct server *server = handle->data;
    if (signal_number != SIGHUP)
        stop_by_signal(server, signal_number);
    else if (server->state == SERVER_SERVING)
        server_reload(server, NULL, NULL);
}

/* The store thread. */
static void on_store_fatal(const char *why, void *ctx)
{
    log_error("store failed", "reason=\"%s\" exit=%d", why, EXIT_STORE);
    server_post_letter(ctx, (struct server_letter){.kind = LETTER_FATAL});
}

void server_end_fatally(struct server *server)
{
    check(uv_timer_start(&server->fatal, on_fatal_time, FATAL_MS, 0) == 0);
}

/* ---- Start
 * -------------------------------------------------------------------------------------------- */

static int fail(const char *what, const struct err *err, int code)
{
    log_error(what, "reason=\"%s\"", err->text);
    return code;
}

static int print_help(void)
{
    struct buf text;
    buf_init(&text, 65536);
    if (config_help(&text) == OK)
        (void)fputs(text.data, stdout);
    buf_finish(&text);
    return EXIT_SUCCESS;
}

static enum status open_sockets(struct server *server, struct err *err)
{
    const char *address = server->config.listen;
    for (unsigned i = 0; i < server->worker_count; i++) {
        const enum status status = http_listen_tcp(address, true, &server->fds[i], err);
        if (status != OK)
            return status;
        /* A free port was chosen for the first: the others share it. */
        http_socket_name(server->fds[0], server->listen, sizeof server->listen);
        address = server->listen;
    }
    return OK;
}

static enum status open_black_box(struct server *server, struct err *err)
{
    char path[PATH_BYTES];
    (void)snprintf(path, sizeof path, "%s/anzol.blackbox", server->config.state_dir);
    return black_box_open(path, server->worker_count, &server->box, err);
}

static enum status make_workers(struct server *server, struct err *err)
{
    server->turns = turns_create();
    for (unsigned i = 0; i < server->worker_count; i++) {
        const enum status status =
            worker_create(&(struct worker_options){.index = i,
                                                   .count = server->worker_count,
                                                   .peers = server->workers,
                                                   .store = server->store,
                                                   .shared = server->shared,
                                                   .turns = server->turns,
                                                   .box = server->box,
                                                   .directory = server->directory,
                                                   .hooks = &worker_hooks,
                                                   .ctx = server,
                                                   .drain_ms = server->config.drain_ms,
                                                   .user_agent = HOPS_AGENT ANZOL_VERSION,
                                                   .guard = &server->guard},
                          &server->workers[i], err);
        if (status != OK)
            return status;
    }
    enum status status = OK;
    for (unsigned i = 0; i < server->worker_count && status == OK; i++)
        status = worker_start(server->workers[i], err);
    return status;
}

static void watch_signals(struct server *server)
{
    const struct {
        uv_signal_t *handle;
        int number;
    } signals[] = {
        {&server->on_hup, SIGHUP}, {&server->on_term, SIGTERM}, {&server->on_int, SIGINT}};
    for (size_t i = 0; i < array_count(signals); i++) {
        check(uv_signal_init(&server->loop, signals[i].handle) == 0);
        signals[i].handle->data = server;
        check(uv_signal_start(signals[i].handle, on_signal, signals[i].number) == 0);
    }
}

/* The first generation serves, or there was none to serve. */
static void on_first_loaded(const struct api_reload_result *result, void *ctx)
{
    struct server *server = ctx;
    if (result->status != OK) {
        log_error("cannot start", "reason=\"%s\" hint=\"anzol check %s\"", result->detail,
                  server->config.dir);
        leave(server, EXIT_BAD_CONFIG);
    }
    server->state = SERVER_SERVING;
    server_tasks_look(server);
    server_secrets_start(server);
    log_info("serving", "listen=%s admin=%s workers=%u store=\"%s\" pid=%ld", server->listen,
             server->admin, server->worker_count, server->config.store_path, (long)getpid());
}

static void load_scripts(struct server *server)
{
    server_reload(server, on_first_loaded, server);
}

static void load_registered(struct server *server)
{
    server_registered_load(server, load_scripts);
}

static void init_loop(struct server *server)
{
    check(uv_loop_init(&server->loop) == 0);
    inbox_open(&server->inbox, &server->loop, server_on_letter, server);
    check(uv_timer_init(&server->loop, &server->fatal) == 0);
    check(uv_timer_init(&server->loop, &server->task_tick) == 0);
    server_upkeep_start(server);
    watch_signals(server);
}

static int serve(struct server *server)
{
    struct err err = {0};
    init_loop(server);
    if (server_secrets_open(server, &err) != OK)
        return fail("bad settings", &err, EXIT_BAD_CONFIG);
    const enum status opened = store_open(&(struct store_options){.path = server->config.store_path,
                                                                  .ring = server->secrets.ring,
                                                                  .reader_count = READERS,
                                                                  .on_fatal = on_store_fatal,
                                                                  .ctx = server},
                                          &server->store, &err);
    if (opened != OK)
        return fail("cannot open the store", &err, opened == E_IO ? EXIT_STORE : EXIT_BAD_CONFIG);
    server->client = store_client_create(server->store, &server->loop);
    server->shared = shared_create(LIMIT_SHARED_BYTES);
    server->directory = directory_create();
    check(server->directory != NULL);
    if (open_sockets(server, &err) != OK || server_api_open(server, &err) != OK)
        return fail("cannot listen", &err, EXIT_BAD_CONFIG);
    server_read_guard(&server->config, server->listen, server->admin, &server->guard);
    if (open_black_box(server, &err) != OK || make_workers(server, &err) != OK)
        return fail("cannot start", &err, EXIT_FAILURE);
    if (server->config.watch)
        server_watch_open(server);
    server_ownership_open(server);
    server_operational_make(server, load_registered);
    check(uv_run(&server->loop, UV_RUN_DEFAULT) == 0);
    check(uv_loop_close(&server->loop) == 0);
    store_close(server->store);
    server_secrets_close(server);
    directory_destroy(server->directory);
    shared_destroy(server->shared);
    log_info("stopped", "exit=%d", server->exit_code);
    return server->exit_code;
}

static void finish(struct server *server)
{
    size_t place = 0;
    uint64_t id;
    void *gate;
    while (map_next(&server->gates, &place, &id, &gate))
        gate_unref(gate);
    map_finish(&server->gates);
    place = 0;
    while (map_next(&server->throttles, &place, &id, &gate))
        throttle_destroy(gate);
    map_finish(&server->throttles);
    if (server->generation)
        generation_unref(server->generation);
    config_finish(&server->config);
    free(server->workers);
    free(server->receivers);
    free(server->fds);
    free(server->proxies);
    free(server);
}

/* Libraries that would end the process, or call a good signature bad, wait for memory instead.
 * Before anything of theirs is used. */
static void use_memory(void)
{
    memory_reserve();
    check(uv_replace_allocator(memory_malloc, memory_realloc, memory_calloc, memory_free) == 0);
    signature_use_memory();
    sender_use_memory();
}

int server_main(int argc, char **argv)
{
    use_memory();
    files_allow_all();
    memory_trim(); /* what it begins with */
    struct server *server = must_alloc(sizeof *server);
    struct err err = {0};
    (void)umask(077);
    (void)prctl(PR_SET_DUMPABLE, 0);
    if (server_read_config(&server->config, argc, argv, &err) != OK) {
        /* The error begins with what it is about: a flag is a matter of usage. */
        const bool is_usage = err.text[0] == '-' || strncmp(err.text, "usage:", 6) == 0;
        const int code = fail("bad settings", &err, is_usage ? EXIT_USAGE : EXIT_BAD_CONFIG);
        finish(server);
        return code;
    }
    if (server->config.is_help) {
        finish(server);
        return print_help();
    }
    log_setup(server->config.log_level, server->config.log_format);
    const int ended = server->config.supervise ? supervise() : SUPERVISE_CHILD;
    if (ended != SUPERVISE_CHILD) {
        finish(server);
        return ended;
    }
    server->has_dev_store = !server->config.store_path;
    if (server->has_dev_store && server_dev_open(&server->config, &err) != OK)
        return fail("cannot start", &err, EXIT_STORE);
    server->started_ms = clock_now_ms();
    server->worker_count =
        server->config.workers > 0 ? server->config.workers : uv_available_parallelism();
    server->workers = must_alloc(server->worker_count * sizeof(struct worker *));
    server->receivers = must_alloc(server->worker_count * sizeof *server->receivers);
    server->fds = must_alloc(server->worker_count * sizeof *server->fds);
    server->proxies =
        must_alloc((server->config.trusted_proxy_count + 1) * sizeof *server->proxies);
    for (size_t i = 0; i < server->config.trusted_proxy_count; i++)
        check(cidr_parse(slice_str(server->config.trusted_proxies[i]), &server->proxies[i]));
    const int code = serve(server);
    if (server->has_dev_store)
        server_dev_close(&server->config);
    if (code == EXIT_SUCCESS)
        finish(server);
    return code;
}
