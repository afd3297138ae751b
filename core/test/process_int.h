/* SPDX-License-Identifier: MIT */
/* What the parts of anzol_test.process share: the rig of the system specs in C, so that hundreds of
 * kills under load stay fast. Each part adds its functions to the module's table. */
#ifndef TEST_PROCESS_INT_H
#define TEST_PROCESS_INT_H

#include "base/base.h"

#include <lua.h>

/* Adds spawn to the table on top of the stack; a child belongs to its userdata. */
void process_add_child(lua_State *L);
/* Adds receiver: an HTTP server on a thread of its own that records and obeys. */
void process_add_receiver(lua_State *L);
/* Adds sender: threads that post signed webhooks and keep a ledger. */
void process_add_sender(lua_State *L);

/* FNV-1a, 64 bits: tells bodies apart, protects nothing. */
uint64_t process_hash(struct slice bytes);
/* "0123456789abcdef" of it. */
#define PROCESS_HASH_TEXT_BYTES 17
void process_hash_text(uint64_t hash, char text[PROCESS_HASH_TEXT_BYTES]);
int64_t process_mono_us(void);
/* Field of the table at index, or the fallback when it is nil. */
lua_Integer process_integer(lua_State *L, int index, const char *name, lua_Integer fallback);

#endif
