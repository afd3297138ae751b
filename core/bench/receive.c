/* SPDX-License-Identifier: MIT */
/* `anzol bench receive`: how fast a source takes webhooks. */
#include "bench/command_int.h"

#include <stdio.h>
#include <stdlib.h>

static const struct option_row rows[] = {POSTING_ROWS};

static const struct option_table table = {
    .usage = "Usage: anzol bench receive --url URL [options]\n"
             "Posts webhooks to a source as fast as it answers (or at --rate) and prints the rate\n"
             "and the latency of the answers.\n",
    .rows = rows,
    .count = array_count(rows),
};

static void on_end(struct load *load, void *ctx)
{
    (void)ctx;
    load->loop->is_stopped = true;
}

static int run(const struct posting *posting)
{
    struct err err = {0};
    struct loop loop = {0};
    struct posting_target target = {0};
    struct load *load = must_alloc(sizeof *load);
    *load = (struct load){.on_end = on_end};
    int code;
    enum status status = posting_target_init(&target, posting, false, &err);
    if (status == OK)
        status = loop_open(&loop, &err);
    if (status == OK)
        status = posting_start(posting, &target, &loop, load, &err);
    if (status != OK) {
        code = command_fail("receive", &err);
        goto out;
    }
    const double cpu_s = report_cpu_s();
    loop_run(&loop);
    load_finish(load);
    const struct report report = {
        .load = load, .url = posting->url, .cpu_s = report_cpu_s() - cpu_s};
    code = posting_report(posting, &report);
out:
    loop_close(&loop);
    posting_target_finish(&target);
    free(load);
    return code;
}

int receive_main(int argc, char **argv)
{
    struct posting posting = POSTING_DEFAULT;
    struct err err = {0};
    bool wants_help;
    enum status status = option_parse(&table, argc, argv, &posting, &wants_help, &err);
    if (status == OK && wants_help) {
        option_help(&table);
        return 0;
    }
    if (status == OK && !posting.url)
        status = err_set(&err, E_INVALID, "--url is missing: where shall it post to?");
    if (status == OK)
        status = posting_check(&posting, &err);
    return status == OK ? run(&posting) : command_fail("receive", &err);
}
