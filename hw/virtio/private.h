/* Shared by the files of the virtio core. */
#ifndef RH_HW_VIRTIO_PRIVATE_H
#define RH_HW_VIRTIO_PRIVATE_H

#include "hw/virtio/virtio.h"

/** rh_virtio_run_or_stop - start or stop as status and run state say */
void rh_virtio_run_or_stop(RhVirtioDevice *vdev);
/** rh_virtio_stop - no kick is delivered and no element is out when it returns; no effect when stopped */
void rh_virtio_stop(RhVirtioDevice *vdev);
/** rh_virtio_start_queue/stop_queue - one queue of a started device was enabled, or goes */
void rh_virtio_start_queue(RhVirtq *queue);
void rh_virtio_stop_queue(RhVirtq *queue);
/** rh_virtio_reset_device - the driver's reset; on the main loop where stopping asks for it */
void rh_virtio_reset_device(RhVirtioDevice *vdev);
/** rh_virtio_release - the claim that ends what the core took */
void rh_virtio_release(RhDevice *dev, void *arg);

#endif
