/* SPDX-License-Identifier: MIT */
#include "receive/receive_int.h"

#include "base/clock.h"
#include "base/crash.h"
#include "base/limits.h"
#include "base/log.h"
#include "model/hops.h"

#include <stdio.h>
#include <stdlib.h>

#define DEPTH_OUTSIDE 0
#define ID_BODY_BYTES 64
#define NO_MEMORY "out of memory for now; send it again"

/* One request on its way in. Lives until both the exchange is over and the commit is back. */
struct intake {
    enum visit visit;
    struct receiver *receiver;
    struct http_request *request;  /* NULL: the client left */
    struct generation *generation; /* reference that keeps source */
    const struct source_spec *source;
    struct content *content; /* owned until the event has it */
    int64_t received_ms;
    struct admit_answer *answer; /* owned; NULL: the default */
    char *untyped_reason;        /* owned; NULL: it has a type */
    struct event *event;
    struct receive_placement placement;
    bool is_busy; /* verification or the commit is under way: it borrows content, event */
    struct store_ingest ingest;
};

/* ---- Answers
 * -------------------------------------------------------------------------------------- */

static void refuse(struct intake *intake, int status, const char *code, const char *detail)
{
    if (intake->request)
        http_refuse(intake->request, &(struct http_refusal){
                                         .status = status,
                                         .code = code,
                                         .detail = detail,
                                         .retry_after_s = status == 503 ? LIMIT_RETRY_AFTER_S : 0,
                                     });
}

/* What challenge or respond decided. */
static void answer_as_asked(struct intake *intake)
{
    const struct admit_answer *asked = intake->answer;
    struct field headers[LIMIT_HEADERS];
    size_t count = 0;
    for (size_t offset = 0; count < array_count(headers) &&
                            head_next(buf_slice(&asked->head), &offset, &headers[count]);)
        count++;
    /* The content type is one of the headers, if there is one. */
    http_respond(intake->request, &(struct http_response){
                                      .status = asked->status,
                                      .content_type = "",
                                      .body = buf_slice(&asked->body),
                                      .headers = headers,
                                      .header_count = count,
                                  });
}

/* Its sender may have authorized itself by the URL (RFC 6750, 2.3). */
static bool has_token(const struct http_request *request)
{
    struct slice query = http_query(request);
    struct slice name;
    while (http_query_next(&query, &name))
        if (slice_is(name, "access_token"))
            return true;
    return false;
}

static void answer(struct intake *intake, uint64_t event_id, bool is_duplicate)
{
    const struct field not_shared = {slice_str("Cache-Control"), slice_str("private")};
    if (!intake->request)
        return;
    if (intake->answer) {
        answer_as_asked(intake);
        return;
    }
    char id[ID_TEXT_BYTES];
    char body[ID_BODY_BYTES];
    id_format(ID_EVENT, event_id, id);
    const int len = snprintf(body, sizeof body, "{\"id\":\"%s\"%s}", id,
                             is_duplicate ? ",\"duplicate\":true" : "");
    http_respond(intake->request, &(struct http_response){
                                      .status = intake->source->status,
                                      .body = slice_of(body, (size_t)len),
                                      .headers = &not_shared,
                                      .header_count = has_token(intake->request) ? 1 : 0,
                                  });
}

static void free_if_over(struct intake *intake)
{
    if (intake->is_busy || intake->request)
        return;
    content_unref(intake->content);
    admit_answer_free(intake->answer);
    free(intake->untyped_reason);
    generation_unref(intake->generation);
    intake->receiver->intake_count--;
    free(intake);
}

static void refuse_method(struct intake *intake)
{
    if (intake->request)
        http_refuse(intake->request,
                    &(struct http_refusal){.status = 405,
                                           .code = "method_not_allowed",
                                           .detail = "this source does not take this method",
                                           .allow = intake->source->methods});
}

/* ---- Commit
 * --------------------------------------------------------------------------------------- */

static void on_ingested(struct store_op *op)
{
    struct intake *intake = op->ctx;
    const struct store_ingest *ingest = &intake->ingest;
    const struct receive_options *options = &intake->receiver->options;
    const bool is_stored = op->status == OK && !ingest->is_duplicate;
    const uint64_t id = ingest->is_duplicate ? ingest->duplicate_of : intake->event->id;
    if (op->status == OK)
        answer(intake, id, ingest->is_duplicate);
    else
        refuse(intake, 503, "not_stored", "the event could not be stored; send it again");
    if (ingest->is_finished)
        event_unref(intake->event);
    else
        options->hooks->placed(options->ctx, intake->placement, intake->event, is_stored);
    intake->event = NULL;
    intake->is_busy = false;
    free_if_over(intake);
}

static void submit(struct intake *intake)
{
    const struct receive_options *options = &intake->receiver->options;
    const struct event *event = intake->event;
    const struct registry *registry = generation_registry(intake->generation);
    const bool is_finished = intake->untyped_reason ||
                             registry_match(registry, event->source, event->type, NULL, 0) == 0;
    intake->placement = is_finished
                            ? (struct receive_placement){.shard = (uint8_t)event->received_ms}
                            : options->hooks->place(options->ctx);
    intake->event->id = store_next_event_id(options->store, intake->placement.shard);
    intake->ingest = (struct store_ingest){
        .op = {.kind = STORE_INGEST, .on_done = on_ingested, .ctx = intake},
        .event = intake->event,
        .key_window_ms = intake->source->key_window_ms,
        .is_finished = is_finished,
        .dead_reason = intake->untyped_reason,
    };
    if (!is_finished)
        script_plan(options->hooks->script(options->ctx), intake->event);
    crash_point("verified");
    if (store_submit(options->store, options->client, &intake->ingest.op) == OK)
        return;
    if (is_finished)
        event_unref(intake->event);
    else
        options->hooks->placed(options->ctx, intake->placement, intake->event, false);
    intake->event = NULL;
    intake->is_busy = false;
    refuse(intake, 503, "busy", "the store takes no more events for now; send it again");
}

/* ---- Verification
 * --------------------------------------------------------------------------------- */

static bool make_event(struct intake *intake, const struct admission *admission)
{
    const struct source_spec *source = intake->source;
    content_hide(intake->content, source->hidden_headers, source->hidden_header_count);
    intake->content->is_sealed = source->seals_body;
    const bool is_untyped = admission->outcome == ADMIT_UNTYPED;
    intake->event = event_create(&(struct event_options){
        .source = slice_str(source->name),
        .type = is_untyped ? slice_str(EVENT_UNTYPED) : admission->type,
        .key = is_untyped ? slice_str("") : admission->key,
        .content = intake->content,
        .depth = DEPTH_OUTSIDE,
        .trace = trace_of_head(content_head(intake->content)),
        .received_ms = intake->received_ms,
    });
    if (intake->event)
        intake->content = NULL;
    return intake->event != NULL;
}

static void on_admitted(const struct admission *admission, void *ctx)
{
    struct intake *intake = ctx;
    const char *reason = admission->reason ? admission->reason : "";
    intake->answer = admission->answer;
    switch (admission->outcome) {
    case ADMIT_OK:
        break;
    case ADMIT_ANSWERED:
        if (admission->asked && intake->request)
            news_asked(intake->receiver, intake->source, admission->asked);
        if (intake->request)
            answer_as_asked(intake);
        break;
    case ADMIT_METHOD:
        refuse_method(intake);
        break;
    case ADMIT_UNTYPED:
        log_error("type of an event unknown", "source=%s error=\"%.400s\"", intake->source->name,
                  reason);
        intake->untyped_reason = must_copy(reason, strnlen(reason, LIMIT_TRACEBACK_BYTES));
        break;
    case ADMIT_UNVERIFIED:
        if (intake->request)
            news_unverified(intake->receiver, intake->source, reason, http_remote(intake->request));
        refuse(intake, 401, "unverified", "the signature is missing or wrong");
        break;
    case ADMIT_MALFORMED:
        refuse(intake, intake->source->malformed_status, "malformed_json",
               "the body is not the JSON that this source expects");
        break;
    case ADMIT_TOO_LARGE:
        refuse(intake, 413, "too_large", "the body says more than this source takes");
        break;
    case ADMIT_ERROR:
        log_error("hook of a source failed", "source=%s error=\"%.400s\"", intake->source->name,
                  reason);
        refuse(intake, 500, "script_error", "a hook of this source failed");
        break;
    }
    const bool is_in = admission->outcome == ADMIT_OK || admission->outcome == ADMIT_UNTYPED;
    intake->is_busy = false;
    if (is_in && intake->request) {
        intake->is_busy = make_event(intake, admission);
        if (intake->is_busy)
            submit(intake);
        else
            refuse(intake, 503, "no_memory", NO_MEMORY);
    }
    free_if_over(intake);
}

/* ---- The exchange
 * ----------------------------------------------------------------------------------- */

static bool allows(const struct source_spec *source, struct slice method)
{
    const char *place = source->methods;
    while (*place) {
        const size_t len = strcspn(place, ", ");
        if (len > 0 && slice_equal(slice_of(place, len), method))
            return true;
        place += len + strspn(place + len, ", ");
    }
    return false;
}

/* Whether some hook of it may answer. */
static bool hears(const struct source_spec *source, struct slice method)
{
    return allows(source, method) || source->challenge_function != 0 ||
           (source->handshake && slice_is(method, "OPTIONS"));
}

/* A chain of servers that send to each other ends here. */
static bool is_loop(const struct http_request *request)
{
    struct slice value;
    return http_header(request, HOPS_HEADER, &value) && hops_parse(value) > LIMIT_HOPS;
}

static void on_head(struct http_request *request, void *ctx)
{
    struct receiver *receiver = ctx;
    const struct receive_options *options = &receiver->options;
    struct script *script = options->hooks->script(options->ctx);
    const struct source_spec *source =
        registry_source_by_path(script_registry(script), http_path(request));
    if (!source) {
        if (!queue_on_head(receiver, request) && !grant_on_head(receiver, request))
            http_refuse(request,
                        &(struct http_refusal){.status = 404,
                                               .code = "unknown_source",
                                               .detail = "no source is registered for this path"});
        return;
    }
    if (!hears(source, http_method(request))) {
        http_refuse(request,
                    &(struct http_refusal){.status = 405,
                                           .code = "method_not_allowed",
                                           .detail = "this source does not take this method",
                                           .allow = source->methods});
        return;
    }
    if (is_loop(request)) {
        http_refuse(request,
                    &(struct http_refusal){.status = 508,
                                           .code = "loop",
                                           .detail = "the webhook was passed on too often"});
        return;
    }
    http_find_client(request, options->proxies, options->proxy_count);
    if (!client_admit(request, source, options->shared))
        return;
    struct intake *intake = calloc(1, sizeof *intake);
    if (!intake) {
        http_refuse(request, &(struct http_refusal){.status = 503,
                                                    .code = "no_memory",
                                                    .detail = NO_MEMORY,
                                                    .retry_after_s = LIMIT_RETRY_AFTER_S});
        return;
    }
    *intake = (struct intake){.visit = VISIT_INTAKE,
                              .receiver = receiver,
                              .request = request,
                              .generation = generation_ref(script_generation(script)),
                              .source = source};
    receiver->intake_count++;
    http_set_data(request, intake);
    http_accept(request, source->body_bytes_max);
}

static void on_request(struct http_request *request, void *ctx)
{
    struct receiver *receiver = ctx;
    struct intake *intake = http_data(request);
    if (intake->visit == VISIT_PULL) {
        queue_on_request(request);
        return;
    }
    if (intake->visit == VISIT_GRANT) {
        grant_on_request(request);
        return;
    }
    struct script *script = receiver->options.hooks->script(receiver->options.ctx);
    if (script_generation(script) != intake->generation) {
        /* The scripts were reloaded while the body came: the new rules count. */
        const struct source_spec *source =
            registry_source_by_path(script_registry(script), http_path(request));
        if (!source) {
            refuse(intake, 404, "unknown_source", "no source is registered for this path");
            return;
        }
        generation_unref(intake->generation);
        intake->generation = generation_ref(script_generation(script));
        intake->source = source;
    }
    intake->content = http_take_content(request);
    if (!intake->content) {
        refuse(intake, 503, "no_memory", NO_MEMORY);
        return;
    }
    intake->received_ms = http_received_ms(request);
    intake->is_busy = true;
    const struct admit_request admit = {
        .source = intake->source,
        .head = content_head(intake->content),
        .body = content_body(intake->content),
        .received_ms = intake->received_ms,
        .is_method_listed = allows(intake->source, http_method(request)),
    };
    script_admit(script, &admit, on_admitted, intake);
}

static void on_over(struct http_request *request, void *ctx)
{
    (void)ctx;
    struct intake *intake = http_data(request);
    if (!intake)
        return;
    if (intake->visit == VISIT_PULL) {
        queue_on_over(request);
        return;
    }
    if (intake->visit == VISIT_GRANT) {
        grant_on_over(request);
        return;
    }
    intake->request = NULL;
    free_if_over(intake);
}

static void on_drained(struct http_request *request, void *ctx)
{
    (void)ctx;
    queue_on_drained(request);
}

static const struct http_handler handler = {
    .on_drained = on_drained,
    .on_head = on_head,
    .on_request = on_request,
    .on_over = on_over,
};

/* ---- Life cycle
 * ---------------------------------------------------------------------------------------- */

enum status receiver_open(const struct receive_options *options, struct receiver **receiver,
                          struct err *err)
{
    struct receiver *it = must_alloc(sizeof *it);
    it->options = *options;
    const enum status status = http_listener_open(
        &(struct http_options){
            .loop = options->loop,
            .fd = options->fd,
            .handler = &handler,
            .ctx = it,
            .connection_count_max = LIMIT_CONNECTIONS + LIMIT_QUEUE_RECEIVERS,
            .connection_count_max_per_address = LIMIT_CONNECTIONS_PER_ADDRESS,
            .intake_bytes = options->intake_bytes,
            .intake_bytes_max = options->intake_bytes_max,
        },
        &it->listener, err);
    if (status != OK) {
        free(it);
        return status;
    }
    *receiver = it;
    return OK;
}

void receiver_quiesce(struct receiver *receiver)
{
    http_listener_quiesce(receiver->listener);
}

bool receiver_is_quiet(const struct receiver *receiver)
{
    return receiver->intake_count == 0 && receiver->news_count == 0 && receiver->pull_count == 0 &&
           receiver->grant_count == 0 && http_listener_open_count(receiver->listener) == 0;
}

static void on_closed(void *ctx)
{
    free(ctx);
}

void receiver_close(struct receiver *receiver)
{
    http_listener_close(receiver->listener, on_closed, receiver);
}
