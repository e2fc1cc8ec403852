/*
 * The test's driver of virtio devices.
 */
#include "virtio-driver.h"
#include "softmmu/accel.h"
#include "softmmu/runstate.h"

/* An accelerator that runs nothing. */
typedef RhAccel Idle;
RH_ACCEL(Idle, .name = RH_ACCEL_NAME("test-idle"), .doc = "Runs nothing");

void rig_start(Rig *rig, const char *device_type, const char *const *props, bool is_legacy)
{
    rig_start_with(rig, device_type, props, is_legacy, NULL);
}

void rig_start_with(Rig *rig, const char *device_type, const char *const *props, bool is_legacy,
                    void (*prepare)(RhVm *vm))
{
    const char *mmio_props[] = { "force-legacy", is_legacy ? "on" : "off", NULL };
    g_autoptr(GError) err = NULL;

    *rig = (Rig){ .heap = RIG_HEAP };
    rig->vm = rh_vm_new(&err);
    g_assert_no_error(err);
    rig->vm->accel = (RhAccel *)rh_object_new(rig->vm, RH_ACCEL_NAME("test-idle"), &err);
    g_assert_no_error(err);
    rh_lock(&rig->vm->lock);
    if (prepare) {
        prepare(rig->vm);
    }
    rig->ram = rh_ram_new("ram", RIG_RAM, NULL, &err);
    g_assert_no_error(err);
    rh_region_init_ram(&rig->memory, rig->vm, "ram", rig->ram, 0, RIG_RAM, false);
    rh_region_add(rh_space_root(rig->vm->memory), 0, &rig->memory);
    rig->mmio = (RhVirtioMmio *)rh_device_create(rig->vm, NULL, "mmio", RH_TYPE_VIRTIO_MMIO, NULL, mmio_props, &err);
    g_assert_no_error(err);
    rh_region_add(rh_space_root(rig->vm->memory), RIG_MMIO, &rig->mmio->regs);
    rig->vdev = (RhVirtioDevice *)rh_device_create(rig->vm, NULL, "dev", device_type, &rig->mmio->bus->parent, props,
                                                   &err);
    g_assert_no_error(err);
    rh_vm_start(rig->vm);
}

void rig_end(Rig *rig)
{
    rh_device_remove(&rig->vdev->parent);
    rh_region_remove(&rig->mmio->regs);
    rh_device_remove(&rig->mmio->parent);
    rig_turn(rig);
    rh_region_fini(&rig->memory);
    rh_ram_unref(rig->ram);
    rh_unlock(&rig->vm->lock);
    rh_rcu_drain();             /* removed devices go on the main loop after a grace period */
    rh_lock(&rig->vm->lock);
    rig_turn(rig);
    rh_unlock(&rig->vm->lock);
    rh_object_unref(&rig->vm->accel->obj);
    rig->vm->accel = NULL;
    rh_vm_free(rig->vm);
}

void rig_turn(Rig *rig)
{
    while (rh_loop_turn(rig->vm->loop, false)) {
    }
}

uint32_t rig_get(Rig *rig, unsigned reg)
{
    uint64_t value;

    rh_space_load(rig->vm->memory, NULL, RIG_MMIO + reg, 4, &value);
    return (uint32_t)value;
}

void rig_set(Rig *rig, unsigned reg, uint32_t value)
{
    rh_space_store(rig->vm->memory, NULL, RIG_MMIO + reg, 4, value);
}

uint64_t rig_negotiate(Rig *rig, uint64_t features)
{
    rig_set(rig, MMIO_STATUS, 0);
    rig_set(rig, MMIO_STATUS, RH_VIRTIO_ACKNOWLEDGE | RH_VIRTIO_DRIVER);
    for (unsigned i = 0; i < 2; i++) {
        uint32_t offered;

        rig_set(rig, MMIO_FEATURES_SEL, i);
        offered = rig_get(rig, MMIO_FEATURES);
        rig_set(rig, MMIO_ACCEPT_SEL, i);
        rig_set(rig, MMIO_ACCEPT, offered & (uint32_t)(features >> (32 * i)));
    }
    rig_set(rig, MMIO_STATUS, RH_VIRTIO_ACKNOWLEDGE | RH_VIRTIO_DRIVER | RH_VIRTIO_FEATURES_OK);
    return rig->vdev->features;
}

void rig_driver_ok(Rig *rig)
{
    rig_set(rig, MMIO_STATUS, rig_get(rig, MMIO_STATUS) | RH_VIRTIO_DRIVER_OK);
    rig_turn(rig);
}

uint64_t rig_alloc(Rig *rig, size_t len)
{
    uint64_t at = rig->heap;

    rig->heap += rh_align_up(len, 4096);
    g_assert_cmpuint(rig->heap, <=, RIG_RAM);
    memset(rig_host(rig, at), 0, len);
    return at;
}

uint8_t *rig_host(Rig *rig, uint64_t addr)
{
    return rig->ram->host + addr;
}

void rig_queue(Rig *rig, RigQueue *queue, unsigned index, uint16_t size)
{
    *queue = (RigQueue){
        .rig = rig, .index = index, .size = size, .wrap = true, .used_wrap = true,
        .is_packed = rh_virtio_has(rig->vdev, RH_VIRTIO_F_RING_PACKED),
        .has_event_idx = rh_virtio_has(rig->vdev, RH_VIRTIO_F_EVENT_IDX),
        .desc = rig_alloc(rig, 16u * size), .driver = rig_alloc(rig, 6u + 2u * size),
        .device = rig_alloc(rig, 6u + 8u * size),
    };
    rig_set(rig, MMIO_SEL, index);
    rig_set(rig, MMIO_NUM, size);
    rig_set(rig, MMIO_DESC, (uint32_t)queue->desc);
    rig_set(rig, MMIO_DRIVER, (uint32_t)queue->driver);
    rig_set(rig, MMIO_DEVICE, (uint32_t)queue->device);
    rig_set(rig, MMIO_READY, 1);
    g_assert_cmpuint(rig_get(rig, MMIO_READY), ==, 1);
}

static void put_desc(uint8_t *at, uint64_t addr, uint32_t len, uint16_t third, uint16_t fourth)
{
    rh_st64(at, addr);
    rh_st32(at + 8, len);
    rh_st16(at + 12, third);
    rh_st16(at + 14, fourth);
}

enum { NEXT = 1, WRITE = 2, INDIRECT = 4, AVAIL = 1 << 7, USED = 1 << 15 };

static uint16_t flags_of(const RigPart *part, bool has_next)
{
    return (uint16_t)((part->is_in ? WRITE : 0) | (has_next ? NEXT : 0));
}

static uint64_t put_table(RigQueue *queue, const RigPart *parts, unsigned nr)
{
    uint64_t table = rig_alloc(queue->rig, 16 * nr);

    for (unsigned i = 0; i < nr; i++) {
        uint16_t flags = flags_of(&parts[i], !queue->is_packed && i + 1 < nr);

        put_desc(rig_host(queue->rig, table + 16 * i), parts[i].addr, parts[i].len, queue->is_packed ? 0 : flags,
                 queue->is_packed ? flags : (uint16_t)(i + 1));
    }
    return table;
}

static uint16_t add_split(RigQueue *queue, const RigPart *parts, unsigned nr, bool is_indirect)
{
    uint16_t head = queue->next_desc;

    if (is_indirect) {
        put_desc(rig_host(queue->rig, queue->desc + 16 * head), put_table(queue, parts, nr), 16 * nr, INDIRECT, 0);
        queue->next_desc = (uint16_t)((head + 1) % queue->size);
    } else {
        for (unsigned i = 0; i < nr; i++) {
            uint16_t at = queue->next_desc;

            queue->next_desc = (uint16_t)((at + 1) % queue->size);
            put_desc(rig_host(queue->rig, queue->desc + 16 * at), parts[i].addr, parts[i].len,
                     flags_of(&parts[i], i + 1 < nr), queue->next_desc);
        }
    }
    rh_st16(rig_host(queue->rig, queue->driver + 4 + 2 * (queue->avail_idx % queue->size)), head);
    rh_st16(rig_host(queue->rig, queue->driver + 2), ++queue->avail_idx);
    return head;
}

static void put_slot(RigQueue *queue, uint64_t addr, uint32_t len, uint16_t id, uint16_t flags)
{
    uint8_t *slot = rig_host(queue->rig, queue->desc + 16 * queue->avail_idx);

    put_desc(slot, addr, len, id, (uint16_t)(flags | (queue->wrap ? AVAIL : USED)));
    queue->avail_idx++;
    if (queue->avail_idx == queue->size) {
        queue->avail_idx = 0;
        queue->wrap = !queue->wrap;
    }
}

static uint16_t add_packed(RigQueue *queue, const RigPart *parts, unsigned nr, bool is_indirect)
{
    uint16_t id = queue->next_id;

    queue->next_id = (uint16_t)((id + 1) % queue->size);
    queue->slots[id] = (uint16_t)(is_indirect ? 1 : nr);
    if (is_indirect) {
        put_slot(queue, put_table(queue, parts, nr), 16 * nr, id, INDIRECT);
    } else {
        for (unsigned i = 0; i < nr; i++) {
            put_slot(queue, parts[i].addr, parts[i].len, id, flags_of(&parts[i], i + 1 < nr));
        }
    }
    return id;
}

uint16_t rig_add(RigQueue *queue, const RigPart *parts, unsigned nr, bool is_indirect)
{
    return queue->is_packed ? add_packed(queue, parts, nr, is_indirect) : add_split(queue, parts, nr, is_indirect);
}

void rig_kick(RigQueue *queue)
{
    rig_set(queue->rig, MMIO_NOTIFY, queue->index);
    rig_turn(queue->rig);
}

static bool take_split(RigQueue *queue, uint16_t *ret_id, uint32_t *ret_len)
{
    const uint8_t *entry = rig_host(queue->rig, queue->device + 4 + 8 * (queue->used_idx % queue->size));

    if (rh_ld16(rig_host(queue->rig, queue->device + 2)) == queue->used_idx) {
        return false;
    }
    *ret_id = rh_ld16(entry);
    *ret_len = rh_ld32(entry + 4);
    queue->used_idx++;
    return true;
}

static bool take_packed(RigQueue *queue, uint16_t *ret_id, uint32_t *ret_len)
{
    const uint8_t *slot = rig_host(queue->rig, queue->desc + 16 * queue->used_idx);
    uint16_t flags = rh_ld16(slot + 14);

    if (!!(flags & AVAIL) != queue->used_wrap || !!(flags & USED) != queue->used_wrap) {
        return false;
    }
    *ret_id = rh_ld16(slot + 12);
    *ret_len = rh_ld32(slot + 8);
    queue->used_idx = (uint16_t)(queue->used_idx + queue->slots[*ret_id]);
    if (queue->used_idx >= queue->size) {
        queue->used_idx = (uint16_t)(queue->used_idx - queue->size);
        queue->used_wrap = !queue->used_wrap;
    }
    return true;
}

bool rig_take(RigQueue *queue, uint16_t *ret_id, uint32_t *ret_len)
{
    return queue->is_packed ? take_packed(queue, ret_id, ret_len) : take_split(queue, ret_id, ret_len);
}

void rig_wish(RigQueue *queue, bool is_on, int after)
{
    uint8_t *driver = rig_host(queue->rig, queue->driver);

    if (!queue->is_packed) {
        rh_st16(driver, is_on ? 0 : 1);
        rh_st16(driver + 4 + 2 * queue->size, (uint16_t)(queue->used_idx + (is_on ? after : -1)));
    } else if (is_on && queue->has_event_idx) {
        unsigned slot = queue->used_idx + (unsigned)after;
        bool wrap = queue->used_wrap ^ (slot >= queue->size);

        rh_st16(driver, (uint16_t)(slot % queue->size | (wrap ? 1u << 15 : 0)));
        rh_st16(driver + 2, 2);
    } else {
        rh_st16(driver + 2, is_on ? 0 : 1);
    }
}

bool rig_wants_kick(RigQueue *queue)
{
    const uint8_t *device = rig_host(queue->rig, queue->device);

    if (queue->is_packed) {
        return rh_ld16(device + 2) != 1;
    }
    if (queue->has_event_idx) {
        return rh_ld16(device + 4 + 8 * queue->size) == (uint16_t)(queue->avail_idx - 1);
    }
    return !(rh_ld16(device) & 1);
}
