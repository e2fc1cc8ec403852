/*
 * The types of virtio PCI proxies, made from the rows of RH_VIRTIO_PCI.
 *
 * A proxy shows its device's properties: each is copied into the proxy's table with accessors that go on to the
 * device, which exists from the proxy's first moment.
 */
#include "hw/virtio/pci-private.h"

extern const RhVirtioPciRow *const __start_rh_virtio_pci[] __attribute__((weak));
extern const RhVirtioPciRow *const __stop_rh_virtio_pci[] __attribute__((weak));

static bool forward_set(RhObject *obj, const RhProp *prop, json_object *value, GError **err)
{
    return rh_object_set(&RH_SELF(VirtioPci, obj)->vdev->parent.obj, prop->name, value, err);
}

static json_object *forward_get(RhObject *obj, const RhProp *prop)
{
    json_object *value = NULL;

    rh_object_get(&RH_SELF(VirtioPci, obj)->vdev->parent.obj, prop->name, &value, NULL);
    return value;
}

static void forward(RhProp *to, const RhPropTable *from)
{
    for (size_t i = 0; i < from->nr; i++) {
        to[i] = from->rows[i];
        to[i].is_elsewhere = true;
        to[i].offset = 0;
        to[i].changed = NULL;
        to[i].set = forward_set;
        to[i].get = forward_get;
    }
}

static const RhProp *forwarded(const RhVirtioPciRow *row, size_t *ret_nr)
{
    const RhPropTable *own = &row->backend->props;
    RhProp *props = g_new0(RhProp, own->nr + rh_virtio_common_props.nr);

    forward(props, own);
    forward(props + own->nr, &rh_virtio_common_props);
    *ret_nr = own->nr + rh_virtio_common_props.nr;
    return props;
}

/* A proxy's device is made with it, so that its properties can be set. What globals say of the device type
 * itself comes before what the user sets through the proxy. */
static void proxy_init(RhObject *obj)
{
    VirtioPci *vpci = RH_SELF(VirtioPci, obj);
    RhObject *backend = rh_object_new_of(obj->vm, rh_type_find(vpci_type(vpci)->row->backend->name));

    if (obj->vm) {
        rh_vm_apply_globals(obj->vm, backend, NULL);
    }
    rh_object_add_child(obj, RH_VIRTIO_BACKEND, backend, NULL);
    vpci->vdev = RH_SELF(RhVirtioDevice, backend);
}

static void proxy_fini(RhObject *obj)
{
    rh_object_unref(&RH_SELF(VirtioPci, obj)->vdev->parent.obj);
}

static const RhProp form_props[] = {
    RH_PROP_AS(rh_prop_on_off_auto, "disable-legacy", VirtioPci, disable_legacy,
               .doc = "no legacy interface; auto: behind a PCI Express port"),
    RH_PROP("disable-modern", VirtioPci, disable_modern, .doc = "no virtio 1.0 interface"),
};

static void add_type(const RhVirtioPciRow *row, const char *parent, const char *suffix, VirtioPciForm form,
                     RhPropTable props)
{
    VirtioPciType *type = g_new0(VirtioPciType, 1);

    type->name = g_strconcat(row->name, suffix, NULL);
    type->parent = parent;
    type->doc = row->backend->doc;
    type->size = sizeof(VirtioPci);
    type->category = row->category;
    type->class_id = row->class_id;
    type->props = props;
    type->row = row;
    type->form = form;
    rh_type_add((const RhType *)type);
}

static void add_row(const RhVirtioPciRow *row)
{
    VirtioPciType *base = g_new0(VirtioPciType, 1);

    base->name = g_strconcat(row->name, "-pci-base", NULL);
    base->parent = RH_TYPE_VIRTIO_PCI;
    base->doc = row->backend->doc;
    base->size = sizeof(VirtioPci);
    base->is_abstract = true;
    base->props.rows = forwarded(row, &base->props.nr);
    base->init = proxy_init;
    base->fini = proxy_fini;
    base->row = row;
    rh_type_add((const RhType *)base);
    add_type(row, base->name, "-pci", row->legacy_id ? FORM_ANY : FORM_MODERN,
             row->legacy_id ? (RhPropTable)RH_TABLE(form_props) : (RhPropTable){ NULL, 0 });
    if (row->legacy_id) {
        add_type(row, base->name, "-pci-transitional", FORM_TRANSITIONAL, (RhPropTable){ NULL, 0 });
        add_type(row, base->name, "-pci-non-transitional", FORM_MODERN, (RhPropTable){ NULL, 0 });
    }
}

static void virtio_pci_family(void)
{
    for (const RhVirtioPciRow *const *row = __start_rh_virtio_pci; row < __stop_rh_virtio_pci; row++) {
        add_row(*row);
    }
}

RH_TYPE_FAMILY(virtio_pci_family);
