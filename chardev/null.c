/*
 * null - takes everything, gives nothing.
 */
#include "chardev/private.h"

static bool null_open(RhChardev *chr, const void *options, GError **err)
{
    rh_chr_set_open(chr, true);
    return true;
}

typedef RhChardev NullChar;

RH_CHARDEV(NullChar, .name = "chardev-null", .doc = "Takes everything, gives nothing", .open = null_open);
