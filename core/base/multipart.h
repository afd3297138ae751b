/* SPDX-License-Identifier: MIT */
/* multipart/form-data: the parts of a body that lies in memory, one after another. Pure, any
 * thread; what is returned borrows from the body. One pass, nothing is copied. */
#ifndef BASE_MULTIPART_H
#define BASE_MULTIPART_H

#include "base/base.h"

#define MULTIPART_BOUNDARY_BYTES 70 /* at most, says RFC 2046 */

struct multipart {
    struct slice rest;
    char delimiter[4 + MULTIPART_BOUNDARY_BYTES]; /* CRLF--boundary */
    size_t delimiter_len;
    const char *why; /* static: what is wrong with the body; NULL: nothing */
};

struct multipart_part {
    struct slice name; /* of the field, as it stands between its quotes */
    struct slice value;
};

/* True for the content type of such a body. */
bool multipart_is(struct slice content_type);
/* Goes to the first part. False: it->why. */
bool multipart_open(struct multipart *it, struct slice content_type, struct slice body);
/* False: it was the last one, or it->why. */
bool multipart_next(struct multipart *it, struct multipart_part *part);

#endif
