/* Shared by the files of qom/ alone. */
#ifndef RH_QOM_PRIVATE_H
#define RH_QOM_PRIVATE_H

#include "qom/object.h"

/** rh_object_link_target - what link property @name of @obj points to; NULL: no such link, or unset */
RhObject *rh_object_link_target(RhObject *obj, const char *name);

#endif
