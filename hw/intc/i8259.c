/*
 * isa-i8259 - both interrupt controllers of the PC: the slave's output is the master's input 2.
 * Spec: 8259A data sheet (Intel 231468), cited by section; ELCR: 82371SB data sheet §2.5.4.  Lock: machine lock.
 */
#include "hw/intc/i8259.h"
#include "hw/core/isa.h"

enum { MASTER = 0, SLAVE = 1, NR_CHIPS = 2, CASCADE_PIN = 2 };
enum { PORT_COMMAND = 0, PORT_DATA = 1, PORT_SPAN = 2 };

#define ICW1        0x10
#define ICW1_ICW4   0x01
#define ICW1_SINGLE 0x02
#define ICW4_AUTO_EOI 0x02
#define ICW4_SFNM   0x10
#define OCW3        0x08
#define OCW3_POLL   0x04
#define OCW3_RIS    0x01
#define OCW3_RR     0x02
#define OCW3_SMM    0x20
#define OCW3_ESMM   0x40

/* "Initialization Command Words": which one comes next */
enum { INIT_DONE, INIT_ICW2, INIT_ICW3, INIT_ICW4 };

typedef struct PicChip {
    uint8_t levels;             /* of the inputs */
    uint8_t irr;
    uint8_t imr;
    uint8_t isr;
    uint8_t top;                /* input of highest priority */
    uint8_t base;               /* vector of input 0 */
    uint8_t init;               /* INIT_* */
    uint8_t has_icw4;
    uint8_t is_single;
    uint8_t auto_eoi;
    uint8_t rotates;            /* rotate in automatic EOI mode */
    uint8_t is_nested;          /* special fully nested mode */
    uint8_t special_mask;
    uint8_t reads_isr;
    uint8_t polls;
    uint8_t elcr;               /* bit set: level-triggered */
} PicChip;

typedef struct PicRegs {
    PicChip chips[NR_CHIPS];
} PicRegs;

typedef struct Pic {
    RhIsaDevice parent;
    RhRegion master;
    RhRegion slave;
    RhRegion elcr;
    RhLine intr;
    PicRegs regs;
} Pic;

static const uint8_t elcr_writable[NR_CHIPS] = { 0xf8, 0xde };  /* timer, keyboard, cascade, clock, FPU: edges only */

/* --- priorities, "Fully Nested Mode" and "Rotation" --- */

/* Place of the most urgent of @inputs in the order of priority, 0 first; 8: none. */
static unsigned rank_of(const PicChip *chip, uint8_t inputs)
{
    unsigned rank = 0;

    while (rank < 8 && !(inputs & 1 << (chip->top + rank) % 8)) {
        rank++;
    }
    return rank;
}

/* The input to serve next; -1: none. */
static int pending_input(const PicChip *chip, bool is_master)
{
    uint8_t in_service = chip->isr;
    unsigned rank = rank_of(chip, chip->irr & ~chip->imr);

    if (chip->special_mask) {
        in_service &= ~chip->imr;
    }
    if (is_master && chip->is_nested) {     /* the slave may interrupt its own service */
        in_service &= ~(1 << CASCADE_PIN);
    }
    return rank < rank_of(chip, in_service) ? (int)((chip->top + rank) % 8) : -1;
}

static void set_input(PicChip *chip, unsigned input, bool is_high)
{
    uint8_t bit = 1 << input;
    bool is_level = chip->elcr & bit;

    if (is_high && (is_level || !(chip->levels & bit))) {
        chip->irr |= bit;
    }
    if (!is_high) {             /* edges too: "Interrupt Request": the input must stay high until INTA */
        chip->irr &= ~bit;
    }
    chip->levels = is_high ? chip->levels | bit : chip->levels & ~bit;
}

/* Cascade and output follow from the chips. */
static void pic_settle(RhDevice *dev)
{
    Pic *pic = RH_SELF(Pic, dev);
    PicChip *chips = pic->regs.chips;

    set_input(&chips[MASTER], CASCADE_PIN, pending_input(&chips[SLAVE], false) >= 0);
    rh_line_set(&pic->intr, pending_input(&chips[MASTER], true) >= 0);
}

static void pic_pin(RhDevice *dev, unsigned pin, int level)
{
    Pic *pic = RH_SELF(Pic, dev);

    if (pin != CASCADE_PIN) {
        set_input(&pic->regs.chips[pin / 8], pin % 8, level);
        pic_settle(dev);
    }
}

/* --- INTA --- */

static void end_service(PicChip *chip, unsigned input, bool rotates)
{
    chip->isr &= ~(1 << input);
    if (rotates) {
        chip->top = (input + 1) % 8;
    }
}

static void begin_service(PicChip *chip, unsigned input)
{
    if (!(chip->elcr & 1 << input)) {
        chip->irr &= ~(1 << input);
    }
    if (chip->auto_eoi) {
        end_service(chip, input, chip->rotates);
    } else {
        chip->isr |= 1 << input;
    }
}

static uint8_t acknowledge_chip(Pic *pic, unsigned nr)
{
    PicChip *chip = &pic->regs.chips[nr];
    int input = pending_input(chip, nr == MASTER);

    if (input < 0) {
        return chip->base + 7;  /* "Interrupt Sequence" 6: the request went away */
    }
    begin_service(chip, input);
    if (nr == MASTER && input == CASCADE_PIN) {
        return acknowledge_chip(pic, SLAVE);
    }
    return chip->base + input;
}

uint8_t rh_pic_acknowledge(RhDevice *dev)
{
    uint8_t vector = acknowledge_chip(RH_SELF(Pic, dev), MASTER);

    pic_settle(dev);
    return vector;
}

/* --- registers --- */

static void write_icw1(PicChip *chip, uint8_t value)
{
    *chip = (PicChip){ .levels = chip->levels, .elcr = chip->elcr, .base = chip->base, .init = INIT_ICW2,
                       .irr = chip->levels & chip->elcr, .has_icw4 = value & ICW1_ICW4,
                       .is_single = !!(value & ICW1_SINGLE) };
}

static void write_ocw2(PicChip *chip, uint8_t value)
{
    unsigned rank = rank_of(chip, chip->isr);
    unsigned served = (chip->top + rank) % 8;

    switch (value >> 5) {
    case 0:                     /* rotate in automatic EOI: clear, set */
    case 4:
        chip->rotates = value >> 7;
        break;
    case 1:                     /* non-specific EOI, and with rotation */
    case 5:
        if (rank < 8) {
            end_service(chip, served, value >> 7);
        }
        break;
    case 3:                     /* specific EOI, and with rotation */
    case 7:
        end_service(chip, value & 7, value >> 7);
        break;
    case 6:                     /* set priority: the input named becomes the lowest */
        chip->top = (value + 1) & 7;
        break;
    default:                    /* no operation */
        break;
    }
}

static void write_ocw3(PicChip *chip, uint8_t value)
{
    if (value & OCW3_POLL) {
        chip->polls = 1;
    }
    if (value & OCW3_RR) {
        chip->reads_isr = value & OCW3_RIS;
    }
    if (value & OCW3_ESMM) {
        chip->special_mask = !!(value & OCW3_SMM);
    }
}

static void write_data(PicChip *chip, uint8_t value)
{
    switch (chip->init) {
    case INIT_DONE:
        chip->imr = value;
        break;
    case INIT_ICW2:
        chip->base = value & 0xf8;
        chip->init = !chip->is_single ? INIT_ICW3 : chip->has_icw4 ? INIT_ICW4 : INIT_DONE;
        break;
    case INIT_ICW3:             /* how the chips are cascaded is wired */
        chip->init = chip->has_icw4 ? INIT_ICW4 : INIT_DONE;
        break;
    default:
        chip->auto_eoi = !!(value & ICW4_AUTO_EOI);
        chip->is_nested = !!(value & ICW4_SFNM);
        chip->init = INIT_DONE;
    }
}

static void chip_write(RhDevice *dev, unsigned nr, uint64_t at, uint8_t value)
{
    PicChip *chip = &RH_SELF(Pic, dev)->regs.chips[nr];

    if (at == PORT_DATA) {
        write_data(chip, value);
    } else if (value & ICW1) {
        write_icw1(chip, value);
    } else if (value & OCW3) {
        write_ocw3(chip, value);
    } else {
        write_ocw2(chip, value);
    }
    pic_settle(dev);
}

/* "Poll Command": the read acts as INTA. */
static uint8_t poll_chip(RhDevice *dev, unsigned nr)
{
    PicChip *chip = &RH_SELF(Pic, dev)->regs.chips[nr];
    int input = pending_input(chip, nr == MASTER);

    chip->polls = 0;
    if (input < 0) {
        return 0;
    }
    begin_service(chip, input);
    pic_settle(dev);
    return 0x80 | input;
}

static uint64_t chip_read(RhDevice *dev, unsigned nr, uint64_t at)
{
    const PicChip *chip = &RH_SELF(Pic, dev)->regs.chips[nr];

    if (chip->polls) {
        return poll_chip(dev, nr);
    }
    return at == PORT_DATA ? chip->imr : chip->reads_isr ? chip->isr : chip->irr;
}

static uint64_t master_read(RhDevice *dev, uint64_t at, unsigned size)
{
    return chip_read(dev, MASTER, at);
}

static void master_write(RhDevice *dev, uint64_t at, uint64_t value, unsigned size)
{
    chip_write(dev, MASTER, at, value);
}

static uint64_t slave_read(RhDevice *dev, uint64_t at, unsigned size)
{
    return chip_read(dev, SLAVE, at);
}

static void slave_write(RhDevice *dev, uint64_t at, uint64_t value, unsigned size)
{
    chip_write(dev, SLAVE, at, value);
}

static uint64_t elcr_read(RhDevice *dev, uint64_t at, unsigned size)
{
    return RH_SELF(Pic, dev)->regs.chips[at].elcr;
}

static void elcr_write(RhDevice *dev, uint64_t at, uint64_t value, unsigned size)
{
    RH_SELF(Pic, dev)->regs.chips[at].elcr = value & elcr_writable[at];
    pic_settle(dev);
}

/* --- life --- */

/* The levels are what devices drive: a line that stays up through a reset would not be told again. */
static void pic_reset(RhDevice *dev)
{
    for (unsigned i = 0; i < NR_CHIPS; i++) {
        PicChip *chip = &RH_SELF(Pic, dev)->regs.chips[i];

        *chip = (PicChip){ .levels = chip->levels };
    }
}

static bool pic_realize(RhDevice *dev, GError **err)
{
    Pic *pic = RH_SELF(Pic, dev);

    return rh_isa_map_ports(dev, 0x20, &pic->master, err) && rh_isa_map_ports(dev, 0xa0, &pic->slave, err) &&
           rh_isa_map_ports(dev, 0x4d0, &pic->elcr, err);
}

static bool pic_check(RhDevice *dev, GError **err)
{
    for (unsigned i = 0; i < NR_CHIPS; i++) {
        uint8_t elcr = RH_SELF(Pic, dev)->regs.chips[i].elcr;

        if (elcr & ~elcr_writable[i]) {
            return rh_fail(err, "ELCR of PIC %u is 0x%02x, may have the bits 0x%02x", i, elcr, elcr_writable[i]);
        }
    }
    return true;
}

static const RhRegionDesc pic_regions[] = {
    RH_REGION(Pic, master, .span = PORT_SPAN, .sizes = RH_SIZE_1, .read = master_read, .write = master_write),
    RH_REGION(Pic, slave,  .span = PORT_SPAN, .sizes = RH_SIZE_1, .read = slave_read,  .write = slave_write),
    RH_REGION(Pic, elcr,   .span = NR_CHIPS,  .sizes = RH_SIZE_1, .read = elcr_read,   .write = elcr_write),
};
static const RhPinDesc pic_pins[] = {
    { .nr = 16, .set = pic_pin },
};
static const RhLineDesc pic_lines[] = {
    { .offset = offsetof(Pic, intr) },
};
static const RhField chip_fields[] = {
    RH_FIELD(PicChip, levels),
    RH_FIELD(PicChip, irr),
    RH_FIELD(PicChip, imr),
    RH_FIELD(PicChip, isr),
    RH_FIELD(PicChip, top,          .max = 7),
    RH_FIELD(PicChip, base,         .valid = 0xf8),
    RH_FIELD(PicChip, init,         .max = INIT_ICW4),
    RH_FIELD(PicChip, has_icw4,     .max = 1),
    RH_FIELD(PicChip, is_single,    .max = 1),
    RH_FIELD(PicChip, auto_eoi,     .max = 1),
    RH_FIELD(PicChip, rotates,      .max = 1),
    RH_FIELD(PicChip, is_nested,    .max = 1),
    RH_FIELD(PicChip, special_mask, .max = 1),
    RH_FIELD(PicChip, reads_isr,    .max = 1),
    RH_FIELD(PicChip, polls,        .max = 1),
    RH_FIELD(PicChip, elcr),
};
static const RhField pic_fields[] = {
    RH_FIELD_STRUCTS(PicRegs, chips, chip_fields),
};
RH_DEVICE(Pic,
    .name        = RH_TYPE_I8259,
    .parent      = RH_TYPE_ISA_DEVICE,
    .doc         = "Pair of 8259A interrupt controllers",
    .is_internal = true,
    .regions     = RH_TABLE(pic_regions),
    .pins        = RH_TABLE(pic_pins),
    .lines       = RH_TABLE(pic_lines),
    .state       = { .offset = offsetof(Pic, regs), .size = sizeof(PicRegs), .version = 1, .is_kept = true,
                     .fields = RH_TABLE(pic_fields) },
    .realize     = pic_realize,
    .reset       = pic_reset,
    .check       = pic_check,
    .settle      = pic_settle);
