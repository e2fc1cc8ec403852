/*
 * QMP commands about objects, types and their properties.
 */
#include "hw/core/device.h"
#include "qapi-commands.h"
#include "qom/object.h"

/* --- lists of properties --- */

static void add_info(GPtrArray *list, const char *name, char *type, const RhProp *prop)
{
    QmpObjectPropertyInfo *info = g_new0(QmpObjectPropertyInfo, 1);

    info->name = g_strdup(name);
    info->type = type;
    if (prop) {
        info->description = g_strdup(prop->doc);
        info->default_value = rh_prop_default(prop);
    }
    g_ptr_array_add(list, info);
}

static void add_object_prop(const RhProp *prop, const RhType *owner, void *opaque)
{
    add_info(opaque, prop->name, rh_prop_type_name(prop), NULL);
}

static void add_type_prop(const RhProp *prop, const RhType *owner, void *opaque)
{
    if (!prop->is_hidden) {
        add_info(opaque, prop->name, rh_prop_type_name(prop), prop);
    }
}

static RhObject *resolve(RhVm *vm, const char *path, GError **err)
{
    bool is_ambiguous = false;
    RhObject *obj = rh_object_resolve(vm->root, path, &is_ambiguous);

    if (is_ambiguous) {
        rh_fail(err, "Path '%s' is ambiguous", path);
        return NULL;
    }
    if (!obj) {
        rh_fail_class(err, RH_ERROR_DEVICE_NOT_FOUND, "Device '%s' not found", path);
    }
    return obj;
}

GPtrArray *qmp_qom_list(RhVm *vm, const QmpQomListArgs *args, GError **err)
{
    RhObject *obj = resolve(vm, args->path, err);
    GPtrArray *list;

    if (!obj) {
        return NULL;
    }
    list = qmp_object_property_info_list_new();
    add_info(list, "type", g_strdup("string"), NULL);
    rh_type_foreach_prop(obj->type, add_object_prop, list);
    for (unsigned i = 0; obj->children && i < obj->children->len; i++) {
        const RhObject *child = obj->children->pdata[i];

        add_info(list, child->name, g_strdup_printf("child<%s>", child->type->name), NULL);
    }
    return list;
}

GPtrArray *qmp_qom_list_properties(RhVm *vm, const QmpQomListPropertiesArgs *args, GError **err)
{
    const RhType *type = rh_type_find(args->typename);
    GPtrArray *list;

    if (!type) {
        rh_fail_class(err, RH_ERROR_DEVICE_NOT_FOUND, "Class '%s' not found", args->typename);
        return NULL;
    }
    list = qmp_object_property_info_list_new();
    add_info(list, "type", g_strdup("string"), NULL);
    rh_type_foreach_prop(type, add_type_prop, list);
    return list;
}

GPtrArray *qmp_device_list_properties(RhVm *vm, const QmpDeviceListPropertiesArgs *args, GError **err)
{
    const RhType *type = rh_type_find(args->typename);
    GPtrArray *list;

    if (!type) {
        rh_fail_class(err, RH_ERROR_DEVICE_NOT_FOUND, "Device '%s' not found", args->typename);
        return NULL;
    }
    if (!rh_type_is(type, RH_TYPE_DEVICE) || type->is_abstract) {
        rh_fail(err, "Parameter 'typename' expects a non-abstract device type");
        return NULL;
    }
    list = qmp_object_property_info_list_new();
    rh_type_foreach_prop(type, add_type_prop, list);
    return list;
}

/* --- values --- */

/* What every object has, and children as if they were properties whose value is a path. */
static bool get_special(RhObject *obj, const char *name, json_object **ret)
{
    RhObject *child = rh_object_child(obj, name);

    if (child) {
        g_autofree char *path = rh_object_path(child);

        *ret = json_object_new_string(path);
        return true;
    }
    if (strcmp(name, "type") == 0 && !rh_type_find_prop(obj->type, name)) {
        *ret = json_object_new_string(obj->type->name);
        return true;
    }
    return false;
}

bool qmp_qom_get(RhVm *vm, const QmpQomGetArgs *args, json_object **ret_result, GError **err)
{
    RhObject *obj = resolve(vm, args->path, err);

    return obj && (get_special(obj, args->property, ret_result) ||
                   rh_object_get(obj, args->property, ret_result, err));
}

bool qmp_qom_set(RhVm *vm, const QmpQomSetArgs *args, GError **err)
{
    RhObject *obj = resolve(vm, args->path, err);
    const RhProp *prop = obj ? rh_type_find_prop(obj->type, args->property) : NULL;

    if (!obj) {
        return false;
    }
    if (prop && !prop->is_runtime && rh_object_is(obj, RH_TYPE_DEVICE) && RH_SELF(RhDevice, obj)->is_realized) {
        const RhDevice *dev = RH_SELF(RhDevice, obj);

        return rh_fail(err, "Attempt to set property '%s' on device '%s' (type '%s') after it was realized",
                       args->property, dev->id ? dev->id : "", obj->type->name);
    }
    return rh_object_set(obj, args->property, args->value, err);
}

/* --- types --- */

typedef struct TypeQuery {
    GPtrArray *list;
    const char *implements;
    bool has_abstract;
} TypeQuery;

static bool add_type(const RhType *type, void *opaque)
{
    const TypeQuery *query = opaque;

    if ((type->is_abstract && !query->has_abstract) || (query->implements && !rh_type_is(type, query->implements))) {
        return true;
    }
    const RhType *parent = rh_type_parent(type);
    QmpObjectTypeInfo *info = g_new0(QmpObjectTypeInfo, 1);

    info->name = g_strdup(type->name);
    info->has_abstract = info->abstract = type->is_abstract;
    info->parent = parent ? g_strdup(parent->name) : NULL;
    g_ptr_array_add(query->list, info);
    return true;
}

GPtrArray *qmp_qom_list_types(RhVm *vm, const QmpQomListTypesArgs *args, GError **err)
{
    TypeQuery query = {
        .list = qmp_object_type_info_list_new(),
        .implements = args->implements,
        .has_abstract = args->has_abstract && args->abstract,
    };

    rh_type_foreach(add_type, &query);
    return query.list;
}

/* --- objects of users --- */

bool qmp_object_add(RhVm *vm, const QmpObjectAddArgs *args, GError **err)
{
    const RhType *type = rh_type_find(args->qom_type);

    if (!type || type->is_abstract || !rh_type_is(type, RH_INTERFACE_USER_CREATABLE)) {
        return rh_fail(err, "Parameter 'qom-type' does not accept value '%s'", args->qom_type);
    }
    return rh_object_create(vm->root, vm, args->qom_type, args->id, args->rest, err);
}

bool qmp_object_del(RhVm *vm, const QmpObjectDelArgs *args, GError **err)
{
    return rh_object_delete(vm->root, args->id, err);
}
