/* SPDX-License-Identifier: MIT */
/* The parameters of lists and what stands around their rows. Any id of a list is a valid iterator;
 * with "-" before it, it means the page before. */
#include "api/api_int.h"

#include "base/clock.h"
#include "base/text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define NAMES_MAX 20  /* of a route */
#define NAME_BYTES 24 /* of each */
#define MESSAGE_BYTES 256
#define INSTANT_MS_MAX INT64_C(253402300799999) /* 9999-12-31T23:59:59.999Z */
#define NO_INSTANT "an instant is wanted: 2026-03-02T08:00:00Z or Unix milliseconds"

static size_t known_names(const struct route *route, char texts[NAMES_MAX][NAME_BYTES],
                          const char *names[NAMES_MAX])
{
    size_t count = 0;
    const char *words = route->query;
    for (struct slice word; api_next_word(&words, &word); count++) {
        check(count < NAMES_MAX && word.len < NAME_BYTES);
        memcpy(texts[count], word.data, word.len);
        texts[count][word.len] = '\0';
        names[count] = texts[count];
    }
    return count;
}

/* A misspelt filter would silently show everything. */
static void check_names(const struct call *call, struct complaints *complaints)
{
    char texts[NAMES_MAX][NAME_BYTES];
    const char *names[NAMES_MAX];
    const size_t count = known_names(call->route, texts, names);
    struct slice query = http_query(call->request);
    for (struct slice name; http_query_next(&query, &name);) {
        bool is_known = name.len == 0;
        for (size_t i = 0; i < count && !is_known; i++)
            is_known = slice_is(name, names[i]);
        if (!is_known) {
            char message[MESSAGE_BYTES];
            const char *nearest = text_nearest(name, names, count);
            (void)snprintf(message, sizeof message, "unknown parameter%s%s%s",
                           nearest ? "; did you mean '" : "", nearest ? nearest : "",
                           nearest ? "'?" : "");
            complain(complaints, "query", name, message);
        }
    }
}

void paging_parse_limit(const char *text, size_t *limit, struct complaints *complaints)
{
    char *end;
    errno = 0;
    const long number = strtol(text, &end, 10);
    if (errno != 0 || *end != '\0' || end == text || number < 1 || number > LIMIT_API_PAGE_ROWS)
        complain_of_query(complaints, "limit", "a whole number from 1 to 250 is wanted");
    else
        *limit = (size_t)number;
}

static void parse_iterator(const char *text, enum id_kind kind, struct store_list_query *query,
                           struct complaints *complaints)
{
    query->is_backward = text[0] == '-';
    if (!id_parse(kind, text + query->is_backward,
                  query->is_backward ? &query->after : &query->before))
        complain_of_query(complaints, "iterator", "not an iterator that this list gave");
}

static void parse_state(const char *text, const struct list_form *form,
                        struct store_list_query *query, struct complaints *complaints)
{
    char message[MESSAGE_BYTES];
    query->state = form->parse_state(text);
    if (query->state >= 0)
        return;
    (void)snprintf(message, sizeof message, "unknown state; there are %s", form->states);
    complain_of_query(complaints, "state", message);
}

bool paging_parse_instant(const char *text, int64_t *ms)
{
    char *end;
    if (clock_parse_iso(text, ms))
        return true;
    errno = 0;
    const long long number = strtoll(text, &end, 10);
    if (errno != 0 || *end != '\0' || end == text || number < 0 || number > INSTANT_MS_MAX)
        return false;
    *ms = number;
    return true;
}

static void parse_lateness(struct call *call, struct buf *scratch, struct store_list_query *query,
                           struct complaints *complaints)
{
    const char *text = complaints_query_get(call, "late", scratch, complaints);
    if (!text)
        return;
    query->lateness = strcmp(text, "true") == 0 ? LATE_ONLY : LATE_LEFT_OUT;
    if (query->lateness == LATE_LEFT_OUT && strcmp(text, "false") != 0)
        complain_of_query(complaints, "late", "true or false is wanted");
}

/* since and until are bounds on the ids. */
static void bound(struct call *call, const struct list_form *form, struct store_list_query *query,
                  struct complaints *complaints)
{
    static const char *const names[] = {"since", "until"};
    struct buf scratch;
    buf_init(&scratch, LIMIT_REQUEST_LINE_BYTES);
    for (size_t i = 0; i < array_count(names); i++) {
        int64_t ms = 0;
        const char *text = complaints_query_get(call, names[i], &scratch, complaints);
        if (text && !paging_parse_instant(text, &ms))
            complain_of_query(complaints, names[i], NO_INSTANT);
        ms = clock_due_of_wall(ms);
        const bool is_event = form->kind == ID_EVENT && query->lateness != LATE_ONLY;
        const uint64_t id = is_event ? id_event_at(ms) : id_row_at(ms);
        if (text && i == 0 && id > 0 && id - 1 > query->after)
            query->after = id - 1;
        if (text && i == 1 && (query->before == 0 || id < query->before))
            query->before = id > 0 ? id : 1;
    }
    buf_finish(&scratch);
}

static void parse_filters(struct call *call, const struct list_form *form,
                          struct store_list_query *query, struct complaints *complaints)
{
    struct buf scratch;
    buf_init(&scratch, LIMIT_REQUEST_LINE_BYTES);
    const char *text = complaints_query_get(call, "limit", &scratch, complaints);
    if (text)
        paging_parse_limit(text, &query->limit, complaints);
    text = complaints_query_get(call, "iterator", &scratch, complaints);
    if (text)
        parse_iterator(text, form->kind, query, complaints);
    text = api_route_knows(call->route, "state")
               ? complaints_query_get(call, "state", &scratch, complaints)
               : NULL;
    if (text)
        parse_state(text, form, query, complaints);
    text = api_route_knows(call->route, "event")
               ? complaints_query_get(call, "event", &scratch, complaints)
               : NULL;
    /* The id 0 is of nothing, and a filter that is 0 is none. */
    if (text && (!id_parse(ID_EVENT, text, &query->event) || query->event == 0))
        complain_of_query(complaints, "event", "not an event id (evt_ and 11 characters)");
    text = api_route_knows(call->route, "message")
               ? complaints_query_get(call, "message", &scratch, complaints)
               : NULL;
    if (text && (!id_parse(ID_MESSAGE, text, &query->message) || query->message == 0))
        complain_of_query(complaints, "message", "not a message id (msg_ and 11 characters)");
    if (api_route_knows(call->route, "source"))
        query->source = complaints_query_get(call, "source", &call->source, complaints);
    if (api_route_knows(call->route, "type"))
        query->type = complaints_query_get(call, "type", &call->type, complaints);
    if (query->type && !event_pattern_is_valid(slice_str(query->type)))
        complain_of_query(complaints, "type", EVENT_PATTERN_FORMS);
    if (api_route_knows(call->route, "endpoint"))
        query->endpoint = complaints_query_get(call, "endpoint", &call->endpoint, complaints);
    if (api_route_knows(call->route, "contains"))
        query->contains = complaints_query_get(call, "contains", &call->contains, complaints);
    if (api_route_knows(call->route, "wait"))
        wait_parse(call, &scratch, complaints);
    if (api_route_knows(call->route, "late"))
        parse_lateness(call, &scratch, query, complaints);
    if (api_route_knows(call->route, "since"))
        bound(call, form, query, complaints);
    buf_finish(&scratch);
}

bool paging_parse(struct call *call, const struct list_form *form, struct store_list_query *query)
{
    struct complaints complaints;
    complaints_begin(&complaints);
    *query = (struct store_list_query){.limit = PAGE_ROWS_DEFAULT, .state = -1};
    check_names(call, &complaints);
    parse_filters(call, form, query, &complaints);
    return complaints_end(call, &complaints);
}

bool paging_parse_texts(struct call *call, const struct text_form *texts, size_t count)
{
    struct complaints complaints;
    char message[MESSAGE_BYTES];
    complaints_begin(&complaints);
    check_names(call, &complaints);
    for (size_t i = 0; i < count; i++) {
        if (!api_route_knows(call->route, texts[i].name))
            continue;
        const char *text = complaints_query_get(call, texts[i].name, texts[i].value, &complaints);
        if (!text)
            continue;
        const char *wrong = texts[i].judge ? texts[i].judge(text) : NULL;
        if (strlen(text) > texts[i].bytes_max) {
            (void)snprintf(message, sizeof message, "at most %zu bytes", texts[i].bytes_max);
            wrong = message;
        }
        if (wrong)
            complain_of_query(&complaints, texts[i].name, wrong);
    }
    return complaints_end(call, &complaints);
}

size_t paging_row(const struct store_list_query *query, size_t place, size_t count)
{
    return query->is_backward ? count - 1 - place : place;
}

static void write_iterator(struct document *out, const char *name, const char *sign,
                           enum id_kind kind, uint64_t id)
{
    char text[ID_TEXT_BYTES];
    char signed_text[ID_TEXT_BYTES + 1];
    document_key(out, name);
    if (id == 0) {
        document_null(out);
        return;
    }
    id_format(kind, id, text);
    (void)snprintf(signed_text, sizeof signed_text, "%s%s", sign, text);
    document_str(out, signed_text);
}

void paging_close(const struct store_list_query *query, const struct page_end *end,
                  struct document *out)
{
    /* A page may come short because the store looked long enough: it goes on where it stopped. */
    const uint64_t reached = end->is_end || end->reached == 0 ? 0 : end->reached;
    const uint64_t next = !query->is_backward && reached ? reached : end->last;
    const uint64_t previous = query->is_backward && reached ? reached : end->first;
    write_iterator(out, "iterator", "", end->kind, next);
    write_iterator(out, "prevIterator", "-", end->kind, previous);
    document_key(out, "done");
    document_bool(out, end->is_end);
}

bool paging_parse_id(struct call *call, enum id_kind kind, const char *noun, uint64_t *id)
{
    char text[ID_TEXT_BYTES];
    if (call->id.len < sizeof text) {
        memcpy(text, call->id.data, call->id.len);
        text[call->id.len] = '\0';
        if (id_parse(kind, text, id))
            return true;
    }
    char detail[MESSAGE_BYTES];
    char example[ID_TEXT_BYTES];
    id_format(kind, 0, example);
    (void)snprintf(detail, sizeof detail, "not the id of %s, which looks like %s", noun, example);
    call_refuse(call, 404, "not_found", detail);
    return false;
}
