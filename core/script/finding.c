/* SPDX-License-Identifier: MIT */
/* What loading found: a list of places with words. Owned by whoever asked for the loading. */
#include "script/script_int.h"

#include <stdlib.h>

#define FILE_BYTES_MAX 512

/* Reads "file:line: " off the front of a message of Lua. */
static const char *cut_place(const char *message, char file[FILE_BYTES_MAX], int *line)
{
    const char *colon = strchr(message, ':');
    while (colon && (colon[1] < '0' || colon[1] > '9'))
        colon = strchr(colon + 1, ':');
    const char *newline = strchr(message, '\n');
    if (!colon || (newline && newline < colon) || colon - message >= FILE_BYTES_MAX)
        return message;
    char *end;
    const long number = strtol(colon + 1, &end, 10);
    if (*end != ':' || memchr(message, ' ', (size_t)(colon - message)))
        return message;
    memcpy(file, message, (size_t)(colon - message));
    file[colon - message] = '\0';
    *line = (int)number;
    end++;
    return *end == ' ' ? end + 1 : end;
}

static char *copy(const char *text, size_t len)
{
    return text ? strndup(text, len) : NULL;
}

void findings_add(struct findings *findings, const struct finding_options *options)
{
    if (!findings)
        return;
    struct finding *rows = realloc(findings->rows, (findings->count + 1) * sizeof *findings->rows);
    if (!rows)
        return;
    findings->rows = rows;
    char file[FILE_BYTES_MAX] = "";
    int line = options->line;
    const char *message = options->message;
    if (options->file)
        (void)snprintf(file, sizeof file, "%s", options->file);
    else
        message = cut_place(message, file, &line);
    /* What a script wrote on more than one line (a traceback follows) is told by its first. */
    size_t len = strcspn(message, "\n");
    if (len > 1 && message[len] == '\n' && message[len - 1] == ':')
        len--;
    const char *hint = options->hint;
    const char *mark = strstr(message, "; ");
    if (!hint && mark && mark < message + len) {
        hint = mark + 2;
        len = (size_t)(mark - message);
    }
    rows[findings->count++] = (struct finding){
        .level = options->level,
        .file = strdup(file),
        .line = line,
        .phase = strdup(options->phase ? options->phase : "load"),
        .message = copy(message, len),
        .hint = hint ? copy(hint, strcspn(hint, "\n")) : NULL,
    };
}

bool finding_has_place(const char *message)
{
    char file[FILE_BYTES_MAX];
    int line;
    return cut_place(message, file, &line) != message;
}

void findings_fail(struct findings *findings, const char *phase, const char *message)
{
    findings_add(findings, &(struct finding_options){
                               .level = FINDING_ERROR, .phase = phase, .message = message});
}

void findings_warn(struct findings *findings, const char *message, const char *hint)
{
    findings_add(findings,
                 &(struct finding_options){
                     .level = FINDING_WARNING, .file = "", .message = message, .hint = hint});
}

bool findings_have_error(const struct findings *findings)
{
    for (size_t i = 0; i < findings->count; i++)
        if (findings->rows[i].level == FINDING_ERROR)
            return true;
    return false;
}

void findings_finish(struct findings *findings)
{
    for (size_t i = 0; i < findings->count; i++) {
        free(findings->rows[i].file);
        free(findings->rows[i].phase);
        free(findings->rows[i].message);
        free(findings->rows[i].hint);
    }
    free(findings->rows);
    *findings = (struct findings){0};
}
