/*
 * The qtest protocol: one line a command, one line an answer; interrupts announce themselves between answers.
 * Spec: documented interface of "-qtest".  Lock: machine lock.
 *
 *     endianness | inb inw inl ADDR | outb outw outl ADDR VALUE | readb.. readq ADDR | writeb.. writeq ADDR VALUE
 *     read ADDR LEN | write ADDR LEN 0xHEX | b64read ADDR LEN | b64write ADDR LEN TEXT | memset ADDR LEN BYTE
 *     clock_step [NS] | clock_set NS | irq_intercept_in PATH | irq_intercept_out PATH [NAME]
 *     set_irq_in PATH NAME NUM LEVEL | module_load PREFIX NAME
 */
#include "accel/qtest.h"
#include "hw/core/device.h"
#include "util/parse.h"

enum { WORDS_MAX = 6, LINE_MAX_BYTES = 256 << 20, BULK_MAX = 64 << 20 };

struct RhQtest {
    RhVm *vm;
    GString *line;
    bool is_too_long;           /* the line under way: skip to its end */
    void (*answer)(void *opaque, const char *text, size_t len);
    void *opaque;
};

typedef struct Command {
    const char *name;
    unsigned min_words, max_words;  /* after the name */
    unsigned size;                  /* of the access */
    bool (*run)(RhQtest *qtest, const struct Command *command, char **words, GError **err);
} Command;

static void say(RhQtest *qtest, const char *format, ...) G_GNUC_PRINTF(2, 3);
static void say(RhQtest *qtest, const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list args;

    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    qtest->answer(qtest->opaque, text, strlen(text));
}

static bool ok(RhQtest *qtest)
{
    say(qtest, "OK\n");
    return true;
}

static bool number(const char *word, uint64_t max, uint64_t *ret, GError **err)
{
    return rh_parse_u64(word, max, ret, err);
}

/* --- ports and memory --- */

static bool run_in(RhQtest *qtest, const Command *command, char **words, GError **err)
{
    uint64_t port;
    uint64_t value = 0;

    if (!number(words[0], 0xffff, &port, err)) {
        return false;
    }
    rh_space_load(qtest->vm->ports, NULL, port, command->size, &value);
    say(qtest, "OK 0x%04" PRIx64 "\n", value);
    return true;
}

static bool run_out(RhQtest *qtest, const Command *command, char **words, GError **err)
{
    uint64_t port;
    uint64_t value;

    if (!number(words[0], 0xffff, &port, err) || !number(words[1], UINT64_MAX, &value, err)) {
        return false;
    }
    rh_space_store(qtest->vm->ports, NULL, port, command->size, value & rh_bits(8 * command->size));
    return ok(qtest);
}

static bool run_load(RhQtest *qtest, const Command *command, char **words, GError **err)
{
    uint64_t addr;
    uint64_t value = 0;

    if (!number(words[0], UINT64_MAX, &addr, err)) {
        return false;
    }
    rh_space_load(qtest->vm->memory, NULL, addr, command->size, &value);
    say(qtest, "OK 0x%016" PRIx64 "\n", value);
    return true;
}

static bool run_store(RhQtest *qtest, const Command *command, char **words, GError **err)
{
    uint64_t addr;
    uint64_t value;

    if (!number(words[0], UINT64_MAX, &addr, err) || !number(words[1], UINT64_MAX, &value, err)) {
        return false;
    }
    rh_space_store(qtest->vm->memory, NULL, addr, command->size, value & rh_bits(8 * command->size));
    return ok(qtest);
}

/* --- bulk --- */

static bool address_and_length(char **words, uint64_t *ret_addr, uint64_t *ret_len, GError **err)
{
    return number(words[0], UINT64_MAX, ret_addr, err) && number(words[1], BULK_MAX, ret_len, err);
}

static bool run_read(RhQtest *qtest, const Command *command, char **words, GError **err)
{
    uint64_t addr;
    uint64_t len;
    g_autofree uint8_t *bytes = NULL;
    g_autoptr(GString) text = g_string_new("OK 0x");

    if (!address_and_length(words, &addr, &len, err)) {
        return false;
    }
    bytes = g_malloc(len);
    rh_space_read(qtest->vm->memory, addr, bytes, len);
    for (uint64_t i = 0; i < len; i++) {
        static const char digits[] = "0123456789abcdef";

        g_string_append_c(text, digits[bytes[i] >> 4]);
        g_string_append_c(text, digits[bytes[i] & 15]);
    }
    g_string_append_c(text, '\n');
    qtest->answer(qtest->opaque, text->str, text->len);
    return true;
}

static int hex_digit(const char *text, size_t at, size_t len)
{
    return at < len ? g_ascii_xdigit_value(text[at]) : 0;
}

static bool run_write(RhQtest *qtest, const Command *command, char **words, GError **err)
{
    uint64_t addr;
    uint64_t len;
    g_autofree uint8_t *bytes = NULL;
    const char *hex;
    size_t nr_digits;

    if (!address_and_length(words, &addr, &len, err)) {
        return false;
    }
    if (!g_str_has_prefix(words[2], "0x")) {
        return rh_fail(err, "Data of 'write' must begin with 0x");
    }
    hex = words[2] + 2;
    nr_digits = strlen(hex);
    bytes = g_malloc(len);
    for (uint64_t i = 0; i < len; i++) {    /* what is missing is zero */
        int high = hex_digit(hex, 2 * i, nr_digits);
        int low = hex_digit(hex, 2 * i + 1, nr_digits);

        if (high < 0 || low < 0) {
            return rh_fail(err, "Data of 'write' has a character that is no hexadecimal digit");
        }
        bytes[i] = high << 4 | low;
    }
    rh_space_write(qtest->vm->memory, addr, bytes, len);
    return ok(qtest);
}

static bool run_b64read(RhQtest *qtest, const Command *command, char **words, GError **err)
{
    uint64_t addr;
    uint64_t len;
    g_autofree uint8_t *bytes = NULL;
    g_autofree char *text = NULL;

    if (!address_and_length(words, &addr, &len, err)) {
        return false;
    }
    bytes = g_malloc(len);
    rh_space_read(qtest->vm->memory, addr, bytes, len);
    text = g_base64_encode(bytes, len);
    say(qtest, "OK %s\n", text);
    return true;
}

static bool run_b64write(RhQtest *qtest, const Command *command, char **words, GError **err)
{
    uint64_t addr;
    uint64_t len;
    gsize have;
    g_autofree uint8_t *bytes = NULL;

    if (!address_and_length(words, &addr, &len, err)) {
        return false;
    }
    if (words[2]) {
        bytes = g_base64_decode(words[2], &have);
        rh_space_write(qtest->vm->memory, addr, bytes, MIN(len, have));
    }
    return ok(qtest);
}

static bool run_memset(RhQtest *qtest, const Command *command, char **words, GError **err)
{
    uint64_t addr;
    uint64_t len;
    uint64_t byte;
    g_autofree uint8_t *bytes = NULL;

    if (!address_and_length(words, &addr, &len, err) || !number(words[2], 0xff, &byte, err)) {
        return false;
    }
    bytes = g_malloc(len);
    if (len) {
        memset(bytes, byte, len);
    }
    rh_space_write(qtest->vm->memory, addr, bytes, len);
    return ok(qtest);
}

/* --- time --- */

static bool step_to(RhQtest *qtest, int64_t ns)
{
    rh_clock_step_to(qtest->vm->clock, ns);
    say(qtest, "OK %" PRId64 "\n", rh_clock_now(qtest->vm->clock));
    return true;
}

static bool run_clock_step(RhQtest *qtest, const Command *command, char **words, GError **err)
{
    int64_t now = rh_clock_now(qtest->vm->clock);
    int64_t deadline = rh_clock_next_deadline(qtest->vm->clock);
    uint64_t ns;

    if (!words[0]) {
        return step_to(qtest, deadline == INT64_MAX ? now : MAX(deadline, now));
    }
    return number(words[0], (uint64_t)(INT64_MAX - now), &ns, err) && step_to(qtest, now + (int64_t)ns);
}

static bool run_clock_set(RhQtest *qtest, const Command *command, char **words, GError **err)
{
    int64_t now = rh_clock_now(qtest->vm->clock);
    uint64_t ns;

    return number(words[0], INT64_MAX, &ns, err) && step_to(qtest, MAX((int64_t)ns, now));
}

/* --- interrupts --- */

static void intercepted(void *opaque, unsigned pin, int level)
{
    say(opaque, "IRQ %s %u\n", level ? "raise" : "lower", pin);
}

static RhDevice *find_device(RhQtest *qtest, const char *path, GError **err)
{
    bool is_ambiguous = false;
    RhObject *obj = rh_object_resolve(qtest->vm->root, path, &is_ambiguous);

    if (!rh_object_is(obj, RH_TYPE_DEVICE)) {
        rh_fail(err, "Unknown device '%s'%s", path, is_ambiguous ? " (more than one)" : "");
        return NULL;
    }
    return RH_SELF(RhDevice, obj);
}

static bool run_intercept_in(RhQtest *qtest, const Command *command, char **words, GError **err)
{
    RhDevice *dev = find_device(qtest, words[0], err);

    if (!dev) {
        return false;
    }
    rh_device_intercept_in(dev, intercepted, qtest);
    return ok(qtest);
}

/* Unnamed pins and lines go by these names outside. */
static const char *group_name(const char *word)
{
    return !word || !strcmp(word, "unnamed-gpio-in") || !strcmp(word, "unnamed-gpio-out") ? NULL : word;
}

static bool run_intercept_out(RhQtest *qtest, const Command *command, char **words, GError **err)
{
    RhDevice *dev = find_device(qtest, words[0], err);

    if (!dev) {
        return false;
    }
    rh_device_intercept_out(dev, group_name(words[1]), intercepted, qtest);
    return ok(qtest);
}

static bool run_set_irq_in(RhQtest *qtest, const Command *command, char **words, GError **err)
{
    RhDevice *dev = find_device(qtest, words[0], err);
    const char *group = group_name(words[1]);
    const RhPinDesc *pins;
    uint64_t pin;
    uint64_t level;

    if (!dev || !number(words[2], UINT32_MAX, &pin, err) || !number(words[3], INT32_MAX, &level, err)) {
        return false;
    }
    pins = rh_device_find_pins(dev, group);
    if (!pins || pin >= pins->nr) {
        return rh_fail(err, "Device '%s' has no input '%s' %" PRIu64, words[0], words[1], pin);
    }
    rh_pin_set(dev, group, pin, level);
    return ok(qtest);
}

static bool run_endianness(RhQtest *qtest, const Command *command, char **words, GError **err)
{
    say(qtest, "OK little\n");
    return true;
}

static bool run_module_load(RhQtest *qtest, const Command *command, char **words, GError **err)
{
    return rh_fail(err, "There are no modules");
}

/* --- lines --- */

static const Command commands[] = {
    { "endianness",        0, 0, 0, run_endianness },
    { "inb",               1, 1, 1, run_in },
    { "inw",               1, 1, 2, run_in },
    { "inl",               1, 1, 4, run_in },
    { "outb",              2, 2, 1, run_out },
    { "outw",              2, 2, 2, run_out },
    { "outl",              2, 2, 4, run_out },
    { "readb",             1, 1, 1, run_load },
    { "readw",             1, 1, 2, run_load },
    { "readl",             1, 1, 4, run_load },
    { "readq",             1, 1, 8, run_load },
    { "writeb",            2, 2, 1, run_store },
    { "writew",            2, 2, 2, run_store },
    { "writel",            2, 2, 4, run_store },
    { "writeq",            2, 2, 8, run_store },
    { "read",              2, 2, 0, run_read },
    { "write",             3, 3, 0, run_write },
    { "b64read",           2, 2, 0, run_b64read },
    { "b64write",          2, 3, 0, run_b64write },     /* no text: length 0 */
    { "memset",            3, 3, 0, run_memset },
    { "clock_step",        0, 1, 0, run_clock_step },
    { "clock_set",         1, 1, 0, run_clock_set },
    { "irq_intercept_in",  1, 1, 0, run_intercept_in },
    { "irq_intercept_out", 1, 2, 0, run_intercept_out },
    { "set_irq_in",        4, 4, 0, run_set_irq_in },
    { "module_load",       2, 2, 0, run_module_load },
};

static bool run_words(RhQtest *qtest, char **words, GError **err)
{
    unsigned nr = g_strv_length(words) - 1;

    for (size_t i = 0; i < RH_COUNT(commands); i++) {
        const Command *command = &commands[i];

        if (strcmp(words[0], command->name)) {
            continue;
        }
        if (nr < command->min_words || nr > command->max_words) {
            return rh_fail(err, "Command '%s' has %u arguments, must have %u to %u", words[0], nr,
                           command->min_words, command->max_words);
        }
        return command->run(qtest, command, words + 1, err);
    }
    return rh_fail(err, "Unknown command '%s'", words[0]);
}

static void run_line(RhQtest *qtest, char *line)
{
    char *words[WORDS_MAX + 2] = { 0 };
    unsigned nr = 0;
    g_autoptr(GError) err = NULL;

    for (char *at = line; *at && nr <= WORDS_MAX;) {
        at += strspn(at, " \t\r");
        if (!*at) {
            break;
        }
        words[nr++] = at;
        at += strcspn(at, " \t\r");
        if (*at) {
            *at++ = '\0';
        }
    }
    if (nr && !run_words(qtest, words, &err)) {
        say(qtest, "FAIL %s\n", err->message);
    }
}

static void end_line(RhQtest *qtest)
{
    if (qtest->is_too_long) {
        say(qtest, "FAIL Line is longer than %d bytes\n", LINE_MAX_BYTES);
    } else {
        run_line(qtest, qtest->line->str);
    }
    g_string_truncate(qtest->line, 0);
    qtest->is_too_long = false;
}

void rh_qtest_feed(RhQtest *qtest, const char *bytes, size_t len)
{
    while (len) {
        const char *end = memchr(bytes, '\n', len);
        size_t part = end ? (size_t)(end - bytes) : len;

        if (part > LINE_MAX_BYTES - qtest->line->len) {
            qtest->is_too_long = true;
        } else {
            g_string_append_len(qtest->line, bytes, part);
        }
        if (!end) {
            return;
        }
        end_line(qtest);
        bytes = end + 1;
        len -= part + 1;
    }
}

RhQtest *rh_qtest_new(RhVm *vm, void (*answer)(void *opaque, const char *text, size_t len), void *opaque)
{
    RhQtest *qtest = g_new0(RhQtest, 1);

    qtest->vm = vm;
    qtest->answer = answer;
    qtest->opaque = opaque;
    qtest->line = g_string_new(NULL);
    return qtest;
}

void rh_qtest_free(RhQtest *qtest)
{
    if (qtest) {
        g_string_free(qtest->line, TRUE);
        g_free(qtest);
    }
}
