/*
 * The PCI core on a q35 without vCPUs: configuration masks, base address registers, windows of bridges, messages,
 * pins, slots. Accesses go the way a guest's do: ports 0xcf8/0xcfc and memory.
 */
#include "board-rig.h"
#include "hw/core/bootorder.h"
#include "hw/core/reset.h"
#include "hw/i386/q35.h"
#include "hw/pci/pci.h"
#include "monitor/monitor.h"
#include "softmmu/runstate.h"

static void set_up(Board *f, gconstpointer data)
{
    board_begin(f, "q35", NULL);
}

static void tear_down(Board *f, gconstpointer data)
{
    board_end(f);
}

static RhPciDevice *function_at(Board *f, unsigned devfn)
{
    return rh_pci_find_device(rh_pci_host_find(f->vm)->bus, 0, devfn);
}

static void test_header(Board *f, gconstpointer data)
{
    g_assert_cmphex(board_config_read(f, 0, 0, 0, 4), ==, 0x29c08086);
    g_assert_cmphex(board_config_read(f, 0, 0xf8, 0, 4), ==, 0x29188086);
    g_assert_cmphex(board_config_read(f, 0, 0xf8, RH_PCI_CLASS, 2), ==, 0x0601);
    g_assert_cmphex(board_config_read(f, 0, 0, RH_PCI_SUBSYSTEM_VENDOR, 4), ==, 0x11001af4);
    g_assert_cmphex(board_config_read(f, 0, 0x28, 0, 4), ==, 0xffffffff);     /* nobody there */
    board_config_write(f, 0, 0, 0, 4, 0x12345678);
    g_assert_cmphex(board_config_read(f, 0, 0, 0, 4), ==, 0x29c08086);
    board_config_write(f, 0, 0, RH_PCI_COMMAND, 2, 0xffff);
    g_assert_cmphex(board_config_read(f, 0, 0, RH_PCI_COMMAND, 2), ==, 0x0547);
}

/* The reset port is byte 1 of the configuration address: it must not tear the dword apart. */
static void test_reset_port(Board *f, gconstpointer data)
{
    uint64_t value;

    board_out(f, 0xcf9, 0x0a, 1);
    rh_space_load(f->vm->ports, NULL, 0xcf9, 1, &value);
    g_assert_cmphex(value, ==, 0x0a);
    board_out(f, 0xcf8, 0x8000f840, 4);
    rh_space_load(f->vm->ports, NULL, 0xcf8, 4, &value);
    g_assert_cmphex(value, ==, 0x8000f840);
}

static void test_ecam(Board *f, gconstpointer data)
{
    g_assert_cmphex(board_load(f, RH_Q35_ECAM_BASE, 4), ==, 0xffffffff);
    board_config_write(f, 0, 0, 0x60, 4, RH_Q35_ECAM_BASE | 1);
    g_assert_cmphex(board_load(f, RH_Q35_ECAM_BASE, 4), ==, 0x29c08086);
    g_assert_cmphex(board_load(f, RH_Q35_ECAM_BASE + 0xf8000, 2), ==, 0x8086);
    board_config_write(f, 0, 0, 0x60, 4, 0xe0000001 | 1 << 1);
    g_assert_cmphex(board_load(f, RH_Q35_ECAM_BASE, 4), ==, 0xffffffff);
    g_assert_cmphex(board_load(f, 0xe0000000, 4), ==, 0x29c08086);
}

static void test_pam(Board *f, gconstpointer data)
{
    board_config_write(f, 0, 0, 0x90, 1, 0x30);       /* segment F: RAM */
    board_store(f, 0xf0000, 0x11223344, 4);
    g_assert_cmphex(board_load(f, 0xf0000, 4), ==, 0x11223344);
    board_config_write(f, 0, 0, 0x90, 1, 0x10);       /* read-only */
    board_store(f, 0xf0000, 0x55667788, 4);
    g_assert_cmphex(board_load(f, 0xf0000, 4), ==, 0x11223344);
    board_config_write(f, 0, 0, 0x90, 1, 0x00);       /* PCI: the firmware's alias, zero here */
    g_assert_cmphex(board_load(f, 0xf0000, 4), ==, 0);
}

static void test_bar(Board *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    const unsigned devfn = 5 << 3;

    board_add(f, "{'driver': 'edu', 'addr': '5'}", &error);
    g_assert_no_error(error);
    board_config_write(f, 0, devfn, RH_PCI_BAR0, 4, 0xffffffff);
    g_assert_cmphex(board_config_read(f, 0, devfn, RH_PCI_BAR0, 4), ==, 0xfff00000);
    board_config_write(f, 0, devfn, RH_PCI_BAR0, 4, 0xfe000000);
    g_assert_cmphex(board_load(f, 0xfe000000, 4), ==, 0xffffffff);
    board_config_write(f, 0, devfn, RH_PCI_COMMAND, 2, RH_PCI_COMMAND_MEMORY);
    g_assert_cmphex(board_load(f, 0xfe000000, 4), ==, 0x010000ed);
    board_config_write(f, 0, devfn, RH_PCI_BAR0, 4, 0xfd000000);
    g_assert_cmphex(board_load(f, 0xfe000000, 4), ==, 0xffffffff);
    g_assert_cmphex(board_load(f, 0xfd000000, 4), ==, 0x010000ed);
    rh_device_reset(&function_at(f, devfn)->parent);
    g_assert_cmphex(board_load(f, 0xfd000000, 4), ==, 0xffffffff);
}

static void test_windows(Board *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    const unsigned port = 2 << 3;

    g_assert_nonnull(board_add(f, "{'driver': 'pcie-root-port', 'id': 'rp', 'addr': '2', 'chassis': 1}", &error));
    g_assert_nonnull(board_add(f, "{'driver': 'edu', 'bus': 'rp'}", &error));
    g_assert_cmphex(board_config_read(f, 1, 0, 0, 4), ==, 0xffffffff);
    board_config_write(f, 0, port, RH_PCI_PRIMARY_BUS, 4, 0x00010100);
    g_assert_cmphex(board_config_read(f, 1, 0, 0, 4), ==, 0x11e81234);
    board_config_write(f, 1, 0, RH_PCI_BAR0, 4, 0xfe100000);
    board_config_write(f, 1, 0, RH_PCI_COMMAND, 2, RH_PCI_COMMAND_MEMORY);
    g_assert_cmphex(board_load(f, 0xfe100000, 4), ==, 0xffffffff);     /* the bridge forwards nothing yet */
    board_config_write(f, 0, port, RH_PCI_MEMORY_BASE, 4, 0xfe10fe10);
    board_config_write(f, 0, port, RH_PCI_COMMAND, 2, RH_PCI_COMMAND_MEMORY);
    g_assert_cmphex(board_load(f, 0xfe100000, 4), ==, 0x010000ed);
    board_config_write(f, 0, port, RH_PCI_MEMORY_BASE, 4, 0xfe20fe20);
    g_assert_cmphex(board_load(f, 0xfe100000, 4), ==, 0xffffffff);
    board_config_write(f, 0, port, RH_PCI_MEMORY_BASE, 4, 0xfe10fe10);
    board_config_write(f, 0, port, RH_PCI_BRIDGE_CONTROL, 2, RH_PCI_BRIDGE_RESET);
    g_assert_cmphex(board_config_read(f, 1, 0, RH_PCI_COMMAND, 2), ==, 0);
}

static void test_addresses(Board *f, gconstpointer data)
{
    static const char *const bad[] = {
        "{'driver': 'edu', 'addr': '20'}", "{'driver': 'edu', 'addr': '1.8'}", "{'driver': 'edu', 'addr': 'x'}",
        "{'driver': 'edu', 'addr': '1f.0'}", "{'driver': 'edu', 'bus': 'rp', 'addr': '1'}",
    };
    g_autoptr(GError) error = NULL;

    board_must_add(f, "{'driver': 'pcie-root-port', 'id': 'rp', 'addr': '0x2.0x0', 'multifunction': true}");
    g_assert_nonnull(board_add(f, "{'driver': 'pcie-root-port', 'addr': '0x2.0x1', 'slot': 1}", &error));
    g_assert_null(board_add(f, "{'driver': 'pcie-root-port', 'addr': '3', 'slot': 1}", NULL));
    for (size_t i = 0; i < RH_COUNT(bad); i++) {
        g_clear_error(&error);
        g_assert_null(board_add(f, bad[i], &error));
        g_assert_nonnull(error);
    }
    g_clear_error(&error);
    board_add(f, "{'driver': 'edu', 'id': 'e'}", &error);
    g_assert_no_error(error);
    g_assert_null(board_add(f, "{'driver': 'edu', 'addr': '1.1'}", &error));  /* function 0 (e) is alone there */
}

static void test_pins(Board *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    const unsigned devfn = 5 << 3;
    RhIch9Lpc *lpc = (RhIch9Lpc *)function_at(f, 0xf8);

    g_assert_nonnull(board_add(f, "{'driver': 'edu', 'addr': '5'}", &error));
    board_config_write(f, 0, devfn, RH_PCI_BAR0, 4, 0xfe000000);
    board_config_write(f, 0, devfn, RH_PCI_COMMAND, 2, RH_PCI_COMMAND_MEMORY);
    board_store(f, 0xfe000060, 1, 4);
    g_assert_cmphex(board_config_read(f, 0, devfn, RH_PCI_STATUS, 2) & RH_PCI_STATUS_INTERRUPT, !=, 0);
    g_assert_cmphex(lpc->gsi_sources[16 + 4 + 5 % 4], !=, 0);
    board_config_write(f, 0, 0xf8, 0x68 + 5 % 4, 1, 11);          /* PIRQF to interrupt 11 */
    g_assert_cmphex(lpc->gsi_sources[11], !=, 0);
    board_config_write(f, 0, devfn, RH_PCI_COMMAND, 2, RH_PCI_COMMAND_MEMORY | RH_PCI_COMMAND_INTX_OFF);
    g_assert_cmphex(lpc->gsi_sources[11], ==, 0);
    board_config_write(f, 0, devfn, RH_PCI_COMMAND, 2, RH_PCI_COMMAND_MEMORY);
    g_assert_cmphex(lpc->gsi_sources[11], !=, 0);
    board_store(f, 0xfe000064, 1, 4);
    g_assert_cmphex(lpc->gsi_sources[11], ==, 0);
    g_assert_cmphex(lpc->gsi_sources[16 + 4 + 5 % 4], ==, 0);
}

/* Without an accelerator a message is a plain write: let it land in RAM. */
static void test_msi(Board *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    const unsigned devfn = 5 << 3;

    g_assert_nonnull(board_add(f, "{'driver': 'edu', 'addr': '5'}", &error));
    board_config_write(f, 0, devfn, RH_PCI_BAR0, 4, 0xfe000000);
    board_config_write(f, 0, devfn, 0x44, 4, 0x200000);
    board_config_write(f, 0, devfn, 0x4c, 2, 0x4321);
    board_config_write(f, 0, devfn, 0x42, 2, RH_PCI_MSI_ENABLE);
    board_config_write(f, 0, devfn, RH_PCI_COMMAND, 2, RH_PCI_COMMAND_MEMORY);
    board_store(f, 0xfe000060, 1, 4);
    g_assert_cmphex(board_load(f, 0x200000, 4), ==, 0);            /* no bus master */
    board_store(f, 0xfe000064, 1, 4);
    board_config_write(f, 0, devfn, RH_PCI_COMMAND, 2, RH_PCI_COMMAND_MEMORY | RH_PCI_COMMAND_MASTER);
    board_store(f, 0xfe000060, 1, 4);
    g_assert_cmphex(board_load(f, 0x200000, 4), ==, 0x4321);
}

static void test_msix(Board *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    const unsigned devfn = 2 << 3;
    g_autoptr(GByteArray) saved = g_byte_array_new();
    size_t pos = 0;
    RhPciDevice *dev = (RhPciDevice *)board_add(f, "{'driver': 'pcie-root-port', 'id': 'rp', 'addr': '2'}", &error);

    board_config_write(f, 0, devfn, RH_PCI_BAR0, 4, 0xfe000000);
    board_config_write(f, 0, devfn, RH_PCI_COMMAND, 2, RH_PCI_COMMAND_MEMORY | RH_PCI_COMMAND_MASTER);
    g_assert_cmphex(board_load(f, 0xfe00000c, 4), ==, 1);          /* masked after reset */
    board_store(f, 0xfe000000, 0x200000, 4);
    board_store(f, 0xfe000008, 0x77, 4);
    g_assert_false(rh_pci_notify(dev, 0));
    board_config_write(f, 0, devfn, dev->msix_cap + RH_PCI_MSIX_CONTROL, 2, RH_PCI_MSIX_ENABLE);
    g_assert_true(rh_pci_notify(dev, 0));
    g_assert_cmphex(board_load(f, 0xfe000800, 4), ==, 1);          /* pending */
    g_assert_cmphex(board_load(f, 0x200000, 4), ==, 0);
    board_store(f, 0xfe00000c, 0, 4);
    g_assert_cmphex(board_load(f, 0xfe000800, 4), ==, 0);
    g_assert_cmphex(board_load(f, 0x200000, 4), ==, 0x77);
    g_assert_true(rh_pci_notify(dev, 99));                          /* a vector that is not there */
    rh_device_save(&dev->parent, saved);
    rh_device_reset(&dev->parent);
    g_assert_true(rh_device_load(&dev->parent, saved->data, saved->len, &pos, &error));
    g_assert_cmphex(board_load(f, 0xfe000008, 4), ==, 0x77);
    g_assert_cmphex(board_load(f, 0xfe00000c, 4), ==, 0);
}

/* Every vector there is, up to the most that a table may have; a stream of another device's table is refused whole. */
static void test_msix_large(Board *f, gconstpointer data)
{
    enum { NR = 2048, LAST = NR - 1, TABLE = 0xfe000000 };
    g_autoptr(GError) error = NULL;
    g_autoptr(GByteArray) saved = g_byte_array_new();
    const unsigned devfn = 5 << 3;
    size_t pos = 0;
    RhPciDevice *dev = (RhPciDevice *)board_add(f, "{'driver': 'virtio-rng-pci', 'vectors': 2048, 'addr': '5'}", &error);
    RhPciDevice *other = (RhPciDevice *)board_add(f, "{'driver': 'virtio-rng-pci', 'vectors': 65, 'addr': '6'}", &error);
    uint32_t bar;

    g_assert_no_error(error);
    bar = rh_ld32(rh_pci_config(dev) + dev->msix_cap + RH_PCI_MSIX_TABLE);
    g_assert_cmpuint(bar, <, 6);                                    /* the table begins it */
    board_config_write(f, 0, devfn, RH_PCI_BAR0 + 4 * bar, 4, TABLE);
    board_config_write(f, 0, devfn, RH_PCI_COMMAND, 2, RH_PCI_COMMAND_MEMORY | RH_PCI_COMMAND_MASTER);
    board_store(f, TABLE + LAST * 16, 0x200000, 4);
    board_store(f, TABLE + LAST * 16 + 8, 0x77, 4);
    board_config_write(f, 0, devfn, dev->msix_cap + RH_PCI_MSIX_CONTROL, 2, RH_PCI_MSIX_ENABLE);
    g_assert_true(rh_pci_notify(dev, LAST));
    rh_device_save(&dev->parent, saved);
    rh_device_reset(&dev->parent);
    g_assert_true(rh_device_load(&dev->parent, saved->data, saved->len, &pos, &error));
    g_assert_cmpuint(pos, ==, saved->len);
    g_assert_cmphex(board_load(f, 0x200000, 4), ==, 0);            /* pending, still */
    g_assert_cmphex(board_load(f, TABLE + LAST * 16 + 8, 4), ==, 0x77);
    board_store(f, TABLE + LAST * 16 + 12, 0, 4);
    g_assert_cmphex(board_load(f, 0x200000, 4), ==, 0x77);

    pos = 0;
    g_assert_false(rh_device_load(&other->parent, saved->data, saved->len, &pos, &error));
    g_assert_nonnull(strstr(error->message, "State has 33024 extra bytes, must have 1056"));
}

static void test_bound_event(Board *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    const unsigned devfn = 2 << 3;
    RhPciDevice *dev = (RhPciDevice *)board_add(f, "{'driver': 'pcie-root-port', 'id': 'rp', 'addr': '2'}", &error);
    RhEvent event = { 0 };

    g_assert_true(rh_event_init(&event, NULL));
    board_config_write(f, 0, devfn, RH_PCI_BAR0, 4, 0xfe000000);
    board_config_write(f, 0, devfn, RH_PCI_COMMAND, 2, RH_PCI_COMMAND_MEMORY | RH_PCI_COMMAND_MASTER);
    board_config_write(f, 0, devfn, dev->msix_cap + RH_PCI_MSIX_CONTROL, 2, RH_PCI_MSIX_ENABLE);
    g_assert_true(rh_pci_bind_event(dev, 0, &event, &error));
    g_assert_false(rh_pci_bind_event(dev, 1, &event, NULL));
    rh_event_set(&event);
    while (rh_loop_turn(f->vm->loop, false)) {
    }
    g_assert_cmphex(board_load(f, 0xfe000800, 4), ==, 1);
    rh_pci_unbind_event(dev, 0);
    rh_event_fini(&event);
}

static void test_hotplug(Board *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    const unsigned port = 2 << 3;
    RhPciDevice *dev = (RhPciDevice *)board_add(f, "{'driver': 'pcie-root-port', 'id': 'rp', 'addr': '2'}", &error);
    const unsigned slot = dev->express_cap + RH_PCIE_SLOT_CTL;

    rh_vm_set_set_up(f->vm);
    g_assert_cmphex(board_config_read(f, 0, port, slot, 4), ==, 0x000007c0);
    g_assert_nonnull(board_add(f, "{'driver': 'edu', 'id': 'e', 'bus': 'rp'}", &error));
    g_assert_no_error(error);
    g_assert_cmphex(board_config_read(f, 0, port, slot, 4) >> 16, ==,
                    RH_PCIE_SLOT_PRESENT | RH_PCIE_SLOT_PRESENCE_CHANGED | RH_PCIE_SLOT_LINK_CHANGED |
                    RH_PCIE_SLOT_BUTTON);
    board_config_write(f, 0, port, slot + 2, 2, 0x11f);
    g_assert_cmphex(board_config_read(f, 0, port, slot + 2, 2), ==, RH_PCIE_SLOT_PRESENT);
    /* power on */
    board_config_write(f, 0, port, slot, 2, 0x01c0 | RH_PCIE_SLOT_CTL_HOTPLUG | RH_PCIE_SLOT_CTL_BUTTON);
    g_assert_true(rh_device_del(f->vm, "e", &error));
    g_assert_nonnull(rh_device_find(f->vm, "e", NULL));             /* the guest has to agree */
    g_assert_cmphex(board_config_read(f, 0, port, RH_PCI_STATUS, 2) & RH_PCI_STATUS_INTERRUPT, !=, 0);
    board_config_write(f, 0, port, slot, 2, 0x07c0);
    g_assert_null(rh_device_find(f->vm, "e", NULL));
    g_assert_cmphex(board_config_read(f, 0, port, slot + 2, 2) & RH_PCIE_SLOT_PRESENT, ==, 0);
    g_assert_null(board_add(f, "{'driver': 'edu', 'bus': 'pcie.0'}", &error));
    g_assert_cmpstr(error->message, ==, "Bus 'pcie.0' does not support hotplugging");
}

/* What the guest has been told of is not told again after load. */
static void test_slot_load(Board *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GByteArray) saved = g_byte_array_new();
    const unsigned port = 2 << 3;
    size_t pos = 0;
    RhPciDevice *dev = (RhPciDevice *)board_add(f, "{'driver': 'pcie-root-port', 'id': 'rp', 'addr': '2'}", &error);
    const unsigned slot = dev->express_cap + RH_PCIE_SLOT_CTL;

    rh_vm_set_set_up(f->vm);
    board_config_write(f, 0, port, RH_PCI_BAR0, 4, 0xfe000000);
    board_config_write(f, 0, port, RH_PCI_COMMAND, 2, RH_PCI_COMMAND_MEMORY | RH_PCI_COMMAND_MASTER);
    board_store(f, 0xfe000000, 0x200000, 4);
    board_store(f, 0xfe000008, 0x77, 4);
    board_store(f, 0xfe00000c, 0, 4);
    board_config_write(f, 0, port, dev->msix_cap + RH_PCI_MSIX_CONTROL, 2, RH_PCI_MSIX_ENABLE);
    board_config_write(f, 0, port, slot, 2, 0x07c0 | RH_PCIE_SLOT_CTL_HOTPLUG | RH_PCIE_SLOT_CTL_BUTTON);
    g_assert_nonnull(board_add(f, "{'driver': 'edu', 'id': 'e', 'bus': 'rp'}", &error));
    g_assert_cmphex(board_load(f, 0x200000, 4), ==, 0x77);
    rh_device_save(&dev->parent, saved);
    rh_device_reset(&dev->parent);
    board_store(f, 0x200000, 0, 4);
    g_assert_true(rh_device_load(&dev->parent, saved->data, saved->len, &pos, &error));
    g_assert_cmphex(board_load(f, 0x200000, 4), ==, 0);
    board_config_write(f, 0, port, slot + 2, 2, 0x11f);            /* seen; and of the next event it is told */
    board_config_write(f, 0, port, slot, 2, 0x01c0 | RH_PCIE_SLOT_CTL_HOTPLUG | RH_PCIE_SLOT_CTL_BUTTON);
    g_assert_true(rh_device_del(f->vm, "e", &error));
    g_assert_cmphex(board_load(f, 0x200000, 4), ==, 0x77);
}

static void test_save_load(Board *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GByteArray) saved = g_byte_array_new();
    const unsigned devfn = 5 << 3;
    RhDevice *dev = board_add(f, "{'driver': 'edu', 'addr': '5'}", &error);
    size_t pos = 0;

    board_config_write(f, 0, devfn, RH_PCI_BAR0, 4, 0xfe000000);
    board_config_write(f, 0, devfn, RH_PCI_COMMAND, 2, RH_PCI_COMMAND_MEMORY);
    rh_device_save(dev, saved);
    rh_device_reset(dev);
    g_assert_cmphex(board_load(f, 0xfe000000, 4), ==, 0xffffffff);
    g_assert_true(rh_device_load(dev, saved->data, saved->len, &pos, &error));
    g_assert_cmphex(board_load(f, 0xfe000000, 4), ==, 0x010000ed);
}

static void test_boot_order(Board *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    RhDevice *port = board_add(f, "{'driver': 'pcie-root-port', 'id': 'rp', 'addr': '2.1'}", &error);
    RhDevice *below = board_add(f, "{'driver': 'edu', 'bus': 'rp'}", &error);
    RhDevice *beside = board_add(f, "{'driver': 'edu', 'addr': '5'}", &error);
    g_autofree char *text = NULL;

    g_assert_null(rh_boot_order_text(f->vm, false));
    g_assert_true(rh_boot_order_add(port, -1, NULL, NULL));
    g_assert_true(rh_boot_order_add(below, 7, "/disk@0,0", NULL));
    g_assert_true(rh_boot_order_add(beside, 2, NULL, NULL));
    g_assert_false(rh_boot_order_add(beside, 7, NULL, &error));
    g_assert_cmpstr(error->message, ==, "The bootindex 7 has already been used");
    text = rh_boot_order_text(f->vm, true);
    g_assert_cmpstr(text, ==,
                    "/pci@i0cf8/pci1234,11e8@5\n/pci@i0cf8/pci-bridge@2,1/pci1234,11e8@0/disk@0,0\nHALT");
    rh_device_unrealize(beside);
    g_free(text);
    text = rh_boot_order_text(f->vm, false);
    g_assert_cmpstr(text, ==, "/pci@i0cf8/pci-bridge@2,1/pci1234,11e8@0/disk@0,0");
}

static void test_query(Board *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GString) text = g_string_new(NULL);
    json_object *roots, *devices, *port, *value;

    g_assert_nonnull(board_add(f, "{'driver': 'pcie-root-port', 'id': 'rp', 'addr': '2'}", &error));
    g_assert_nonnull(board_add(f, "{'driver': 'edu', 'id': 'e', 'bus': 'rp'}", &error));
    board_config_write(f, 0, 2 << 3, RH_PCI_PRIMARY_BUS, 4, 0x00010100);
    roots = rh_pci_query(f->vm);
    g_assert_cmpuint(json_object_array_length(roots), ==, 1);
    devices = json_object_object_get(json_object_array_get_idx(roots, 0), "devices");
    g_assert_cmpuint(json_object_array_length(devices), ==, 4);
    port = json_object_array_get_idx(devices, 1);
    g_assert_cmpstr(json_object_get_string(json_object_object_get(port, "qdev_id")), ==, "rp");
    value = json_object_object_get(json_object_object_get(port, "pci_bridge"), "devices");
    g_assert_cmpuint(json_object_array_length(value), ==, 1);
    json_object_put(roots);
    rh_pci_dump(f->vm, text);
    g_assert_nonnull(strstr(text->str, "  Bus  1, device   0, function 0:\n    Class 0255: PCI device 1234:11e8\n"));
    g_assert_nonnull(strstr(text->str, "      id \"rp\"\n"));
}

/* A disk's bootindex is its transport's place in the order. */
static void test_bootindex(Board *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *text = NULL;
    RhDevice *disk;

    json_object_put(board_execute(f, "blockdev-add", "{'driver': 'null-co', 'node-name': 'a'}"));
    json_object_put(board_execute(f, "blockdev-add", "{'driver': 'null-co', 'node-name': 'b'}"));
    g_assert_nonnull(board_add(f, "{'driver': 'virtio-blk-pci', 'drive': 'a', 'addr': '2', 'bootindex': 3}", &error));
    g_assert_null(board_add(f, "{'driver': 'virtio-blk-pci', 'drive': 'b', 'bootindex': 3}", &error));
    g_assert_cmpstr(error->message, ==, "The bootindex 3 has already been used");
    g_clear_error(&error);
    disk = board_add(f, "{'driver': 'virtio-blk-pci', 'drive': 'b', 'addr': '5.1', 'bootindex': 1}", &error);
    g_assert_no_error(error);
    text = rh_boot_order_text(f->vm, false);
    g_assert_cmpstr(text, ==, "/pci@i0cf8/scsi@5,1/disk@0,0\n/pci@i0cf8/scsi@2/disk@0,0");
    rh_device_unrealize(disk);
    g_free(text);
    text = rh_boot_order_text(f->vm, false);
    g_assert_cmpstr(text, ==, "/pci@i0cf8/scsi@2/disk@0,0");
}

/* What clients get, also when the guest has programmed a window at the very end of the address space. */
static void test_commands(Board *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *text = NULL;
    json_object *roots, *port, *bus;

    g_assert_nonnull(board_add(f, "{'driver': 'pcie-root-port', 'id': 'rp', 'addr': '2'}", &error));
    board_config_write(f, 0, 2 << 3, RH_PCI_PRIMARY_BUS, 4, 0x00010100);
    board_config_write(f, 0, 2 << 3, RH_PCI_PREF_LIMIT_UPPER, 4, 0xffffffff);
    board_config_write(f, 0, 2 << 3, RH_PCI_PREF_LIMIT, 2, 0xfff0);
    roots = board_execute(f, "query-pci", NULL);
    port = json_object_array_get_idx(json_object_object_get(json_object_array_get_idx(roots, 0), "devices"), 1);
    g_assert_cmpstr(json_object_get_string(json_object_object_get(port, "qdev_id")), ==, "rp");
    bus = json_object_object_get(json_object_object_get(port, "pci_bridge"), "bus");
    g_assert_cmpint(json_object_get_int(json_object_object_get(bus, "secondary")), ==, 1);
    bus = json_object_object_get(bus, "prefetchable_range");
    g_assert_cmpint(json_object_get_int64(json_object_object_get(bus, "limit")), ==, -1);
    json_object_put(roots);
    text = rh_hmp_run(f->vm, "info pci", 0);
    g_assert_nonnull(strstr(text, "  Bus  0, device   2, function 0:\r\n    PCI bridge: PCI device 1b36:000c\r\n"));
}

/* Bytes reach the back-end, and the transmitter's interrupt the pin. */
static void test_serial(Board *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    const unsigned devfn = 5 << 3;
    json_object *result;

    json_object_put(board_execute(f, "chardev-add",
                            "{'id': 'c', 'backend': {'type': 'ringbuf', 'data': {'size': 64}}}"));
    board_add(f, "{'driver': 'pci-serial', 'addr': '5', 'chardev': 'c'}", &error);
    g_assert_no_error(error);
    g_assert_cmphex(board_config_read(f, 0, devfn, 0, 4), ==, 0x00021b36);
    g_assert_cmphex(board_config_read(f, 0, devfn, RH_PCI_REVISION, 4), ==, 0x07000201);
    board_config_write(f, 0, devfn, RH_PCI_BAR0, 4, 0xffffffff);
    g_assert_cmphex(board_config_read(f, 0, devfn, RH_PCI_BAR0, 4), ==, 0xfffffff9);
    board_config_write(f, 0, devfn, RH_PCI_BAR0, 4, 0xc000);
    board_config_write(f, 0, devfn, RH_PCI_COMMAND, 2, RH_PCI_COMMAND_IO);
    board_out(f, 0xc007, 0x5a, 1);
    g_assert_cmphex(board_in(f, 0xc007, 1), ==, 0x5a);
    board_out(f, 0xc000, 'R', 1);
    result = board_execute(f, "ringbuf-read", "{'device': 'c', 'size': 8}");
    g_assert_cmpstr(json_object_get_string(result), ==, "R");
    json_object_put(result);
    g_assert_cmphex(board_config_read(f, 0, devfn, RH_PCI_STATUS, 2) & RH_PCI_STATUS_INTERRUPT, ==, 0);
    board_out(f, 0xc001, 0x02, 1);
    g_assert_cmphex(board_config_read(f, 0, devfn, RH_PCI_STATUS, 2) & RH_PCI_STATUS_INTERRUPT, !=, 0);
    g_assert_cmphex(board_in(f, 0xc002, 1), ==, 0x02);        /* says which, and acknowledges it */
    g_assert_cmphex(board_config_read(f, 0, devfn, RH_PCI_STATUS, 2) & RH_PCI_STATUS_INTERRUPT, ==, 0);
}

enum { SMB = 0xc040, SMB_DEVFN = 0xfb };

static void smb(Board *f, unsigned reg, unsigned value)
{
    board_out(f, SMB + reg, value, 1);
}

/* A transaction of that kind; returns its status, less the semaphore, and clears it. */
static uint32_t smb_run(Board *f, unsigned address, unsigned kind)
{
    uint32_t status;

    smb(f, 4, address);
    smb(f, 2, 0x40 | kind << 2 | 1);
    status = board_in(f, SMB, 1) & ~0x40u;
    smb(f, 0, 0x7e);
    return status;
}

static void test_smbus(Board *f, gconstpointer data)
{
    const RhDevice *dev = &function_at(f, SMB_DEVFN)->parent;
    const RhBus *bus = dev->buses->pdata[0];

    g_assert_cmpstr(dev->obj.type->name, ==, "ICH9-SMB");
    g_assert_cmpuint(bus->devices->len, ==, 8);
    g_assert_cmpstr(((const RhDevice *)bus->devices->pdata[7])->obj.type->name, ==, "smbus-eeprom");
    g_assert_cmphex(board_config_read(f, 0, SMB_DEVFN, 0, 4), ==, 0x29308086);
    g_assert_cmphex(board_config_read(f, 0, SMB_DEVFN, RH_PCI_CLASS, 2), ==, 0x0c05);
    board_config_write(f, 0, SMB_DEVFN, 0x20, 4, SMB);
    board_config_write(f, 0, SMB_DEVFN, RH_PCI_COMMAND, 2, RH_PCI_COMMAND_IO);
    g_assert_cmphex(smb_run(f, 0xa0, 0), ==, 0);            /* off */
    board_config_write(f, 0, SMB_DEVFN, 0x40, 1, 1);
    g_assert_cmphex(smb_run(f, 0xae, 0), ==, 0x02);         /* quick: 0x57 is there, 0x58 is not */
    g_assert_cmphex(smb_run(f, 0xb0, 0), ==, 0x04);
    smb(f, 3, 0x10);                                        /* a word to 0x10 of the first EEPROM */
    smb(f, 5, 0x02);
    smb(f, 6, 0xcd);
    g_assert_cmphex(smb_run(f, 0xa0, 3), ==, 0x02);
    smb(f, 3, 0x11);                                        /* a byte back */
    g_assert_cmphex(smb_run(f, 0xa1, 2), ==, 0x02);
    g_assert_cmphex(board_in(f, SMB + 5, 1), ==, 0xcd);
    smb(f, 5, 2);                                           /* a block of two through the buffer: 2, 0xaa, 0xbb */
    smb(f, 0xd, 2);
    board_in(f, SMB + 2, 1);
    smb(f, 7, 0xaa);
    smb(f, 7, 0xbb);
    smb(f, 3, 0x20);
    g_assert_cmphex(smb_run(f, 0xa0, 5), ==, 0x02);
    smb(f, 5, 0);
    smb(f, 0xd, 0);                                         /* and back, byte by byte, with interrupts */
    smb(f, 4, 0xa1);
    smb(f, 2, 0x40 | 5 << 2 | 1);
    g_assert_cmphex(board_in(f, SMB, 1) & ~0x40u, ==, 0x81);
    g_assert_cmphex(board_config_read(f, 0, SMB_DEVFN, RH_PCI_STATUS, 2) & RH_PCI_STATUS_INTERRUPT, !=, 0);
    g_assert_cmphex(board_in(f, SMB + 5, 1), ==, 2);
    g_assert_cmphex(board_in(f, SMB + 7, 1), ==, 0xaa);
    smb(f, 0, 0x80);
    g_assert_cmphex(board_in(f, SMB + 7, 1), ==, 0xbb);
    smb(f, 0, 0x80);
    g_assert_cmphex(board_in(f, SMB, 1) & ~0x40u, ==, 0x02);
    smb(f, 0, 0x02);
    g_assert_cmphex(board_config_read(f, 0, SMB_DEVFN, RH_PCI_STATUS, 2) & RH_PCI_STATUS_INTERRUPT, ==, 0);
}

/* An I2C block read ends where the driver says; a block write leaves byte by byte; nothing runs past the buffer. */
static void test_smbus_bytes(Board *f, gconstpointer data)
{
    board_config_write(f, 0, SMB_DEVFN, 0x20, 4, SMB);
    board_config_write(f, 0, SMB_DEVFN, RH_PCI_COMMAND, 2, RH_PCI_COMMAND_IO);
    board_config_write(f, 0, SMB_DEVFN, 0x40, 1, 1);
    smb(f, 3, 0x30);
    smb(f, 5, 2);
    smb(f, 7, 0x11);
    smb(f, 4, 0xa2);
    smb(f, 2, 0x40 | 5 << 2);
    g_assert_cmphex(board_in(f, SMB, 1) & ~0x40u, ==, 0x81);
    smb(f, 7, 0x22);
    smb(f, 0, 0x80);
    g_assert_cmphex(board_in(f, SMB, 1) & ~0x40u, ==, 0x81);
    smb(f, 0, 0x80);
    g_assert_cmphex(board_in(f, SMB, 1) & ~0x40u, ==, 0x02);
    smb(f, 0, 0x02);
    smb(f, 6, 0x31);                                        /* from the first of the two */
    smb(f, 4, 0xa3);
    smb(f, 2, 0x40 | 6 << 2);
    g_assert_cmphex(board_in(f, SMB + 7, 1), ==, 0x11);
    smb(f, 2, 0x20 | 6 << 2);
    smb(f, 0, 0x80);
    g_assert_cmphex(board_in(f, SMB, 1) & ~0x40u, ==, 0x02);
    smb(f, 0, 0x02);
    for (unsigned length = 0; length <= 255; length += 51) {
        smb(f, 5, length);
        g_assert_cmphex(smb_run(f, 0xa2, 5) & 0x04, ==, 0x04);
    }
}

/* No sequence of configuration writes may crash or hang. */
static void test_random(Board *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GRand) rand = g_rand_new_with_seed(35);

    g_assert_nonnull(board_add(f, "{'driver': 'pcie-root-port', 'id': 'rp', 'addr': '2'}", &error));
    g_assert_nonnull(board_add(f, "{'driver': 'pcie-pci-bridge', 'id': 'pb', 'bus': 'rp'}", &error));
    g_assert_nonnull(board_add(f, "{'driver': 'edu', 'bus': 'pb', 'addr': '1'}", &error));
    for (unsigned i = 0; i < 20000; i++) {
        unsigned devfn = g_rand_int_range(rand, 0, 4) ? (unsigned)g_rand_int_range(rand, 0, 3) << 3 : 0xf8;
        unsigned size = 1u << g_rand_int_range(rand, 0, 3);
        unsigned at = (unsigned)g_rand_int_range(rand, 0, 256) & ~(size - 1);

        board_config_write(f, (unsigned)g_rand_int_range(rand, 0, 3), devfn, at, size, g_rand_int(rand));
        board_load(f, g_rand_int(rand), 4);
    }
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(Board *f, gconstpointer data);
    } tests[] = {
        { "/pci/header", test_header },         { "/pci/reset-port", test_reset_port },
        { "/pci/ecam", test_ecam },             { "/pci/pam", test_pam },
        { "/pci/bar", test_bar },               { "/pci/windows", test_windows },
        { "/pci/addresses", test_addresses },   { "/pci/pins", test_pins },
        { "/pci/msi", test_msi },               { "/pci/msix", test_msix },
        { "/pci/bound-event", test_bound_event }, { "/pci/hotplug", test_hotplug },
        { "/pci/query", test_query },            { "/pci/boot-order", test_boot_order },
        { "/pci/save-load", test_save_load },   { "/pci/random", test_random },
        { "/pci/serial", test_serial },         { "/pci/commands", test_commands },
        { "/pci/bootindex", test_bootindex },   { "/pci/smbus", test_smbus },
        { "/pci/smbus-bytes", test_smbus_bytes }, { "/pci/msix-large", test_msix_large },
        { "/pci/slot-load", test_slot_load },
    };

    g_test_init(&argc, &argv, NULL);
    rh_thread_init_main();
    for (size_t i = 0; i < RH_COUNT(tests); i++) {
        g_test_add(tests[i].name, Board, NULL, set_up, tests[i].run, tear_down);
    }
    return g_test_run();
}
