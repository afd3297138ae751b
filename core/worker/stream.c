/* SPDX-License-Identifier: MIT */
/* The stream of server-sent events that a routine of anzol.sse is about: a connection that stays,
 * and the messages that came and are not done with. It goes on behind the last message whose run
 * committed: what was not done with comes again. All on the worker's thread. */
#include "worker/worker_int.h"

#include "base/clock.h"
#include "base/head.h"
#include "base/limits.h"

#include <stdio.h>
#include <stdlib.h>

#define HTTP_OK 200
#define RETRY_MS 3000 /* until it is opened again, unless it says so itself */
#define FOR_EVER_MS (INT64_C(365) * 86400000)

struct stream {
    struct worker *worker;
    const struct routine_spec *spec;
    struct generation *generation; /* reference that keeps spec */
    stream_cb on_change;
    void *ctx;
    struct exchange *exchange; /* NULL: not connected */
    struct sse_parser parser;
    struct timer silence;
    struct queue messages;
    size_t bytes;
    struct buf head;
    bool is_paused;                /* too much came: the rest waits in the connection */
    int refused;                   /* the status of an answer that is no stream; 0: it is one */
    bool is_open;                  /* a piece of it came */
    struct stream_problem problem; /* text empty: it did not end, or as it may */
    int64_t retry_ms;
    int64_t ended_ms; /* monotonic; 0: it was never connected */
};

static void drop(struct stream *it, struct waiting_message *message)
{
    queue_remove(&it->messages, &message->node);
    it->bytes -= message->bytes;
    free(message);
}

static char *put(char **place, struct slice text)
{
    char *start = *place;
    if (text.len > 0)
        memcpy(start, text.data, text.len);
    start[text.len] = '\0';
    *place += text.len + 1;
    return start;
}

static void on_message(const struct sse_message *message, void *ctx)
{
    struct stream *it = ctx;
    const size_t bytes = message->id.len + message->type.len + message->data.len + 3;
    struct waiting_message *kept = must_alloc(sizeof *kept + bytes);
    char *place = kept->text;
    kept->message = (struct sse_message){
        .id = slice_of(put(&place, message->id), message->id.len),
        .type = slice_of(put(&place, message->type), message->type.len),
        .data = slice_of(put(&place, message->data), message->data.len),
    };
    kept->bytes = sizeof *kept + bytes;
    it->bytes += kept->bytes;
    queue_push(&it->messages, &kept->node);
}

static void close_connection(struct stream *it)
{
    timers_stop(&it->worker->timers, &it->silence);
    if (!it->exchange)
        return;
    it->exchange = NULL;
    it->is_open = false;
    it->ended_ms = clock_mono_ms();
    sse_close(&it->parser);
}

static void await_more(struct stream *it)
{
    timers_stop(&it->worker->timers, &it->silence);
    timers_start(&it->worker->timers, &it->silence, it->spec->silence_ms);
}

static void on_silence(struct timer *timer)
{
    struct stream *it = container_of(timer, struct stream, silence);
    struct exchange *exchange = it->exchange;
    close_connection(it);
    exchanges_cancel(it->worker->streams, exchange);
    it->on_change(it->ctx);
}

static bool is_stream(int status, struct slice head)
{
    static const char type[] = "text/event-stream";
    struct slice value;
    return status == HTTP_OK && head_find(head, "content-type", &value) &&
           value.len >= sizeof type - 1 &&
           slice_equal_nocase(slice_of(value.data, sizeof type - 1), slice_str(type));
}

/* retry_after_ms: -1 if it was not said. */
static void refuse(struct stream *it, int status, int64_t retry_after_ms)
{
    it->refused = status;
    it->problem.retry_after_ms = retry_after_ms > 0 ? retry_after_ms : 0;
}

/* In curl's callback: nothing here may end the exchange. */
static enum piece_verdict on_piece(const struct exchange_piece *piece, void *ctx)
{
    struct stream *it = ctx;
    if (!is_stream(piece->status, piece->head)) {
        refuse(it, piece->status, answer_retry_after_ms(piece->head));
        return PIECE_END;
    }
    if (it->bytes >= LIMIT_SSE_WAITING_BYTES) {
        it->is_paused = true;
        return PIECE_PAUSE;
    }
    await_more(it);
    if (sse_feed(&it->parser, piece->bytes) != OK) {
        (void)snprintf(it->problem.text, sizeof it->problem.text,
                       "a message is larger than %d bytes", LIMIT_SSE_BYTES);
        return PIECE_END;
    }
    if (it->parser.retry_ms > 0)
        it->retry_ms = it->parser.retry_ms;
    it->is_open = true;
    it->on_change(it->ctx);
    return PIECE_TAKEN;
}

static void on_end(const struct exchange_answer *answer, void *ctx)
{
    struct stream *it = ctx;
    struct stream_problem *problem = &it->problem;
    const bool has_problem = problem->text[0] != '\0';
    if (answer->error[0] == '\0' && !is_stream(answer->status, answer->head))
        refuse(it, answer->status, answer->retry_after_ms);
    if (it->refused != 0)
        (void)snprintf(problem->text, sizeof problem->text,
                       "%s answered %d, which is no stream of events (text/event-stream)",
                       answer->host, it->refused);
    else if (!has_problem && answer->error[0] != '\0' && strcmp(answer->error, "reset") != 0)
        (void)snprintf(problem->text, sizeof problem->text, "%s: %s %s", answer->error,
                       answer->host, answer->detail);
    close_connection(it);
    it->on_change(it->ctx);
}

struct stream *stream_create(struct worker *worker, const struct routine_spec *spec,
                             stream_cb on_change, void *ctx)
{
    struct stream *it = must_alloc(sizeof *it);
    it->worker = worker;
    it->spec = spec;
    it->generation = generation_ref(worker->generation);
    it->on_change = on_change;
    it->ctx = ctx;
    it->silence.on_time = on_silence;
    queue_init(&it->messages);
    buf_init(&it->head, LIMIT_HEADERS_BYTES);
    return it;
}

void stream_destroy(struct stream *stream)
{
    if (!stream)
        return;
    struct exchange *exchange = stream->exchange;
    close_connection(stream);
    if (exchange)
        exchanges_cancel(stream->worker->streams, exchange);
    struct node *node;
    while ((node = queue_pop(&stream->messages)))
        free(container_of(node, struct waiting_message, node));
    generation_unref(stream->generation);
    buf_finish(&stream->head);
    free(stream);
}

static enum status write_head(struct stream *it, const char *id)
{
    buf_clear(&it->head);
    enum status status = buf_add_slice(&it->head, it->spec->head);
    if (status == OK && head_count(it->spec->head, "accept") == 0)
        status = head_add(&it->head, slice_str("Accept"), slice_str("text/event-stream"));
    if (status == OK)
        status = head_add(&it->head, slice_str("Cache-Control"), slice_str("no-cache"));
    if (status == OK && id && id[0] != '\0')
        status = head_add(&it->head, slice_str("Last-Event-ID"), slice_str(id));
    return status;
}

enum status stream_connect(struct stream *stream, const char *id, struct err *err)
{
    const struct exchange_request request = {
        .url = stream->spec->url,
        .method = slice_str("GET"),
        .timeout_ms = FOR_EVER_MS,
        .body_bytes_max = 1,
        .allow_private = stream->spec->allow_private,
        .on_piece = on_piece,
    };
    struct exchange_request whole = request;
    check(!stream->exchange);
    stream->is_paused = false;
    stream->refused = 0;
    stream->problem = (struct stream_problem){0};
    enum status status = write_head(stream, id);
    whole.head = buf_slice(&stream->head);
    if (status != OK)
        return err_set(err, status, "the headers are too large");
    status =
        exchanges_start(stream->worker->streams, &whole, on_end, stream, &stream->exchange, err);
    if (status != OK) {
        stream->exchange = NULL;
        return status;
    }
    sse_open(&stream->parser, slice_str(id ? id : ""), on_message, stream);
    await_more(stream);
    return OK;
}

bool stream_is_connected(const struct stream *stream)
{
    return stream->exchange != NULL;
}

bool stream_is_open(const struct stream *stream)
{
    return stream->is_open;
}

bool stream_is_of(const struct stream *stream, const struct routine_spec *spec)
{
    const struct routine_spec *own = stream->spec;
    return strcmp(own->url, spec->url) == 0 && slice_equal(own->head, spec->head) &&
           own->allow_private == spec->allow_private && own->silence_ms == spec->silence_ms;
}

int64_t stream_rest_ms(const struct stream *stream)
{
    if (stream->ended_ms == 0)
        return 0;
    const int64_t retry_ms = stream->retry_ms > 0 ? stream->retry_ms : RETRY_MS;
    const int64_t rest_ms = stream->ended_ms + retry_ms - clock_mono_ms();
    return rest_ms > 0 ? rest_ms : 0;
}

bool stream_take_problem(struct stream *stream, struct stream_problem *problem)
{
    *problem = stream->problem;
    stream->problem = (struct stream_problem){0};
    return problem->text[0] != '\0';
}

const struct sse_message *stream_first(const struct stream *stream)
{
    const struct node *node = queue_first(&stream->messages);
    return node ? &container_of(node, struct waiting_message, node)->message : NULL;
}

void stream_drop_first(struct stream *stream)
{
    struct node *node = queue_first(&stream->messages);
    check(node != NULL);
    drop(stream, container_of(node, struct waiting_message, node));
    if (!stream->is_paused || stream->bytes > LIMIT_SSE_WAITING_BYTES / 2 || !stream->exchange)
        return;
    stream->is_paused = false;
    exchanges_go_on(stream->exchange);
}
