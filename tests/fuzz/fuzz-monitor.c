/*
 * Fuzz target: texts that name character devices, bytes from QMP clients, lines of the human monitor.
 * The first byte says which. Devices are described, not opened, so that no input can touch a file.
 */
#include <sys/socket.h>
#include <sys/un.h>
#include "chardev/open.h"
#include "chardev/private.h"
#include "hw/core/machine.h"
#include "monitor/hmp.h"
#include "monitor/monitor.h"
#include "softmmu/runstate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void parse_spec(const char *text)
{
    g_autoptr(GError) err = NULL;
    g_autoptr(QmpChardevBackend) backend = rh_chr_parse_spec(text, &err);

    g_assert_true(backend ? !err : err != NULL);
}

/* One machine for all inputs; each is a client of its own. */
static RhVm *machine(void)
{
    static RhVm *vm;

    if (!vm) {
        g_autofree char *spec = g_strdup_printf("unix:rhea-fuzz-%d,abstract=on,server=on,wait=off", (int)getpid());

        rh_thread_init_main();
        vm = rh_vm_new(NULL);
        rh_lock(&vm->lock);
        g_assert_nonnull(rh_machine_new(vm, rh_machine_find_type("none", NULL), NULL));
        rh_monitor_init(vm);
        rh_vm_set_set_up(vm);
        g_assert_true(rh_monitor_open_qmp(vm, spec, false, NULL));
    }
    return vm;
}

static int connect_client(void)
{
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    int len = g_snprintf(at.sun_path + 1, sizeof(at.sun_path) - 1, "rhea-fuzz-%d", (int)getpid());
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

    g_assert_cmpint(connect(fd, (struct sockaddr *)&at, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + len)),
                    ==, 0);
    return fd;
}

static void turn(RhVm *vm, int fd)
{
    char buf[4096];

    for (int i = 0; i < 4; i++) {
        rh_loop_turn(vm->loop, false);
        while (read(fd, buf, sizeof(buf)) > 0) {
        }
    }
}

static void talk_qmp(const uint8_t *data, size_t size)
{
    RhVm *vm = machine();
    int fd = connect_client();

    turn(vm, fd);
    if (write(fd, data, size) == (ssize_t)size) {
        turn(vm, fd);
    }
    close(fd);
    rh_loop_turn(vm->loop, false);
    rh_loop_turn(vm->loop, false);
}

static void run_hmp(const char *line)
{
    g_autofree char *out G_GNUC_UNUSED = rh_hmp_run(machine(), line, 0);
    g_auto(GStrv) names G_GNUC_UNUSED = rh_hmp_complete(machine(), line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *text = NULL;

    if (!size) {
        return 0;
    }
    text = g_strndup((const char *)data + 1, size - 1);
    switch (data[0] % 3) {
    case 0: talk_qmp(data + 1, size - 1); break;
    case 1: parse_spec(text); break;
    default: run_hmp(text); break;
    }
    return 0;
}
