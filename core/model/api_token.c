/* SPDX-License-Identifier: MIT */
#include "model/api_token.h"

#include <stdlib.h>

static const char *const names[TOKEN_SCOPE_COUNT] = {
    [TOKEN_PORTAL] = "portal",
    [TOKEN_APPLICATION] = "application",
};

const char *api_token_scope_name(enum api_token_scope scope)
{
    check((unsigned)scope < TOKEN_SCOPE_COUNT);
    return names[scope];
}

bool api_token_scope_parse(struct slice text, enum api_token_scope *scope)
{
    for (unsigned i = 0; i < TOKEN_SCOPE_COUNT; i++)
        if (slice_is(text, names[i])) {
            *scope = (enum api_token_scope)i;
            return true;
        }
    return false;
}

void api_token_finish(struct api_token *token)
{
    free(token->label);
    free(token->flags);
    *token = (struct api_token){0};
}
