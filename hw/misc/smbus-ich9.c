/*
 * ICH9-SMB - the ICH9's SMBus host controller, device 00:1f.3.
 * Transactions finish as soon as they start; byte by byte, each byte waits for the driver. No packet error codes, no
 * SMBALERT, and the controller is not a target itself.
 * Spec: ICH9 datasheet (316972) §20.  Lock: machine lock (the default).
 */
#include "hw/misc/smbus.h"
#include "hw/pci/pci.h"

enum { CONFIG_HOST = 0x40 };    /* §20.1.16 */
#define CONFIG_HOST_ENABLE 0x01u
#define CONFIG_HOST_BITS   0x07u

enum {                          /* I/O, §20.2 */
    REG_STATUS   = 0x00,        /* W1C */
    REG_CONTROL  = 0x02,        /* RW   bit 6 starts; a read rewinds the block buffer */
    REG_COMMAND  = 0x03,
    REG_ADDRESS  = 0x04,        /* RW   bit 0: read */
    REG_DATA0    = 0x05,
    REG_DATA1    = 0x06,
    REG_BLOCK    = 0x07,
    REG_PEC      = 0x08,
    REG_AUX_STS  = 0x0c,        /* W1C */
    REG_AUX_CTL  = 0x0d,
    SPAN         = 64,
};
#define STATUS_BUSY      0x01u
#define STATUS_INTR      0x02u
#define STATUS_DEV_ERR   0x04u
#define STATUS_BUS_ERR   0x08u
#define STATUS_FAILED    0x10u
#define STATUS_IN_USE    0x40u  /* a semaphore of drivers: reads set it */
#define STATUS_BYTE_DONE 0x80u
#define STATUS_W1C       0xfeu
#define STATUS_IRQS      (STATUS_INTR | STATUS_DEV_ERR | STATUS_BUS_ERR | STATUS_FAILED | STATUS_BYTE_DONE)
#define CONTROL_IRQ      0x01u
#define CONTROL_KILL     0x02u
#define CONTROL_LAST     0x20u
#define CONTROL_START    0x40u
#define CONTROL_KEPT     0xbfu
#define AUX_CTL_BUFFER   0x02u
#define AUX_CTL_BITS     0x03u
enum { CMD_QUICK, CMD_BYTE, CMD_BYTE_DATA, CMD_WORD_DATA, CMD_PROCESS_CALL, CMD_BLOCK, CMD_I2C_READ, CMD_BLOCK_PROCESS };
enum { BLOCK_MAX = 32 };

typedef struct SmbusRegs {
    uint8_t status, control, command, address, data0, data1, pec, aux_status, aux_control;
    uint8_t block[BLOCK_MAX];
    uint8_t at;                 /* in block: the next of the buffer, or the byte under way; below BLOCK_MAX */
} SmbusRegs;

typedef struct Ich9Smbus {
    RhPciDevice parent;
    RhRegion ports;             /* wiring */
    RhBus *bus;
    SmbusRegs regs;
} Ich9Smbus;

static Ich9Smbus *smbus_of(RhDevice *dev)
{
    return (Ich9Smbus *)dev;
}

static void smbus_settle(RhDevice *dev)
{
    const SmbusRegs *regs = &smbus_of(dev)->regs;

    rh_pci_set_irq(RH_PCI_DEVICE_OF(dev), (regs->control & CONTROL_IRQ) && (regs->status & STATUS_IRQS));
}

static unsigned kind(const SmbusRegs *regs)
{
    return regs->control >> 2 & 7;
}

static bool is_read(const SmbusRegs *regs)
{
    return regs->address & 1 || kind(regs) == CMD_I2C_READ;
}

static RhDevice *target(const Ich9Smbus *smbus)
{
    return rh_smbus_find(smbus->bus, smbus->regs.address >> 1);
}

static void finish(SmbusRegs *regs, bool is_ok)
{
    regs->status = (regs->status & ~STATUS_BUSY) | (is_ok ? STATUS_INTR : STATUS_DEV_ERR);
}

/* --- blocks --- */

static bool write_block(Ich9Smbus *smbus, RhDevice *dev)
{
    const SmbusRegs *regs = &smbus->regs;
    uint8_t message[2 + BLOCK_MAX] = { regs->command, regs->data0 };

    if (!regs->data0 || regs->data0 > BLOCK_MAX) {
        return false;
    }
    memcpy(message + 2, regs->block, regs->data0);
    return rh_smbus_write(dev, message, 2u + regs->data0);
}

/* The first byte a block read yields is its length, §5.5.7 of SMBus 2.0. */
static bool read_block(Ich9Smbus *smbus, RhDevice *dev)
{
    SmbusRegs *regs = &smbus->regs;
    uint8_t count = rh_smbus_read(dev);

    if (!count || count > BLOCK_MAX) {
        return false;
    }
    regs->data0 = count;
    for (unsigned i = 0; i < count; i++) {
        regs->block[i] = rh_smbus_read(dev);
    }
    return true;
}

static bool start_block(Ich9Smbus *smbus, RhDevice *dev, bool *ret_waits)
{
    SmbusRegs *regs = &smbus->regs;
    bool has_buffer = regs->aux_control & AUX_CTL_BUFFER;

    *ret_waits = !has_buffer;
    regs->at = 0;
    if (!is_read(regs)) {
        return has_buffer ? write_block(smbus, dev) : regs->data0 && regs->data0 <= BLOCK_MAX;
    }
    return rh_smbus_write(dev, &regs->command, 1) && read_block(smbus, dev);
}

/* Bytes are counted by the driver: it marks the last one. Where to start is in DATA1, §20.2.3. */
static bool start_i2c_read(Ich9Smbus *smbus, RhDevice *dev)
{
    smbus->regs.at = 0;
    if (!rh_smbus_write(dev, &smbus->regs.data1, 1)) {
        return false;
    }
    smbus->regs.block[0] = rh_smbus_read(dev);
    return true;
}

/* The driver has dealt with a byte: the next, or the end. */
static void next_byte(Ich9Smbus *smbus)
{
    SmbusRegs *regs = &smbus->regs;
    RhDevice *dev = target(smbus);

    if (!dev) {
        finish(regs, false);
    } else if (kind(regs) == CMD_I2C_READ) {
        if (regs->control & CONTROL_LAST) {
            finish(regs, true);
            return;
        }
        regs->block[0] = rh_smbus_read(dev);
        regs->status |= STATUS_BYTE_DONE;
    } else if (regs->at + 1u < regs->data0 && regs->at + 1u < BLOCK_MAX) {
        regs->at++;
        regs->status |= STATUS_BYTE_DONE;
    } else {
        finish(regs, is_read(regs) || write_block(smbus, dev));
    }
}

/* --- transactions --- */

static bool transfer(Ich9Smbus *smbus, RhDevice *dev)
{
    SmbusRegs *regs = &smbus->regs;
    unsigned len = kind(regs) == CMD_WORD_DATA ? 2 : 1;
    uint8_t message[] = { regs->command, regs->data0, regs->data1 };

    switch (kind(regs)) {
    case CMD_QUICK:
        return true;
    case CMD_BYTE:
        if (!is_read(regs)) {
            return rh_smbus_write(dev, message, 1);
        }
        regs->data0 = rh_smbus_read(dev);
        return true;
    default:
        if (!is_read(regs)) {
            return rh_smbus_write(dev, message, 1 + len);
        }
        if (!rh_smbus_write(dev, message, 1)) {
            return false;
        }
        regs->data0 = rh_smbus_read(dev);
        regs->data1 = len == 2 ? rh_smbus_read(dev) : regs->data1;
        return true;
    }
}

static void start(Ich9Smbus *smbus)
{
    SmbusRegs *regs = &smbus->regs;
    RhDevice *dev = target(smbus);
    bool waits = false, is_ok = false;

    if (regs->status & STATUS_BUSY || !(rh_pci_config(&smbus->parent)[CONFIG_HOST] & CONFIG_HOST_ENABLE)) {
        return;
    }
    if (dev && kind(regs) <= CMD_WORD_DATA) {
        is_ok = transfer(smbus, dev);
    } else if (dev && kind(regs) == CMD_BLOCK) {
        is_ok = start_block(smbus, dev, &waits);
    } else if (dev && kind(regs) == CMD_I2C_READ) {
        is_ok = start_i2c_read(smbus, dev);
        waits = true;
    }                           /* no device here takes process calls */
    if (is_ok && waits) {
        regs->status |= STATUS_BUSY | STATUS_BYTE_DONE;
    } else {
        finish(regs, is_ok);
    }
}

/* --- registers --- */

static uint8_t *block_register(SmbusRegs *regs)
{
    uint8_t at = regs->at;

    if (regs->aux_control & AUX_CTL_BUFFER) {
        regs->at = (at + 1u) % BLOCK_MAX;
    } else if (kind(regs) == CMD_I2C_READ) {
        return &regs->block[0];
    } else if (!(regs->status & STATUS_BUSY)) {
        return &regs->block[0];                 /* the first byte of a block to come */
    } else if (!is_read(regs) && at + 1u < BLOCK_MAX) {
        return &regs->block[at + 1];            /* the next one, while this one is out */
    }
    return &regs->block[at];
}

static uint64_t smbus_read(RhDevice *dev, uint64_t at, unsigned size)
{
    SmbusRegs *regs = &smbus_of(dev)->regs;
    uint8_t status = regs->status;

    switch (at) {
    case REG_STATUS:
        regs->status |= STATUS_IN_USE;
        return status;
    case REG_CONTROL:
        regs->at = regs->status & STATUS_BUSY ? regs->at : 0;
        return regs->control;
    case REG_COMMAND: return regs->command;
    case REG_ADDRESS: return regs->address;
    case REG_DATA0:   return regs->data0;
    case REG_DATA1:   return regs->data1;
    case REG_BLOCK:   return *block_register(regs);
    case REG_PEC:     return regs->pec;
    case REG_AUX_STS: return regs->aux_status;
    case REG_AUX_CTL: return regs->aux_control;
    default:          return 0;
    }
}

static void write_status(Ich9Smbus *smbus, uint8_t value)
{
    SmbusRegs *regs = &smbus->regs;
    bool is_taken = value & regs->status & STATUS_BYTE_DONE;

    regs->status &= ~(value & STATUS_W1C);
    if (is_taken && regs->status & STATUS_BUSY) {
        next_byte(smbus);
    }
}

static void write_control(Ich9Smbus *smbus, uint8_t value)
{
    SmbusRegs *regs = &smbus->regs;

    regs->control = value & CONTROL_KEPT;
    if (value & CONTROL_KILL) {
        regs->status = (regs->status & ~(STATUS_BUSY | STATUS_BYTE_DONE)) | STATUS_FAILED;
    } else if (value & CONTROL_START) {
        start(smbus);
    }
}

static void smbus_write(RhDevice *dev, uint64_t at, uint64_t value, unsigned size)
{
    Ich9Smbus *smbus = smbus_of(dev);
    SmbusRegs *regs = &smbus->regs;

    switch (at) {
    case REG_STATUS:  write_status(smbus, value); break;
    case REG_CONTROL: write_control(smbus, value); break;
    case REG_COMMAND: regs->command = value; break;
    case REG_ADDRESS: regs->address = value; break;
    case REG_DATA0:   regs->data0 = value; break;
    case REG_DATA1:   regs->data1 = value; break;
    case REG_BLOCK:   *block_register(regs) = value; break;
    case REG_PEC:     regs->pec = value; break;
    case REG_AUX_STS: regs->aux_status &= ~value; break;
    case REG_AUX_CTL: regs->aux_control = value & AUX_CTL_BITS; break;
    default:          return;                   /* the target's side: not there */
    }
    smbus_settle(dev);
}

static bool smbus_realize(RhDevice *dev, GError **err)
{
    Ich9Smbus *smbus = smbus_of(dev);

    rh_pci_init16(&smbus->parent, RH_PCI_STATUS, RH_PCI_STATUS_FAST_BACK | RH_PCI_STATUS_DEVSEL_MEDIUM);
    rh_pci_writable8(&smbus->parent, CONFIG_HOST, CONFIG_HOST_BITS);
    rh_pci_set_pin(&smbus->parent, 1);
    rh_pci_add_bar(&smbus->parent, 4, &smbus->ports, RH_PCI_BAR_IO);
    smbus->bus = rh_bus_new(rh_device_vm(dev), RH_TYPE_SMBUS_BUS, dev, "i2c");
    return true;
}

static const RhRegionDesc smbus_regions[] = {
    RH_REGION(Ich9Smbus, ports, .span = SPAN, .sizes = RH_SIZE_1, .read = smbus_read, .write = smbus_write),
};
static const RhField smbus_fields[] = {
    RH_FIELD(SmbusRegs, status),
    RH_FIELD(SmbusRegs, control, .valid = CONTROL_KEPT),
    RH_FIELD(SmbusRegs, command),
    RH_FIELD(SmbusRegs, address),
    RH_FIELD(SmbusRegs, data0),
    RH_FIELD(SmbusRegs, data1),
    RH_FIELD(SmbusRegs, pec),
    RH_FIELD(SmbusRegs, aux_status),
    RH_FIELD(SmbusRegs, aux_control, .valid = AUX_CTL_BITS),
    RH_FIELD_BYTES(SmbusRegs, block),
    RH_FIELD(SmbusRegs, at, .max = BLOCK_MAX - 1),
};
static const SmbusRegs smbus_at_reset = { .status = 0 };

RH_PCI_DEVICE(Ich9Smbus,
    .name        = RH_TYPE_ICH9_SMBUS,
    .parent      = RH_TYPE_PCI_DEVICE,
    .doc         = "ICH9 SMBus host controller",
    .category    = "Controller/Bridge/Hub",
    .is_internal = true,
    .vendor_id   = RH_PCI_VENDOR_INTEL,
    .device_id   = 0x2930,
    .revision    = 0x02,
    .class_id    = 0x0c05,
    .regions     = RH_TABLE(smbus_regions),
    .state       = RH_STATE(Ich9Smbus, regs, smbus_at_reset, .version = 1, .fields = RH_TABLE(smbus_fields)),
    .realize     = smbus_realize,
    .settle      = smbus_settle);
