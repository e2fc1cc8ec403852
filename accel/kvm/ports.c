/*
 * Ports: doorbells and coalesced writes of the I/O space, told to KVM. Ranges themselves need no
 * telling: an access to a port always exits.
 *
 * Lock: the machine lock.
 */
#include "accel/kvm/kvm.h"

struct RhKvmPorts {
    RhKvm *kvm;
    RhSpaceListener listener;
};

static RhKvm *kvm_of(RhSpaceListener *listener)
{
    return RH_CONTAINER(RhKvmPorts, listener, listener)->kvm;
}

static void ports_begin(RhSpaceListener *listener)
{
    rh_kvm_drain(kvm_of(listener));     /* writes put off so far come before the change */
}

static void ports_io_event_add(RhSpaceListener *listener, const RhIoEvent *io_event)
{
    rh_kvm_io_event_add(kvm_of(listener), io_event, true);
}

static void ports_io_event_remove(RhSpaceListener *listener, const RhIoEvent *io_event)
{
    rh_kvm_io_event_remove(kvm_of(listener), io_event, true);
}

static void ports_coalesce_add(RhSpaceListener *listener, const RhRange *range)
{
    rh_kvm_coalesce(kvm_of(listener), range, true, true);
}

static void ports_coalesce_remove(RhSpaceListener *listener, const RhRange *range)
{
    rh_kvm_coalesce(kvm_of(listener), range, true, false);
}

void rh_kvm_ports_begin(RhKvm *kvm, RhSpace *space)
{
    RhKvmPorts *ports = g_new0(RhKvmPorts, 1);

    ports->kvm = kvm;
    ports->listener = (RhSpaceListener){
        .begin = ports_begin,
        .io_event_add = ports_io_event_add,
        .io_event_remove = ports_io_event_remove,
        .coalesce_add = ports_coalesce_add,
        .coalesce_remove = ports_coalesce_remove,
        .signals_io_events = rh_kvm_cap(kvm, KVM_CAP_IOEVENTFD),
    };
    kvm->ports = ports;
    rh_space_listen(space, &ports->listener);
}

void rh_kvm_ports_end(RhKvm *kvm, RhSpace *space)
{
    if (kvm->ports) {
        rh_space_unlisten(space, &kvm->ports->listener);
        g_free(kvm->ports);
        kvm->ports = NULL;
    }
}
