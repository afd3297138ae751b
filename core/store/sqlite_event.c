/* SPDX-License-Identifier: MIT */
/* Writing events: sources' numbers, keys, the rows of an event. Store thread, inside a group. */
#include "store/sqlite_published_int.h"

#include "base/clock.h"
#include "model/operational.h"

/* Names longer than the cache's are looked up each time. */
static void remember(struct sqlite_engine *it, struct slice name, int64_t id)
{
    if (name.len > LIMIT_NAME_BYTES)
        return;
    if (it->source_count == SOURCE_CACHE_COUNT)
        it->source_count = 0;
    struct source_entry *entry = &it->sources[it->source_count++];
    entry->id = id;
    entry->name_len = name.len;
    memcpy(entry->name, name.data, name.len);
}

static int find_source(struct sqlite_engine *it, struct slice name, int64_t *id)
{
    for (unsigned i = 0; i < it->source_count; i++) {
        const struct source_entry *entry = &it->sources[i];
        if (slice_equal(slice_of(entry->name, entry->name_len), name)) {
            *id = entry->id;
            return SQLITE_OK;
        }
    }
    static const enum write_sql ways[] = {SQL_SOURCE_ID, SQL_SOURCE_INSERT};
    for (size_t i = 0; i < array_count(ways); i++) {
        sqlite3_stmt *statement = it->statements[ways[i]];
        bind_text(statement, 1, name);
        const int rc = sqlite3_step(statement);
        if (rc == SQLITE_ROW)
            *id = sqlite3_column_int64(statement, 0);
        (void)sqlite3_reset(statement);
        if (rc == SQLITE_ROW) {
            remember(it, name, *id);
            return SQLITE_OK;
        }
        if (rc != SQLITE_DONE)
            return rc;
    }
    return SQLITE_INTERNAL;
}

static int write_body(struct sqlite_engine *it, enum write_sql which, uint64_t id,
                      const struct content *content, struct slice body)
{
    sqlite3_stmt *statement = it->statements[which];
    bind_id(statement, 1, id);
    bind_blob(statement, 2, content_head(content));
    bind_blob(statement, 3, body);
    (void)sqlite3_bind_int(statement, 4, content->is_sealed);
    return sqlite_run(it, which);
}

static int write_content(struct sqlite_engine *it, enum write_sql which, uint64_t id,
                         const struct content *content)
{
    const struct slice body = content_body(content);
    if (!content->is_sealed)
        return write_body(it, which, id, content, body);
    const struct sealed_place place = sealed_body(id);
    struct buf sealed;
    buf_init(&sealed, body.len + SEAL_EXTRA_BYTES);
    int rc = sqlite_seal(it->ring, &place, body, &sealed);
    if (rc == SQLITE_OK)
        rc = write_body(it, which, id, content, buf_slice(&sealed));
    buf_finish(&sealed);
    return rc;
}

int sqlite_put_content(struct sqlite_engine *engine, uint64_t id, const struct content *content)
{
    return write_content(engine, SQL_CONTENT_INSERT, id, content);
}

int sqlite_replace_content(struct sqlite_engine *engine, uint64_t id, const struct content *content)
{
    return write_content(engine, SQL_CONTENT_REPLACE, id, content);
}

static int put_event_row(struct sqlite_engine *it, const struct event *event, int64_t source)
{
    sqlite3_stmt *statement = it->statements[SQL_EVENT_INSERT];
    bind_id(statement, 1, event->id);
    (void)sqlite3_bind_int64(statement, 2, source);
    bind_text(statement, 3, event->type);
    if (event->key.len > 0)
        bind_text(statement, 4, event->key);
    else
        (void)sqlite3_bind_null(statement, 4);
    bind_id_or_null(statement, 5, event->parent);
    (void)sqlite3_bind_int64(statement, 6, event->depth);
    if (!trace_is_none(&event->trace))
        bind_blob(statement, 7, slice_of((const char *)&event->trace, sizeof event->trace));
    else
        (void)sqlite3_bind_null(statement, 7);
    (void)sqlite3_bind_int64(statement, 8, (int64_t)event->content->body_len);
    (void)sqlite3_bind_int64(statement, 9, event->received_ms);
    bind_id_or_null(
        statement, 10,
        id_event_ms(event->id) + STORE_LATE_MS < it->group_ms ? id_next_row(&it->last_row) : 0);
    return sqlite_run(it, SQL_EVENT_INSERT);
}

int sqlite_put_event(struct sqlite_engine *engine, const struct event *event, bool is_due)
{
    int64_t source = 0;
    int rc = find_source(engine, event->source, &source);
    engine->engine.last_event = event->id;
    if (rc == SQLITE_OK)
        rc = put_event_row(engine, event, source);
    if (rc == SQLITE_OK)
        rc = sqlite_put_content(engine, event->id, event->content);
    if (rc == SQLITE_OK && is_due) {
        int64_t due_ms = event->due_ms;
        if (event->plan) {
            rc = sqlite_put_plan(engine, event, &due_ms);
            event->plan->due_ms = due_ms;
        }
        if (rc != SQLITE_OK)
            return rc;
        bind_id(engine->statements[SQL_EVENT_DUE_INSERT], 1, event->id);
        (void)sqlite3_bind_int64(engine->statements[SQL_EVENT_DUE_INSERT], 2, due_ms);
        rc = sqlite_run(engine, SQL_EVENT_DUE_INSERT);
    }
    return rc;
}

/* ---- News ------------------------------------------------------------------------------------ */

/* 0 for an event that is gone. */
static int find_depth(struct sqlite_engine *it, uint64_t event, uint32_t *depth)
{
    sqlite3_stmt *statement = it->statements[SQL_EVENT_DEPTH];
    bind_id(statement, 1, event);
    const int rc = sqlite3_step(statement);
    *depth = rc == SQLITE_ROW ? (uint32_t)sqlite3_column_int64(statement, 0) : 0;
    (void)sqlite3_reset(statement);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* One, with its place in the chain; *is_made: its chain is not too long. */
static int put_one(struct sqlite_engine *engine, struct event *event, bool *is_made)
{
    uint32_t depth = 0;
    int rc = find_depth(engine, event->parent, &depth);
    if (rc != SQLITE_OK || depth >= LIMIT_CHAIN_DEPTH)
        return rc;
    event->depth = depth + 1; /* nobody else reads it before the submitter is told */
    rc = sqlite_put_event(engine, event, true);
    *is_made = rc == SQLITE_OK;
    return rc;
}

int sqlite_put_news(struct sqlite_engine *engine, struct store_news *news, uint64_t attempt)
{
    const struct published what = {.application = news->application,
                                   .payload_until_ms = clock_due_ms() + OPERATIONAL_PAYLOAD_MS};
    int rc = news->event ? put_one(engine, news->event, &news->is_made) : SQLITE_OK;
    if (rc != SQLITE_OK || !news->published)
        return rc;
    if (news->attempt_at > 0)
        operational_set_attempt(news->published, news->attempt_at, attempt);
    rc = put_one(engine, news->published, &news->is_published);
    return rc == SQLITE_OK && news->is_published
               ? sqlite_insert_published(engine, news->published, &what)
               : rc;
}

/* ---- Ingest ---------------------------------------------------------------------------------- */

static int find_duplicate(struct sqlite_engine *it, struct store_ingest *ingest)
{
    const struct event *event = ingest->event;
    const uint64_t from = id_event_at(id_event_ms(event->id) - ingest->key_window_ms);
    int64_t source = 0;
    int rc = find_source(it, event->source, &source);
    if (rc == SQLITE_OK)
        rc = sqlite_dedupe_find(it, event, source, from, &ingest->duplicate_of);
    ingest->is_duplicate = ingest->duplicate_of != 0;
    return rc;
}

int sqlite_ingest(struct sqlite_engine *engine, struct store_ingest *ingest)
{
    const struct event *event = ingest->event;
    const bool has_key = event->key.len > 0 && ingest->key_window_ms > 0;
    int rc = SQLITE_OK;
    ingest->is_duplicate = false;
    ingest->duplicate_of = 0;
    if (has_key)
        rc = find_duplicate(engine, ingest);
    else if (ingest->published)
        rc = sqlite_find_published(engine, ingest);
    if (rc != SQLITE_OK || ingest->is_duplicate || ingest->op.status != OK)
        return rc;
    rc = sqlite_put_event(engine, event, !ingest->is_finished);
    if (rc == SQLITE_OK && ingest->published)
        rc = sqlite_put_published(engine, ingest);
    if (rc == SQLITE_OK && ingest->dead_reason)
        rc = sqlite_put_dead_run(engine, event->id, EVENT_UNTYPED_RUN, ingest->dead_reason);
    return rc == SQLITE_OK && has_key ? sqlite_dedupe_add(engine, event, ingest->key_window_ms)
                                      : rc;
}
