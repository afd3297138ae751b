/* SPDX-License-Identifier: MIT */
/* Which lines of which files ran, for `anzol test --coverage`: with ANZOL_COVERAGE=FILE in the
 * environment the module counts the lines of every project, and of the outer state, whose specs may
 * require a project's modules themselves. When the process ends, or the module goes, FILE gets a
 * "PATH:LINE COUNT" each. */
#include "testing/testing_int.h"

#include <stdio.h>
#include <stdlib.h>

#define LINES_MAX 1000000 /* of a file; those behind it are not counted */

struct covered_file {
    char *dir, *source; /* owned */
    uint32_t *counts;   /* by line; owned */
    size_t line_count;
};

static struct covered_file *files;
static size_t file_count;
static size_t last; /* the file of the line before this one */

static bool is_file(const struct covered_file *file, const char *dir, const char *source)
{
    return strcmp(file->source, source) == 0 && strcmp(file->dir, dir) == 0;
}

static struct covered_file *find_file(const char *dir, const char *source)
{
    if (last < file_count && is_file(&files[last], dir, source))
        return &files[last];
    for (last = 0; last < file_count; last++)
        if (is_file(&files[last], dir, source))
            return &files[last];
    struct covered_file *longer = realloc(files, (file_count + 1) * sizeof *files);
    check(longer != NULL);
    files = longer;
    files[file_count] = (struct covered_file){.dir = must_copy(dir, strlen(dir)),
                                              .source = must_copy(source, strlen(source))};
    return &files[file_count++];
}

static void count_line(const char *dir, const char *source, int line)
{
    if (line < 1 || line > LINES_MAX)
        return;
    struct covered_file *file = find_file(dir, source);
    if ((size_t)line >= file->line_count) {
        const size_t count = (size_t)line * 2;
        uint32_t *longer = realloc(file->counts, count * sizeof *longer);
        check(longer != NULL);
        memset(longer + file->line_count, 0, (count - file->line_count) * sizeof *longer);
        file->counts = longer;
        file->line_count = count;
    }
    if (file->counts[line] < UINT32_MAX)
        file->counts[line]++;
}

static void on_script_line(const char *source, int line, void *ctx)
{
    (void)ctx;
    count_line(project_dir_in_force(), source, line);
}

static void on_outer_line(lua_State *L, lua_Debug *debug)
{
    lua_getinfo(L, "S", debug);
    if (debug->source[0] == '@')
        count_line("", debug->source + 1, debug->currentline);
}

static void write_all(void)
{
    FILE *out = fopen(getenv("ANZOL_COVERAGE"), "w");
    for (size_t i = 0; i < file_count; i++) {
        const struct covered_file *file = &files[i];
        for (size_t line = 1; out && line < file->line_count; line++)
            if (file->counts[line] > 0)
                (void)fprintf(out, "%s%s%s:%zu %u\n", file->dir, file->dir[0] ? "/" : "",
                              file->source, line, (unsigned)file->counts[line]);
        free(file->dir);
        free(file->source);
        free(file->counts);
    }
    free(files);
    files = NULL;
    file_count = 0;
    if (out)
        (void)fclose(out);
}

void coverage_open(lua_State *L)
{
    if (!getenv("ANZOL_COVERAGE"))
        return;
    lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
    lua_sethook(lua_tothread(L, -1), on_outer_line, LUA_MASKLINE, 0);
    lua_pop(L, 1);
    script_watch_lines(on_script_line, NULL);
    check(atexit(write_all) == 0);
}
