/* SPDX-License-Identifier: MIT */
/* The rows of endpoints that applications registered: each lies in table endpoint as any other
 * does, and changes with its resource. Store thread, inside a group. */
#include "store/sqlite_int.h"

#include "base/clock.h"

static int step(sqlite3_stmt *statement, bool *is_there)
{
    const int rc = sqlite3_step(statement);
    *is_there = rc == SQLITE_ROW;
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int find_resource(struct sqlite_engine *it, uint64_t id, bool *is_there)
{
    sqlite3_stmt *statement = it->statements[SQL_RESOURCE_FIND];
    bind_id(statement, 1, id);
    const int rc = step(statement, is_there);
    (void)sqlite3_reset(statement);
    return rc;
}

static bool is_wanted(const struct store_registered *endpoint, sqlite3_stmt *type)
{
    const struct resource resource = {.kind = RESOURCE_EVENT_TYPE,
                                      .body = (char *)(uintptr_t)sqlite3_column_text(type, 1)};
    return !endpoint->is_wanted || endpoint->is_wanted(&resource, endpoint->wanted_ctx);
}

static int find_type(struct sqlite_engine *it, const struct store_registered *endpoint,
                     const char *name, bool *is_there)
{
    sqlite3_stmt *statement = it->statements[SQL_RESOURCE_OF_UID];
    (void)sqlite3_bind_int(statement, 1, (int)RESOURCE_EVENT_TYPE);
    bind_id(statement, 2, 0);
    bind_text(statement, 3, slice_str(name));
    const int rc = step(statement, is_there);
    *is_there = *is_there && is_wanted(endpoint, statement);
    (void)sqlite3_reset(statement);
    return rc;
}

int sqlite_judge_registered(struct sqlite_engine *engine, struct store_resource *op)
{
    struct store_registered *endpoint = op->endpoint;
    bool is_there = true;
    int rc = op->is_new ? find_resource(engine, op->resource->owner, &is_there) : SQLITE_OK;
    if (!is_there)
        op->op.status = E_NOTFOUND;
    for (size_t i = 0; rc == SQLITE_OK && is_there && i < endpoint->type_count; i++) {
        rc = find_type(engine, endpoint, endpoint->types[i], &is_there);
        if (is_there || rc != SQLITE_OK)
            continue;
        endpoint->missing_type = i;
        op->op.status = E_INVALID;
    }
    return rc;
}

/* ---- Its row --------------------------------------------------------------------------------- */

static int find_standing(struct sqlite_engine *it, uint64_t id, struct endpoint_standing *standing)
{
    sqlite3_stmt *statement = it->statements[SQL_ENDPOINT_STANDING];
    bool is_there;
    bind_id(statement, 1, id);
    const int rc = step(statement, &is_there);
    *standing = (struct endpoint_standing){0};
    if (is_there)
        *standing = (struct endpoint_standing){
            .state = (enum endpoint_state)sqlite3_column_int(statement, 0),
            .failing_since_ms = sqlite3_column_int64(statement, 1),
        };
    (void)sqlite3_reset(statement);
    return rc;
}

static int insert(struct sqlite_engine *it, uint64_t id, const struct store_registered *endpoint)
{
    char name[ID_TEXT_BYTES];
    sqlite3_stmt *statement = it->statements[SQL_ENDPOINT_PUT];
    id_format(ID_ENDPOINT, id, name);
    bind_id(statement, 1, id);
    bind_text(statement, 2, slice_str(name));
    bind_text(statement, 3, slice_str(endpoint->url));
    (void)sqlite3_bind_int(statement, 4, (int)endpoint->standing.state);
    return sqlite_run(it, SQL_ENDPOINT_PUT);
}

static int update(struct sqlite_engine *it, uint64_t id, const char *url, enum endpoint_state state,
                  const char *reason)
{
    sqlite3_stmt *statement = it->statements[SQL_ENDPOINT_UPDATE];
    bind_id(statement, 1, id);
    bind_text_or_null(statement, 2, url);
    (void)sqlite3_bind_int(statement, 3, (int)state);
    bind_text_or_null(statement, 4, reason);
    return sqlite_run(it, SQL_ENDPOINT_UPDATE);
}

int sqlite_put_registered(struct sqlite_engine *engine, struct store_resource *op)
{
    struct store_registered *endpoint = op->endpoint;
    struct endpoint_standing *standing = &endpoint->standing;
    const int rc = find_standing(engine, op->resource->id, standing);
    if (rc != SQLITE_OK)
        return rc;
    if (endpoint->is_disabled)
        standing->state = ENDPOINT_DISABLED;
    else if (standing->state == ENDPOINT_DISABLED)
        standing->state = ENDPOINT_ENABLED;
    if (standing->state == ENDPOINT_ENABLED)
        standing->failing_since_ms = 0;
    standing->turn = ++engine->last_turn;
    return op->is_new ? insert(engine, op->resource->id, endpoint)
                      : update(engine, op->resource->id, endpoint->url, standing->state, NULL);
}

int sqlite_remove_registered(struct sqlite_engine *engine, uint64_t id)
{
    return update(engine, id, NULL, ENDPOINT_DISABLED, STORE_DELETED_REASON);
}

int sqlite_find_owned(struct sqlite_engine *engine, uint64_t application, struct resource *endpoint)
{
    sqlite3_stmt *statement = engine->statements[SQL_RESOURCE_OWNED];
    bool is_there;
    (void)sqlite3_bind_int(statement, 1, (int)RESOURCE_ENDPOINT);
    bind_id(statement, 2, application);
    int rc = step(statement, &is_there);
    *endpoint = (struct resource){.kind = RESOURCE_ENDPOINT, .owner = application};
    if (is_there) {
        endpoint->id = column_id(statement, 0);
        endpoint->uid = column_copy(statement, 1);
        if (!endpoint->uid && sqlite3_column_type(statement, 1) != SQLITE_NULL)
            rc = SQLITE_NOMEM;
    }
    (void)sqlite3_reset(statement);
    return rc;
}

int sqlite_tell_registered(struct sqlite_engine *engine, uint64_t id, enum endpoint_state state,
                           bool *is_there)
{
    *is_there = id < ID_ENDPOINT_REGISTERED;
    if (*is_there)
        return SQLITE_OK;
    sqlite3_stmt *statement = engine->statements[SQL_RESOURCE_DISABLED];
    bind_id(statement, 1, id);
    bind_text(statement, 2, slice_str(state == ENDPOINT_DISABLED ? "true" : "false"));
    (void)sqlite3_bind_int64(statement, 3, clock_due_ms());
    const int rc = sqlite_run(engine, SQL_RESOURCE_DISABLED);
    *is_there = sqlite3_changes(engine->db) > 0;
    return rc;
}

/* *is_there: one that is still to be sent was found, and is not any more. */
static int clear_one(struct sqlite_engine *it, uint64_t endpoint, bool *is_there)
{
    sqlite3_stmt *statement = it->statements[SQL_CLEAR_FIND];
    struct sent_delivery was;
    bind_id(statement, 1, endpoint);
    int rc = step(statement, is_there);
    const uint64_t id = *is_there ? column_id(statement, 0) : 0;
    (void)sqlite3_reset(statement);
    if (rc != SQLITE_OK || !*is_there)
        return rc;
    rc = sqlite_sent_find(it, id, &was);
    if (rc != SQLITE_OK)
        return rc;
    statement = it->statements[SQL_DELIVERY_END];
    bind_id(statement, 1, id);
    (void)sqlite3_bind_int(statement, 2, (int)DELIVERY_CANCELLED);
    (void)sqlite3_bind_null(statement, 3);
    bind_text(statement, 4, slice_str(STORE_DELETED_REASON));
    rc = sqlite_run(it, SQL_DELIVERY_END);
    return rc == SQLITE_OK ? sqlite_sent_moved(it, &was, DELIVERY_CANCELLED) : rc;
}

int sqlite_clear(struct sqlite_engine *engine, struct store_clear *clear)
{
    bool is_there = true;
    int rc = SQLITE_OK;
    clear->cleared_count = 0;
    while (rc == SQLITE_OK && is_there && clear->cleared_count < clear->count_max) {
        rc = clear_one(engine, clear->endpoint, &is_there);
        clear->cleared_count += is_there;
    }
    return rc;
}
