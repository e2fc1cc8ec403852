/*
 * Which pages vCPUs write: a ring of page numbers for each vCPU (-accel kvm,dirty-ring-size=N), or a
 * bitmap of each slot where there are no rings. What is found goes into a bitmap of the RAM block,
 * because slots come and go, and is handed out from there.
 *
 * Spec: Documentation/virt/kvm/api.rst, KVM_GET_DIRTY_LOG and KVM_CAP_DIRTY_LOG_RING.
 * Lock: the machine lock.
 */
#include "accel/kvm/kvm.h"

#include <errno.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE      UINT64_C(4096)
#define LONG_BITS (8 * sizeof(unsigned long))

typedef struct Block {
    RhRam *ram;
    unsigned long *bitmap;      /* of what was written and not yet fetched */
    size_t nr_pages;
} Block;

struct RhKvmDirty {
    uint32_t ring_entries;      /* of each vCPU; 0: bitmaps */
    GPtrArray *blocks;          /* Block *: what is tracked */
};

static void block_free(void *opaque)
{
    Block *block = opaque;

    rh_ram_unref(block->ram);
    g_free(block->bitmap);
    g_free(block);
}

static Block *find_block(const RhKvm *kvm, const RhRam *ram)
{
    GPtrArray *blocks = kvm->dirty->blocks;

    for (guint i = 0; i < blocks->len; i++) {
        Block *block = g_ptr_array_index(blocks, i);

        if (block->ram == ram) {
            return block;
        }
    }
    return NULL;
}

uint32_t rh_kvm_dirty_flag(const RhKvm *kvm, const RhKvmSlot *slot)
{
    return !(slot->flags & KVM_MEM_READONLY) && find_block(kvm, slot->ram) ? KVM_MEM_LOG_DIRTY_PAGES
                                                                          : 0;
}

static void mark(Block *block, const RhKvmSlot *slot, uint64_t page)
{
    page += (uint64_t)(slot->host - block->ram->host) / PAGE;
    if (page < block->nr_pages) {
        block->bitmap[page / LONG_BITS] |= 1ul << page % LONG_BITS;
    }
}

/* --- bitmaps --- */

static bool read_log(RhKvm *kvm, Block *block, const RhKvmSlot *slot, GError **err)
{
    size_t nr_longs = rh_align_up(slot->len / PAGE, LONG_BITS) / LONG_BITS;
    g_autofree unsigned long *log = g_new0(unsigned long, nr_longs);
    struct kvm_dirty_log request = { .slot = slot->id, .dirty_bitmap = log };

    if (ioctl(kvm->vm_fd, KVM_GET_DIRTY_LOG, &request) < 0) {
        return rh_fail_errno(err, errno, "KVM does not tell which pages of '%s' were written",
                             block->ram->name);
    }
    for (size_t i = 0; i < nr_longs; i++) {
        for (unsigned long rest = log[i]; rest; rest &= rest - 1) {
            mark(block, slot, i * LONG_BITS + (unsigned)__builtin_ctzl(rest));
        }
    }
    return true;
}

/* --- rings --- */

static const RhKvmSlot *slot_of_id(const RhKvm *kvm, uint32_t id)
{
    for (size_t i = 0; i < rh_kvm_memory_nr_slots(kvm); i++) {
        const RhKvmSlot *slot = rh_kvm_memory_slot(kvm, i);

        if (slot->id == id) {
            return slot;
        }
    }
    return NULL;
}

static void read_ring(RhKvmVcpu *kv)
{
    RhKvm *kvm = kv->kvm;

    for (;;) {
        struct kvm_dirty_gfn *entry =
            &kv->dirty_ring[kv->dirty_next & (kvm->dirty->ring_entries - 1)];
        const RhKvmSlot *slot;
        Block *block;

        /* Pairs with the kernel's release: the flag is set after the rest was written. */
        if (!(__atomic_load_n(&entry->flags, __ATOMIC_ACQUIRE) & KVM_DIRTY_GFN_F_DIRTY)) {
            return;
        }
        slot = slot_of_id(kvm, entry->slot);
        block = slot ? find_block(kvm, slot->ram) : NULL;
        if (block && entry->offset < slot->len / PAGE) {
            mark(block, slot, entry->offset);
        }
        /* Pairs with the kernel's acquire in KVM_RESET_DIRTY_RINGS. */
        __atomic_store_n(&entry->flags, KVM_DIRTY_GFN_F_RESET, __ATOMIC_RELEASE);
        kv->dirty_next++;
    }
}

static void read_rings(RhKvm *kvm)
{
    RH_WITH_LOCK(&kvm->gate.lock) {
        for (guint i = 0; i < kvm->gate.vcpus->len; i++) {
            read_ring(g_ptr_array_index(kvm->gate.vcpus, i));
        }
        for (guint i = 0; i < kvm->parked->len; i++) {
            read_ring(g_ptr_array_index(kvm->parked, i));
        }
    }
    ioctl(kvm->vm_fd, KVM_RESET_DIRTY_RINGS);
}

void rh_kvm_dirty_ring_full(RhKvmVcpu *kv)
{
    RH_WITH_MACHINE_LOCK(kv->vcpu->vm) {
        read_rings(kv->kvm);
    }
}

bool rh_kvm_dirty_map_ring(RhKvmVcpu *kv, GError **err)
{
    size_t size = kv->kvm->dirty->ring_entries * sizeof(struct kvm_dirty_gfn);
    void *ring;

    if (!size) {
        return true;
    }
    ring = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, kv->fd,
                KVM_DIRTY_LOG_PAGE_OFFSET * sysconf(_SC_PAGESIZE));
    if (ring == MAP_FAILED) {
        return rh_fail_errno(err, errno, "Could not map the dirty ring of a vCPU");
    }
    kv->dirty_ring = ring;
    return true;
}

void rh_kvm_dirty_unmap_ring(RhKvmVcpu *kv)
{
    if (kv->dirty_ring) {
        munmap(kv->dirty_ring, kv->kvm->dirty->ring_entries * sizeof(struct kvm_dirty_gfn));
        kv->dirty_ring = NULL;
    }
}

static bool enable_rings(RhKvm *kvm, uint32_t entries, GError **err)
{
    bool is_ordered = rh_kvm_cap(kvm, KVM_CAP_DIRTY_LOG_RING_ACQ_REL);
    unsigned cap = is_ordered ? KVM_CAP_DIRTY_LOG_RING_ACQ_REL : KVM_CAP_DIRTY_LOG_RING;
    uint64_t max = (uint64_t)rh_kvm_cap(kvm, cap) / sizeof(struct kvm_dirty_gfn);
    int result;

    if (!max) {
        g_printerr("warning: The host's KVM has no dirty rings (dirty-ring-size=%u): dirty pages are "
                   "found by bitmap\n", entries);
        return true;
    }
    if (entries > max) {
        return rh_fail(err, "Property 'kvm-accel.dirty-ring-size' is %u, the host's KVM has %" PRIu64
                       " at most", entries, max);
    }
    result = rh_kvm_enable_cap(kvm, cap, entries * sizeof(struct kvm_dirty_gfn));
    if (result < 0) {
        return rh_fail_errno(err, -result, "KVM refuses dirty rings of %u entries (dirty-ring-size)",
                             entries);
    }
    kvm->dirty->ring_entries = entries;
    return true;
}

/* --- begin, fetch, end --- */

static Block *block_new(RhRam *ram)
{
    Block *block = g_new0(Block, 1);

    block->ram = rh_ram_ref(ram);
    block->nr_pages = ram->size / PAGE;
    block->bitmap = g_new0(unsigned long, rh_align_up(block->nr_pages, LONG_BITS) / LONG_BITS);
    return block;
}

static bool refresh_slots(RhKvm *kvm, const RhRam *ram, GError **err)
{
    for (size_t i = 0; i < rh_kvm_memory_nr_slots(kvm); i++) {
        const RhKvmSlot *slot = rh_kvm_memory_slot(kvm, i);
        int result = slot->ram == ram ? rh_kvm_memory_refresh_slot(kvm, slot) : 0;

        if (result < 0) {
            return rh_fail_errno(err, -result, "KVM does not change the tracking of '%s'", ram->name);
        }
    }
    return true;
}

bool rh_kvm_dirty_begin(RhAccel *accel, RhRam *ram, GError **err)
{
    RhKvm *kvm = rh_kvm(accel);

    g_assert(!find_block(kvm, ram));
    g_ptr_array_add(kvm->dirty->blocks, block_new(ram));
    if (!refresh_slots(kvm, ram, err)) {
        rh_kvm_dirty_end(accel, ram);
        return false;
    }
    return true;
}

/* What rings still hold of it is skipped once nobody tracks its block. */
void rh_kvm_dirty_end(RhAccel *accel, RhRam *ram)
{
    RhKvm *kvm = rh_kvm(accel);
    Block *block = find_block(kvm, ram);

    if (block && g_ptr_array_remove(kvm->dirty->blocks, block)) {
        refresh_slots(kvm, ram, NULL);
    }
}

static bool collect(RhKvm *kvm, Block *block, GError **err)
{
    if (kvm->dirty->ring_entries) {
        /* Some CPUs keep page numbers to themselves until the vCPU leaves KVM_RUN. */
        rh_kvm_gate_close(&kvm->gate);
        read_rings(kvm);
        rh_kvm_gate_open(&kvm->gate);
        return true;
    }
    for (size_t i = 0; i < rh_kvm_memory_nr_slots(kvm); i++) {
        const RhKvmSlot *slot = rh_kvm_memory_slot(kvm, i);

        if (slot->ram == block->ram && rh_kvm_dirty_flag(kvm, slot) &&
            !read_log(kvm, block, slot, err)) {
            return false;
        }
    }
    return true;
}

bool rh_kvm_dirty_fetch(RhAccel *accel, RhRam *ram, unsigned long *bitmap, GError **err)
{
    RhKvm *kvm = rh_kvm(accel);
    Block *block = find_block(kvm, ram);

    g_assert(block);
    if (!collect(kvm, block, err)) {
        return false;
    }
    for (size_t i = 0; i < rh_align_up(block->nr_pages, LONG_BITS) / LONG_BITS; i++) {
        bitmap[i] |= block->bitmap[i];
        block->bitmap[i] = 0;
    }
    return true;
}

void rh_kvm_dirty_slot_goes(RhKvm *kvm, const RhKvmSlot *slot)
{
    g_autoptr(GError) error = NULL;
    Block *block = rh_kvm_dirty_flag(kvm, slot) ? find_block(kvm, slot->ram) : NULL;

    if (block && kvm->dirty->ring_entries) {
        read_rings(kvm);
    } else if (block && !read_log(kvm, block, slot, &error)) {
        g_printerr("warning: %s\n", error->message);
    }
}

bool rh_kvm_dirty_open(RhKvm *kvm, GError **err)
{
    kvm->dirty = g_new0(RhKvmDirty, 1);
    kvm->dirty->blocks = g_ptr_array_new_with_free_func(block_free);
    return !kvm->dirty_ring_size || enable_rings(kvm, kvm->dirty_ring_size, err);
}

void rh_kvm_dirty_close(RhKvm *kvm)
{
    if (kvm->dirty) {
        g_ptr_array_unref(kvm->dirty->blocks);
        g_free(kvm->dirty);
        kvm->dirty = NULL;
    }
}
