/*
 * Virtqueues of both formats, through a virtio-mmio transport, against a driver that keeps the rules and one that
 * breaks them. Each test runs for split and packed rings, with and without event index.
 */
#include "virtio-driver.h"
#include "softmmu/runstate.h"
#include "util/iov.h"

/* A device that copies the readable part of each buffer to its writable part. */
typedef struct Copier {
    RhVirtioDevice parent;
    bool holds;                 /* keep buffers until copier_release */
    GPtrArray *held;
    unsigned nr_kicks;
    unsigned nr_stops;
} Copier;

typedef struct CopyRequest {
    RhVirtElem elem;
    unsigned serial;            /* survives in the pool */
} CopyRequest;

static uint32_t copy(RhVirtElem *elem)
{
    size_t done = 0;

    for (unsigned i = 0; i < elem->nr_out; i++) {
        done += rh_iov_from_buf(elem->in, elem->nr_in, done, elem->out[i].iov_base, elem->out[i].iov_len);
    }
    return (uint32_t)done;
}

static void copier_kick(RhVirtioDevice *vdev, RhVirtq *queue)
{
    Copier *copier = RH_SELF(Copier, vdev);
    RhVirtElem *elem;

    copier->nr_kicks++;
    do {
        rh_virtq_mute(queue);
        while ((elem = rh_virtq_pop(queue))) {
            ((CopyRequest *)elem)->serial++;
            if (copier->holds) {
                g_ptr_array_add(copier->held, elem);
            } else {
                rh_virtq_push(elem, copy(elem));
            }
        }
    } while (rh_virtq_unmute(queue));
    rh_virtq_flush(queue);
}

/* Give back all that is held, the newest first. */
static void copier_release(Copier *copier)
{
    while (copier->held->len) {
        RhVirtElem *elem = g_ptr_array_steal_index(copier->held, copier->held->len - 1);

        rh_virtq_push(elem, copy(elem));
    }
    rh_virtq_flush(rh_virtio_queue(&copier->parent, 0));
}

static void copier_stop(RhVirtioDevice *vdev)
{
    Copier *copier = RH_SELF(Copier, vdev);

    copier->nr_stops++;
    while (copier->held->len) {
        rh_virtq_unpop(g_ptr_array_steal_index(copier->held, copier->held->len - 1));
    }
}

static void copier_queue_reset(RhVirtioDevice *vdev, RhVirtq *queue)
{
    Copier *copier = RH_SELF(Copier, vdev);

    while (copier->held->len) {
        rh_virtq_drop(g_ptr_array_steal_index(copier->held, copier->held->len - 1));
    }
}

static bool copier_realize(RhDevice *dev, GError **err)
{
    Copier *copier = RH_SELF(Copier, dev);

    copier->held = g_ptr_array_new();
    rh_virtio_add_queue(&copier->parent, 256, sizeof(CopyRequest), copier_kick);
    return true;
}

static void copier_unrealize(RhDevice *dev)
{
    rh_virtio_set_status(RH_VIRTIO_DEVICE_OF(dev), 0);
    g_ptr_array_unref(RH_SELF(Copier, dev)->held);
}

RH_VIRTIO_DEVICE(Copier,
    .name = "test-copier",
    .parent = RH_TYPE_VIRTIO_DEVICE,
    .doc = "Test device",
    .is_internal = true,
    .realize = copier_realize,
    .unrealize = copier_unrealize,
    .virtio_id = 0x3f,
    .stop = copier_stop,
    .queue_reset = copier_queue_reset);

typedef struct Format {
    const char *name;
    bool is_packed;
    bool has_event_idx;
} Format;

typedef struct Fixture {
    Rig;
    RigQueue q;
    Copier *copier;
    uint64_t out;               /* a page to read from and a page to write to */
    uint64_t in;
} Fixture;

enum { SIZE = 8 };

static void set_up(Fixture *f, gconstpointer data)
{
    const Format *format = data;
    const char *props[] = { "packed", format->is_packed ? "on" : "off", NULL };
    uint64_t wanted = UINT64_MAX;

    rig_start((Rig *)f, "test-copier", props, false);
    f->copier = (Copier *)f->vdev;
    if (!format->has_event_idx) {
        wanted &= ~RH_VIRTIO_BIT(RH_VIRTIO_F_EVENT_IDX);
    }
    rig_negotiate((Rig *)f, wanted);
    g_assert_cmpint(rh_virtio_has(f->vdev, RH_VIRTIO_F_RING_PACKED), ==, format->is_packed);
    rig_queue((Rig *)f, &f->q, 0, SIZE);
    rig_driver_ok((Rig *)f);
    g_assert_true(f->vdev->is_started);
    f->out = rig_alloc((Rig *)f, 4096);
    f->in = rig_alloc((Rig *)f, 4096);
    for (unsigned i = 0; i < 4096; i++) {
        rig_host((Rig *)f, f->out)[i] = (uint8_t)(i * 7 + 1);
    }
}

static void tear_down(Fixture *f, gconstpointer data)
{
    rig_end((Rig *)f);
}

static uint16_t add(Fixture *f, uint32_t len)
{
    RigPart parts[] = { { f->out, len, false }, { f->in, len, true } };

    return rig_add(&f->q, parts, 2, false);
}

static void assert_used(Fixture *f, uint16_t id, uint32_t len)
{
    uint16_t got_id;
    uint32_t got_len;

    g_assert_true(rig_take(&f->q, &got_id, &got_len));
    g_assert_cmpuint(got_id, ==, id);
    g_assert_cmpuint(got_len, ==, len);
}

static void assert_nothing_used(Fixture *f)
{
    uint16_t id;
    uint32_t len;

    g_assert_false(rig_take(&f->q, &id, &len));
}

static void test_copy(Fixture *f, gconstpointer data)
{
    for (unsigned round = 0; round < 100; round++) {        /* many laps of the ring */
        uint32_t len = 1 + round * 31;
        uint16_t id = add(f, len);

        memset(rig_host((Rig *)f, f->in), 0, 4096);
        rig_kick(&f->q);
        assert_used(f, id, len);
        assert_nothing_used(f);
        g_assert_cmpmem(rig_host((Rig *)f, f->in), len, rig_host((Rig *)f, f->out), len);
        g_assert_cmpuint(rig_host((Rig *)f, f->in)[len], ==, 0);
    }
    g_assert_cmpuint(((CopyRequest *)rh_virtio_queue(f->vdev, 0)->pool)->serial, ==, 100);  /* one element, again and again */
}

static void test_batch(Fixture *f, gconstpointer data)
{
    for (unsigned round = 0; round < 20; round++) {
        uint16_t ids[SIZE / 2];
        unsigned nr = 1 + round % (SIZE / 2);

        for (unsigned i = 0; i < nr; i++) {
            ids[i] = add(f, 100 + i);
        }
        f->copier->holds = round & 1;
        rig_kick(&f->q);
        copier_release(f->copier);
        for (unsigned i = 0; i < nr; i++) {
            unsigned which = round & 1 ? nr - 1 - i : i;

            assert_used(f, ids[which], 100 + which);
        }
        assert_nothing_used(f);
    }
}

static void test_indirect(Fixture *f, gconstpointer data)
{
    RigPart parts[40];

    for (unsigned i = 0; i < RH_COUNT(parts); i++) {        /* more than the ring is long */
        parts[i] = (RigPart){ (i < 20 ? f->out : f->in) + (i % 20) * 100, 100, i >= 20 };
    }
    for (unsigned round = 0; round < 3 * SIZE; round++) {
        uint16_t id = rig_add(&f->q, parts, RH_COUNT(parts), true);

        memset(rig_host((Rig *)f, f->in), 0, 4096);
        rig_kick(&f->q);
        assert_used(f, id, 2000);
        g_assert_cmpmem(rig_host((Rig *)f, f->in), 2000, rig_host((Rig *)f, f->out), 2000);
    }
}

static bool has_interrupt(Fixture *f)
{
    uint32_t status = rig_get((Rig *)f, MMIO_ISR);

    rig_set((Rig *)f, MMIO_ACK, status);
    g_assert_cmpint(f->mmio->irq.level, ==, 0);
    return status & 1;
}

static void test_interrupts(Fixture *f, gconstpointer data)
{
    const Format *format = data;
    uint16_t id;
    uint32_t len;

    has_interrupt(f);
    rig_wish(&f->q, true, 0);
    add(f, 1);
    rig_kick(&f->q);
    g_assert_true(has_interrupt(f));
    rig_take(&f->q, &id, &len);
    rig_wish(&f->q, false, 0);
    for (unsigned i = 0; i < 5; i++) {
        add(f, 1);
        rig_kick(&f->q);
        g_assert_false(has_interrupt(f));
        rig_take(&f->q, &id, &len);
    }
    if (format->has_event_idx) {
        rig_wish(&f->q, true, format->is_packed ? 4 : 2);  /* with the third buffer from now */
        for (unsigned i = 0; i < 4; i++) {
            add(f, 1);
            rig_kick(&f->q);
            g_assert_cmpint(has_interrupt(f), ==, i == 2);
            rig_take(&f->q, &id, &len);
        }
    }
}

/* What is shown can be taken, but the interrupt comes with the flush, once for all. */
static void test_show(Fixture *f, gconstpointer data)
{
    RhVirtq *queue = rh_virtio_queue(f->vdev, 0);
    uint16_t id;
    uint32_t len;

    rig_turn((Rig *)f);
    has_interrupt(f);
    rig_wish(&f->q, true, 0);
    for (unsigned i = 0; i < 3; i++) {
        add(f, 1);
        rh_virtq_push(rh_virtq_pop(queue), 0);
        g_assert_false(rig_take(&f->q, &id, &len));
        rh_virtq_show(queue);
        g_assert_true(rig_take(&f->q, &id, &len));
        g_assert_false(has_interrupt(f));
    }
    rh_virtq_flush(queue);
    g_assert_true(has_interrupt(f));
    rh_virtq_flush(queue);
    g_assert_false(has_interrupt(f));
}

static void test_kicks(Fixture *f, gconstpointer data)
{
    add(f, 1);
    g_assert_true(rig_wants_kick(&f->q));
    rig_kick(&f->q);
    rh_virtq_mute(rh_virtio_queue(f->vdev, 0));
    add(f, 1);
    add(f, 1);
    g_assert_false(rig_wants_kick(&f->q));
    g_assert_true(rh_virtq_unmute(rh_virtio_queue(f->vdev, 0)));    /* two came meanwhile */
    rig_kick(&f->q);
    add(f, 1);
    g_assert_true(rig_wants_kick(&f->q));
}

/* A front-end that never mutes is kicked for each buffer. */
static void test_unmuted(Fixture *f, gconstpointer data)
{
    RhVirtq *queue = rh_virtio_queue(f->vdev, 0);
    RhVirtElem *elem;

    rig_turn((Rig *)f);
    for (unsigned i = 0; i < 3 * SIZE; i++) {
        add(f, 1);
        g_assert_true(rig_wants_kick(&f->q));
        elem = rh_virtq_pop(queue);
        g_assert_nonnull(elem);
        rh_virtq_push(elem, 0);
        rh_virtq_flush(queue);
    }
}

static void test_peek(Fixture *f, gconstpointer data)
{
    RhVirtq *queue = rh_virtio_queue(f->vdev, 0);
    size_t in, out;

    add(f, 10);
    add(f, 20);
    add(f, 30);
    rh_virtq_peek_bytes(queue, SIZE_MAX, SIZE_MAX, &in, &out);
    g_assert_cmpuint(in, ==, 60);
    g_assert_cmpuint(out, ==, 60);
    rh_virtq_peek_bytes(queue, 11, 0, &in, &out);
    g_assert_cmpuint(in, ==, 30);
    rig_kick(&f->q);
    rh_virtq_peek_bytes(queue, SIZE_MAX, SIZE_MAX, &in, &out);
    g_assert_cmpuint(in, ==, 0);
    g_assert_cmpuint(queue->in_flight, ==, 0);
}

static void test_stop_and_go(Fixture *f, gconstpointer data)
{
    uint16_t first, second;

    f->copier->holds = true;
    first = add(f, 11);
    second = add(f, 22);
    rig_kick(&f->q);
    g_assert_cmpuint(f->copier->held->len, ==, 2);
    rh_vm_stop(f->vm, QMP_RUN_STATE_PAUSED);
    g_assert_false(f->vdev->is_started);
    g_assert_cmpuint(f->copier->nr_stops, ==, 1);
    g_assert_null(rh_virtq_pop(rh_virtio_queue(f->vdev, 0)));
    f->copier->holds = false;
    rh_vm_start(f->vm);
    rig_turn((Rig *)f);
    assert_used(f, first, 11);
    assert_used(f, second, 22);
}

static void test_save_load(Fixture *f, gconstpointer data)
{
    g_autoptr(GByteArray) saved = g_byte_array_new();
    g_autoptr(GByteArray) again = g_byte_array_new();
    g_autoptr(GError) err = NULL;
    size_t pos = 0;
    uint16_t id;

    for (unsigned i = 0; i < SIZE + 3; i++) {
        id = add(f, 5);
        rig_kick(&f->q);
        assert_used(f, id, 5);
    }
    f->copier->holds = true;
    id = add(f, 6);
    rig_kick(&f->q);
    rh_vm_stop(f->vm, QMP_RUN_STATE_PAUSED);
    rh_device_save(&f->vdev->parent, saved);
    rh_device_reset(&f->vdev->parent);
    g_assert_cmpuint(f->vdev->status, ==, 0);
    g_assert_true(rh_device_load(&f->vdev->parent, saved->data, saved->len, &pos, &err));
    g_assert_no_error(err);
    rh_device_save(&f->vdev->parent, again);
    g_assert_cmpmem(saved->data, saved->len, again->data, again->len);
    f->copier->holds = false;
    rh_vm_start(f->vm);
    rig_turn((Rig *)f);
    assert_used(f, id, 6);
    id = add(f, 7);
    rig_kick(&f->q);
    assert_used(f, id, 7);
}

static void test_bad_state(Fixture *f, gconstpointer data)
{
    g_autoptr(GByteArray) saved = g_byte_array_new();
    size_t pos;

    rh_vm_stop(f->vm, QMP_RUN_STATE_PAUSED);
    rh_device_save(&f->vdev->parent, saved);
    for (guint at = 0; at < 80; at++) {     /* nothing in the head or the first queue may crash us */
        uint8_t was = saved->data[at];

        for (unsigned bit = 0; bit < 8; bit++) {
            saved->data[at] ^= (uint8_t)(1u << bit);
            pos = 0;
            rh_device_load(&f->vdev->parent, saved->data, saved->len, &pos, NULL);
            rh_vm_start(f->vm);
            rig_turn((Rig *)f);
            rh_vm_stop(f->vm, QMP_RUN_STATE_PAUSED);
            saved->data[at] = was;
        }
    }
    rig_set((Rig *)f, MMIO_STATUS, 0);
}

static void test_queue_reset(Fixture *f, gconstpointer data)
{
    uint16_t id;

    f->copier->holds = true;
    add(f, 1);
    rig_kick(&f->q);
    rig_set((Rig *)f, MMIO_SEL, 0);
    rig_set((Rig *)f, MMIO_RESET, 1);
    g_assert_cmpuint(rig_get((Rig *)f, MMIO_RESET), ==, 0);
    g_assert_cmpuint(rig_get((Rig *)f, MMIO_READY), ==, 0);
    g_assert_cmpuint(f->copier->held->len, ==, 0);
    rig_kick(&f->q);
    f->copier->holds = false;
    rig_queue((Rig *)f, &f->q, 0, SIZE * 2);
    id = add(f, 9);
    rig_kick(&f->q);
    assert_used(f, id, 9);
    g_assert_cmpuint(rig_get((Rig *)f, MMIO_STATUS) & RH_VIRTIO_NEEDS_RESET, ==, 0);
}

/* RAM moves away while a buffer is out: its memory stays, later ones are looked up again. */
static void test_moved_memory(Fixture *f, gconstpointer data)
{
    uint16_t id;

    f->copier->holds = true;
    add(f, 50);
    rig_kick(&f->q);
    rh_region_remove(&f->memory);
    f->copier->holds = false;
    memset(rig_host((Rig *)f, f->in), 0, 4096);
    g_assert_cmpuint(copy(f->copier->held->pdata[0]), ==, 50);
    g_assert_cmpmem(rig_host((Rig *)f, f->in), 50, rig_host((Rig *)f, f->out), 50);
    rh_region_add(rh_space_root(f->vm->memory), 0, &f->memory);
    copier_release(f->copier);
    assert_used(f, f->q.is_packed ? 0 : 0, 50);
    id = add(f, 51);
    rig_kick(&f->q);
    assert_used(f, id, 51);
}

/* --- broken rules --- */

static void assert_broken(Fixture *f)
{
    rig_kick(&f->q);
    g_assert_cmpuint(rig_get((Rig *)f, MMIO_STATUS) & RH_VIRTIO_NEEDS_RESET, !=, 0);
    g_assert_cmpuint(rig_get((Rig *)f, MMIO_ISR) & 2, ==, 2);
    g_assert_null(rh_virtq_pop(rh_virtio_queue(f->vdev, 0)));
    g_assert_cmpuint(rh_virtio_queue(f->vdev, 0)->in_flight, ==, 0);
    /* A reset heals. */
    rig_negotiate((Rig *)f, UINT64_MAX);
    rig_queue((Rig *)f, &f->q, 0, SIZE);
    rig_driver_ok((Rig *)f);
    add(f, 3);
    rig_kick(&f->q);
    assert_used(f, 0, 3);
}

static uint8_t *desc(Fixture *f, unsigned at)
{
    return rig_host((Rig *)f, f->q.desc + 16 * at);
}

static void test_wild_address(Fixture *f, gconstpointer data)
{
    add(f, 1);
    rh_st64(desc(f, 0), 0x7fff0000);
    assert_broken(f);
}

static void test_wrapping_address(Fixture *f, gconstpointer data)
{
    add(f, 1);
    rh_st64(desc(f, 0), UINT64_MAX - 3);
    rh_st32(desc(f, 0) + 8, 100);
    assert_broken(f);
}

static void test_huge_length(Fixture *f, gconstpointer data)
{
    add(f, 1);
    rh_st32(desc(f, 0) + 8, UINT32_MAX);
    assert_broken(f);
}

static void test_device_memory(Fixture *f, gconstpointer data)
{
    add(f, 1);
    rh_st64(desc(f, 0), RIG_MMIO);
    assert_broken(f);
}

static void test_readable_last(Fixture *f, gconstpointer data)
{
    RigPart parts[] = { { f->in, 8, true }, { f->out, 8, false } };

    rig_add(&f->q, parts, 2, false);
    assert_broken(f);
}

static void test_endless_chain(Fixture *f, gconstpointer data)
{
    RigPart part = { f->out, 8, false };
    const Format *format = data;

    for (unsigned i = 0; i < SIZE; i++) {
        rig_add(&f->q, &part, 1, false);
    }
    for (unsigned i = 0; i < SIZE; i++) {
        unsigned at = format->is_packed ? 14 : 12;

        rh_st16(desc(f, i) + at, rh_ld16(desc(f, i) + at) | 1);
        if (!format->is_packed) {
            rh_st16(desc(f, i) + 14, (uint16_t)((i + 1) % SIZE));
        }
    }
    assert_broken(f);
}

static void test_bad_index(Fixture *f, gconstpointer data)
{
    if (((const Format *)data)->is_packed) {
        g_test_skip("packed rings have no index");
        return;
    }
    add(f, 1);
    rh_st16(rig_host((Rig *)f, f->q.driver + 4), SIZE);     /* a head beyond the table */
    assert_broken(f);
    add(f, 1);
    rh_st16(desc(f, (f->q.next_desc + SIZE - 2) % SIZE) + 14, SIZE);    /* a next beyond it */
    assert_broken(f);
    rh_st16(rig_host((Rig *)f, f->q.driver + 2), SIZE + 2); /* more available than entries */
    assert_broken(f);
}

static void put_indirect(Fixture *f, uint32_t len, uint16_t flags)
{
    RigPart part = { f->out, 8, false };
    unsigned at = f->q.is_packed ? 14 : 12;

    rig_add(&f->q, &part, 1, true);
    rh_st32(desc(f, 0) + 8, len);
    rh_st16(desc(f, 0) + at, (uint16_t)(rh_ld16(desc(f, 0) + at) | flags));
}

static void test_indirect_length(Fixture *f, gconstpointer data)
{
    put_indirect(f, 17, 0);
    assert_broken(f);
}

static void test_indirect_empty(Fixture *f, gconstpointer data)
{
    put_indirect(f, 0, 0);
    assert_broken(f);
}

static void test_indirect_next(Fixture *f, gconstpointer data)
{
    put_indirect(f, 16, 1);
    assert_broken(f);
}

static void test_indirect_huge(Fixture *f, gconstpointer data)
{
    put_indirect(f, 16 * (RH_VIRTQ_MAX_SIZE + 1), 0);
    assert_broken(f);
}

static void test_wild_rings(Fixture *f, gconstpointer data)
{
    rig_negotiate((Rig *)f, UINT64_MAX);
    rig_queue((Rig *)f, &f->q, 0, SIZE);
    rh_virtio_queue(f->vdev, 0)->regs.device = UINT64_MAX - 3;
    rig_driver_ok((Rig *)f);
    g_assert_cmpuint(rig_get((Rig *)f, MMIO_STATUS) & RH_VIRTIO_NEEDS_RESET, !=, 0);
}

/* A driver without sense: whatever stands in the rings, we go on. */
static void test_random(Fixture *f, gconstpointer data)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(12);

    for (unsigned round = 0; round < 2000; round++) {
        uint64_t areas[] = { f->q.desc, f->q.driver, f->q.device };

        for (unsigned i = 0; i < 12; i++) {
            uint64_t area = areas[g_rand_int_range(rand, 0, 3)];
            uint8_t *at = rig_host((Rig *)f, area + (unsigned)g_rand_int_range(rand, 0, 16 * SIZE));

            *at = (uint8_t)(g_rand_int(rand) & (g_rand_boolean(rand) ? 7 : 0xff));
        }
        rh_st64(desc(f, (unsigned)g_rand_int_range(rand, 0, SIZE)), f->out);
        rig_kick(&f->q);
        if (rig_get((Rig *)f, MMIO_STATUS) & RH_VIRTIO_NEEDS_RESET) {
            f->heap = RIG_HEAP;
            rig_negotiate((Rig *)f, UINT64_MAX);
            rig_queue((Rig *)f, &f->q, 0, SIZE);
            rig_driver_ok((Rig *)f);
        }
    }
}

int main(int argc, char **argv)
{
    static const Format formats[] = {
        { "split", false, false }, { "split-event", false, true }, { "packed", true, false }, { "packed-event", true, true },
    };
    static const struct {
        const char *name;
        void (*run)(Fixture *f, gconstpointer data);
    } tests[] = {
        { "copy", test_copy }, { "batch", test_batch }, { "indirect", test_indirect },
        { "interrupts", test_interrupts }, { "show", test_show }, { "kicks", test_kicks }, { "peek", test_peek }, { "unmuted", test_unmuted },
        { "stop-and-go", test_stop_and_go }, { "save-load", test_save_load }, { "bad-state", test_bad_state },
        { "queue-reset", test_queue_reset }, { "moved-memory", test_moved_memory },
        { "wild-address", test_wild_address }, { "wrapping-address", test_wrapping_address },
        { "huge-length", test_huge_length }, { "device-memory", test_device_memory },
        { "readable-last", test_readable_last }, { "endless-chain", test_endless_chain },
        { "bad-index", test_bad_index }, { "indirect-length", test_indirect_length },
        { "indirect-empty", test_indirect_empty }, { "indirect-next", test_indirect_next },
        { "indirect-huge", test_indirect_huge }, { "wild-rings", test_wild_rings }, { "random", test_random },
    };

    g_test_init(&argc, &argv, NULL);
    rh_thread_init_main();
    for (size_t i = 0; i < RH_COUNT(tests); i++) {
        for (size_t j = 0; j < RH_COUNT(formats); j++) {
            g_autofree char *name = g_strdup_printf("/virtio/queue/%s/%s", formats[j].name, tests[i].name);

            g_test_add(name, Fixture, &formats[j], set_up, tests[i].run, tear_down);
        }
    }
    return g_test_run();
}
