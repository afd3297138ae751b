/* SPDX-License-Identifier: MIT */
/* Metrics, those of each owner under one lock: they are updated far less often than they could
 * collide. */
#include "shared/table_int.h"

#include "base/log.h"
#include "base/map.h"

#include <math.h>
#include <stdlib.h>

struct series {
    char *labels; /* owned, written out; "" for none */
    double value; /* of a histogram: the sum */
    uint64_t count;
    uint64_t *buckets; /* owned; how many were at most each bound, not summed up */
};

struct metric {
    char name[METRIC_NAME_BYTES + 1];
    enum metric_kind kind;
    double bounds[METRIC_BUCKETS_MAX];
    size_t bound_count;
    struct series **series; /* in the order in which they came; owned */
    size_t series_count;
    struct map by_labels; /* the same, by the hash of their labels */
    bool is_cut;          /* there are label sets that found no place */
};

struct metrics {
    pthread_mutex_t mutex;
    const uint8_t *hash_key;          /* borrowed */
    size_t series_max;                /* of one name */
    struct metric *list[METRICS_MAX]; /* in order of their names */
    size_t count;
};

struct metrics *metrics_create(const uint8_t *hash_key, size_t series_max)
{
    struct metrics *metrics = must_alloc(sizeof *metrics);
    metrics->hash_key = hash_key;
    metrics->series_max = series_max;
    check(pthread_mutex_init(&metrics->mutex, NULL) == 0);
    return metrics;
}

static void free_series(struct series *series)
{
    free(series->labels);
    free(series->buckets);
    free(series);
}

static void destroy(struct metric *metric)
{
    for (size_t i = 0; i < metric->series_count; i++)
        free_series(metric->series[i]);
    free(metric->series);
    map_finish(&metric->by_labels);
    free(metric);
}

void metrics_destroy(struct metrics *metrics)
{
    for (size_t i = 0; i < metrics->count; i++)
        destroy(metrics->list[i]);
    check(pthread_mutex_destroy(&metrics->mutex) == 0);
    free(metrics);
}

/* ---- Opening ---- */

/* Where it is, or belongs. */
static size_t place_of(const struct metrics *metrics, struct slice name)
{
    size_t place = 0;
    while (place < metrics->count &&
           (strncmp(metrics->list[place]->name, name.data, name.len) < 0 ||
            (strncmp(metrics->list[place]->name, name.data, name.len) == 0 &&
             strlen(metrics->list[place]->name) < name.len)))
        place++;
    return place;
}

static struct metric *find(const struct metrics *metrics, struct slice name)
{
    const size_t place = place_of(metrics, name);
    return place < metrics->count && slice_is(name, metrics->list[place]->name)
               ? metrics->list[place]
               : NULL;
}

static bool is_same(const struct metric *metric, const struct metric_options *options)
{
    return metric->kind == options->kind && metric->bound_count == options->bound_count &&
           memcmp(metric->bounds, options->bounds, options->bound_count * sizeof(double)) == 0;
}

static enum status add(struct metrics *metrics, const struct metric_options *options)
{
    if (metrics->count == METRICS_MAX)
        return E_LIMIT;
    struct metric *metric = calloc(1, sizeof *metric);
    if (!metric)
        return E_NOMEM;
    const size_t place = place_of(metrics, options->name);
    memcpy(metric->name, options->name.data, options->name.len);
    metric->kind = options->kind;
    metric->bound_count = options->bound_count;
    memcpy(metric->bounds, options->bounds, options->bound_count * sizeof(double));
    memmove(&metrics->list[place + 1], &metrics->list[place],
            (metrics->count - place) * sizeof(struct metric *));
    metrics->list[place] = metric;
    metrics->count++;
    return OK;
}

enum status metric_open(struct shared *shared, enum metric_owner owner,
                        const struct metric_options *options)
{
    static const double none[1];
    struct metrics *metrics = shared->metrics[owner];
    struct metric_options of = *options;
    if (of.name.len > METRIC_NAME_BYTES || of.bound_count > METRIC_BUCKETS_MAX)
        return E_LIMIT;
    if (of.bound_count == 0)
        of.bounds = none;
    check(pthread_mutex_lock(&metrics->mutex) == 0);
    const struct metric *metric = find(metrics, of.name);
    const enum status status = !metric ? add(metrics, &of) : is_same(metric, &of) ? OK : E_CONFLICT;
    check(pthread_mutex_unlock(&metrics->mutex) == 0);
    return status;
}

/* ---- Updating ---- */

static struct series *create_series(const struct metric *metric, struct slice labels)
{
    struct series *series = calloc(1, sizeof *series);
    if (!series)
        return NULL;
    series->labels = strndup(labels.data, labels.len);
    if (metric->kind == METRIC_HISTOGRAM)
        series->buckets = calloc(metric->bound_count + 1, sizeof *series->buckets);
    if (series->labels && (metric->kind != METRIC_HISTOGRAM || series->buckets))
        return series;
    free_series(series);
    return NULL;
}

/* That with these labels, a new one if there is none. */
static enum status series_of(const struct metrics *metrics, struct metric *metric,
                             struct slice labels, struct series **series)
{
    const uint64_t hash = keyed_hash(metrics->hash_key, &labels, 1) | 1; /* a key is never 0 */
    *series = map_get(&metric->by_labels, hash);
    if (*series)
        return OK;
    if (metric->series_count == metrics->series_max)
        return E_LIMIT;
    struct series **all = array_grow(metric->series, metric->series_count, sizeof(struct series *));
    if (!all)
        return E_NOMEM;
    metric->series = all;
    *series = create_series(metric, labels);
    if (!*series)
        return E_NOMEM;
    if (map_put(&metric->by_labels, hash, *series) != OK) {
        free_series(*series);
        return E_NOMEM;
    }
    all[metric->series_count++] = *series;
    return OK;
}

static void update(const struct metric *metric, struct series *series, double value, bool is_set)
{
    series->value = is_set ? value : series->value + value;
    if (metric->kind != METRIC_HISTOGRAM)
        return;
    size_t place = 0;
    while (place < metric->bound_count && value > metric->bounds[place])
        place++;
    series->buckets[place]++;
    series->count++;
}

/* A label set of this name found no place: that is told once, and counted each time. */
static void tell_cut(struct shared *shared, enum metric_owner owner, struct slice name,
                     bool is_first)
{
    char whole[METRIC_NAME_BYTES + 16];
    (void)snprintf(whole, sizeof whole, "anzol_%s%.*s", owner == METRIC_OF_SCRIPTS ? "user_" : "",
                   (int)name.len, name.data);
    if (is_first)
        log_warn("metric cut", "metric=%s reason=\"more than %zu label sets\"", whole,
                 shared->metrics[owner]->series_max);
    metric_count(shared, "metrics_cut_total", "metric", whole);
}

enum status metric_update(struct shared *shared, enum metric_owner owner, struct slice name,
                          struct slice labels, double value, bool is_set)
{
    struct metrics *metrics = shared->metrics[owner];
    struct series *series = NULL;
    bool is_first = false;
    check(pthread_mutex_lock(&metrics->mutex) == 0);
    struct metric *metric = find(metrics, name);
    const enum status status = metric ? series_of(metrics, metric, labels, &series) : E_NOTFOUND;
    if (status == OK) {
        update(metric, series, value, is_set);
    } else if (status == E_LIMIT) {
        is_first = !metric->is_cut;
        metric->is_cut = true;
    }
    check(pthread_mutex_unlock(&metrics->mutex) == 0);
    if (status == E_LIMIT)
        tell_cut(shared, owner, name, is_first);
    return status;
}

void metric_count(struct shared *shared, const char *name, const char *label, const char *value)
{
    char labels[METRIC_LABELS_BYTES];
    (void)snprintf(labels, sizeof labels, "%s=\"%s\"", label, value);
    enum status status =
        metric_open(shared, METRIC_OF_CORE,
                    &(struct metric_options){.name = slice_str(name), .kind = METRIC_COUNTER});
    if (status == OK)
        status =
            metric_update(shared, METRIC_OF_CORE, slice_str(name), slice_str(labels), 1, false);
    if (status != OK && status != E_LIMIT) /* that was told */
        log_warn("not counted", "metric=%s reason=%s", name, status_name(status));
}

/* ---- Writing ---- */

struct writing {
    struct buf *out;
    const char *prefix;
    enum status status;
};

static void put(struct writing *writing, const char *text)
{
    if (writing->status == OK)
        writing->status = buf_add_str(writing->out, text);
}

static void put_number(struct writing *writing, double value)
{
    if (writing->status != OK)
        return;
    if (isinf(value))
        writing->status = buf_add_str(writing->out, value > 0 ? "+Inf" : "-Inf");
    else if (isnan(value))
        writing->status = buf_add_str(writing->out, "NaN");
    else
        writing->status = buf_printf(writing->out, "%.17g", value);
}

/* prefix name suffix {labels} value; more: one more label. */
static void put_sample(struct writing *writing, const struct metric *metric, const char *suffix,
                       const struct series *series, const char *more, double value)
{
    put(writing, writing->prefix);
    put(writing, metric->name);
    put(writing, suffix);
    if (series->labels[0] || more[0]) {
        put(writing, "{");
        put(writing, series->labels);
        put(writing, series->labels[0] && more[0] ? "," : "");
        put(writing, more);
        put(writing, "}");
    }
    put(writing, " ");
    put_number(writing, value);
    put(writing, "\n");
}

static void put_histogram(struct writing *writing, const struct metric *metric,
                          const struct series *series)
{
    uint64_t count = 0;
    for (size_t i = 0; i <= metric->bound_count; i++) {
        char label[48] = "le=\"+Inf\"";
        if (i < metric->bound_count)
            (void)snprintf(label, sizeof label, "le=\"%.15g\"", metric->bounds[i]);
        count += series->buckets[i];
        put_sample(writing, metric, "_bucket", series, label, (double)count);
    }
    put_sample(writing, metric, "_sum", series, "", series->value);
    put_sample(writing, metric, "_count", series, "", (double)series->count);
}

static void put_metric(struct writing *writing, const struct metric *metric)
{
    static const char *const kinds[] = {
        [METRIC_COUNTER] = "counter",
        [METRIC_GAUGE] = "gauge",
        [METRIC_HISTOGRAM] = "histogram",
    };
    put(writing, "# TYPE ");
    put(writing, writing->prefix);
    put(writing, metric->name);
    put(writing, " ");
    put(writing, kinds[metric->kind]);
    put(writing, "\n");
    for (size_t i = 0; i < metric->series_count; i++)
        if (metric->kind == METRIC_HISTOGRAM)
            put_histogram(writing, metric, metric->series[i]);
        else
            put_sample(writing, metric, "", metric->series[i], "", metric->series[i]->value);
}

enum status metric_write(struct shared *shared, enum metric_owner owner, const char *prefix,
                         struct buf *out)
{
    struct metrics *metrics = shared->metrics[owner];
    struct writing writing = {.out = out, .prefix = prefix};
    check(pthread_mutex_lock(&metrics->mutex) == 0);
    for (size_t i = 0; i < metrics->count; i++)
        if (metrics->list[i]->series_count > 0)
            put_metric(&writing, metrics->list[i]);
    check(pthread_mutex_unlock(&metrics->mutex) == 0);
    return writing.status;
}
