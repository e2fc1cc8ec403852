/*
 * qemu-system-x86_64: from a command line to a running machine.
 */
#include "hw/core/reset.h"
#include "softmmu/runstate.h"
#include "softmmu/startup/startup.h"

typedef bool Stage(RhStartup *startup, GError **err);

static bool check_used(RhStartup *startup, GError **err)
{
    return rh_args_check_used(startup->args, err);
}

static Stage *const stages[] = {
    rh_startup_policy,      /* what follows when the guest ends, crashes or hangs */
    rh_startup_process,     /* log, names, signals */
    rh_startup_backends,    /* what devices will stand on */
    rh_startup_monitors,
    rh_startup_board,
    rh_startup_devices,
    check_used,             /* no option was lost on the way */
    rh_startup_ready,       /* everything listens */
};

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
    }
    for (size_t i = 0; good && i < RH_COUNT(stages); i++) {
        good = stages[i](startup, &error);
    }
    if (good) {
        exit_code = run(startup);
    } else {
        rh_startup_report(error);
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
    RhStartup startup = { .args = &args, .ready_fd = -1 };
    int exit_code = 1;

    rh_startup_name_messages(program);
    if (!rh_args_parse(&args, argc, argv, &error)) {
        rh_startup_report(error);
    } else if (args.help) {
        fputs(args.help, stdout);
        exit_code = 0;
    } else {
        exit_code = start(&startup);
    }
    fflush(stdout);
    _exit(exit_code);
}
