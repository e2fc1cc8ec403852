/*
 * What the machine is called: -name and -uuid, kept for query-name, query-uuid, SMBIOS and window titles.
 */
#ifndef RH_SOFTMMU_IDENT_H
#define RH_SOFTMMU_IDENT_H

#include "softmmu/vm.h"
#include "util/parse.h"

typedef struct RhIdent {
    char *name;         /* NULL: none given */
    RhUuid uuid;        /* all zero: none given */
    bool has_uuid;
} RhIdent;

/** rh_ident - of @vm; never NULL. Machine lock, or start-up. */
const RhIdent *rh_ident(RhVm *vm);
void rh_ident_set_name(RhVm *vm, const char *name);
void rh_ident_set_uuid(RhVm *vm, const RhUuid *uuid);

#endif
