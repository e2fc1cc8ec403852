/*
 * EDID: what a monitor tells of itself. One base block.
 * Spec: VESA E-EDID 1.4 (release A, revision 2); timing: VESA CVT 1.1, reduced blanking.
 */
#ifndef RH_HW_DISPLAY_EDID_H
#define RH_HW_DISPLAY_EDID_H

#include <stdint.h>

enum { RH_EDID_SIZE = 128, RH_EDID_MAX_RES = 4095, RH_EDID_DEFAULT_X = 1280, RH_EDID_DEFAULT_Y = 800 };

/** RhEdid - pixels; 0 for the default size, and for no limit */
typedef struct RhEdid {
    uint32_t xres, yres;        /* preferred, at most RH_EDID_MAX_RES */
    uint32_t xmax, ymax;        /* no mode larger than these is told of, but for the preferred one */
} RhEdid;

void rh_edid_fill(const RhEdid *edid, uint8_t ret[RH_EDID_SIZE]);

#endif
