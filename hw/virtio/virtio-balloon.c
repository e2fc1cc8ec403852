/*
 * virtio-balloon-device - memory that the guest lends back to the host.
 * Spec: virtio 1.2 §5.5.  Lock: machine lock.
 *
 * Pages that the guest puts into the balloon, or reports as free, are given to the host at once and read as zeroes
 * when they are used again. Statistics: the driver leaves one buffer with us, and fills it anew each time it
 * comes back; a timer returns it.
 */
#include <sys/mman.h>
#include "hw/core/machine.h"
#include "hw/virtio/balloon.h"
#include "hw/virtio/pci.h"
#include "qapi-events.h"
#include "softmmu/iothread.h"
#include "util/iov.h"

enum {                              /* feature bits, §5.5.3 */
    F_STATS_VQ = 1, F_DEFLATE_ON_OOM = 2, F_FREE_PAGE_HINT = 3, F_PAGE_POISON = 4, F_PAGE_REPORTING = 5,
};
enum {
    VIRTIO_ID_BALLOON = 5,
    QUEUE_SIZE = 128,
    HINT_QUEUE_SIZE = 64,
    REPORT_QUEUE_SIZE = 32,
    PAGE_SHIFT = 12,                /* of the balloon, whatever page size the guest has, §5.5.6 */
    INFLATE = 0, DEFLATE = 1, STATS = 2,
};

/* §5.5.4, little-endian */
typedef struct BalloonConfig {
    uint32_t num_pages;
    uint32_t actual;
    uint32_t free_page_hint_cmd_id; /* 0: stop. Hints are for migration, which would count up */
    uint32_t poison_val;
} BalloonConfig;

/* §5.5.6.3: tags of statistics are indexes of this table */
static const char *const stat_names[] = {
    "stat-swap-in",      "stat-swap-out",         "stat-major-faults", "stat-minor-faults",  "stat-free-memory",
    "stat-total-memory", "stat-available-memory", "stat-disk-caches",  "stat-htlb-pgalloc", "stat-htlb-pgfail",
};
enum { NR_STATS = RH_COUNT(stat_names), STAT_SIZE = 10 };

/* As saved. A reset leaves it alone but for the poison: the driver inflates again up to num_pages. */
typedef struct BalloonState {
    uint32_t num_pages;
    uint32_t actual;
    uint32_t poison_val;
} BalloonState;

struct Balloon {
    RhVirtioDevice parent;
    bool has_deflate_on_oom;        /* properties */
    bool has_hints;
    bool has_poison;
    bool has_reporting;
    RhObject *iothread;
    int64_t interval_s;             /* of statistics; 0: none */
    RhTimer timer;                  /* wiring */
    RhVirtElem *stats_elem;         /* the driver's buffer while we keep it */
    uint64_t stats[NR_STATS];
    int64_t stats_at_s;             /* when they came, UNIX time; 0: never */
    BalloonState now;
    BalloonState saved;
};

/* --- the machine's balloon --- */

typedef struct BalloonRoom {
    Balloon *balloon;
} BalloonRoom;
RH_ROOM(balloon_room, BalloonRoom, .name = "balloon");

Balloon *balloon_find(RhVm *vm)
{
    return ((BalloonRoom *)rh_vm_room(vm, &balloon_room))->balloon;
}

static RhVm *vm_of(const Balloon *balloon)
{
    return rh_device_vm(&balloon->parent.parent);
}

static uint64_t ram_size(const Balloon *balloon)
{
    RhMachine *machine = rh_machine_of(vm_of(balloon));

    return machine ? machine->ram_size : 0;
}

uint64_t balloon_actual(const Balloon *balloon)
{
    uint64_t taken = (uint64_t)balloon->now.actual << PAGE_SHIFT;

    return ram_size(balloon) - MIN(taken, ram_size(balloon));
}

void balloon_set_target(Balloon *balloon, uint64_t bytes)
{
    uint64_t size = ram_size(balloon);

    balloon->now.num_pages = (uint32_t)((size - MIN(bytes, size)) >> PAGE_SHIFT);
    rh_virtio_config_changed(&balloon->parent);
}

/* --- giving pages back --- */

/*
 * Whole host pages within [host, host + len) go back to the host. MADV_REMOVE frees what a shared mapping maps, and
 * refuses private ones, whose pages MADV_DONTNEED drops. Huge pages that are given only in part stay.
 */
static void discard(uint8_t *host, size_t len)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t start = rh_align_up((uintptr_t)host, page);
    uintptr_t end = rh_align_down((uintptr_t)host + len, page);

    if (start < end && madvise((void *)start, end - start, MADV_REMOVE) < 0) {
        madvise((void *)start, end - start, MADV_DONTNEED);
    }
}

static void discard_run(Balloon *balloon, uint32_t first, uint32_t nr)
{
    uint64_t addr = (uint64_t)first << PAGE_SHIFT;
    uint64_t len = (uint64_t)nr << PAGE_SHIFT;

    while (len) {
        RhMapped mapped;

        if (!rh_space_map(balloon->parent.bus->dma, addr, len, true, &mapped)) {
            rh_guest_error(&balloon->parent.parent, "page at 0x%" PRIx64 " is no memory", addr);
            return;
        }
        discard(mapped.host, mapped.len);
        addr += mapped.len;
        len -= mapped.len;
        rh_space_unmap(&mapped);
    }
}

/* §5.5.6: an array of page frame numbers. Neighbours go in one piece: drivers take blocks page by page. */
static void inflate(Balloon *balloon, const RhVirtElem *elem)
{
    uint32_t first = 0, nr = 0;

    for (size_t at = 0; at + 4 <= elem->out_bytes;) {
        uint32_t pfns[256];
        size_t got = rh_iov_to_buf(elem->out, elem->nr_out, at, pfns, sizeof(pfns)) / sizeof(pfns[0]);

        for (size_t i = 0; i < got; i++) {
            if (nr && pfns[i] == first + nr) {
                nr++;
            } else if (nr && pfns[i] == first - 1) {    /* blocks often come from their end */
                first--;
                nr++;
            } else {
                discard_run(balloon, first, nr);
                first = pfns[i];
                nr = 1;
            }
        }
        at += sizeof(pfns);
    }
    discard_run(balloon, first, nr);
}

static void inflate_kick(RhVirtioDevice *vdev, RhVirtq *queue)
{
    RhVirtElem *elem;

    do {
        rh_virtq_mute(queue);
        while ((elem = rh_virtq_pop(queue))) {
            if (queue->index == INFLATE) {  /* pages taken out need nothing: they come back when touched */
                inflate(RH_SELF(Balloon, vdev), elem);
            }
            rh_virtq_push(elem, 0);
        }
    } while (rh_virtq_unmute(queue));
    rh_virtq_flush(queue);
}

/* §5.5.6.7: the writable parts are free pages. With a poison the guest expects it there, and zeroes are not it. */
static void report_kick(RhVirtioDevice *vdev, RhVirtq *queue)
{
    Balloon *balloon = RH_SELF(Balloon, vdev);
    bool may_discard = !rh_virtio_has(vdev, F_PAGE_POISON) || balloon->now.poison_val == 0;
    RhVirtElem *elem;

    do {
        rh_virtq_mute(queue);
        while ((elem = rh_virtq_pop(queue))) {
            for (unsigned i = 0; may_discard && i < elem->nr_in; i++) {
                discard(elem->in[i].iov_base, elem->in[i].iov_len);
            }
            rh_virtq_push(elem, 0);
        }
    } while (rh_virtq_unmute(queue));
    rh_virtq_flush(queue);
}

/* §5.5.6.6: hints go with a command id, which stays at "stop" until there is a migration to use them. */
static void hint_kick(RhVirtioDevice *vdev, RhVirtq *queue)
{
    RhVirtElem *elem;

    do {
        rh_virtq_mute(queue);
        while ((elem = rh_virtq_pop(queue))) {
            rh_virtq_push(elem, 0);
        }
    } while (rh_virtq_unmute(queue));
    rh_virtq_flush(queue);
}

/* --- statistics --- */

static void stats_forget(Balloon *balloon)
{
    for (unsigned i = 0; i < NR_STATS; i++) {
        balloon->stats[i] = UINT64_MAX;
    }
}

static void stats_arm(Balloon *balloon)
{
    if (balloon->interval_s) {
        rh_timer_arm(&balloon->timer,
                     rh_clock_now(vm_of(balloon)->clock) + balloon->interval_s * INT64_C(1000000000));
    } else {
        rh_timer_cancel(&balloon->timer);
    }
}

static void stats_kick(RhVirtioDevice *vdev, RhVirtq *queue)
{
    Balloon *balloon = RH_SELF(Balloon, vdev);
    RhVirtElem *elem = rh_virtq_pop(queue);
    uint8_t entry[STAT_SIZE];

    if (!elem) {
        return;
    }
    if (balloon->stats_elem) {          /* the driver has one buffer only; a second one sends the first back */
        rh_virtq_push(balloon->stats_elem, 0);
        rh_virtq_flush(queue);
    }
    balloon->stats_elem = elem;
    stats_forget(balloon);
    for (size_t at = 0; at < NR_STATS * 4 * STAT_SIZE; at += STAT_SIZE) {
        if (rh_iov_to_buf(elem->out, elem->nr_out, at, entry, sizeof(entry)) != sizeof(entry)) {
            break;
        }
        if (rh_ld16(entry) < NR_STATS) {
            balloon->stats[rh_ld16(entry)] = rh_ld64(entry + 2);
        }
    }
    balloon->stats_at_s = g_get_real_time() / G_USEC_PER_SEC;
    stats_arm(balloon);
}

static void stats_due(void *opaque)
{
    Balloon *balloon = opaque;

    if (!balloon->stats_elem) {
        stats_arm(balloon);             /* the driver is not there yet */
        return;
    }
    rh_virtq_push(g_steal_pointer(&balloon->stats_elem), 0);
    rh_virtq_flush(rh_virtio_queue(&balloon->parent, STATS));
}

static json_object *stats_get(RhObject *obj, const RhProp *prop)
{
    Balloon *balloon = RH_SELF(Balloon, obj);
    json_object *stats = json_object_new_object();
    json_object *value = json_object_new_object();

    for (unsigned i = 0; i < NR_STATS; i++) {
        json_object_object_add(stats, stat_names[i], json_object_new_uint64(balloon->stats[i]));
    }
    json_object_object_add(value, "stats", stats);
    json_object_object_add(value, "last-update", json_object_new_int64(balloon->stats_at_s));
    return value;
}

static bool interval_set(RhObject *obj, const RhProp *prop, json_object *value, GError **err)
{
    Balloon *balloon = RH_SELF(Balloon, obj);
    int64_t was = balloon->interval_s;
    int64_t wanted;

    if (!prop->kind->set(obj, prop, value, err)) {
        return false;
    }
    wanted = balloon->interval_s;
    if (wanted < 0 || wanted > UINT32_MAX) {
        balloon->interval_s = was;
        return rh_fail(err, "%s", wanted < 0 ? "timer value must be greater than zero" : "timer value is too big");
    }
    if (wanted != was && balloon->timer.clock) {
        stats_arm(balloon);
    }
    return true;
}

/* --- configuration --- */

static uint64_t balloon_get_features(RhVirtioDevice *vdev)
{
    const Balloon *balloon = RH_SELF(Balloon, vdev);

    return (balloon->has_deflate_on_oom ? RH_VIRTIO_BIT(F_DEFLATE_ON_OOM) : 0) |
           (balloon->has_hints ? RH_VIRTIO_BIT(F_FREE_PAGE_HINT) : 0) |
           (balloon->has_poison ? RH_VIRTIO_BIT(F_PAGE_POISON) : 0) |
           (balloon->has_reporting ? RH_VIRTIO_BIT(F_PAGE_REPORTING) : 0);
}

static void balloon_config_read(RhVirtioDevice *vdev, void *ret_config)
{
    const Balloon *balloon = RH_SELF(Balloon, vdev);
    BalloonConfig *config = ret_config;

    config->num_pages = balloon->now.num_pages;
    config->actual = balloon->now.actual;
    config->poison_val = balloon->now.poison_val;
}

static void balloon_config_write(RhVirtioDevice *vdev, const void *written, unsigned at, unsigned len)
{
    Balloon *balloon = RH_SELF(Balloon, vdev);
    const BalloonConfig *config = written;
    uint32_t was = balloon->now.actual;

    balloon->now.actual = config->actual;
    if (rh_virtio_has(vdev, F_PAGE_POISON)) {
        balloon->now.poison_val = config->poison_val;
    }
    if (balloon->now.actual != was) {
        qmp_event_balloon_change(vm_of(balloon)->events, (int64_t)balloon_actual(balloon));
    }
}

/* --- life --- */

static void balloon_stop(RhVirtioDevice *vdev)
{
    Balloon *balloon = RH_SELF(Balloon, vdev);

    if (balloon->stats_elem) {
        rh_virtq_unpop(g_steal_pointer(&balloon->stats_elem));
    }
}

static void balloon_queue_reset(RhVirtioDevice *vdev, RhVirtq *queue)
{
    if (queue->index == STATS) {
        balloon_stop(vdev);
    }
}

static void balloon_release(RhDevice *dev, void *arg)
{
    Balloon *balloon = RH_SELF(Balloon, dev);
    BalloonRoom *room = rh_vm_room(rh_device_vm(dev), &balloon_room);

    rh_timer_fini(&balloon->timer);
    balloon->timer = (RhTimer){ 0 };
    room->balloon = NULL;
}

static bool balloon_realize(RhDevice *dev, GError **err)
{
    Balloon *balloon = RH_SELF(Balloon, dev);
    BalloonRoom *room = rh_vm_room(rh_device_vm(dev), &balloon_room);

    if (room->balloon) {
        return rh_fail(err, "Only one balloon device is supported");
    }
    if (balloon->has_hints && !balloon->iothread) {
        return rh_fail(err, "'free-page-hint' requires 'iothread' to be set");
    }
    room->balloon = balloon;
    rh_device_claim(dev, balloon_release, NULL);
    rh_timer_init(&balloon->timer, rh_device_vm(dev)->clock, rh_device_vm(dev)->loop, stats_due, balloon);
    stats_forget(balloon);
    rh_virtio_add_queue(&balloon->parent, QUEUE_SIZE, 0, inflate_kick);
    rh_virtio_add_queue(&balloon->parent, QUEUE_SIZE, 0, inflate_kick);
    rh_virtio_add_queue(&balloon->parent, QUEUE_SIZE, 0, stats_kick);
    if (balloon->has_hints) {       /* §5.5.2: queues without their feature are not there, later ones move up */
        rh_virtio_add_queue(&balloon->parent, HINT_QUEUE_SIZE, 0, hint_kick);
    }
    if (balloon->has_reporting) {
        rh_virtio_add_queue(&balloon->parent, REPORT_QUEUE_SIZE, 0, report_kick);
    }
    if (balloon->interval_s) {
        stats_arm(balloon);
    }
    return true;
}

static void balloon_reset(RhDevice *dev)
{
    RH_SELF(Balloon, dev)->now.poison_val = 0;
}

static void balloon_saving(RhDevice *dev)
{
    RH_SELF(Balloon, dev)->saved = RH_SELF(Balloon, dev)->now;
}

static bool balloon_check(RhDevice *dev, GError **err)
{
    RH_SELF(Balloon, dev)->now = RH_SELF(Balloon, dev)->saved;
    return true;
}

static const RhProp balloon_props[] = {
    RH_PROP("deflate-on-oom", Balloon, has_deflate_on_oom, .doc = "the guest may take pages back when it needs them"),
    RH_PROP("free-page-hint", Balloon, has_hints, .doc = "offer hints of free pages"),
    RH_PROP("page-poison", Balloon, has_poison, .def = true, .doc = "the guest may tell what it fills free pages with"),
    RH_PROP("free-page-reporting", Balloon, has_reporting, .doc = "take free pages as the guest reports them"),
    RH_PROP_LINK("iothread", Balloon, iothread, RH_TYPE_IOTHREAD, .doc = "thread for hints"),
    RH_PROP("guest-stats-polling-interval", Balloon, interval_s, .is_runtime = true, .set = interval_set,
            .doc = "seconds between statistics; 0: none"),
    RH_PROP_COMPUTED("guest-stats", .get = stats_get, .is_readonly = true, .doc = "what the guest last said"),
};
static const RhField balloon_fields[] = {
    RH_FIELD(BalloonState, num_pages),
    RH_FIELD(BalloonState, actual),
    RH_FIELD(BalloonState, poison_val),
};
static const BalloonState balloon_at_reset = { .num_pages = 0 };

RH_VIRTIO_DEVICE(Balloon,
    .name         = "virtio-balloon-device",
    .parent       = RH_TYPE_VIRTIO_DEVICE,
    .doc          = "Memory balloon",
    .category     = "Misc",
    .props        = RH_TABLE(balloon_props),
    .state        = RH_STATE(Balloon, saved, balloon_at_reset, .version = 1, .fields = RH_TABLE(balloon_fields)),
    .realize      = balloon_realize,
    .reset        = balloon_reset,
    .saving       = balloon_saving,
    .check        = balloon_check,
    .virtio_id    = VIRTIO_ID_BALLOON,
    .config_size  = sizeof(BalloonConfig),
    .features     = RH_VIRTIO_BIT(F_STATS_VQ),
    .get_features = balloon_get_features,
    .config_read  = balloon_config_read,
    .config_write = balloon_config_write,
    .stop         = balloon_stop,
    .queue_reset  = balloon_queue_reset);

RH_VIRTIO_PCI(Balloon, .name = "virtio-balloon", .legacy_id = 0x1002, .class_id = 0x00ff);
RH_TYPE_ALIAS(virtio_balloon, "virtio-balloon", "virtio-balloon-pci");
