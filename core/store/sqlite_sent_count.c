/* SPDX-License-Identifier: MIT */
/* How many messages came to what at each registered endpoint: table sent_count, which follows each
 * change of a delivery in the same commit. Whoever changes a delivery's state says so here; what a
 * group changed is added up and written at its end. Triggers, which nobody could forget, cost an
 * event 2.3 % more instructions, also where no endpoint is registered. Store thread. */
#include "store/sqlite_int.h"

#include <stdlib.h>

/* ---- What became of a message at an endpoint ------------------------------------------------- */

/* Of all its deliveries there. */
struct pair {
    bool has_succeeded;
    size_t again, pending, cancelled, all;
};

static void add(struct pair *pair, int state)
{
    pair->all++;
    pair->has_succeeded = pair->has_succeeded || state == DELIVERY_SUCCEEDED;
    pair->again += state == DELIVERY_RETRYING;
    pair->pending += state == DELIVERY_PENDING;
    pair->cancelled += state == DELIVERY_CANCELLED;
}

/* Its column. SENT_COUNTS: it has no delivery there. */
static unsigned column_of(const struct pair *pair)
{
    if (pair->all == 0)
        return SENT_COUNTS;
    if (pair->has_succeeded)
        return SENT_SUCCESS;
    if (pair->again > 0)
        return SENT_AGAIN;
    if (pair->pending > 0)
        return SENT_PENDING;
    return pair->cancelled > 0 ? SENT_COUNT_CANCELLED : SENT_FAILED;
}

static int find_others(struct sqlite_engine *it, const struct sent_delivery *delivery,
                       struct pair *pair)
{
    sqlite3_stmt *statement = it->statements[SQL_SENT_OTHERS];
    bind_id(statement, 1, delivery->endpoint);
    bind_id(statement, 2, delivery->message);
    bind_id(statement, 3, delivery->id);
    int rc;
    while ((rc = sqlite3_step(statement)) == SQLITE_ROW)
        add(pair, sqlite3_column_int(statement, 0));
    (void)sqlite3_reset(statement);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* ---- What a group changes -------------------------------------------------------------------- */

static uint64_t key_of(uint64_t endpoint, uint64_t span)
{
    return (endpoint ^ span * UINT64_C(0x9e3779b97f4a7c15)) | 1;
}

/* NULL: no memory. Rows of one key are chained. */
static struct sent_change *find(struct sent_changes *changes, uint64_t endpoint, uint64_t span)
{
    const uint64_t key = key_of(endpoint, span);
    const size_t first = (size_t)map_get(&changes->places, key);
    for (size_t at = first; at != 0; at = changes->rows[at - 1].next)
        if (changes->rows[at - 1].endpoint == endpoint && changes->rows[at - 1].span == span)
            return &changes->rows[at - 1];
    struct sent_change *rows = array_grow(changes->rows, changes->count, sizeof *rows);
    if (!rows)
        return NULL;
    changes->rows = rows;
    if (map_put(&changes->places, key, (void *)(changes->count + 1)) != OK)
        return NULL;
    rows[changes->count] = (struct sent_change){.endpoint = endpoint, .span = span, .next = first};
    return &rows[changes->count++];
}

static int note(struct sent_changes *changes, uint64_t endpoint, uint64_t message, unsigned from,
                unsigned to)
{
    if (from == to)
        return SQLITE_OK;
    struct sent_change *change = find(changes, endpoint, message >> SENT_SPAN_BITS);
    if (!change)
        return SQLITE_NOMEM;
    if (from < SENT_COUNTS)
        change->by[from]--;
    if (to < SENT_COUNTS)
        change->by[to]++;
    change->may_end = change->may_end || to == SENT_COUNTS;
    return SQLITE_OK;
}

int sqlite_sent_find(struct sqlite_engine *engine, uint64_t id, struct sent_delivery *delivery)
{
    sqlite3_stmt *statement = engine->statements[SQL_SENT_FIND];
    bind_id(statement, 1, id);
    const int rc = sqlite3_step(statement);
    *delivery = (struct sent_delivery){.id = id, .state = SENT_NO_DELIVERY};
    if (rc == SQLITE_ROW) {
        delivery->endpoint = column_id(statement, 0);
        delivery->message = column_id(statement, 1);
        delivery->state = sqlite3_column_int(statement, 2);
        delivery->is_repeated = sqlite3_column_int(statement, 3) != 0;
    }
    (void)sqlite3_reset(statement);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

int sqlite_sent_moved(struct sqlite_engine *engine, const struct sent_delivery *was, int state)
{
    struct pair before = {0};
    if (was->endpoint < ID_ENDPOINT_REGISTERED || was->state == state)
        return SQLITE_OK;
    const int rc = was->is_repeated ? find_others(engine, was, &before) : SQLITE_OK;
    struct pair after = before;
    if (was->state != SENT_NO_DELIVERY)
        add(&before, was->state);
    if (state != SENT_NO_DELIVERY)
        add(&after, state);
    return rc == SQLITE_OK ? note(&engine->sent, was->endpoint, was->message, column_of(&before),
                                  column_of(&after))
                           : rc;
}

int sqlite_sent_repeated(struct sqlite_engine *engine, uint64_t delivery)
{
    struct sent_delivery made;
    int rc = sqlite_sent_find(engine, delivery, &made);
    if (rc != SQLITE_OK || made.endpoint < ID_ENDPOINT_REGISTERED)
        return rc;
    bind_id(engine->statements[SQL_SENT_REPEATED], 1, made.endpoint);
    bind_id(engine->statements[SQL_SENT_REPEATED], 2, made.message);
    rc = sqlite_run(engine, SQL_SENT_REPEATED);
    const int state = made.state;
    made.state = SENT_NO_DELIVERY;
    made.is_repeated = true;
    return rc == SQLITE_OK ? sqlite_sent_moved(engine, &made, state) : rc;
}

/* ---- Groups ---------------------------------------------------------------------------------- */

void sqlite_sent_count_close(struct sqlite_engine *engine)
{
    free(engine->sent.rows);
    map_finish(&engine->sent.places);
}

void sqlite_sent_count_forget(struct sqlite_engine *engine)
{
    /* A fan-out to very many is rare: its memory is not kept. */
    if (engine->sent.count > SENT_CHANGES_KEPT)
        map_finish(&engine->sent.places);
    else if (engine->sent.count > 0)
        map_clear(&engine->sent.places);
    engine->sent.count = 0;
}

static int write_one(struct sqlite_engine *it, const struct sent_change *change)
{
    sqlite3_stmt *statement = it->statements[SQL_SENT_COUNT_ADD];
    bind_id(statement, 1, change->endpoint);
    bind_id(statement, 2, change->span);
    for (int i = 0; i < (int)SENT_COUNTS; i++)
        (void)sqlite3_bind_int64(statement, 3 + i, change->by[i]);
    const int rc = sqlite_run(it, SQL_SENT_COUNT_ADD);
    if (rc != SQLITE_OK || !change->may_end)
        return rc;
    statement = it->statements[SQL_SENT_COUNT_END];
    bind_id(statement, 1, change->endpoint);
    bind_id(statement, 2, change->span);
    return sqlite_run(it, SQL_SENT_COUNT_END);
}

int sqlite_sent_count_write(struct sqlite_engine *engine)
{
    int rc = SQLITE_OK;
    for (size_t i = 0; i < engine->sent.count && rc == SQLITE_OK; i++)
        rc = write_one(engine, &engine->sent.rows[i]);
    sqlite_sent_count_forget(engine);
    return rc;
}
