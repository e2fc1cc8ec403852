/*
 * What the devices for chips in the kernel share. They hold a chip's state only while it is saved,
 * loaded or reset; otherwise the kernel has it.
 */
#ifndef RH_TARGET_I386_KVM_CHIP_H
#define RH_TARGET_I386_KVM_CHIP_H

#include "accel/kvm/kvm.h"
#include "hw/core/device.h"

/** rh_kvm_of_device - the machine's accelerator if it is KVM, else NULL */
RhKvm *rh_kvm_of_device(const RhDevice *dev);
/** rh_kvm_need_chips - false and @err unless the machine's interrupt chips are in the kernel */
bool rh_kvm_need_chips(const RhDevice *dev, GError **err);
/** rh_kvm_get_chip, rh_kvm_set_chip - state of KVM_IRQCHIP_* @id; trouble is a bug of ours or of
 * the host, and is logged */
bool rh_kvm_get_chip(RhDevice *dev, uint32_t id, struct kvm_irqchip *ret);
void rh_kvm_set_chip(RhDevice *dev, uint32_t id, struct kvm_irqchip *chip);

#endif
