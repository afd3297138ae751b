/* SPDX-License-Identifier: MIT */
/* GET /api/v1/openapi.json: what this API takes and gives, made from the tables that serve it: the
 * routes, and the fields of what is registered. OpenAPI 3.1. */
#include "api/app_endpoint_int.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#define TEXT_BYTES 256
#define REF "#/components/schemas/"
#define LIST_PREFIX "ListResponse_"
#define STATUS_MIN_UNKNOWN "4XX"

/* ---- Parameters of queries: a name means the same wherever it is -------------------------------
 */

static const struct {
    const char *name;
    const char *schema;
    const char *description;
} parameters[] = {
#define TEXT "{\"type\":\"string\"}"
#define FLAG "{\"type\":\"boolean\"}"
    {"after", TEXT, "An instant (RFC 3339): not before it"},
    {"before", TEXT, "An instant (RFC 3339): before it"},
    {"channel", TEXT, "A channel that the message has"},
    {"contains", TEXT, "Bytes that the body or a header has"},
    {"drain", TEXT, "How long what is under way may take: 250ms, 5s, 10m"},
    {"dryRun", FLAG, "Count what it would be done to, and do nothing"},
    {"endpoint", TEXT, "The name of an endpoint"},
    {"endpoint_id", TEXT, "The id or uid of an endpoint"},
    {"error", TEXT, "Why attempts had no answer: timeout, connect, dns, tls …"},
    {"event", TEXT, "The id of an event"},
    {"event_type", TEXT, "The name of an event type"},
    {"event_types", TEXT, "Event types, apart by commas"},
    {"expunge", FLAG, "Delete it for good, do not archive it"},
    {"get_if_exists", FLAG, "Answer with the one that has this uid, if there is one"},
    {"ids", TEXT, "Ids, apart by blanks or commas"},
    {"include_archived", FLAG, "List those that are archived too"},
    {"iterator", TEXT, "Goes on behind it; with - before it: the page before"},
    {"kind", "{\"type\":\"string\",\"enum\":[\"event\",\"delivery\"]}", "Of what"},
    {"late", FLAG,
     "Only events that were stored well after they got their ids, as they were stored; false: the "
     "others"},
    {"limit", "{\"type\":\"integer\",\"minimum\":1,\"maximum\":250,\"default\":50}",
     "How many rows a page has"},
    {"message", TEXT, "The id of a message"},
    {"newIds", FLAG, "Replayed messages get new ids, so that receivers take them for new"},
    {"order", "{\"type\":\"string\",\"enum\":[\"ascending\",\"descending\"]}", "Of the list"},
    {"rate", TEXT, "How many a second, at most: 50/s"},
    {"reason", TEXT, "Why, for whoever looks later"},
    {"secrets", FLAG, "Show headers that may hold secrets too"},
    {"since", TEXT, "An instant (RFC 3339 or Unix ms): not before it"},
    {"source", TEXT, "The name of a source"},
    {"state", TEXT, "A state, or several apart by commas"},
    {"status", TEXT, "The status of an answer, or a class of them: 404, 5xx"},
    {"stored_last", TEXT, "What storedLast of the answer before was: what wait goes by"},
    {"status_code_class", "{\"type\":\"integer\",\"enum\":[0,100,200,300,400,500]}",
     "The class of an answer's status; 0: there was none"},
    {"subscription", TEXT, "The name of a subscription"},
    {"to", TEXT, "An absolute URL"},
    {"type", TEXT, "A type of events, or a pattern of types"},
    {"until", TEXT, "An instant (RFC 3339 or Unix ms): before it"},
    {"wait", TEXT, "How long to wait for an event, with stored_last: 250ms, 25s; 60 s at most"},
    {"with_content", FLAG, "Show what is large too"},
#undef TEXT
#undef FLAG
};

static void write_json(struct document *out, const char *name, const char *json)
{
    document_key(out, name);
    document_json(out, slice_str(json));
}

static void write_text(struct document *out, const char *name, const char *text)
{
    document_key(out, name);
    document_str(out, text);
}

static void write_parameter(struct document *out, struct slice name, const char *in,
                            const char *schema, const char *description)
{
    document_open(out, '{');
    document_key(out, "name");
    document_text(out, name);
    write_text(out, "in", in);
    if (strcmp(in, "path") == 0)
        write_json(out, "required", "true");
    if (description)
        write_text(out, "description", description);
    write_json(out, "schema", schema);
    document_close(out, '}');
}

static void write_query(struct document *out, const struct route *route)
{
    const char *names = route->query;
    for (struct slice name; api_next_word(&names, &name);) {
        size_t i = 0;
        while (i < array_count(parameters) && !slice_is(name, parameters[i].name))
            i++;
        check(i < array_count(parameters));
        write_parameter(out, name, "query", parameters[i].schema, parameters[i].description);
    }
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
        [FIELD_TEXT] = "string",   [FIELD_NAME] = "string",  [FIELD_INTEGER] = "integer",
        [FIELD_FLAG] = "boolean",  [FIELD_TEXTS] = "object", [FIELD_OBJECTS] = "object",
        [FIELD_NAMES] = "array",   [FIELD_FORM] = "object",  [FIELD_OBJECT] = "object",
        [FIELD_SECRET] = "string",
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
    write_text(out, "pattern", "^[a-zA-Z0-9\\-_.]+$");
    write_bounds(out, form, min, "minLength", "maxLength");
}

/* The members of the schema of a list of names. */
static void write_names(struct document *out, const struct field_form *form, int64_t min)
{
    document_key(out, "items");
    document_open(out, '{');
    write_text(out, "type", "string");
    write_name(out, form, min);
    document_close(out, '}');
    write_json(out, "uniqueItems", "true");
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
    case FIELD_TEXTS:
        write_json(out, "additionalProperties", "{\"type\":\"string\"}");
        break;
    case FIELD_OBJECTS:
        write_json(out, "additionalProperties", "{\"type\":\"object\"}");
        break;
    case FIELD_NAMES:
        write_names(out, form, min);
        break;
    case FIELD_SECRET:
        write_text(out, "pattern", "^(whsec_)?[a-zA-Z0-9+/=]{32,100}$");
        break;
    case FIELD_FORM:
        write_fields(out, form->forms, FIELDS_MADE);
        break;
    }
    if (form->absent && mode != FIELDS_PATCHED)
        write_json(out, "default", form->absent);
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
        if ((form->is_of_path || form->type == FIELD_SECRET) && mode != FIELDS_MADE)
            continue;
        if (is_shown ? form->type == FIELD_SECRET : form->is_only_shown)
            continue;
        document_key(out, form->name);
        write_field(out, form, mode);
    }
}

static void write_required(struct document *out, const struct field_forms *forms,
                           enum field_mode mode)
{
    document_key(out, "required");
    document_open(out, '[');
    for (size_t i = 0; i < forms->count; i++)
        if (forms->rows[i].is_required && !(forms->rows[i].is_of_path && mode != FIELDS_MADE))
            document_str(out, forms->rows[i].name);
    document_close(out, ']');
}

static void write_fields(struct document *out, const struct field_forms *forms,
                         enum field_mode mode)
{
    write_properties(out, forms, mode, false);
    document_close(out, '}');
    if (mode != FIELDS_PATCHED)
        write_required(out, forms, mode);
}

static void write_body(struct document *out, const struct route *route)
{
    const enum field_mode mode = strcmp(route->method, "PATCH") == 0 ? FIELDS_PATCHED
                                 : strcmp(route->method, "PUT") == 0 ? FIELDS_REPLACED
                                                                     : FIELDS_MADE;
    document_key(out, "requestBody");
    document_open(out, '{');
    write_json(out, "required", "true");
    document_key(out, "content");
    document_open(out, '{');
    document_key(out, "application/json");
    document_open(out, '{');
    document_key(out, "schema");
    document_open(out, '{');
    write_text(out, "type", "object");
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
     "{\"type\":\"object\",\"required\":[\"id\",\"url\",\"status\"],\"properties\":{\"id\":" TEXT
     ",\"url\":" TEXT "," SENT ",\"nextAttempt\":" MAYBE_INSTANT "}}"},
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
    write_text(out, "type", "object");
    write_properties(out, fields, FIELDS_MADE, true);
    if (has_id)
        write_json(out, "id", "{\"type\":\"string\"}");
    write_json(out, "createdAt", instant);
    write_json(out, "updatedAt", instant);
    document_close(out, '}');
    document_close(out, '}');
}

static void write_list(struct document *out, const char *of)
{
    char item[TEXT_BYTES];
    (void)snprintf(item, sizeof item, "{\"type\":\"array\",\"items\":{\"$ref\":\"" REF "%s\"}}",
                   of);
    document_open(out, '{');
    write_text(out, "type", "object");
    write_json(out, "required", "[\"data\",\"done\"]");
    document_key(out, "properties");
    document_open(out, '{');
    write_json(out, "data", item);
    write_json(out, "iterator", "{\"type\":[\"string\",\"null\"]}");
    write_json(out, "prevIterator", "{\"type\":[\"string\",\"null\"]}");
    write_json(out, "done", "{\"type\":\"boolean\"}");
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
        write_json(out, others[i].name, others[i].schema);
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
    write_text(out, "description", description);
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
        write_parameter(out, slice_of(open + 1, (size_t)(end - open - 1)), "path",
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
    write_text(out, "summary", route->summary);
    write_operation_id(out, route);
    write_json(out, "security", route->is_public ? "[]" : users[route->user]);
    document_key(out, "parameters");
    document_open(out, '[');
    write_path_parameters(out, route->path);
    write_query(out, route);
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
    write_text(&out, "openapi", "3.1.0");
    document_key(&out, "info");
    document_open(&out, '{');
    write_text(&out, "title", "Anzol");
    write_text(&out, "version", call->api->version);
    document_close(&out, '}');
    write_json(&out, "security", "[{\"bearer\":[]}]");
    write_routes(&out);
    document_key(&out, "components");
    document_open(&out, '{');
    write_json(&out, "securitySchemes", "{\"bearer\":{\"type\":\"http\",\"scheme\":\"bearer\"}}");
    write_schemas(&out);
    document_close(&out, '}');
    document_close(&out, '}');
    call_answer(call, 200, &out);
}
