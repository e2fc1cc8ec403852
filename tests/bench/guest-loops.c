/*
 * guest-loops - what bench.py tcg-* runs as init of a Linux guest, and natively on the host.
 *
 *     guest-loops MILLISECONDS NAME...
 *
 * Each loop repeats a unit of fixed work until its time has passed, so that a fast engine and a slow one both finish. A
 * unit starts from the same state each time and gives a checksum: all units of a run must agree, and bench.py compares
 * the checksum between engines and the processor. A first unit, which is not measured, brings memory in. Then the
 * program waits for a line, so that whoever drives it can read clocks at both ends:
 *
 *     LOOP begin NAME
 *     LOOP end NAME: OPERATIONS in MICROSECONDS us, CPU us, checksum HEX
 *
 * "rewrite" and "fresh" are for tcg-memory: code that changes for ever, and more code than any cache holds.
 */
#include <emmintrin.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

typedef struct Loop {
    const char *name;
    uint64_t operations;                /* of one unit */
    uint64_t (*unit)(void);             /* returns the checksum */
} Loop;

static const char *self;                /* the path of this program */

static void die(const char *what)
{
    printf("LOOP failed: %s: %s\n", what, strerror(errno));
    fflush(stdout);
    exit(1);
}

static uint64_t mix(uint64_t sum, uint64_t value)
{
    return (sum ^ value) * 0x9e3779b97f4a7c15u;
}

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* Hides from the compiler where a pointer comes from, or what a value is. */
#define OPAQUE(x) __asm__ volatile("" : "+r"(x) : : "memory")

/* ---- integer ---- */

static uint64_t unit_integer(void)
{
    uint64_t a = 1, b = 2, c = 3;

    for (int i = 0; i < 500000; i++) {
        a += (b << 5) ^ (c >> 3);
        b = (b ^ a) * 0x2545f4914f6cdd1d;
        c = c + (a & b) - (uint32_t)i;
        if ((c & 0xff) < 0x20) {
            a ^= c;
        }
    }
    return mix(mix(a, b), c);
}

static uint64_t unit_sort(void)
{
    static uint32_t values[8192];
    uint64_t random = 88172645463325252u, sum = 0;

    for (int i = 0; i < 8192; i++) {
        values[i] = next_random(&random);
    }
    for (unsigned gap = 4096; gap > 0; gap = gap == 2 ? 1 : gap * 5 / 11) {     /* Shell's sort */
        for (unsigned i = gap; i < 8192; i++) {
            uint32_t value = values[i];
            unsigned at = i;

            for (; at >= gap && values[at - gap] > value; at -= gap) {
                values[at] = values[at - gap];
            }
            values[at] = value;
        }
    }
    for (int i = 0; i < 8192; i++) {
        sum = mix(sum, values[i]);
    }
    return sum;
}

static uint64_t unit_divide(void)
{
    uint64_t random = 12345, sum = 0;

    for (int i = 0; i < 3000; i++) {
        uint64_t a = next_random(&random), b = next_random(&random) | 1;

        while (b) {
            uint64_t rest = a % b;

            a = b;
            b = rest;
        }
        sum = mix(sum, a);
    }
    return sum;
}

/* ---- memory ---- */

enum { BIG = 8 << 20 };
static uint64_t big[BIG / 8];

static uint64_t unit_copy(void)
{
    char *from = (char *)big, *to = from + BIG / 2;

    big[5] = 7;
    for (int i = 0; i < 4; i++) {
        memcpy(to, from, BIG / 8);
        OPAQUE(to);
    }
    return mix(0, *(uint64_t *)(to + 40));
}

__attribute__((optimize("no-tree-loop-distribute-patterns", "no-tree-vectorize"))) static uint64_t unit_words(void)
{
    static uint64_t from[4096], to[4096];
    uint64_t sum = 0;

    for (int round = 0; round < 100; round++) {
        for (int i = 0; i < 4096; i++) {
            to[i] = from[i] + round;
        }
        sum = mix(sum, to[round]);
    }
    return sum;
}

__attribute__((optimize("no-tree-vectorize"))) static uint64_t unit_stride(void)
{
    uint64_t sum = 0;

    big[5] = 7;
    for (int start = 0; start < 8; start++) {
        for (unsigned at = start; at < BIG / 8; at += 32) {
            sum += big[at] + at;
        }
    }
    return sum;
}

static uint64_t unit_random(void)
{
    uint64_t random = 4711, sum = 0;

    big[5] = 7;
    for (int i = 0; i < 200000; i++) {
        sum += big[next_random(&random) % (BIG / 8)] ^ i;
    }
    return sum;
}

typedef struct Node {
    struct Node *next;
    uint64_t value;
} Node;

static uint64_t unit_chase(void)
{
    enum { NODES = 16384 };
    static Node nodes[NODES];
    uint64_t sum = 0;

    if (!nodes[0].next) {
        for (unsigned i = 0; i < NODES; i++) {          /* odd step: one ring through all of them */
            nodes[i] = (Node){ .next = &nodes[(i + 6907) % NODES], .value = i };
        }
    }
    const Node *node = nodes;
    for (int i = 0; i < 400000; i++) {
        sum += node->value;
        node = node->next;
    }
    return sum;
}

/* ---- calls ---- */

__attribute__((noinline, optimize("no-optimize-sibling-calls", "no-inline"))) static uint64_t fib(unsigned n)
{
    return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

static uint64_t unit_fib(void)
{
    return fib(24);
}

__attribute__((noinline)) static int tak(int x, int y, int z)
{
    return y >= x ? z : tak(tak(x - 1, y, z), tak(y - 1, z, x), tak(z - 1, x, y));
}

static uint64_t unit_tak(void)
{
    return tak(14, 8, 2);
}

/* ---- indirect jumps ---- */

enum { OP_ADD, OP_XOR, OP_SHIFT, OP_LOAD, OP_STORE, OP_DOUBLE, OP_SKIP, OP_SWAP, OP_LOOP };

static uint64_t unit_switch(void)
{
    static const uint8_t program[] = { OP_ADD, OP_XOR, OP_LOAD, OP_SHIFT, OP_STORE, OP_DOUBLE, OP_SKIP, OP_ADD, OP_XOR,
                                       OP_SWAP, OP_LOAD, OP_ADD, OP_STORE, OP_SHIFT, OP_XOR, OP_SWAP, OP_LOOP };
    uint64_t a = 1, b = 2, slots[4] = { 5, 6, 7, 8 };
    unsigned left = 20000;

    for (const uint8_t *pc = program;;) {
        switch (*pc++) {
        case OP_ADD:    a += b; break;
        case OP_XOR:    a ^= slots[b & 3]; break;
        case OP_SHIFT:  a = a << 7 | a >> 57; break;
        case OP_LOAD:   b = slots[a & 3]; break;
        case OP_STORE:  slots[a & 3] = b + a; break;
        case OP_DOUBLE: b += b; break;
        case OP_SKIP:   pc += a & 1; break;
        case OP_SWAP: {
            uint64_t kept = a;

            a = b;
            b = kept;
            break;
        }
        case OP_LOOP:
            if (--left == 0) {
                return mix(a, b);
            }
            pc = program;
        }
    }
}

#define STEP(n) __attribute__((noinline)) static uint64_t step_##n(uint64_t x) { return x * (2 * (n) + 1) + (x >> (n + 1)); }
STEP(0) STEP(1) STEP(2) STEP(3) STEP(4) STEP(5) STEP(6) STEP(7)

static uint64_t unit_table(void)
{
    static uint64_t (*const steps[])(uint64_t) = { step_0, step_1, step_2, step_3, step_4, step_5, step_6, step_7 };
    uint64_t x = 1;

    for (int i = 0; i < 200000; i++) {
        x = steps[(x >> 7 ^ i) & 7](x);
    }
    return x;
}

typedef struct Shape Shape;
typedef struct ShapeOps {
    uint64_t (*area)(const Shape *shape);
    void (*grow)(Shape *shape, uint64_t by);
} ShapeOps;
struct Shape {
    const ShapeOps *ops;
    uint64_t x, y;
};

static uint64_t square_area(const Shape *shape) { return shape->x * shape->x; }
static uint64_t box_area(const Shape *shape) { return shape->x * shape->y; }
static uint64_t half_area(const Shape *shape) { return shape->x * shape->y / 2; }
static void grow_x(Shape *shape, uint64_t by) { shape->x += by & 15; }
static void grow_both(Shape *shape, uint64_t by) { shape->x += by & 3; shape->y ^= by & 7; }

static uint64_t unit_virtual(void)
{
    static const ShapeOps kinds[] = { { square_area, grow_x }, { box_area, grow_both }, { half_area, grow_both } };
    Shape shapes[64];
    uint64_t sum = 0;

    for (unsigned i = 0; i < 64; i++) {
        shapes[i] = (Shape){ &kinds[i * 7 % 3], i, i + 1 };
    }
    for (int round = 0; round < 2000; round++) {
        for (int i = 0; i < 64; i++) {
            Shape *shape = &shapes[i];

            sum += shape->ops->area(shape);
            shape->ops->grow(shape, sum);
        }
    }
    return sum;
}

/* ---- floating point ---- */

static uint64_t bits_of(double value)
{
    uint64_t bits;

    memcpy(&bits, &value, sizeof(bits));
    return bits;
}

static uint64_t unit_double(void)
{
    double x[5] = { 0, 4.8, 8.3, 12.8, 15.3 }, y[5] = { 0, -1.1, 4.1, -15.1, -25.9 }, vx[5] = { 0 }, vy[5] = { 0 };

    for (int step = 0; step < 6000; step++) {
        for (int i = 0; i < 5; i++) {
            for (int j = i + 1; j < 5; j++) {
                double dx = x[i] - x[j], dy = y[i] - y[j], square = dx * dx + dy * dy + 0.01;
                double pull = 0.001 / (square * __builtin_sqrt(square));

                vx[i] -= dx * pull;
                vy[i] -= dy * pull;
                vx[j] += dx * pull;
                vy[j] += dy * pull;
            }
        }
        for (int i = 0; i < 5; i++) {
            x[i] += 0.01 * vx[i];
            y[i] += 0.01 * vy[i];
        }
    }
    return mix(bits_of(x[1]), bits_of(y[3]));
}

static uint64_t unit_vector(void)
{
    static float a[1024], b[1024];
    float parts[4];
    __m128 total = _mm_setzero_ps();

    for (int i = 0; i < 1024; i++) {
        a[i] = i * 0.5f;
        b[i] = 1.0f / (i + 1);
    }
    for (int round = 0; round < 500; round++) {
        __m128 factor = _mm_set1_ps(0.25f + round * 0.001f);

        for (int i = 0; i < 1024; i += 4) {
            __m128 value = _mm_add_ps(_mm_mul_ps(_mm_load_ps(a + i), factor), _mm_load_ps(b + i));

            value = _mm_min_ps(_mm_max_ps(value, _mm_set1_ps(-1000.0f)), _mm_set1_ps(1000.0f));
            _mm_store_ps(b + i, value);
            total = _mm_add_ps(total, _mm_sub_ps(value, _mm_shuffle_ps(value, value, 0x1b)));
            total = _mm_add_ps(total, _mm_sqrt_ps(_mm_and_ps(value, _mm_castsi128_ps(_mm_set1_epi32(0x7fffffff)))));
        }
    }
    _mm_storeu_ps(parts, total);
    return mix(mix(bits_of(parts[0]), bits_of(parts[1])), mix(bits_of(parts[2]), bits_of(parts[3])));
}

static uint64_t unit_libm(void)
{
    double sum = 0, x = 0.001;

    OPAQUE(self);
    for (int i = 0; i < 20000; i++) {
        sum += sin(x) + exp(-x) + log(x + 1);
        x += 0.0009;
    }
    return bits_of(sum);
}

static uint64_t unit_x87(void)
{
    long double x = 0.5L, sum = 0;

    for (int i = 1; i < 100000; i++) {
        x = 3.7L * x * (1 - x);
        sum += x / i + __builtin_fabsl(x - sum);
        sum *= 0.5L;
    }
    return bits_of((double)sum);
}

/* ---- the system ---- */

static uint64_t unit_getppid(void)
{
    long parent = 0;

    for (int i = 0; i < 2000; i++) {
        parent = syscall(SYS_getppid);
    }
    return parent >= 0;
}

static void reap(pid_t child)
{
    int status;

    if (waitpid(child, &status, 0) != child || status != 0) {
        die("a child");
    }
}

static uint64_t unit_pipe(void)
{
    int there[2], back[2];
    uint64_t value = 1;

    if (pipe(there) || pipe(back)) {
        die("pipe");
    }
    pid_t child = fork();
    if (child == 0) {
        close(there[1]);
        while (read(there[0], &value, sizeof(value)) == sizeof(value)) {
            value++;
            if (write(back[1], &value, sizeof(value)) < 0) {
                _exit(1);
            }
        }
        _exit(0);
    }
    for (int i = 0; i < 500; i++) {
        if (write(there[1], &value, sizeof(value)) < 0 || read(back[0], &value, sizeof(value)) < 0) {
            die("pipe");
        }
    }
    close(there[1]);
    reap(child);
    close(there[0]);
    close(back[0]);
    close(back[1]);
    return value;
}

static uint32_t turn;

static void take_turns(uint32_t mine)
{
    for (int i = 0; i < 500; i++) {
        while (__atomic_load_n(&turn, __ATOMIC_ACQUIRE) != mine) {
            syscall(SYS_futex, &turn, FUTEX_WAIT_PRIVATE, !mine, NULL, NULL, 0);
        }
        __atomic_store_n(&turn, !mine, __ATOMIC_RELEASE);
        syscall(SYS_futex, &turn, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    }
}

static void *second_thread(void *unused)
{
    take_turns(1);
    return NULL;
}

static uint64_t unit_switches(void)
{
    pthread_t thread;

    turn = 0;
    if (pthread_create(&thread, NULL, second_thread, NULL)) {
        die("pthread_create");
    }
    take_turns(0);
    pthread_join(thread, NULL);
    return turn;
}

static uint64_t unit_fork(void)
{
    for (int i = 0; i < 5; i++) {
        pid_t child = fork();

        if (child == 0) {
            _exit(0);
        }
        reap(child);
    }
    return 1;
}

static uint64_t unit_mmap(void)
{
    uint64_t sum = 0;

    for (int i = 0; i < 20; i++) {
        volatile char *pages = mmap(NULL, 32 << 12, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        if (pages == MAP_FAILED) {
            die("mmap");
        }
        for (int page = 0; page < 32; page++) {
            sum += pages[page << 12];
            pages[page << 12] = 1;
        }
        munmap((void *)pages, 32 << 12);
    }
    return sum;
}

static void run(const char *const argv[])
{
    pid_t child = fork();

    if (child == 0) {
        execv(argv[0], (char *const *)argv);
        _exit(127);
    }
    reap(child);
}

static uint64_t unit_exec(void)
{
    for (int i = 0; i < 4; i++) {
        run((const char *const[]){ self, NULL });
    }
    return 1;
}

static uint64_t file_sum(const char *path)
{
    static unsigned char data[4 << 20];
    int fd = open(path, O_RDONLY);
    ssize_t size = fd < 0 ? -1 : read(fd, data, sizeof(data));
    uint64_t sum = 0;

    if (size < 0) {
        die(path);
    }
    close(fd);
    for (ssize_t i = 0; i < size; i++) {
        sum = mix(sum, data[i]);
    }
    return sum;
}

/* Paths below the current directory: the root of the initramfs, or where bench.py put the same files. */
static uint64_t unit_tcc(void)
{
    run((const char *const[]){ "usr/bin/tcc", "-c", "-nostdinc", "-o", "tmp/source.o", "source.c", NULL });
    return file_sum("tmp/source.o");
}

static uint64_t unit_cc1(void)
{
    run((const char *const[]){ "usr/bin/cc1", "-quiet", "-fpreprocessed", "-O2", "-o", "tmp/source.s", "part.c", NULL });
    return file_sum("tmp/source.s");
}

/* ---- code that changes ---- */

static unsigned char *code_pages(size_t size)
{
    static unsigned char *pages;

    if (!pages) {
        pages = mmap(NULL, size, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (pages == MAP_FAILED) {
            die("mmap of code");
        }
    }
    return pages;
}

/* mov eax, value; add eax, eax; ret */
static uint32_t write_and_call(unsigned char *code, uint32_t value)
{
    code[0] = 0xb8;
    memcpy(code + 1, &value, 4);
    memcpy(code + 5, "\x01\xc0\xc3", 3);
    OPAQUE(code);
    return ((uint32_t(*)(void))(void *)code)();
}

enum { CODE_BYTES = 32 << 20, FRESH = 8192 };

static uint64_t unit_rewrite(void)
{
    unsigned char *code = code_pages(CODE_BYTES);
    uint64_t sum = 0;

    for (uint32_t i = 0; i < 500; i++) {
        uint32_t got = write_and_call(code, i);

        if (got != 2 * i) {
            die("new code was not run");
        }
        sum = mix(sum, got);
    }
    return sum;
}

/* A new function every 64 bytes, all over the area and again. */
static uint64_t unit_fresh(void)
{
    static uint32_t next;
    unsigned char *code = code_pages(CODE_BYTES);
    uint32_t first = next;

    for (; next - first < FRESH; next++) {
        if (write_and_call(code + (next * 64 & (CODE_BYTES - 1)), next) != 2 * next) {
            die("new code was not run");
        }
    }
    return 1;
}

static const Loop loops[] = {
    { "integer", 500000, unit_integer }, { "sort", 8192, unit_sort }, { "divide", 3000, unit_divide },
    { "copy", 4 * BIG / 8, unit_copy }, { "words", 409600, unit_words }, { "stride", BIG / 8 / 4, unit_stride },
    { "random", 200000, unit_random }, { "chase", 400000, unit_chase },
    { "fib", 75025, unit_fib }, { "tak", 1, unit_tak },
    { "switch", 340000, unit_switch }, { "table", 200000, unit_table }, { "virtual", 256000, unit_virtual },
    { "double", 60000, unit_double }, { "vector", 512000, unit_vector }, { "libm", 60000, unit_libm },
    { "x87", 100000, unit_x87 },
    { "getppid", 2000, unit_getppid }, { "pipe", 500, unit_pipe }, { "switches", 1000, unit_switches },
    { "fork", 5, unit_fork }, { "mmap", 20, unit_mmap }, { "exec", 4, unit_exec },
    { "tcc", 1, unit_tcc }, { "cc1", 1, unit_cc1 },
    { "rewrite", 500, unit_rewrite }, { "fresh", FRESH, unit_fresh },
};

static uint64_t now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000u + now.tv_nsec / 1000;
}

static uint64_t usage_us(int who)
{
    struct rusage usage;

    getrusage(who, &usage);
    return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000u + usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
}

static uint64_t cpu_us(void)
{
    return usage_us(RUSAGE_SELF) + usage_us(RUSAGE_CHILDREN);
}

static void measure(const Loop *loop, uint64_t wanted_us)
{
    char line[64];
    uint64_t sum = loop->unit();        /* fetches pages, and lets the engine meet the code */
    uint64_t units = 0, elapsed;

    printf("LOOP begin %s\n", loop->name);
    fflush(stdout);
    if (!fgets(line, sizeof(line), stdin)) {
        die("standard input");
    }
    uint64_t cpu = cpu_us();
    uint64_t began = now_us();
    do {
        if (loop->unit() != sum) {
            die("two units differ");
        }
        units++;
        elapsed = now_us() - began;
    } while (elapsed < wanted_us);
    cpu = cpu_us() - cpu;
    printf("LOOP end %s: %llu in %llu us, %llu us, checksum %016llx\n", loop->name,
           (unsigned long long)(units * loop->operations), (unsigned long long)elapsed, (unsigned long long)cpu,
           (unsigned long long)sum);
    fflush(stdout);
}

int main(int argc, char *argv[])
{
    if (argc < 2) {
        return 0;               /* what "exec" runs */
    }
    self = argv[0];
    if (getpid() == 1) {        /* initramfs: nothing is there yet */
        mkdir("/proc", 0755);
        mkdir("/tmp", 0755);
        mkdir("/dev", 0755);
        mount("dev", "/dev", "devtmpfs", 0, NULL);
        mount("proc", "/proc", "proc", 0, NULL);
    }
    cpu_set_t one;              /* so that a switch is one, on the host too */
    CPU_ZERO(&one);
    CPU_SET(0, &one);
    sched_setaffinity(0, sizeof(one), &one);
    for (int i = 2; i < argc; i++) {
        for (size_t l = 0; l < sizeof(loops) / sizeof(*loops); l++) {
            if (!strcmp(argv[i], loops[l].name)) {
                measure(&loops[l], atoi(argv[1]) * 1000u);
            }
        }
    }
    puts("LOOP done");
    fflush(stdout);
    while (getpid() == 1) {     /* init must not end */
        pause();
    }
    return 0;
}
