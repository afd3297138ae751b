/* SPDX-License-Identifier: MIT */
/* How the secrets of resources are sealed: counted, and sealed anew. Part of store.h, which says
 * how operations and reads go and which includes it. */
#ifndef STORE_STORE_SECRET_H
#define STORE_STORE_SECRET_H

#include "signature/signature.h"
#include "store/store.h"

/* A step over the secrets by owner, kind and version: those that another key sealed, or none, are
 * sealed with the first key of the ring. What they were is overwritten; what is left of it in the
 * files goes with struct store_scrub. */
struct secret_place {
    uint64_t owner;
    enum secret_kind kind;
    uint32_t version;
};
struct store_reseal {
    struct store_op op;
    struct secret_place behind; /* goes on behind it; zeros: from the start */
    size_t count_max;           /* to look at */
    struct secret_place last;   /* out: that it looked at */
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
