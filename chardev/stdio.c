/*
 * stdio - the terminal, or whatever standard input and output are.
 *
 * A terminal is put into raw mode and is restored at every way out: close, exit(), a stop by SIGTSTP
 * (SIGCONT makes it raw again) and a crash. The terminal belongs to the process, not to a machine, so what
 * signal handlers need is static here.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <termios.h>
#include "chardev/private.h"
#include "softmmu/runstate.h"

typedef struct StdioChar {
    RhChardev parent;
    RhCharFd io;
    bool is_owner;
    RhNotifier exiting;                 /* the program may end by _exit, past atexit */
} StdioChar;

static struct Terminal {
    bool is_taken;                      /* by a stdio device; there is one at most */
    volatile sig_atomic_t is_raw;
    struct termios before;
    struct termios raw;
    bool has_handlers;
} terminal;

/* Async-signal-safe. SIGTTOU would stop a process in the background, hence blocked meanwhile. */
static void apply(const struct termios *mode)
{
    int saved_errno = errno;
    sigset_t ttou;
    sigset_t before;

    sigemptyset(&ttou);
    sigaddset(&ttou, SIGTTOU);
    pthread_sigmask(SIG_BLOCK, &ttou, &before);
    tcsetattr(STDIN_FILENO, TCSANOW, mode);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = saved_errno;
}

static void restore(void)
{
    if (terminal.is_raw) {
        apply(&terminal.before);
    }
}

/*
 * Stop, as the user wants; what follows raise runs after SIGCONT, or at once where nobody could ever
 * send that (an orphaned process group is not stopped).
 */
static void on_stop(int signal)
{
    struct sigaction mine;
    struct sigaction standard = { .sa_handler = SIG_DFL };
    sigset_t stop;
    sigset_t before;

    restore();
    sigaction(signal, &standard, &mine);
    sigemptyset(&stop);
    sigaddset(&stop, signal);
    raise(signal);
    pthread_sigmask(SIG_UNBLOCK, &stop, &before);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    sigaction(signal, &mine, NULL);
    if (terminal.is_raw) {
        apply(&terminal.raw);
    }
}

static void on_continue(int signal)
{
    if (terminal.is_raw) {
        apply(&terminal.raw);
    }
}

/* The handler is gone already (SA_RESETHAND): the signal now does what it always does. */
static void on_crash(int signal)
{
    restore();
    raise(signal);
}

static void handle(int signal, void (*fn)(int), int flags)
{
    struct sigaction action = { .sa_handler = fn, .sa_flags = flags };
    struct sigaction before;

    if (sigaction(signal, NULL, &before) == 0 && before.sa_handler == SIG_DFL) {
        sigaction(signal, &action, NULL);
    }
}

static void set_up_handlers(void)
{
    static const int crashes[] = { SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL };

    if (terminal.has_handlers) {
        return;
    }
    terminal.has_handlers = true;
    atexit(restore);
    handle(SIGTSTP, on_stop, SA_RESTART);
    handle(SIGCONT, on_continue, SA_RESTART);
    for (size_t i = 0; i < RH_COUNT(crashes); i++) {
        handle(crashes[i], on_crash, SA_RESETHAND | SA_NODEFER);
    }
}

static void make_raw(bool keeps_signals)
{
    if (tcgetattr(STDIN_FILENO, &terminal.before) < 0) {
        return;
    }
    terminal.raw = terminal.before;
    terminal.raw.c_iflag &= ~(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON);
    terminal.raw.c_oflag |= OPOST;      /* our own messages still begin at the left */
    terminal.raw.c_lflag &= ~(ECHO | ECHONL | ICANON | IEXTEN);
    if (!keeps_signals) {
        terminal.raw.c_lflag &= ~ISIG;
    }
    terminal.raw.c_cflag = (terminal.raw.c_cflag & ~(CSIZE | PARENB)) | CS8;
    terminal.raw.c_cc[VMIN] = 1;
    terminal.raw.c_cc[VTIME] = 0;
    set_up_handlers();
    apply(&terminal.raw);
    terminal.is_raw = 1;
}

static void on_exit_of_program(RhNotifier *self, void *data)
{
    restore();
}

static bool stdio_open(RhChardev *chr, const void *options, GError **err)
{
    StdioChar *self = RH_SELF(StdioChar, chr);
    const QmpChardevStdio *given = options;

    if (terminal.is_taken) {
        return rh_fail(err, "cannot use stdio by multiple character devices");
    }
    terminal.is_taken = self->is_owner = true;
    if (isatty(STDIN_FILENO)) {
        make_raw(!given->has_signal || given->signal);
    }
    self->exiting.fn = on_exit_of_program;
    rh_notifier_add(&chr->obj.vm->run->exiting, &self->exiting);
    self->io.is_shared = true;
    self->io.is_terminal = isatty(STDOUT_FILENO);
    /* No .closed: output goes on after the end of input. */
    rh_char_fd_begin(&self->io, chr, STDIN_FILENO, STDOUT_FILENO);
    rh_chr_set_open(chr, true);
    return true;
}

static void stdio_close(RhChardev *chr)
{
    StdioChar *self = RH_SELF(StdioChar, chr);

    rh_char_fd_end(&self->io);
    rh_notifier_remove(&self->exiting);
    if (self->is_owner) {
        restore();
        terminal.is_raw = 0;
        terminal.is_taken = self->is_owner = false;
    }
}

static size_t stdio_write(RhChardev *chr, const uint8_t *buf, size_t len)
{
    return rh_char_fd_write(&RH_SELF(StdioChar, chr)->io, buf, len);
}

static void stdio_settle(RhChardev *chr)
{
    rh_char_fd_settle(&RH_SELF(StdioChar, chr)->io);
}

RH_CHARDEV(StdioChar, .name = "chardev-stdio", .doc = "Standard input and output", .open = stdio_open,
           .close = stdio_close, .write = stdio_write, .settle = stdio_settle);
