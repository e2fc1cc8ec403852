/*
 * Setting and reading properties by name.
 */
#include "qom/object.h"
#include "qom/private.h"

static const RhProp *find(RhObject *obj, const char *name, GError **err)
{
    const RhProp *prop = rh_type_find_prop(obj->type, name);

    if (!prop) {
        rh_fail(err, "Property '%s.%s' not found", obj->type->name, name);
    }
    return prop;
}

bool rh_object_set(RhObject *obj, const char *name, json_object *value, GError **err)
{
    const RhProp *prop = find(obj, name, err);
    bool (*set)(RhObject *, const RhProp *, json_object *, GError **);

    if (!prop) {
        return false;
    }
    set = prop->set ? prop->set : prop->kind->set;
    if (!set || prop->is_readonly) {
        return rh_fail(err, "Property '%s.%s' is not writable", obj->type->name, name);
    }
    return set(obj, prop, value, err) && (!prop->changed || prop->changed(obj, prop, err));
}

bool rh_object_set_str(RhObject *obj, const char *name, const char *value, GError **err)
{
    json_object *json = json_object_new_string(value);
    bool good = rh_object_set(obj, name, json, err);

    json_object_put(json);
    return good;
}

bool rh_object_set_u64(RhObject *obj, const char *name, uint64_t value, GError **err)
{
    json_object *json = json_object_new_uint64(value);
    bool good = rh_object_set(obj, name, json, err);

    json_object_put(json);
    return good;
}

bool rh_object_set_bool(RhObject *obj, const char *name, bool value, GError **err)
{
    json_object *json = json_object_new_boolean(value);
    bool good = rh_object_set(obj, name, json, err);

    json_object_put(json);
    return good;
}

bool rh_object_set_link(RhObject *obj, const char *name, RhObject *target, GError **err)
{
    const RhProp *prop = find(obj, name, err);
    RhObject **member;

    if (!prop) {
        return false;
    }
    if (prop->kind != &rh_prop_link) {
        return rh_fail(err, "Property '%s.%s' is no link", obj->type->name, name);
    }
    if (target && !rh_object_is(target, prop->target)) {
        return rh_fail(err, "Property '%s.%s' takes a %s, not a %s", obj->type->name, name, prop->target,
                       target->type->name);
    }
    if (prop->is_elsewhere) {
        g_autofree char *path = target ? rh_object_path(target) : g_strdup("");

        return rh_object_set_str(obj, name, path ? path : "", err);
    }
    member = rh_prop_member(obj, prop);
    rh_object_unref(*member);
    *member = target ? rh_object_ref(target) : NULL;
    return true;
}

bool rh_object_set_all(RhObject *obj, json_object *members, GError **err)
{
    json_object_object_foreach(members, name, value)
    {
        if (!value) {
            return rh_fail(err, "Property '%s.%s' must not be null", obj->type->name, name);
        }
        if (!rh_object_set(obj, name, value, err)) {
            return false;
        }
    }
    return true;
}

static bool get_builtin(RhObject *obj, const char *name, json_object **ret)
{
    RhObject *child;

    if (g_str_equal(name, "type")) {
        *ret = json_object_new_string(obj->type->name);
        return true;
    }
    child = rh_object_child(obj, name);
    if (child) {
        g_autofree char *path = rh_object_path(child);

        *ret = json_object_new_string(path);
        return true;
    }
    return false;
}

bool rh_object_get(RhObject *obj, const char *name, json_object **ret, GError **err)
{
    const RhProp *prop = rh_type_find_prop(obj->type, name);
    json_object *(*get)(RhObject *, const RhProp *);

    if (!prop) {
        return get_builtin(obj, name, ret) ||
               rh_fail(err, "Property '%s.%s' not found", obj->type->name, name);
    }
    get = prop->get ? prop->get : prop->kind->get;
    if (!get) {
        return rh_fail(err, "Property '%s.%s' is not readable", obj->type->name, name);
    }
    *ret = get(obj, prop);
    return true;
}

bool rh_object_get_u64(RhObject *obj, const char *name, uint64_t *ret)
{
    json_object *value = NULL;

    if (!rh_object_get(obj, name, &value, NULL)) {
        return false;
    }
    *ret = json_object_get_uint64(value);
    json_object_put(value);
    return true;
}

json_object *rh_prop_default(const RhProp *prop)
{
    const RhPropKind *kind = prop->kind;

    if (kind == &rh_prop_enum) {
        return json_object_new_string(prop->values[prop->def]);
    }
    if (kind == &rh_prop_on_off_auto) {
        static const char *const names[] = { "auto", "on", "off" };

        return json_object_new_string(names[prop->def]);
    }
    if (kind == &rh_prop_bool) {
        return json_object_new_boolean(prop->def);
    }
    if (kind->max) {
        return json_object_new_int64((int64_t)prop->def);
    }
    return prop->def_str ? json_object_new_string(prop->def_str) : NULL;
}

char *rh_prop_type_name(const RhProp *prop)
{
    return prop->kind == &rh_prop_link ? g_strdup_printf("link<%s>", prop->target)
                                       : g_strdup(prop->kind->name);
}
