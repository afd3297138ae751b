/* SPDX-License-Identifier: MIT */
/* A request that goes the whole way here: admitted as a listener's would be, then the runs of its
 * event and of the events that they emit. What they commit is told; kv is kept, nothing is sent. */
#include "console/console_int.h"

#include "base/clock.h"
#include "base/limits.h"
#include "model/outbox.h"
#include "script/fields.h"

#include <stdlib.h>

#define EVENTS_MAX 1000 /* of one request; a chain's depth is limited by itself */

struct passage {
    lua_State *L; /* the result's table is on top; while events run, the list of runs above it */
    struct console *console;
    const struct source_spec *source;
    struct content *content; /* owned until the event has it */
    bool is_over;
    const struct event *running;
    const struct subscription_spec *subscription;
    struct event *events[EVENTS_MAX]; /* owned references */
    size_t count;
    size_t left_out; /* emitted beyond that */
    lua_Integer run_count;
};

static void end_wait(struct passage *it)
{
    it->is_over = true;
    uv_stop(&it->console->loop); /* nothing else may be there to wake it */
}

static void await(struct passage *it)
{
    while (!it->is_over)
        (void)uv_run(&it->console->loop, UV_RUN_DEFAULT);
    it->is_over = false;
}

/* ---- The way in ---- */

static const struct {
    const char *name;
    int status; /* 0: the source's */
} outcomes[] = {
    [ADMIT_OK] = {"stored", 0},
    [ADMIT_UNVERIFIED] = {"unverified", 401},
    [ADMIT_MALFORMED] = {"malformed_json", 0},
    [ADMIT_TOO_LARGE] = {"too_large", 413},
    [ADMIT_ERROR] = {"script_error", 500},
    [ADMIT_UNTYPED] = {"untyped", 0},
    [ADMIT_ANSWERED] = {"answered", 0},
    [ADMIT_METHOD] = {"method_not_allowed", 405},
};

static void make_event(struct passage *it, const struct admission *admission)
{
    const struct source_spec *source = it->source;
    const bool is_untyped = admission->outcome == ADMIT_UNTYPED;
    content_hide(it->content, source->hidden_headers, source->hidden_header_count);
    struct event *event = event_create(&(struct event_options){
        .source = slice_str(source->name),
        .type = is_untyped ? slice_str(EVENT_UNTYPED) : admission->type,
        .key = is_untyped ? slice_str("") : admission->key,
        .content = it->content,
        .trace = trace_of_head(content_head(it->content)),
        .received_ms = clock_now_ms(),
    });
    check(event != NULL);
    it->content = NULL;
    event->id = id_next_event(&it->console->ids, 0);
    set_id(it->L, "id", ID_EVENT, event->id);
    set_slice(it->L, "type", event->type);
    if (is_untyped)
        event_unref(event); /* it waits for a replay: nothing runs */
    else
        it->events[it->count++] = event;
}

static void on_admitted(const struct admission *admission, void *ctx)
{
    struct passage *it = ctx;
    const int status = admission->outcome == ADMIT_MALFORMED ? it->source->malformed_status
                                                             : outcomes[admission->outcome].status;
    set_text(it->L, "outcome", outcomes[admission->outcome].name);
    set_text(it->L, "reason", admission->reason);
    set_integer(it->L, "status", status ? status : it->source->status);
    if (admission->answer) {
        set_integer(it->L, "status", admission->answer->status);
        set_slice(it->L, "body", buf_slice(&admission->answer->body));
        admit_answer_free(admission->answer);
    }
    if (admission->outcome == ADMIT_OK || admission->outcome == ADMIT_UNTYPED)
        make_event(it, admission);
    end_wait(it);
}

static bool is_listed(const struct source_spec *source, struct slice method)
{
    for (const char *at = source->methods; *at;) {
        const size_t len = strcspn(at, ", ");
        if (slice_equal(slice_of(at, len), method))
            return true;
        at += len + strspn(at + len, ", ");
    }
    return false;
}

static void admit(struct passage *it, struct slice method)
{
    script_admit(it->console->script,
                 &(struct admit_request){.source = it->source,
                                         .head = content_head(it->content),
                                         .body = content_body(it->content),
                                         .received_ms = clock_now_ms(),
                                         .is_method_listed = is_listed(it->source, method)},
                 on_admitted, it);
    await(it);
}

/* ---- Runs ---- */

/* Those that are due now run next. */
static void take_emits(struct passage *it, struct outbox *outbox)
{
    for (size_t i = 0; i < outbox->emit_count; i++) {
        struct event *event = outbox->emits[i];
        if (event->due_ms > clock_due_ms())
            continue;
        if (it->count < EVENTS_MAX)
            it->events[it->count++] = event_ref(event);
        else
            it->left_out++;
    }
}

static void on_run(const struct job_result *result, void *ctx)
{
    static const char *const names[] = {"handled", "skipped", "retry_later", "failed", "cancelled"};
    struct passage *it = ctx;
    lua_State *L = it->L;
    lua_createtable(L, 0, 7);
    set_text(L, "subscription", it->subscription->name);
    set_id(L, "event", ID_EVENT, it->running->id);
    set_slice(L, "type", it->running->type);
    set_text(L, "outcome", names[result->outcome]);
    set_text(L, "text", result->text);
    set_integer(L, "delay_ms", result->delay_ms);
    effects_push(L, result->outbox);
    lua_setfield(L, -2, "effects");
    lua_rawseti(L, -2, ++it->run_count);
    if (result->outbox) {
        take_emits(it, result->outbox);
        values_apply(&it->console->values, result->outbox);
        outbox_finish(result->outbox);
    }
    free(result->outbox);
    end_wait(it);
}

static void run_event(struct passage *it, struct event *event)
{
    const struct subscription_spec *matches[LIMIT_SUBSCRIPTIONS_PER_EVENT];
    size_t count = registry_match(script_registry(it->console->script), event->source, event->type,
                                  matches, LIMIT_SUBSCRIPTIONS_PER_EVENT);
    if (count > LIMIT_SUBSCRIPTIONS_PER_EVENT)
        count = LIMIT_SUBSCRIPTIONS_PER_EVENT;
    it->running = event;
    for (size_t i = 0; i < count; i++) {
        it->subscription = matches[i];
        const struct run_options options = {
            .subscription = matches[i],
            .own = {.event = event, .first_ordinal = 1, .ordinal_count = ID_ORDINAL_MAX - 1},
            .run_number = 1,
        };
        script_run(it->console->script, &options, on_run, it);
        await(it);
    }
}

int l_console_receive(lua_State *L)
{
    struct console *console = console_check(L);
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_settop(L, 2);
    struct slice method;
    lua_getfield(L, 2, "source");
    const struct source_spec *source =
        registry_source(script_registry(console->script), slice_str(luaL_checkstring(L, -1)));
    if (!source)
        return luaL_error(L, "no source '%s' is registered", lua_tostring(L, -1));
    lua_getfield(L, 2, "method");
    method.data = luaL_checklstring(L, -1, &method.len);
    struct content *content = content_read(L, 2);
    if (!content)
        return luaL_error(L, "the request is over a limit: %d bytes of headers, %d of body",
                          LIMIT_HEADERS_BYTES, LIMIT_BODY_BYTES_HARD);
    struct passage *it = must_alloc(sizeof *it);
    *it = (struct passage){.L = L, .console = console, .source = source, .content = content};
    lua_newtable(L);
    admit(it, method);
    lua_newtable(L);
    for (size_t i = 0; i < it->count; i++) {
        run_event(it, it->events[i]);
        event_unref(it->events[i]);
    }
    lua_setfield(L, -2, "runs");
    set_integer(L, "left_out", (lua_Integer)it->left_out);
    content_unref(it->content);
    free(it);
    return 1;
}
