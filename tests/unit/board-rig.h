/*
 * A whole board in the test's own process, driven the way a guest drives it: ports, memory, configuration space by
 * 0xcf8/0xcfc. Its firmware is 64 KiB of zeroes.
 */
#ifndef TESTS_UNIT_BOARD_RIG_H
#define TESTS_UNIT_BOARD_RIG_H

#include "hw/core/machine.h"

enum { BOARD_RAM = 64 << 20 };

typedef struct Board {
    RhVm *vm;
    RhMachine *machine;
    char *firmware;
} Board;

/** board_new - the machine object of type @name, to be changed before board_build; the lock is the caller's from here on */
void board_new(Board *board, const char *name, const char *accel);
void board_build(Board *board);
/** board_begin - board_new and board_build; @accel: "qtest", or NULL for a machine without CPU threads */
void board_begin(Board *board, const char *name, const char *accel);
void board_end(Board *board);
/** board_turn - let the main loop do what it has to do */
void board_turn(Board *board);

uint64_t board_in(Board *board, uint64_t port, unsigned size);
void board_out(Board *board, uint64_t port, uint64_t value, unsigned size);
uint64_t board_load(Board *board, uint64_t addr, unsigned size);
void board_store(Board *board, uint64_t addr, uint64_t value, unsigned size);
uint32_t board_config_read(Board *board, unsigned bus, unsigned devfn, unsigned at, unsigned size);
void board_config_write(Board *board, unsigned bus, unsigned devfn, unsigned at, unsigned size, uint32_t value);

/** board_add - what device_add does, with arguments in json-c's relaxed JSON */
RhDevice *board_add(Board *board, const char *json, GError **err);
RhDevice *board_must_add(Board *board, const char *json);
/** board_execute - a QMP command that must succeed; the result is the caller's */
json_object *board_execute(Board *board, const char *command, const char *json);

#endif
