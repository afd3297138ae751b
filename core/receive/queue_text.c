/* SPDX-License-Identifier: MIT */
/* What requests at a queue say, and the JSON in which messages are told. */
#include "receive/receive_int.h"

#include "base/limits.h"
#include "base/text.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#define NUMBER_DIGITS 10
#define NAME_SHOWN_BYTES 40

/* ---- Ids ---- */

void lease_id_format(const struct store_lease_row *lease, char text[LEASE_ID_BYTES])
{
    id_format(ID_DELIVERY, lease->delivery, text);
    const size_t len = strlen(text);
    (void)snprintf(text + len, LEASE_ID_BYTES - len, ".%u", lease->number);
}

bool lease_id_parse(const char *text, size_t text_len, struct store_lease_row *lease)
{
    char id[ID_TEXT_BYTES];
    const char *dot = strchr(text, '.');
    const size_t len = dot ? (size_t)(dot - text) : 0;
    if (len == 0 || len >= sizeof id || strlen(text) != text_len)
        return false;
    (void)snprintf(id, sizeof id, "%.*s", (int)len, text);
    const size_t digits = strspn(dot + 1, "0123456789");
    const uint64_t number = strtoull(dot + 1, NULL, 10);
    lease->number = (uint32_t)number;
    return digits > 0 && digits <= NUMBER_DIGITS && dot[1 + digits] == '\0' && number > 0 &&
           number <= UINT32_MAX && id_parse(ID_DELIVERY, id, &lease->delivery);
}

/* ---- GET ?wait=&limit= ---- */

/* A whole number, however long; one over most is most. */
static bool parse_count(struct slice text, uint64_t most, uint64_t *count)
{
    *count = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        *count = *count * 10 + (uint64_t)(text.data[i] - '0');
        *count = *count < most ? *count : most;
    }
    return text.len > 0;
}

static enum status read_wait(struct slice text, const struct queue_spec *queue,
                             struct queue_query *query, struct err *err)
{
    uint64_t seconds;
    if (parse_count(text, LIMIT_QUEUE_WAIT_MS, &seconds)) {
        query->wait_ms = (int64_t)seconds * 1000;
    } else if (!text_parse_duration_ms(text, &query->wait_ms)) {
        char most[TEXT_DURATION_BYTES];
        text_format_duration(queue->wait_ms, most);
        return err_set(err, E_INVALID,
                       "wait is how long to wait for a message: " TEXT_DURATION_FORMS
                       ", at most %s here",
                       most);
    }
    query->is_wait_cut = query->wait_ms > queue->wait_ms;
    if (query->is_wait_cut)
        query->wait_ms = queue->wait_ms;
    return OK;
}

static enum status read_limit(struct slice text, const struct queue_spec *queue,
                              struct queue_query *query, struct err *err)
{
    uint64_t count;
    if (!parse_count(text, LIMIT_QUEUE_BATCH + 1, &count) || count == 0)
        return err_set(err, E_INVALID, "limit is how many messages to give at once: 1 to %u here",
                       queue->batch);
    query->is_limit_cut = count > queue->batch;
    query->limit = query->is_limit_cut ? queue->batch : (size_t)count;
    return OK;
}

/* Places in the names of parameters; the last is where a token may stand, if the queue says so. */
enum parameter { PARAMETER_LIMIT, PARAMETER_WAIT, PARAMETER_TOKEN, PARAMETER_COUNT };

static enum status refuse_parameter(struct slice name, const char *const names[PARAMETER_COUNT],
                                    struct err *err)
{
    const int shown = (int)(name.len < NAME_SHOWN_BYTES ? name.len : NAME_SHOWN_BYTES);
    const char *nearest = text_nearest(name, names, PARAMETER_COUNT);
    if (nearest)
        return err_set(err, E_INVALID, "unknown parameter '%.*s'; did you mean '%s'?", shown,
                       name.data, nearest);
    return err_set(err, E_INVALID, "unknown parameter '%.*s'; there are wait and limit", shown,
                   name.data);
}

/* A misspelt one would silently be as if it had not been said. */
static enum status check_parameters(struct slice text, const struct queue_spec *queue,
                                    struct err *err)
{
    const char *const token = queue->verifier ? queue->verifier->recipe.token_query : "";
    const char *const names[PARAMETER_COUNT] = {
        [PARAMETER_LIMIT] = "limit",
        [PARAMETER_WAIT] = "wait",
        [PARAMETER_TOKEN] = token[0] ? token : NULL,
    };
    bool is_given[PARAMETER_COUNT] = {0};
    for (struct slice name; http_query_next(&text, &name);) {
        enum parameter i = 0;
        while (i < PARAMETER_COUNT && !(names[i] && slice_is(name, names[i])))
            i++;
        if (i == PARAMETER_COUNT && name.len > 0)
            return refuse_parameter(name, names, err);
        if (i < PARAMETER_COUNT && is_given[i])
            return err_set(err, E_INVALID, "%s is given twice", names[i]);
        if (i < PARAMETER_COUNT)
            is_given[i] = true;
    }
    return OK;
}

enum status queue_read_query(struct slice text, const struct queue_spec *queue,
                             struct queue_query *query, struct err *err)
{
    struct buf value;
    *query = (struct queue_query){.wait_ms = queue->wait_ms, .limit = queue->batch};
    enum status status = check_parameters(text, queue, err);
    buf_init(&value, LIMIT_REQUEST_LINE_BYTES);
    if (status == OK && http_query_get(text, "wait", &value))
        status = read_wait(buf_slice(&value), queue, query, err);
    if (status == OK && http_query_get(text, "limit", &value))
        status = read_limit(buf_slice(&value), queue, query, err);
    buf_finish(&value);
    return status;
}

/* ---- POST { ids, … } ---- */

/* What is no id goes into invalid, as it was given. */
static enum status read_rows(const json_t *ids, struct lease_end *end, struct buf *invalid,
                             struct err *err)
{
    const size_t count = json_array_size(ids);
    if (!json_is_array(ids) || count == 0 || count > LIMIT_QUEUE_BATCH)
        return err_set(err, E_INVALID, "ids is a list of 1 to %d ids of messages, as given",
                       LIMIT_QUEUE_BATCH);
    end->rows = must_alloc(count * sizeof *end->rows);
    for (size_t i = 0; i < count; i++) {
        const json_t *id = json_array_get(ids, i);
        const char *text = json_string_value(id);
        if (text && lease_id_parse(text, json_string_length(id), &end->rows[end->row_count])) {
            end->row_count++;
            continue;
        }
        char *given = json_dumps(id, JSON_ENCODE_ANY | JSON_COMPACT);
        enum status status = given ? OK : E_NOMEM;
        if (status == OK && invalid->len > 0)
            status = buf_add_str(invalid, ",");
        if (status == OK)
            status = buf_add_str(invalid, given);
        free(given);
        if (status != OK)
            return err_set(err, status, "too much in ids is no id of a message");
    }
    return end->row_count > 0
               ? OK
               : err_set(err, E_INVALID,
                         "ids[0] is no id of a message: they look like dlv_0aBcDeFgHiJ.1");
}

/* Absent: as it is. */
static enum status read_time(const json_t *value, const char *name, int64_t most_ms, int64_t *ms,
                             struct err *err)
{
    if (!value)
        return OK;
    bool is_good =
        json_is_string(value) &&
        text_parse_duration_ms(slice_of(json_string_value(value), json_string_length(value)), ms);
    if (json_is_number(value)) {
        const double seconds = json_number_value(value);
        is_good = seconds >= 0 && seconds <= (double)most_ms / 1000;
        *ms = is_good ? (int64_t)(seconds * 1000) : 0;
    }
    if (is_good && *ms <= most_ms)
        return OK;
    char most[TEXT_DURATION_BYTES];
    text_format_duration(most_ms, most);
    return err_set(err, E_INVALID, "%s is a time: seconds, or " TEXT_DURATION_FORMS ", at most %s",
                   name, most);
}

static enum status read_reason(const json_t *value, struct lease_end *end, struct err *err)
{
    if (!value)
        return OK;
    const size_t len = json_string_length(value);
    if (!json_is_string(value) || len > LIMIT_REASON_BYTES ||
        strlen(json_string_value(value)) != len)
        return err_set(err, E_INVALID, "reason is a text of at most %d bytes, without NUL",
                       LIMIT_REASON_BYTES);
    end->reason = must_copy(json_string_value(value), len);
    return OK;
}

static const char *const members[][4] = {
    [LEASE_END_ACK] = {"ids"},
    [LEASE_END_NACK] = {"ids", "delay", "reason"},
    [LEASE_END_EXTEND] = {"ids", "lease"},
};

static enum status check_members(json_t *root, const struct lease_end *end, struct err *err)
{
    const char *name;
    json_t *value;
    json_object_foreach(root, name, value)
    {
        bool is_known = false;
        for (size_t i = 0; i < array_count(members[0]) && members[end->verb][i]; i++)
            is_known |= strcmp(name, members[end->verb][i]) == 0;
        if (!is_known)
            return err_set(err, E_INVALID, "unknown member '%.40s'", name);
    }
    return OK;
}

enum status queue_read_ids(struct slice body, const struct queue_spec *queue, struct lease_end *end,
                           struct buf *invalid, struct err *err)
{
    json_error_t error;
    json_t *root = json_loadb(body.data, body.len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
    const bool is_nack = end->verb == LEASE_END_NACK;
    end->delay_ms = is_nack ? -1 : queue->lease_ms;
    enum status status = OK;
    if (!json_is_object(root))
        status =
            err_set(err, E_INVALID, "the body is no JSON object as {\"ids\":[\"dlv_….1\"]}%s%.80s",
                    root ? "" : ": ", root ? "" : error.text);
    if (status == OK)
        status = check_members(root, end, err);
    if (status == OK)
        status = read_rows(json_object_get(root, "ids"), end, invalid, err);
    if (status == OK && is_nack)
        status = read_time(json_object_get(root, "delay"), "delay", LIMIT_QUEUE_DELAY_MS,
                           &end->delay_ms, err);
    if (status == OK && is_nack)
        status = read_reason(json_object_get(root, "reason"), end, err);
    if (status == OK && end->verb == LEASE_END_EXTEND)
        status = read_time(json_object_get(root, "lease"), "lease", LIMIT_QUEUE_LEASE_MS,
                           &end->delay_ms, err);
    if (status == OK && end->verb == LEASE_END_EXTEND && end->delay_ms == 0)
        end->verb = LEASE_END_RETURN;
    json_decref(root);
    return status;
}

/* ---- Messages ---- */

static void write_id(struct document *out, const char *name, enum id_kind kind, uint64_t id)
{
    char text[ID_TEXT_BYTES];
    id_format(kind, id, text);
    document_key(out, name);
    document_str(out, text);
}

static void write_headers(struct document *out, struct slice head)
{
    struct field field;
    document_key(out, "headers");
    document_open(out, '[');
    for (size_t offset = 0; head_next(head, &offset, &field);) {
        if (field.name.len == 0 || field.name.data[0] == ':')
            continue;
        document_open(out, '{');
        document_key(out, "name");
        document_text(out, field.name);
        document_key(out, "value");
        document_text(out, field.value);
        document_close(out, '}');
    }
    document_close(out, ']');
}

/* Of the request that brought it, if it is forwarded; else what the script set. */
static void write_request(struct document *out, struct slice head)
{
    static const char *const parts[][2] = {
        {"method", ":method"}, {"path", ":path"}, {"query", ":query"}};
    for (size_t i = 0; i < array_count(parts); i++) {
        struct slice value = {0};
        if (!head_find(head, parts[i][1], &value) || value.len == 0)
            continue;
        document_key(out, parts[i][0]);
        document_text(out, value);
    }
}

static void write_message(struct document *out, const struct delivery *delivery, int64_t until_ms)
{
    const struct message *message = delivery->message;
    const struct slice head = content_head(message->content);
    char id[LEASE_ID_BYTES];
    lease_id_format(
        &(struct store_lease_row){.delivery = delivery->id, .number = delivery->attempts + 1}, id);
    document_open(out, '{');
    document_key(out, "id");
    document_str(out, id);
    write_id(out, "messageId", ID_MESSAGE, message->id);
    write_id(out, "eventId", ID_EVENT, id_event_of(message->id));
    document_key(out, "type");
    document_text(out, message->type);
    document_key(out, "attempt");
    document_number(out, delivery->attempts + 1);
    document_key(out, "createdAt");
    document_due(out, delivery->created_ms);
    document_key(out, "leaseUntil");
    document_due(out, until_ms);
    write_request(out, head);
    write_headers(out, head);
    document_bytes(out, "body", content_body(message->content));
    document_close(out, '}');
}

enum status queue_write_messages(const struct lease_take *take, struct document *out)
{
    document_open(out, '{');
    document_key(out, "data");
    document_open(out, '[');
    for (size_t i = 0; i < take->delivery_count; i++)
        write_message(out, take->deliveries[i], take->until_ms);
    document_close(out, ']');
    document_close(out, '}');
    return out->status;
}

enum status queue_write_events(const struct lease_take *take, struct buf *out)
{
    enum status status = OK;
    for (size_t i = 0; status == OK && i < take->delivery_count; i++) {
        struct document message;
        char id[LEASE_ID_BYTES];
        document_init(&message, LIMIT_QUEUE_ANSWER_BYTES);
        write_message(&message, take->deliveries[i], take->until_ms);
        lease_id_format(&(struct store_lease_row){.delivery = take->deliveries[i]->id,
                                                  .number = take->deliveries[i]->attempts + 1},
                        id);
        status = message.status;
        if (status == OK) /* JSON has no line breaks of its own */
            status = buf_printf(out, "id: %s\ndata: ", id);
        if (status == OK)
            status = buf_add_slice(out, buf_slice(&message.buf));
        if (status == OK)
            status = buf_add_str(out, "\n\n");
        document_finish(&message);
    }
    return status;
}
