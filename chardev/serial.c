/*
 * serial - a serial line of the host, or any other terminal device.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <termios.h>
#include "chardev/private.h"
#include "softmmu/fds.h"

typedef struct SerialChar {
    RhChardev parent;
    RhCharFd io;
} SerialChar;

static const struct Speed {
    uint32_t bauds;
    speed_t code;
} speeds[] = {
    { 50, B50 }, { 75, B75 }, { 110, B110 }, { 300, B300 }, { 600, B600 }, { 1200, B1200 }, { 2400, B2400 },
    { 4800, B4800 }, { 9600, B9600 }, { 19200, B19200 }, { 38400, B38400 }, { 57600, B57600 },
    { 115200, B115200 }, { 230400, B230400 }, { 460800, B460800 }, { 921600, B921600 }, { 1000000, B1000000 },
    { 1500000, B1500000 }, { 2000000, B2000000 }, { 3000000, B3000000 }, { 4000000, B4000000 },
};

/* The nearest speed that the host has, not above the wanted one by much. */
static speed_t speed_code(uint32_t bauds)
{
    for (size_t i = 0; i < RH_COUNT(speeds); i++) {
        if (bauds <= speeds[i].bauds + speeds[i].bauds / 20) {
            return speeds[i].code;
        }
    }
    return speeds[RH_COUNT(speeds) - 1].code;
}

static void set_line(int fd, const RhSerialParams *params)
{
    static const tcflag_t sizes[] = { CS5, CS6, CS7, CS8 };
    struct termios mode;

    if (tcgetattr(fd, &mode) < 0) {
        return;
    }
    cfmakeraw(&mode);
    mode.c_cflag &= ~(CSIZE | PARENB | PARODD | CSTOPB | CRTSCTS);
    mode.c_cflag |= CLOCAL | CREAD | sizes[CLAMP(params->data_bits, 5, 8) - 5];
    mode.c_cflag |= params->stop_bits == 2 ? CSTOPB : 0;
    mode.c_cflag |= params->parity == 'E' ? PARENB : params->parity == 'O' ? PARENB | PARODD : 0;
    cfsetspeed(&mode, speed_code(params->speed));
    tcsetattr(fd, TCSANOW, &mode);
}

static bool serial_open(RhChardev *chr, const void *options, GError **err)
{
    static const RhSerialParams usual = { .speed = 115200, .data_bits = 8, .stop_bits = 1, .parity = 'N' };
    SerialChar *self = RH_SELF(SerialChar, chr);
    const char *path = ((const QmpChardevHostdev *)options)->device;
    int fd = rh_open(chr->obj.vm, path, O_RDWR | O_NOCTTY | O_NONBLOCK, 0, err);

    if (fd < 0) {
        return false;
    }
    if (!isatty(fd)) {
        close(fd);
        return rh_fail(err, "'%s' is not a serial line", path);
    }
    set_line(fd, &usual);
    rh_char_fd_begin(&self->io, chr, fd, fd);
    rh_chr_set_open(chr, true);
    return true;
}

static void serial_close(RhChardev *chr)
{
    rh_char_fd_end(&RH_SELF(SerialChar, chr)->io);
}

static size_t serial_write(RhChardev *chr, const uint8_t *buf, size_t len)
{
    return rh_char_fd_write(&RH_SELF(SerialChar, chr)->io, buf, len);
}

static void serial_settle(RhChardev *chr)
{
    rh_char_fd_settle(&RH_SELF(SerialChar, chr)->io);
}

static void serial_set_serial(RhChardev *chr, const RhSerialParams *params)
{
    set_line(RH_SELF(SerialChar, chr)->io.in, params);
}

static void serial_set_break(RhChardev *chr, bool is_on)
{
    ioctl(RH_SELF(SerialChar, chr)->io.in, is_on ? TIOCSBRK : TIOCCBRK);
}

static bool serial_get_modem(RhChardev *chr, unsigned *ret_lines)
{
    int lines;

    if (ioctl(RH_SELF(SerialChar, chr)->io.in, TIOCMGET, &lines) < 0) {
        return false;
    }
    *ret_lines = (lines & TIOCM_CTS ? RH_TIOCM_CTS : 0) | (lines & TIOCM_CAR ? RH_TIOCM_CAR : 0) |
                 (lines & TIOCM_RI ? RH_TIOCM_RI : 0) | (lines & TIOCM_DSR ? RH_TIOCM_DSR : 0) |
                 (lines & TIOCM_DTR ? RH_TIOCM_DTR : 0) | (lines & TIOCM_RTS ? RH_TIOCM_RTS : 0);
    return true;
}

static void serial_set_modem(RhChardev *chr, unsigned lines)
{
    int fd = RH_SELF(SerialChar, chr)->io.in;
    int now;

    if (ioctl(fd, TIOCMGET, &now) == 0) {
        now &= ~(TIOCM_DTR | TIOCM_RTS);
        now |= (lines & RH_TIOCM_DTR ? TIOCM_DTR : 0) | (lines & RH_TIOCM_RTS ? TIOCM_RTS : 0);
        ioctl(fd, TIOCMSET, &now);
    }
}

RH_CHARDEV(SerialChar, .name = "chardev-serial", .doc = "Serial line of the host", .open = serial_open,
           .close = serial_close, .write = serial_write, .settle = serial_settle, .set_serial = serial_set_serial,
           .set_break = serial_set_break, .get_modem = serial_get_modem, .set_modem = serial_set_modem);
