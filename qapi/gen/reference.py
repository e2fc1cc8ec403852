"""The reference pages: qmp.md and options.md."""

from .schema import ListOf


def type_text(type_):
    return f"[{type_text(type_.element)}]" if isinstance(type_, ListOf) else str(type_)


def anchor(schema, type_):
    """a type as text, linked to its description"""
    inner = type_
    while isinstance(inner, ListOf):
        inner = inner.element
    text = type_text(type_)
    return f"[`{text}`](#{inner.lower()})" if schema.lookup(inner) else f"`{text}`"


def members_text(schema, members):
    out = ""
    for member in members:
        notes = " (optional)" if member.optional else ""
        notes += "".join(f" _{f}_" for f in member.features)
        doc = f": {' '.join(member.doc.split())}" if member.doc else ""
        out += f"- `{member.name}` {anchor(schema, member.type)}{notes}{doc}\n"
    return out + "\n" if out else ""


def arguments_text(schema, entity):
    if not entity.args:
        return ""
    struct = schema.types[entity.args]
    if not struct.implicit:
        return f"Takes {anchor(schema, entity.args)}.\n\n"
    return members_text(schema, struct.members)


def command_text(schema, command):
    out = f"### {command.name}\n\n{command.doc}\n\n" + arguments_text(schema, command)
    if "open" in command.flags:
        out += "Other members are passed on to what is made.\n\n"
    if command.ret is not None:
        out += f"Returns {anchor(schema, command.ret)}.\n\n"
    if "later" in command.flags:
        out += "Not available yet.\n\n"
    return out


def type_page(schema, entity):
    out = f"### {entity.name}\n\n{entity.doc}\n\n"
    for value in entity.values:
        doc = f": {' '.join(value.doc.split())}" if value.doc else ""
        out += f"- `{value.name}`{doc}\n"
    if entity.later_values:
        out += "- not supported yet: " + ", ".join(f"`{v.name}`" for v in entity.later_values) + "\n"
    out += members_text(schema, schema.flat_members(entity))
    for branch in entity.branches:
        out += f"- with `{entity.tag}` `{branch.name}`: the members of {anchor(schema, branch.type)}\n"
    return out.rstrip() + "\n\n"


def qmp(schema):
    out = "# QMP reference\n\nMade from `qapi/*.schema`.\n\n## Commands\n\n"
    for command in sorted(schema.commands, key=lambda c: c.name):
        out += command_text(schema, command)
    out += "## Events\n\n"
    for event in sorted(schema.events, key=lambda e: e.name):
        later = "Not sent yet.\n\n" if "later" in event.flags else ""
        out += f"### {event.name}\n\n{event.doc}\n\n{arguments_text(schema, event)}{later}"
    out += "## Types\n\n"
    for entity in schema.types.values():
        if not entity.implicit:
            out += type_page(schema, entity)
    return out


def option_text(schema, option):
    attrs = option.attrs
    out = f"### -{option.name}\n\n"
    if attrs.get("arg"):
        out += f"    -{option.name} {attrs['arg']}\n\n"
    if attrs["aliases"]:
        out += "Also spelled " + ", ".join(f"`-{a}`" for a in attrs["aliases"]) + ".\n\n"
    out += option.doc + "\n\n" if option.doc else ""
    if attrs.get("type"):
        out += members_text(schema, schema.flat_members(schema.types[attrs["type"]]))
    if attrs.get("json"):
        out += "Takes JSON as well as `key=value`.\n\n"
    if attrs.get("ignored"):
        out += "Accepted, without effect.\n\n"
    if attrs.get("deprecated"):
        out += f"Deprecated: {attrs['deprecated']}.\n\n"
    if attrs.get("later"):
        out += f"Not supported yet: {attrs['later']}.\n\n"
    return out


def options(schema):
    out = "# Command line options\n\nMade from `qapi/options.schema`.\n\n"
    return out + "".join(option_text(schema, o) for o in sorted(schema.options, key=lambda o: o.name.lower()))
