/*
 * PCI configuration space, root ports and their slots: access kinds, bridges' buses, devices that come and go.
 * Spec: PCI 3.0 §6; PCIe 4.0 §6.7 (hot-plug), §7.5.3.
 */
#include <glib.h>
#include "libqtest-pci.h"

enum { PORT = qpci_bdf(0, 4, 0), CHILD = qpci_bdf(1, 0, 0), ECAM = 0xb0000000 };
enum { SLOT_CTL = 0x18, SLOT_STATUS = 0x1a, BUTTON = 0x01, PRESENCE = 0x08, COMMAND_DONE = 0x10, PRESENT = 0x40,
       POWER_OFF = 0x400, LED_OFF = 0x300, LED_ON = 0x100, HOTPLUG_IRQ = 0x20 };

static Qtest *start(const char *more)
{
    g_autofree char *args = g_strdup_printf("-M q35 -m 16 -nodefaults -device pcie-root-port,id=rp,addr=4,chassis=1 %s",
                                            more);
    Qtest *q = qtest_start(args);

    qtest_intercept_in(q, "ioapic");
    qpci_writel(q, PORT, 0x18, 0x00010100);     /* bus 1 behind it */
    qpci_writew(q, PORT, 0x04, 0x0007);
    return q;
}

static void test_config(void)
{
    Qtest *q = start("");

    g_assert_cmphex(qpci_readl(q, 0, 0), ==, 0x29c08086);           /* the host bridge */
    g_assert_cmphex(qpci_readl(q, PORT, 0), ==, 0x000c1b36);
    qpci_writel(q, PORT, 0, 0);
    g_assert_cmphex(qpci_readl(q, PORT, 0), ==, 0x000c1b36);        /* RO */
    g_assert_cmphex(qpci_readb(q, PORT, 0x0e) & 0x7f, ==, 1);       /* a bridge */
    g_assert_cmphex(qpci_readw(q, PORT, 0x0a), ==, 0x0604);
    g_assert_cmphex(qpci_readb(q, PORT, 0x02), ==, 0x0c);
    g_assert_cmphex(qpci_readl(q, qpci_bdf(0, 29, 3), 0), ==, 0xffffffff);      /* nobody */
    g_assert_cmphex(qpci_readl(q, CHILD, 0), ==, 0xffffffff);
    g_assert_cmphex(qpci_readl(q, qpci_bdf(200, 0, 0), 0), ==, 0xffffffff);
    qpci_writel(q, qpci_bdf(200, 0, 0), 0x10, 0xffffffff);
    qtest_outl(q, 0xcf8, 0x00000000);                               /* not enabled: no configuration */
    g_assert_cmphex(qtest_inl(q, 0xcfc), ==, 0xffffffff);
    qtest_outl(q, 0xcf8, 0x80000000);
    g_assert_cmphex(qtest_inl(q, 0xcf8), ==, 0x80000000);
    g_assert_cmphex(qtest_inw(q, 0xcfe), ==, 0x29c0);
    g_assert_cmphex(qtest_inb(q, 0xcfd), ==, 0x80);
    qtest_quit(q);
}

/* The memory-mapped way shows the same bytes, and those above 256. */
static void test_ecam(void)
{
    Qtest *q = start("");

    qpci_writel(q, 0, 0x60, ECAM | 1);
    g_assert_cmphex(qtest_readl(q, ECAM), ==, 0x29c08086);
    g_assert_cmphex(qtest_readl(q, ECAM + (4 << 15)), ==, 0x000c1b36);
    g_assert_cmphex(qtest_readw(q, ECAM + (4 << 15) + 0x100), ==, 0x0001);      /* error reporting */
    g_assert_cmphex(qtest_readb(q, ECAM + (4 << 15) + 0x0e) & 0x7f, ==, 1);
    g_assert_cmphex(qtest_readl(q, ECAM + (4 << 15) + 0xffc), ==, 0);
    g_assert_cmphex(qtest_readl(q, ECAM + (5 << 15)), ==, 0xffffffff);
    qtest_writel(q, ECAM + (5 << 15), 0);
    qtest_quit(q);
}

/* Whatever is written anywhere in a function's configuration, it and the program answer after a reset. */
static void test_nonsense(void)
{
    static const uint32_t functions[] = { 0, PORT, qpci_bdf(0, 31, 0), qpci_bdf(0, 31, 3), CHILD };
    static const uint32_t values[] = { 0xffffffff, 0x55aa55aa, 0 };
    Qtest *q = start("-device edu,bus=rp");

    for (size_t f = 0; f < G_N_ELEMENTS(functions); f++) {
        for (size_t v = 0; v < G_N_ELEMENTS(values); v++) {
            for (unsigned at = 0; at < 256; at += 4) {
                qpci_writel(q, functions[f], (uint8_t)at, values[v]);
                qpci_readl(q, functions[f], (uint8_t)at);
            }
        }
    }
    qtest_reset(q);
    g_assert_cmphex(qpci_readl(q, 0, 0), ==, 0x29c08086);
    g_assert_cmphex(qpci_readl(q, PORT, 0x18), ==, 0);              /* bus numbers are gone with the reset */
    g_assert_cmphex(qpci_readw(q, PORT, 0x04), ==, 0);
    qpci_writel(q, PORT, 0x18, 0x00010100);
    g_assert_cmphex(qpci_readl(q, CHILD, 0), ==, 0xffffffff);       /* the slot's power was taken, too: it left */
    qtest_quit(q);
}

/* A bridge hands on what lies in its window, and only that. */
static void test_window(void)
{
    Qtest *q = start("-device edu,bus=rp");

    g_assert_cmphex(qpci_readl(q, CHILD, 0), ==, 0x11e81234);
    qpci_place(q, CHILD, 0, 0xe0000000);
    g_assert_cmphex(qtest_readl(q, 0xe0000000), ==, 0xffffffff);
    qpci_writel(q, PORT, 0x20, 0xe000e000);
    g_assert_cmphex(qtest_readl(q, 0xe0000000), ==, 0x010000ed);
    qpci_place(q, CHILD, 0, 0xe0100000);
    g_assert_cmphex(qtest_readl(q, 0xe0100000), ==, 0xffffffff);
    qpci_writel(q, PORT, 0x20, 0xe010e000);
    g_assert_cmphex(qtest_readl(q, 0xe0100000), ==, 0x010000ed);
    qpci_writew(q, PORT, 0x04, 0x0004);
    g_assert_cmphex(qtest_readl(q, 0xe0100000), ==, 0xffffffff);
    qpci_writew(q, PORT, 0x04, 0x0007);
    qpci_writel(q, PORT, 0x18, 0x00070700);                         /* another number for the bus */
    g_assert_cmphex(qpci_readl(q, CHILD, 0), ==, 0xffffffff);
    g_assert_cmphex(qpci_readl(q, qpci_bdf(7, 0, 0), 0), ==, 0x11e81234);
    qtest_quit(q);
}

static void plug(Qtest *q)
{
    qtest_ok(q, "{\"execute\": \"device_add\", \"arguments\": {\"driver\": \"virtio-rng-pci\", \"id\": \"d0\", "
                "\"bus\": \"rp\"}}");
}

static bool is_refused(Qtest *q, const char *json)
{
    json_object *answer = qtest_qmp(q, json);
    bool is_error = json_object_object_get_ex(answer, "error", NULL);

    json_object_put(answer);
    return is_error;
}

static void check_deleted(Qtest *q, const char *id)
{
    for (;;) {
        json_object *event = qtest_event(q, "DEVICE_DELETED");
        json_object *data;
        json_object *name;
        bool is_it;

        g_assert_true(json_object_object_get_ex(event, "data", &data));
        is_it = json_object_object_get_ex(data, "device", &name) &&
                g_str_equal(json_object_get_string(name), id);
        json_object_put(event);
        if (is_it) {
            return;
        }
    }
}

static void test_handshake(void)
{
    Qtest *q = start("");
    uint8_t cap = qpci_cap(q, PORT, 0x10, 0);

    g_assert_cmphex(cap, !=, 0);
    g_assert_cmphex(qpci_readl(q, PORT, cap + 0x14) & 0x7b, ==, 0x7b);      /* button, controller, LEDs, surprise */
    g_assert_cmphex(qpci_readw(q, PORT, cap + SLOT_STATUS) & PRESENT, ==, 0);
    qpci_writew(q, PORT, cap + SLOT_CTL, LED_OFF | POWER_OFF | HOTPLUG_IRQ | PRESENCE | BUTTON);
    qpci_writew(q, PORT, cap + SLOT_STATUS, 0x11f);
    plug(q);
    g_assert_true(qpci_intx(q));
    g_assert_cmphex(qpci_readw(q, PORT, cap + SLOT_STATUS) & (PRESENT | PRESENCE), ==, PRESENT | PRESENCE);
    qpci_writew(q, PORT, cap + SLOT_STATUS, 0x11f);                         /* W1C */
    g_assert_false(qpci_intx(q));
    g_assert_cmphex(qpci_readw(q, PORT, cap + SLOT_STATUS), ==, PRESENT);
    qpci_writew(q, PORT, cap + SLOT_CTL, LED_ON | HOTPLUG_IRQ | PRESENCE | BUTTON);
    g_assert_cmphex(qpci_readw(q, PORT, cap + SLOT_STATUS) & COMMAND_DONE, ==, COMMAND_DONE);
    qpci_writew(q, PORT, cap + SLOT_STATUS, 0x11f);
    g_assert_cmphex(qpci_readl(q, CHILD, 0) & 0xffff, ==, 0x1af4);
    g_assert_true(is_refused(q, "{\"execute\": \"device_add\", \"arguments\": {\"driver\": \"virtio-rng-pci\", "
                                "\"id\": \"d0\", \"bus\": \"rp\"}}"));      /* id and slot are taken */

    qtest_ok(q, "{\"execute\": \"device_del\", \"arguments\": {\"id\": \"d0\"}}");
    g_assert_true(qpci_intx(q));
    g_assert_cmphex(qpci_readw(q, PORT, cap + SLOT_STATUS) & (PRESENT | BUTTON), ==, PRESENT | BUTTON);
    g_assert_cmphex(qpci_readl(q, CHILD, 0) & 0xffff, ==, 0x1af4);          /* until the guest agrees */
    qpci_writew(q, PORT, cap + SLOT_STATUS, 0x11f);
    qpci_writew(q, PORT, cap + SLOT_CTL, LED_OFF | POWER_OFF | HOTPLUG_IRQ | PRESENCE | BUTTON);
    check_deleted(q, "d0");
    g_assert_cmphex(qpci_readl(q, CHILD, 0), ==, 0xffffffff);
    g_assert_cmphex(qpci_readw(q, PORT, cap + SLOT_STATUS) & PRESENT, ==, 0);
    g_assert_true(is_refused(q, "{\"execute\": \"device_del\", \"arguments\": {\"id\": \"d0\"}}"));

    plug(q);                                                                /* the id and the slot are free again */
    g_assert_cmphex(qpci_readw(q, PORT, cap + SLOT_STATUS) & PRESENT, ==, PRESENT);
    qtest_quit(q);
}

/* A device whose removal was asked for goes with a reset; many rounds leave nothing behind. */
static void test_rounds(void)
{
    Qtest *q = start("");
    uint8_t cap = qpci_cap(q, PORT, 0x10, 0);

    for (unsigned i = 0; i < 20; i++) {
        plug(q);
        qpci_writew(q, PORT, cap + SLOT_CTL, LED_ON);
        qtest_ok(q, "{\"execute\": \"device_del\", \"arguments\": {\"id\": \"d0\"}}");
        if (i & 1) {
            qtest_ok(q, "{\"execute\": \"system_reset\"}");
        } else {
            qpci_writew(q, PORT, cap + SLOT_CTL, LED_OFF | POWER_OFF);
        }
        check_deleted(q, "d0");
    }
    qtest_quit(q);
}

static void test_refused(void)
{
    Qtest *q = start("-device pcie-root-port,id=cold,addr=5,chassis=2,hotplug=off -device edu,id=e0,bus=cold");

    g_assert_true(is_refused(q, "{\"execute\": \"device_add\", \"arguments\": {\"driver\": \"edu\", \"id\": \"d1\", "
                                "\"bus\": \"pcie.0\", \"addr\": \"9\"}}"));
    g_assert_true(is_refused(q, "{\"execute\": \"device_del\", \"arguments\": {\"id\": \"e0\"}}"));
    g_assert_true(is_refused(q, "{\"execute\": \"device_add\", \"arguments\": {\"driver\": \"edu\", \"bus\": \"rp\", "
                                "\"addr\": \"1\"}}"));      /* a slot has one device */
    g_assert_true(is_refused(q, "{\"execute\": \"device_add\", \"arguments\": {\"driver\": \"isa-serial\"}}"));
    g_assert_true(is_refused(q, "{\"execute\": \"device_add\", \"arguments\": {\"driver\": \"nonsense\"}}"));
    qtest_quit(q);
    qtest_refused("-M q35 -nodefaults -device pcie-root-port,chassis=1 -device pcie-root-port,chassis=1", "chassis");
    qtest_refused("-M q35 -nodefaults -device edu,addr=32", "addr");
    qtest_refused("-M q35 -nodefaults -device edu,addr=3 -device edu,addr=3", "addr");
    qtest_refused("-M q35 -nodefaults -device pcie-root-port,x-speed=3", "x-speed");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/pci/config", test_config);
    g_test_add_func("/pci/ecam", test_ecam);
    g_test_add_func("/pci/nonsense", test_nonsense);
    g_test_add_func("/pci/window", test_window);
    g_test_add_func("/pci/hotplug/handshake", test_handshake);
    g_test_add_func("/pci/hotplug/rounds", test_rounds);
    g_test_add_func("/pci/hotplug/refused", test_refused);
    return g_test_run();
}
