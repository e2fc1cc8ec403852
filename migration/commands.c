/*
 * QMP commands about migration. There is none yet: every capability is off and cannot be switched on.
 */
#include "qapi-commands.h"
#include "util/error.h"

GPtrArray *qmp_query_migrate_capabilities(RhVm *vm, GError **err)
{
    GPtrArray *list = qmp_migration_capability_status_list_new();

    for (unsigned i = 0; i < QMP_MIGRATION_CAPABILITY__NR; i++) {
        QmpMigrationCapabilityStatus *status = g_new0(QmpMigrationCapabilityStatus, 1);

        status->capability = (QmpMigrationCapability)i;
        g_ptr_array_add(list, status);
    }
    return list;
}

/* "events" is what clients switch on at every start; without migrations there are none to send, which is true. */
bool qmp_migrate_set_capabilities(RhVm *vm, const QmpMigrateSetCapabilitiesArgs *args, GError **err)
{
    for (guint i = 0; i < args->capabilities->len; i++) {
        const QmpMigrationCapabilityStatus *status = args->capabilities->pdata[i];

        if (status->state && status->capability != QMP_MIGRATION_CAPABILITY_EVENTS) {
            return rh_fail(err, "Capability '%s' is not supported yet: migration",
                           qmp_migration_capability_name(status->capability));
        }
    }
    return true;
}
