/* SPDX-License-Identifier: MIT */
#include "api/page_int.h"

#define INDEX "index.html"
#define HEADERS_MAX 8
#define POLICY                                                                                     \
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "                \
    "base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; "                    \
    "trusted-types 'none'; frame-ancestors "

static const struct {
    const char *suffix;
    const char *type;
} types[] = {
    {".css", "text/css; charset=utf-8"},
    {".html", "text/html; charset=utf-8"},
    {".mjs", "text/javascript; charset=utf-8"},
};

enum status page_write_policy(char *const *frame_origins, size_t count, struct buf *policy)
{
    enum status status = buf_add_str(policy, count > 0 ? POLICY : POLICY "'none'");
    for (size_t i = 0; status == OK && i < count; i++)
        status = buf_printf(policy, "%s%s", i > 0 ? " " : "", frame_origins[i]);
    return status;
}

static const char *type_of(const char *path)
{
    const char *dot = strrchr(path, '.');
    for (size_t i = 0; dot && i < array_count(types); i++)
        if (strcmp(dot, types[i].suffix) == 0)
            return types[i].type;
    return "application/octet-stream";
}

/* True if path begins with a folder that has pages, to its slash or to the path's end. */
static bool is_in_folder(struct slice path)
{
    for (size_t i = 0; i < page_file_count; i++) {
        const char *file = page_files[i].path;
        const size_t len = (size_t)(strchr(file, '/') - file);
        if (path.len >= len && memcmp(path.data, file, len) == 0 &&
            (path.len == len || path.data[len] == '/'))
            return true;
    }
    return false;
}

/* The file at path and what is behind it. */
static const struct page_file *find(struct slice path, const char *more)
{
    const size_t more_len = strlen(more);
    for (size_t i = 0; i < page_file_count; i++) {
        const char *file = page_files[i].path;
        if (strlen(file) == path.len + more_len && memcmp(file, path.data, path.len) == 0 &&
            strcmp(file + path.len, more) == 0)
            return &page_files[i];
    }
    return NULL;
}

/* tag: NULL, or that of the body. location: NULL, or where the page is. */
static void respond(const struct api *api, struct http_request *request,
                    const struct http_response *base, const struct slice *tag,
                    const struct slice *location)
{
    struct field headers[HEADERS_MAX] = {
        {slice_str("Content-Security-Policy"), slice_str(api->page_policy)},
        {slice_str("X-Content-Type-Options"), slice_str("nosniff")},
        {slice_str("Referrer-Policy"), slice_str("no-referrer")},
        {slice_str("Cache-Control"), slice_str("no-cache")},
    };
    size_t count = 4;
    if (tag)
        headers[count++] = (struct field){slice_str("ETag"), *tag};
    if (location)
        headers[count++] = (struct field){slice_str("Location"), *location};
    struct http_response response = *base;
    response.headers = headers;
    response.header_count = count;
    http_respond(request, &response);
}

static void show(const struct api *api, struct http_request *request, const struct page_file *file)
{
    const struct slice body = slice_of((const char *)file->data, file->len);
    struct buf text;
    buf_init(&text, SMALL_ANSWER_BYTES_MAX);
    if (api_make_etag(body, &text) == OK) {
        const struct slice tag = buf_slice(&text);
        const bool has_it = api_has_etag(request, tag);
        respond(api, request,
                &(struct http_response){.status = has_it ? 304 : 200,
                                        .content_type = has_it ? "" : type_of(file->path),
                                        .body = has_it ? slice_of("", 0) : body},
                &tag, NULL);
    } else {
        api_respond_error(request, 503, "memory", "no memory; try again", NULL);
    }
    buf_finish(&text);
}

/* A page's links are relative to its folder, so that a proxy may put all of it below another path:
 * "/portal" goes to "portal/", from wherever it is. */
static void send_to_folder(const struct api *api, struct http_request *request, struct slice path)
{
    struct buf text;
    buf_init(&text, SMALL_ANSWER_BYTES_MAX);
    if (buf_printf(&text, "%.*s/", (int)path.len, path.data) == OK) {
        const struct slice location = buf_slice(&text);
        respond(api, request, &(struct http_response){.status = 308, .content_type = ""}, NULL,
                &location);
    } else {
        api_respond_error(request, 503, "memory", "no memory; try again", NULL);
    }
    buf_finish(&text);
}

bool page_takes(const struct api *api, struct http_request *request)
{
    const struct slice method = http_method(request);
    struct slice path = http_path(request);
    if (path.len == 0)
        return false;
    path = slice_of(path.data + 1, path.len - 1);
    if (!is_in_folder(path))
        return false;
    const bool is_folder = path.len > 0 && path.data[path.len - 1] == '/';
    const struct page_file *file = find(path, is_folder ? INDEX : "");
    const bool is_elsewhere = !file && find(path, "/" INDEX);
    if (!file && !is_elsewhere) {
        api_respond_error(request, 404, "unknown_path", "there is no such file of a page", NULL);
    } else if (!slice_is(method, "GET") && !slice_is(method, "HEAD")) {
        const struct field allow = {slice_str("Allow"), slice_str("GET, HEAD")};
        api_respond_error(request, 405, "method", "a page is read: GET or HEAD", &allow);
    } else if (file) {
        show(api, request, file);
    } else {
        send_to_folder(api, request, path);
    }
    return true;
}
