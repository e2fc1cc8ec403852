/*
 * The RTC's time bytes (binary or BCD, 12 or 24 hours, alarm with "don't care" codes) and seconds since 1970.
 * Spec: MC146818A data sheet, "Time, Calendar and Alarm Locations". Pure functions.
 */
#ifndef RH_HW_RTC_RTC_TIME_H
#define RH_HW_RTC_RTC_TIME_H

#include <stdbool.h>
#include <stdint.h>

enum {
    RH_RTC_SECONDS = 0x00, RH_RTC_SECONDS_ALARM = 0x01,
    RH_RTC_MINUTES = 0x02, RH_RTC_MINUTES_ALARM = 0x03,
    RH_RTC_HOURS = 0x04,   RH_RTC_HOURS_ALARM = 0x05,
    RH_RTC_WEEKDAY = 0x06, RH_RTC_DAY = 0x07, RH_RTC_MONTH = 0x08, RH_RTC_YEAR = 0x09,
    RH_RTC_A = 0x0a, RH_RTC_B = 0x0b, RH_RTC_C = 0x0c, RH_RTC_D = 0x0d,
    RH_RTC_CENTURY = 0x32,
};

/** rh_rtc_is_time - whether byte @at shows the running time of day */
bool rh_rtc_is_time(unsigned at);
/** rh_rtc_from_seconds - fill the time bytes of @cmos, in the format its register B asks for */
void rh_rtc_from_seconds(uint8_t *cmos, int64_t seconds, int base_year);
/** rh_rtc_to_seconds - what the time bytes say; nonsense gives some time, never a failure */
int64_t rh_rtc_to_seconds(const uint8_t *cmos, int base_year);
/** rh_rtc_next_alarm - the first second after @after that the alarm bytes match; INT64_MAX if none ever does */
int64_t rh_rtc_next_alarm(const uint8_t *cmos, int64_t after);

#endif
