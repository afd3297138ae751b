/* SPDX-License-Identifier: MIT */
/* What names what: endpoints written as literals in event:send exist, secrets written as literals
 * in anzol.secret too (those in functions are read here, since none is later), sources of
 * subscriptions exist. The text of each file is read token by token; only calls on a name that a
 * handler of the same file has for its event count (`function(event) … event:send("crm")`). */
#include "script/bind_int.h"

#include "base/text.h"

#include <stdlib.h>

#define TEXT_BYTES 256

enum token { TOKEN_END, TOKEN_NAME, TOKEN_STRING, TOKEN_OTHER };

struct lexer {
    const char *at, *end;
    int line;
    enum token token;
    struct slice text; /* of a name, of a string without quotes, the one character of others */
};

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static char look(const struct lexer *lexer, size_t ahead)
{
    return (size_t)(lexer->end - lexer->at) > ahead ? lexer->at[ahead] : '\0';
}

static void skip(struct lexer *lexer, size_t count)
{
    for (; count > 0 && lexer->at < lexer->end; count--)
        lexer->line += *lexer->at++ == '\n';
}

/* At '[': the level of a long bracket, -1 if it is none. */
static int long_level(const struct lexer *lexer)
{
    size_t ahead = 1;
    while (look(lexer, ahead) == '=')
        ahead++;
    return look(lexer, ahead) == '[' ? (int)ahead - 1 : -1;
}

static void read_long(struct lexer *lexer, int level)
{
    skip(lexer, (size_t)level + 2);
    lexer->text.data = lexer->at;
    for (; lexer->at < lexer->end; skip(lexer, 1)) {
        if (look(lexer, 0) != ']')
            continue;
        size_t ahead = 1;
        while (look(lexer, ahead) == '=')
            ahead++;
        if ((int)ahead - 1 == level && look(lexer, ahead) == ']') {
            lexer->text.len = (size_t)(lexer->at - lexer->text.data);
            skip(lexer, ahead + 1);
            return;
        }
    }
    lexer->text.len = 0;
}

static void read_quoted(struct lexer *lexer)
{
    const char quote = look(lexer, 0);
    skip(lexer, 1);
    lexer->text.data = lexer->at;
    while (lexer->at < lexer->end && look(lexer, 0) != quote && look(lexer, 0) != '\n')
        skip(lexer, look(lexer, 0) == '\\' ? 2 : 1);
    lexer->text.len = (size_t)(lexer->at - lexer->text.data);
    skip(lexer, 1);
}

static void skip_blank(struct lexer *lexer)
{
    while (lexer->at < lexer->end) {
        const char c = look(lexer, 0);
        if (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
            skip(lexer, 1);
        } else if (c == '-' && look(lexer, 1) == '-') {
            skip(lexer, 2);
            const int level = look(lexer, 0) == '[' ? long_level(lexer) : -1;
            if (level >= 0)
                read_long(lexer, level);
            else
                while (lexer->at < lexer->end && look(lexer, 0) != '\n')
                    skip(lexer, 1);
        } else {
            return;
        }
    }
}

static void next(struct lexer *lexer)
{
    skip_blank(lexer);
    const char c = look(lexer, 0);
    lexer->text = slice_of(lexer->at, 1);
    if (lexer->at >= lexer->end) {
        lexer->token = TOKEN_END;
    } else if (is_word(c)) {
        lexer->token = TOKEN_NAME;
        while (is_word(look(lexer, 0)))
            skip(lexer, 1);
        lexer->text.len = (size_t)(lexer->at - lexer->text.data);
    } else if (c == '"' || c == '\'') {
        lexer->token = TOKEN_STRING;
        read_quoted(lexer);
    } else if (c == '[' && long_level(lexer) >= 0) {
        lexer->token = TOKEN_STRING;
        read_long(lexer, long_level(lexer));
    } else {
        lexer->token = TOKEN_OTHER;
        skip(lexer, 1);
    }
}

static bool is_other(const struct lexer *lexer, char c)
{
    return lexer->token == TOKEN_OTHER && lexer->text.data[0] == c;
}

/* ---- Endpoints ---- */

struct search {
    struct generation *generation;
    const struct registry *registry;
    const struct draft *draft;
    const char *file;
    struct findings *findings;
};

static bool is_event_name(const struct search *search, struct slice name)
{
    for (size_t i = 0; i < search->draft->handler_count; i++)
        if (slice_is(name, search->draft->handlers[i].parameter) &&
            strcmp(search->draft->handlers[i].file, search->file) == 0)
            return true;
    return false;
}

static void check_endpoint(const struct search *search, const struct lexer *lexer)
{
    const struct registry *registry = search->registry;
    if (registry_endpoint(registry, lexer->text))
        return;
    char message[TEXT_BYTES];
    char hint[TEXT_BYTES];
    const char *nearest = NULL;
    const char **known = calloc(registry->endpoint_count + 1, sizeof *known);
    for (size_t i = 0; known && i < registry->endpoint_count; i++)
        known[i] = registry->endpoints[i].name;
    if (known)
        nearest = text_nearest(lexer->text, known, registry->endpoint_count);
    free(known);
    (void)snprintf(message, sizeof message, "unknown endpoint '%.*s'", (int)lexer->text.len,
                   lexer->text.data);
    if (nearest)
        (void)snprintf(hint, sizeof hint, "did you mean '%s'?", nearest);
    else
        (void)snprintf(hint, sizeof hint, "register it with anzol.endpoint(\"%.*s\", { … })",
                       (int)lexer->text.len, lexer->text.data);
    findings_add(search->findings, &(struct finding_options){.level = FINDING_ERROR,
                                                             .file = search->file,
                                                             .line = lexer->line,
                                                             .message = message,
                                                             .hint = hint});
}

/* Behind "name:send": "crm" | ("crm" | ({ "crm", "erp" } | { "crm" }. A string that an operator
 * follows is only a part of a name. */
static void check_arguments(const struct search *search, struct lexer *lexer)
{
    const bool has_parenthesis = is_other(lexer, '(');
    if (has_parenthesis)
        next(lexer);
    const bool is_list = is_other(lexer, '{');
    if (is_list)
        next(lexer);
    while (lexer->token == TOKEN_STRING) {
        const struct lexer literal = *lexer;
        next(lexer);
        if (!is_other(lexer, '.') && !is_other(lexer, ':'))
            check_endpoint(search, &literal);
        if (!is_list || !is_other(lexer, ','))
            return;
        next(lexer);
    }
}

/* ---- Secrets ---- */

static bool is_reported(const struct findings *findings, const char *words)
{
    for (size_t i = 0; i < findings->count; i++)
        if (strstr(findings->rows[i].message, words))
            return true;
    return false;
}

static void check_secret(const struct search *search, const struct lexer *lexer)
{
    char name[LIMIT_NAME_BYTES + 1];
    char message[TEXT_BYTES + ERR_TEXT_BYTES_MAX];
    struct err err = {0};
    if (lexer->text.len == 0 || lexer->text.len >= sizeof name)
        return;
    (void)snprintf(name, sizeof name, "%.*s", (int)lexer->text.len, lexer->text.data);
    if (generation_secret(search->generation, name, &err))
        return;
    (void)snprintf(message, sizeof message, "secret %s is not set", name);
    if (is_reported(search->findings, message))
        return;
    (void)snprintf(message, sizeof message, "secret %s is not set; %s", name, err.text);
    findings_add(search->findings,
                 &(struct finding_options){.level = search->generation->allow_missing_secrets
                                                        ? FINDING_WARNING
                                                        : FINDING_ERROR,
                                           .file = search->file,
                                           .line = lexer->line,
                                           .message = message});
}

/* Behind "anzol": .secret "NAME", or with parentheses. */
static void check_secret_call(const struct search *search, struct lexer *lexer)
{
    if (!is_other(lexer, '.'))
        return;
    next(lexer);
    if (lexer->token != TOKEN_NAME || !slice_is(lexer->text, "secret"))
        return;
    next(lexer);
    if (is_other(lexer, '('))
        next(lexer);
    if (lexer->token != TOKEN_STRING)
        return;
    const struct lexer literal = *lexer;
    next(lexer);
    const bool is_part = is_other(lexer, '.') && look(lexer, 0) == '.';
    if (!is_part)
        check_secret(search, &literal);
}

/* ---- Files ---- */

static void check_file(const struct search *search, struct slice text)
{
    struct lexer lexer = {.at = text.data, .end = text.data + text.len, .line = 1};
    for (next(&lexer); lexer.token != TOKEN_END;) {
        if (lexer.token == TOKEN_NAME && slice_is(lexer.text, "anzol")) {
            next(&lexer);
            check_secret_call(search, &lexer);
            continue;
        }
        if (lexer.token != TOKEN_NAME || !is_event_name(search, lexer.text)) {
            next(&lexer);
            continue;
        }
        next(&lexer);
        if (!is_other(&lexer, ':'))
            continue;
        next(&lexer);
        if (lexer.token != TOKEN_NAME || !slice_is(lexer.text, "send"))
            continue;
        next(&lexer);
        check_arguments(search, &lexer);
    }
}

/* ---- Sources of subscriptions ---- */

static void check_source(const struct registry *registry,
                         const struct subscription_spec *subscription, struct findings *findings)
{
    if (!subscription->source || registry_source(registry, slice_str(subscription->source)))
        return;
    char message[TEXT_BYTES + PLACE_BYTES];
    (void)snprintf(message, sizeof message,
                   "%s: option 'source' of anzol.on names the unknown source '%.64s'; register it "
                   "with anzol.source",
                   subscription->script, subscription->source);
    findings_add(findings, &(struct finding_options){.level = FINDING_ERROR, .message = message});
}

static void warn_open(const char *script, const char *what, const char *name, const char *does,
                      struct findings *findings)
{
    char message[TEXT_BYTES + PLACE_BYTES];
    (void)snprintf(message, sizeof message, "%s: %s '%s' %s (anzol.verify.none)", script, what,
                   name, does);
    findings_add(findings, &(struct finding_options){.level = FINDING_WARNING, .message = message});
}

static void warn_short_key(const char *script, const char *what, const struct key_set *keys,
                           struct findings *findings)
{
    for (size_t i = 0; i < keys->count; i++)
        if (!keys->keys[i].pair && keys->keys[i].secret.len < SIGNATURE_KEY_BYTES_SHORT) {
            char message[TEXT_BYTES + PLACE_BYTES];
            (void)snprintf(message, sizeof message, "%s: the secret of %s has fewer than %d bytes",
                           script, what, SIGNATURE_KEY_BYTES_SHORT);
            findings_add(findings,
                         &(struct finding_options){.level = FINDING_WARNING, .message = message});
            return;
        }
}

static void warn_of_source(const struct source_spec *source, struct findings *findings)
{
    if (!source->verifier)
        return;
    if (source->verifier->kind == VERIFIER_NONE)
        warn_open(source->script, "anzol.source", source->name, "takes what anybody sends",
                  findings);
    warn_short_key(source->script, source->name, &source->verifier->keys, findings);
}

static void warn_of_endpoint(const struct endpoint_spec *endpoint, struct findings *findings)
{
    const struct verifier *verifier = endpoint->queue ? endpoint->queue->verifier : NULL;
    if (verifier && verifier->kind == VERIFIER_NONE)
        warn_open(endpoint->script, "anzol.endpoint", endpoint->name,
                  "gives its messages to anybody who asks", findings);
    if (verifier)
        warn_short_key(endpoint->script, endpoint->name, &verifier->keys, findings);
    if (endpoint->signer)
        warn_short_key(endpoint->script, endpoint->name, &endpoint->signer->keys, findings);
}

void generation_cross_check(struct generation *generation, const struct draft *draft,
                            struct findings *findings)
{
    const struct registry *registry = draft->registry;
    const struct snapshot *snapshot = &generation->snapshot;
    for (size_t i = 0; i < snapshot->count; i++) {
        const struct snapshot_file *file = &snapshot->files[i];
        const struct search search = {generation, registry, draft, file->path, findings};
        if (file->data)
            check_file(&search, slice_of(file->data, file->len));
    }
    for (size_t i = 0; i < registry->subscription_count; i++)
        check_source(registry, &registry->subscriptions[i], findings);
    for (size_t i = 0; i < registry->source_count; i++)
        warn_of_source(&registry->sources[i], findings);
    for (size_t i = 0; i < registry->endpoint_count; i++)
        warn_of_endpoint(&registry->endpoints[i], findings);
}
