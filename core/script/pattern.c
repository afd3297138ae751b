/* SPDX-License-Identifier: MIT */
#include "script/pattern_int.h"

#include "script/bind_int.h"

#include <string.h>

#define STEP_WORK 4        /* bytes of plain work that a step is worth */
#define WORK_AT_ONCE 65536 /* charged when it has come to that */

static bool set_has(const uint64_t set[4], unsigned char byte)
{
    return set[byte >> 6] >> (byte & 63) & 1;
}

void pattern_check_charge(struct matcher *matcher)
{
    const size_t work = matcher->work;
    matcher->work = 0;
    budget_check_work(matcher->L, work);
}

static void spend(struct matcher *matcher, size_t work)
{
    matcher->work += work;
    if (matcher->work >= WORK_AT_ONCE)
        pattern_check_charge(matcher);
}

static bool item_takes(const struct pattern_item *item, unsigned char byte)
{
    if (item->kind == PATTERN_BYTE)
        return item->byte == byte;
    return item->kind == PATTERN_ANY || set_has(item->set, byte);
}

/* How far the item can be repeated from `at` on. */
static const char *run_of(const struct pattern_item *item, const char *at, const char *end)
{
    if (item->kind == PATTERN_ANY)
        return end;
    if (item->kind == PATTERN_BYTE) {
        while (at < end && (unsigned char)*at == item->byte)
            at++;
        return at;
    }
    while (at < end && set_has(item->set, (unsigned char)*at))
        at++;
    return at;
}

/* The end of the longest match that is not tried yet, from `at` down, before what has to follow;
 * NULL: none left. */
static const char *shorter(struct matcher *matcher, struct pattern_item *item, const char *at)
{
    const char *from = at;
    while (item->follows >= 0 && at > item->low &&
           (at == matcher->end || (unsigned char)*at != item->follows))
        at--;
    spend(matcher, STEP_WORK + (size_t)(from - at));
    item->high = at;
    return at;
}

/* The end of the next match that is one or more bytes longer; NULL: none. */
static const char *longer(struct matcher *matcher, struct pattern_item *item)
{
    const char *at = item->high;
    do {
        if (at == matcher->end || !item_takes(item, (unsigned char)*at))
            break;
        at++;
        if (item->follows < 0 || (at < matcher->end && (unsigned char)*at == item->follows)) {
            spend(matcher, STEP_WORK + (size_t)(at - item->high));
            item->high = at;
            return at;
        }
    } while (true);
    spend(matcher, STEP_WORK + (size_t)(at - item->high));
    return NULL;
}

/* The first end of an item that may be repeated. */
static const char *first_end(struct matcher *matcher, struct pattern_item *item, const char *at)
{
    if (item->repeat == REPEAT_LEAST) {
        item->high = at;
        return at;
    }
    const char *end = matcher->end;
    item->low = at;
    if (item->is_most_one) {
        end = at < end && item_takes(item, (unsigned char)*at) ? at + 1 : at;
    } else {
        end = run_of(item, at, end);
        spend(matcher, (size_t)(end - at));
        if (item->is_least_one) {
            if (end == at) {
                item->high = at; /* so that nothing is tried here */
                item->low = at + 1;
                return NULL;
            }
            item->low = at + 1;
        }
    }
    return shorter(matcher, item, end);
}

/* The next end of an item that was passed before. */
static const char *next_end(struct matcher *matcher, struct pattern_item *item)
{
    if (item->repeat == REPEAT_LEAST)
        return longer(matcher, item);
    return item->high > item->low ? shorter(matcher, item, item->high - 1) : NULL;
}

static const char *match_balance(struct matcher *matcher, const struct pattern_item *item,
                                 const char *at)
{
    if (at == matcher->end || (unsigned char)*at != item->byte)
        return NULL;
    const char *begin = at;
    size_t depth = 1;
    for (at++; at < matcher->end; at++) {
        const unsigned char byte = (unsigned char)*at;
        if (byte == item->closes) {
            if (--depth == 0)
                break;
        } else if (byte == item->byte) {
            depth++;
        }
    }
    spend(matcher, STEP_WORK + (size_t)(at - begin));
    return at < matcher->end ? at + 1 : NULL;
}

static const char *match_back(struct matcher *matcher, const struct pattern_item *item,
                              const char *at)
{
    const struct capture *capture = &matcher->pattern->captures[item->capture];
    if (capture->len < 0 || matcher->end - at < capture->len)
        return NULL;
    spend(matcher, STEP_WORK + (size_t)capture->len / 8);
    return memcmp(at, capture->at, (size_t)capture->len) == 0 ? at + capture->len : NULL;
}

static bool is_frontier(const struct matcher *matcher, const struct pattern_item *item,
                        const char *at)
{
    const char before = at == matcher->begin ? '\0' : at[-1];
    const char after = at == matcher->end ? '\0' : *at;
    return !set_has(item->set, (unsigned char)before) && set_has(item->set, (unsigned char)after);
}

static const char *match_text(const struct matcher *matcher, const struct pattern_item *item,
                              const char *at)
{
    if ((size_t)(matcher->end - at) < item->len || memcmp(at, item->text, item->len) != 0)
        return NULL;
    return at + item->len;
}

static const char *match_one(const struct matcher *matcher, const struct pattern_item *item,
                             const char *at)
{
    return at < matcher->end && item_takes(item, (unsigned char)*at) ? at + 1 : NULL;
}

/* Where the match goes on behind the item; NULL: it does not match here. */
static const char *match_item(struct matcher *matcher, struct pattern_item *item, const char *at)
{
    struct capture *captures = matcher->pattern->captures;
    switch ((enum pattern_kind)item->kind) {
    case PATTERN_TEXT:
        return match_text(matcher, item, at);
    case PATTERN_BYTE:
    case PATTERN_ANY:
    case PATTERN_SET:
        return item->repeat == REPEAT_ONCE ? match_one(matcher, item, at)
                                           : first_end(matcher, item, at);
    case PATTERN_OPEN:
        captures[item->capture] = (struct capture){at, CAPTURE_OPEN};
        return at;
    case PATTERN_CLOSE:
        captures[item->capture].len = at - captures[item->capture].at;
        return at;
    case PATTERN_PLACE:
        captures[item->capture] = (struct capture){at, CAPTURE_PLACE};
        return at;
    case PATTERN_BACK:
        return match_back(matcher, item, at);
    case PATTERN_BALANCE:
        return match_balance(matcher, item, at);
    case PATTERN_FRONTIER:
        return is_frontier(matcher, item, at) ? at : NULL;
    case PATTERN_AT_END:
        return at == matcher->end ? at : NULL;
    case PATTERN_FAULT:
        (void)luaL_error(matcher->L, item->text, item->capture);
        break;
    case PATTERN_DONE:
        break;
    }
    return NULL;
}

const char *pattern_check_match(struct matcher *matcher, const char *at)
{
    struct pattern_item *items = matcher->pattern->items;
    matcher->work += STEP_WORK;
    for (struct pattern_item *item = items; item->kind != PATTERN_DONE; item++) {
        at = match_item(matcher, item, at);
        while (!at) {
            if (item->back < 0)
                return NULL;
            item = &items[item->back];
            at = next_end(matcher, item);
        }
    }
    return at;
}

/* The next place where the first item may match; NULL: none. */
static const char *next_begin(const struct matcher *matcher, const char *at)
{
    const struct pattern_item *item = matcher->pattern->items;
    if (item->kind == PATTERN_OPEN)
        item++;
    const bool is_needed =
        item->repeat == REPEAT_ONCE || (item->repeat == REPEAT_MOST && item->is_least_one);
    if (!is_needed)
        return at;
    const size_t left = (size_t)(matcher->end - at);
    if (item->kind == PATTERN_TEXT)
        return left > 0 ? memchr(at, (unsigned char)item->text[0], left) : NULL;
    if (item->kind == PATTERN_BYTE || item->kind == PATTERN_BALANCE)
        return left > 0 ? memchr(at, item->byte, left) : NULL;
    if (item->kind != PATTERN_SET)
        return at;
    while (at < matcher->end && !set_has(item->set, (unsigned char)*at))
        at++;
    return at < matcher->end ? at : NULL;
}

const char *pattern_check_search(struct matcher *matcher, const char **at)
{
    for (const char *from = *at; from <= matcher->end; from++) {
        const char *begin = next_begin(matcher, from);
        spend(matcher, STEP_WORK + (size_t)((begin ? begin : matcher->end) - from) / 8);
        if (!begin)
            break;
        *at = begin;
        const char *end = pattern_check_match(matcher, begin);
        if (end)
            return end;
        from = begin;
    }
    *at = matcher->end + 1;
    return NULL;
}
