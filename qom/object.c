/*
 * Objects: life, the tree, paths.
 */
#include "qom/object.h"
#include "qom/private.h"

enum { MAX_LEVELS = 16 };       /* of inheritance */

/* Fill @levels with the types from "object" down to @type; returns how many. */
static size_t lineage(const RhType *type, const RhType *levels[MAX_LEVELS])
{
    size_t nr = 0;

    for (const RhType *t = type; t; t = rh_type_parent(t)) {
        g_assert(nr < MAX_LEVELS);
        levels[nr++] = t;
    }
    for (size_t i = 0; i < nr / 2; i++) {
        const RhType *swap = levels[i];

        levels[i] = levels[nr - 1 - i];
        levels[nr - 1 - i] = swap;
    }
    return nr;
}

static size_t instance_size(const RhType *type)
{
    while (!type->size) {
        type = rh_type_parent(type);
    }
    return type->size;
}

static void init_props(RhObject *obj, const RhType *level)
{
    for (size_t i = 0; i < level->props.nr; i++) {
        const RhProp *prop = &level->props.rows[i];

        if (prop->kind->init && !prop->is_elsewhere && (prop->def || prop->def_str)) {
            prop->kind->init(obj, prop);
        }
    }
}

RhObject *rh_object_new_of(RhVm *vm, const RhType *type)
{
    const RhType *levels[MAX_LEVELS];
    size_t nr = lineage(type, levels);
    RhObject *obj = g_malloc0(instance_size(type));

    g_assert(!type->is_abstract);
    obj->type = type;
    obj->vm = vm;
    obj->refs = 1;
    for (size_t i = 0; i < nr; i++) {
        init_props(obj, levels[i]);
    }
    for (size_t i = 0; i < nr; i++) {
        if (levels[i]->init) {
            levels[i]->init(obj);
        }
    }
    return obj;
}

RhObject *rh_object_new(RhVm *vm, const char *type_name, GError **err)
{
    const RhType *type = rh_type_find(type_name);

    if (!type) {
        rh_fail(err, "invalid object type: %s", type_name);
        return NULL;
    }
    if (type->is_abstract) {
        rh_fail(err, "object type '%s' is abstract", type_name);
        return NULL;
    }
    return rh_object_new_of(vm, type);
}

RhObject *rh_object_ref(RhObject *obj)
{
    g_atomic_int_inc(&obj->refs);
    return obj;
}

static void object_free(RhObject *obj)
{
    const RhType *levels[MAX_LEVELS];
    size_t nr = lineage(obj->type, levels);

    while (obj->children && obj->children->len) {
        rh_object_unparent(obj->children->pdata[obj->children->len - 1]);
    }
    for (size_t i = nr; i-- > 0;) {
        if (levels[i]->fini) {
            levels[i]->fini(obj);
        }
    }
    for (size_t i = nr; i-- > 0;) {
        for (size_t p = levels[i]->props.nr; p-- > 0;) {
            const RhProp *prop = &levels[i]->props.rows[p];

            if (prop->kind->fini && !prop->is_elsewhere) {
                prop->kind->fini(obj, prop);
            }
        }
    }
    g_clear_pointer(&obj->children, g_ptr_array_unref);
    g_free(obj->name);
    g_free(obj);
}

void rh_object_unref(RhObject *obj)
{
    if (obj && g_atomic_int_dec_and_test(&obj->refs)) {
        g_assert(!obj->parent);
        object_free(obj);
    }
}

bool rh_object_is(const RhObject *obj, const char *name)
{
    return obj && rh_type_is(obj->type, name);
}

RhObject *rh_object_child(const RhObject *parent, const char *name)
{
    for (guint i = 0; parent->children && i < parent->children->len; i++) {
        RhObject *child = parent->children->pdata[i];

        if (g_str_equal(child->name, name)) {
            return child;
        }
    }
    return NULL;
}

bool rh_object_add_child(RhObject *parent, const char *name, RhObject *child, GError **err)
{
    g_assert(!child->parent);
    if (rh_object_child(parent, name)) {
        g_autofree char *path = rh_object_path(parent);

        return rh_fail(err, "attempt to add duplicate property '%s' to object (type '%s') at %s", name,
                       parent->type->name, path ? path : "no path");
    }
    if (!parent->children) {
        parent->children = g_ptr_array_new();
    }
    g_ptr_array_add(parent->children, rh_object_ref(child));
    child->parent = parent;
    child->name = g_strdup(name);
    return true;
}

void rh_object_add_child_numbered(RhObject *parent, const char *name, RhObject *child)
{
    for (unsigned n = 0;; n++) {
        g_autofree char *numbered = g_strdup_printf("%s[%u]", name, n);

        if (rh_object_add_child(parent, numbered, child, NULL)) {
            return;
        }
    }
}

RhObject *rh_object_container(RhObject *parent, const char *name)
{
    RhObject *child = rh_object_child(parent, name);

    if (!child) {
        child = rh_object_new_of(parent->vm, rh_type_find("container"));
        rh_object_add_child(parent, name, child, NULL);
        rh_object_unref(child);
    }
    return child;
}

void rh_object_unparent(RhObject *obj)
{
    RhObject *parent = obj->parent;

    if (!parent) {
        return;
    }
    g_ptr_array_remove(parent->children, obj);
    obj->parent = NULL;
    g_clear_pointer(&obj->name, g_free);
    rh_object_unref(obj);
}

static const RhObject *tree_root(const RhObject *obj)
{
    while (obj->parent) {
        obj = obj->parent;
    }
    return obj;
}

char *rh_object_path(const RhObject *obj)
{
    g_autoptr(GString) path = g_string_new(NULL);
    const RhObject *root = tree_root(obj);

    if (root == obj) {
        return g_strdup("/");
    }
    for (; obj->parent; obj = obj->parent) {
        g_string_prepend(path, obj->name);
        g_string_prepend_c(path, '/');
    }
    return g_string_free(g_steal_pointer(&path), FALSE);
}

/* Follow @parts from @from; a link property is followed like a child. */
static RhObject *follow(RhObject *from, char **parts)
{
    for (; *parts && from; parts++) {
        if (**parts) {
            RhObject *child = rh_object_child(from, *parts);

            from = child ? child : rh_object_link_target(from, *parts);
        }
    }
    return from;
}

typedef struct PartialSearch {
    char **parts;
    RhObject *found;
    bool is_ambiguous;
} PartialSearch;

static bool partial_visit(RhObject *obj, void *opaque)
{
    PartialSearch *search = opaque;
    RhObject *hit;

    if (!g_str_equal(obj->name, search->parts[0])) {
        return true;
    }
    hit = follow(obj, search->parts + 1);
    if (hit && search->found && search->found != hit) {
        search->is_ambiguous = true;
        return false;
    }
    search->found = hit ? hit : search->found;
    return true;
}

RhObject *rh_object_resolve(RhObject *root, const char *path, bool *ambiguous)
{
    g_auto(GStrv) parts = g_strsplit(path, "/", -1);
    PartialSearch search = { .parts = parts };

    if (ambiguous) {
        *ambiguous = false;
    }
    if (path[0] == '/') {
        return follow(root, parts);
    }
    if (!path[0]) {
        return NULL;
    }
    rh_object_foreach(root, partial_visit, &search);
    if (ambiguous) {
        *ambiguous = search.is_ambiguous;
    }
    return search.is_ambiguous ? NULL : search.found;
}

bool rh_object_foreach(RhObject *root, bool (*fn)(RhObject *obj, void *opaque), void *opaque)
{
    for (guint i = 0; root->children && i < root->children->len; i++) {
        RhObject *child = root->children->pdata[i];

        if (!fn(child, opaque) || !rh_object_foreach(child, fn, opaque)) {
            return false;
        }
    }
    return true;
}

bool rh_id_ok(const char *id)
{
    if (!g_ascii_isalpha(id[0])) {
        return false;
    }
    for (; *id; id++) {
        if (!g_ascii_isalnum(*id) && !strchr("-._", *id)) {
            return false;
        }
    }
    return true;
}

static bool complete(RhObject *obj, GError **err)
{
    const RhType *levels[MAX_LEVELS];
    size_t nr = lineage(obj->type, levels);

    for (size_t i = 0; i < nr; i++) {
        if (levels[i]->complete && !levels[i]->complete(obj, err)) {
            return false;
        }
    }
    return true;
}

RhObject *rh_object_create(RhObject *root, RhVm *vm, const char *type_name, const char *id,
                           json_object *members, GError **err)
{
    const RhType *type = rh_type_find(type_name);
    RhObject *objects = rh_object_container(root, "objects");
    g_autoptr(RhObject) obj = NULL;

    if (!type || !rh_type_is(type, RH_INTERFACE_USER_CREATABLE) || type->is_abstract) {
        rh_fail(err, "Parameter 'qom-type' does not accept value '%s'", type_name);
        return NULL;
    }
    if (!rh_id_ok(id)) {
        rh_fail(err, "Parameter 'id' expects an identifier");
        rh_hint(err, "Identifiers consist of letters, digits, '-', '.', '_', starting with a letter.");
        return NULL;
    }
    obj = rh_object_new_of(vm, type);
    if ((members && !rh_object_set_all(obj, members, err)) ||
        !rh_object_add_child(objects, id, obj, err)) {
        return NULL;
    }
    if (!complete(obj, err)) {
        rh_object_unparent(obj);
        return NULL;
    }
    return obj;
}

bool rh_object_delete(RhObject *root, const char *id, GError **err)
{
    RhObject *obj = rh_object_child(rh_object_container(root, "objects"), id);

    if (!obj) {
        return rh_fail(err, "object '%s' not found", id);
    }
    for (const RhType *type = obj->type; type; type = rh_type_parent(type)) {
        if (type->can_delete && !type->can_delete(obj, err)) {
            return false;
        }
    }
    rh_object_unparent(obj);
    return true;
}
