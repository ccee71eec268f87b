// A disk that fails on command: an LD_PRELOAD shim over the calls that reach a file under one folder.
//
//   ROOMTONE_FAULT      the control file (lib/fault-disk.mjs writes it)
//   ROOMTONE_FAULT_DIR  the folder whose files are affected; everything else passes untouched
//
// The control file is mapped shared, so a change of mode costs the tests one write and costs us no system call.
// Bytes 0..63 hold the mode in text: "ok", "enospc" (writes and growth fail), "eio" (syncs fail), "slow N" (each
// sync takes N milliseconds longer). Bytes 64.. hold four 64-bit counters that tests read, so that a test can tell
// "nothing was lost" from "no fault was ever met": writes seen, syncs seen, calls failed, syncs delayed.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define MODE_BYTES 64
#define CONTROL_BYTES 128

enum counter { WRITES, SYNCS, FAILED, DELAYED };

static char *control;
static char folder[4096];
static size_t folder_bytes;

__attribute__((constructor)) static void load(void) {
    const char *path = getenv("ROOMTONE_FAULT");
    const char *dir = getenv("ROOMTONE_FAULT_DIR");
    if (!path || !dir || !realpath(dir, folder)) return;
    folder_bytes = strlen(folder);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0) return;
    void *map = mmap(NULL, CONTROL_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (map != MAP_FAILED) control = map;
}

static void count(enum counter which) {
    __atomic_add_fetch((uint64_t *)(control + MODE_BYTES) + which, 1, __ATOMIC_RELAXED);
}

// Only regular files below the folder: sockets, pipes and event counters leave by the cheap test.
static int affected(int fd) {
    if (!control) return 0;
    int saved = errno;
    int yes = 0;
    struct stat st;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
        char link[64], path[4096];
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        ssize_t n = readlink(link, path, sizeof path - 1);
        yes = n > (ssize_t)folder_bytes && memcmp(path, folder, folder_bytes) == 0 && path[folder_bytes] == '/';
    }
    errno = saved;
    return yes;
}

static int mode_is(const char *name) { return strncmp(control, name, strlen(name)) == 0; }

static int write_fails(int fd) {
    if (!affected(fd)) return 0;
    count(WRITES);
    if (!mode_is("enospc")) return 0;
    count(FAILED);
    errno = ENOSPC;
    return 1;
}

static int sync_fails(int fd) {
    if (!affected(fd)) return 0;
    count(SYNCS);
    if (mode_is("eio")) {
        count(FAILED);
        errno = EIO;
        return 1;
    }
    if (mode_is("slow ")) {
        long ms = strtol(control + 5, NULL, 10);
        struct timespec pause = {ms / 1000, (ms % 1000) * 1000000};
        count(DELAYED);
        nanosleep(&pause, NULL);
    }
    return 0;
}

#define REAL(name) \
    static __typeof__(&name) real; \
    if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name);

ssize_t write(int fd, const void *data, size_t bytes) { REAL(write) return write_fails(fd) ? -1 : real(fd, data, bytes); }
ssize_t pwrite(int fd, const void *data, size_t bytes, off_t at) { REAL(pwrite) return write_fails(fd) ? -1 : real(fd, data, bytes, at); }
ssize_t pwrite64(int fd, const void *data, size_t bytes, off64_t at) { REAL(pwrite64) return write_fails(fd) ? -1 : real(fd, data, bytes, at); }
ssize_t writev(int fd, const struct iovec *parts, int n) { REAL(writev) return write_fails(fd) ? -1 : real(fd, parts, n); }
ssize_t pwritev(int fd, const struct iovec *parts, int n, off_t at) { REAL(pwritev) return write_fails(fd) ? -1 : real(fd, parts, n, at); }
ssize_t pwritev64(int fd, const struct iovec *parts, int n, off64_t at) { REAL(pwritev64) return write_fails(fd) ? -1 : real(fd, parts, n, at); }

int fsync(int fd) { REAL(fsync) return sync_fails(fd) ? -1 : real(fd); }
int fdatasync(int fd) { REAL(fdatasync) return sync_fails(fd) ? -1 : real(fd); }

// Growing a file needs room too; shrinking one does not.
static int growth_fails(int fd, off64_t bytes) {
    struct stat st;
    return control && mode_is("enospc") && fstat(fd, &st) == 0 && bytes > st.st_size && write_fails(fd);
}
int ftruncate(int fd, off_t bytes) { REAL(ftruncate) return growth_fails(fd, bytes) ? -1 : real(fd, bytes); }
int ftruncate64(int fd, off64_t bytes) { REAL(ftruncate64) return growth_fails(fd, bytes) ? -1 : real(fd, bytes); }
int fallocate(int fd, int mode, off_t at, off_t bytes) { REAL(fallocate) return growth_fails(fd, at + bytes) ? -1 : real(fd, mode, at, bytes); }
int fallocate64(int fd, int mode, off64_t at, off64_t bytes) { REAL(fallocate64) return growth_fails(fd, at + bytes) ? -1 : real(fd, mode, at, bytes); }
int posix_fallocate(int fd, off_t at, off_t bytes) { REAL(posix_fallocate) return growth_fails(fd, at + bytes) ? ENOSPC : real(fd, at, bytes); }
int posix_fallocate64(int fd, off64_t at, off64_t bytes) { REAL(posix_fallocate64) return growth_fails(fd, at + bytes) ? ENOSPC : real(fd, at, bytes); }
