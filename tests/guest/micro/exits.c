/*
 * Exits guest: how many exits to a user-space device a second make, from ring 0. Prints
 * "EXITS pio N" and "EXITS mmio N"; ends with 33.
 */
#include "micro.h"

#define ROUNDS       30000
#define PORT_SCRATCH (PORT_COM1 + 7)    /* COM1's scratch register */
#define HPET_COUNTER 0xfed000f0u

static void print_rate(const char *name, uint64_t cycles)
{
    micro_puts(name);
    micro_putn(ROUNDS * 1000ull * tsc_khz / cycles);
    micro_puts("\n");
}

int micro_main(uint32_t boot_info)
{
    uint64_t began;

    (void)boot_info;
    micro_start();
    began = rdtsc();
    for (int i = 0; i < ROUNDS; i++) {
        (void)inb(PORT_SCRATCH);
    }
    print_rate("EXITS pio ", rdtsc() - began);
    began = rdtsc();
    for (int i = 0; i < ROUNDS; i++) {
        (void)rd32(HPET_COUNTER);
    }
    print_rate("EXITS mmio ", rdtsc() - began);
    return MICRO_PASSED;
}
