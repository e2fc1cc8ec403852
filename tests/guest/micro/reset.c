/*
 * Reset guest: says "RESET: up" and obeys letters from COM1, each a way to reset the machine.
 *
 *   c  port 0xcf9      k  keyboard controller      9  port 0x92      t  triple fault
 *   d  triple fault, too: a double fault that finds its gate absent      x  end, passed
 */
#include "micro.h"

extern volatile uint64_t idt[512];      /* start.S */

static uint8_t next_letter(void)
{
    while (!(inb(PORT_COM1 + 5) & 1)) {
    }
    return inb(PORT_COM1);
}

/* No IDT: the exception, the double fault and the triple fault follow at once. */
static void triple_fault(void)
{
    struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) nothing = { 0, 0 };

    __asm__ volatile("lidt %0; ud2" ::"m"(nothing));
}

/* #GP and #DF have no gate that is present: #GP, #NP, #DF, #NP, shutdown. */
static void double_fault(void)
{
    idt[13 * 2] &= ~(1ull << 47);
    idt[11 * 2] &= ~(1ull << 47);
    idt[8 * 2] &= ~(1ull << 47);
    __asm__ volatile("mov %0, %%cr4" ::"r"(~0ul));
}

int micro_main(uint32_t boot_info)
{
    /* As the line control and interrupt registers are after a reset. */
    int clean = inb(PORT_COM1 + 3) == 0 && inb(PORT_COM1 + 1) == 0;

    (void)boot_info;
    micro_start();
    micro_puts(clean ? "RESET: up\n" : "RESET: up, but the serial port was not reset\n");
    for (;;) {
        switch (next_letter()) {
        case 'c':
            outb(0xcf9, 0x02);
            outb(0xcf9, 0x06);
            break;
        case 'k':
            outb(0x64, 0xfe);
            break;
        case '9':
            outb(0x92, inb(0x92) & ~1u);
            outb(0x92, inb(0x92) | 1);
            break;
        case 't':
            triple_fault();
            break;
        case 'd':
            double_fault();
            break;
        case 'x':
            return MICRO_PASSED;
        }
    }
}
