/*
 * microvm-dt - writes the device tree of a microvm.
 */
#include "hw/i386/microvm-dt.h"
#include <libfdt.h>
#include "util/core.h"

enum { ROOM = 0x8000, ROOM_PER_CPU = 256, ADDRESS_CELLS = 2, SIZE_CELLS = 2, LAPIC_SIZE = 0x1000, IOAPIC_SIZE = 0x1000 };
enum { EDGE_RISING = 0, LEVEL_HIGH = 2 };       /* second cell of an interrupt, binding of intel,ce4100-ioapic */
enum { ISA_IO = 1, RTC_PORT = 0x70, RTC_IRQ = 8, UART_CLOCK = 1843200, VIRTIO_SPAN = 0x200 };
#define LAPIC_BASE 0xfee00000u

typedef struct Tree {
    void *fdt;
    uint32_t ioapic;            /* phandle */
} Tree;

/* The buffer is large enough for everything that is written here. */
static void must(int result)
{
    g_assert(result == 0);
}

static void begin(Tree *t, const char *name, uint64_t at)
{
    g_autofree char *full = g_strdup_printf("%s@%" PRIx64, name, at);

    must(fdt_begin_node(t->fdt, full));
}

static void text(Tree *t, const char *name, const char *value)
{
    must(fdt_property_string(t->fdt, name, value));
}

static void number(Tree *t, const char *name, uint32_t value)
{
    must(fdt_property_u32(t->fdt, name, value));
}

static void flag(Tree *t, const char *name)
{
    must(fdt_property(t->fdt, name, NULL, 0));
}

static void pair(Tree *t, const char *name, uint32_t first, uint32_t second)
{
    fdt32_t cells[] = { cpu_to_fdt32(first), cpu_to_fdt32(second) };

    must(fdt_property(t->fdt, name, cells, sizeof(cells)));
}

static void area(Tree *t, uint64_t base, uint64_t size)
{
    fdt64_t cells[] = { cpu_to_fdt64(base), cpu_to_fdt64(size) };

    must(fdt_property(t->fdt, "reg", cells, sizeof(cells)));
}

static void end(Tree *t)
{
    must(fdt_end_node(t->fdt));
}

static void memory(Tree *t, const RhMicrovmDt *c)
{
    for (size_t i = 0; i < c->nr_map; i++) {
        if (c->map[i].type == RH_E820_RAM) {
            begin(t, "memory", c->map[i].base);
            text(t, "device_type", "memory");
            area(t, c->map[i].base, c->map[i].len);
            end(t);
        }
    }
}

static void cpus(Tree *t, const RhMicrovmDt *c)
{
    must(fdt_begin_node(t->fdt, "cpus"));
    number(t, "#address-cells", 1);
    number(t, "#size-cells", 0);
    for (unsigned i = 0; i < c->nr_cpus; i++) {
        begin(t, "cpu", c->apic_ids[i]);
        text(t, "device_type", "cpu");
        number(t, "reg", c->apic_ids[i]);
        end(t);
    }
    end(t);
}

static void interrupt_controllers(Tree *t, const RhMicrovmDt *c)
{
    begin(t, "lapic", LAPIC_BASE);
    text(t, "compatible", "intel,ce4100-lapic");
    area(t, LAPIC_BASE, LAPIC_SIZE);
    end(t);
    begin(t, "ioapic", c->ioapic_base);
    text(t, "compatible", "intel,ce4100-ioapic");
    flag(t, "interrupt-controller");
    number(t, "#interrupt-cells", 2);
    number(t, "#address-cells", 0);
    number(t, "phandle", t->ioapic);
    area(t, c->ioapic_base, IOAPIC_SIZE);
    end(t);
}

static void transports(Tree *t, const RhMicrovmDt *c)
{
    for (unsigned i = 0; i < c->nr_transports; i++) {
        begin(t, "virtio_mmio", c->transports[i].base);
        text(t, "compatible", "virtio,mmio");
        area(t, c->transports[i].base, VIRTIO_SPAN);
        pair(t, "interrupts", c->transports[i].gsi, LEVEL_HIGH);
        flag(t, "dma-coherent");
        end(t);
    }
}

/* ISA binding (IEEE Std 1275): the first cell of an address says I/O or memory. */
static void isa_device(Tree *t, const char *name, const char *compatible, uint16_t port, uint32_t span, uint32_t irq)
{
    g_autofree char *full = g_strdup_printf("%s@i%x", name, port);
    fdt32_t reg[] = { cpu_to_fdt32(ISA_IO), cpu_to_fdt32(port), cpu_to_fdt32(span) };

    must(fdt_begin_node(t->fdt, full));
    text(t, "compatible", compatible);
    must(fdt_property(t->fdt, "reg", reg, sizeof(reg)));
    pair(t, "interrupts", irq, EDGE_RISING);
}

static void isa(Tree *t, const RhMicrovmDt *c)
{
    must(fdt_begin_node(t->fdt, "isa"));
    text(t, "compatible", "isa");
    text(t, "device_type", "isa");
    number(t, "#address-cells", 2);
    number(t, "#size-cells", 1);
    flag(t, "ranges");
    for (unsigned i = 0; i < c->nr_serial; i++) {
        isa_device(t, "serial", "ns16550a", c->serial_ports[2 * i], 8, c->serial_ports[2 * i + 1]);
        number(t, "clock-frequency", UART_CLOCK);
        end(t);
    }
    if (c->has_rtc) {
        isa_device(t, "rtc", "motorola,mc146818", RTC_PORT, 2, RTC_IRQ);
        end(t);
    }
    end(t);
}

GByteArray *rh_microvm_dt_new(const RhMicrovmDt *c)
{
    GByteArray *out = g_byte_array_new();
    Tree t = { .ioapic = c->first_phandle ? c->first_phandle : 1 };

    g_byte_array_set_size(out, (guint)(ROOM + c->nr_cpus * ROOM_PER_CPU + strlen(c->cmdline)));
    t.fdt = out->data;
    must(fdt_create(t.fdt, (int)out->len));
    must(fdt_finish_reservemap(t.fdt));
    must(fdt_begin_node(t.fdt, ""));
    text(&t, "compatible", c->compatible ? c->compatible : "rhea,microvm");
    text(&t, "model", "microvm");
    number(&t, "#address-cells", ADDRESS_CELLS);
    number(&t, "#size-cells", SIZE_CELLS);
    number(&t, "interrupt-parent", t.ioapic);
    must(fdt_begin_node(t.fdt, "chosen"));
    text(&t, "bootargs", c->cmdline);
    end(&t);
    memory(&t, c);
    cpus(&t, c);
    interrupt_controllers(&t, c);
    transports(&t, c);
    isa(&t, c);
    end(&t);
    must(fdt_finish(t.fdt));
    g_byte_array_set_size(out, fdt_totalsize(t.fdt));
    return out;
}
