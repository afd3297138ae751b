/* SPDX-License-Identifier: MIT */
/* The rows of what is registered over the API, and the first answers to requests with an
 * idempotency key: written on the store thread, inside a group; read by reader threads. */
#include "store/sqlite_published_int.h"

#include "base/limits.h"

/* Beyond every uid, which is ASCII. */
#define UID_END "\x7f"

/* Binds what a row and a first answer have in common, from `index` on. */
static void bind_row(sqlite3_stmt *statement, int index, const struct resource *resource)
{
    bind_id(statement, index, resource->id);
    bind_text_or_null(statement, index + 1, resource->uid);
    (void)sqlite3_bind_int(statement, index + 2, resource->is_archived);
    bind_id(statement, index + 3, resource->version);
    bind_text(statement, index + 4, slice_str(resource->body));
    (void)sqlite3_bind_int64(statement, index + 5, resource->created_ms);
    (void)sqlite3_bind_int64(statement, index + 6, resource->updated_ms);
}

/* The same columns, from the first on. False: no memory. */
bool sqlite_resource_of(sqlite3_stmt *statement, struct resource *resource)
{
    resource->id = column_id(statement, 0);
    resource->uid = column_copy(statement, 1);
    resource->is_archived = sqlite3_column_int(statement, 2) != 0;
    resource->version = column_id(statement, 3);
    resource->body = column_copy(statement, 4);
    resource->created_ms = sqlite3_column_int64(statement, 5);
    resource->updated_ms = sqlite3_column_int64(statement, 6);
    return resource->body && (resource->uid || sqlite3_column_type(statement, 1) == SQLITE_NULL);
}

/* ---- Written --------------------------------------------------------------------------------- */

static void bind_key(sqlite3_stmt *statement, const unsigned char *key)
{
    bind_blob(statement, 1, slice_of((const char *)key, STORE_ANSWER_KEY_BYTES));
}

int sqlite_find_answer(struct sqlite_engine *engine, const unsigned char *key, int64_t now_ms,
                       struct resource *first, bool *is_repeat)
{
    sqlite3_stmt *statement = engine->statements[SQL_ANSWER_FIND];
    bind_key(statement, key);
    (void)sqlite3_bind_int64(statement, 2, now_ms);
    int rc = sqlite3_step(statement);
    *is_repeat = rc == SQLITE_ROW;
    if (rc == SQLITE_ROW)
        rc = sqlite_resource_of(statement, first) ? SQLITE_ROW : SQLITE_NOMEM;
    (void)sqlite3_reset(statement);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

int sqlite_put_answer(struct sqlite_engine *engine, const unsigned char *key, int64_t now_ms,
                      const struct resource *first)
{
    (void)sqlite3_bind_int64(engine->statements[SQL_ANSWER_EXPIRE], 1, now_ms);
    const int rc = sqlite_run(engine, SQL_ANSWER_EXPIRE);
    if (rc != SQLITE_OK)
        return rc;
    sqlite3_stmt *statement = engine->statements[SQL_ANSWER_PUT];
    bind_key(statement, key);
    (void)sqlite3_bind_int64(statement, 2, now_ms + LIMIT_ANSWER_KEPT_MS);
    bind_row(statement, 3, first);
    return sqlite_run(engine, SQL_ANSWER_PUT);
}

/* The row that is to change or go: E_NOTFOUND, or E_CONFLICT if it has another version. */
static int find_row(struct sqlite_engine *it, struct store_resource *op)
{
    struct resource *resource = op->resource;
    sqlite3_stmt *statement = it->statements[SQL_RESOURCE_FIND];
    bind_id(statement, 1, resource->id);
    const int rc = sqlite3_step(statement);
    op->op.status = rc == SQLITE_ROW ? OK : E_NOTFOUND;
    if (rc == SQLITE_ROW && op->version != 0 && column_id(statement, 0) != op->version)
        op->op.status = E_CONFLICT;
    if (rc == SQLITE_ROW) {
        resource->version = column_id(statement, 0);
        resource->created_ms = sqlite3_column_int64(statement, 1);
    }
    (void)sqlite3_reset(statement);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* Whether another has its uid. */
static int find_taken(struct sqlite_engine *it, struct store_resource *op)
{
    const struct resource *resource = op->resource;
    sqlite3_stmt *statement = it->statements[SQL_RESOURCE_OF_UID];
    (void)sqlite3_bind_int(statement, 1, (int)resource->kind);
    bind_id(statement, 2, resource->owner);
    bind_text(statement, 3, slice_str(resource->uid));
    const int rc = sqlite3_step(statement);
    op->is_taken = rc == SQLITE_ROW && (op->is_new || column_id(statement, 0) != resource->id);
    if (op->is_taken)
        op->op.status = E_CONFLICT;
    (void)sqlite3_reset(statement);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* Whether its owner has as many as it may. */
static int find_room(struct sqlite_engine *it, struct store_resource *op)
{
    sqlite3_stmt *statement = it->statements[SQL_RESOURCE_COUNT];
    (void)sqlite3_bind_int(statement, 1, (int)op->resource->kind);
    bind_id(statement, 2, op->resource->owner);
    (void)sqlite3_bind_int64(statement, 3, (int64_t)op->owned_max);
    const int rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW && (size_t)sqlite3_column_int64(statement, 0) >= op->owned_max)
        op->op.status = E_LIMIT;
    (void)sqlite3_reset(statement);
    return rc == SQLITE_ROW ? SQLITE_OK : rc;
}

/* The low bits of an endpoint's id say who owns it: they go round. */
static uint64_t next_id(struct sqlite_engine *it, enum resource_kind kind)
{
    const uint64_t id = id_next_row(&it->last_row);
    if (kind != RESOURCE_ENDPOINT)
        return id;
    it->last_row = id + it->endpoint_turn++ % ID_SHARD_COUNT;
    return it->last_row;
}

static int put_row(struct sqlite_engine *it, struct store_resource *op)
{
    struct resource *resource = op->resource;
    if (op->is_new) {
        resource->id = next_id(it, resource->kind);
        resource->version = 0;
        resource->created_ms = op->now_ms;
    }
    resource->version++;
    resource->updated_ms = op->now_ms;
    sqlite3_stmt *statement = it->statements[SQL_RESOURCE_PUT];
    bind_row(statement, 1, resource);
    (void)sqlite3_bind_int(statement, 8, (int)resource->kind);
    bind_id(statement, 9, resource->owner);
    int rc = sqlite_run(it, SQL_RESOURCE_PUT);
    if (rc == SQLITE_OK)
        rc = sqlite_put_secrets(it, resource->id, op->secrets, op->secret_count, op->now_ms);
    if (rc == SQLITE_OK && op->endpoint)
        rc = sqlite_put_registered(it, op);
    if (rc == SQLITE_OK && resource->kind == RESOURCE_ENDPOINT)
        rc = sqlite_tell(it, op->telling, resource, false);
    return rc == SQLITE_OK && op->answer_key
               ? sqlite_put_answer(it, op->answer_key, op->now_ms, resource)
               : rc;
}

static int delete_row(struct sqlite_engine *it, enum resource_kind kind, uint64_t id)
{
    bind_id(it->statements[SQL_RESOURCE_DELETE], 1, id);
    int rc = sqlite_run(it, SQL_RESOURCE_DELETE);
    if (rc == SQLITE_OK && kind == RESOURCE_APPLICATION)
        rc = sqlite_delete_tokens(it, id);
    if (rc == SQLITE_OK)
        rc = sqlite_delete_secrets(it, id);
    return rc == SQLITE_OK && kind == RESOURCE_ENDPOINT ? sqlite_remove_registered(it, id) : rc;
}

static int delete_endpoint(struct sqlite_engine *it, struct store_resource *op,
                           const struct resource *endpoint)
{
    const int rc = delete_row(it, RESOURCE_ENDPOINT, endpoint->id);
    return rc == SQLITE_OK ? sqlite_tell(it, op->telling, endpoint, true) : rc;
}

/* With what belongs to it. */
static int delete_all(struct sqlite_engine *it, struct store_resource *op)
{
    const struct resource *resource = op->resource;
    if (resource->kind == RESOURCE_ENDPOINT)
        return delete_endpoint(it, op, resource);
    int rc = delete_row(it, resource->kind, resource->id);
    bool may_own = resource->kind == RESOURCE_APPLICATION;
    while (rc == SQLITE_OK && may_own) {
        struct resource owned;
        rc = sqlite_find_owned(it, resource->id, &owned);
        may_own = owned.id != 0;
        if (rc == SQLITE_OK && may_own)
            rc = delete_endpoint(it, op, &owned);
        resource_finish(&owned);
    }
    return rc;
}

/* Whether its secrets leave too many behind. */
static int find_crowd(struct sqlite_engine *it, struct store_resource *op)
{
    const int rc = sqlite_secrets_fit(it, op->resource->id, op->secrets, op->secret_count,
                                      op->now_ms, &op->is_crowded);
    if (op->is_crowded)
        op->op.status = E_CONFLICT;
    return rc;
}

int sqlite_resource(struct sqlite_engine *engine, struct store_resource *op)
{
    /* It may have been in a group that failed: nothing that was set then counts. */
    op->is_taken = false;
    op->is_repeat = false;
    op->is_crowded = false;
    if (op->telling)
        store_telling_finish(op->telling);
    resource_finish(&op->first);
    op->first = (struct resource){.kind = op->resource->kind, .owner = op->resource->owner};
    int rc = op->answer_key ? sqlite_find_answer(engine, op->answer_key, op->now_ms, &op->first,
                                                 &op->is_repeat)
                            : SQLITE_OK;
    if (rc == SQLITE_OK && !op->is_repeat && !op->is_new)
        rc = find_row(engine, op);
    if (rc == SQLITE_OK && !op->is_repeat && op->op.status == OK && !op->is_removal &&
        op->resource->uid)
        rc = find_taken(engine, op);
    if (rc == SQLITE_OK && !op->is_repeat && op->op.status == OK && !op->is_new && !op->is_removal)
        rc = find_crowd(engine, op);
    if (rc == SQLITE_OK && !op->is_repeat && op->op.status == OK && op->is_new && op->owned_max > 0)
        rc = find_room(engine, op);
    if (rc == SQLITE_OK && !op->is_repeat && op->op.status == OK && op->endpoint)
        rc = sqlite_judge_registered(engine, op);
    if (rc != SQLITE_OK || op->is_repeat || op->op.status != OK)
        return rc;
    return op->is_removal ? delete_all(engine, op) : put_row(engine, op);
}

/* ---- Read ------------------------------------------------------------------------------------ */

static void drop_last(struct store_list_resources *list)
{
    resource_finish(&list->rows[--list->row_count]);
}

/* Unless it is not wanted. */
static int add_row(struct sqlite_reader *reader, sqlite3_stmt *statement,
                   struct store_list_resources *list)
{
    struct resource *rows = array_grow(list->rows, list->row_count, sizeof *rows);
    if (!rows)
        return SQLITE_NOMEM;
    list->rows = rows;
    struct resource *row = &rows[list->row_count++];
    *row = (struct resource){.kind = list->kind, .owner = list->owner};
    if (!sqlite_resource_of(statement, row))
        return SQLITE_NOMEM;
    if (list->is_wanted && !list->is_wanted(row, list->wanted_ctx)) {
        drop_last(list);
        return SQLITE_ROW;
    }
    if (list->secrets_ms == 0)
        return SQLITE_ROW;
    const int rc =
        sqlite_read_secrets(reader, row->id, list->secrets_ms, &row->secrets, &row->secret_count);
    return rc == SQLITE_OK ? SQLITE_ROW : rc;
}

/* Binds kind and owner. */
static sqlite3_stmt *prepare(struct sqlite_reader *reader, enum read_sql which,
                             const struct store_list_resources *list)
{
    sqlite3_stmt *statement = reader->statements[which];
    (void)sqlite3_bind_int(statement, 1, (int)list->kind);
    bind_id(statement, 2, list->owner);
    return statement;
}

static int get_one(struct sqlite_reader *reader, sqlite3_stmt *statement,
                   struct store_list_resources *list)
{
    int rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW)
        rc = add_row(reader, statement, list);
    (void)sqlite3_reset(statement);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int get_resource(struct sqlite_reader *reader, struct store_list_resources *list)
{
    int rc = SQLITE_OK;
    if (list->answer_key) {
        sqlite3_stmt *statement = reader->statements[READ_ANSWER];
        bind_key(statement, list->answer_key);
        (void)sqlite3_bind_int64(statement, 2, list->answered_ms);
        rc = get_one(reader, statement, list);
    } else if (list->only) {
        sqlite3_stmt *statement = prepare(reader, READ_RESOURCE, list);
        bind_id(statement, 3, list->only);
        rc = get_one(reader, statement, list);
    }
    if (rc == SQLITE_OK && list->row_count == 0 && list->only_uid) {
        sqlite3_stmt *statement = prepare(reader, READ_RESOURCE_OF_UID, list);
        bind_text(statement, 3, slice_str(list->only_uid));
        rc = get_one(reader, statement, list);
    }
    list->read.status = list->row_count > 0 ? OK : E_NOTFOUND;
    return rc;
}

static sqlite3_stmt *prepare_walk(struct sqlite_reader *reader,
                                  const struct store_list_resources *list)
{
    static const enum read_sql walks[2][2] = {
        {READ_LIST_RESOURCES, READ_LIST_RESOURCES_DOWN},
        {READ_LIST_RESOURCES_BY_UID, READ_LIST_RESOURCES_BY_UID_DOWN}};
    sqlite3_stmt *statement = prepare(reader, walks[list->is_by_uid][list->is_down], list);
    if (list->is_by_uid) {
        const char *start = list->is_down ? UID_END : "";
        bind_text(statement, 3, slice_str(list->behind_uid ? list->behind_uid : start));
    } else {
        const uint64_t start = list->is_down ? INT64_MAX : 0;
        bind_id(statement, 3, list->behind ? list->behind : start);
    }
    (void)sqlite3_bind_int(statement, 4, list->with_archived);
    return statement;
}

/* The row that was just added: whose it is, and how its endpoint stands. */
static int add_standing(sqlite3_stmt *walk, struct store_list_resources *list)
{
    struct endpoint_standing *standings =
        array_grow(list->standings, list->row_count - 1, sizeof *standings);
    if (!standings)
        return SQLITE_NOMEM;
    list->standings = standings;
    list->rows[list->row_count - 1].owner = column_id(walk, 7);
    standings[list->row_count - 1] = (struct endpoint_standing){
        .state = (enum endpoint_state)sqlite3_column_int(walk, 8),
        .failing_since_ms = sqlite3_column_int64(walk, 9),
    };
    return SQLITE_ROW;
}

static int list_registered(struct sqlite_reader *reader, struct store_list_resources *list)
{
    sqlite3_stmt *walk = reader->statements[READ_REGISTERED];
    const size_t limit = list->only ? 1 : list->limit;
    int rc = SQLITE_ROW;
    check(list->kind == RESOURCE_ENDPOINT);
    (void)sqlite3_bind_int(walk, 1, (int)list->kind);
    bind_id(walk, 2, list->only ? list->only - 1 : list->behind);
    while (rc == SQLITE_ROW && list->row_count < limit) {
        rc = sqlite3_step(walk);
        if (rc == SQLITE_ROW && list->only && column_id(walk, 0) != list->only)
            rc = SQLITE_DONE;
        if (rc == SQLITE_ROW)
            rc = add_row(reader, walk, list);
        if (rc == SQLITE_ROW)
            rc = add_standing(walk, list);
    }
    (void)sqlite3_reset(walk);
    list->is_end = rc == SQLITE_DONE;
    if (list->only && list->row_count == 0)
        list->read.status = E_NOTFOUND;
    return rc == SQLITE_DONE || rc == SQLITE_ROW ? SQLITE_OK : rc;
}

int sqlite_list_resources(struct sqlite_reader *reader, struct store_list_resources *list)
{
    if (list->is_everyones)
        return list_registered(reader, list);
    if (list->answer_key || list->only || list->only_uid)
        return get_resource(reader, list);
    sqlite3_stmt *walk = prepare_walk(reader, list);
    int rc = SQLITE_ROW;
    /* One more tells whether it is the end. */
    while (rc == SQLITE_ROW && list->row_count <= list->limit) {
        rc = sqlite3_step(walk);
        if (rc == SQLITE_ROW)
            rc = add_row(reader, walk, list);
    }
    (void)sqlite3_reset(walk);
    list->is_end = rc == SQLITE_DONE;
    if (list->row_count > list->limit)
        drop_last(list);
    return rc == SQLITE_DONE || rc == SQLITE_ROW ? SQLITE_OK : rc;
}
