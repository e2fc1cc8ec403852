/*
 * Direct boot in a qtest: a kernel that is none, so that what the board places around it can be looked at.
 */
#ifndef TESTS_QTEST_LIBQTEST_BOOT_H
#define TESTS_QTEST_LIBQTEST_BOOT_H

#include "libqtest.h"

enum { QBOOT_ZERO_PAGE = 0x7000 };

/** qboot_kernel_file - a temporary file with the header of a bzImage of protocol 2.15; unlink and g_free it */
char *qboot_kernel_file(void);
/** qboot_start - qtest_start with @options and such a kernel; *@ret_path for qboot_quit */
Qtest *qboot_start(const char *options, char **ret_path);
void qboot_quit(Qtest *q, char *path);
/** qboot_table - ACPI table with that signature from the end of RAM, which is at @ram_end; NULL: none. g_free it. */
uint8_t *qboot_table(Qtest *q, uint64_t ram_end, const char *signature);

#endif
