/* SPDX-License-Identifier: MIT */
/* How the text of an option becomes its value, a function a type. */
#include "config/config_int.h"

#include "base/cidr.h"
#include "base/limits.h"
#include "base/text.h"
#include "base/zone.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define UID_BYTES_ALLOWED "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-."
#define HOST_BYTES_ALLOWED "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-."
#define V6_BYTES_ALLOWED "0123456789abcdefABCDEF:."
#define PATH_BYTES_ALLOWED UID_BYTES_ALLOWED "~/"
#define PORT_MAX 65535
#define LIST_ITEMS_MAX 1000
#define STORE_SCHEME "sqlite:"

/* What one parser gets: the row, the text, where it came from, where the value goes. */
struct assignment {
    const struct option *option;
    const char *text;
    const struct origin *origin;
    struct config *config;
    struct err *err;
};

static void *place_of(const struct assignment *assignment)
{
    return (char *)assignment->config + assignment->option->offset;
}

static enum status refuse(const struct assignment *assignment, const char *wanted)
{
    return err_set(assignment->err, E_INVALID, "%s: \"%s\" is not %s", assignment->origin->name,
                   assignment->text, wanted);
}

/* Takes text. */
static enum status put_text(const struct assignment *assignment, char *text)
{
    char **place = place_of(assignment);
    if (!text)
        return err_set(assignment->err, E_NOMEM, "%s: no memory", assignment->origin->name);
    free(*place);
    *place = text;
    return OK;
}

static bool port_is_valid(const char *port)
{
    char *end;
    if (*port < '0' || *port > '9')
        return false;
    errno = 0;
    const unsigned long number = strtoul(port, &end, 10);
    return errno == 0 && *end == '\0' && number <= PORT_MAX;
}

/* The length of the host part of "HOST:PORT" or "[v6]:PORT", 0 if malformed. */
static size_t host_len(const char *address)
{
    const char *colon = strrchr(address, ':');
    if (!colon || colon == address || !port_is_valid(colon + 1))
        return 0;
    const size_t len = (size_t)(colon - address);
    const bool is_v6 = address[0] == '[';
    if (is_v6 ? address[len - 1] != ']' || len < 4 : memchr(address, ':', len) != NULL)
        return 0;
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)address[i] <= ' ' || address[i] == '/')
            return 0;
    return len;
}

bool value_is_loopback(const char *address)
{
    const struct slice host = slice_of(address, host_len(address));
    return slice_is(host, "localhost") || slice_is(host, "[::1]") ||
           (host.len > 4 && memcmp(host.data, "127.", 4) == 0);
}

static enum status set_address(const struct assignment *assignment)
{
    if (host_len(assignment->text) == 0)
        return refuse(assignment, "an address; write HOST:PORT, such as 127.0.0.1:8080, "
                                  "0.0.0.0:8080 for all IPv4 addresses or [::1]:8080");
    return put_text(assignment, strdup(assignment->text));
}

static enum status set_bool(const struct assignment *assignment)
{
    static const struct {
        const char *text;
        bool value;
    } words[] = {{"true", true}, {"false", false}, {"1", true},  {"0", false},
                 {"yes", true},  {"no", false},    {"on", true}, {"off", false}};
    for (size_t i = 0; i < array_count(words); i++)
        if (strcmp(assignment->text, words[i].text) == 0) {
            *(bool *)place_of(assignment) = words[i].value;
            return OK;
        }
    return refuse(assignment, "true or false");
}

static enum status set_count(const struct assignment *assignment)
{
    const struct option *option = assignment->option;
    char *end;
    errno = 0;
    const long long number = strtoll(assignment->text, &end, 10);
    const bool is_number = errno == 0 && end != assignment->text && *end == '\0';
    if (!is_number || number < option->min || number > option->max)
        return err_set(assignment->err, E_INVALID,
                       "%s: \"%s\" is not a whole number from %lld to "
                       "%lld",
                       assignment->origin->name, assignment->text, (long long)option->min,
                       (long long)option->max);
    *(unsigned *)place_of(assignment) = (unsigned)number;
    return OK;
}

static enum status set_duration(const struct assignment *assignment)
{
    const struct option *option = assignment->option;
    int64_t ms;
    if (!text_parse_duration_ms(slice_str(assignment->text), &ms))
        return refuse(assignment, "a duration; write " TEXT_DURATION_FORMS);
    if (ms < option->min || ms > option->max)
        return err_set(assignment->err, E_INVALID, "%s: %s is out of range: from %llds to %lldd",
                       assignment->origin->name, assignment->text, (long long)option->min / 1000,
                       (long long)option->max / (24 * 60 * 60 * 1000));
    *(int64_t *)place_of(assignment) = ms;
    return OK;
}

static enum status set_size(const struct assignment *assignment)
{
    const struct option *option = assignment->option;
    size_t bytes;
    if (!text_parse_size(slice_str(assignment->text), &bytes))
        return refuse(assignment, "a size; write " TEXT_SIZE_FORMS);
    if (bytes < (size_t)option->min || bytes > (size_t)option->max)
        return err_set(assignment->err, E_INVALID,
                       "%s: %s is out of range: from %lldMiB to "
                       "%lldGiB",
                       assignment->origin->name, assignment->text, (long long)option->min >> 20,
                       (long long)option->max >> 30);
    *(size_t *)place_of(assignment) = bytes;
    return OK;
}

static void free_list(char **items, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(items[i]);
    free(items);
}

static enum status set_list(const struct assignment *assignment)
{
    const char separator[2] = {assignment->origin->separator, '\0'};
    size_t count = 0, capacity = 1;
    for (const char *c = assignment->text; *c; c++)
        capacity += *c == separator[0];
    if (capacity > LIST_ITEMS_MAX)
        return err_set(assignment->err, E_LIMIT, "%s: more than %d items", assignment->origin->name,
                       LIST_ITEMS_MAX);
    char **items = calloc(capacity + 1, sizeof *items); /* ends with NULL */
    if (!items)
        return err_set(assignment->err, E_NOMEM, "%s: no memory", assignment->origin->name);
    for (const char *item = assignment->text; *item != '\0';) {
        const size_t len = strcspn(item, separator);
        if (len > 0 && !(items[count++] = strndup(item, len))) {
            free_list(items, count - 1);
            return err_set(assignment->err, E_NOMEM, "%s: no memory", assignment->origin->name);
        }
        item += item[len] != '\0' ? len + 1 : len;
    }
    char ***place = place_of(assignment);
    size_t *place_count = (void *)((char *)assignment->config + assignment->option->count_offset);
    free_list(*place, *place_count);
    *place = items;
    *place_count = count;
    return OK;
}

static enum status set_blocks(const struct assignment *assignment)
{
    const char separator[2] = {assignment->origin->separator, '\0'};
    const int64_t max = assignment->option->max;
    int64_t count = 0;
    for (const char *item = assignment->text; *item != '\0';) {
        const size_t len = strcspn(item, separator);
        struct cidr cidr;
        if (len > 0 && ++count > max && max > 0)
            return err_set(assignment->err, E_INVALID,
                           "%s: at most %lld addresses and blocks fit; join some to a larger block",
                           assignment->origin->name, (long long)max);
        if (len > 0 && !cidr_parse(slice_of(item, len), &cidr))
            return err_set(assignment->err, E_INVALID, "%s: \"%.*s\" is not " CIDR_FORMS,
                           assignment->origin->name, (int)len, item);
        item += item[len] != '\0' ? len + 1 : len;
    }
    return set_list(assignment);
}

/* The length of "https://host:port" at the front of text, 0 if there is none. */
static size_t origin_len(const char *text)
{
    const size_t scheme = strncmp(text, "https://", 8) == 0  ? 8
                          : strncmp(text, "http://", 7) == 0 ? 7
                                                             : 0;
    const char *host = text + scheme;
    const bool is_v6 = *host == '[';
    size_t len = is_v6 ? strspn(host + 1, V6_BYTES_ALLOWED) + 2 : strspn(host, HOST_BYTES_ALLOWED);
    if (scheme == 0 || len == 0 || (is_v6 && (len < 4 || host[len - 1] != ']')))
        return 0;
    if (host[len] == ':') {
        const size_t digits = strspn(host + len + 1, "0123456789");
        char port[8] = {0};
        if (digits == 0 || digits >= sizeof port)
            return 0;
        memcpy(port, host + len + 1, digits);
        if (!port_is_valid(port))
            return 0;
        len += 1 + digits;
    }
    return scheme + len;
}

/* They go into a header as they are. */
static enum status set_origins(const struct assignment *assignment)
{
    const char separator[2] = {assignment->origin->separator, '\0'};
    for (const char *item = assignment->text; *item != '\0';) {
        const size_t len = strcspn(item, separator);
        if (len > 0 && origin_len(item) != len)
            return err_set(assignment->err, E_INVALID,
                           "%s: \"%.*s\" is not an origin; write https://HOST or https://HOST:PORT",
                           assignment->origin->name, (int)len, item);
        item += item[len] != '\0' ? len + 1 : len;
    }
    return set_list(assignment);
}

static enum status set_url(const struct assignment *assignment)
{
    size_t len = origin_len(assignment->text);
    const size_t path = len > 0 ? strspn(assignment->text + len, PATH_BYTES_ALLOWED) : 0;
    if (len == 0 || assignment->text[len + path] != '\0' ||
        (path > 0 && assignment->text[len] != '/') || len + path > LIMIT_URL_BYTES)
        return refuse(assignment,
                      "a URL; write https://HOST or https://HOST:PORT/PATH, without a query");
    for (len += path; assignment->text[len - 1] == '/';)
        len--;
    return put_text(assignment, strndup(assignment->text, len));
}

static enum status set_https_url(const struct assignment *assignment)
{
    if (strncmp(assignment->text, "https://", 8) != 0)
        return refuse(assignment, "a URL of https; write https://HOST or https://HOST/PATH");
    return set_url(assignment);
}

static enum status set_log_format(const struct assignment *assignment)
{
    enum log_format *place = place_of(assignment);
    if (strcmp(assignment->text, "text") == 0)
        *place = LOG_TEXT;
    else if (strcmp(assignment->text, "json") == 0)
        *place = LOG_JSON;
    else
        return refuse(assignment, "text or json");
    return OK;
}

static enum status set_log_level(const struct assignment *assignment)
{
    return log_level_parse(assignment->text, place_of(assignment))
               ? OK
               : refuse(assignment, "error, warn, info or debug");
}

static enum status set_timezone(const struct assignment *assignment)
{
    struct zone *zone = NULL;
    const enum status status = zone_load(slice_str(assignment->text), &zone, assignment->err);
    zone_free(zone);
    if (status == OK)
        return put_text(assignment, strdup(assignment->text));
    if (assignment->err)
        (void)err_prefix(assignment->err, "%s", assignment->origin->name);
    return status;
}

static enum status set_trust(const struct assignment *assignment)
{
    const bool is_full = strcmp(assignment->text, "full") == 0;
    if (!is_full && strcmp(assignment->text, "sandbox") != 0)
        return refuse(assignment, "sandbox or full");
    *(bool *)place_of(assignment) = is_full;
    return OK;
}

char *value_join_path(const char *dir, const char *path)
{
    if (!dir || path[0] == '/')
        return strdup(path);
    const size_t bytes = strlen(dir) + strlen(path) + 2;
    char *joined = malloc(bytes);
    if (joined)
        (void)snprintf(joined, bytes, "%s/%s", dir, path);
    return joined;
}

static enum status set_path(const struct assignment *assignment)
{
    return put_text(assignment, value_join_path(assignment->origin->dir, assignment->text));
}

/* Never echoes the text. */
static enum status set_secret(const struct assignment *assignment)
{
    for (const char *c = assignment->text; *c; c++)
        if (*c <= ' ' || *c > '~')
            return err_set(assignment->err, E_INVALID,
                           "%s: a token is visible ASCII without spaces; make one with "
                           "`openssl rand -hex 32`",
                           assignment->origin->name);
    return put_text(assignment, strdup(assignment->text));
}

static enum status set_store(const struct assignment *assignment)
{
    const size_t scheme_len = strlen(STORE_SCHEME);
    if (strncmp(assignment->text, STORE_SCHEME, scheme_len) != 0 || !assignment->text[scheme_len])
        return refuse(assignment, "a store; write sqlite:FILE");
    return put_text(assignment,
                    value_join_path(assignment->origin->dir, assignment->text + scheme_len));
}

static enum status set_uid(const struct assignment *assignment)
{
    const size_t len = strspn(assignment->text, UID_BYTES_ALLOWED);
    if (assignment->text[len] != '\0' || len > LIMIT_UID_BYTES)
        return refuse(assignment, "a uid: at most 256 of A-Z a-z 0-9 _ - .");
    return put_text(assignment, strdup(assignment->text));
}

static enum status (*const setters[OPTION_TYPE_COUNT])(const struct assignment *) = {
    [OPTION_ADDRESS] = set_address,     [OPTION_BOOL] = set_bool,
    [OPTION_INTEGER] = set_count,       [OPTION_DURATION] = set_duration,
    [OPTION_FILE] = set_path,           [OPTION_BLOCKS] = set_blocks,
    [OPTION_LIST] = set_list,           [OPTION_LOG_FORMAT] = set_log_format,
    [OPTION_LOG_LEVEL] = set_log_level, [OPTION_PATH] = set_path,
    [OPTION_SECRET] = set_secret,       [OPTION_SIZE] = set_size,
    [OPTION_STORE] = set_store,         [OPTION_TIMEZONE] = set_timezone,
    [OPTION_TRUST] = set_trust,         [OPTION_UID] = set_uid,
    [OPTION_ORIGINS] = set_origins,     [OPTION_URL] = set_url,
    [OPTION_HTTPS_URL] = set_https_url,
};

enum status value_set(struct config *config, const struct option *option, const char *text,
                      const struct origin *origin, struct err *err)
{
    const struct assignment assignment = {option, text, origin, config, err};
    if (!*text)
        return err_set(
            err, E_INVALID, "%s: the value is empty; give %s or leave it out", origin->name,
            option->type == OPTION_BOOL ? "true or false" : option_value_name(option->type));
    return setters[option->type](&assignment);
}
