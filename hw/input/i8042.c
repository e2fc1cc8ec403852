/*
 * i8042 - keyboard controller with a PS/2 keyboard and mouse.
 * Spec: IBM PS/2 Hardware Interface Technical Reference, "Keyboard and Auxiliary Device Controller".
 * Lock: machine lock (the default).
 */
#include "hw/core/isa.h"
#include "hw/input/ps2.h"
#include "softmmu/runstate.h"

#define STATUS_OBF      0x01
#define STATUS_SYSTEM   0x04
#define STATUS_COMMAND  0x08
#define STATUS_UNLOCKED 0x10
#define STATUS_AUX_OBF  0x20

#define MODE_KBD_IRQ    0x01
#define MODE_AUX_IRQ    0x02
#define MODE_SYSTEM     0x04
#define MODE_NO_KBD     0x10
#define MODE_NO_AUX     0x20
#define MODE_TRANSLATE  0x40

#define CMD_READ_MODE   0x20
#define CMD_READ_LAST   0x3f
#define CMD_WRITE_MODE  0x60
#define CMD_WRITE_LAST  0x7f
#define CMD_NO_AUX      0xa7
#define CMD_AUX         0xa8
#define CMD_TEST_AUX    0xa9
#define CMD_SELF_TEST   0xaa
#define CMD_TEST_KBD    0xab
#define CMD_NO_KBD      0xad
#define CMD_KBD         0xae
#define CMD_READ_IN     0xc0
#define CMD_READ_OUT    0xd0
#define CMD_WRITE_OUT   0xd1
#define CMD_FAKE_KBD    0xd2
#define CMD_FAKE_AUX    0xd3
#define CMD_TO_AUX      0xd4
#define CMD_NO_A20      0xdd
#define CMD_A20         0xdf
#define CMD_PULSE       0xf0

#define OUT_NO_RESET    0x01
#define OUT_A20         0x02

enum { FROM_KBD = 1, FROM_AUX = 2, FROM_CHIP = 4 };

typedef struct I8042Regs {
    uint8_t mode;
    uint8_t out_port;
    uint8_t command;            /* waits for its data byte; 0: none */
    uint8_t data;               /* output buffer, */
    uint8_t source;             /* filled from FROM_*; 0: empty */
    uint8_t reply;              /* answer of the controller itself, */
    uint8_t reply_source;       /* shown as coming from here; 0: none */
    uint8_t is_break;           /* translation saw 0xf0 */
    uint8_t last_command;       /* the status says whether a command or data was written last */
    uint8_t is_tested;
    RhPs2Kbd kbd;
    RhPs2Mouse mouse;
} I8042Regs;

typedef struct I8042 {
    RhIsaDevice parent;
    uint8_t first_mode;
    uint8_t kbd_irq;            /* properties */
    uint8_t mouse_irq;
    bool has_extended_state;
    bool is_throttled;
    RhRegion data;              /* wiring */
    RhRegion command;
    RhLine kbd_line;
    RhLine mouse_line;
    RhLine a20;
    RhTimer repeat;
    RhInputHandler kbd_input;
    RhInputHandler mouse_input;
    I8042Regs regs;
} I8042;

/* Fill the empty output buffer: the controller's own answer first, then the keyboard, then the mouse. */
static void fill_output(I8042Regs *regs)
{
    uint8_t byte;

    if (regs->reply_source) {
        regs->data = regs->reply;
        regs->source = regs->reply_source;
        regs->reply_source = 0;
        return;
    }
    while (!(regs->mode & MODE_NO_KBD) && rh_ps2_pop(&regs->kbd.queue, &byte)) {
        int translated = regs->mode & MODE_TRANSLATE ? rh_ps2_translate(byte, &regs->is_break) : byte;

        if (translated >= 0) {
            regs->data = translated;
            regs->source = FROM_KBD;
            return;
        }
    }
    if (!(regs->mode & MODE_NO_AUX) && rh_ps2_pop(&regs->mouse.queue, &byte)) {
        regs->data = byte;
        regs->source = FROM_AUX;
    }
}

static void i8042_settle(RhDevice *dev)
{
    I8042 *self = RH_SELF(I8042, dev);
    const I8042Regs *regs = &self->regs;

    rh_line_set(&self->kbd_line, (regs->source & (FROM_KBD | FROM_CHIP)) && (regs->mode & MODE_KBD_IRQ));
    rh_line_set(&self->mouse_line, (regs->source & FROM_AUX) && (regs->mode & MODE_AUX_IRQ));
    rh_line_set(&self->a20, !!(regs->out_port & OUT_A20));
    rh_timer_arm(&self->repeat, regs->kbd.repeat_ns);
}

static void update(I8042 *self)
{
    if (!self->regs.source) {
        fill_output(&self->regs);
    }
    i8042_settle(RH_SELF(RhDevice, self));
}

static void reply(I8042Regs *regs, uint8_t value, uint8_t source)
{
    regs->reply = value;
    regs->reply_source = source;
}

/* --- data port --- */

static void write_out_port(I8042 *self, uint8_t value)
{
    self->regs.out_port = value | OUT_NO_RESET;
    if (!(value & OUT_NO_RESET)) {
        rh_request_reset(rh_device_vm(RH_SELF(RhDevice, self)), QMP_SHUTDOWN_CAUSE_GUEST_RESET);
    }
}

static void write_data(I8042 *self, uint8_t value)
{
    I8042Regs *regs = &self->regs;
    uint8_t command = regs->command;

    regs->command = 0;
    regs->last_command = 0;
    switch (command) {
    case 0:
        regs->mode &= ~MODE_NO_KBD;     /* data for the keyboard switches it on */
        rh_ps2_kbd_command(&regs->kbd, value);
        break;
    case CMD_WRITE_MODE: regs->mode = value; break;
    case CMD_WRITE_OUT:  write_out_port(self, value); break;
    case CMD_FAKE_KBD:   reply(regs, value, FROM_KBD); break;
    case CMD_FAKE_AUX:   reply(regs, value, FROM_AUX); break;
    case CMD_TO_AUX:
        regs->mode &= ~MODE_NO_AUX;
        rh_ps2_mouse_command(&regs->mouse, value);
        break;
    default:             break;         /* controller RAM beyond the mode byte is not there */
    }
    update(self);
}

static uint64_t i8042_read_data(RhDevice *dev, uint64_t at, unsigned size)
{
    I8042 *self = RH_SELF(I8042, dev);
    uint8_t value = self->regs.data;    /* an empty buffer still holds the last byte */

    self->regs.source = 0;
    i8042_settle(dev);                  /* the line falls between two bytes, so each is an edge */
    update(self);
    return value;
}

static void i8042_write_data(RhDevice *dev, uint64_t at, uint64_t value, unsigned size)
{
    write_data(RH_SELF(I8042, dev), value);
}

/* --- command port --- */

static void pulse(I8042 *self, uint8_t value)
{
    if (!(value & OUT_NO_RESET)) {
        rh_request_reset(rh_device_vm(RH_SELF(RhDevice, self)), QMP_SHUTDOWN_CAUSE_GUEST_RESET);
    }
}

static void run_command(I8042 *self, uint8_t value)
{
    I8042Regs *regs = &self->regs;

    switch (value) {
    case CMD_READ_MODE:  reply(regs, regs->mode, FROM_CHIP); break;
    case CMD_NO_AUX:     regs->mode |= MODE_NO_AUX; break;
    case CMD_AUX:        regs->mode &= ~MODE_NO_AUX; break;
    case CMD_TEST_AUX:
    case CMD_TEST_KBD:   reply(regs, 0x00, FROM_CHIP); break;
    case CMD_SELF_TEST:
        regs->is_tested = 1;
        reply(regs, 0x55, FROM_CHIP);
        break;
    case CMD_NO_KBD:     regs->mode |= MODE_NO_KBD; break;
    case CMD_KBD:        regs->mode &= ~MODE_NO_KBD; break;
    case CMD_READ_IN:    reply(regs, 0x80, FROM_CHIP); break;       /* keyboard not locked */
    case CMD_READ_OUT:
        reply(regs, regs->out_port | (regs->source & FROM_AUX ? 0x20 : regs->source ? 0x10 : 0), FROM_CHIP);
        break;
    case CMD_WRITE_MODE:
    case CMD_WRITE_OUT:
    case CMD_FAKE_KBD:
    case CMD_FAKE_AUX:
    case CMD_TO_AUX:     regs->command = value; break;
    case CMD_NO_A20:     regs->out_port &= ~OUT_A20; break;
    case CMD_A20:        regs->out_port |= OUT_A20; break;
    default:
        if (value >= CMD_PULSE) {
            pulse(self, value);
        } else if (value > CMD_READ_MODE && value <= CMD_READ_LAST) {
            reply(regs, 0, FROM_CHIP);
        } else if (value > CMD_WRITE_MODE && value <= CMD_WRITE_LAST) {
            regs->command = value;
        } else {
            rh_guest_error(RH_SELF(RhDevice, self), "unknown command 0x%02x", value);
        }
    }
}

static uint64_t i8042_read_status(RhDevice *dev, uint64_t at, unsigned size)
{
    const I8042Regs *regs = &RH_SELF(I8042, dev)->regs;

    return STATUS_UNLOCKED | (regs->source ? STATUS_OBF : 0) | (regs->source & FROM_AUX ? STATUS_AUX_OBF : 0) |
           (regs->is_tested || (regs->mode & MODE_SYSTEM) ? STATUS_SYSTEM : 0) |
           (regs->last_command ? STATUS_COMMAND : 0);
}

static void i8042_write_command(RhDevice *dev, uint64_t at, uint64_t value, unsigned size)
{
    I8042 *self = RH_SELF(I8042, dev);

    self->regs.command = 0;
    self->regs.last_command = 1;
    run_command(self, value);
    update(self);
}

/* --- input --- */

static int64_t now_ns(const I8042 *self)
{
    return rh_clock_now(self->repeat.clock);
}

static void kbd_key(void *opaque, unsigned code, bool is_down)
{
    I8042 *self = opaque;

    rh_request_wakeup(rh_device_vm(RH_SELF(RhDevice, self)), NULL);
    rh_ps2_kbd_key(&self->regs.kbd, code, is_down, now_ns(self));
    update(self);
}

static void kbd_repeat(void *opaque)
{
    I8042 *self = opaque;

    rh_ps2_kbd_repeat(&self->regs.kbd, now_ns(self));
    update(self);
}

static void mouse_rel(void *opaque, RhInputAxis axis, int delta)
{
    I8042 *self = opaque;

    rh_ps2_mouse_move(&self->regs.mouse, axis == RH_AXIS_X ? delta : 0, axis == RH_AXIS_Y ? delta : 0, 0);
}

static void mouse_button(void *opaque, RhInputButton button, bool is_down)
{
    rh_ps2_mouse_button(&((I8042 *)opaque)->regs.mouse, button, is_down);
}

static void mouse_sync(void *opaque)
{
    I8042 *self = opaque;

    rh_ps2_mouse_sync(&self->regs.mouse);
    update(self);
}

/* --- life --- */

static void i8042_release(RhDevice *dev, void *arg)
{
    I8042 *self = arg;

    rh_input_unregister(rh_device_vm(dev), &self->kbd_input);
    rh_input_unregister(rh_device_vm(dev), &self->mouse_input);
    rh_timer_fini(&self->repeat);
}

static bool i8042_realize(RhDevice *dev, GError **err)
{
    I8042 *self = RH_SELF(I8042, dev);
    RhVm *vm = rh_device_vm(dev);

    rh_timer_init(&self->repeat, vm->clock, vm->loop, kbd_repeat, self);
    self->kbd_input = (RhInputHandler){ .name = "PS/2 keyboard", .kinds = RH_INPUT_KEYS, .opaque = self,
                                        .key = kbd_key };
    self->mouse_input = (RhInputHandler){ .name = "PS/2 mouse", .kinds = RH_INPUT_REL, .opaque = self,
                                          .rel = mouse_rel, .button = mouse_button, .sync = mouse_sync };
    rh_input_register(vm, &self->kbd_input);
    rh_input_register(vm, &self->mouse_input);
    rh_device_claim(dev, i8042_release, self);
    return rh_isa_claim_irq(dev, self->kbd_irq, &self->kbd_line, err) &&
           rh_isa_claim_irq(dev, self->mouse_irq, &self->mouse_line, err) &&
           rh_isa_map_ports(dev, 0x60, &self->data, err) && rh_isa_map_ports(dev, 0x64, &self->command, err);
}

static void i8042_reset(RhDevice *dev)
{
    RH_SELF(I8042, dev)->regs.mode = RH_SELF(I8042, dev)->first_mode;
}

static bool i8042_check(RhDevice *dev, GError **err)
{
    const I8042Regs *regs = &RH_SELF(I8042, dev)->regs;

    return rh_ps2_check(&regs->kbd.queue, err) && rh_ps2_check(&regs->mouse.queue, err);
}

static const RhProp i8042_props[] = {
    RH_PROP("kbd-irq",        I8042, kbd_irq,   .def = 1,  .max = 15, .doc = "ISA interrupt of the keyboard"),
    RH_PROP("mouse-irq",      I8042, mouse_irq, .def = 12, .max = 15, .doc = "ISA interrupt of the mouse"),
    RH_PROP("extended-state", I8042, has_extended_state, .def = true, .doc = "accepted: state is always complete"),
    /* Firmware turns translation on, and Linux keeps what it finds: boards without firmware set it here. */
    RH_PROP("x-mode",         I8042, first_mode, .def = MODE_KBD_IRQ | MODE_AUX_IRQ, .is_hidden = true,
            .doc = "command byte after reset"),
    RH_PROP("kbd-throttle",   I8042, is_throttled, .doc = "accepted: bytes follow each other as they are read"),
};
static const RhRegionDesc i8042_regions[] = {
    RH_REGION(I8042, data,    .span = 1, .sizes = RH_SIZE_1, .read = i8042_read_data,   .write = i8042_write_data),
    RH_REGION(I8042, command, .span = 1, .sizes = RH_SIZE_1, .read = i8042_read_status, .write = i8042_write_command),
};
static const RhLineDesc i8042_lines[] = {
    { .offset = offsetof(I8042, kbd_line), .nr = 2 },
    { .name = "a20", .offset = offsetof(I8042, a20) },
};
static const RhField i8042_fields[] = {
    RH_FIELD(I8042Regs, mode),
    RH_FIELD(I8042Regs, out_port),
    RH_FIELD(I8042Regs, command),
    RH_FIELD(I8042Regs, data),
    RH_FIELD(I8042Regs, source, .max = FROM_CHIP),
    RH_FIELD(I8042Regs, reply),
    RH_FIELD(I8042Regs, reply_source, .max = FROM_CHIP),
    RH_FIELD(I8042Regs, is_break, .max = 1),
    RH_FIELD(I8042Regs, last_command, .max = 1),
    RH_FIELD(I8042Regs, is_tested, .max = 1),
    RH_FIELD_STRUCT(I8042Regs, kbd, rh_ps2_kbd_fields),
    RH_FIELD_STRUCT(I8042Regs, mouse, rh_ps2_mouse_fields),
};
static const I8042Regs i8042_at_reset = {
    .out_port = OUT_NO_RESET | OUT_A20,
    .kbd = RH_PS2_KBD_AT_RESET,
    .mouse = RH_PS2_MOUSE_AT_RESET,
};

RH_DEVICE(I8042,
    .name     = "i8042",
    .parent   = RH_TYPE_ISA_DEVICE,
    .doc      = "Keyboard controller with PS/2 keyboard and mouse",
    .category = "Input",
    .props    = RH_TABLE(i8042_props),
    .regions  = RH_TABLE(i8042_regions),
    .lines    = RH_TABLE(i8042_lines),
    .state    = RH_STATE(I8042, regs, i8042_at_reset, .version = 1, .fields = RH_TABLE(i8042_fields)),
    .realize  = i8042_realize,
    .reset    = i8042_reset,
    .check    = i8042_check,
    .settle   = i8042_settle);
