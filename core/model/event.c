/* SPDX-License-Identifier: MIT */
#include "model/event.h"

#include "base/limits.h"

#include <stdlib.h>

static const char *const run_state_names[RUN_STATE_COUNT] = {
    [RUN_PENDING] = "pending", [RUN_RETRYING] = "retrying", [RUN_HANDLED] = "handled",
    [RUN_SKIPPED] = "skipped", [RUN_DEAD] = "dead",         [RUN_ERASED] = "erased",
};

const char *run_state_name(enum run_state state)
{
    return (unsigned)state < RUN_STATE_COUNT ? run_state_names[state] : "unknown";
}

bool run_state_parse(const char *text, enum run_state *state)
{
    for (unsigned i = 0; i < RUN_STATE_COUNT; i++)
        if (strcmp(run_state_names[i], text) == 0) {
            *state = (enum run_state)i;
            return true;
        }
    return false;
}

static struct slice put_text(char **place, struct slice text)
{
    const struct slice copy = slice_of(*place, text.len);
    if (text.len > 0)
        memcpy(*place, text.data, text.len);
    (*place)[text.len] = '\0';
    *place += text.len + 1;
    return copy;
}

struct run_plan *run_plan_create(const struct planned_run *runs, size_t count)
{
    size_t bytes = sizeof(struct run_plan) + count * sizeof *runs;
    for (size_t i = 0; i < count; i++)
        bytes += strlen(runs[i].subscription) + runs[i].order_key.len + runs[i].batch_key.len + 3;
    struct run_plan *plan = malloc(bytes);
    if (!plan)
        return NULL;
    plan->count = count;
    plan->due_ms = 0;
    char *place = (char *)&plan->runs[count];
    for (size_t i = 0; i < count; i++) {
        struct planned_run *run = &plan->runs[i];
        *run = runs[i];
        run->subscription = place;
        (void)put_text(&place, slice_str(runs[i].subscription));
        if (run->order_key.data)
            run->order_key = put_text(&place, run->order_key);
        if (run->batch_key.data)
            run->batch_key = put_text(&place, run->batch_key);
    }
    return plan;
}

struct event *event_create(const struct event_options *options)
{
    struct event *event =
        malloc(sizeof *event + options->source.len + options->type.len + options->key.len + 3);
    if (!event)
        return NULL;
    *event = (struct event){
        .parent = options->parent,
        .received_ms = options->received_ms,
        .depth = options->depth,
        .trace = options->trace,
        .due_ms = options->due_ms,
        .content = options->content,
    };
    atomic_init(&event->references, 1);
    char *place = event->text;
    event->source = put_text(&place, options->source);
    event->type = put_text(&place, options->type);
    event->key = put_text(&place, options->key);
    return event;
}

struct event *event_ref(struct event *event)
{
    atomic_fetch_add_explicit(&event->references, 1, memory_order_relaxed);
    return event;
}

void event_unref(struct event *event)
{
    if (!event || atomic_fetch_sub_explicit(&event->references, 1, memory_order_acq_rel) != 1)
        return;
    content_unref(event->content);
    free(event->plan);
    free(event);
}

size_t event_bytes(const struct event *event)
{
    return sizeof *event + event->source.len + event->type.len + event->key.len + 3 +
           sizeof *event->content + event->content->head_len + event->content->body_len;
}

static bool is_type_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.' || c == '-';
}

bool event_type_is_valid(struct slice type)
{
    if (type.len == 0 || type.len > LIMIT_TYPE_BYTES)
        return false;
    for (size_t i = 0; i < type.len; i++)
        if (!is_type_char(type.data[i]))
            return false;
    return true;
}

/* Cuts the first segment off. False when nothing is left. */
static bool next_segment(struct slice *rest, struct slice *segment)
{
    if (!rest->data)
        return false;
    const char *dot = memchr(rest->data, '.', rest->len);
    const size_t len = dot ? (size_t)(dot - rest->data) : rest->len;
    *segment = slice_of(rest->data, len);
    *rest = dot ? slice_of(dot + 1, rest->len - len - 1) : (struct slice){0};
    return true;
}

/* What such a type begins with; NULL: it is none of the server's. */
static const char *reserved_beginning(struct slice type)
{
    static const char *const beginnings[] = {"anzol.", "api."};
    for (size_t i = 0; i < array_count(beginnings); i++) {
        const size_t len = strlen(beginnings[i]);
        if (type.len >= len && memcmp(type.data, beginnings[i], len) == 0)
            return beginnings[i];
    }
    return NULL;
}

bool event_type_is_reserved(struct slice type)
{
    return reserved_beginning(type) != NULL;
}

/* What the server makes, and what is published over the API, is taken by those only that name it.
 */
static bool is_kept_apart(struct slice pattern, struct slice type)
{
    const char *beginning = reserved_beginning(type);
    const size_t len = beginning ? strlen(beginning) : 0;
    return beginning && (pattern.len < len || memcmp(pattern.data, beginning, len) != 0);
}

bool event_pattern_matches(struct slice pattern, struct slice type)
{
    if (is_kept_apart(pattern, type))
        return false;
    struct slice wanted;
    struct slice segment;
    while (next_segment(&pattern, &wanted)) {
        if (!next_segment(&type, &segment))
            return false;
        if (slice_is(wanted, "**"))
            return true;
        if (!slice_is(wanted, "*") && !slice_equal(wanted, segment))
            return false;
    }
    return !next_segment(&type, &segment);
}

bool event_pattern_is_valid(struct slice pattern)
{
    if (pattern.len == 0 || pattern.len > LIMIT_TYPE_BYTES)
        return false;
    struct slice segment;
    while (next_segment(&pattern, &segment)) {
        if (slice_is(segment, "**")) {
            if (pattern.data)
                return false;
            continue;
        }
        if (!slice_is(segment, "*") && !event_type_is_valid(segment))
            return false;
    }
    return true;
}
