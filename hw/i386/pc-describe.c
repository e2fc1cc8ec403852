/*
 * What a PC tells its firmware: CMOS bytes (as IBM's AT and Bochs use them) and fw_cfg items.
 */
#include "hw/i386/pc.h"
#include "hw/core/bootorder.h"
#include "hw/rtc/mc146818.h"
#include "target/i386/topology.h"
#include "util/parse.h"

#define KIB UINT64_C(0x400)
#define MIB UINT64_C(0x100000)
#define DEFAULT_ORDER "cad"
#define BOOT_ORDER_FILE "bootorder"

/* --- CMOS --- */

static void put16(RhDevice *rtc, unsigned at, uint64_t value)
{
    uint16_t fits = (uint16_t)MIN(value, UINT16_MAX);

    rh_rtc_set_cmos(rtc, at, fits & 0xff);
    rh_rtc_set_cmos(rtc, at + 1, fits >> 8);
}

static uint8_t order_code(char device)
{
    switch (device) {
    case 'a':
    case 'b': return 1;
    case 'c': return 2;
    case 'd': return 3;
    case 'n': return 4;
    default:  return 0;
    }
}

static void put_boot_order(RhPcMachine *pc, const char *once)
{
    const char *order = once                    ? once
                        : pc->parent.boot.order ? pc->parent.boot.order
                                                : DEFAULT_ORDER;
    uint8_t codes[3] = { 0 };

    for (unsigned i = 0; i < RH_COUNT(codes) && order[i]; i++) {
        codes[i] = order_code(order[i]);
    }
    rh_rtc_set_cmos(pc->rtc, 0x3d, codes[1] << 4 | codes[0]);
    rh_rtc_set_cmos(pc->rtc, 0x38, codes[2] << 4);
}

static void fill_cmos(RhPcMachine *pc)
{
    uint64_t extended = pc->below_4g > MIB ? (pc->below_4g - MIB) / KIB : 0;
    uint64_t above_16m = pc->below_4g > 16 * MIB ? (pc->below_4g - 16 * MIB) / 0x10000 : 0;
    uint64_t above_4g = pc->above_4g / 0x10000;

    rh_rtc_set_cmos(pc->rtc, 0x14, 0x06);           /* display, coprocessor, mouse: equipment */
    put16(pc->rtc, 0x15, 640);
    put16(pc->rtc, 0x17, extended);
    put16(pc->rtc, 0x30, extended);
    put16(pc->rtc, 0x34, above_16m);
    for (unsigned i = 0; i < 3; i++) {
        rh_rtc_set_cmos(pc->rtc, 0x5b + i, above_4g >> (8 * i) & 0xff);
    }
    rh_rtc_set_cmos(pc->rtc, 0x5f, pc->parent.smp.cpus - 1);
    put_boot_order(pc, pc->parent.boot.once);
}

/* --- fw_cfg --- */

size_t rh_pc_memory_map(const RhPcMachine *pc, uint64_t ecam_base, uint64_t ecam_size, RhE820Entry *ret)
{
    size_t nr = 0;

    ret[nr++] = (RhE820Entry){ 0, 0x9fc00, RH_E820_RAM };
    ret[nr++] = (RhE820Entry){ 0x9fc00, 0x400, RH_E820_RESERVED };
    ret[nr++] = (RhE820Entry){ RH_PC_TABLES_LOW, MIB - RH_PC_TABLES_LOW, RH_E820_RESERVED };
    ret[nr++] = (RhE820Entry){ MIB, pc->below_4g - MIB - pc->tables_size, RH_E820_RAM };
    if (pc->tables_size) {
        ret[nr++] = (RhE820Entry){ pc->below_4g - pc->tables_size, pc->tables_size,
                                    /* the generation id may not be reclaimed with the tables */
                                    pc->vmgenid_page ? RH_E820_NVS : RH_E820_ACPI };
    }
    if (ecam_size) {
        ret[nr++] = (RhE820Entry){ ecam_base, ecam_size, RH_E820_RESERVED };
    }
    if (pc->above_4g) {
        ret[nr++] = (RhE820Entry){ RH_4G, pc->above_4g, RH_E820_RAM };
    }
    return nr;
}

static bool add_e820(RhPcMachine *pc, GError **err)
{
    RhE820Entry map[2] = {
        { 0, pc->below_4g, RH_E820_RAM },
        { RH_4G, pc->above_4g, RH_E820_RAM },
    };

    return rh_fw_cfg_add_file(pc->fw_cfg, "etc/e820", map, sizeof(map[0]) * (pc->above_4g ? 2 : 1), err);
}

static bool add_number(RhFwCfg *fw, const char *name, uint64_t value, size_t size, GError **err)
{
    uint8_t bytes[8];

    rh_st64(bytes, value);
    return rh_fw_cfg_add_file(fw, name, bytes, size, err);
}

static bool add_boot(RhPcMachine *pc, GError **err)
{
    const RhMachineBoot *boot = &pc->parent.boot;
    RhFwCfg *fw = pc->fw_cfg;

    rh_fw_cfg_add_u16(fw, RH_FW_CFG_BOOT_MENU, boot->has_menu && boot->menu);
    return (boot->splash_time_ms < 0 ||
            add_number(fw, "etc/boot-menu-wait", (uint64_t)boot->splash_time_ms, 2, err)) &&
           (boot->reboot_timeout_ms < 0 ||
            add_number(fw, "etc/boot-fail-wait", (uint64_t)boot->reboot_timeout_ms, 4, err));
}

/* Not there when nobody asked: firmware then tries what it finds. */
static bool set_boot_order(RhPcMachine *pc, GError **err)
{
    g_autofree char *text = rh_boot_order_text(rh_machine_vm(&pc->parent), pc->parent.boot.strict);

    if (!text) {
        rh_fw_cfg_remove_file(pc->fw_cfg, BOOT_ORDER_FILE);
        return true;
    }
    return rh_fw_cfg_set_file(pc->fw_cfg, BOOT_ORDER_FILE, text, strlen(text) + 1, err);
}

/*
 * Firmware reads the order again after a reset, when devices may have come and gone, and the order "once" has had its
 * turn. A directory that is full of the user's files keeps the order it has.
 */
static void renew_boot_order(RhFwCfg *fw, void *opaque)
{
    RhPcMachine *pc = opaque;

    set_boot_order(pc, NULL);
    if (pc->has_started && pc->rtc && pc->parent.boot.once) {
        put_boot_order(pc, NULL);
    }
    pc->has_started = true;
}

static void add_uuid(RhPcMachine *pc)
{
    RhUuid uuid;

    if (pc->parent.uuid && rh_parse_uuid(pc->parent.uuid, &uuid, NULL)) {
        rh_fw_cfg_add_bytes(pc->fw_cfg, RH_FW_CFG_UUID, uuid.bytes, sizeof(uuid.bytes));
    }
}

bool rh_pc_describe(RhPcMachine *pc, GError **err)
{
    const RhMachine *machine = &pc->parent;
    RhFwCfg *fw = pc->fw_cfg;

    if (pc->rtc) {
        fill_cmos(pc);
    }
    if (!fw) {
        return true;
    }
    rh_fw_cfg_add_u64(fw, RH_FW_CFG_RAM_SIZE, machine->ram_size);
    rh_fw_cfg_add_u16(fw, RH_FW_CFG_NB_CPUS, machine->smp.cpus);
    rh_fw_cfg_add_u16(fw, RH_FW_CFG_MAX_CPUS, rh_apic_id_limit(&machine->smp.topo, machine->smp.max_cpus));
    rh_fw_cfg_add_u16(fw, RH_FW_CFG_NOGRAPHIC, !machine->has_graphics);
    rh_fw_cfg_add_u32(fw, RH_FW_CFG_IRQ0_OVERRIDE, 1);
    add_uuid(pc);
    rh_fw_cfg_on_reset(fw, renew_boot_order, pc);
    return add_e820(pc, err) && add_boot(pc, err) && set_boot_order(pc, err);
}
