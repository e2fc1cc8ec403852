/*
 * Direct boot in a qtest.
 */
#include "libqtest-boot.h"
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>

enum { IMAGE_SIZE = 0x3000, TABLES_SIZE = 0x40000, HEADER_SIZE = 36 };

static void put32(uint8_t *at, uint32_t value)
{
    value = GUINT32_TO_LE(value);
    memcpy(at, &value, 4);
}

char *qboot_kernel_file(void)
{
    g_autofree uint8_t *b = g_malloc0(IMAGE_SIZE);
    char *path = NULL;
    int fd = g_file_open_tmp("rhea-kernel-XXXXXX", &path, NULL);

    g_assert_cmpint(fd, >=, 0);
    g_close(fd, NULL);
    b[0x1f1] = 1;
    put32(b + 0x1fe, 0x66ebaa55);
    memcpy(b + 0x202, "HdrS", 4);
    b[0x206] = 0x0f;
    b[0x207] = 0x02;
    b[0x211] = 1;
    put32(b + 0x22c, 0x7fffffff);
    b[0x234] = 1;
    b[0x236] = 1;
    put32(b + 0x238, 2047);
    put32(b + 0x258, 0x1000000);
    put32(b + 0x260, 0x400000);
    g_assert_true(g_file_set_contents(path, (char *)b, IMAGE_SIZE, NULL));
    return path;
}

Qtest *qboot_start(const char *options, char **ret_path)
{
    *ret_path = qboot_kernel_file();
    g_autofree char *args = g_strdup_printf("%s -kernel %s", options, *ret_path);

    return qtest_start(args);
}

void qboot_quit(Qtest *q, char *path)
{
    qtest_quit(q);
    g_unlink(path);
    g_free(path);
}

static bool is_table(const uint8_t *at, size_t room, const char *signature, uint32_t *ret_len)
{
    uint8_t sum = 0;

    memcpy(ret_len, at + 4, 4);
    if (memcmp(at, signature, 4) || *ret_len < HEADER_SIZE || *ret_len > room) {
        return false;
    }
    for (uint32_t i = 0; i < *ret_len; i++) {
        sum += at[i];
    }
    return sum == 0;
}

uint8_t *qboot_table(Qtest *q, uint64_t ram_end, const char *signature)
{
    g_autofree uint8_t *tables = g_malloc(TABLES_SIZE);
    uint32_t len;

    qtest_memread(q, ram_end - TABLES_SIZE, tables, TABLES_SIZE);
    for (size_t at = 0; at + HEADER_SIZE <= TABLES_SIZE; at++) {
        if (is_table(tables + at, TABLES_SIZE - at, signature, &len)) {
            return g_memdup2(tables + at, len);
        }
    }
    return NULL;
}
