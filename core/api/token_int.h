/* SPDX-License-Identifier: MIT */
/* Inside api/: what token.c offers of the tokens that are minted. */
#ifndef API_TOKEN_INT_H
#define API_TOKEN_INT_H

#include "api/api_int.h"

#define TOKEN_PREFIX "anzol_"
#define TOKEN_TEXT_LEN 49 /* the prefix, then 32 bytes in base64url */
/* Whether it looks like one. */
bool token_is_minted(struct slice text);
void token_hash(struct slice text, unsigned char out[API_TOKEN_HASH_BYTES]);
/* Leaves out event types behind a feature flag that the call's token lacks: as if there were none.
 * For every read of event types on behalf of a call. */
void token_narrow(const struct call *call, struct store_list_resources *list);
/* The same of the event types that an endpoint wants. */
void token_narrow_types(const struct call *call, struct store_registered *endpoint);
/* Takes the idempotency key: of a repeated one the text of the token is the same (is_repeat). */
void token_begin(struct call *call, void (*answer)(struct call *call, bool is_repeat));
/* Mints what call->minting has (its scope, label, flags, ttl_ms) for call->application and answers,
 * or refuses. */
void token_mint(struct call *call);
void token_call_finish(struct token_call *it);

#endif
