"""qapi-commands.h (handler prototypes), qapi-dispatch.c (table of commands), qapi-events.h and .c."""

from .ctypes import NO_EDIT, CTypes, doc_comment
from .names import c_name, c_string, c_type, snake
from .schema import ListOf


def live(entities):
    """without those that have no handler yet"""
    return [e for e in entities if "later" not in e.flags]


def returns_pointer(types, ret):
    """whether the handler returns its result, and NULL when it fails"""
    return ret is not None and types.is_pointer(ret) and ret not in ("any", "null")


def prototype(types, command):
    params = ["RhVm *vm"]
    if command.args:
        params.append(f"const {c_type(command.args)} *args")
    result = "bool "
    if returns_pointer(types, command.ret):
        result = types.decl(command.ret)
    elif command.ret is not None:
        params.append(types.decl(command.ret) + "*ret_result")
    return f"{result}qmp_{snake(command.name)}({', '.join(params)}, GError **err)"


def header(schema):
    types = CTypes(schema)
    out = NO_EDIT + "#ifndef QAPI_COMMANDS_H\n#define QAPI_COMMANDS_H\n\n"
    out += '#include "qapi/command.h"\n#include "qapi/qapi-types.h"\n\n'
    out += ("/*\n * Handlers. One that returns a pointer gives a new value, or NULL with @err set; one that\n"
            " * returns bool says whether it succeeded. Arguments belong to the caller. Main thread.\n */\n\n")
    for command in schema.commands:
        out += doc_comment(f"qmp_{snake(command.name)} - " + command.doc.split("\n")[0])
        out += prototype(types, command) + ";\n"
    return out + "\n#endif\n"


def thunk(types, command):
    name, args = snake(command.name), ["vm"] + (["args"] if command.args else [])
    if command.ret is not None and not returns_pointer(types, command.ret):
        args.append("ret")
    call = f"qmp_{name}({', '.join(args)}, err)"
    out = f"static bool call_{name}(RhVm *vm, const void *args, void *ret, GError **err)\n{{\n"
    if returns_pointer(types, command.ret):
        out += f"    return (*(void **)ret = {call}) != NULL;\n}}\n"
    else:
        out += f"    return {call};\n}}\n"
    return out


def row(types, command):
    flags = [f"RH_QMP_{f.upper()}" for f in ("oob", "preconfig", "coroutine") if f in command.flags]
    args = "&" + types.table(command.args) if command.args else "NULL"
    ret = "&" + types.table(command.ret) if command.ret is not None else "NULL"
    return (f"    {{ {c_string(command.name)}, {args}, {ret}, call_{snake(command.name)}, "
            f"{' | '.join(flags) or '0'} }},\n")


def dispatch(schema):
    types = CTypes(schema)
    commands = sorted(live(schema.commands), key=lambda c: c.name)
    out = NO_EDIT + '#include "qapi/qapi-commands.h"\n\n'
    out += "".join(thunk(types, c) for c in commands)
    out += "\nstatic const RhQmpCommand commands[] = {\n" + "".join(row(types, c) for c in commands) + "};\n\n"
    out += ("const RhQmpCommand *rh_qmp_commands(unsigned *ret_nr)\n{\n"
            "    *ret_nr = sizeof(commands) / sizeof(commands[0]);\n    return commands;\n}\n")
    return out


def event_params(types, event):
    params = ["RhEventSink *sink"]
    if not event.args:
        return params
    entity = types.schema.types[event.args]
    if not entity.implicit:
        return params + [f"const {c_type(event.args)} *data"]
    for member in entity.members:
        if types.has_flag(member):
            params.append(f"bool has_{c_name(member.name).rstrip('_')}")
        params.append(types.param(member.type) + c_name(member.name))
    return params


def event_prototype(types, event):
    return f"void qmp_event_{snake(event.name)}({', '.join(event_params(types, event))})"


def events_header(schema):
    types = CTypes(schema)
    out = NO_EDIT + "#ifndef QAPI_EVENTS_H\n#define QAPI_EVENTS_H\n\n"
    out += '#include "qapi/event.h"\n#include "qapi/qapi-types.h"\n\n'
    for event in schema.events:
        out += doc_comment(f"qmp_event_{snake(event.name)} - " + event.doc.split("\n")[0])
        out += event_prototype(types, event) + ";\n"
    return out + "\n#endif\n"


def event_body(types, event):
    if not event.args:
        return f"    sink->emit(sink, {c_string(event.name)}, NULL);\n"
    entity, table = types.schema.types[event.args], types.table(event.args)
    out = ""
    if entity.implicit:
        out += f"    const {c_type(event.args)} value = {{\n"
        for member in entity.members:
            if types.has_flag(member):
                has = "has_" + c_name(member.name).rstrip("_")
                out += f"        .{has} = {has},\n"
            name, cast = c_name(member.name), ""
            if types.param(member.type) != types.decl(member.type):
                cast = f"({types.decl(member.type).strip()})"    # only read
            out += f"        .{name} = {cast}{name},\n"
        out += f"    }};\n    const {c_type(event.args)} *data = &value;\n\n"
    return out + f"    sink->emit(sink, {c_string(event.name)}, qapi_to_json(&{table}, &data));\n"


def events_source(schema):
    types = CTypes(schema)
    out = NO_EDIT + '#include "qapi/qapi-events.h"\n#include "qapi/visit.h"\n\n'
    for event in schema.events:
        out += f"{event_prototype(types, event)}\n{{\n{event_body(types, event)}}}\n\n"
    return out
