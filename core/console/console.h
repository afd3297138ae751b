/* SPDX-License-Identifier: MIT */
/* Trying a project from a terminal: `anzol eval`, `anzol repl`, `anzol trigger --local`. A project
 * is loaded as the server does it, on a loop of the command's own; what runs may wait and call out,
 * and what it would commit is told and not done. The command line's one thread. */
#ifndef CONSOLE_CONSOLE_H
#define CONSOLE_CONSOLE_H

struct lua_State;

/* native.console(dir, { scripts = { glob, … }? }) -> console | nil, err
 *     Loads the project; missing secrets are no error.
 * console:run { text =, name =, form = "text" | "quoted" | "json", event = { type, source, body,
 *     headers = { { name, value }, … }, query? } } -> { output =, error = text | nil, effects = {
 *     { kind = "send", endpoint, type, body, delay_ms } | { kind = "emit", type, body } |
 *     { kind = "kv", ns, key, body | delta | neither: deleted }, … } }. What kv holds stays until
 *     the console is closed.
 * console:receive { source, method, path, query?, remote_ip, headers = { { name, value }, … }, body
 * }
 *     -> { status, outcome = "stored" | "answered" | "untyped" | "unverified" | …, reason?, body?
 * (of an answer that a script gave), id?, type?, runs = { { subscription, event, type, outcome,
 * text, delay_ms, effects }, … }, left_out }. What is emitted for now runs too, a thousand events
 * at most: left_out others are not run. console:close() */
int l_console(struct lua_State *L);

#endif
