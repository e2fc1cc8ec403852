/*
 * What an accelerator is: a table of operations behind which KVM, qtest or our own engine run vCPUs.
 * Nothing outside accel/ and target/i386/ knows which one it is.
 */
#ifndef RH_SOFTMMU_ACCEL_H
#define RH_SOFTMMU_ACCEL_H

#include "softmmu/vcpu.h"

typedef struct RhAccelType RhAccelType;
typedef struct RhCpuLimits RhCpuLimits;     /* target/i386/cpuid.h */
#define RH_TYPE_ACCEL "accel"
#define RH_ACCEL_NAME(name) name "-accel"

/** RhIrqRoute - a message-signalled interrupt bound to an eventfd of the accelerator (an irqfd) */
typedef struct RhIrqRoute {
    uint64_t address;
    uint32_t data;
    uint32_t requester;     /* bus/dev/fn of the sender */
    int gsi;                /* private: the accelerator's number, -1: none */
    RhEvent *event;         /* signalled by the device; NULL while not bound */
} RhIrqRoute;

typedef enum RhIrqchip { RH_IRQCHIP_OFF, RH_IRQCHIP_SPLIT, RH_IRQCHIP_ON } RhIrqchip;

/** RhAccelType - slots may be NULL where "optional" is said; then callers do without */
struct RhAccelType {
    RhType;
    /* Make the VM; false and @err (then the next -accel is tried). Start-up, machine lock. */
    bool (*open)(RhAccel *accel, GError **err);
    void (*close)(RhAccel *accel);
    /* The board is about to be made and wants this interrupt chip; false + @err when it cannot be had. */
    bool (*set_up_irqchip)(RhAccel *accel, RhIrqchip kind, bool has_pit, GError **err);     /* optional */

    bool (*vcpu_init)(RhVcpu *vcpu, GError **err);  /* on the vCPU's thread */
    void (*vcpu_fini)(RhVcpu *vcpu);                /* on the vCPU's thread */
    RhRunResult (*vcpu_run)(RhVcpu *vcpu);          /* on the vCPU's thread, machine lock NOT held */
    void (*vcpu_kick)(RhVcpu *vcpu);                /* any thread: make vcpu_run return soon */
    /* Copy CPU state between the accelerator and the CPU object; on the vCPU's thread or with it paused. */
    bool (*vcpu_fetch)(RhVcpu *vcpu, GError **err);                 /* accelerator -> object */
    bool (*vcpu_store)(RhVcpu *vcpu, bool is_reset, GError **err);  /* object -> accelerator */
    /* Interrupt request line of the vCPU (irqchip off): level of INTR; NMI, SMI, INIT, SIPI requests */
    void (*vcpu_interrupt)(RhVcpu *vcpu, int request, int level);   /* optional */
    /* What it can show to guests of a CPU; valid until close. Optional: then everything that has a name. */
    const RhCpuLimits *(*cpu_limits)(RhAccel *accel);

    /* In-kernel interrupt services; all optional together. */
    void (*set_gsi)(RhAccel *accel, unsigned gsi, int level);
    bool (*send_msi)(RhAccel *accel, uint64_t address, uint32_t data, uint32_t requester);
    bool (*bind_route)(RhAccel *accel, RhIrqRoute *route, GError **err);    /* route->event signals from now on */
    void (*update_route)(RhAccel *accel, RhIrqRoute *route);                /* address/data changed */
    void (*unbind_route)(RhAccel *accel, RhIrqRoute *route);
    /*
     * Split irqchip: what @pin (0..23) of our I/O APIC sends now, bit 15 of @data for level-triggered; the accelerator
     * then tells RhAccel.eoi when such a vector ends. Optional.
     */
    void (*set_ioapic_pin)(RhAccel *accel, unsigned pin, uint64_t address, uint32_t data, bool is_masked);

    /*
     * A device is about to write to guest memory, or just did: translated code of it is stale. Any thread, as an RCU reader. Optional.
     */
    void (*ram_written)(RhAccel *accel, uint64_t gpa, uint64_t len);
    /*
     * Which pages of a RAM block do vCPUs write; optional together, under the machine lock. After begin no page is
     * dirty; a block is tracked once at a time. fetch sets the bits (one a 4 KiB page) of @bitmap that were written
     * since begin or the last fetch, and leaves the others. What devices write by DMA does not count.
     */
    bool (*dirty_begin)(RhAccel *accel, RhRam *ram, GError **err);
    void (*dirty_end)(RhAccel *accel, RhRam *ram);
    bool (*dirty_fetch)(RhAccel *accel, RhRam *ram, unsigned long *bitmap, GError **err);

    /*
     * Counters of the VM (@vcpu NULL) or of a vCPU, and what they mean: lists of QmpStats and QmpStatsSchemaValue, or NULL
     * and @err. Optional together; @vcpu may be running. Machine lock.
     */
    GPtrArray *(*stats)(RhAccel *accel, RhVcpu *vcpu, GError **err);
    GPtrArray *(*stats_schema)(RhAccel *accel, RhVcpu *vcpu, GError **err);

    bool has_smm;           /* vCPUs take SMIs, and see vm->smm_memory while they are in system management mode */
    bool runs_guest;        /* false for qtest: vCPUs never execute */
    bool has_wall_clock;    /* guests learn the time of day from it (kvmclock) */
    bool clock_is_manual;   /* guest time is moved by a test */
    /*
     * ns until the time stamp counter of @vcpu is @tsc, rounded up; 0: it is there, or beyond. Machine lock. Optional: without
     * it there are no deadlines for local APICs of our own.
     */
    int64_t (*tsc_wait)(RhVcpu *vcpu, uint64_t tsc);
    /* The machine's clock stops or goes on (kvmclock, TSC); optional */
    void (*set_clock_running)(RhAccel *accel, bool is_running);
};

struct RhAccel {
    RhObject obj;
    RhIrqchip irqchip;      /* what set_up_irqchip gave */
    /* Interrupt chips of our own; called with the machine lock held. */
    int (*acknowledge)(RhVcpu *vcpu);   /* irqchip off: take the pending interrupt; its vector, or -1: none left */
    void (*initialize)(RhVcpu *vcpu);   /* irqchip off: INIT or start-up messages came; on the vCPU's thread, not in a run */
    void (*set_tpr)(RhVcpu *vcpu, unsigned priority);   /* irqchip off: the guest wrote CR8 */
    /* irqchip off: RDMSR or WRMSR of a register that the local APIC has; false: #GP */
    bool (*apic_msr)(RhVcpu *vcpu, uint32_t index, uint64_t *value, bool is_write);
    void (*tsc_moved)(RhVcpu *vcpu);    /* irqchip off: what tsc_wait said is not right any more */
    RhNotifierList eoi;                 /* split: level-triggered vector ended; fn(self, uint8_t *vector) */
};

#define RH_ACCEL(T, ...)                                                                           \
    static const RhAccelType T##_type = { .size = sizeof(T), .parent = RH_TYPE_ACCEL, __VA_ARGS__ };    \
    RH_TYPE_ENTRY(T##_type)

static inline const RhAccelType *rh_accel_type(const RhAccel *accel)
{
    return (const RhAccelType *)accel->obj.type;
}

/** RH_CPU_INIT: RhAccel.initialize has something to do; RH_CPU_TPR: "level" is what CR8 reads, on the vCPU's thread */
enum { RH_CPU_INTR, RH_CPU_NMI, RH_CPU_SMI, RH_CPU_INIT, RH_CPU_TPR };

/** rh_accel_open - take the first usable of @names (NULL-terminated, without "-accel"); sets vm->accel. @err names each reason. */
bool rh_accel_open(RhVm *vm, const char *const *names, json_object *const *props, GError **err);
/** rh_accel_has_irqchip - interrupts of devices are the accelerator's business (set_gsi, send_msi are there) */
bool rh_accel_has_irqchip(RhVm *vm);

#endif
