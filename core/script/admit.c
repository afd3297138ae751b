/* SPDX-License-Identifier: MIT */
/* What a received request is: genuine or not, of what type, with what key. A declarative verifier
 * never enters Lua; verify in Lua is a job, for it may wait. */
#include "script/bind_int.h"

#include "base/clock.h"

#include <stdlib.h>

struct classify {
    const struct admit_request *request;
    struct context *context;
    char type[LIMIT_TYPE_BYTES + 1];
    size_t type_len;
    char key[LIMIT_KEY_BYTES];
    size_t key_len;
};

static struct subject subject_of(const struct source_spec *source)
{
    return (struct subject){.kind = "source", .name = source->name, .place = source->script};
}

static void call_number(lua_State *L, int number, int view)
{
    script_push_ref(L, script_of(L), REF_FUNCTIONS);
    lua_rawgeti(L, -1, number);
    lua_remove(L, -2);
    lua_pushvalue(L, view);
    lua_call(L, 1, 1);
}

static void read_type(lua_State *L, struct classify *classify, int view)
{
    struct slice type;
    call_number(L, classify->request->source->type_function, view);
    if (lua_type(L, -1) != LUA_TSTRING)
        (void)luaL_error(L, "type must return a string, got %s", luaL_typename(L, -1));
    type.data = lua_tolstring(L, -1, &type.len);
    if (!event_type_is_valid(type))
        (void)luaL_error(L, "type returned '%s': at most %d of A-Z a-z 0-9 _ . -", type.data,
                         LIMIT_TYPE_BYTES);
    memcpy(classify->type, type.data, type.len);
    classify->type_len = type.len;
    lua_pop(L, 1);
}

static void read_key(lua_State *L, struct classify *classify, int view)
{
    struct slice key;
    classify->context->phase = PHASE_KEY;
    call_number(L, classify->request->source->key_function, view);
    if (lua_isnil(L, -1))
        return;
    if (lua_type(L, -1) != LUA_TSTRING && lua_type(L, -1) != LUA_TNUMBER)
        (void)luaL_error(L, "idempotency_key must return a string or nil, got %s",
                         luaL_typename(L, -1));
    key.data = lua_tolstring(L, -1, &key.len);
    if (key.len > sizeof classify->key)
        (void)luaL_error(L, "idempotency_key returned %d bytes, at most %d are taken", (int)key.len,
                         LIMIT_KEY_BYTES);
    memcpy(classify->key, key.data, key.len);
    classify->key_len = key.len;
}

static int l_classify(lua_State *L)
{
    struct classify *classify = lua_touserdata(L, 1);
    const struct source_spec *source = classify->request->source;
    (void)request_push(L, classify->request);
    const int view = lua_gettop(L);
    lua_pushvalue(L, view);
    lua_rawseti(L, LUA_REGISTRYINDEX, script_of(L)->refs[REF_VIEW]);
    if (source->type_function != 0)
        read_type(L, classify, view);
    if (source->key_function != 0)
        read_key(L, classify, view);
    return 0;
}

/* A script that kept the request sees that it is over. */
static void close_view(struct script *script)
{
    lua_State *L = script->L;
    if (lua_rawgeti(L, LUA_REGISTRYINDEX, script->refs[REF_VIEW]) == LUA_TUSERDATA) {
        struct request_view *view = lua_touserdata(L, -1);
        *view = (struct request_view){0};
    }
    lua_pop(L, 1);
}

static void admit(const struct admission *admission, admit_cb on_admitted, void *ctx)
{
    on_admitted(admission, ctx);
}

static void classify_and_admit(struct script *script, const struct admit_request *request,
                               admit_cb on_admitted, void *ctx)
{
    const struct source_spec *source = request->source;
    if (source->type_function == 0 && source->key_function == 0) {
        admit(&(struct admission){.outcome = ADMIT_OK, .type = slice_str(source->type)},
              on_admitted, ctx);
        return;
    }
    struct context context;
    context_init(&context, PHASE_TYPE, 0);
    context.subject = subject_of(source);
    struct classify classify;
    classify.request = request;
    classify.context = &context;
    classify.type_len = classify.key_len = 0;
    const enum status status = script_call(script, &context, l_classify, &classify, 0);
    close_view(script);
    if (status == OK) {
        const struct slice type =
            source->type ? slice_str(source->type) : slice_of(classify.type, classify.type_len);
        admit(&(struct admission){.outcome = ADMIT_OK,
                                  .type = type,
                                  .key = slice_of(classify.key, classify.key_len)},
              on_admitted, ctx);
        return;
    }
    char text[SCRIPT_TEXT_BYTES];
    (void)snprintf(text, sizeof text, "%.*s", (int)script->text.len,
                   script->text.len ? script->text.data : "");
    admit(&(struct admission){.outcome = context.is_malformed ? ADMIT_MALFORMED : ADMIT_UNTYPED,
                              .reason = text},
          on_admitted, ctx);
}

/* ---- verify in Lua ---- */

static int l_prepare(lua_State *L)
{
    struct job *job = lua_touserdata(L, 1);
    l_strand_prepare(L, &job->base);
    struct request_view *view = request_push(L, &job->admit);
    lua_pushvalue(L, -1);
    lua_xmove(L, job->base.L, 1);
    job->request = view;
    script_push_ref(L, job->script, REF_FUNCTIONS);
    lua_rawgeti(L, -1, job->admit.source->verify_function);
    lua_replace(L, -2);
    lua_insert(L, -2);
    lua_xmove(L, job->base.L, 2);
    return 0;
}

static void finish(struct job *job, const struct admission *admission)
{
    const admit_cb on_admitted = job->on_admitted;
    void *ctx = job->ctx;
    job_close_views(job);
    if (job->base.L)
        lua_settop(job->base.L, 0);
    job_release(job);
    admit(admission, on_admitted, ctx);
}

static void fail(struct job *job, enum admit_outcome outcome)
{
    char text[SCRIPT_TEXT_BYTES];
    const struct buf *from = &job->script->text;
    (void)snprintf(text, sizeof text, "%.*s", (int)from->len, from->len ? from->data : "");
    finish(job, &(struct admission){.outcome = outcome, .reason = text});
}

/* verify returned true | false, reason. */
static void judge(struct job *job, int result_count)
{
    lua_State *L = job->base.L;
    const int first = lua_gettop(L) - result_count + 1;
    char reason[256] = "verify returned false";
    if (result_count > 1 && lua_type(L, first + 1) == LUA_TSTRING)
        (void)snprintf(reason, sizeof reason, "%s", lua_tostring(L, first + 1));
    /* Only true is true: an object that was returned by mistake opens no door. */
    const bool is_genuine =
        result_count > 0 && lua_type(L, first) == LUA_TBOOLEAN && lua_toboolean(L, first);
    if (!is_genuine) {
        finish(job, &(struct admission){.outcome = ADMIT_UNVERIFIED, .reason = reason});
        return;
    }
    struct script *script = job->script;
    const struct admit_request request = job->admit;
    const admit_cb on_admitted = job->on_admitted;
    void *ctx = job->ctx;
    job_close_views(job);
    lua_settop(L, 0);
    job_release(job);
    classify_and_admit(script, &request, on_admitted, ctx);
}

static void on_end(struct job *job, enum job_end end, int result_count)
{
    if (end == JOB_END_OK) {
        judge(job, result_count);
    } else if (end == JOB_END_CANCEL) {
        finish(job, &(struct admission){.outcome = ADMIT_ERROR, .reason = "cancelled"});
    } else {
        const bool is_malformed = job->context.is_malformed && job->context.kill == KILL_NONE;
        fail(job, is_malformed ? ADMIT_MALFORMED : ADMIT_ERROR);
    }
}

static void verify(struct script *script, const struct admit_request *request, admit_cb on_admitted,
                   void *ctx)
{
    struct job *job = job_take(script, PHASE_VERIFY, 0);
    if (!job) {
        admit(&(struct admission){.outcome = ADMIT_ERROR, .reason = "out of memory"}, on_admitted,
              ctx);
        return;
    }
    job->admit = *request;
    job->on_admitted = on_admitted;
    job->ctx = ctx;
    job->context.subject = subject_of(request->source);
    struct context context;
    context_init(&context, PHASE_VERIFY, 0);
    context.subject = job->context.subject;
    if (script_call(script, &context, l_prepare, job, 0) != OK)
        fail(job, ADMIT_ERROR);
    else
        job_start(job, 1, on_end);
}

enum status request_add_url(const struct source_spec *source, struct slice head, struct buf *url)
{
    struct slice query = slice_str("");
    if (!source->public_url)
        return OK;
    enum status status = buf_add_str(url, source->public_url);
    if (status == OK && head_find(head, ":query", &query) && query.len > 0)
        status = buf_add_byte(url, '?');
    return status == OK ? buf_add_slice(url, query) : status;
}

/* By the declarative verifier. */
static bool is_genuine(const struct admit_request *request, struct err *err)
{
    struct buf url;
    buf_init(&url, LIMIT_URL_BYTES + LIMIT_REQUEST_LINE_BYTES);
    struct verify_input input = {
        .head = request->head, .body = request->body, .now_ms = clock_now_ms()};
    (void)head_find(request->head, ":method", &input.method);
    bool is_genuine = request_add_url(request->source, request->head, &url) == OK;
    input.url = buf_slice(&url);
    if (!is_genuine)
        (void)err_set(err, E_NOMEM, "out of memory");
    is_genuine = is_genuine && verifier_check(request->source->verifier, &input, err);
    buf_finish(&url);
    return is_genuine;
}

void script_admit(struct script *script, const struct admit_request *request, admit_cb on_admitted,
                  void *ctx)
{
    if (request->source->verify_function != 0) {
        verify(script, request, on_admitted, ctx);
        return;
    }
    struct err err;
    if (is_genuine(request, &err))
        classify_and_admit(script, request, on_admitted, ctx);
    else
        admit(&(struct admission){.outcome = ADMIT_UNVERIFIED, .reason = err.text}, on_admitted,
              ctx);
}
