/*
 * Included before every source file: names that must not be used here, because they have no bound
 * on what they write or no way to tell a bad number. Use g_strlcpy, g_snprintf, rh_parse_u64.
 */
#ifndef RH_UTIL_POISON_H
#define RH_UTIL_POISON_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#pragma GCC poison strcpy strcat sprintf vsprintf gets atoi atol atoll strtok

#endif
