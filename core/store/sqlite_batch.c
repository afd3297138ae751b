/* SPDX-License-Identifier: MIT */
/* Batches: which events of a key are handled together. The run of a batch's leader is due when the
 * batch closes and stands for all of it; batches of a key go one after another, so that of a later
 * one is held meanwhile. Store thread, inside a group; the claim on a reader. */
#include "store/sqlite_int.h"

#include "base/clock.h"

#define COLLAPSED "a newer event of its batch came"

struct batch {
    uint64_t id;
    uint64_t leader;
    size_t count;
    size_t bytes;
    int64_t opened_ms;
    int64_t close_ms;
};

static int end_of(sqlite3_stmt *statement, int rc)
{
    (void)sqlite3_reset(statement);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* ---- An event comes ---- */

static int find_newest(struct sqlite_engine *it, const struct planned_run *run, struct batch *batch)
{
    sqlite3_stmt *statement = it->statements[SQL_BATCH_NEWEST];
    bind_text(statement, 1, slice_str(run->subscription));
    bind_blob(statement, 2, run->batch_key);
    const int rc = sqlite3_step(statement);
    *batch = (struct batch){0};
    if (rc == SQLITE_ROW)
        *batch = (struct batch){
            .id = column_id(statement, 0),
            .leader = column_id(statement, 1),
            .count = (size_t)sqlite3_column_int64(statement, 2),
            .bytes = (size_t)sqlite3_column_int64(statement, 3),
            .opened_ms = sqlite3_column_int64(statement, 4),
            .close_ms = sqlite3_column_int64(statement, 5),
        };
    return end_of(statement, rc);
}

/* The oldest of the key: the one that may run. *leader 0: there is none. */
static int find_first(struct sqlite_engine *it, const char *subscription, struct slice key,
                      struct batch *batch)
{
    sqlite3_stmt *statement = it->statements[SQL_BATCH_FIRST];
    bind_text(statement, 1, slice_str(subscription));
    bind_blob(statement, 2, key);
    const int rc = sqlite3_step(statement);
    *batch = (struct batch){0};
    if (rc == SQLITE_ROW)
        *batch = (struct batch){.id = column_id(statement, 0),
                                .leader = column_id(statement, 1),
                                .close_ms = sqlite3_column_int64(statement, 2)};
    return end_of(statement, rc);
}

/* One event more. */
static void add(struct batch *batch, const struct event *event, const struct batch_spec *spec,
                int64_t now_ms)
{
    batch->count++;
    batch->bytes += event->content->body_len;
    batch->close_ms = batch->opened_ms + spec->wait_ms;
    if (spec->quiet_ms > 0 && now_ms + spec->quiet_ms < batch->close_ms)
        batch->close_ms = now_ms + spec->quiet_ms;
    if (batch->count >= spec->count_max || batch->bytes >= LIMIT_BATCH_BYTES)
        batch->close_ms = 0;
}

static int insert(struct sqlite_engine *it, const struct planned_run *run, struct batch *batch)
{
    sqlite3_stmt *statement = it->statements[SQL_BATCH_INSERT];
    bind_text(statement, 1, slice_str(run->subscription));
    bind_blob(statement, 2, run->batch_key);
    bind_id(statement, 3, batch->leader);
    (void)sqlite3_bind_int64(statement, 4, (int64_t)batch->count);
    (void)sqlite3_bind_int64(statement, 5, (int64_t)batch->bytes);
    (void)sqlite3_bind_int64(statement, 6, batch->opened_ms);
    (void)sqlite3_bind_int64(statement, 7, batch->close_ms);
    const int rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW)
        batch->id = column_id(statement, 0);
    return end_of(statement, rc);
}

static int update(struct sqlite_engine *it, const struct batch *batch)
{
    sqlite3_stmt *statement = it->statements[SQL_BATCH_UPDATE];
    bind_id(statement, 1, batch->id);
    bind_id(statement, 2, batch->leader);
    (void)sqlite3_bind_int64(statement, 3, (int64_t)batch->count);
    (void)sqlite3_bind_int64(statement, 4, (int64_t)batch->bytes);
    (void)sqlite3_bind_int64(statement, 5, batch->close_ms);
    return sqlite_run(it, SQL_BATCH_UPDATE);
}

/* The event takes the place of the only one of the batch. */
static int replace_leader(struct sqlite_engine *it, const struct planned_run *run,
                          struct batch *batch, uint64_t event)
{
    const struct run_end end = {.state = RUN_SKIPPED, .error = COLLAPSED};
    const uint64_t before = batch->leader;
    bool is_open = false;
    batch->leader = event;
    const int rc = sqlite_end_row(it, before, run->subscription, &end, &is_open);
    return rc == SQLITE_OK && is_open ? sqlite_follow_runs(it, before) : rc;
}

/* Into a batch that is open. */
static int join_open(struct sqlite_engine *it, const struct event *event, struct planned_run *run,
                     struct batch *batch, int64_t *due_ms)
{
    struct batch first;
    const int64_t close_ms = batch->close_ms;
    add(batch, event, &run->batch, clock_due_ms());
    int rc = find_first(it, run->subscription, run->batch_key, &first);
    if (rc == SQLITE_OK && run->batch.keeps_last)
        rc = replace_leader(it, run, batch, event->id);
    if (rc == SQLITE_OK)
        rc = update(it, batch);
    if (rc != SQLITE_OK)
        return rc;
    const bool is_held = first.id != batch->id;
    const int64_t leader_due_ms = batch->close_ms + (is_held ? STORE_HELD_MS : 0);
    *due_ms = STORE_HELD_MS;
    if (batch->close_ms == 0 && !is_held)
        run->released = batch->leader;
    if (batch->leader == event->id)
        *due_ms = leader_due_ms;
    else if (batch->close_ms != close_ms)
        rc = sqlite_release_run(it, batch->leader, run->subscription, leader_due_ms);
    return rc;
}

int sqlite_batch_join(struct sqlite_engine *engine, const struct event *event,
                      struct planned_run *run, uint64_t *batch, int64_t *due_ms)
{
    struct batch newest;
    const int64_t now_ms = clock_due_ms();
    run->released = 0;
    int rc = find_newest(engine, run, &newest);
    if (rc != SQLITE_OK)
        return rc;
    if (newest.close_ms > now_ms) {
        *batch = newest.id;
        return join_open(engine, event, run, &newest, due_ms);
    }
    struct batch fresh = {.leader = event->id, .opened_ms = now_ms};
    add(&fresh, event, &run->batch, now_ms);
    rc = insert(engine, run, &fresh);
    *batch = fresh.id;
    *due_ms = fresh.close_ms + (newest.id != 0 ? STORE_HELD_MS : 0);
    return rc;
}

/* ---- It ends ---- */

static int next_run(struct sqlite_engine *it, uint64_t batch, uint64_t *event)
{
    sqlite3_stmt *statement = it->statements[SQL_BATCH_RUN];
    bind_id(statement, 1, batch);
    const int rc = sqlite3_step(statement);
    *event = rc == SQLITE_ROW ? column_id(statement, 0) : 0;
    return end_of(statement, rc);
}

static int end_member(struct sqlite_engine *it, const struct store_run_ref *run, uint64_t event,
                      const struct run_end *end)
{
    bool is_open = false;
    const int rc = sqlite_end_row(it, event, run->subscriptions[run->index], end, &is_open);
    return rc == SQLITE_OK && is_open ? sqlite_follow_runs(it, event) : rc;
}

/* A dead batch is dead with all that it holds; a handled one with what was handled. */
static int end_members(struct sqlite_engine *it, const struct store_run_ref *run,
                       const struct run_end *end, bool is_whole)
{
    int rc = SQLITE_OK;
    for (size_t i = 0; i < run->member_count && rc == SQLITE_OK; i++)
        rc = end_member(it, run, run->members[i], end);
    uint64_t event = 0;
    if (rc == SQLITE_OK && is_whole)
        rc = next_run(it, run->batch, &event);
    while (rc == SQLITE_OK && event != 0) {
        rc = end_member(it, run, event, end);
        if (rc == SQLITE_OK)
            rc = next_run(it, run->batch, &event);
    }
    return rc;
}

/* What the batch got after it was taken up goes next; then the next batch of the key. */
static int release_next(struct sqlite_engine *it, struct store_run_ref *run, struct slice key)
{
    const char *subscription = run->subscriptions[run->index];
    struct batch next = {.id = run->batch};
    int rc = next_run(it, run->batch, &next.leader);
    if (rc == SQLITE_OK && next.leader != 0) {
        rc = update(it, &next);
    } else if (rc == SQLITE_OK) {
        bind_id(it->statements[SQL_BATCH_DELETE], 1, run->batch);
        rc = sqlite_run(it, SQL_BATCH_DELETE);
        if (rc == SQLITE_OK)
            rc = find_first(it, subscription, key, &next);
    }
    run->released = next.leader;
    return rc == SQLITE_OK && next.leader != 0
               ? sqlite_release_run(it, next.leader, subscription, next.close_ms)
               : rc;
}

/* The key of the batch that the run stands for; *has_batch false: of none any more. */
static int find_key(struct sqlite_engine *it, const struct store_run_ref *run, struct buf *key,
                    bool *has_batch)
{
    sqlite3_stmt *statement = it->statements[SQL_BATCH_FIND];
    bind_id(statement, 1, run->batch);
    bind_id(statement, 2, run->event);
    int rc = sqlite3_step(statement);
    *has_batch = rc == SQLITE_ROW;
    if (rc == SQLITE_ROW && buf_add_slice(key, column_blob(statement, 0)) != OK)
        rc = SQLITE_NOMEM;
    return end_of(statement, rc);
}

static int end_batch(struct sqlite_engine *it, struct store_run_ref *run, const struct run_end *end,
                     struct buf *key)
{
    bool has_batch = false;
    int rc = find_key(it, run, key, &has_batch);
    if (rc == SQLITE_OK)
        rc = end_members(it, run, end, has_batch && end->state == RUN_DEAD);
    return rc == SQLITE_OK && has_batch ? release_next(it, run, buf_slice(key)) : rc;
}

int sqlite_batch_end(struct sqlite_engine *engine, struct store_run_ref *run,
                     const struct run_end *end, enum status *status)
{
    bool is_open = false;
    int rc = sqlite_end_row(engine, run->event, run->subscriptions[run->index], end, &is_open);
    if (rc == SQLITE_OK && !is_open)
        *status = E_CONFLICT;
    if (rc == SQLITE_OK && is_open)
        rc = sqlite_follow_runs(engine, run->event);
    if (rc != SQLITE_OK || !is_open || end->state == RUN_RETRYING)
        return rc;
    struct buf key;
    buf_init(&key, LIMIT_KEY_BYTES);
    rc = end_batch(engine, run, end, &key);
    buf_finish(&key);
    return rc;
}

/* ---- The claim ---- */

static int add_member(struct sqlite_reader *reader, sqlite3_stmt *row,
                      struct store_claim_batch *claim)
{
    struct batch_member *members =
        array_grow(claim->members, claim->member_count, sizeof *claim->members);
    if (!members)
        return SQLITE_NOMEM;
    claim->members = members;
    struct batch_member *member = &members[claim->member_count];
    *member = (struct batch_member){.first_ordinal = (uint8_t)sqlite3_column_int(row, 1),
                                    .run_count = (size_t)sqlite3_column_int64(row, 2)};
    const int rc = sqlite_read_event(reader, column_id(row, 0), &member->event);
    if (rc == SQLITE_OK && member->event)
        claim->member_count++;
    return rc;
}

static int add_members(struct sqlite_reader *reader, sqlite3_stmt *rows,
                       struct store_claim_batch *claim)
{
    int rc;
    while ((rc = sqlite3_step(rows)) == SQLITE_ROW) {
        rc = add_member(reader, rows, claim);
        if (rc != SQLITE_OK)
            break;
    }
    (void)sqlite3_reset(rows);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

int sqlite_claim_batch(struct sqlite_reader *reader, struct store_claim_batch *claim)
{
    sqlite3_stmt *find = reader->statements[READ_BATCH];
    bind_id(find, 1, claim->batch);
    int rc = sqlite3_step(find);
    const bool is_leader = rc == SQLITE_ROW && column_id(find, 0) == claim->event;
    claim->close_ms = is_leader ? sqlite3_column_int64(find, 1) : 0;
    rc = end_of(find, rc);
    if (rc != SQLITE_OK)
        return rc;
    sqlite3_stmt *rows = reader->statements[is_leader ? READ_BATCH_RUNS : READ_BATCH_RUN];
    bind_id(rows, 1, is_leader ? claim->batch : claim->event);
    if (is_leader)
        (void)sqlite3_bind_int64(rows, 2, LIMIT_BATCH_EVENTS);
    else
        bind_text(rows, 2, slice_str(claim->subscription));
    return add_members(reader, rows, claim);
}
