/* SPDX-License-Identifier: MIT */
/* anzol.metric.counter | gauge | histogram (name, labels?): figures of the scripts' own on
 * /metrics, as anzol_user_NAME. */
#include "script/bind_int.h"

#include "shared/shared.h"

#include <math.h>
#include <stdlib.h>

#define LABELS_MAX 10
#define LABEL_NAME_BYTES 64

struct metric_object {
    enum metric_kind kind;
    bool is_open; /* known to be there, of this kind */
    size_t bound_count;
    double bounds[METRIC_BUCKETS_MAX];
    char name[METRIC_NAME_BYTES + 1];
    char labels[METRIC_LABELS_BYTES + 1];
};

/* What Prometheus has by default, for seconds. */
static const double default_bounds[] = {0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10};

static bool is_name(const char *name, size_t bytes_max)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789_";
    const size_t len = strlen(name);
    return len > 0 && len <= bytes_max && strspn(name, allowed) == len &&
           !(name[0] >= '0' && name[0] <= '9');
}

/* ---- Labels ---- */

struct label {
    const char *name;
    struct slice value;
};

static int compare(const void *a, const void *b)
{
    return strcmp(((const struct label *)a)->name, ((const struct label *)b)->name);
}

/* The values are replaced by their text; the table keeps none of it, so copies stay on the stack.
 */
static size_t check_labels(lua_State *L, int index, struct label labels[LABELS_MAX])
{
    size_t count = 0;
    luaL_checktype(L, index, LUA_TTABLE);
    luaL_checkstack(L, 2 * LABELS_MAX + LUA_MINSTACK, NULL);
    lua_pushnil(L);
    while (lua_next(L, index)) {
        if (lua_type(L, -2) != LUA_TSTRING || !is_name(lua_tostring(L, -2), LABEL_NAME_BYTES))
            (void)luaL_error(L, "a label of a metric has a name of a-z 0-9 _, not %s",
                             luaL_tolstring(L, -2, NULL));
        if (count == LABELS_MAX)
            (void)luaL_error(L, "a metric has at most %d labels", LABELS_MAX);
        const int type = lua_type(L, -1);
        if (type != LUA_TSTRING && type != LUA_TNUMBER && type != LUA_TBOOLEAN)
            (void)luaL_error(L, "label '%s' of a metric must be a string, a number or a boolean",
                             lua_tostring(L, -2));
        struct label *label = &labels[count++];
        label->name = lua_tostring(L, -2); /* the table holds it */
        label->value.data = luaL_tolstring(L, -1, &label->value.len);
        lua_insert(L, -3); /* the text stays below the key */
        lua_pop(L, 1);
    }
    qsort(labels, count, sizeof *labels, compare);
    return count;
}

static void add_label(struct buf *out, const struct label *label, bool is_first)
{
    (void)!buf_printf(out, "%s%s=\"", is_first ? "" : ",", label->name);
    for (size_t i = 0; i < label->value.len; i++) {
        const char c = label->value.data[i];
        if (c == '\n')
            (void)!buf_add_str(out, "\\n");
        else if (c == '\\' || c == '"')
            (void)!buf_printf(out, "\\%c", c);
        else if (c != '\0')
            (void)!buf_add_byte(out, c);
    }
    (void)!buf_add_byte(out, '"');
}

static void read_labels(lua_State *L, int index, struct metric_object *metric)
{
    struct label labels[LABELS_MAX];
    struct buf *out = &script_of(L)->head;
    if (lua_isnoneornil(L, index))
        return;
    const size_t count = check_labels(L, index, labels);
    buf_clear(out);
    for (size_t i = 0; i < count; i++)
        add_label(out, &labels[i], i == 0);
    if (out->len > METRIC_LABELS_BYTES)
        (void)luaL_error(L, "the labels of metric '%s' take more than %d bytes", metric->name,
                         METRIC_LABELS_BYTES);
    memcpy(metric->labels, buf_slice(out).data, out->len);
}

/* ---- Making one ---- */

static void read_buckets(lua_State *L, int index, struct metric_object *metric)
{
    static const char *const names[] = {"buckets", NULL};
    metric->bound_count = array_count(default_bounds);
    memcpy(metric->bounds, default_bounds, sizeof default_bounds);
    if (lua_isnoneornil(L, index))
        return;
    const struct options options = {.index = index, .what = "anzol.metric.histogram"};
    options_check_names(L, &options, names, NULL);
    if (lua_getfield(L, index, "buckets") != LUA_TTABLE)
        (void)option_error(L, &options, "buckets", "a list of ascending numbers");
    metric->bound_count = lua_rawlen(L, -1);
    if (metric->bound_count == 0 || metric->bound_count > METRIC_BUCKETS_MAX)
        (void)luaL_error(L, "option 'buckets' of anzol.metric.histogram has 1 to %d numbers",
                         METRIC_BUCKETS_MAX);
    for (size_t i = 0; i < metric->bound_count; i++) {
        lua_rawgeti(L, -1, (lua_Integer)i + 1);
        metric->bounds[i] = lua_tonumber(L, -1);
        if (lua_type(L, -1) != LUA_TNUMBER || !isfinite(metric->bounds[i]) ||
            (i > 0 && metric->bounds[i] <= metric->bounds[i - 1]))
            (void)luaL_error(L, "option 'buckets' of anzol.metric.histogram must be a list of "
                                "ascending numbers");
        lua_pop(L, 1);
    }
}

static int make(lua_State *L, enum metric_kind kind, const char *function)
{
    const char *name = luaL_checkstring(L, 1);
    if (!is_name(name, METRIC_NAME_BYTES))
        return luaL_error(L, "bad name '%s' for %s: at most %d of a-z 0-9 _, no digit first", name,
                          function, METRIC_NAME_BYTES);
    lua_settop(L, 3);
    struct metric_object *metric = object_push(L, &metric_kind, sizeof *metric, 0);
    metric->kind = kind;
    (void)snprintf(metric->name, sizeof metric->name, "%s", name);
    read_labels(L, 2, metric);
    if (kind == METRIC_HISTOGRAM)
        read_buckets(L, 3, metric);
    else if (!lua_isnil(L, 3))
        return luaL_error(L, "%s takes a name and labels only", function);
    lua_settop(L, 4);
    return 1;
}

static int l_counter(lua_State *L)
{
    return make(L, METRIC_COUNTER, "anzol.metric.counter");
}

static int l_gauge(lua_State *L)
{
    return make(L, METRIC_GAUGE, "anzol.metric.gauge");
}

static int l_histogram(lua_State *L)
{
    return make(L, METRIC_HISTOGRAM, "anzol.metric.histogram");
}

/* ---- Updating ---- */

static void open_metric(lua_State *L, struct shared *shared, struct metric_object *metric)
{
    if (metric->is_open)
        return;
    const enum status status = metric_open(shared, METRIC_OF_SCRIPTS,
                                           &(struct metric_options){
                                               .name = slice_str(metric->name),
                                               .kind = metric->kind,
                                               .bounds = metric->bounds,
                                               .bound_count = metric->bound_count,
                                           });
    if (status == E_CONFLICT)
        (void)luaL_error(L, "metric '%s' is of another kind, or has other buckets, elsewhere",
                         metric->name);
    if (status == E_LIMIT)
        (void)luaL_error(L, "there are more than %d metrics", METRICS_MAX);
    if (status != OK)
        (void)luaL_error(L, "out of memory");
    metric->is_open = true;
}

static int update(lua_State *L, const char *method, double value, bool is_set)
{
    struct metric_object *metric = object_check(L, 1, &metric_kind);
    struct shared *shared = shared_check(L, method);
    if (!isfinite(value))
        return luaL_error(L, "%s of metric '%s' takes a finite number", method, metric->name);
    open_metric(L, shared, metric);
    const enum status status = metric_update(shared, METRIC_OF_SCRIPTS, slice_str(metric->name),
                                             slice_str(metric->labels), value, is_set);
    if (status == E_NOMEM)
        return luaL_error(L, "out of memory");
    return 0;
}

static const struct metric_object *check_kind(lua_State *L, enum metric_kind kind,
                                              const char *method, const char *kinds)
{
    const struct metric_object *metric = object_check(L, 1, &metric_kind);
    if (metric->kind != kind)
        (void)luaL_error(L, "%s is for %s; '%s' is none", method, kinds, metric->name);
    return metric;
}

static int l_inc(lua_State *L)
{
    const struct metric_object *metric = object_check(L, 1, &metric_kind);
    const lua_Number by = luaL_optnumber(L, 2, 1);
    if (metric->kind == METRIC_HISTOGRAM)
        (void)check_kind(L, METRIC_COUNTER, "metric:inc", "counters and gauges");
    if (metric->kind == METRIC_COUNTER && by < 0)
        return luaL_error(L, "counter '%s' only grows; use a gauge", metric->name);
    return update(L, "metric:inc", by, false);
}

static int l_set(lua_State *L)
{
    (void)check_kind(L, METRIC_GAUGE, "metric:set", "gauges");
    return update(L, "metric:set", luaL_checknumber(L, 2), true);
}

static int l_observe(lua_State *L)
{
    (void)check_kind(L, METRIC_HISTOGRAM, "metric:observe", "histograms");
    return update(L, "metric:observe", luaL_checknumber(L, 2), false);
}

static const luaL_Reg methods[] = {
    {"inc", l_inc}, {"observe", l_observe}, {"set", l_set}, {NULL, NULL}};

const struct object_kind metric_kind = {"metric", NULL, methods};

static const luaL_Reg functions[] = {
    {"counter", l_counter}, {"gauge", l_gauge}, {"histogram", l_histogram}, {NULL, NULL}};

void open_metric_module(lua_State *L)
{
    object_open(L, &metric_kind);
    luaL_newlib(L, functions);
    lua_setfield(L, -2, "metric");
}
