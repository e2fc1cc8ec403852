/*
 * Between the local APICs (apic.c) and what carries their messages (apic-bus.c).
 */
#ifndef RH_HW_INTC_APIC_PRIVATE_H
#define RH_HW_INTC_APIC_PRIVATE_H

#include "hw/intc/apic.h"
#include "softmmu/accel.h"
#include "util/clock.h"

/* Delivery modes, SDM vol. 3 figure 11-12 */
enum {
    APIC_FIXED = 0, APIC_LOWEST = 1, APIC_SMI = 2, APIC_NMI = 4, APIC_INIT = 5, APIC_STARTUP = 6, APIC_EXTERNAL = 7,
};

typedef enum ApicShorthand { APIC_NO_SHORTHAND, APIC_SELF, APIC_ALL, APIC_OTHERS } ApicShorthand;

#define APIC_BROADCAST UINT32_MAX

typedef struct ApicMessage {
    uint32_t destination;       /* APIC_BROADCAST: all */
    ApicShorthand shorthand;
    bool is_logical;
    bool is_level;              /* trigger mode */
    uint8_t mode;
    uint8_t vector;
} ApicMessage;

/** Local vector table entries, in order of their registers */
enum { LVT_TIMER, LVT_THERMAL, LVT_PERF, LVT_LINT0, LVT_LINT1, LVT_ERROR, NR_LVT };
#define LVT_VECTOR     0xffu
#define LVT_MODE(l)    ((l) >> 8 & 7)
#define LVT_REMOTE_IRR (1u << 14)
#define LVT_LEVEL      (1u << 15)
#define LVT_MASKED     (1u << 16)

typedef struct ApicRegs {
    uint64_t base;              /* IA32_APIC_BASE */
    uint64_t deadline;          /* IA32_TSC_DEADLINE; 0: none */
    int64_t count_start;        /* when the count was loaded, ns */
    int64_t next_ns;            /* when the timer fires next; 0: not armed */
    uint64_t icr;
    uint32_t irr[8], isr[8];
    uint32_t tmr[8];            /* level-triggered ones */
    uint32_t lvt[NR_LVT];
    uint32_t ldr, dfr, svr;
    uint32_t esr;
    uint32_t errors;            /* since the last write to ESR */
    uint32_t initial_count;
    uint32_t divide;
    uint8_t tpr;
    uint8_t pins;               /* levels of LINT0, LINT1 */
    uint8_t has_init, has_startup;      /* messages that the CPU has not yet seen */
    uint8_t startup_vector;
} ApicRegs;

typedef struct Apic {
    RhDevice parent;
    uint32_t id;                /* properties */
    uint8_t version;
    bool has_deadline;
    RhDevice *bus;              /* wiring; both outlive the APIC */
    RhVcpu *vcpu;
    RhTimer timer;
    RhRegion page;              /* the registers, while they are not at RH_APIC_BASE */
    bool is_requesting;         /* level of INTR as last told */
    ApicRegs regs;
} Apic;

/** apic_local - raise local interrupt @entry of the vector table, unless it is masked */
void apic_local(Apic *apic, unsigned entry);

/* apic-timer.c */
void apic_timer_init(Apic *apic);
/** apic_timer_lvt_bits - what may be written to the timer's entry of the local vector table */
uint32_t apic_timer_lvt_bits(const Apic *apic);
/** apic_timer_settle - arm or cancel by the registers */
void apic_timer_settle(Apic *apic);
void apic_timer_set_count(Apic *apic, uint32_t value);
void apic_timer_set_divide(Apic *apic, uint32_t value);
void apic_timer_set_deadline(Apic *apic, uint64_t value);
/** apic_timer_tsc_moved - find out anew when a deadline comes */
void apic_timer_tsc_moved(Apic *apic);
/** apic_timer_set_lvt - the entry's bits are valid; the mode may change */
void apic_timer_set_lvt(Apic *apic, uint32_t value);
uint32_t apic_timer_count(const Apic *apic);

/* apic-bus.c */
/** apic_bus_deliver - to all APICs that are meant; false when there was none. @sender: for shorthands, or NULL. */
bool apic_bus_deliver(RhDevice *bus, RhDevice *sender, const ApicMessage *message);
void apic_bus_add(RhDevice *bus, RhDevice *apic);
void apic_bus_remove(RhDevice *bus, RhDevice *apic);
const RhApicOps *apic_bus_ops(RhDevice *bus);
/** apic_bus_current - of the CPU whose thread calls, if its registers are at @address; else NULL */
RhDevice *apic_bus_current(RhDevice *bus, uint64_t address);
/** apic_address - where the APIC's registers are while it is in xAPIC mode */
uint64_t apic_address(RhDevice *apic);
enum { APIC_PAGE_SPAN = 0x1000 };

RhVcpu *apic_vcpu(RhDevice *apic);
/** apic_is_meant - whether @message's destination names @apic; shorthands aside */
bool apic_is_meant(RhDevice *apic, const ApicMessage *message);
/** apic_priority - of what its CPU does now: lowest-priority messages go to the least */
uint8_t apic_priority(RhDevice *apic);
/** apic_accept - take @message, whose mode is not lowest priority any more */
void apic_accept(RhDevice *apic, const ApicMessage *message);

#endif
