/* SPDX-License-Identifier: MIT */
/* HTTP in: libmicrohttpd on the caller's libuv loop, with the strictness that the library lacks.
 * microhttpd.h is known only here.
 *
 * Threads: a listener belongs to one loop; everything here runs on that loop's thread.
 *
 * One exchange: the library reads the headers -> our guard judges framing, names, path, Host,
 * Expect (RFC 9110, 9112; a refusal answers with JSON and closes, nothing pipelined behind it runs)
 * -> on_head routes it and calls http_accept or http_respond -> the body is collected (limit on
 * real bytes) -> on_request -> http_respond, now or later. An exchange that is not answered when
 * on_request returns is suspended until it is. Slow senders meet our own deadlines (limits.h).
 *
 * What the library answers by itself, in its own words, and closes: garbage that is no request
 * line, a Content-Length that is no number, malformed chunks, heads over its 48 KiB of memory. What
 * it hides: of libmicrohttpd 0.9.75, folded lines, bare line feeds and NULs in the head are found
 * by where it put the parts (guard.c) and refused; bare line feeds around chunks and a NUL in a
 * trailer stay unseen, so before an untrusted chain of proxies put a strict one. From 0.9.77 on the
 * library refuses all of these itself. A client that sends no more (half-closes) has left: the
 * library gives it no answer either. */
#ifndef HTTP_HTTP_H
#define HTTP_HTTP_H

#include "base/cidr.h"
#include "base/err.h"
#include "base/head.h"
#include "model/content.h"

#include <stdatomic.h>
#include <uv.h>

struct http_listener;
struct http_request;

struct http_handler {
    /* After the headers, before any body. Must call http_accept or http_respond before it returns.
     * The head (http_head) is complete. */
    void (*on_head)(struct http_request *request, void *ctx);
    /* The whole body is there (http_body). May answer now, or later from the same thread. */
    void (*on_request)(struct http_request *request, void *ctx);
    /* The exchange is over (answered, refused, client left, listener stopped): the request is
     * freed when this returns. Called exactly once if on_head was. If it comes before
     * http_respond, the client left: http_respond must not be called any more. */
    void (*on_over)(struct http_request *request, void *ctx);
    /* All that http_stream_write gave was written. NULL: nobody streams. */
    void (*on_drained)(struct http_request *request, void *ctx);
};

struct http_options {
    uv_loop_t *loop;
    int fd; /* a listening socket (http_listen_tcp, http_listen_unix); taken */
    const struct http_handler *handler;
    void *ctx;
    unsigned connection_count_max;
    unsigned connection_count_max_per_address; /* 0: no limit */
    atomic_size_t *intake_bytes; /* all open bodies of the process; NULL: not counted */
    size_t intake_bytes_max;
};

/* Makes a listening socket: "HOST:PORT", "[v6]:PORT"; port 0 takes a free one. is_shared sets
 * SO_REUSEPORT, so that one socket per worker can be made for the same address. Errors name the
 * address and what to do ("address in use: is another anzol serving?"). */
MUST_USE enum status http_listen_tcp(const char *address, bool is_shared, int *fd, struct err *err);
/* Mode 0600. A dead socket file in the way is replaced, a live one is E_CONFLICT. */
MUST_USE enum status http_listen_unix(const char *path, int *fd, struct err *err);
/* "127.0.0.1:8080" of a listening TCP socket. */
void http_socket_name(int fd, char *text, size_t bytes);

MUST_USE enum status http_listener_open(const struct http_options *options,
                                        struct http_listener **listener, struct err *err);
/* Stops accepting (the listening socket is closed); open exchanges go on, their connections close
 * after the answer. */
void http_listener_quiesce(struct http_listener *listener);
/* Exchanges that were accepted and are not over. */
size_t http_listener_open_count(const struct http_listener *listener);
/* Answers what is still suspended with 503, closes all, frees. on_closed (may be NULL) runs when
 * the loop let the handles go. */
void http_listener_close(struct http_listener *listener, void (*on_closed)(void *ctx), void *ctx);

/* ---- The request: slices borrow until on_over, those of on_head until it accepts or answers -----
 */

/* Upper-case token as sent. */
struct slice http_method(const struct http_request *request);
/* Percent-decoded once, UTF-8, no dot segments, no %00 %2f or backslash. */
struct slice http_path(const struct http_request *request);
/* As sent, without "?"; empty if none. */
struct slice http_query(const struct http_request *request);
/* Takes the name, as sent, of the next parameter off a query. False at its end. */
bool http_query_next(struct slice *query, struct slice *name);
/* The value of a query's parameter, decoded into out (cleared first). False if absent. */
bool http_query_get(struct slice query, const char *name, struct buf *out);
/* First header of that name. */
bool http_header(const struct http_request *request, const char *name, struct slice *value);
/* Packed: ":method" ":path" ":query" ":remote", then all headers in wire order (trailers never). */
struct slice http_head(const struct http_request *request);
/* "203.0.113.7", "unix". */
struct slice http_remote(const struct http_request *request);
int64_t http_received_ms(const struct http_request *request);
/* on_head only: from now on this is the remote address, in the head too. text: at most
 * INET6_ADDRSTRLEN bytes. */
void http_set_remote(struct http_request *request, struct slice text);
/* on_head only. Behind a trusted proxy the client is the last address of X-Forwarded-For that is
 * none of theirs: from now on the request's remote address. */
void http_find_client(struct http_request *request, const struct cidr *proxies, size_t proxy_count);
/* The caller's own pointer, NULL at first. */
void http_set_data(struct http_request *request, void *data);
void *http_data(const struct http_request *request);

/* on_head only: reads a body of at most body_bytes_max. Refuses by itself: 413 (a stated length
 * before reading, chunks counted), 411 for POST/PUT/PATCH with neither length nor chunks, 417, 503
 * when the process holds too many open bodies. */
void http_accept(struct http_request *request, size_t body_bytes_max);

/* From on_request on. */
struct slice http_body(const struct http_request *request);
/* From on_request on, before http_respond: head and body in one block, with a reference that is the
 * caller's. The request keeps one of its own, so that its slices stay until on_over; it only reads,
 * and of the head only the pseudo fields, so the caller may still hide fields (content_hide). */
struct content *http_take_content(struct http_request *request);

struct http_response {
    int status;
    const char *content_type;    /* NULL: application/json; charset=utf-8; "": none of ours */
    struct slice body;           /* copied */
    const struct field *headers; /* more headers; names and values without CR, LF, NUL; copied */
    size_t header_count;
    bool close; /* the connection after it */
};

/* on_request only: the answer may come much later. Then the connection costs little while it waits;
 * what its client sends behind this request before it is answered may stay without an answer. */
void http_may_wait(struct http_request *request);
/* Whether the client has left by now, though on_over has not come yet. Asks the system. */
bool http_has_left(const struct http_request *request);
/* In on_over: the answer was written, as far as the system says; of a stream all that was given. */
bool http_was_written(const struct http_request *request);

/* Answers, exactly once. On the loop's thread; a suspended exchange is resumed and the daemon runs
 * before the loop sleeps again. In on_head it is a refusal if a body was announced: closes. */
void http_respond(struct http_request *request, const struct http_response *response);
/* From on_request on, in place of http_respond: answers with these headers, and then whatever
 * http_stream_write gives, until on_over. The connection closes behind it. */
void http_stream(struct http_request *request, const struct http_response *response);
/* E_LIMIT: the client reads too slowly; it is to be ended. */
MUST_USE enum status http_stream_write(struct http_request *request, struct slice bytes);
/* After what was given; on_over follows. */
void http_stream_end(struct http_request *request);
/* {"code":code,"detail":detail} with the usual headers: 405 with Allow, 503 with Retry-After. */
struct http_refusal {
    int status;
    const char *code;   /* "unknown_source" */
    const char *detail; /* a sentence */
    const char *allow;  /* 405 */
    int retry_after_s;  /* 0: none */
    bool close;
};
void http_refuse(struct http_request *request, const struct http_refusal *refusal);

#endif
