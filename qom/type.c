/*
 * The type table: const descriptions from the linker section, by name.
 * Built once, at first use; read-only ever after, so no lock.
 */
#include "qom/object.h"

extern const RhType *const __start_rh_types[], *const __stop_rh_types[];
extern RhTypeFamilyFn *const __start_rh_type_families[] __attribute__((weak));
extern RhTypeFamilyFn *const __stop_rh_type_families[] __attribute__((weak));
extern const RhTypeAlias *const __start_rh_type_aliases[] __attribute__((weak));
extern const RhTypeAlias *const __stop_rh_type_aliases[] __attribute__((weak));

typedef struct TypeTable {
    GHashTable *by_name;        /* and by alias */
    GPtrArray *sorted;          /* without aliases */
    bool is_open;               /* families are being asked */
} TypeTable;

static TypeTable table;         /* the type table is the one global the house allows */

static const RhType object_type = {
    .name = RH_TYPE_OBJECT,
    .doc = "Root of all types",
    .size = sizeof(RhObject),
    .is_abstract = true,
};
RH_TYPE_ENTRY(object_type);

static const RhType container_type = {
    .name = "container",
    .parent = RH_TYPE_OBJECT,
    .doc = "A folder of the object tree",
};
RH_TYPE_ENTRY(container_type);

void rh_type_add(const RhType *type)
{
    g_assert(table.is_open);
    g_assert(type->name && !g_hash_table_contains(table.by_name, type->name));
    g_hash_table_insert(table.by_name, (gpointer)type->name, (gpointer)type);
    g_ptr_array_add(table.sorted, (gpointer)type);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp((*(const RhType *const *)a)->name, (*(const RhType *const *)b)->name);
}

static void table_build(void)
{
    table.by_name = g_hash_table_new(g_str_hash, g_str_equal);
    table.sorted = g_ptr_array_new();
    table.is_open = true;
    for (const RhType *const *type = __start_rh_types; type < __stop_rh_types; type++) {
        rh_type_add(*type);
    }
    for (RhTypeFamilyFn *const *fn = __start_rh_type_families; fn < __stop_rh_type_families; fn++) {
        (*fn)();
    }
    table.is_open = false;
    g_ptr_array_sort(table.sorted, compare_names);
    for (const RhTypeAlias *const *alias = __start_rh_type_aliases; alias < __stop_rh_type_aliases;
         alias++) {
        const RhType *type = g_hash_table_lookup(table.by_name, (*alias)->name);

        if (type) {
            g_hash_table_insert(table.by_name, (gpointer)(*alias)->alias, (gpointer)type);
        }
    }
}

static const TypeTable *types(void)
{
    static gsize is_built;

    if (g_once_init_enter(&is_built)) {
        table_build();
        g_once_init_leave(&is_built, 1);
    }
    return &table;
}

const RhType *rh_type_find(const char *name)
{
    return name ? g_hash_table_lookup(types()->by_name, name) : NULL;
}

const RhType *rh_type_parent(const RhType *type)
{
    const RhType *parent = rh_type_find(type->parent);

    g_assert(parent || !type->parent);
    return parent;
}

static bool has_interface(const RhType *type, const char *name)
{
    for (const char *const *i = type->interfaces; i && *i; i++) {
        if (g_str_equal(*i, name)) {
            return true;
        }
    }
    return false;
}

bool rh_type_is(const RhType *type, const char *name)
{
    for (; type; type = rh_type_parent(type)) {
        if (g_str_equal(type->name, name) || has_interface(type, name)) {
            return true;
        }
    }
    return false;
}

void rh_type_foreach(bool (*fn)(const RhType *type, void *opaque), void *opaque)
{
    const GPtrArray *all = types()->sorted;

    for (guint i = 0; i < all->len; i++) {
        if (!fn(all->pdata[i], opaque)) {
            return;
        }
    }
}

const RhProp *rh_type_find_prop(const RhType *type, const char *name)
{
    for (; type; type = rh_type_parent(type)) {
        for (size_t i = 0; i < type->props.nr; i++) {
            if (g_str_equal(type->props.rows[i].name, name)) {
                return &type->props.rows[i];
            }
        }
    }
    return NULL;
}

void rh_type_foreach_prop(const RhType *type,
                          void (*fn)(const RhProp *prop, const RhType *owner, void *opaque),
                          void *opaque)
{
    for (const RhType *level = type; level; level = rh_type_parent(level)) {
        for (size_t i = 0; i < level->props.nr; i++) {
            const RhProp *prop = &level->props.rows[i];

            if (rh_type_find_prop(type, prop->name) == prop) {
                fn(prop, level, opaque);
            }
        }
    }
}
