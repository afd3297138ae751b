/* SPDX-License-Identifier: MIT */
/* Pages: files of folders beside this one (core/portal) that are in the program and served as they
 * are, to anybody. They are no operations of the API: what a page does, it asks the API for. On
 * the API's loop. */
#ifndef API_PAGE_INT_H
#define API_PAGE_INT_H

#include "api/api_int.h"

/* pages.c, made at build. */
struct page_file {
    const char *path; /* "portal/index.html" */
    const unsigned char *data;
    size_t len;
};
extern const struct page_file page_files[];
extern const size_t page_file_count;

/* What browsers are to hold every page to (Content-Security-Policy). frame_origins: of the pages
 * that may show one in a frame. */
MUST_USE enum status page_write_policy(char *const *frame_origins, size_t count,
                                       struct buf *policy);
/* Answers a request whose path lies in a page's folder. False: it does not. In on_head. */
bool page_takes(const struct api *api, struct http_request *request);

#endif
