/*
 * What the bare-metal guests share: ports, memory cells, the time stamp counter, a console on COM1,
 * calls into ring 3. Freestanding: no C library, no FPU, no SSE.
 */
#ifndef RH_TESTS_GUEST_MICRO_H
#define RH_TESTS_GUEST_MICRO_H

#include <stddef.h>
#include <stdint.h>

#define LAPIC  0xfee00000u
#define IOAPIC 0xfec00000u

#define PORT_COM1       0x3f8
#define PORT_DEBUG_EXIT 0xf4

static inline void outb(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0,%1" ::"a"(value), "Nd"(port) : "memory");
}

static inline void outl(uint16_t port, uint32_t value)
{
    __asm__ volatile("outl %0,%1" ::"a"(value), "Nd"(port) : "memory");
}

static inline uint8_t inb(uint16_t port)
{
    uint8_t value;

    __asm__ volatile("inb %1,%0" : "=a"(value) : "Nd"(port) : "memory");
    return value;
}

static inline uint32_t inl(uint16_t port)
{
    uint32_t value;

    __asm__ volatile("inl %1,%0" : "=a"(value) : "Nd"(port) : "memory");
    return value;
}

static inline uint32_t rd32(uintptr_t at)
{
    return *(volatile uint32_t *)at;
}

static inline void wr32(uintptr_t at, uint32_t value)
{
    *(volatile uint32_t *)at = value;
}

static inline uint64_t rdtsc(void)
{
    uint32_t low, high;

    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return low | (uint64_t)high << 32;
}

/** ring3_call - run @fn(@arg) in ring 3, at native speed where ring 0 is interpreted */
uint64_t ring3_call(uint64_t (*fn)(uint64_t), uint64_t arg);

/** micro_main - the guest's program, in ring 0; its result goes to micro_exit() */
int micro_main(uint32_t boot_info);

/** micro_exit - end the machine through isa-debug-exit: exit status (@code << 1) | 1 */
void micro_exit(int code);

/* Results of micro_main(): exit status 33 and 35. */
#define MICRO_PASSED 0x10
#define MICRO_FAILED 0x11

/** micro_svc - from ring 3: have ring 0 do @nr */
enum { SVC_NOP, SVC_HLT };
void micro_svc(uint64_t nr);

/** micro_start - mask the PIC, set up COM1, calibrate the time stamp counter */
void micro_start(void);

/** micro_ioapic - write the I/O APIC's register @reg */
void micro_ioapic(uint32_t reg, uint32_t value);

/** micro_ticks - interrupts taken, by vector; vectors from 32 on are acknowledged at the local APIC */
extern volatile uint32_t micro_ticks[256];

/** tsc_khz - time stamp counter ticks a millisecond, after micro_start() */
extern uint64_t tsc_khz;

void micro_puts(const char *text);
void micro_putn(uint64_t number);

/** micro_report - print "NAME: COUNT in N us, N /s" for @count things in @cycles ticks */
void micro_report(const char *name, uint64_t count, uint64_t cycles);

#endif
