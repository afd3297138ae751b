/* SPDX-License-Identifier: MIT */
/* Whether an endpoint that an application registered has proven that it wants webhooks. The
 * application's metadata says whether it has to; the endpoint's fields say whether it has; the
 * proof is that it sends back what a challenge brings. Pure, any thread. */
#ifndef MODEL_OWNERSHIP_H
#define MODEL_OWNERSHIP_H

#include "base/buf.h"

/* Fields; an endpoint that has to prove nothing has none of them. */
#define OWNERSHIP_VERIFICATION "verification"
#define OWNERSHIP_ORIGIN "origin"
#define OWNERSHIP_RATE "allowedRate"
#define OWNERSHIP_VERIFIED "verified"
#define OWNERSHIP_UNVERIFIED "unverified"

/* Zeroed: it has nothing to prove. */
struct ownership {
    const char *verification; /* static; NULL: it has nothing to prove */
    char *origin;             /* the proof is a handshake by this name; owned, NULL: a challenge */
    uint32_t rate_per_min;    /* that the handshake granted; 0: any */
};

#define OWNERSHIP_TOKEN_BYTES 49u /* of challenges and grants, in hex, with the 0 */

/* The callback of a handshake, below the public URL: this, the endpoint's id, "/", its key. */
#define OWNERSHIP_GRANT_PATH "/grant/"

/* Of the fields of an application. NULL, or what is wrong with its policy. */
const char *ownership_judge(const char *fields);
/* What its endpoints begin with, by the fields of an application. */
struct ownership ownership_wanted(const char *fields);
/* Of the fields of an endpoint. */
struct ownership ownership_read(const char *fields);
void ownership_finish(struct ownership *ownership);
/* Owned: the fields of an endpoint with that in them. */
char *ownership_mark(const char *fields, const struct ownership *ownership);
/* Whether the head of an answer consents to deliveries of this origin. is_rate_asked: it has to
 * name a rate. Fills in the rate. */
bool ownership_is_consent(struct slice head, bool is_rate_asked, struct ownership *ownership);

/* Adds the body of a challenge. */
MUST_USE enum status ownership_add_challenge(const char *token, struct buf *body);
/* Whether an answer of 2xx brings it back, and nothing else: as text, or as JSON {"challenge": …}.
 * So a server that sends back whatever it gets proves nothing. */
bool ownership_is_proof(struct slice body, const char *token);

#endif
