/* SPDX-License-Identifier: MIT */
/* The fields of a resource as a table: it reads, judges and prints them, so that no resource has
 * code for a field. What was read is a JSON object in the table's order, compact, with every number
 * as it was written. On the API's loop. */
#ifndef API_FIELDS_INT_H
#define API_FIELDS_INT_H

#include "api/api_int.h"
#include "base/json.h"

enum field_type {
    FIELD_TEXT,    /* min to max characters */
    FIELD_NAME,    /* the same, of a-z A-Z 0-9 - _ . */
    FIELD_INSTANT, /* a text that fields_parse_instant reads */
    FIELD_INTEGER, /* min to max */
    FIELD_FLAG,
    FIELD_TEXTS,   /* an object of texts */
    FIELD_OBJECTS, /* an object of objects */
    FIELD_NAMES,   /* items_min to items_max different names, each as FIELD_NAME */
    FIELD_FORM,    /* an object with the fields of `forms` */
    FIELD_OBJECT,  /* any object */
    FIELD_SECRET   /* a key that signs */
};
struct field_forms;

struct field_form {
    const char *name;
    const char *alias; /* what older clients call it: read and printed too. NULL: none */
    enum field_type type;
    int64_t min, max;                /* max 0: as long as it likes */
    int64_t patch_min;               /* min where only some fields are changed */
    size_t items_min, items_max;     /* items_max 0: as many as it likes */
    const struct field_forms *forms; /* of FIELD_FORM; none of them is one */
    bool has_zeros;                  /* a FIELD_TEXT of which a zero byte may be part */
    bool has_nulls;                  /* a FIELD_TEXTS of patches: a null takes one away; required */
    bool is_required;                /* when it is made or replaced */
    bool is_nullable;   /* a patch with null takes it away; elsewhere null is as if not given */
    bool is_only_shown; /* whoever knows what it is adds it to what was read */
    bool is_of_path;    /* a request to change it has it in its path */
    bool is_apart;      /* when it is made; read and kept by whoever knows what it is */
    const char *absent; /* its JSON if it is not given; NULL: then it has none */
    /* Clients have this field for what is not done here: whoever asks for it is told so, with
     * this, for the request would promise what does not happen. NULL: it is a field as any. */
    const char *refusal;
};

struct field_forms {
    const struct field_form *rows;
    size_t count;
};

enum field_mode { FIELDS_MADE, FIELDS_REPLACED, FIELDS_PATCHED };

struct fields_input {
    const struct field_forms *forms;
    enum field_mode mode;
    struct slice body; /* as sent */
    const char *old;   /* PATCHED: the fields so far */
    const char *path;  /* REPLACED and PATCHED: the field that is_of_path; may be NULL */
};

/* Adds the fields to out; what is wrong is complained of, and out is of no use then. E_LIMIT,
 * E_NOMEM: of out. */
MUST_USE enum status fields_read(const struct fields_input *input, struct complaints *complaints,
                                 struct buf *out);
/* A name that is_of_path: NULL, or what is wrong with it. */
bool fields_is_name(struct slice text);
/* How many items a list of names may have. */
size_t fields_items_max(const struct field_form *form);
/* Adds the text of a field; nothing if it has none. */
MUST_USE enum status fields_text(const char *fields, const char *name, struct buf *out);
/* Owned text of a field with at most LIMIT_API_BODY_BYTES: of a string what it says, else its JSON.
 * NULL: it has none. */
char *fields_copy(const char *fields, const char *name);
/* Whether a flag is true. */
bool fields_flag(const char *fields, const char *name);
/* Members of the object that is open; without: this one is left out. NULL: none is. */
void fields_write(const struct field_forms *forms, const char *fields, const char *without,
                  struct document *out);

/* RFC 3339, with a blank for its T and " UTC" for its Z too. */
#define AN_INSTANT "an instant is wanted: 2026-03-02T08:00:00Z"
bool fields_parse_instant(const char *text, int64_t *ms);

#endif
