/* SPDX-License-Identifier: MIT */
/* An error in words, for the person who has to mend it: what, where and how.
 * Any thread; the owner is whoever declared the struct. Untouched on success. */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include "base/base.h"

#define ERR_TEXT_BYTES_MAX 1024

struct err {
    enum status status;
    char text[ERR_TEXT_BYTES_MAX];
};

/* Sets err (may be NULL) and returns status, so that `return err_set(err, E_IO, "…")` reads well.
 */
enum status err_set(struct err *err, enum status status, const char *format, ...) PRINTF_LIKE(3, 4);

/* Puts "prefix: " before the text that is there. Returns err's status. */
enum status err_prefix(struct err *err, const char *format, ...) PRINTF_LIKE(2, 3);

#endif
