/*
 * vmcoreinfo - the guest tells where its kernel's VMCOREINFO note is, for memory dumps.
 * Spec: "VMCoreInfo device", documented interface.  Lock: machine lock.
 */
#include "hw/core/device.h"
#include "hw/nvram/fw_cfg.h"

#define FILE_NAME  "etc/vmcoreinfo"
#define FORMAT_ELF 1

typedef struct VmcoreinfoRegs { /* little-endian, as in the file */
    uint16_t host_format;
    uint16_t guest_format;
    uint32_t size;
    uint64_t paddr;
} VmcoreinfoRegs;

typedef struct Vmcoreinfo {
    RhDevice parent;
    VmcoreinfoRegs regs;
} Vmcoreinfo;

static void vmcoreinfo_release(RhDevice *dev, void *arg)
{
    rh_fw_cfg_remove_file(arg, FILE_NAME);
}

static bool vmcoreinfo_realize(RhDevice *dev, GError **err)
{
    Vmcoreinfo *self = RH_SELF(Vmcoreinfo, dev);
    RhFwCfg *fw = rh_fw_cfg_find(rh_device_vm(dev));
    RhFwCfgFile file = { .name = FILE_NAME, .data = &self->regs, .len = sizeof(self->regs), .is_writable = true };

    if (!fw || !rh_fw_cfg_has_dma(fw)) {
        return rh_fail(err, "Device 'vmcoreinfo' needs a machine that has fw_cfg with DMA");
    }
    if (!rh_fw_cfg_add_file_of(fw, &file, err)) {
        return false;
    }
    rh_device_claim(dev, vmcoreinfo_release, fw);
    return true;
}

static const RhField vmcoreinfo_fields[] = {
    RH_FIELD(VmcoreinfoRegs, host_format),
    RH_FIELD(VmcoreinfoRegs, guest_format),
    RH_FIELD(VmcoreinfoRegs, size),
    RH_FIELD(VmcoreinfoRegs, paddr),
};
static const VmcoreinfoRegs vmcoreinfo_at_reset = { .host_format = FORMAT_ELF };

RH_DEVICE(Vmcoreinfo,
    .name    = "vmcoreinfo",
    .parent  = RH_TYPE_DEVICE,
    .doc     = "Place of the guest's crash notes, for dumps",
    .state   = RH_STATE(Vmcoreinfo, regs, vmcoreinfo_at_reset, .version = 1, .fields = RH_TABLE(vmcoreinfo_fields)),
    .realize = vmcoreinfo_realize);
