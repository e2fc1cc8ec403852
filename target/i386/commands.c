/*
 * QMP commands about processors.
 */
#include "hw/core/machine.h"
#include "hw/core/numa.h"
#include "qapi-commands.h"
#include "softmmu/memory-save.h"
#include "target/i386/cpu.h"
#include "target/i386/translate.h"

static RhX86Cpu *cpu_at(RhVm *vm, guint i)
{
    return rh_x86_cpu(vm->vcpus->pdata[i]);
}

static QmpCpuInstanceProperties *props_of(const RhX86Cpu *cpu)
{
    json_object *json = rh_cpu_ids_props(&cpu->topo, rh_apic_id_to_ids(&cpu->topo, cpu->apic_id));
    QmpCpuInstanceProperties *props = qmp_cpu_instance_properties_from_json(json, 0, NULL);

    json_object_put(json);
    props->has_node_id = cpu->node_id >= 0;
    props->node_id = cpu->node_id;
    return props;
}

GPtrArray *qmp_query_cpus_fast(RhVm *vm, GError **err)
{
    GPtrArray *list = qmp_cpu_info_fast_list_new();

    for (guint i = 0; i < vm->vcpus->len; i++) {
        RhX86Cpu *cpu = cpu_at(vm, i);
        QmpCpuInfoFast *info = g_new0(QmpCpuInfoFast, 1);

        info->cpu_index = i;
        info->qom_path = rh_object_path(&cpu->parent.obj);
        info->thread_id = cpu->x86.vcpu.thread_id;
        info->props = props_of(cpu);
        info->target = QMP_SYS_EMU_TARGET_X86_64;
        g_ptr_array_add(list, info);
    }
    return list;
}

static char *path_at(unsigned index, void *opaque)
{
    RhVm *vm = opaque;

    return index < vm->vcpus->len ? rh_object_path(&cpu_at(vm, index)->parent.obj) : NULL;
}

/* A list of structs out of the JSON array that the CPU library makes. */
static GPtrArray *list_from_json(GPtrArray *list, json_object *array, void *(*one)(json_object *))
{
    for (size_t i = 0; i < json_object_array_length(array); i++) {
        g_ptr_array_add(list, one(json_object_array_get_idx(array, i)));
    }
    json_object_put(array);
    return list;
}

static void *place_from_json(json_object *json)
{
    return qmp_hotpluggable_cpu_from_json(json, 0, NULL);
}

static void *definition_from_json(json_object *json)
{
    return qmp_cpu_definition_info_from_json(json, 0, NULL);
}

GPtrArray *qmp_query_hotpluggable_cpus(RhVm *vm, GError **err)
{
    RhMachine *machine = rh_machine_of(vm);
    GPtrArray *list;

    if (!machine || !rh_machine_type(machine)->has_hotpluggable_cpus) {
        rh_fail(err, "machine does not support hot-plugging CPUs");
        return NULL;
    }
    list = list_from_json(qmp_hotpluggable_cpu_list_new(),
                          rh_hotpluggable_cpus(&machine->smp, machine->cpu_type, path_at, vm), place_from_json);
    for (guint i = 0; machine->numa && i < list->len; i++) {
        QmpCpuInstanceProperties *props = ((QmpHotpluggableCPU *)list->pdata[i])->props;

        props->has_node_id = true;
        props->node_id = rh_machine_cpu_node(machine, list->len - 1 - i);      /* highest first */
    }
    return list;
}

static bool read_virtual(void *opaque, uint64_t at, void *buf, size_t len)
{
    RhX86Cpu *cpu = opaque;

    return rh_x86_read_linear(rh_device_vm(&cpu->parent)->memory, &cpu->x86.state, at, buf, len);
}

bool qmp_memsave(RhVm *vm, const QmpMemsaveArgs *args, GError **err)
{
    int64_t index = args->has_cpu_index ? args->cpu_index : 0;
    RhX86Cpu *cpu;

    if (index < 0 || index >= (int64_t)vm->vcpus->len) {
        return rh_fail(err, "Parameter 'cpu-index' is %" PRId64 ", must be the number of a processor (there are %u)",
                       index, vm->vcpus->len);
    }
    cpu = cpu_at(vm, (guint)index);
    return (rh_x86_cpu_fetch(cpu) || rh_fail(err, "The registers of CPU %" PRId64 " cannot be read", index)) &&
           rh_memory_save(args->filename, args->val, args->size, read_virtual, cpu, err);
}

GPtrArray *qmp_query_cpu_definitions(RhVm *vm, GError **err)
{
    return list_from_json(qmp_cpu_definition_info_list_new(), rh_cpu_definitions(rh_x86_cpu_limits(vm)),
                          definition_from_json);
}

QmpCpuModelExpansionInfo *qmp_query_cpu_model_expansion(RhVm *vm, const QmpQueryCpuModelExpansionArgs *args,
                                                        GError **err)
{
    json_object *json = rh_cpu_model_expansion(rh_x86_cpu_limits(vm),
                                               args->type == QMP_CPU_MODEL_EXPANSION_TYPE_FULL, args->model->name,
                                               args->model->props, err);
    QmpCpuModelExpansionInfo *info = json ? qmp_cpu_model_expansion_info_from_json(json, 0, err) : NULL;

    json_object_put(json);
    return info;
}
