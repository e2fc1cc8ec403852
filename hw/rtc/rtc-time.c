/*
 * Time bytes of the RTC. Spec: MC146818A data sheet, "Time, Calendar and Alarm Locations" and "Register B".
 */
#include "hw/rtc/rtc-time.h"
#include <time.h>
#include "hw/rtc/mc146818.h"

#define B_BINARY 0x04
#define B_24H    0x02
#define HOUR_PM  0x80
#define DONT_CARE 0xc0

bool rh_rtc_is_time(unsigned at)
{
    return at == RH_RTC_SECONDS || at == RH_RTC_MINUTES || at == RH_RTC_HOURS ||
           (at >= RH_RTC_WEEKDAY && at <= RH_RTC_YEAR) || at == RH_RTC_CENTURY;
}

static uint8_t encode(const uint8_t *cmos, unsigned value)
{
    return cmos[RH_RTC_B] & B_BINARY ? value : value / 10 << 4 | value % 10;
}

static unsigned decode(const uint8_t *cmos, uint8_t byte)
{
    return cmos[RH_RTC_B] & B_BINARY ? byte : (byte >> 4) * 10 + (byte & 0x0f);
}

static uint8_t encode_hour(const uint8_t *cmos, unsigned hour)
{
    unsigned twelve = hour % 12 ? hour % 12 : 12;

    if (cmos[RH_RTC_B] & B_24H) {
        return encode(cmos, hour);
    }
    return encode(cmos, twelve) | (hour >= 12 ? HOUR_PM : 0);
}

static unsigned decode_hour(const uint8_t *cmos, uint8_t byte)
{
    if (cmos[RH_RTC_B] & B_24H) {
        return decode(cmos, byte);
    }
    return decode(cmos, byte & ~HOUR_PM) % 12 + (byte & HOUR_PM ? 12 : 0);
}

static unsigned positive_mod(int64_t value, unsigned by)
{
    int64_t rest = value % by;

    return rest < 0 ? rest + by : rest;
}

void rh_rtc_from_seconds(uint8_t *cmos, int64_t seconds, int base_year)
{
    time_t time = seconds;
    struct tm tm = { 0 };
    int64_t year;

    gmtime_r(&time, &tm);
    year = tm.tm_year + INT64_C(1900);
    cmos[RH_RTC_SECONDS] = encode(cmos, tm.tm_sec);
    cmos[RH_RTC_MINUTES] = encode(cmos, tm.tm_min);
    cmos[RH_RTC_HOURS] = encode_hour(cmos, tm.tm_hour);
    cmos[RH_RTC_WEEKDAY] = encode(cmos, tm.tm_wday + 1);
    cmos[RH_RTC_DAY] = encode(cmos, tm.tm_mday);
    cmos[RH_RTC_MONTH] = encode(cmos, tm.tm_mon + 1);
    cmos[RH_RTC_YEAR] = encode(cmos, positive_mod(year - base_year, 100));
    cmos[RH_RTC_CENTURY] = encode(cmos, positive_mod(year / 100, 100));
}

int64_t rh_rtc_to_seconds(const uint8_t *cmos, int base_year)
{
    unsigned in_century = positive_mod((int64_t)decode(cmos, cmos[RH_RTC_YEAR]) + base_year, 100);
    struct tm tm = {
        .tm_sec = decode(cmos, cmos[RH_RTC_SECONDS]),
        .tm_min = decode(cmos, cmos[RH_RTC_MINUTES]),
        .tm_hour = decode_hour(cmos, cmos[RH_RTC_HOURS]),
        .tm_mday = decode(cmos, cmos[RH_RTC_DAY]),
        .tm_mon = (int)decode(cmos, cmos[RH_RTC_MONTH]) - 1,
        .tm_year = (int)(decode(cmos, cmos[RH_RTC_CENTURY]) * 100 + in_century) - 1900,
    };

    return timegm(&tm);
}

typedef struct Alarm {
    bool has_hour, has_minute, has_second;
    unsigned hour, minute, second;
} Alarm;

static bool read_alarm(const uint8_t *cmos, Alarm *alarm)
{
    alarm->has_second = cmos[RH_RTC_SECONDS_ALARM] < DONT_CARE;
    alarm->has_minute = cmos[RH_RTC_MINUTES_ALARM] < DONT_CARE;
    alarm->has_hour = cmos[RH_RTC_HOURS_ALARM] < DONT_CARE;
    alarm->second = alarm->has_second ? decode(cmos, cmos[RH_RTC_SECONDS_ALARM]) : 0;
    alarm->minute = alarm->has_minute ? decode(cmos, cmos[RH_RTC_MINUTES_ALARM]) : 0;
    alarm->hour = alarm->has_hour ? decode_hour(cmos, cmos[RH_RTC_HOURS_ALARM]) : 0;
    return alarm->second < 60 && alarm->minute < 60 && alarm->hour < 24;
}

int64_t rh_rtc_next_alarm(const uint8_t *cmos, int64_t after)
{
    Alarm alarm;
    int64_t at = after + 1;
    unsigned minute_now;
    unsigned hour_now;

    if (!read_alarm(cmos, &alarm)) {
        return INT64_MAX;
    }
    if (alarm.has_second) {
        at += positive_mod((int64_t)alarm.second - positive_mod(at, 60), 60);
    }
    minute_now = positive_mod(at, 3600) / 60;
    if (alarm.has_minute && minute_now != alarm.minute) {
        at += positive_mod((int64_t)alarm.minute - minute_now, 60) * 60;
        at -= alarm.has_second ? 0 : positive_mod(at, 60);
    }
    hour_now = positive_mod(at, 86400) / 3600;
    if (alarm.has_hour && hour_now != alarm.hour) {
        at += positive_mod((int64_t)alarm.hour - hour_now, 24) * 3600;
        at += alarm.minute * 60 + alarm.second - (int64_t)positive_mod(at, 3600);
    }
    return at;
}

static bool parse_date(const char *text, struct tm *tm)
{
    const char *end = strptime(text, strchr(text, 'T') ? "%Y-%m-%dT%H:%M:%S" : "%Y-%m-%d", tm);

    return end && *end == '\0';
}

bool rh_rtc_config_parse_base(RhRtcConfig *config, const char *base, GError **err)
{
    struct tm tm = { 0 };

    if (!strcmp(base, "utc") || !strcmp(base, "localtime")) {
        config->is_localtime = base[0] == 'l';
        config->has_date = false;
        return true;
    }
    if (!parse_date(base, &tm)) {
        rh_fail(err, "Option '-rtc base' is '%s', must be utc, localtime or a date", base);
        rh_hint(err, "A date looks like 2006-06-17T16:01:21 or 2006-06-17");
        return false;
    }
    config->has_date = true;
    config->start_s = timegm(&tm);
    return true;
}
