/* SPDX-License-Identifier: MIT */
/* Percent-encoding as URLs (RFC 3986, 2.1) and forms (the URL standard, 5.1) have it, read byte by
 * byte. Pure functions, any thread. */
#ifndef BASE_URL_H
#define BASE_URL_H

#include "base/base.h"

/* 0 to 15; -1: c is no hexadecimal digit. */
int hex_value(char c);
/* The byte that "%41" at place at stands for; -1: there is no such triple. */
int percent_byte(struct slice text, size_t at);
/* The next byte of a form or query, *at moves behind what it was written as: "+" is a blank, a
 * percent sign that begins no triple stands for itself. *at is below text.len. */
char form_byte(struct slice text, size_t *at);

#endif
