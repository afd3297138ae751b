/* SPDX-License-Identifier: MIT */
/* A generation: one snapshot of the files, one registry, a state for each worker. */
#include "base/memory.h"
#include "base/zone.h"
#include "script/bind_int.h"

#include <stdlib.h>

/* ---- One state ---- */

/* path: the file that was loaded, for a message that names none; NULL: there is none. */
static void report(struct script *script, const char *path, struct findings *findings)
{
    const char *message = script->text.len ? script->text.data : "unknown error";
    const bool is_no_module = strstr(message, "' not found:\n") != NULL;
    findings_add(findings,
                 &(struct finding_options){
                     .level = FINDING_ERROR,
                     .file = path && !finding_has_place(message) ? path : NULL,
                     .message = message,
                     .hint = is_no_module ? "a module is a file in lua/ or scripts/, or a pure Lua "
                                            "module of the system"
                                          : NULL});
}

static int l_load(lua_State *L)
{
    l_run_file(L, lua_touserdata(L, 1));
    return 0;
}

/* False: it stopped with an error. */
static bool load_file(struct script *script, const char *path, struct findings *findings)
{
    struct context context;
    context_init(&context, PHASE_LOAD, 0);
    context.subject = (struct subject){.kind = "script", .name = path};
    if (script_call(script, &context, l_load, (void *)(uintptr_t)path, 0) == OK)
        return true;
    report(script, path, findings);
    return false;
}

/* Ends what the scripts do not subscribe to any more. */
static int l_end_removed(lua_State *L)
{
    lua_getglobal(L, "require");
    lua_pushliteral(L, "anzol.websub.removed");
    lua_call(L, 1, 1);
    lua_pushstring(L, script_of(L)->generation->websub);
    lua_call(L, 1, 0);
    return 0;
}

static bool end_removed(struct script *script, struct findings *findings)
{
    struct context context;
    context_init(&context, PHASE_LOAD, 0);
    if (!script->generation->websub || script_call(script, &context, l_end_removed, NULL, 0) == OK)
        return true;
    report(script, NULL, findings);
    return false;
}

static int l_close(lua_State *L)
{
    if (!script_of(L)->generation->is_trusted)
        l_close_globals(L);
    return 0;
}

/* All scripts in order. Findings go to the draft's list; a later state must not differ. */
static struct registry *load_state(struct generation *generation, struct script *script,
                                   struct findings *findings, bool is_first)
{
    struct draft draft = {
        .registry = registry_create(generation->number),
        .findings = is_first ? findings : NULL,
        .worker_count = generation->worker_count,
    };
    if (!draft.registry)
        return NULL;
    draft.registry->verifier_destroy = verifier_unref;
    draft.registry->signer_destroy = signer_unref;
    script->draft = &draft;
    bool is_whole = true;
    for (size_t i = 0; i < generation->snapshot.count; i++) {
        const char *path = generation->snapshot.files[i].path;
        if (generation->snapshot.files[i].is_script)
            is_whole = load_file(script, path, findings) && is_whole;
    }
    is_whole = is_whole && end_removed(script, findings);
    script->draft = NULL;
    if (draft.begun != draft.ended && !findings_have_error(findings)) {
        char message[ERR_TEXT_BYTES_MAX];
        (void)snprintf(message, sizeof message,
                       "%s: a registration failed inside pcall; its error is not to be caught",
                       draft.place);
        findings_add(findings,
                     &(struct finding_options){.level = FINDING_ERROR, .message = message});
    }
    struct context context;
    context_init(&context, PHASE_LOAD, 0);
    if (script_call(script, &context, l_close, NULL, 0) != OK)
        report(script, NULL, findings);
    if (is_first && is_whole)
        generation_cross_check(generation, &draft, findings);
    struct registry *registry = draft.registry;
    registry->digest = registry_digest(registry);
    draft.registry = NULL;
    draft_finish(&draft);
    return registry;
}

/* Names to specs, for event:send. */
static int l_index_endpoints(lua_State *L)
{
    const struct registry *registry = lua_touserdata(L, 1);
    script_push_ref(L, script_of(L), REF_ENDPOINTS);
    for (size_t i = 0; i < registry->endpoint_count; i++) {
        lua_pushlightuserdata(L, &registry->endpoints[i]);
        lua_setfield(L, -2, registry->endpoints[i].name);
    }
    return 0;
}

/* ---- All states ---- */

static void report_difference(const struct registry *registry, const struct registry *other,
                              struct findings *findings)
{
    char message[ERR_TEXT_BYTES_MAX];
    const char *place = registry_difference(registry, other);
    (void)snprintf(message, sizeof message,
                   "%s: the scripts register different things when loaded again; registrations "
                   "must not depend on time, chance or the order of pairs",
                   place ? place : "");
    findings_add(findings, &(struct finding_options){.level = FINDING_ERROR, .message = message});
}

/* As an empty checkout, or a command in another folder, would have it. */
static void tell_of_none(const struct snapshot *snapshot, bool is_error, struct findings *findings)
{
    for (size_t i = 0; i < snapshot->count; i++)
        if (snapshot->files[i].is_script)
            return;
    findings_add(findings, &(struct finding_options){
                               .level = is_error ? FINDING_ERROR : FINDING_WARNING,
                               .file = "",
                               .message = "no file is a script: nothing is received or sent; write "
                                          "scripts/NAME.lua, or name others by the setting scripts",
                           });
}

static enum status load_states(struct generation *generation, struct findings *findings,
                               struct err *err)
{
    for (unsigned i = 0; i < generation->worker_count; i++) {
        struct script *script =
            script_create(generation, i, generation->is_trusted ? STATE_TRUSTED : STATE_SCRIPTS);
        generation->scripts[i] = script;
        struct registry *registry =
            script ? load_state(generation, script, findings, i == 0) : NULL;
        if (!registry)
            return err_set(err, E_NOMEM, "out of memory");
        if (i == 0)
            generation->registry = registry;
        if (registry->digest != generation->registry->digest)
            report_difference(generation->registry, registry, findings);
        if (i > 0)
            registry_unref(registry);
        if (findings_have_error(findings))
            return E_INVALID;
        struct context context;
        context_init(&context, PHASE_LOAD, 0);
        if (script_call(script, &context, l_index_endpoints, generation->registry, 0) != OK) {
            report(script, NULL, findings);
            return E_INVALID;
        }
        (void)lua_gc(script->L, LUA_GCCOLLECT);
    }
    return OK;
}

static void first_error(const struct findings *findings, struct err *err)
{
    for (size_t i = 0; i < findings->count; i++) {
        const struct finding *row = &findings->rows[i];
        if (row->level != FINDING_ERROR)
            continue;
        const bool has_file = row->file && row->file[0] != '\0';
        char line[16] = "";
        if (has_file && row->line > 0)
            (void)snprintf(line, sizeof line, ":%d", row->line);
        (void)err_set(err, E_INVALID, "%s%s%s%s%s%s%s", has_file ? row->file : "", line,
                      has_file ? ": " : "", row->message, row->hint ? " (" : "",
                      row->hint ? row->hint : "", row->hint ? ")" : "");
        return;
    }
}

static enum status list_files(struct generation *generation, struct err *err)
{
    generation->files = calloc(generation->snapshot.count + 1, sizeof *generation->files);
    if (!generation->files)
        return err_set(err, E_NOMEM, "out of memory");
    for (size_t i = 0; i < generation->snapshot.count; i++)
        if (generation->snapshot.files[i].data)
            generation->files[generation->file_count++] = generation->snapshot.files[i].path;
    return OK;
}

/* The zone of os.date and os.time. */
static enum status load_zone(struct generation *generation, const char *name, struct err *err)
{
    if (!name || strcmp(name, "UTC") == 0 || generation->zone)
        return OK;
    const enum status status = zone_load(slice_str(name), &generation->zone, err);
    if (status != OK && err)
        (void)err_prefix(err, "timezone");
    return status;
}

static enum status read_settings(struct generation *generation, const char *dir, struct err *err)
{
    struct settings settings;
    enum status status = settings_load(dir, &settings, err);
    if (status != OK)
        return status;
    for (size_t i = 0; i < settings.count && status == OK; i++) {
        const struct setting *row = &settings.rows[i];
        if (strcmp(row->name, "trust") == 0)
            generation->is_trusted = strcmp(row->value, "full") == 0;
        if (strcmp(row->name, "c_modules") == 0 && !generation->c_modules)
            generation->c_modules = must_copy(row->value, strlen(row->value));
        if (strcmp(row->name, "timezone") == 0)
            status = load_zone(generation, row->value, err);
    }
    settings_finish(&settings);
    return status;
}

static enum status list_c_modules(struct generation *generation, const char *const *names,
                                  struct err *err)
{
    struct buf list;
    enum status status = OK;
    buf_init(&list, LIMIT_REQUEST_LINE_BYTES);
    for (const char *const *it = names; it && *it && status == OK; it++)
        status = buf_printf(&list, "%s\n", *it);
    if (status == OK && list.len > 0)
        generation->c_modules = must_copy(list.data, list.len);
    buf_finish(&list);
    return status == OK ? OK : err_set(err, status, "c_modules: too many names");
}

static enum status take_settings(struct generation *generation,
                                 const struct generation_options *options, struct err *err)
{
    if (options->trust == TRUST_SETTINGS)
        return read_settings(generation, options->dir, err);
    const enum status status = load_zone(generation, options->timezone, err);
    return status == OK ? list_c_modules(generation, options->c_modules, err) : status;
}

/* NULL with an error: no memory. Else what was loaded, whole or not as status says. */
static struct generation *load_once(const struct generation_options *options,
                                    struct findings *findings, enum status *status, struct err *err)
{
    struct generation *it = calloc(1, sizeof *it);
    *status = E_NOMEM;
    if (it) {
        atomic_init(&it->references, 1);
        it->number = options->number;
        it->allow_missing_secrets = options->allow_missing_secrets;
        it->is_trusted = options->trust == TRUST_FULL;
        it->environment = options->environment;
        it->websub = options->websub;
        it->worker_count = options->worker_count;
        it->scripts = calloc(options->worker_count, sizeof(struct script *));
    }
    if (!it || !it->scripts) {
        generation_unref(it);
        *status = err_set(err, E_NOMEM, "out of memory");
        return NULL;
    }
    *status = take_settings(it, options, err);
    if (*status == OK)
        *status = snapshot_read(&it->snapshot, options->dir, options->scripts, err);
    if (*status != OK && err)
        findings_add(findings, &(struct finding_options){
                                   .level = FINDING_ERROR, .file = "", .message = err->text});
    if (*status == OK)
        tell_of_none(&it->snapshot, options->needs_scripts, findings);
    if (*status == OK)
        *status = load_states(it, findings, err);
    if (*status == E_INVALID)
        first_error(findings, err);
    return it;
}

static enum status refuse_moving(struct findings *findings, struct err *err)
{
    static const char why[] = "the files changed while they were read; try again";
    findings_add(findings,
                 &(struct finding_options){.level = FINDING_ERROR, .file = "", .message = why});
    return err_set(err, E_INVALID, "%s", why);
}

enum status generation_load(const struct generation_options *options,
                            struct generation **generation, struct findings *findings,
                            struct err *err)
{
    struct findings own = {0};
    struct findings *list = findings ? findings : &own;
    struct generation *it = NULL;
    enum status status = OK;
    for (unsigned tries = 1; tries <= LIMIT_SNAPSHOT_TRIES; tries++) {
        generation_unref(it);
        findings_finish(list);
        it = load_once(options, list, &status, err);
        const bool is_read = status == OK || status == E_INVALID;
        if (!is_read || snapshot_is_current(&it->snapshot, options->scripts))
            break;
        /* Somebody is writing: what was read may be half of the old and half of the new. */
        if (tries == LIMIT_SNAPSHOT_TRIES)
            status = refuse_moving(list, err);
    }
    if (status == OK) {
        it->snapshot.is_frozen = true;
        status = list_files(it, err);
    }
    findings_finish(&own);
    if (status != OK) {
        generation_unref(it);
        return status;
    }
    *generation = it;
    return OK;
}

/* ---- References ---- */

struct generation *generation_ref(struct generation *generation)
{
    atomic_fetch_add_explicit(&generation->references, 1, memory_order_relaxed);
    return generation;
}

void generation_unref(struct generation *generation)
{
    if (!generation ||
        atomic_fetch_sub_explicit(&generation->references, 1, memory_order_acq_rel) != 1)
        return;
    for (unsigned i = 0; generation->scripts && i < generation->worker_count; i++)
        script_free(generation->scripts[i]);
    free(generation->scripts);
    for (size_t i = 0; i < generation->secret_count; i++) {
        struct secret_value *secret = generation->secrets[i];
        memory_free_secret(secret->value, secret->len);
        free(secret->name);
        free(secret);
    }
    free(generation->secrets);
    registry_unref(generation->registry);
    free(generation->c_modules);
    free(generation->files);
    snapshot_finish(&generation->snapshot);
    zone_free(generation->zone);
    free(generation);
}

struct registry *generation_registry(struct generation *generation)
{
    return generation->registry;
}

const char *const *generation_files(const struct generation *generation, size_t *count)
{
    *count = generation->file_count;
    return generation->files;
}

/* ---- A worker's script ---- */

struct script *generation_attach(struct generation *generation, unsigned index, uv_loop_t *loop,
                                 const struct script_hooks *hooks)
{
    check(index < generation->worker_count);
    struct script *script = generation->scripts[index];
    check(script != NULL);
    generation->scripts[index] = NULL;
    script->generation = generation_ref(generation);
    script->hooks = *hooks;
    if (loop)
        jobs_attach(script, loop);
    return script;
}

struct registry *script_registry(const struct script *script)
{
    return script->generation->registry;
}

struct generation *script_generation(const struct script *script)
{
    return script->generation;
}

size_t script_bytes(const struct script *script)
{
    return script->bytes;
}

void script_destroy(struct script *script)
{
    struct generation *generation = script->generation;
    check(script->jobs.count == 0);
    script_free(script);
    generation_unref(generation);
}
