/*
 * SMBIOS of PC boards: for firmware by fw_cfg, for a kernel booted directly below 1 MiB.
 */
#include "hw/i386/pc-smbios.h"

#define MANUFACTURER "QEMU"     /* what guests and their tools know this machine by */

static bool add_options(RhSmbios *smbios, json_object *options, GError **err)
{
    size_t nr = options ? json_object_array_length(options) : 0;

    for (size_t i = 0; i < nr; i++) {
        if (!rh_smbios_add_option(smbios, json_object_array_get_idx(options, i), err)) {
            return false;
        }
    }
    return true;
}

RhSmbios *rh_pc_smbios_new(const RhPcMachine *pc, bool has_firmware, GError **err)
{
    const RhMachine *machine = &pc->parent;
    const RhType *type = machine->obj.type;
    g_autofree char *version = rh_machine_type_name(rh_machine_type(machine));
    g_autoptr(RhSmbios) smbios = rh_smbios_new();
    RhE820Entry map[RH_PC_MAX_RANGES];
    RhSmbiosConfig config = {
        .is_v3 = g_strcmp0(pc->smbios_entry_point, "64") == 0,
        .has_bios_info = !has_firmware,
        .manufacturer = MANUFACTURER, .product = type->doc, .version = version, .uuid = machine->uuid,
        .sockets = machine->smp.topo.sockets,
        .cores = machine->smp.topo.dies * machine->smp.topo.cores, .threads = machine->smp.topo.threads,
        .ram_size = machine->ram_size,
        .map = map, .nr_map = (unsigned)rh_pc_memory_map(pc, 0, 0, map),
    };

    if (!add_options(smbios, machine->smbios, err) || !rh_smbios_build(smbios, &config, err)) {
        return NULL;
    }
    return g_steal_pointer(&smbios);
}

bool rh_pc_smbios_publish(RhPcMachine *pc, const RhSmbios *smbios, GError **err)
{
    const GByteArray *table = rh_smbios_table(smbios);
    const GByteArray *entry = rh_smbios_entry(smbios);

    return rh_fw_cfg_set_file(pc->fw_cfg, "etc/smbios/smbios-tables", table->data, table->len, err) &&
           rh_fw_cfg_set_file(pc->fw_cfg, "etc/smbios/smbios-anchor", entry->data, entry->len, err);
}

bool rh_pc_smbios_add_to(RhDirectBoot *boot, RhSmbios *smbios, GError **err)
{
    const GByteArray *table = rh_smbios_table(smbios);
    const GByteArray *entry = rh_smbios_entry(smbios);

    if (table->len > SMBIOS_ENTRY_AT - SMBIOS_TABLE_AT) {
        return rh_fail(err, "SMBIOS table has %u bytes, there is room for %u", table->len,
                       SMBIOS_ENTRY_AT - SMBIOS_TABLE_AT);
    }
    rh_smbios_place(smbios, SMBIOS_TABLE_AT);
    rh_direct_boot_add(boot, SMBIOS_TABLE_AT, table->data, table->len);
    rh_direct_boot_add(boot, SMBIOS_ENTRY_AT, entry->data, entry->len);
    return true;
}
