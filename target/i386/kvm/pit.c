/*
 * kvm-pit - the 8254 timer in the kernel, which also answers port 0x61 (speaker and channel 2).
 * Spec: Intel 8254; Documentation/virt/kvm/api.rst, KVM_GET_PIT2, KVM_REINJECT_CONTROL.
 * Lock: the machine lock.
 */
#include "chip.h"

#include <errno.h>
#include <sys/ioctl.h>

enum { NR_CHANNELS = 3, MODE_NONE = 0xff };
enum { POLICY_DISCARD, POLICY_DELAY };
static const char *const policy_names[] = { "discard", "delay", NULL };

typedef struct KvmPitChannel {
    uint32_t count;
    uint16_t latched_count;
    uint8_t count_latched, status_latched, status, read_state, write_state, write_latch;
    uint8_t rw_mode, mode, bcd, gate;
} KvmPitChannel;

typedef struct KvmPitRegs {
    KvmPitChannel channel[NR_CHANNELS];
    uint32_t flags;         /* KVM_PIT_FLAGS_* */
} KvmPitRegs;

typedef struct KvmPit {
    RhDevice parent;
    int lost_tick_policy;
    KvmPitRegs regs;
} KvmPit;

#define CHANNEL_MEMBERS(X)                                                                         \
    X(count) X(latched_count) X(count_latched) X(status_latched) X(status) X(read_state)           \
    X(write_state) X(write_latch) X(rw_mode) X(mode) X(bcd) X(gate)

static void pit_saving(RhDevice *dev)
{
    KvmPitRegs *regs = &RH_SELF(KvmPit, dev)->regs;
    struct kvm_pit_state2 state;

    if (ioctl(rh_kvm_of_device(dev)->vm_fd, KVM_GET_PIT2, &state) < 0) {
        g_printerr("KVM does not give the state of kvm-pit: %s\n", g_strerror(errno));
        return;
    }
    for (unsigned i = 0; i < NR_CHANNELS; i++) {
#define GET(m) regs->channel[i].m = state.channels[i].m;
        CHANNEL_MEMBERS(GET)
    }
    regs->flags = state.flags;
}

/* The kernel counts anew from the moment of the call. */
static void pit_settle(RhDevice *dev)
{
    const KvmPitRegs *regs = &RH_SELF(KvmPit, dev)->regs;
    struct kvm_pit_state2 state = { .flags = regs->flags };

    for (unsigned i = 0; i < NR_CHANNELS; i++) {
#define SET(m) state.channels[i].m = regs->channel[i].m;
        CHANNEL_MEMBERS(SET)
    }
    if (ioctl(rh_kvm_of_device(dev)->vm_fd, KVM_SET_PIT2, &state) < 0) {
        g_printerr("KVM does not take the state of kvm-pit: %s\n", g_strerror(errno));
    }
}

static bool pit_realize(RhDevice *dev, GError **err)
{
    const KvmPit *pit = RH_SELF(KvmPit, dev);
    struct kvm_reinject_control control = { .pit_reinject = pit->lost_tick_policy == POLICY_DELAY };
    RhKvm *kvm = rh_kvm_of_device(dev);

    if (!rh_kvm_need_chips(dev, err)) {
        return false;
    }
    if (!kvm->has_pit) {
        return rh_fail(err, "Device 'kvm-pit' needs a KVM with a timer (KVM_CAP_PIT2)");
    }
    if (control.pit_reinject) {
        return true;            /* as the kernel does it by itself */
    }
    if (!rh_kvm_cap(kvm, KVM_CAP_REINJECT_CONTROL) ||
        ioctl(kvm->vm_fd, KVM_REINJECT_CONTROL, &control) < 0) {
        return rh_fail(err, "Property 'kvm-pit.lost_tick_policy' is 'discard', "
                       "this KVM knows 'delay' only");
    }
    return true;
}

static const RhProp pit_props[] = {
    RH_PROP_AS(rh_prop_enum, "lost_tick_policy", KvmPit, lost_tick_policy, .def = POLICY_DELAY,
               .values = policy_names,
               .doc = "ticks that the guest missed: discard, or deliver later (delay)"),
};
static const RhField channel_rows[] = {
    RH_FIELD(KvmPitChannel, count, .max = 0x10000),
    RH_FIELD(KvmPitChannel, latched_count),
    RH_FIELD(KvmPitChannel, count_latched),
    RH_FIELD(KvmPitChannel, status_latched, .max = 1),
    RH_FIELD(KvmPitChannel, status),
    RH_FIELD(KvmPitChannel, read_state),
    RH_FIELD(KvmPitChannel, write_state),
    RH_FIELD(KvmPitChannel, write_latch),
    RH_FIELD(KvmPitChannel, rw_mode),
    RH_FIELD(KvmPitChannel, mode),
    RH_FIELD(KvmPitChannel, bcd, .max = 1),
    RH_FIELD(KvmPitChannel, gate, .max = 1),
};
static const RhField pit_fields[] = {
    RH_FIELD_STRUCTS(KvmPitRegs, channel, channel_rows),
    RH_FIELD(KvmPitRegs, flags),
};
static const KvmPitRegs pit_at_reset = {
    .channel = {
        { .count = 0x10000, .mode = MODE_NONE, .gate = 1 },
        { .count = 0x10000, .mode = MODE_NONE, .gate = 1 },
        { .count = 0x10000, .mode = MODE_NONE, .gate = 0 },     /* port 0x61 opens it */
    },
};

RH_DEVICE(KvmPit,
    .name = "kvm-pit",
    .parent = RH_TYPE_DEVICE,
    .doc = "8254 timer in the kernel",
    .is_internal = true,
    .props = RH_TABLE(pit_props),
    .state = RH_STATE(KvmPit, regs, pit_at_reset, .version = 1, .fields = RH_TABLE(pit_fields)),
    .realize = pit_realize,
    .saving = pit_saving,
    .settle = pit_settle);
