/*
 * Run time of the bare-metal guests: traps, numbers, clock. Start-up and ring changes are in start.S, the console in console.c.
 */
#include "micro.h"

struct frame {
    uint64_t r11, r10, r9, r8, rdi, rsi, rdx, rcx, rax, vec, err, rip, cs, rflags, rsp, ss;
};

volatile uint32_t micro_ticks[256];
uint64_t tsc_khz;

void micro_trap(struct frame *f);

/*
 * Always ring 0. Ring 3 asks for ring 0 with UD2, the number in EAX: SYSCALL does not change the
 * privilege level under PVM, and INT n is not emulated.
 */
void micro_trap(struct frame *f)
{
    if (f->vec == 6 && (f->cs & 3)) {
        f->rip += 2;
        if (f->rax == SVC_HLT) {
            __asm__ volatile("sti; hlt; cli" ::: "memory");
        }
        return;
    }
    micro_ticks[f->vec]++;
    if (f->vec >= 32) {
        wr32(LAPIC + 0xb0, 0);
        return;
    }
    /* Exit status 0x81 + 2 * vector: an exception nobody asked for. */
    outl(PORT_DEBUG_EXIT, 0x40 | (uint32_t)f->vec);
    for (;;) {
        __asm__ volatile("hlt");
    }
}

void micro_svc(uint64_t nr)
{
    __asm__ volatile("ud2" : "+a"(nr)::"memory");
}

void micro_ioapic(uint32_t reg, uint32_t value)
{
    wr32(IOAPIC, reg);
    wr32(IOAPIC + 0x10, value);
}

void micro_putn(uint64_t number)
{
    char digits[24];
    int i = 23;

    digits[i] = 0;
    do {
        digits[--i] = (char)('0' + number % 10);
        number /= 10;
    } while (number);
    micro_puts(digits + i);
}

void micro_report(const char *name, uint64_t count, uint64_t cycles)
{
    micro_puts(name);
    micro_puts(": ");
    micro_putn(count);
    micro_puts(" in ");
    micro_putn(cycles * 1000 / tsc_khz);
    micro_puts(" us, ");
    micro_putn(count * 1000 * tsc_khz / (cycles ? cycles : 1));
    micro_puts(" /s\n");
}

/* 20 ms of the local APIC timer, masked; it counts at 1 GHz under KVM. */
static void calibrate(void)
{
    uint64_t began;

    wr32(LAPIC + 0xf0, 0x1ff);
    wr32(LAPIC + 0x3e0, 0xb);
    wr32(LAPIC + 0x320, 0x10000);
    wr32(LAPIC + 0x380, 20000000);
    began = rdtsc();
    while (rd32(LAPIC + 0x390)) {
    }
    tsc_khz = (rdtsc() - began) / 20;
}

void micro_start(void)
{
    outb(0x21, 0xff);
    outb(0xa1, 0xff);
    __asm__ volatile("sti");
    outb(PORT_COM1 + 1, 0);
    outb(PORT_COM1 + 3, 3);
    calibrate();
}
