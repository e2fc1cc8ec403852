/*
 * Firmware configuration device: how boards and devices hand data to firmware and guest kernels.
 *
 * Items have a 16-bit key; files also have a name and a place in the directory. Boards and devices add items until the
 * machine starts (and may replace contents later, for files that change at reset). The device copies what it is
 * given, unless said otherwise. Lock: the machine lock.
 */
#ifndef RH_HW_NVRAM_FW_CFG_H
#define RH_HW_NVRAM_FW_CFG_H

#include "hw/core/device.h"

#define RH_TYPE_FW_CFG     "fw_cfg"
#define RH_TYPE_FW_CFG_IO  "fw_cfg_io"
#define RH_TYPE_FW_CFG_MEM "fw_cfg_mem"

/** Interface of objects that make the contents of "-fw_cfg name=,gen_id=" items */
#define RH_INTERFACE_FW_CFG_DATA_GENERATOR "fw_cfg-data-generator"

/** Keys with a fixed meaning; documented by the firmware interface specification */
enum {
    RH_FW_CFG_SIGNATURE = 0x00, RH_FW_CFG_ID = 0x01, RH_FW_CFG_UUID = 0x02, RH_FW_CFG_RAM_SIZE = 0x03,
    RH_FW_CFG_NOGRAPHIC = 0x04, RH_FW_CFG_NB_CPUS = 0x05, RH_FW_CFG_KERNEL_ADDR = 0x07,
    RH_FW_CFG_KERNEL_SIZE = 0x08, RH_FW_CFG_INITRD_ADDR = 0x0a, RH_FW_CFG_INITRD_SIZE = 0x0b,
    RH_FW_CFG_BOOT_DEVICE = 0x0c, RH_FW_CFG_NUMA = 0x0d, RH_FW_CFG_BOOT_MENU = 0x0e, RH_FW_CFG_MAX_CPUS = 0x0f,
    RH_FW_CFG_KERNEL_ENTRY = 0x10, RH_FW_CFG_KERNEL_DATA = 0x11, RH_FW_CFG_INITRD_DATA = 0x12,
    RH_FW_CFG_CMDLINE_ADDR = 0x13, RH_FW_CFG_CMDLINE_SIZE = 0x14, RH_FW_CFG_CMDLINE_DATA = 0x15,
    RH_FW_CFG_SETUP_ADDR = 0x16, RH_FW_CFG_SETUP_SIZE = 0x17, RH_FW_CFG_SETUP_DATA = 0x18,
    RH_FW_CFG_FILE_DIR = 0x19, RH_FW_CFG_FILE_FIRST = 0x20,
    RH_FW_CFG_ARCH_LOCAL = 0x8000,
    RH_FW_CFG_ACPI_TABLES = 0x8000, RH_FW_CFG_SMBIOS = 0x8001, RH_FW_CFG_IRQ0_OVERRIDE = 0x8002,
    RH_FW_CFG_E820 = 0x8003, RH_FW_CFG_HPET = 0x8004,
};

enum { RH_FW_CFG_NAME_SIZE = 56 };

typedef struct RhFwCfg RhFwCfg;

/** rh_fw_cfg_find - the machine's, or NULL when it has none */
RhFwCfg *rh_fw_cfg_find(RhVm *vm);

/* Items by key; adding a key again replaces its contents. Numbers are little-endian. */
void rh_fw_cfg_add_bytes(RhFwCfg *fw, uint16_t key, const void *data, size_t len);
void rh_fw_cfg_add_string(RhFwCfg *fw, uint16_t key, const char *text);     /* with its NUL */
void rh_fw_cfg_add_u16(RhFwCfg *fw, uint16_t key, uint16_t value);
void rh_fw_cfg_add_u32(RhFwCfg *fw, uint16_t key, uint32_t value);
void rh_fw_cfg_add_u64(RhFwCfg *fw, uint16_t key, uint64_t value);

/** RhFwCfgFile - a file with more to it than constant contents */
typedef struct RhFwCfgFile {
    const char *name;
    void *data;             /* used in place (not copied); must outlive the device */
    size_t len;
    bool is_writable;       /* the guest may write into data by DMA */
    void (*select)(void *opaque);       /* the guest selected it: data may be made now; may be NULL */
    void (*written)(void *opaque, size_t at, size_t len);    /* the guest wrote part of it; may be NULL */
    void *opaque;
} RhFwCfgFile;

/** rh_fw_cfg_add_file - constant contents, copied; @err when the name is too long or taken, or the directory is full */
bool rh_fw_cfg_add_file(RhFwCfg *fw, const char *name, const void *data, size_t len, GError **err);
/** rh_fw_cfg_add_file_of - contents in place, hooks, writable; as rh_fw_cfg_add_file otherwise */
bool rh_fw_cfg_add_file_of(RhFwCfg *fw, const RhFwCfgFile *file, GError **err);
/** rh_fw_cfg_set_file - replace (or add) the contents of a file that rh_fw_cfg_add_file made; @data is copied */
bool rh_fw_cfg_set_file(RhFwCfg *fw, const char *name, const void *data, size_t len, GError **err);
/** rh_fw_cfg_remove_file - forget a file whose data is about to go; no effect when there is none */
void rh_fw_cfg_remove_file(RhFwCfg *fw, const char *name);
/** rh_fw_cfg_has_dma - whether guests can write files */
bool rh_fw_cfg_has_dma(const RhFwCfg *fw);
/** rh_fw_cfg_file_data - contents of a file, or NULL; valid until it is replaced */
const void *rh_fw_cfg_file_data(RhFwCfg *fw, const char *name, size_t *ret_len);

/**
 * rh_fw_cfg_add_user_item - what "-fw_cfg name=,string=|file=|gen_id=" asks for; exactly one of the three is not NULL.
 * A name outside opt/ gets a warning through rh_hint only.
 */
bool rh_fw_cfg_add_user_item(RhFwCfg *fw, const char *name, const char *string, const char *file,
                             const char *gen_id, GError **err);

/** rh_fw_cfg_on_reset - fn(fw, opaque) before each reset ends, to renew contents (boot order); one at a time */
void rh_fw_cfg_on_reset(RhFwCfg *fw, void (*fn)(RhFwCfg *fw, void *opaque), void *opaque);

/** RhFwCfgGeneratorOps - an object of RH_INTERFACE_FW_CFG_DATA_GENERATOR starts its instance (after RhObject) with this */
typedef struct RhFwCfgGenerator {
    RhObject obj;
    GByteArray *(*generate)(RhObject *obj, GError **err);
} RhFwCfgGenerator;

/** rh_fw_cfg_mem_region - the registers of a fw_cfg_mem, for the board to place: data at 0, selector at 8, DMA at 16 */
RhRegion *rh_fw_cfg_mem_region(RhFwCfg *fw);

#endif
