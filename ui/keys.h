/* Keys by the names and numbers that clients use. */
#ifndef UI_KEYS_H
#define UI_KEYS_H

#include "qapi-types.h"

/** rh_key_code - the key's code as in linux/input-event-codes.h; 0: there is none */
unsigned rh_key_code(const QmpKeyValue *key);

#endif
