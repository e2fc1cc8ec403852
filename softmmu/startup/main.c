/*
 * qemu-system-x86_64: from a command line to a running machine.
 */
#include "hw/core/reset.h"
#include "softmmu/runstate.h"
#include "softmmu/startup/startup.h"

typedef bool Stage(RhStartup *startup, GError **err);

static Stage *const stages[] = {
    rh_startup_process,     /* log, names, signals */
    rh_startup_backends,    /* what devices will stand on */
    rh_startup_monitors,
    rh_startup_board,
    rh_startup_devices,
    rh_startup_ready,       /* everything listens */
};

static void run_actions(const RhArgs *args, RhRunState *run)
{
    run->start_paused = rh_args_has(args, "S");
    if (rh_args_has(args, "no-reboot")) {
        run->on_reboot = QMP_REBOOT_ACTION_SHUTDOWN;
    }
    if (rh_args_has(args, "no-shutdown")) {
        run->on_shutdown = QMP_SHUTDOWN_ACTION_PAUSE;
    }
}

static void stop_vcpus(RhVm *vm)
{
    for (guint i = vm->vcpus->len; i-- > 0;) {
        rh_vcpu_stop(vm->vcpus->pdata[i]);
    }
}

static int run(RhStartup *startup)
{
    RhVm *vm = startup->vm;
    int exit_code;

    rh_vm_set_set_up(vm);
    if (!vm->run->start_paused) {
        rh_vm_start(vm);
    }
    exit_code = rh_main_run(vm);
    stop_vcpus(vm);
    return exit_code;
}

static int start(RhStartup *startup)
{
    g_autoptr(GError) error = NULL;
    int exit_code = 1;
    bool good;

    good = rh_startup_daemonize(startup, &error);
    if (good) {
        rh_thread_init_main();
        startup->vm = rh_vm_new(&error);
        good = startup->vm;
    }
    if (good) {
        rh_lock(&startup->vm->lock);
        rh_reset_init(startup->vm);
        run_actions(startup->args, startup->vm->run);
    }
    for (size_t i = 0; good && i < RH_COUNT(stages); i++) {
        good = stages[i](startup, &error);
    }
    if (good) {
        exit_code = run(startup);
    } else {
        rh_startup_report(startup, error);
        if (startup->vm) {
            stop_vcpus(startup->vm);
        }
    }
    /* The process ends here: its memory, descriptors and the VM go with it; taking all apart would only cost time. */
    if (startup->vm) {
        rh_notifier_call(&startup->vm->run->exiting, NULL);
    }
    return exit_code;
}

int main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *program = g_path_get_basename(argv[0]);
    RhArgs args;
    RhStartup startup = { .args = &args, .program = program, .ready_fd = -1 };
    int exit_code = 1;

    if (!rh_args_parse(&args, argc, argv, &error)) {
        rh_startup_report(&startup, error);
    } else if (args.help) {
        fputs(args.help, stdout);
        exit_code = 0;
    } else {
        exit_code = start(&startup);
    }
    fflush(stdout);
    _exit(exit_code);
}
