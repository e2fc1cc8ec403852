/*
 * VGA core with Bochs display extensions: registers and memory, without bus and without picture. A front-end embeds an
 * RhVga, sets it up in realize, and passes accesses on.
 * Spec: IBM VGA reference (PS/2 Hardware Interface Technical Reference, "Video Subsystem"); Bochs VBE DISPI interface.
 * Lock: the machine lock.
 */
#ifndef RH_HW_DISPLAY_VGA_H
#define RH_HW_DISPLAY_VGA_H

#include "hw/core/device.h"
#include "softmmu/ram.h"

enum {
    RH_VGA_PORT_BASE = 0x3b0, RH_VGA_PORT_SPAN = 0x30,
    RH_VGA_WINDOW_BASE = 0xa0000, RH_VGA_WINDOW_SPAN = 0x20000,
    RH_VGA_DISPI_PORT = 0x1ce, RH_VGA_DISPI_SPAN = 3,
    RH_VGA_NR_DISPI = 11, RH_VGA_NR_FIELDS = 22,
};

typedef struct RhVgaRegs {
    uint8_t seq_index, seq[8];
    uint8_t crtc_index, crtc[32];
    uint8_t gr_index, gr[16];
    uint8_t attr_index, attr[32];
    uint8_t attr_is_data;       /* the next write to 0x3c0 is data */
    uint8_t misc;
    uint8_t feature;
    uint8_t status;             /* toggles of input status 1 */
    uint8_t dac_mask;
    uint8_t dac_is_reading;
    uint8_t dac_read_index;
    uint8_t dac_write_index;
    uint8_t dac_part;
    uint8_t dac_latch[3];
    uint8_t dac[256 * 3];
    uint8_t latch[4];           /* one byte of each plane */
    uint16_t dispi_index;
    uint16_t dispi[RH_VGA_NR_DISPI];
} RhVgaRegs;

typedef struct RhVga {
    RhVgaRegs regs;
    RhRam *ram;                 /* video memory */
    RhRegion memory;            /* all of it, for a linear frame buffer */
} RhVga;

extern const RhVgaRegs rh_vga_at_reset;
extern const RhField rh_vga_fields[RH_VGA_NR_FIELDS];
#define RH_VGA_STATE(T, m)                                                                         \
    RH_STATE(T, m.regs, rh_vga_at_reset, .version = 1, .fields = RH_TABLE(rh_vga_fields))

/** rh_vga_attach - from realize: make @megabytes (1 to 512, rounded up to a power of two) of video memory until unrealize */
bool rh_vga_attach(RhVga *vga, RhDevice *dev, uint32_t megabytes, GError **err);

/* Ports 0x3b0 to 0x3df: @at from RH_VGA_PORT_BASE */
uint8_t rh_vga_port_read(RhVga *vga, unsigned at);
void rh_vga_port_write(RhVga *vga, unsigned at, uint8_t value);
/* The 128 KiB window at 0xa0000 */
uint8_t rh_vga_window_read(RhVga *vga, uint32_t at);
void rh_vga_window_write(RhVga *vga, uint32_t at, uint8_t value);
/* Bochs display registers */
uint16_t rh_vga_dispi_read(const RhVga *vga, unsigned index);
void rh_vga_dispi_write(RhVga *vga, unsigned index, uint16_t value);

/** rh_vga_text - the characters of a text mode, line by line, for tests; NULL in graphics modes; g_free it */
char *rh_vga_text(const RhVga *vga);

#endif
