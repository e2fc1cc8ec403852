"""qapi-introspect.c: the SchemaInfo of every command and event, and of all types they reach."""

import json

from .commands import live
from .ctypes import NO_EDIT
from .names import c_string
from .schema import BUILTIN, ListOf

JSON_TYPES = {"str": "string", "int": "int", "number": "number", "bool": "boolean", "null": "null", "any": "value"}
EMPTY = "0"     # the object without members


def type_name(type_):
    """name in the answer; all integers are `int` to a client"""
    if isinstance(type_, ListOf):
        return "[" + type_name(type_.element) + "]"
    return BUILTIN[type_][0] if type_ in BUILTIN else type_


class Walk:
    """collects the types that are reached, each once, in order"""

    def __init__(self, schema):
        self.schema, self.found, self.seen = schema, [], set()

    def reach(self, type_):
        name = type_name(type_)
        if name in self.seen:
            return name
        self.seen.add(name)
        info = {"name": name}
        self.found.append(info)
        if isinstance(type_, ListOf):
            info.update({"meta-type": "array", "element-type": self.reach(type_.element)})
        elif type_ in BUILTIN:
            info.update({"meta-type": "builtin", "json-type": JSON_TYPES[name]})
        else:
            entity = self.schema.types[type_]
            getattr(self, "info_" + entity.kind)(entity, info)
            with_features(entity, info)
        return name

    def empty(self):
        if EMPTY not in self.seen:
            self.seen.add(EMPTY)
            self.found.append({"name": EMPTY, "meta-type": "object", "members": []})
        return EMPTY

    def info_enum(self, entity, info):
        info["meta-type"] = "enum"
        info["members"] = [with_features(v, {"name": v.name}) for v in entity.values]
        info["values"] = [v.name for v in entity.values]

    def info_struct(self, entity, info):
        info["meta-type"] = "object"
        info["members"] = [self.member(m) for m in self.schema.flat_members(entity)]

    def info_union(self, entity, info):
        self.info_struct(entity, info)
        info["tag"] = entity.tag
        members = self.schema.flat_members(entity)
        enum = self.schema.types[next(m.type for m in members if m.name == entity.tag)]
        types = {b.name: b.type for b in entity.branches}
        info["variants"] = [
            {"case": v.name, "type": self.reach(types[v.name]) if v.name in types else self.empty()}
            for v in enum.values]

    def info_alternate(self, entity, info):
        info["meta-type"] = "alternate"
        info["members"] = [{"type": self.reach(m.type)} for m in entity.members]

    def member(self, member):
        info = {"name": member.name, "type": self.reach(member.type)}
        if member.optional:
            info["default"] = None
        return with_features(member, info)

    def command(self, entity):
        info = {"name": entity.name, "meta-type": "command",
                "arg-type": self.reach(entity.args) if entity.args else self.empty(),
                "ret-type": self.reach(entity.ret) if entity.ret is not None else self.empty()}
        if "oob" in entity.flags:
            info["allow-oob"] = True
        return with_features(entity, info)

    def event(self, entity):
        return with_features(entity, {
            "name": entity.name, "meta-type": "event",
            "arg-type": self.reach(entity.args) if entity.args else self.empty()})


def with_features(thing, info):
    if thing.features:
        info["features"] = thing.features
    return info


def infos(schema):
    """the list that query-qmp-schema answers"""
    walk = Walk(schema)
    top = [walk.command(c) for c in live(schema.commands)] + [walk.event(e) for e in live(schema.events)]
    return top + walk.found


def source(schema):
    out = NO_EDIT + '#include "qapi/introspect-data.h"\n\n'
    out += "const char *const rh_qapi_schema_infos[] = {\n"
    for info in infos(schema):
        out += "    " + c_string(json.dumps(info, separators=(",", ":"))) + ",\n"
    return out + "    NULL\n};\n"
