/* SPDX-License-Identifier: MIT */
/* Of what type a genuine request is, and with what key: type and idempotency_key of its source. */
#include "script/bind_int.h"

struct classify {
    const struct admit_request *request;
    struct context *context;
    char type[LIMIT_TYPE_BYTES + 1];
    size_t type_len;
    char key[LIMIT_KEY_BYTES];
    size_t key_len;
};

struct subject subject_of_source(const struct source_spec *source)
{
    return (struct subject){.kind = "source", .name = source->name, .place = source->script};
}

enum admit_outcome request_outcome(const struct context *context, enum admit_outcome otherwise)
{
    if (context->kill != KILL_NONE || context->fault == BODY_GOOD)
        return otherwise;
    return context->fault == BODY_MALFORMED ? ADMIT_MALFORMED : ADMIT_TOO_LARGE;
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
        (void)luaL_error(L, "type must return a string, got %s", value_typename(L, -1));
    type.data = lua_tolstring(L, -1, &type.len);
    if (!event_type_is_valid(type))
        (void)luaL_error(L, "type returned '%s': at most %d of A-Z a-z 0-9 _ . -", type.data,
                         LIMIT_TYPE_BYTES);
    if (event_type_is_reserved(type))
        (void)luaL_error(L, "type returned '%s': " TYPE_RESERVED, type.data);
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
                         value_typename(L, -1));
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

void request_classify(struct script *script, const struct admit_request *request,
                      struct admit_answer *answer, admit_cb on_admitted, void *ctx)
{
    const struct source_spec *source = request->source;
    if (source->type_function == 0 && source->key_function == 0) {
        on_admitted(&(struct admission){.outcome = ADMIT_OK,
                                        .type = slice_str(source->type),
                                        .answer = answer},
                    ctx);
        return;
    }
    struct context context;
    context_init(&context, PHASE_TYPE, 0);
    context.subject = subject_of_source(source);
    struct classify classify;
    classify.request = request;
    classify.context = &context;
    classify.type_len = classify.key_len = 0;
    const enum status status = script_call(script, &context, l_classify, &classify, 0);
    close_view(script);
    if (status == OK) {
        const struct slice type =
            source->type ? slice_str(source->type) : slice_of(classify.type, classify.type_len);
        on_admitted(&(struct admission){.outcome = ADMIT_OK,
                                        .type = type,
                                        .key = slice_of(classify.key, classify.key_len),
                                        .answer = answer},
                    ctx);
        return;
    }
    char text[SCRIPT_TEXT_BYTES];
    (void)snprintf(text, sizeof text, "%.*s", (int)script->text.len,
                   script->text.len ? script->text.data : "");
    const enum admit_outcome outcome = request_outcome(&context, ADMIT_UNTYPED);
    if (outcome != ADMIT_UNTYPED) {
        admit_answer_free(answer);
        answer = NULL;
    }
    on_admitted(&(struct admission){.outcome = outcome, .reason = text, .answer = answer}, ctx);
}
