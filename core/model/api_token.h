/* SPDX-License-Identifier: MIT */
/* A token of the API that the server minted: good for one application until it ends. The text of it
 * is known to nobody but its holder: here is its hash. Plain data; any thread, one at a time. */
#ifndef MODEL_API_TOKEN_H
#define MODEL_API_TOKEN_H

#include "base/base.h"

#define API_TOKEN_HASH_BYTES 32u /* SHA-256 */

/* As stored. Never renumber. What it may do to its application. */
enum api_token_scope {
    TOKEN_PORTAL = 0,      /* what its customers do themselves */
    TOKEN_APPLICATION = 1, /* all but to change the application */
    TOKEN_SCOPE_COUNT
};

/* Texts are owned where the holder says so. */
struct api_token {
    uint64_t id;
    uint64_t application;
    enum api_token_scope scope;
    unsigned char hash[API_TOKEN_HASH_BYTES];
    char *label; /* for people; NULL: none */
    char *flags; /* a JSON array: feature flags whose event types it sees. NULL: it sees all */
    int64_t created_ms, expires_ms;
};

/* "portal", "application" */
const char *api_token_scope_name(enum api_token_scope scope);
/* False: there is no such scope. */
bool api_token_scope_parse(struct slice text, enum api_token_scope *scope);
/* Frees the texts and empties it. */
void api_token_finish(struct api_token *token);

#endif
