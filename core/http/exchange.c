/* SPDX-License-Identifier: MIT */
/* One exchange, from the request line to its end, as the library calls us:
 *   exchange_on_target     once the request line is there
 *   exchange_on_access     after the headers; for each piece of body; after the body; and once
 *                          more after a resume
 *   exchange_on_completed  whatever the end was
 * The library takes an answer only after the headers (then it closes) and after the body. */
#include "base/clock.h"
#include "base/crash.h"
#include "base/limits.h"
#include "http/http_int.h"

#include <poll.h>

#define CHUNKED_BODY_BYTES_FIRST 4096

const struct machine_state http_stages[STAGE_COUNT] = {
    [STAGE_NONE] = {"none", MACHINE_BIT(STAGE_HEAD) | MACHINE_BIT(STAGE_ANSWERED)},
    [STAGE_HEAD] = {"head", MACHINE_BIT(STAGE_BODY) | MACHINE_BIT(STAGE_ANSWERED)},
    [STAGE_BODY] = {"body", MACHINE_BIT(STAGE_DROP) | MACHINE_BIT(STAGE_OPEN)},
    [STAGE_DROP] = {"drop", MACHINE_BIT(STAGE_ANSWERED)},
    [STAGE_OPEN] = {"open", MACHINE_BIT(STAGE_ANSWERED)},
    [STAGE_ANSWERED] = {"answered", 0},
};

struct http_connection *exchange_connection(const struct http_request *request)
{
    return container_of(request, struct http_connection, request);
}

static struct http_listener *listener_of(const struct http_request *request)
{
    return exchange_connection(request)->listener;
}

static bool has_body(const struct http_request *request)
{
    return request->extent.is_chunked || request->extent.body_bytes > 0;
}

/* ---- Intake: bytes of open bodies in the whole process ----------------------------------------
 */

static bool charge(struct http_request *request, size_t bytes)
{
    const struct http_options *options = &listener_of(request)->options;
    if (!options->intake_bytes || bytes == 0)
        return true;
    const size_t before = atomic_fetch_add(options->intake_bytes, bytes);
    request->charged_bytes += bytes;
    return bytes <= options->intake_bytes_max && before <= options->intake_bytes_max - bytes;
}

static void uncharge(struct http_request *request)
{
    if (request->charged_bytes > 0)
        atomic_fetch_sub(listener_of(request)->options.intake_bytes, request->charged_bytes);
    request->charged_bytes = 0;
}

/* ---- Answers ----------------------------------------------------------------------------------
 */

/* The slices of the request live until on_over, the listener's buffer only until the next one. */
static void keep_head(struct http_request *request)
{
    if (!request->content)
        request->content = content_create(buf_slice(&listener_of(request)->head), 0);
    if (!request->content)
        request->is_gone = true;
}

/* Our own refusal: in place of the handler's answer. */
static void refuse(struct http_request *request, const struct http_fault *fault)
{
    uncharge(request);
    response_refuse(request, fault);
    machine_move(http_stages, &request->stage, STAGE_ANSWERED);
}

static enum MHD_Result queue(struct http_request *request)
{
    struct http_connection *connection = exchange_connection(request);
    if (request->is_gone || !request->response)
        return MHD_NO;
    connection_enter(connection, PHASE_ANSWER);
    if (request->status / 100 == 2)
        crash_point("before_answer");
    const enum MHD_Result result =
        MHD_queue_response(connection->mhd, (unsigned)request->status, request->response);
    MHD_destroy_response(request->response);
    request->response = NULL;
    return result;
}

void exchange_resume(struct http_request *request)
{
    check(request->is_suspended);
    request->is_suspended = false;
    room_forget(exchange_connection(request));
    MHD_resume_connection(exchange_connection(request)->mhd);
    listener_of(request)->must_run = true;
}

void exchange_refuse_late(struct http_request *request, const struct http_fault *fault)
{
    refuse(request, fault);
    exchange_resume(request);
}

void http_may_wait(struct http_request *request)
{
    request->may_wait = true;
}

void http_stream(struct http_request *request, const struct http_response *response)
{
    check(request->stage == STAGE_OPEN && !request->is_stream);
    request->is_stream = request->may_wait = true;
    request->is_gone = room_stream(exchange_connection(request), response) != OK;
}

enum status http_stream_write(struct http_request *request, struct slice bytes)
{
    check(request->is_stream);
    return room_stream_write(exchange_connection(request), bytes);
}

void http_stream_end(struct http_request *request)
{
    check(request->is_stream);
    room_stream_end(exchange_connection(request));
}

bool http_has_left(const struct http_request *request)
{
    struct pollfd look = {.fd = exchange_connection(request)->fd, .events = POLLRDHUP};
    return poll(&look, 1, 0) > 0 && (look.revents & (POLLRDHUP | POLLHUP | POLLERR));
}

bool http_was_written(const struct http_request *request)
{
    return request->is_written;
}

void http_respond(struct http_request *request, const struct http_response *response)
{
    check(request->stage == STAGE_HEAD || request->stage == STAGE_OPEN);
    if (exchange_connection(request)->is_in_room) {
        machine_move(http_stages, &request->stage, STAGE_ANSWERED);
        room_respond(exchange_connection(request), response);
        return;
    }
    struct http_response final = *response;
    final.close |= request->stage == STAGE_HEAD && has_body(request);
    if (request->stage == STAGE_HEAD)
        keep_head(request);
    response_make(request, &final);
    machine_move(http_stages, &request->stage, STAGE_ANSWERED);
    if (request->is_suspended)
        exchange_resume(request);
}

/* ---- Head -------------------------------------------------------------------------------------
 */

static bool needs_length(struct slice method)
{
    static const char *const methods[] = {"POST", "PUT", "PATCH"};
    for (size_t i = 0; i < array_count(methods); i++)
        if (slice_is(method, methods[i]))
            return true;
    return false;
}

void http_accept(struct http_request *request, size_t body_bytes_max)
{
    check(request->stage == STAGE_HEAD);
    const struct http_extent *extent = &request->extent;
    size_t capacity = (size_t)extent->body_bytes;
    const struct http_fault *fault = NULL;
    if (extent->is_chunked)
        capacity =
            body_bytes_max < CHUNKED_BODY_BYTES_FIRST ? body_bytes_max : CHUNKED_BODY_BYTES_FIRST;
    if (!extent->is_chunked && !extent->has_length && needs_length(http_method(request)))
        fault = &http_fault_length_required;
    else if (extent->body_bytes > body_bytes_max)
        fault = &http_fault_body_too_large;
    else if (!charge(request, (size_t)extent->body_bytes))
        fault = &http_fault_intake_full;
    if (fault) {
        keep_head(request);
        refuse(request, fault);
        return;
    }
    request->body_bytes_max = body_bytes_max;
    request->content = content_create(buf_slice(&listener_of(request)->head), capacity);
    request->is_gone |= !request->content;
    machine_move(http_stages, &request->stage, STAGE_BODY);
}

static enum MHD_Result begin(struct http_request *request, const char *method, const char *version)
{
    struct http_connection *connection = exchange_connection(request);
    struct http_listener *listener = connection->listener;
    const struct http_fault *fault = request_judge(request, method, version);
    if (fault) {
        connection->is_unread = true;
        refuse(request, fault);
        return queue(request);
    }
    crash_point("accepted");
    request->received_ms = clock_now_ms();
    request->is_known = true;
    listener->exchange_count++;
    machine_move(http_stages, &request->stage, STAGE_HEAD);
    listener->options.handler->on_head(request, listener->options.ctx);
    check(request->stage == STAGE_BODY || request->stage == STAGE_ANSWERED);
    if (request->is_gone)
        return MHD_NO;
    if (request->stage == STAGE_BODY && has_body(request))
        connection_enter(connection, PHASE_BODY);
    /* Without a body the library calls again at once, and takes the answer then without closing. */
    if (request->stage == STAGE_BODY || !(has_body(request) || request->extent.expects_continue))
        return MHD_YES;
    connection->is_unread = true;
    return queue(request);
}

/* ---- Body -------------------------------------------------------------------------------------
 */

/* A piece that does not begin where the one before it ended, but behind it, in the same buffer,
 * follows a chunk's line. Chunks that come in a read each are not seen, and cost their sender more
 * than us. */
static void count_chunk(struct http_request *request, const char *data, size_t len)
{
    request->chunk_count += request->chunk_end && data > request->chunk_end;
    request->chunk_end = data + len;
}

static const struct http_fault *add_piece(struct http_request *request, const char *data,
                                          size_t len)
{
    if (request->extent.is_chunked) {
        count_chunk(request, data, len);
        if (request->chunk_count >
            request->received_bytes / LIMIT_CHUNK_BYTES_PER_CHUNK + LIMIT_CHUNKS_FREE)
            return &http_fault_chunks;
        if (request->received_bytes > request->body_bytes_max)
            return &http_fault_body_too_large;
        if (!charge(request, len))
            return &http_fault_intake_full;
    }
    const enum status status =
        content_append(&request->content, data, len, request->body_bytes_max);
    check(status != E_LIMIT);
    request->is_gone |= status != OK;
    return NULL;
}

static enum MHD_Result take_piece(struct http_request *request, const char *data, size_t len)
{
    request->received_bytes += len;
    if (request->stage == STAGE_BODY) {
        request->fault = add_piece(request, data, len);
        if (request->fault) {
            exchange_connection(request)->is_unread = true;
            machine_move(http_stages, &request->stage, STAGE_DROP);
        }
    }
    const bool is_endless =
        request->received_bytes > request->body_bytes_max + LIMIT_BODY_SURPLUS_BYTES;
    return request->is_gone || is_endless ? MHD_NO : MHD_YES;
}

/* The whole request is there, or the exchange was resumed. */
static enum MHD_Result go_on(struct http_request *request)
{
    struct http_connection *connection = exchange_connection(request);
    struct http_listener *listener = connection->listener;
    if (request->stage == STAGE_DROP)
        refuse(request, request->fault);
    if (request->stage == STAGE_BODY && !request->is_gone) {
        machine_move(http_stages, &request->stage, STAGE_OPEN);
        connection_enter(connection, PHASE_HANDLER);
        listener->options.handler->on_request(request, listener->options.ctx);
    }
    if (request->is_gone || request->stage == STAGE_ANSWERED)
        return queue(request);
    MHD_suspend_connection(connection->mhd);
    request->is_suspended = true;
    if (request->may_wait)
        room_await(connection);
    return MHD_YES;
}

/* ---- Callbacks of the library -----------------------------------------------------------------
 */

void *exchange_on_target(void *cls, const char *target, struct MHD_Connection *mhd)
{
    (void)cls;
    struct http_connection *connection =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
    if (!connection)
        return NULL;
    struct http_request *request = &connection->request;
    buf_clear(&request->target);
    request->target_from = target;
    request->is_gone = buf_add_str(&request->target, target) != OK;
    if (connection->phase == PHASE_IDLE)
        connection_enter(connection, PHASE_HEADERS);
    return request;
}

enum MHD_Result exchange_on_access(void *cls, struct MHD_Connection *mhd, const char *url,
                                   const char *method, const char *version, const char *data,
                                   size_t *data_bytes, void **ctx)
{
    (void)cls;
    (void)mhd;
    (void)url;
    struct http_request *request = *ctx;
    if (!request || request->is_gone || exchange_connection(request)->is_in_room)
        return MHD_NO;
    if (request->stage == STAGE_NONE)
        return begin(request, method, version);
    if (*data_bytes == 0)
        return go_on(request);
    const enum MHD_Result result = take_piece(request, data, *data_bytes);
    *data_bytes = 0;
    return result;
}

void exchange_end(struct http_request *request)
{
    struct http_listener *listener = listener_of(request);
    if (request->is_known) {
        listener->options.handler->on_over(request, listener->options.ctx);
        listener->exchange_count--;
    }
    uncharge(request);
    content_unref(request->content);
    if (request->response)
        MHD_destroy_response(request->response);
    *request = (struct http_request){.target = request->target};
}

void exchange_on_completed(void *cls, struct MHD_Connection *mhd, void **ctx,
                           enum MHD_RequestTerminationCode code)
{
    (void)mhd;
    struct http_listener *listener = cls;
    struct http_request *request = *ctx;
    if (!request || exchange_connection(request)->is_in_room)
        return;
    request->is_written = code == MHD_REQUEST_TERMINATED_COMPLETED_OK;
    exchange_end(request);
    struct http_connection *connection = exchange_connection(request);
    connection_enter(connection, PHASE_IDLE);
    if (listener->is_quiet && !connection->is_unread)
        connection_shut(connection); /* answered before the listener became quiet */
}
