/* SPDX-License-Identifier: MIT */
/* Operations on what is registered over the API. A part of store.h, which includes it. */
#ifndef STORE_STORE_RESOURCE_H
#define STORE_STORE_RESOURCE_H

#include "store/store.h"

/* Why an endpoint is disabled that was deleted, and its deliveries are cancelled. */
#define STORE_DELETED_REASON "the endpoint was deleted"

/* Of a RESOURCE_ENDPOINT: the row of its endpoint, of the same id and with the id's text for a
 * name, is made, changed and disabled with it; when it goes, that row stays, disabled. Whoever
 * changes the endpoint's state by name changes the member "disabled" of the resource's body with
 * it. Endpoints go with their application; E_NOTFOUND: it has gone. */
struct store_registered {
    const char *url;
    bool is_disabled;         /* not: enabled if it was disabled, else as it is */
    const char *const *types; /* event types that have to be there */
    size_t type_count;
    /* Pure, on the store thread: those that it says no to are not there; it knows a type's body
     * alone. NULL: all are. */
    bool (*is_wanted)(const struct resource *type, const void *ctx);
    const void *wanted_ctx;
    size_t missing_type;               /* out, with E_INVALID: the first that is not there */
    struct endpoint_standing standing; /* out */
};

/* Events that commit with the change of an endpoint, or with the end of an application, for each of
 * its endpoints: what the operator gets to know. Due at once; no plan is made for them. */
struct store_telling {
    /* On the store thread: a reference to the event, with its id; NULL: nobody is told. endpoint:
     * its id, owner, uid, and unless it was deleted its version. */
    struct event *(*make)(const struct resource *endpoint, bool is_removed, void *ctx);
    void *ctx;
    uint64_t application; /* that they are published to */
    uint64_t *events;     /* out, owned: their ids */
    size_t event_count;   /* out */
};

/* Makes the row of a resource (is_new), changes the one of its id (all of it is written), or with
 * is_removal deletes it. E_NOTFOUND: there is no row of that id; E_CONFLICT: another of its kind
 * and owner has the uid (is_taken), or the row has another version. On OK the resource has its id,
 * its version and its times. The tokens of an application go with it. With an answer key, what was
 * written is kept for LIMIT_ANSWER_KEPT_MS: who comes with that key again writes nothing and gets
 * it (is_repeat).
 *
 * Its secrets commit with it. A write makes the secret of its kind anew: the version before goes,
 * or stays good for a while (keep_ms); E_CONFLICT with is_crowded: LIMIT_OLD_SECRETS older ones are
 * good still, and nothing was written. They are read with struct store_list_resources, never come
 * back from an operation, and go with their resource. */
#define STORE_ANSWER_KEY_BYTES 32u

struct store_resource {
    struct store_op op;
    struct resource *resource; /* borrowed */
    bool is_new;
    bool is_removal;
    uint64_t version; /* that the row has; 0: any */
    int64_t now_ms;
    const unsigned char *answer_key;    /* STORE_ANSWER_KEY_BYTES; NULL: none */
    const struct secret_write *secrets; /* borrowed; at most one of a kind */
    size_t secret_count;
    struct store_registered *endpoint; /* borrowed; NULL: it is none, or goes */
    struct store_telling *telling;     /* borrowed; NULL: nobody is told */
    size_t owned_max;                  /* new: of that kind, by its owner; else E_LIMIT. 0: any */
    bool is_crowded;                   /* out */
    bool is_taken;                     /* out */
    bool is_repeat;                    /* out */
    struct resource first;             /* out, with is_repeat; owned by the submitter */
};

/* Frees what came out. */
void store_telling_finish(struct store_telling *telling);

/* Mints a token (it gets its id), or with is_end lets the one of that id end now. E_CONFLICT: there
 * is one with its hash, and nothing was written; E_NOTFOUND: it had ended. With an answer key, when
 * it was minted and its mark are kept for LIMIT_ANSWER_KEPT_MS: who comes with that key again mints
 * nothing and gets them (is_repeat, unless is_anew: then this one is kept instead). */
struct store_token {
    struct store_op op;
    struct api_token *token; /* borrowed */
    bool is_end;
    bool is_anew;
    int64_t now_ms;
    const unsigned char *answer_key; /* as of struct store_resource */
    const char *mark;                /* with an answer key */
    bool is_repeat;                  /* out */
    struct resource first; /* out, with is_repeat: created_ms, and the mark as its body; owned by
                              the submitter */
};

#endif
