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

/** board_new - the machine object of type @name (q35: with SMRAM), to be changed before board_build; the lock is the caller's from here on */
void board_new(Board *board, const char *name, const char *accel);
void board_build(Board *board);
/** board_begin - board_new and board_build; @accel: "qtest", or NULL for a machine without CPU threads */
void board_begin(Board *board, const char *name, const char *accel);
void board_end(Board *board);
/** board_turn - let the main loop do what it has to do */
void board_turn(Board *board);

/**
 * board_fill - add one device of each type that -device takes and that finds a place, with back-ends that do nothing, and
 * on PCI Express an edu below a port ("below") and an empty hot-plug port ("spare"). Ids are the types' names. Call it
 * before the machine runs; returns how many.
 */
unsigned board_fill(Board *board);
/** board_assign - PCI resources as firmware gives them: all functions decode, and are bus masters */
void board_assign(Board *board);
/** board_devices - all realized devices (RhDevice *), in the order of the tree; free with g_ptr_array_unref */
GPtrArray *board_devices(Board *board);
/** board_round_trip - save @dev, load what was saved, save again: the same bytes */
void board_round_trip(RhDevice *dev);
/** board_regions - the regions of @dev's tables and base address registers (RhRegion *), appended to @regions */
void board_regions(RhDevice *dev, GPtrArray *regions);
/** board_place_of - where @region is seen now: address and space; NULL when it is not. Aliases are not followed. */
RhSpace *board_place_of(Board *board, const RhRegion *region, uint64_t *ret_addr);

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
