"""qapi-options.h and qapi-options.c: the table of command line options."""

from .ctypes import NO_EDIT, CTypes
from .names import c_string, snake

FLAGS = ("json", "repeat", "merge", "shorthand", "collect", "ignored")


def const(option):
    # -s and -S, -d and -D are four options.
    big = "BIG_" if len(option.name) == 1 and option.name.isupper() else ""
    return "RH_OPT_" + big + snake(option.name).upper()


def header(schema):
    out = NO_EDIT + "#ifndef QAPI_OPTIONS_H\n#define QAPI_OPTIONS_H\n\n"
    out += '#include "qapi/option.h"\n#include "qapi/qapi-types.h"\n\n'
    out += "/* Places of the options in rh_options() */\ntypedef enum RhOptionId {\n"
    out += "".join(f"    {const(o)},\n" for o in schema.options)
    return out + "    RH_OPT__NR\n} RhOptionId;\n\n#endif\n"


def row(types, option):
    attrs = option.attrs
    flags = " | ".join(f"RH_OPTION_{f.upper()}" for f in FLAGS if attrs.get(f)) or "0"
    out = f"    [{const(option)}] = {{\n        .name = {c_string(option.name)}, "
    out += f".kind = RH_OPTION_{attrs['kind'].upper()}, .flags = {flags},\n"
    if attrs["aliases"]:
        names = ", ".join(c_string(a) for a in attrs["aliases"])
        out += f"        .aliases = (const char *const[]) {{ {names}, NULL }},\n"
    for key in ("implied", "group", "arg", "later", "deprecated"):
        if attrs.get(key):
            out += f"        .{key} = {c_string(attrs[key])},\n"
    if attrs.get("type"):
        out += f"        .type = &{types.table(attrs['type'])},\n" + member_help(types, attrs["type"])
    if option.doc:
        out += f"        .help = {c_string(option.doc)},\n"
    return out + "    },\n"


def member_help(types, name):
    docs = [" ".join(m.doc.split()) for m in types.schema.flat_members(types.schema.types[name])]
    if not any(docs):
        return ""
    items = ", ".join(c_string(doc) if doc else "NULL" for doc in docs)
    return f"        .member_help = (const char *const[]) {{ {items} }},\n"


def source(schema):
    types = CTypes(schema)
    out = NO_EDIT + '#include "qapi/qapi-options.h"\n\n'
    out += "static const RhOption options[RH_OPT__NR] = {\n"
    out += "".join(row(types, o) for o in schema.options) + "};\n\n"
    return out + ("const RhOption *rh_options(unsigned *ret_nr)\n{\n"
                  "    *ret_nr = RH_OPT__NR;\n    return options;\n}\n")
