/*
 * ioapic - I/O APIC, 24 pins, at 0xfec00000.
 * Spec: 82093AA data sheet (Intel 290566), cited by section; EOI register of version 0x20: ICH9 data sheet §13.5.
 * Lock: machine lock (the default).
 */
#include "hw/intc/ioapic.h"
#include "softmmu/accel.h"

enum { MMIO_SELECT = 0x00, MMIO_WINDOW = 0x10, MMIO_EOI = 0x40, MMIO_SPAN = 0x1000 };
enum { REG_ID = 0, REG_VERSION = 1, REG_ARBITRATION = 2, REG_TABLE = 0x10, REG_END = REG_TABLE + 2 * RH_IOAPIC_PINS };

/* Redirection table entry, §3.2.4 */
#define ENTRY_VECTOR     0xffu
#define ENTRY_MODE_SHIFT 8
#define ENTRY_LOGICAL    (1u << 11)
#define ENTRY_PENDING    (1u << 12)     /* RO */
#define ENTRY_REMOTE_IRR (1u << 14)     /* RO */
#define ENTRY_LEVEL      (1u << 15)
#define ENTRY_MASKED     (1u << 16)
#define ENTRY_WRITABLE   UINT64_C(0xff0000000001afff)
#define ENTRY_READ_ONLY  (ENTRY_PENDING | ENTRY_REMOTE_IRR)
#define TIMER_PIN        2
#define ID_MASK          0x0f000000u
#define VERSION_EOI      0x20           /* from here on there is an EOI register */

typedef struct IoApicRegs {
    uint64_t table[RH_IOAPIC_PINS];
    uint32_t id;
    uint32_t levels;            /* of the pins */
    uint32_t irr;               /* requests not yet delivered */
    uint8_t select;
} IoApicRegs;

typedef struct IoApic {
    RhDevice parent;
    uint8_t version;
    RhRegion mmio;
    RhIoApicSend *send;
    void *send_opaque;
    RhNotifier ended;           /* an accelerator's local APIC broadcasts an EOI */
    bool is_serving;            /* delivery may come back as an EOI */
    IoApicRegs regs;
} IoApic;

static void send_default(IoApic *ioapic, uint64_t address, uint32_t data)
{
    RhVm *vm = rh_device_vm(&ioapic->parent);

    if (vm->accel && rh_accel_type(vm->accel)->send_msi && rh_accel_has_irqchip(vm)) {
        rh_accel_type(vm->accel)->send_msi(vm->accel, address, data, 0);
    } else {
        rh_space_store(vm->memory, NULL, address, sizeof(data), data);
    }
}

static uint64_t message_address(uint64_t entry)
{
    return 0xfee00000u | (entry >> 56) << 12 | (entry & ENTRY_LOGICAL ? 4 : 0);
}

static uint32_t message_data(uint64_t entry)
{
    uint32_t data = entry & (ENTRY_VECTOR | 7u << ENTRY_MODE_SHIFT | ENTRY_LEVEL);

    /* SDM vol. 3 §11.11.2: level-triggered messages say "assert" */
    return entry & ENTRY_LEVEL ? data | 1u << 14 : data;
}

/* Local APICs of the accelerator tell the end of an interrupt only for entries that it knows. */
static void tell_accel(IoApic *ioapic, unsigned pin)
{
    RhAccel *accel = rh_device_vm(&ioapic->parent)->accel;
    uint64_t entry = ioapic->regs.table[pin];

    if (accel && rh_accel_type(accel)->set_ioapic_pin) {
        rh_accel_type(accel)->set_ioapic_pin(accel, pin, message_address(entry), message_data(entry),
                                             entry & ENTRY_MASKED);
    }
}

static void send_entry(IoApic *ioapic, uint64_t entry)
{
    uint64_t address = message_address(entry);
    uint32_t data = message_data(entry);

    if (ioapic->send) {
        ioapic->send(ioapic->send_opaque, address, data);
    } else {
        send_default(ioapic, address, data);
    }
}

static void serve_pin(IoApic *ioapic, unsigned pin)
{
    IoApicRegs *regs = &ioapic->regs;
    uint64_t entry = regs->table[pin];

    if (!(regs->irr & 1u << pin) || (entry & ENTRY_MASKED)) {
        return;
    }
    if (entry & ENTRY_LEVEL) {
        if (entry & ENTRY_REMOTE_IRR) {
            return;             /* §3.2.4: until the local APIC's EOI */
        }
        regs->table[pin] |= ENTRY_REMOTE_IRR;
    } else {
        regs->irr &= ~(1u << pin);
    }
    send_entry(ioapic, entry);
}

/* One pass is enough: a pin that is served again by an EOI from within is served by that EOI's own call. */
static void serve(IoApic *ioapic)
{
    if (ioapic->is_serving) {
        return;
    }
    ioapic->is_serving = true;
    for (unsigned pin = 0; pin < RH_IOAPIC_PINS; pin++) {
        serve_pin(ioapic, pin);
    }
    ioapic->is_serving = false;
}

static void ioapic_pin(RhDevice *dev, unsigned pin, int level)
{
    IoApic *ioapic = RH_SELF(IoApic, dev);
    IoApicRegs *regs = &ioapic->regs;
    unsigned gsi = pin;
    uint32_t bit;
    bool is_level;

    pin = gsi == 0 ? TIMER_PIN : gsi;   /* PC wiring: ISA interrupt 0 sits on pin 2, ISA interrupt 2 nowhere */
    bit = 1u << pin;
    is_level = regs->table[pin] & ENTRY_LEVEL;
    if (level && (is_level || !(regs->levels & bit))) {
        /* an edge on a masked pin is lost, as on the chip */
        regs->irr |= !is_level && (regs->table[pin] & ENTRY_MASKED) ? 0 : bit;
    } else if (!level && is_level) {
        regs->irr &= ~bit;
    }
    regs->levels = level ? regs->levels | bit : regs->levels & ~bit;
    serve_pin(ioapic, pin);
}

void rh_ioapic_eoi(RhDevice *dev, uint8_t vector)
{
    IoApic *ioapic = RH_SELF(IoApic, dev);

    for (unsigned pin = 0; pin < RH_IOAPIC_PINS; pin++) {
        uint64_t *entry = &ioapic->regs.table[pin];

        if ((*entry & ENTRY_VECTOR) == vector && (*entry & ENTRY_LEVEL) && (*entry & ENTRY_REMOTE_IRR)) {
            *entry &= ~(uint64_t)ENTRY_REMOTE_IRR;
            serve(ioapic);
        }
    }
}

void rh_ioapic_set_delivery(RhDevice *dev, RhIoApicSend *send, void *opaque)
{
    RH_SELF(IoApic, dev)->send = send;
    RH_SELF(IoApic, dev)->send_opaque = opaque;
}

/* --- registers, §3.1 --- */

static uint32_t read_register(const IoApic *ioapic, unsigned reg)
{
    const IoApicRegs *regs = &ioapic->regs;

    if (reg >= REG_TABLE && reg < REG_END) {
        return regs->table[(reg - REG_TABLE) / 2] >> (reg & 1 ? 32 : 0);
    }
    switch (reg) {
    case REG_ID:
    case REG_ARBITRATION: return regs->id;
    case REG_VERSION:     return ioapic->version | (RH_IOAPIC_PINS - 1) << 16;
    default:              return 0;
    }
}

static void write_entry(IoApic *ioapic, unsigned reg, uint32_t value)
{
    IoApicRegs *regs = &ioapic->regs;
    unsigned pin = (reg - REG_TABLE) / 2;
    uint64_t *entry = &regs->table[pin];
    unsigned shift = reg & 1 ? 32 : 0;
    uint64_t wanted = (*entry & ~(UINT64_C(0xffffffff) << shift)) | (uint64_t)value << shift;

    *entry = (wanted & ENTRY_WRITABLE) | (*entry & ENTRY_READ_ONLY);
    if (*entry & ENTRY_LEVEL) {
        regs->irr = (regs->irr & ~(1u << pin)) | (regs->levels & 1u << pin);
    } else {
        *entry &= ~(uint64_t)ENTRY_REMOTE_IRR;      /* how system software acknowledges without EOI register */
    }
    tell_accel(ioapic, pin);
    serve_pin(ioapic, pin);
}

static void write_register(IoApic *ioapic, unsigned reg, uint32_t value)
{
    if (reg >= REG_TABLE && reg < REG_END) {
        write_entry(ioapic, reg, value);
    } else if (reg == REG_ID) {
        ioapic->regs.id = value & ID_MASK;
    } else {
        rh_guest_error(&ioapic->parent, "write of 0x%x to register 0x%x", value, reg);
    }
}

static uint64_t ioapic_read(RhDevice *dev, uint64_t at, unsigned size)
{
    const IoApic *ioapic = RH_SELF(IoApic, dev);

    switch (at) {
    case MMIO_SELECT: return ioapic->regs.select;
    case MMIO_WINDOW: return read_register(ioapic, ioapic->regs.select);
    default:          return 0;
    }
}

static void ioapic_write(RhDevice *dev, uint64_t at, uint64_t value, unsigned size)
{
    IoApic *ioapic = RH_SELF(IoApic, dev);

    switch (at) {
    case MMIO_SELECT:
        ioapic->regs.select = value;
        break;
    case MMIO_WINDOW:
        write_register(ioapic, ioapic->regs.select, value);
        break;
    case MMIO_EOI:
        if (ioapic->version >= VERSION_EOI) {
            rh_ioapic_eoi(dev, value);
        }
        break;
    default:
        rh_guest_error(dev, "write to register at 0x%" PRIx64, at);
    }
}

/* --- life --- */

static void ioapic_release(RhDevice *dev, void *arg)
{
    rh_region_remove(arg);
    rh_notifier_remove(&RH_SELF(IoApic, dev)->ended);
}

static void interrupt_ended(RhNotifier *self, void *vector)
{
    rh_ioapic_eoi(&RH_CONTAINER(IoApic, ended, self)->parent, *(uint8_t *)vector);
}

static void ioapic_settle(RhDevice *dev)
{
    for (unsigned pin = 0; pin < RH_IOAPIC_PINS; pin++) {
        tell_accel(RH_SELF(IoApic, dev), pin);
    }
}

/* The levels are what devices drive: a line that stays up through a reset would not be told again. */
static void ioapic_reset(RhDevice *dev)
{
    IoApicRegs *regs = &RH_SELF(IoApic, dev)->regs;

    *regs = (IoApicRegs){ .levels = regs->levels };
    for (unsigned pin = 0; pin < RH_IOAPIC_PINS; pin++) {
        regs->table[pin] = ENTRY_MASKED;
    }
}

static bool ioapic_realize(RhDevice *dev, GError **err)
{
    IoApic *ioapic = RH_SELF(IoApic, dev);

    if (ioapic->version != 0x11 && ioapic->version != VERSION_EOI) {
        return rh_fail(err, "Property 'ioapic.version' is 0x%x, must be 0x11 or 0x20", ioapic->version);
    }
    ioapic_reset(dev);          /* masked from the first moment on: lines may be up before the machine's reset */
    rh_region_add_over(rh_space_root(rh_device_vm(dev)->memory), RH_IOAPIC_BASE, &ioapic->mmio, 1);
    rh_device_claim(dev, ioapic_release, &ioapic->mmio);
    if (rh_device_vm(dev)->accel) {
        ioapic->ended.fn = interrupt_ended;
        rh_notifier_add(&rh_device_vm(dev)->accel->eoi, &ioapic->ended);
    }
    return true;
}

static const RhProp ioapic_props[] = {
    RH_PROP("version", IoApic, version, .def = VERSION_EOI, .doc = "0x11, or 0x20 with an EOI register"),
};
static const RhRegionDesc ioapic_regions[] = {
    RH_REGION(IoApic, mmio, .span = MMIO_SPAN, .sizes = RH_SIZE_4, .read = ioapic_read, .write = ioapic_write),
};
static const RhPinDesc ioapic_pins[] = {
    { .nr = RH_IOAPIC_PINS, .set = ioapic_pin },
};
static const RhField ioapic_fields[] = {
    RH_FIELD_ARRAY(IoApicRegs, table, .valid = ENTRY_WRITABLE | ENTRY_READ_ONLY),
    RH_FIELD(IoApicRegs, id,     .valid = ID_MASK),
    RH_FIELD(IoApicRegs, levels, .valid = 0xffffff),
    RH_FIELD(IoApicRegs, irr,    .valid = 0xffffff),
    RH_FIELD(IoApicRegs, select),
};

RH_DEVICE(IoApic,
    .name        = RH_TYPE_IOAPIC,
    .parent      = RH_TYPE_DEVICE,
    .doc         = "I/O interrupt controller (82093AA)",
    .is_internal = true,
    .props       = RH_TABLE(ioapic_props),
    .regions     = RH_TABLE(ioapic_regions),
    .pins        = RH_TABLE(ioapic_pins),
    .state       = { .offset = offsetof(IoApic, regs), .size = sizeof(IoApicRegs), .version = 1, .is_kept = true,
                     .fields = RH_TABLE(ioapic_fields) },
    .realize     = ioapic_realize,
    .reset       = ioapic_reset,
    .settle      = ioapic_settle);
