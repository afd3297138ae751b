/* SPDX-License-Identifier: MIT */
/* A lane: one curl multi on the loop, with the connections it keeps. One thread: the loop's. */
#ifndef SEND_LANE_INT_H
#define SEND_LANE_INT_H

#include "base/base.h"

#include <curl/curl.h>
#include <uv.h>

struct watch;

/* A transfer is over; the handle is still in the multi. */
typedef void (*lane_done_cb)(CURL *easy, CURLcode code);

struct lane {
    uv_loop_t *loop;
    CURLM *multi;
    uv_timer_t timer;
    lane_done_cb on_done;
    struct watch **watches; /* by socket */
    size_t watch_count;
    size_t open_handles;
    bool is_acting;
    bool is_closing;
    void (*on_closed)(void *ctx);
    void *ctx;
};

MUST_USE enum status lane_open(struct lane *lane, uv_loop_t *loop, lane_done_cb on_done);
/* No transfer may be in it. on_closed runs on the loop when the last handle is gone. */
void lane_close(struct lane *lane, void (*on_closed)(void *ctx), void *ctx);
/* A socket that was made for a connection of this lane. */
void lane_adopt_socket(struct lane *lane, curl_socket_t fd);
/* CURLOPT_CLOSESOCKETFUNCTION, with the lane. */
int lane_close_socket(void *lane, curl_socket_t fd);

#endif
