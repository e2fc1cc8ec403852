/*
 * What accel/kvm and target/i386/kvm share; nobody else includes this.
 *
 * Lock: the machine lock, but where a member says otherwise. A RhKvmVcpu belongs to its thread.
 */
#ifndef RH_ACCEL_KVM_KVM_H
#define RH_ACCEL_KVM_KVM_H

#include <linux/kvm.h>
#include "softmmu/accel.h"

typedef struct RhKvm RhKvm;
typedef struct RhKvmVcpu RhKvmVcpu;
typedef struct RhKvmMemory RhKvmMemory;
typedef struct RhKvmDirty RhKvmDirty;
typedef struct RhKvmRoutes RhKvmRoutes;
typedef struct RhKvmPorts RhKvmPorts;
typedef struct RhKvmMsrs RhKvmMsrs;
typedef struct RhKvmCpuid RhKvmCpuid;

#define RH_TYPE_KVM_ACCEL RH_ACCEL_NAME("kvm")

/* A value of irqchip_asked beyond RhIrqchip: whatever the board wants */
#define RH_KVM_IRQCHIP_AUTO 3

/* GSIs that belong to the I/O APICs of a board, two at most; messages have those above */
#define RH_KVM_BOARD_GSIS 48u

#define RH_KVM_MCE_BANKS 10      /* machine check banks of a vCPU */

/** RhKvmNotify - what is done when the processor says that the guest blocks interrupts for long */
typedef enum RhKvmNotify {
    RH_KVM_NOTIFY_RUN, RH_KVM_NOTIFY_ERROR, RH_KVM_NOTIFY_DISABLE,
} RhKvmNotify;

/**
 * RhKvmGate - keeps vCPUs out of KVM_RUN while memory slots are taken apart, so that no guest
 * instruction finds a hole that is not there. vCPUs pass without a lock while it is open.
 */
typedef struct RhKvmGate {
    RhMutex lock;
    pthread_cond_t moved;       /* a vCPU left KVM_RUN, or the gate opened */
    bool is_closed;             /* atomic */
    GPtrArray *vcpus;           /* RhKvmVcpu *, under lock */
} RhKvmGate;

/** RhKvmSlot - whole pages of one range of the flat view, as the kernel knows them */
typedef struct RhKvmSlot {
    uint64_t start;
    uint64_t len;
    uint8_t *host;
    const RhRam *ram;           /* behind host */
    uint32_t flags;             /* KVM_MEM_*, without that of the dirty log */
    uint32_t id;
} RhKvmSlot;

struct RhKvm {
    RhAccel parent;
    int irqchip_asked;          /* properties; RhIrqchip or RH_KVM_IRQCHIP_AUTO */
    uint64_t shadow_mem;
    uint32_t dirty_ring_size;
    int notify;                 /* RhKvmNotify */
    bool is_notify_asked;       /* by the user */
    uint32_t notify_window;
    char *device;

    int dev_fd, vm_fd;          /* -1 while not open */
    size_t run_size;            /* bytes of a vCPU's shared pages */
    int *caps;                  /* values in the order of the table in caps.c */
    struct kvm_coalesced_mmio_ring *ring;   /* in the first vCPU's shared pages; NULL: none yet */
    bool has_pit;
    RhKvmGate gate;
    RhKvmMemory *memory;
    RhKvmDirty *dirty;
    RhKvmPorts *ports;
    RhKvmRoutes *routes;
    RhKvmMsrs *msrs;            /* those that make up a vCPU's state; target/i386/kvm */
    RhKvmCpuid *cpuid;          /* what KVM can show by CPUID; target/i386/kvm */
    struct kvm_clock_data clock;    /* kvmclock when it was stopped */
    bool is_clock_held;         /* clock is what kvmclock shall go on from */
    GPtrArray *parked;          /* RhKvmVcpu * of unplugged vCPUs: the kernel cannot end them */
};

struct RhKvmVcpu {
    RhKvm *kvm;
    RhVcpu *vcpu;               /* NULL while parked */
    pthread_t thread;           /* that runs it */
    int fd;
    struct kvm_run *run;
    struct kvm_dirty_gfn *dirty_ring;   /* NULL: dirty pages are found by bitmap */
    uint32_t dirty_next;        /* the ring's entry that is to be looked at next; machine lock */
    int stats_fd;               /* -1 until they are asked for; machine lock */
    uint64_t arch_id;
    bool is_in_run;             /* atomic: inside KVM_RUN, or about to be */
    bool is_kicked;             /* atomic: a kick is under way and no other is needed */
    bool is_fresh;              /* never reset: MSRs are still at their power-on values */
    int intr;                   /* atomic; irqchip off: level of the interrupt request line */
    bool init;                  /* atomic; irqchip off: RhAccel.initialize has something to do */
    uint8_t cr8;                /* irqchip off: as last told to, or by, our local APIC */
    uint64_t apic_base;         /* irqchip off: as last told to, or by, our local APIC */
    bool nmi;                   /* atomic: an NMI waits for the next turn of vcpu_run */
    uint8_t mp_state;           /* irqchip off: RhX86MpState, which KVM does not keep then */
};

static inline RhKvm *rh_kvm(RhAccel *accel)
{
    return (RhKvm *)accel;
}
static inline RhKvmVcpu *rh_kvm_vcpu(RhVcpu *vcpu)
{
    return vcpu->accel;
}

/* caps.c */
/** rh_kvm_caps_read - look up every capability of the table; false and @err when one that is needed
 * is missing */
bool rh_kvm_caps_read(RhKvm *kvm, GError **err);
/** rh_kvm_cap - value of KVM_CAP_* @cap, which is in the table; 0: missing */
int rh_kvm_cap(const RhKvm *kvm, unsigned cap);
/** rh_kvm_enable_cap - KVM_ENABLE_CAP on the VM; 0 or -errno */
int rh_kvm_enable_cap(RhKvm *kvm, unsigned cap, uint64_t arg);

/* memory.c, ports.c, ioevent.c, coalesced.c: begin after the VM is there, end before it goes */
void rh_kvm_memory_begin(RhKvm *kvm, RhSpace *space);
void rh_kvm_memory_end(RhKvm *kvm, RhSpace *space);
/** rh_kvm_memory_go_live - tell the kernel of guest memory, if that was not done yet: a vCPU or its
 * state needs it. Any thread. */
void rh_kvm_memory_go_live(RhKvm *kvm);
void rh_kvm_ports_begin(RhKvm *kvm, RhSpace *space);
void rh_kvm_ports_end(RhKvm *kvm, RhSpace *space);
/** rh_kvm_memory_nr_slots - how many slots the kernel has now */
size_t rh_kvm_memory_nr_slots(const RhKvm *kvm);
const RhKvmSlot *rh_kvm_memory_slot(const RhKvm *kvm, size_t at);
/** rh_kvm_memory_refresh_slot - tell the kernel of the slot's flags again; 0 or -errno */
int rh_kvm_memory_refresh_slot(RhKvm *kvm, const RhKvmSlot *slot);
void rh_kvm_io_event_add(RhKvm *kvm, const RhIoEvent *io_event, bool is_port);
void rh_kvm_io_event_remove(RhKvm *kvm, const RhIoEvent *io_event, bool is_port);
void rh_kvm_coalesce(RhKvm *kvm, const RhRange *range, bool is_port, bool is_on);
/** rh_kvm_drain - carry out the writes that the kernel put off; any thread */
void rh_kvm_drain(RhKvm *kvm);
static inline bool rh_kvm_must_drain(const RhKvm *kvm)
{
    const struct kvm_coalesced_mmio_ring *ring = kvm->ring;

    return ring &&
           *(volatile const uint32_t *)&ring->first != *(volatile const uint32_t *)&ring->last;
}

/* stats.c: slots of the accelerator */
GPtrArray *rh_kvm_stats(RhAccel *accel, RhVcpu *vcpu, GError **err);
GPtrArray *rh_kvm_stats_schema(RhAccel *accel, RhVcpu *vcpu, GError **err);

/* dirty.c */
/** rh_kvm_dirty_open - before the first vCPU: choose between rings and bitmaps; false and @err when
 * the size asked for is none that can be had */
bool rh_kvm_dirty_open(RhKvm *kvm, GError **err);
void rh_kvm_dirty_close(RhKvm *kvm);
/** rh_kvm_dirty_map_ring, rh_kvm_dirty_unmap_ring - the vCPU's ring, where there are rings */
bool rh_kvm_dirty_map_ring(RhKvmVcpu *kv, GError **err);
void rh_kvm_dirty_unmap_ring(RhKvmVcpu *kv);
/** rh_kvm_dirty_flag - KVM_MEM_LOG_DIRTY_PAGES if writes to this slot are tracked, else 0 */
uint32_t rh_kvm_dirty_flag(const RhKvm *kvm, const RhKvmSlot *slot);
/** rh_kvm_dirty_slot_goes - the last chance to learn what was written to it; vCPUs do not run */
void rh_kvm_dirty_slot_goes(RhKvm *kvm, const RhKvmSlot *slot);
/** rh_kvm_dirty_ring_full - KVM_EXIT_DIRTY_RING_FULL; on the vCPU's thread, without the machine lock */
void rh_kvm_dirty_ring_full(RhKvmVcpu *kv);
bool rh_kvm_dirty_begin(RhAccel *accel, RhRam *ram, GError **err);
void rh_kvm_dirty_end(RhAccel *accel, RhRam *ram);
bool rh_kvm_dirty_fetch(RhAccel *accel, RhRam *ram, unsigned long *bitmap, GError **err);

/* gate.c */
void rh_kvm_gate_init(RhKvmGate *gate);
void rh_kvm_gate_fini(RhKvmGate *gate);
/** rh_kvm_gate_close - returns when no vCPU is in KVM_RUN; none enters until open. Machine lock. */
void rh_kvm_gate_close(RhKvmGate *gate);
void rh_kvm_gate_open(RhKvmGate *gate);
/** rh_kvm_gate_wait, rh_kvm_gate_left - slow paths of run.c around a closed gate */
void rh_kvm_gate_wait(RhKvmVcpu *kv);
void rh_kvm_gate_left(RhKvmVcpu *kv);

/* irqchip.c, routes.c */
bool rh_kvm_set_up_irqchip(RhAccel *accel, RhIrqchip kind, bool has_pit, GError **err);
void rh_kvm_set_gsi(RhAccel *accel, unsigned gsi, int level);
bool rh_kvm_send_msi(RhAccel *accel, uint64_t address, uint32_t data, uint32_t requester);
bool rh_kvm_routes_begin(RhKvm *kvm, GError **err);
void rh_kvm_routes_end(RhKvm *kvm);
bool rh_kvm_bind_route(RhAccel *accel, RhIrqRoute *route, GError **err);
void rh_kvm_update_route(RhAccel *accel, RhIrqRoute *route);
void rh_kvm_unbind_route(RhAccel *accel, RhIrqRoute *route);
void rh_kvm_set_ioapic_pin(RhAccel *accel, unsigned pin, uint64_t address, uint32_t data,
                           bool is_masked);

/* vcpu.c, run.c */
bool rh_kvm_vcpu_init(RhVcpu *vcpu, GError **err);
void rh_kvm_vcpu_fini(RhVcpu *vcpu);
void rh_kvm_vcpu_free(RhKvmVcpu *kv);       /* for good: with the VM */
void rh_kvm_vcpu_kick(RhVcpu *vcpu);
void rh_kvm_kick(RhKvmVcpu *kv);
/** rh_kvm_take_kick - after KVM_RUN was interrupted: forget the kick, so that the next one signals
 * again */
void rh_kvm_take_kick(RhKvmVcpu *kv);
void rh_kvm_vcpu_interrupt(RhVcpu *vcpu, int request, int level);
RhRunResult rh_kvm_vcpu_run(RhVcpu *vcpu);

/* explain.c */
/** rh_kvm_explain - what is to be said of the exit in kv->run that cannot be handled; g_free it. On
 * the vCPU's thread. */
char *rh_kvm_explain(RhKvmVcpu *kv);
/** rh_kvm_lacking_insn - what an interpreting KVM lacks, if @insn is such an instruction;
 * *@ret_flag the CPU flag that hides it from guests, or NULL. NULL: not one of the known ones. */
const char *rh_kvm_lacking_insn(const uint8_t *insn, size_t len, const char **ret_flag);

/* target/i386/kvm: what is particular to x86 */
bool rh_kvm_arch_open(RhKvm *kvm, GError **err);
void rh_kvm_arch_close(RhKvm *kvm);
/** rh_kvm_allow_apic_id - before a vCPU with that APIC id is made: ids above 254 take x2APIC */
bool rh_kvm_allow_apic_id(RhKvm *kvm, RhVcpu *vcpu, GError **err);
bool rh_kvm_arch_vcpu_init(RhKvmVcpu *kv, GError **err);
bool rh_kvm_fetch(RhVcpu *vcpu, GError **err);
bool rh_kvm_store(RhVcpu *vcpu, bool is_reset, GError **err);
void rh_kvm_set_clock_running(RhAccel *accel, bool is_running);
const RhCpuLimits *rh_kvm_cpu_limits(RhAccel *accel);

/** rh_kvm_make_chip_devices - one for each chip in the kernel and its clock, in /machine/unattached */
bool rh_kvm_make_chip_devices(RhKvm *kvm, GError **err);

/* target/i386/kvm/msrs.c, cpuid.c */
struct RhX86State;
bool rh_kvm_msrs_open(RhKvm *kvm, GError **err);
void rh_kvm_msrs_close(RhKvm *kvm);
bool rh_kvm_fetch_msrs(RhKvmVcpu *kv, struct RhX86State *state, GError **err);
/** rh_kvm_store_msrs - @is_reset: those without a field go to what they were when made */
bool rh_kvm_store_msrs(RhKvmVcpu *kv, const struct RhX86State *state, bool is_reset, GError **err);
/** rh_kvm_store_deadline - the TSC deadline, which counts only once the local APIC is set */
bool rh_kvm_store_deadline(RhKvmVcpu *kv, const struct RhX86State *state, GError **err);
/* nested.c */
bool rh_kvm_fetch_nested(RhKvmVcpu *kv, struct RhX86State *state, GError **err);
/** rh_kvm_clear_nested - out of whatever guest of the guest; before other registers are stored */
bool rh_kvm_clear_nested(RhKvmVcpu *kv, GError **err);
/** rh_kvm_store_nested - after all other registers, which belong to the guest's guest then */
bool rh_kvm_store_nested(RhKvmVcpu *kv, const struct RhX86State *state, GError **err);
bool rh_kvm_cpuid_open(RhKvm *kvm, GError **err);
void rh_kvm_cpuid_close(RhKvm *kvm);
/** rh_kvm_cpuid_set - the CPU object's leaves, or all that KVM can show when it names none */
bool rh_kvm_cpuid_set(RhKvmVcpu *kv, GError **err);
/** rh_kvm_has_x2apic - the vCPU's CPUID shows x2APIC */
bool rh_kvm_has_x2apic(RhVcpu *vcpu);
/** rh_kvm_has_mca - the vCPU's CPUID shows machine check exceptions and architecture */
bool rh_kvm_has_mca(const RhKvmVcpu *kv);

#endif
