/* SPDX-License-Identifier: MIT */
/* `anzol bench queue`: receivers that wait at a queue; with --url also the load, so that the way
 * from a source to a receiver is measured. */
#include "bench/command_int.h"
#include "bench/pull_int.h"

#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>

#define WAIT_MS 10000 /* without an acknowledgement: the rest is not coming */
#define READY_MS 100  /* between two looks whether all receivers wait */
#define NS_PER_MS INT64_C(1000000)

struct values {
    struct posting posting; /* first: POSTING_ROWS are offsets in it */
    const char *queue;
    const char *token;
    uint64_t receivers;
    int64_t idle_ms;
};

static const struct option_row rows[] = {
    {"--queue", NULL, "URL", OPTION_TEXT, offsetof(struct values, queue),
     "where to ask: http://127.0.0.1:8080/queue/jobs"},
    {"--receivers", NULL, "N", OPTION_COUNT, offsetof(struct values, receivers),
     "that wait at the same time (default 100)"},
    {"--token", NULL, "TEXT", OPTION_TEXT, offsetof(struct values, token),
     "the queue's bearer token"},
    {"--idle", NULL, "TIME", OPTION_DURATION, offsetof(struct values, idle_ms),
     "wait so long before the first post"},
    POSTING_ROWS,
};

static const struct option_table table = {
    .usage =
        "Usage: anzol bench queue --queue URL [--receivers N] --url URL [options]\n"
        "Receivers ask for one message each and wait; once all of them do, webhooks are posted\n"
        "to the source. Prints the time from post to receiver, if the handler keeps the body's\n"
        "field sent_at_us.\n",
    .rows = rows,
    .count = array_count(rows),
};

/* One run of the command. */
struct bench {
    const struct values *values;
    struct loop loop;
    struct pulls pulls;
    struct load load;
    struct posting_target target;
    struct loop_timer turn; /* until all wait; later: no acknowledgement for too long */
    struct err err;
    int64_t ready_ns; /* all receivers wait; 0: not yet */
    bool is_posting;
    bool is_posted;
};

static void stop_if_complete(struct bench *bench)
{
    if (bench->is_posted && bench->pulls.report.acknowledged >= bench->load.report.accepted)
        bench->loop.is_stopped = true;
}

static void on_posted(struct load *load, void *ctx)
{
    struct bench *bench = ctx;
    (void)load;
    bench->is_posted = true;
    stop_if_complete(bench);
}

static void on_acknowledged(struct pulls *pulls, void *ctx)
{
    (void)pulls;
    stop_if_complete(ctx);
}

static void start_posting(struct bench *bench, int64_t now_ns)
{
    const struct posting *posting = &bench->values->posting;
    bench->is_posting = true;
    bench->turn.due_ns = now_ns + WAIT_MS * NS_PER_MS;
    fprintf(stderr, "%llu receivers wait\n", (unsigned long long)bench->values->receivers);
    if (posting_start(posting, &bench->target, &bench->loop, &bench->load, &bench->err) != OK)
        bench->loop.is_stopped = true;
}

static void on_turn(struct loop_timer *timer, int64_t now_ns)
{
    struct bench *bench = container_of(timer, struct bench, turn);
    timer->due_ns = now_ns + READY_MS * NS_PER_MS;
    if (bench->is_posting) {
        const int64_t last_ns = bench->pulls.report.last_ns;
        bench->loop.is_stopped |= bench->is_posted && now_ns > last_ns + WAIT_MS * NS_PER_MS;
        return;
    }
    if (bench->ready_ns == 0 && bench->pulls.asking >= bench->values->receivers)
        bench->ready_ns = now_ns;
    if (bench->ready_ns > 0 && now_ns >= bench->ready_ns + bench->values->idle_ms * NS_PER_MS)
        start_posting(bench, now_ns);
}

static enum status start(struct bench *bench, struct address *address, struct err *err)
{
    const struct values *values = bench->values;
    const char *path = "";
    bench->pulls.on_acknowledged = on_acknowledged;
    bench->load.on_end = on_posted;
    bench->pulls.ctx = bench->load.ctx = bench;
    bench->turn = (struct loop_timer){.due_ns = clock_mono_ns(), .on_due = on_turn};
    enum status status = address_parse_url(values->queue, address, &path, err);
    if (status == OK)
        status = posting_target_init(&bench->target, &values->posting, true, err);
    if (status == OK)
        status = loop_open(&bench->loop, err);
    if (status != OK)
        return status;
    loop_add_timer(&bench->loop, &bench->turn);
    return pulls_start(&bench->pulls, &bench->loop,
                       &(struct pull_options){.address = address,
                                              .path = path,
                                              .token = values->token,
                                              .receiver_count = values->receivers},
                       err);
}

static int report_run(const struct bench *bench)
{
    const struct pull_report *report = &bench->pulls.report;
    const struct load_report *load = &bench->load.report;
    const double seconds = (double)(load->end_ns - load->start_ns) / 1e9;
    printf(
        "{\"receivers\":%llu,\"posted\":%llu,\"accepted\":%llu,\"ratePerS\":%.1f,\"arrived\":%llu,"
        "\"acknowledged\":%llu,\"empty\":%llu,\"refused\":%llu,\"stamped\":%llu,"
        "\"latencyMs\":{\"p50\":%.3f,\"p99\":%.3f,\"p99.9\":%.3f,\"max\":%.3f}}\n",
        (unsigned long long)bench->values->receivers, (unsigned long long)load->answers,
        (unsigned long long)load->accepted, seconds > 0 ? (double)load->answers / seconds : 0.0,
        (unsigned long long)report->arrived, (unsigned long long)report->acknowledged,
        (unsigned long long)report->empty, (unsigned long long)report->refused,
        (unsigned long long)report->latency.count, histogram_ms(&report->latency, 0.5),
        histogram_ms(&report->latency, 0.99), histogram_ms(&report->latency, 0.999),
        (double)report->latency.max_ns / 1e6);
    return report->acknowledged == load->accepted && load->accepted > 0 ? 0 : EXIT_FAILED;
}

static int run(const struct values *values)
{
    struct address address = {0};
    struct bench *bench = must_alloc(sizeof *bench);
    *bench = (struct bench){.values = values};
    int code = EXIT_FAILED;
    if (start(bench, &address, &bench->err) == OK) {
        loop_run(&bench->loop);
        load_finish(&bench->load);
    }
    code = bench->err.status == OK ? report_run(bench) : command_fail("queue", &bench->err);
    pulls_finish(&bench->pulls);
    loop_close(&bench->loop);
    posting_target_finish(&bench->target);
    free(bench);
    return code;
}

int queue_main(int argc, char **argv)
{
    struct values values = {.posting = POSTING_DEFAULT, .receivers = 100};
    struct err err = {0};
    bool wants_help;
    enum status status = option_parse(&table, argc, argv, &values, &wants_help, &err);
    if (status == OK && wants_help) {
        option_help(&table);
        return 0;
    }
    if (status == OK && (!values.queue || !values.posting.url))
        status = err_set(&err, E_INVALID, "--queue and --url are needed");
    if (status == OK && (values.receivers == 0 || values.receivers > PULL_RECEIVERS_MAX))
        status = err_set(&err, E_INVALID, "--receivers is 1 to %d", PULL_RECEIVERS_MAX);
    if (status == OK)
        status = posting_check(&values.posting, &err);
    return status == OK ? run(&values) : command_fail("queue", &err);
}
