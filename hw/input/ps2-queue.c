/*
 * Byte queue of PS/2 devices.
 */
#include "ps2-private.h"

void rh_ps2_push(RhPs2Queue *queue, uint8_t value)
{
    uint8_t lost;

    if (queue->count == RH_PS2_QUEUE) {
        rh_ps2_pop(queue, &lost);
    }
    queue->bytes[(queue->head + queue->count++) % RH_PS2_QUEUE] = value;
}

bool rh_ps2_pop(RhPs2Queue *queue, uint8_t *ret)
{
    if (!queue->count) {
        return false;
    }
    *ret = queue->bytes[queue->head];
    queue->head = (queue->head + 1) % RH_PS2_QUEUE;
    queue->count--;
    return true;
}

bool rh_ps2_check(const RhPs2Queue *queue, GError **err)
{
    return (queue->head < RH_PS2_QUEUE && queue->count <= RH_PS2_QUEUE) ||
           rh_fail(err, "PS/2 queue has %u bytes from %u, must have at most %d", queue->count, queue->head,
                   RH_PS2_QUEUE);
}

const RhField rh_ps2_queue_fields[RH_PS2_QUEUE_FIELDS] = {
    RH_FIELD_BYTES(RhPs2Queue, bytes),
    RH_FIELD(RhPs2Queue, head,  .max = RH_PS2_QUEUE - 1),
    RH_FIELD(RhPs2Queue, count, .max = RH_PS2_QUEUE),
};
