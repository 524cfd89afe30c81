/* Preloaded into the host and the keeper: counts what they do to files and sockets, and at the n-th call lets one or
   all of them die, the call fail, or the world stand still. Kernels start with an environment of their own, so it never
   gets into walls. What it does is said by CHAOS_* variables, see faults.py. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum { HOST = 1, KEEPER = 2, KERNEL = 4 };
enum what { NOTHING, BEFORE, AFTER, TORN, FAIL, PAUSE };
enum kind { DATA, SYNC, NAME, SEND };

static const char *root, *folder;
static pid_t me; /* a forked child is somebody else: it counts nothing */
static int role, role_at, whom, code, nosync;
static long at, times, every, count;
static enum what what;
static int trace = -1;

static long number(const char *name) {
    const char *text = getenv(name);
    return text ? atol(text) : 0;
}

static void put(const char *name, const char *text) {
    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    int fd = syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd >= 0) {
        syscall(SYS_write, fd, text, strlen(text));
        syscall(SYS_close, fd);
    }
}

static pid_t pid_of(const char *name) {
    char path[512], text[32] = "";
    snprintf(path, sizeof path, "%s/%s", folder, name);
    int fd = syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0) return 0;
    syscall(SYS_read, fd, text, sizeof text - 1);
    syscall(SYS_close, fd);
    return atoi(text);
}

__attribute__((constructor)) static void begin(void) {
    char line[4096], text[32], name[64];
    folder = getenv("CHAOS_DIR");
    root = getenv("CHAOS_ROOT");
    if (!folder || !root) return;
    int fd = syscall(SYS_openat, AT_FDCWD, "/proc/self/cmdline", O_RDONLY | O_CLOEXEC, 0);
    ssize_t got = fd >= 0 ? syscall(SYS_read, fd, line, sizeof line - 1) : 0;
    if (fd >= 0) syscall(SYS_close, fd);
    int found = HOST;
    for (ssize_t i = 0; i + 7 <= got; i++)
        if (!memcmp(line + i, "/keeper", 8)) found = KEEPER;
    if (found == HOST && getppid() != number("CHAOS_PARENT")) return; /* some other program that the host starts */
    role = found;
    me = getpid();
    const char *wanted = getenv("CHAOS_AT_ROLE"), *verb = getenv("CHAOS_WHAT");
    role_at = wanted && !strcmp(wanted, "keeper") ? KEEPER : HOST;
    at = number("CHAOS_AT"), times = number("CHAOS_TIMES"), every = number("CHAOS_EVERY");
    whom = number("CHAOS_WHOM"), code = number("CHAOS_ERRNO"), nosync = number("CHAOS_NOSYNC");
    static const char *verbs[] = {"", "before", "after", "torn", "fail", "pause"};
    for (int i = 1; verb && i < 6; i++)
        if (!strcmp(verb, verbs[i])) what = i;
    snprintf(text, sizeof text, "%d\n", me);
    snprintf(name, sizeof name, "%s.pid", role == HOST ? "host" : "keeper");
    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    syscall(SYS_unlinkat, AT_FDCWD, path, 0);
    put(name, text);
    if (number("CHAOS_TRACE")) {
        snprintf(path, sizeof path, "%s/%s.trace", folder, role == HOST ? "host" : "keeper");
        trace = syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    }
}

/* -- who dies */

static void end_below(pid_t pid, int depth) {
    char path[64], text[4096] = "";
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", pid, pid);
    int fd = syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0 || depth > 16) return;
    syscall(SYS_read, fd, text, sizeof text - 1);
    syscall(SYS_close, fd);
    for (char *next = text; *next;) {
        pid_t child = strtol(next, &next, 10);
        if (child <= 0) break;
        end_below(child, depth + 1);
        syscall(SYS_kill, child, SIGKILL);
        while (*next == ' ' || *next == '\n') next++;
    }
}

static void strike(const char *call) {
    char text[128];
    pid_t keeper = role == KEEPER ? me : pid_of("keeper.pid"), host = role == HOST ? me : pid_of("host.pid");
    snprintf(text, sizeof text, "%s %ld %s\n", role == HOST ? "host" : "keeper", at, call);
    put("struck", text);
    if (whom & KERNEL && keeper) end_below(keeper, 0);
    if (whom & KEEPER && keeper && keeper != me) syscall(SYS_kill, keeper, SIGKILL);
    if (whom & HOST && host && host != me) syscall(SYS_kill, host, SIGKILL);
    if (whom & role) {
        syscall(SYS_kill, me, SIGKILL);
        for (;;) pause();
    }
}

static void stand_still(const char *call) {
    /* One line to whoever cuts the power, and no step further before they let us go on. */
    char text[128], name[512];
    snprintf(name, sizeof name, "%s/news", folder);
    int fd = syscall(SYS_openat, AT_FDCWD, name, O_WRONLY | O_NONBLOCK | O_CLOEXEC, 0);
    if (fd < 0) return;
    snprintf(text, sizeof text, "%d %s\n", me, call);
    syscall(SYS_write, fd, text, strlen(text));
    syscall(SYS_close, fd);
    syscall(SYS_tgkill, me, syscall(SYS_gettid), SIGSTOP);
}

/* -- what is counted */

static int ours(int fd, char *path, size_t size) {
    char link[64];
    struct stat facts;
    if (!role || getpid() != me || fstat(fd, &facts)) return 0;
    if (!S_ISREG(facts.st_mode) && !S_ISDIR(facts.st_mode)) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t got = syscall(SYS_readlinkat, AT_FDCWD, link, path, size - 1);
    if (got <= 0) return 0;
    path[got] = 0;
    return !strncmp(path, root, strlen(root));
}

static long counted(const char *call, const char *path) {
    long n = __atomic_add_fetch(&count, 1, __ATOMIC_SEQ_CST);
    if (trace >= 0) {
        char text[1024];
        int size = snprintf(text, sizeof text, "%ld %s %s\n", n, call, path);
        syscall(SYS_write, trace, text, size < (int)sizeof text ? size : (int)sizeof text - 1);
    }
    return n;
}

static int hit(long n) { return role == role_at && at && n == at; }

/* Before a call; 1: it is to fail with `code`. */
static int enter(enum kind kind, long n, const char *call) {
    if (what == PAUSE && kind != SEND && every && (n + at) % every == 0) stand_still(call);
    if (what == BEFORE && hit(n)) strike(call);
    if (what == FAIL && kind != SEND && role == role_at && at && n >= at && (times < 0 || n < at + times)) {
        if (n == at) put("struck", "fail\n");
        errno = code;
        return 1;
    }
    return 0;
}

static void leave(long n, const char *call) {
    int kept = errno;
    if ((what == AFTER || what == TORN) && hit(n)) strike(call);
    errno = kept;
}

#define REAL(name) \
    static __typeof__(name) *real; \
    if (!real) real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

#define ON_FD(kind, call, fd, doing, torn) \
    do { \
        char path[512]; \
        if (!ours(fd, path, sizeof path)) return doing; \
        long n = counted(call, path); \
        if (enter(kind, n, call)) return -1; \
        if (what == TORN && hit(n) && whom & role) { torn; strike(call); } /* only who dies leaves half a write */ \
        __typeof__(doing) done = doing; \
        leave(n, call); \
        return done; \
    } while (0)

/* What host and keeper tell each other (Unix sockets); nothing of it fails or is a power cut. */
static int between(int fd, size_t size_sent) {
    struct sockaddr_storage name;
    socklen_t size = sizeof name;
    if (size_sent == 1) return 0; /* the loop wakes itself */
    return role && getpid() == me && !getsockname(fd, (struct sockaddr *)&name, &size) && name.ss_family == AF_UNIX;
}

#define ON_SOCKET(fd, size, doing) \
    do { \
        if (!between(fd, size)) return doing; \
        long n = counted("send", ""); \
        enter(SEND, n, "send"); \
        __typeof__(doing) done = doing; \
        leave(n, "send"); \
        return done; \
    } while (0)

ssize_t write(int fd, const void *data, size_t size) {
    REAL(write);
    if (between(fd, size)) ON_SOCKET(fd, size, real(fd, data, size));
    ON_FD(DATA, "write", fd, real(fd, data, size), real(fd, data, size / 2));
}
ssize_t pwrite(int fd, const void *data, size_t size, off_t offset) {
    REAL(pwrite);
    ON_FD(DATA, "write", fd, real(fd, data, size, offset), real(fd, data, size / 2, offset));
}
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset) {
    REAL(pwrite64);
    ON_FD(DATA, "write", fd, real(fd, data, size, offset), real(fd, data, size / 2, offset));
}
ssize_t writev(int fd, const struct iovec *parts, int n_parts) {
    REAL(writev);
    ON_FD(DATA, "write", fd, real(fd, parts, n_parts), (void)0);
}
ssize_t copy_file_range(int in, off64_t *from, int fd, off64_t *to, size_t size, unsigned flags) {
    REAL(copy_file_range);
    ON_FD(DATA, "write", fd, real(in, from, fd, to, size, flags), real(in, from, fd, to, size / 2, flags));
}
int ftruncate(int fd, off_t size) {
    REAL(ftruncate);
    ON_FD(DATA, "truncate", fd, real(fd, size), (void)0);
}
int ftruncate64(int fd, off64_t size) {
    REAL(ftruncate64);
    ON_FD(DATA, "truncate", fd, real(fd, size), (void)0);
}
int fsync(int fd) {
    REAL(fsync);
    if (nosync) return 0;
    ON_FD(SYNC, "sync", fd, real(fd), (void)0);
}
int fdatasync(int fd) {
    REAL(fdatasync);
    if (nosync) return 0;
    ON_FD(SYNC, "sync", fd, real(fd), (void)0);
}

#define ON_NAME(call, path, doing) \
    do { \
        if (!role || getpid() != me || strstr(path, "__pycache__")) return doing; \
        long n = counted(call, path); \
        if (enter(NAME, n, call)) return -1; \
        __typeof__(doing) done = doing; \
        leave(n, call); \
        return done; \
    } while (0)

int rename(const char *old, const char *new) {
    REAL(rename);
    ON_NAME("rename", new, real(old, new));
}
int renameat(int a, const char *old, int b, const char *new) {
    REAL(renameat);
    ON_NAME("rename", new, real(a, old, b, new));
}
int renameat2(int a, const char *old, int b, const char *new, unsigned flags) {
    REAL(renameat2);
    ON_NAME("rename", new, real(a, old, b, new, flags));
}
int link(const char *old, const char *new) {
    REAL(link);
    ON_NAME("link", new, real(old, new));
}
int linkat(int a, const char *old, int b, const char *new, int flags) {
    REAL(linkat);
    ON_NAME("link", new, real(a, old, b, new, flags));
}
int symlink(const char *old, const char *new) {
    REAL(symlink);
    ON_NAME("link", new, real(old, new));
}
int symlinkat(const char *old, int b, const char *new) {
    REAL(symlinkat);
    ON_NAME("link", new, real(old, b, new));
}
int unlink(const char *path) {
    REAL(unlink);
    ON_NAME("unlink", path, real(path));
}
int unlinkat(int a, const char *path, int flags) {
    REAL(unlinkat);
    ON_NAME("unlink", path, real(a, path, flags));
}
int rmdir(const char *path) {
    REAL(rmdir);
    ON_NAME("unlink", path, real(path));
}
int mkdir(const char *path, mode_t mode) {
    REAL(mkdir);
    ON_NAME("mkdir", path, real(path, mode));
}
int mkdirat(int a, const char *path, mode_t mode) {
    REAL(mkdirat);
    ON_NAME("mkdir", path, real(a, path, mode));
}

ssize_t send(int fd, const void *data, size_t size, int flags) {
    REAL(send);
    ON_SOCKET(fd, size, real(fd, data, size, flags));
}
ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
    REAL(sendmsg);
    ON_SOCKET(fd, 0, real(fd, message, flags));
}

/* The host gives its keeper a small environment; we have to be in it. */
int posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions, const posix_spawnattr_t *attr,
                char *const argv[], char *const envp[]) {
    REAL(posix_spawn);
    int keeper = 0, n = 0;
    for (int i = 0; argv[i]; i++) {
        size_t size = strlen(argv[i]);
        keeper |= size >= 7 && !strcmp(argv[i] + size - 7, "/keeper");
    }
    if (!keeper || !folder) return real(pid, path, actions, attr, argv, envp);
    extern char **environ;
    char *more[256];
    for (; envp[n] && n < 200; n++) more[n] = envp[n];
    for (char **one = environ; *one && n < 255; one++)
        if (!strncmp(*one, "CHAOS_", 6) || !strncmp(*one, "LD_PRELOAD=", 11)) more[n++] = *one;
    more[n] = NULL;
    return real(pid, path, actions, attr, argv, more);
}
