/* SPDX-License-Identifier: MIT */
/* /api/v1/app: the applications (tenants), found by their id or by the caller's own uid. */
#include "api/resource_int.h"

#include "base/clock.h"
#include "base/log.h"
#include "model/ownership.h"

#include <stdlib.h>

static const struct field_form fields[] = {
    {.name = "uid",
     .type = FIELD_NAME,
     .min = 1,
     .patch_min = 1,
     .max = LIMIT_UID_BYTES,
     .is_nullable = true},
    {.name = "name", .type = FIELD_TEXT, .min = 1, .is_required = true},
    {.name = "throttleRate",
     .alias = "rateLimit",
     .type = FIELD_INTEGER,
     .min = 1,
     .max = UINT16_MAX,
     .is_nullable = true},
    {.name = "metadata", .type = FIELD_TEXTS, .absent = "{}"},
};
const struct field_forms application_fields = {fields, array_count(fields)};

static void judge_policy(const char *given, struct complaints *complaints)
{
    const char *wrong = ownership_judge(given);
    if (wrong)
        complain_of_member(complaints, "metadata", slice_str("\"ownership\""), wrong);
}

static void judge(struct call *call, const char *given, const char *old,
                  struct complaints *complaints)
{
    (void)call, (void)old;
    judge_policy(given, complaints);
}

const struct resource_form application_form = {
    .kind = RESOURCE_APPLICATION,
    .judge = judge,
    .has_fixed = default_application_is,
    .is_sent_to = true,
    .noun = "application",
    .fields = {fields, array_count(fields)},
    .uid_field = "uid",
    .id_kind = ID_APPLICATION,
};

/* ---- What is below one ------------------------------------------------------------------------
 */

static void refuse_unknown(struct call *call)
{
    call_refuse(call, 404, "not_found", "there is no application of this id or uid");
}

/* Whether the name that was looked up is this application's. */
static bool is_named(const struct call *call, const struct resource *application)
{
    uint64_t id;
    return (id_parse(ID_APPLICATION, call->application_name, &id) && id == application->id) ||
           (application->uid && strcmp(call->application_name, application->uid) == 0);
}

/* By name, so that who publishes is not looked up each time. Only for the admin: how long a call of
 * a token's takes must not tell what is known. */
#define KNOWN_COUNT 256u
#define KNOWN_NAME_BYTES 64u
struct known_application {
    char name[KNOWN_NAME_BYTES];
    uint64_t id; /* 0: none */
};

void api_forget_applications(struct api *api)
{
    api->application_changes++;
    free(api->known);
    api->known = NULL;
}

/* Where this name would be; NULL: none is kept under it. */
static struct known_application *place_of(const struct call *call)
{
    const struct slice name = slice_str(call->application_name);
    return call->api->known && name.len < KNOWN_NAME_BYTES
               ? &call->api->known[slice_hash(name) % KNOWN_COUNT]
               : NULL;
}

static void remember(const struct call *call)
{
    struct api *api = call->api;
    if (call->application_changes != api->application_changes)
        return;
    if (!api->known)
        api->known = calloc(KNOWN_COUNT, sizeof *api->known);
    struct known_application *place = place_of(call);
    if (!place)
        return;
    memcpy(place->name, call->application_name, strlen(call->application_name) + 1);
    place->id = call->application;
}

static bool is_known(struct call *call)
{
    const struct known_application *place = place_of(call);
    if (call->token.id != 0 || call->route->handle != api_publish || !place || place->id == 0 ||
        strcmp(place->name, call->application_name) != 0)
        return false;
    call->application = place->id;
    return true;
}

static void on_found(struct store_read *read)
{
    struct call *call = read->ctx;
    struct store_list_resources *list = container_of(read, struct store_list_resources, read);
    const enum status status = read->status;
    const bool is_found = status == OK && (call->token.id == 0 || is_named(call, &list->rows[0]));
    if (is_found) {
        call->application = list->rows[0].id;
        free(call->application_fields);
        call->application_fields = list->rows[0].body;
        list->rows[0].body = NULL;
        remember(call);
    } else if (status != OK && status != E_NOTFOUND)
        log_error("read of the store failed", "route=\"%s\" error=\"%s\"", call->route->path,
                  read->err.text);
    store_read_finish(read);
    if (!call_end_wait(call))
        return;
    if (!is_found && call->token.id != 0 && status != E_IO)
        refuse_unknown(call); /* not even to be made */
    else if (status == OK || status == E_NOTFOUND)
        call->then(call, is_found);
    else
        call_refuse(call, 500, "store", "the store could not be read; see the server's log");
}

void api_find_application(struct call *call, void (*then)(struct call *call, bool is_found))
{
    api_look_up_application(call, call->parts.rows[0], then);
}

void api_look_up_application(struct call *call, struct slice name,
                             void (*then)(struct call *call, bool is_found))
{
    struct store_list_resources *list = &call->list_resources;
    call->then = then;
    check(name.len < sizeof call->application_name);
    memcpy(call->application_name, name.data, name.len);
    call->application_name[name.len] = '\0';
    if (is_known(call)) {
        then(call, true);
        return;
    }
    call->application_changes = call->api->application_changes;
    *list = (struct store_list_resources){
        .read = {.kind = STORE_LIST_RESOURCES, .on_done = on_found, .ctx = call},
        .kind = RESOURCE_APPLICATION,
        .only = call->token.application,
    };
    /* With a token its own is read, whatever is asked for: so what another has and what nobody has
     * are the same, in the time that it takes too. */
    if (call->token.id == 0) {
        list->only_uid = call->application_name;
        (void)id_parse(ID_APPLICATION, call->application_name, &list->only);
    }
    (void)call_ask(call, &list->read);
}

static void enter(struct call *call, bool is_found)
{
    if (is_found)
        call->route->handle(call);
    else
        refuse_unknown(call);
}

void api_enter_application(struct call *call)
{
    api_find_application(call, enter);
}

/* ---- One that a request brings -----------------------------------------------------------------
 */

bool api_brings_application(struct call *call)
{
    const struct slice body = http_body(call->request);
    struct slice given;
    const bool brings = json_is_valid(body) && json_kind_of(body) == JSON_OBJECT &&
                        json_find(body, "application", &given) && json_kind_of(given) != JSON_NULL;
    if (!brings)
        refuse_unknown(call);
    return brings;
}

enum status api_take_brought(struct call *call, struct slice read, struct complaints *complaints)
{
    struct resource *row = &call->resource.row;
    struct slice application;
    struct buf text;
    check(json_find(read, "application", &application));
    buf_init(&text, 2 * LIMIT_API_BODY_BYTES);
    const enum status status = buf_add_slice(&text, application);
    if (status != OK) {
        buf_finish(&text);
        return status;
    }
    *row = (struct resource){.kind = RESOURCE_APPLICATION, .body = buf_take(&text, NULL)};
    row->uid = fields_copy(row->body, "uid");
    judge_policy(row->body, complaints);
    if (row->uid && strcmp(row->uid, DEFAULT_APPLICATION) == 0)
        complain_of_member(complaints, "application", slice_str("\"uid\""),
                           "it is the application of the endpoints that scripts declare");
    else if (!row->uid || strcmp(row->uid, call->application_name) != 0)
        complain_of_member(complaints, "application", slice_str("\"uid\""),
                           "it is the application that the path names");
    return OK;
}

static void make(struct call *call);

static void on_looked_again(struct call *call, bool is_found)
{
    if (is_found)
        call->go_on(call);
    else
        make(call);
}

static void on_made_told(struct api_registered *told)
{
    struct call *call = told->ctx;
    if (!call_end_wait(call))
        return;
    call->application = call->resource.row.id;
    call->go_on(call);
}

/* Whoever sends goes by its rate before anything is published in it. */
static void tell_made(struct call *call)
{
    call->resource.told =
        (struct api_registered){.row = &call->resource.row, .on_done = on_made_told, .ctx = call};
    call->api->hooks.registered(&call->resource.told, call->api->hooks.ctx);
}

static void on_made(struct store_op *op)
{
    struct call *call = op->ctx;
    const enum status status = op->status;
    if (status == OK) {
        tell_made(call);
        return;
    }
    if (!call_end_wait(call))
        return;
    if (status == E_CONFLICT) { /* another was faster */
        api_find_application(call, on_looked_again);
    } else {
        call_refuse(call, 500, "store", "the change could not be stored; see the server's log");
    }
}

static void make(struct call *call)
{
    if (!call_may_write(call))
        return;
    call->put_resource = (struct store_resource){
        .op = {.kind = STORE_RESOURCE, .on_done = on_made, .ctx = call},
        .resource = &call->resource.row,
        .is_new = true,
        .now_ms = clock_due_ms(),
    };
    call_begin_wait(call);
    check(store_submit(call->api->store, call->api->client, &call->put_resource.op) == OK);
}

void api_make_brought(struct call *call, void (*go_on)(struct call *call))
{
    call->go_on = go_on;
    make(call);
}
