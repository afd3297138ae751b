/* SPDX-License-Identifier: MIT */
/* serve --supervise: a parent that does nothing but start the server again when it crashed or gave
 * itself up. */
#include "supervise.h"

#include "base/clock.h"
#include "base/log.h"
#include "server.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define DELAY_MS_MIN 100
#define DELAY_MS_MAX 30000
#define STEADY_MS 60000 /* who lived that long begins with the least delay again */
#define SIGNAL_CODE 128 /* what a shell adds to the number of a signal */
#define MS_PER_S 1000
#define NS_PER_MS 1000000L

static sigset_t signals_of(void)
{
    sigset_t set;
    check(sigemptyset(&set) == 0);
    static const int numbers[] = {SIGTERM, SIGINT, SIGHUP, SIGCHLD};
    for (size_t i = 0; i < array_count(numbers); i++)
        check(sigaddset(&set, numbers[i]) == 0);
    return set;
}

/* Waits for the child; hands signals on. *is_stopped: one of them was to end it. */
static int wait_for(pid_t child, const sigset_t *set, bool *is_stopped)
{
    for (;;) {
        int status;
        const pid_t ended = waitpid(child, &status, WNOHANG);
        if (ended == child)
            return status;
        check(ended == 0 || errno == EINTR);
        const int number = sigwaitinfo(set, NULL);
        if (number <= 0 || number == SIGCHLD)
            continue;
        *is_stopped = *is_stopped || number != SIGHUP;
        (void)kill(child, number);
    }
}

static bool is_crash(int status)
{
    if (WIFSIGNALED(status))
        return true;
    const int code = WEXITSTATUS(status);
    return code == EXIT_STUCK || code == EXIT_STORE || code > SIGNAL_CODE;
}

/* False: a signal to end came meanwhile. */
static bool pause_for(const sigset_t *set, int64_t delay_ms)
{
    const int64_t end_ms = clock_mono_ms() + delay_ms;
    for (int64_t left_ms = delay_ms; left_ms > 0; left_ms = end_ms - clock_mono_ms()) {
        const struct timespec time = {.tv_sec = left_ms / MS_PER_S,
                                      .tv_nsec = left_ms % MS_PER_S * NS_PER_MS};
        const int number = sigtimedwait(set, NULL, &time);
        if (number == SIGTERM || number == SIGINT)
            return false;
    }
    return true;
}

static int code_of(int status)
{
    return WIFSIGNALED(status) ? SIGNAL_CODE + WTERMSIG(status) : WEXITSTATUS(status);
}

int supervise(void)
{
    const sigset_t set = signals_of();
    sigset_t old;
    int64_t delay_ms = DELAY_MS_MIN;
    check(sigprocmask(SIG_BLOCK, &set, &old) == 0);
    for (;;) {
        const int64_t begun_ms = clock_mono_ms();
        const pid_t child = fork();
        check(child >= 0);
        if (child == 0) {
            (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* alone it would be nobody's */
            check(sigprocmask(SIG_SETMASK, &old, NULL) == 0);
            return SUPERVISE_CHILD;
        }
        bool is_stopped = false;
        const int status = wait_for(child, &set, &is_stopped);
        if (is_stopped || !is_crash(status))
            return code_of(status);
        if (clock_mono_ms() - begun_ms >= STEADY_MS)
            delay_ms = DELAY_MS_MIN;
        log_error("server ended, starting it again", "exit=%d in=%lldms", code_of(status),
                  (long long)delay_ms);
        if (!pause_for(&set, delay_ms))
            return EXIT_SUCCESS;
        delay_ms = delay_ms * 2 < DELAY_MS_MAX ? delay_ms * 2 : DELAY_MS_MAX;
    }
}
