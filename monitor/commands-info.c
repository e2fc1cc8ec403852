/*
 * Commands about the program and its own interface.
 */
#include "monitor/private.h"
#include "qapi/introspect.h"
#include "qapi/option.h"
#include "qapi/qapi-commands.h"
#include "qapi/visit.h"
#include "rhea-config.h"
#include "util/json.h"

/* Clients decide by this version what they may ask for. */
enum { REPORTED_MAJOR = 7, REPORTED_MINOR = 2, REPORTED_MICRO = 0 };

QmpVersionInfo *qmp_query_version(RhVm *vm, GError **err)
{
    QmpVersionInfo *info = g_new0(QmpVersionInfo, 1);

    info->qemu = g_new0(QmpVersionTriple, 1);
    *info->qemu = (QmpVersionTriple){ REPORTED_MAJOR, REPORTED_MINOR, REPORTED_MICRO };
    info->package = g_strdup("Rhea " RH_VERSION);
    return info;
}

QmpTargetInfo *qmp_query_target(RhVm *vm, GError **err)
{
    QmpTargetInfo *info = g_new0(QmpTargetInfo, 1);

    info->arch = QMP_SYS_EMU_TARGET_X86_64;
    return info;
}

GPtrArray *qmp_query_commands(RhVm *vm, GError **err)
{
    GPtrArray *list = qmp_command_info_list_new();
    unsigned nr;
    const RhQmpCommand *commands = rh_qmp_commands(&nr);

    for (unsigned i = 0; i < nr; i++) {
        QmpCommandInfo *info = g_new0(QmpCommandInfo, 1);

        info->name = g_strdup(commands[i].name);
        g_ptr_array_add(list, info);
    }
    return list;
}

static bool add_type_name(const RhType *type, void *opaque)
{
    if (!type->is_abstract && rh_type_is(type, RH_INTERFACE_USER_CREATABLE)) {
        g_ptr_array_add(opaque, (char *)type->name);
    }
    return true;
}

/* What only the running program knows: the types that object-add makes. */
static void extend_schema(json_object *schema, void *opaque)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();

    rh_type_foreach(add_type_name, names);
    g_ptr_array_add(names, NULL);
    rh_qapi_introspect_set_enum(schema, "ObjectType", (const char *const *)names->pdata);
}

bool qmp_query_qmp_schema(RhVm *vm, json_object **ret_result, GError **err)
{
    *ret_result = rh_qapi_introspect(extend_schema, NULL);
    return true;
}

GPtrArray *qmp_query_command_line_options(RhVm *vm, const QmpQueryCommandLineOptionsArgs *args,
                                          GError **err)
{
    json_object *infos = rh_option_describe_all(args->option, err);
    GPtrArray *list = NULL;

    if (infos) {
        qapi_from_json(&qmp_type_command_line_option_info_list, infos, &list, 0, err);
        json_object_put(infos);
    }
    return list;
}

bool qmp_qmp_capabilities(RhVm *vm, const QmpQmpCapabilitiesArgs *args, GError **err)
{
    RhQmpSession *session = rh_monitor_room(vm)->current;

    if (!session) {
        return rh_fail(err, "There is no session whose capabilities could be negotiated");
    }
    /* There is one capability; that it is in the list says all. */
    return rh_qmp_session_enable(session, args->enable && args->enable->len, err);
}

/* Commands and events stand together in the schema's description of itself. */
GPtrArray *qmp_query_events(RhVm *vm, GError **err)
{
    GPtrArray *list = qmp_event_info_list_new();
    g_autoptr(RhJson) schema = rh_qapi_introspect(NULL, NULL);

    for (size_t i = 0; i < json_object_array_length(schema); i++) {
        json_object *entry = json_object_array_get_idx(schema, i);

        if (g_strcmp0(rh_json_text(entry, "meta-type"), "event") == 0) {
            QmpEventInfo *info = g_new0(QmpEventInfo, 1);

            info->name = g_strdup(rh_json_text(entry, "name"));
            g_ptr_array_add(list, info);
        }
    }
    return list;
}
