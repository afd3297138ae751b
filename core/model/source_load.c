/* SPDX-License-Identifier: MIT */
#include "model/source_load.h"

#include "base/head.h"
#include "base/limits.h"

#define WAIT_MS_MAX ((int64_t)LIMIT_RETRY_AFTER_MAX_S * 1000)
/* A reset above this is a Unix time: in seconds, in milliseconds. */
#define UNIX_S_LEAST INT64_C(1000000000)
#define UNIX_MS_LEAST INT64_C(1000000000000)
#define DIGITS_MAX 18

/* The number that text begins with; -1: with none. */
static int64_t read_number(struct slice text)
{
    int64_t number = 0;
    size_t i = 0;
    for (; i < text.len && i < DIGITS_MAX && text.data[i] >= '0' && text.data[i] <= '9'; i++)
        number = number * 10 + (text.data[i] - '0');
    return i > 0 ? number : -1;
}

static bool is_separator(char c)
{
    return c == ' ' || c == ',' || c == ';' || c == '\t';
}

/* The number behind "name=" in a list of parameters from *offset on, which goes on behind it; -1:
 * there is none. */
static int64_t find_parameter(struct slice text, const char *name, size_t *offset)
{
    const size_t len = strlen(name);
    for (size_t i = *offset; i + len < text.len; i++) {
        const bool is_start = i == 0 || is_separator(text.data[i - 1]);
        if (is_start && text.data[i + len] == '=' &&
            slice_equal_nocase(slice_of(text.data + i, len), slice_str(name))) {
            *offset = i + len + 1;
            return read_number(slice_of(text.data + *offset, text.len - *offset));
        }
    }
    return -1;
}

static int64_t field_number(struct slice head, const char *name)
{
    struct slice value;
    return head_find(head, name, &value) ? read_number(slice_trim(value)) : -1;
}

/* ---- Rate ------------------------------------------------------------------------------------ */

static int64_t reset_ms_of(int64_t reset, int64_t now_ms)
{
    int64_t ms = reset >= UNIX_MS_LEAST  ? reset - now_ms
                 : reset >= UNIX_S_LEAST ? reset * 1000 - now_ms
                                         : reset * 1000;
    if (ms < 0)
        ms = 0;
    return ms < WAIT_MS_MAX ? ms : WAIT_MS_MAX;
}

/* What is left, spread over the time until there is more, for a run of so many requests. */
static void add_rate(struct source_load *load, int64_t remaining, int64_t reset, int64_t now_ms)
{
    if (remaining < 0 || reset < 0)
        return;
    const int64_t reset_ms = reset_ms_of(reset, now_ms);
    const int64_t rate_ms =
        remaining > load->answers ? reset_ms * load->answers / remaining : reset_ms;
    if (rate_ms > load->rate_ms)
        load->rate_ms = rate_ms;
}

static void add_rate_list(struct source_load *load, struct slice value, int64_t now_ms)
{
    size_t offset = 0;
    for (;;) {
        size_t behind = offset;
        const int64_t remaining = find_parameter(value, "r", &behind);
        const int64_t reset = find_parameter(value, "t", &behind);
        if (remaining < 0)
            break;
        add_rate(load, remaining, reset, now_ms);
        offset = behind;
    }
    offset = 0;
    const int64_t remaining = find_parameter(value, "remaining", &offset);
    offset = 0;
    add_rate(load, remaining, find_parameter(value, "reset", &offset), now_ms);
}

static void read_rates(struct source_load *load, const struct source_answer *answer)
{
    static const char *const names[][2] = {
        {"ratelimit-remaining", "ratelimit-reset"},
        {"x-ratelimit-remaining", "x-ratelimit-reset"},
        {"x-rate-limit-remaining", "x-rate-limit-reset"},
    };
    struct slice value;
    load->rate_ms = 0; /* the last answer knows best */
    if (head_find(answer->head, "ratelimit", &value))
        add_rate_list(load, value, answer->now_ms);
    for (size_t i = 0; i < array_count(names); i++)
        add_rate(load, field_number(answer->head, names[i][0]),
                 field_number(answer->head, names[i][1]), answer->now_ms);
}

/* ---- All of it ------------------------------------------------------------------------------- */

static int64_t max_age_ms_of(struct slice head)
{
    struct slice value;
    size_t offset = 0;
    if (!head_find(head, "cache-control", &value))
        return 0;
    const int64_t age = field_number(head, "age");
    int64_t seconds = find_parameter(value, "max-age", &offset);
    if (age > 0)
        seconds -= age;
    if (seconds <= 0)
        return 0;
    return seconds < LIMIT_RETRY_AFTER_MAX_S ? seconds * 1000 : WAIT_MS_MAX;
}

void source_load_add(struct source_load *load, const struct source_answer *answer)
{
    const int64_t max_age_ms = max_age_ms_of(answer->head);
    load->answers++;
    if (answer->retry_after_ms > load->retry_after_ms)
        load->retry_after_ms = answer->retry_after_ms;
    if (max_age_ms > load->max_age_ms)
        load->max_age_ms = max_age_ms;
    if (answer->duration_ms > load->answer_ms)
        load->answer_ms = answer->duration_ms;
    load->is_busy = load->is_busy || answer->status == 429 || answer->status == 503;
    read_rates(load, answer);
}
