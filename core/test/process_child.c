/* SPDX-License-Identifier: MIT */
/* Children of a spec: a program with its own environment, folder and output files. A child dies
 * with the spec's process, and with its userdata at the latest. */
#include "process_int.h"

#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHILD_META "anzol_test.child"
#define ARGUMENTS_MAX 64
#define ENVIRONMENT_MAX 512
#define WAIT_STEP_US 1000
#define EXIT_NO_PROGRAM 127

extern char **environ;

struct child {
    pid_t pid;    /* 0: none */
    int terminal; /* our side of its terminal; -1: it has none */
    int wait_status;
    bool is_over;
};

struct plan {
    char *argv[ARGUMENTS_MAX + 1];
    char *envp[ENVIRONMENT_MAX + 1];
    const char *cwd;
    const char *input;  /* file for standard input, NULL: /dev/null */
    const char *output; /* file for standard output, NULL: /dev/null */
    const char *errors;
    const char *terminal; /* path of the terminal that it has instead of the three; NULL: none */
};

/* [-0, +0]: the strings stay in the table at index 1, or in the table of made strings on top. */
static void read_arguments(lua_State *L, struct plan *plan)
{
    lua_getfield(L, 1, "argv");
    luaL_checktype(L, -1, LUA_TTABLE);
    const lua_Integer count = luaL_len(L, -1);
    if (count < 1 || count > ARGUMENTS_MAX)
        luaL_error(L, "argv: 1 to %d arguments", ARGUMENTS_MAX);
    for (lua_Integer i = 0; i < count; i++) {
        if (lua_rawgeti(L, -1, i + 1) != LUA_TSTRING)
            luaL_error(L, "argv[%d] is no string", (int)i + 1);
        plan->argv[i] = (char *)(uintptr_t)lua_tostring(L, -1);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

static bool has_name(const char *entry, const char *name)
{
    const size_t len = strlen(name);
    return strncmp(entry, name, len) == 0 && entry[len] == '=';
}

/* Drops a variable that the table at the top names. */
static bool is_replaced(lua_State *L, const char *entry)
{
    for (lua_pushnil(L); lua_next(L, -2) != 0; lua_pop(L, 1))
        if (lua_type(L, -2) == LUA_TSTRING && has_name(entry, lua_tostring(L, -2))) {
            lua_pop(L, 2);
            return true;
        }
    return false;
}

/* [-0, +1]: a table that holds the made strings is left. env of false takes a variable away. */
static void read_environment(lua_State *L, struct plan *plan)
{
    size_t count = 0;
    lua_newtable(L);
    lua_getfield(L, 1, "env");
    if (lua_isnil(L, -1)) {
        lua_pop(L, 1);
        lua_newtable(L);
    }
    for (char **entry = environ; *entry && count < ENVIRONMENT_MAX; entry++)
        if (!is_replaced(L, *entry))
            plan->envp[count++] = *entry;
    for (lua_pushnil(L); lua_next(L, -2) != 0; lua_pop(L, 1)) {
        if (!lua_isstring(L, -1))
            continue;
        if (count == ENVIRONMENT_MAX)
            luaL_error(L, "too many variables");
        lua_pushfstring(L, "%s=%s", lua_tostring(L, -2), lua_tostring(L, -1));
        plan->envp[count++] = (char *)(uintptr_t)lua_tostring(L, -1);
        lua_rawseti(L, -5, (lua_Integer)count);
    }
    lua_pop(L, 1);
}

static void redirect(const char *path, int to)
{
    const int fd = open(path ? path : "/dev/null", O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (fd < 0 || dup2(fd, to) < 0)
        _exit(EXIT_NO_PROGRAM);
}

/* The first that is opened by who leads a session without one is its own. */
static void take_terminal(const char *path)
{
    const int fd = setsid() < 0 ? -1 : open(path, O_RDWR);
    if (fd < 0 || dup2(fd, STDIN_FILENO) < 0 || dup2(fd, STDOUT_FILENO) < 0 ||
        dup2(fd, STDERR_FILENO) < 0)
        _exit(EXIT_NO_PROGRAM);
}

static void take_files(const struct plan *plan)
{
    redirect(plan->output, STDOUT_FILENO);
    redirect(plan->errors, STDERR_FILENO);
    const int null = open(plan->input ? plan->input : "/dev/null", O_RDONLY);
    if (null < 0 || dup2(null, STDIN_FILENO) < 0)
        _exit(EXIT_NO_PROGRAM);
}

/* Between fork and exec: only calls that are safe there. */
static void become(const struct plan *plan)
{
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (plan->terminal)
        take_terminal(plan->terminal);
    else
        take_files(plan);
    (void)close_range(STDERR_FILENO + 1, ~0u, 0);
    if (plan->cwd && chdir(plan->cwd) != 0)
        _exit(EXIT_NO_PROGRAM);
    (void)execvpe(plan->argv[0], plan->argv, plan->envp);
    _exit(EXIT_NO_PROGRAM);
}

/* Our side of a new terminal; *path is that of the other, until the next call. */
static int open_terminal(lua_State *L, const char **path)
{
    const int fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || grantpt(fd) != 0 || unlockpt(fd) != 0 || !(*path = ptsname(fd)))
        return luaL_error(L, "no terminal: %s", strerror(errno));
    return fd;
}

/* spawn{ argv, env?, cwd?, input?, output?, errors?, has_terminal? } -> child. A program that can't
 * be started exits 127. has_terminal: its input and output are a terminal of its own.
 */
static int l_spawn(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    struct plan plan = {0};
    lua_getfield(L, 1, "cwd");
    plan.cwd = luaL_optstring(L, -1, NULL);
    lua_getfield(L, 1, "input");
    plan.input = luaL_optstring(L, -1, NULL);
    lua_getfield(L, 1, "output");
    plan.output = luaL_optstring(L, -1, NULL);
    lua_getfield(L, 1, "errors");
    plan.errors = luaL_optstring(L, -1, NULL);
    read_arguments(L, &plan);
    struct child *child = lua_newuserdatauv(L, sizeof *child, 0);
    *child = (struct child){.terminal = -1};
    luaL_setmetatable(L, CHILD_META);
    lua_getfield(L, 1, "has_terminal");
    if (lua_toboolean(L, -1))
        child->terminal = open_terminal(L, &plan.terminal);
    lua_pop(L, 1);
    read_environment(L, &plan);
    const pid_t pid = fork();
    if (pid < 0)
        return luaL_error(L, "fork: %s", strerror(errno));
    if (pid == 0)
        become(&plan);
    child->pid = pid;
    lua_pop(L, 1);
    return 1;
}

static bool reap(struct child *child)
{
    if (!child->is_over && waitpid(child->pid, &child->wait_status, WNOHANG) == child->pid)
        child->is_over = true;
    return child->is_over;
}

/* child:wait(ms) -> "exit", code | "signal", number | nil when it still runs. */
static int l_wait(lua_State *L)
{
    struct child *child = luaL_checkudata(L, 1, CHILD_META);
    const int64_t end_us = process_mono_us() + luaL_checkinteger(L, 2) * 1000;
    while (!reap(child)) {
        if (process_mono_us() >= end_us)
            return 0;
        (void)usleep(WAIT_STEP_US);
    }
    const bool is_exit = WIFEXITED(child->wait_status);
    lua_pushstring(L, is_exit ? "exit" : "signal");
    lua_pushinteger(L, is_exit ? WEXITSTATUS(child->wait_status) : WTERMSIG(child->wait_status));
    return 2;
}

/* child:kill(number): nothing once it is over, so that no other process of that pid is hit. */
static int l_kill(lua_State *L)
{
    struct child *child = luaL_checkudata(L, 1, CHILD_META);
    const int number = (int)luaL_optinteger(L, 2, SIGKILL);
    if (!reap(child))
        (void)kill(child->pid, number);
    return 0;
}

static int l_pid(lua_State *L)
{
    const struct child *child = luaL_checkudata(L, 1, CHILD_META);
    lua_pushinteger(L, child->pid);
    return 1;
}

/* child:type(text), at its terminal. */
static int l_type(lua_State *L)
{
    const struct child *child = luaL_checkudata(L, 1, CHILD_META);
    size_t len;
    const char *text = luaL_checklstring(L, 2, &len);
    if (write(child->terminal, text, len) != (ssize_t)len)
        return luaL_error(L, "type: %s", strerror(errno));
    return 0;
}

/* child:shown() -> what its terminal got since the last call. */
static int l_shown(lua_State *L)
{
    const struct child *child = luaL_checkudata(L, 1, CHILD_META);
    char text[4096];
    luaL_Buffer buffer;
    luaL_buffinit(L, &buffer);
    for (ssize_t len; (len = read(child->terminal, text, sizeof text)) > 0;)
        luaL_addlstring(&buffer, text, (size_t)len);
    luaL_pushresult(&buffer);
    return 1;
}

static int l_child_gc(lua_State *L)
{
    struct child *child = luaL_checkudata(L, 1, CHILD_META);
    if (child->terminal >= 0)
        (void)close(child->terminal);
    child->terminal = -1;
    if (child->pid == 0 || reap(child))
        return 0;
    (void)kill(child->pid, SIGKILL);
    if (waitpid(child->pid, &child->wait_status, 0) == child->pid)
        child->is_over = true;
    return 0;
}

static const luaL_Reg child_methods[] = {
    {"kill", l_kill}, {"pid", l_pid},   {"shown", l_shown},
    {"type", l_type}, {"wait", l_wait}, {NULL, NULL},
};

void process_add_child(lua_State *L)
{
    if (luaL_newmetatable(L, CHILD_META)) {
        lua_pushcfunction(L, l_child_gc);
        lua_setfield(L, -2, "__gc");
        luaL_newlib(L, child_methods);
        lua_setfield(L, -2, "__index");
    }
    lua_pop(L, 1);
    lua_pushcfunction(L, l_spawn);
    lua_setfield(L, -2, "spawn");
}
