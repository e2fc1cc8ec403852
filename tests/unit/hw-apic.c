/*
 * Local APICs: registers, priorities, messages, IPIs, timer, x2APIC.
 */
#include "hw-harness.h"
#include "hw/intc/apic.h"
#include "hw/intc/ioapic.h"
#include "softmmu/accel.h"

enum { NR_CPUS = 3 };
enum {
    ID = 0x20, VERSION = 0x30, TPR = 0x80, PPR = 0xa0, EOI = 0xb0, LDR = 0xd0, DFR = 0xe0, SVR = 0xf0, ISR = 0x100,
    TMR = 0x180, IRR = 0x200, ESR = 0x280, ICR = 0x300, ICR_HIGH = 0x310, LVT_TIMER = 0x320, LVT_LINT0 = 0x350,
    LVT_LINT1 = 0x360, LVT_ERROR = 0x370, COUNT = 0x380, CURRENT = 0x390, DIVIDE = 0x3e0,
};
enum { MSR_BASE = 0x1b, MSR_DEADLINE = 0x6e0, X2_ID = 0x802, X2_LDR = 0x80d, X2_ICR = 0x830, X2_SELF = 0x83f };

typedef struct Cpu {
    RhVcpu vcpu;
    RhDevice *apic;
    int intr;
    unsigned nmi, smi, init, tpr;
} Cpu;

typedef struct Fixture {
    Harness h;
    RhDevice *bus;
    Cpu cpu[NR_CPUS];
} Fixture;

static int external_vector;
static unsigned nr_ended;
static uint8_t last_ended;

static void request(RhVcpu *vcpu, int kind, int level)
{
    Cpu *cpu = RH_CONTAINER(Cpu, vcpu, vcpu);

    switch (kind) {
    case RH_CPU_INTR: cpu->intr = level; break;
    case RH_CPU_NMI:  cpu->nmi++; break;
    case RH_CPU_SMI:  cpu->smi++; break;
    case RH_CPU_INIT: cpu->init++; break;
    case RH_CPU_TPR:  cpu->tpr = level; break;
    }
}

static int external(RhVcpu *vcpu)
{
    return external_vector;
}

static void ended(RhVm *vm, uint8_t vector)
{
    nr_ended++;
    last_ended = vector;
}

/* The counter: so many ticks in so many ns, since it was set. */
static struct { const RhClock *clock; int64_t set_ns; uint64_t start, ticks, ns; } tsc;

static uint64_t read_tsc(void)
{
    return tsc.start + (uint64_t)(rh_clock_now(tsc.clock) - tsc.set_ns) * tsc.ticks / tsc.ns;
}

static int64_t tsc_wait(RhVcpu *vcpu, uint64_t when)
{
    uint64_t now = read_tsc();
    uint64_t ticks = when > now ? MIN(when - now, UINT32_MAX) : 0;

    return (int64_t)((ticks * tsc.ns + tsc.ticks - 1) / tsc.ticks);
}

static const RhApicOps ops = { .request = request, .external = external, .ended = ended, .tsc_wait = tsc_wait };

static void begin(Fixture *f)
{
    g_autoptr(GError) err = NULL;

    memset(f, 0, sizeof(*f));
    harness_begin(&f->h);
    f->bus = harness_add(&f->h, "bus", RH_TYPE_APIC_BUS, NULL);
    rh_apic_bus_set_ops(f->bus, &ops);
    for (unsigned i = 0; i < NR_CPUS; i++) {
        g_autofree char *name = g_strdup_printf("cpu%u", i);

        f->cpu[i].vcpu.index = i;
        f->cpu[i].apic = rh_apic_new(f->bus, rh_object_container(f->h.vm->machine, name), &f->cpu[i].vcpu, i, i < 2, &err);
        g_assert_no_error(err);
        rh_device_reset(f->cpu[i].apic);
        rh_apic_store(f->cpu[i].apic, SVR, 0x1ff);
        rh_apic_store(f->cpu[i].apic, LDR, 1u << (24 + i));
    }
    nr_ended = 0;
}

static void end(Fixture *f)
{
    harness_end(&f->h);
}

static uint32_t get(Fixture *f, unsigned cpu, unsigned at)
{
    return rh_apic_load(f->cpu[cpu].apic, at);
}

static void set(Fixture *f, unsigned cpu, unsigned at, uint32_t value)
{
    rh_apic_store(f->cpu[cpu].apic, at, value);
}

static int take(Fixture *f, unsigned cpu)
{
    return rh_apic_acknowledge(f->cpu[cpu].apic);
}

static void test_reset(void)
{
    Fixture f;
    uint64_t value;

    begin(&f);
    rh_device_reset(f.cpu[0].apic);
    rh_device_reset(f.cpu[2].apic);
    g_assert_cmphex(get(&f, 2, ID), ==, 0x02000000);
    g_assert_cmphex(get(&f, 2, VERSION), ==, 0x50014);
    g_assert_cmphex(get(&f, 2, SVR), ==, 0xff);
    g_assert_cmphex(get(&f, 2, DFR), ==, 0xffffffff);
    g_assert_cmphex(get(&f, 2, LVT_LINT0), ==, 0x10000);
    g_assert_cmphex(get(&f, 0, LVT_LINT0), ==, 0x700);      /* virtual wire */
    set(&f, 2, LVT_ERROR, 0x33);
    g_assert_cmphex(get(&f, 2, LVT_ERROR), ==, 0x10033);    /* masked while software-disabled */
    set(&f, 2, SVR, 0x1ff);
    set(&f, 2, LVT_ERROR, 0xffffffff);
    g_assert_cmphex(get(&f, 2, LVT_ERROR), ==, 0x100ff);
    set(&f, 2, LVT_LINT1, 0xffffffff);
    g_assert_cmphex(get(&f, 2, LVT_LINT1), ==, 0x1a7ff);
    set(&f, 2, SVR, 0xff);
    g_assert_cmphex(get(&f, 2, LVT_LINT1) & 0x10000, ==, 0x10000);
    /* The window shows a test that is no CPU the first APIC. */
    g_assert_cmpint(rh_space_load(f.h.vm->memory, NULL, RH_APIC_BASE + VERSION, 4, &value), ==, RH_MEM_OK);
    g_assert_cmphex(value, ==, 0x50014);
    rh_space_store(f.h.vm->memory, NULL, RH_APIC_BASE + TPR, 4, 0x45);
    g_assert_cmphex(get(&f, 0, TPR), ==, 0x45);
    g_assert_cmpuint(f.cpu[0].tpr, ==, 4);
    for (unsigned i = 0; i < NR_CPUS; i++) {
        harness_round_trip(&f.h, f.cpu[i].apic);
    }
    harness_round_trip(&f.h, f.bus);
    end(&f);
}

static uint32_t load_at(Fixture *f, uint64_t address)
{
    uint64_t value = 0;

    rh_space_load(f->h.vm->memory, NULL, address, 4, &value);
    return (uint32_t)value;
}

/* IA32_APIC_BASE moves the registers and takes them away; messages still go to where they always go. */
static void test_moved(void)
{
    enum { AWAY = 0xfed00000 };
    Fixture f;

    begin(&f);
    rh_apic_write_msr(f.cpu[0].apic, MSR_BASE, AWAY | 0x900);
    g_assert_cmphex(load_at(&f, AWAY + VERSION), ==, 0x50014);
    rh_space_store(f.h.vm->memory, NULL, AWAY + TPR, 4, 0x45);
    g_assert_cmpuint(f.cpu[0].tpr, ==, 4);
    g_assert_cmphex(load_at(&f, RH_APIC_BASE + VERSION), ==, UINT32_MAX);
    g_assert_true(rh_apic_bus_send(f.bus, RH_APIC_BASE, 0x61));
    g_assert_cmpint(take(&f, 0), ==, 0x61);
    harness_round_trip(&f.h, f.cpu[0].apic);
    g_assert_cmphex(load_at(&f, AWAY + VERSION), ==, 0x50014);

    rh_apic_write_msr(f.cpu[0].apic, MSR_BASE, AWAY | 0x100);              /* disabled */
    g_assert_cmphex(load_at(&f, AWAY + VERSION), ==, UINT32_MAX);
    rh_apic_bus_send(f.bus, RH_APIC_BASE, 0x62);
    g_assert_cmpint(take(&f, 0), ==, -1);
    rh_apic_write_msr(f.cpu[0].apic, MSR_BASE, RH_APIC_BASE | 0x900);
    g_assert_cmphex(load_at(&f, RH_APIC_BASE + VERSION), ==, 0x50014);

    /* A reset puts it back. */
    rh_apic_write_msr(f.cpu[0].apic, MSR_BASE, AWAY | 0x900);
    rh_device_reset(f.cpu[0].apic);
    g_assert_cmphex(load_at(&f, RH_APIC_BASE + VERSION), ==, 0x50014);
    g_assert_cmphex(load_at(&f, AWAY + VERSION), ==, UINT32_MAX);
    end(&f);
}

static void test_priorities(void)
{
    Fixture f;

    begin(&f);
    g_assert_true(rh_apic_bus_send(f.bus, RH_APIC_BASE | 1 << 12, 0x41));
    g_assert_cmpint(f.cpu[1].intr, ==, 1);
    g_assert_cmpint(f.cpu[0].intr, ==, 0);
    g_assert_cmphex(get(&f, 1, IRR + 0x20), ==, 1u << 1);
    g_assert_cmpint(take(&f, 1), ==, 0x41);
    g_assert_cmphex(get(&f, 1, ISR + 0x20), ==, 1u << 1);
    g_assert_cmphex(get(&f, 1, PPR), ==, 0x40);
    g_assert_cmpint(f.cpu[1].intr, ==, 0);
    rh_apic_bus_send(f.bus, RH_APIC_BASE | 1 << 12, 0x4f);      /* the same class waits */
    g_assert_cmpint(f.cpu[1].intr, ==, 0);
    g_assert_cmpint(take(&f, 1), ==, -1);
    rh_apic_bus_send(f.bus, RH_APIC_BASE | 1 << 12, 0x80c5);    /* a higher one does not; level-triggered */
    harness_round_trip(&f.h, f.cpu[1].apic);
    g_assert_cmpint(take(&f, 1), ==, 0xc5);
    g_assert_cmphex(get(&f, 1, TMR + 0x60), ==, 1u << 5);
    set(&f, 1, EOI, 0);
    g_assert_cmpuint(nr_ended, ==, 1);
    g_assert_cmphex(last_ended, ==, 0xc5);
    set(&f, 1, EOI, 0);
    g_assert_cmpuint(nr_ended, ==, 1);
    g_assert_cmpint(f.cpu[1].intr, ==, 1);
    set(&f, 1, TPR, 0x40);
    g_assert_cmpint(f.cpu[1].intr, ==, 0);
    rh_apic_set_tpr(f.cpu[1].apic, 3);
    g_assert_cmphex(get(&f, 1, TPR), ==, 0x30);
    g_assert_cmpint(f.cpu[1].intr, ==, 1);
    g_assert_cmpint(take(&f, 1), ==, 0x4f);
    set(&f, 1, EOI, 0);
    set(&f, 1, EOI, 0);                                         /* nothing is served: no harm */
    end(&f);
}

static void test_destinations(void)
{
    Fixture f;

    begin(&f);
    rh_apic_bus_send(f.bus, RH_APIC_BASE | 0x06 << 12 | 4, 0x51);      /* logical, flat: 1 and 2 */
    g_assert_cmpint(take(&f, 0), ==, -1);
    g_assert_cmpint(take(&f, 1), ==, 0x51);
    g_assert_cmpint(take(&f, 2), ==, 0x51);
    set(&f, 1, EOI, 0);
    rh_apic_bus_send(f.bus, RH_APIC_BASE | 0x06 << 12 | 4, 0x131);     /* lowest priority: 2 still serves 0x51 */
    g_assert_cmpint(f.cpu[2].intr, ==, 0);
    g_assert_cmpint(take(&f, 1), ==, 0x31);
    set(&f, 1, EOI, 0);
    set(&f, 2, EOI, 0);
    rh_apic_bus_send(f.bus, RH_APIC_BASE | 0xff << 12, 0x61);
    for (unsigned i = 0; i < NR_CPUS; i++) {
        g_assert_cmpint(take(&f, i), ==, 0x61);
        set(&f, i, EOI, 0);
    }
    set(&f, 1, DFR, 0);
    g_assert_cmphex(get(&f, 1, DFR), ==, 0x0fffffff);
    set(&f, 1, LDR, 0x34000000);                                        /* cluster 3, bit 2 */
    g_assert_false(rh_apic_bus_send(f.bus, RH_APIC_BASE | 0x38 << 12 | 4, 0x62));
    g_assert_true(rh_apic_bus_send(f.bus, RH_APIC_BASE | 0x3c << 12 | 4, 0x62));
    g_assert_cmpint(take(&f, 1), ==, 0x62);
    g_assert_false(rh_apic_bus_send(f.bus, RH_APIC_BASE | 0x40 << 12, 0x62));
    rh_space_store(f.h.vm->memory, NULL, RH_APIC_BASE | 2 << 12, 4, 0x63);     /* by memory, as devices do */
    g_assert_cmpint(take(&f, 2), ==, 0x63);
    rh_space_store(f.h.vm->memory, NULL, RH_APIC_BASE, 4, 0x64);
    g_assert_cmpint(take(&f, 0), ==, 0x64);
    rh_apic_bus_send(f.bus, RH_APIC_BASE | 1 << 12, 0x400);
    rh_apic_bus_send(f.bus, RH_APIC_BASE | 1 << 12, 0x200);
    g_assert_cmpuint(f.cpu[1].nmi, ==, 1);
    g_assert_cmpuint(f.cpu[1].smi, ==, 1);
    end(&f);
}

static void test_ipi(void)
{
    Fixture f;

    begin(&f);
    set(&f, 0, ICR_HIGH, 0x02000000);
    set(&f, 0, ICR, 0x4071);
    g_assert_cmphex(get(&f, 0, ICR), ==, 0x4071);
    g_assert_cmphex(get(&f, 0, ICR_HIGH), ==, 0x02000000);
    g_assert_cmpint(take(&f, 2), ==, 0x71);
    set(&f, 0, ICR, 0xc4072);                           /* all but self */
    g_assert_cmpint(f.cpu[0].intr, ==, 0);
    g_assert_cmpint(take(&f, 1), ==, 0x72);
    set(&f, 0, ICR, 0x44073);                           /* self */
    g_assert_cmpint(take(&f, 0), ==, 0x73);
    g_assert_cmpint(f.cpu[1].intr, ==, 0);

    set(&f, 0, ICR, 0xc4500);                           /* INIT, then de-assert, then start-up twice */
    set(&f, 0, ICR, 0xc8500);
    set(&f, 1, LVT_ERROR, 0x55);
    g_assert_cmpuint(f.cpu[1].init, ==, 1);
    g_assert_cmpint(rh_apic_take_startup(f.cpu[1].apic), ==, -1);
    set(&f, 0, ICR, 0xc4699);
    g_assert_true(rh_apic_take_init(f.cpu[1].apic));
    g_assert_false(rh_apic_take_init(f.cpu[1].apic));
    g_assert_cmphex(get(&f, 1, LVT_ERROR), ==, 0x10000);
    g_assert_cmphex(get(&f, 1, ID), ==, 0x01000000);
    g_assert_cmpint(rh_apic_take_startup(f.cpu[1].apic), ==, 0x99);
    g_assert_cmpint(rh_apic_take_startup(f.cpu[1].apic), ==, -1);
    g_assert_false(rh_apic_take_init(f.cpu[0].apic));
    end(&f);
}

static void test_errors(void)
{
    Fixture f;

    begin(&f);
    set(&f, 0, LVT_ERROR, 0xe1);
    set(&f, 0, ICR_HIGH, 0x01000000);
    set(&f, 0, ICR, 0x4005);                            /* illegal vector */
    g_assert_cmphex(get(&f, 0, ESR), ==, 0);
    set(&f, 0, ESR, 0);
    g_assert_cmphex(get(&f, 0, ESR), ==, 0x20);
    g_assert_cmpint(take(&f, 0), ==, 0xe1);
    set(&f, 0, EOI, 0);
    rh_apic_bus_send(f.bus, RH_APIC_BASE, 0x05);
    set(&f, 0, 0x40, 1);                                /* reserved register */
    set(&f, 0, ESR, 0);
    g_assert_cmphex(get(&f, 0, ESR), ==, 0xc0);
    set(&f, 0, ESR, 0);
    g_assert_cmphex(get(&f, 0, ESR), ==, 0);
    set(&f, 0, LVT_ERROR, 0x01);                        /* its own vector is illegal, too: ends */
    rh_apic_bus_send(f.bus, RH_APIC_BASE, 0x05);
    set(&f, 0, ESR, 0);
    g_assert_cmphex(get(&f, 0, ESR), ==, 0x40);
    set(&f, 0, VERSION, 5);                             /* read-only: no error */
    set(&f, 0, ESR, 0);
    g_assert_cmphex(get(&f, 0, ESR), ==, 0);
    g_assert_cmphex(get(&f, 0, VERSION), ==, 0x50014);
    end(&f);
}

static void test_pins(void)
{
    Fixture f;

    begin(&f);
    set(&f, 0, LVT_LINT0, 0x700);
    external_vector = 0x08;
    rh_pin_set(f.cpu[0].apic, NULL, RH_APIC_LINT0, 1);
    g_assert_cmpint(f.cpu[0].intr, ==, 1);
    g_assert_cmpint(take(&f, 0), ==, 0x08);
    rh_pin_set(f.cpu[0].apic, NULL, RH_APIC_LINT0, 0);
    g_assert_cmpint(f.cpu[0].intr, ==, 0);
    set(&f, 0, LVT_LINT0, 0x10700);
    rh_pin_set(f.cpu[0].apic, NULL, RH_APIC_LINT0, 1);
    g_assert_cmpint(f.cpu[0].intr, ==, 0);
    set(&f, 0, LVT_LINT1, 0x400);
    rh_pin_set(f.cpu[0].apic, NULL, RH_APIC_LINT1, 1);
    rh_pin_set(f.cpu[0].apic, NULL, RH_APIC_LINT1, 1);
    g_assert_cmpuint(f.cpu[0].nmi, ==, 1);
    set(&f, 1, LVT_LINT0, 0x8055);                      /* fixed, level: comes again while the pin is up */
    rh_pin_set(f.cpu[1].apic, NULL, RH_APIC_LINT0, 1);
    g_assert_cmphex(get(&f, 1, LVT_LINT0), ==, 0xc055);
    g_assert_cmpint(take(&f, 1), ==, 0x55);
    set(&f, 1, EOI, 0);
    g_assert_cmpint(take(&f, 1), ==, 0x55);
    rh_pin_set(f.cpu[1].apic, NULL, RH_APIC_LINT0, 0);
    set(&f, 1, EOI, 0);
    g_assert_cmpint(take(&f, 1), ==, -1);
    g_assert_cmphex(get(&f, 1, LVT_LINT0), ==, 0x8055);
    end(&f);
}

static void test_timer(void)
{
    Fixture f;

    begin(&f);
    set(&f, 0, DIVIDE, 0x3);                            /* by 16 */
    set(&f, 0, LVT_TIMER, 0x30);
    set(&f, 0, COUNT, 1000);
    harness_step(&f.h, 1600);
    g_assert_cmpuint(get(&f, 0, CURRENT), ==, 900);
    set(&f, 0, DIVIDE, 0xb);                            /* by 1, from there */
    g_assert_cmpuint(get(&f, 0, CURRENT), ==, 900);
    harness_round_trip(&f.h, f.cpu[0].apic);
    harness_step(&f.h, 899);
    g_assert_cmpint(f.cpu[0].intr, ==, 0);
    harness_step(&f.h, 1);
    g_assert_cmpint(take(&f, 0), ==, 0x30);
    set(&f, 0, EOI, 0);
    g_assert_cmpuint(get(&f, 0, CURRENT), ==, 0);
    harness_step(&f.h, 1000000);
    g_assert_cmpint(take(&f, 0), ==, -1);               /* once */

    set(&f, 0, LVT_TIMER, 0x20030);
    set(&f, 0, COUNT, 100000);
    for (unsigned i = 0; i < 3; i++) {
        harness_step(&f.h, 100000);
        g_assert_cmpint(take(&f, 0), ==, 0x30);
        set(&f, 0, EOI, 0);
    }
    harness_step(&f.h, 40000);
    g_assert_cmpuint(get(&f, 0, CURRENT), ==, 60000);
    set(&f, 0, LVT_TIMER, 0x30030);                     /* masked, and the count goes on */
    harness_step(&f.h, 100000);
    g_assert_cmpint(f.cpu[0].intr, ==, 0);
    g_assert_cmpuint(get(&f, 0, CURRENT), ==, 60000);
    set(&f, 0, LVT_TIMER, 0x20030);
    set(&f, 0, COUNT, 1);                               /* a storm is slowed down, and does not stall us */
    harness_step(&f.h, 10000000);
    g_assert_cmpint(take(&f, 0), ==, 0x30);
    set(&f, 0, COUNT, 0);
    set(&f, 0, EOI, 0);
    take(&f, 0);
    set(&f, 0, EOI, 0);
    harness_step(&f.h, 1000000);
    g_assert_cmpint(take(&f, 0), ==, -1);
    end(&f);
}

static void set_tsc(Fixture *f, uint64_t value, uint64_t ticks, uint64_t ns)
{
    tsc.clock = f->h.vm->clock;
    tsc.set_ns = rh_clock_now(tsc.clock);
    tsc.start = value;
    tsc.ticks = ticks;
    tsc.ns = ns;
    rh_apic_tsc_moved(f->cpu[0].apic);
}

static uint64_t deadline(Fixture *f)
{
    uint64_t value;

    g_assert_true(rh_apic_read_msr(f->cpu[0].apic, MSR_DEADLINE, &value));
    return value;
}

static void set_deadline(Fixture *f, uint64_t value)
{
    g_assert_true(rh_apic_write_msr(f->cpu[0].apic, MSR_DEADLINE, value));
}

/* It comes @ns from now, not before, and is over then. */
static void expect_deadline_in(Fixture *f, int64_t ns)
{
    harness_step(&f->h, ns - 1);
    g_assert_cmpint(f->cpu[0].intr, ==, 0);
    g_assert_cmpuint(deadline(f), !=, 0);
    harness_step(&f->h, 1);
    g_assert_cmpint(take(f, 0), ==, 0x31);
    set(f, 0, EOI, 0);
    g_assert_cmpuint(deadline(f), ==, 0);
}

static void test_deadline(void)
{
    g_autoptr(GByteArray) saved = g_byte_array_new();
    g_autoptr(GError) err = NULL;
    size_t pos = 0;
    Fixture f;
    uint64_t value;

    begin(&f);
    set_tsc(&f, 1000000, 1, 1);
    set_deadline(&f, 1000010);                          /* not in this mode: ignored */
    g_assert_cmpuint(deadline(&f), ==, 0);
    set(&f, 0, LVT_TIMER, 0x40031);
    set(&f, 0, COUNT, 5);
    g_assert_cmpuint(get(&f, 0, COUNT), ==, 0);
    set_deadline(&f, 1005000);
    g_assert_cmpuint(deadline(&f), ==, 1005000);
    g_assert_cmpuint(get(&f, 0, CURRENT), ==, 0);
    harness_step(&f.h, 4000);
    harness_round_trip(&f.h, f.cpu[0].apic);
    expect_deadline_in(&f, 1000);
    set_deadline(&f, UINT64_MAX);
    harness_step(&f.h, INT64_C(3600000000000));
    g_assert_cmpuint(deadline(&f), ==, UINT64_MAX);
    set_deadline(&f, 0);                                /* disarms */
    set_deadline(&f, 1);                                /* past: at once */
    harness_step(&f.h, 1);
    g_assert_cmpint(take(&f, 0), ==, 0x31);
    set(&f, 0, EOI, 0);

    set(&f, 0, LVT_TIMER, 0x50031);                     /* masked: over all the same, in silence */
    set_deadline(&f, 1);
    harness_step(&f.h, 1);
    g_assert_cmpuint(deadline(&f), ==, 0);
    set(&f, 0, LVT_TIMER, 0x40031);
    g_assert_cmpint(take(&f, 0), ==, -1);
    g_assert_false(rh_apic_read_msr(f.cpu[2].apic, MSR_DEADLINE, &value));  /* a CPU that has none */
    g_assert_false(rh_apic_write_msr(f.cpu[2].apic, MSR_DEADLINE, 0));
    set(&f, 2, LVT_TIMER, 0x60031);
    g_assert_cmphex(get(&f, 2, LVT_TIMER), ==, 0x20031);
    rh_device_save(f.cpu[0].apic, saved);
    g_assert_false(rh_device_load(f.cpu[2].apic, saved->data, saved->len, &pos, &err));
    g_assert_cmpstr(err->message, ==, "apic: State of 'apic' has a timer in TSC-deadline mode, which this CPU does not have");
    end(&f);
}

/* Changing the mode, either way, disarms: SDM vol. 3 §11.5.4.1. */
static void test_deadline_modes(void)
{
    Fixture f;

    begin(&f);
    set_tsc(&f, 1000, 1, 1);
    set(&f, 0, LVT_TIMER, 0x31);
    set(&f, 0, COUNT, 500);
    set(&f, 0, LVT_TIMER, 0x40031);
    harness_step(&f.h, 1000);
    g_assert_cmpint(take(&f, 0), ==, -1);
    set_deadline(&f, 2500);
    set(&f, 0, LVT_TIMER, 0x40032);                     /* another vector is no change */
    g_assert_cmpuint(deadline(&f), ==, 2500);
    set(&f, 0, LVT_TIMER, 0x20031);
    g_assert_cmpuint(deadline(&f), ==, 0);
    set(&f, 0, LVT_TIMER, 0x40031);
    harness_step(&f.h, 1000);
    g_assert_cmpint(take(&f, 0), ==, -1);
    g_assert_cmpuint(deadline(&f), ==, 0);
    end(&f);
}

/* Deadlines are values of the guest's counter, wherever that goes and however fast it runs. */
static void test_deadline_moves(void)
{
    Fixture f;

    begin(&f);
    set_tsc(&f, 0, 1, 1);
    set(&f, 0, LVT_TIMER, 0x40031);
    set_deadline(&f, 5000);
    set_tsc(&f, 4000, 1, 1);                            /* forward */
    expect_deadline_in(&f, 1000);
    set_deadline(&f, 10000);
    set_tsc(&f, 0, 1, 1);                               /* back */
    expect_deadline_in(&f, 10000);
    set_deadline(&f, 20000);
    set_tsc(&f, 30000, 1, 1);                           /* beyond it */
    harness_step(&f.h, 1);
    g_assert_cmpint(take(&f, 0), ==, 0x31);
    set(&f, 0, EOI, 0);
    g_assert_cmpuint(deadline(&f), ==, 0);

    set_tsc(&f, 0, 3, 1);
    set_deadline(&f, 3000);
    expect_deadline_in(&f, 1000);
    set_deadline(&f, 6000);
    tsc.start = read_tsc();                             /* slower than it was said to be, and nobody told us */
    tsc.set_ns = rh_clock_now(tsc.clock);
    tsc.ns = 2;
    expect_deadline_in(&f, 2000);
    end(&f);
}

static void test_x2apic(void)
{
    Fixture f;
    RhDevice *apic;
    uint64_t value;

    begin(&f);
    apic = f.cpu[2].apic;
    g_assert_true(rh_apic_read_msr(apic, MSR_BASE, &value));
    g_assert_cmphex(value, ==, 0xfee00800);
    g_assert_true(rh_apic_read_msr(f.cpu[0].apic, MSR_BASE, &value));
    g_assert_cmphex(value, ==, 0xfee00900);
    g_assert_false(rh_apic_read_msr(apic, X2_ID, &value));
    g_assert_false(rh_apic_write_msr(apic, MSR_BASE, 0xfee00400));
    g_assert_true(rh_apic_write_msr(apic, MSR_BASE, 0xfee00c00));
    g_assert_false(rh_apic_write_msr(apic, MSR_BASE, 0xfee00800));
    g_assert_true(rh_apic_read_msr(apic, X2_ID, &value));
    g_assert_cmphex(value, ==, 2);
    g_assert_true(rh_apic_read_msr(apic, X2_LDR, &value));
    g_assert_cmphex(value, ==, 4);
    g_assert_false(rh_apic_write_msr(apic, X2_LDR, 4));
    g_assert_cmphex(get(&f, 2, ID), ==, 0xffffffff);    /* the page is gone */
    g_assert_false(rh_apic_read_msr(apic, 0x80e, &value));
    g_assert_false(rh_apic_write_msr(apic, 0x831, 0));
    g_assert_false(rh_apic_write_msr(apic, 0x80b, 1));
    g_assert_false(rh_apic_write_msr(apic, 0x808, 0x100));
    g_assert_false(rh_apic_write_msr(apic, 0x840, 0));
    g_assert_true(rh_apic_write_msr(apic, X2_SELF, 0x77));
    g_assert_cmpint(take(&f, 2), ==, 0x77);
    g_assert_true(rh_apic_write_msr(apic, 0x80b, 0));
    g_assert_true(rh_apic_write_msr(apic, X2_ICR, UINT64_C(1) << 32 | 0x4078));
    g_assert_true(rh_apic_read_msr(apic, X2_ICR, &value));
    g_assert_cmphex(value, ==, UINT64_C(1) << 32 | 0x4078);
    g_assert_cmpint(take(&f, 1), ==, 0x78);
    g_assert_true(rh_apic_write_msr(apic, X2_ICR, UINT64_C(0xffffffff) << 32 | 0x4079));
    g_assert_cmpint(take(&f, 0), ==, 0x79);
    g_assert_cmpint(take(&f, 2), ==, 0x79);
    harness_round_trip(&f.h, apic);
    g_assert_true(rh_apic_write_msr(apic, MSR_BASE, 0xfee00000));
    g_assert_false(rh_apic_write_msr(apic, MSR_BASE, 0xfee00c00));
    rh_apic_bus_send(f.bus, RH_APIC_BASE | 2 << 12, 0x41);
    g_assert_cmpint(f.cpu[2].intr, ==, 0);              /* disabled */
    end(&f);
}

static void pass(void *bus, uint64_t address, uint32_t data)
{
    rh_apic_bus_send(bus, address, data);
}

static RhDevice *ioapic_of_test;

static void end_ioapic(RhVm *vm, uint8_t vector)
{
    rh_ioapic_eoi(ioapic_of_test, vector);
}

/* The whole way: a level-triggered pin comes again after each EOI until it is let go. */
static void test_ioapic(void)
{
    static const RhApicOps with_ioapic = { .request = request, .ended = end_ioapic };
    Fixture f;

    begin(&f);
    rh_apic_bus_set_ops(f.bus, &with_ioapic);
    ioapic_of_test = harness_add(&f.h, "ioapic", RH_TYPE_IOAPIC, NULL);
    rh_ioapic_set_delivery(ioapic_of_test, pass, f.bus);
    rh_space_store(f.h.vm->memory, NULL, RH_IOAPIC_BASE, 4, 0x10 + 2 * 10 + 1);
    rh_space_store(f.h.vm->memory, NULL, RH_IOAPIC_BASE + 0x10, 4, 0x01000000);
    rh_space_store(f.h.vm->memory, NULL, RH_IOAPIC_BASE, 4, 0x10 + 2 * 10);
    rh_space_store(f.h.vm->memory, NULL, RH_IOAPIC_BASE + 0x10, 4, 0x8055);
    rh_pin_set(ioapic_of_test, NULL, 10, 1);
    for (unsigned i = 0; i < 3; i++) {
        g_assert_cmpint(take(&f, 1), ==, 0x55);
        g_assert_cmpint(f.cpu[1].intr, ==, 0);
        set(&f, 1, EOI, 0);
        g_assert_cmpint(f.cpu[1].intr, ==, 1);
    }
    rh_pin_set(ioapic_of_test, NULL, 10, 0);
    g_assert_cmpint(take(&f, 1), ==, 0x55);
    set(&f, 1, EOI, 0);
    g_assert_cmpint(f.cpu[1].intr, ==, 0);
    end(&f);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    rh_thread_init_main();
    g_test_add_func("/hw/apic/reset", test_reset);
    g_test_add_func("/hw/apic/moved", test_moved);
    g_test_add_func("/hw/apic/priorities", test_priorities);
    g_test_add_func("/hw/apic/destinations", test_destinations);
    g_test_add_func("/hw/apic/ipi", test_ipi);
    g_test_add_func("/hw/apic/errors", test_errors);
    g_test_add_func("/hw/apic/pins", test_pins);
    g_test_add_func("/hw/apic/timer", test_timer);
    g_test_add_func("/hw/apic/deadline", test_deadline);
    g_test_add_func("/hw/apic/deadline-modes", test_deadline_modes);
    g_test_add_func("/hw/apic/deadline-moves", test_deadline_moves);
    g_test_add_func("/hw/apic/x2apic", test_x2apic);
    g_test_add_func("/hw/apic/ioapic", test_ioapic);
    return g_test_run();
}
