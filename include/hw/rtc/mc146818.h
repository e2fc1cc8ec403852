/*
 * Real-time clock with CMOS memory: what boards tell it and read from it.
 * Lock: the machine lock.
 */
#ifndef RH_HW_RTC_MC146818_H
#define RH_HW_RTC_MC146818_H

#include "hw/core/device.h"

#define RH_TYPE_MC146818_RTC "mc146818rtc"

enum { RH_RTC_CMOS_SIZE = 128 };

/** RhRtcClock - which clock drives the time of day (-rtc clock=) */
typedef enum RhRtcClock {
    RH_RTC_HOST,        /* the host's wall clock, with its adjustments */
    RH_RTC_RT,          /* the host's monotonic clock */
    RH_RTC_VM,          /* guest time: stops with the machine */
} RhRtcClock;

/** RhRtcConfig - the -rtc option; zero-filled is base=utc,clock=host */
typedef struct RhRtcConfig {
    RhRtcClock clock;
    bool is_localtime;      /* base=localtime */
    bool has_date;          /* base=DATE: start at start_s */
    int64_t start_s;        /* seconds since 1970-01-01 00:00:00 in the guest's time zone */
} RhRtcConfig;

/** rh_rtc_config_parse_base - base=utc, localtime or a date ("2006-06-17" or "2006-06-17T16:01:21") into @config */
bool rh_rtc_config_parse_base(RhRtcConfig *config, const char *base, GError **err);
/** rh_rtc_configure - before @rtc is realized; without it base=utc,clock=host */
void rh_rtc_configure(RhDevice *rtc, const RhRtcConfig *config);

/** rh_rtc_set_cmos/get_cmos - byte @at (14 to 127) of the CMOS memory; for boards, after realize; survives reset */
void rh_rtc_set_cmos(RhDevice *rtc, unsigned at, uint8_t value);
uint8_t rh_rtc_get_cmos(RhDevice *rtc, unsigned at);

#endif
