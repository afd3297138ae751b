/* SPDX-License-Identifier: MIT */
/* Text from a terminal, run as the handler of an event in a loaded project: with the limits and the
 * waits of a handler. lua/anzol/evaluate.lua compiles it and shows its values. */
#include "script/bind_int.h"

#include <stdlib.h>

static const char *const form_names[EVALUATE_FORM_COUNT] = {
    [EVALUATE_TEXT] = "text", [EVALUATE_QUOTED] = "quoted", [EVALUATE_JSON] = "json"};

struct evaluation {
    struct evaluate_options options;
    struct subscription_spec subscription;
    job_cb on_done;
    void *ctx;
};

/* give(text): a line more of what is to be seen. What does not fit any more is left out. */
static int l_give(lua_State *L)
{
    struct evaluation *evaluation = lua_touserdata(L, lua_upvalueindex(1));
    struct slice text;
    text.data = luaL_checklstring(L, 1, &text.len);
    if (buf_add_slice(evaluation->options.out, text) == OK)
        (void)!buf_add_str(evaluation->options.out, "\n");
    return 0;
}

static int l_compile(lua_State *L)
{
    struct evaluation *evaluation = lua_touserdata(L, 1);
    const struct evaluate_options *options = &evaluation->options;
    lua_getglobal(L, "require");
    lua_pushliteral(L, "anzol.evaluate");
    lua_call(L, 1, 1);
    lua_pushlstring(L, options->text.data, options->text.len);
    lua_pushstring(L, options->name);
    lua_pushstring(L, form_names[options->form]);
    lua_pushlightuserdata(L, evaluation);
    lua_pushcclosure(L, l_give, 1);
    lua_call(L, 4, 1);
    evaluation->subscription.handler_function = function_keep(L);
    return 0;
}

static void on_done(const struct job_result *result, void *ctx)
{
    struct evaluation *evaluation = ctx;
    evaluation->on_done(result, evaluation->ctx);
    free(evaluation);
}

void script_evaluate(struct script *script, const struct evaluate_options *options, job_cb on_end,
                     void *ctx)
{
    struct evaluation *evaluation = calloc(1, sizeof *evaluation);
    if (!evaluation) {
        on_end(&(struct job_result){.outcome = JOB_FAILED, .text = "out of memory"}, ctx);
        return;
    }
    static char terminal[] = "terminal";
    *evaluation = (struct evaluation){
        .options = *options,
        .subscription = {.name = terminal, .script = terminal, .deadline_ms = options->wall_ms},
        .on_done = on_end,
        .ctx = ctx,
    };
    struct context context;
    context_init(&context, PHASE_LOAD, 0);
    if (script_call(script, &context, l_compile, evaluation, 0) != OK) {
        char text[SCRIPT_TEXT_BYTES];
        (void)snprintf(text, sizeof text, "%.*s", (int)strcspn(script->text.data, "\n"),
                       script->text.data);
        on_done(&(struct job_result){.outcome = JOB_FAILED, .text = text}, evaluation);
        return;
    }
    script_run(script,
               &(struct run_options){.subscription = &evaluation->subscription,
                                     .own = {.event = options->event,
                                             .first_ordinal = 1,
                                             .ordinal_count = ID_ORDINAL_MAX - 1},
                                     .run_number = 1},
               on_done, evaluation);
}
