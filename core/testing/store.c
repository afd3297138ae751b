/* SPDX-License-Identifier: MIT */
/* The store of a test: keys and values, and steps, in memory (events and deliveries: list.c). Reads
 * are answered at the same moment of the test's clock, writes commit with the run that made them.
 */
#include "testing/testing_int.h"

#include <stdlib.h>

struct answer {
    struct timer timer;
    struct project *project;
    struct store_read *read;
};

static bool is_alive(const struct project *project, const struct kept_value *kept)
{
    return kept->value && (kept->expires_ms == 0 || kept->expires_ms > project->now_ms);
}

static struct kept_value *find(const struct project *project, const char *ns, const char *key)
{
    for (size_t i = 0; i < project->kept_count; i++) {
        struct kept_value *kept = &project->kept[i];
        if (strcmp(kept->key, key) == 0 && strcmp(kept->ns, ns) == 0)
            return kept;
    }
    return NULL;
}

static uint64_t version_of(const struct project *project, const struct kv_read *read)
{
    const struct kept_value *kept = find(project, read->ns, read->key);
    return kept && is_alive(project, kept) ? kept->version : 0;
}

/* ---- Lists ---- */

/* The least key of the list behind `after`. */
static const struct kept_value *next_key(const struct project *project, const char *ns,
                                         const char *prefix, const char *after)
{
    const struct kept_value *next = NULL;
    for (size_t i = 0; i < project->kept_count; i++) {
        const struct kept_value *kept = &project->kept[i];
        if (strcmp(kept->ns, ns) == 0 && strncmp(kept->key, prefix, strlen(prefix)) == 0 &&
            is_alive(project, kept) && strcmp(kept->key, after) > 0 &&
            (!next || strcmp(kept->key, next->key) < 0))
            next = kept;
    }
    return next;
}

#define LIST_VERSION_START UINT64_C(0xcbf29ce484222325) /* of an empty list; no small number */

/* Versions never come back, so they and their order tell lists apart. */
static uint64_t fold(uint64_t hash, uint64_t version)
{
    return (hash ^ version) * UINT64_C(0x9e3779b97f4a7c15) + 1;
}

static uint64_t list_version(const struct project *project, const struct kv_read *read)
{
    const struct kept_value *row = next_key(project, read->ns, read->key, read->after);
    uint64_t version = LIST_VERSION_START;
    for (size_t i = 0; row && i < read->limit; i++) {
        version = fold(version, row->version);
        row = next_key(project, read->ns, read->key, row->key);
    }
    return version;
}

static void answer_list(const struct project *project, struct store_list_kv *list)
{
    const struct kept_value *row = next_key(project, list->ns, list->prefix, list->after);
    size_t bytes = 0;
    list->version = LIST_VERSION_START;
    list->rows = must_alloc((list->limit + 1) * sizeof *list->rows);
    for (; row && list->row_count < list->limit && !list->is_cut;
         row = next_key(project, list->ns, list->prefix, row->key)) {
        bytes += strlen(row->value);
        list->is_cut = bytes > list->bytes_max;
        list->version = fold(list->version, row->version);
        list->rows[list->row_count++] = (struct kv_row){must_copy(row->key, strlen(row->key)),
                                                        must_copy(row->value, strlen(row->value))};
    }
}

static void answer_get(const struct project *project, struct store_get_kv *get)
{
    const struct kept_value *kept = find(project, get->ns, get->key);
    if (!kept || !is_alive(project, kept))
        return;
    get->version = kept->version;
    get->value = must_copy(kept->value, strlen(kept->value));
}

/* ---- Steps ---- */

struct step_commit {
    struct timer timer;
    struct project *project;
    struct store_step *step;
};

static bool is_step_of(const struct kept_step *kept, uint64_t event, const char *subscription)
{
    return kept->event == event && strcmp(kept->subscription, subscription) == 0;
}

static char *copy(const char *text)
{
    return must_copy(text, strlen(text));
}

static void keep_step(struct project *project, struct store_step *step)
{
    for (size_t i = 0; i < project->step_count; i++) {
        const struct kept_step *kept = &project->steps[i];
        if (is_step_of(kept, step->event, step->subscription) &&
            strcmp(kept->name, step->name) == 0) {
            step->earlier = copy(kept->result);
            return;
        }
    }
    struct kept_step *more =
        realloc(project->steps, (project->step_count + 1) * sizeof *project->steps);
    check(more != NULL);
    project->steps = more;
    more[project->step_count++] = (struct kept_step){step->event, copy(step->subscription),
                                                     copy(step->name), copy(step->result)};
}

static void on_commit(struct timer *timer)
{
    struct step_commit *commit = container_of(timer, struct step_commit, timer);
    struct store_op *op = &commit->step->op;
    keep_step(commit->project, commit->step);
    op->status = OK;
    free(commit);
    op->on_done(op);
}

enum status kept_submit(void *ctx, struct store_op *op)
{
    struct project *project = ctx;
    struct step_commit *commit = must_alloc(sizeof *commit);
    check(op->kind == STORE_STEP);
    *commit = (struct step_commit){.timer.on_time = on_commit,
                                   .project = project,
                                   .step = container_of(op, struct store_step, op)};
    timer_heap_start(&project->timers, &commit->timer, project->now_ms);
    return OK;
}

static void answer_steps(const struct project *project, struct store_list_steps *list)
{
    list->rows = must_alloc((project->step_count + 1) * sizeof *list->rows);
    for (size_t i = 0; i < project->step_count; i++) {
        const struct kept_step *kept = &project->steps[i];
        if (is_step_of(kept, list->event, list->subscription))
            list->rows[list->row_count++] = (struct step_row){copy(kept->name), copy(kept->result)};
    }
}

/* ---- Reads ---- */

static void on_time(struct timer *timer)
{
    struct answer *answer = container_of(timer, struct answer, timer);
    struct store_read *read = answer->read;
    read->status = OK;
    if (read->kind == STORE_GET_KV)
        answer_get(answer->project, container_of(read, struct store_get_kv, read));
    else if (read->kind == STORE_LIST_KV)
        answer_list(answer->project, container_of(read, struct store_list_kv, read));
    else if (read->kind == STORE_LIST_STEPS)
        answer_steps(answer->project, container_of(read, struct store_list_steps, read));
    else
        read->status = list_answer(answer->project, read);
    free(answer);
    read->on_done(read);
}

enum status kept_read(void *ctx, struct store_read *read)
{
    struct project *project = ctx;
    struct answer *answer = must_alloc(sizeof *answer);
    *answer = (struct answer){.timer.on_time = on_time, .project = project, .read = read};
    timer_heap_start(&project->timers, &answer->timer, project->now_ms);
    return OK;
}

/* ---- Commits ---- */

static bool is_true_still(const struct project *project, const struct outbox *outbox)
{
    for (size_t i = 0; i < outbox->kv_read_count; i++) {
        const struct kv_read *read = &outbox->kv_reads[i];
        if (read->version !=
            (read->after ? list_version(project, read) : version_of(project, read)))
            return false;
    }
    return true;
}

static struct kept_value *make_room(struct project *project, const char *ns, const char *key)
{
    struct kept_value *kept = find(project, ns, key);
    if (kept)
        return kept;
    struct kept_value *more =
        realloc(project->kept, (project->kept_count + 1) * sizeof *project->kept);
    check(more != NULL);
    project->kept = more;
    more[project->kept_count] =
        (struct kept_value){.ns = must_copy(ns, strlen(ns)), .key = must_copy(key, strlen(key))};
    return &more[project->kept_count++];
}

/* What an outbox leaves of a key before its write at index. NULL: nothing. */
static const char *value_before(const struct project *project, const struct outbox *outbox,
                                size_t index)
{
    const struct kv_write *write = &outbox->kv_writes[index];
    for (size_t i = index; i-- > 0;) {
        const struct kv_write *earlier = &outbox->kv_writes[i];
        if (strcmp(earlier->key, write->key) == 0 && strcmp(earlier->ns, write->ns) == 0)
            return earlier->value;
    }
    const struct kept_value *kept = find(project, write->ns, write->key);
    return kept && is_alive(project, kept) ? kept->value : NULL;
}

/* The values of deltas, before anything is written. False: one is on what is no number. */
static bool work_out(const struct project *project, struct outbox *outbox)
{
    for (size_t i = 0; i < outbox->kv_write_count; i++) {
        struct kv_write *write = &outbox->kv_writes[i];
        if (write->is_delta)
            write->value = kv_add(value_before(project, outbox, i), write->delta);
        if (write->is_delta && !write->value)
            return false;
    }
    return true;
}

static void write_one(struct project *project, const struct kv_write *write)
{
    struct kept_value *kept = make_room(project, write->ns, write->key);
    const bool was_alive = is_alive(project, kept);
    free(kept->value);
    kept->value = write->value ? must_copy(write->value, strlen(write->value)) : NULL;
    kept->version = ++project->kept_version;
    if (!write->is_delta || !was_alive || write->expires_ms != 0)
        kept->expires_ms = write->expires_ms;
}

enum kept_outcome kept_commit(struct project *project, struct outbox *outbox)
{
    if (!is_true_still(project, outbox))
        return KEPT_CONFLICT;
    if (!work_out(project, outbox))
        return KEPT_NO_NUMBER;
    for (size_t i = 0; i < outbox->kv_write_count; i++)
        write_one(project, &outbox->kv_writes[i]);
    return KEPT_OK;
}

/* ---- For the spec ---- */

/* kv_get(ns, key) -> JSON | nil */
int l_project_kv_get(lua_State *L)
{
    const struct project *project = project_check(L);
    const struct kept_value *kept = find(project, luaL_checkstring(L, 2), luaL_checkstring(L, 3));
    if (!kept || !is_alive(project, kept))
        return 0;
    lua_pushstring(L, kept->value);
    return 1;
}

/* kv_set(ns, key, JSON | nil) */
int l_project_kv_set(lua_State *L)
{
    struct project *project = project_check(L);
    const struct kv_write write = {.ns = (char *)(uintptr_t)luaL_checkstring(L, 2),
                                   .key = (char *)(uintptr_t)luaL_checkstring(L, 3),
                                   .value = (char *)(uintptr_t)luaL_optstring(L, 4, NULL)};
    write_one(project, &write);
    return 0;
}

/* kv_keys(ns) -> { key, … } in order */
int l_project_kv_keys(lua_State *L)
{
    const struct project *project = project_check(L);
    const char *ns = luaL_checkstring(L, 2);
    lua_newtable(L);
    lua_Integer count = 0;
    for (const struct kept_value *row = next_key(project, ns, "", ""); row;
         row = next_key(project, ns, "", row->key)) {
        lua_pushstring(L, row->key);
        lua_rawseti(L, -2, ++count);
    }
    return 1;
}

void kept_finish(struct project *project)
{
    for (size_t i = 0; i < project->kept_count; i++) {
        free(project->kept[i].ns);
        free(project->kept[i].key);
        free(project->kept[i].value);
    }
    free(project->kept);
    project->kept = NULL;
    project->kept_count = 0;
    for (size_t i = 0; i < project->step_count; i++) {
        free(project->steps[i].subscription);
        free(project->steps[i].name);
        free(project->steps[i].result);
    }
    free(project->steps);
    project->steps = NULL;
    project->step_count = 0;
}
