/* SPDX-License-Identifier: MIT */
/* Endpoints that applications registered, as the API would: each a version in the project's
 * directory. What the API judges of their fields, lua/anzol/testing/registering.lua does. */
#include "testing/testing_int.h"

#include "base/clock.h"
#include "base/limits.h"
#include "model/fan_out.h"
#include "model/resource.h"
#include "model/secret.h"
#include "signature/signature.h"

#include <stdlib.h>

#define NEW_KEY_BYTES 24
#define MS_PER_S 1000
#define TIMESTAMP_BYTES 16

struct registered_pace {
    uint64_t endpoint;
    struct pace pace;
};

struct pace *registered_pace_of(struct project *project, uint64_t endpoint)
{
    for (size_t i = 0; i < project->registered_count; i++)
        if (project->registered[i]->endpoint == endpoint)
            return &project->registered[i]->pace;
    struct registered_pace **rows =
        array_grow(project->registered, project->registered_count, sizeof(void *));
    check(rows != NULL);
    project->registered = rows;
    struct registered_pace *row = must_alloc(sizeof *row);
    *row = (struct registered_pace){.endpoint = endpoint};
    rows[project->registered_count++] = row;
    return &row->pace;
}

void registered_finish(struct project *project)
{
    for (size_t i = 0; i < project->registered_count; i++)
        free(project->registered[i]);
    free(project->registered);
    project->registered = NULL;
    project->registered_count = 0;
}

struct registry *registered_find(const struct project *project, const char *name)
{
    uint64_t id;
    return id_parse(ID_ENDPOINT, name, &id) ? directory_get(project->directory, id) : NULL;
}

/* ---- Registering ---- */

static struct secret make_secret(enum secret_kind kind, struct slice text)
{
    return (struct secret){
        .kind = kind, .version = 1, .text = must_copy(text.data, text.len), .len = text.len};
}

/* The one that is given, or one by chance. False: it is no key. */
static bool read_key(lua_State *L, struct buf *key)
{
    struct key_set keys = {0};
    const struct slice given = field_text(L, 2, "secret");
    char bytes[NEW_KEY_BYTES];
    if (given.len > 0) {
        check(buf_add_slice(key, given) == OK);
    } else {
        random_bytes(bytes, sizeof bytes);
        check(buf_add_str(key, "whsec_") == OK &&
              base64_encode(slice_of(bytes, sizeof bytes), key) == OK);
    }
    const bool is_key = key_set_add_text(&keys, KEY_STANDARD, buf_slice(key), true) == OK;
    key_set_finish(&keys);
    return is_key;
}

static void push_registered(lua_State *L, const struct endpoint_spec *endpoint, struct slice key)
{
    lua_createtable(L, 0, 8);
    endpoint_push_fields(L, endpoint);
    set_id(L, "application", ID_APPLICATION, endpoint->membership->application);
    set_slice(L, "key", key);
}

/* register { application = number, id? (another version of that one), uid?, fields = JSON, headers
 * = JSON?, secret? } -> as of endpoints(), with application and key | nil: the secret is no key */
int l_project_register(lua_State *L)
{
    struct project *project = project_check(L);
    luaL_checktype(L, 2, LUA_TTABLE);
    struct buf key;
    buf_init(&key, LIMIT_SECRET_BYTES);
    if (!read_key(L, &key)) {
        buf_finish(&key);
        return 0;
    }
    const struct slice uid = field_text(L, 2, "uid");
    const struct slice fields = field_text(L, 2, "fields");
    const struct slice headers = field_text(L, 2, "headers");
    const struct slice id = field_text(L, 2, "id");
    struct resource row = {
        .kind = RESOURCE_ENDPOINT,
        .owner = (uint64_t)field_integer(L, 2, "application", 1),
        .uid = uid.len > 0 ? must_copy(uid.data, uid.len) : NULL,
        .version = 1,
        .body = must_copy(fields.data, fields.len),
        .created_ms = project->now_ms,
        .updated_ms = project->now_ms,
        .secrets = must_alloc(2 * sizeof(struct secret)),
    };
    if (id.len == 0 || !id_parse(ID_ENDPOINT, id.data, &row.id))
        row.id = id_next_row(&project->last_row);
    row.secrets[row.secret_count++] = make_secret(SECRET_KEY, buf_slice(&key));
    if (headers.len > 0)
        row.secrets[row.secret_count++] = make_secret(SECRET_HEADERS, headers);
    struct registry *one = registered_make(&row, NULL, NULL);
    push_registered(L, &one->endpoints[0], buf_slice(&key));
    check(directory_put(project->directory, one) == OK);
    resource_finish(&row);
    buf_finish(&key);
    return 1;
}

/* ---- What is published ---- */

/* fan_out(event) -> deliveries, as of run, of one that no script takes | nil: it was not published
 */
int l_project_fan_out(lua_State *L)
{
    struct project *project = project_check(L);
    const struct event *event = event_handle_check(L, 2);
    struct outbox outbox = {0};
    size_t count;
    if (!event_is_published(event))
        return 0;
    const struct fan_out what = fan_out_of(event);
    check(fan_out(&what, project->directory, &outbox, &count) == OK);
    lua_newtable(L);
    set_outbox(L, project, &outbox);
    outbox_finish(&outbox);
    lua_getfield(L, -1, "deliveries");
    return 1;
}

/* When a head says that it was signed, Unix ms; 0: it does not. */
static int64_t signed_ms(struct slice head)
{
    char text[TIMESTAMP_BYTES] = "";
    struct slice value;
    if (head_find(head, "webhook-timestamp", &value) && value.len < sizeof text)
        memcpy(text, value.data, value.len);
    return strtoll(text, NULL, 10) * MS_PER_S;
}

/* is_signed { key, headers, body } -> whether the request has a good signature of Standard Webhooks
 * by the key, at the time that it says | nil: the key is none */
int l_project_is_signed(lua_State *L)
{
    (void)project_check(L);
    luaL_checktype(L, 2, LUA_TTABLE);
    struct verifier verifier = {.kind = VERIFIER_RECIPE};
    struct verify_input input = {.body = field_text(L, 2, "body")};
    struct buf head;
    struct err err;
    recipe_standard(&verifier.recipe);
    if (key_set_add_text(&verifier.keys, KEY_STANDARD, field_text(L, 2, "key"), true) != OK)
        return 0;
    buf_init(&head, LIMIT_HEADERS_BYTES);
    const bool has_room = field_head(L, 2, &head);
    input.head = buf_slice(&head);
    input.now_ms = signed_ms(input.head);
    lua_pushboolean(L, has_room && verifier_check(&verifier, &input, &err));
    buf_finish(&head);
    key_set_finish(&verifier.keys);
    return 1;
}
