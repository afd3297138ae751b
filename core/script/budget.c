/* SPDX-License-Identifier: MIT */
/* The limits of one entry: a count hook on every thread of the state that looks at the clocks. Once
 * a limit is passed it yields at every instruction, which no pcall catches: a job is back at its
 * base at once, a coroutine of the script's own gives up to whoever resumed it, who meets the same
 * hook. (Raising instead would visit every pcall on the way: measured, 23 s for what 16 MiB of them
 * hold.) Where Lua cannot yield it raises, as often as it is caught.
 *
 * Reading the thread's CPU clock is a system call (0.6 us where this was measured), reading the
 * monotonic one is not (0.04 us). So an entry reads it when the hook comes first, after a thousand
 * instructions (a short handler never does), and then only when time has passed enough for a limit:
 * CPU never grows faster than time. */
#include "script/script_int.h"

#include "base/clock.h"

#include <time.h>

#define HOOK_INSTRUCTIONS 1000
#define SLICE_NS INT64_C(5000000)
#define RECHECK_NS INT64_C(500000) /* when the slice is over but nobody may be let in */
#define NS_PER_MS INT64_C(1000000)
#define LIBRARY "@anzol/"
#define UNREAD_NS INT64_C(1000000) /* the most that an entry is charged without a CPU reading */
#define WORK_FREE 65536            /* C work that may come together before the clocks are read */

/* Not clock_mono_ns: a limit is real time also while a spec's clock stands still. */
static int64_t now_ns(void)
{
    struct timespec time;
    check(clock_gettime(CLOCK_MONOTONIC, &time) == 0);
    return (int64_t)time.tv_sec * INT64_C(1000000000) + time.tv_nsec;
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

void context_init(struct context *context, enum phase_id phase, int64_t wall_ms)
{
    *context = (struct context){
        .phase = phase,
        .cpu_max_ns = phases[phase].cpu_ms * NS_PER_MS,
        .wall_max_ms = wall_ms > 0 ? wall_ms : phases[phase].wall_ms,
    };
}

struct context *context_enter(struct script *script, struct context *context)
{
    struct context *previous = script->context;
    script->context = context;
    const int64_t now = now_ns();
    if (context->wall_end_ns == 0)
        context->wall_end_ns = now + context->wall_max_ms * NS_PER_MS;
    context->entry_ns = now;
    /* Who used some is measured from now on: each of many slices may be one long instruction. */
    context->cpu_base_ns = context->cpu_used_ns >= UNREAD_NS ? clock_thread_cpu_ns() : 0;
    context->slice_end_ns = now + SLICE_NS;
    context->check_ns = least(now + context->cpu_max_ns - context->cpu_used_ns,
                              least(context->wall_end_ns, context->slice_end_ns));
    if (!previous)
        script->outer = watchdog_enter(script, now);
    if (script->hooks.running && context->running != 0)
        atomic_store_explicit(script->hooks.running, context->running, memory_order_relaxed);
    return previous;
}

static int64_t used_now(const struct context *context, int64_t now)
{
    return context->cpu_base_ns == 0 ? least(now - context->entry_ns, UNREAD_NS)
                                     : clock_thread_cpu_ns() - context->cpu_base_ns;
}

void context_leave(struct script *script, struct context *previous)
{
    struct context *context = script->context;
    context->cpu_used_ns += used_now(context, now_ns());
    if (script->hooks.running && context->running != 0)
        atomic_store_explicit(script->hooks.running, 0, memory_order_relaxed);
    if (!previous)
        watchdog_leave(script, script->outer);
    script->context = previous;
}

int64_t budget_cpu_ns(const struct context *context)
{
    return context->cpu_used_ns;
}

/* The first reading of the CPU clock in an entry. What was used before it is known only as time, in
 * which the thread may also have stood still: it is little, for C work that counts reads first. */
static void read_base(struct context *context, int64_t now)
{
    if (context->cpu_base_ns != 0)
        return;
    context->cpu_used_ns += least(now - context->entry_ns, UNREAD_NS);
    context->cpu_base_ns = clock_thread_cpu_ns();
}

static void hook(lua_State *L, lua_Debug *debug);

/* Where a file's code stands; code that the script made itself has no place in a file. */
void budget_place(lua_State *L, char *place, size_t size)
{
    lua_Debug debug = {0};
    place[0] = '\0';
    for (int level = 0; lua_getstack(L, level, &debug); level++) {
        lua_getinfo(L, "Sl", &debug);
        if (debug.currentline <= 0 || (debug.source[0] != '@' && debug.source[0] != '='))
            continue;
        /* Our own Lua files are named only if no script called them. */
        const bool is_library = strncmp(debug.source, LIBRARY, strlen(LIBRARY)) == 0;
        if (!is_library || place[0] == '\0')
            (void)snprintf(place, size, "%s:%d", debug.short_src, debug.currentline);
        if (!is_library)
            return;
    }
}

/* ---- Lines ---- */

static struct {
    line_cb on_line; /* NULL: nobody counts them */
    void *ctx;
} watched_lines;

void script_watch_lines(line_cb on_line, void *ctx)
{
    watched_lines.on_line = on_line;
    watched_lines.ctx = ctx;
}

static void tell_line(lua_State *L, lua_Debug *debug)
{
    lua_getinfo(L, "S", debug);
    if (debug->source[0] == '@' && strncmp(debug->source, LIBRARY, strlen(LIBRARY)) != 0)
        watched_lines.on_line(debug->source + 1, debug->currentline, watched_lines.ctx);
}

/* ---- The hook ---- */

static void note_place(lua_State *L, struct context *context)
{
    budget_place(L, context->killed_at, sizeof context->killed_at);
}

void budget_describe(const struct context *context, char *text, size_t size)
{
    const struct phase *phase = &phases[context->phase];
    const int64_t cpu_max_ms = context->cpu_max_ns / NS_PER_MS;
    if (context->kill == KILL_MEMORY)
        (void)snprintf(text, size, "'%s' went over its memory limit of %zu MiB", phase->name,
                       phase->bytes_max >> 20);
    else if (context->kill == KILL_WALL && context->wall_max_ms != cpu_max_ms)
        (void)snprintf(text, size, "'%s' went over its time limit of %lld ms", phase->name,
                       (long long)context->wall_max_ms);
    else /* where nothing waits both limits are one: which was seen first says nothing */
        (void)snprintf(text, size, "'%s' went over its CPU limit of %lld ms", phase->name,
                       (long long)cpu_max_ms);
}

void budget_watch(lua_State *L)
{
    lua_sethook(L, hook, LUA_MASKCOUNT | (watched_lines.on_line ? LUA_MASKLINE : 0),
                HOOK_INSTRUCTIONS);
}

lua_State *script_running(const struct script *script)
{
    if (script->resumption)
        return script->resumption->co;
    const struct job *job = script->context ? script->context->job : NULL;
    return job && job->running ? job->running->L : script->L;
}

void budget_hasten(const struct script *script)
{
    lua_sethook(script_running(script), hook, LUA_MASKCOUNT, 1);
}

static int l_kill(lua_State *L, struct context *context)
{
    lua_sethook(L, hook, LUA_MASKCOUNT, 1);
    char text[PLACE_BYTES];
    budget_describe(context, text, sizeof text);
    return luaL_error(L, "%s", text);
}

int budget_leave(lua_State *L)
{
    if (!lua_isyieldable(L))
        return l_kill(L, script_of(L)->context);
    lua_sethook(L, hook, LUA_MASKCOUNT, 1);
    return lua_yield(L, 0);
}

static void decide(lua_State *L, struct context *context, int64_t now)
{
    if (context->kill == KILL_NONE) {
        const int64_t used = context->cpu_used_ns + used_now(context, now);
        if (used >= context->cpu_max_ns)
            context->kill = KILL_CPU;
        else if (now >= context->wall_end_ns)
            context->kill = KILL_WALL;
        else
            context->check_ns = least(now + context->cpu_max_ns - used, context->wall_end_ns);
    }
    if (context->kill != KILL_NONE && context->killed_at[0] == '\0')
        note_place(L, context);
}

/* A handler that computes for long lets others go on, where a yield can get to the host. */
static bool is_turn_over(lua_State *L, struct context *context, int64_t now)
{
    const struct strand *strand = context->job ? context->job->running : NULL;
    if (!strand || now < context->slice_end_ns)
        return false;
    if (strand_passes_up(strand, L))
        return true;
    context->check_ns = least(context->check_ns, now + RECHECK_NS);
    return false;
}

static void hook(lua_State *L, lua_Debug *debug)
{
    if (debug->event == LUA_HOOKLINE) {
        tell_line(L, debug);
        return;
    }
    struct context *context = script_of(L)->context;
    if (!context)
        return;
    if (context->kill == KILL_NONE) {
        const int64_t now = now_ns();
        if (lua_gethookcount(L) != HOOK_INSTRUCTIONS)
            budget_watch(L); /* the watchdog had it come early */
        read_base(context, now);
        if (now < context->check_ns)
            return;
        decide(L, context, now);
        if (context->kill == KILL_NONE && is_turn_over(L, context, now)) {
            context->is_preempted = true;
            (void)lua_yield(L, 0);
            return;
        }
    }
    if (context->kill != KILL_NONE) {
        if (context->killed_at[0] == '\0')
            note_place(L, context);
        (void)budget_leave(L);
    }
}

void budget_check_work(lua_State *L, size_t amount)
{
    struct context *context = script_of(L)->context;
    if (!context)
        return;
    context->work += amount;
    if (context->work < WORK_FREE)
        return;
    context->work = 0;
    const int64_t now = now_ns();
    read_base(context, now);
    decide(L, context, now);
    if (context->kill != KILL_NONE)
        (void)l_kill(L, context);
}
