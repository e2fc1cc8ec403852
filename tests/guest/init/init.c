/*
 * init of the test guest: one static process, because a fork and exec cost 0.15 s where the guest's
 * kernel is interpreted. The kernel command line says what to do:
 *
 *   rhea.test=NAME[:ARG]...,NAME...   sub-tests, run in this order (the table at the end)
 *   rhea.end=HOW                      acpi | reboot | cf9 | kbd | stay
 *
 * Each sub-test prints "RHEA-TEST NAME: ok ..." or "RHEA-TEST NAME: FAIL ..." on the console.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define BLOCK 65536

/* One sub-test; @arg is what follows its name and a colon, or "". Text for the report is in @note. */
typedef bool TestFn(const char *arg, char *note, size_t size);

static bool failed(char *note, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static bool failed(char *note, size_t size, const char *format, ...)
{
    va_list args;
    int error = errno;
    size_t used;

    va_start(args, format);
    vsnprintf(note, size, format, args);
    va_end(args);
    used = strlen(note);
    snprintf(note + used, size - used, " (errno: %s)", strerror(error));
    return false;
}

/* Content of a small file, without its last newline; "" if it cannot be read. */
static const char *slurp(const char *path, char *buf, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, buf, size - 1);

    if (fd >= 0) {
        close(fd);
    }
    buf[n > 0 ? n : 0] = 0;
    if (n > 0 && buf[n - 1] == '\n') {
        buf[n - 1] = 0;
    }
    return buf;
}

static void spit(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);

    if (fd >= 0) {
        if (write(fd, text, strlen(text)) < 0) {
            printf("init: %s: %s\n", path, strerror(errno));
        }
        close(fd);
    }
}

static uint64_t now_ms(clockid_t clock)
{
    struct timespec ts;

    clock_gettime(clock, &ts);
    return ts.tv_sec * UINT64_C(1000) + ts.tv_nsec / 1000000;
}

static void sleep_ms(unsigned ms)
{
    struct timespec ts = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L };

    nanosleep(&ts, NULL);
}

/* cpus:N - N processors are online. */
static bool test_cpus(const char *arg, char *note, size_t size)
{
    char online[64];
    long want = strtol(arg, NULL, 10);
    long have = sysconf(_SC_NPROCESSORS_ONLN);

    slurp("/sys/devices/system/cpu/online", online, sizeof(online));
    snprintf(note, size, "%ld online (%s), want %ld", have, online, want);
    return have == want;
}

/* The same bytes for the same seed: xorshift64*. */
static void fill(uint64_t seed, uint64_t *words, size_t count)
{
    uint64_t x = seed * 0x9e3779b97f4a7c15ull + 1;

    for (size_t i = 0; i < count; i++) {
        x ^= x >> 12;
        x ^= x << 25;
        x ^= x >> 27;
        words[i] = x * 0x2545f4914f6cdd1dull;
    }
}

static bool disk_file(const char *path, unsigned seed, unsigned blocks, bool writing)
{
    static uint64_t want[BLOCK / 8], got[BLOCK / 8];
    int fd = open(path, writing ? O_CREAT | O_WRONLY : O_RDONLY, 0644);
    bool good = fd >= 0;

    for (unsigned i = 0; good && i < blocks; i++) {
        fill(seed * 1000 + i, want, BLOCK / 8);
        if (writing) {
            good = write(fd, want, BLOCK) == BLOCK;
        } else {
            good = read(fd, got, BLOCK) == BLOCK && memcmp(got, want, BLOCK) == 0;
        }
    }
    good = good && (!writing || fsync(fd) == 0);
    return fd >= 0 && close(fd) == 0 && good;
}

/* disk:NODE:KIB - ext4 on NODE takes KIB of files and gives them back after the caches are dropped. */
static bool test_disk(const char *arg, char *note, size_t size)
{
    char node[64], path[64];
    unsigned kib = 1024, files;

    if (sscanf(arg, "%63[^:]:%u", node, &kib) < 1) {
        return failed(note, size, "want disk:NODE:KIB, have '%s'", arg);
    }
    files = kib / 256 + 1;
    mkdir("/mnt", 0755);
    if (mount(node, "/mnt", "ext4", 0, "") != 0) {
        return failed(note, size, "mount of %s", node);
    }
    for (unsigned pass = 0; pass < 2; pass++) {
        for (unsigned f = 0; f < files; f++) {
            snprintf(path, sizeof(path), "/mnt/file%u", f);
            if (!disk_file(path, f, 256 * 1024 / BLOCK, pass == 0)) {
                return failed(note, size, "%s of %s", pass ? "verification" : "write", path);
            }
        }
        sync();
        spit("/proc/sys/vm/drop_caches", "3");
    }
    if (umount("/mnt") != 0) {
        return failed(note, size, "umount");
    }
    snprintf(note, size, "%s, %u files", node, files);
    return true;
}

/* rng - the hardware random source is virtio's and gives bytes. */
static bool test_rng(const char *arg, char *note, size_t size)
{
    char name[64];
    uint8_t bytes[32] = { 0 };
    unsigned set = 0;
    int fd = open("/dev/hwrng", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, bytes, sizeof(bytes));

    (void)arg;
    if (n <= 0) {
        return failed(note, size, "reading /dev/hwrng");
    }
    close(fd);
    for (ssize_t i = 0; i < n; i++) {
        set += __builtin_popcount(bytes[i]);
    }
    slurp("/sys/class/misc/hw_random/rng_current", name, sizeof(name));
    snprintf(note, size, "%s, %zd bytes, %u bits set", name, n, set);
    return set > 0 && strncmp(name, "virtio_rng", 10) == 0;
}

/* Finds the node of the virtio port called @name. */
static bool find_port(const char *name, char *node, size_t size)
{
    char path[300], have[64];
    DIR *dir = opendir("/sys/class/virtio-ports");
    struct dirent *entry;
    bool found = false;

    while (!found && dir && (entry = readdir(dir))) {
        snprintf(path, sizeof(path), "/sys/class/virtio-ports/%s/name", entry->d_name);
        if (entry->d_name[0] != '.' && strcmp(slurp(path, have, sizeof(have)), name) == 0) {
            snprintf(node, size, "/dev/%.40s", entry->d_name);
            found = true;
        }
    }
    if (dir) {
        closedir(dir);
    }
    return found;
}

/* port:NAME - a line that the host sends on the virtio port NAME goes back in capitals. */
static bool test_port(const char *arg, char *note, size_t size)
{
    char node[64], line[128];
    size_t used = 0;
    int fd;

    if (!find_port(arg, node, sizeof(node))) {
        return failed(note, size, "no port is called '%s'", arg);
    }
    fd = open(node, O_RDWR | O_CLOEXEC);
    if (fd < 0 || write(fd, "ready\n", 6) != 6) {
        return failed(note, size, "%s", node);
    }
    while (used < sizeof(line) - 1 && (used == 0 || line[used - 1] != '\n')) {
        struct pollfd ready = { .fd = fd, .events = POLLIN };
        ssize_t n = poll(&ready, 1, 20000) == 1 ? read(fd, line + used, sizeof(line) - 1 - used) : -1;

        if (n < 0) {
            return failed(note, size, "nothing came from %s", node);
        }
        used += n;
    }
    for (size_t i = 0; i < used; i++) {
        line[i] -= line[i] >= 'a' && line[i] <= 'z' ? 32 : 0;
    }
    if (write(fd, line, used) != (ssize_t)used) {
        return failed(note, size, "write to %s", node);
    }
    close(fd);
    snprintf(note, size, "%s, %zu bytes", node, used);
    return true;
}

/* hvc - /dev/hvc0 takes text. */
static bool test_hvc(const char *arg, char *note, size_t size)
{
    int fd = open("/dev/hvc0", O_WRONLY | O_NOCTTY | O_CLOEXEC);

    (void)arg;
    if (fd < 0 || write(fd, "hello from hvc0\n", 16) != 16) {
        return failed(note, size, "/dev/hvc0");
    }
    close(fd);
    return true;
}

static unsigned long mem_kib(const char *what)
{
    char text[4096];
    const char *at = strstr(slurp("/proc/meminfo", text, sizeof(text)), what);

    return at ? strtoul(at + strlen(what), NULL, 10) : 0;
}

/* balloon:MIB - total memory falls by MIB within ten seconds. */
static bool test_balloon(const char *arg, char *note, size_t size)
{
    unsigned long before = mem_kib("MemTotal:"), want = strtoul(arg, NULL, 10) * 1024, now = before;
    uint64_t began = now_ms(CLOCK_MONOTONIC);

    printf("RHEA-READY balloon\n");
    while (before - now < want && now_ms(CLOCK_MONOTONIC) - began < 20000) {
        sleep_ms(50);
        now = mem_kib("MemTotal:");
    }
    snprintf(note, size, "%lu KiB, then %lu KiB", before, now);
    return before - now >= want;
}

/* pci - prints each function: RHEA-PCI address vendor:device class. */
static bool test_pci(const char *arg, char *note, size_t size)
{
    static const char *const fields[] = { "vendor", "device", "class" };
    DIR *dir = opendir("/sys/bus/pci/devices");
    struct dirent *entry;
    unsigned count = 0;

    (void)arg;
    while (dir && (entry = readdir(dir))) {
        char path[320], text[3][32];

        if (entry->d_name[0] == '.') {
            continue;
        }
        for (unsigned i = 0; i < 3; i++) {
            snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/%s", entry->d_name, fields[i]);
            slurp(path, text[i], sizeof(text[i]));
        }
        printf("RHEA-PCI %s %s:%s %s\n", entry->d_name, text[0] + 2, text[1] + 2, text[2] + 2);
        count++;
    }
    if (dir) {
        closedir(dir);
    }
    snprintf(note, size, "%u functions", count);
    return true;
}

/* clock:EPOCH - the wall clock is within two minutes of EPOCH, and 500 ms last 500 ms. */
static bool test_clock(const char *arg, char *note, size_t size)
{
    char source[64];
    long long want = strtoll(arg, NULL, 10);
    long long off = (long long)(now_ms(CLOCK_REALTIME) / 1000) - want;
    uint64_t began = now_ms(CLOCK_MONOTONIC), took;

    sleep_ms(500);
    took = now_ms(CLOCK_MONOTONIC) - began;
    slurp("/sys/devices/system/clocksource/clocksource0/current_clocksource", source,
          sizeof(source));
    snprintf(note, size, "source %s, off by %lld s, 500 ms took %llu ms", source, off,
             (unsigned long long)took);
    return off > -120 && off < 120 && took >= 490 && took < 1500;
}

/* input:NAME - an input device is called NAME (its spaces written as underlines). */
static bool test_input(const char *arg, char *note, size_t size)
{
    char text[4096], name[64];
    size_t i;

    for (i = 0; arg[i] && i < sizeof(name) - 1; i++) {
        name[i] = arg[i] == '_' ? ' ' : arg[i];
    }
    name[i] = 0;
    snprintf(note, size, "%s", name);
    return strstr(slurp("/proc/bus/input/devices", text, sizeof(text)), name) != NULL;
}

/* power - waits for the power button (ACPI), as system_powerdown presses it. */
static bool test_power(const char *arg, char *note, size_t size)
{
    struct pollfd ready = { .fd = open("/dev/input/event0", O_RDONLY | O_CLOEXEC), .events = POLLIN };
    char name[64];

    (void)arg;
    slurp("/sys/class/input/event0/device/name", name, sizeof(name));
    if (ready.fd < 0) {
        return failed(note, size, "/dev/input/event0");
    }
    printf("RHEA-READY power\n");
    if (poll(&ready, 1, 20000) != 1) {
        return failed(note, size, "%s was not pressed", name);
    }
    close(ready.fd);
    snprintf(note, size, "%s", name);
    return strcmp(name, "Power Button") == 0;
}

static const struct {
    const char *name;
    TestFn *run;
} tests[] = {
    { "cpus", test_cpus },   { "disk", test_disk },       { "rng", test_rng },
    { "port", test_port },   { "hvc", test_hvc },         { "balloon", test_balloon },
    { "pci", test_pci },     { "clock", test_clock },     { "input", test_input },
    { "power", test_power },
};

static void run_one(const char *spec)
{
    size_t length = strcspn(spec, ":");

    for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
        if (strlen(tests[i].name) == length && strncmp(tests[i].name, spec, length) == 0) {
            char note[256] = "";
            bool good = tests[i].run(spec + length + (spec[length] == ':'), note, sizeof(note));

            printf("RHEA-TEST %s: %s %s\n", tests[i].name, good ? "ok" : "FAIL", note);
            return;
        }
    }
    printf("RHEA-TEST %s: FAIL there is no such test\n", spec);
}

/* Value of KEY= in the kernel command line; "" without. */
static const char *option(const char *cmdline, const char *key, char *buf, size_t size)
{
    const char *at = strstr(cmdline, key);

    buf[0] = 0;
    if (at) {
        at += strlen(key);
        snprintf(buf, size, "%.*s", (int)strcspn(at, " \n"), at);
    }
    return buf;
}

static void port_write(off_t port, uint8_t value)
{
    int fd = open("/dev/port", O_WRONLY | O_CLOEXEC);

    if (fd < 0 || pwrite(fd, &value, 1, port) != 1) {
        printf("init: port 0x%lx: %s\n", (unsigned long)port, strerror(errno));
    }
}

static void end(const char *how)
{
    fflush(stdout);
    sync();
    if (strcmp(how, "reboot") == 0) {
        reboot(RB_AUTOBOOT);        /* by what the kernel's reboot= says; ACPI unless told */
    } else if (strcmp(how, "cf9") == 0) {
        port_write(0xcf9, 0x02);
        port_write(0xcf9, 0x06);    /* hard reset on the edge of bit 2 */
    } else if (strcmp(how, "kbd") == 0) {
        port_write(0x64, 0xfe);     /* pulse the reset line */
    } else if (strcmp(how, "stay") != 0) {
        reboot(RB_POWER_OFF);
    }
    for (;;) {
        sleep(1000);
    }
}

int main(void)
{
    char cmdline[2048], list[1024], how[32], *spec, *rest = list;

    setvbuf(stdout, NULL, _IOLBF, 0);
    mount("proc", "/proc", "proc", 0, "");
    mount("sysfs", "/sys", "sysfs", 0, "");
    mount("devtmpfs", "/dev", "devtmpfs", 0, "");
    slurp("/proc/cmdline", cmdline, sizeof(cmdline));
    printf("RHEA-INIT up\n");
    option(cmdline, "rhea.test=", list, sizeof(list));
    while ((spec = strsep(&rest, ","))) {
        if (*spec) {
            run_one(spec);
        }
    }
    printf("RHEA-INIT done\n");
    end(option(cmdline, "rhea.end=", how, sizeof(how)));
    return 0;
}
