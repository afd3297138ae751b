/* SPDX-License-Identifier: MIT */
/* How what lies sealed is sealed: counted, and sealed anew. Part of store.h, which says how
 * operations and reads go and which includes it. */
#ifndef STORE_STORE_SECRET_H
#define STORE_STORE_SECRET_H

#include "base/limits.h"
#include "signature/signature.h"
#include "store/store.h"

/* What lies sealed, and the row that it opens for. */
enum sealed_what {
    SEALED_SECRET, /* of a resource */
    SEALED_VALUE,  /* of kv */
    SEALED_BODY,   /* of an event's content */
    SEALED_COUNT
};
struct sealed_place {
    enum sealed_what what;
    uint64_t id; /* owner of a secret; of a content */
    enum secret_kind kind;
    uint32_t version;
    char ns[LIMIT_KV_NS_BYTES + 1], key[LIMIT_KV_KEY_BYTES + 1];
};

/* A step over all that lies sealed, in the order of its places: what another key sealed, or none,
 * is sealed with the first key of the ring. What it was is overwritten; what is left of it in the
 * files goes with struct store_scrub. */
struct store_reseal {
    struct store_op op;
    struct sealed_place behind; /* goes on behind it; zeros: from the start */
    size_t count_max;           /* to look at; less when they are long */
    struct sealed_place last;   /* out: that it looked at */
    size_t looked_at_count;     /* out */
    size_t sealed_count;        /* out: of them, anew */
    size_t failed_count;        /* out: of them, that do not open; they are logged, and stay */
    bool is_end;                /* out: there are no more */
};

/* How many secrets each key sealed. */
struct secret_count {
    char key[SEAL_ID_TEXT_BYTES]; /* its id; "": none, they are stored as they are */
    uint64_t count;
};
struct store_count_secrets {
    struct store_read read;
    struct secret_count *rows; /* owned */
    size_t row_count;
};

#endif
