"""qapi-types.h and qapi-types.c: structs, enums, and the tables that describe them."""

from .names import c_const, c_name, c_string, c_type, snake
from .schema import BUILTIN, ListOf

NO_EDIT = "/* Made by qapi/generate.py from the .schema files beside it: change those. */\n"

KINDS = {"str": "STR", "bool": "BOOL", "number": "NUMBER", "size": "SIZE", "any": "ANY", "null": "NULL"}


class CTypes:
    """C names and layout of the types of one schema"""

    def __init__(self, schema):
        self.schema = schema

    def is_pointer(self, type_):
        if isinstance(type_, ListOf) or type_ in ("str", "any", "null"):
            return True
        return type_ not in BUILTIN and (self.schema.types[type_].kind != "enum" or self.is_text(type_))

    def is_text(self, type_):
        """an open enum: a string in C"""
        entity = None if isinstance(type_, ListOf) else self.schema.lookup(type_)
        return bool(entity) and entity.kind == "enum" and "open" in entity.flags

    def decl(self, type_):
        """C type with the space or star in front of a name"""
        if isinstance(type_, ListOf):
            return "GPtrArray *" if self.is_pointer(type_.element) else "GArray *"
        if self.is_text(type_):
            return "char *"
        if type_ in BUILTIN:
            return BUILTIN[type_][1]
        return c_type(type_) + (" " if self.schema.types[type_].kind == "enum" else " *")

    def param(self, type_):
        """the same for a parameter that is only read"""
        text = self.decl(type_)
        is_const = self.is_pointer(type_) and not isinstance(type_, ListOf) and type_ not in ("any", "null")
        return "const " + text if is_const else text

    def table(self, type_):
        """name of the RhQapiType"""
        if isinstance(type_, ListOf):
            return self.table(type_.element) + "_list"
        return "qmp_type_str" if self.is_text(type_) else "qmp_type_" + snake(type_)

    def made(self, is_enum):
        """the enums, or the other types, that stand in C"""
        return [e for e in self.schema.types.values()
                if (e.kind == "enum") == is_enum and not self.is_text(e.name)]

    def has_flag(self, member):
        return member.optional and not self.is_pointer(member.type)


def lists_of(schema):
    """every list type that is used, in a fixed order"""
    found = {}

    def note(type_):
        if isinstance(type_, ListOf):
            found.setdefault(type_, None)

    for entity in schema.types.values():
        for member in entity.members:
            note(member.type)
    for command in schema.commands:
        note(command.ret)
    return list(found)


def doc_comment(text, indent=""):
    if not text:
        return ""
    body = text.replace("*/", "* /").split("\n")
    if len(body) == 1 and len(body[0]) < 90:
        return f"{indent}/** {body[0]} */\n"
    return indent + "/**\n" + "".join(f"{indent} * {line}".rstrip() + "\n" for line in body) + indent + " */\n"


def enum_decl(entity):
    out = doc_comment(entity.doc) + f"typedef enum {c_type(entity.name)} {{\n"
    for value in entity.values:
        out += doc_comment(value.doc, "    ") + f"    {c_const(entity.name, value.name)},\n"
    count = f"QMP_{snake(entity.name).upper()}__NR"
    out += f"}} {c_type(entity.name)};\n"
    out += f"enum {{ {count} = {len(entity.values)} }};\n"
    out += f"const char *qmp_{snake(entity.name)}_name({c_type(entity.name)} value);\n\n"
    return out


def struct_decl(types, entity):
    out = doc_comment(entity.doc) + f"struct {c_type(entity.name)} {{\n"
    if entity.kind == "alternate":
        names = [c_const(entity.name, m.name) for m in entity.members]
        out += "    enum { " + ", ".join(names) + " } kind;\n    union {\n"
        for member in entity.members:
            out += f"        {types.decl(member.type)}{c_name(member.name)};\n"
        return out + "    } u;\n};\n"
    for member in types.schema.flat_members(entity):
        out += doc_comment(member.doc, "    ")
        if types.has_flag(member):
            out += f"    bool has_{c_name(member.name).rstrip('_')};\n"
        out += f"    {types.decl(member.type)}{c_name(member.name)};\n"
    if entity.branches:
        out += "    union {\n"
        for branch in entity.branches:
            out += f"        {types.decl(branch.type)}{c_name(branch.name)};\n"
        out += "    } u;\n"
    if "open" in entity.flags:
        out += "    json_object *rest;\n"
    if not types.schema.flat_members(entity) and not entity.branches and "open" not in entity.flags:
        out += "    char nothing;\n"
    return out + "};\n"


def struct_functions(entity):
    name, func = c_type(entity.name), "qmp_" + snake(entity.name)
    return (f"void {func}_free({name} *value);\n"
            f"{name} *{func}_from_json(json_object *in, unsigned flags, GError **err);\n"
            f"json_object *{func}_to_json(const {name} *value);\n"
            f"G_DEFINE_AUTOPTR_CLEANUP_FUNC({name}, {func}_free)\n\n")


def header(schema):
    types = CTypes(schema)
    enums, structs = types.made(True), types.made(False)
    out = NO_EDIT + "#ifndef QAPI_TYPES_H\n#define QAPI_TYPES_H\n\n"
    out += "#include <glib.h>\n#include <json-c/json.h>\n#include <stdbool.h>\n#include <stdint.h>\n"
    out += '#include "qapi/type.h"\n\n'
    out += "".join(enum_decl(e) for e in enums)
    out += "".join(f"typedef struct {c_type(e.name)} {c_type(e.name)};\n" for e in structs) + "\n"
    for entity in structs:
        out += struct_decl(types, entity) + struct_functions(entity)
    for type_ in lists_of(schema):
        out += f"{types.decl(type_)}{new_list_name(types, type_)}(void);\n"
    out += "\n" + "".join(f"extern const RhQapiType {types.table(n)};\n" for n in BUILTIN)
    out += "".join(f"extern const RhQapiType {types.table(e.name)};\n" for e in enums + structs)
    out += "".join(f"extern const RhQapiType {types.table(t)};\n" for t in lists_of(schema))
    return out + "\n#endif\n"


def new_list_name(types, type_):
    return types.table(type_).replace("qmp_type_", "qmp_") + "_new"


def builtin_table(name):
    _, _, size, signed = BUILTIN[name]
    kind = KINDS.get(name, "INT" if signed else "UINT")
    end = {"str": ", .free = g_free", "any": ", .free = free_any"}.get(name, "")
    return f'const RhQapiType qmp_type_{name} = {{ .name = "{name}", .kind = RH_QAPI_{kind}, .size = {size}{end} }};\n'


def enum_table(types, entity):
    table = types.table(entity.name)
    out = f"static const char *const {table}_values[] = {{\n"
    out += "".join(f"    [{c_const(entity.name, v.name)}] = {c_string(v.name)},\n" for v in entity.values)
    out += "    NULL\n};\n"
    out += (f"const RhQapiType {table} = {{\n    .name = {c_string(entity.name)}, .kind = RH_QAPI_ENUM,\n"
            f"    .size = sizeof({c_type(entity.name)}), .nr = {len(entity.values)}, .values = {table}_values,\n")
    if entity.later_values:
        names = ", ".join(c_string(v.name) for v in entity.later_values)
        out += f"    .later_values = (const char *const[]) {{ {names}, NULL }},\n"
    out += "};\n"
    out += (f"const char *qmp_{snake(entity.name)}_name({c_type(entity.name)} value)\n{{\n"
            f"    return qapi_enum_name(&{table}, value);\n}}\n\n")
    return out


def member_row(types, entity, member):
    struct = c_type(entity.name)
    field = c_name(member.name) if entity.kind != "alternate" else "u." + c_name(member.name)
    out = f"    {{ {c_string(member.name)}, &{types.table(member.type)}, offsetof({struct}, {field})"
    if entity.kind == "alternate":
        return out + ", 0, false },\n"
    has = f"offsetof({struct}, has_{c_name(member.name).rstrip('_')})" if types.has_flag(member) else "0"
    return out + f", {has}, {'true' if member.optional else 'false'} }},\n"


def struct_table(types, entity):
    table, struct = types.table(entity.name), c_type(entity.name)
    members = types.schema.flat_members(entity)
    out = ""
    if members:
        out += f"static const RhQapiMember {table}_members[] = {{\n"
        out += "".join(member_row(types, entity, m) for m in members) + "};\n"
    if entity.kind == "union":
        enum = next(m.type for m in members if m.name == entity.tag)
        out += f"static const RhQapiType *const {table}_branches[QMP_{snake(enum).upper()}__NR] = {{\n"
        out += "".join(f"    [{c_const(enum, b.name)}] = &{types.table(b.type)},\n" for b in entity.branches)
        out += "};\n"
    out += f"static void {table}_free(void *value)\n{{\n    qapi_free(&{table}, value);\n}}\n"
    out += f"const RhQapiType {table} = {{\n    .name = {c_string(entity.name)}, "
    out += f".kind = RH_QAPI_{entity.kind.upper()}, .size = sizeof({struct}),\n"
    if members:
        out += f"    .members = {table}_members, .nr = {len(members)},\n"
    if entity.kind == "union":
        out += f"    .tag = &{types.table(enum)}, .tag_offset = offsetof({struct}, {c_name(entity.tag)}),\n"
        out += f"    .branches = {table}_branches, "
        out += f".branch_offset = offsetof({struct}, u),\n" if entity.branches else "\n"
    if entity.kind == "alternate":
        out += f"    .tag_offset = offsetof({struct}, kind), .branch_offset = offsetof({struct}, u),\n"
    if "open" in entity.flags:
        out += f"    .is_open = true, .rest_offset = offsetof({struct}, rest),\n"
    out += f"    .free = {table}_free,\n}};\n"
    func = "qmp_" + snake(entity.name)
    out += f"void {func}_free({struct} *value)\n{{\n    qapi_free(&{table}, value);\n}}\n"
    out += (f"{struct} *{func}_from_json(json_object *in, unsigned flags, GError **err)\n{{\n"
            f"    {struct} *value = NULL;\n\n    qapi_from_json(&{table}, in, &value, flags, err);\n"
            f"    return value;\n}}\n")
    out += (f"json_object *{func}_to_json(const {struct} *value)\n{{\n"
            f"    return qapi_to_json(&{table}, &value);\n}}\n\n")
    return out


def list_table(types, type_):
    table, element = types.table(type_), types.table(type_.element)
    array = "g_ptr_array_unref" if types.is_pointer(type_.element) else "g_array_unref"
    out = f"static void {table}_free(void *value)\n{{\n    {array}(value);\n}}\n"
    out += (f'const RhQapiType {table} = {{\n    .name = "array", .kind = RH_QAPI_LIST, .size = sizeof(void *),\n'
            f"    .element = &{element}, .free = {table}_free,\n}};\n")
    out += f"{types.decl(type_)}{new_list_name(types, type_)}(void)\n{{\n    return qapi_list_new(&{table});\n}}\n\n"
    return out


def source(schema):
    types = CTypes(schema)
    out = NO_EDIT + '#include "qapi/qapi-types.h"\n#include <stddef.h>\n#include "qapi/visit.h"\n\n'
    out += "static void free_any(void *value)\n{\n    json_object_put(value);\n}\n\n"
    out += "".join(builtin_table(name) for name in BUILTIN) + "\n"
    out += "".join(enum_table(types, e) for e in types.made(True))
    out += "".join(struct_table(types, e) for e in types.made(False))
    out += "".join(list_table(types, t) for t in lists_of(schema))
    return out
