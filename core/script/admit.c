/* SPDX-License-Identifier: MIT */
/* What a received request comes to, in the order of its source's hooks: a handshake of CloudEvents
 * never enters Lua (handshake.c); challenge answers others that come unsigned; verify says whether
 * it is genuine (a declarative verifier never enters Lua); respond decides the answer to the
 * sender; then type and key (classify.c). The first three are jobs, for they may wait, and share
 * one wall limit. */
#include "script/bind_int.h"

#include "base/clock.h"

#include <stdlib.h>

/* One request on its way through the hooks that are jobs. */
struct admitting {
    struct script *script;
    struct admit_request request;
    admit_cb on_admitted;
    void *ctx;
    int64_t started_ms; /* monotonic */
    enum phase_id phase;
    struct admit_answer *answer; /* what challenge or respond returned; owned */
};

static void start_stage(struct admitting *it, enum phase_id phase);

/* ---- The end ---- */

static void finish(struct admitting *it, struct admission *admission)
{
    const admit_cb on_admitted = it->on_admitted;
    void *ctx = it->ctx;
    admission->answer = it->answer;
    free(it);
    on_admitted(admission, ctx);
}

static void refuse(struct admitting *it, enum admit_outcome outcome, const char *reason)
{
    admit_answer_free(it->answer);
    it->answer = NULL;
    finish(it, &(struct admission){.outcome = outcome, .reason = reason});
}

static void classify(struct admitting *it)
{
    struct script *script = it->script;
    const struct admit_request request = it->request;
    struct admit_answer *answer = it->answer;
    const admit_cb on_admitted = it->on_admitted;
    void *ctx = it->ctx;
    free(it);
    request_classify(script, &request, answer, on_admitted, ctx);
}

/* ---- From hook to hook ---- */

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

static void after_verify(struct admitting *it)
{
    if (it->request.source->respond_function != 0)
        start_stage(it, PHASE_RESPOND);
    else
        classify(it);
}

static void check_genuine(struct admitting *it)
{
    struct err err;
    if (it->request.source->verify_function != 0)
        start_stage(it, PHASE_VERIFY);
    else if (is_genuine(&it->request, &err))
        after_verify(it);
    else
        refuse(it, ADMIT_UNVERIFIED, err.text);
}

static void after_challenge(struct admitting *it)
{
    if (it->answer)
        finish(it, &(struct admission){.outcome = ADMIT_ANSWERED});
    else if (!it->request.is_method_listed)
        refuse(it, ADMIT_METHOD, "");
    else
        check_genuine(it);
}

static void after_respond(struct admitting *it)
{
    if (it->answer && !it->answer->is_stored)
        finish(it, &(struct admission){.outcome = ADMIT_ANSWERED});
    else
        classify(it);
}

/* ---- A hook as a job ---- */

/* Behind challenge and respond, still in the job: the table becomes an answer. */
static int read_answer(lua_State *L, int status, lua_KContext ctx)
{
    struct admitting *it = (struct admitting *)(void *)ctx;
    (void)status;
    if (lua_isnil(L, -1))
        return 0;
    if (!it->answer)
        it->answer = admit_answer_create();
    if (!it->answer)
        return luaL_error(L, "out of memory");
    answer_check(L, lua_gettop(L), it->phase, it->answer);
    return 0;
}

/* (admitting, function, request) */
static int l_ask_answer(lua_State *L)
{
    const lua_KContext ctx = (lua_KContext)lua_touserdata(L, 1);
    lua_callk(L, 1, 1, ctx, read_answer);
    return read_answer(L, LUA_OK, ctx);
}

static int function_of(const struct source_spec *source, enum phase_id phase)
{
    return phase == PHASE_CHALLENGE ? source->challenge_function
           : phase == PHASE_VERIFY  ? source->verify_function
                                    : source->respond_function;
}

/* Leaves the request (which holds the view), and what to call with it, on the job's coroutine. */
static int l_prepare(lua_State *L)
{
    struct job *job = lua_touserdata(L, 1);
    struct admitting *it = job->ctx;
    l_strand_prepare(L, &job->base);
    struct request_view *view = request_push(L, &it->request);
    lua_pushvalue(L, -1);
    lua_xmove(L, job->base.L, 1);
    job->request = view;
    if (it->phase != PHASE_VERIFY) {
        lua_pushcfunction(L, l_ask_answer);
        lua_pushlightuserdata(L, it);
    }
    script_push_ref(L, job->script, REF_FUNCTIONS);
    lua_rawgeti(L, -1, function_of(it->request.source, it->phase));
    lua_remove(L, -2);
    lua_pushvalue(L, 2); /* the request */
    lua_xmove(L, job->base.L, it->phase != PHASE_VERIFY ? 4 : 2);
    return 0;
}

/* verify returned true | false, reason. Only true is true: an object that was returned by mistake
 * opens no door. */
static bool judge(const struct job *job, int result_count, char *reason, size_t size)
{
    lua_State *L = job->base.L;
    const int first = lua_gettop(L) - result_count + 1;
    (void)snprintf(reason, size, "verify returned false");
    if (result_count > 1 && lua_type(L, first + 1) == LUA_TSTRING)
        (void)snprintf(reason, size, "%s", lua_tostring(L, first + 1));
    return result_count > 0 && lua_type(L, first) == LUA_TBOOLEAN && lua_toboolean(L, first);
}

static void go_on(struct admitting *it, bool is_genuine, const char *reason)
{
    if (it->phase == PHASE_CHALLENGE)
        after_challenge(it);
    else if (it->phase == PHASE_RESPOND)
        after_respond(it);
    else if (is_genuine)
        after_verify(it);
    else
        refuse(it, ADMIT_UNVERIFIED, reason);
}

static void release(struct job *job)
{
    job_close_views(job);
    if (job->base.L)
        lua_settop(job->base.L, 0);
    job_release(job);
}

static void fail(struct job *job, enum admit_outcome outcome)
{
    struct admitting *it = job->ctx;
    char text[SCRIPT_TEXT_BYTES];
    const struct buf *from = &job->script->text;
    (void)snprintf(text, sizeof text, "%.*s", (int)from->len, from->len ? from->data : "");
    release(job);
    refuse(it, outcome, text);
}

static void on_end(struct job *job, enum job_end end, int result_count)
{
    struct admitting *it = job->ctx;
    char reason[256] = "";
    if (end == JOB_END_OK) {
        const bool is_good =
            it->phase != PHASE_VERIFY || judge(job, result_count, reason, sizeof reason);
        release(job);
        go_on(it, is_good, reason);
    } else if (end == JOB_END_CANCEL) {
        release(job);
        refuse(it, ADMIT_ERROR, "cancelled");
    } else {
        fail(job, request_outcome(&job->context, ADMIT_ERROR));
    }
}

/* The wall limit is what the hooks before left of it. */
static void start_stage(struct admitting *it, enum phase_id phase)
{
    const int64_t left_ms = phases[phase].wall_ms - (clock_mono_ms() - it->started_ms);
    struct job *job = left_ms > 0 ? job_take(it->script, phase, left_ms) : NULL;
    it->phase = phase;
    if (!job) {
        refuse(it, ADMIT_ERROR, left_ms > 0 ? "out of memory" : "the hooks took too long");
        return;
    }
    job->ctx = it;
    job->context.subject = subject_of_source(it->request.source);
    struct context context;
    context_init(&context, phase, left_ms);
    context.subject = job->context.subject;
    if (script_call(it->script, &context, l_prepare, job, 0) != OK)
        fail(job, ADMIT_ERROR);
    else
        job_start(job, phase == PHASE_VERIFY ? 1 : 3, on_end);
}

/* ---- The beginning ---- */

static bool has_jobs(const struct source_spec *source)
{
    return source->challenge_function != 0 || source->verify_function != 0 ||
           source->respond_function != 0;
}

void script_admit(struct script *script, const struct admit_request *request, admit_cb on_admitted,
                  void *ctx)
{
    struct err err;
    if (handshake_admit(request, on_admitted, ctx))
        return;
    if (!request->is_method_listed && request->source->challenge_function == 0) {
        on_admitted(&(struct admission){.outcome = ADMIT_METHOD, .reason = ""}, ctx);
        return;
    }
    if (!has_jobs(request->source)) {
        if (is_genuine(request, &err))
            request_classify(script, request, NULL, on_admitted, ctx);
        else
            on_admitted(&(struct admission){.outcome = ADMIT_UNVERIFIED, .reason = err.text}, ctx);
        return;
    }
    struct admitting *it = calloc(1, sizeof *it);
    if (!it) {
        on_admitted(&(struct admission){.outcome = ADMIT_ERROR, .reason = "out of memory"}, ctx);
        return;
    }
    *it = (struct admitting){.script = script,
                             .request = *request,
                             .on_admitted = on_admitted,
                             .ctx = ctx,
                             .started_ms = clock_mono_ms()};
    if (request->source->challenge_function != 0)
        start_stage(it, PHASE_CHALLENGE);
    else
        check_genuine(it);
}
