/*
 * Virtqueue rings as a hostile driver leaves them: byte 0 picks the format, then each record of 4 bytes (area, offset,
 * value, count) writes into the rings; a record of area 3 kicks. The device of the test is virtio-rng, which writes
 * to what it is given.
 */
#include "../unit/virtio-driver.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SIZE = 8, RECORD = 4, MAX_RECORDS = 256, BUFFER = 4096 };

typedef struct Session {
    Rig rig;
    RigQueue q;
    uint64_t areas[4];
    bool is_packed;
    bool has_event_idx;
} Session;

static void bring_up(Session *s)
{
    uint64_t wanted = UINT64_MAX & ~(s->is_packed ? 0 : RH_VIRTIO_BIT(RH_VIRTIO_F_RING_PACKED)) &
                      ~(s->has_event_idx ? 0 : RH_VIRTIO_BIT(RH_VIRTIO_F_EVENT_IDX));

    s->rig.heap = RIG_HEAP;
    rig_negotiate(&s->rig, wanted);
    rig_queue(&s->rig, &s->q, 0, SIZE);
    s->areas[0] = s->q.desc;
    s->areas[1] = s->q.driver;
    s->areas[2] = s->q.device;
    s->areas[3] = rig_alloc(&s->rig, BUFFER);
    for (unsigned i = 0; i < SIZE; i++) {   /* good buffers and tables to start from: the input makes them bad */
        rh_st64(rig_host(&s->rig, s->q.desc + 16 * i), s->areas[3]);
        rh_st32(rig_host(&s->rig, s->q.desc + 16 * i + 8), 64);
    }
    rig_driver_ok(&s->rig);
}

static Session *session(void)
{
    static Session *only;

    if (!only) {
        const char *props[] = { "packed", "on", NULL };

        rh_thread_init_main();
        only = g_new0(Session, 1);
        rig_start(&only->rig, "virtio-rng-device", props, false);
    }
    return only;
}

static void play(Session *s, const uint8_t record[RECORD])
{
    uint64_t area = s->areas[record[0] & 3];

    if ((record[0] & 3) == 3) {
        rig_kick(&s->q);
    }
    for (unsigned i = 0; i <= record[3] % 8u; i++) {
        *rig_host(&s->rig, area + (record[1] + i) % (16 * SIZE)) = record[2];
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Session *s = session();

    if (!size) {
        return 0;
    }
    s->is_packed = data[0] & 1;
    s->has_event_idx = data[0] & 2;
    bring_up(s);
    for (size_t i = 0; i < MAX_RECORDS && 1 + (i + 1) * RECORD <= size; i++) {
        play(s, data + 1 + i * RECORD);
    }
    rig_kick(&s->q);
    return 0;
}
