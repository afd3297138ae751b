/* SPDX-License-Identifier: MIT */
/* What the two verifiers and the two signers share. */
#ifndef SIGNATURE_VERIFIER_INT_H
#define SIGNATURE_VERIFIER_INT_H

#include "signature/signature.h"

/* The one field of that name; else err says whether it is missing or came twice. */
bool find_one(struct slice head, const char *name, struct slice *value, struct err *err);
/* Digits only, at most 15. */
bool parse_digits(struct slice text, int64_t *number);
/* The last check of all: the signature is good, is the time? name: where it came. */
bool check_clock(int64_t instant_ms, int64_t now_ms, int64_t tolerance_s, const char *name,
                 struct err *err);

bool http_verify(const struct verifier *verifier, const struct verify_input *input,
                 struct err *err);
MUST_USE enum status http_sign(const struct signer *signer, const struct sign_input *input,
                               struct buf *head);

#endif
