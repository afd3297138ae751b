/* SPDX-License-Identifier: MIT */
#include "model/routine.h"

#include "base/keyed_hash.h"
#include "base/limits.h"

#include <stdlib.h>
#include <string.h>

/* A cron's time that is late by this is missed. */
#define LATE_MS 60000
/* A clock that is behind the last tick by this was wrong when it ran. */
#define STEP_BACK_MS INT64_C(86400000)
/* First runs are spread over this, at most. */
#define FIRST_MS 60000
/* A source that takes long to answer is asked for one part in so many of the time. */
#define SLOW_PARTS 10
/* A long poll that came back at once with nothing waits as long as this from its beginning on. */
#define LONG_MS_MIN 1000

const char *routine_kind_name(enum routine_kind kind)
{
    static const char *const names[ROUTINE_KIND_COUNT] = {"cron", "every", "poll", "sse"};
    return names[kind];
}

uint64_t routine_id(enum routine_kind kind, const char *name)
{
    static const uint8_t key[KEYED_HASH_KEY_BYTES] = "anzol routine";
    const struct slice parts[] = {slice_str(routine_kind_name(kind)), slice_str(name)};
    return keyed_hash(key, parts, array_count(parts));
}

const char *routine_why_name(enum routine_why why)
{
    static const char *const names[WHY_COUNT] = {
        [WHY_RULE] = "rule",
        [WHY_ITEMS] = "items",
        [WHY_NO_ITEMS] = "no_items",
        [WHY_SLOW] = "slow",
        [WHY_MAX_AGE] = "max_age",
        [WHY_RATE_LIMIT] = "rate_limit",
        [WHY_RETRY_AFTER] = "retry_after",
        [WHY_SCRIPT] = "script",
        [WHY_ERROR] = "error",
        [WHY_LONG] = "long",
        [WHY_STREAM] = "stream",
        [WHY_CRASH] = "crash",
    };
    return names[why];
}

void routine_spec_finish(struct routine_spec *spec)
{
    free(spec->name);
    free(spec->rule);
    zone_free(spec->zone);
    free(spec->url);
    free((void *)(uintptr_t)spec->head.data);
    free(spec->script);
}

void routine_row_finish(struct routine_row *row)
{
    free(row->rule);
    free(row->error);
    free(row->place);
    *row = (struct routine_row){0};
}

void routine_row_copy(struct routine_row *copy, const struct routine_row *row)
{
    *copy = *row;
    copy->rule = row->rule ? must_copy(row->rule, strlen(row->rule)) : NULL;
    copy->error = row->error ? must_copy(row->error, strlen(row->error)) : NULL;
    copy->place = row->place ? must_copy(row->place, strlen(row->place)) : NULL;
}

static void set_text(char **place, const char *text)
{
    free(*place);
    *place = text ? must_copy(text, strnlen(text, LIMIT_TRACEBACK_BYTES)) : NULL;
}

/* ---- Crons ----------------------------------------------------------------------------------- */

/* Those that never come again wait as long as can be told. */
static int64_t next_time(const struct routine_spec *spec, int64_t after_ms)
{
    int64_t next_ms;
    return cron_next(&spec->cron, spec->zone, after_ms, &next_ms) ? next_ms : INT64_MAX / 4;
}

/* The last of first_ms and its times behind that which is not after now. */
static int64_t latest_time(const struct routine_spec *spec, int64_t first_ms, int64_t now_ms)
{
    if (next_time(spec, first_ms) > now_ms)
        return first_ms;
    int64_t least = first_ms;
    int64_t most = now_ms;
    while (least < most) { /* the time that comes at or behind `least` is not after now */
        const int64_t middle = most - (most - least) / 2;
        if (next_time(spec, middle - 1) <= now_ms)
            least = middle;
        else
            most = middle - 1;
    }
    return next_time(spec, least - 1);
}

static void go_to_tick(struct routine_row *row, int64_t tick_ms)
{
    row->tick_ms = tick_ms;
    row->due_ms = tick_ms;
}

static enum routine_turn take_cron(const struct routine_spec *spec, struct routine_row *row,
                                   int64_t now_ms)
{
    const bool is_late = row->failures == 0 && row->tick_ms < now_ms - LATE_MS;
    if (spec->missed == MISSED_ALL) {
        if (row->tick_ms < now_ms - LIMIT_MISSED_MS)
            go_to_tick(row, next_time(spec, now_ms - LIMIT_MISSED_MS - 1));
        return ROUTINE_RUN;
    }
    if (spec->missed == MISSED_NONE && is_late) {
        go_to_tick(row, next_time(spec, now_ms - LATE_MS - 1));
        if (row->due_ms > now_ms)
            return ROUTINE_SKIPPED;
    }
    const int64_t tick_ms = latest_time(spec, row->tick_ms, now_ms);
    if (tick_ms != row->tick_ms)
        row->failures = 0;
    row->tick_ms = tick_ms;
    return ROUTINE_RUN;
}

/* ---- Every: a grid of times ------------------------------------------------------------------ */

/* The first time of the grid through anchor_ms that is after now. */
static int64_t next_of_grid(int64_t anchor_ms, int64_t interval_ms, int64_t now_ms)
{
    if (anchor_ms > now_ms)
        return anchor_ms;
    return anchor_ms + ((now_ms - anchor_ms) / interval_ms + 1) * interval_ms;
}

/* ---- Polls ----------------------------------------------------------------------------------- */

static bool is_adaptive(const struct interval *interval)
{
    return interval->max_ms > interval->min_ms;
}

static int64_t clamp(double ms, const struct interval *interval)
{
    if (ms < (double)interval->min_ms)
        return interval->min_ms;
    return ms > (double)interval->max_ms ? interval->max_ms : (int64_t)ms;
}

/* Where it stands in the spread of all: a share in [0, 1) of its own. */
static double share_of(const struct routine_spec *spec)
{
    return (double)(routine_id(spec->kind, spec->name) >> 11) / (double)(UINT64_C(1) << 53);
}

/* A longer wait takes the place of what was meant. */
static void wait_at_least(struct routine_row *row, int64_t wait_ms, enum routine_why why)
{
    if (wait_ms <= row->wait_ms)
        return;
    row->wait_ms = wait_ms;
    row->why = why;
}

static void note_answer(struct routine_row *row, int64_t answer_ms)
{
    if (answer_ms > 0)
        row->answer_ms = row->answer_ms == 0 ? answer_ms : (3 * row->answer_ms + answer_ms) / 4;
}

static void adapt(const struct interval *interval, struct routine_row *row,
                  const struct routine_end *end)
{
    const double ms = (double)row->interval_ms;
    const bool shrinks = end->items > 0 && !end->load.is_busy;
    row->interval_ms = clamp(shrinks ? ms / interval->shrink : ms * interval->grow, interval);
    row->wait_ms = row->interval_ms;
    row->why = shrinks ? WHY_ITEMS : WHY_NO_ITEMS;
    wait_at_least(row, clamp((double)row->answer_ms * SLOW_PARTS, interval), WHY_SLOW);
    wait_at_least(row, clamp((double)end->load.max_age_ms, interval), WHY_MAX_AGE);
}

/* The wait counts from the beginning of the run: what jitter it has is of the wait only. */
static void due_after(const struct routine_spec *spec, struct routine_row *row,
                      const struct routine_end *end)
{
    const double factor = 1 + spec->interval.jitter * (2 * end->random - 1);
    row->due_ms = end->started_ms + (int64_t)((double)row->wait_ms * factor);
}

/* From the place of its first run a regular poll goes over to its own place in the interval, so
 * that those which were registered together do not stay together. One that began late leaves a time
 * out: no two runs are closer than the interval, less a tenth. */
static void due_on_grid(const struct routine_spec *spec, struct routine_row *row,
                        const struct routine_end *end)
{
    const int64_t interval_ms = spec->interval.min_ms;
    if (row->runs == 1 && interval_ms > FIRST_MS)
        row->tick_ms += (int64_t)(share_of(spec) * (double)(interval_ms - FIRST_MS));
    row->tick_ms = next_of_grid(row->tick_ms, interval_ms, end->started_ms);
    if (row->tick_ms - end->started_ms < interval_ms - interval_ms / 10)
        row->tick_ms += interval_ms;
    row->due_ms = row->tick_ms;
    row->wait_ms = interval_ms;
    row->why = WHY_RULE;
}

static void plan_poll(const struct routine_spec *spec, struct routine_row *row,
                      const struct routine_end *end)
{
    const struct source_load *load = &end->load;
    const bool is_quick = end->ended_ms - end->started_ms < LONG_MS_MIN;
    if (spec->is_long) {
        row->wait_ms = end->items == 0 && is_quick ? LONG_MS_MIN : 0;
        row->why = WHY_LONG;
        row->due_ms = end->started_ms + row->wait_ms;
    } else if (is_adaptive(&spec->interval)) {
        adapt(&spec->interval, row, end);
        due_after(spec, row, end);
    } else {
        due_on_grid(spec, row, end);
    }
    const int64_t planned_ms = row->wait_ms;
    wait_at_least(row, load->rate_ms, WHY_RATE_LIMIT);
    wait_at_least(row, load->retry_after_ms, WHY_RETRY_AFTER);
    if (row->wait_ms > planned_ms)
        row->due_ms = end->ended_ms + row->wait_ms;
    if (end->has_delay) {
        row->wait_ms = end->delay_ms;
        row->why = WHY_SCRIPT;
        row->due_ms = end->ended_ms + end->delay_ms;
    }
    if (row->due_ms < end->ended_ms)
        row->due_ms = end->ended_ms;
}

/* ---- All of them ----------------------------------------------------------------------------- */

static void plan_first(const struct routine_spec *spec, struct routine_row *row, int64_t now_ms)
{
    const int64_t interval_ms = spec->interval.min_ms;
    row->failures = 0;
    row->interval_ms = interval_ms;
    row->why = WHY_RULE;
    switch (spec->kind) {
    case ROUTINE_CRON:
        go_to_tick(row, next_time(spec, row->previous_ms > now_ms ? row->previous_ms : now_ms));
        break;
    case ROUTINE_EVERY:
        go_to_tick(row, now_ms + interval_ms);
        break;
    case ROUTINE_POLL:
        go_to_tick(row,
                   now_ms + (int64_t)(share_of(spec) *
                                      (double)(interval_ms < FIRST_MS ? interval_ms : FIRST_MS)));
        break;
    case ROUTINE_SSE:
        go_to_tick(row, now_ms);
        break;
    case ROUTINE_KIND_COUNT:
        break;
    }
}

bool routine_plan(const struct routine_spec *spec, struct routine_row *row, int64_t now_ms)
{
    const bool is_cron = spec->kind == ROUTINE_CRON;
    if (is_cron && row->previous_ms > now_ms + STEP_BACK_MS) {
        row->previous_ms = 0;
        plan_first(spec, row, now_ms);
        return true;
    }
    if (row->rule && strcmp(row->rule, spec->rule) == 0) {
        /* Nothing else waits for longer than its rule lets it: the clock was wrong then. */
        const int64_t most_ms = row->wait_ms + spec->interval.max_ms + FIRST_MS;
        if (is_cron || row->due_ms <= now_ms + most_ms)
            return false;
    }
    set_text(&row->rule, spec->rule);
    plan_first(spec, row, now_ms);
    return true;
}

enum routine_turn routine_take(const struct routine_spec *spec, struct routine_row *row,
                               int64_t now_ms)
{
    if (row->due_ms > now_ms)
        return ROUTINE_EARLY;
    return spec->kind == ROUTINE_CRON ? take_cron(spec, row, now_ms) : ROUTINE_RUN;
}

void routine_hasten(const struct routine_spec *spec, struct routine_row *row, int64_t now_ms)
{
    const bool has_ticks = spec->kind == ROUTINE_CRON || spec->kind == ROUTINE_EVERY;
    if (has_ticks && (row->tick_ms > now_ms || spec->missed == MISSED_NONE))
        row->tick_ms = now_ms;
    row->due_ms = now_ms;
}

static bool fail(const struct routine_spec *spec, struct routine_row *row,
                 const struct routine_end *end)
{
    int64_t delay_ms = 0;
    row->failures++;
    set_text(&row->error, end->error);
    const bool again = backoff_next(&spec->on_error, row->failures, 0, end->random, &delay_ms);
    if (!again)
        return false;
    row->wait_ms = delay_ms;
    row->why = WHY_ERROR;
    if (end->load.is_busy && is_adaptive(&spec->interval))
        row->interval_ms = clamp((double)row->interval_ms * spec->interval.grow, &spec->interval);
    wait_at_least(row, end->load.rate_ms, WHY_RATE_LIMIT);
    wait_at_least(row, end->load.retry_after_ms, WHY_RETRY_AFTER);
    row->due_ms = end->ended_ms + row->wait_ms;
    return true;
}

/* What a tick does not wait for: the next one comes before it would be tried again. */
static bool is_overtaken(const struct routine_spec *spec, const struct routine_row *row)
{
    if (spec->kind == ROUTINE_EVERY)
        return row->tick_ms + spec->interval.min_ms <= row->due_ms;
    return spec->missed != MISSED_ALL && next_time(spec, row->tick_ms) <= row->due_ms;
}

static void next_tick(const struct routine_spec *spec, struct routine_row *row, int64_t now_ms)
{
    const bool is_cron = spec->kind == ROUTINE_CRON;
    row->failures = 0;
    row->previous_ms = row->tick_ms;
    go_to_tick(row, is_cron ? next_time(spec, row->tick_ms)
                            : next_of_grid(row->tick_ms, spec->interval.min_ms, now_ms));
    row->why = WHY_RULE;
}

void routine_heard(struct routine_row *row)
{
    if (row->why != WHY_STREAM)
        return;
    row->failures = 0;
    row->why = WHY_LONG;
}

/* A message that failed so often is let go, as one that went well: the next would wait for ever. */
static bool end_message(const struct routine_spec *spec, struct routine_row *row,
                        const struct routine_end *end, bool is_ok)
{
    const bool is_last = end->place && row->failures + 1 >= LIMIT_SSE_TRIES;
    if (!is_ok && !is_last) {
        if (!fail(spec, row, end))
            row->due_ms = end->ended_ms + spec->interval.max_ms;
        if (!end->place)
            row->why = WHY_STREAM;
        return true;
    }
    row->failures = 0;
    row->why = WHY_LONG;
    row->wait_ms = 0;
    row->due_ms = end->ended_ms;
    if (!is_ok)
        set_text(&row->error, end->error);
    if (end->place)
        set_text(&row->place, end->place);
    return is_ok;
}

bool routine_go_on(const struct routine_spec *spec, struct routine_row *row,
                   const struct routine_end *end)
{
    const bool is_poll = spec->kind == ROUTINE_POLL;
    const bool is_ok = !end->error || (is_poll && spec->is_long && end->is_timeout);
    row->last_ms = end->started_ms;
    row->duration_ms = end->ended_ms - end->started_ms;
    row->last_items = is_ok ? end->items : 0;
    note_answer(row, end->load.answer_ms);
    if (is_ok) {
        row->failures = 0;
        row->runs++;
        row->items += (uint64_t)row->last_items;
        set_text(&row->error, NULL);
    }
    if (spec->kind == ROUTINE_SSE)
        return end_message(spec, row, end, is_ok);
    if (!is_ok && fail(spec, row, end) && (is_poll || !is_overtaken(spec, row)))
        return true;
    if (is_poll)
        plan_poll(spec, row, end);
    else
        next_tick(spec, row, end->ended_ms);
    return is_ok;
}

void routine_park(struct routine_row *row, const char *error)
{
    set_text(&row->error, error);
    row->why = WHY_CRASH;
}

/* ---- News ------------------------------------------------------------------------------------ */

const char *routine_news_name(enum routine_news news)
{
    static const char *const names[] = {
        [ROUTINE_NO_NEWS] = "",
        [ROUTINE_GAVE_UP] = "gave_up",
        [ROUTINE_FAILING] = "failing",
        [ROUTINE_STOPPED] = "stopped",
    };
    return names[news];
}

enum routine_news routine_take_news(const struct routine_spec *spec, struct routine_row *row,
                                    const struct routine_end *end, bool goes_on)
{
    const bool is_about_source =
        spec->kind == ROUTINE_POLL || (spec->kind == ROUTINE_SSE && !end->place);
    if (!row->error)
        return ROUTINE_NO_NEWS;
    if (is_about_source)
        return row->failures == LIMIT_ROUTINE_FAILURES ? ROUTINE_FAILING : ROUTINE_NO_NEWS;
    const int64_t silence_ms = end->ended_ms - row->told_ms;
    if (goes_on || (row->told_ms > 0 && silence_ms >= 0 && silence_ms < ROUTINE_TOLD_MS))
        return ROUTINE_NO_NEWS;
    row->told_ms = end->ended_ms;
    return ROUTINE_GAVE_UP;
}
