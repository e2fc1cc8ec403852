/*
 * Legacy devices, register by register.
 */
#include "hw-harness.h"
#include "hw/intc/i8259.h"
#include "hw/intc/ioapic.h"
#include "hw/nvram/fw_cfg.h"
#include "hw/rtc/mc146818.h"
#include "hw/timer/i8254.h"
#include "ui/input.h"

static const char *const no_props[] = { NULL };

/* --- serial --- */

static void test_serial(void)
{
    Harness h;
    RhDevice *dev;

    harness_begin(&h);
    dev = harness_add(&h, "serial", "isa-serial", no_props);
    g_assert_cmphex(harness_in(&h, 0x3fd, 1), ==, 0x60);    /* THRE, TEMT */
    g_assert_cmphex(harness_in(&h, 0x3fa, 1), ==, 0x01);    /* no interrupt */
    harness_out(&h, 0x3ff, 1, 0x5a);
    g_assert_cmphex(harness_in(&h, 0x3ff, 1), ==, 0x5a);
    harness_out(&h, 0x3fb, 1, 0x83);                        /* DLAB */
    harness_out(&h, 0x3f8, 1, 0x34);
    harness_out(&h, 0x3f9, 1, 0x12);
    g_assert_cmphex(harness_in(&h, 0x3f8, 2), ==, 0x1234);  /* odd sizes are split */
    harness_out(&h, 0x3f8, 2, 0x0001);
    harness_out(&h, 0x3fb, 1, 0x03);

    harness_out(&h, 0x3fa, 1, 0xc7);                        /* FIFO, trigger 14 */
    g_assert_cmphex(harness_in(&h, 0x3fa, 1), ==, 0xc1);
    harness_out(&h, 0x3f9, 1, 0x01);                        /* receive interrupt */
    harness_out(&h, 0x3fc, 1, 0x1f);                        /* loop */
    g_assert_cmphex(harness_in(&h, 0x3fe, 1) & 0xf0, ==, 0xf0);
    harness_out(&h, 0x3f8, 1, 'A');
    harness_out(&h, 0x3f8, 1, 'B');
    g_assert_cmpint(h.irq[4], ==, 0);
    harness_round_trip(&h, dev);
    harness_step(&h, 10000000);                             /* character timeout */
    g_assert_cmpint(h.irq[4], ==, 1);
    g_assert_cmphex(harness_in(&h, 0x3fa, 1), ==, 0xcc);
    g_assert_cmphex(harness_in(&h, 0x3fd, 1) & 1, ==, 1);
    g_assert_cmphex(harness_in(&h, 0x3f8, 1), ==, 'A');
    g_assert_cmphex(harness_in(&h, 0x3f8, 1), ==, 'B');
    g_assert_cmpint(h.irq[4], ==, 0);
    for (unsigned i = 0; i < 17; i++) {
        harness_out(&h, 0x3f8, 1, i);
    }
    g_assert_cmphex(harness_in(&h, 0x3fd, 1) & 2, ==, 2);   /* overrun, once */
    g_assert_cmphex(harness_in(&h, 0x3fd, 1) & 2, ==, 0);
    harness_out(&h, 0x3f9, 1, 0x02);
    g_assert_cmpint(h.irq[4], ==, 1);                       /* empty transmitter interrupts at once, */
    g_assert_cmphex(harness_in(&h, 0x3fa, 1), ==, 0xc2);
    g_assert_cmpint(h.irq[4], ==, 0);                       /* until IIR is read */
    rh_device_reset(dev);
    g_assert_cmphex(harness_in(&h, 0x3fa, 1), ==, 0x01);
    harness_end(&h);
}

static void test_serial_limits(void)
{
    Harness h;
    g_autoptr(GError) err = NULL;
    static const char *const props[] = { "index", "4", NULL };

    harness_begin(&h);
    g_assert_null(rh_device_create(h.vm, h.vm->machine, "bad", "isa-serial", &h.isa->parent, props, &err));
    g_assert_nonnull(strstr(err->message, "index"));
    harness_add(&h, "first", "isa-serial", no_props);
    harness_add(&h, "second", "isa-serial", no_props);      /* takes the next index */
    g_assert_cmphex(harness_in(&h, 0x2fd, 1), ==, 0x60);
    harness_end(&h);
}

/* A number is given once, also when somebody asked for it by name, and again when its owner is gone. */
static void test_serial_numbers(void)
{
    static const char *const second[] = { "index", "1", NULL };
    static const uint16_t lsr[] = { 0x3fd, 0x2fd, 0x3ed, 0x2ed };
    g_autoptr(GError) err = NULL;
    RhDevice *named;
    Harness h;

    harness_begin(&h);
    named = harness_add(&h, "named", "isa-serial", second);
    g_assert_cmphex(harness_in(&h, lsr[0], 1), ==, 0xff);
    for (unsigned i = 0; i < 3; i++) {
        g_autofree char *name = g_strdup_printf("any%u", i);

        harness_add(&h, name, "isa-serial", no_props);      /* 0, then 2 and 3 */
        for (unsigned n = 0; n < RH_COUNT(lsr); n++) {
            g_assert_cmphex(harness_in(&h, lsr[n], 1), ==, n == 1 || n <= i + (i > 0) ? 0x60 : 0xff);
        }
    }
    g_assert_null(rh_device_create(h.vm, h.vm->machine, "fifth", "isa-serial", &h.isa->parent, NULL, &err));
    g_assert_nonnull(strstr(err->message, "there are 4 ISA serial ports"));
    rh_device_remove(named);
    g_assert_cmphex(harness_in(&h, lsr[1], 1), ==, 0xff);
    harness_add(&h, "again", "isa-serial", no_props);
    g_assert_cmphex(harness_in(&h, lsr[1], 1), ==, 0x60);
    harness_end(&h);
}

/* --- RTC --- */

static uint8_t cmos(Harness *h, uint8_t at)
{
    harness_out(h, 0x70, 1, at);
    return harness_in(h, 0x71, 1);
}

static void set_cmos(Harness *h, uint8_t at, uint8_t value)
{
    harness_out(h, 0x70, 1, at);
    harness_out(h, 0x71, 1, value);
}

static RhDevice *add_rtc(Harness *h)
{
    g_autoptr(GError) err = NULL;
    RhRtcConfig config = { .clock = RH_RTC_VM };
    RhDevice *rtc = rh_device_new(h->vm, "mc146818rtc", &err);

    g_assert_true(rh_rtc_config_parse_base(&config, "2006-06-17T16:01:21", &err));
    g_assert_true(rh_object_set_u64(&rtc->obj, "base_year", 2000, &err));
    rh_rtc_configure(rtc, &config);
    g_assert_true(rh_device_own(rtc, h->vm->machine, "rtc", &err));
    g_assert_true(rh_device_realize(rtc, &h->isa->parent, &err));
    rh_device_reset(rtc);
    return rtc;
}

static void test_rtc_time(void)
{
    Harness h;
    RhDevice *rtc;

    harness_begin(&h);
    rtc = add_rtc(&h);
    g_assert_cmphex(cmos(&h, 4), ==, 0x16);
    g_assert_cmphex(cmos(&h, 2), ==, 0x01);
    g_assert_cmphex(cmos(&h, 0), ==, 0x21);
    g_assert_cmphex(cmos(&h, 9), ==, 0x06);
    g_assert_cmphex(cmos(&h, 8), ==, 0x06);
    g_assert_cmphex(cmos(&h, 7), ==, 0x17);
    g_assert_cmphex(cmos(&h, 6), ==, 0x07);             /* a Saturday */
    g_assert_cmphex(cmos(&h, 0x32), ==, 0x20);
    g_assert_cmphex(cmos(&h, 0x0d), ==, 0x80);
    harness_step(&h, 40 * INT64_C(1000000000));
    g_assert_cmphex(cmos(&h, 2), ==, 0x02);
    g_assert_cmphex(cmos(&h, 0), ==, 0x01);
    set_cmos(&h, 0x0b, 0x00);                           /* 12 hours */
    g_assert_cmphex(cmos(&h, 4), ==, 0x84);
    set_cmos(&h, 0x0b, 0x86);                           /* halt; 24 hours, binary */
    harness_step(&h, 5 * INT64_C(1000000000));
    set_cmos(&h, 0, 59);
    set_cmos(&h, 9, 99);
    set_cmos(&h, 0x32, 165);                            /* far future: no overflow */
    set_cmos(&h, 0x0b, 0x06);
    g_assert_cmpint(cmos(&h, 0), ==, 59);
    harness_step(&h, INT64_C(1000000000));
    g_assert_cmpint(cmos(&h, 0), ==, 0);
    harness_round_trip(&h, rtc);
    rh_rtc_set_cmos(rtc, 0x34, 0x77);
    rh_device_reset(rtc);
    g_assert_cmphex(cmos(&h, 0x34), ==, 0x77);          /* memory outlives reset */
    harness_end(&h);
}

static void test_rtc_interrupts(void)
{
    Harness h;

    harness_begin(&h);
    add_rtc(&h);
    g_assert_cmpint(rh_clock_next_deadline(h.vm->clock), ==, INT64_MAX);   /* no wake-up without an interrupt */
    set_cmos(&h, 0x0b, 0x12);                           /* update ended */
    harness_step(&h, INT64_C(1100000000));
    g_assert_cmpint(h.irq[8], ==, 1);
    g_assert_cmphex(cmos(&h, 0x0c) & 0x90, ==, 0x90);
    g_assert_cmpint(h.irq[8], ==, 0);
    set_cmos(&h, 1, 0x25);
    set_cmos(&h, 3, 0xff);
    set_cmos(&h, 5, 0xff);
    set_cmos(&h, 0x0b, 0x22);                           /* alarm at second 25 */
    harness_step(&h, INT64_C(2000000000));
    g_assert_cmpint(h.irq[8], ==, 0);
    harness_step(&h, INT64_C(1000000000));
    g_assert_cmpint(h.irq[8], ==, 1);
    g_assert_cmphex(cmos(&h, 0x0c) & 0xa0, ==, 0xa0);
    set_cmos(&h, 0x0a, 0x26);
    set_cmos(&h, 0x0b, 0x42);                           /* periodic, 1024 Hz */
    for (unsigned i = 0; i < 10; i++) {
        harness_step(&h, 976563);
        g_assert_cmpint(h.irq[8], ==, 1);
        cmos(&h, 0x0c);
    }
    harness_end(&h);
}

/* --- PIT --- */

static void test_pit(void)
{
    Harness h;
    RhDevice *pit;

    harness_begin(&h);
    pit = harness_add(&h, "pit", RH_TYPE_PIT, no_props);
    g_assert_cmpint(rh_clock_next_deadline(h.vm->clock), ==, INT64_MAX);
    harness_out(&h, 0x43, 1, 0x30);                     /* channel 0, both bytes, mode 0 */
    g_assert_false(rh_pit_out(pit, 0));
    harness_out(&h, 0x40, 1, 0xe8);
    harness_out(&h, 0x40, 1, 0x03);                     /* 1000 */
    harness_out(&h, 0x43, 1, 0x00);                     /* latch */
    harness_step(&h, 500000);
    g_assert_cmphex(harness_in(&h, 0x40, 1), ==, 0xe8);
    g_assert_cmphex(harness_in(&h, 0x40, 1), ==, 0x03);
    g_assert_cmphex(harness_in(&h, 0x40, 1), ==, (1000 - 596) & 0xff);     /* 596 ticks passed */
    harness_in(&h, 0x40, 1);
    g_assert_false(rh_pit_out(pit, 0));
    harness_step(&h, 400000);
    g_assert_true(rh_pit_out(pit, 0));
    harness_out(&h, 0x43, 1, 0xe2);                     /* read back status of channel 0 */
    g_assert_cmphex(harness_in(&h, 0x40, 1), ==, 0xb0);
    harness_out(&h, 0x43, 1, 0x56);                     /* channel 1, low byte, mode 3 */
    harness_out(&h, 0x41, 1, 10);
    harness_round_trip(&h, pit);
    g_assert_true(rh_pit_out(pit, 1));
    harness_step(&h, 5 * 839);
    g_assert_false(rh_pit_out(pit, 1));
    harness_out(&h, 0x43, 1, 0xb0);                     /* channel 2: gated */
    harness_out(&h, 0x42, 1, 100);
    harness_out(&h, 0x42, 1, 0);
    harness_step(&h, 1000000);
    g_assert_false(rh_pit_out(pit, 2));
    rh_pit_set_gate(pit, 2, true);
    harness_step(&h, 84000);
    g_assert_true(rh_pit_out(pit, 2));
    harness_end(&h);
}

/* --- interrupt controllers --- */

static void init_pic(Harness *h)
{
    static const uint8_t words[][2] = {
        { 0x20, 0x11 }, { 0x21, 0x20 }, { 0x21, 0x04 }, { 0x21, 0x01 }, { 0x21, 0x00 },
        { 0xa0, 0x11 }, { 0xa1, 0x28 }, { 0xa1, 0x02 }, { 0xa1, 0x01 }, { 0xa1, 0x00 },
    };

    for (size_t i = 0; i < RH_COUNT(words); i++) {
        harness_out(h, words[i][0], 1, words[i][1]);
    }
}

static void test_pic(void)
{
    Harness h;
    RhDevice *pic;

    harness_begin(&h);
    pic = harness_add(&h, "pic", RH_TYPE_I8259, no_props);
    init_pic(&h);
    rh_pin_set(pic, NULL, 4, 1);
    rh_pin_set(pic, NULL, 10, 1);
    harness_round_trip(&h, pic);
    g_assert_cmphex(rh_pic_acknowledge(pic), ==, 0x2a);     /* the slave hangs on input 2: before 4 */
    g_assert_cmphex(rh_pic_acknowledge(pic), ==, 0x27);     /* 4 must wait: spurious */
    harness_out(&h, 0xa0, 1, 0x20);
    harness_out(&h, 0x20, 1, 0x20);
    g_assert_cmphex(rh_pic_acknowledge(pic), ==, 0x24);
    harness_out(&h, 0x20, 1, 0x0b);
    g_assert_cmphex(harness_in(&h, 0x20, 1), ==, 0x10);     /* in service */
    harness_out(&h, 0x20, 1, 0x20);
    g_assert_cmphex(rh_pic_acknowledge(pic), ==, 0x27);     /* an edge counts once */
    harness_out(&h, 0x4d0, 2, 0xffff);
    g_assert_cmphex(harness_in(&h, 0x4d0, 2), ==, 0xdef8);
    harness_out(&h, 0x21, 1, 0xff);
    rh_pin_set(pic, NULL, 5, 1);
    g_assert_cmphex(rh_pic_acknowledge(pic), ==, 0x27);     /* masked */
    rh_device_reset(pic);                                   /* pin 5 stays up: nobody tells of it again */
    harness_out(&h, 0x4d0, 1, 0x20);
    init_pic(&h);
    g_assert_cmphex(rh_pic_acknowledge(pic), ==, 0x25);
    harness_end(&h);
}

typedef struct Message {
    unsigned nr;
    uint64_t address;
    uint32_t data;
} Message;

static void take_message(void *opaque, uint64_t address, uint32_t data)
{
    Message *message = opaque;

    message->nr++;
    message->address = address;
    message->data = data;
}

static void ioapic_set(Harness *h, uint8_t reg, uint32_t value)
{
    rh_space_store(h->vm->memory, NULL, 0xfec00000, 4, reg);
    rh_space_store(h->vm->memory, NULL, 0xfec00010, 4, value);
}

static uint32_t ioapic_get(Harness *h, uint8_t reg)
{
    uint64_t value;

    rh_space_store(h->vm->memory, NULL, 0xfec00000, 4, reg);
    rh_space_load(h->vm->memory, NULL, 0xfec00010, 4, &value);
    return value;
}

static void test_ioapic(void)
{
    Harness h;
    RhDevice *ioapic;
    Message message = { 0 };

    harness_begin(&h);
    ioapic = harness_add(&h, "ioapic", RH_TYPE_IOAPIC, no_props);
    rh_ioapic_set_delivery(ioapic, take_message, &message);
    g_assert_cmphex(ioapic_get(&h, 1), ==, 0x170020);
    g_assert_cmphex(ioapic_get(&h, 0x10), ==, 0x10000);
    ioapic_set(&h, 0x10 + 2 * 10 + 1, 0x03000000);
    ioapic_set(&h, 0x10 + 2 * 10, 0x8055);              /* level, vector 0x55 */
    rh_pin_set(ioapic, NULL, 10, 1);
    g_assert_cmpuint(message.nr, ==, 1);
    g_assert_cmphex(message.address, ==, 0xfee03000);
    g_assert_cmphex(message.data, ==, 0xc055);
    g_assert_cmphex(ioapic_get(&h, 0x10 + 2 * 10) & 0x4000, ==, 0x4000);
    harness_round_trip(&h, ioapic);
    rh_ioapic_eoi(ioapic, 0x55);
    g_assert_cmpuint(message.nr, ==, 2);                /* the pin is still up */
    rh_pin_set(ioapic, NULL, 10, 0);
    rh_ioapic_eoi(ioapic, 0x55);
    g_assert_cmpuint(message.nr, ==, 2);
    ioapic_set(&h, 0x10 + 2 * 2, 0x30);                 /* edge; ISA interrupt 0 arrives here */
    rh_pin_set(ioapic, NULL, 0, 1);
    rh_pin_set(ioapic, NULL, 0, 0);
    rh_pin_set(ioapic, NULL, 0, 1);
    g_assert_cmpuint(message.nr, ==, 4);
    g_assert_cmphex(message.data, ==, 0x30);
    rh_pin_set(ioapic, NULL, 11, 1);
    rh_device_reset(ioapic);                            /* pin 11 stays up: nobody tells of it again */
    g_assert_cmphex(ioapic_get(&h, 0x10 + 2 * 11), ==, 0x10000);
    ioapic_set(&h, 0x10 + 2 * 11, 0x8056);
    g_assert_cmpuint(message.nr, ==, 5);
    g_assert_cmphex(message.data, ==, 0xc056);
    harness_end(&h);
}

/* --- HPET --- */

static void hpet_set(Harness *h, unsigned at, uint64_t value)
{
    rh_space_store(h->vm->memory, NULL, 0xfed00000 + at, 8, value);
}

static uint64_t hpet_get(Harness *h, unsigned at, unsigned size)
{
    uint64_t value;

    rh_space_load(h->vm->memory, NULL, 0xfed00000 + at, size, &value);
    return value;
}

static void test_hpet(void)
{
    Harness h;
    RhDevice *hpet;
    static const char *const props[] = { "hpet-intcap", "0xff0104", NULL };

    harness_begin(&h);
    hpet = harness_add(&h, "hpet", "hpet", props);
    g_assert_cmphex(hpet_get(&h, 0, 8), ==, UINT64_C(0x009896808086a201));
    g_assert_cmphex(hpet_get(&h, 4, 4), ==, 10000000);
    g_assert_cmphex(hpet_get(&h, 0x104, 4), ==, 0xff0104);
    hpet_set(&h, 0x108, 1000);
    hpet_set(&h, 0x100, 0x1006 | 1 << 9);               /* level, enabled, route 9 */
    hpet_set(&h, 0x10, 1);
    harness_step(&h, 9990);
    g_assert_cmpuint(hpet_get(&h, 0x20, 8), ==, 0);
    harness_step(&h, 10);
    g_assert_cmpuint(hpet_get(&h, 0x20, 8), ==, 1);
    g_assert_cmpuint(hpet_get(&h, 0xf0, 8), ==, 1000);
    harness_round_trip(&h, hpet);
    hpet_set(&h, 0x20, 1);
    g_assert_cmpuint(hpet_get(&h, 0x20, 8), ==, 0);
    hpet_set(&h, 0x100, 0x004c | 0x2);                  /* periodic, value set */
    hpet_set(&h, 0x108, 11000);
    hpet_set(&h, 0x108, 10000);
    harness_step(&h, 100000);
    g_assert_cmpuint(hpet_get(&h, 0x20, 8), ==, 1);
    g_assert_cmpuint(hpet_get(&h, 0x108, 8), ==, 21000);
    hpet_set(&h, 0x10, 0);
    harness_step(&h, 100000);
    g_assert_cmpuint(hpet_get(&h, 0xf0, 8), ==, 11000); /* halted */
    harness_end(&h);
}

/* A write that comes between a timer's moment and its callback: nothing may be lost, and a period goes on. */
static void test_hpet_late(void)
{
    static const char *const props[] = { "hpet-intcap", "0xff0104", NULL };
    RhDevice *hpet;
    Harness h;

    harness_begin(&h);
    hpet = harness_add(&h, "hpet", "hpet", props);
    hpet_set(&h, 0x100, 0x004c | 0x2);                  /* level, periodic, value set */
    hpet_set(&h, 0x108, 10000);
    hpet_set(&h, 0x10, 1);
    rh_clock_set(h.vm->clock, rh_clock_now(h.vm->clock) + 100010);
    hpet_set(&h, 0x20, 2);                              /* another timer's status */
    g_assert_cmpuint(hpet_get(&h, 0x20, 8), ==, 1);
    g_assert_cmpuint(hpet_get(&h, 0x108, 8), ==, 20000);
    hpet_set(&h, 0x20, 1);
    harness_step(&h, 100000);
    g_assert_cmpuint(hpet_get(&h, 0x20, 8), ==, 1);
    hpet_set(&h, 0x20, 1);
    rh_clock_set(h.vm->clock, rh_clock_now(h.vm->clock) + 100000);
    harness_round_trip(&h, hpet);                       /* saved while one is due: it comes after the load */
    harness_step(&h, 1);
    g_assert_cmpuint(hpet_get(&h, 0x20, 8), ==, 1);
    harness_end(&h);
}

static void test_pit_late(void)
{
    RhDevice *pit;
    Harness h;

    harness_begin(&h);
    pit = harness_add(&h, "pit", RH_TYPE_PIT, no_props);
    g_assert_true(rh_isa_claim_irq(pit, 0, rh_device_find_line(pit, NULL, 0), NULL));
    harness_out(&h, 0x43, 1, 0x30);                     /* mode 0: high after 1000 ticks */
    harness_out(&h, 0x40, 1, 1000 & 255);
    harness_out(&h, 0x40, 1, 1000 >> 8);
    g_assert_cmpint(h.irq[0], ==, 0);
    rh_clock_set(h.vm->clock, rh_clock_now(h.vm->clock) + 1000000);
    harness_round_trip(&h, pit);
    g_assert_cmpint(h.irq[0], ==, 0);                   /* the edge is for the loaded machine's controller to see */
    harness_step(&h, 1);
    g_assert_cmpint(h.irq[0], ==, 1);
    harness_out(&h, 0x43, 1, 0x34);                     /* mode 2: a pulse each 1000 ticks */
    harness_out(&h, 0x40, 1, 1000 & 255);
    harness_out(&h, 0x40, 1, 1000 >> 8);
    h.rises[0] = 0;
    rh_clock_set(h.vm->clock, rh_clock_now(h.vm->clock) + 900000);
    harness_out(&h, 0x43, 1, 0x80);                     /* a latch of another channel */
    g_assert_cmpuint(h.rises[0], ==, 1);
    harness_end(&h);
}

/* --- keyboard controller --- */

static void test_i8042(void)
{
    Harness h;
    RhDevice *dev;

    harness_begin(&h);
    dev = harness_add(&h, "i8042", "i8042", no_props);
    harness_out(&h, 0x64, 1, 0x20);
    g_assert_cmphex(harness_in(&h, 0x60, 1), ==, 0x03); /* after reset: interrupts, no translation */
    harness_out(&h, 0x64, 1, 0xaa);
    g_assert_cmphex(harness_in(&h, 0x64, 1) & 1, ==, 1);
    g_assert_cmphex(harness_in(&h, 0x60, 1), ==, 0x55);
    harness_out(&h, 0x64, 1, 0x60);
    harness_out(&h, 0x60, 1, 0x43);                     /* both interrupts, translation */
    harness_out(&h, 0x64, 1, 0x20);
    g_assert_cmphex(harness_in(&h, 0x60, 1), ==, 0x43);
    rh_input_send_key(h.vm, 30, true);                  /* A */
    rh_input_send_key(h.vm, 30, false);
    g_assert_cmpint(h.irq[1], ==, 1);
    harness_round_trip(&h, dev);
    g_assert_cmphex(harness_in(&h, 0x60, 1), ==, 0x1e);
    g_assert_cmpint(h.irq[1], ==, 1);
    g_assert_cmphex(harness_in(&h, 0x60, 1), ==, 0x9e);
    g_assert_cmpint(h.irq[1], ==, 0);
    harness_out(&h, 0x60, 1, 0xf2);                     /* identify */
    g_assert_cmphex(harness_in(&h, 0x60, 1), ==, 0xfa);
    g_assert_cmphex(harness_in(&h, 0x60, 1), ==, 0xab);
    g_assert_cmphex(harness_in(&h, 0x60, 1), ==, 0x41); /* 0x83, translated */
    harness_out(&h, 0x64, 1, 0xd4);
    harness_out(&h, 0x60, 1, 0xf4);                     /* mouse on */
    g_assert_cmphex(harness_in(&h, 0x64, 1) & 0x21, ==, 0x21);
    g_assert_cmphex(harness_in(&h, 0x60, 1), ==, 0xfa);
    rh_input_send_rel(h.vm, RH_AXIS_X, 5);
    rh_input_send_rel(h.vm, RH_AXIS_Y, 3);
    rh_input_sync(h.vm);
    g_assert_cmpint(h.irq[12], ==, 1);
    g_assert_cmphex(harness_in(&h, 0x60, 1), ==, 0x28);
    g_assert_cmphex(harness_in(&h, 0x60, 1), ==, 0x05);
    g_assert_cmphex(harness_in(&h, 0x60, 1), ==, 0xfd);
    g_assert_cmpint(h.irq[12], ==, 0);
    rh_input_send_key(h.vm, 57, true);                  /* held down: repeats */
    harness_in(&h, 0x60, 1);
    harness_step(&h, 600000000);
    g_assert_cmphex(harness_in(&h, 0x60, 1), ==, 0x39);
    rh_input_send_key(h.vm, 57, false);
    harness_end(&h);
}

/* --- fw_cfg --- */

static void test_fw_cfg(void)
{
    Harness h;
    RhFwCfg *fw;
    g_autoptr(GError) err = NULL;
    uint8_t writable[8] = { 0 };
    RhFwCfgFile file = { .name = "etc/w", .data = writable, .len = 8, .is_writable = true };
    uint32_t access[4] = { GUINT32_TO_BE(0x210000 | 8 | 0x10), GUINT32_TO_BE(4), 0, GUINT32_TO_BE(0x2000) };

    harness_begin(&h);
    fw = (RhFwCfg *)harness_add(&h, "fw_cfg", RH_TYPE_FW_CFG_IO, no_props);
    g_assert_true(rh_fw_cfg_find(h.vm) == fw);
    g_assert_true(rh_fw_cfg_add_file_of(fw, &file, &err));
    g_assert_true(rh_fw_cfg_add_user_item(fw, "etc/a", "hello", NULL, NULL, &err));
    g_assert_false(rh_fw_cfg_add_user_item(fw, "etc/a", "again", NULL, NULL, &err));
    g_assert_nonnull(strstr(err->message, "etc/a"));
    harness_out(&h, 0x510, 2, 0);
    g_assert_cmphex(harness_in(&h, 0x511, 1), ==, 'Q');
    g_assert_cmphex(harness_in(&h, 0x511, 1), ==, 'E');
    harness_out(&h, 0x510, 2, 1);
    g_assert_cmphex(harness_in(&h, 0x511, 1), ==, 3);
    harness_out(&h, 0x510, 2, 0x20);
    g_assert_cmphex(harness_in(&h, 0x511, 1), ==, 'h');     /* files are sorted */
    for (unsigned i = 0; i < 8; i++) {
        harness_in(&h, 0x511, 1);
    }
    g_assert_cmphex(harness_in(&h, 0x511, 1), ==, 0);       /* past the end */
    g_assert_cmphex(harness_in(&h, 0x514, 4), ==, GUINT32_SWAP_LE_BE(0x51454d55));
    rh_space_write(h.vm->memory, 0x1000, access, sizeof(access));
    rh_space_write(h.vm->memory, 0x2000, "wxyz", 4);
    harness_out(&h, 0x518, 4, GUINT32_TO_BE(0x1000));
    g_assert_cmpmem(writable, 4, "wxyz", 4);
    rh_space_read(h.vm->memory, 0x1000, access, 4);
    g_assert_cmphex(access[0], ==, 0);
    access[0] = GUINT32_TO_BE(0x210000 | 8 | 0x10);
    access[1] = GUINT32_TO_BE(9);                           /* longer than the file */
    rh_space_write(h.vm->memory, 0x1000, access, sizeof(access));
    harness_out(&h, 0x518, 4, GUINT32_TO_BE(0x1000));
    rh_space_read(h.vm->memory, 0x1000, access, 4);
    g_assert_cmphex(access[0], ==, GUINT32_TO_BE(1));
    access[0] = GUINT32_TO_BE(0x200000 | 8 | 2);            /* 4 GiB of a file of five bytes: RAM ends before */
    access[1] = GUINT32_TO_BE(UINT32_MAX);
    rh_space_write(h.vm->memory, 0x1000, access, sizeof(access));
    harness_out(&h, 0x518, 4, GUINT32_TO_BE(0x1000));
    rh_space_read(h.vm->memory, 0x2000, access, 8);
    g_assert_cmpmem(access, 8, "hello\0\0\0", 8);
    harness_round_trip(&h, (RhDevice *)fw);
    harness_end(&h);
}

/* fw_cfg_mem: the same items behind registers in memory; the selector is big-endian, data come in any width. */
static void test_fw_cfg_mem(void)
{
    enum { AT = 0x10000000, SELECTOR = AT + 8, DMA = AT + 16 };
    static const char *const narrow[] = { "data_width", "3", NULL };
    uint32_t access[4] = { GUINT32_TO_BE(8 | 2), GUINT32_TO_BE(4), 0, GUINT32_TO_BE(0x2000) };
    g_autoptr(GError) err = NULL;
    uint64_t value;
    RhDevice *dev;
    Harness h;

    harness_begin(&h);
    g_assert_null(rh_device_create(h.vm, h.vm->machine, "bad", RH_TYPE_FW_CFG_MEM, NULL, narrow, &err));
    g_assert_nonnull(strstr(err->message, "data_width"));
    dev = harness_add(&h, "fw_cfg", RH_TYPE_FW_CFG_MEM, no_props);
    rh_region_add(rh_space_root(h.vm->memory), AT, rh_fw_cfg_mem_region((RhFwCfg *)dev));
    rh_space_load(h.vm->memory, NULL, AT, 4, &value);           /* the signature, selected at reset */
    g_assert_cmphex(value, ==, 0x554d4551);
    rh_space_load(h.vm->memory, NULL, AT, 8, &value);           /* past its end */
    g_assert_cmphex(value, ==, 0);
    rh_space_store(h.vm->memory, NULL, SELECTOR, 2, 0x0100);
    rh_space_load(h.vm->memory, NULL, AT, 1, &value);
    g_assert_cmphex(value, ==, 3);
    rh_space_write(h.vm->memory, 0x1000, access, sizeof(access));
    rh_space_store(h.vm->memory, NULL, DMA, 8, GUINT64_TO_BE(UINT64_C(0x1000)));
    rh_space_load(h.vm->memory, NULL, 0x2000, 4, &value);
    g_assert_cmphex(value, ==, 0x554d4551);
    harness_round_trip(&h, dev);
    rh_region_remove(rh_fw_cfg_mem_region((RhFwCfg *)dev));
    harness_end(&h);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    rh_thread_init_main();
    g_test_add_func("/hw/serial", test_serial);
    g_test_add_func("/hw/serial/limits", test_serial_limits);
    g_test_add_func("/hw/serial/numbers", test_serial_numbers);
    g_test_add_func("/hw/rtc/time", test_rtc_time);
    g_test_add_func("/hw/rtc/interrupts", test_rtc_interrupts);
    g_test_add_func("/hw/pit", test_pit);
    g_test_add_func("/hw/pic", test_pic);
    g_test_add_func("/hw/ioapic", test_ioapic);
    g_test_add_func("/hw/hpet", test_hpet);
    g_test_add_func("/hw/hpet/late", test_hpet_late);
    g_test_add_func("/hw/pit/late", test_pit_late);
    g_test_add_func("/hw/i8042", test_i8042);
    g_test_add_func("/hw/fw_cfg", test_fw_cfg);
    g_test_add_func("/hw/fw_cfg_mem", test_fw_cfg_mem);
    return g_test_run();
}
