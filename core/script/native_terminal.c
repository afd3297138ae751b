/* SPDX-License-Identifier: MIT */
/* Who sits at the terminal of a command that goes on for long: keys as they are typed, and ^C as a
 * wish that the command sees instead of its death. What each function takes and gives stands in
 * cli.c. The command line's one thread. */
#include "script/bind_int.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#define KEY_BYTES_MAX 64

static int interrupts = -1;   /* readable once one came, and from then on: nobody reads it */
static struct termios usual;  /* of standard input */
static bool has_keys = false; /* it is not as usual */

int l_heed_interrupts(lua_State *L)
{
    (void)L;
    sigset_t set;
    if (interrupts >= 0)
        return 0;
    check(sigemptyset(&set) == 0 && sigaddset(&set, SIGINT) == 0 && sigaddset(&set, SIGTERM) == 0);
    interrupts = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (interrupts >= 0)
        check(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
    return 0;
}

int l_is_interrupted(lua_State *L)
{
    struct pollfd fd = {.fd = interrupts, .events = POLLIN};
    lua_pushboolean(L, interrupts >= 0 && poll(&fd, 1, 0) > 0);
    return 1;
}

unsigned terminal_fds(bool with_keys, int fds[TERMINAL_FDS])
{
    unsigned count = 0;
    if (interrupts >= 0)
        fds[count++] = interrupts;
    if (with_keys && has_keys)
        fds[count++] = STDIN_FILENO;
    return count;
}

static void give_back(void)
{
    if (has_keys)
        (void)tcsetattr(STDIN_FILENO, TCSANOW, &usual);
    has_keys = false;
}

int l_take_keys(lua_State *L)
{
    static bool is_registered = false;
    luaL_checktype(L, 1, LUA_TBOOLEAN);
    give_back();
    if (lua_toboolean(L, 1) && tcgetattr(STDIN_FILENO, &usual) == 0) {
        struct termios keys = usual;
        keys.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
        keys.c_cc[VMIN] = 1;
        keys.c_cc[VTIME] = 0;
        has_keys = tcsetattr(STDIN_FILENO, TCSANOW, &keys) == 0;
    }
    if (has_keys && !is_registered)
        is_registered = atexit(give_back) == 0;
    lua_pushboolean(L, has_keys);
    return 1;
}

int l_key(lua_State *L)
{
    const lua_Integer ms = luaL_checkinteger(L, 1);
    int fds[TERMINAL_FDS];
    struct pollfd polled[TERMINAL_FDS];
    const unsigned count = terminal_fds(true, fds);
    for (unsigned i = 0; i < count; i++)
        polled[i] = (struct pollfd){.fd = fds[i], .events = POLLIN};
    if (poll(polled, count, (int)ms) <= 0 || polled[count - 1].fd != STDIN_FILENO ||
        polled[count - 1].revents == 0)
        return 0;
    char text[KEY_BYTES_MAX];
    const ssize_t len = read(STDIN_FILENO, text, sizeof text);
    lua_pushlstring(L, text, len > 0 ? (size_t)len : 0);
    return 1;
}
