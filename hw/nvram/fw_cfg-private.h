/*
 * What fw_cfg.c (registers) and fw_cfg-items.c (contents) share.
 */
#ifndef RH_HW_NVRAM_FW_CFG_PRIVATE_H
#define RH_HW_NVRAM_FW_CFG_PRIVATE_H

#include "hw/nvram/fw_cfg.h"

enum { KEY_MASK = 0x3fff, KEY_ARCH_LOCAL = 0x8000, NR_KEYS_MAX = 0x400, FW_CFG_INVALID = 0xffff };

typedef struct FwCfgItem {
    uint8_t *data;
    size_t len;
    bool is_ours;               /* data is freed with the item */
    bool is_writable;
    void (*select)(void *opaque);
    void (*written)(void *opaque, size_t at, size_t len);
    void *opaque;
} FwCfgItem;

typedef struct FwCfgRegs {
    uint16_t key;
    uint32_t at;                /* offset of the next byte of the selected item */
    uint64_t dma_address;       /* as written so far */
} FwCfgRegs;

struct RhFwCfg {
    RhDevice parent;
    bool has_dma;               /* properties */
    bool restores_acpi;
    uint16_t file_slots;
    uint32_t data_width;
    RhRegion ports;             /* wiring */
    RhRegion dma;
    RhRegion mem;
    GHashTable *items;          /* key -> FwCfgItem, owned */
    GPtrArray *names;           /* char *, sorted: name of the n-th file; owned */
    GPtrArray *files;           /* FwCfgItem * of the n-th name; owned */
    void (*on_reset)(RhFwCfg *fw, void *opaque);
    void *on_reset_opaque;
    bool is_directory_stale;
    FwCfgRegs regs;
};

void rh_fw_cfg_items_init(RhObject *obj);
void rh_fw_cfg_items_fini(RhObject *obj);
/** rh_fw_cfg_item - the item of that key, or NULL */
FwCfgItem *rh_fw_cfg_item(RhFwCfg *fw, uint16_t key);

#endif
