/*
 * Model-specific registers of a vCPU. KVM lists those that make up a vCPU's state; architectural
 * ones have fields in RhX86State, the others stand in its msrs[].
 *
 * Spec: Documentation/virt/kvm/api.rst, KVM_GET_MSR_INDEX_LIST; indices: Intel SDM vol. 4.
 */
#include "accel/kvm/kvm.h"

#include <errno.h>
#include <sys/ioctl.h>
#include "target/i386/state.h"

enum {
    MSR_TSC = 0x10, MSR_TSC_ADJUST = 0x3b, MSR_SYSENTER_CS = 0x174, MSR_SYSENTER_ESP = 0x175,
    MSR_SYSENTER_EIP = 0x176, MSR_MISC_ENABLE = 0x1a0, MSR_PAT = 0x277, MSR_TSC_DEADLINE = 0x6e0,
};
#define MSR_EFER           0xc0000080u
#define MSR_STAR           0xc0000081u
#define MSR_LSTAR          0xc0000082u
#define MSR_CSTAR          0xc0000083u
#define MSR_SFMASK         0xc0000084u
#define MSR_FS_BASE        0xc0000100u
#define MSR_GS_BASE        0xc0000101u
#define MSR_KERNEL_GS_BASE 0xc0000102u
#define MSR_TSC_AUX        0xc0000103u
#define MSR_APIC_BASE      0x1bu

typedef struct NamedMsr {
    uint32_t index;
    size_t offset;      /* in RhX86State */
} NamedMsr;

static const NamedMsr named[] = {
    { MSR_TSC,            offsetof(RhX86State, tsc) },
    { MSR_TSC_ADJUST,     offsetof(RhX86State, tsc_adjust) },
    { MSR_SYSENTER_CS,    offsetof(RhX86State, sysenter_cs) },
    { MSR_SYSENTER_ESP,   offsetof(RhX86State, sysenter_esp) },
    { MSR_SYSENTER_EIP,   offsetof(RhX86State, sysenter_eip) },
    { MSR_MISC_ENABLE,    offsetof(RhX86State, misc_enable) },
    { MSR_PAT,            offsetof(RhX86State, pat) },
    { MSR_TSC_DEADLINE,   offsetof(RhX86State, tsc_deadline) },
    { MSR_STAR,           offsetof(RhX86State, star) },
    { MSR_LSTAR,          offsetof(RhX86State, lstar) },
    { MSR_CSTAR,          offsetof(RhX86State, cstar) },
    { MSR_SFMASK,         offsetof(RhX86State, sfmask) },
    { MSR_KERNEL_GS_BASE, offsetof(RhX86State, kernel_gs_base) },
    { MSR_TSC_AUX,        offsetof(RhX86State, tsc_aux) },
};

/* Those that travel with the special registers. */
static const uint32_t in_sregs[] = { MSR_EFER, MSR_FS_BASE, MSR_GS_BASE, MSR_APIC_BASE };

/* What a guest can set and KVM keeps, but does not list. */
static const struct {
    uint32_t first, nr;
} unlisted[] = {
    { 0x17a, 2 },           /* machine check: global status and control, */
    { 0x400, 4 * RH_KVM_MCE_BANKS },    /* four of each bank */
    { 0x200, 16 },          /* MTRRs: eight variable ranges, */
    { 0x250, 1 }, { 0x258, 2 }, { 0x268, 8 },   /* the fixed ones, */
    { 0x2ff, 1 },           /* and the default type */
};

struct RhKvmMsrs {
    RhMutex lock;
    GArray *indices;            /* uint32_t; under lock; those not readable are dropped */
    struct kvm_msrs *defaults;  /* as the kernel makes them; under lock until set */
};

static bool is_in_sregs(uint32_t index)
{
    for (size_t i = 0; i < RH_COUNT(in_sregs); i++) {
        if (in_sregs[i] == index) {
            return true;
        }
    }
    return false;
}

/* The field of @index; NULL: it has none */
static const NamedMsr *find_named(uint32_t index)
{
    for (size_t i = 0; i < RH_COUNT(named); i++) {
        if (named[i].index == index) {
            return &named[i];
        }
    }
    return NULL;
}

static uint64_t *field_of(RhX86State *state, const NamedMsr *msr)
{
    return (uint64_t *)((uint8_t *)state + msr->offset);
}

static bool is_listed(const GArray *indices, uint32_t index)
{
    for (guint i = 0; i < indices->len; i++) {
        if (g_array_index(indices, uint32_t, i) == index) {
            return true;
        }
    }
    return false;
}

static void add_unlisted(GArray *indices)
{
    for (size_t i = 0; i < RH_COUNT(unlisted); i++) {
        for (uint32_t index = unlisted[i].first; index < unlisted[i].first + unlisted[i].nr;
             index++) {
            if (!is_listed(indices, index)) {
                g_array_append_val(indices, index);
            }
        }
    }
}

bool rh_kvm_msrs_open(RhKvm *kvm, GError **err)
{
    struct kvm_msr_list probe = { .nmsrs = 0 };
    g_autofree struct kvm_msr_list *list = NULL;

    if (ioctl(kvm->dev_fd, KVM_GET_MSR_INDEX_LIST, &probe) < 0 && errno != E2BIG) {
        return rh_fail_errno(err, errno, "KVM does not list its MSRs");
    }
    list = g_malloc0(sizeof(*list) + MIN(probe.nmsrs, 4096) * sizeof(uint32_t));
    list->nmsrs = MIN(probe.nmsrs, 4096);
    if (ioctl(kvm->dev_fd, KVM_GET_MSR_INDEX_LIST, list) < 0) {
        return rh_fail_errno(err, errno, "KVM does not list its %u MSRs", probe.nmsrs);
    }
    kvm->msrs = g_new0(RhKvmMsrs, 1);
    rh_mutex_init(&kvm->msrs->lock);
    kvm->msrs->indices = g_array_new(false, false, sizeof(uint32_t));
    for (uint32_t i = 0; i < list->nmsrs; i++) {
        if (!is_in_sregs(list->indices[i])) {
            g_array_append_val(kvm->msrs->indices, list->indices[i]);
        }
    }
    add_unlisted(kvm->msrs->indices);
    return true;
}

void rh_kvm_msrs_close(RhKvm *kvm)
{
    if (kvm->msrs) {
        g_array_unref(kvm->msrs->indices);
        g_free(kvm->msrs->defaults);
        rh_mutex_fini(&kvm->msrs->lock);
        g_free(kvm->msrs);
        kvm->msrs = NULL;
    }
}

static struct kvm_msrs *new_msrs(guint nr)
{
    struct kvm_msrs *msrs = g_malloc0(sizeof(*msrs) + nr * sizeof(struct kvm_msr_entry));

    msrs->nmsrs = nr;
    return msrs;
}

/* All MSRs of the list; those that this vCPU does not let us read are dropped from it. Under
 * msrs->lock. */
static struct kvm_msrs *read_msrs(RhKvmVcpu *kv, GError **err)
{
    GArray *indices = kv->kvm->msrs->indices;

    for (;;) {
        g_autofree struct kvm_msrs *msrs = new_msrs(indices->len);
        int nr;

        for (guint i = 0; i < indices->len; i++) {
            msrs->entries[i].index = g_array_index(indices, uint32_t, i);
        }
        nr = ioctl(kv->fd, KVM_GET_MSRS, msrs);
        if (nr < 0) {
            rh_fail_errno(err, errno, "KVM_GET_MSRS of vCPU %u failed", kv->vcpu->index);
            return NULL;
        }
        if ((guint)nr >= indices->len) {
            return g_steal_pointer(&msrs);
        }
        g_array_remove_index(indices, (guint)nr);   /* it stopped at the one it does not read */
    }
}

bool rh_kvm_fetch_msrs(RhKvmVcpu *kv, RhX86State *state, GError **err)
{
    g_autofree struct kvm_msrs *msrs = NULL;

    RH_WITH_LOCK(&kv->kvm->msrs->lock) {
        msrs = read_msrs(kv, err);
    }
    if (!msrs) {
        return false;
    }
    state->nr_msrs = 0;
    for (uint32_t i = 0; i < msrs->nmsrs; i++) {
        const struct kvm_msr_entry *entry = &msrs->entries[i];
        const NamedMsr *msr = find_named(entry->index);

        if (msr) {
            *field_of(state, msr) = entry->data;
        } else if (!rh_x86_set_msr(state, entry->index, entry->data)) {
            return rh_fail(err, "KVM has %u MSRs, must be %u at most", msrs->nmsrs,
                           RH_X86_MAX_MSRS);
        }
    }
    return true;
}

static const struct kvm_msr_entry *find_default(const RhKvmVcpu *kv, uint32_t index)
{
    const struct kvm_msrs *defaults = kv->kvm->msrs->defaults;

    for (uint32_t i = 0; i < defaults->nmsrs; i++) {
        if (defaults->entries[i].index == index) {
            return &defaults->entries[i];
        }
    }
    return NULL;
}

/* KVM stops at an entry it refuses: that is an error, unless it has that value by itself. */
static bool write_msrs(RhKvmVcpu *kv, struct kvm_msrs *all, GError **err)
{
    uint32_t at = 0;

    while (at < all->nmsrs) {
        uint32_t nr = all->nmsrs - at;
        g_autofree struct kvm_msrs *rest = new_msrs(nr);
        const struct kvm_msr_entry *refused;
        const struct kvm_msr_entry *power_on;
        int done;

        memcpy(rest->entries, all->entries + at, nr * sizeof(struct kvm_msr_entry));
        done = ioctl(kv->fd, KVM_SET_MSRS, rest);
        if (done < 0) {
            return rh_fail_errno(err, errno, "KVM_SET_MSRS of vCPU %u failed", kv->vcpu->index);
        }
        at += (uint32_t)done;
        if (at >= all->nmsrs) {
            return true;
        }
        refused = &all->entries[at++];
        power_on = find_default(kv, refused->index);
        if (refused->data && (!power_on || power_on->data != refused->data)) {
            return rh_fail(err, "KVM refuses the value 0x%" PRIx64 " for MSR 0x%x of vCPU %u",
                           (uint64_t)refused->data, refused->index, kv->vcpu->index);
        }
    }
    return true;
}

static void append(struct kvm_msrs *msrs, uint32_t index, uint64_t data)
{
    msrs->entries[msrs->nmsrs++] = (struct kvm_msr_entry){ .index = index, .data = data };
}

/* The named registers that KVM has, but the deadline, which store_deadline sets later. */
static void append_named(RhKvmVcpu *kv, const RhX86State *state, struct kvm_msrs *msrs)
{
    for (size_t i = 0; i < RH_COUNT(named); i++) {
        if (named[i].index != MSR_TSC_DEADLINE && find_default(kv, named[i].index)) {
            append(msrs, named[i].index, *field_of((RhX86State *)state, &named[i]));
        }
    }
}

/* What has no field goes back to what the kernel made it: clocks off, no asynchronous faults, MTRRs
 * off. */
static void append_defaults(const RhKvmVcpu *kv, struct kvm_msrs *msrs)
{
    const struct kvm_msrs *defaults = kv->kvm->msrs->defaults;

    for (uint32_t i = 0; i < defaults->nmsrs; i++) {
        const struct kvm_msr_entry *entry = &defaults->entries[i];

        if (!find_named(entry->index) || entry->index == MSR_MISC_ENABLE) {
            append(msrs, entry->index, entry->data);
        }
    }
}

static bool read_defaults(RhKvmVcpu *kv, GError **err)
{
    RhKvmMsrs *msrs = kv->kvm->msrs;
    bool is_read = true;

    RH_WITH_LOCK(&msrs->lock) {
        if (!msrs->defaults) {
            msrs->defaults = read_msrs(kv, err);
            is_read = msrs->defaults != NULL;
        }
    }
    return is_read;
}

bool rh_kvm_store_msrs(RhKvmVcpu *kv, const RhX86State *state, bool is_reset, GError **err)
{
    g_autofree struct kvm_msrs *msrs = NULL;
    bool is_fresh = kv->is_fresh;

    kv->is_fresh = false;
    if (!read_defaults(kv, err)) {
        return false;
    }
    if (is_reset && is_fresh) {
        return true;        /* just made: all are what a reset makes them */
    }
    msrs = new_msrs(RH_COUNT(named) + kv->kvm->msrs->defaults->nmsrs + state->nr_msrs);
    msrs->nmsrs = 0;
    append_named(kv, state, msrs);
    if (is_reset) {
        append_defaults(kv, msrs);
    }
    for (uint32_t i = 0; i < state->nr_msrs; i++) {
        append(msrs, state->msrs[i].index, state->msrs[i].value);
    }
    return write_msrs(kv, msrs, err);
}

bool rh_kvm_store_deadline(RhKvmVcpu *kv, const RhX86State *state, GError **err)
{
    g_autofree struct kvm_msrs *msrs = new_msrs(1);

    if (!state->tsc_deadline) {
        return true;
    }
    msrs->entries[0] =
        (struct kvm_msr_entry){ .index = MSR_TSC_DEADLINE, .data = state->tsc_deadline };
    return write_msrs(kv, msrs, err);
}
