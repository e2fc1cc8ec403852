/*
 * Memory slots: the flat view of guest memory, told to KVM.
 *
 * Changes are collected from begin to commit; then the slots that are wanted are compared with
 * those there are. One range of the view is one slot: adjacent ranges are not merged, so that
 * switching one of the small ranges of PAM registers does not take the large ones around it apart.
 *
 * Before the guest runs for the first time nothing is told at all: while a machine is put together
 * its map changes with every device, and the kernel makes a slot wait some milliseconds for the
 * interrupt chips and doorbells that were made just before.
 *
 * Spec: Documentation/virt/kvm/api.rst, KVM_SET_USER_MEMORY_REGION. Lock: the machine lock.
 */
#include "accel/kvm/kvm.h"

#include <errno.h>
#include <sys/ioctl.h>
#include "util/log.h"

#define PAGE UINT64_C(4096)
#define DEFAULT_NR_SLOTS 32     /* of kernels without KVM_CAP_NR_MEMSLOTS */

typedef RhKvmSlot Slot;

struct RhKvmMemory {
    RhKvm *kvm;
    RhSpaceListener listener;
    GArray *wanted;         /* Slot, by start; id unused */
    GArray *slots;          /* Slot, by start: what the kernel has */
    GArray *free_ids;       /* uint32_t */
    uint32_t next_id;
    uint32_t max_slots;
    bool has_readonly;
    bool is_live;           /* the kernel is told; atomic: set once */
    bool is_warned;
};

static guint find_slot(const GArray *slots, uint64_t start)
{
    guint low = 0;
    guint high = slots->len;

    while (low < high) {        /* the first slot at or after start */
        guint middle = (low + high) / 2;

        if (g_array_index(slots, Slot, middle).start < start) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/*
 * The whole pages of a range that KVM can map. The rest of it, and ranges whose host address
 * differs from the guest's within a page, is reached by exits: the dispatcher serves RAM as well.
 */
static bool slot_of_range(const RhKvmMemory *memory, const RhFlatRange *range, Slot *ret)
{
    uint64_t start = rh_align_up(range->start, PAGE);
    uint64_t end = rh_align_down(range->start + range->len, PAGE);
    uint8_t *host = range->host + (start - range->start);

    if (!range->host || start < range->start || end <= start || (uintptr_t)host % PAGE) {
        return false;
    }
    *ret = (Slot){ .start = start, .len = end - start, .host = host, .ram = range->ram };
    if (!range->is_writable && memory->has_readonly) {
        ret->flags |= KVM_MEM_READONLY;
    } else if (!range->is_writable && range->region->kind == RH_REGION_ROM_DEVICE) {
        return false;           /* its writes must reach the device */
    }
    return true;
}

static bool set_slot(RhKvmMemory *memory, const Slot *slot, uint64_t len)
{
    struct kvm_userspace_memory_region region = {
        .slot = slot->id,
        .flags = len ? slot->flags | rh_kvm_dirty_flag(memory->kvm, slot) : 0,
        .guest_phys_addr = slot->start,
        .memory_size = len,
        .userspace_addr = (uintptr_t)slot->host,
    };

    return ioctl(memory->kvm->vm_fd, KVM_SET_USER_MEMORY_REGION, &region) == 0;
}

static void drop_slot(RhKvmMemory *memory, guint at)
{
    Slot *slot = &g_array_index(memory->slots, Slot, at);

    rh_kvm_dirty_slot_goes(memory->kvm, slot);
    if (!set_slot(memory, slot, 0)) {
        g_printerr("warning: KVM does not give back its memory slot at 0x%" PRIx64 ": %s\n",
                   slot->start, g_strerror(errno));
    }
    g_array_append_val(memory->free_ids, slot->id);
    g_array_remove_index(memory->slots, at);
}

static bool take_id(RhKvmMemory *memory, uint32_t *ret_id)
{
    if (memory->free_ids->len) {
        *ret_id = g_array_index(memory->free_ids, uint32_t, memory->free_ids->len - 1);
        g_array_set_size(memory->free_ids, memory->free_ids->len - 1);
        return true;
    }
    *ret_id = memory->next_id;
    return memory->next_id < memory->max_slots && ++memory->next_id;
}

/* A range without a slot still works, by an exit for each access, but cannot be executed. */
static void warn_no_slot(RhKvmMemory *memory, const Slot *slot, const char *why)
{
    if (!memory->is_warned) {
        g_printerr("warning: Guest memory 0x%" PRIx64 " to 0x%" PRIx64
                   " is not mapped by KVM and will be slow: %s\n",
                   slot->start, slot->start + slot->len - 1, why);
    }
    memory->is_warned = true;
}

static void make_slot(RhKvmMemory *memory, const Slot *wanted)
{
    Slot slot = *wanted;

    if (!take_id(memory, &slot.id)) {
        warn_no_slot(memory, wanted, "all memory slots of the host's KVM are in use");
        return;
    }
    if (!set_slot(memory, &slot, slot.len)) {
        warn_no_slot(memory, wanted, g_strerror(errno));
        g_array_append_val(memory->free_ids, slot.id);
        return;
    }
    g_array_insert_val(memory->slots, find_slot(memory->slots, slot.start), slot);
}

static const Slot *find_same(const GArray *slots, const Slot *slot)
{
    guint at = find_slot(slots, slot->start);
    const Slot *found = &g_array_index(slots, Slot, at);

    return at < slots->len && found->start == slot->start && found->len == slot->len &&
                   found->host == slot->host && found->flags == slot->flags
               ? found
               : NULL;
}

static bool overlaps_any(const GArray *slots, const Slot *slot)
{
    guint at = find_slot(slots, slot->start);
    const Slot *slot_at = &g_array_index(slots, Slot, at);

    return (at < slots->len && slot_at->start < slot->start + slot->len) ||
           (at > 0 && slot_at[-1].start + slot_at[-1].len > slot->start);
}

/* Whether a slot must go whose memory, at least in part, comes back in another: no vCPU may see the
 * hole. Nor may one write to a slot between the last look at what it wrote and the slot's end. */
static bool needs_gate(const RhKvmMemory *memory)
{
    for (guint i = 0; i < memory->slots->len; i++) {
        const Slot *slot = &g_array_index(memory->slots, Slot, i);

        if (!find_same(memory->wanted, slot) &&
            (overlaps_any(memory->wanted, slot) || rh_kvm_dirty_flag(memory->kvm, slot))) {
            return true;
        }
    }
    return false;
}

static void memory_begin(RhSpaceListener *listener)
{
    RhKvmMemory *memory = RH_CONTAINER(RhKvmMemory, listener, listener);

    rh_kvm_drain(memory->kvm);      /* writes put off so far come before the change */
}

static void memory_add(RhSpaceListener *listener, const RhFlatRange *range)
{
    RhKvmMemory *memory = RH_CONTAINER(RhKvmMemory, listener, listener);
    Slot slot;

    if (slot_of_range(memory, range, &slot)) {
        g_array_insert_val(memory->wanted, find_slot(memory->wanted, slot.start), slot);
    }
}

static void memory_remove(RhSpaceListener *listener, const RhFlatRange *range)
{
    RhKvmMemory *memory = RH_CONTAINER(RhKvmMemory, listener, listener);
    Slot slot;

    if (!slot_of_range(memory, range, &slot)) {
        return;
    }
    /* A range that takes this one's place may have been added first: host and length tell them
     * apart. */
    for (guint i = find_slot(memory->wanted, slot.start); i < memory->wanted->len; i++) {
        const Slot *found = &g_array_index(memory->wanted, Slot, i);

        if (found->start != slot.start) {
            break;
        }
        if (found->len == slot.len && found->host == slot.host && found->flags == slot.flags) {
            g_array_remove_index(memory->wanted, i);
            break;
        }
    }
}

static void update_slots(RhKvmMemory *memory)
{
    bool is_gated = needs_gate(memory);

    if (is_gated) {
        rh_kvm_gate_close(&memory->kvm->gate);
    }
    for (guint i = memory->slots->len; i-- > 0;) {
        if (!find_same(memory->wanted, &g_array_index(memory->slots, Slot, i))) {
            drop_slot(memory, i);
        }
    }
    for (guint i = 0; i < memory->wanted->len; i++) {
        const Slot *wanted = &g_array_index(memory->wanted, Slot, i);

        if (!find_same(memory->slots, wanted)) {
            make_slot(memory, wanted);
        }
    }
    if (is_gated) {
        rh_kvm_gate_open(&memory->kvm->gate);
    }
}

static void memory_commit(RhSpaceListener *listener)
{
    RhKvmMemory *memory = RH_CONTAINER(RhKvmMemory, listener, listener);

    if (memory->is_live) {
        update_slots(memory);
    }
}

static void go_live(RhKvmMemory *memory)
{
    if (!memory->is_live) {
        update_slots(memory);
        __atomic_store_n(&memory->is_live, true, __ATOMIC_RELEASE);
    }
}

void rh_kvm_memory_go_live(RhKvm *kvm)
{
    RhVm *vm = kvm->parent.obj.vm;

    if (__atomic_load_n(&kvm->memory->is_live, __ATOMIC_ACQUIRE)) {
        return;
    }
    if (rh_is_locked_by_me(&vm->lock)) {
        go_live(kvm->memory);
        return;
    }
    RH_WITH_MACHINE_LOCK(vm) {
        go_live(kvm->memory);
    }
}

static void memory_io_event_add(RhSpaceListener *listener, const RhIoEvent *io_event)
{
    rh_kvm_io_event_add(RH_CONTAINER(RhKvmMemory, listener, listener)->kvm, io_event, false);
}

static void memory_io_event_remove(RhSpaceListener *listener, const RhIoEvent *io_event)
{
    rh_kvm_io_event_remove(RH_CONTAINER(RhKvmMemory, listener, listener)->kvm, io_event, false);
}

static void memory_coalesce_add(RhSpaceListener *listener, const RhRange *range)
{
    rh_kvm_coalesce(RH_CONTAINER(RhKvmMemory, listener, listener)->kvm, range, false, true);
}

static void memory_coalesce_remove(RhSpaceListener *listener, const RhRange *range)
{
    rh_kvm_coalesce(RH_CONTAINER(RhKvmMemory, listener, listener)->kvm, range, false, false);
}

void rh_kvm_memory_begin(RhKvm *kvm, RhSpace *space)
{
    RhKvmMemory *memory = g_new0(RhKvmMemory, 1);
    int max_slots = rh_kvm_cap(kvm, KVM_CAP_NR_MEMSLOTS);

    memory->kvm = kvm;
    memory->wanted = g_array_new(false, false, sizeof(Slot));
    memory->slots = g_array_new(false, false, sizeof(Slot));
    memory->free_ids = g_array_new(false, false, sizeof(uint32_t));
    memory->max_slots = max_slots ? (uint32_t)max_slots : DEFAULT_NR_SLOTS;
    memory->has_readonly = rh_kvm_cap(kvm, KVM_CAP_READONLY_MEM);
    memory->listener = (RhSpaceListener){
        .begin = memory_begin,
        .add = memory_add,
        .remove = memory_remove,
        .commit = memory_commit,
        .io_event_add = memory_io_event_add,
        .io_event_remove = memory_io_event_remove,
        .coalesce_add = memory_coalesce_add,
        .coalesce_remove = memory_coalesce_remove,
        .signals_io_events = rh_kvm_cap(kvm, KVM_CAP_IOEVENTFD),
    };
    kvm->memory = memory;
    rh_space_listen(space, &memory->listener);
}

void rh_kvm_memory_end(RhKvm *kvm, RhSpace *space)
{
    RhKvmMemory *memory = kvm->memory;

    if (!memory) {
        return;
    }
    memory->is_live = false;        /* the slots go with the VM, all at once */
    rh_space_unlisten(space, &memory->listener);
    g_array_unref(memory->wanted);
    g_array_unref(memory->slots);
    g_array_unref(memory->free_ids);
    g_free(memory);
    kvm->memory = NULL;
}

size_t rh_kvm_memory_nr_slots(const RhKvm *kvm)
{
    return kvm->memory->slots->len;
}

const RhKvmSlot *rh_kvm_memory_slot(const RhKvm *kvm, size_t at)
{
    return &g_array_index(kvm->memory->slots, Slot, at);
}

int rh_kvm_memory_refresh_slot(RhKvm *kvm, const RhKvmSlot *slot)
{
    return set_slot(kvm->memory, slot, slot->len) ? 0 : -errno;
}
