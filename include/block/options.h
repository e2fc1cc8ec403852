/*
 * -blockdev and -drive.
 */
#ifndef RH_BLOCK_OPTIONS_H
#define RH_BLOCK_OPTIONS_H

#include "block/blk.h"

/** rh_block_add_blockdev - what -blockdev and blockdev-add do */
bool rh_block_add_blockdev(RhVm *vm, const QmpBlockdevOptions *options, GError **err);

/** RhDriveRequest - the device that a -drive asks for besides its node */
typedef struct RhDriveRequest {
    char *id;               /* of the drive */
    QmpBlockInterfaceType interface;
} RhDriveRequest;

/**
 * rh_block_add_drive - what -drive does: a node, and a drive with an id; @ret says which device start-up shall make
 * for it (g_free ret->id). @json: the option's members.
 */
bool rh_block_add_drive(RhVm *vm, json_object *json, bool is_json, RhDriveRequest *ret, GError **err);

#endif
