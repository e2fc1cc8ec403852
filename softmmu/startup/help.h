#ifndef RH_STARTUP_HELP_H
#define RH_STARTUP_HELP_H

#include "qapi/option.h"

/**
 * rh_help_for - the text that an option asks for instead of a run (-help, -version, -device help, ...); NULL: none
 * @json is the parsed argument or NULL; @is_help whether it asks for help. @err: help on something unknown. g_free it.
 */
char *rh_help_for(const RhOption *option, const char *text, json_object *json, bool is_help, GError **err);

#endif
