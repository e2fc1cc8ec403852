/*
 * edu - educational PCI device: factorials, DMA, interrupts by pin or message
 * Spec: the published register description of the "edu" device (1234:11e8).  Lock: machine lock.
 */
#include "hw/pci/pci.h"

enum {                          /* BAR 0 */
    REG_ID        = 0x00,       /* RO   0x010000ed */
    REG_LIVENESS  = 0x04,       /* RW   reads back inverted */
    REG_FACTORIAL = 0x08,       /* RW   n becomes n! */
    REG_STATUS    = 0x20,       /* RW   bit 0 computing (RO), bit 7 interrupt when done */
    REG_IRQ       = 0x24,       /* RO   pending interrupts */
    REG_RAISE     = 0x60,       /* WO   bits to raise */
    REG_ACK       = 0x64,       /* WO   bits to clear */
    REG_DMA_SRC   = 0x80,
    REG_DMA_DST   = 0x88,
    REG_DMA_COUNT = 0x90,
    REG_DMA_CMD   = 0x98,       /* RW   bit 0 start, bit 1 from device, bit 2 interrupt when done */
    SPAN          = 0x100000,
};
#define ID_VALUE         0x010000edu
#define STATUS_COMPUTING 0x01u
#define STATUS_IRQ       0x80u
#define IRQ_FACTORIAL    0x001u
#define IRQ_DMA          0x100u
#define DMA_RUN          0x1u
#define DMA_TO_GUEST     0x2u
#define DMA_IRQ          0x4u
#define DMA_CMD_BITS     0x7u
#define BUFFER_AT        0x40000u
enum { BUFFER_SIZE = 4096, DMA_DELAY_NS = 100 * 1000 * 1000 };

typedef struct EduRegs {
    uint32_t liveness;
    uint32_t factorial;
    uint32_t status;
    uint32_t irq;
    uint64_t dma_src;
    uint64_t dma_dst;
    uint64_t dma_count;
    uint64_t dma_cmd;
    int64_t dma_due_ns;         /* when the running transfer ends */
    uint8_t buffer[BUFFER_SIZE];
} EduRegs;

typedef struct Edu {
    RhPciDevice parent;
    uint64_t dma_mask;
    RhRegion mmio;
    RhTimer dma_timer;
    EduRegs regs;
} Edu;

static Edu *edu_of(RhDevice *d)
{
    return (Edu *)d;
}

static void edu_settle(RhDevice *d)
{
    Edu *edu = edu_of(d);

    rh_pci_interrupt(&edu->parent, edu->regs.irq != 0);
    if (edu->regs.dma_cmd & DMA_RUN) {
        rh_timer_arm(&edu->dma_timer, edu->regs.dma_due_ns);
    } else {
        rh_timer_cancel(&edu->dma_timer);
    }
}

static void raise_irq(Edu *edu, uint32_t bits)
{
    edu->regs.irq |= bits;
    edu_settle(&edu->parent.parent);
}

static void transfer(Edu *edu)
{
    EduRegs *regs = &edu->regs;
    bool to_guest = regs->dma_cmd & DMA_TO_GUEST;
    uint64_t inside = (to_guest ? regs->dma_src : regs->dma_dst) - BUFFER_AT;
    uint64_t outside = (to_guest ? regs->dma_dst : regs->dma_src) & edu->dma_mask;

    if (!rh_range_ok(inside, regs->dma_count, BUFFER_SIZE)) {
        rh_guest_error(&edu->parent.parent, "DMA of %" PRIu64 " bytes is outside the buffer", regs->dma_count);
        return;
    }
    if (to_guest) {
        rh_dma_write(edu->parent.dma, outside, regs->buffer + inside, regs->dma_count);
    } else {
        rh_dma_read(edu->parent.dma, outside, regs->buffer + inside, regs->dma_count);
    }
}

static void dma_done(void *opaque)
{
    Edu *edu = opaque;

    transfer(edu);
    edu->regs.dma_cmd &= ~(uint64_t)DMA_RUN;
    raise_irq(edu, edu->regs.dma_cmd & DMA_IRQ ? IRQ_DMA : 0);
}

static uint32_t factorial(uint32_t n)
{
    uint32_t product = 1;

    /* 34! is a multiple of 2^32, and so is every later one. */
    for (uint32_t i = 2; i <= n && product; i++) {
        product *= i;
    }
    return product;
}

static uint64_t *wide_register(EduRegs *regs, uint64_t at)
{
    switch (at) {
    case REG_DMA_SRC:   return &regs->dma_src;
    case REG_DMA_DST:   return &regs->dma_dst;
    case REG_DMA_COUNT: return &regs->dma_count;
    case REG_DMA_CMD:   return &regs->dma_cmd;
    default:            return NULL;
    }
}

static uint64_t edu_read(RhDevice *d, uint64_t at, unsigned size)
{
    EduRegs *regs = &edu_of(d)->regs;
    const uint64_t *wide = wide_register(regs, at);

    if (at < REG_DMA_SRC && size != 4) {
        return UINT64_MAX;
    }
    switch (at) {
    case REG_ID:        return ID_VALUE;
    case REG_LIVENESS:  return regs->liveness;
    case REG_FACTORIAL: return regs->factorial;
    case REG_STATUS:    return regs->status;
    case REG_IRQ:       return regs->irq;
    default:            return wide ? *wide : UINT64_MAX;
    }
}

static void write_wide(Edu *edu, uint64_t at, uint64_t value)
{
    if (edu->regs.dma_cmd & DMA_RUN) {
        return;                                 /* locked while a transfer runs */
    }
    if (at != REG_DMA_CMD) {
        *wide_register(&edu->regs, at) = value;
        return;
    }
    edu->regs.dma_cmd = value & DMA_CMD_BITS;
    edu->regs.dma_due_ns = rh_clock_now(rh_device_vm(&edu->parent.parent)->clock) + DMA_DELAY_NS;
    edu_settle(&edu->parent.parent);
}

static void edu_write(RhDevice *d, uint64_t at, uint64_t value, unsigned size)
{
    Edu *edu = edu_of(d);

    if (wide_register(&edu->regs, at)) {
        write_wide(edu, at, value);
        return;
    }
    if (size != 4) {
        return;
    }
    switch (at) {
    case REG_LIVENESS:
        edu->regs.liveness = ~value;
        break;
    case REG_FACTORIAL:
        edu->regs.factorial = factorial(value);
        raise_irq(edu, edu->regs.status & STATUS_IRQ ? IRQ_FACTORIAL : 0);
        break;
    case REG_STATUS:
        edu->regs.status = value & STATUS_IRQ;
        break;
    case REG_RAISE:
        raise_irq(edu, value);
        break;
    case REG_ACK:
        edu->regs.irq &= ~value;
        edu_settle(d);
        break;
    default:
        rh_guest_error(d, "write to register 0x%" PRIx64 ", which is read-only or none", at);
    }
}

static void edu_unrealize(RhDevice *d)
{
    rh_timer_fini(&edu_of(d)->dma_timer);
}

static bool edu_realize(RhDevice *d, GError **err)
{
    Edu *edu = edu_of(d);
    RhVm *vm = rh_device_vm(d);

    rh_pci_set_pin(&edu->parent, 1);
    if (!rh_pci_add_msi(&edu->parent, 0x40, 1, true, false, err)) {
        return false;
    }
    rh_pci_add_bar(&edu->parent, 0, &edu->mmio, RH_PCI_BAR_MEM32);
    rh_timer_init(&edu->dma_timer, vm->clock, vm->loop, dma_done, edu);
    return true;
}

static const RhProp edu_props[] = {
    RH_PROP("dma_mask", Edu, dma_mask, .def = 0x0fffffff, .doc = "address bits of DMA"),
};
static const RhRegionDesc edu_regions[] = {
    RH_REGION(Edu, mmio, .span = SPAN, .read = edu_read, .write = edu_write, .sizes = RH_SIZE_4 | RH_SIZE_8,
              .valid = RH_SIZE_4 | RH_SIZE_8),
};
static const RhField edu_fields[] = {
    RH_FIELD(EduRegs, liveness),
    RH_FIELD(EduRegs, factorial),
    RH_FIELD(EduRegs, status, .valid = STATUS_IRQ),
    RH_FIELD(EduRegs, irq),
    RH_FIELD(EduRegs, dma_src),
    RH_FIELD(EduRegs, dma_dst),
    RH_FIELD(EduRegs, dma_count),
    RH_FIELD(EduRegs, dma_cmd, .valid = DMA_CMD_BITS),
    RH_FIELD(EduRegs, dma_due_ns, .max = INT64_MAX),
    RH_FIELD_BYTES(EduRegs, buffer),
};
static const EduRegs edu_at_reset = { .liveness = 0 };

RH_PCI_DEVICE(Edu,
    .name      = "edu",
    .parent    = RH_TYPE_PCI_DEVICE,
    .doc       = "Educational PCI device",
    .vendor_id = 0x1234,
    .device_id = 0x11e8,
    .revision  = 0x10,
    .class_id  = 0x00ff,
    .props     = RH_TABLE(edu_props),
    .regions   = RH_TABLE(edu_regions),
    .state     = RH_STATE(Edu, regs, edu_at_reset, .version = 1, .fields = RH_TABLE(edu_fields)),
    .realize   = edu_realize,
    .unrealize = edu_unrealize,
    .settle    = edu_settle);
