/*
 * QMP commands about machines.
 */
#include "hw/core/machine.h"
#include "qapi-commands.h"

static void add_machine(const RhMachineType *type, void *opaque)
{
    QmpMachineInfo *info = g_new0(QmpMachineInfo, 1);

    info->name = rh_machine_type_name(type);
    info->alias = g_strdup(type->alias);
    info->has_is_default = type->is_default;
    info->is_default = type->is_default;
    info->cpu_max = type->max_cpus ? type->max_cpus : 1;
    info->hotpluggable_cpus = type->has_hotpluggable_cpus;
    info->default_cpu_type = g_strdup(type->default_cpu);
    info->default_ram_id = g_strdup(type->default_ram_id);
    g_ptr_array_add(opaque, info);
}

GPtrArray *qmp_query_machines(RhVm *vm, GError **err)
{
    GPtrArray *list = qmp_machine_info_list_new();

    rh_machine_type_foreach(add_machine, list);
    return list;
}

QmpCurrentMachineParams *qmp_query_current_machine(RhVm *vm, GError **err)
{
    return g_new0(QmpCurrentMachineParams, 1);      /* no board wakes from S3 yet */
}

QmpMemoryInfo *qmp_query_memory_size_summary(RhVm *vm, GError **err)
{
    QmpMemoryInfo *info = g_new0(QmpMemoryInfo, 1);

    info->base_memory = rh_machine_of(vm)->ram_size;
    info->has_plugged_memory = true;
    return info;
}
