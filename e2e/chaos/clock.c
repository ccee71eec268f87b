/* A wall clock that is wrong by as many seconds as stand in the file CLOCK_OFFSET_FILE; every other clock is right.
 *
 * Of our own, and not libfaketime, which asks the dynamic linker for memory while it tells the time: where jemalloc stands in for malloc
 * and asks for the time itself, as in the server, neither gets past that. Nothing below allocates. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long offset_s(void) {
    static atomic_long last;
    int error = errno;
    const char *path = getenv("CLOCK_OFFSET_FILE");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file >= 0) {
        char text[32];
        long length = read(file, text, sizeof text - 1);
        close(file);
        /* It is empty for a moment while it is written. */
        if (length > 0) {
            text[length] = 0;
            atomic_store(&last, strtol(text, NULL, 10));
        }
    }
    errno = error;
    return atomic_load(&last);
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    int failed = (int)syscall(SYS_clock_gettime, clock, now);
    if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec += offset_s();
    return failed;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    (void)zone;
    struct timespec precise;
    int failed = clock_gettime(CLOCK_REALTIME, &precise);
    if (!failed) *now = (struct timeval){ .tv_sec = precise.tv_sec, .tv_usec = precise.tv_nsec / 1000 };
    return failed;
}

time_t time(time_t *where) {
    struct timespec now;
    if (clock_gettime(CLOCK_REALTIME, &now)) return (time_t)-1;
    if (where) *where = now.tv_sec;
    return now.tv_sec;
}
