/*
 * Interpreter: shifts, rotates, bit tests and scans, BMI1 and BMI2. All are computed by the host's CPU, which
 * masks counts and leaves flags alone for a count of 0 as the guest's does.
 */
#include "target/i386/tcg/interp-compute.h"

/* value, count */
RH_ON_ALL(rh_shift_rol, "rol %b[b], %[d]", "c")
RH_ON_ALL(rh_shift_ror, "ror %b[b], %[d]", "c")
RH_ON_ALL(rh_shift_rcl, "rcl %b[b], %[d]", "c")
RH_ON_ALL(rh_shift_rcr, "rcr %b[b], %[d]", "c")
RH_ON_ALL(rh_shift_shl, "shl %b[b], %[d]", "c")
RH_ON_ALL(rh_shift_shr, "shr %b[b], %[d]", "c")
RH_ON_ALL(rh_shift_sar, "sar %b[b], %[d]", "c")

/* value, bits that come in, count */
RH_ON_WORDS(rh_shift_shld, "shld %b[c], %[b], %[d]", "c")
RH_ON_WORDS(rh_shift_shrd, "shrd %b[c], %[b], %[d]", "c")

/* value, bit number: taken modulo the width */
RH_ON_WORDS(rh_bit_bt, "bt %[b], %[d]", "r")
RH_ON_WORDS(rh_bit_bts, "bts %[b], %[d]", "r")
RH_ON_WORDS(rh_bit_btr, "btr %[b], %[d]", "r")
RH_ON_WORDS(rh_bit_btc, "btc %[b], %[d]", "r")

/* old destination, source */
RH_ON_WORDS(rh_bit_bsf, "bsf %[b], %[d]", "r")
RH_ON_WORDS(rh_bit_bsr, "bsr %[b], %[d]", "r")
RH_ON_WORDS(rh_bit_tzcnt, "tzcnt %[b], %[d]", "r")
RH_ON_WORDS(rh_bit_lzcnt, "lzcnt %[b], %[d]", "r")
RH_ON_WORDS(rh_bit_popcnt, "popcnt %[b], %[d]", "r")
RH_ON_LONG(rh_bmi_blsi, "blsi %[b], %[d]")
RH_ON_LONG(rh_bmi_blsmsk, "blsmsk %[b], %[d]")
RH_ON_LONG(rh_bmi_blsr, "blsr %[b], %[d]")

/* old destination, first source, second source */
RH_ON_LONG(rh_bmi_andn, "andn %[c], %[b], %[d]")
RH_ON_LONG(rh_bmi_bextr, "bextr %[c], %[b], %[d]")
RH_ON_LONG(rh_bmi_bzhi, "bzhi %[c], %[b], %[d]")
RH_ON_LONG(rh_bmi_pdep, "pdep %[c], %[b], %[d]")
RH_ON_LONG(rh_bmi_pext, "pext %[c], %[b], %[d]")
RH_ON_LONG(rh_bmi_sarx, "sarx %[c], %[b], %[d]")
RH_ON_LONG(rh_bmi_shlx, "shlx %[c], %[b], %[d]")
RH_ON_LONG(rh_bmi_shrx, "shrx %[c], %[b], %[d]")

static uint64_t rorx_4(uint64_t a, uint64_t b, uint64_t c, uint32_t *flags)
{
    unsigned count = c & 31;

    return (uint32_t)b >> count | (uint32_t)(b << (-count & 31));
}

static uint64_t rorx_8(uint64_t a, uint64_t b, uint64_t c, uint32_t *flags)
{
    unsigned count = c & 63;

    return b >> count | b << (-count & 63);
}
RhWidths rh_bmi_rorx = { NULL, NULL, rorx_4, rorx_8 };
