/* SPDX-License-Identifier: MIT */
/* Secrets of what is registered: plain data. Only the store seals and opens them (store/store.h);
 * whoever has one shows it to nobody, logs it nowhere and ends it with secrets_free. Any thread,
 * one at a time. */
#ifndef MODEL_SECRET_H
#define MODEL_SECRET_H

#include "base/base.h"

/* As stored. Never renumber. */
enum secret_kind {
    SECRET_KEY = 1,     /* that signs: whsec_…, whsk_… */
    SECRET_HEADERS = 2, /* a JSON object: values of headers that are not to be shown */
    SECRET_GRANT = 3,   /* whoever brings it by the callback of a handshake consents to it */
    SECRET_HUB = 4      /* hub.secret of a subscriber */
};

/* One version of a secret. */
struct secret {
    enum secret_kind kind;
    uint32_t version;   /* 1, 2, … of its kind and owner */
    int64_t created_ms; /* Unix ms */
    int64_t expires_ms; /* Unix ms; 0: it is the current one of its kind */
    char *text;         /* owned; a 0 byte behind its len bytes */
    size_t len;
};

/* Overwrites the texts before it frees them. NULL is fine. */
void secrets_free(struct secret *secrets, size_t count);
/* What is to become of the secret of one kind of a resource. */
struct secret_write {
    enum secret_kind kind;
    struct slice text; /* the new one, 1 to LIMIT_SECRET_BYTES; data NULL: none, all versions go */
    int64_t keep_ms;   /* so long the one before stays good beside it; 0: it goes at once */
};

#endif
