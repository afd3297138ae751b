/* SPDX-License-Identifier: MIT */
/* What a request about messages says: its parameters, and the message and endpoint in its path. */
#include "api/sent_int.h"

#include "base/clock.h"
#include "base/log.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#define MESSAGE_BYTES 64
#define ATTEMPT_ENDS_MS_MAX 660000 /* behind its begin: the longest timeout, and its commit */
#define TYPES "event_types"
#define TYPE "event_type" /* what the poller calls it */

void sent_call_free(struct sent_call *sent)
{
    if (!sent)
        return;
    buf_finish(&sent->message);
    buf_finish(&sent->endpoint);
    buf_finish(&sent->attempt);
    buf_finish(&sent->channel);
    buf_finish(&sent->tag);
    buf_finish(&sent->types);
    free(sent->type_slices);
    buf_finish(&sent->wanted);
    buf_finish(&sent->text);
    free(sent);
}

/* ---- Instants ---------------------------------------------------------------------------------
 */

static bool read_instant(struct call *call, const char *name, int64_t *ms,
                         struct complaints *complaints)
{
    struct buf text;
    buf_init(&text, LIMIT_REQUEST_LINE_BYTES);
    const char *value = complaints_query_get(call, name, &text, complaints);
    const bool is_there = value && fields_parse_instant(value, ms);
    if (value && !is_there)
        complain_of_query(complaints, name, AN_INSTANT);
    buf_finish(&text);
    return is_there;
}

/* before is exclusive, after inclusive. An attempt has its id when it has ended: those that began
 * before an instant are looked for among all that ended until a while behind it. */
static void read_times(struct call *call, enum id_kind kind, struct store_list_query *query,
                       struct complaints *complaints)
{
    int64_t ms = 0;
    if (read_instant(call, "before", &ms, complaints)) {
        call->sent->before_ms = ms > 0 ? ms : 1;
        ms = clock_due_of_wall(ms);
        const uint64_t id =
            kind == ID_MESSAGE ? id_event_at(ms) : id_row_at(ms + ATTEMPT_ENDS_MS_MAX);
        if (query->before == 0 || id < query->before)
            query->before = id > 0 ? id : 1;
    }
    if (read_instant(call, "after", &ms, complaints)) {
        call->sent->from_ms = ms;
        ms = clock_due_of_wall(ms);
        const uint64_t id = kind == ID_MESSAGE ? id_event_at(ms) : id_row_at(ms);
        if (id > 0 && id - 1 > query->after)
            query->after = id - 1;
    }
}

/* ---- Paging -----------------------------------------------------------------------------------
 */

static void read_page(struct call *call, enum id_kind kind, struct store_list_query *query,
                      struct complaints *complaints)
{
    struct buf text;
    uint64_t id = 0;
    buf_init(&text, LIMIT_REQUEST_LINE_BYTES);
    const char *value = complaints_query_get(call, "limit", &text, complaints);
    if (value)
        paging_parse_limit(value, &query->limit, complaints);
    value = complaints_query_get(call, "iterator", &text, complaints);
    if (value) {
        query->is_backward = value[0] == '-';
        if (!id_parse(kind, value + query->is_backward, &id) || id == 0)
            complain_of_query(complaints, "iterator", "not an iterator that this list gave");
        if (kind == ID_MESSAGE)
            id = id_event_of(id);
        *(query->is_backward ? &query->after : &query->before) = id;
    }
    buf_finish(&text);
}

/* ---- Filters ----------------------------------------------------------------------------------
 */

/* The parameter's name as it means: brackets may be percent-encoded. */
static bool is_types(struct slice name)
{
    static const char base[] = TYPES;
    const size_t base_len = sizeof base - 1;
    if (slice_is(name, TYPE))
        return true;
    if (name.len < base_len || memcmp(name.data, base, base_len) != 0)
        return false;
    char rest[16];
    size_t len = 0;
    for (size_t i = base_len; i < name.len; i++) {
        const bool is_coded = i + 2 < name.len && name.data[i] == '%' && name.data[i + 1] == '5';
        if (len + 1 >= sizeof rest)
            return false;
        rest[len++] = !is_coded                                         ? name.data[i]
                      : toupper((unsigned char)name.data[i + 2]) == 'B' ? '['
                                                                        : ']';
        i += is_coded ? 2u : 0u;
    }
    if (len == 0)
        return true;
    if (len < 2 || rest[0] != '[' || rest[len - 1] != ']')
        return false;
    for (size_t i = 1; i + 1 < len; i++)
        if (!isdigit((unsigned char)rest[i]))
            return false;
    return true;
}

/* Names apart by commas. */
static void add_types(struct sent_call *sent, struct slice list, struct complaints *complaints)
{
    while (list.len > 0) {
        const char *end = memchr(list.data, ',', list.len);
        const size_t len = end ? (size_t)(end - list.data) : list.len;
        const struct slice name = slice_of(list.data, len);
        list = end ? slice_of(end + 1, list.len - len - 1) : slice_of("", 0);
        if (!fields_is_name(name) || name.len > LIMIT_UID_BYTES) {
            complain_of_query(complaints, TYPES, "names of event types are wanted");
            return;
        }
        /* A request line has no room for more than fit. */
        check(buf_add_slice(&sent->types, name) == OK && buf_add_byte(&sent->types, '\0') == OK);
        sent->type_count++;
    }
}

/* event_types=a,b or event_types[]=a or event_types[0]=a, each as often as it is said. */
static void read_types(struct call *call, struct complaints *complaints)
{
    struct sent_call *sent = call->sent;
    struct slice query = http_query(call->request);
    struct buf value;
    struct buf pair_text;
    buf_init(&value, LIMIT_REQUEST_LINE_BYTES);
    buf_init(&pair_text, LIMIT_REQUEST_LINE_BYTES);
    while (query.len > 0) {
        const char *end = memchr(query.data, '&', query.len);
        const size_t len = end ? (size_t)(end - query.data) : query.len;
        const char *equals = memchr(query.data, '=', len);
        const size_t name_len = equals ? (size_t)(equals - query.data) : len;
        const struct slice rest = slice_of(query.data + name_len, len - name_len);
        if (is_types(slice_of(query.data, name_len))) {
            buf_clear(&pair_text);
            check(buf_add_byte(&pair_text, 'v') == OK && buf_add_slice(&pair_text, rest) == OK);
            if (!http_query_get(buf_slice(&pair_text), "v", &value) || value.len == 0)
                complain_of_query(complaints, TYPES, "names of event types are wanted");
            else
                add_types(sent, buf_slice(&value), complaints);
        }
        query = end ? slice_of(end + 1, query.len - len - 1) : slice_of("", 0);
    }
    buf_finish(&value);
    buf_finish(&pair_text);
    sent->type_slices = must_alloc((sent->type_count + 1) * sizeof *sent->type_slices);
    const char *place = sent->types.data;
    for (size_t i = 0; i < sent->type_count; i++) {
        sent->type_slices[i] = slice_str(place);
        place += sent->type_slices[i].len + 1;
    }
}

/* A channel or a tag. */
static void read_label(struct call *call, const char *name, struct buf *label,
                       struct complaints *complaints)
{
    const char *value = complaints_query_get(call, name, label, complaints);
    if (value && (!fields_is_name(buf_slice(label)) || label->len > LIMIT_CHANNEL_BYTES))
        complain_of_query(complaints, name,
                          "1 to 128 letters, digits, '-', '_' and '.' are wanted");
}

/* A number of so many digits at most; -1: absent. */
static int read_number(struct call *call, const char *name, const char *allowed,
                       struct complaints *complaints)
{
    struct buf text;
    int number = -1;
    buf_init(&text, LIMIT_REQUEST_LINE_BYTES);
    const char *value = complaints_query_get(call, name, &text, complaints);
    const char *words = allowed;
    bool is_good = false;
    for (struct slice word; value && !is_good && api_next_word(&words, &word);)
        is_good = slice_is(word, value);
    if (value && !is_good) {
        char message[MESSAGE_BYTES];
        (void)snprintf(message, sizeof message, "one of %s is wanted", allowed);
        complain_of_query(complaints, name, message);
    } else if (value) {
        number = (int)strtol(value, NULL, 10);
    }
    buf_finish(&text);
    return number;
}

/* Class 0 is what got no answer. */
static void read_class(struct call *call, struct complaints *complaints)
{
    struct sent_call *sent = call->sent;
    const int class = read_number(call, "status_code_class", "0 100 200 300 400 500", complaints);
    if (class >= 0) {
        sent->class_from = class;
        sent->class_to = class + 99;
    }
}

/* ---- The call ---------------------------------------------------------------------------------
 */

bool sent_begin(struct call *call, const struct sent_form *form)
{
    struct complaints complaints;
    struct sent_call *sent = must_alloc(sizeof *sent);
    call->sent = sent;
    buf_init(&sent->message, LIMIT_REQUEST_LINE_BYTES);
    buf_init(&sent->endpoint, LIMIT_REQUEST_LINE_BYTES);
    buf_init(&sent->wanted, LIMIT_REQUEST_LINE_BYTES);
    buf_init(&sent->text, LIMIT_API_BODY_BYTES);
    buf_init(&sent->attempt, LIMIT_REQUEST_LINE_BYTES);
    buf_init(&sent->channel, LIMIT_REQUEST_LINE_BYTES);
    buf_init(&sent->tag, LIMIT_REQUEST_LINE_BYTES);
    buf_init(&sent->types, 2 * LIMIT_REQUEST_LINE_BYTES);
    sent->query = (struct store_list_query){.limit = PAGE_ROWS_DEFAULT, .state = -1};
    complaints_begin(&complaints);
    read_page(call, form->kind, &sent->query, &complaints);
    if (form->has_times)
        read_times(call, form->kind, &sent->query, &complaints);
    if (form->has_filters) {
        read_label(call, "channel", &sent->channel, &complaints);
        read_label(call, "tag", &sent->tag, &complaints);
        read_types(call, &complaints);
    }
    if (form->has_status)
        sent->query.state = read_number(call, "status", "0 1 2 3", &complaints);
    if (form->has_class)
        read_class(call, &complaints);
    sent->with_content =
        !form->has_content || api_query_flag(call, "with_content", true, &complaints);
    return complaints_end(call, &complaints);
}

struct published_filter sent_filter(const struct call *call)
{
    const struct sent_call *sent = call->sent;
    return (struct published_filter){
        .application = call->application,
        .channel = sent->channel.len > 0 ? sent->channel.data : NULL,
        .tag = sent->tag.len > 0 ? sent->tag.data : NULL,
        .types = sent->type_slices,
        .type_count = sent->type_count,
        .with_payload = sent->with_content,
    };
}

/* ---- What the path names ----------------------------------------------------------------------
 */

static void go_on(struct call *call, enum status status, const char *what)
{
    if (status == OK)
        call->sent->then(call);
    else if (status == E_NOTFOUND)
        call_refuse(call, 404, "not_found", what);
    else
        call_refuse(call, 500, "store", "the store could not be read; see the server's log");
}

void sent_read(struct call *call, enum store_read_kind kind, store_read_cb on_done)
{
    call->read.kind = kind;
    call->read.on_done = on_done;
    call->read.ctx = call;
    (void)call_ask(call, &call->read);
}

static void log_failure(const struct call *call, const struct store_read *read)
{
    if (read->status != OK && read->status != E_NOTFOUND)
        log_error("read of the store failed", "route=\"%s\" error=\"%s\"", call->route->path,
                  read->err.text);
}

static void on_message(struct store_read *read)
{
    struct call *call = read->ctx;
    const struct store_list_published *list = container_of(read, struct store_list_published, read);
    const enum status status = read->status;
    log_failure(call, read);
    if (status == OK)
        call->sent->event = list->rows[0].id;
    store_read_finish(read);
    if (call_end_wait(call))
        go_on(call, status, "there is no message of this id or eventId");
}

void sent_find_message(struct call *call, struct slice part, void (*then)(struct call *call))
{
    struct sent_call *sent = call->sent;
    uint64_t id;
    buf_clear(&sent->message);
    check(buf_add_slice(&sent->message, part) == OK); /* LIMIT_UID_BYTES at most */
    sent->then = then;
    call->list_published = (struct store_list_published){
        .filter = {.application = call->application},
        .only_uid = sent->message.data,
    };
    if (id_parse(ID_MESSAGE, sent->message.data, &id) && id_ordinal(id) == ID_ORDINAL_MAX)
        call->list_published.only = id_event_of(id);
    sent_read(call, STORE_LIST_PUBLISHED, on_message);
}

static void on_endpoint(struct store_read *read)
{
    struct call *call = read->ctx;
    struct store_list_resources *list = container_of(read, struct store_list_resources, read);
    const enum status status = read->status;
    log_failure(call, read);
    if (status == OK)
        call->sent->endpoint_id = list->rows[0].id;
    store_read_finish(read);
    if (call_end_wait(call))
        go_on(call, status, "there is no endpoint of this id or uid");
}

void sent_find_endpoint(struct call *call, struct slice part, void (*then)(struct call *call))
{
    struct sent_call *sent = call->sent;
    buf_clear(&sent->endpoint);
    check(buf_add_slice(&sent->endpoint, part) == OK);
    sent->then = then;
    call->list_resources = (struct store_list_resources){
        .kind = RESOURCE_ENDPOINT,
        .owner = call->application,
        .only_uid = sent->endpoint.data,
    };
    (void)id_parse(ID_ENDPOINT, sent->endpoint.data, &call->list_resources.only);
    sent_read(call, STORE_LIST_RESOURCES, on_endpoint);
}
