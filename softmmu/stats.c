/*
 * query-stats: counters that the accelerator keeps. The one provider there is, is KVM; under another accelerator the
 * answers are empty.
 */
#include "softmmu/accel.h"
#include "qapi-commands.h"

static bool has_provider(const RhVm *vm)
{
    return vm->accel && rh_accel_type(vm->accel)->stats;
}

static bool is_in(GPtrArray *words, const char *word)
{
    for (guint i = 0; i < words->len; i++) {
        if (g_str_equal(words->pdata[i], word)) {
            return true;
        }
    }
    return false;
}

/* May be named by several requests: then what any of them wants. */
static bool is_provider_wanted(const QmpStatsFilter *filter)
{
    return !filter->providers || filter->providers->len;
}

static bool is_value_wanted(const QmpStatsFilter *filter, const char *name)
{
    if (!filter->providers) {
        return true;
    }
    for (guint i = 0; i < filter->providers->len; i++) {
        const QmpStatsRequest *request = filter->providers->pdata[i];

        if (!request->names || is_in(request->names, name)) {
            return true;
        }
    }
    return false;
}

/* Adds what is wanted of @vcpu, or of the VM; nothing where that is nothing. */
static bool add_result(RhVm *vm, GPtrArray *results, const QmpStatsFilter *filter, RhVcpu *vcpu, GError **err)
{
    g_autoptr(GPtrArray) stats = rh_accel_type(vm->accel)->stats(vm->accel, vcpu, err);
    QmpStatsResult *result;

    if (!stats) {
        return false;
    }
    for (guint i = stats->len; i-- > 0;) {
        if (!is_value_wanted(filter, ((const QmpStats *)stats->pdata[i])->name)) {
            g_ptr_array_remove_index(stats, i);
        }
    }
    if (stats->len) {
        result = g_new0(QmpStatsResult, 1);
        result->provider = QMP_STATS_PROVIDER_KVM;
        result->qom_path = vcpu ? rh_object_path(vcpu->cpu) : NULL;
        result->stats = g_steal_pointer(&stats);
        g_ptr_array_add(results, result);
    }
    return true;
}

static bool is_vcpu_wanted(const QmpStatsFilter *filter, const RhVcpu *vcpu)
{
    const QmpStatsVCPUFilter *only = filter->u.vcpu;
    g_autofree char *path = rh_object_path(vcpu->cpu);

    return !only || !only->vcpus || (path && is_in(only->vcpus, path));
}

GPtrArray *qmp_query_stats(RhVm *vm, const QmpStatsFilter *filter, GError **err)
{
    g_autoptr(GPtrArray) results = qmp_stats_result_list_new();

    if (!has_provider(vm) || !is_provider_wanted(filter)) {
        return g_steal_pointer(&results);
    }
    if (filter->target == QMP_STATS_TARGET_VM) {
        return add_result(vm, results, filter, NULL, err) ? g_steal_pointer(&results) : NULL;
    }
    for (guint i = 0; i < vm->vcpus->len; i++) {
        RhVcpu *vcpu = vm->vcpus->pdata[i];

        if (is_vcpu_wanted(filter, vcpu) && !add_result(vm, results, filter, vcpu, err)) {
            return NULL;
        }
    }
    return g_steal_pointer(&results);
}

static bool add_schema(RhVm *vm, GPtrArray *schemas, RhVcpu *vcpu, GError **err)
{
    GPtrArray *stats = rh_accel_type(vm->accel)->stats_schema(vm->accel, vcpu, err);
    QmpStatsSchema *schema;

    if (!stats) {
        return false;
    }
    schema = g_new0(QmpStatsSchema, 1);
    schema->provider = QMP_STATS_PROVIDER_KVM;
    schema->target = vcpu ? QMP_STATS_TARGET_VCPU : QMP_STATS_TARGET_VM;
    schema->stats = stats;
    g_ptr_array_add(schemas, schema);
    return true;
}

GPtrArray *qmp_query_stats_schemas(RhVm *vm, const QmpQueryStatsSchemasArgs *args, GError **err)
{
    g_autoptr(GPtrArray) schemas = qmp_stats_schema_list_new();

    if (!has_provider(vm)) {
        return g_steal_pointer(&schemas);
    }
    if (!add_schema(vm, schemas, NULL, err) ||
        (vm->vcpus->len && !add_schema(vm, schemas, vm->vcpus->pdata[0], err))) {
        return NULL;
    }
    return g_steal_pointer(&schemas);
}
