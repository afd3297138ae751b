/* SPDX-License-Identifier: MIT */
/* `anzol bench deliver`: a sink for endpoints to post to; with --url also the load, so that the
 * whole way from a source to the sink is measured. */
#include "bench/command_int.h"

#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>

#define WAIT_MS 10000 /* without an arrival: the rest is not coming */

struct values {
    struct posting posting; /* first: POSTING_ROWS are offsets in it */
    const char *sink;
    int64_t delay_ms;
    uint64_t status;
};

static const struct option_row rows[] = {
    {"--sink", NULL, "HOST:PORT", OPTION_TEXT, offsetof(struct values, sink),
     "where the endpoints post to (default 127.0.0.1:9090)"},
    {"--delay", NULL, "TIME", OPTION_DURATION, offsetof(struct values, delay_ms),
     "wait before each answer of the sink"},
    {"--status", NULL, "CODE", OPTION_COUNT, offsetof(struct values, status),
     "what the sink answers (default 200)"},
    POSTING_ROWS,
};

static const struct option_table table = {
    .usage = "Usage: anzol bench deliver [--sink HOST:PORT] [options]\n"
             "       anzol bench deliver --sink HOST:PORT --url URL [options]\n"
             "Receives what endpoints deliver, and counts it, until -n, -d or ^C. With --url it\n"
             "posts webhooks to that source too, waits until as many arrived as were accepted,\n"
             "and prints the time from post to arrival, if the handler keeps the body's field\n"
             "sent_at_us.\n",
    .rows = rows,
    .count = array_count(rows),
};

/* One run of the command. */
struct deliver {
    const struct values *values;
    struct loop loop;
    struct sink sink;
    struct load load;
    struct posting_target target;
    struct loop_timer limit; /* sink alone: the end; with load: no arrival for too long */
    bool is_posted;          /* the load is over */
    bool is_short;           /* fewer arrived than were accepted */
};

static void stop_if_complete(struct deliver *deliver)
{
    if (deliver->is_posted && deliver->sink.report.answered >= deliver->load.report.accepted)
        deliver->loop.is_stopped = true;
}

static void on_posted(struct load *load, void *ctx)
{
    (void)load;
    struct deliver *deliver = ctx;
    deliver->is_posted = true;
    deliver->limit.due_ns = clock_mono_ns() + (int64_t)WAIT_MS * 1000000;
    stop_if_complete(deliver);
}

static void on_answer(struct sink *sink, void *ctx)
{
    struct deliver *deliver = ctx;
    const uint64_t count = deliver->values->posting.count;
    if (deliver->values->posting.url)
        stop_if_complete(deliver);
    else if (count > 0 && sink->report.answered >= count)
        deliver->loop.is_stopped = true;
}

/* Sink alone: the duration is over. Else: asks whether anything came lately. */
static void on_limit(struct loop_timer *timer, int64_t now_ns)
{
    struct deliver *deliver = container_of(timer, struct deliver, limit);
    const int64_t last_ns = deliver->sink.report.last_ns;
    if (deliver->values->posting.url && now_ns < last_ns + (int64_t)WAIT_MS * 1000000) {
        timer->due_ns = last_ns + (int64_t)WAIT_MS * 1000000;
        return;
    }
    timer->due_ns = LOOP_NEVER;
    deliver->is_short = deliver->values->posting.url != NULL;
    deliver->loop.is_stopped = true;
}

static enum status start_load(struct deliver *deliver, struct err *err)
{
    const struct posting *posting = &deliver->values->posting;
    deliver->load.on_end = on_posted;
    deliver->load.ctx = deliver;
    const enum status status = posting_target_init(&deliver->target, posting, true, err);
    if (status != OK)
        return status;
    return posting_start(posting, &deliver->target, &deliver->loop, &deliver->load, err);
}

static enum status start(struct deliver *deliver, struct address *address, struct err *err)
{
    const struct values *values = deliver->values;
    deliver->sink.on_answer = on_answer;
    deliver->sink.ctx = deliver;
    deliver->limit = (struct loop_timer){.due_ns = LOOP_NEVER, .on_due = on_limit};
    enum status status = address_parse(values->sink, address, err);
    if (status == OK)
        status = loop_open(&deliver->loop, err);
    const struct sink_options options = {
        .address = address, .delay_ms = values->delay_ms, .status = (unsigned)values->status};
    if (status == OK)
        status = sink_start(&deliver->sink, &deliver->loop, &options, err);
    if (status != OK)
        return status;
    loop_add_timer(&deliver->loop, &deliver->limit);
    if (values->posting.url)
        return start_load(deliver, err);
    fprintf(stderr, "Listening on http://%s/ (^C stops and reports)\n", address->text);
    if (values->posting.duration_ms > 0)
        deliver->limit.due_ns = clock_mono_ns() + values->posting.duration_ms * 1000000;
    return OK;
}

static int report_run(struct deliver *deliver, double cpu_s)
{
    const struct posting *posting = &deliver->values->posting;
    const struct report report = {
        .load = posting->url ? &deliver->load : NULL,
        .sink = &deliver->sink,
        .url = posting->url,
        .cpu_s = cpu_s,
    };
    const int code = posting_report(posting, &report);
    if (!deliver->is_short)
        return code;
    fprintf(stderr,
            "anzol bench deliver: %llu of %llu did not arrive; `anzol deliveries` shows why\n",
            (unsigned long long)(deliver->load.report.accepted - deliver->sink.report.arrived),
            (unsigned long long)deliver->load.report.accepted);
    return EXIT_FAILED;
}

static int run(const struct values *values)
{
    struct err err = {0};
    struct address address = {0};
    struct deliver *deliver = must_alloc(sizeof *deliver);
    *deliver = (struct deliver){.values = values};
    int code;
    if (start(deliver, &address, &err) == OK) {
        const double cpu_s = report_cpu_s();
        loop_run(&deliver->loop);
        load_finish(&deliver->load);
        code = report_run(deliver, report_cpu_s() - cpu_s);
    } else {
        code = command_fail("deliver", &err);
    }
    sink_finish(&deliver->sink);
    loop_close(&deliver->loop);
    posting_target_finish(&deliver->target);
    free(deliver);
    return code;
}

int deliver_main(int argc, char **argv)
{
    struct values values = {.posting = POSTING_DEFAULT, .sink = "127.0.0.1:9090", .status = 200};
    struct err err = {0};
    bool wants_help;
    enum status status = option_parse(&table, argc, argv, &values, &wants_help, &err);
    if (status == OK && wants_help) {
        option_help(&table);
        return 0;
    }
    if (status == OK && (values.status < 200 || values.status > 599))
        status = err_set(&err, E_INVALID, "--status is 200 to 599");
    if (status == OK)
        status = posting_check(&values.posting, &err);
    return status == OK ? run(&values) : command_fail("deliver", &err);
}
