/*
 * A session of the human monitor.
 */
#include "monitor/private.h"

bool rh_hmp_session_open(RhVm *vm, RhChardev *chr, GError **err)
{
    return rh_fail(err, "The human monitor is not supported yet");
}

void rh_hmp_session_free(RhHmpSession *session)
{
}
