/*
 * fw_cfg_io, fw_cfg_mem - firmware configuration: a selector, a data register, and DMA.
 * Spec: "QEMU Firmware Configuration (fw_cfg) Device", documented interface.  Lock: machine lock (the default).
 */
#include "hw/nvram/fw_cfg-private.h"

enum {                          /* I/O ports */
    PORT_SELECT = 0,            /* WO  16 bits, little-endian */
    PORT_DATA   = 1,            /* RO  8 bits */
    PORT_BASE   = 0x510,
    PORT_SPAN   = 2,
    DMA_BASE    = 0x514,
    DMA_SPAN    = 8,            /* both halves big-endian; writing the low one starts */
};
enum {                          /* memory-mapped */
    MEM_DATA = 0, MEM_SELECT = 8, MEM_DMA = 16, MEM_SPAN = 24,
};

#define SIGNATURE     UINT64_C(0x51454d5520434647)      /* "QEMU CFG" */
#define ID_TRADITIONAL 1u
#define ID_DMA         2u

#define DMA_ERROR  0x01u
#define DMA_READ   0x02u
#define DMA_SKIP   0x04u
#define DMA_SELECT 0x08u
#define DMA_WRITE  0x10u

typedef struct DmaAccess {      /* in guest memory, big-endian */
    uint32_t control;
    uint32_t length;
    uint64_t address;
} DmaAccess;

static void fw_cfg_select(RhFwCfg *fw, uint16_t key)
{
    FwCfgItem *item;

    fw->regs.key = key;
    fw->regs.at = 0;
    item = rh_fw_cfg_item(fw, key);
    if (item && item->select) {
        item->select(item->opaque);
    }
}

/* What is left of the selected item. */
static size_t remaining(RhFwCfg *fw, FwCfgItem **ret_item)
{
    FwCfgItem *item = rh_fw_cfg_item(fw, fw->regs.key);

    *ret_item = item;
    return item && fw->regs.at < item->len ? item->len - fw->regs.at : 0;
}

static uint8_t read_byte(RhFwCfg *fw)
{
    FwCfgItem *item;

    return remaining(fw, &item) ? item->data[fw->regs.at++] : 0;    /* past the end: zeroes */
}

/* --- DMA --- */

static bool dma_read(RhFwCfg *fw, uint64_t address, uint32_t length)
{
    RhSpace *memory = rh_device_vm(&fw->parent)->memory;
    FwCfgItem *item;
    size_t have = MIN(remaining(fw, &item), length);

    if (have && rh_dma_write(memory, address, item->data + fw->regs.at, have) != RH_MEM_OK) {
        return false;
    }
    fw->regs.at += have;
    return have == length || rh_dma_fill(memory, address + have, 0, length - have) == RH_MEM_OK;
}

static bool dma_write(RhFwCfg *fw, uint64_t address, uint32_t length)
{
    RhSpace *memory = rh_device_vm(&fw->parent)->memory;
    FwCfgItem *item;
    size_t room = remaining(fw, &item);
    size_t at = fw->regs.at;

    if (!item || !item->is_writable || length > room) {
        rh_guest_error(&fw->parent, "DMA write of %u bytes to item 0x%x at %zu", length, fw->regs.key, at);
        return false;
    }
    if (rh_dma_read(memory, address, item->data + at, length) != RH_MEM_OK) {
        return false;
    }
    fw->regs.at += length;
    if (item->written) {
        item->written(item->opaque, at, length);
    }
    return true;
}

static bool dma_skip(RhFwCfg *fw, uint32_t length)
{
    FwCfgItem *item;

    fw->regs.at += MIN(remaining(fw, &item), length);
    return true;
}

static bool dma_transfer(RhFwCfg *fw, uint32_t control, uint64_t address, uint32_t length)
{
    if (control & DMA_SELECT) {
        fw_cfg_select(fw, control >> 16);
    }
    if (control & DMA_READ) {
        return dma_read(fw, address, length);
    }
    if (control & DMA_WRITE) {
        return dma_write(fw, address, length);
    }
    return !(control & DMA_SKIP) || dma_skip(fw, length);
}

static void dma_start(RhFwCfg *fw)
{
    RhSpace *memory = rh_device_vm(&fw->parent)->memory;
    uint64_t at = fw->regs.dma_address;
    DmaAccess access;
    uint32_t control = GUINT32_TO_BE(DMA_ERROR);

    fw->regs.dma_address = 0;
    if (rh_dma_read(memory, at, &access, sizeof(access)) == RH_MEM_OK &&
        dma_transfer(fw, GUINT32_FROM_BE(access.control), GUINT64_FROM_BE(access.address),
                     GUINT32_FROM_BE(access.length))) {
        control = 0;
    }
    rh_dma_write(memory, at, &control, sizeof(control));
}

/* The registers are big-endian: byte 0 is the most significant of 64 bits. */
static uint64_t dma_reg_read(RhFwCfg *fw, uint64_t at, unsigned size)
{
    uint64_t value = GUINT64_TO_BE(SIGNATURE);

    return rh_ld((const uint8_t *)&value + at, size);
}

static void dma_reg_write(RhFwCfg *fw, uint64_t at, uint64_t value, unsigned size)
{
    uint64_t address = GUINT64_TO_BE(fw->regs.dma_address);

    if (size < 4) {
        rh_guest_error(&fw->parent, "DMA address written in pieces of %u bytes", size);
        return;
    }
    rh_st((uint8_t *)&address + at, value, size);
    fw->regs.dma_address = GUINT64_FROM_BE(address);
    if (at + size == DMA_SPAN) {
        dma_start(fw);
    }
}

static uint64_t fw_cfg_dma_read(RhDevice *dev, uint64_t at, unsigned size)
{
    return dma_reg_read(RH_SELF(RhFwCfg, dev), at, size);
}

static void fw_cfg_dma_write(RhDevice *dev, uint64_t at, uint64_t value, unsigned size)
{
    dma_reg_write(RH_SELF(RhFwCfg, dev), at, value, size);
}

/* --- ports --- */

static uint64_t fw_cfg_ports_read(RhDevice *dev, uint64_t at, unsigned size)
{
    return at == PORT_DATA ? read_byte(RH_SELF(RhFwCfg, dev)) : rh_bits(8 * size);
}

static void fw_cfg_ports_write(RhDevice *dev, uint64_t at, uint64_t value, unsigned size)
{
    if (at == PORT_SELECT && size == 2) {
        fw_cfg_select(RH_SELF(RhFwCfg, dev), value);
    } else {
        rh_guest_error(dev, "write of %u bytes to port 0x%" PRIx64, size, PORT_BASE + at);
    }
}

/* --- memory-mapped --- */

static uint64_t fw_cfg_mem_read(RhDevice *dev, uint64_t at, unsigned size)
{
    RhFwCfg *fw = RH_SELF(RhFwCfg, dev);
    uint64_t value = 0;

    if (at >= MEM_DMA) {
        return fw->has_dma ? dma_reg_read(fw, at - MEM_DMA, size) : rh_bits(8 * size);
    }
    if (at >= MEM_SELECT) {
        return rh_bits(8 * size);
    }
    for (unsigned i = 0; i < MIN(size, fw->data_width); i++) {     /* in the order of the item's bytes */
        value |= (uint64_t)read_byte(fw) << (8 * i);
    }
    return value;
}

static void fw_cfg_mem_write(RhDevice *dev, uint64_t at, uint64_t value, unsigned size)
{
    RhFwCfg *fw = RH_SELF(RhFwCfg, dev);

    if (at >= MEM_DMA && fw->has_dma) {
        dma_reg_write(fw, at - MEM_DMA, value, size);
    } else if (at == MEM_SELECT && size == 2) {
        fw_cfg_select(fw, GUINT16_FROM_BE((uint16_t)value));
    } else {
        rh_guest_error(dev, "write of %u bytes to register 0x%" PRIx64, size, at);
    }
}

RhRegion *rh_fw_cfg_mem_region(RhFwCfg *fw)
{
    return &fw->mem;
}

/* --- life --- */

void rh_fw_cfg_on_reset(RhFwCfg *fw, void (*fn)(RhFwCfg *fw, void *opaque), void *opaque)
{
    fw->on_reset = fn;
    fw->on_reset_opaque = opaque;
}

static void fw_cfg_reset(RhDevice *dev)
{
    RhFwCfg *fw = RH_SELF(RhFwCfg, dev);

    if (fw->on_reset) {
        fw->on_reset(fw, fw->on_reset_opaque);
    }
    fw_cfg_select(fw, RH_FW_CFG_SIGNATURE);
}

static bool fw_cfg_realize(RhDevice *dev, GError **err)
{
    RhFwCfg *fw = RH_SELF(RhFwCfg, dev);

    rh_fw_cfg_add_bytes(fw, RH_FW_CFG_SIGNATURE, "QEMU", 4);
    rh_fw_cfg_add_u32(fw, RH_FW_CFG_ID, ID_TRADITIONAL | (fw->has_dma ? ID_DMA : 0));
    return true;
}

static void release_region(RhDevice *dev, void *arg)
{
    rh_region_remove(arg);
}

static bool fw_cfg_io_realize(RhDevice *dev, GError **err)
{
    RhFwCfg *fw = RH_SELF(RhFwCfg, dev);
    RhRegion *ports = rh_space_root(rh_device_vm(dev)->ports);

    rh_region_add(ports, PORT_BASE, &fw->ports);
    rh_device_claim(dev, release_region, &fw->ports);
    if (fw->has_dma) {
        rh_region_add(ports, DMA_BASE, &fw->dma);
        rh_device_claim(dev, release_region, &fw->dma);
    }
    return true;
}

static bool fw_cfg_mem_realize(RhDevice *dev, GError **err)
{
    RhFwCfg *fw = RH_SELF(RhFwCfg, dev);

    if (fw->data_width == UINT32_MAX) {
        fw->data_width = 8;
    }
    if (fw->data_width == 0 || fw->data_width > 8 || (fw->data_width & (fw->data_width - 1))) {
        return rh_fail(err, "Property 'fw_cfg_mem.data_width' is %u, must be 1, 2, 4 or 8", fw->data_width);
    }
    return true;
}

static const RhProp fw_cfg_props[] = {
    RH_PROP("dma_enabled",     RhFwCfg, has_dma, .def = true, .doc = "offer DMA"),
    RH_PROP("x-file-slots",    RhFwCfg, file_slots, .def = 0x20, .min = 0x10, .max = NR_KEYS_MAX, .is_hidden = true,
            .doc = "number of files there can be"),
    RH_PROP("acpi-mr-restore", RhFwCfg, restores_acpi, .def = true, .is_hidden = true,
            .doc = "accepted for compatibility; sizes of ACPI files are always kept"),
};
static const RhProp fw_cfg_mem_props[] = {
    RH_PROP("data_width", RhFwCfg, data_width, .def = UINT32_MAX, .doc = "widest access to the data register, bytes"),
};
static const RhRegionDesc fw_cfg_io_regions[] = {
    RH_REGION(RhFwCfg, ports, .span = PORT_SPAN, .sizes = RH_SIZE_1 | RH_SIZE_2, .read = fw_cfg_ports_read,
              .write = fw_cfg_ports_write),
    RH_REGION(RhFwCfg, dma, .span = DMA_SPAN, .sizes = RH_SIZE_ANY, .read = fw_cfg_dma_read,
              .write = fw_cfg_dma_write),
};
static const RhRegionDesc fw_cfg_mem_regions[] = {
    RH_REGION(RhFwCfg, mem, .span = MEM_SPAN, .sizes = RH_SIZE_ANY, .read = fw_cfg_mem_read,
              .write = fw_cfg_mem_write),
};
static const RhField fw_cfg_fields[] = {
    RH_FIELD(FwCfgRegs, key),
    RH_FIELD(FwCfgRegs, at),
    RH_FIELD(FwCfgRegs, dma_address),
};
static const FwCfgRegs fw_cfg_at_reset = { .key = RH_FW_CFG_SIGNATURE };

RH_DEVICE(RhFwCfg,
    .name        = RH_TYPE_FW_CFG,
    .parent      = RH_TYPE_DEVICE,
    .doc         = "Firmware configuration",
    .is_abstract = true,
    .is_internal = true,
    .props       = RH_TABLE(fw_cfg_props),
    .state       = RH_STATE(RhFwCfg, regs, fw_cfg_at_reset, .version = 1, .fields = RH_TABLE(fw_cfg_fields)),
    .init        = rh_fw_cfg_items_init,
    .fini        = rh_fw_cfg_items_fini,
    .realize     = fw_cfg_realize,
    .reset       = fw_cfg_reset);

RH_DEVICE_NAMED(fw_cfg_io, RhFwCfg,
    .name        = RH_TYPE_FW_CFG_IO,
    .parent      = RH_TYPE_FW_CFG,
    .doc         = "Firmware configuration at I/O ports",
    .is_internal = true,
    .regions     = RH_TABLE(fw_cfg_io_regions),
    .realize     = fw_cfg_io_realize);

RH_DEVICE_NAMED(fw_cfg_mem, RhFwCfg,
    .name        = RH_TYPE_FW_CFG_MEM,
    .parent      = RH_TYPE_FW_CFG,
    .doc         = "Firmware configuration in memory",
    .is_internal = true,
    .props       = RH_TABLE(fw_cfg_mem_props),
    .regions     = RH_TABLE(fw_cfg_mem_regions),
    .realize     = fw_cfg_mem_realize);
