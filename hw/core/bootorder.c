/*
 * Boot order.
 */
#include "hw/core/bootorder.h"

typedef struct Place {
    RhDevice *dev;
    int32_t index;
    char *suffix;
} Place;

typedef struct BootRoom {
    GArray *places;             /* Place, by index */
} BootRoom;

static void boot_room_init(RhVm *vm, void *room)
{
    ((BootRoom *)room)->places = g_array_new(FALSE, FALSE, sizeof(Place));
}

static void boot_room_fini(RhVm *vm, void *room)
{
    g_array_unref(((BootRoom *)room)->places);
}

RH_ROOM(boot_room, BootRoom, .name = "boot-order", .init = boot_room_init, .fini = boot_room_fini);

static GArray *places_of(RhVm *vm)
{
    return ((BootRoom *)rh_vm_room(vm, &boot_room))->places;
}

static void release_place(RhDevice *dev, void *arg)
{
    GArray *places = places_of(rh_device_vm(dev));

    for (guint i = places->len; i-- > 0;) {
        if (g_array_index(places, Place, i).dev == dev) {
            g_free(g_array_index(places, Place, i).suffix);
            g_array_remove_index(places, i);
        }
    }
}

bool rh_boot_order_add(RhDevice *dev, int32_t index, const char *suffix, GError **err)
{
    GArray *places = places_of(rh_device_vm(dev));
    Place place = { dev, index, NULL };
    guint at = 0;

    if (index < 0) {
        return true;
    }
    while (at < places->len && g_array_index(places, Place, at).index < index) {
        at++;
    }
    if (at < places->len && g_array_index(places, Place, at).index == index) {
        return rh_fail(err, "The bootindex %d has already been used", index);
    }
    place.suffix = g_strdup(suffix);
    g_array_insert_val(places, at, place);
    rh_device_claim(dev, release_place, NULL);
    return true;
}

static char *component(RhDevice *dev)
{
    const RhType *type = dev->bus ? dev->bus->obj.type : NULL;

    for (; type && rh_type_is(type, RH_TYPE_BUS); type = rh_type_parent(type)) {
        const RhBusType *level = (const RhBusType *)type;

        if (level->fw_path) {
            return level->fw_path(dev->bus, dev);
        }
    }
    return NULL;        /* a step that firmware does not see */
}

char *rh_device_fw_path(RhDevice *dev)
{
    char *path = g_strdup("");

    for (; dev; dev = dev->bus ? dev->bus->owner : NULL) {
        g_autofree char *step = component(dev);

        if (step) {
            g_autofree char *rest = path;

            path = g_strdup_printf("/%s%s", step, rest);
        }
    }
    return path;
}

char *rh_boot_order_text(RhVm *vm, bool is_strict)
{
    GArray *places = places_of(vm);
    GString *text = g_string_new(NULL);

    for (guint i = 0; i < places->len; i++) {
        const Place *place = &g_array_index(places, Place, i);
        g_autofree char *path = rh_device_fw_path(place->dev);

        g_string_append_printf(text, "%s%s%s", text->len ? "\n" : "", path, place->suffix ? place->suffix : "");
    }
    if (is_strict) {
        g_string_append(text, text->len ? "\nHALT" : "HALT");
    }
    return g_string_free(text, text->len == 0);
}
