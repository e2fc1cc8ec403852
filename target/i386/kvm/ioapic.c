/*
 * kvm-ioapic - the I/O APIC in the kernel. Its pins are the machine's GSIs, which the kernel
 * also gives to its 8259s: a board drives them here, once.
 * Spec: Intel 82093AA; struct kvm_ioapic_state. Lock: the machine lock.
 */
#include "chip.h"

#define BASE_ADDRESS UINT64_C(0xfec00000)
#define MASKED       UINT64_C(0x10000)

typedef struct KvmIoapicRegs {
    uint64_t base;
    uint32_t select;
    uint32_t id;
    uint32_t irr;
    uint64_t redirection[KVM_IOAPIC_NUM_PINS];
} KvmIoapicRegs;

typedef struct KvmIoapic {
    RhDevice parent;
    uint32_t gsi_base;
    KvmIoapicRegs regs;
} KvmIoapic;

static void ioapic_pin(RhDevice *dev, unsigned pin, int level)
{
    rh_kvm_set_gsi(rh_device_vm(dev)->accel, RH_SELF(KvmIoapic, dev)->gsi_base + pin, level);
}

static void ioapic_saving(RhDevice *dev)
{
    KvmIoapicRegs *regs = &RH_SELF(KvmIoapic, dev)->regs;
    struct kvm_irqchip chip;
    const struct kvm_ioapic_state *state = &chip.chip.ioapic;

    if (!rh_kvm_get_chip(dev, KVM_IRQCHIP_IOAPIC, &chip)) {
        return;
    }
    regs->base = state->base_address;
    regs->select = state->ioregsel;
    regs->id = state->id;
    regs->irr = state->irr;
    for (unsigned i = 0; i < KVM_IOAPIC_NUM_PINS; i++) {
        regs->redirection[i] = state->redirtbl[i].bits;
    }
}

static void ioapic_settle(RhDevice *dev)
{
    const KvmIoapicRegs *regs = &RH_SELF(KvmIoapic, dev)->regs;
    struct kvm_irqchip chip = { 0 };
    struct kvm_ioapic_state *state = &chip.chip.ioapic;

    state->base_address = regs->base;
    state->ioregsel = regs->select;
    state->id = regs->id;
    state->irr = regs->irr;
    for (unsigned i = 0; i < KVM_IOAPIC_NUM_PINS; i++) {
        state->redirtbl[i].bits = regs->redirection[i];
    }
    rh_kvm_set_chip(dev, KVM_IRQCHIP_IOAPIC, &chip);
}

static bool ioapic_realize(RhDevice *dev, GError **err)
{
    return rh_kvm_need_chips(dev, err);
}

static const RhProp ioapic_props[] = {
    RH_PROP("gsi_base", KvmIoapic, gsi_base, .max = 0, .doc = "number of the first pin"),
};
static const RhPinDesc ioapic_pins[] = {
    { .nr = KVM_IOAPIC_NUM_PINS, .set = ioapic_pin },
};
static const RhField ioapic_fields[] = {
    RH_FIELD(KvmIoapicRegs, base),
    RH_FIELD(KvmIoapicRegs, select),
    RH_FIELD(KvmIoapicRegs, id),
    RH_FIELD(KvmIoapicRegs, irr, .valid = 0xffffff),
    RH_FIELD_ARRAY(KvmIoapicRegs, redirection),
};
static const KvmIoapicRegs ioapic_at_reset = {
    .base = BASE_ADDRESS,
    .redirection = { [0 ... KVM_IOAPIC_NUM_PINS - 1] = MASKED },
};

RH_DEVICE(KvmIoapic,
    .name = "kvm-ioapic",
    .parent = RH_TYPE_DEVICE,
    .doc = "I/O APIC in the kernel",
    .is_internal = true,
    .props = RH_TABLE(ioapic_props),
    .pins = RH_TABLE(ioapic_pins),
    .state = RH_STATE(KvmIoapic, regs, ioapic_at_reset, .version = 1,
                      .fields = RH_TABLE(ioapic_fields)),
    .realize = ioapic_realize,
    .saving = ioapic_saving,
    .settle = ioapic_settle);
