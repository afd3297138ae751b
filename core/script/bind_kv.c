/* SPDX-License-Identifier: MIT */
/* anzol.kv(ns): durable values by key. What a handler writes waits in its outbox and commits with
 * the run; what it reads is noted with its version, so that the commit is refused (and the run
 * repeated) if something else changed it meanwhile. Reads see what the run itself wrote. */
#include "script/bind_int.h"

#include "base/clock.h"
#include "base/memory.h"

#include <stdlib.h>

#define LIST_COUNT 100
#define TTL_MS_MAX (INT64_C(3660) * 86400000)

struct kv {
    char ns[LIMIT_KV_NS_BYTES + 1];
    bool is_sealed; /* what is written through it */
};

static const char *const option_names[] = {"ttl", NULL};

static const char *check_name(lua_State *L, int index, const char *what, size_t most)
{
    size_t len;
    const char *text = luaL_checklstring(L, index, &len);
    if (len == 0 || len > most)
        (void)luaL_error(L, "%s has 1 to %d bytes, got %d", what, (int)most, (int)len);
    if (strlen(text) != len)
        (void)luaL_error(L, "%s holds a zero byte", what);
    return text;
}

static const char *check_key(lua_State *L)
{
    return check_name(L, 2, "a key of anzol.kv", LIMIT_KV_KEY_BYTES);
}

/* ---- What the run did so far ---- */

/* NULL: nothing that commits runs here. */
static struct job *handler_job(lua_State *L)
{
    const struct context *context = script_of(L)->context;
    return context && phase_commits(context->phase) ? context->job : NULL;
}

struct outbox *outbox_check(lua_State *L, const char *function)
{
    const struct context *context = script_of(L)->context;
    struct job *job = handler_job(L);
    if (!job)
        (void)luaL_error(L,
                         "%s cannot write in '%s': writes commit with the run of a handler "
                         "(anzol.on), cron, every or poll; here values can only be read",
                         function, context ? phases[context->phase].name : "load");
    step_check_outside(L, function);
    return job_outbox(L, job);
}

/* A key as the run left it: what it set or deleted last, and what it added since. */
struct own {
    const struct kv_write *base; /* NULL: as stored */
    int64_t delta;
    bool has_delta;
};

static bool is_of(const struct kv_write *write, const char *ns, const char *key)
{
    return strcmp(write->key, key) == 0 && strcmp(write->ns, ns) == 0;
}

static struct own own_of(lua_State *L, const char *ns, const char *key)
{
    const struct job *job = handler_job(L);
    struct own own = {0};
    for (size_t i = job && job->outbox ? job->outbox->kv_write_count : 0; i-- > 0 && !own.base;) {
        const struct kv_write *write = &job->outbox->kv_writes[i];
        if (!is_of(write, ns, key))
            continue;
        if (!write->is_delta)
            own.base = write;
        else if (__builtin_add_overflow(own.delta, write->delta, &own.delta))
            (void)luaL_error(L, "anzol.kv: the sum of '%s' is out of range", key);
        own.has_delta = own.has_delta || write->is_delta;
    }
    return own;
}

static void push_json(lua_State *L, const char *key, const char *value)
{
    if (!json_push(L, slice_str(value), NULL))
        (void)luaL_error(L, "anzol.kv: the value of '%s' cannot be read: %s", key,
                         lua_tostring(L, -1));
}

/* Pushes the value; stored NULL: absent. */
static void push_value(lua_State *L, const char *key, const struct own *own, const char *stored)
{
    const char *value = own->base ? own->base->value : stored;
    if (value)
        push_json(L, key, value);
    else if (own->has_delta)
        lua_pushinteger(L, 0);
    else
        lua_pushnil(L);
    if (!own->has_delta)
        return;
    lua_Integer sum;
    if (lua_type(L, -1) != LUA_TNUMBER)
        (void)luaL_error(L, "anzol.kv:incr of '%s': its value is no number but a %s", key,
                         luaL_typename(L, -1));
    if (!lua_isinteger(L, -1)) {
        lua_pushnumber(L, lua_tonumber(L, -1) + (lua_Number)own->delta);
    } else {
        if (__builtin_add_overflow(lua_tointeger(L, -1), (lua_Integer)own->delta, &sum))
            (void)luaL_error(L, "anzol.kv: the sum of '%s' is out of range", key);
        lua_pushinteger(L, sum);
    }
    lua_remove(L, -2);
}

/* ---- Notes of what was read ---- */

static void note_read(lua_State *L, const struct kv_read *seen)
{
    struct job *job = handler_job(L);
    if (!job)
        return;
    struct outbox *outbox = job_outbox(L, job);
    for (size_t i = 0; !seen->after && i < outbox->kv_read_count; i++) {
        const struct kv_read *read = &outbox->kv_reads[i];
        if (!read->after && strcmp(read->key, seen->key) == 0 && strcmp(read->ns, seen->ns) == 0)
            return; /* the first one counts */
    }
    if (outbox->kv_read_count >= LIMIT_KV_READS_PER_RUN)
        (void)luaL_error(L, "a run may read at most %d keys and lists of anzol.kv",
                         LIMIT_KV_READS_PER_RUN);
    struct kv_read read = *seen;
    read.ns = strdup(seen->ns);
    read.key = strdup(seen->key);
    read.after = seen->after ? strdup(seen->after) : NULL;
    const bool is_copied = read.ns && read.key && (read.after || !seen->after);
    if (is_copied && outbox_add_kv_read(outbox, &read) == OK)
        return;
    free(read.ns);
    free(read.key);
    free(read.after);
    (void)luaL_error(L, "out of memory");
}

/* ---- get ---- */

static int finish_get(lua_State *L, int status, lua_KContext index)
{
    (void)status;
    const struct store_get_kv *get = &pending_check(L, (int)index)->of.get_kv;
    const struct kv_read read = {
        .ns = (char *)(uintptr_t)get->ns,
        .key = (char *)(uintptr_t)get->key,
        .version = get->version,
    };
    note_read(L, &read);
    const struct own own = own_of(L, get->ns, get->key);
    push_value(L, get->key, &own, get->value);
    pending_close(L, (int)index);
    return 1;
}

static int l_get(lua_State *L)
{
    const struct kv *kv = object_check(L, 1, &kv_kind);
    const char *key = check_key(L);
    lua_settop(L, 2);
    const struct own own = own_of(L, kv->ns, key);
    if (own.base) {
        push_value(L, key, &own, NULL);
        return 1;
    }
    struct strand *strand = strand_check_may_wait(L, "anzol.kv:get");
    struct pending_read *pending = pending_push(L, STORE_GET_KV);
    pending->of.get_kv.ns = pending_text(L, pending, kv->ns);
    pending->of.get_kv.key = pending_text(L, pending, key);
    pending->of.get_kv.now_ms = clock_due_ms();
    return pending_wait(L, strand, pending, finish_get);
}

/* ---- Writes ---- */

static int64_t check_ttl(lua_State *L, int index, const char *function)
{
    if (lua_isnoneornil(L, index))
        return 0;
    const struct options options = {.index = index, .what = function};
    options_check_names(L, &options, option_names, NULL);
    const int64_t ttl_ms = option_check_duration(L, &options, "ttl", 0);
    lua_getfield(L, index, "ttl");
    const bool is_given = !lua_isnil(L, -1);
    lua_pop(L, 1);
    if (is_given && (ttl_ms < 1 || ttl_ms > TTL_MS_MAX))
        (void)luaL_error(L, "option 'ttl' of %s is at least 1ms and at most 3660d", function);
    return ttl_ms > 0 ? clock_due_ms() + ttl_ms : 0;
}

/* Takes value over. */
static void add_write(lua_State *L, struct outbox *outbox, const struct kv *kv,
                      struct kv_write *write)
{
    const char *key = lua_tostring(L, 2);
    write->ns = strdup(kv->ns);
    write->key = strdup(key);
    write->is_sealed = kv->is_sealed;
    const bool is_full = outbox->kv_write_count >= LIMIT_KV_WRITES_PER_RUN;
    if (!is_full && write->ns && write->key && outbox_add_kv_write(outbox, write) == OK)
        return;
    free(write->ns);
    free(write->key);
    memory_free_secret_text(write->value);
    if (is_full)
        (void)luaL_error(L, "a run may write at most %d times to anzol.kv",
                         LIMIT_KV_WRITES_PER_RUN);
    (void)luaL_error(L, "out of memory");
}

static int l_set(lua_State *L)
{
    const struct kv *kv = object_check(L, 1, &kv_kind);
    (void)check_key(L);
    lua_settop(L, 4);
    if (lua_isnil(L, 3))
        return luaL_error(L, "anzol.kv:set needs a value; anzol.kv:delete(key) takes one away");
    struct outbox *outbox = outbox_check(L, "anzol.kv:set");
    struct kv_write write = {.expires_ms = check_ttl(L, 4, "anzol.kv:set")};
    struct script *script = script_of(L);
    buf_clear(&script->body);
    json_check_encode(L, 3, NULL);
    if (script->body.len > LIMIT_KV_VALUE_BYTES)
        return luaL_error(L, "a value of anzol.kv has at most %d bytes as JSON, this one has %d",
                          LIMIT_KV_VALUE_BYTES, (int)script->body.len);
    if (outbox->kv_write_bytes + script->body.len > LIMIT_KV_WRITE_BYTES_PER_RUN)
        return luaL_error(L, "a run may write at most %d bytes of values to anzol.kv",
                          LIMIT_KV_WRITE_BYTES_PER_RUN);
    write.value = strndup(script->body.data, script->body.len);
    if (kv->is_sealed)
        explicit_bzero(script->body.data, script->body.len);
    if (!write.value)
        return luaL_error(L, "out of memory");
    add_write(L, outbox, kv, &write);
    return 0;
}

static int l_delete(lua_State *L)
{
    const struct kv *kv = object_check(L, 1, &kv_kind);
    (void)check_key(L);
    add_write(L, outbox_check(L, "anzol.kv:delete"), kv, &(struct kv_write){0});
    return 0;
}

static int l_incr(lua_State *L)
{
    const struct kv *kv = object_check(L, 1, &kv_kind);
    (void)check_key(L);
    const lua_Integer delta = luaL_optinteger(L, 3, 1);
    lua_settop(L, 4);
    struct outbox *outbox = outbox_check(L, "anzol.kv:incr");
    struct kv_write write = {
        .delta = delta, .is_delta = true, .expires_ms = check_ttl(L, 4, "anzol.kv:incr")};
    add_write(L, outbox, kv, &write);
    return 0;
}

/* ---- list ---- */

struct entry {
    const char *key;
    const char *stored;
    struct own own;
};

struct entries {
    struct entry *items;
    size_t count;
};

static bool is_listed(const struct kv_write *write, const struct store_list_kv *list)
{
    return strcmp(write->ns, list->ns) == 0 &&
           strncmp(write->key, list->prefix, strlen(list->prefix)) == 0 &&
           strcmp(write->key, list->after) > 0;
}

static int compare(const void *a, const void *b)
{
    return strcmp(((const struct entry *)a)->key, ((const struct entry *)b)->key);
}

static void add_stored(lua_State *L, const struct store_list_kv *list, struct entries *all)
{
    for (size_t i = 0; i < list->row_count; i++) {
        const struct own own = own_of(L, list->ns, list->rows[i].key);
        all->items[all->count++] = (struct entry){list->rows[i].key, list->rows[i].value, own};
    }
}

/* Keys that only the run has written. Where the store may hold more than it showed, nothing is
 * known behind its last row. */
static void add_own(lua_State *L, const struct store_list_kv *list, struct entries *all)
{
    const struct job *job = handler_job(L);
    const char *last = list->row_count == list->limit ? list->rows[list->row_count - 1].key : NULL;
    for (size_t i = 0; job && job->outbox && i < job->outbox->kv_write_count; i++) {
        const struct kv_write *write = &job->outbox->kv_writes[i];
        const struct entry entry = {.key = write->key, .own = own_of(L, list->ns, write->key)};
        if (is_listed(write, list) && (!last || strcmp(write->key, last) < 0) &&
            !bsearch(&entry, all->items, list->row_count, sizeof entry, compare))
            all->items[all->count++] = entry;
    }
}

static void push_entries(lua_State *L, const struct entries *all, size_t limit)
{
    lua_Integer count = 0;
    lua_newtable(L);
    for (size_t i = 0; i < all->count && (size_t)count < limit; i++) {
        const struct entry *entry = &all->items[i];
        if (i > 0 && strcmp(entry->key, all->items[i - 1].key) == 0)
            continue; /* written more than once */
        push_value(L, entry->key, &entry->own, entry->stored);
        if (lua_isnil(L, -1)) {
            lua_pop(L, 1);
            continue;
        }
        lua_createtable(L, 0, 2);
        lua_insert(L, -2);
        lua_setfield(L, -2, "value");
        lua_pushstring(L, entry->key);
        lua_setfield(L, -2, "key");
        lua_rawseti(L, -2, ++count);
    }
}

static int finish_list(lua_State *L, int status, lua_KContext index)
{
    (void)status;
    const struct store_list_kv *list = &pending_check(L, (int)index)->of.list_kv;
    const size_t limit = (size_t)lua_tointeger(L, 3);
    if (list->is_cut)
        return luaL_error(L, "anzol.kv:list: the values have more than %d bytes; ask for fewer",
                          LIMIT_KV_LIST_BYTES);
    const struct kv_read read = {
        .ns = (char *)(uintptr_t)list->ns,
        .key = (char *)(uintptr_t)list->prefix,
        .after = (char *)(uintptr_t)list->after,
        .limit = list->limit,
        .version = list->version,
    };
    note_read(L, &read);
    const struct job *job = handler_job(L);
    const size_t writes = job && job->outbox ? job->outbox->kv_write_count : 0;
    struct entries all = {
        lua_newuserdatauv(L, (list->row_count + writes + 1) * sizeof *all.items, 0), 0};
    add_stored(L, list, &all);
    add_own(L, list, &all);
    qsort(all.items, all.count, sizeof *all.items, compare);
    push_entries(L, &all, limit);
    pending_close(L, (int)index);
    return 1;
}

/* So many rows may fall out of what the store gives. */
static size_t own_count(lua_State *L, const struct store_list_kv *list)
{
    const struct job *job = handler_job(L);
    size_t count = 0;
    for (size_t i = 0; job && job->outbox && i < job->outbox->kv_write_count; i++)
        count += is_listed(&job->outbox->kv_writes[i], list);
    return count;
}

static int l_list(lua_State *L)
{
    const struct kv *kv = object_check(L, 1, &kv_kind);
    lua_settop(L, 4);
    const char *prefix = lua_isnil(L, 2) ? "" : luaL_checkstring(L, 2);
    const lua_Integer limit = luaL_optinteger(L, 3, LIST_COUNT);
    const char *after = luaL_optstring(L, 4, "");
    if (limit < 1 || limit > LIMIT_KV_LIST)
        return luaL_error(L, "the limit of anzol.kv:list is 1 to %d, got %I", LIMIT_KV_LIST,
                          (LUAI_UACINT)limit);
    lua_pushinteger(L, limit);
    lua_replace(L, 3);
    struct strand *strand = strand_check_may_wait(L, "anzol.kv:list");
    struct pending_read *pending = pending_push(L, STORE_LIST_KV);
    struct store_list_kv *list = &pending->of.list_kv;
    list->ns = pending_text(L, pending, kv->ns);
    list->prefix = pending_text(L, pending, prefix);
    list->after = pending_text(L, pending, after);
    list->now_ms = clock_due_ms();
    list->bytes_max = LIMIT_KV_LIST_BYTES;
    list->limit = (size_t)limit + own_count(L, list);
    return pending_wait(L, strand, pending, finish_list);
}

/* ---- Making one ---- */

static const luaL_Reg methods[] = {
    {"delete", l_delete}, {"get", l_get}, {"incr", l_incr},
    {"list", l_list},     {"set", l_set}, {NULL, NULL},
};

const struct object_kind kv_kind = {"anzol.kv", NULL, methods};

static int l_kv(lua_State *L)
{
    const char *ns = check_name(L, 1, "the name of anzol.kv(name)", LIMIT_KV_NS_BYTES);
    static const char *const names[] = {"sealed", NULL};
    const struct options options = {.index = 2, .what = "anzol.kv"};
    bool is_sealed = false;
    lua_settop(L, 2);
    if (!lua_isnil(L, 2)) {
        options_check_names(L, &options, names, NULL);
        is_sealed = option_check_bool(L, &options, "sealed", false);
    }
    struct kv *kv = object_push(L, &kv_kind, sizeof *kv, 0);
    kv->is_sealed = is_sealed;
    (void)snprintf(kv->ns, sizeof kv->ns, "%s", ns);
    return 1;
}

void open_kv(lua_State *L)
{
    object_open(L, &kv_kind);
    lua_pushcfunction(L, l_kv);
    lua_setfield(L, -2, "kv");
}
