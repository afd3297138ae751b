/* SPDX-License-Identifier: MIT */
/* Fuzzes the headers by which a source says how it wants to be asked: lines of "name (1 byte)
 * value", an empty line between answers of one run. Properties: no wait is negative or over the
 * longest there is; what the last answer says of its rate counts alone; the same answers give the
 * same. */
#include "base/buf.h"
#include "base/head.h"
#include "base/limits.h"
#include "model/source_load.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define WAIT_MS_MOST ((int64_t)LIMIT_RETRY_AFTER_MAX_S * 1000)
#define NOW_MS INT64_C(1780000000000)

static void check_load(const struct source_load *load)
{
    check(load->rate_ms >= 0 && load->rate_ms <= WAIT_MS_MOST);
    check(load->max_age_ms >= 0 && load->max_age_ms <= WAIT_MS_MOST);
    check(load->retry_after_ms >= 0 && load->answers > 0 && load->answer_ms >= 0);
}

static void take_answer(struct source_load *load, const struct buf *head)
{
    const struct source_answer answer = {.status = 200 + (int)(head->len % 4) * 101,
                                         .head = buf_slice(head),
                                         .retry_after_ms = -1,
                                         .duration_ms = (int64_t)head->len,
                                         .now_ms = NOW_MS};
    struct source_load alone = {.answers = load->answers};
    struct source_load again = *load;
    source_load_add(&alone, &answer);
    source_load_add(&again, &answer);
    source_load_add(load, &answer);
    check_load(load);
    check(memcmp(&again, load, sizeof again) == 0);
    check(alone.rate_ms == load->rate_ms);
    check(load->max_age_ms >= alone.max_age_ms && load->answer_ms >= alone.answer_ms);
}

static void add_line(struct buf *head, struct slice line)
{
    static const char *const names[] = {
        "RateLimit",         "RateLimit-Remaining",    "RateLimit-Reset",    "Cache-Control",
        "X-RateLimit-Reset", "X-RateLimit-Remaining",  "X-Rate-Limit-Reset", "Age",
        "X-RateLimit-Limit", "X-Rate-Limit-Remaining",
    };
    const char *name = names[(uint8_t)line.data[0] % array_count(names)];
    if (!memchr(line.data, '\0', line.len)) /* no head holds one */
        (void)!head_add(head, slice_str(name), slice_trim(slice_of(line.data + 1, line.len - 1)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = slice_of((const char *)data, size);
    struct source_load load = {0};
    struct buf head;
    buf_init(&head, LIMIT_HEADERS_BYTES);
    while (text.len > 0) {
        const char *end = memchr(text.data, '\n', text.len);
        const size_t len = end ? (size_t)(end - text.data) : text.len;
        if (len == 0) {
            take_answer(&load, &head);
            buf_clear(&head);
        } else {
            add_line(&head, slice_of(text.data, len));
        }
        text = slice_of(text.data + len + (end != NULL), text.len - len - (end != NULL));
    }
    take_answer(&load, &head);
    buf_finish(&head);
    return 0;
}
