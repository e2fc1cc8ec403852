/*
 * QMP commands about PCI.
 */
#include "hw/pci/pci.h"
#include "qapi-commands.h"
#include "util/json.h"

GPtrArray *qmp_query_pci(RhVm *vm, GError **err)
{
    g_autoptr(GPtrArray) list = qmp_pci_info_list_new();
    g_autoptr(RhJson) roots = rh_pci_query(vm);

    for (size_t i = 0; i < json_object_array_length(roots); i++) {
        QmpPciInfo *info = qmp_pci_info_from_json(json_object_array_get_idx(roots, i), 0, err);

        if (!info) {
            return NULL;
        }
        g_ptr_array_add(list, info);
    }
    return g_steal_pointer(&list);
}
