#ifndef RH_HW_CORE_RESET_H
#define RH_HW_CORE_RESET_H

#include "softmmu/vm.h"

/** rh_reset_init - from now on a machine reset resets every device of @vm's tree; once, at start-up */
void rh_reset_init(RhVm *vm);

#endif
