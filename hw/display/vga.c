/*
 * vga - registers of the VGA core: miscellaneous, sequencer, CRT controller, graphics and attribute controller, DAC.
 * Spec: IBM PS/2 Hardware Interface Technical Reference, "Video Subsystem", cited by register.  Lock: machine lock.
 */
#include "hw/display/vga.h"

/* Offsets from 0x3b0; CRTC, status 1 and feature control are at 0x3bx or 0x3dx as miscellaneous output bit 0 says. */
enum {
    PORT_ATTR = 0x10, PORT_ATTR_READ = 0x11, PORT_MISC = 0x12, PORT_SEQ_INDEX = 0x14, PORT_SEQ = 0x15,
    PORT_DAC_MASK = 0x16, PORT_DAC_READ = 0x17, PORT_DAC_WRITE = 0x18, PORT_DAC = 0x19, PORT_FEATURE_READ = 0x1a,
    PORT_MISC_READ = 0x1c, PORT_GR_INDEX = 0x1e, PORT_GR = 0x1f,
    PORT_MONO = 0x00, PORT_COLOR = 0x20,            /* and from these: */
    PORT_CRTC_INDEX = 0x04, PORT_CRTC = 0x05, PORT_STATUS = 0x0a,
};

#define MISC_COLOR       0x01
#define STATUS_DISABLED  0x01       /* horizontal or vertical blanking */
#define STATUS_RETRACE   0x08
#define ATTR_INDEX       0x1f
#define ATTR_SCREEN_ON   0x20
#define CRTC_PROTECT     0x11       /* bit 7: registers 0 to 7 are read-only */
#define CRTC_OVERFLOW    0x07

/* Bits that exist: the rest read as zero. */
static const uint8_t seq_mask[8] = { 0x03, 0x3d, 0x0f, 0x3f, 0x0e, 0, 0, 0xff };
static const uint8_t gr_mask[16] = { 0x0f, 0x0f, 0x0f, 0x1f, 0x03, 0x7b, 0x0f, 0x0f, 0xff };
static const uint8_t attr_mask[32] = {
    0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f,
    0xef, 0xff, 0x3f, 0x0f, 0x0f,
};

static void write_attr(RhVgaRegs *regs, uint8_t value)
{
    unsigned index = regs->attr_index & ATTR_INDEX;

    regs->attr_is_data ^= 1;
    if (regs->attr_is_data) {           /* that was the index */
        regs->attr_index = value & (ATTR_INDEX | ATTR_SCREEN_ON);
    } else if (index >= 16 || !(regs->attr_index & ATTR_SCREEN_ON)) {
        regs->attr[index] = value & attr_mask[index];   /* palette: only while the screen is off it */
    }
}

static void write_crtc(RhVgaRegs *regs, uint8_t value)
{
    uint8_t index = regs->crtc_index;

    if (index >= sizeof(regs->crtc)) {
        return;
    }
    if (index <= CRTC_OVERFLOW && (regs->crtc[CRTC_PROTECT] & 0x80)) {
        if (index == CRTC_OVERFLOW) {   /* its line compare bit is never protected */
            regs->crtc[index] = (regs->crtc[index] & ~0x10) | (value & 0x10);
        }
        return;
    }
    regs->crtc[index] = value;
}

static uint8_t read_dac(RhVgaRegs *regs)
{
    uint8_t value = regs->dac[regs->dac_read_index * 3 + regs->dac_part];

    if (++regs->dac_part == 3) {
        regs->dac_part = 0;
        regs->dac_read_index++;
    }
    return value;
}

static void write_dac(RhVgaRegs *regs, uint8_t value)
{
    regs->dac_latch[regs->dac_part] = value;
    if (++regs->dac_part == 3) {        /* a colour changes when its last part comes */
        memcpy(&regs->dac[regs->dac_write_index * 3], regs->dac_latch, 3);
        regs->dac_part = 0;
        regs->dac_write_index++;
    }
}

/* Guests wait for both edges of retrace; without a beam, each look sees the other. */
static uint8_t read_status(RhVgaRegs *regs)
{
    regs->attr_is_data = 0;
    regs->status ^= STATUS_DISABLED | STATUS_RETRACE;
    return regs->status;
}

/* @at from the live one of the two bases; other ports float. */
static uint8_t read_moving(RhVgaRegs *regs, unsigned at)
{
    switch (at) {
    case PORT_CRTC_INDEX: return regs->crtc_index;
    case PORT_CRTC:       return regs->crtc_index < sizeof(regs->crtc) ? regs->crtc[regs->crtc_index] : 0;
    case PORT_STATUS:     return read_status(regs);
    default:              return 0xff;
    }
}

static void write_moving(RhVgaRegs *regs, unsigned at, uint8_t value)
{
    switch (at) {
    case PORT_CRTC_INDEX: regs->crtc_index = value; break;
    case PORT_CRTC:       write_crtc(regs, value); break;
    case PORT_STATUS:     regs->feature = value & 0x10; break;
    default:              break;
    }
}

static unsigned live_base(const RhVgaRegs *regs)
{
    return regs->misc & MISC_COLOR ? PORT_COLOR : PORT_MONO;
}

static bool is_moving(unsigned at)
{
    return at < PORT_ATTR || at >= PORT_COLOR;
}

uint8_t rh_vga_port_read(RhVga *vga, unsigned at)
{
    RhVgaRegs *regs = &vga->regs;

    if (is_moving(at)) {
        return at - live_base(regs) < 0x10 ? read_moving(regs, at - live_base(regs)) : 0xff;
    }
    switch (at) {
    case PORT_ATTR:         return regs->attr_is_data ? 0 : regs->attr_index;
    case PORT_ATTR_READ:    return regs->attr[regs->attr_index & ATTR_INDEX];
    case PORT_MISC:         return 0x00;        /* input status 0: no switch sensed */
    case PORT_SEQ_INDEX:    return regs->seq_index;
    case PORT_SEQ:          return regs->seq[regs->seq_index & 7];
    case PORT_DAC_MASK:     return regs->dac_mask;
    case PORT_DAC_READ:     return regs->dac_is_reading ? 3 : 0;
    case PORT_DAC_WRITE:    return regs->dac_write_index;
    case PORT_DAC:          return read_dac(regs);
    case PORT_FEATURE_READ: return regs->feature;
    case PORT_MISC_READ:    return regs->misc;
    case PORT_GR_INDEX:     return regs->gr_index;
    case PORT_GR:           return regs->gr[regs->gr_index & 15];
    default:                return 0;
    }
}

static void set_dac_index(RhVgaRegs *regs, uint8_t index, bool is_reading)
{
    regs->dac_part = 0;
    regs->dac_is_reading = is_reading;
    *(is_reading ? &regs->dac_read_index : &regs->dac_write_index) = index;
}

void rh_vga_port_write(RhVga *vga, unsigned at, uint8_t value)
{
    RhVgaRegs *regs = &vga->regs;

    if (is_moving(at)) {
        if (at - live_base(regs) < 0x10) {
            write_moving(regs, at - live_base(regs), value);
        }
        return;
    }
    switch (at) {
    case PORT_ATTR:      write_attr(regs, value); break;
    case PORT_MISC:      regs->misc = value & ~0x10; break;
    case PORT_SEQ_INDEX: regs->seq_index = value & 7; break;
    case PORT_SEQ:       regs->seq[regs->seq_index] = value & seq_mask[regs->seq_index]; break;
    case PORT_DAC_MASK:  regs->dac_mask = value; break;
    case PORT_DAC_READ:  set_dac_index(regs, value, true); break;
    case PORT_DAC_WRITE: set_dac_index(regs, value, false); break;
    case PORT_DAC:       write_dac(regs, value); break;
    case PORT_GR_INDEX:  regs->gr_index = value & 15; break;
    case PORT_GR:        regs->gr[regs->gr_index] = value & gr_mask[regs->gr_index]; break;
    default:             break;
    }
}

/* --- life --- */

static void vga_release(RhDevice *dev, void *arg)
{
    RhVga *vga = arg;

    rh_region_fini(&vga->memory);
    g_clear_pointer(&vga->ram, rh_ram_unref);
}

bool rh_vga_attach(RhVga *vga, RhDevice *dev, uint32_t megabytes, GError **err)
{
    uint64_t size = UINT64_C(1) << 20;

    if (megabytes == 0 || megabytes > 512) {
        return rh_fail(err, "Property '%s.vgamem_mb' is %u, must be 1 to 512", dev->obj.type->name, megabytes);
    }
    while (size < (uint64_t)megabytes << 20) {
        size <<= 1;
    }
    vga->ram = rh_ram_new("vga.vram", size, NULL, err);
    if (!vga->ram) {
        return false;
    }
    rh_region_init_ram(&vga->memory, rh_device_vm(dev), "vga.vram", vga->ram, 0, size, false);
    rh_device_claim(dev, vga_release, vga);
    return true;
}

const RhVgaRegs rh_vga_at_reset = { .dac_mask = 0xff, .dispi = { 0xb0c5 } };

const RhField rh_vga_fields[RH_VGA_NR_FIELDS] = {
    RH_FIELD(RhVgaRegs, seq_index, .max = 7),
    RH_FIELD_BYTES(RhVgaRegs, seq),
    RH_FIELD(RhVgaRegs, crtc_index),
    RH_FIELD_BYTES(RhVgaRegs, crtc),
    RH_FIELD(RhVgaRegs, gr_index, .max = 15),
    RH_FIELD_BYTES(RhVgaRegs, gr),
    RH_FIELD(RhVgaRegs, attr_index, .valid = ATTR_INDEX | ATTR_SCREEN_ON),
    RH_FIELD_BYTES(RhVgaRegs, attr),
    RH_FIELD(RhVgaRegs, attr_is_data, .max = 1),
    RH_FIELD(RhVgaRegs, misc),
    RH_FIELD(RhVgaRegs, feature),
    RH_FIELD(RhVgaRegs, status),
    RH_FIELD(RhVgaRegs, dac_mask),
    RH_FIELD(RhVgaRegs, dac_is_reading, .max = 1),
    RH_FIELD(RhVgaRegs, dac_read_index),
    RH_FIELD(RhVgaRegs, dac_write_index),
    RH_FIELD(RhVgaRegs, dac_part, .max = 2),
    RH_FIELD_BYTES(RhVgaRegs, dac_latch),
    RH_FIELD_BYTES(RhVgaRegs, dac),
    RH_FIELD_BYTES(RhVgaRegs, latch),
    RH_FIELD(RhVgaRegs, dispi_index),
    RH_FIELD_ARRAY(RhVgaRegs, dispi),
};
