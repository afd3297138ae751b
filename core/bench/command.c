/* SPDX-License-Identifier: MIT */
#include "bench/command_int.h"

#include <stdio.h>

#define DURATION_MS 10000 /* if neither count nor duration is given */

static bool parse_provider(const char *name, enum request_provider *provider)
{
    static const char *const names[] = {
        [REQUEST_GITHUB] = "github",
        [REQUEST_STANDARD] = "standard",
    };
    for (size_t i = 0; i < array_count(names); i++)
        if (strcmp(names[i], name) == 0) {
            *provider = (enum request_provider)i;
            return true;
        }
    return false;
}

enum status posting_check(const struct posting *posting, struct err *err)
{
    enum request_provider provider;
    if (posting->connections == 0 || posting->connections > LOAD_CONNECTIONS_MAX)
        return err_set(err, E_INVALID, "--connections is 1 to %d", LOAD_CONNECTIONS_MAX);
    if (posting->rate > 10000000)
        return err_set(err, E_INVALID, "--rate is at most 10000000");
    if (!parse_provider(posting->provider, &provider))
        return err_set(err, E_INVALID, "--provider is github or standard, not '%s'",
                       posting->provider);
    if (posting->output && strcmp(posting->output, "json") != 0)
        return err_set(err, E_INVALID, "--output is json, not '%s'", posting->output);
    return OK;
}

enum status posting_target_init(struct posting_target *target, const struct posting *posting,
                                bool is_stamped, struct err *err)
{
    const char *path;
    const enum status status = address_parse_url(posting->url, &target->address, &path, err);
    if (status != OK)
        return status;
    struct request_options options = {
        .host = target->address.text,
        .path = path,
        .secret = posting->secret,
        .token = posting->token,
        .body_file = posting->body_file,
        .body_bytes = posting->body_bytes,
        .is_stamped = is_stamped,
    };
    check(parse_provider(posting->provider, &options.provider));
    return request_init(&target->request, &options, err);
}

void posting_target_finish(struct posting_target *target)
{
    request_finish(&target->request);
}

enum status posting_start(const struct posting *posting, const struct posting_target *target,
                          struct loop *loop, struct load *load, struct err *err)
{
    const struct load_options options = {
        .address = &target->address,
        .request = &target->request,
        .request_count = posting->count,
        .duration_ms =
            posting->count == 0 && posting->duration_ms == 0 ? DURATION_MS : posting->duration_ms,
        .connection_count = posting->connections,
        .rate_per_s = posting->rate,
    };
    return load_start(load, loop, &options, err);
}

int posting_report(const struct posting *posting, const struct report *report)
{
    if (posting->output)
        report_print_json(report);
    else
        report_print_text(report);
    return report_is_clean(report) ? 0 : EXIT_FAILED;
}

int command_fail(const char *command, const struct err *err)
{
    fprintf(stderr, "anzol bench %s: %s\n", command, err->text);
    const bool is_unavailable = err->status == E_REMOTE || err->status == E_BUSY;
    return is_unavailable ? EXIT_UNAVAILABLE : EXIT_USAGE;
}
