/* SPDX-License-Identifier: MIT */
/* The rows of the API's tokens: written on the store thread, inside a group; read by reader
 * threads. */
#include "store/sqlite_published_int.h"

#include "base/limits.h"

/* ---- Written --------------------------------------------------------------------------------- */

static int insert(struct sqlite_engine *it, struct store_token *op)
{
    struct api_token *token = op->token;
    sqlite3_stmt *statement = it->statements[SQL_TOKEN_INSERT];
    token->id = id_next_row(&it->last_row);
    token->created_ms = op->now_ms;
    bind_id(statement, 1, token->id);
    bind_id(statement, 2, token->application);
    (void)sqlite3_bind_int(statement, 3, (int)token->scope);
    bind_blob(statement, 4, slice_of((const char *)token->hash, API_TOKEN_HASH_BYTES));
    bind_text_or_null(statement, 5, token->label);
    bind_text_or_null(statement, 6, token->flags);
    (void)sqlite3_bind_int64(statement, 7, token->created_ms);
    (void)sqlite3_bind_int64(statement, 8, token->expires_ms);
    const int rc = sqlite_run(it, SQL_TOKEN_INSERT);
    if (rc == SQLITE_OK && sqlite3_changes(it->db) == 0)
        op->op.status = E_CONFLICT;
    return rc;
}

static int forget_ended(struct sqlite_engine *it, int64_t now_ms)
{
    (void)sqlite3_bind_int64(it->statements[SQL_TOKEN_EXPIRE], 1, now_ms);
    return sqlite_run(it, SQL_TOKEN_EXPIRE);
}

static int put_answer(struct sqlite_engine *it, const struct store_token *op)
{
    const struct resource first = {.id = op->token->id,
                                   .body = (char *)(uintptr_t)op->mark,
                                   .created_ms = op->token->created_ms};
    return sqlite_put_answer(it, op->answer_key, op->now_ms, &first);
}

static int mint(struct sqlite_engine *it, struct store_token *op)
{
    /* It may have been in a group that failed: nothing that was set then counts. */
    op->is_repeat = false;
    resource_finish(&op->first);
    int rc = op->answer_key && !op->is_anew
                 ? sqlite_find_answer(it, op->answer_key, op->now_ms, &op->first, &op->is_repeat)
                 : SQLITE_OK;
    if (rc != SQLITE_OK || op->is_repeat)
        return rc;
    rc = forget_ended(it, op->now_ms);
    if (rc == SQLITE_OK)
        rc = insert(it, op);
    return rc == SQLITE_OK && op->op.status == OK && op->answer_key ? put_answer(it, op) : rc;
}

int sqlite_token(struct sqlite_engine *engine, struct store_token *op)
{
    if (!op->is_end)
        return mint(engine, op);
    bind_id(engine->statements[SQL_TOKEN_END], 1, op->token->id);
    (void)sqlite3_bind_int64(engine->statements[SQL_TOKEN_END], 2, op->now_ms);
    const int rc = sqlite_run(engine, SQL_TOKEN_END);
    if (rc == SQLITE_OK && sqlite3_changes(engine->db) == 0)
        op->op.status = E_NOTFOUND;
    return rc;
}

int sqlite_delete_tokens(struct sqlite_engine *engine, uint64_t application)
{
    bind_id(engine->statements[SQL_TOKEN_DELETE], 1, application);
    return sqlite_run(engine, SQL_TOKEN_DELETE);
}

/* ---- Read ------------------------------------------------------------------------------------ */

static int add_row(sqlite3_stmt *statement, struct store_list_tokens *list)
{
    struct api_token *rows = array_grow(list->rows, list->row_count, sizeof *rows);
    if (!rows)
        return SQLITE_NOMEM;
    list->rows = rows;
    struct api_token *row = &rows[list->row_count++];
    const struct slice hash = column_blob(statement, 3);
    *row = (struct api_token){
        .id = column_id(statement, 0),
        .application = column_id(statement, 1),
        .scope = (enum api_token_scope)sqlite3_column_int(statement, 2),
        .label = column_copy(statement, 4),
        .flags = column_copy(statement, 5),
        .created_ms = sqlite3_column_int64(statement, 6),
        .expires_ms = sqlite3_column_int64(statement, 7),
    };
    check(hash.len == sizeof row->hash);
    memcpy(row->hash, hash.data, hash.len);
    const bool is_whole = (row->label || sqlite3_column_type(statement, 4) == SQLITE_NULL) &&
                          (row->flags || sqlite3_column_type(statement, 5) == SQLITE_NULL);
    return is_whole ? SQLITE_ROW : SQLITE_NOMEM;
}

static int get_one(struct sqlite_reader *reader, struct store_list_tokens *list)
{
    sqlite3_stmt *statement = reader->statements[READ_TOKEN];
    bind_blob(statement, 1, slice_of((const char *)list->only, API_TOKEN_HASH_BYTES));
    (void)sqlite3_bind_int64(statement, 2, list->now_ms);
    int rc = sqlite3_step(statement);
    list->read.status = rc == SQLITE_DONE ? E_NOTFOUND : OK;
    if (rc == SQLITE_ROW)
        rc = add_row(statement, list);
    (void)sqlite3_reset(statement);
    return rc == SQLITE_DONE || rc == SQLITE_ROW ? SQLITE_OK : rc;
}

int sqlite_list_tokens(struct sqlite_reader *reader, struct store_list_tokens *list)
{
    if (list->only)
        return get_one(reader, list);
    static const enum read_sql walks[2][2] = {
        {READ_LIST_TOKENS, READ_LIST_TOKENS_BACKWARD},
        {READ_LIST_TOKENS_OF, READ_LIST_TOKENS_OF_BACKWARD},
    };
    const bool is_of_one = list->application != 0;
    sqlite3_stmt *walk = reader->statements[walks[is_of_one][list->query.is_backward]];
    int rc = SQLITE_ROW;
    bind_id(walk, 1, list->query.before ? list->query.before : INT64_MAX);
    bind_id(walk, 2, list->query.after);
    (void)sqlite3_bind_int64(walk, 3, list->now_ms);
    if (is_of_one)
        bind_id(walk, 4, list->application);
    list->last = list->query.before;
    while (rc == SQLITE_ROW && list->row_count < list->query.limit) {
        rc = sqlite3_step(walk);
        if (rc != SQLITE_ROW)
            break;
        list->last = column_id(walk, 0);
        rc = add_row(walk, list);
    }
    (void)sqlite3_reset(walk);
    list->is_end = rc == SQLITE_DONE;
    return rc == SQLITE_DONE || rc == SQLITE_ROW ? SQLITE_OK : rc;
}
