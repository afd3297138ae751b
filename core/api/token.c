/* SPDX-License-Identifier: MIT */
/* /api/v1/token and /api/v1/auth/logout: tokens that are minted for one application. The text of a
 * token is told once, in the answer to the request that mints it; the store has its hash. Who comes
 * with one is judged by door.c. */
#include "api/fields_int.h"
#include "api/token_int.h"

#include "base/clock.h"

#include <stdlib.h>

#define TOKEN_SECRET_BYTES 32
#define MS_PER_S INT64_C(1000)
#define NO_FLAGS "[]"
#define NO_APPLICATION "there is no application of this id or uid"

static const struct field_form fields[] = {
    {.name = "application",
     .type = FIELD_NAME,
     .min = 1,
     .max = LIMIT_UID_BYTES,
     .is_required = true},
    {.name = "ttlSeconds",
     .type = FIELD_INTEGER,
     .min = 1,
     .max = LIMIT_TOKEN_TTL_S,
     .is_required = true},
    {.name = "scope",
     .type = FIELD_NAME,
     .min = 1,
     .max = LIMIT_UID_BYTES,
     .absent = "\"application\""},
    {.name = "label", .type = FIELD_TEXT, .min = 1, .max = LIMIT_TOKEN_LABEL, .is_nullable = true},
    {.name = "featureFlags",
     .type = FIELD_NAMES,
     .min = 1,
     .max = LIMIT_UID_BYTES,
     .is_nullable = true},
};
const struct field_forms token_fields = {fields, array_count(fields)};

/* ---- The text of a token ------------------------------------------------------------------------
 */

bool token_is_minted(struct slice text)
{
    const size_t len = strlen(TOKEN_PREFIX);
    return text.len == TOKEN_TEXT_LEN && memcmp(text.data, TOKEN_PREFIX, len) == 0;
}

void token_hash(struct slice text, unsigned char out[API_TOKEN_HASH_BYTES])
{
    unsigned char digest[DIGEST_BYTES_MAX];
    check(hash(DIGEST_SHA256, text, digest) == API_TOKEN_HASH_BYTES);
    memcpy(out, digest, API_TOKEN_HASH_BYTES);
}

/* A fresh one, and its hash; of an idempotency key and the time when it was minted the same again,
 * as long as the process lives: what the store has of a token cannot give it back. */
static enum status make_text(struct call *call, int64_t minted_ms)
{
    struct token_call *it = &call->minting;
    unsigned char secret[DIGEST_BYTES_MAX];
    const struct slice parts[] = {slice_of((const char *)call->key, sizeof call->key),
                                  slice_of((const char *)&minted_ms, sizeof minted_ms)};
    if (call->has_key)
        check(hmac(DIGEST_SHA256,
                   slice_of((const char *)call->api->mint_key, sizeof call->api->mint_key), parts,
                   array_count(parts), secret) == TOKEN_SECRET_BYTES);
    else
        random_bytes(secret, TOKEN_SECRET_BYTES);
    buf_clear(&it->text);
    enum status status = buf_add_str(&it->text, TOKEN_PREFIX);
    if (status == OK)
        status = base64url_encode(slice_of((const char *)secret, TOKEN_SECRET_BYTES), &it->text);
    if (status != OK)
        return status;
    token_hash(buf_slice(&it->text), it->token.hash);
    buf_clear(&it->mark);
    return hex_encode(slice_of((const char *)it->token.hash, sizeof it->token.hash), &it->mark);
}

/* ---- Answers ------------------------------------------------------------------------------------
 */

/* text: of one that was minted just now; NULL: it is not known. */
static void write_token(struct document *out, const struct api_token *token, const char *text)
{
    document_open(out, '{');
    show_id(out, "id", ID_TOKEN, token->id);
    show_id(out, "application", ID_APPLICATION, token->application);
    document_key(out, "scope");
    document_str(out, api_token_scope_name(token->scope));
    document_key(out, "label");
    document_str(out, token->label);
    document_key(out, "featureFlags");
    if (token->flags)
        document_json(out, slice_str(token->flags));
    else
        document_null(out);
    document_key(out, "createdAt");
    document_due(out, token->created_ms);
    document_key(out, "expiresAt");
    document_due(out, token->expires_ms);
    if (text) {
        document_key(out, "token");
        document_str(out, text);
    }
    document_close(out, '}');
}

static void refuse_store(struct call *call)
{
    call_refuse(call, 500, "store", "the change could not be stored; see the server's log");
}

/* ---- Minting ------------------------------------------------------------------------------------
 */

static void mint(struct call *call, bool is_anew);

/* The text of the one that was minted first. False: another process did that, or no memory. */
static bool recall(struct call *call, const struct resource *first)
{
    return make_text(call, first->created_ms) == OK &&
           strcmp(call->minting.mark.data, first->body) == 0;
}

static void repeat(struct call *call, const struct resource *first)
{
    if (recall(call, first))
        call->minting.answer(call, true);
    else
        call_refuse(call, 409, "conflict",
                    "the token of this idempotency key was minted before the server started: use "
                    "another key");
}

static void on_minted(struct store_op *op)
{
    struct call *call = op->ctx;
    struct store_token *put = container_of(op, struct store_token, op);
    const enum status status = op->status;
    const bool is_repeat = put->is_repeat;
    struct resource first = put->first;
    put->first = (struct resource){0};
    if (!call_end_wait(call))
        ;
    else if (status != OK)
        refuse_store(call);
    else if (!is_repeat || recall(call, &first))
        call->minting.answer(call, is_repeat);
    else
        mint(call, true);
    resource_finish(&first);
}

/* is_anew: what was minted first is of no use. */
static void mint(struct call *call, bool is_anew)
{
    struct token_call *it = &call->minting;
    const int64_t now_ms = clock_due_ms();
    if (!call_may_write(call))
        return;
    if (make_text(call, now_ms) != OK) {
        call_refuse(call, 503, "memory", "no memory; try again");
        return;
    }
    it->token.application = call->application;
    it->token.expires_ms = now_ms + it->ttl_ms;
    call->put_token = (struct store_token){
        .op = {.kind = STORE_TOKEN, .on_done = on_minted, .ctx = call},
        .token = &it->token,
        .now_ms = now_ms,
        .answer_key = call->has_key ? call->key : NULL,
        .mark = it->mark.data,
        .is_anew = is_anew,
    };
    call_begin_wait(call);
    check(store_submit(call->api->store, call->api->client, &call->put_token.op) == OK);
}

void token_begin(struct call *call, void (*answer)(struct call *call, bool is_repeat))
{
    struct token_call *it = &call->minting;
    it->answer = answer;
    buf_init_secret(&it->text, LIMIT_UID_BYTES);
    buf_init(&it->mark, LIMIT_UID_BYTES);
    call_take_key(call, repeat);
}

void token_mint(struct call *call)
{
    mint(call, false);
}

static void answer_minted(struct call *call, bool is_repeat)
{
    if (is_repeat) {
        call_refuse(call, 409, "conflict",
                    "a token was minted for this idempotency key; it is told once");
        return;
    }
    struct document out;
    document_init(&out, SMALL_ANSWER_BYTES_MAX);
    write_token(&out, &call->minting.token, call->minting.text.data);
    call_answer(call, 201, &out);
}

static void mint_for(struct call *call, bool is_found)
{
    struct complaints complaints;
    if (is_found) {
        mint(call, false);
        return;
    }
    complaints_begin(&complaints);
    complain(&complaints, "body", slice_str("application"), NO_APPLICATION);
    (void)complaints_end(call, &complaints);
}

/* Of fields that were read. Complains of a scope that there is not. */
static void fill(struct token_call *it, const char *body, struct complaints *complaints)
{
    struct slice value;
    char *scope = fields_copy(body, "scope");
    if (!api_token_scope_parse(slice_str(scope), &it->token.scope))
        complain(complaints, "body", slice_str("scope"), "application or portal is wanted");
    free(scope);
    it->application = fields_copy(body, "application");
    it->token.label = fields_copy(body, "label");
    it->token.flags = fields_copy(body, "featureFlags");
    if (!it->token.flags && it->token.scope == TOKEN_PORTAL)
        check((it->token.flags = strdup(NO_FLAGS)) != NULL);
    check(json_find(slice_str(body), "ttlSeconds", &value));
    it->ttl_ms = strtoll(value.data, NULL, 10) * MS_PER_S;
}

void api_mint_token(struct call *call)
{
    struct token_call *it = &call->minting;
    struct complaints complaints;
    struct buf body;
    const struct fields_input input = {
        .forms = &token_fields, .mode = FIELDS_MADE, .body = http_body(call->request)};
    token_begin(call, answer_minted);
    complaints_begin(&complaints);
    buf_init(&body, 2 * LIMIT_API_BODY_BYTES);
    const enum status status = fields_read(&input, &complaints, &body);
    if (status == OK && complaints.count == 0)
        fill(it, body.data, &complaints);
    const bool is_right = complaints_end(call, &complaints);
    buf_finish(&body);
    if (is_right && status == OK)
        api_look_up_application(call, slice_str(it->application), mint_for);
    else if (is_right)
        call_refuse(call, 503, "memory", "no memory; try again");
}

void token_call_finish(struct token_call *it)
{
    api_token_finish(&it->token);
    free(it->application);
    buf_finish(&it->text);
    buf_finish(&it->mark);
}

/* ---- Ending -------------------------------------------------------------------------------------
 */

static void on_ended(struct store_op *op)
{
    struct call *call = op->ctx;
    const enum status status = op->status;
    if (!call_end_wait(call))
        return;
    if (status == OK)
        api_respond(call->request, 204, slice_of("", 0), NULL, 0);
    else if (status == E_NOTFOUND)
        call_refuse(call, 404, "not_found", "there is no token of this id; it may have ended");
    else
        refuse_store(call);
}

static void end(struct call *call, uint64_t id)
{
    if (!call_may_write(call))
        return;
    call->minting.token.id = id;
    call->put_token = (struct store_token){
        .op = {.kind = STORE_TOKEN, .on_done = on_ended, .ctx = call},
        .token = &call->minting.token,
        .is_end = true,
        .now_ms = clock_due_ms(),
    };
    call_begin_wait(call);
    check(store_submit(call->api->store, call->api->client, &call->put_token.op) == OK);
}

void api_end_token(struct call *call)
{
    uint64_t id;
    if (paging_parse_id(call, ID_TOKEN, "a token", &id))
        end(call, id);
}

void api_log_out(struct call *call)
{
    if (call->token.id != 0)
        end(call, call->token.id);
    else
        call_refuse(call, 403, "forbidden",
                    "the admin token is no session: it ends when the setting changes");
}

/* ---- Reading ------------------------------------------------------------------------------------
 */

static const struct list_form form = {.kind = ID_TOKEN};

static void list(struct call *call)
{
    call->list_tokens = (struct store_list_tokens){.now_ms = clock_due_ms()};
    if (call->to.len > 0)
        call->list_tokens.application = call->application;
    if (paging_parse(call, &form, &call->list_tokens.query))
        call_read(call, STORE_LIST_TOKENS);
}

static void list_of(struct call *call, bool is_found)
{
    struct complaints complaints;
    if (is_found) {
        list(call);
        return;
    }
    complaints_begin(&complaints);
    complain_of_query(&complaints, "application", NO_APPLICATION);
    (void)complaints_end(call, &complaints);
}

void api_list_tokens(struct call *call)
{
    const struct text_form application = {"application", &call->to, LIMIT_UID_BYTES, NULL};
    if (!paging_parse_texts(call, &application, 1))
        return;
    if (call->to.len > 0)
        api_look_up_application(call, buf_slice(&call->to), list_of);
    else
        list(call);
}

void api_write_tokens(const struct call *call, struct document *out)
{
    const struct store_list_tokens *list = &call->list_tokens;
    struct page_end end = {.kind = ID_TOKEN, .reached = list->last, .is_end = list->is_end};
    show_list_open(out);
    for (size_t i = 0; i < list->row_count; i++) {
        const struct api_token *token = &list->rows[paging_row(&list->query, i, list->row_count)];
        end.first = end.first ? end.first : token->id;
        end.last = token->id;
        write_token(out, token, NULL);
    }
    document_close(out, ']');
    paging_close(&list->query, &end, out);
    document_close(out, '}');
}

/* ---- What a token sees --------------------------------------------------------------------------
 */

/* An event type without a flag, or with one of those. */
static bool is_seen(const struct resource *type, const void *flags)
{
    struct slice flag;
    struct slice item;
    if (!json_find(slice_str(type->body), "featureFlag", &flag))
        return true;
    for (size_t offset = 0; json_next_item(slice_str(flags), &offset, &item);)
        if (slice_equal(item, flag))
            return true;
    return false;
}

void token_narrow_types(const struct call *call, struct store_registered *endpoint)
{
    endpoint->is_wanted = call->token.flags ? is_seen : NULL;
    endpoint->wanted_ctx = call->token.flags;
}

void token_narrow(const struct call *call, struct store_list_resources *list)
{
    if (list->kind != RESOURCE_EVENT_TYPE || !call->token.flags)
        return;
    list->is_wanted = is_seen;
    list->wanted_ctx = call->token.flags;
}
