/* SPDX-License-Identifier: MIT */
/* The header names of Standard Webhooks, and those that Svix used before it. */
#ifndef SIGNATURE_STANDARD_INT_H
#define SIGNATURE_STANDARD_INT_H

struct standard_names {
    const char *id;
    const char *timestamp;
    const char *signature;
};

extern const struct standard_names standard_names;
extern const struct standard_names svix_names;

#endif
