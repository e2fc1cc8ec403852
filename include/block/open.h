/*
 * For drivers that stand on another node.
 */
#ifndef RH_BLOCK_OPEN_H
#define RH_BLOCK_OPEN_H

#include "block/block.h"

/**
 * rh_blk_open_file - open what @ref defines or names, and use it as @node's file
 * A node defined in place inherits what @options say of read-only, cache and discard where it says nothing itself.
 */
bool rh_blk_open_file(RhBlkNode *node, const QmpBlockdevRef *ref, const QmpBlockdevOptions *options, GError **err);

#endif
