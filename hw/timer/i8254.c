/*
 * isa-pit - programmable interval timer of the PC: three channels, OUT of channel 0 is the timer interrupt.
 *
 * Invariants, for each channel:
 * 1. The counting element is not stepped: what it holds follows from the tick of its last load (start) and now.
 * 2. start < 0: nothing to count (mode written, no count yet, or modes 1 and 5 before their trigger).
 * 3. frozen >= 0: GATE is low in a mode where that stops counting; that many ticks had passed by then.
 * 4. out and next_ns are OUT of channel 0 as the interrupt controller knows it, and when it changes next by what was
 *    written last. What is due has happened before a register changes, or happens after a load: no edge is lost.
 * Only channel 0 has a timer, armed for its next change of OUT; a channel that rests arms none.
 *
 * Spec: 8254 data sheet (Intel 231164), cited by section.  Lock: machine lock (the default).
 */
#include "hw/timer/i8254.h"
#include "hw/core/isa.h"

enum { REG_CONTROL = 3, REG_SPAN = 4, NR_CHANNELS = 3 };

#define CW_BCD        0x01
#define CW_LATCH      0
#define CW_LSB        1
#define CW_MSB        2
#define CW_BOTH       3
#define READBACK_NO_COUNT  0x20
#define READBACK_NO_STATUS 0x10
#define STATUS_OUT    0x80
#define STATUS_NULL   0x40

#define NS_PER_S INT64_C(1000000000)

typedef struct PitChannel {
    uint32_t count;             /* 1 to 65536 (BCD: 10000) */
    uint16_t latch;             /* latched count, */
    uint8_t latch_bytes;        /* this many bytes of it are still to be read */
    uint8_t status;             /* latched status */
    uint8_t has_status;
    uint8_t access;             /* CW_LSB, CW_MSB or CW_BOTH */
    uint8_t mode;
    uint8_t is_bcd;
    uint8_t gate;
    uint8_t read_high;          /* CW_BOTH: the next byte is the high one */
    uint8_t write_high;
    uint8_t write_low_byte;
    int64_t start;              /* tick of the load or trigger, or -1 */
    int64_t frozen;             /* ticks counted when GATE stopped it, or -1 */
} PitChannel;

typedef struct PitRegs {
    PitChannel channels[NR_CHANNELS];
    uint8_t out;
    int64_t next_ns;            /* INT64_MAX: never */
} PitRegs;

typedef struct Pit {
    RhIsaDevice parent;
    uint32_t iobase;
    RhRegion ports;
    RhLine out;
    RhTimer timer;
    PitRegs regs;
} Pit;

/* --- time --- */

static int64_t now_ticks(const Pit *pit)
{
    int64_t ns = rh_clock_now(pit->timer.clock);

    return ns / NS_PER_S * RH_PIT_HZ + ns % NS_PER_S * RH_PIT_HZ / NS_PER_S;
}

/* The first ns at which now_ticks() is @ticks. */
static int64_t ticks_to_ns(int64_t ticks)
{
    return ticks / RH_PIT_HZ * NS_PER_S + (ticks % RH_PIT_HZ * NS_PER_S + RH_PIT_HZ - 1) / RH_PIT_HZ;
}

/* Ticks since the load or trigger; -1 when it does not count. */
static int64_t elapsed(const Pit *pit, const PitChannel *channel)
{
    if (channel->start < 0) {
        return -1;
    }
    return channel->frozen >= 0 ? channel->frozen : MAX(now_ticks(pit) - channel->start, 0);
}

/* --- counting and OUT, "Mode Definitions" --- */

static bool out_level(const Pit *pit, const PitChannel *channel)
{
    int64_t ticks = elapsed(pit, channel);
    int64_t phase = ticks % channel->count;

    if (ticks < 0) {
        return channel->mode != 0;      /* mode 0 goes low with its control word, all others high */
    }
    switch (channel->mode) {
    case 0:
    case 1:  return ticks >= channel->count;
    case 2:  return channel->frozen >= 0 || phase != channel->count - 1;
    case 3:  return channel->frozen >= 0 || phase < (channel->count + 1) / 2;
    default: return ticks != channel->count;
    }
}

static uint16_t to_bcd(unsigned value)
{
    return value % 10 | value / 10 % 10 << 4 | value / 100 % 10 << 8 | value / 1000 % 10 << 12;
}

static uint16_t counter_value(const Pit *pit, const PitChannel *channel)
{
    int64_t ticks = MAX(elapsed(pit, channel), 0);
    unsigned modulus = channel->is_bcd ? 10000 : 0x10000;
    int64_t value;

    switch (channel->mode) {
    case 2:  value = channel->count - ticks % channel->count; break;
    case 3:  value = channel->count - 2 * (ticks % channel->count) % channel->count; break;   /* by twos */
    default: value = ((int64_t)channel->count - ticks) % modulus; break;      /* wraps and counts on */
    }
    value = value < 0 ? value + modulus : value;
    return channel->is_bcd ? to_bcd(value % modulus) : value;
}

/* Tick of the next change of OUT that matters to an interrupt controller; INT64_MAX: none. */
static int64_t next_change(const Pit *pit, const PitChannel *channel)
{
    int64_t ticks = elapsed(pit, channel);
    int64_t period;

    if (ticks < 0 || channel->frozen >= 0) {
        return INT64_MAX;
    }
    period = ticks / channel->count * channel->count;
    switch (channel->mode) {
    case 2:     /* low for one tick before this: timer_fired makes the pulse in one go */
        return channel->start + period + channel->count;
    case 3: {
        int64_t half = period + (channel->count + 1) / 2;

        return channel->start + (ticks < half ? half : period + channel->count);
    }
    case 4:
    case 5:
        return ticks <= channel->count ? channel->start + channel->count + (ticks == channel->count) : INT64_MAX;
    default:
        return ticks < channel->count ? channel->start + channel->count : INT64_MAX;
    }
}

static void pit_settle(RhDevice *dev)
{
    Pit *pit = RH_SELF(Pit, dev);

    rh_line_set(&pit->out, pit->regs.out);
    rh_timer_arm(&pit->timer, pit->regs.next_ns);
}

static void update(Pit *pit)
{
    const PitChannel *channel = &pit->regs.channels[0];
    int64_t next = next_change(pit, channel);

    /* in mode 2 the line rests high, whatever the tick: see timer_fired */
    pit->regs.out = channel->mode == 2 || out_level(pit, channel);
    pit->regs.next_ns = next == INT64_MAX ? INT64_MAX : ticks_to_ns(next);
    pit_settle(RH_SELF(RhDevice, pit));
}

static void timer_fired(void *opaque)
{
    Pit *pit = opaque;

    if (pit->regs.channels[0].mode == 2) {
        rh_line_set(&pit->out, 0);      /* one tick low; its end is the edge */
    }
    update(pit);
}

static void catch_up(Pit *pit)
{
    if (pit->regs.next_ns <= rh_clock_now(pit->timer.clock)) {
        timer_fired(pit);
    }
}

/* --- programming, "Programming the 8254" --- */

static void load_count(Pit *pit, PitChannel *channel, unsigned value)
{
    unsigned modulus = channel->is_bcd ? 10000 : 0x10000;

    if (channel->is_bcd) {      /* digits above 9 count for what they are worth */
        value = (value & 15) + (value >> 4 & 15) * 10 + (value >> 8 & 15) * 100 + (value >> 12) * 1000;
        value %= modulus;
    }
    channel->count = value ? value : modulus;
    if (channel->mode == 1 || channel->mode == 5) {
        return;                 /* a trigger starts it */
    }
    channel->start = now_ticks(pit);
    channel->frozen = channel->gate ? -1 : 0;
}

static void write_count(Pit *pit, PitChannel *channel, uint8_t value)
{
    switch (channel->access) {
    case CW_LSB: load_count(pit, channel, value); break;
    case CW_MSB: load_count(pit, channel, value << 8); break;
    default:
        if (channel->write_high) {
            load_count(pit, channel, channel->write_low_byte | value << 8);
        } else {
            channel->write_low_byte = value;
            if (channel->mode == 0) {
                channel->start = -1;    /* mode 0: the first byte of two stops counting */
            }
        }
        channel->write_high = !channel->write_high;
    }
}

static void latch_count(const Pit *pit, PitChannel *channel)
{
    if (!channel->latch_bytes) {        /* "Counter Latch Command": a second one is ignored */
        channel->latch = counter_value(pit, channel);
        channel->latch_bytes = channel->access == CW_BOTH ? 2 : 1;
    }
}

static void latch_status(const Pit *pit, PitChannel *channel)
{
    if (!channel->has_status) {
        channel->status = (out_level(pit, channel) ? STATUS_OUT : 0) | (channel->start < 0 ? STATUS_NULL : 0) |
                          channel->access << 4 | channel->mode << 1 | channel->is_bcd;
        channel->has_status = 1;
    }
}

static void read_back(Pit *pit, uint8_t value)
{
    for (unsigned i = 0; i < NR_CHANNELS; i++) {
        if (!(value & (2u << i))) {
            continue;
        }
        if (!(value & READBACK_NO_COUNT)) {
            latch_count(pit, &pit->regs.channels[i]);
        }
        if (!(value & READBACK_NO_STATUS)) {
            latch_status(pit, &pit->regs.channels[i]);
        }
    }
}

static void write_control(Pit *pit, uint8_t value)
{
    unsigned select = value >> 6;
    unsigned mode = value >> 1 & 7;
    PitChannel *channel = &pit->regs.channels[select % NR_CHANNELS];

    if (select == 3) {
        read_back(pit, value);
        return;
    }
    if ((value >> 4 & 3) == CW_LATCH) {
        latch_count(pit, channel);
        return;
    }
    *channel = (PitChannel){
        .count = channel->count, .gate = channel->gate, .access = value >> 4 & 3,
        .mode = mode > 5 ? mode - 4 : mode,     /* x10 and x11: bit 2 does not matter */
        .is_bcd = value & CW_BCD, .start = -1, .frozen = -1,
    };
}

static uint8_t read_count(const Pit *pit, PitChannel *channel)
{
    uint16_t value;
    bool is_high = channel->access == CW_MSB || (channel->access == CW_BOTH && channel->read_high);

    if (channel->has_status) {
        channel->has_status = 0;
        return channel->status;
    }
    if (channel->latch_bytes) {
        channel->latch_bytes--;
        value = channel->latch;
    } else {
        value = counter_value(pit, channel);
    }
    if (channel->access == CW_BOTH) {
        channel->read_high = !channel->read_high;
    }
    return is_high ? value >> 8 : value;
}

static uint64_t pit_read(RhDevice *dev, uint64_t at, unsigned size)
{
    Pit *pit = RH_SELF(Pit, dev);

    return at == REG_CONTROL ? 0 : read_count(pit, &pit->regs.channels[at]);
}

static void pit_write(RhDevice *dev, uint64_t at, uint64_t value, unsigned size)
{
    Pit *pit = RH_SELF(Pit, dev);

    catch_up(pit);
    if (at == REG_CONTROL) {
        write_control(pit, value);
    } else {
        write_count(pit, &pit->regs.channels[at], value);
    }
    update(pit);
}

/* --- GATE and OUT, "Gate Pin Operations" --- */

static void gate_rises(Pit *pit, PitChannel *channel)
{
    if (channel->mode == 0 || channel->mode == 4) {
        if (channel->start >= 0 && channel->frozen >= 0) {
            channel->start = now_ticks(pit) - channel->frozen;
        }
    } else if (channel->mode == 1 || channel->mode == 5 || channel->start >= 0) {
        channel->start = now_ticks(pit);        /* a trigger; modes 2 and 3 start afresh */
    }
    channel->frozen = -1;
}

void rh_pit_set_gate(RhDevice *dev, unsigned nr, bool is_high)
{
    Pit *pit = RH_SELF(Pit, dev);
    PitChannel *channel = &pit->regs.channels[nr];

    catch_up(pit);
    if (is_high && !channel->gate) {
        gate_rises(pit, channel);
    } else if (!is_high && channel->gate && channel->mode != 1 && channel->mode != 5) {
        channel->frozen = elapsed(pit, channel);
    }
    channel->gate = is_high;
    update(pit);
}

bool rh_pit_out(RhDevice *dev, unsigned nr)
{
    const Pit *pit = RH_SELF(Pit, dev);

    return out_level(pit, &pit->regs.channels[nr]);
}

/* --- life --- */

static void pit_release(RhDevice *dev, void *arg)
{
    rh_timer_fini(arg);
}

static bool pit_realize(RhDevice *dev, GError **err)
{
    Pit *pit = RH_SELF(Pit, dev);
    RhVm *vm = rh_device_vm(dev);

    rh_timer_init(&pit->timer, vm->clock, vm->loop, timer_fired, pit);
    rh_device_claim(dev, pit_release, &pit->timer);
    return rh_isa_map_ports(dev, pit->iobase == RH_ISA_AUTO ? 0x40 : pit->iobase, &pit->ports, err);
}

static bool pit_check(RhDevice *dev, GError **err)
{
    const PitRegs *regs = &RH_SELF(Pit, dev)->regs;

    for (unsigned i = 0; i < NR_CHANNELS; i++) {
        const PitChannel *channel = &regs->channels[i];

        if (channel->count == 0 || channel->start > INT64_MAX / 2 || channel->frozen > INT64_MAX / 2) {
            return rh_fail(err, "PIT channel %u has count %u from tick %" PRId64 ", must be 1 to 65536", i,
                           channel->count, channel->start);
        }
    }
    return true;
}

static const RhProp pit_props[] = {
    RH_PROP("iobase", Pit, iobase, .def = RH_ISA_AUTO, .doc = "first port"),
};
static const RhRegionDesc pit_regions[] = {
    RH_REGION(Pit, ports, .span = REG_SPAN, .sizes = RH_SIZE_1, .read = pit_read, .write = pit_write),
};
static const RhLineDesc pit_lines[] = {
    { .offset = offsetof(Pit, out) },
};
static const RhField channel_fields[] = {
    RH_FIELD(PitChannel, count, .max = 0x10000),
    RH_FIELD(PitChannel, latch),
    RH_FIELD(PitChannel, latch_bytes, .max = 2),
    RH_FIELD(PitChannel, status),
    RH_FIELD(PitChannel, has_status, .max = 1),
    RH_FIELD(PitChannel, access, .max = CW_BOTH),
    RH_FIELD(PitChannel, mode, .max = 5),
    RH_FIELD(PitChannel, is_bcd, .max = 1),
    RH_FIELD(PitChannel, gate, .max = 1),
    RH_FIELD(PitChannel, read_high, .max = 1),
    RH_FIELD(PitChannel, write_high, .max = 1),
    RH_FIELD(PitChannel, write_low_byte),
    RH_FIELD(PitChannel, start),
    RH_FIELD(PitChannel, frozen),
};
static const RhField pit_fields[] = {
    RH_FIELD_STRUCTS(PitRegs, channels, channel_fields),
    RH_FIELD(PitRegs, out, .max = 1),
    RH_FIELD(PitRegs, next_ns, .max = INT64_MAX),
};
#define CHANNEL_AT_RESET(is_gated)                                                                 \
    { .count = 0x10000, .mode = 3, .access = CW_BOTH, .gate = (is_gated), .start = -1, .frozen = -1 }
static const PitRegs pit_at_reset = {   /* no count: nothing runs until it is programmed; port 0x61 gates channel 2 */
    .channels = { CHANNEL_AT_RESET(1), CHANNEL_AT_RESET(1), CHANNEL_AT_RESET(0) },
    .out = 1, .next_ns = INT64_MAX,
};

RH_DEVICE(Pit,
    .name    = RH_TYPE_PIT,
    .parent  = RH_TYPE_ISA_DEVICE,
    .doc     = "Programmable interval timer (8254)",
    .is_internal = true,
    .props   = RH_TABLE(pit_props),
    .regions = RH_TABLE(pit_regions),
    .lines   = RH_TABLE(pit_lines),
    .state   = RH_STATE(Pit, regs, pit_at_reset, .version = 1, .fields = RH_TABLE(pit_fields)),
    .realize = pit_realize,
    .check   = pit_check,
    .settle  = pit_settle);
