/*
 * kvm-i8259 - both 8259 interrupt controllers in the kernel.
 * Spec: Intel 8259A; struct kvm_pic_state. Lock: the machine lock.
 */
#include "chip.h"

/* As struct kvm_pic_state, which has no other members. */
typedef struct KvmPicRegs {
    uint8_t last_irr, irr, imr, isr;
    uint8_t priority_add, irq_base, read_reg_select, poll;
    uint8_t special_mask, init_state, auto_eoi, rotate_on_auto_eoi;
    uint8_t special_fully_nested_mode, init4, elcr, elcr_mask;
} KvmPicRegs;
_Static_assert(sizeof(KvmPicRegs) == sizeof(struct kvm_pic_state) &&
                   offsetof(KvmPicRegs, elcr_mask) == offsetof(struct kvm_pic_state, elcr_mask),
               "one is copied into the other");

typedef struct KvmI8259Regs {
    KvmPicRegs chip[2];     /* master, slave: KVM_IRQCHIP_PIC_MASTER and _SLAVE are 0 and 1 */
} KvmI8259Regs;

typedef struct KvmI8259 {
    RhDevice parent;
    KvmI8259Regs regs;
} KvmI8259;

static void i8259_saving(RhDevice *dev)
{
    KvmI8259Regs *regs = &RH_SELF(KvmI8259, dev)->regs;
    struct kvm_irqchip chip;

    for (uint32_t i = 0; i < RH_COUNT(regs->chip); i++) {
        if (rh_kvm_get_chip(dev, i, &chip)) {
            memcpy(&regs->chip[i], &chip.chip.pic, sizeof(regs->chip[i]));
        }
    }
}

static void i8259_settle(RhDevice *dev)
{
    const KvmI8259Regs *regs = &RH_SELF(KvmI8259, dev)->regs;

    for (uint32_t i = 0; i < RH_COUNT(regs->chip); i++) {
        struct kvm_irqchip chip = { 0 };

        memcpy(&chip.chip.pic, &regs->chip[i], sizeof(regs->chip[i]));
        rh_kvm_set_chip(dev, i, &chip);
    }
}

static bool i8259_realize(RhDevice *dev, GError **err)
{
    return rh_kvm_need_chips(dev, err);
}

static const RhField pic_rows[] = {
    RH_FIELD(KvmPicRegs, last_irr),
    RH_FIELD(KvmPicRegs, irr),
    RH_FIELD(KvmPicRegs, imr),
    RH_FIELD(KvmPicRegs, isr),
    RH_FIELD(KvmPicRegs, priority_add, .max = 7),
    RH_FIELD(KvmPicRegs, irq_base),
    RH_FIELD(KvmPicRegs, read_reg_select, .max = 1),
    RH_FIELD(KvmPicRegs, poll, .max = 1),
    RH_FIELD(KvmPicRegs, special_mask, .max = 1),
    RH_FIELD(KvmPicRegs, init_state, .max = 3),
    RH_FIELD(KvmPicRegs, auto_eoi, .max = 1),
    RH_FIELD(KvmPicRegs, rotate_on_auto_eoi, .max = 1),
    RH_FIELD(KvmPicRegs, special_fully_nested_mode, .max = 1),
    RH_FIELD(KvmPicRegs, init4, .max = 1),
    RH_FIELD(KvmPicRegs, elcr),
    RH_FIELD(KvmPicRegs, elcr_mask),
};
static const RhField i8259_fields[] = {
    RH_FIELD_STRUCTS(KvmI8259Regs, chip, pic_rows),
};
/* elcr_mask: timer, keyboard, cascade, clock and FPU lines are edge-triggered for ever */
static const KvmI8259Regs i8259_at_reset = {
    .chip = { { .elcr_mask = 0xf8 }, { .elcr_mask = 0xde } },
};

RH_DEVICE(KvmI8259,
    .name = "kvm-i8259",
    .parent = RH_TYPE_DEVICE,
    .doc = "8259 interrupt controllers in the kernel",
    .is_internal = true,
    .state = RH_STATE(KvmI8259, regs, i8259_at_reset, .version = 1,
                      .fields = RH_TABLE(i8259_fields)),
    .realize = i8259_realize,
    .saving = i8259_saving,
    .settle = i8259_settle);
