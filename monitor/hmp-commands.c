/*
 * Commands of the human monitor. Most call the QMP command that does the work.
 */
#include "chardev/open.h"
#include "monitor/hmp.h"
#include "monitor/hmp-qmp.h"
#include "qapi/keyval.h"
#include "softmmu/space.h"
#include "target/i386/cpu.h"
#include "target/i386/translate.h"
#include "util/json.h"
#include "util/log.h"
#include "util/parse.h"

/* --- by QMP --- */

bool rh_hmp_qmp(RhHmp *hmp, const char *command, json_object *args, json_object **ret_result, GError **err)
{
    g_autoptr(RhJson) owned = args;
    g_autoptr(RhJson) result = NULL;
    const RhQmpCommand *found = rh_qmp_command_find(command);

    if (!found) {
        return rh_fail(err, "The command %s is not supported yet", command);
    }
    if (found->flags & RH_QMP_COROUTINE) {
        return rh_fail(err, "The command %s is only offered by QMP", command);
    }
    if (!rh_qmp_command_run(found, hmp->vm, owned, &result, err)) {
        return false;
    }
    if (ret_result) {
        *ret_result = g_steal_pointer(&result);
    }
    return true;
}

json_object *rh_hmp_args(const char *name, const char *value)
{
    json_object *args = json_object_new_object();

    json_object_object_add(args, name, json_object_new_string(value));
    return args;
}

/* The rest of a line such as "virtio-blk-pci,drive=d0,id=x" as arguments of @command. */
static bool by_options(RhHmp *hmp, const char *command, const char *implied, const char *text, GError **err)
{
    json_object *args = rh_keyval_parse(text, implied, NULL, err);

    return args && rh_hmp_qmp(hmp, command, args, NULL, err);
}

static bool do_quit(RhHmp *hmp, char **words, GError **err)
{
    return rh_hmp_qmp(hmp, "quit", NULL, NULL, err);
}

static bool do_stop(RhHmp *hmp, char **words, GError **err)
{
    return rh_hmp_qmp(hmp, "stop", NULL, NULL, err);
}

static bool do_cont(RhHmp *hmp, char **words, GError **err)
{
    return rh_hmp_qmp(hmp, "cont", NULL, NULL, err);
}

static bool do_reset(RhHmp *hmp, char **words, GError **err)
{
    return rh_hmp_qmp(hmp, "system_reset", NULL, NULL, err);
}

static bool do_powerdown(RhHmp *hmp, char **words, GError **err)
{
    return rh_hmp_qmp(hmp, "system_powerdown", NULL, NULL, err);
}

static bool do_wakeup(RhHmp *hmp, char **words, GError **err)
{
    return rh_hmp_qmp(hmp, "system_wakeup", NULL, NULL, err);
}

static bool do_nmi(RhHmp *hmp, char **words, GError **err)
{
    return rh_hmp_qmp(hmp, "inject-nmi", NULL, NULL, err);
}

static bool do_device_add(RhHmp *hmp, char **words, GError **err)
{
    return by_options(hmp, "device_add", "driver", words[0] ? words[0] : "", err);
}

static bool do_device_del(RhHmp *hmp, char **words, GError **err)
{
    return rh_hmp_qmp(hmp, "device_del", rh_hmp_args("id", words[0]), NULL, err);
}

static bool do_object_add(RhHmp *hmp, char **words, GError **err)
{
    return by_options(hmp, "object-add", "qom-type", words[0], err);
}

static bool do_object_del(RhHmp *hmp, char **words, GError **err)
{
    return rh_hmp_qmp(hmp, "object-del", rh_hmp_args("id", words[0]), NULL, err);
}

static bool do_chardev_add(RhHmp *hmp, char **words, GError **err)
{
    g_autoptr(RhJson) options = rh_keyval_parse_as(words[0], "backend",
                                                   RH_KEYVAL_SHORTHAND | RH_KEYVAL_FLAT | RH_KEYVAL_NO_JSON, NULL,
                                                   NULL, err);

    return options && rh_char_open_options(hmp->vm, options, err);
}

static bool do_chardev_remove(RhHmp *hmp, char **words, GError **err)
{
    return rh_hmp_qmp(hmp, "chardev-remove", rh_hmp_args("id", words[0]), NULL, err);
}

static bool do_send_break(RhHmp *hmp, char **words, GError **err)
{
    return rh_hmp_qmp(hmp, "chardev-send-break", rh_hmp_args("id", words[0]), NULL, err);
}

static bool do_ringbuf_write(RhHmp *hmp, char **words, GError **err)
{
    json_object *args = rh_hmp_args("device", words[0]);

    json_object_object_add(args, "data", json_object_new_string(words[1]));
    return rh_hmp_qmp(hmp, "ringbuf-write", args, NULL, err);
}

static bool do_ringbuf_read(RhHmp *hmp, char **words, GError **err)
{
    json_object *args = rh_hmp_args("device", words[0]);
    g_autoptr(RhJson) text = NULL;
    int64_t size;

    json_object_object_add(args, "size", json_object_new_int64(rh_hmp_eval(words[1], &size, NULL) ? size : 0));
    if (!rh_hmp_qmp(hmp, "ringbuf-read", args, &text, err)) {
        return false;
    }
    rh_hmp_printf(hmp, "%s\n", json_object_get_string(text));
    return true;
}

static bool do_getfd(RhHmp *hmp, char **words, GError **err)
{
    return rh_hmp_qmp(hmp, "getfd", rh_hmp_args("fdname", words[0]), NULL, err);
}

static bool do_closefd(RhHmp *hmp, char **words, GError **err)
{
    return rh_hmp_qmp(hmp, "closefd", rh_hmp_args("fdname", words[0]), NULL, err);
}

static bool do_balloon(RhHmp *hmp, char **words, GError **err)
{
    json_object *args;
    uint64_t bytes;

    if (!rh_parse_size(words[0], 'M', &bytes, err)) {
        return false;
    }
    args = json_object_new_object();
    json_object_object_add(args, "value", json_object_new_uint64(bytes));
    return rh_hmp_qmp(hmp, "balloon", args, NULL, err);
}

static bool do_set_link(RhHmp *hmp, char **words, GError **err)
{
    json_object *args;
    bool is_up;

    if (!rh_parse_bool(words[1], &is_up, err)) {
        return false;
    }
    args = rh_hmp_args("name", words[0]);
    json_object_object_add(args, "up", json_object_new_boolean(is_up));
    return rh_hmp_qmp(hmp, "set_link", args, NULL, err);
}

static bool do_watchdog_action(RhHmp *hmp, char **words, GError **err)
{
    return rh_hmp_qmp(hmp, "set-action", rh_hmp_args("watchdog", words[0]), NULL, err);
}

static bool do_block_resize(RhHmp *hmp, char **words, GError **err)
{
    json_object *args;
    uint64_t bytes;

    if (!rh_parse_size(words[1], 'M', &bytes, err)) {
        return false;
    }
    args = rh_hmp_args("device", words[0]);
    json_object_object_add(args, "size", json_object_new_uint64(bytes));
    return rh_hmp_qmp(hmp, "block_resize", args, NULL, err);
}

/* "ctrl-alt-f1", "0x1d-a" */
static bool do_sendkey(RhHmp *hmp, char **words, GError **err)
{
    g_auto(GStrv) names = g_strsplit(words[0], "-", -1);
    g_autoptr(RhJson) args = json_object_new_object();
    json_object *keys = json_object_new_array();
    uint64_t number;

    json_object_object_add(args, "keys", keys);
    for (char **name = names; *name; name++) {
        bool is_number = g_str_has_prefix(*name, "0x");
        json_object *key = rh_hmp_args("type", is_number ? "number" : "qcode");

        json_object_array_add(keys, key);
        if (is_number && !rh_parse_u64(*name, UINT8_MAX, &number, err)) {
            return false;
        }
        json_object_object_add(key, "data", is_number ? json_object_new_uint64(number)
                                            : json_object_new_string(g_str_equal(*name, "<") ? "less" : *name));
    }
    if (words[1]) {
        if (!rh_parse_u64(words[1], INT32_MAX, &number, err)) {
            return false;
        }
        json_object_object_add(args, "hold-time", json_object_new_uint64(number));
    }
    return rh_hmp_qmp(hmp, "send-key", g_steal_pointer(&args), NULL, err);
}

static bool do_screendump(RhHmp *hmp, char **words, GError **err)
{
    return rh_fail(err, "screendump is not supported yet: there is no display");
}

static bool do_snapshot(RhHmp *hmp, char **words, GError **err)
{
    return rh_fail(err, "snapshots are not supported yet");
}

/* --- objects --- */

static bool do_qom_list(RhHmp *hmp, char **words, GError **err)
{
    g_autoptr(RhJson) list = NULL;

    if (!rh_hmp_qmp(hmp, "qom-list", rh_hmp_args("path", words[0] ? words[0] : "/"), &list, err)) {
        return false;
    }
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        json_object *entry = json_object_array_get_idx(list, i);

        rh_hmp_printf(hmp, "%s (%s)\n", rh_json_text(entry, "name"), rh_json_text(entry, "type"));
    }
    return true;
}

static bool do_qom_get(RhHmp *hmp, char **words, GError **err)
{
    json_object *args = rh_hmp_args("path", words[0]);
    g_autoptr(RhJson) value = NULL;

    json_object_object_add(args, "property", json_object_new_string(words[1]));
    if (!rh_hmp_qmp(hmp, "qom-get", args, &value, err)) {
        return false;
    }
    rh_hmp_printf(hmp, "%s\n", rh_json_line(value));
    return true;
}

static bool do_qom_set(RhHmp *hmp, char **words, GError **err)
{
    json_object *args = rh_hmp_args("path", words[0]);

    json_object_object_add(args, "property", json_object_new_string(words[1]));
    json_object_object_add(args, "value", json_object_new_string(words[2]));
    return rh_hmp_qmp(hmp, "qom-set", args, NULL, err);
}

/* --- numbers and memory --- */

/* "/4xb": how many, in which format, of which size. */
typedef struct Format {
    int64_t nr;
    char letter;        /* x d u o c; i is for instructions */
    unsigned size;      /* bytes */
} Format;

enum { MAX_DUMP = 65536 };

static bool parse_format(const char *text, Format *format, GError **err)
{
    const char *p = text + 1;

    if (g_ascii_isdigit(*p)) {
        char *end;

        format->nr = (int64_t)MIN(g_ascii_strtoull(p, &end, 10), MAX_DUMP);
        p = end;
    }
    for (; *p; p++) {
        if (strchr("xduoc", *p)) {
            format->letter = *p;
        } else if (strchr("bhwg", *p)) {
            format->size = *p == 'b' ? 1 : *p == 'h' ? 2 : *p == 'w' ? 4 : 8;
        } else if (*p == 'i') {
            return rh_fail(err, "disassembly is not supported yet");
        } else {
            return rh_fail(err, "invalid char in format: '%c'", *p);
        }
    }
    return true;
}

static void print_value(RhHmp *hmp, const Format *format, uint64_t value, bool is_padded)
{
    int64_t extended = (int64_t)(value << (64 - 8 * format->size)) >> (64 - 8 * format->size);
    int width = is_padded ? (int)format->size * 2 : 1;

    switch (format->letter) {
    case 'd': rh_hmp_printf(hmp, "%" PRIi64, extended); break;
    case 'u': rh_hmp_printf(hmp, "%" PRIu64, value); break;
    case 'o': rh_hmp_printf(hmp, "%#" PRIo64, value); break;
    case 'c': rh_hmp_printf(hmp, g_ascii_isprint(value & 0xff) ? "'%c'" : "'\\x%02x'", (int)(value & 0xff)); break;
    default: rh_hmp_printf(hmp, "0x%0*" PRIx64, width, value); break;
    }
}

static bool do_print(RhHmp *hmp, char **words, GError **err)
{
    Format format = { .nr = 1, .letter = 'x', .size = 8 };
    g_auto(GStrv) parts = NULL;
    const char *text = words[0];
    int64_t value;

    if (text[0] == '/') {
        parts = g_strsplit(text, " ", 2);
        if (!parse_format(parts[0], &format, err)) {
            return false;
        }
        format.size = 8;
        text = parts[1] ? parts[1] : "";
    }
    if (!rh_hmp_eval(text, &value, err)) {
        return false;
    }
    print_value(hmp, &format, value, false);
    rh_hmp_printf(hmp, "\n");
    return true;
}

typedef bool Reader(RhHmp *hmp, uint64_t addr, void *buf, size_t len);

static bool read_physical(RhHmp *hmp, uint64_t addr, void *buf, size_t len)
{
    return rh_space_read(hmp->vm->memory, addr, buf, len) == RH_MEM_OK;
}

static bool read_virtual(RhHmp *hmp, uint64_t addr, void *buf, size_t len)
{
    const RhX86Cpu *cpu = rh_x86_cpu(hmp->vm->vcpus->pdata[hmp->cpu]);

    return rh_x86_read_linear(rh_vm_memory(hmp->vm, cpu->x86.state.events.is_in_smm), &cpu->x86.state, addr, buf, len);
}

static void dump(RhHmp *hmp, const Format *format, uint64_t addr, Reader *read)
{
    unsigned in_line = format->letter == 'c' || format->size > 4 ? 2 : 16 / format->size;

    in_line = format->letter == 'x' && format->size == 1 ? 8 : MIN(in_line, 8);
    for (int64_t i = 0; i < format->nr; i++, addr += format->size) {
        uint8_t bytes[8] = { 0 };

        if (i % in_line == 0) {
            rh_hmp_printf(hmp, i ? "\n%016" PRIx64 ":" : "%016" PRIx64 ":", addr);
        }
        if (!read(hmp, addr, bytes, format->size)) {
            rh_hmp_printf(hmp, " Cannot access memory\n");
            return;
        }
        rh_hmp_printf(hmp, " ");
        print_value(hmp, format, rh_ld(bytes, format->size), true);
    }
    rh_hmp_printf(hmp, "\n");
}

static bool dump_words(RhHmp *hmp, char **words, Reader *read, GError **err)
{
    Format format = { .nr = 1, .letter = 'x', .size = 4 };
    g_auto(GStrv) parts = NULL;
    const char *text = words[0];
    int64_t addr;

    if (text[0] == '/') {
        parts = g_strsplit(text, " ", 2);
        if (!parse_format(parts[0], &format, err)) {
            return false;
        }
        text = parts[1] ? parts[1] : "";
    }
    if (!rh_hmp_eval(text, &addr, err)) {
        return false;
    }
    dump(hmp, &format, (uint64_t)addr, read);
    return true;
}

static bool do_xp(RhHmp *hmp, char **words, GError **err)
{
    return dump_words(hmp, words, read_physical, err);
}

static bool do_x(RhHmp *hmp, char **words, GError **err)
{
    if (!hmp->vm->vcpus->len) {
        rh_hmp_printf(hmp, "Can not dump without CPU\n");
        return true;
    }
    if ((uint64_t)hmp->cpu >= hmp->vm->vcpus->len || !rh_x86_cpu_fetch(rh_x86_cpu(hmp->vm->vcpus->pdata[hmp->cpu]))) {
        return rh_fail(err, "The registers of CPU %" PRId64 " cannot be read", hmp->cpu);
    }
    return dump_words(hmp, words, read_virtual, err);
}

/* "addr size file" */
static bool save(RhHmp *hmp, const char *command, char **words, GError **err)
{
    json_object *args = rh_hmp_args("filename", words[2]);
    int64_t addr, size;

    json_object_object_add(args, "cpu-index", json_object_new_int64(hmp->cpu));
    if (g_str_equal(command, "pmemsave")) {
        json_object_object_del(args, "cpu-index");
    }
    if (!rh_hmp_eval(words[0], &addr, err) || !rh_hmp_eval(words[1], &size, err)) {
        json_object_put(args);
        return false;
    }
    json_object_object_add(args, "val", json_object_new_int64(addr));
    json_object_object_add(args, "size", json_object_new_int64(size));
    return rh_hmp_qmp(hmp, command, args, NULL, err);
}

static bool do_memsave(RhHmp *hmp, char **words, GError **err)
{
    return save(hmp, "memsave", words, err);
}

static bool do_pmemsave(RhHmp *hmp, char **words, GError **err)
{
    return save(hmp, "pmemsave", words, err);
}

static bool do_cpu(RhHmp *hmp, char **words, GError **err)
{
    uint64_t index;

    if (!rh_parse_u64(words[0], UINT32_MAX, &index, err)) {
        return false;
    }
    if (index >= hmp->vm->vcpus->len) {
        rh_hmp_printf(hmp, "invalid CPU index\n");
    } else {
        hmp->cpu = (int64_t)index;
    }
    return true;
}

static bool do_log(RhHmp *hmp, char **words, GError **err)
{
    uint32_t mask;

    if (!rh_log_mask_parse(words[0], &mask, err)) {
        return false;
    }
    rh_log_set_mask(mask);
    return true;
}

/* --- help --- */

static bool do_help(RhHmp *hmp, char **words, GError **err)
{
    const RhHmpCommand *row = words[0] ? rh_hmp_find(&rh_hmp_commands, words[0]) : NULL;

    if (words[0] && strcmp(words[0], "info") == 0) {
        rh_hmp_list(hmp, &rh_hmp_infos, "info ");
    } else if (words[0]) {
        rh_hmp_list(hmp, &(RhHmpTable){ row, row != NULL }, "");
    } else {
        rh_hmp_list(hmp, &rh_hmp_commands, "");
    }
    return true;
}

static bool do_info(RhHmp *hmp, char **words, GError **err)
{
    rh_hmp_list(hmp, &rh_hmp_infos, "info ");
    return true;
}

static const RhHmpCommand rows[] = {
    { "balloon", "target", "request VM to change its memory allocation (in MB)", 1, 1, .run = do_balloon },
    { "block_resize", "device size", "resize a block image", 2, 2, .run = do_block_resize },
    { "chardev-add", "args", "add chardev", 1, 1, true, do_chardev_add },
    { "chardev-remove", "id", "remove chardev", 1, 1, .run = do_chardev_remove },
    { "chardev-send-break", "id", "send a break on chardev", 1, 1, .run = do_send_break },
    { "closefd", "name", "close a file descriptor previously passed via SCM rights", 1, 1, .run = do_closefd },
    { "cont|c", "", "resume emulation", 0, 0, .run = do_cont },
    { "cpu", "index", "set the default CPU", 1, 1, .run = do_cpu },
    { "delvm", "tag", "delete a VM snapshot from its tag", 1, 1, .run = do_snapshot },
    { "device_add", "driver[,prop=value][,...]", "add device, like -device on the command line", 0, 1, true,
      do_device_add },
    { "device_del", "device", "remove device", 1, 1, .run = do_device_del },
    { "getfd", "name", "receive a file descriptor via SCM rights and assign it a name", 1, 1, .run = do_getfd },
    { "help|?", "[cmd]", "show the help", 0, 1, .run = do_help },
    { "info", "[subcommand]", "show various information about the system state", 0, 0, .run = do_info },
    { "loadvm", "tag", "restore a VM snapshot from its tag", 1, 1, .run = do_snapshot },
    { "log", "item1[,...]", "activate logging of the specified items", 1, 1, .run = do_log },
    { "memsave", "addr size file", "save to disk virtual memory dump starting at 'addr' of size 'size'", 3, 3,
      .run = do_memsave },
    { "nmi", "", "inject an NMI", 0, 0, .run = do_nmi },
    { "object_add", "[qom-type=]type,id=str[,prop=value][,...]", "create QOM object", 1, 1, true, do_object_add },
    { "object_del", "id", "destroy QOM object", 1, 1, .run = do_object_del },
    { "pmemsave", "addr size file", "save to disk physical memory dump starting at 'addr' of size 'size'", 3, 3,
      .run = do_pmemsave },
    { "print|p", "/fmt expr", "print expression value (use $reg for CPU register access)", 1, 1, true, do_print },
    { "qom-get", "path property", "print QOM property", 2, 2, .run = do_qom_get },
    { "qom-list", "path", "list QOM properties", 0, 1, .run = do_qom_list },
    { "qom-set", "path property value", "set QOM property", 3, 3, .run = do_qom_set },
    { "quit|q", "", "quit the emulator", 0, 0, .run = do_quit },
    { "ringbuf_read", "device size", "Read from a ring buffer character device", 2, 2, .run = do_ringbuf_read },
    { "ringbuf_write", "device data", "Write to a ring buffer character device", 2, 2, .run = do_ringbuf_write },
    { "savevm", "tag", "save a VM snapshot", 0, 1, .run = do_snapshot },
    { "screendump", "filename", "save screen into PPM image 'filename'", 1, 4, .run = do_screendump },
    { "sendkey", "keys [hold_ms]", "send keys to the VM", 1, 2, .run = do_sendkey },
    { "set_link", "name on|off", "change the link status of a network adapter", 2, 2, .run = do_set_link },
    { "stop|s", "", "stop emulation", 0, 0, .run = do_stop },
    { "system_powerdown", "", "send system power down event", 0, 0, .run = do_powerdown },
    { "system_reset", "", "reset the system", 0, 0, .run = do_reset },
    { "system_wakeup", "", "wakeup guest from suspend", 0, 0, .run = do_wakeup },
    { "watchdog_action", "[reset|shutdown|poweroff|pause|debug|none]", "change watchdog action", 1, 1,
      .run = do_watchdog_action },
    { "x", "/fmt addr", "virtual memory dump starting at 'addr'", 1, 1, true, do_x },
    { "xp", "/fmt addr", "physical memory dump starting at 'addr'", 1, 1, true, do_xp },
};

const RhHmpTable rh_hmp_commands = RH_TABLE(rows);
