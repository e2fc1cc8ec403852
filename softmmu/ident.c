/*
 * What the machine is called.
 */
#include "softmmu/ident.h"
#include "qapi-commands.h"

static void room_fini(RhVm *vm, void *room)
{
    g_free(((RhIdent *)room)->name);
}

RH_ROOM(ident_room, RhIdent, .name = "ident", .fini = room_fini);

const RhIdent *rh_ident(RhVm *vm)
{
    return rh_vm_room(vm, &ident_room);
}

void rh_ident_set_name(RhVm *vm, const char *name)
{
    RhIdent *ident = rh_vm_room(vm, &ident_room);

    g_free(ident->name);
    ident->name = g_strdup(name);
}

void rh_ident_set_uuid(RhVm *vm, const RhUuid *uuid)
{
    RhIdent *ident = rh_vm_room(vm, &ident_room);

    ident->uuid = *uuid;
    ident->has_uuid = true;
}

QmpNameInfo *qmp_query_name(RhVm *vm, GError **err)
{
    QmpNameInfo *info = g_new0(QmpNameInfo, 1);

    info->name = g_strdup(rh_ident(vm)->name);
    return info;
}

QmpUuidInfo *qmp_query_uuid(RhVm *vm, GError **err)
{
    QmpUuidInfo *info = g_new0(QmpUuidInfo, 1);

    info->UUID = g_malloc(RH_UUID_TEXT_SIZE);
    rh_uuid_format(&rh_ident(vm)->uuid, info->UUID);
    return info;
}
