/* SPDX-License-Identifier: MIT */
/* The whole life of events through the store, as fast as it goes: ingest, handled with one message
 * and one delivery, settled. What a worker would do, without its work. */
#include "store_lua.h"

#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#define SOURCES 20u
#define ENDPOINTS 1000
#define TYPES 10u      /* of what is published */
#define RARE_COUNT 5u  /* of a type of their own, the first */
#define FAILED_OF 100u /* one of so many is not taken */

struct bench {
    struct store *store;
    struct store_client *client;
    uv_loop_t loop;
    struct content *content;
    uint64_t left; /* lives to start */
    unsigned under_way;
    bool has_keys;
    uint64_t endpoint_count; /* their ids: from 1 */
    uint64_t application;    /* all is published there, and goes to this endpoint; 0: nothing is */
    uint64_t endpoint;
    uint64_t started;
    unsigned stage_count; /* 1: ingest; 2: and handled, its delivery pending; 3: the whole life */
};

/* One event's life; then the next one's. */
struct life {
    struct bench *bench;
    union {
        struct store_op op;
        struct store_ingest ingest;
        struct store_handled handled;
        struct store_settle settle;
    } u;
    struct event *event;
    struct outbox outbox;
    uint64_t delivery;
    struct published published;
    uint64_t number; /* of the event, from 1 */
    struct attempt attempt;
};

static void start_life(struct life *it);

static void submit(struct life *it)
{
    check(store_submit(it->bench->store, it->bench->client, &it->u.op) == OK);
}

static void end_life(struct life *it)
{
    outbox_finish(&it->outbox);
    event_unref(it->event);
    it->event = NULL;
    it->bench->under_way--;
    if (it->bench->left > 0)
        start_life(it);
}

static void on_settled(struct store_op *op)
{
    struct life *it = op->ctx;
    check(op->status == OK);
    end_life(it);
}

static void on_handled(struct store_op *op)
{
    struct life *it = op->ctx;
    check(op->status == OK);
    const uint64_t delivery = it->outbox.deliveries[0].delivery->id;
    if (it->bench->stage_count == 2) {
        end_life(it);
        return;
    }
    it->attempt = (struct attempt){
        .number = 1,
        .status = 200,
        .started_ms = clock_now_ms(),
        .duration_ms = 3,
        .first_byte_us = 2000,
        .connect_us = 0,
        .body = slice_str("{\"ok\":true}"),
        .detail = "",
    };
    it->u.settle = (struct store_settle){
        .op = {.kind = STORE_SETTLE, .on_done = on_settled, .ctx = it},
        .delivery = delivery,
        .state = DELIVERY_SUCCEEDED,
        .attempt = &it->attempt,
        .registered = it->bench->endpoint,
    };
    if (it->bench->application && it->number % FAILED_OF == 0) {
        it->u.settle.state = DELIVERY_DEAD;
        it->attempt.status = 500;
    }
    submit(it);
}

static void on_ingested(struct store_op *op)
{
    static const char *const subscription = "github.push";
    struct life *it = op->ctx;
    check(op->status == OK);
    if (it->bench->stage_count == 1) {
        end_life(it);
        return;
    }
    const struct bench *bench = it->bench;
    const uint64_t id = it->event->id;
    struct message *message =
        message_create(bench->application ? published_message(id) : id | 1,
                       published_type(it->event->type), content_ref(it->event->content), true);
    check(outbox_add_message(&it->outbox, message) == OK);
    const uint64_t endpoint =
        bench->application ? bench->endpoint : 1 + (id >> 16) % bench->endpoint_count;
    struct delivery *delivery = delivery_create(endpoint, message_ref(message));
    if (it->bench->stage_count == 2)
        delivery->due_ms = clock_due_ms();
    check(outbox_add_delivery(&it->outbox, &(struct outbox_delivery){.delivery = delivery}) == OK);
    it->u.handled = (struct store_handled){
        .op = {.kind = STORE_HANDLED, .on_done = on_handled, .ctx = it},
        .run = {.event = it->event->id, .subscriptions = &subscription, .subscription_count = 1},
        .number = 1,
        .outbox = &it->outbox,
    };
    submit(it);
}

static void start_life(struct life *it)
{
    struct bench *bench = it->bench;
    const uint64_t id = store_next_event_id(bench->store, 0);
    char key[32];
    char source[16];
    const int key_len = snprintf(key, sizeof key, "delivery-%016llx", (unsigned long long)id);
    const int source_len =
        snprintf(source, sizeof source, "source%u", (unsigned)(id >> 16) % SOURCES);
    char type[24] = "github.push";
    bench->left--;
    it->number = ++bench->started;
    if (bench->application && it->number <= RARE_COUNT)
        (void)snprintf(type, sizeof type, "api.rare");
    else if (bench->application)
        (void)snprintf(type, sizeof type, "api.type%u", (unsigned)(it->number % TYPES));
    bench->under_way++;
    it->event = event_create(&(struct event_options){
        .source =
            bench->application ? slice_str(PUBLISHED_SOURCE) : slice_of(source, (size_t)source_len),
        .type = slice_str(type),
        .key = slice_of(key, bench->has_keys ? (size_t)key_len : 0),
        .content = content_ref(bench->content),
        .received_ms = clock_now_ms(),
    });
    it->event->id = id;
    it->u.ingest = (struct store_ingest){
        .op = {.kind = STORE_INGEST, .on_done = on_ingested, .ctx = it},
        .event = it->event,
        .key_window_ms = 86400000,
    };
    it->published =
        (struct published){.application = bench->application, .payload_until_ms = INT64_MAX};
    if (bench->application)
        it->u.ingest.published = &it->published;
    submit(it);
}

static int64_t cpu_us(void)
{
    struct rusage usage;
    check(getrusage(RUSAGE_SELF, &usage) == 0);
    return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * INT64_C(1000000) +
           usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
}

/* Of what is published it is JSON, with nothing beside it. */
static struct content *make_content(size_t body_len, bool is_published)
{
    static const char begin[] = "{\"text\":\"";
    char head[400] = {0};
    char *body = must_alloc(body_len + 1);
    for (size_t i = 0; i < body_len; i++)
        body[i] = (char)('a' + i % 26);
    check(body_len > sizeof begin + 2);
    if (is_published) {
        memcpy(body, begin, sizeof begin - 1);
        memcpy(body + body_len - 2, "\"}", 2);
    }
    struct content *content =
        content_create(slice_of(head, is_published ? 0 : sizeof head), body_len);
    check(content_append(&content, body, body_len, body_len) == OK);
    free(body);
    return content;
}

/* bench{ path, events, in_flight, body, stages = 1|2|3, keys, endpoints | application, endpoint }
 * -> { seconds, cpu_us, commits, … } */
static int l_bench(lua_State *L)
{
    struct arena arena = {0};
    struct store_options options = {.path = arena_field(L, &arena, 1, "path"), .reader_count = 2};
    const uint64_t count = (uint64_t)field_integer(L, 1, "events", 100000);
    const size_t in_flight = (size_t)field_integer(L, 1, "in_flight", 64);
    struct bench bench = {
        .application = (uint64_t)field_integer(L, 1, "application", 0),
        .endpoint = (uint64_t)field_integer(L, 1, "endpoint", 0),
        .left = count,
        .has_keys = field_boolean(L, 1, "keys"),
        .endpoint_count = (uint64_t)field_integer(L, 1, "endpoints", ENDPOINTS),
        .stage_count = (unsigned)field_integer(L, 1, "stages", 3),
    };
    struct err err;
    if (store_open(&options, &bench.store, &err) != OK)
        return luaL_error(L, "%s", err.text);
    bench.content = make_content((size_t)field_integer(L, 1, "body", 1024), bench.application != 0);
    check(uv_loop_init(&bench.loop) == 0);
    bench.client = store_client_create(bench.store, &bench.loop);
    const int64_t start_ns = (int64_t)uv_hrtime();
    const int64_t start_cpu = cpu_us();
    struct life *lives = must_alloc(in_flight * sizeof *lives);
    for (size_t i = 0; i < in_flight && bench.left > 0; i++) {
        lives[i].bench = &bench;
        start_life(&lives[i]);
    }
    while (bench.under_way > 0)
        (void)uv_run(&bench.loop, UV_RUN_ONCE);
    const double seconds = (double)((int64_t)uv_hrtime() - start_ns) / 1e9;
    const int64_t cpu = cpu_us() - start_cpu;
    struct store_health health;
    store_health(bench.store, &health);
    store_client_destroy(bench.client);
    (void)uv_run(&bench.loop, UV_RUN_DEFAULT);
    store_close(bench.store);
    check(uv_loop_close(&bench.loop) == 0);
    free(lives);
    content_unref(bench.content);
    arena_free(&arena);
    lua_newtable(L);
    lua_pushnumber(L, seconds);
    lua_setfield(L, -2, "seconds");
    lua_pushnumber(L, (double)count / seconds);
    lua_setfield(L, -2, "per_second");
    lua_pushnumber(L, (double)cpu / (double)count);
    lua_setfield(L, -2, "cpu_us");
    set_integer(L, "commits", (lua_Integer)health.commits);
    set_integer(L, "operations", (lua_Integer)health.operations);
    return 1;
}

const luaL_Reg store_bench_functions[] = {
    {"bench", l_bench},
    {NULL, NULL},
};
