/* SPDX-License-Identifier: MIT */
/* The sender's threads: each posts signed webhooks on one connection. What is not answered is
 * posted again under the same key until it is; every 2xx is written to the ledger and synced before
 * it counts. A body is a function of seed and key, so a repeat has the same bytes. */
#include "process_sender_int.h"

#include "signature/signature.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define ANSWER_TIMEOUT_S 60
#define RETRY_PAUSE_US 3000
#define REFUSED_PAUSE_US 10000
#define ID_BYTES 64
#define LARGE_BODY_ODDS 64 /* one in so many bodies has the full size */
#define STATUS_LOST 0

enum post_kind { POST_FRESH, POST_REPEAT, POST_FORGED };

struct post {
    enum post_kind kind;
    uint64_t number;
    char key[SENDER_KEY_BYTES];
};

struct reply {
    int status; /* STATUS_LOST: none */
    char id[ID_BYTES];
    bool is_duplicate;
    int64_t took_us;
};

/* splitmix64 */
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static void fill_body(struct line *line, const struct post *post)
{
    const struct sender_options *options = &line->sender->options;
    uint64_t state =
        (uint64_t)options->seed * 1000003 + (uint64_t)line->index * 7919 + post->number;
    const uint64_t dice = next_random(&state);
    const uint64_t max = (uint64_t)options->body_bytes_max;
    const uint64_t padding = dice % LARGE_BODY_ODDS == 0 ? max : dice % (max / 8 + 1);
    buf_clear(&line->body);
    check(buf_printf(&line->body, "{\"key\":\"%s\",\"number\":%llu,\"padding\":\"", post->key,
                     (unsigned long long)post->number) == OK);
    for (uint64_t i = 0; i < padding; i++)
        check(buf_add_byte(&line->body, (char)('a' + next_random(&state) % 26)) == OK);
    check(buf_add_str(&line->body, "\"}") == OK);
}

static void fill_request(struct line *line, const struct post *post)
{
    const struct sender_options *options = &line->sender->options;
    fill_body(line, post);
    const struct slice body = buf_slice(&line->body);
    unsigned char digest[DIGEST_BYTES_MAX];
    const size_t bytes = hmac(DIGEST_SHA256, slice_str(options->secret), &body, 1, digest);
    if (post->kind == POST_FORGED)
        digest[0] ^= 1;
    buf_clear(&line->request);
    check(buf_printf(&line->request,
                     "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
                     "X-GitHub-Event: %s\r\nX-GitHub-Delivery: %s\r\nContent-Length: %zu\r\n"
                     "X-Hub-Signature-256: sha256=",
                     options->path, options->event, post->key, body.len) == OK);
    check(hex_encode(slice_of((const char *)digest, bytes), &line->request) == OK);
    check(buf_add_str(&line->request, "\r\n\r\n") == OK);
    check(buf_add_slice(&line->request, body) == OK);
}

static void close_line(struct line *line)
{
    (void)pthread_mutex_lock(&line->fd_mutex);
    if (line->fd >= 0)
        (void)close(line->fd);
    line->fd = -1;
    (void)pthread_mutex_unlock(&line->fd_mutex);
}

static bool open_line(struct line *line)
{
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port =
                                            htons((uint16_t)atomic_load(&line->sender->port)),
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (fd < 0)
        return false;
    const struct timeval timeout = {.tv_sec = ANSWER_TIMEOUT_S};
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    if (connect(fd, (const struct sockaddr *)&address, sizeof address) != 0) {
        (void)close(fd);
        return false;
    }
    (void)pthread_mutex_lock(&line->fd_mutex);
    line->fd = fd;
    (void)pthread_mutex_unlock(&line->fd_mutex);
    return true;
}

static bool put(int fd, struct slice bytes)
{
    while (bytes.len > 0) {
        const ssize_t sent = send(fd, bytes.data, bytes.len, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        bytes = slice_of(bytes.data + sent, bytes.len - (size_t)sent);
    }
    return true;
}

/* The bytes that a whole answer has, 0 while its head is not complete. */
static size_t answer_bytes(const struct buf *answer)
{
    const char *end = answer->len ? strstr(answer->data, "\r\n\r\n") : NULL;
    if (!end)
        return 0;
    const char *length = strcasestr(answer->data, "\r\ncontent-length:");
    const size_t body = length && length < end ? (size_t)strtoull(length + 17, NULL, 10) : 0;
    return (size_t)(end - answer->data) + 4 + body;
}

static bool read_answer(struct line *line)
{
    struct buf *answer = &line->answer;
    buf_clear(answer);
    for (;;) {
        const size_t wanted = answer_bytes(answer);
        if (wanted > 0 && answer->len >= wanted)
            return true;
        if (buf_reserve(answer, 4096) != OK)
            return false;
        const ssize_t got = recv(line->fd, answer->data + answer->len, 4096, 0);
        if (got <= 0)
            return false;
        answer->len += (size_t)got;
        answer->data[answer->len] = 0;
    }
}

static void parse_answer(const struct line *line, struct reply *reply)
{
    const char *data = line->answer.data;
    reply->status = strncmp(data, "HTTP/1.1 ", 9) == 0 ? (int)strtol(data + 9, NULL, 10) : -1;
    const char *id = strstr(data, "\"id\":\"");
    if (id)
        (void)sscanf(id + 6, "%63[A-Za-z0-9_]", reply->id);
    reply->is_duplicate = strstr(data, "\"duplicate\":true") != NULL;
}

/* Posts once. */
static struct reply exchange(struct line *line, const struct post *post)
{
    struct reply reply = {.status = STATUS_LOST};
    if (line->fd < 0 && !open_line(line))
        return reply;
    fill_request(line, post);
    const int64_t start_us = process_mono_us();
    if (!put(line->fd, buf_slice(&line->request)) || !read_answer(line)) {
        close_line(line);
        return reply;
    }
    reply.took_us = process_mono_us() - start_us;
    parse_answer(line, &reply);
    if (strcasestr(line->answer.data, "\r\nconnection: close"))
        close_line(line);
    return reply;
}

static void add_sample(struct samples *samples, int64_t us)
{
    if (!samples->us)
        samples->us = must_alloc(SENDER_SAMPLES_MAX * sizeof *samples->us);
    if (samples->count < SENDER_SAMPLES_MAX)
        samples->us[samples->count++] = (uint32_t)us;
}

static void note_unexpected(struct sender *sender, const struct post *post,
                            const struct reply *reply)
{
    if (sender->counts.unexpected++ == 0)
        (void)snprintf(sender->counts.first_unexpected, sizeof sender->counts.first_unexpected,
                       "key %s (kind %d): status %d id %s duplicate %d", post->key, (int)post->kind,
                       reply->status, reply->id, (int)reply->is_duplicate);
}

/* Remembers what id a number got; false if it had another one before. */
static bool remember_id(struct line *line, uint64_t number, const char *id)
{
    if (number >= line->id_capacity) {
        const size_t capacity = line->id_capacity * 2 + 1024;
        line->ids = realloc(line->ids, capacity * sizeof *line->ids);
        check(line->ids);
        memset(line->ids + line->id_capacity, 0,
               (capacity - line->id_capacity) * sizeof *line->ids);
        line->id_capacity = capacity;
    }
    const uint64_t hash = process_hash(slice_str(id));
    const bool is_same = line->ids[number] == 0 || line->ids[number] == hash;
    line->ids[number] = hash;
    return is_same;
}

static void write_ledger(struct line *line, const struct post *post, const struct reply *reply)
{
    char hash[PROCESS_HASH_TEXT_BYTES];
    process_hash_text(process_hash(buf_slice(&line->body)), hash);
    char text[SENDER_KEY_BYTES + ID_BYTES + PROCESS_HASH_TEXT_BYTES];
    const int len = snprintf(text, sizeof text, "%s %s %s\n", reply->id, post->key, hash);
    check(write(line->sender->ledger_fd, text, (size_t)len) == len);
    check(fdatasync(line->sender->ledger_fd) == 0);
}

static bool is_as_expected(struct line *line, const struct post *post, const struct reply *reply)
{
    if (post->kind == POST_FORGED)
        return reply->status == 401;
    if (reply->status < 200 || reply->status > 299 || strncmp(reply->id, "evt_", 4) != 0)
        return false;
    return remember_id(line, post->number, reply->id);
}

/* Counts an answer; true if the post is done with. */
static bool settle(struct line *line, const struct post *post, const struct reply *reply)
{
    struct sender *sender = line->sender;
    const bool is_expected = is_as_expected(line, post, reply);
    if (is_expected && post->kind == POST_FRESH)
        write_ledger(line, post, reply);
    (void)pthread_mutex_lock(&sender->mutex);
    struct sender_counts *counts = &sender->counts;
    bool is_done = true;
    if (reply->status == STATUS_LOST || reply->status == 503) {
        is_done = false;
        counts->lost += reply->status == STATUS_LOST;
        counts->refused += reply->status == 503;
        if (reply->status == 503)
            add_sample(&sender->refused, reply->took_us);
    } else if (!is_expected) {
        note_unexpected(sender, post, reply);
    } else {
        counts->forged += post->kind == POST_FORGED;
        counts->repeated += post->kind == POST_REPEAT;
        counts->acknowledged += post->kind == POST_FRESH;
        if (post->kind == POST_FRESH)
            add_sample(&sender->accepted, reply->took_us);
    }
    (void)pthread_mutex_unlock(&sender->mutex);
    return is_done;
}

static struct post choose(struct line *line)
{
    const struct sender_options *options = &line->sender->options;
    const int dice = (int)(next_random(&line->random) % 100);
    struct post post = {.kind = POST_FRESH, .number = line->next_number};
    if (dice < options->repeat_percent && line->next_number > 0) {
        post.kind = POST_REPEAT;
        post.number = next_random(&line->random) % line->next_number;
    } else if (dice >= 100 - options->forge_percent) {
        post.kind = POST_FORGED;
    } else {
        line->next_number++;
    }
    (void)snprintf(post.key, sizeof post.key, "%s-%d-%llu", options->prefix, line->index,
                   (unsigned long long)post.number);
    return post;
}

void *sender_run(void *ctx)
{
    struct line *line = ctx;
    struct sender *sender = line->sender;
    const struct sender_options *options = &sender->options;
    while (
        !atomic_load(&sender->is_stopping) &&
        (options->post_count_max == 0 || line->next_number < (uint64_t)options->post_count_max)) {
        const struct post post = choose(line);
        while (!atomic_load(&sender->is_stopping)) {
            const struct reply reply = exchange(line, &post);
            if (reply.status == STATUS_LOST && atomic_load(&sender->is_stopping))
                break; /* stop cut it off */
            if (settle(line, &post, &reply))
                break;
            (void)usleep(reply.status == STATUS_LOST ? RETRY_PAUSE_US : REFUSED_PAUSE_US);
        }
        if (options->pause_us > 0)
            (void)usleep((useconds_t)options->pause_us);
    }
    close_line(line);
    atomic_fetch_sub(&sender->running, 1);
    return NULL;
}
