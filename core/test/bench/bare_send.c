/* SPDX-License-Identifier: MIT */
/* bare_send URL COUNT: libcurl's multi interface on an epoll loop, 64 posts in flight, connections,
 * easy handles, the header list and the parsed URL reused, and nothing else. */
#include "bare.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define IN_FLIGHT 64

static struct {
    int epoll_fd;
    CURLM *multi;
    long timeout_ms;
    long started, finished, failed, count;
} sender;

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *known)
{
    (void)easy, (void)ctx;
    struct epoll_event event = {.data.fd = fd};
    if (what == CURL_POLL_REMOVE) {
        epoll_ctl(sender.epoll_fd, EPOLL_CTL_DEL, fd, NULL);
        curl_multi_assign(sender.multi, fd, NULL);
        return 0;
    }
    if (what & CURL_POLL_IN)
        event.events |= EPOLLIN;
    if (what & CURL_POLL_OUT)
        event.events |= EPOLLOUT;
    epoll_ctl(sender.epoll_fd, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event);
    curl_multi_assign(sender.multi, fd, &sender);
    return 0;
}

static int on_timeout(CURLM *multi, long timeout_ms, void *ctx)
{
    (void)multi, (void)ctx;
    sender.timeout_ms = timeout_ms;
    return 0;
}

static size_t on_answer(char *data, size_t size, size_t count, void *ctx)
{
    (void)data, (void)ctx;
    return size * count;
}

static CURL *make_easy(CURLU *url, struct curl_slist *headers, const char *body)
{
    CURL *easy = curl_easy_init();
    if (!easy)
        bare_die("libcurl", "no handle");
    curl_easy_setopt(easy, CURLOPT_CURLU, url);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, (long)BARE_BODY_BYTES);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_answer);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    return easy;
}

static void start(CURL *easy)
{
    sender.started++;
    curl_multi_add_handle(sender.multi, easy);
}

static void take_finished(void)
{
    int left;
    CURLMsg *message;
    while ((message = curl_multi_info_read(sender.multi, &left))) {
        CURL *easy = message->easy_handle;
        sender.finished++;
        sender.failed += message->data.result != CURLE_OK;
        curl_multi_remove_handle(sender.multi, easy);
        if (sender.started < sender.count)
            start(easy);
    }
}

static void run(void)
{
    struct epoll_event events[IN_FLIGHT];
    int running;
    while (sender.finished < sender.count) {
        const int count = epoll_wait(sender.epoll_fd, events, IN_FLIGHT, (int)sender.timeout_ms);
        for (int i = 0; i < count; i++) {
            const int mask = ((events[i].events & (EPOLLIN | EPOLLHUP)) ? CURL_CSELECT_IN : 0) |
                             ((events[i].events & EPOLLOUT) ? CURL_CSELECT_OUT : 0) |
                             ((events[i].events & EPOLLERR) ? CURL_CSELECT_ERR : 0);
            curl_multi_socket_action(sender.multi, events[i].data.fd, mask, &running);
        }
        if (count <= 0 || sender.timeout_ms == 0)
            curl_multi_socket_action(sender.multi, CURL_SOCKET_TIMEOUT, 0, &running);
        take_finished();
    }
}

int main(int argc, char **argv)
{
    static const char usage[] = "bare_send URL COUNT";
    static char body[BARE_BODY_BYTES];
    CURL *easies[IN_FLIGHT];
    sender.count = bare_number(argc, argv, 2, usage);
    memset(body, 'b', sizeof body);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    CURLU *url = curl_url();
    if (curl_url_set(url, CURLUPART_URL, argv[1], 0) != CURLUE_OK)
        bare_die(argv[1], "is no URL");
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
    headers = curl_slist_append(headers, "Expect:");
    sender.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    sender.multi = curl_multi_init();
    curl_multi_setopt(sender.multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(sender.multi, CURLMOPT_TIMERFUNCTION, on_timeout);
    curl_multi_setopt(sender.multi, CURLMOPT_MAXCONNECTS, (long)IN_FLIGHT);
    const int64_t start_ns = bare_mono_ns(), start_cpu_ns = bare_thread_cpu_ns();
    for (int i = 0; i < IN_FLIGHT; i++) {
        easies[i] = make_easy(url, headers, body);
        if (sender.started < sender.count)
            start(easies[i]);
    }
    run();
    const double seconds = (double)(bare_mono_ns() - start_ns) / 1e9;
    const double cpu_us = (double)(bare_thread_cpu_ns() - start_cpu_ns) / 1e3;
    printf("{\"sent\":%ld,\"failed\":%ld,\"ratePerS\":%.1f,\"cpuUsPerSend\":%.3f}\n",
           sender.finished, sender.failed, (double)sender.finished / seconds,
           cpu_us / (double)sender.finished);
    for (int i = 0; i < IN_FLIGHT; i++)
        curl_easy_cleanup(easies[i]);
    curl_multi_cleanup(sender.multi);
    curl_slist_free_all(headers);
    curl_url_cleanup(url);
    close(sender.epoll_fd);
    return sender.failed == 0 ? 0 : 1;
}
