/* SPDX-License-Identifier: MIT */
/* What a recipe signs: the parts as slices, for verifier and signer alike. */
#ifndef SIGNATURE_CONTENT_INT_H
#define SIGNATURE_CONTENT_INT_H

#include "signature/signature.h"

struct content_input {
    struct slice id;
    struct slice timestamp; /* as text */
    struct slice method;
    struct slice url;
    struct slice body;
    struct slice head; /* packed: whether the body is a form */
};

struct content {
    struct slice parts[RECIPE_PARTS_MAX];
    size_t count;
    struct buf made; /* bytes that lie nowhere else; a recipe has one such part at most */
};

/* Borrows recipe and input until content_finish. E_LIMIT: a form of too many fields. err says what
 * is missing. */
MUST_USE enum status content_make(const struct recipe *recipe, const struct content_input *input,
                                  struct content *content, struct err *err);
void content_finish(struct content *content);

/* By its Content-Type. */
bool content_is_form(struct slice head);
/* The value of a parameter in the query of a URL, as it stands there. */
bool content_find_parameter(struct slice query, const char *name, struct slice *value);
bool content_find_query(struct slice url, const char *name, struct slice *value);

/* form.c: adds name and value of each field, decoded and sorted by both, equal fields once. */
MUST_USE enum status form_add_sorted(struct slice body, struct buf *out);

#endif
