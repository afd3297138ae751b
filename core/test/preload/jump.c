/* SPDX-License-Identifier: MIT */
/* LD_PRELOAD shim, and part of the program, in builds for the thread sanitizer only: liblua leaves
 * C by glibc's checked jump, of which that sanitizer knows nothing. Without this every error of Lua
 * would leave the frames that it skips on the sanitizer's stack, until that is full. */
#include <setjmp.h>

_Noreturn void __longjmp_chk(struct __jmp_buf_tag *env, int value);

_Noreturn void __longjmp_chk(struct __jmp_buf_tag *env, int value)
{
    longjmp(env, value);
}
