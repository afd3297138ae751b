/* SPDX-License-Identifier: MIT */
/* Whether an endpoint that an application registered has proven that it wants webhooks. The
 * application's metadata says whether it has to; the endpoint's fields say whether it has; the
 * proof is that it sends back what a challenge brings. Pure, any thread. */
#ifndef MODEL_OWNERSHIP_H
#define MODEL_OWNERSHIP_H

#include "base/buf.h"

#define OWNERSHIP_VERIFICATION                                                                     \
    "verification" /* the field; an endpoint that has to prove nothing has none */
#define OWNERSHIP_VERIFIED "verified"
#define OWNERSHIP_UNVERIFIED "unverified"

#define OWNERSHIP_TOKEN_BYTES 49u /* with the 0 */

/* Of the fields of an application. False: its policy is none that there is. */
bool ownership_is_policy(const char *fields);
/* Its endpoints have to prove it. */
bool ownership_is_required(const char *fields);
/* Of the fields of an endpoint: nothing is sent to it. */
bool ownership_is_missing(const char *fields);
/* Owned: the fields of an endpoint with this verification; NULL: with none. */
char *ownership_mark(const char *fields, const char *verification);

/* Adds the body of a challenge. */
MUST_USE enum status ownership_add_challenge(const char *token, struct buf *body);
/* Whether an answer of 2xx brings it back: as text, or as JSON {"challenge": …}. */
bool ownership_is_echo(struct slice body, const char *token);

#endif
