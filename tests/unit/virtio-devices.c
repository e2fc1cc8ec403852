/*
 * The small virtio devices behind virtio-mmio: rng's quota, the balloon's pages and statistics, the ports of
 * virtio-serial and their control messages.
 */
#include "virtio-driver.h"
#include "qapi/event.h"
#include "softmmu/runstate.h"

static void up(Rig *rig, RigQueue *queues, unsigned nr)
{
    rig_negotiate(rig, UINT64_MAX & ~RH_VIRTIO_BIT(RH_VIRTIO_F_RING_PACKED));
    for (unsigned i = 0; i < nr; i++) {
        rig_queue(rig, &queues[i], i, 8);
    }
    rig_driver_ok(rig);
}

static void test_rng_quota(void)
{
    const char *props[] = { "max-bytes", "100", "period", "1000", NULL };
    RigQueue q;
    uint32_t len, sum = 0;
    uint16_t id;
    Rig rig;

    rig_start(&rig, "virtio-rng-device", props, false);
    rh_clock_set_manual(rig.vm->clock);
    up(&rig, &q, 1);
    for (unsigned i = 0; i < 3; i++) {
        RigPart part = { rig_alloc(&rig, 64), 64, true };

        rig_add(&q, &part, 1, false);
        rig_kick(&q);
    }
    while (rig_take(&q, &id, &len)) {
        sum += len;
    }
    g_assert_cmpuint(sum, ==, 100);
    rh_clock_step_to(rig.vm->clock, rh_clock_now(rig.vm->clock) + INT64_C(1100000000));
    rig_turn(&rig);
    g_assert_true(rig_take(&q, &id, &len));
    g_assert_cmpuint(len, ==, 64);
    rig_end(&rig);
}

/* §3.1.1: FEATURES_OK is refused to a driver that takes what is not offered. */
static void test_unoffered_feature(void)
{
    const uint32_t wanted = RH_VIRTIO_ACKNOWLEDGE | RH_VIRTIO_DRIVER | RH_VIRTIO_FEATURES_OK;
    Rig rig;

    rig_start(&rig, "virtio-rng-device", NULL, false);
    rig_set(&rig, MMIO_STATUS, RH_VIRTIO_ACKNOWLEDGE | RH_VIRTIO_DRIVER);
    rig_set(&rig, MMIO_ACCEPT_SEL, 1);
    rig_set(&rig, MMIO_ACCEPT, 1);
    rig_set(&rig, MMIO_ACCEPT_SEL, 0);
    rig_set(&rig, MMIO_ACCEPT, 1u << 7);
    rig_set(&rig, MMIO_STATUS, wanted);
    g_assert_cmphex(rig_get(&rig, MMIO_STATUS), ==, RH_VIRTIO_ACKNOWLEDGE | RH_VIRTIO_DRIVER);
    rig_set(&rig, MMIO_ACCEPT, 0);
    rig_set(&rig, MMIO_STATUS, wanted);
    g_assert_cmphex(rig_get(&rig, MMIO_STATUS), ==, wanted);
    rig_end(&rig);
}

static void test_one_device(void)
{
    g_autoptr(GError) err = NULL;
    Rig rig;

    rig_start(&rig, "virtio-rng-device", NULL, false);
    g_assert_null(rh_device_create(rig.vm, NULL, "second", "virtio-rng-device", &rig.mmio->bus->parent, NULL, &err));
    g_assert_nonnull(err);
    g_assert_true(rig.mmio->bus->vdev == rig.vdev);
    rig_end(&rig);
}

static void test_balloon_inflate(void)
{
    RigQueue q[3];
    uint64_t pages, list;
    uint32_t len;
    uint16_t id;
    Rig rig;

    rig_start(&rig, "virtio-balloon-device", NULL, false);
    up(&rig, q, 3);
    pages = rig_alloc(&rig, 4 * 4096);
    list = rig_alloc(&rig, 4096);
    memset(rig_host(&rig, pages), 0xaa, 4 * 4096);
    rh_st32(rig_host(&rig, list), (uint32_t)(pages >> 12) + 2);
    rh_st32(rig_host(&rig, list) + 4, (uint32_t)(pages >> 12) + 1);
    rh_st32(rig_host(&rig, list) + 8, 0xfffffff);       /* nowhere */
    {
        RigPart part = { list, 12, false };

        rig_add(&q[0], &part, 1, false);
        rig_kick(&q[0]);
    }
    g_assert_true(rig_take(&q[0], &id, &len));
    g_assert_cmpuint(rig_host(&rig, pages)[0], ==, 0xaa);
    g_assert_cmpuint(rig_host(&rig, pages)[4096], ==, 0);
    g_assert_cmpuint(rig_host(&rig, pages)[3 * 4096 - 1], ==, 0);
    g_assert_cmpuint(rig_host(&rig, pages)[3 * 4096], ==, 0xaa);
    rig_end(&rig);
}

static void test_balloon_stats(void)
{
    const char *props[] = { "guest-stats-polling-interval", "2", NULL };
    RigQueue q[3];
    json_object *value, *stats, *one;
    uint32_t len;
    uint16_t id;
    RigPart part;
    Rig rig;

    rig_start(&rig, "virtio-balloon-device", props, false);
    rh_clock_set_manual(rig.vm->clock);
    up(&rig, q, 3);
    part = (RigPart){ rig_alloc(&rig, 64), 20, false };
    rh_st16(rig_host(&rig, part.addr), 4);
    rh_st64(rig_host(&rig, part.addr) + 2, 12345);
    rh_st16(rig_host(&rig, part.addr) + 10, 999);       /* no such statistic */
    rig_add(&q[2], &part, 1, false);
    rig_kick(&q[2]);
    g_assert_false(rig_take(&q[2], &id, &len));
    g_assert_true(rh_object_get(&rig.vdev->parent.obj, "guest-stats", &value, NULL));
    g_assert_true(json_object_object_get_ex(value, "stats", &stats));
    g_assert_true(json_object_object_get_ex(stats, "stat-free-memory", &one));
    g_assert_cmpuint(json_object_get_uint64(one), ==, 12345);
    g_assert_true(json_object_object_get_ex(stats, "stat-swap-in", &one));
    g_assert_cmpuint(json_object_get_uint64(one), ==, UINT64_MAX);
    json_object_put(value);
    rh_vm_stop(rig.vm, QMP_RUN_STATE_PAUSED);           /* a pause gives the buffer back, and takes it again */
    g_assert_cmpuint(rh_virtio_queue(rig.vdev, 2)->in_flight, ==, 0);
    rh_vm_start(rig.vm);
    rig_turn(&rig);
    g_assert_cmpuint(rh_virtio_queue(rig.vdev, 2)->in_flight, ==, 1);
    rh_clock_step_to(rig.vm->clock, rh_clock_now(rig.vm->clock) + INT64_C(2100000000));
    rig_turn(&rig);
    g_assert_true(rig_take(&q[2], &id, &len));
    rig_end(&rig);
}

/* --- virtio-serial --- */

typedef struct Sink {
    RhEventSink sink;
    GString *seen;
} Sink;

static void emit(RhEventSink *sink, const char *name, json_object *data)
{
    if (g_str_equal(name, "VSERPORT_CHANGE")) {
        g_string_append(((Sink *)sink)->seen, json_object_to_json_string_ext(data, JSON_C_TO_STRING_PLAIN));
    }
    json_object_put(data);
}

static void say(Rig *rig, RigQueue *q, uint32_t port, uint16_t event, uint16_t value)
{
    RigPart part = { rig_alloc(rig, 8), 8, false };
    uint32_t len;
    uint16_t id;

    rh_st32(rig_host(rig, part.addr), port);
    rh_st16(rig_host(rig, part.addr) + 4, event);
    rh_st16(rig_host(rig, part.addr) + 6, value);
    rig_add(q, &part, 1, false);
    rig_kick(q);
    g_assert_true(rig_take(q, &id, &len));
}

static void assert_told(Rig *rig, RigQueue *q, uint64_t buffers, uint32_t port, uint16_t event, const char *text)
{
    uint32_t len;
    uint16_t id;
    const uint8_t *message;

    g_assert_true(rig_take(q, &id, &len));
    message = rig_host(rig, buffers + 64u * id);
    g_assert_cmpuint(len, ==, 8 + (text ? strlen(text) + 1 : 0));
    g_assert_cmpuint(rh_ld32(message), ==, port);
    g_assert_cmpuint(rh_ld16(message + 4), ==, event);
    if (text) {
        g_assert_cmpstr((const char *)message + 8, ==, text);
    }
}

static void test_serial(void)
{
    const char *port_props[] = { "name", "org.example.agent", NULL };
    const char *props[] = { "max_ports", "3", NULL };
    Sink sink = { .sink.emit = emit, .seen = g_string_new(NULL) };
    g_autoptr(GError) err = NULL;
    RhDevice *port;
    RigQueue q[8];
    uint64_t buffers;
    uint32_t len;
    uint16_t id;
    Rig rig;

    rig_start(&rig, "virtio-serial-device", props, false);
    rig.vm->events = &sink.sink;
    port = rh_device_create(rig.vm, NULL, "p", "virtserialport", rig.vdev->parent.buses->pdata[0], port_props, &err);
    g_assert_no_error(err);
    port->id = g_strdup("p1");
    g_assert_cmpuint(rig_get(&rig, MMIO_CONFIG + 4), ==, 3);
    up(&rig, q, 8);
    buffers = rig_alloc(&rig, 4096);
    for (unsigned i = 0; i < 8; i++) {
        RigPart part = { buffers + 64 * i, 64, true };

        rig_add(&q[2], &part, 1, false);
    }
    rig_kick(&q[2]);
    say(&rig, &q[3], UINT32_MAX, 0, 1);
    assert_told(&rig, &q[2], buffers, 1, 1, NULL);
    say(&rig, &q[3], 1, 3, 1);
    assert_told(&rig, &q[2], buffers, 1, 7, "org.example.agent");
    say(&rig, &q[3], 1, 6, 1);
    g_assert_cmpstr(sink.seen->str, ==, "{\"id\":\"p1\",\"open\":true}");
    say(&rig, &q[3], 2, 6, 1);                          /* no such port, no such event: nothing */
    say(&rig, &q[3], 1000000, 6, 1);
    say(&rig, &q[3], 1, 77, 1);
    {
        RigPart part = { buffers, 64, false };          /* without back-end what is sent is lost, not kept */

        rig_add(&q[5], &part, 1, false);
        rig_kick(&q[5]);
        g_assert_true(rig_take(&q[5], &id, &len));
        rig_add(&q[7], &part, 1, false);                /* nor by a port that is not there */
        rig_kick(&q[7]);
        g_assert_true(rig_take(&q[7], &id, &len));
    }
    g_string_truncate(sink.seen, 0);
    rig_set(&rig, MMIO_STATUS, 0);
    g_assert_cmpstr(sink.seen->str, ==, "{\"id\":\"p1\",\"open\":false}");
    rh_device_remove(port);
    rig_end(&rig);
    g_string_free(sink.seen, TRUE);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    rh_thread_init_main();
    g_test_add_func("/virtio/rng/quota", test_rng_quota);
    g_test_add_func("/virtio/bus/unoffered-feature", test_unoffered_feature);
    g_test_add_func("/virtio/bus/one-device", test_one_device);
    g_test_add_func("/virtio/balloon/inflate", test_balloon_inflate);
    g_test_add_func("/virtio/balloon/stats", test_balloon_stats);
    g_test_add_func("/virtio/serial/control", test_serial);
    return g_test_run();
}
