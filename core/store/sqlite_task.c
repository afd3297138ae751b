/* SPDX-License-Identifier: MIT */
/* The rows of tasks: written on the store thread, inside a group; read by reader threads. */
#include "store/sqlite_published_int.h"

#include "base/limits.h"

/* ---- Written --------------------------------------------------------------------------------- */

/* *status: E_NOTFOUND, or E_CONFLICT if it is over or (cursor not NULL) stands elsewhere. */
static int find(struct sqlite_engine *it, uint64_t id, const uint64_t *cursor, enum status *status)
{
    sqlite3_stmt *statement = it->statements[SQL_TASK_FIND];
    bind_id(statement, 1, id);
    const int rc = sqlite3_step(statement);
    *status = rc == SQLITE_ROW ? OK : E_NOTFOUND;
    if (rc == SQLITE_ROW && (sqlite3_column_int(statement, 0) != TASK_RUNNING ||
                             (cursor && column_id(statement, 1) != *cursor)))
        *status = E_CONFLICT;
    (void)sqlite3_reset(statement);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

int sqlite_task_check(struct sqlite_engine *engine, struct store_change *step)
{
    const int rc = find(engine, step->task, &step->cursor, &step->op.status);
    if (step->op.status == E_NOTFOUND)
        step->op.status = E_CONFLICT;
    return rc;
}

int sqlite_task_move(struct sqlite_engine *engine, const struct store_change *step)
{
    sqlite3_stmt *statement = engine->statements[SQL_TASK_MOVE];
    bind_id(statement, 1, step->task);
    bind_id(statement, 2, step->next_cursor);
    bind_id(statement, 3, step->done_count);
    bind_id(statement, 4, step->change_count - step->done_count);
    (void)sqlite3_bind_int64(statement, 5, step->is_last ? TASK_DONE : TASK_RUNNING);
    bind_id_or_null(statement, 6, step->is_last ? (uint64_t)step->now_ms : 0);
    return sqlite_run(engine, SQL_TASK_MOVE);
}

static int insert(struct sqlite_engine *it, struct task *task, int64_t now_ms)
{
    sqlite3_stmt *statement = it->statements[SQL_TASK_INSERT];
    task->id = id_next_row(&it->last_row);
    task->created_ms = now_ms;
    bind_id(statement, 1, task->id);
    (void)sqlite3_bind_int(statement, 2, (int)task->verb);
    (void)sqlite3_bind_int(statement, 3, (int)task->kind);
    bind_text_or_null(statement, 4, task->ids);
    bind_text_or_null(statement, 5, task->source);
    bind_text_or_null(statement, 6, task->type);
    bind_text_or_null(statement, 7, task->endpoint);
    (void)sqlite3_bind_int(statement, 8, task->wanted);
    bind_text_or_null(statement, 9, task->contains);
    bind_text_or_null(statement, 10, task->subscription);
    bind_text_or_null(statement, 11, task->reason);
    (void)sqlite3_bind_int(statement, 12, task->has_new_ids);
    (void)sqlite3_bind_double(statement, 13, task->rate_per_s);
    (void)sqlite3_bind_int64(statement, 14, task->since_ms);
    (void)sqlite3_bind_int64(statement, 15, task->until_ms);
    (void)sqlite3_bind_int64(statement, 16, now_ms);
    return sqlite_run(it, SQL_TASK_INSERT);
}

static int expire(struct sqlite_engine *it, int64_t now_ms)
{
    (void)sqlite3_bind_int64(it->statements[SQL_TASK_EXPIRE], 1, now_ms - LIMIT_TASK_KEPT_MS);
    return sqlite_run(it, SQL_TASK_EXPIRE);
}

int sqlite_task_begin(struct sqlite_engine *engine, struct task *task, int64_t now_ms)
{
    const int rc = expire(engine, now_ms);
    return rc == SQLITE_OK ? insert(engine, task, now_ms) : rc;
}

static int begin_once(struct sqlite_engine *it, struct store_task *op)
{
    struct resource first = {0};
    int rc = sqlite_find_answer(it, op->answer_key, op->now_ms, &first, &op->is_repeat);
    if (op->is_repeat)
        op->task->id = first.id;
    resource_finish(&first);
    if (rc != SQLITE_OK || op->is_repeat)
        return rc;
    rc = sqlite_task_begin(it, op->task, op->now_ms);
    static char nothing[] = "";
    first = (struct resource){.id = op->task->id, .body = nothing};
    return rc == SQLITE_OK ? sqlite_put_answer(it, op->answer_key, op->now_ms, &first) : rc;
}

int sqlite_task(struct sqlite_engine *engine, struct store_task *op)
{
    op->is_repeat = false;
    if (!op->is_end)
        return op->answer_key ? begin_once(engine, op)
                              : sqlite_task_begin(engine, op->task, op->now_ms);
    const int rc = find(engine, op->task->id, NULL, &op->op.status);
    if (rc != SQLITE_OK || op->op.status != OK)
        return rc;
    sqlite3_stmt *statement = engine->statements[SQL_TASK_END];
    bind_id(statement, 1, op->task->id);
    (void)sqlite3_bind_int64(statement, 2, op->now_ms);
    return sqlite_run(engine, SQL_TASK_END);
}

/* ---- Read ------------------------------------------------------------------------------------ */

static void read_task(sqlite3_stmt *statement, struct task *task)
{
    *task = (struct task){
        .id = column_id(statement, 0),
        .verb = (enum change_verb)sqlite3_column_int(statement, 1),
        .kind = (enum id_kind)sqlite3_column_int(statement, 2),
        .state = (enum task_state)sqlite3_column_int(statement, 3),
        .ids = column_copy(statement, 4),
        .source = column_copy(statement, 5),
        .type = column_copy(statement, 6),
        .endpoint = column_copy(statement, 7),
        .wanted = sqlite3_column_int(statement, 8),
        .contains = column_copy(statement, 9),
        .subscription = column_copy(statement, 10),
        .reason = column_copy(statement, 11),
        .has_new_ids = sqlite3_column_int(statement, 12) != 0,
        .rate_per_s = sqlite3_column_double(statement, 13),
        .since_ms = sqlite3_column_int64(statement, 14),
        .until_ms = sqlite3_column_int64(statement, 15),
        .cursor = column_id(statement, 16),
        .done = column_id(statement, 17),
        .skipped = column_id(statement, 18),
        .created_ms = sqlite3_column_int64(statement, 19),
        .ended_ms = sqlite3_column_int64(statement, 20),
    };
}

static int add_task(sqlite3_stmt *statement, struct store_list_tasks *list)
{
    if (list->query.state >= 0 && sqlite3_column_int(statement, 3) != list->query.state)
        return SQLITE_OK;
    struct task *rows = array_grow(list->rows, list->row_count, sizeof *rows);
    if (!rows)
        return SQLITE_NOMEM;
    list->rows = rows;
    read_task(statement, &rows[list->row_count++]);
    return SQLITE_OK;
}

static int get_task(struct sqlite_reader *reader, struct store_list_tasks *list)
{
    sqlite3_stmt *statement = reader->statements[READ_TASK];
    bind_id(statement, 1, list->only);
    int rc = sqlite3_step(statement);
    list->read.status = rc == SQLITE_DONE ? E_NOTFOUND : OK;
    if (rc == SQLITE_ROW)
        rc = add_task(statement, list);
    (void)sqlite3_reset(statement);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* There are few: no clock is looked at. */
int sqlite_list_tasks(struct sqlite_reader *reader, struct store_list_tasks *list)
{
    if (list->only)
        return get_task(reader, list);
    sqlite3_stmt *walk =
        reader->statements[list->query.is_backward ? READ_LIST_TASKS_BACKWARD : READ_LIST_TASKS];
    int rc = SQLITE_OK;
    bind_id(walk, 1, list->query.before ? list->query.before : INT64_MAX);
    bind_id(walk, 2, list->query.after);
    list->last = list->query.before;
    while (list->row_count < list->query.limit && (rc = sqlite3_step(walk)) == SQLITE_ROW) {
        list->last = column_id(walk, 0);
        rc = add_task(walk, list);
        if (rc != SQLITE_OK)
            break;
    }
    (void)sqlite3_reset(walk);
    list->is_end = rc == SQLITE_DONE;
    return rc == SQLITE_DONE || rc == SQLITE_ROW ? SQLITE_OK : rc;
}
