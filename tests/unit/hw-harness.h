/*
 * A machine in the test's own process: no board, no vCPU, an ISA bus, a clock moved by hand. Accesses go the way a
 * guest's do.
 */
#ifndef TESTS_UNIT_HW_HARNESS_H
#define TESTS_UNIT_HW_HARNESS_H

#include "hw/core/isa.h"
#include "hw/core/machine.h"

typedef struct Harness {
    RhVm *vm;
    RhIsaBus *isa;
    RhRam *ram;                 /* 1 MiB at 0 */
    RhRegion ram_region;
    int irq[RH_ISA_NR_IRQS];    /* levels seen */
    unsigned rises[RH_ISA_NR_IRQS];
} Harness;

void harness_begin(Harness *h);
void harness_end(Harness *h);
/** harness_add - realized and reset; @props: name, value pairs, NULL-terminated, may be NULL; the test fails if it does */
RhDevice *harness_add(Harness *h, const char *name, const char *type, const char *const *props);
uint32_t harness_in(Harness *h, unsigned port, unsigned size);
void harness_out(Harness *h, unsigned port, unsigned size, uint32_t value);
void harness_step(Harness *h, int64_t ns);
/** harness_round_trip - save, load what was saved, save again: the same bytes */
void harness_round_trip(Harness *h, RhDevice *dev);

#endif
