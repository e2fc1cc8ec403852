/*
 * The process around the machine: background, names, signals, log.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include "qapi-options.h"
#include "qapi-types.h"
#include "softmmu/runstate.h"
#include "softmmu/startup/startup.h"
#include "util/log.h"

typedef struct ProcessRoom {
    RhWatch signals;
    int signal_fd;
    char *pidfile;
    RhNotifier exiting;
} ProcessRoom;

RH_ROOM(process_room, ProcessRoom, .name = "process");

/* --- messages: every g_printerr of the program passes here and gets its name in front --- */

static void print_plain(const char *text)
{
    fprintf(stderr, "%s: %s", g_get_prgname(), text);
}

static void print_stamped(const char *text)
{
    g_autoptr(GDateTime) now = g_date_time_new_now_utc();
    g_autofree char *stamp = g_date_time_format(now, "%Y-%m-%dT%H:%M:%S");

    fprintf(stderr, "%s.%06dZ %s: %s", stamp, g_date_time_get_microsecond(now), g_get_prgname(), text);
}

static bool set_messages(const RhArgs *args, GError **err)
{
    g_autoptr(QmpMsgOptions) msg = NULL;

    if (!rh_args_struct(args, "msg", (void **)&msg, err)) {
        return false;
    }
    if (msg && msg->guest_name) {
        return rh_fail(err, "-msg guest-name=on is not supported yet");
    }
    g_set_printerr_handler(msg && msg->timestamp ? print_stamped : print_plain);
    return true;
}

void rh_startup_name_messages(const char *program)
{
    g_set_prgname(program);
    g_set_printerr_handler(print_plain);
}

void rh_startup_report(const GError *error)
{
    const char *hint = rh_error_hint(error);

    g_printerr("%s\n", error->message);
    if (hint) {
        fprintf(stderr, "%s\n", hint);
    }
}

void rh_startup_warn(const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list args;

    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    g_printerr("warning: %s\n", text);
}

/* --- background --- */

/* The parent: end as the child says, or fail as it fails. */
static G_GNUC_NORETURN void wait_for_child(int fd)
{
    uint8_t status = 1;
    ssize_t got;

    do {
        got = read(fd, &status, sizeof(status));
    } while (got < 0 && errno == EINTR);
    _exit(got == sizeof(status) ? status : 1);
}

bool rh_startup_daemonize(RhStartup *startup, GError **err)
{
    int pipe_fds[2];
    pid_t pid;

    if (!rh_args_has(startup->args, "daemonize")) {
        return true;
    }
    if (rh_args_has(startup->args, "nographic") && !rh_args_has(startup->args, "nodefaults") &&
        !rh_args_has(startup->args, "serial")) {
        return rh_fail(err, "-nographic cannot be used with -daemonize");
    }
    if (pipe2(pipe_fds, O_CLOEXEC) < 0) {
        return rh_fail_errno(err, errno, "-daemonize: cannot make a pipe");
    }
    pid = fork();
    if (pid < 0) {
        return rh_fail_errno(err, errno, "-daemonize: cannot fork");
    }
    if (pid > 0) {
        close(pipe_fds[1]);
        wait_for_child(pipe_fds[0]);
    }
    close(pipe_fds[0]);
    startup->ready_fd = pipe_fds[1];
    setsid();
    /* A second fork: a daemon that leads no session can never get a controlling terminal. */
    pid = fork();
    if (pid < 0) {
        return rh_fail_errno(err, errno, "-daemonize: cannot fork");
    }
    if (pid > 0) {
        _exit(0);
    }
    umask(027);
    return true;
}

bool rh_startup_ready(RhStartup *startup, GError **err)
{
    uint8_t status = 0;
    int null_fd;

    if (startup->ready_fd < 0) {
        return true;
    }
    null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null_fd < 0 || chdir("/") < 0) {
        return rh_fail_errno(err, errno, "-daemonize: cannot leave the terminal");
    }
    dup2(null_fd, 0);
    dup2(null_fd, 1);
    if (!rh_args_has(startup->args, "D")) {
        dup2(null_fd, 2);
    }
    close(null_fd);
    if (write(startup->ready_fd, &status, sizeof(status)) != sizeof(status)) {
        return rh_fail_errno(err, errno, "-daemonize: cannot tell the parent process");
    }
    close(startup->ready_fd);
    startup->ready_fd = -1;
    return true;
}

/* --- signals --- */

/* What a person recognises in "from pid 77 (libvirtd)"; empty when the process is gone. */
static char *process_name(unsigned pid)
{
    g_autofree char *path = g_strdup_printf("/proc/%u/cmdline", pid);
    char *name = NULL;

    return g_file_get_contents(path, &name, NULL, NULL) ? name : g_strdup("");
}

static void on_signal(void *opaque, unsigned events)
{
    RhVm *vm = opaque;
    ProcessRoom *room = rh_vm_room(vm, &process_room);
    struct signalfd_siginfo info;

    while (read(room->signal_fd, &info, sizeof(info)) == sizeof(info)) {
        if (info.ssi_signo != SIGINT || info.ssi_pid) {
            g_autofree char *name = process_name(info.ssi_pid);

            g_printerr("terminating on signal %u from pid %u (%s)\n", info.ssi_signo, info.ssi_pid, name);
        }
        rh_request_shutdown(vm, QMP_SHUTDOWN_CAUSE_HOST_SIGNAL);
    }
}

static bool watch_signals(RhVm *vm, ProcessRoom *room, GError **err)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    room->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (room->signal_fd < 0) {
        return rh_fail_errno(err, errno, "cannot watch for signals");
    }
    rh_watch_begin(&room->signals, vm->loop, room->signal_fd, RH_READABLE, on_signal, vm);
    return true;
}

/* --- pidfile --- */

static void remove_pidfile(RhNotifier *self, void *data)
{
    ProcessRoom *room = RH_CONTAINER(ProcessRoom, exiting, self);

    if (room->pidfile) {
        unlink(room->pidfile);
        g_clear_pointer(&room->pidfile, g_free);
    }
}

static bool write_pidfile(RhVm *vm, ProcessRoom *room, const char *path, GError **err)
{
    g_autofree char *text = g_strdup_printf("%d\n", getpid());
    int fd;

    if (!path) {
        return true;
    }
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);    /* stays open and locked while we live */
    if (fd < 0) {
        return rh_fail_errno(err, errno, "cannot create PID file: Failed to open '%s'", path);
    }
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        close(fd);
        return rh_fail(err, "cannot create PID file: '%s' is locked by another process", path);
    }
    if (ftruncate(fd, 0) < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text)) {
        return rh_fail_errno(err, errno, "cannot create PID file '%s'", path);
    }
    room->pidfile = g_canonicalize_filename(path, NULL);
    room->exiting.fn = remove_pidfile;
    rh_notifier_add(&vm->run->exiting, &room->exiting);
    return true;
}

/* --- log --- */

static bool set_up_trace(const RhArg *arg, void *opaque, GError **err)
{
    g_autoptr(QmpTraceOptions) options = rh_option_read(arg->option, arg->json, arg->is_json, err);

    if (!options) {
        return false;
    }
    if (options->enable && !rh_trace_set(options->enable, true) && !strpbrk(options->enable, "*?")) {
        rh_startup_warn("-trace %s: trace event '%s' does not exist", arg->text, options->enable);
    }
    return (!options->events || rh_trace_load(options->events, err)) &&
           (!options->file || rh_log_set_file(options->file, err));
}

static bool set_up_log(const RhArgs *args, GError **err)
{
    const char *items = rh_args_text(args, "d");
    const char *path = rh_args_text(args, "D");
    uint32_t mask;

    if (path && !rh_log_set_file(path, err)) {
        return false;
    }
    if (items) {
        if (!rh_log_mask_parse(items, &mask, err)) {
            return false;
        }
        rh_log_set_mask(mask);
    }
    return rh_args_each(args, "trace", set_up_trace, NULL, err);
}

/* --- names, memory --- */

static bool set_names(const RhArgs *args, GError **err)
{
    g_autoptr(QmpNameOptions) name = NULL;

    if (!rh_args_struct(args, "name", (void **)&name, err)) {
        return false;
    }
    if (name && name->process) {
        prctl(PR_SET_NAME, name->process);
    }
    return true;
}

static bool lock_memory(const RhArgs *args, GError **err)
{
    g_autoptr(QmpOvercommitOptions) overcommit = NULL;

    if (!rh_args_struct(args, "overcommit", (void **)&overcommit, err)) {
        return false;
    }
    if (overcommit && overcommit->mem_lock && mlockall(MCL_CURRENT | MCL_FUTURE) < 0) {
        return rh_fail_errno(err, errno, "-overcommit mem-lock=on: cannot lock memory");
    }
    return true;
}

bool rh_startup_process(RhStartup *startup, GError **err)
{
    ProcessRoom *room = rh_vm_room(startup->vm, &process_room);

    return set_messages(startup->args, err) && set_up_log(startup->args, err) && set_names(startup->args, err) &&
           lock_memory(startup->args, err) && watch_signals(startup->vm, room, err) &&
           write_pidfile(startup->vm, room, rh_args_text(startup->args, "pidfile"), err);
}
