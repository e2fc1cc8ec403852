/* The balloon as its QMP commands see it. */
#ifndef RH_HW_VIRTIO_BALLOON_H
#define RH_HW_VIRTIO_BALLOON_H

#include "hw/virtio/virtio.h"

typedef struct Balloon Balloon;

/** balloon_find - the machine's balloon, or NULL */
Balloon *balloon_find(RhVm *vm);
/** balloon_actual - bytes of RAM that the guest has now */
uint64_t balloon_actual(const Balloon *balloon);
/** balloon_set_target - ask the guest to keep @bytes; more than there is means all */
void balloon_set_target(Balloon *balloon, uint64_t bytes);

#endif
