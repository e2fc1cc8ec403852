/*
 * Local APICs of our own, for machines whose accelerator has none: one "apic" a CPU, and the "apic-bus" through which
 * messages - of other CPUs, of the I/O APIC, of devices - reach them. Lock: the machine lock for everything here.
 */
#ifndef RH_HW_INTC_APIC_H
#define RH_HW_INTC_APIC_H

#include "hw/core/device.h"
#include "softmmu/vcpu.h"

#define RH_TYPE_APIC     "apic"
#define RH_TYPE_APIC_BUS "apic-bus"
#define RH_APIC_BASE     0xfee00000u    /* where the registers are, and where messages go */

/** Pins of an APIC */
enum { RH_APIC_LINT0, RH_APIC_LINT1, RH_APIC_NR_PINS };

/** RhApicOps - what is around the APICs; NULL slots are allowed */
typedef struct RhApicOps {
    void (*request)(RhVcpu *vcpu, int request, int level);  /* RH_CPU_* of softmmu/accel.h */
    int (*external)(RhVcpu *vcpu);                  /* ExtINT: the 8259's vector, or -1 */
    void (*ended)(RhVm *vm, uint8_t vector);        /* a level-triggered interrupt: for the I/O APIC */
    /* ns until @vcpu's time stamp counter is @tsc, rounded up; 0: it is there, or beyond. For APICs with a deadline mode. */
    int64_t (*tsc_wait)(RhVcpu *vcpu, uint64_t tsc);
} RhApicOps;

/** rh_apic_bus_set_ops - @ops stays the caller's; before the first APIC is made */
void rh_apic_bus_set_ops(RhDevice *bus, const RhApicOps *ops);
/** rh_apic_bus_send - a message signalled interrupt, SDM vol. 3 §11.11; false when no APIC took it */
bool rh_apic_bus_send(RhDevice *bus, uint64_t address, uint32_t data);
/** rh_apic_bus_find - the APIC of @vcpu, or NULL */
RhDevice *rh_apic_bus_find(RhDevice *bus, const RhVcpu *vcpu);

/**
 * rh_apic_new - the APIC of @vcpu with that initial @id, realized as "lapic" below @parent; NULL and @err
 * @has_deadline: its timer has TSC-deadline mode, for which the bus needs .tsc_wait
 */
RhDevice *rh_apic_new(RhDevice *bus, RhObject *parent, RhVcpu *vcpu, uint32_t id, bool has_deadline, GError **err);

/** rh_apic_acknowledge - the CPU takes an interrupt: its vector, or -1 when there is none */
int rh_apic_acknowledge(RhDevice *apic);
/** rh_apic_set_tpr - the CPU wrote CR8; @priority is 0 to 15 */
void rh_apic_set_tpr(RhDevice *apic, unsigned priority);
/** rh_apic_take_init - whether an INIT came since the last call; clears what INIT clears in the APIC */
bool rh_apic_take_init(RhDevice *apic);
/** rh_apic_take_startup - the vector of a start-up message that came since the last call, or -1 */
int rh_apic_take_startup(RhDevice *apic);

/** rh_apic_tsc_moved - the time stamp counter was written to, or runs from another value: when a deadline comes has changed */
void rh_apic_tsc_moved(RhDevice *apic);

/** rh_apic_load/store - a 32-bit access at offset @at of the register page, as the CPU of @apic makes it */
uint32_t rh_apic_load(RhDevice *apic, unsigned at);
void rh_apic_store(RhDevice *apic, unsigned at, uint32_t value);

/*
 * Registers by MSR: IA32_APIC_BASE, IA32_TSC_DEADLINE and, in x2APIC mode, 800H to 83FH. False: #GP.
 */
bool rh_apic_read_msr(RhDevice *apic, uint32_t index, uint64_t *ret);
bool rh_apic_write_msr(RhDevice *apic, uint32_t index, uint64_t value);

#endif
