/* SPDX-License-Identifier: MIT */
/* The parameters of queries in the OpenAPI document. */
#include "api/openapi_int.h"

#define BELOW_APPLICATIONS "/api/v1/app/"

/* A name means the same wherever it is; below applications what the protocol says. */
struct parameter {
    const char *name;
    const char *schema;
    const char *description;
};

static const struct parameter parameters[] = {
#define TEXT "{\"type\":\"string\"}"
#define FLAG "{\"type\":\"boolean\"}"
#define INSTANT "{\"type\":\"string\",\"format\":\"date-time\"}"
#define NAME(min, max)                                                                             \
    "{\"type\":\"string\",\"pattern\":\"^[a-zA-Z0-9\\\\-_.]+$\",\"minLength\":" min                \
    ",\"maxLength\":" max "}"
    {"after", INSTANT, "An instant (RFC 3339): not before it"},
    {"application", NAME("1", "256"), "The id or uid of an application"},
    {"before", INSTANT, "An instant (RFC 3339): before it"},
    {"channel", NAME("0", "128"), "A channel that the message has"},
    {"contains", TEXT, "Bytes that the body or a header has"},
    {"drain", TEXT, "How long what is under way may take: 250ms, 5s, 10m"},
    {"dryRun", FLAG, "Count what it would be done to, and do nothing"},
    {"endpoint", TEXT, "The name of an endpoint"},
    {"endpoint_id", NAME("1", "256"), "The id or uid of an endpoint"},
    {"error", TEXT, "Why attempts had no answer: timeout, connect, dns, tls …"},
    {"event", TEXT, "The id of an event"},
    {"event_type", TEXT, "The name of an event type"},
    {"event_types", "{\"type\":\"array\",\"items\":" NAME("0", "256") ",\"uniqueItems\":true}",
     "Event types: a,b, or one event_types[]= each"},
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
    {"tag", NAME("0", "128"), "A tag that the message has"},
    {"to", TEXT, "An absolute URL"},
    {"type", TEXT, "A type of events, or a pattern of types"},
    {"until", TEXT, "An instant (RFC 3339 or Unix ms): before it"},
    {"wait", TEXT, "How long to wait for an event, with stored_last: 250ms, 25s; 60 s at most"},
    {"with_content", FLAG, "Show what is large too"},
};

static const struct parameter below_applications[] = {
    {"since", INSTANT, "An instant (RFC 3339): not before it"},
    {"status", "{\"type\":\"integer\",\"enum\":[0,1,2,3]}",
     "What became of it: 0 success, 1 pending, 2 fail, 3 sending"},
    {"until", INSTANT, "An instant (RFC 3339): before it"},
};

#undef TEXT
#undef FLAG
#undef INSTANT
#undef NAME

static const struct parameter *find(const struct parameter *list, size_t count, struct slice name)
{
    for (size_t i = 0; i < count; i++)
        if (slice_is(name, list[i].name))
            return &list[i];
    return NULL;
}

void openapi_parameter(struct document *out, struct slice name, const char *in, const char *schema,
                       const char *description)
{
    document_open(out, '{');
    document_key(out, "name");
    document_text(out, name);
    openapi_text(out, "in", in);
    if (strcmp(in, "path") == 0)
        openapi_json(out, "required", "true");
    if (description)
        openapi_text(out, "description", description);
    openapi_json(out, "schema", schema);
    document_close(out, '}');
}

void openapi_query(struct document *out, const struct route *route)
{
    const char *names = route->query;
    const bool is_below = strncmp(route->path, BELOW_APPLICATIONS, strlen(BELOW_APPLICATIONS)) == 0;
    for (struct slice name; api_next_word(&names, &name);) {
        const struct parameter *it =
            is_below ? find(below_applications, array_count(below_applications), name) : NULL;
        if (!it)
            it = find(parameters, array_count(parameters), name);
        check(it != NULL);
        openapi_parameter(out, name, "query", it->schema, it->description);
    }
}
