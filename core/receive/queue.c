/* SPDX-License-Identifier: MIT */
/* Requests at queues: a receiver asks for messages and waits suspended, or ends leases. Each is an
 * errand to the worker that owns the endpoint. What a receiver was given but cannot be told any
 * more goes back at once. */
#include "receive/receive_int.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>

enum pull_verb { PULL_TAKE, PULL_ACK, PULL_NACK, PULL_EXTEND, PULL_VERB_COUNT };

static const struct {
    const char *method;
    const char *path; /* below the queue's own */
    enum lease_end_verb verb;
} verbs[PULL_VERB_COUNT] = {
    [PULL_TAKE] = {"GET", "", LEASE_END_RETURN},
    [PULL_ACK] = {"POST", "/ack", LEASE_END_ACK},
    [PULL_NACK] = {"POST", "/nack", LEASE_END_NACK},
    [PULL_EXTEND] = {"POST", "/extend", LEASE_END_EXTEND},
};

/* One request. Lives until the exchange is over and all its errands are home. */
struct pull {
    enum visit visit;
    struct receiver *receiver;
    struct http_request *request;  /* NULL: the client left, or was answered */
    struct generation *generation; /* reference that keeps spec */
    const struct endpoint_spec *spec;
    enum pull_verb verb;
    unsigned errands; /* out */
    bool is_open;     /* not answered */
    bool is_taking;   /* take is out */
    bool is_stream;   /* of server-sent events: takes again and again */
    bool is_told;     /* answered with messages: end is what goes back if that is not written */
    struct queue_query query; /* of a take */
    struct lease_take take;
    struct lease_stream stream; /* if it is one */
    struct lease_end end;       /* of the verb; of a take its messages, to go back */
    struct buf invalid;         /* JSON: what was said in ids and is none */
    size_t told_bytes;          /* of the answer, or what a stream was given and has not written */
};

static void free_if_over(struct pull *pull)
{
    if (pull->errands > 0 || pull->request)
        return;
    lease_take_finish(&pull->take);
    free(pull->end.rows);
    free(pull->end.reason);
    buf_finish(&pull->invalid);
    generation_unref(pull->generation);
    pull->receiver->pull_count--;
    free(pull);
}

/* ---- Answers ---- */

static void refuse(struct pull *pull, int status, const char *code, const char *detail)
{
    if (pull->request && pull->is_open)
        http_refuse(pull->request, &(struct http_refusal){
                                       .status = status,
                                       .code = code,
                                       .detail = detail,
                                       .retry_after_s = status == 503 ? LIMIT_RETRY_AFTER_S : 0,
                                   });
    pull->is_open = false;
}

static void refuse_status(struct pull *pull, enum status status)
{
    refuse(pull, 503, status == E_BUSY ? "busy" : "not_stored",
           "nothing was changed, or not all of it; ask again");
}

/* What was asked for and is more than the queue has is answered with what it has. */
struct cut {
    struct field headers[3];
    size_t header_count;
    char wait[TEXT_DURATION_BYTES], limit[TEXT_DURATION_BYTES];
};

static void add_header(struct cut *cut, const char *name, const char *value)
{
    cut->headers[cut->header_count++] = (struct field){slice_str(name), slice_str(value)};
}

static void tell_cut(const struct queue_query *query, struct cut *cut)
{
    cut->header_count = 0;
    text_format_duration(query->wait_ms, cut->wait);
    (void)snprintf(cut->limit, sizeof cut->limit, "%zu", query->limit);
    if (query->is_wait_cut)
        add_header(cut, "Anzol-Wait", cut->wait);
    if (query->is_limit_cut)
        add_header(cut, "Anzol-Limit", cut->limit);
}

static void count_told(struct pull *pull, size_t bytes)
{
    pull->receiver->told_bytes += bytes - pull->told_bytes;
    pull->told_bytes = bytes;
}

/* Receivers that read slowly hold what they were told. */
static bool has_room(const struct pull *pull, size_t bytes)
{
    const size_t told_bytes = pull->receiver->told_bytes;
    return told_bytes == 0 || told_bytes + bytes <= LIMIT_QUEUE_TOLD_BYTES;
}

static void respond(struct pull *pull, int status, struct slice body)
{
    count_told(pull, body.len);
    struct cut cut;
    tell_cut(&pull->query, &cut);
    http_respond(pull->request, &(struct http_response){.status = status,
                                                        .body = body,
                                                        .headers = cut.headers,
                                                        .header_count = cut.header_count});
    pull->is_open = false;
}

/* ---- Messages ---- */

static struct lease_errand errand_of(struct pull *pull,
                                     void (*run)(struct sender *, struct lease_errand *),
                                     void (*on_done)(struct lease_errand *))
{
    return (struct lease_errand){
        .endpoint = pull->spec->id, .run = run, .on_done = on_done, .ctx = pull};
}

static void on_returned(struct lease_errand *errand)
{
    struct pull *pull = errand->ctx;
    pull->errands--;
    free_if_over(pull);
}

/* As if they had not been given. */
static void give_back(struct pull *pull)
{
    const struct receive_options *options = &pull->receiver->options;
    pull->errands++;
    options->hooks->errand(options->ctx, &pull->end.errand);
}

static void prepare_return(struct pull *pull)
{
    const struct lease_take *take = &pull->take;
    pull->end = (struct lease_end){
        .errand = errand_of(pull, lease_end, on_returned),
        .verb = LEASE_END_RETURN,
        .rows = must_alloc(take->delivery_count * sizeof *pull->end.rows),
        .row_count = take->delivery_count,
    };
    for (size_t i = 0; i < take->delivery_count; i++)
        pull->end.rows[i] = (struct store_lease_row){.delivery = take->deliveries[i]->id,
                                                     .number = take->deliveries[i]->attempts + 1};
}

static void tell_messages(struct pull *pull)
{
    struct document out;
    document_init(&out, LIMIT_QUEUE_ANSWER_BYTES);
    const enum status status = queue_write_messages(&pull->take, &out);
    pull->is_told = status == OK && has_room(pull, out.buf.len);
    if (pull->is_told)
        respond(pull, 200, buf_slice(&out.buf));
    else if (status == OK)
        refuse(pull, 503, "busy", "other receivers have not read their messages yet; ask again");
    else
        refuse(pull, 503, "no_memory", "the messages could not be told; ask again");
    document_finish(&out);
}

/* Without messages a comment, so that a client that is gone is noticed. */
static void stream_taken(struct pull *pull)
{
    static const char comment[] = ":\n\n";
    struct buf out;
    buf_init(&out, LIMIT_QUEUE_ANSWER_BYTES);
    enum status status = pull->take.delivery_count > 0 ? queue_write_events(&pull->take, &out)
                                                       : buf_add_str(&out, comment);
    if (status == OK && !has_room(pull, out.len))
        status = E_BUSY;
    if (status == OK) {
        count_told(pull, out.len);
        status = http_stream_write(pull->request, buf_slice(&out));
    }
    pull->is_told = status == OK && pull->take.delivery_count > 0;
    if (pull->take.delivery_count > 0 && !pull->is_told)
        give_back(pull);
    if (status != OK)
        http_stream_end(pull->request);
    buf_finish(&out);
    lease_take_finish(&pull->take);
}

static void on_taken(struct lease_errand *errand)
{
    struct pull *pull = errand->ctx;
    if (pull->is_stream && pull->request) {
        pull->is_taking = false;
        pull->receiver->taking_count--;
        pull->errands--;
        if (pull->take.delivery_count > 0)
            prepare_return(pull);
        if (errand->status == OK)
            stream_taken(pull);
        else
            http_stream_end(pull->request);
        return;
    }
    const bool is_there = pull->request && pull->is_open;
    pull->is_taking = false;
    pull->receiver->taking_count--;
    pull->errands--;
    if (pull->take.delivery_count > 0) {
        prepare_return(pull);
        if (is_there && !http_has_left(pull->request))
            tell_messages(pull);
        if (!pull->is_told)
            give_back(pull);
        lease_take_finish(&pull->take);
    } else if (is_there && errand->status != OK && errand->status != E_CANCELLED) {
        refuse_status(pull, errand->status);
    } else if (is_there) {
        respond(pull, 204, slice_str(""));
    }
    free_if_over(pull);
}

static void take_once(struct pull *pull)
{
    const struct receive_options *options = &pull->receiver->options;
    int64_t wait_ms = pull->query.wait_ms;
    if (pull->is_stream && wait_ms < LIMIT_QUEUE_STREAM_WAIT_MS_MIN)
        wait_ms = LIMIT_QUEUE_STREAM_WAIT_MS_MIN; /* else it would write comments all the time */
    pull->take = (struct lease_take){.errand = errand_of(pull, lease_take, on_taken),
                                     .stream = pull->is_stream ? &pull->stream : NULL,
                                     .count_max = pull->query.limit,
                                     .wait_ms = wait_ms};
    pull->is_taking = true;
    pull->receiver->taking_count++;
    pull->errands++;
    options->hooks->errand(options->ctx, &pull->take.errand);
}

static void take_again(struct pull *pull)
{
    const struct receive_options *options = &pull->receiver->options;
    if (script_generation(options->hooks->script(options->ctx)) != pull->generation) {
        http_stream_end(
            pull->request); /* it comes again, and is asked who it is by the new rules */
        return;
    }
    free(pull->end.rows);
    pull->end.rows = NULL;
    pull->is_told = false;
    take_once(pull);
}

void queue_on_drained(struct http_request *request)
{
    struct pull *pull = http_data(request);
    count_told(pull, 0);
    if (!pull->is_taking)
        take_again(pull);
}

/* Accept: text/event-stream, as browsers and their like ask. */
static void stream(struct pull *pull)
{
    struct cut cut;
    tell_cut(&pull->query, &cut);
    add_header(&cut, "Cache-Control", "no-store");
    pull->is_stream = true;
    pull->stream.limit = pull->query.limit;
    pull->is_open = false;
    http_stream(pull->request, &(struct http_response){.status = 200,
                                                       .content_type = "text/event-stream",
                                                       .headers = cut.headers,
                                                       .header_count = cut.header_count});
}

static bool wants_stream(const struct http_request *request)
{
    struct slice accept;
    return http_header(request, "accept", &accept) &&
           slice_contains_nocase(accept, "text/event-stream");
}

static void take(struct pull *pull)
{
    struct err err;
    if (pull->receiver->taking_count >= LIMIT_QUEUE_RECEIVERS) {
        refuse(pull, 503, "too_many_receivers",
               "too many receivers wait at queues; ask again later");
        return;
    }
    if (queue_read_query(http_query(pull->request), pull->spec->queue, &pull->query, &err) != OK) {
        refuse(pull, 400, "bad_query", err.text);
        return;
    }
    if (wants_stream(pull->request)) {
        stream(pull);
        return;
    }
    http_may_wait(pull->request);
    take_once(pull);
}

/* ---- Ends of leases ---- */

static enum status write_ended(const struct pull *pull, struct document *out)
{
    const struct lease_end *end = &pull->end;
    size_t done = 0;
    for (size_t i = 0; i < end->row_count; i++)
        done += end->rows[i].is_done;
    document_open(out, '{');
    document_key(out, "done");
    document_number(out, (int64_t)done);
    document_key(out, "lost");
    document_open(out, '[');
    for (size_t i = 0; i < end->row_count; i++) {
        char id[LEASE_ID_BYTES];
        if (end->rows[i].is_done)
            continue;
        lease_id_format(&end->rows[i], id);
        document_str(out, id);
    }
    document_close(out, ']');
    if (pull->invalid.len > 0) {
        document_key(out, "invalid");
        document_open(out, '[');
        document_json(out, buf_slice(&pull->invalid));
        document_close(out, ']');
    }
    document_close(out, '}');
    return out->status;
}

static void on_ended(struct lease_errand *errand)
{
    struct pull *pull = errand->ctx;
    struct document out;
    document_init(&out, LIMIT_QUEUE_ANSWER_BYTES);
    pull->errands--;
    if (errand->status != OK)
        refuse_status(pull, errand->status);
    else if (write_ended(pull, &out) != OK)
        refuse_status(pull, E_NOMEM);
    else if (pull->request && pull->is_open)
        respond(pull, 200, buf_slice(&out.buf));
    document_finish(&out);
    free_if_over(pull);
}

static void end_leases(struct pull *pull)
{
    const struct receive_options *options = &pull->receiver->options;
    struct err err;
    pull->end.verb = verbs[pull->verb].verb;
    buf_init(&pull->invalid, LIMIT_QUEUE_ANSWER_BYTES);
    const enum status status = queue_read_ids(http_body(pull->request), pull->spec->queue,
                                              &pull->end, &pull->invalid, &err);
    if (status == E_NOMEM) {
        refuse_status(pull, status);
        return;
    }
    if (status != OK) {
        refuse(pull, 400, "bad_body", err.text);
        return;
    }
    pull->end.errand = errand_of(pull, lease_end, on_ended);
    pull->errands++;
    options->hooks->errand(options->ctx, &pull->end.errand);
}

/* ---- The exchange ---- */

static bool find_verb(const struct http_request *request, struct slice rest, enum pull_verb *verb,
                      const char **allow)
{
    *allow = NULL;
    for (enum pull_verb i = 0; i < PULL_VERB_COUNT; i++) {
        if (!slice_is(rest, verbs[i].path))
            continue;
        *verb = i;
        *allow = verbs[i].method;
        return slice_is(http_method(request), verbs[i].method);
    }
    return false;
}

static void refuse_path(struct http_request *request, const char *allow)
{
    http_refuse(request,
                &(struct http_refusal){
                    .status = allow ? 405 : 404,
                    .code = allow ? "method_not_allowed" : "unknown_path",
                    .detail = allow ? "this path of a queue does not take this method"
                                    : "a queue has its own path, and /ack, /nack, /extend below it",
                    .allow = allow,
                });
}

bool queue_on_head(struct receiver *receiver, struct http_request *request)
{
    struct script *script = receiver->options.hooks->script(receiver->options.ctx);
    struct slice rest;
    enum pull_verb verb;
    const char *allow;
    const struct endpoint_spec *spec =
        registry_queue_by_path(script_registry(script), http_path(request), &rest);
    if (!spec)
        return false;
    if (!find_verb(request, rest, &verb, &allow)) {
        refuse_path(request, allow);
        return true;
    }
    struct pull *pull = must_alloc(sizeof *pull);
    *pull = (struct pull){.visit = VISIT_PULL,
                          .receiver = receiver,
                          .request = request,
                          .generation = generation_ref(script_generation(script)),
                          .spec = spec,
                          .verb = verb,
                          .is_open = true};
    receiver->pull_count++;
    http_set_data(request, pull);
    http_accept(request, verb == PULL_TAKE ? 0 : LIMIT_QUEUE_BODY_BYTES);
    return true;
}

void queue_on_request(struct http_request *request)
{
    struct pull *pull = http_data(request);
    struct err err;
    const struct verify_input input = {
        .head = http_head(request),
        .body = http_body(request),
        .now_ms = clock_now_ms(),
        .method = http_method(request),
        .url = slice_str(""),
    };
    if (!verifier_check(pull->spec->queue->verifier, &input, &err)) {
        log_debug("receiver refused", "endpoint=%s reason=\"%s\"", pull->spec->name, err.text);
        refuse(pull, 401, "unauthorized", "the credentials for this queue are missing or wrong");
    } else if (pull->verb == PULL_TAKE) {
        take(pull);
    } else {
        end_leases(pull);
    }
}

static void on_left(struct lease_errand *errand)
{
    struct pull *pull = errand->ctx;
    pull->errands--;
    free_if_over(pull);
}

void queue_on_over(struct http_request *request)
{
    struct pull *pull = http_data(request);
    const struct receive_options *options = &pull->receiver->options;
    pull->request = NULL;
    count_told(pull, 0);
    if (pull->is_told && !http_was_written(request))
        give_back(pull);
    if (pull->is_taking) {
        pull->take.leaving = errand_of(pull, lease_leave, on_left);
        pull->errands++;
        options->hooks->errand(options->ctx, &pull->take.leaving);
    }
    if (pull->is_stream) {
        pull->stream.ending = errand_of(pull, lease_stream_end, on_left);
        pull->errands++;
        options->hooks->errand(options->ctx, &pull->stream.ending);
    }
    free_if_over(pull);
}
