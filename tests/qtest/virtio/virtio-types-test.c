/*
 * virtio devices beyond disk and entropy, and the forms they come in: identity of each form on PCI; the balloon's requests
 * and what QMP makes of them; a console's bytes.  Spec: virtio 1.2 §4.1.2, §5.3, §5.5.
 */
#include <glib.h>
#include <string.h>
#include "libqtest-virtio.h"

enum { BDF = qpci_bdf(0, 3, 0), BAR4 = 0xe0000000, RING = 0x100000, DATA = 0x200000, PAGE = 4096 };

/* The transitional form has the old ids and an I/O register; the modern one neither; plain is transitional on this bus. */
static void test_forms(void)
{
    static const struct { const char *name, *more; uint16_t id; bool is_modern; } forms[] = {
        { "virtio-blk-pci", ",drive=n0", 0x1001, false },
        { "virtio-blk-pci-transitional", ",drive=n0", 0x1001, false },
        { "virtio-blk-pci-non-transitional", ",drive=n0", 0x1042, true },
        { "virtio-serial-pci", "", 0x1003, false },
        { "virtio-serial-pci-transitional", "", 0x1003, false },
        { "virtio-serial-pci-non-transitional", "", 0x1043, true },
        { "virtio-rng-pci", "", 0x1005, false },
        { "virtio-rng-pci-transitional", "", 0x1005, false },
        { "virtio-rng-pci-non-transitional", "", 0x1044, true },
        { "virtio-balloon-pci", "", 0x1002, false },
        { "virtio-balloon-pci-transitional", "", 0x1002, false },
        { "virtio-balloon-pci-non-transitional", "", 0x1045, true },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(forms); i++) {
        g_autofree char *args = g_strdup_printf("-M q35 -m 16 -nodefaults -blockdev null-co,node-name=n0,size=1048576 "
                                                "-device %s,addr=3%s", forms[i].name, forms[i].more);
        Qtest *q = qtest_start(args);
        QvirtioPci pci;

        g_assert_cmphex(qpci_readw(q, BDF, 0), ==, 0x1af4);
        g_assert_cmphex(qpci_readw(q, BDF, 2), ==, forms[i].id);
        g_assert_cmphex(qpci_readb(q, BDF, 8), ==, forms[i].is_modern);
        g_assert_cmphex(qpci_readl(q, BDF, 0x10) & 1, ==, !forms[i].is_modern);
        qvirtio_pci_find(q, BDF, BAR4, &pci);
        qvirtio_pci_accept(q, &pci, QVIRTIO_VERSION_1);
        qtest_quit(q);
    }
}

static void test_balloon(void)
{
    Qtest *q = qtest_start("-M q35 -m 16 -nodefaults -device virtio-balloon-pci,addr=3");
    QvirtioRing ring = { .at = RING, .size = 8 };
    QvirtioBuf buf = { DATA, 8, false };
    static const uint32_t pages[2] = { 0x300, 0xffffffff };     /* one of RAM, and one that is nowhere */
    json_object *answer, *info, *actual;
    QvirtioPci pci;

    qtest_intercept_in(q, "ioapic");
    qvirtio_pci_find(q, BDF, BAR4, &pci);
    qvirtio_pci_accept(q, &pci, QVIRTIO_VERSION_1);
    qvirtio_pci_queue(q, &pci, 0, RING, 8, 0xffff);
    g_assert_cmpuint(qtest_readl(q, pci.config), ==, 0);
    qtest_ok(q, "{\"execute\": \"balloon\", \"arguments\": {\"value\": 8388608}}");
    g_assert_cmpuint(qtest_readl(q, pci.config), ==, (8 << 20) / PAGE);         /* how many pages it wants */
    g_assert_true(qpci_intx(q));
    g_assert_cmphex(qtest_readb(q, pci.isr), ==, 2);                            /* configuration changed */
    qtest_writel(q, (uint64_t)pages[0] * PAGE, 0x12345678);
    qtest_memwrite(q, DATA, pages, sizeof(pages));
    qvirtio_ring_put(q, &ring, &buf, 1);
    qvirtio_pci_notify(q, &pci, 0);
    qvirtio_ring_wait(q, &ring);
    g_assert_cmphex(qtest_readl(q, (uint64_t)pages[0] * PAGE), ==, 0);          /* given back to the host */
    qtest_writel(q, pci.config, 0x10000);                                       /* RO */
    g_assert_cmpuint(qtest_readl(q, pci.config), ==, (8 << 20) / PAGE);
    qtest_writel(q, pci.config + 4, 512);                                       /* so many it has */
    answer = qtest_qmp(q, "{\"execute\": \"query-balloon\"}");
    g_assert_true(json_object_object_get_ex(answer, "return", &info));
    g_assert_true(json_object_object_get_ex(info, "actual", &actual));
    g_assert_cmpint(json_object_get_int64(actual), ==, (16 << 20) - 512 * PAGE);
    json_object_put(answer);
    qtest_reset(q);
    qvirtio_pci_find(q, BDF, BAR4, &pci);
    g_assert_cmpuint(qtest_readl(q, pci.config), ==, (8 << 20) / PAGE);         /* the wish stays; the driver begins anew */
    qtest_quit(q);
}

static void test_console(void)
{
    Qtest *q = qtest_start("-M q35 -m 16 -nodefaults -chardev ringbuf,id=c,size=64 -device virtio-serial-pci,addr=3 "
                           "-device virtconsole,chardev=c");
    QvirtioRing ring = { .at = RING, .size = 8 };
    QvirtioBuf bufs[] = { { DATA, 3, false }, { DATA + 16, 2, false } };
    json_object *answer, *text;
    QvirtioPci pci;

    qvirtio_pci_find(q, BDF, BAR4, &pci);
    qvirtio_pci_accept(q, &pci, QVIRTIO_VERSION_1);
    qvirtio_pci_queue(q, &pci, 1, RING, 8, 0xffff);             /* what port 0 transmits */
    qtest_memwrite(q, DATA, "hel", 3);
    qtest_memwrite(q, DATA + 16, "lo", 2);
    qvirtio_ring_put(q, &ring, bufs, 2);
    qvirtio_pci_notify(q, &pci, 1);
    qvirtio_ring_wait(q, &ring);
    answer = qtest_qmp(q, "{\"execute\": \"ringbuf-read\", \"arguments\": {\"device\": \"c\", \"size\": 8}}");
    g_assert_true(json_object_object_get_ex(answer, "return", &text));
    g_assert_cmpstr(json_object_get_string(text), ==, "hello");
    json_object_put(answer);
    qtest_quit(q);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/virtio-types/forms", test_forms);
    g_test_add_func("/virtio-types/balloon", test_balloon);
    g_test_add_func("/virtio-types/console", test_console);
    return g_test_run();
}
