/* Shared by the files of softmmu/ alone. */
#ifndef RH_SOFTMMU_PRIVATE_H
#define RH_SOFTMMU_PRIVATE_H

#include "softmmu/space.h"

/** rh_map_changed - the region tree changed: build new views now, or at the end of the open group */
void rh_map_changed(RhVm *vm);
/** rh_map_drop_ram - give a reference back once no view that may show the block is in use */
void rh_map_drop_ram(RhVm *vm, RhRam *ram);

/** RhIoEvent of a view; rh_view_build makes a new view of @root */
RhFlatView *rh_view_build(const RhRegion *root, uint64_t generation);
void rh_view_free(RhFlatView *view);
/** rh_view_diff - tell @listener what changed from @was (may be NULL) to @now (may be NULL) */
void rh_view_diff(RhSpaceListener *listener, const RhFlatView *was, const RhFlatView *now);

#endif
