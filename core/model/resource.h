/* SPDX-License-Identifier: MIT */
/* What is registered over the API: plain data with a JSON object of fields that only the API
 * reads. Any thread, one at a time. */
#ifndef MODEL_RESOURCE_H
#define MODEL_RESOURCE_H

#include "model/secret.h"

/* As stored. Never renumber. */
enum resource_kind { RESOURCE_EVENT_TYPE = 0, RESOURCE_APPLICATION = 1, RESOURCE_ENDPOINT = 2 };

/* Texts are owned where the holder says so. */
struct resource {
    enum resource_kind kind;
    uint64_t owner; /* id of the application that it belongs to; 0: none */
    uint64_t id;
    char *uid; /* the caller's own name of it, one of its kind and owner; NULL: none */
    bool is_archived;
    uint64_t version; /* 1, 2, … */
    char *body;       /* a JSON object */
    int64_t created_ms, updated_ms;
    struct secret *secrets; /* by kind, the newest first; only of a list that asked for them */
    size_t secret_count;
};

/* Frees the texts and secrets and empties it. */
void resource_finish(struct resource *resource);

#endif
