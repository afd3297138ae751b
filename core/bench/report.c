/* SPDX-License-Identifier: MIT */
#include "bench/report_int.h"

#include <stdio.h>
#include <sys/resource.h>

static const struct {
    const char *name;
    double share;
} quantiles[] = {{"p50", 0.5}, {"p99", 0.99}, {"p99.9", 0.999}};

double report_cpu_s(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static double per(double value, double by)
{
    return by > 0 ? value / by : 0;
}

static double load_seconds(const struct load *load)
{
    return (double)(load->report.end_ns - load->report.start_ns) / 1e9;
}

/* From the first post (or, without one, the first arrival) to the last arrival. */
static double sink_seconds(const struct report *report)
{
    const struct sink_report *sink = &report->sink->report;
    const int64_t start_ns = report->load ? report->load->report.start_ns : sink->first_ns;
    return (double)(sink->last_ns - start_ns) / 1e9;
}

static uint64_t load_errors(const struct load_report *load)
{
    return load->refused + load->broken + load->timed_out;
}

static double cpu_us(const struct report *report)
{
    const uint64_t posted = report->load ? report->load->report.answers : 0;
    const uint64_t arrived = report->sink ? report->sink->report.arrived : 0;
    return per(report->cpu_s * 1e6, (double)(posted + arrived));
}

static void print_latency_text(const char *name, const struct histogram *histogram)
{
    printf("  %-10s", name);
    for (size_t i = 0; i < array_count(quantiles); i++)
        printf(" %s %.3f ms ", quantiles[i].name, histogram_ms(histogram, quantiles[i].share));
    printf(" max %.3f ms\n", (double)histogram->max_ns / 1e6);
}

static void print_load_text(const struct report *report)
{
    const struct load *load = report->load;
    const struct load_report *counts = &load->report;
    const struct request *request = load->options.request;
    printf("Posted %llu webhooks (body %zu bytes) in %.2f s over %llu connections to %s\n",
           (unsigned long long)counts->answers, request->bytes.len - request->body_at,
           load_seconds(load), (unsigned long long)load->options.connection_count, report->url);
    printf("  %-10s %.0f /s\n", "rate", per((double)counts->answers, load_seconds(load)));
    print_latency_text("answer", &counts->latency);
    printf("  %-10s", "status");
    for (unsigned i = 0; i < LOAD_STATUS_COUNT; i++)
        if (counts->statuses[i] > 0)
            printf(" %u: %llu ", i, (unsigned long long)counts->statuses[i]);
    printf("\n  %-10s %llu (refused %llu, broken %llu, timed out %llu)\n", "errors",
           (unsigned long long)load_errors(counts), (unsigned long long)counts->refused,
           (unsigned long long)counts->broken, (unsigned long long)counts->timed_out);
}

static void print_sink_text(const struct report *report)
{
    const struct sink_report *counts = &report->sink->report;
    printf("Received %llu requests on http://%s/ in %.2f s (malformed: %llu)\n",
           (unsigned long long)counts->arrived, report->sink->options.address->text,
           sink_seconds(report), (unsigned long long)counts->malformed);
    printf("  %-10s %.0f /s\n", "rate", per((double)counts->arrived, sink_seconds(report)));
    if (counts->latency.count > 0)
        print_latency_text("on the way", &counts->latency);
    else if (counts->arrived > 0)
        printf("  %-10s not known: no body has the field %s from `anzol bench`\n", "on the way",
               REQUEST_STAMP);
}

void report_print_text(const struct report *report)
{
    if (report->load)
        print_load_text(report);
    if (report->sink)
        print_sink_text(report);
    printf("The bench itself took %.1f us of CPU a request.\n", cpu_us(report));
}

static void print_latency_json(const struct histogram *histogram)
{
    printf("\"latencyMs\":{");
    for (size_t i = 0; i < array_count(quantiles); i++)
        printf("\"%s\":%.4f,", quantiles[i].name, histogram_ms(histogram, quantiles[i].share));
    printf("\"max\":%.4f}", (double)histogram->max_ns / 1e6);
}

static void print_load_json(const struct load *load)
{
    const struct load_report *counts = &load->report;
    printf("\"posted\":{\"count\":%llu,\"accepted\":%llu,\"seconds\":%.4f,\"ratePerS\":%.1f,",
           (unsigned long long)counts->answers, (unsigned long long)counts->accepted,
           load_seconds(load), per((double)counts->answers, load_seconds(load)));
    print_latency_json(&counts->latency);
    printf(",\"status\":{");
    const char *comma = "";
    for (unsigned i = 0; i < LOAD_STATUS_COUNT; i++) {
        if (counts->statuses[i] == 0)
            continue;
        printf("%s\"%u\":%llu", comma, i, (unsigned long long)counts->statuses[i]);
        comma = ",";
    }
    printf("},\"errors\":{\"refused\":%llu,\"broken\":%llu,\"timedOut\":%llu}},",
           (unsigned long long)counts->refused, (unsigned long long)counts->broken,
           (unsigned long long)counts->timed_out);
}

static void print_sink_json(const struct report *report)
{
    const struct sink_report *counts = &report->sink->report;
    printf("\"received\":{\"count\":%llu,\"malformed\":%llu,\"seconds\":%.4f,\"ratePerS\":%.1f,"
           "\"stamped\":%llu,",
           (unsigned long long)counts->arrived, (unsigned long long)counts->malformed,
           sink_seconds(report), per((double)counts->arrived, sink_seconds(report)),
           (unsigned long long)counts->latency.count);
    print_latency_json(&counts->latency);
    printf("},");
}

void report_print_json(const struct report *report)
{
    printf("{");
    if (report->load)
        print_load_json(report->load);
    if (report->sink)
        print_sink_json(report);
    printf("\"cpuUsPerRequest\":%.3f}\n", cpu_us(report));
}

bool report_is_clean(const struct report *report)
{
    if (report->sink && report->sink->report.malformed > 0)
        return false;
    if (!report->load)
        return true;
    const struct load_report *counts = &report->load->report;
    return load_errors(counts) == 0 && counts->accepted == counts->answers;
}
