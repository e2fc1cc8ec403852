/*
 * Counters that KVM keeps of a VM and of each vCPU, read from a descriptor that describes itself: a header, the names and
 * kinds of the values, the values.
 *
 * Spec: Documentation/virt/kvm/api.rst, KVM_GET_STATS_FD.  Lock: the machine lock.
 */
#include "accel/kvm/kvm.h"

#include <errno.h>
#include <sys/ioctl.h>
#include "qapi-types.h"
#include "util/core.h"

/* More than any kernel has; what is beyond is not believed. */
enum { MAX_VALUES = 4096, MAX_NAME = 1024, MAX_BUCKETS = 4096 };

/* What a descriptor tells, but the values. */
typedef struct StatsFile {
    int fd;
    struct kvm_stats_header header;
    size_t desc_size;           /* of a description with its name */
    char *descs;
} StatsFile;

static bool read_at(int fd, void *ret, size_t len, uint64_t at, GError **err)
{
    ssize_t got = pread(fd, ret, len, (off_t)at);

    if (got < 0) {
        return rh_fail_errno(err, errno, "Could not read KVM's statistics");
    }
    return (size_t)got == len || rh_fail(err, "KVM's statistics end after %zd of %zu bytes", got, len);
}

static bool file_read(StatsFile *file, GError **err)
{
    struct kvm_stats_header *header = &file->header;

    if (!read_at(file->fd, header, sizeof(*header), 0, err)) {
        return false;
    }
    if (header->num_desc > MAX_VALUES || !header->name_size || header->name_size > MAX_NAME) {
        return rh_fail(err, "KVM tells of %u statistics with names of %u bytes, must be at most %u and 1 to %u",
                       header->num_desc, header->name_size, MAX_VALUES, MAX_NAME);
    }
    file->desc_size = sizeof(struct kvm_stats_desc) + header->name_size;
    file->descs = g_malloc(header->num_desc * file->desc_size);
    if (!read_at(file->fd, file->descs, header->num_desc * file->desc_size, header->desc_offset, err)) {
        return false;
    }
    for (uint32_t i = 1; i <= header->num_desc; i++) {
        file->descs[i * file->desc_size - 1] = 0;       /* each name ends */
    }
    return true;
}

static const struct kvm_stats_desc *desc_at(const StatsFile *file, uint32_t i)
{
    return (const void *)(file->descs + i * file->desc_size);
}

/* Of a kind that the schema has a word for. */
static bool is_known(const struct kvm_stats_desc *desc)
{
    return (desc->flags & KVM_STATS_TYPE_MASK) <= KVM_STATS_TYPE_MAX &&
           (desc->flags & KVM_STATS_UNIT_MASK) <= KVM_STATS_UNIT_MAX &&
           (desc->flags & KVM_STATS_BASE_MASK) <= KVM_STATS_BASE_MAX &&
           desc->size >= 1 && desc->size <= MAX_BUCKETS;
}

static QmpStatsSchemaValue *schema_value(const struct kvm_stats_desc *desc)
{
    static const QmpStatsType types[] = {
        [KVM_STATS_TYPE_CUMULATIVE >> KVM_STATS_TYPE_SHIFT] = QMP_STATS_TYPE_CUMULATIVE,
        [KVM_STATS_TYPE_INSTANT >> KVM_STATS_TYPE_SHIFT] = QMP_STATS_TYPE_INSTANT,
        [KVM_STATS_TYPE_PEAK >> KVM_STATS_TYPE_SHIFT] = QMP_STATS_TYPE_PEAK,
        [KVM_STATS_TYPE_LINEAR_HIST >> KVM_STATS_TYPE_SHIFT] = QMP_STATS_TYPE_LINEAR_HISTOGRAM,
        [KVM_STATS_TYPE_LOG_HIST >> KVM_STATS_TYPE_SHIFT] = QMP_STATS_TYPE_LOG2_HISTOGRAM,
    };
    static const QmpStatsUnit units[] = {
        [KVM_STATS_UNIT_BYTES >> KVM_STATS_UNIT_SHIFT] = QMP_STATS_UNIT_BYTES,
        [KVM_STATS_UNIT_SECONDS >> KVM_STATS_UNIT_SHIFT] = QMP_STATS_UNIT_SECONDS,
        [KVM_STATS_UNIT_CYCLES >> KVM_STATS_UNIT_SHIFT] = QMP_STATS_UNIT_CYCLES,
        [KVM_STATS_UNIT_BOOLEAN >> KVM_STATS_UNIT_SHIFT] = QMP_STATS_UNIT_BOOLEAN,
    };
    uint32_t unit = desc->flags & KVM_STATS_UNIT_MASK;
    QmpStatsSchemaValue *value = g_new0(QmpStatsSchemaValue, 1);

    value->name = g_strdup(desc->name);
    value->type = types[(desc->flags & KVM_STATS_TYPE_MASK) >> KVM_STATS_TYPE_SHIFT];
    value->has_unit = unit != KVM_STATS_UNIT_NONE;
    value->unit = units[unit >> KVM_STATS_UNIT_SHIFT];
    value->exponent = desc->exponent;
    value->has_base = desc->exponent != 0;
    value->base = (desc->flags & KVM_STATS_BASE_MASK) == KVM_STATS_BASE_POW2 ? 2 : 10;
    value->has_bucket_size = (desc->flags & KVM_STATS_TYPE_MASK) == KVM_STATS_TYPE_LINEAR_HIST;
    value->bucket_size = desc->bucket_size;
    return value;
}

static QmpStatsValue *value_new(const struct kvm_stats_desc *desc, GArray *numbers)
{
    QmpStatsValue *value = g_new0(QmpStatsValue, 1);

    if (desc->size > 1) {
        value->kind = QMP_STATS_VALUE_LIST;
        value->u.list = g_array_ref(numbers);
    } else if ((desc->flags & KVM_STATS_UNIT_MASK) == KVM_STATS_UNIT_BOOLEAN) {
        value->kind = QMP_STATS_VALUE_BOOLEAN;
        value->u.boolean = g_array_index(numbers, uint64_t, 0) != 0;
    } else {
        value->kind = QMP_STATS_VALUE_SCALAR;
        value->u.scalar = g_array_index(numbers, uint64_t, 0);
    }
    return value;
}

static QmpStats *stats_new(const StatsFile *file, const struct kvm_stats_desc *desc, GError **err)
{
    g_autoptr(GArray) numbers = g_array_sized_new(false, true, sizeof(uint64_t), desc->size);
    QmpStats *stats;

    g_array_set_size(numbers, desc->size);
    if (!read_at(file->fd, numbers->data, desc->size * sizeof(uint64_t), (uint64_t)file->header.data_offset + desc->offset,
                 err)) {
        return NULL;
    }
    stats = g_new0(QmpStats, 1);
    stats->name = g_strdup(desc->name);
    stats->value = value_new(desc, numbers);
    return stats;
}

static void vcpu_open_stats(RhVcpu *vcpu, void *arg)
{
    RhKvmVcpu *kv = rh_kvm_vcpu(vcpu);

    kv->stats_fd = ioctl(kv->fd, KVM_GET_STATS_FD, NULL);
}

/* @ret_own: the descriptor is the caller's to close. A vCPU answers between two runs only, so its descriptor is kept. */
static int open_stats(RhKvm *kvm, RhVcpu *vcpu, bool *ret_own)
{
    RhKvmVcpu *kv = vcpu ? rh_kvm_vcpu(vcpu) : NULL;

    *ret_own = !kv;
    if (!kv) {
        return ioctl(kvm->vm_fd, KVM_GET_STATS_FD, NULL);
    }
    if (kv->stats_fd < 0) {
        rh_vcpu_run_on(vcpu, vcpu_open_stats, NULL);
    }
    return kv->stats_fd;
}

typedef bool VisitFn(const StatsFile *file, const struct kvm_stats_desc *desc, GPtrArray *list, GError **err);

static bool visit_value(const StatsFile *file, const struct kvm_stats_desc *desc, GPtrArray *list, GError **err)
{
    QmpStats *stats = stats_new(file, desc, err);

    if (stats) {
        g_ptr_array_add(list, stats);
    }
    return stats != NULL;
}

static bool visit_schema(const StatsFile *file, const struct kvm_stats_desc *desc, GPtrArray *list, GError **err)
{
    g_ptr_array_add(list, schema_value(desc));
    return true;
}

static GPtrArray *visit_all(RhAccel *accel, RhVcpu *vcpu, GPtrArray *new_list, VisitFn *fn, GError **err)
{
    RhKvm *kvm = rh_kvm(accel);
    g_autoptr(GPtrArray) list = new_list;
    StatsFile file = { .fd = -1 };
    bool is_own = false;
    bool good = true;

    if (!rh_kvm_cap(kvm, KVM_CAP_BINARY_STATS_FD)) {
        return g_steal_pointer(&list);
    }
    file.fd = open_stats(kvm, vcpu, &is_own);
    if (file.fd < 0) {
        rh_fail_errno(err, errno, "Could not open KVM's statistics");
        return NULL;
    }
    good = file_read(&file, err);
    for (uint32_t i = 0; good && i < file.header.num_desc; i++) {
        good = !is_known(desc_at(&file, i)) || fn(&file, desc_at(&file, i), list, err);
    }
    g_free(file.descs);
    if (is_own) {
        close(file.fd);
    }
    return good ? g_steal_pointer(&list) : NULL;
}

GPtrArray *rh_kvm_stats(RhAccel *accel, RhVcpu *vcpu, GError **err)
{
    return visit_all(accel, vcpu, qmp_stats_list_new(), visit_value, err);
}

GPtrArray *rh_kvm_stats_schema(RhAccel *accel, RhVcpu *vcpu, GError **err)
{
    return visit_all(accel, vcpu, qmp_stats_schema_value_list_new(), visit_schema, err);
}
