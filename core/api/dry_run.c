/* SPDX-License-Identifier: MIT */
/* A task with dryRun=true: its walk without a commit. What its filters choose is counted, and the
 * first few are shown; a walk that takes long is answered with where it stands, to go on there. */
#include "api/api_int.h"

#include "base/clock.h"

#include <stdlib.h>

#define PAGE_ROWS 250
#define SAMPLE_ROWS 5
#define WALK_MS 2000

struct dry_run {
    struct call *call;
    struct task task; /* owned */
    int64_t deadline_ms;
    uint64_t last; /* how far it has looked */
    uint64_t matched;
    size_t sample_count;
    struct document sample; /* an array without its end */
    union {
        struct store_read read;
        struct store_list_events events;
        struct store_list_deliveries deliveries;
    } page;
};

static void destroy(struct dry_run *it)
{
    document_finish(&it->sample);
    task_finish(&it->task);
    free(it);
}

static void answer(struct dry_run *it, bool is_done)
{
    struct call *call = it->call;
    struct document out;
    document_init(&out, SMALL_ANSWER_BYTES_MAX);
    document_close(&it->sample, ']');
    document_open(&out, '{');
    document_key(&out, "matched");
    document_number(&out, (int64_t)it->matched);
    document_key(&out, "sample");
    document_json(&out, buf_slice(&it->sample.buf));
    show_id(&out, "iterator", it->task.kind, is_done ? 0 : it->last);
    document_key(&out, "done");
    document_bool(&out, is_done);
    document_close(&out, '}');
    call_answer(call, 200, &out);
    document_finish(&out);
}

static void add(struct dry_run *it, uint64_t id, const char *type, const char *state)
{
    struct document *out = &it->sample;
    it->matched++;
    if (it->sample_count == SAMPLE_ROWS)
        return;
    it->sample_count++;
    document_open(out, '{');
    show_id(out, "id", it->task.kind, id);
    document_key(out, "type");
    document_str(out, type);
    document_key(out, "state");
    document_str(out, state);
    document_close(out, '}');
}

/* Returns whether nothing is behind the page. */
static bool take_page(struct dry_run *it)
{
    if (it->task.kind == ID_EVENT) {
        const struct store_list_events *page = &it->page.events;
        for (size_t i = 0; i < page->row_count; i++)
            add(it, page->rows[i].event->id, page->rows[i].event->type.data,
                run_state_name(page->rows[i].state));
        it->last = page->last;
        return page->is_end;
    }
    const struct store_list_deliveries *page = &it->page.deliveries;
    for (size_t i = 0; i < page->row_count; i++)
        add(it, page->rows[i].id, page->rows[i].type, delivery_state_name(page->rows[i].state));
    it->last = page->last;
    return page->is_end;
}

static void walk(struct dry_run *it);

static void on_page(struct store_read *read)
{
    struct dry_run *it = read->ctx;
    const bool is_read = read->status == OK;
    const bool is_end = is_read && take_page(it);
    store_read_finish(read);
    if (!call_end_wait(it->call)) {
        destroy(it);
    } else if (is_read && !is_end && clock_mono_ms() < it->deadline_ms) {
        walk(it);
    } else {
        if (is_read)
            answer(it, is_end);
        else
            call_refuse(it->call, 500, "store",
                        "the store could not be read; see the server's log");
        destroy(it);
    }
}

static void walk(struct dry_run *it)
{
    const bool is_event = it->task.kind == ID_EVENT;
    const struct store_list_query query = store_task_query(&it->task, it->last, PAGE_ROWS);
    if (is_event)
        it->page.events = (struct store_list_events){.query = query};
    else
        it->page.deliveries = (struct store_list_deliveries){.query = query};
    it->page.read.kind = is_event ? STORE_LIST_EVENTS : STORE_LIST_DELIVERIES;
    it->page.read.on_done = on_page;
    it->page.read.ctx = it;
    if (!call_ask(it->call, &it->page.read))
        destroy(it);
}

void dry_run_start(struct call *call, struct task *task, uint64_t after)
{
    struct dry_run *it = must_alloc(sizeof *it);
    it->call = call;
    it->task = *task;
    *task = (struct task){0};
    it->last = after;
    it->deadline_ms = clock_mono_ms() + WALK_MS;
    document_init(&it->sample, SMALL_ANSWER_BYTES_MAX);
    document_open(&it->sample, '[');
    walk(it);
}
