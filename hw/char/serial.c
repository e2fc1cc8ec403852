/*
 * serial - 16550A UART core.
 * Characters leave at once, as far as the back-end takes them; what it does not take waits in the transmit FIFO
 * with THRE clear, so a slow back-end slows the guest and nothing is lost.
 * Spec: PC16550D data sheet (National, 1995), cited by section.  Lock: machine lock.
 */
#include "hw/char/serial.h"
#include "softmmu/runstate.h"

enum {                      /* byte registers; DLAB = 1 shows the divisor at 0 and 1 */
    REG_DATA = 0,           /* RBR RO, THR WO */
    REG_IER = 1,
    REG_IIR = 2,            /* RO; FCR when written */
    REG_LCR = 3,
    REG_MCR = 4,
    REG_LSR = 5,            /* RO */
    REG_MSR = 6,            /* RO */
    REG_SCR = 7,
};

#define IER_RX      0x01
#define IER_THR     0x02
#define IER_LINE    0x04
#define IER_MODEM   0x08
#define IER_MASK    0x0f

#define IIR_NONE    0x01
#define IIR_MODEM   0x00
#define IIR_THR     0x02
#define IIR_RX      0x04
#define IIR_LINE    0x06
#define IIR_TIMEOUT 0x0c
#define IIR_FIFO    0xc0

#define FCR_ENABLE   0x01
#define FCR_CLEAR_RX 0x02
#define FCR_CLEAR_TX 0x04
#define FCR_KEPT     0xc9    /* enable, DMA mode, trigger level */

#define LCR_BITS  0x03
#define LCR_STOP  0x04
#define LCR_PARITY 0x08
#define LCR_EVEN  0x10
#define LCR_BREAK 0x40
#define LCR_DLAB  0x80

#define MCR_DTR  0x01
#define MCR_RTS  0x02
#define MCR_OUT1 0x04
#define MCR_OUT2 0x08
#define MCR_LOOP 0x10
#define MCR_MASK 0x1f

#define LSR_DR   0x01
#define LSR_OE   0x02
#define LSR_BI   0x10
#define LSR_THRE 0x20
#define LSR_TEMT 0x40
#define LSR_ERRORS 0x1e

#define MSR_DELTA 0x0f
#define MSR_TERI  0x04
#define MSR_CTS   0x10
#define MSR_DSR   0x20
#define MSR_RI    0x40
#define MSR_DCD   0x80

#define MODEM_POLL_NS 10000000      /* back-ends do not report changes of modem lines */

static bool has_fifo(const RhSerial *serial)
{
    return serial->regs.fcr & FCR_ENABLE;
}

static void fifo_push(RhSerialFifo *fifo, uint8_t byte)
{
    fifo->bytes[(fifo->head + fifo->count++) % RH_SERIAL_FIFO] = byte;
}

static uint8_t fifo_pop(RhSerialFifo *fifo)
{
    uint8_t byte = fifo->bytes[fifo->head];

    fifo->head = (fifo->head + 1) % RH_SERIAL_FIFO;
    fifo->count--;
    return byte;
}

/* --- interrupt, §8.6 --- */

static unsigned rx_trigger(const RhSerial *serial)
{
    static const uint8_t levels[] = { 1, 4, 8, 14 };

    return has_fifo(serial) ? levels[serial->regs.fcr >> 6] : 1;
}

/* The most urgent cause, table IV. */
static uint8_t pending_cause(const RhSerial *serial)
{
    const RhSerialRegs *regs = &serial->regs;

    if ((regs->ier & IER_LINE) && (regs->lsr & LSR_ERRORS)) {
        return IIR_LINE;
    }
    if ((regs->ier & IER_RX) && regs->timeout_pending) {
        return IIR_TIMEOUT;
    }
    if ((regs->ier & IER_RX) && regs->rx.count >= rx_trigger(serial)) {
        return IIR_RX;
    }
    if ((regs->ier & IER_THR) && regs->thr_pending) {
        return IIR_THR;
    }
    if ((regs->ier & IER_MODEM) && (regs->msr & MSR_DELTA)) {
        return IIR_MODEM;
    }
    return IIR_NONE;
}

/* OUT2 gates the interrupt on the PC's adapter card; guests on virtual hardware rely on it not doing so. */
static void update_irq(RhSerial *serial)
{
    rh_line_set(serial->irq, pending_cause(serial) != IIR_NONE);
}

/* --- line parameters --- */

static unsigned bits_per_char(const RhSerial *serial)
{
    uint8_t lcr = serial->regs.lcr;

    return 1 + 5 + (lcr & LCR_BITS) + !!(lcr & LCR_PARITY) + (lcr & LCR_STOP ? 2 : 1);
}

static uint32_t line_speed(const RhSerial *serial)
{
    uint32_t speed = serial->baudbase / (serial->regs.divisor ? serial->regs.divisor : 1);

    return speed ? speed : 1;
}

static int64_t char_time_ns(const RhSerial *serial)
{
    return (int64_t)bits_per_char(serial) * 1000000000 / line_speed(serial);
}

static void tell_line_params(RhSerial *serial)
{
    uint8_t lcr = serial->regs.lcr;
    RhSerialParams params = {
        .speed = line_speed(serial),
        .data_bits = 5 + (lcr & LCR_BITS),
        .stop_bits = lcr & LCR_STOP ? 2 : 1,
        .parity = !(lcr & LCR_PARITY) ? 'N' : lcr & LCR_EVEN ? 'E' : 'O',
    };

    rh_char_set_serial(&serial->user, &params);
}

/* --- modem lines, §8.7 and §8.8 --- */

static uint8_t modem_inputs(RhSerial *serial)
{
    uint8_t mcr = serial->regs.mcr;
    unsigned lines = 0;

    if (mcr & MCR_LOOP) {   /* §8.7: RTS, DTR, OUT1, OUT2 come back as CTS, DSR, RI, DCD */
        return (mcr & MCR_RTS ? MSR_CTS : 0) | (mcr & MCR_DTR ? MSR_DSR : 0) |
               (mcr & MCR_OUT1 ? MSR_RI : 0) | (mcr & MCR_OUT2 ? MSR_DCD : 0);
    }
    serial->has_modem = serial->user.chr && rh_char_get_modem(&serial->user, &lines);
    if (!serial->has_modem) {
        return MSR_DCD | MSR_DSR | MSR_CTS;
    }
    return (lines & RH_TIOCM_CTS ? MSR_CTS : 0) | (lines & RH_TIOCM_DSR ? MSR_DSR : 0) |
           (lines & RH_TIOCM_RI ? MSR_RI : 0) | (lines & RH_TIOCM_CAR ? MSR_DCD : 0);
}

static void update_modem(RhSerial *serial)
{
    RhSerialRegs *regs = &serial->regs;
    uint8_t before = regs->msr & ~MSR_DELTA;
    uint8_t now = modem_inputs(serial);
    uint8_t delta = ((before ^ now) >> 4) & ~MSR_TERI;

    if ((before & MSR_RI) && !(now & MSR_RI)) {     /* only the trailing edge of RI counts */
        delta |= MSR_TERI;
    }
    regs->msr = now | (regs->msr & MSR_DELTA) | delta;
}

/* Ask the back-end now and then, but only when somebody waits for the answer. */
static void arm_modem_poll(RhSerial *serial)
{
    if (serial->has_modem && (serial->regs.ier & IER_MODEM)) {
        rh_timer_arm(&serial->modem_poll, rh_clock_now(serial->modem_poll.clock) + MODEM_POLL_NS);
    } else {
        rh_timer_cancel(&serial->modem_poll);
    }
}

static void modem_poll(void *opaque)
{
    RhSerial *serial = opaque;

    update_modem(serial);
    update_irq(serial);
    arm_modem_poll(serial);
}

static void tell_modem_outputs(RhSerial *serial)
{
    uint8_t mcr = serial->regs.mcr;

    if (!(mcr & MCR_LOOP)) {
        rh_char_set_modem(&serial->user, (mcr & MCR_DTR ? RH_TIOCM_DTR : 0) |
                                         (mcr & MCR_RTS ? RH_TIOCM_RTS : 0));
    }
}

/* --- receive --- */

static void arm_timeout(RhSerial *serial)
{
    RhSerialRegs *regs = &serial->regs;

    /* §8.4: no character came or went for four character times and the FIFO is not empty */
    regs->timeout_ns = has_fifo(serial) && regs->rx.count && !regs->timeout_pending
                     ? rh_clock_now(serial->timeout.clock) + 4 * char_time_ns(serial) : INT64_MAX;
    rh_timer_arm(&serial->timeout, regs->timeout_ns);
}

static void timeout_fired(void *opaque)
{
    RhSerial *serial = opaque;

    serial->regs.timeout_ns = INT64_MAX;
    serial->regs.timeout_pending = serial->regs.rx.count > 0;
    update_irq(serial);
}

static size_t rx_room(const RhSerial *serial)
{
    return (has_fifo(serial) ? RH_SERIAL_FIFO : 1) - MIN(serial->regs.rx.count, has_fifo(serial) ? RH_SERIAL_FIFO : 1);
}

static void take_byte(RhSerial *serial, uint8_t byte)
{
    RhSerialRegs *regs = &serial->regs;

    if (rx_room(serial) == 0) {
        regs->lsr |= LSR_OE;    /* §8.4: the shift register is lost; without FIFO the holding register too */
        if (has_fifo(serial)) {
            return;
        }
        fifo_pop(&regs->rx);
    }
    fifo_push(&regs->rx, byte);
    regs->lsr |= LSR_DR;
}

static size_t serial_can_receive(void *opaque)
{
    RhSerial *serial = opaque;

    return serial->regs.mcr & MCR_LOOP ? 0 : rx_room(serial);
}

static void serial_receive(void *opaque, const uint8_t *buf, size_t len)
{
    RhSerial *serial = opaque;

    if (serial->wakes_up) {
        rh_request_wakeup(rh_device_vm(serial->dev), NULL);
    }
    for (size_t i = 0; i < len; i++) {
        take_byte(serial, buf[i]);
    }
    arm_timeout(serial);
    update_irq(serial);
}

static void serial_event(void *opaque, RhCharEvent event)
{
    RhSerial *serial = opaque;

    if (event == RH_CHAR_BREAK) {       /* §8.4: a break is one zero character with BI */
        take_byte(serial, 0);
        serial->regs.lsr |= LSR_BI;
        update_irq(serial);
    }
}

static uint8_t read_data(RhSerial *serial)
{
    RhSerialRegs *regs = &serial->regs;
    uint8_t byte;

    if (!regs->rx.count) {
        return 0;
    }
    byte = fifo_pop(&regs->rx);
    regs->timeout_pending = 0;
    if (!regs->rx.count) {
        regs->lsr &= ~LSR_DR;
    }
    arm_timeout(serial);
    update_irq(serial);
    if (!(regs->mcr & MCR_LOOP)) {
        rh_char_accept_input(&serial->user);
    }
    return byte;
}

static void clear_rx(RhSerial *serial)
{
    RhSerialRegs *regs = &serial->regs;

    regs->rx.count = 0;
    regs->rx.head = 0;
    regs->timeout_pending = 0;
    regs->lsr &= ~(LSR_DR | LSR_BI);
    arm_timeout(serial);
    rh_char_accept_input(&serial->user);
}

/* --- transmit --- */

static void note_tx_empty(RhSerial *serial)
{
    RhSerialRegs *regs = &serial->regs;

    if (!(regs->lsr & LSR_THRE)) {
        regs->lsr |= LSR_THRE;
        regs->thr_pending = 1;
    }
    regs->lsr |= LSR_TEMT;
}

static void transmit(void *opaque);

/* Returns false when the back-end is full and will call transmit later. */
static bool send_byte(RhSerial *serial)
{
    RhSerialFifo *tx = &serial->regs.tx;

    if (serial->regs.mcr & MCR_LOOP) {
        take_byte(serial, fifo_pop(tx));
        arm_timeout(serial);
        return true;
    }
    if (rh_char_write(&serial->user, &tx->bytes[tx->head], 1) == 0) {
        rh_char_on_writable(&serial->user, transmit, serial);
        return false;
    }
    fifo_pop(tx);
    return true;
}

/* Send what the FIFO holds. A back-end may answer (an echo) from inside rh_char_write, hence the guard. */
static void transmit(void *opaque)
{
    RhSerial *serial = opaque;
    bool has_room = true;

    if (serial->is_sending) {
        return;
    }
    serial->is_sending = true;
    while (has_room && serial->regs.tx.count) {
        has_room = send_byte(serial);
    }
    serial->is_sending = false;
    if (!serial->regs.tx.count) {
        note_tx_empty(serial);
    }
    update_irq(serial);
}

static void write_data(RhSerial *serial, uint8_t value)
{
    RhSerialRegs *regs = &serial->regs;
    unsigned depth = has_fifo(serial) ? RH_SERIAL_FIFO : 1;

    if (regs->tx.count >= depth) {  /* overrun: the newest is lost, as in the FIFO of the chip */
        fifo_pop(&regs->tx);
    }
    fifo_push(&regs->tx, value);
    regs->lsr &= ~(LSR_THRE | LSR_TEMT);
    regs->thr_pending = 0;
    transmit(serial);
}

static void clear_tx(RhSerial *serial)
{
    serial->regs.tx.count = 0;
    serial->regs.tx.head = 0;
    rh_char_on_writable(&serial->user, NULL, NULL);
    note_tx_empty(serial);
}

/* --- registers --- */

static void write_ier(RhSerial *serial, uint8_t value)
{
    RhSerialRegs *regs = &serial->regs;
    uint8_t risen = value & ~regs->ier;

    regs->ier = value & IER_MASK;
    if ((risen & IER_THR) && (regs->lsr & LSR_THRE)) {
        regs->thr_pending = 1;      /* enabling with an empty transmitter interrupts at once */
    }
    if (risen & IER_MODEM) {
        update_modem(serial);
    }
    arm_modem_poll(serial);
}

static void write_fcr(RhSerial *serial, uint8_t value)
{
    RhSerialRegs *regs = &serial->regs;
    bool is_switched = (value ^ regs->fcr) & FCR_ENABLE;    /* §8.5: both FIFOs are cleared */

    regs->fcr = value & FCR_ENABLE ? value & FCR_KEPT : 0;
    if (is_switched || (value & FCR_CLEAR_RX)) {
        clear_rx(serial);
    }
    if (is_switched || (value & FCR_CLEAR_TX)) {
        clear_tx(serial);
    }
}

static void write_lcr(RhSerial *serial, uint8_t value)
{
    uint8_t changed = value ^ serial->regs.lcr;

    serial->regs.lcr = value;
    if (changed & LCR_BREAK) {
        rh_char_set_break(&serial->user, value & LCR_BREAK);
    }
    if (changed & ~(LCR_BREAK | LCR_DLAB)) {
        tell_line_params(serial);
    }
}

static void write_mcr(RhSerial *serial, uint8_t value)
{
    serial->regs.mcr = value & MCR_MASK;
    tell_modem_outputs(serial);
    update_modem(serial);
    if (!(value & MCR_LOOP)) {
        rh_char_accept_input(&serial->user);
    }
}

static void write_divisor(RhSerial *serial, unsigned reg, uint8_t value)
{
    uint16_t *divisor = &serial->regs.divisor;

    *divisor = reg == REG_DATA ? (*divisor & 0xff00) | value : (*divisor & 0xff) | value << 8;
    tell_line_params(serial);
}

void rh_serial_write(RhSerial *serial, unsigned reg, uint8_t value)
{
    if ((serial->regs.lcr & LCR_DLAB) && reg <= REG_IER) {
        write_divisor(serial, reg, value);
        return;
    }
    switch (reg) {
    case REG_DATA: write_data(serial, value); break;
    case REG_IER:  write_ier(serial, value); break;
    case REG_IIR:  write_fcr(serial, value); break;
    case REG_LCR:  write_lcr(serial, value); break;
    case REG_MCR:  write_mcr(serial, value); break;
    case REG_SCR:  serial->regs.scr = value; break;
    default:       return;      /* LSR and MSR: writing is for factory tests */
    }
    update_irq(serial);
}

static uint8_t read_iir(RhSerial *serial)
{
    uint8_t cause = pending_cause(serial);

    if (cause == IIR_THR) {     /* table IV: reading IIR acknowledges it */
        serial->regs.thr_pending = 0;
        update_irq(serial);
    }
    return cause | (has_fifo(serial) ? IIR_FIFO : 0);
}

static uint8_t read_lsr(RhSerial *serial)
{
    uint8_t value = serial->regs.lsr;

    serial->regs.lsr &= ~LSR_ERRORS;
    update_irq(serial);
    return value;
}

static uint8_t read_msr(RhSerial *serial)
{
    uint8_t value;

    update_modem(serial);
    value = serial->regs.msr;
    serial->regs.msr &= ~MSR_DELTA;
    update_irq(serial);
    return value;
}

uint8_t rh_serial_read(RhSerial *serial, unsigned reg)
{
    const RhSerialRegs *regs = &serial->regs;

    if ((regs->lcr & LCR_DLAB) && reg <= REG_IER) {
        return reg == REG_DATA ? regs->divisor & 0xff : regs->divisor >> 8;
    }
    switch (reg) {
    case REG_DATA: return read_data(serial);
    case REG_IER:  return regs->ier;
    case REG_IIR:  return read_iir(serial);
    case REG_LCR:  return regs->lcr;
    case REG_MCR:  return regs->mcr;
    case REG_LSR:  return read_lsr(serial);
    case REG_MSR:  return read_msr(serial);
    default:       return regs->scr;
    }
}

/* --- life --- */

static const RhCharUserOps serial_ops = {
    .can_receive = serial_can_receive,
    .receive     = serial_receive,
    .event       = serial_event,
    .can_move    = true,
};

static void serial_release(RhDevice *dev, void *arg)
{
    RhSerial *serial = arg;

    rh_char_detach(&serial->user);
    rh_timer_fini(&serial->timeout);
    rh_timer_fini(&serial->modem_poll);
}

bool rh_serial_attach(RhSerial *serial, RhDevice *dev, RhLine *irq, RhChardev *chr, uint32_t baudbase, GError **err)
{
    RhVm *vm = rh_device_vm(dev);

    serial->dev = dev;
    serial->irq = irq;
    serial->baudbase = baudbase;
    rh_timer_init(&serial->timeout, vm->clock, vm->loop, timeout_fired, serial);
    rh_timer_init(&serial->modem_poll, vm->clock, vm->loop, modem_poll, serial);
    rh_device_claim(dev, serial_release, serial);
    return !chr || rh_char_attach(&serial->user, chr, &serial_ops, serial, err);
}

void rh_serial_settle(RhSerial *serial)
{
    tell_line_params(serial);
    tell_modem_outputs(serial);
    rh_char_set_break(&serial->user, serial->regs.lcr & LCR_BREAK);
    rh_timer_arm(&serial->timeout, serial->regs.timeout_ns);
    arm_modem_poll(serial);
    update_irq(serial);
    rh_char_accept_input(&serial->user);
    if (serial->regs.tx.count) {
        transmit(serial);
    }
}

bool rh_serial_check(const RhSerial *serial, GError **err)
{
    bool has_data = serial->regs.lsr & LSR_DR;

    if (has_data != (serial->regs.rx.count > 0)) {
        return rh_fail(err, "Serial line status says %s, but %u bytes were received",
                       has_data ? "data" : "no data", serial->regs.rx.count);
    }
    return true;
}

const RhSerialRegs rh_serial_at_reset = {
    .divisor = 12,              /* 9600 baud, where firmware expects it */
    .lsr = LSR_THRE | LSR_TEMT,
    .mcr = MCR_OUT2,
    .msr = MSR_DCD | MSR_DSR | MSR_CTS,
    .timeout_ns = INT64_MAX,
};

static const RhField fifo_fields[] = {
    RH_FIELD_BYTES(RhSerialFifo, bytes),
    RH_FIELD(RhSerialFifo, head,  .max = RH_SERIAL_FIFO - 1),
    RH_FIELD(RhSerialFifo, count, .max = RH_SERIAL_FIFO),
};

const RhField rh_serial_fields[RH_SERIAL_NR_FIELDS] = {
    RH_FIELD(RhSerialRegs, divisor),
    RH_FIELD(RhSerialRegs, ier, .valid = IER_MASK),
    RH_FIELD(RhSerialRegs, fcr, .valid = FCR_KEPT),
    RH_FIELD(RhSerialRegs, lcr),
    RH_FIELD(RhSerialRegs, mcr, .valid = MCR_MASK),
    RH_FIELD(RhSerialRegs, lsr),
    RH_FIELD(RhSerialRegs, msr),
    RH_FIELD(RhSerialRegs, scr),
    RH_FIELD(RhSerialRegs, thr_pending,     .max = 1),
    RH_FIELD(RhSerialRegs, timeout_pending, .max = 1),
    RH_FIELD_STRUCT(RhSerialRegs, rx, fifo_fields),
    RH_FIELD_STRUCT(RhSerialRegs, tx, fifo_fields),
    RH_FIELD(RhSerialRegs, timeout_ns),
};
