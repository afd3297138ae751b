/* SPDX-License-Identifier: MIT */
/* `anzol serve`: the composition root. It builds everything, starts and stops it in order, and is
 * the only place that knows all folders. The calling thread becomes the API thread. */
#ifndef SERVER_H
#define SERVER_H

/* Exit codes that scripts can trust (sysexits.h where it has one). */
enum exit_code {
    EXIT_FINDINGS = 1,
    EXIT_USAGE = 2,
    EXIT_UNREACHABLE = 69,
    EXIT_STUCK = 70,
    EXIT_STORE = 74,
    EXIT_BAD_CONFIG = 78
};

struct lua_State;
/* native.check_settings(dir) -> nil, or what is wrong with a setting of DIR/anzol.lua. */
int l_check_settings(struct lua_State *L);
/* native.connect(dir, { allow_missing_secrets = boolean? }) -> { { name, file, line, host, error =
 * code | nil, detail, duration_ms, is_skipped = its url is a secret that is missing }, … } |
 * nil, err. Loads the project and connects to each endpoint as a delivery would; nothing is sent.
 */
int l_connect(struct lua_State *L);

/* argv: what follows `anzol serve`. Returns the exit code. */
int server_main(int argc, char **argv);

#endif
