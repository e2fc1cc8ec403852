/*
 * vmgenid - an id that differs after the machine was copied or taken back in time.
 * Firmware puts the page of RH_VMGENID_GUID_FILE into memory and writes the GUID's address into RH_VMGENID_ADDR_FILE; after a
 * load the GUID in guest memory is renewed.
 * Spec: Microsoft "Virtual Machine Generation ID" (2012).  Lock: machine lock.
 */
#include "hw/misc/vmgenid.h"
#include "hw/core/device.h"
#include "hw/nvram/fw_cfg.h"

typedef struct VmgenidRegs {
    uint8_t address[8];         /* little-endian, as firmware writes it */
} VmgenidRegs;

typedef struct Vmgenid {
    RhDevice parent;
    uint8_t guid[16];           /* in the order of the text */
    uint8_t page[RH_VMGENID_FILE_SIZE];
    VmgenidRegs regs;
} Vmgenid;

/* "GUID format": the first three fields are little-endian. */
static void guid_to_memory(const uint8_t *text, uint8_t *ret)
{
    static const uint8_t order[16] = { 3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15 };

    for (size_t i = 0; i < sizeof(order); i++) {
        ret[i] = text[order[i]];
    }
}

static void vmgenid_settle(RhDevice *dev)
{
    Vmgenid *self = RH_SELF(Vmgenid, dev);
    uint64_t address = rh_ld64(self->regs.address);

    if (address) {
        rh_dma_write(rh_device_vm(dev)->memory, address, self->page + RH_VMGENID_OFFSET, sizeof(self->guid));
    }
}

static void address_written(void *opaque, size_t at, size_t len)
{
    vmgenid_settle(opaque);
}

static void vmgenid_release(RhDevice *dev, void *arg)
{
    rh_fw_cfg_remove_file(arg, RH_VMGENID_GUID_FILE);
    rh_fw_cfg_remove_file(arg, RH_VMGENID_ADDR_FILE);
}

static bool vmgenid_realize(RhDevice *dev, GError **err)
{
    Vmgenid *self = RH_SELF(Vmgenid, dev);
    RhFwCfg *fw = rh_fw_cfg_find(rh_device_vm(dev));
    RhFwCfgFile guid = { .name = RH_VMGENID_GUID_FILE, .data = self->page, .len = sizeof(self->page) };
    RhFwCfgFile address = { .name = RH_VMGENID_ADDR_FILE, .data = self->regs.address,
                            .len = sizeof(self->regs.address), .is_writable = true,
                            .written = address_written, .opaque = dev };

    if (!fw || !rh_fw_cfg_has_dma(fw)) {
        return rh_fail(err, "Device 'vmgenid' needs a machine that has fw_cfg with DMA");
    }
    guid_to_memory(self->guid, self->page + RH_VMGENID_OFFSET);
    if (!rh_fw_cfg_add_file_of(fw, &guid, err)) {
        return false;
    }
    rh_device_claim(dev, vmgenid_release, fw);
    return rh_fw_cfg_add_file_of(fw, &address, err);
}

static bool place_at(RhObject *obj, void *page_gpa)
{
    if (rh_object_is(obj, RH_TYPE_VMGENID)) {
        rh_st64(RH_SELF(Vmgenid, obj)->regs.address, *(uint64_t *)page_gpa + RH_VMGENID_OFFSET);
        vmgenid_settle((RhDevice *)obj);
    }
    return true;
}

void rh_vmgenid_place(RhVm *vm, uint64_t page_gpa)
{
    rh_object_foreach(vm->root, place_at, &page_gpa);
}

static const RhProp vmgenid_props[] = {
    RH_PROP_AS(rh_prop_uuid, "guid", Vmgenid, guid, .def_str = "auto",
               .doc = "UUID (aka GUID) or \"auto\" for random value (default)"),
};
static const RhField vmgenid_fields[] = {
    RH_FIELD_BYTES(VmgenidRegs, address),
};
static const VmgenidRegs vmgenid_at_reset;

RH_DEVICE(Vmgenid,
    .name    = RH_TYPE_VMGENID,
    .parent  = RH_TYPE_DEVICE,
    .doc     = "Virtual machine generation id",
    .props   = RH_TABLE(vmgenid_props),
    .state   = RH_STATE(Vmgenid, regs, vmgenid_at_reset, .version = 1, .fields = RH_TABLE(vmgenid_fields)),
    .realize = vmgenid_realize,
    .settle  = vmgenid_settle);
