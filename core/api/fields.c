/* SPDX-License-Identifier: MIT */
#include "api/fields_int.h"

#include "base/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define MESSAGE_BYTES 128
#define INSTANT_BYTES 64
#define FORM_ROWS_MAX 24

struct reading {
    const struct fields_input *input;
    struct complaints *complaints;
    const char *within; /* the field of the body that is read; NULL: the body itself */
    struct buf scratch; /* what a string says */
    /* What the body gives of each form, under its name and under its alias; data NULL: nothing. */
    struct slice named[FORM_ROWS_MAX];
    struct slice aliased[FORM_ROWS_MAX];
};

static enum status read_object(struct reading *reading, struct buf *out);

static void complain_of(struct reading *reading, const struct field_form *form, const char *message)
{
    char member[MESSAGE_BYTES];
    if (!reading->within) {
        complain(reading->complaints, "body", slice_str(form->name), message);
        return;
    }
    (void)snprintf(member, sizeof member, "\"%s\"", form->name);
    complain_of_member(reading->complaints, reading->within, slice_str(member), message);
}

/* ---- Judging values ---------------------------------------------------------------------------
 */

static bool is_name_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
}

bool fields_is_name(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!is_name_byte(text.data[i]))
            return false;
    return text.len > 0;
}

static int64_t count_characters(struct slice text)
{
    int64_t count = 0;
    for (size_t i = 0; i < text.len; i++)
        count += ((unsigned char)text.data[i] & 0xc0u) != 0x80u;
    return count;
}

static int64_t min_of(const struct reading *reading, const struct field_form *form)
{
    return reading->input->mode == FIELDS_PATCHED ? form->patch_min : form->min;
}

static void judge_text(struct reading *reading, const struct field_form *form, struct slice value)
{
    const bool is_name = form->type == FIELD_NAME || form->type == FIELD_NAMES;
    char message[MESSAGE_BYTES];
    const int64_t min = min_of(reading, form);
    buf_clear(&reading->scratch);
    if (json_kind_of(value) != JSON_STRING || json_add_text(value, &reading->scratch) != OK) {
        complain_of(reading, form, "a string is wanted");
        return;
    }
    const struct slice text = buf_slice(&reading->scratch);
    const int64_t count = count_characters(text);
    if (count < min || (form->max > 0 && count > form->max)) {
        if (form->max > 0)
            (void)snprintf(message, sizeof message,
                           "%" PRId64 " to %" PRId64 " characters are wanted", min, form->max);
        else
            (void)snprintf(message, sizeof message, "at least %" PRId64 " characters are wanted",
                           min);
        complain_of(reading, form, message);
    } else if (!form->has_zeros && memchr(text.data, '\0', text.len)) {
        complain_of(reading, form, "a zero byte cannot be part of it");
    } else if (is_name && !fields_is_name(text)) {
        complain_of(reading, form, "only letters, digits, '-', '_' and '.' may be part of it");
    }
}

bool fields_parse_instant(const char *text, int64_t *ms)
{
    char changed[INSTANT_BYTES];
    const size_t len = strlen(text);
    static const char zone[] = " UTC";
    if (len >= sizeof changed)
        return false;
    memcpy(changed, text, len + 1);
    if (len > 10 && changed[10] == ' ')
        changed[10] = 'T';
    if (len > sizeof zone && strcmp(changed + len - (sizeof zone - 1), zone) == 0)
        memcpy(changed + len - (sizeof zone - 1), "Z", 2);
    return clock_parse_iso(changed, ms);
}

static void judge_instant(struct reading *reading, const struct field_form *form,
                          struct slice value)
{
    int64_t ms;
    const size_t before = reading->complaints->count;
    judge_text(reading, form, value);
    if (reading->complaints->count == before && !fields_parse_instant(reading->scratch.data, &ms))
        complain_of(reading, form, AN_INSTANT);
}

static void judge_integer(struct reading *reading, const struct field_form *form,
                          struct slice value)
{
    char message[MESSAGE_BYTES];
    const int64_t min = min_of(reading, form);
    buf_clear(&reading->scratch);
    char *end = NULL;
    errno = 0;
    const bool is_kept =
        json_kind_of(value) == JSON_NUMBER && buf_add_slice(&reading->scratch, value) == OK;
    const long long number = is_kept ? strtoll(reading->scratch.data, &end, 10) : 0;
    if (is_kept && errno == 0 && *end == '\0' && number >= min && number <= form->max)
        return;
    (void)snprintf(message, sizeof message,
                   "a whole number from %" PRId64 " to %" PRId64 " is wanted", min, form->max);
    complain_of(reading, form, message);
}

static void judge_members(struct reading *reading, const struct field_form *form,
                          struct slice value)
{
    const bool is_texts = form->type == FIELD_TEXTS;
    const enum json_kind wanted = is_texts ? JSON_STRING : JSON_OBJECT;
    struct slice name;
    struct slice member;
    if (json_kind_of(value) != JSON_OBJECT) {
        complain_of(reading, form,
                    is_texts ? "an object of strings is wanted" : "an object of objects is wanted");
        return;
    }
    for (size_t offset = 0; json_next_member(value, &offset, &name, &member);)
        if (json_kind_of(member) != wanted && reading->within)
            complain_of(reading, form, is_texts ? "strings are wanted" : "objects are wanted");
        else if (json_kind_of(member) != wanted)
            complain_of_member(reading->complaints, form->name, name,
                               is_texts ? "a string is wanted" : "an object is wanted");
}

/* What comes after the opening bracket of names is names without escapes, apart by commas. */
static bool has_name(const struct buf *names, struct slice name)
{
    struct slice other;
    for (size_t offset = 1; offset < names->len; offset += other.len + 1) {
        const char *end = memchr(names->data + offset, ',', names->len - offset);
        const size_t len = end ? (size_t)(end - names->data) - offset : names->len - offset;
        other = slice_of(names->data + offset, len);
        if (other.len == name.len + 2 && memcmp(other.data + 1, name.data, name.len) == 0)
            return true;
    }
    return false;
}

size_t fields_items_max(const struct field_form *form)
{
    return form->items_max > 0 ? form->items_max : LIMIT_API_NAMES;
}

/* False: complained of. */
static bool count_is_right(struct reading *reading, const struct field_form *form,
                           struct slice value)
{
    char message[MESSAGE_BYTES];
    struct slice item;
    size_t count = 0;
    for (size_t offset = 0; json_next_item(value, &offset, &item);)
        count++;
    const size_t max = fields_items_max(form);
    if (count >= form->items_min && count <= max)
        return true;
    (void)snprintf(message, sizeof message, "%zu to %zu items are wanted", form->items_min, max);
    complain_of(reading, form, message);
    return false;
}

/* A list of names, written without escapes: so equal ones are equal bytes. Up to the first that is
 * wrong. */
static enum status add_names(struct reading *reading, const struct field_form *form,
                             struct slice value, struct buf *out)
{
    struct slice item;
    const size_t before = reading->complaints->count;
    if (json_kind_of(value) != JSON_ARRAY) {
        complain_of(reading, form, "a list of strings is wanted");
        return OK;
    }
    if (!count_is_right(reading, form, value))
        return OK;
    enum status status = buf_add_byte(out, '[');
    for (size_t offset = 0; status == OK && json_next_item(value, &offset, &item);) {
        judge_text(reading, form, item);
        const struct slice name = buf_slice(&reading->scratch);
        if (reading->complaints->count == before && has_name(out, name))
            complain_of(reading, form, "each item may be there once");
        if (reading->complaints->count != before)
            return OK;
        status = buf_printf(out, "%s\"%.*s\"", out->len > 1 ? "," : "", (int)name.len, name.data);
    }
    return status == OK ? buf_add_byte(out, ']') : status;
}

static void judge(struct reading *reading, const struct field_form *form, struct slice value)
{
    switch (form->type) {
    case FIELD_TEXT:
        judge_text(reading, form, value);
        return;
    case FIELD_INSTANT:
        judge_instant(reading, form, value);
        return;
    case FIELD_INTEGER:
        judge_integer(reading, form, value);
        return;
    case FIELD_FLAG:
        if (json_kind_of(value) != JSON_BOOL)
            complain_of(reading, form, "true or false is wanted");
        return;
    case FIELD_TEXTS:
    case FIELD_OBJECTS:
        judge_members(reading, form, value);
        return;
    case FIELD_OBJECT:
        if (json_kind_of(value) != JSON_OBJECT)
            complain_of(reading, form, "an object is wanted");
        return;
    case FIELD_NAME:
    case FIELD_NAMES:
    case FIELD_FORM:
    case FIELD_SECRET:
        return; /* they are judged where they are added */
    }
}

/* ---- Reading -----------------------------------------------------------------------------------
 */

static enum status add_member(const char *name, struct slice value, struct buf *out)
{
    enum status status = buf_printf(out, "%s\"%s\":", out->len > 1 ? "," : "", name);
    return status == OK ? json_add_compact(value, out) : status;
}

/* An object in the body, with fields of its own. */
static enum status add_object(struct reading *reading, const struct field_form *form,
                              struct slice value, struct buf *out)
{
    const struct fields_input input = {.forms = form->forms, .mode = FIELDS_MADE, .body = value};
    struct reading inner = {
        .input = &input, .complaints = reading->complaints, .within = form->name};
    if (json_kind_of(value) != JSON_OBJECT) {
        complain_of(reading, form, "an object is wanted");
        return OK;
    }
    buf_init(&inner.scratch, value.len);
    const enum status status = read_object(&inner, out);
    buf_finish(&inner.scratch);
    return status;
}

/* A name, without escapes too. */
static enum status add_name(struct reading *reading, const struct field_form *form,
                            struct slice value, struct buf *out)
{
    const size_t before = reading->complaints->count;
    judge_text(reading, form, value);
    const struct slice name = buf_slice(&reading->scratch);
    if (reading->complaints->count != before)
        return OK;
    return buf_printf(out, "\"%.*s\"", (int)name.len, name.data);
}

/* A field that is judged as it is written anew. */
static enum status add_rewritten(struct reading *reading, const struct field_form *form,
                                 struct slice value, struct buf *out)
{
    struct buf text;
    enum status status;
    buf_init(&text, value.len + LIMIT_API_BODY_BYTES);
    if (form->type == FIELD_FORM)
        status = add_object(reading, form, value, &text);
    else if (form->type == FIELD_NAMES)
        status = add_names(reading, form, value, &text);
    else
        status = add_name(reading, form, value, &text);
    if (status == OK && text.len > 0)
        status = add_member(form->name, buf_slice(&text), out);
    buf_finish(&text);
    return status;
}

/* One pass over the body, however many forms there are: a payload in it may be large. */
static void collect(struct reading *reading)
{
    const struct field_forms *forms = reading->input->forms;
    struct slice name;
    struct slice value;
    check(forms->count <= FORM_ROWS_MAX);
    for (size_t offset = 0; json_next_member(reading->input->body, &offset, &name, &value);) {
        struct slice text = slice_of(name.data + 1, name.len - 2);
        if (memchr(text.data, '\\', text.len)) {
            buf_clear(&reading->scratch);
            text = json_add_text(name, &reading->scratch) == OK ? buf_slice(&reading->scratch)
                                                                : slice_of("", 0);
        }
        for (size_t i = 0; i < forms->count; i++)
            if (slice_is(text, forms->rows[i].name))
                reading->named[i] = value;
            else if (forms->rows[i].alias && slice_is(text, forms->rows[i].alias))
                reading->aliased[i] = value;
    }
}

static bool find_given(const struct reading *reading, const struct field_form *form,
                       struct slice *value)
{
    const size_t i = (size_t)(form - reading->input->forms->rows);
    *value = reading->named[i].data ? reading->named[i] : reading->aliased[i];
    return value->data != NULL;
}

/* What it is without being given. */
static enum status add_absent(struct reading *reading, const struct field_form *form,
                              struct buf *out)
{
    const struct fields_input *input = reading->input;
    struct slice old;
    if (input->mode == FIELDS_PATCHED)
        return json_find(slice_str(input->old), form->name, &old) ? add_member(form->name, old, out)
                                                                  : OK;
    if (form->is_required)
        complain_of(reading, form, "it is required");
    return form->absent ? add_member(form->name, slice_str(form->absent), out) : OK;
}

/* Clients send null, false and empty lists for what they do not want. */
static bool asks_for_something(struct slice value)
{
    size_t offset = 0;
    struct slice item;
    return json_kind_of(value) == JSON_ARRAY
               ? json_next_item(value, &offset, &item)
               : json_kind_of(value) != JSON_NULL && !slice_is(value, "false");
}

static enum status add_field(struct reading *reading, const struct field_form *form,
                             struct buf *out)
{
    const struct fields_input *input = reading->input;
    struct slice value;
    const bool is_patch = input->mode == FIELDS_PATCHED;
    if (form->is_apart || form->is_only_shown)
        return OK;
    if (form->refusal) {
        if (find_given(reading, form, &value) && asks_for_something(value))
            complain_of(reading, form, form->refusal);
        return OK;
    }
    if (form->is_of_path && input->mode != FIELDS_MADE) {
        const enum status status =
            buf_printf(out, "%s\"%s\":", out->len > 1 ? "," : "", form->name);
        return status == OK ? buf_add_json_string(out, slice_str(input->path)) : status;
    }
    if (!find_given(reading, form, &value))
        return add_absent(reading, form, out);
    if (json_kind_of(value) == JSON_NULL)
        return is_patch && form->is_nullable ? OK : add_absent(reading, form, out);
    if (form->type == FIELD_FORM || form->type == FIELD_NAMES || form->type == FIELD_NAME)
        return add_rewritten(reading, form, value, out);
    judge(reading, form, value);
    return add_member(form->name, value, out);
}

static enum status read_object(struct reading *reading, struct buf *out)
{
    const struct field_forms *forms = reading->input->forms;
    enum status status = buf_add_byte(out, '{');
    collect(reading);
    for (size_t i = 0; i < forms->count && status == OK; i++)
        status = add_field(reading, &forms->rows[i], out);
    return status == OK ? buf_add_byte(out, '}') : status;
}

enum status fields_read(const struct fields_input *input, struct complaints *complaints,
                        struct buf *out)
{
    if (!json_is_valid(input->body) || json_kind_of(input->body) != JSON_OBJECT) {
        complain(complaints, "body", slice_of("", 0), NO_OBJECT);
        return OK;
    }
    struct reading reading = {.input = input, .complaints = complaints};
    buf_init(&reading.scratch, input->body.len);
    const enum status status = read_object(&reading, out);
    buf_finish(&reading.scratch);
    return status;
}

/* ---- What was read ----------------------------------------------------------------------------
 */

enum status fields_text(const char *fields, const char *name, struct buf *out)
{
    struct slice value;
    return json_find(slice_str(fields), name, &value) ? json_add_text(value, out) : OK;
}

char *fields_copy(const char *fields, const char *name)
{
    struct slice value;
    struct buf text;
    buf_init(&text, LIMIT_API_BODY_BYTES);
    const bool is_there = json_find(slice_str(fields), name, &value);
    if (is_there && json_kind_of(value) == JSON_STRING)
        check(json_add_text(value, &text) == OK);
    else if (is_there)
        check(buf_add_slice(&text, value) == OK);
    return buf_take(&text, NULL);
}

bool fields_flag(const char *fields, const char *name)
{
    struct slice value;
    return json_find(slice_str(fields), name, &value) && slice_is(value, "true");
}

void fields_write(const struct field_forms *forms, const char *fields, const char *without,
                  struct document *out)
{
    struct slice value;
    for (size_t i = 0; i < forms->count; i++) {
        const struct field_form *form = &forms->rows[i];
        if ((without && strcmp(form->name, without) == 0) ||
            !json_find(slice_str(fields), form->name, &value))
            continue;
        document_key(out, form->name);
        document_json(out, value);
        if (!form->alias)
            continue;
        document_key(out, form->alias);
        document_json(out, value);
    }
}
