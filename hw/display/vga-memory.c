/*
 * Video memory as the VGA window shows it: planes, chain-4, odd/even, write modes, banks of the Bochs extensions.
 * Plane p of byte n is byte 4n + p of the memory.
 * Spec: IBM PS/2 Hardware Interface Technical Reference, "Video Subsystem": "Graphics Controller Registers", "Sequencer
 * Registers"; Bochs VBE DISPI interface.  Lock: machine lock.
 */
#include "hw/display/vga.h"

#define SEQ_MAP_MASK  2
#define SEQ_MODE      4
#define SEQ_CHAIN4    0x08
#define SEQ_NOT_ODD_EVEN 0x04

enum { GR_SET_RESET, GR_ENABLE_SR, GR_COMPARE, GR_ROTATE, GR_READ_MAP, GR_MODE, GR_MISC, GR_DONT_CARE, GR_BIT_MASK };
#define MODE_READ_COMPARE 0x08
#define MODE_ODD_EVEN     0x10

enum { DISPI_ID, DISPI_XRES, DISPI_YRES, DISPI_BPP, DISPI_ENABLE, DISPI_BANK, DISPI_VIRT_WIDTH, DISPI_VIRT_HEIGHT,
       DISPI_X_OFFSET, DISPI_Y_OFFSET, DISPI_MEMORY };
#define DISPI_ENABLED  0x01
#define DISPI_GETCAPS  0x02
#define DISPI_NOCLEAR  0x80
#define DISPI_ID_MIN   0xb0c0
#define DISPI_ID_MAX   0xb0c5
enum { MAX_XRES = 16000, MAX_YRES = 12000, MAX_BPP = 32 };

/* Offset in the plane (or, linear, in memory); false when the window does not show @at. */
static bool window_offset(const RhVga *vga, uint32_t at, uint32_t *ret)
{
    static const struct { uint32_t start, len; } maps[] = {     /* graphics register 6, bits 2 and 3 */
        { 0, 0x20000 }, { 0, 0x10000 }, { 0x10000, 0x8000 }, { 0x18000, 0x8000 },
    };
    unsigned map = vga->regs.gr[GR_MISC] >> 2 & 3;

    if (at < maps[map].start || at - maps[map].start >= maps[map].len) {
        return false;
    }
    *ret = at - maps[map].start + (map == 1 ? (uint32_t)vga->regs.dispi[DISPI_BANK] << 16 : 0);
    return true;
}

static bool is_chained(const RhVgaRegs *regs)
{
    return regs->seq[SEQ_MODE] & SEQ_CHAIN4;
}

static uint8_t *plane_byte(RhVga *vga, uint32_t offset, unsigned plane)
{
    uint64_t at = (uint64_t)offset * 4 + plane;

    return at < vga->ram->size ? vga->ram->host + at : NULL;
}

/* Planes that a byte at @offset means in odd/even mode: the low address bit chooses. */
static bool is_odd_even(const RhVgaRegs *regs)
{
    return !(regs->seq[SEQ_MODE] & SEQ_NOT_ODD_EVEN);
}

static uint8_t read_planes(RhVga *vga, uint32_t offset)
{
    RhVgaRegs *regs = &vga->regs;
    unsigned plane = regs->gr[GR_READ_MAP];
    uint8_t differs = 0;

    if (regs->gr[GR_MODE] & MODE_ODD_EVEN) {
        plane = (plane & 2) | (offset & 1);
        offset &= ~1u;
    }
    for (unsigned i = 0; i < 4; i++) {
        const uint8_t *byte = plane_byte(vga, offset, i);

        regs->latch[i] = byte ? *byte : 0xff;
        if (regs->gr[GR_DONT_CARE] >> i & 1) {
            differs |= regs->latch[i] ^ (regs->gr[GR_COMPARE] >> i & 1 ? 0xff : 0);
        }
    }
    return regs->gr[GR_MODE] & MODE_READ_COMPARE ? ~differs : regs->latch[plane];
}

uint8_t rh_vga_window_read(RhVga *vga, uint32_t at)
{
    uint32_t offset;

    if (!window_offset(vga, at, &offset)) {
        return 0xff;
    }
    if (is_chained(&vga->regs)) {
        return offset < vga->ram->size ? vga->ram->host[offset] : 0xff;
    }
    return read_planes(vga, offset);
}

static uint8_t rotate(const RhVgaRegs *regs, uint8_t value)
{
    unsigned by = regs->gr[GR_ROTATE] & 7;

    return value >> by | value << (8 - by);
}

static uint8_t combine(const RhVgaRegs *regs, uint8_t value, uint8_t latch)
{
    switch (regs->gr[GR_ROTATE] >> 3) {
    case 1:  return value & latch;
    case 2:  return value | latch;
    case 3:  return value ^ latch;
    default: return value;
    }
}

/* What write mode, set/reset, function and bit mask make of @value for @plane. */
static uint8_t write_value(const RhVgaRegs *regs, uint8_t value, unsigned plane)
{
    uint8_t latch = regs->latch[plane];
    uint8_t set = regs->gr[GR_SET_RESET] >> plane & 1 ? 0xff : 0;
    uint8_t mask = regs->gr[GR_BIT_MASK];
    uint8_t data;

    switch (regs->gr[GR_MODE] & 3) {
    case 1:
        return latch;
    case 2:
        data = value >> plane & 1 ? 0xff : 0;
        break;
    case 3:
        data = set;
        mask &= rotate(regs, value);
        break;
    default:
        data = regs->gr[GR_ENABLE_SR] >> plane & 1 ? set : rotate(regs, value);
    }
    return (combine(regs, data, latch) & mask) | (latch & ~mask);
}

static void write_planes(RhVga *vga, uint32_t offset, uint8_t value)
{
    const RhVgaRegs *regs = &vga->regs;
    uint8_t planes = regs->seq[SEQ_MAP_MASK];

    if (is_odd_even(regs)) {
        planes &= offset & 1 ? 0x0a : 0x05;
        offset &= ~1u;
    }
    for (unsigned i = 0; i < 4; i++) {
        uint8_t *byte = planes >> i & 1 ? plane_byte(vga, offset, i) : NULL;

        if (byte) {
            *byte = write_value(regs, value, i);
        }
    }
}

void rh_vga_window_write(RhVga *vga, uint32_t at, uint8_t value)
{
    uint32_t offset;

    if (!window_offset(vga, at, &offset)) {
        return;
    }
    if (!is_chained(&vga->regs)) {
        write_planes(vga, offset, value);
    } else if (offset < vga->ram->size && (vga->regs.seq[SEQ_MAP_MASK] >> (offset & 3) & 1)) {
        vga->ram->host[offset] = value;
    }
}

/* --- Bochs extensions --- */

uint16_t rh_vga_dispi_read(const RhVga *vga, unsigned index)
{
    static const uint16_t most[] = { [DISPI_XRES] = MAX_XRES, [DISPI_YRES] = MAX_YRES, [DISPI_BPP] = MAX_BPP };

    if (index == DISPI_MEMORY) {
        return vga->ram->size >> 16;    /* in 64 KiB */
    }
    if (index >= DISPI_XRES && index <= DISPI_BPP && (vga->regs.dispi[DISPI_ENABLE] & DISPI_GETCAPS)) {
        return most[index];
    }
    return index < RH_VGA_NR_DISPI ? vga->regs.dispi[index] : 0;
}

static uint64_t line_bytes(const RhVgaRegs *regs)
{
    unsigned bits = regs->dispi[DISPI_BPP] == 15 ? 16 : regs->dispi[DISPI_BPP];

    return (uint64_t)regs->dispi[DISPI_VIRT_WIDTH] * bits / 8;
}

/* Keep what the frame buffer shows inside the memory; the width gives way, then the resolution. */
static void fit(RhVga *vga)
{
    uint16_t *dispi = vga->regs.dispi;
    uint64_t bytes;

    dispi[DISPI_VIRT_WIDTH] = MAX(dispi[DISPI_VIRT_WIDTH], dispi[DISPI_XRES]);
    bytes = line_bytes(&vga->regs);
    if (bytes * dispi[DISPI_YRES] > vga->ram->size) {
        dispi[DISPI_VIRT_WIDTH] = dispi[DISPI_XRES];
        bytes = line_bytes(&vga->regs);
    }
    if (bytes && bytes * dispi[DISPI_YRES] > vga->ram->size) {
        dispi[DISPI_YRES] = vga->ram->size / bytes;
    }
    dispi[DISPI_VIRT_HEIGHT] = bytes ? MIN(vga->ram->size / bytes, UINT16_MAX) : 0;
    dispi[DISPI_X_OFFSET] = MIN(dispi[DISPI_X_OFFSET], dispi[DISPI_VIRT_WIDTH] - dispi[DISPI_XRES]);
    dispi[DISPI_Y_OFFSET] = MIN(dispi[DISPI_Y_OFFSET], MAX(dispi[DISPI_VIRT_HEIGHT] - dispi[DISPI_YRES], 0));
}

static void write_enable(RhVga *vga, uint16_t value)
{
    RhVgaRegs *regs = &vga->regs;
    bool was_on = regs->dispi[DISPI_ENABLE] & DISPI_ENABLED;

    regs->dispi[DISPI_ENABLE] = value;
    regs->dispi[DISPI_BANK] = 0;
    if (!(value & DISPI_ENABLED) || was_on) {
        return;
    }
    regs->dispi[DISPI_VIRT_WIDTH] = regs->dispi[DISPI_XRES];
    regs->dispi[DISPI_X_OFFSET] = regs->dispi[DISPI_Y_OFFSET] = 0;
    fit(vga);
    if (!(value & DISPI_NOCLEAR)) {
        memset(vga->ram->host, 0, MIN(line_bytes(regs) * regs->dispi[DISPI_YRES], vga->ram->size));
    }
    /* the window shows chained memory, as in 256-colour modes */
    regs->seq[SEQ_MODE] |= SEQ_CHAIN4 | SEQ_NOT_ODD_EVEN;
    regs->seq[SEQ_MAP_MASK] = 0x0f;
    regs->gr[GR_MISC] = (regs->gr[GR_MISC] & ~0x0c) | 0x05;
}

static bool is_depth(uint16_t bpp)
{
    return bpp == 4 || bpp == 8 || bpp == 15 || bpp == 16 || bpp == 24 || bpp == 32;
}

void rh_vga_dispi_write(RhVga *vga, unsigned index, uint16_t value)
{
    uint16_t *dispi = vga->regs.dispi;

    switch (index) {
    case DISPI_ID:
        if (value >= DISPI_ID_MIN && value <= DISPI_ID_MAX) {
            dispi[index] = value;
        }
        break;
    case DISPI_XRES:
        dispi[index] = value <= MAX_XRES ? value & ~7 : dispi[index];
        break;
    case DISPI_YRES:
        dispi[index] = value <= MAX_YRES ? value : dispi[index];
        break;
    case DISPI_BPP:
        dispi[index] = is_depth(value) ? value : value == 0 ? 8 : dispi[index];
        break;
    case DISPI_BANK:
        dispi[index] = value < vga->ram->size >> 16 ? value : dispi[index];
        break;
    case DISPI_ENABLE:
        write_enable(vga, value);
        break;
    case DISPI_VIRT_WIDTH:
    case DISPI_X_OFFSET:
    case DISPI_Y_OFFSET:
        dispi[index] = value;
        fit(vga);
        break;
    default:
        break;
    }
}

/* --- text --- */

char *rh_vga_text(const RhVga *vga)
{
    const RhVgaRegs *regs = &vga->regs;
    unsigned columns = regs->crtc[0x01] + 1;
    unsigned char_height = (regs->crtc[0x09] & 0x1f) + 1;
    unsigned height = (regs->crtc[0x12] | (regs->crtc[0x07] & 0x02) << 7 | (regs->crtc[0x07] & 0x40) << 3) + 1;
    unsigned pitch = regs->crtc[0x13] * 2;
    unsigned start = regs->crtc[0x0c] << 8 | regs->crtc[0x0d];
    g_autoptr(GString) text = g_string_new(NULL);

    if ((regs->gr[GR_MISC] & 1) || (regs->dispi[DISPI_ENABLE] & DISPI_ENABLED)) {
        return NULL;
    }
    for (unsigned row = 0; row < height / char_height; row++) {
        for (unsigned column = 0; column < columns; column++) {
            /* odd/even: the character of cell n is at byte 2n of plane 0 */
            const uint8_t *byte = plane_byte((RhVga *)vga, 2 * ((start + row * pitch + column) & 0x3fff), 0);

            g_string_append_c(text, byte && g_ascii_isprint(*byte) ? *byte : ' ');
        }
        g_string_append_c(text, '\n');
    }
    return g_string_free(g_steal_pointer(&text), FALSE);
}
