"""Reads the schema language into plain objects and checks that they fit together.

The language, by example:

    ## Documentation of what follows; belongs to types, members, values, commands, options
    enum RunState { running paused [deprecated] asleep [later] }
    enum ObjectType open { }
    struct StatusInfo { running: bool, status?: RunState }
    struct Derived : StatusInfo { list: [str] }
    union Options tag driver { driver: Driver, node-name?: str } { file: FileOptions }
    alternate Ref { definition: Options, reference: str }
    command device_add(driver: str, id?: str) -> Result open [json-cli] oob later
    command blockdev-add(Options)
    event RESET(guest: bool)
    option device object DeviceAddArgs implied driver json repeat arg "driver[,prop=value]"

Members are separated by commas or white space. `#` begins a comment. What is `later` is known but
has no implementation yet; an open enum is a string whose values only the running program knows.
"""

import re

BUILTIN = {
    # name: (introspection name, C type, size in bytes, is signed)
    "str": ("str", "char *", 8, False),
    "bool": ("bool", "bool ", 1, False),
    "int": ("int", "int64_t ", 8, True),
    "number": ("number", "double ", 8, True),
    "size": ("int", "uint64_t ", 8, False),
    "int8": ("int", "int8_t ", 1, True),
    "int16": ("int", "int16_t ", 2, True),
    "int32": ("int", "int32_t ", 4, True),
    "int64": ("int", "int64_t ", 8, True),
    "uint8": ("int", "uint8_t ", 1, False),
    "uint16": ("int", "uint16_t ", 2, False),
    "uint32": ("int", "uint32_t ", 4, False),
    "uint64": ("int", "uint64_t ", 8, False),
    "any": ("any", "json_object *", 8, False),
    "null": ("null", "json_object *", 8, False),
}

TOKEN = re.compile(r"""
    (?P<doc>\#\#[^\n]*) | (?P<comment>\#[^\n]*) | (?P<space>\s+) |
    (?P<string>"(?:[^"\\]|\\.)*") | (?P<arrow>->) |
    (?P<word>[A-Za-z0-9_][A-Za-z0-9_.+-]*) | (?P<mark>[][{}():?,])""", re.VERBOSE)

WORD_FLAGS = ("open", "oob", "preconfig", "coroutine", "later")
OPTION_KINDS = ("flag", "string", "struct", "object")


class SchemaError(Exception):
    """a mistake in the schema, with its place"""


class Member:
    def __init__(self, name, type_, optional=False, features=(), doc=""):
        self.name, self.type, self.optional = name, type_, optional
        self.features, self.doc = list(features), doc


class Entity:
    """anything with a name; `kind` says which fields are filled"""

    def __init__(self, kind, name, doc, where):
        self.kind, self.name, self.doc, self.where = kind, name, doc, where
        self.features = []
        self.members = []       # struct, union, alternate, arguments of commands and events
        self.values = []        # enum
        self.later_values = []  # enum: answered with "not supported yet"
        self.base = None        # struct, union
        self.tag = None         # union
        self.branches = []      # union: Member each
        self.args = None        # command, event: name of the argument type
        self.ret = None         # command: result type
        self.flags = set()      # words of WORD_FLAGS
        self.attrs = {}         # option
        self.implicit = False   # made for the arguments of a command or event


class ListOf:
    def __init__(self, element):
        self.element = element

    def __eq__(self, other):
        return isinstance(other, ListOf) and other.element == self.element

    def __hash__(self):
        return hash(("list", self.element))


class Reader:
    """tokens of one file, and the productions of the language"""

    def __init__(self, text, path):
        self.path, self.at, self.tokens = path, 0, []
        pos, line = 0, 1
        while pos < len(text):
            match = TOKEN.match(text, pos)
            if not match:
                raise SchemaError(f"{path}:{line}: cannot read '{text[pos:pos + 10]}'")
            if match.lastgroup not in ("space", "comment"):
                self.tokens.append((match.lastgroup, match.group(), line))
            line += match.group().count("\n")
            pos = match.end()
        self.tokens.append(("end", "end of file", line))

    def fail(self, wanted):
        _, text, line = self.tokens[self.at]
        raise SchemaError(f"{self.path}:{line}: found '{text}', wanted {wanted}")

    def where(self):
        return f"{self.path}:{self.tokens[self.at][2]}"

    def take(self, text):
        if self.tokens[self.at][1] == text and self.tokens[self.at][0] != "string":
            self.at += 1
            return True
        return False

    def need(self, text):
        if not self.take(text):
            self.fail(f"'{text}'")

    def word(self):
        kind, text, _ = self.tokens[self.at]
        if kind != "word":
            self.fail("a name")
        self.at += 1
        return text

    def string(self):
        kind, text, _ = self.tokens[self.at]
        if kind != "string":
            self.fail("a text in quotes")
        self.at += 1
        return re.sub(r"\\(.)", lambda m: "\n" if m.group(1) == "n" else m.group(1), text[1:-1])

    def doc(self):
        lines = []
        while self.tokens[self.at][0] == "doc":
            lines.append(self.tokens[self.at][1][2:].strip())
            self.at += 1
        return "\n".join(lines).strip()

    def type(self):
        if self.take("["):
            inner = self.type()
            self.need("]")
            return ListOf(inner)
        return self.word()

    def features(self):
        names = []
        if self.take("["):
            while not self.take("]"):
                names.append(self.word())
        return names

    def members(self, close):
        """`name?: type [features]` up to the token @close"""
        found = []
        while True:
            doc = self.doc()
            if self.take(close):
                return found
            name = self.word()
            optional = self.take("?")
            self.need(":")
            found.append(Member(name, self.type(), optional, self.features(), doc))
            self.take(",")

    def values(self):
        found = []
        self.need("{")
        while True:
            doc = self.doc()
            if self.take("}"):
                return found
            found.append(Member(self.word(), None, False, self.features(), doc))
            self.take(",")

    def flags(self, entity):
        while True:
            if self.tokens[self.at][1] == "[":
                entity.features += self.features()
            elif self.tokens[self.at][1] in WORD_FLAGS and self.tokens[self.at][0] == "word":
                entity.flags.add(self.word())
            else:
                return

    def arguments(self, entity, extra):
        """`(name: type, ...)` or `(Struct)`"""
        self.need("(")
        if self.tokens[self.at][0] == "word" and self.tokens[self.at + 1][1] == ")":
            entity.args = self.word()
            self.need(")")
            return
        members = self.members(")")
        if members or extra:
            entity.members = members

    def entity(self):
        doc = self.doc()
        if self.tokens[self.at][0] == "end":
            return None
        where, kind = self.where(), self.word()
        parse = getattr(self, "read_" + kind, None)
        if not parse:
            self.at -= 1
            self.fail("enum, struct, union, alternate, command, event or option")
        entity = Entity(kind, self.word(), doc, where)
        parse(entity)
        return entity

    def read_enum(self, entity):
        self.flags(entity)
        values = self.values()
        entity.values = [v for v in values if "later" not in v.features]
        entity.later_values = [v for v in values if "later" in v.features]

    def read_struct(self, entity):
        if self.take(":"):
            entity.base = self.word()
        self.flags(entity)
        self.need("{")
        entity.members = self.members("}")

    def read_union(self, entity):
        if self.take(":"):
            entity.base = self.word()
        self.need("tag")
        entity.tag = self.word()
        self.flags(entity)
        self.need("{")
        entity.members = self.members("}")
        self.need("{")
        entity.branches = self.members("}")

    def read_alternate(self, entity):
        self.flags(entity)
        self.need("{")
        entity.members = self.members("}")

    def read_command(self, entity):
        self.arguments(entity, False)
        if self.take("->"):
            entity.ret = self.type()
        self.flags(entity)

    def read_event(self, entity):
        self.arguments(entity, False)
        self.flags(entity)

    def read_option(self, entity):
        """`option NAME KIND [TYPE] attribute...`; attributes: see docs/schema.md"""
        kind = self.word()
        if kind not in OPTION_KINDS:
            self.fail("one of " + " ".join(OPTION_KINDS))
        attrs = entity.attrs = {"kind": kind, "aliases": []}
        if kind in ("struct", "object"):
            attrs["type"] = self.word()
        while self.tokens[self.at][0] == "word" and self.tokens[self.at][1] not in TOP_WORDS:
            name = self.word()
            if name in ("json", "repeat", "merge", "shorthand", "collect", "ignored"):
                attrs[name] = True
            elif name in ("implied", "group"):
                attrs[name] = self.word()
            elif name == "alias":
                attrs["aliases"].append(self.word())
            elif name in ("arg", "later", "deprecated"):
                attrs[name] = self.string()
            else:
                self.at -= 1
                self.fail("an attribute of an option")


TOP_WORDS = ("enum", "struct", "union", "alternate", "command", "event", "option")


class Schema:
    """everything that was read, by kind, in the order of reading"""

    def __init__(self):
        self.types, self.commands, self.events, self.options = {}, [], [], []
        self.names = {}

    def add(self, entity):
        space = "option" if entity.kind == "option" else entity.kind if entity.kind in (
            "command", "event") else "type"
        for name in [entity.name] + entity.attrs.get("aliases", []):
            if (space, name) in self.names or (space == "type" and name in BUILTIN):
                raise SchemaError(f"{entity.where}: {space} '{name}' is defined twice")
            self.names[(space, name)] = entity
        if space == "type":
            self.types[entity.name] = entity
        else:
            {"command": self.commands, "event": self.events, "option": self.options}[space].append(entity)
        if space in ("command", "event") and entity.members:
            self.add_arguments(entity)

    def add_arguments(self, entity):
        """the struct that carries the arguments of a command or the data of an event"""
        suffix = "-args" if entity.kind == "command" else "-data"
        struct = Entity("struct", entity.name + suffix, "", entity.where)
        struct.members, struct.implicit = entity.members, True
        struct.flags |= entity.flags & {"open"}
        entity.args = struct.name
        self.add(struct)

    def lookup(self, name):
        """entity of a user-defined type, or None for a built-in one"""
        return self.types.get(name)

    def flat_members(self, entity):
        """members with those of the bases in front"""
        base = self.types[entity.base] if entity.base else None
        return (self.flat_members(base) if base else []) + entity.members

    def check(self):
        for entity in list(self.types.values()):
            check_type(self, entity)
        for entity in self.commands + self.events:
            if entity.args and (not self.lookup(entity.args) or
                                self.lookup(entity.args).kind not in ("struct", "union")):
                raise SchemaError(f"{entity.where}: arguments '{entity.args}' are no struct or union")
            if entity.ret:
                check_reference(self, entity, entity.ret)
        for entity in self.options:
            name = entity.attrs.get("type")
            if name and name not in self.types:
                raise SchemaError(f"{entity.where}: type '{name}' is not defined")


def check_reference(schema, entity, type_):
    while isinstance(type_, ListOf):
        type_ = type_.element
        if isinstance(type_, ListOf):
            raise SchemaError(f"{entity.where}: '{entity.name}' uses a list of lists")
    if type_ not in BUILTIN and type_ not in schema.types:
        raise SchemaError(f"{entity.where}: '{entity.name}' uses type '{type_}', which is not defined")


def check_type(schema, entity):
    if entity.base and (entity.base not in schema.types or
                        schema.types[entity.base].kind != "struct"):
        raise SchemaError(f"{entity.where}: base '{entity.base}' is not a struct")
    seen = set()
    for member in entity.values + entity.later_values or schema.flat_members(entity):
        if member.name in seen:
            raise SchemaError(f"{entity.where}: '{entity.name}' has '{member.name}' twice")
        seen.add(member.name)
    for member in entity.members + entity.branches:
        check_reference(schema, entity, member.type)
    if entity.kind == "union":
        check_union(schema, entity)
    if entity.kind == "alternate":
        check_alternate(schema, entity)


def check_union(schema, entity):
    tags = [m for m in schema.flat_members(entity) if m.name == entity.tag]
    enum = schema.lookup(tags[0].type) if tags and not isinstance(tags[0].type, ListOf) else None
    if not enum or enum.kind != "enum" or "open" in enum.flags:
        raise SchemaError(f"{entity.where}: tag '{entity.tag}' of '{entity.name}' is no enum member")
    known = {value.name for value in enum.values}
    for branch in entity.branches:
        target = None if isinstance(branch.type, ListOf) else schema.lookup(branch.type)
        if branch.name not in known:
            raise SchemaError(f"{entity.where}: branch '{branch.name}' is no value of '{enum.name}'")
        if not target or target.kind not in ("struct", "union"):
            raise SchemaError(f"{entity.where}: branch '{branch.name}' is no struct or union")


def json_kind(schema, type_):
    """which JSON type stands for @type_: decides between the members of an alternate"""
    if isinstance(type_, ListOf):
        return "array"
    if type_ in BUILTIN:
        return {"str": "string", "bool": "boolean", "null": "null", "any": "any",
                "number": "number"}.get(type_, "integer")
    return {"enum": "string", "struct": "object", "union": "object"}.get(schema.types[type_].kind, "any")


def check_alternate(schema, entity):
    kinds = [json_kind(schema, member.type) for member in entity.members]
    if len(set(kinds)) != len(kinds) or "any" in kinds:
        raise SchemaError(f"{entity.where}: members of alternate '{entity.name}' look alike in JSON")


def read(paths):
    """the checked schema of the files @paths"""
    schema = Schema()
    for path in paths:
        with open(path, encoding="utf-8") as file:
            reader = Reader(file.read(), path)
        while (entity := reader.entity()) is not None:
            schema.add(entity)
    schema.check()
    return schema
