/*
 * Disk guest: what a virtio-blk disk does a second. 4 KiB requests at random places, at depth 1 and 32, the used
 * ring polled or waited for by interrupt. Spec: virtio 1.2 §2.7, §4.1, §5.2.
 *
 * Needs a PCI disk (with or without firmware) with a queue of SLOTS entries and a power of two of blocks; writes
 * on it. Every block carries a pattern of its number and of how often it was written: what is read is compared.
 * Says for each phase, and waits after "begin" for a digit on COM1, which gives the time in tenths of a second:
 *     BLK begin read 32 polled
 *     BLK end read 32 polled: 12345 in 1000000 us, 20000 us aside
 * "aside" is time spent preparing and comparing, which the first time does not contain. Ends with 33.
 *
 * Where KVM interprets ring 0, an instruction costs as much as some thousand do in ring 3, and a doorbell rung in
 * ring 3 some twenty times that in ring 0. So a lap of SLOTS requests is prepared and compared in ring 3, and
 * all that ring 0 does is to move the available index on.
 */
#include "micro.h"
#include <stdbool.h>

enum {
    SLOTS = 1024,               /* of the queue, and requests of a lap */
    BLOCK = 4096,
    SECTORS_OF_BLOCK = BLOCK / 512,
    WORDS = BLOCK / 8,
    MAX_BLOCKS = 1 << 20,
    IRQ_VECTOR = 64,
};
enum { T_IN = 0, T_OUT = 1 };
enum { DESC_NEXT = 1, DESC_WRITE = 2, DESC_INDIRECT = 4 };
enum { F_FLUSH = 9, F_INDIRECT = 28, F_EVENT_IDX = 29, F_VERSION_1 = 32 };
enum { ACKNOWLEDGE = 1, DRIVER = 2, DRIVER_OK = 4, FEATURES_OK = 8 };

/* --- the rings and the requests --- */

typedef struct Desc {
    uint64_t addr;
    uint32_t len;
    uint16_t flags;
    uint16_t next;
} Desc;

typedef struct Header {
    uint32_t type;
    uint32_t priority;
    uint64_t sector;
} Header;

static Desc table[SLOTS] __attribute__((aligned(16)));
static struct {
    uint16_t flags;
    uint16_t idx;
    uint16_t ring[SLOTS];
    uint16_t used_event;
} avail __attribute__((aligned(4096)));
static struct {
    uint16_t flags;
    uint16_t idx;
    struct { uint32_t id, len; } ring[SLOTS];
    uint16_t avail_event;
} used __attribute__((aligned(4096)));

static Desc parts[SLOTS][3] __attribute__((aligned(16)));
static Header headers[SLOTS];
static uint8_t states[SLOTS];
static uint64_t data[SLOTS][WORDS] __attribute__((aligned(4096)));
static uint32_t blocks[SLOTS];
static uint32_t times_written[MAX_BLOCKS];

static uint32_t nr_blocks;
static uint32_t place;          /* in the walk over all blocks */
static volatile uint16_t *doorbell;

/* --- what runs in ring 3 --- */

static uint64_t pattern(uint32_t block)
{
    return (block + 1 + ((uint64_t)times_written[block] << 32)) * 0x9e3779b97f4a7c15u;
}

/* A walk that meets each block once in nr_blocks steps: two requests of one lap never meet. */
static uint32_t next_block(void)
{
    uint32_t block;

    place = (place * 1664525u + 1013904223u) & (nr_blocks - 1);
    block = (place * 0x2545u) & (nr_blocks - 1);
    block ^= block >> 7;
    return (block * 0x6b43u) & (nr_blocks - 1);
}

static uint64_t prepare(uint64_t type)
{
    for (unsigned i = 0; i < SLOTS; i++) {
        uint32_t block = blocks[i] = next_block();
        uint64_t word;

        headers[i] = (Header){ .type = (uint32_t)type, .sector = (uint64_t)block * SECTORS_OF_BLOCK };
        states[i] = 0xff;
        parts[i][0] = (Desc){ (uintptr_t)&headers[i], sizeof(Header), DESC_NEXT, 1 };
        parts[i][1] = (Desc){ (uintptr_t)data[i], BLOCK, DESC_NEXT | (type == T_IN ? DESC_WRITE : 0), 2 };
        parts[i][2] = (Desc){ (uintptr_t)&states[i], 1, DESC_WRITE, 0 };
        if (type == T_OUT) {
            times_written[block]++;
        }
        word = pattern(block);
        for (unsigned at = 0; type == T_OUT && at < WORDS; at++) {
            data[i][at] = word + at;
        }
    }
    return 0;
}

/* 0, or 1 + the number of the first bad request */
static uint64_t compare(uint64_t type)
{
    for (unsigned i = 0; i < SLOTS; i++) {
        uint64_t word = pattern(blocks[i]);
        uint64_t wrong = states[i];

        for (unsigned at = 0; type == T_IN && at < WORDS; at++) {
            wrong |= data[i][at] ^ (word + at);
            data[i][at] = 0;
        }
        if (wrong) {
            return 1 + i;
        }
    }
    return 0;
}

/* --- what runs in ring 0: few instructions for each time the used index moves --- */

/* Only acknowledges: whoever halted looks at the ring. */
__asm__(
    "blk_irq:\n"
    "    push %rax\n"
    "    mov $0xfee000b0, %eax\n"
    "    movl $0, (%rax)\n"
    "    pop %rax\n"
    "    iretq\n");
extern const char blk_irq[];

static uint16_t used_idx(void)
{
    return *(volatile uint16_t *)&used.idx;
}

/*
 * Polled laps do without a barrier between writing the available index and reading the wish for a kick, because a
 * locked instruction ends a run of interpretation and costs as much as a request. Where the processor did the read first,
 * a kick that nobody asked for makes up for the one that got lost.
 */
static void wait_polled(uint16_t seen)
{
    for (;;) {
        for (unsigned i = 0; i < 5000; i++) {
            if (used_idx() != seen) {
                return;
            }
        }
        *doorbell = 0;
    }
}

static void wait_interrupt(uint16_t seen)
{
    __asm__ volatile("cli");
    while (used_idx() == seen) {
        __asm__ volatile("sti; hlt; cli" ::: "memory");
    }
    __asm__ volatile("sti");
}

static void lap(uint16_t depth, bool by_interrupt)
{
    uint16_t begin = avail.idx;
    uint16_t shown = 0;
    uint16_t done = 0;

    avail.used_event = (uint16_t)(begin - 1);       /* gone by: no interrupt for a lap of the index */
    while (done != SLOTS) {
        uint16_t wanted = (uint16_t)(done + depth);

        wanted = wanted > SLOTS ? SLOTS : wanted;
        *(volatile uint16_t *)&avail.idx = (uint16_t)(begin + wanted);
        if (by_interrupt) {     /* §2.7.7.1, §2.7.13.4.1: both are visible before the rings' other sides are looked at */
            (void)__atomic_exchange_n(&avail.used_event, (uint16_t)(begin + done), __ATOMIC_SEQ_CST);
        }
        if ((uint16_t)(begin + wanted - *(volatile uint16_t *)&used.avail_event - 1) < (uint16_t)(wanted - shown)) {
            *doorbell = 0;
        }
        shown = wanted;
        if (by_interrupt) {
            wait_interrupt((uint16_t)(begin + done));
        } else {
            wait_polled((uint16_t)(begin + done));
        }
        done = (uint16_t)(used_idx() - begin);
    }
}

/* --- PCI --- */

static uint32_t slot;           /* configuration address of the disk */

static uint32_t pci_read(uint32_t at)
{
    outl(0xcf8, slot | (at & 0xfc));
    return inl(0xcfc) >> (at & 3) * 8;
}

static void pci_write(uint32_t at, uint32_t value)
{
    outl(0xcf8, slot | at);
    outl(0xcfc, value);
}

static bool find_disk(void)
{
    for (uint32_t number = 0; number < 32; number++) {
        uint32_t id;

        slot = 0x80000000u | number << 11;
        id = pci_read(0);
        if (id == 0x10421af4 || id == 0x10011af4) {
            return 1;
        }
    }
    return 0;
}

/* Without firmware nobody has placed the memory BARs. */
static void place_bars(void)
{
    uint32_t free_at = 0xe0000000u;
    bool is_64bit;

    for (uint32_t bar = 0x10; bar < 0x28; bar += is_64bit ? 8 : 4) {
        uint32_t was = pci_read(bar);
        uint32_t size;

        is_64bit = (was & 7) == 4;
        if ((was & 1) || (was & ~0xfu)) {
            continue;
        }
        pci_write(bar, 0xffffffffu);
        size = ~(pci_read(bar) & ~0xfu) + 1;
        free_at = size ? (free_at + size - 1) & ~(size - 1) : free_at;
        pci_write(bar, free_at);
        free_at += size;
    }
    pci_write(4, 6);            /* memory, bus master */
}

/* Address of the structure that the capability @cap points to with its BAR number @at and offset @at + 4. */
static uintptr_t structure(uint32_t bar, uint32_t offset)
{
    return (pci_read(0x10 + bar * 4) & ~0xfu) + offset;
}

static uintptr_t common, notify, config, msix_table;
static uint32_t notify_unit;

static void find_structures(void)
{
    for (uint32_t cap = pci_read(0x34) & 0xfc; cap; cap = pci_read(cap + 1) & 0xfc) {
        uint32_t kind = pci_read(cap) & 0xff;
        uint32_t type = pci_read(cap + 3) & 0xff;

        if (kind == 0x11) {
            uint32_t where = pci_read(cap + 4);

            msix_table = structure(where & 7, where & ~7u);
            pci_write(cap, pci_read(cap) | 0x80000000u);
        } else if (kind == 9 && type <= 4 && type != 3) {
            uintptr_t at = structure(pci_read(cap + 4) & 0xff, pci_read(cap + 8));

            common = type == 1 ? at : common;
            notify = type == 2 ? at : notify;
            notify_unit = type == 2 ? pci_read(cap + 16) : notify_unit;
            config = type == 4 ? at : config;
        }
    }
}

/* --- the device, §3.1.1, §4.1.4.3 --- */

static void wr8(uintptr_t at, uint8_t value)
{
    *(volatile uint8_t *)at = value;
}

static void wr16(uintptr_t at, uint16_t value)
{
    *(volatile uint16_t *)at = value;
}

static uint16_t rd16(uintptr_t at)
{
    return *(volatile uint16_t *)at;
}

static void wr64(uintptr_t at, uintptr_t value)
{
    wr32(at, (uint32_t)value);
    wr32(at + 4, (uint32_t)(value >> 32));
}

static bool set_up_queue(void)
{
    wr16(common + 0x16, 0);
    if (rd16(common + 0x18) != SLOTS) {
        return 0;
    }
    for (unsigned i = 0; i < SLOTS; i++) {
        table[i] = (Desc){ (uintptr_t)parts[i], sizeof(parts[i]), DESC_INDIRECT, 0 };
        avail.ring[i] = (uint16_t)i;
    }
    wr64(common + 0x20, (uintptr_t)table);
    wr64(common + 0x28, (uintptr_t)&avail);
    wr64(common + 0x30, (uintptr_t)&used);
    wr16(common + 0x1a, 0);     /* entry 0 of the MSI-X table */
    doorbell = (volatile uint16_t *)(notify + rd16(common + 0x1e) * notify_unit);
    wr16(common + 0x1c, 1);
    return rd16(common + 0x1a) == 0;
}

static void set_up_interrupt(void)
{
    extern uint64_t idt[];
    uint64_t entry = (uintptr_t)blk_irq;

    idt[IRQ_VECTOR * 2] = (entry & 0xffff) | 0x08u << 16 | 0x8e00ull << 32 | (entry >> 16) << 48;
    wr64(msix_table, 0xfee00000u);
    wr32(msix_table + 8, IRQ_VECTOR);
    wr32(msix_table + 12, 0);
}

static bool start_disk(void)
{
    wr8(common + 0x14, 0);
    wr8(common + 0x14, ACKNOWLEDGE | DRIVER);
    wr32(common + 0x08, 0);
    /* §5.2.5: without FLUSH each write would have to reach the disk before it is done */
    wr32(common + 0x0c, 1u << F_FLUSH | 1u << F_INDIRECT | 1u << F_EVENT_IDX);
    wr32(common + 0x08, 1);
    wr32(common + 0x0c, 1u << (F_VERSION_1 - 32));
    wr8(common + 0x14, ACKNOWLEDGE | DRIVER | FEATURES_OK);
    set_up_interrupt();
    if (!(rd32(common + 0x14) & FEATURES_OK) || !set_up_queue()) {
        return 0;
    }
    wr8(common + 0x14, ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK);
    nr_blocks = rd32(config) / SECTORS_OF_BLOCK;
    return nr_blocks >= 2 * SLOTS && nr_blocks <= MAX_BLOCKS && !(nr_blocks & (nr_blocks - 1));
}

/* --- phases --- */

typedef struct Phase {
    uint32_t type;
    uint16_t depth;
    bool by_interrupt;
} Phase;

static void say(const char *what, const Phase *phase)
{
    micro_puts("BLK ");
    micro_puts(what);
    micro_puts(phase->type == T_IN ? " read " : " write ");
    micro_putn(phase->depth);
    micro_puts(phase->by_interrupt ? " interrupt" : " polled");
}

static uint8_t get_char(void)
{
    while (!(inb(PORT_COM1 + 5) & 1)) {
    }
    return inb(PORT_COM1);
}

/* One lap; false, and a line, when the data is not what was written. Adds its ticks. */
static bool checked_lap(const Phase *phase, uint64_t *ret_ticks)
{
    uint64_t began, bad;

    ring3_call(prepare, phase->type);
    began = rdtsc();
    lap(phase->depth, phase->by_interrupt);
    *ret_ticks += rdtsc() - began;
    bad = ring3_call(compare, phase->type);
    if (bad) {
        say("bad", phase);
        micro_puts(": block ");
        micro_putn(blocks[bad - 1]);
        micro_puts(", status ");
        micro_putn(states[bad - 1]);
        micro_puts("\n");
    }
    return !bad;
}

static bool run(const Phase *phase)
{
    uint64_t ticks = 0;
    uint64_t nr = 0;
    uint64_t began, enough;

    say("begin", phase);
    micro_puts("\n");
    enough = (get_char() - '0') * 100 * tsc_khz;
    began = rdtsc();
    while (ticks < enough) {
        if (!checked_lap(phase, &ticks)) {
            return 0;
        }
        nr += SLOTS;
    }
    began = rdtsc() - began - ticks;
    say("end", phase);
    micro_puts(": ");
    micro_putn(nr);
    micro_puts(" in ");
    micro_putn(ticks * 1000 / tsc_khz);
    micro_puts(" us, ");
    micro_putn(began * 1000 / tsc_khz);
    micro_puts(" us aside\n");
    return 1;
}

static bool fill(void)
{
    static const Phase phase = { T_OUT, 32, 0 };
    uint64_t ticks = 0;

    for (uint32_t nr = 0; nr < nr_blocks; nr += SLOTS) {
        if (!checked_lap(&phase, &ticks)) {
            return 0;
        }
    }
    return 1;
}

int micro_main(uint32_t boot_info)
{
    static const Phase phases[] = {
        { T_IN, 1, 0 }, { T_OUT, 1, 0 }, { T_IN, 1, 1 }, { T_OUT, 1, 1 },
        { T_IN, 32, 0 }, { T_OUT, 32, 0 }, { T_IN, 32, 1 }, { T_OUT, 32, 1 },
    };

    (void)boot_info;
    micro_start();
    if (!find_disk()) {
        micro_puts("BLK no disk\n");
        return MICRO_FAILED;
    }
    place_bars();
    find_structures();
    if (!start_disk()) {
        micro_puts("BLK the disk does not fit\n");
        return MICRO_FAILED;
    }
    if (!fill()) {
        return MICRO_FAILED;
    }
    for (size_t i = 0; i < sizeof(phases) / sizeof(phases[0]); i++) {
        if (!run(&phases[i])) {
            return MICRO_FAILED;
        }
    }
    return MICRO_PASSED;
}
