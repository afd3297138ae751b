/* SPDX-License-Identifier: MIT */
/* GET /api/v1/openapi.json: what this API takes and gives, made from the tables that serve it: the
 * routes, and the fields of what is registered. OpenAPI 3.1. */
#include "api/app_endpoint_int.h"
#include "api/openapi_int.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#define TEXT_BYTES 256
#define REF "#/components/schemas/"
#define LIST_PREFIX "ListResponse_"
#define STATUS_MIN_UNKNOWN "4XX"

void openapi_json(struct document *out, const char *name, const char *json)
{
    document_key(out, name);
    document_json(out, slice_str(json));
}

void openapi_text(struct document *out, const char *name, const char *text)
{
    document_key(out, name);
    document_str(out, text);
}

/* ---- Fields -------------------------------------------------------------------------------------
 */

static void write_bounds(struct document *out, const struct field_form *form, int64_t min,
                         const char *least, const char *most)
{
    if (min != 0) {
        document_key(out, least);
        document_number(out, min);
    }
    if (form->max != 0) {
        document_key(out, most);
        document_number(out, form->max);
    }
}

static void write_type(struct document *out, const struct field_form *form)
{
    static const char *const types[] = {
        [FIELD_TEXT] = "string",   [FIELD_NAME] = "string",    [FIELD_INTEGER] = "integer",
        [FIELD_FLAG] = "boolean",  [FIELD_TEXTS] = "object",   [FIELD_OBJECTS] = "object",
        [FIELD_NAMES] = "array",   [FIELD_FORM] = "object",    [FIELD_OBJECT] = "object",
        [FIELD_SECRET] = "string", [FIELD_INSTANT] = "string",
    };
    document_key(out, "type");
    if (form->is_nullable)
        document_open(out, '[');
    document_str(out, types[form->type]);
    if (form->is_nullable) {
        document_str(out, "null");
        document_close(out, ']');
    }
}

static void write_fields(struct document *out, const struct field_forms *forms,
                         enum field_mode mode);

static void write_name(struct document *out, const struct field_form *form, int64_t min)
{
    openapi_text(out, "pattern", "^[a-zA-Z0-9\\-_.]+$");
    write_bounds(out, form, min, "minLength", "maxLength");
}

/* The members of the schema of a list of names. */
static void write_names(struct document *out, const struct field_form *form, int64_t min)
{
    document_key(out, "items");
    document_open(out, '{');
    openapi_text(out, "type", "string");
    write_name(out, form, min);
    document_close(out, '}');
    openapi_json(out, "uniqueItems", "true");
    document_key(out, "minItems");
    document_number(out, (int64_t)form->items_min);
    document_key(out, "maxItems");
    document_number(out, (int64_t)fields_items_max(form));
}

static void write_field(struct document *out, const struct field_form *form, enum field_mode mode)
{
    const int64_t min = mode == FIELDS_PATCHED ? form->patch_min : form->min;
    document_open(out, '{');
    write_type(out, form);
    switch (form->type) {
    case FIELD_NAME:
        write_name(out, form, min);
        break;
    case FIELD_TEXT:
        write_bounds(out, form, min, "minLength", "maxLength");
        break;
    case FIELD_INTEGER:
        write_bounds(out, form, min, "minimum", "maximum");
        break;
    case FIELD_FLAG:
    case FIELD_OBJECT:
        break;
    case FIELD_INSTANT:
        openapi_text(out, "format", "date-time");
        break;
    case FIELD_TEXTS:
        openapi_json(out, "additionalProperties",
                     form->has_nulls ? "{\"type\":[\"string\",\"null\"]}"
                                     : "{\"type\":\"string\"}");
        break;
    case FIELD_OBJECTS:
        openapi_json(out, "additionalProperties", "{\"type\":\"object\"}");
        break;
    case FIELD_NAMES:
        write_names(out, form, min);
        break;
    case FIELD_SECRET:
        openapi_text(out, "pattern", "^(whsec_|whsk_)?[a-zA-Z0-9+/=]{32,100}$");
        break;
    case FIELD_FORM:
        write_fields(out, form->forms, FIELDS_MADE);
        break;
    }
    if (form->absent && mode != FIELDS_PATCHED)
        openapi_json(out, "default", form->absent);
    document_close(out, '}');
}

/* The members of an object's schema: of a request, or of what is shown. */
static void write_properties(struct document *out, const struct field_forms *forms,
                             enum field_mode mode, bool is_shown)
{
    document_key(out, "properties");
    document_open(out, '{');
    for (size_t i = 0; i < forms->count; i++) {
        const struct field_form *form = &forms->rows[i];
        if (form->refusal || ((form->is_of_path || form->is_apart) && mode != FIELDS_MADE))
            continue;
        if (is_shown ? form->is_apart : form->is_only_shown)
            continue;
        document_key(out, form->name);
        write_field(out, form, mode);
    }
}

static bool is_required(const struct field_form *form, enum field_mode mode)
{
    return mode == FIELDS_PATCHED ? form->has_nulls
                                  : form->is_required && !(form->is_of_path && mode != FIELDS_MADE);
}

static void write_required(struct document *out, const struct field_forms *forms,
                           enum field_mode mode)
{
    document_key(out, "required");
    document_open(out, '[');
    for (size_t i = 0; i < forms->count; i++)
        if (is_required(&forms->rows[i], mode))
            document_str(out, forms->rows[i].name);
    document_close(out, ']');
}

static void write_fields(struct document *out, const struct field_forms *forms,
                         enum field_mode mode)
{
    write_properties(out, forms, mode, false);
    document_close(out, '}');
    bool has_required = mode != FIELDS_PATCHED;
    for (size_t i = 0; i < forms->count; i++)
        has_required = has_required || is_required(&forms->rows[i], mode);
    if (has_required)
        write_required(out, forms, mode);
}

static void write_body(struct document *out, const struct route *route)
{
    const enum field_mode mode = strcmp(route->method, "PATCH") == 0 ? FIELDS_PATCHED
                                 : strcmp(route->method, "PUT") == 0 ? FIELDS_REPLACED
                                                                     : FIELDS_MADE;
    document_key(out, "requestBody");
    document_open(out, '{');
    openapi_json(out, "required", "true");
    document_key(out, "content");
    document_open(out, '{');
    document_key(out, "application/json");
    document_open(out, '{');
    document_key(out, "schema");
    document_open(out, '{');
    openapi_text(out, "type", "object");
    write_fields(out, route->body, mode);
    document_close(out, '}');
    document_close(out, '}');
    document_close(out, '}');
    document_close(out, '}');
}

/* ---- What is answered ---------------------------------------------------------------------------
 */

/* Of what is registered: its fields and what every one has. */
static const struct {
    const char *name;
    const struct field_forms *fields;
    bool has_id;
} resources[] = {
    {"ApplicationOut", &application_fields, true},
    {"EndpointOut", &app_endpoint_fields, true},
    {"EventTypeOut", &event_type_fields, false},
};

static const struct {
    const char *name;
    const char *schema;
} others[] = {
    {"EndpointHeadersOut",
     "{\"type\":\"object\",\"required\":[\"headers\",\"sensitive\"],\"properties\":{\"headers\":{"
     "\"type\":\"object\",\"additionalProperties\":{\"type\":\"string\"}},\"sensitive\":{\"type\":"
     "\"array\",\"items\":{\"type\":\"string\"}}}}"},
    {"EndpointSecretOut", "{\"type\":\"object\",\"required\":[\"key\"],\"properties\":{\"key\":{"
                          "\"type\":\"string\"}}}"},
    {"HttpErrorOut", "{\"type\":\"object\",\"required\":[\"code\",\"detail\"],\"properties\":{"
                     "\"code\":{\"type\":\"string\"},\"detail\":{\"type\":\"string\"}}}"},
    {"HTTPValidationError",
     "{\"type\":\"object\",\"required\":[\"detail\"],\"properties\":{\"detail\":{\"type\":"
     "\"array\","
     "\"items\":{\"type\":\"object\",\"required\":[\"loc\",\"msg\",\"type\"],\"properties\":{"
     "\"loc\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}},\"msg\":{\"type\":\"string\"},"
     "\"type\":{\"type\":\"string\"}}}}}}"},
#define NAMES "{\"type\":\"array\",\"items\":{\"type\":\"string\"}}"
#define TEXT "{\"type\":\"string\"}"
#define WHOLE "{\"type\":\"integer\"}"
#define INSTANT "{\"type\":\"string\",\"format\":\"date-time\"}"
#define MAYBE_INSTANT "{\"type\":[\"string\",\"null\"],\"format\":\"date-time\"}"
#define SENT                                                                                       \
    "\"status\":{\"type\":\"integer\",\"enum\":[0,1,2,3]},\"statusText\":{\"type\":\"string\","    \
    "\"enum\":[\"success\",\"pending\",\"fail\",\"sending\"]}"
#define MESSAGE                                                                                    \
    "\"channels\":" NAMES ",\"eventId\":" TEXT ",\"eventType\":" TEXT ",\"id\":" TEXT              \
    ",\"payload\":{\"type\":\"object\"},\"tags\":" NAMES ",\"timestamp\":" INSTANT
    {"MessageOut",
     "{\"type\":\"object\",\"required\":[\"eventType\",\"id\",\"payload\",\"timestamp\"],"
     "\"properties\":{" MESSAGE "}}"},
    {"EndpointMessageOut",
     "{\"type\":\"object\",\"required\":[\"eventType\",\"id\",\"payload\",\"status\",\"timestamp\"]"
     ","
     "\"properties\":{" MESSAGE "," SENT ",\"nextAttempt\":" MAYBE_INSTANT "}}"},
    {"MessageEndpointOut",
     "{\"allOf\":[{\"$ref\":\"" REF "EndpointOut\"}],\"type\":\"object\",\"required\":["
     "\"status\",\"statusText\"],\"properties\":{" SENT ",\"nextAttempt\":" MAYBE_INSTANT "}}"},
    {"AppPortalAccessOut", "{\"type\":\"object\",\"required\":[\"token\",\"url\"],\"properties\":{"
                           "\"token\":" TEXT ",\"url\":" TEXT "}}"},
    {"MessageAttemptOut",
     "{\"type\":\"object\",\"required\":[\"endpointId\",\"id\",\"msgId\",\"response\","
     "\"responseDurationMs\",\"responseStatusCode\",\"status\",\"timestamp\",\"triggerType\","
     "\"url\"],"
     "\"properties\":{\"endpointId\":" TEXT ",\"id\":" TEXT ",\"msgId\":" TEXT ",\"response\":" TEXT
     ",\"responseDurationMs\":" WHOLE ",\"responseStatusCode\":" WHOLE "," SENT
     ",\"timestamp\":" INSTANT ",\"triggerType\":" WHOLE ",\"url\":" TEXT "}}"},
    {"RecoverOut", "{\"type\":\"object\",\"properties\":{\"id\":" TEXT ",\"status\":" TEXT
                   ",\"task\":" TEXT ",\"updatedAt\":" INSTANT "}}"},
    {"EndpointStats",
     "{\"type\":\"object\",\"properties\":{\"success\":" WHOLE ",\"pending\":" WHOLE
     ",\"sending\":" WHOLE ",\"fail\":" WHOLE ",\"canceled\":" WHOLE "}}"},
#undef NAMES
#undef TEXT
#undef WHOLE
#undef INSTANT
#undef MAYBE_INSTANT
#undef SENT
#undef MESSAGE
    {"Object", "{\"type\":\"object\",\"description\":\"See the guide\"}"},
    {"List", "{\"type\":\"object\",\"required\":[\"data\"],\"properties\":{\"data\":{\"type\":"
             "\"array\",\"items\":{\"type\":\"object\"}}}}"},
    {"Page", "{\"type\":\"object\",\"required\":[\"data\",\"done\"],\"properties\":{\"data\":{"
             "\"type\":\"array\",\"items\":{\"type\":\"object\"}},\"iterator\":{\"type\":["
             "\"string\",\"null\"]},\"prevIterator\":{\"type\":[\"string\",\"null\"]},\"done\":{"
             "\"type\":\"boolean\"}}}"},
};

/* Those of them that are listed. */
static const char *const lists[] = {"EndpointMessageOut", "MessageAttemptOut", "MessageEndpointOut",
                                    "MessageOut"};

static void write_resource(struct document *out, const struct field_forms *fields, bool has_id)
{
    static const char instant[] = "{\"type\":\"string\",\"format\":\"date-time\"}";
    document_open(out, '{');
    openapi_text(out, "type", "object");
    write_properties(out, fields, FIELDS_MADE, true);
    if (has_id)
        openapi_json(out, "id", "{\"type\":\"string\"}");
    openapi_json(out, "createdAt", instant);
    openapi_json(out, "updatedAt", instant);
    document_close(out, '}');
    document_close(out, '}');
}

static void write_list(struct document *out, const char *of)
{
    char item[TEXT_BYTES];
    (void)snprintf(item, sizeof item, "{\"type\":\"array\",\"items\":{\"$ref\":\"" REF "%s\"}}",
                   of);
    document_open(out, '{');
    openapi_text(out, "type", "object");
    openapi_json(out, "required", "[\"data\",\"done\"]");
    document_key(out, "properties");
    document_open(out, '{');
    openapi_json(out, "data", item);
    openapi_json(out, "iterator", "{\"type\":[\"string\",\"null\"]}");
    openapi_json(out, "prevIterator", "{\"type\":[\"string\",\"null\"]}");
    openapi_json(out, "done", "{\"type\":\"boolean\"}");
    document_close(out, '}');
    document_close(out, '}');
}

static void write_schemas(struct document *out)
{
    char list[TEXT_BYTES];
    document_key(out, "schemas");
    document_open(out, '{');
    for (size_t i = 0; i < array_count(resources); i++) {
        document_key(out, resources[i].name);
        write_resource(out, resources[i].fields, resources[i].has_id);
        (void)snprintf(list, sizeof list, LIST_PREFIX "%s_", resources[i].name);
        document_key(out, list);
        write_list(out, resources[i].name);
    }
    for (size_t i = 0; i < array_count(others); i++)
        openapi_json(out, others[i].name, others[i].schema);
    for (size_t i = 0; i < array_count(lists); i++) {
        (void)snprintf(list, sizeof list, LIST_PREFIX "%s_", lists[i]);
        document_key(out, list);
        write_list(out, lists[i]);
    }
    document_close(out, '}');
}

/* Of what is no JSON. */
static const char *text_type(const char *schema)
{
    return strcmp(schema, "Text") == 0     ? "text/plain"
           : strcmp(schema, "Events") == 0 ? "text/event-stream"
                                           : NULL;
}

static void write_answer(struct document *out, const char *status, const char *description,
                         const char *schema)
{
    char ref[TEXT_BYTES];
    document_key(out, status);
    document_open(out, '{');
    openapi_text(out, "description", description);
    if (schema) {
        document_key(out, "content");
        document_open(out, '{');
        const char *type = text_type(schema);
        document_key(out, type ? type : "application/json");
        (void)snprintf(ref, sizeof ref, "{\"schema\":{\"$ref\":\"" REF "%s\"}}", schema);
        document_json(out, slice_str(type ? "{\"schema\":{\"type\":\"string\"}}" : ref));
        document_close(out, '}');
    }
    document_close(out, '}');
}

static void write_answers(struct document *out, const struct route *route)
{
    const char *words = route->answers;
    const char *schema = strpbrk(words, "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
    document_key(out, "responses");
    document_open(out, '{');
    for (struct slice word; api_next_word(&words, &word);) {
        char status[TEXT_BYTES];
        if (!isdigit((unsigned char)word.data[0]))
            continue;
        (void)snprintf(status, sizeof status, "%.*s", (int)word.len, word.data);
        write_answer(out, status, "It is done", schema);
    }
    if (route->body || route->query)
        write_answer(out, "422", "A parameter or field is wrong: each is named",
                     "HTTPValidationError");
    write_answer(out, STATUS_MIN_UNKNOWN, "It is refused, and why", "HttpErrorOut");
    document_close(out, '}');
}

/* ---- Routes -------------------------------------------------------------------------------------
 */

static void write_path_parameters(struct document *out, const char *path)
{
    for (const char *open = strchr(path, '{'); open; open = strchr(open + 1, '{')) {
        const char *end = strchr(open, '}');
        openapi_parameter(out, slice_of(open + 1, (size_t)(end - open - 1)), "path",
                          "{\"type\":\"string\"}", NULL);
    }
}

/* "GET /api/v1/app/{app}/msg" is "get_app_app_msg". */
static void write_operation_id(struct document *out, const struct route *route)
{
    static const char above[] = "/api/v1";
    char text[TEXT_BYTES];
    size_t len = 0;
    const char *path = route->path;
    if (strncmp(path, above, sizeof above - 1) == 0)
        path += sizeof above - 1;
    for (const char *c = route->method; *c; c++)
        text[len++] = (char)tolower((unsigned char)*c);
    for (; *path && len + 1 < sizeof text; path++) {
        if (isalnum((unsigned char)*path))
            text[len++] = *path;
        else if (len > 0 && text[len - 1] != '_')
            text[len++] = '_';
    }
    while (len > 0 && text[len - 1] == '_')
        len--;
    document_key(out, "operationId");
    document_text(out, slice_of(text, len));
}

/* Whose token is the least: an admin's is enough everywhere. */
static const char *const users[] = {
    [FOR_ADMIN] = "[{\"bearer\":[\"admin\"]}]",
    [FOR_APPLICATION] = "[{\"bearer\":[\"application\"]}]",
    [FOR_PORTAL] = "[{\"bearer\":[\"portal\"]}]",
};

static void write_route(struct document *out, const struct route *route)
{
    char method[TEXT_BYTES];
    size_t len = 0;
    for (; route->method[len]; len++)
        method[len] = (char)tolower((unsigned char)route->method[len]);
    method[len] = '\0';
    document_key(out, method);
    document_open(out, '{');
    openapi_text(out, "summary", route->summary);
    write_operation_id(out, route);
    openapi_json(out, "security", route->is_public ? "[]" : users[route->user]);
    document_key(out, "parameters");
    document_open(out, '[');
    write_path_parameters(out, route->path);
    openapi_query(out, route);
    if (route->is_keyed)
        openapi_parameter(out, slice_str("idempotency-key"), "header", "{\"type\":\"string\"}",
                          "Whoever repeats it within 12 hours gets the first answer");
    document_close(out, ']');
    if (route->body)
        write_body(out, route);
    write_answers(out, route);
    document_close(out, '}');
}

static void write_routes(struct document *out)
{
    const struct route *route;
    const char *path = "";
    document_key(out, "paths");
    document_open(out, '{');
    for (size_t i = 0; (route = api_route(i)) != NULL; i++) {
        const bool is_same_path = strcmp(route->path, path) == 0;
        if (!is_same_path && i > 0)
            document_close(out, '}');
        if (!is_same_path) {
            document_key(out, route->path);
            document_open(out, '{');
        }
        path = route->path;
        write_route(out, route);
    }
    document_close(out, '}');
    document_close(out, '}');
}

void api_show_openapi(struct call *call)
{
    struct document out;
    document_init(&out, LIMIT_API_ANSWER_BYTES);
    document_open(&out, '{');
    openapi_text(&out, "openapi", "3.1.0");
    document_key(&out, "info");
    document_open(&out, '{');
    openapi_text(&out, "title", "Anzol");
    openapi_text(&out, "version", call->api->version);
    document_close(&out, '}');
    openapi_json(&out, "security", "[{\"bearer\":[]}]");
    write_routes(&out);
    document_key(&out, "components");
    document_open(&out, '{');
    openapi_json(&out, "securitySchemes", "{\"bearer\":{\"type\":\"http\",\"scheme\":\"bearer\"}}");
    write_schemas(&out);
    document_close(&out, '}');
    document_close(&out, '}');
    call_answer(call, 200, &out);
}
