/* SPDX-License-Identifier: MIT */
/* What a body says: json, form and data of requests, events and messages. What is wrong with the
 * body is noted with the hook that asked, for it is the sender's fault. */
#include "script/bind_int.h"

#include "base/multipart.h"

static void note(lua_State *L, enum body_fault fault)
{
    struct context *context = script_of(L)->context;
    if (context)
        context->fault = fault;
}

/* What lies over the plain bytes goes, the value stays. */
static bool finish(lua_State *L, bool is_good)
{
    lua_remove(L, -2);
    return is_good;
}

bool body_push_json(lua_State *L, const struct coded_body *body, bool *is_lossy)
{
    struct slice plain;
    if (!body_push_plain(L, body, &plain))
        return false;
    const bool is_good = json_push(L, plain, is_lossy);
    if (!is_good)
        note(L, BODY_MALFORMED);
    return finish(L, is_good);
}

/* Fields that carry a file are like the others. A name that comes again: the last one wins. */
static bool push_multipart(lua_State *L, struct slice content_type, struct slice plain)
{
    struct multipart parts;
    struct multipart_part part;
    int count = 0;
    budget_check_work(L, plain.len);
    lua_newtable(L);
    if (multipart_open(&parts, content_type, plain))
        while (multipart_next(&parts, &part)) {
            if (++count > LIMIT_FORM_FIELDS || part.name.len > LIMIT_FORM_NAME_BYTES) {
                note(L, BODY_TOO_LARGE);
                lua_pop(L, 1);
                form_push_limits(L);
                return false;
            }
            lua_pushlstring(L, part.name.data, part.name.len);
            lua_pushlstring(L, part.value.data, part.value.len);
            lua_rawset(L, -3);
        }
    if (!parts.why)
        return true;
    note(L, BODY_MALFORMED);
    lua_pop(L, 1);
    lua_pushstring(L, parts.why);
    return false;
}

bool body_push_form(lua_State *L, const struct coded_body *body)
{
    struct slice plain;
    struct slice type;
    if (!body_push_plain(L, body, &plain))
        return false;
    if (head_find(body->head, "content-type", &type) && multipart_is(type))
        return finish(L, push_multipart(L, type, plain));
    const bool is_good = form_push(L, plain);
    if (!is_good)
        note(L, BODY_TOO_LARGE);
    return finish(L, is_good);
}

bool body_is_form(struct slice head)
{
    static const char form[] = "application/x-www-form-urlencoded";
    struct slice type;
    if (!head_find(head, "content-type", &type))
        return false;
    return multipart_is(type) ||
           (type.len >= sizeof form - 1 &&
            slice_equal_nocase(slice_of(type.data, sizeof form - 1), slice_str(form)));
}
