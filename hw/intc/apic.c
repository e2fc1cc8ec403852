/*
 * apic - local APIC of one CPU, for machines whose accelerator has none: xAPIC registers by memory, x2APIC ones by MSR.
 *
 * Invariants:
 * 1. A vector in IRR was accepted and not yet taken by the CPU; one in ISR was taken and not yet ended.
 * 2. INTR is up while the highest vector of IRR has a higher class than PPR, or the 8259 asks through LINT0.
 *
 * Spec: Intel SDM vol. 3, chapter 11, cited by section.  Lock: machine lock.
 */
#include "apic-private.h"

/* Registers: offset / 16, and the MSR's index above 800H; table 11-1 and table 11-6 */
enum {
    REG_ID = 0x02, REG_VERSION = 0x03, REG_TPR = 0x08, REG_APR = 0x09, REG_PPR = 0x0a, REG_EOI = 0x0b, REG_RRD = 0x0c,
    REG_LDR = 0x0d, REG_DFR = 0x0e, REG_SVR = 0x0f, REG_ISR = 0x10, REG_TMR = 0x18, REG_IRR = 0x20, REG_ESR = 0x28,
    REG_ICR = 0x30, REG_ICR_HIGH = 0x31, REG_LVT = 0x32, REG_COUNT = 0x38, REG_CURRENT = 0x39, REG_DIVIDE = 0x3e,
    REG_SELF = 0x3f, REG_END = 0x40,
};

/* Who may do what: read, write; registers of one mode only */
#define R 1u
#define W 2u
#define XAPIC_ONLY  4u
#define X2APIC_ONLY 8u
static const uint8_t reg_access[REG_END] = {
    [REG_ID] = R, [REG_VERSION] = R, [REG_TPR] = R | W, [REG_APR] = R | XAPIC_ONLY, [REG_PPR] = R, [REG_EOI] = W,
    [REG_RRD] = R | XAPIC_ONLY, [REG_LDR] = R | W, [REG_DFR] = R | W | XAPIC_ONLY, [REG_SVR] = R | W,
    [REG_ISR ... REG_ISR + 7] = R, [REG_TMR ... REG_TMR + 7] = R, [REG_IRR ... REG_IRR + 7] = R,
    [REG_ESR] = R | W, [REG_ICR] = R | W, [REG_ICR_HIGH] = R | W | XAPIC_ONLY,
    [REG_LVT ... REG_LVT + NR_LVT - 1] = R | W, [REG_COUNT] = R | W, [REG_CURRENT] = R, [REG_DIVIDE] = R | W,
    [REG_SELF] = W | X2APIC_ONLY,
};

/* What may be written to the local vector table, figure 11-8 */
#define LVT_DELIVERY (LVT_VECTOR | 7u << 8 | LVT_MASKED)
#define LVT_PIN      (LVT_DELIVERY | 1u << 13 | LVT_LEVEL)
static const uint32_t lvt_writable[NR_LVT] = {      /* but the timer's: apic_timer_lvt_bits */
    [LVT_THERMAL] = LVT_DELIVERY, [LVT_PERF] = LVT_DELIVERY,
    [LVT_LINT0] = LVT_PIN, [LVT_LINT1] = LVT_PIN,
    [LVT_ERROR] = LVT_VECTOR | LVT_MASKED,
};

#define SVR_ENABLED    0x100u
#define SVR_WRITABLE   0x1ffu
#define ICR_WRITABLE   0xccfffu         /* the delivery status reads as idle: messages arrive at once */
#define ICR_LOGICAL    (1u << 11)
#define ICR_ASSERT     (1u << 14)
#define ICR_LEVEL      (1u << 15)
#define DFR_FLAT       UINT32_MAX
#define ESR_SEND_VECTOR    0x20u
#define ESR_RECEIVE_VECTOR 0x40u
#define ESR_REGISTER       0x80u
#define ESR_ALL            0xe0u

#define MSR_APIC_BASE    0x1bu
#define MSR_TSC_DEADLINE 0x6e0u
#define MSR_X2APIC       0x800u
#define BASE_BSP     0x100u
#define BASE_X2APIC  0x400u
#define BASE_ENABLED 0x800u
#define BASE_DEFAULT (RH_APIC_BASE | BASE_ENABLED)
#define BASE_VALID   UINT64_C(0xffffffffffd00)
#define BASE_ADDRESS UINT64_C(0xffffffffff000)

#define MAX_START_NS (INT64_MAX / 4)
enum { FIRST_VECTOR = 16 };             /* §11.5.2: those below are illegal */

static Apic *apic_of(RhDevice *dev)
{
    return RH_SELF(Apic, dev);
}

RhVcpu *apic_vcpu(RhDevice *dev)
{
    return apic_of(dev)->vcpu;
}

static bool is_enabled(const Apic *apic)
{
    return apic->regs.base & BASE_ENABLED;
}

static bool is_x2apic(const Apic *apic)
{
    return apic->regs.base & BASE_X2APIC;
}

static bool is_bsp(const Apic *apic)
{
    return apic->vcpu->index == 0;
}

/* --- vectors and priorities, §11.8 --- */

static void set_vector(uint32_t *map, uint8_t vector, bool value)
{
    uint32_t bit = 1u << vector % 32;

    map[vector / 32] = value ? map[vector / 32] | bit : map[vector / 32] & ~bit;
}

static bool has_vector(const uint32_t *map, uint8_t vector)
{
    return map[vector / 32] & 1u << vector % 32;
}

/* -1: none */
static int highest(const uint32_t *map)
{
    for (int i = 7; i >= 0; i--) {
        if (map[i]) {
            return i * 32 + 31 - __builtin_clz(map[i]);
        }
    }
    return -1;
}

uint8_t apic_priority(RhDevice *dev)
{
    const ApicRegs *regs = &apic_of(dev)->regs;
    int serving = MAX(highest(regs->isr), 0);

    return regs->tpr >> 4 >= serving >> 4 ? regs->tpr : serving & 0xf0;
}

/* -1: none that may interrupt now */
static int deliverable(Apic *apic)
{
    int vector = highest(apic->regs.irr);

    return vector >= 0 && vector >> 4 > apic_priority(&apic->parent) >> 4 ? vector : -1;
}

/* The 8259 asks, and is heard: through LINT0 as ExtINT, or, while the APIC is disabled, as the CPU's INTR pin. */
static bool is_external(const Apic *apic)
{
    uint32_t lint0 = apic->regs.lvt[LVT_LINT0];

    if (!(apic->regs.pins & 1u << RH_APIC_LINT0)) {
        return false;
    }
    return !is_enabled(apic) || (!(lint0 & LVT_MASKED) && LVT_MODE(lint0) == APIC_EXTERNAL);
}

static void request(Apic *apic, int kind, int level)
{
    const RhApicOps *ops = apic_bus_ops(apic->bus);

    if (ops->request) {
        ops->request(apic->vcpu, kind, level);
    }
}

static void update(Apic *apic)
{
    bool is_wanted = is_external(apic) || (is_enabled(apic) && deliverable(apic) >= 0);

    if (is_wanted != apic->is_requesting) {
        apic->is_requesting = is_wanted;
        request(apic, RH_CPU_INTR, is_wanted);
    }
}

/* --- accepting --- */

/* §11.5.3: each kind of error interrupts once until software looks; that also ends the case of an entry that errs. */
static void note_error(Apic *apic, uint32_t error)
{
    if (!(apic->regs.errors & error)) {
        apic->regs.errors |= error;
        apic_local(apic, LVT_ERROR);
    }
}

static void accept_fixed(Apic *apic, uint8_t vector, bool is_level)
{
    if (!(apic->regs.svr & SVR_ENABLED)) {
        return;
    }
    if (vector < FIRST_VECTOR) {
        note_error(apic, ESR_RECEIVE_VECTOR);
        return;
    }
    set_vector(apic->regs.irr, vector, true);
    set_vector(apic->regs.tmr, vector, is_level);
    update(apic);
}

void apic_accept(RhDevice *dev, const ApicMessage *message)
{
    Apic *apic = apic_of(dev);
    ApicRegs *regs = &apic->regs;

    if (!is_enabled(apic)) {
        return;
    }
    switch (message->mode) {
    case APIC_FIXED:
        accept_fixed(apic, message->vector, message->is_level);
        break;
    case APIC_SMI:
        request(apic, RH_CPU_SMI, 1);
        break;
    case APIC_NMI:
        request(apic, RH_CPU_NMI, 1);
        break;
    case APIC_INIT:
        regs->has_init = 1;
        regs->has_startup = 0;
        request(apic, RH_CPU_INIT, 1);
        break;
    case APIC_STARTUP:
        regs->has_startup = 1;
        regs->startup_vector = message->vector;
        request(apic, RH_CPU_INIT, 1);
        break;
    default:
        rh_guest_error(dev, "message of delivery mode %u", message->mode);
    }
}

void apic_local(Apic *apic, unsigned entry)
{
    uint32_t lvt = apic->regs.lvt[entry];
    ApicMessage message = { .mode = LVT_MODE(lvt), .vector = lvt & LVT_VECTOR };

    if (lvt & LVT_MASKED) {
        return;
    }
    if (entry == LVT_TIMER || entry == LVT_ERROR) {
        message.mode = APIC_FIXED;
    } else if (message.mode == APIC_FIXED && (lvt & LVT_LEVEL)) {
        apic->regs.lvt[entry] |= LVT_REMOTE_IRR;
        message.is_level = true;
    }
    apic_accept(&apic->parent, &message);
}

static void apic_pin(RhDevice *dev, unsigned pin, int level)
{
    Apic *apic = apic_of(dev);
    uint32_t lvt = apic->regs.lvt[LVT_LINT0 + pin];
    bool is_rising = level && !(apic->regs.pins & 1u << pin);

    apic->regs.pins = level ? apic->regs.pins | 1u << pin : apic->regs.pins & ~(1u << pin);
    if (!is_enabled(apic)) {
        if (pin == RH_APIC_LINT1 && is_rising) {
            request(apic, RH_CPU_NMI, 1);
        }
    } else if (is_rising && LVT_MODE(lvt) != APIC_EXTERNAL && !(lvt & LVT_REMOTE_IRR)) {
        apic_local(apic, LVT_LINT0 + pin);
    }
    update(apic);
}

static void end_pin(Apic *apic, unsigned pin, uint8_t vector)
{
    uint32_t *lvt = &apic->regs.lvt[LVT_LINT0 + pin];

    if ((*lvt & LVT_REMOTE_IRR) && (*lvt & LVT_VECTOR) == vector) {
        *lvt &= ~LVT_REMOTE_IRR;
        if (apic->regs.pins & 1u << pin) {
            apic_local(apic, LVT_LINT0 + pin);
        }
    }
}

/* §11.8.5 */
static void end_of_interrupt(Apic *apic)
{
    const RhApicOps *ops = apic_bus_ops(apic->bus);
    int vector = highest(apic->regs.isr);

    if (vector < 0) {
        return;
    }
    set_vector(apic->regs.isr, vector, false);
    if (has_vector(apic->regs.tmr, vector)) {
        end_pin(apic, RH_APIC_LINT0, vector);
        end_pin(apic, RH_APIC_LINT1, vector);
        if (ops->ended) {
            ops->ended(rh_device_vm(&apic->parent), vector);
        }
    }
    update(apic);
}

int rh_apic_acknowledge(RhDevice *dev)
{
    Apic *apic = apic_of(dev);
    const RhApicOps *ops = apic_bus_ops(apic->bus);
    int vector;

    if (is_external(apic) && ops->external) {
        return ops->external(apic->vcpu);       /* the 8259 lets LINT0 go by itself */
    }
    vector = is_enabled(apic) ? deliverable(apic) : -1;
    if (vector >= 0) {
        set_vector(apic->regs.irr, vector, false);
        set_vector(apic->regs.isr, vector, true);
    }
    update(apic);
    return vector;
}

/* --- sending and being found, §11.6 --- */

static bool is_logical_id(const Apic *apic, uint32_t destination)
{
    uint8_t id = apic->regs.ldr >> 24;

    if (is_x2apic(apic)) {      /* §11.12.10.2: cluster, and a bit in it */
        return destination >> 16 == apic->id >> 4 && (destination & 1u << (apic->id & 15));
    }
    if (destination > 0xff) {
        return false;
    }
    if (apic->regs.dfr >> 28 == 0xf) {
        return destination & id;
    }
    return (destination >> 4 == 0xf || destination >> 4 == id >> 4) && (destination & id & 0xf);
}

bool apic_is_meant(RhDevice *dev, const ApicMessage *message)
{
    const Apic *apic = apic_of(dev);

    if (message->destination == APIC_BROADCAST) {
        return true;
    }
    return message->is_logical ? is_logical_id(apic, message->destination) : message->destination == apic->id;
}

static void send(Apic *apic)
{
    uint32_t low = (uint32_t)apic->regs.icr;
    uint32_t high = apic->regs.icr >> 32;
    ApicMessage message = {
        .destination = is_x2apic(apic) ? high : high >> 24 == 0xff ? APIC_BROADCAST : high >> 24,
        .shorthand = low >> 18 & 3,
        .is_logical = low & ICR_LOGICAL,
        .is_level = low & ICR_LEVEL,
        .mode = low >> 8 & 7,
        .vector = low,
    };

    if (message.mode == APIC_INIT && (low & ICR_LEVEL) && !(low & ICR_ASSERT)) {
        return;                 /* the de-assert only concerned arbitration ids */
    }
    if (message.mode <= APIC_LOWEST && message.vector < FIRST_VECTOR) {
        note_error(apic, ESR_SEND_VECTOR);
        return;
    }
    message.is_level = false;   /* §11.6.1: on processors since the P4 IPIs are edge-triggered */
    apic_bus_deliver(apic->bus, &apic->parent, &message);
}

/* --- registers --- */

static bool may_access(const Apic *apic, unsigned reg, unsigned how)
{
    unsigned access = reg < REG_END ? reg_access[reg] : 0;

    return (access & how) && !(access & (is_x2apic(apic) ? XAPIC_ONLY : X2APIC_ONLY));
}

static uint32_t read_id(const Apic *apic)
{
    return is_x2apic(apic) ? apic->id : apic->id << 24;
}

static uint32_t read_ldr(const Apic *apic)
{
    return is_x2apic(apic) ? apic->id >> 4 << 16 | 1u << (apic->id & 15) : apic->regs.ldr;
}

static uint32_t read_register(Apic *apic, unsigned reg)
{
    const ApicRegs *regs = &apic->regs;

    switch (reg) {
    case REG_ID:       return read_id(apic);
    case REG_VERSION:  return apic->version | (NR_LVT - 1) << 16;
    case REG_TPR:      return regs->tpr;
    case REG_APR:
    case REG_PPR:      return apic_priority(&apic->parent);
    case REG_LDR:      return read_ldr(apic);
    case REG_DFR:      return regs->dfr;
    case REG_SVR:      return regs->svr;
    case REG_ISR ... REG_ISR + 7: return regs->isr[reg - REG_ISR];
    case REG_TMR ... REG_TMR + 7: return regs->tmr[reg - REG_TMR];
    case REG_IRR ... REG_IRR + 7: return regs->irr[reg - REG_IRR];
    case REG_ESR:      return regs->esr;
    case REG_ICR:      return (uint32_t)regs->icr;
    case REG_ICR_HIGH: return regs->icr >> 32;
    case REG_LVT ... REG_LVT + NR_LVT - 1: return regs->lvt[reg - REG_LVT];
    case REG_COUNT:    return regs->initial_count;
    case REG_CURRENT:  return apic_timer_count(apic);
    case REG_DIVIDE:   return regs->divide;
    default:           return 0;
    }
}

static void set_tpr(Apic *apic, uint8_t value)
{
    apic->regs.tpr = value;
    request(apic, RH_CPU_TPR, value >> 4);
    update(apic);
}

static uint32_t writable_bits(const Apic *apic, unsigned entry)
{
    return entry == LVT_TIMER ? apic_timer_lvt_bits(apic) : lvt_writable[entry];
}

static void write_lvt(Apic *apic, unsigned entry, uint32_t value)
{
    uint32_t *lvt = &apic->regs.lvt[entry];

    value = (value & writable_bits(apic, entry)) | (*lvt & LVT_REMOTE_IRR);
    if (!(apic->regs.svr & SVR_ENABLED)) {
        value |= LVT_MASKED;    /* §11.4.7.2 */
    }
    if (entry == LVT_TIMER) {
        apic_timer_set_lvt(apic, value);
    } else {
        *lvt = value;
    }
    update(apic);
}

static void write_svr(Apic *apic, uint32_t value)
{
    apic->regs.svr = value & SVR_WRITABLE;
    for (unsigned i = 0; i < NR_LVT && !(value & SVR_ENABLED); i++) {
        apic->regs.lvt[i] |= LVT_MASKED;
    }
    update(apic);
}

static void write_icr(Apic *apic, uint32_t high, uint32_t low)
{
    apic->regs.icr = (uint64_t)high << 32 | (low & ICR_WRITABLE);
    send(apic);
}

static void write_register(Apic *apic, unsigned reg, uint32_t value)
{
    ApicRegs *regs = &apic->regs;

    switch (reg) {
    case REG_TPR:
        set_tpr(apic, value);
        break;
    case REG_EOI:
        end_of_interrupt(apic);
        break;
    case REG_LDR:
        regs->ldr = value & 0xff000000;
        break;
    case REG_DFR:
        regs->dfr = value | 0x0fffffff;
        break;
    case REG_SVR:
        write_svr(apic, value);
        break;
    case REG_ESR:               /* §11.5.3: a write shows what was gathered since the last */
        regs->esr = regs->errors;
        regs->errors = 0;
        break;
    case REG_ICR:
        write_icr(apic, regs->icr >> 32, value);
        break;
    case REG_ICR_HIGH:
        regs->icr = (uint32_t)regs->icr | (uint64_t)(value & 0xff000000) << 32;
        break;
    case REG_LVT ... REG_LVT + NR_LVT - 1:
        write_lvt(apic, reg - REG_LVT, value);
        break;
    case REG_COUNT:
        apic_timer_set_count(apic, value);
        break;
    case REG_DIVIDE:
        apic_timer_set_divide(apic, value);
        break;
    }
}

uint32_t rh_apic_load(RhDevice *dev, unsigned at)
{
    Apic *apic = apic_of(dev);

    if (!is_enabled(apic) || is_x2apic(apic)) {
        return UINT32_MAX;      /* nothing there */
    }
    if (at % 16) {
        return 0;
    }
    if (!may_access(apic, at / 16, R)) {
        if (!may_access(apic, at / 16, W)) {
            note_error(apic, ESR_REGISTER);
        }
        return 0;
    }
    return read_register(apic, at / 16);
}

void rh_apic_store(RhDevice *dev, unsigned at, uint32_t value)
{
    Apic *apic = apic_of(dev);

    if (!is_enabled(apic) || is_x2apic(apic) || at % 16) {
        return;
    }
    if (may_access(apic, at / 16, W)) {
        write_register(apic, at / 16, value);
    } else if (!may_access(apic, at / 16, R)) {
        note_error(apic, ESR_REGISTER);
    }
}

/* --- registers that software moved, §11.4.5 --- */

uint64_t apic_address(RhDevice *dev)
{
    return apic_of(dev)->regs.base & BASE_ADDRESS;
}

static uint64_t page_read(RhDevice *dev, uint64_t at, unsigned size)
{
    RhDevice *apic = apic_bus_current(apic_of(dev)->bus, apic_address(dev));

    return apic ? rh_apic_load(apic, at) : UINT32_MAX;
}

static void page_write(RhDevice *dev, uint64_t at, uint64_t value, unsigned size)
{
    RhDevice *apic = apic_bus_current(apic_of(dev)->bus, apic_address(dev));

    if (apic) {
        rh_apic_store(apic, at, value);
    }
}

static void place_page(Apic *apic)
{
    uint64_t address = apic_address(&apic->parent);
    bool is_away = is_enabled(apic) && !is_x2apic(apic) && address != RH_APIC_BASE;

    if (apic->page.container && is_away && apic->page.at == address) {
        return;
    }
    rh_region_remove(&apic->page);
    if (is_away) {
        rh_region_add_over(rh_space_root(rh_device_vm(&apic->parent)->memory), address, &apic->page, 1);
    }
}

/* --- MSRs, §11.12 --- */

/* §11.12.5: x2APIC mode is entered from xAPIC mode, and left by disabling. */
static bool write_base(Apic *apic, uint64_t value)
{
    uint64_t old = apic->regs.base;
    bool had_x2 = old & BASE_X2APIC;
    bool has_x2 = value & BASE_X2APIC;

    if ((value & ~BASE_VALID) || (has_x2 && !(value & BASE_ENABLED)) || (has_x2 && !(old & BASE_ENABLED)) ||
        (had_x2 && !has_x2 && (value & BASE_ENABLED))) {
        return false;
    }
    apic->regs.base = (value & ~(uint64_t)BASE_BSP) | (old & BASE_BSP);
    place_page(apic);
    update(apic);
    return true;
}

bool rh_apic_read_msr(RhDevice *dev, uint32_t index, uint64_t *ret)
{
    Apic *apic = apic_of(dev);
    unsigned reg = index - MSR_X2APIC;

    if (index == MSR_APIC_BASE) {
        *ret = apic->regs.base;
        return true;
    }
    if (index == MSR_TSC_DEADLINE) {
        *ret = apic->regs.deadline;
        return apic->has_deadline;
    }
    if (!is_x2apic(apic) || index < MSR_X2APIC || !may_access(apic, reg, R)) {
        return false;
    }
    *ret = reg == REG_ICR ? apic->regs.icr : read_register(apic, reg);
    return true;
}

/* Bits that may be set, for those registers whose others fault. */
static uint64_t x2apic_valid(const Apic *apic, unsigned reg)
{
    switch (reg) {
    case REG_ICR:    return UINT64_C(0xffffffff00000000) | ICR_WRITABLE | 1u << 12;
    case REG_EOI:
    case REG_ESR:    return 0;
    case REG_TPR:
    case REG_SELF:   return 0xff;
    case REG_SVR:    return SVR_WRITABLE;
    case REG_DIVIDE: return 0xb;
    case REG_LVT ... REG_LVT + NR_LVT - 1:
        return writable_bits(apic, reg - REG_LVT) | LVT_REMOTE_IRR | 1u << 12;
    default:         return UINT32_MAX;
    }
}

bool rh_apic_write_msr(RhDevice *dev, uint32_t index, uint64_t value)
{
    Apic *apic = apic_of(dev);
    unsigned reg = index - MSR_X2APIC;

    if (index == MSR_APIC_BASE) {
        return write_base(apic, value);
    }
    if (index == MSR_TSC_DEADLINE) {
        apic_timer_set_deadline(apic, value);
        return apic->has_deadline;
    }
    if (!is_x2apic(apic) || index < MSR_X2APIC || reg == REG_LDR || !may_access(apic, reg, W) ||
        (value & ~x2apic_valid(apic, reg))) {
        return false;
    }
    if (reg == REG_ICR) {
        write_icr(apic, value >> 32, value);
    } else if (reg == REG_SELF) {
        accept_fixed(apic, value, false);
    } else {
        write_register(apic, reg, value);
    }
    return true;
}

void rh_apic_tsc_moved(RhDevice *dev)
{
    apic_timer_tsc_moved(apic_of(dev));
}

void rh_apic_set_tpr(RhDevice *dev, unsigned priority)
{
    Apic *apic = apic_of(dev);

    if (apic->regs.tpr >> 4 != priority) {
        apic->regs.tpr = priority << 4;
        update(apic);
    }
}

/* --- life --- */

#define ALL_MASKED { LVT_MASKED, LVT_MASKED, LVT_MASKED, LVT_MASKED, LVT_MASKED, LVT_MASKED }
static const ApicRegs apic_at_reset = {         /* §11.4.7.1 */
    .base = BASE_DEFAULT, .dfr = DFR_FLAT, .svr = 0xff, .lvt = ALL_MASKED,
};

static void apic_reset(RhDevice *dev)
{
    Apic *apic = apic_of(dev);

    if (is_bsp(apic)) {
        apic->regs.base |= BASE_BSP;
        apic->regs.lvt[LVT_LINT0] = APIC_EXTERNAL << 8;     /* virtual wire, which firmware relies on */
    }
}

/* §11.4.7.3: as after power-up, but for what identifies the APIC. */
bool rh_apic_take_init(RhDevice *dev)
{
    Apic *apic = apic_of(dev);
    ApicRegs old = apic->regs;

    if (!old.has_init) {
        return false;
    }
    apic->regs = apic_at_reset;
    apic_reset(dev);
    apic->regs.base = old.base;
    apic->regs.pins = old.pins;
    apic->regs.has_startup = old.has_startup;
    apic->regs.startup_vector = old.startup_vector;
    apic_timer_settle(apic);
    update(apic);
    return true;
}

int rh_apic_take_startup(RhDevice *dev)
{
    ApicRegs *regs = &apic_of(dev)->regs;
    int vector = regs->has_startup ? regs->startup_vector : -1;

    regs->has_startup = 0;
    return vector;
}

static void apic_settle(RhDevice *dev)
{
    Apic *apic = apic_of(dev);

    apic_timer_settle(apic);
    place_page(apic);
    update(apic);
    if (apic->regs.has_init || apic->regs.has_startup) {
        request(apic, RH_CPU_INIT, 1);
    }
}

/* Times that no machine reaches would overflow the timer's sums; and without deadlines nobody says when one comes. */
static bool apic_check(RhDevice *dev, GError **err)
{
    const Apic *apic = apic_of(dev);
    const ApicRegs *regs = &apic->regs;
    uint32_t mode = regs->lvt[LVT_TIMER] & ~(LVT_PIN | LVT_REMOTE_IRR);

    if (!apic->has_deadline && (regs->deadline || (mode & ~apic_timer_lvt_bits(apic)))) {
        return rh_fail(err, "State of 'apic' has a timer in TSC-deadline mode, which this CPU does not have");
    }
    return (regs->count_start > -MAX_START_NS && regs->count_start < MAX_START_NS) ||
           rh_fail(err, "State field 'count_start' of 'apic' is %" PRId64 ", must be within %" PRId64 " ns of 0",
                   regs->count_start, MAX_START_NS);
}

static void leave_bus(RhDevice *dev, void *arg)
{
    rh_region_remove(&apic_of(dev)->page);
    apic_bus_remove(arg, dev);
}

static bool apic_realize(RhDevice *dev, GError **err)
{
    Apic *apic = apic_of(dev);

    if (!apic->bus || !apic->vcpu) {
        return rh_fail(err, "Device 'apic' is a part of a CPU, which makes it");
    }
    apic_timer_init(apic);
    apic_bus_add(apic->bus, dev);
    rh_device_claim(dev, leave_bus, apic->bus);
    return true;
}

RhDevice *rh_apic_new(RhDevice *bus, RhObject *parent, RhVcpu *vcpu, uint32_t id, bool has_deadline, GError **err)
{
    RhDevice *dev = rh_device_new(rh_device_vm(bus), RH_TYPE_APIC, err);

    if (!dev) {
        return NULL;
    }
    apic_of(dev)->bus = bus;
    apic_of(dev)->vcpu = vcpu;
    apic_of(dev)->id = id;
    apic_of(dev)->has_deadline = has_deadline;
    return rh_device_own(dev, parent, "lapic", err) && rh_device_realize(dev, NULL, err) ? dev : NULL;
}

static const RhProp apic_props[] = {
    RH_PROP("id", Apic, id, .doc = "initial APIC id"),
    RH_PROP("version", Apic, version, .def = 0x14, .doc = "as the version register shows it"),
    RH_PROP("tsc-deadline", Apic, has_deadline, .doc = "the timer has TSC-deadline mode"),
};
static const RhPinDesc apic_pins[] = {
    { .nr = RH_APIC_NR_PINS, .set = apic_pin },
};
static const RhRegionDesc apic_regions[] = {
    RH_REGION(Apic, page, .span = APIC_PAGE_SPAN, .sizes = RH_SIZE_4, .read = page_read, .write = page_write),
};
static const RhField apic_fields[] = {
    RH_FIELD(ApicRegs, base, .valid = BASE_VALID),
    RH_FIELD(ApicRegs, deadline),
    RH_FIELD(ApicRegs, count_start),
    RH_FIELD(ApicRegs, next_ns, .max = INT64_MAX),
    RH_FIELD(ApicRegs, icr),
    RH_FIELD_ARRAY(ApicRegs, irr),
    RH_FIELD_ARRAY(ApicRegs, isr),
    RH_FIELD_ARRAY(ApicRegs, tmr),
    RH_FIELD_ARRAY(ApicRegs, lvt, .valid = LVT_PIN | LVT_REMOTE_IRR | 3u << 17),
    RH_FIELD(ApicRegs, ldr, .valid = 0xff000000),
    RH_FIELD(ApicRegs, dfr),
    RH_FIELD(ApicRegs, svr, .valid = SVR_WRITABLE),
    RH_FIELD(ApicRegs, esr, .valid = ESR_ALL),
    RH_FIELD(ApicRegs, errors, .valid = ESR_ALL),
    RH_FIELD(ApicRegs, initial_count),
    RH_FIELD(ApicRegs, divide, .valid = 0xb),
    RH_FIELD(ApicRegs, tpr),
    RH_FIELD(ApicRegs, pins, .valid = 3),
    RH_FIELD(ApicRegs, has_init, .max = 1),
    RH_FIELD(ApicRegs, has_startup, .max = 1),
    RH_FIELD(ApicRegs, startup_vector),
};

RH_DEVICE(Apic,
    .name        = RH_TYPE_APIC,
    .parent      = RH_TYPE_DEVICE,
    .doc         = "Local interrupt controller of a CPU",
    .is_internal = true,
    .props       = RH_TABLE(apic_props),
    .pins        = RH_TABLE(apic_pins),
    .regions     = RH_TABLE(apic_regions),
    .state       = RH_STATE(Apic, regs, apic_at_reset, .version = 1, .fields = RH_TABLE(apic_fields)),
    .realize     = apic_realize,
    .reset       = apic_reset,
    .check       = apic_check,
    .settle      = apic_settle);
