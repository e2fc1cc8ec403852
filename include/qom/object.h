/*
 * The object model: types are const data, objects form one tree.
 *
 * A type is a const RhType (or a longer structure that starts with one) whose address RH_TYPE puts
 * into a linker section: registration is data, without start-up code or order. A kind of object
 * (device, bus, character device, ...) has its own longer structure; every type below that kind's
 * root type is declared with it.
 *
 * An object lives in exactly one place of the tree: its parent owns it and gives it its name.
 * rh_object_unparent takes it out of the tree; it is freed when the last reference goes.
 *
 * Lock: the tree and all properties belong to the machine lock (or to start-up, before threads run).
 */
#ifndef RH_QOM_OBJECT_H
#define RH_QOM_OBJECT_H

#include <glib.h>
#include <json-c/json.h>
#include "util/core.h"
#include "util/error.h"

typedef struct RhVm RhVm;
typedef struct RhType RhType;
typedef struct RhObject RhObject;
typedef struct RhProp RhProp;
typedef struct RhPropKind RhPropKind;

/** RhTree - where links resolve paths from; an RhVm starts with one */
typedef struct RhTree {
    RhObject *root;         /* "/" */
} RhTree;

/** RH_TABLE - initialise a {rows, nr} pair from a static array */
#define RH_TABLE(array) { array, RH_COUNT(array) }

typedef struct RhPropTable {
    const RhProp *rows;
    size_t nr;
} RhPropTable;

/** RhType - what every type says of itself; all text is const and lives as long as the program */
struct RhType {
    const char *name;           /* as users know it */
    const char *parent;         /* name of the parent type; NULL for "object" alone */
    const char *doc;            /* one line for help and the reference */
    size_t size;                /* of an instance, in bytes; 0: the parent's */
    bool is_abstract;           /* cannot be made, only derived from */
    const char *const *interfaces; /* NULL-terminated names, or NULL; inherited */
    RhPropTable props;          /* this level's own properties; the parents' come with them */
    /* Called base type first, after defaults are set; must not fail. fini: derived type first. */
    void (*init)(RhObject *obj);
    void (*fini)(RhObject *obj);
    /* For -object / object-add: all properties are set; claim what they name. Base first. */
    bool (*complete)(RhObject *obj, GError **err);
    /* For object-del: false and @err while something uses the object */
    bool (*can_delete)(RhObject *obj, GError **err);
};

#define RH_TYPE_OBJECT "object"
/** Interface of types that -object and object-add make */
#define RH_INTERFACE_USER_CREATABLE "user-creatable"

/** RH_TYPE_ENTRY - enter a static const variable (an RhType or one that starts with it) into the type table */
#define RH_TYPE_ENTRY(variable)                                                                    \
    static const RhType *const variable##_entry RH_IN_SECTION(rh_types) = (const RhType *)&variable

/** RH_OBJECT_TYPE - declare a plain object type of instance struct T; name the slots of RhType */
#define RH_OBJECT_TYPE(T, ...)                                                                     \
    static const RhType T##_type = { .size = sizeof(T), __VA_ARGS__ };                             \
    RH_TYPE_ENTRY(T##_type)

/**
 * RH_TYPE_FAMILY - @fn is called once, when the type table is built, and enters types made from a
 * table (CPU models, say) with rh_type_add
 */
typedef void RhTypeFamilyFn(void);
#define RH_TYPE_FAMILY(fn) static RhTypeFamilyFn *const fn##_family RH_IN_SECTION(rh_type_families) = fn
/** rh_type_add - enter a type that lives until the program ends; only from an RH_TYPE_FAMILY function */
void rh_type_add(const RhType *type);

/** rh_type_find - by name or alias; NULL if there is none */
const RhType *rh_type_find(const char *name);
/** rh_type_parent - the parent type, or NULL */
const RhType *rh_type_parent(const RhType *type);
/** rh_type_is - whether @type is, derives from, or implements the interface @name */
bool rh_type_is(const RhType *type, const char *name);
/** rh_type_foreach - all types in order of name; fn returns false to stop */
void rh_type_foreach(bool (*fn)(const RhType *type, void *opaque), void *opaque);
/** rh_type_alias - users' second names ("virtio-blk" is virtio-blk-pci): data in a linker section */
typedef struct RhTypeAlias {
    const char *alias;
    const char *name;
} RhTypeAlias;
#define RH_TYPE_ALIAS(ident, alias_name, type_name)                                                \
    static const RhTypeAlias ident##_alias = { alias_name, type_name };                            \
    static const RhTypeAlias *const ident##_alias_entry RH_IN_SECTION(rh_type_aliases) = &ident##_alias

struct RhObject {
    const RhType *type;
    RhVm *vm;               /* the machine this object belongs to; NULL only in unit tests */
    RhObject *parent;       /* owner in the tree; NULL: not in it */
    char *name;             /* under the parent; NULL: not in the tree */
    GPtrArray *children;    /* owned, in order of adding; NULL: none */
    int refs;               /* atomic */
};

/** RH_SELF - the instance struct T of an object (device, bus, ...) pointer */
#define RH_SELF(T, obj) ((T *)(obj))
#define RH_OBJECT(ptr)  ((RhObject *)(ptr))

/** rh_object_new - a fresh object with defaults set and one reference; @err when the type is unknown or abstract */
RhObject *rh_object_new(RhVm *vm, const char *type_name, GError **err);
/** rh_object_new_of - as rh_object_new, from a type that is known to be concrete; cannot fail */
RhObject *rh_object_new_of(RhVm *vm, const RhType *type);
RhObject *rh_object_ref(RhObject *obj);
void rh_object_unref(RhObject *obj);        /* accepts NULL */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(RhObject, rh_object_unref)

/** rh_object_is - whether the object's type is, derives from, or implements @name; false for NULL */
bool rh_object_is(const RhObject *obj, const char *name);

/** rh_object_add_child - put @child under @parent, which takes a reference; @err when the name is taken */
bool rh_object_add_child(RhObject *parent, const char *name, RhObject *child, GError **err);
/** rh_object_add_child_numbered - as "NAME[N]" with the first free N; cannot fail */
void rh_object_add_child_numbered(RhObject *parent, const char *name, RhObject *child);
/** rh_object_container - the child of that name, made as a plain "container" object if missing */
RhObject *rh_object_container(RhObject *parent, const char *name);
/** rh_object_unparent - take out of the tree and drop the parent's reference; no effect outside the tree */
void rh_object_unparent(RhObject *obj);
RhObject *rh_object_child(const RhObject *parent, const char *name);
/** rh_object_path - canonical path such as "/machine/peripheral/disk0"; NULL outside the tree; g_free it */
char *rh_object_path(const RhObject *obj);
/** rh_object_resolve - by canonical path, or by a partial one if that names one object only; NULL and *@ambiguous (may be NULL) */
RhObject *rh_object_resolve(RhObject *root, const char *path, bool *ambiguous);
/** rh_object_foreach - @fn for each object below @root (not itself), parents first; fn returns false to stop. Returns false if stopped. */
bool rh_object_foreach(RhObject *root, bool (*fn)(RhObject *obj, void *opaque), void *opaque);

/* --- properties --- */

/** RhPropKind - how a property of one C type is read, set and shown; a room may add its own kinds */
struct RhPropKind {
    const char *name;       /* as QMP shows it: "uint32", "bool", "str", "size", ... */
    /* @value is never NULL. A JSON string is always accepted for what it spells (key=value syntax). */
    bool (*set)(RhObject *obj, const RhProp *prop, json_object *value, GError **err);
    json_object *(*get)(RhObject *obj, const RhProp *prop);
    void (*init)(RhObject *obj, const RhProp *prop);    /* apply the default; NULL: leave zero */
    void (*fini)(RhObject *obj, const RhProp *prop);    /* release what set took; NULL: nothing */
    uint64_t max;           /* largest value of the C type, for numbers */
};

struct RhProp {
    const char *name;
    const RhPropKind *kind;
    size_t offset;              /* of the member in the instance struct */
    const char *doc;
    uint64_t def;               /* default of numbers, sizes, booleans and enums */
    const char *def_str;        /* default of strings, and of kinds that read text */
    uint64_t min;
    uint64_t max;               /* 0: what the C type holds */
    const char *const *values;  /* enum: NULL-terminated names */
    const char *target;         /* link: type or interface that the target must have */
    bool is_runtime;            /* may be set after realize/complete */
    bool is_readonly;           /* by users; the program sets the member */
    bool is_elsewhere;          /* the value is another object's: .set and .get reach it, there is no member here */
    bool is_hidden;             /* works, but is not shown in help ("x-" and compatibility knobs) */
    /* For what tables cannot say: replaces the kind's set / get, or runs after a successful set. */
    bool (*set)(RhObject *obj, const RhProp *prop, json_object *value, GError **err);
    json_object *(*get)(RhObject *obj, const RhProp *prop);
    bool (*changed)(RhObject *obj, const RhProp *prop, GError **err);
};

extern const RhPropKind rh_prop_bool, rh_prop_u8, rh_prop_u16, rh_prop_u32, rh_prop_u64;
extern const RhPropKind rh_prop_s8, rh_prop_s16, rh_prop_s32, rh_prop_s64, rh_prop_str;
extern const RhPropKind rh_prop_size;       /* uint64_t, with suffixes */
extern const RhPropKind rh_prop_size32;     /* uint32_t, with suffixes */
extern const RhPropKind rh_prop_enum;       /* int (or C enum) index into .values */
extern const RhPropKind rh_prop_on_off_auto; /* int: RhOnOffAuto */
extern const RhPropKind rh_prop_link;       /* RhObject * of type .target; takes a reference */
extern const RhPropKind rh_prop_uuid;       /* RhUuid (util/parse.h); "auto" makes one */
extern const RhPropKind rh_prop_str_list;   /* char ** (strv); JSON array of strings */
extern const RhPropKind rh_prop_json;       /* json_object *: any JSON value, kept as given */
extern const RhPropKind rh_prop_computed;   /* no member: .get (and .set) say it all */

typedef enum RhOnOffAuto { RH_AUTO, RH_ON, RH_OFF } RhOnOffAuto;

#define RH_PROP_KIND_OF(member)                                                                    \
    _Generic((member), bool: &rh_prop_bool, uint8_t: &rh_prop_u8, uint16_t: &rh_prop_u16,          \
             uint32_t: &rh_prop_u32, uint64_t: &rh_prop_u64, int8_t: &rh_prop_s8,                  \
             int16_t: &rh_prop_s16, int32_t: &rh_prop_s32, int64_t: &rh_prop_s64,                  \
             char *: &rh_prop_str)

/** RH_PROP - a property kept in member @m of instance struct T; its kind follows from the member's C type */
#define RH_PROP(prop_name, T, m, ...)                                                              \
    { .name = prop_name, .kind = RH_PROP_KIND_OF(((T *)0)->m), .offset = offsetof(T, m), __VA_ARGS__ }
/** RH_PROP_AS - as RH_PROP, with the kind named: RH_PROP_AS(rh_prop_size, "size", T, m, ...) */
#define RH_PROP_AS(prop_kind, prop_name, T, m, ...)                                                \
    { .name = prop_name, .kind = &prop_kind, .offset = offsetof(T, m), __VA_ARGS__ }
/** RH_PROP_COMPUTED - without a member; give .get, and .set unless it is read-only */
#define RH_PROP_COMPUTED(prop_name, ...)                                                           \
    { .name = prop_name, .kind = &rh_prop_computed, __VA_ARGS__ }
/** RH_PROP_LINK - a reference to an object of type @type_name, by path or id */
#define RH_PROP_LINK(prop_name, T, m, type_name, ...)                                              \
    { .name = prop_name, .kind = &rh_prop_link, .offset = offsetof(T, m), .target = type_name, __VA_ARGS__ }

/** rh_prop_member - address of the member behind @prop in @obj */
static inline void *rh_prop_member(RhObject *obj, const RhProp *prop)
{
    return (char *)obj + prop->offset;
}

/** rh_type_find_prop - the property @name of @type or of a parent; NULL if none */
const RhProp *rh_type_find_prop(const RhType *type, const char *name);
/** rh_type_foreach_prop - derived type first; a name that a derived type repeats is visited once */
void rh_type_foreach_prop(const RhType *type, void (*fn)(const RhProp *prop, const RhType *owner, void *opaque),
                          void *opaque);
/** rh_prop_default - default value as JSON, or NULL when it has none; the caller owns it */
json_object *rh_prop_default(const RhProp *prop);
/** rh_prop_type_name - as QMP shows it ("uint32", "link<irq>", "OnOffAuto", ...); g_free it */
char *rh_prop_type_name(const RhProp *prop);

/** rh_object_set - set a property from JSON; the error names TYPE.PROPERTY, the value and what would be right */
bool rh_object_set(RhObject *obj, const char *name, json_object *value, GError **err);
bool rh_object_set_str(RhObject *obj, const char *name, const char *value, GError **err);
bool rh_object_set_u64(RhObject *obj, const char *name, uint64_t value, GError **err);
bool rh_object_set_bool(RhObject *obj, const char *name, bool value, GError **err);
bool rh_object_set_link(RhObject *obj, const char *name, RhObject *target, GError **err);
/** rh_object_set_all - each member of a JSON object; stops at the first error */
bool rh_object_set_all(RhObject *obj, json_object *members, GError **err);
/** rh_object_get - value as JSON, owned by the caller (JSON null is not NULL: *@ret is set on success) */
bool rh_object_get(RhObject *obj, const char *name, json_object **ret, GError **err);
/** rh_object_get_u64 - the number in a property; false without error when there is no such property */
bool rh_object_get_u64(RhObject *obj, const char *name, uint64_t *ret);

/** rh_object_create - what -object and object-add do: make, set, complete, put under /objects as @id */
RhObject *rh_object_create(RhObject *root, RhVm *vm, const char *type_name, const char *id,
                           json_object *members, GError **err);
/** rh_object_delete - what object-del does */
bool rh_object_delete(RhObject *root, const char *id, GError **err);
/** rh_id_ok - whether @id is a well-formed user id: a letter, then letters, digits, '-', '.', '_' */
bool rh_id_ok(const char *id);

#endif
