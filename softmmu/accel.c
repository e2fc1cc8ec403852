/*
 * Choosing an accelerator: the first usable one of those asked for.
 */
#include "softmmu/accel.h"

static const RhAccelType accel_type = {
    .name = RH_TYPE_ACCEL,
    .parent = RH_TYPE_OBJECT,
    .doc = "Root of all accelerators",
    .size = sizeof(RhAccel),
    .is_abstract = true,
};
RH_TYPE_ENTRY(accel_type);

static bool open_one(RhVm *vm, const char *name, json_object *props, GError **err)
{
    g_autofree char *type_name = g_strconcat(name, "-accel", NULL);
    const RhType *type = rh_type_find(type_name);
    g_autoptr(RhObject) obj = NULL;

    if (!type || !rh_type_is(type, RH_TYPE_ACCEL)) {
        return rh_fail(err, "invalid accelerator %s", name);
    }
    obj = rh_object_new_of(vm, type);
    if (!rh_vm_apply_globals(vm, obj, err) || (props && !rh_object_set_all(obj, props, err))) {
        return false;
    }
    if (!((const RhAccelType *)type)->open(RH_SELF(RhAccel, obj), err)) {
        return false;
    }
    vm->accel = RH_SELF(RhAccel, g_steal_pointer(&obj));
    return true;
}

bool rh_accel_open(RhVm *vm, const char *const *names, json_object *const *props, GError **err)
{
    g_autoptr(GString) reasons = g_string_new(NULL);
    g_autofree char *hint = NULL;

    for (size_t i = 0; names[i]; i++) {
        g_autoptr(GError) reason = NULL;

        if (open_one(vm, names[i], props ? props[i] : NULL, &reason)) {
            return true;
        }
        g_string_append_printf(reasons, "%s%s", reasons->len ? "; " : "", reason->message);
        if (!hint) {
            hint = g_strdup(rh_error_hint(reason));
        }
    }
    rh_fail(err, "%s", reasons->str);
    if (hint) {
        rh_hint(err, "%s", hint);
    }
    return false;
}

bool rh_accel_has_irqchip(RhVm *vm)
{
    return vm->accel && vm->accel->irqchip != RH_IRQCHIP_OFF;
}
