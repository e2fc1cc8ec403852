/*
 * EDID base block.
 */
#include "hw/display/edid.h"
#include "util/core.h"

enum { AT_VENDOR = 8, AT_PRODUCT = 10, AT_YEAR = 17, AT_VERSION = 18, AT_INPUT = 20, AT_CM = 21, AT_GAMMA = 23,
       AT_FEATURES = 24, AT_COLOURS = 25, AT_ESTABLISHED = 35, AT_STANDARD = 38, AT_DESCRIPTORS = 54, AT_CHECKSUM = 127 };
enum { DESCRIPTOR_SIZE = 18, NR_STANDARD = 8, TAG_RANGE = 0xfd, TAG_NAME = 0xfc, TAG_DUMMY = 0x10 };
enum { INPUT_DIGITAL = 0xa0 /* 8 bits a colour */, GAMMA_2_2 = 120, FEATURE_SRGB_PREFERRED = 0x06, YEAR_2020 = 30 };
enum { REFRESH_HZ = 60, DOTS_PER_INCH = 100 };
/* CVT reduced blanking, §3.4: pixels and lines; the vertical blank lasts 460 us at least */
enum { H_BLANK = 160, H_FRONT = 48, H_SYNC = 32, V_FRONT = 3, V_SYNC = 6, V_BLANK_MIN = 15, V_BLANK_US = 460 };

static unsigned millimetres(unsigned pixels)
{
    return pixels * 254 / (10 * DOTS_PER_INCH);
}

static unsigned vertical_blank(unsigned yres)
{
    unsigned visible_us = 1000000 / REFRESH_HZ - V_BLANK_US;

    return MAX(V_BLANK_US * yres / visible_us + 1, (unsigned)V_BLANK_MIN);
}

/* §3.10.2: low bytes, then the high bits of two numbers in one byte. */
static void detailed_timing(uint8_t *at, unsigned xres, unsigned yres)
{
    unsigned v_blank = vertical_blank(yres);
    uint64_t clock_hz = UINT64_C(1) * REFRESH_HZ * (xres + H_BLANK) * (yres + v_blank);
    unsigned x_mm = millimetres(xres), y_mm = millimetres(yres);

    rh_st16(at, (uint16_t)MIN(clock_hz / 10000, UINT16_MAX));
    at[2] = (uint8_t)xres;
    at[3] = (uint8_t)H_BLANK;
    at[4] = (uint8_t)((xres >> 8) << 4 | H_BLANK >> 8);
    at[5] = (uint8_t)yres;
    at[6] = (uint8_t)v_blank;
    at[7] = (uint8_t)((yres >> 8) << 4 | v_blank >> 8);
    at[8] = H_FRONT;
    at[9] = H_SYNC;
    at[10] = V_FRONT << 4 | V_SYNC;
    at[12] = (uint8_t)x_mm;
    at[13] = (uint8_t)y_mm;
    at[14] = (uint8_t)((x_mm >> 8) << 4 | y_mm >> 8);
    at[17] = 0x1a;              /* digital, separate syncs: horizontal positive, vertical negative (CVT-RB) */
}

/* §3.10.3.3: vertical 50 to 125 Hz, horizontal 30 to 160 kHz, clock up to 2550 MHz; no formula. */
static void range_limits(uint8_t *at)
{
    static const uint8_t limits[] = { 0, 0, 0, TAG_RANGE, 0, 50, 125, 30, 160, 255, 1, '\n', ' ', ' ', ' ', ' ', ' ', ' ' };

    memcpy(at, limits, sizeof(limits));
}

static void name(uint8_t *at, const char *text)
{
    memset(at, ' ', DESCRIPTOR_SIZE);
    memset(at, 0, 5);
    at[3] = TAG_NAME;
    memcpy(at + 5, text, strlen(text));
    at[5 + strlen(text)] = '\n';
}

static void established(const RhEdid *edid, uint8_t *at)
{
    static const struct { uint16_t x, y; uint8_t byte, bit; } modes[] = {
        { 640, 480, 0, 5 }, { 800, 600, 0, 0 }, { 1024, 768, 1, 3 },        /* at 60 Hz, §3.8 */
    };

    for (size_t i = 0; i < RH_COUNT(modes); i++) {
        if ((!edid->xmax || modes[i].x <= edid->xmax) && (!edid->ymax || modes[i].y <= edid->ymax)) {
            at[modes[i].byte] |= 1u << modes[i].bit;
        }
    }
}

void rh_edid_fill(const RhEdid *edid, uint8_t ret[RH_EDID_SIZE])
{
    static const uint8_t header[] = { 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0 };
    /* sRGB primaries and white, IEC 61966-2-1, as §3.7 has them */
    static const uint8_t colours[] = { 0xee, 0x91, 0xa3, 0x54, 0x4c, 0x99, 0x26, 0x0f, 0x50, 0x54 };
    unsigned xres = edid->xres ? edid->xres : RH_EDID_DEFAULT_X;
    unsigned yres = edid->yres ? edid->yres : RH_EDID_DEFAULT_Y;
    uint8_t *descriptors = ret + AT_DESCRIPTORS;
    uint8_t sum = 0;

    memset(ret, 0, RH_EDID_SIZE);
    memcpy(ret, header, sizeof(header));
    ret[AT_VENDOR] = 0x49;      /* "RHT": five bits a letter, §3.4.1 */
    ret[AT_VENDOR + 1] = 0x14;
    rh_st16(ret + AT_PRODUCT, 0x1234);
    ret[AT_YEAR] = YEAR_2020;
    ret[AT_VERSION] = 1;
    ret[AT_VERSION + 1] = 4;
    ret[AT_INPUT] = INPUT_DIGITAL;
    ret[AT_CM] = (uint8_t)MIN(millimetres(xres) / 10, 255u);
    ret[AT_CM + 1] = (uint8_t)MIN(millimetres(yres) / 10, 255u);
    ret[AT_GAMMA] = GAMMA_2_2;
    ret[AT_FEATURES] = FEATURE_SRGB_PREFERRED;
    memcpy(ret + AT_COLOURS, colours, sizeof(colours));
    established(edid, ret + AT_ESTABLISHED);
    memset(ret + AT_STANDARD, 1, 2 * NR_STANDARD);      /* none, §3.9 */
    detailed_timing(descriptors, xres, yres);
    range_limits(descriptors + DESCRIPTOR_SIZE);
    name(descriptors + 2 * DESCRIPTOR_SIZE, "QEMU Monitor");
    descriptors[3 * DESCRIPTOR_SIZE + 3] = TAG_DUMMY;
    for (unsigned i = 0; i < AT_CHECKSUM; i++) {
        sum = (uint8_t)(sum + ret[i]);
    }
    ret[AT_CHECKSUM] = (uint8_t)-sum;
}
