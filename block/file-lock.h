#ifndef RH_BLOCK_FILE_LOCK_H
#define RH_BLOCK_FILE_LOCK_H

#include "util/error.h"

/**
 * rh_file_lock - show other programs how @fd is used, and fail if one of them uses it in a conflicting way
 * Advisory locks of the open file description, as the programs of the field place them: byte 100 + n says "uses
 * permission n", byte 200 + n "bears nobody with permission n"; 0 is consistent reading, 1 writing. Resizing (3) is left
 * alone, as others do for disks.
 * @in_use false gives up all of them. Held until @fd closes. The error text is the one that clients know.
 */
bool rh_file_lock(int fd, const char *path, bool writes, bool forbids_writing, bool in_use, GError **err);

#endif
