/* SPDX-License-Identifier: MIT */
/* A change reads the row and writes it as a whole if it still has the version that was read, else
 * it begins anew: so two that change different fields both count. */
#include "api/resource_int.h"
#include "api/token_int.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>

#define DETAIL_BYTES 128
#define TRIES_MAX 5u
#define ARCHIVING "{\"archived\":true}"

static void look(struct call *call);

static struct resource_call *state_of(struct call *call)
{
    return &call->resource;
}

/* ---- Answers -----------------------------------------------------------------------------------
 */

void resource_write(const struct resource_form *form, const struct resource *resource,
                    bool with_content, struct document *out)
{
    document_open(out, '{');
    if (!form->is_named)
        show_id(out, "id", form->id_kind, resource->id);
    fields_write(&form->fields, resource->body, with_content ? NULL : form->content, out);
    document_key(out, "createdAt");
    document_due(out, resource->created_ms);
    document_key(out, "updatedAt");
    document_due(out, resource->updated_ms);
    document_close(out, '}');
}

static void answer(struct call *call, int status, const struct resource *resource)
{
    struct document out;
    document_init(&out, LIMIT_API_ANSWER_BYTES);
    resource_write(call->resource.form, resource, true, &out);
    call_answer(call, status, &out);
}

static void repeat_made(struct call *call, const struct resource *first)
{
    answer(call, 201, first);
}

static void repeat_touched(struct call *call, const struct resource *first)
{
    (void)first;
    api_respond(call->request, 204, slice_of("", 0), NULL, 0);
}

static void refuse_unknown(struct call *call)
{
    char detail[DETAIL_BYTES];
    (void)snprintf(detail, sizeof detail, "there is no %s of this %s", call->resource.form->noun,
                   call->resource.form->is_named ? "name" : "id or uid");
    call_refuse(call, 404, "not_found", detail);
}

static void refuse_type(struct call *call, const struct store_registered *endpoint)
{
    char message[LIMIT_UID_BYTES + DETAIL_BYTES];
    struct complaints complaints;
    complaints_begin(&complaints);
    (void)snprintf(message, sizeof message, "there is no event type \"%s\": make it first",
                   endpoint->types[endpoint->missing_type]);
    complain(&complaints, "body", slice_str("eventTypes"), message);
    (void)complaints_end(call, &complaints);
}

static void refuse_taken(struct call *call)
{
    char detail[DETAIL_BYTES];
    (void)snprintf(detail, sizeof detail, "another %s has this %s", call->resource.form->noun,
                   call->resource.form->uid_field);
    call_refuse(call, 409, "conflict", detail);
}

/* ---- Writing -----------------------------------------------------------------------------------
 */

static void on_conflict(struct call *call, bool is_taken)
{
    struct resource_call *it = state_of(call);
    const bool may_be_there = it->may_exist || it->form->is_named;
    if (is_taken && !may_be_there)
        refuse_taken(call);
    else if (++it->tries < TRIES_MAX)
        look(call);
    else
        call_refuse(call, 409, "conflict", "others change it all the time; try again");
}

/* What became of the write. */
static void conclude(struct call *call)
{
    struct resource_call *it = state_of(call);
    const struct store_resource *put = &call->put_resource;
    if (it->status == E_NOTFOUND && it->is_new)
        call_refuse(call, 404, "not_found", "there is no application of this id or uid");
    else if (it->status == E_LIMIT)
        call_refuse(call, 400, "too_many_endpoints",
                    "the application has as many endpoints as it may: delete one, or raise "
                    "limits.application_endpoints in anzol.lua");
    else if (put->is_crowded)
        call_refuse(call, 400, "too_many_secrets",
                    "ten secrets before this one are good still: wait until one has ended, or "
                    "rotate with gracePeriodSeconds 0");
    else if (it->status == E_CONFLICT || it->status == E_NOTFOUND)
        on_conflict(call, put->is_taken);
    else if (it->status == E_INVALID)
        refuse_type(call, put->endpoint);
    else if (it->status != OK)
        call_refuse(call, 500, "store", "the change could not be stored; see the server's log");
    else if (it->verb >= RESOURCE_ARCHIVE)
        api_respond(call->request, 204, slice_of("", 0), NULL, 0);
    else
        answer(call, it->is_new ? 201 : 200, &it->row);
}

static void on_told(struct api_registered *told)
{
    struct call *call = told->ctx;
    if (call_end_wait(call))
        conclude(call);
}

/* Whether or not somebody waits for the answer. */
static void tell(struct call *call, const struct store_resource *put)
{
    struct resource_call *it = state_of(call);
    it->told = (struct api_registered){
        .row = &it->row,
        .is_removed = put->is_removal,
        .standing = put->endpoint ? put->endpoint->standing : (struct endpoint_standing){0},
        .telling = put->telling,
        .on_done = on_told,
        .ctx = call,
    };
    call->api->hooks.registered(&it->told, call->api->hooks.ctx);
}

static void on_written(struct store_op *op)
{
    struct call *call = op->ctx;
    struct store_resource *put = container_of(op, struct store_resource, op);
    struct resource_call *it = state_of(call);
    it->status = op->status;
    if (it->form->kind == RESOURCE_APPLICATION)
        api_forget_applications(call->api);
    if (put->is_repeat) {
        resource_finish(&it->row);
        it->row = put->first;
        put->first = (struct resource){0};
    }
    if (op->status == OK && !put->is_repeat && it->form->is_sent_to)
        tell(call, put);
    else if (call_end_wait(call))
        conclude(call);
}

static bool may_write(struct call *call)
{
    const struct api_hooks *hooks = &call->api->hooks;
    const char *why;
    if (!call_may_write(call))
        return false;
    if (!state_of(call)->form->is_sent_to || hooks->is_serving(&why, hooks->ctx))
        return true;
    call_refuse(call, 503, "not_serving", "the server is starting or draining; nothing was done");
    return false;
}

/* Writes state->row. */
static void write_row(struct call *call)
{
    struct resource_call *it = state_of(call);
    const struct api_hooks *hooks = &call->api->hooks;
    if (!may_write(call))
        return;
    call->put_resource = (struct store_resource){
        .op = {.kind = STORE_RESOURCE, .on_done = on_written, .ctx = call},
        .resource = &it->row,
        .is_new = it->row.id == 0,
        .version = it->row.version,
        .is_removal = it->verb == RESOURCE_REMOVE,
        .now_ms = clock_due_ms(),
        .answer_key = call->has_key ? call->key : NULL,
    };
    store_telling_finish(&it->telling);
    if (it->form->is_sent_to && hooks->telling(&it->row, &it->telling, hooks->ctx))
        call->put_resource.telling = &it->telling;
    if (it->form->complete && it->verb != RESOURCE_REMOVE)
        it->form->complete(call, &call->put_resource);
    call_begin_wait(call);
    check(store_submit(call->api->store, call->api->client, &call->put_resource.op) == OK);
}

/* Fills the row's fields from a body. False: refused and answered. */
static bool read_fields(struct call *call, struct complaints *complaints,
                        const struct fields_input *input)
{
    struct resource_call *it = state_of(call);
    struct buf body;
    struct buf uid;
    buf_init(&body, 2 * LIMIT_API_BODY_BYTES);
    buf_init(&uid, LIMIT_API_BODY_BYTES);
    enum status status = fields_read(input, complaints, &body);
    if (status == OK && complaints->count == 0 && it->form->judge)
        it->form->judge(call, body.data, input->old ? input->old : "{}", complaints);
    if (!complaints_end(call, complaints)) {
        buf_finish(&body);
        return false;
    }
    if (status == OK)
        status = fields_text(body.data, it->form->uid_field, &uid);
    if (status == OK) {
        it->row.kind = it->form->kind;
        it->row.owner = call->application;
        it->row.is_archived = fields_flag(body.data, "archived");
        it->row.uid = uid.len > 0 ? buf_take(&uid, NULL) : NULL;
        it->row.body = buf_take(&body, NULL);
    } else {
        call_refuse(call, status == E_LIMIT ? 413 : 503, status == E_LIMIT ? "too_large" : "memory",
                    status == E_LIMIT ? "the fields together are too large"
                                      : "no memory; try again");
    }
    buf_finish(&body);
    buf_finish(&uid);
    return status == OK;
}

/* True: the uid that it wants is of one that is always there, and that is the answer. */
static bool takes_fixed(struct call *call)
{
    const struct resource_call *it = state_of(call);
    struct resource fixed;
    if (!it->form->has_fixed || !it->row.uid || !it->form->has_fixed(call, it->row.uid, &fixed))
        return false;
    if (it->verb == RESOURCE_MAKE && it->may_exist)
        answer(call, 200, &fixed);
    else
        refuse_taken(call);
    return true;
}

/* ---- Reading the row that is to change -------------------------------------------------------
 */

/* The uid that a new one wants is another's, or was. */
static void go_on_making(struct call *call, const struct resource *found)
{
    struct resource_call *it = state_of(call);
    if (found && it->may_exist && !found->is_archived) {
        answer(call, 200, found);
    } else if (found && !found->is_archived) {
        refuse_taken(call);
    } else {
        it->row.id = found ? found->id : 0;
        it->row.version = found ? found->version : 0;
        write_row(call);
    }
}

static void go_on_changing(struct call *call, struct resource *found)
{
    static const enum field_mode modes[] = {[RESOURCE_REPLACE] = FIELDS_REPLACED,
                                            [RESOURCE_PATCH] = FIELDS_PATCHED,
                                            [RESOURCE_ARCHIVE] = FIELDS_PATCHED};
    struct resource_call *it = state_of(call);
    struct complaints complaints;
    complaints_begin(&complaints);
    const struct fields_input input = {
        .forms = &it->form->fields,
        .mode = modes[it->verb],
        .body = it->verb == RESOURCE_ARCHIVE ? slice_str(ARCHIVING) : http_body(call->request),
        .old = found ? found->body : "{}",
        .path = it->place.data,
    };
    resource_finish(&it->row);
    it->is_new = !found;
    it->row.id = found ? found->id : 0;
    it->row.version = found ? found->version : 0;
    if (found) {
        it->row.secrets = found->secrets;
        it->row.secret_count = found->secret_count;
        found->secrets = NULL;
        found->secret_count = 0;
    }
    if (!found && it->form->is_named && !fields_is_name(buf_slice(&it->place)))
        complain(&complaints, "path", slice_str(it->form->uid_field),
                 "only letters, digits, '-', '_' and '.' may be part of it");
    if (read_fields(call, &complaints, &input) && !takes_fixed(call))
        write_row(call);
}

static void go_on_touching(struct call *call, struct resource *found)
{
    struct resource_call *it = state_of(call);
    struct complaints complaints;
    complaints_begin(&complaints);
    resource_finish(&it->row);
    it->row = *found;
    *found = (struct resource){0};
    if (strcmp(call->route->method, "POST") == 0)
        call_take_key(call, repeat_touched);
    it->touch(call, &complaints);
    if (complaints_end(call, &complaints))
        write_row(call);
}

static void on_looked(struct store_read *read)
{
    struct call *call = read->ctx;
    struct store_list_resources *list = container_of(read, struct store_list_resources, read);
    const enum status status = read->status;
    struct resource found = {0};
    if (status == OK) {
        found = list->rows[0];
        list->rows[0] = (struct resource){0};
    } else if (status != E_NOTFOUND) {
        log_error("read of the store failed", "route=\"%s\" error=\"%s\"", call->route->path,
                  read->err.text);
    }
    store_read_finish(read);
    if (!call_end_wait(call)) {
        resource_finish(&found);
        return;
    }
    struct resource_call *it = state_of(call);
    if (status != OK && status != E_NOTFOUND) {
        call_refuse(call, 500, "store", "the store could not be read; see the server's log");
    } else if (it->verb == RESOURCE_MAKE) {
        go_on_making(call, status == OK ? &found : NULL);
    } else if (status == E_NOTFOUND && it->verb != RESOURCE_REPLACE) {
        refuse_unknown(call);
    } else if (it->verb == RESOURCE_REMOVE) {
        resource_finish(&it->row);
        it->row.kind = it->form->kind;
        it->row.owner = call->application;
        it->row.id = found.id;
        it->row.uid = found.uid;
        found.uid = NULL;
        write_row(call);
    } else if (it->verb == RESOURCE_TOUCH) {
        go_on_touching(call, &found);
    } else {
        go_on_changing(call, status == OK ? &found : NULL);
    }
    resource_finish(&found);
}

/* What the path names; of one that is made, who has its uid. */
static void point(struct call *call)
{
    struct resource_call *it = state_of(call);
    const char *name = it->verb == RESOURCE_MAKE ? it->row.uid : it->place.data;
    call->list_resources = (struct store_list_resources){
        .kind = it->form->kind,
        .owner = call->application,
        .only_uid = name,
        .secrets_ms = it->form->has_secrets && it->verb != RESOURCE_READ ? clock_due_ms() : 0,
    };
    token_narrow(call, &call->list_resources);
    if (!it->form->is_named && it->verb != RESOURCE_MAKE)
        (void)id_parse(it->form->id_kind, name, &call->list_resources.only);
}

static void look(struct call *call)
{
    point(call);
    call->list_resources.read.kind = STORE_LIST_RESOURCES;
    call->list_resources.read.on_done = on_looked;
    call->list_resources.read.ctx = call;
    (void)call_ask(call, &call->list_resources.read);
}

/* ---- Parameters --------------------------------------------------------------------------------
 */

static bool query_is_down(struct call *call, struct complaints *complaints)
{
    struct buf text;
    buf_init(&text, LIMIT_REQUEST_LINE_BYTES);
    const char *value = complaints_query_get(call, "order", &text, complaints);
    bool is_down = call->resource.form->is_newest_first;
    if (value)
        is_down = strcmp(value, "descending") == 0;
    if (value && !is_down && strcmp(value, "ascending") != 0)
        complain_of_query(complaints, "order", "ascending or descending is wanted");
    buf_finish(&text);
    return is_down;
}

static void query_iterator(struct call *call, struct complaints *complaints)
{
    struct resource_call *it = state_of(call);
    struct store_list_resources *list = &call->list_resources;
    const char *text = complaints_query_get(call, "iterator", &it->place, complaints);
    if (!text)
        return;
    it->is_backward = text[0] == '-';
    text += it->is_backward;
    list->behind_uid = text;
    if (it->form->is_named
            ? !fields_is_name(slice_str(text)) || strlen(text) > LIMIT_UID_BYTES
            : (!id_parse(it->form->id_kind, text, &list->behind) || list->behind == 0))
        complain_of_query(complaints, "iterator", "not an iterator that this list gave");
}

static void query_limit(struct call *call, struct complaints *complaints)
{
    struct buf text;
    buf_init(&text, LIMIT_REQUEST_LINE_BYTES);
    call->list_resources.limit = PAGE_ROWS_DEFAULT;
    const char *value = complaints_query_get(call, "limit", &text, complaints);
    if (value)
        paging_parse_limit(value, &call->list_resources.limit, complaints);
    buf_finish(&text);
}

/* ---- Handlers ----------------------------------------------------------------------------------
 */

/* False: no memory; answered. */
static bool begin(struct call *call, enum resource_verb verb)
{
    struct resource_call *it = state_of(call);
    it->form = call->route->form;
    it->verb = verb;
    if (it->form->kind == RESOURCE_APPLICATION)
        call->application = 0; /* it was looked up for its token: it is not below itself */
    buf_init(&it->place, LIMIT_REQUEST_LINE_BYTES);
    if (buf_add_slice(&it->place, call->id) == OK)
        return true;
    call_refuse(call, 503, "memory", "no memory; try again");
    return false;
}

void resource_list(struct call *call)
{
    struct complaints complaints;
    complaints_begin(&complaints);
    if (!begin(call, RESOURCE_READ))
        return;
    struct store_list_resources *list = &call->list_resources;
    struct resource_call *it = state_of(call);
    const struct resource_form *form = it->form;
    *list = (struct store_list_resources){
        .kind = form->kind, .owner = call->application, .is_by_uid = form->is_named};
    token_narrow(call, list);
    query_limit(call, &complaints);
    query_iterator(call, &complaints);
    list->is_down = query_is_down(call, &complaints) != it->is_backward;
    list->with_archived =
        api_query_flag(call, "include_archived", !form->is_archived_first, &complaints);
    it->with_content = api_query_flag(call, "with_content", !form->content, &complaints);
    if (complaints_end(call, &complaints))
        call_read(call, STORE_LIST_RESOURCES);
}

void resource_make(struct call *call)
{
    struct complaints complaints;
    complaints_begin(&complaints);
    if (!begin(call, RESOURCE_MAKE))
        return;
    struct resource_call *it = state_of(call);
    it->is_new = true;
    call_take_key(call, repeat_made);
    it->may_exist = it->form->kind == RESOURCE_APPLICATION &&
                    api_query_flag(call, "get_if_exists", false, &complaints);
    const struct fields_input input = {
        .forms = &it->form->fields, .mode = FIELDS_MADE, .body = http_body(call->request)};
    if (read_fields(call, &complaints, &input) && !takes_fixed(call))
        write_row(call);
}

void resource_get(struct call *call)
{
    if (!begin(call, RESOURCE_READ))
        return;
    point(call);
    state_of(call)->with_content = true;
    call_read(call, STORE_LIST_RESOURCES);
}

void resource_replace(struct call *call)
{
    if (begin(call, RESOURCE_REPLACE))
        look(call);
}

void resource_patch(struct call *call)
{
    if (begin(call, RESOURCE_PATCH))
        look(call);
}

void resource_get_secrets(struct call *call)
{
    if (!begin(call, RESOURCE_READ))
        return;
    point(call);
    call->list_resources.secrets_ms = clock_due_ms();
    call_read(call, STORE_LIST_RESOURCES);
}

void resource_touch(struct call *call,
                    void (*touch)(struct call *call, struct complaints *complaints))
{
    if (!begin(call, RESOURCE_TOUCH))
        return;
    call->resource.touch = touch;
    look(call);
}

void resource_remove(struct call *call)
{
    struct complaints complaints;
    complaints_begin(&complaints);
    const bool is_end = !call->route->form->is_archived_first ||
                        api_query_flag(call, "expunge", false, &complaints);
    if (complaints_end(call, &complaints) &&
        begin(call, is_end ? RESOURCE_REMOVE : RESOURCE_ARCHIVE))
        look(call);
}

/* ---- What is read ------------------------------------------------------------------------------
 */

static void write_place(const struct call *call, const char *name, const char *sign,
                        const struct resource *resource, struct document *out)
{
    struct buf text;
    char id[ID_TEXT_BYTES] = "";
    buf_init(&text, LIMIT_REQUEST_LINE_BYTES);
    document_key(out, name);
    if (resource && !call->resource.form->is_named)
        id_format(call->resource.form->id_kind, resource->id, id);
    if (!resource)
        document_null(out);
    else if (buf_printf(&text, "%s%s", sign, id[0] ? id : resource->uid) == OK)
        document_text(out, buf_slice(&text));
    buf_finish(&text);
}

void resource_write_list(const struct call *call, const struct store_list_resources *list,
                         struct document *out)
{
    const size_t count = list->row_count;
    const bool is_turned = call->resource.is_backward;
    show_list_open(out);
    for (size_t i = 0; i < count; i++)
        resource_write(call->resource.form, &list->rows[is_turned ? count - 1 - i : i],
                       call->resource.with_content, out);
    document_close(out, ']');
    const struct resource *ends[] = {count ? &list->rows[0] : NULL,
                                     count ? &list->rows[count - 1] : NULL};
    write_place(call, "iterator", "", ends[!is_turned], out);
    write_place(call, "prevIterator", "-", ends[is_turned], out);
    document_key(out, "done");
    document_bool(out, list->is_end);
    document_close(out, '}');
}

void api_write_resources(const struct call *call, struct document *out)
{
    resource_write_list(call, &call->list_resources, out);
}

void api_write_resource(const struct call *call, struct document *out)
{
    resource_write(call->resource.form, &call->list_resources.rows[0], true, out);
}
