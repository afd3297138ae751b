/* SPDX-License-Identifier: MIT */
/* GET /api/v1/cron, /api/v1/poll: what runs by itself, when it ran, when it runs next and why then.
 * POST …/{name}/run: it runs now. Those of anzol.every are among the crons, those of anzol.sse
 * among the polls. */
#include "api/declared_int.h"

#include <stdio.h>

void api_list_routines(struct call *call)
{
    call_read(call, STORE_LIST_ROUTINES);
}

/* A cron goes by what clocks show, the others by a clock that never steps. */
static void write_time(struct document *out, const struct stored_routine *stored, const char *name,
                       int64_t ms)
{
    document_key(out, name);
    if (ms == 0)
        document_null(out);
    else if (stored->kind == ROUTINE_CRON)
        document_instant(out, ms);
    else
        document_due(out, ms);
}

static void write_number(struct document *out, const char *name, int64_t number)
{
    document_key(out, name);
    document_number(out, number);
}

static void write_poll(struct document *out, const struct routine_row *row)
{
    write_number(out, "intervalMs", row->wait_ms);
    write_number(out, "answerMs", row->answer_ms);
    write_number(out, "lastItems", row->last_items);
    write_number(out, "items", (int64_t)row->items);
}

static void write_routine(const struct call *call, struct document *out,
                          const struct stored_routine *stored)
{
    const struct routine_row *row = &stored->row;
    document_open(out, '{');
    document_key(out, "name");
    document_str(out, stored->name);
    document_key(out, "kind");
    document_str(out, routine_kind_name(stored->kind));
    document_key(out, "isRegistered");
    document_bool(out, declared_has_routine(call, stored->kind, slice_str(stored->name)));
    document_key(out, "rule");
    document_str(out, row->rule);
    write_time(out, stored, "lastRun", row->last_ms);
    write_number(out, "lastDurationMs", row->duration_ms);
    write_time(out, stored, "nextRun", row->why == WHY_CRASH ? 0 : row->due_ms);
    document_key(out, "why");
    document_str(out, routine_why_name(row->why));
    if (stored->kind >= ROUTINE_POLL)
        write_poll(out, row);
    else
        write_time(out, stored, "previousTick", row->previous_ms);
    write_number(out, "runs", (int64_t)row->runs);
    write_number(out, "failures", row->failures);
    document_key(out, "error");
    document_str(out, row->error);
    document_close(out, '}');
}

static void write_list(const struct call *call, struct document *out, bool is_of_polls)
{
    const struct store_list_routines *list = &call->list_routines;
    show_list_open(out);
    for (size_t i = 0; i < list->row_count; i++)
        if ((list->rows[i].kind >= ROUTINE_POLL) == is_of_polls)
            write_routine(call, out, &list->rows[i]);
    show_list_close(out);
}

void api_write_crons(const struct call *call, struct document *out)
{
    write_list(call, out, false);
}

void api_write_polls(const struct call *call, struct document *out)
{
    write_list(call, out, true);
}

/* ---- POST …/{name}/run ----------------------------------------------------------------------- */

/* The one of these two kinds that has the name: no two of them have it (bind_routine.c). */
static void run(struct call *call, enum routine_kind one, enum routine_kind other)
{
    const struct api_hooks *hooks = &call->api->hooks;
    const enum routine_kind kind = declared_has_routine(call, one, call->id) ? one : other;
    char name[LIMIT_NAME_BYTES + 1];
    if (!declared_has_routine(call, kind, call->id)) {
        call_refuse(call, 404, "not_found", "the scripts that serve have none of this name");
        return;
    }
    (void)snprintf(name, sizeof name, "%.*s", (int)call->id.len, call->id.data);
    hooks->run_routine(kind, name, hooks->ctx);
    struct document out;
    document_init(&out, SMALL_ANSWER_BYTES_MAX);
    document_open(&out, '{');
    document_key(&out, "name");
    document_str(&out, name);
    document_key(&out, "state");
    document_str(&out, "due");
    document_close(&out, '}');
    call_answer(call, 200, &out);
}

void api_run_cron(struct call *call)
{
    run(call, ROUTINE_CRON, ROUTINE_EVERY);
}

void api_run_poll(struct call *call)
{
    run(call, ROUTINE_POLL, ROUTINE_SSE);
}
