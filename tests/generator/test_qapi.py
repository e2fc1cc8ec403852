"""The schema compiler: what it accepts, what it refuses, what it writes."""

import contextlib
import io
import json
import os
import sys
import tempfile
import unittest

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
sys.path.insert(0, os.path.join(ROOT, "qapi"))
sys.dont_write_bytecode = True

import generate  # noqa: E402
from gen import commands, ctypes, introspect, names, options, reference  # noqa: E402
from gen.schema import ListOf, SchemaError, read  # noqa: E402

SMALL = """
# A comment
## Colours
enum Color { red, green [deprecated] dark-blue mauve [later] }
enum Kind open { }
struct Base { id: str }
struct Paint : Base { color: Color, coats?: uint8, ## note
  note?: [str] }
struct Nothing { }
union Job tag kind { kind: Color, base?: bool } { red: Paint, green: Nothing }
alternate Ref { name: str, job: Job }
## Paint a wall
## and more
command paint-wall(ref: Ref, auto?: bool) -> [Paint] [fast] oob preconfig
command hidden(color: Color) later
command plug(driver: str, kind?: Kind, kinds?: [Kind]) open
event DONE(id?: str, count?: int)
event SOON() later
## Paint
option paint struct Paint implied id json repeat shorthand group paint arg "id[,...]" alias p
## Big
option P flag later "brushes"
"""


def schema_of(text):
    with tempfile.NamedTemporaryFile("w", suffix=".schema") as file:
        file.write(text)
        file.flush()
        return read([file.name])


class Reading(unittest.TestCase):
    def test_small(self):
        schema = schema_of(SMALL)
        self.assertEqual([v.name for v in schema.types["Color"].values], ["red", "green", "dark-blue"])
        self.assertEqual(schema.types["Color"].values[1].features, ["deprecated"])
        self.assertEqual(schema.types["Color"].doc, "Colours")
        paint = schema.flat_members(schema.types["Paint"])
        self.assertEqual([m.name for m in paint], ["id", "color", "coats", "note"])
        self.assertEqual([m.optional for m in paint], [False, False, True, True])
        self.assertEqual(paint[3].type, ListOf("str"))
        self.assertEqual(paint[3].doc, "note")
        self.assertEqual(schema.commands[0].flags, {"oob", "preconfig"})
        self.assertEqual(schema.commands[0].doc, "Paint a wall\nand more")
        self.assertEqual(schema.options[0].attrs["aliases"], ["p"])

    def test_mistakes(self):
        for text, message in [
            ("struct A { x: B }", "uses type 'B', which is not defined"),
            ("struct A { x: str, x: int }", "has 'x' twice"),
            ("struct A { } struct A { }", "is defined twice"),
            ("struct str { }", "is defined twice"),
            ("enum E { a a }", "has 'a' twice"),
            ("struct A : B { }", "base 'B' is not a struct"),
            ("union U tag t { t: str } { }", "tag 't' of 'U' is no enum member"),
            ("enum E { a } struct S { } union U tag t { t: E } { b: S }", "'b' is no value of 'E'"),
            ("enum E { a } union U tag t { t: E } { a: str }", "'a' is no struct or union"),
            ("enum E { a } alternate A { x: str, y: E }", "look alike"),
            ("alternate A { x: int, y: size }", "look alike"),
            ("struct A { x: [[str]] }", "list of lists"),
            ("command c(Missing)", "are no struct or union"),
            ("option o struct Missing", "is not defined"),
            ("option o flag bogus", "an attribute of an option"),
            ("thing x", "wanted enum, struct"),
            ("struct A { x str }", "wanted ':'"),
            ("struct A { $ }", "cannot read"),
            ("struct A {", "found 'end of file'"),
        ]:
            with self.subTest(text), self.assertRaisesRegex(SchemaError, message):
                schema_of(text)

    def test_place_of_mistake(self):
        with self.assertRaisesRegex(SchemaError, r"\.schema:3: "):
            schema_of("enum E { a }\n\nstruct A { x: Missing }\n")


class Names(unittest.TestCase):
    def test_c_names(self):
        self.assertEqual(names.c_name("read-only"), "read_only")
        self.assertEqual(names.c_name("static"), "static_")
        self.assertEqual(names.c_name("unix"), "unix_")
        self.assertEqual(names.c_name("1d"), "_1d")
        self.assertEqual(names.snake("BlockdevOptionsFile"), "blockdev_options_file")
        self.assertEqual(names.snake("HotpluggableCPU"), "hotpluggable_cpu")
        self.assertEqual(names.snake("VSERPORT_CHANGE"), "vserport_change")
        self.assertEqual(names.c_type("device_add-args"), "QmpDeviceAddArgs")
        self.assertEqual(names.c_const("RunState", "host-error"), "QMP_RUN_STATE_HOST_ERROR")
        self.assertEqual(names.c_string('a"\\\n'), '"a\\"\\\\\\n"')


class Writing(unittest.TestCase):
    def setUp(self):
        self.schema = schema_of(SMALL)

    def test_structs(self):
        text = ctypes.header(self.schema)
        self.assertIn("    char *id;\n    QmpColor color;\n    bool has_coats;\n    uint8_t coats;\n", text)
        self.assertIn("    GPtrArray *note;\n", text)
        self.assertIn("enum { QMP_COLOR__NR = 3 };", text)
        self.assertIn("    json_object *rest;\n", text)
        self.assertIn("bool has_auto;", text)
        self.assertIn("bool auto_;", text)
        self.assertIn("    char *kind;\n    GPtrArray *kinds;\n", text)
        self.assertNotIn("QmpKind", text)
        self.assertIn('.later_values = (const char *const[]) { "mauve", NULL }', ctypes.source(self.schema))

    def test_handlers(self):
        text = commands.header(self.schema)
        self.assertIn("GPtrArray *qmp_paint_wall(RhVm *vm, const QmpPaintWallArgs *args, GError **err);", text)
        self.assertIn("bool qmp_hidden(", text)

    def test_dispatch_is_sorted_and_live(self):
        text = commands.dispatch(self.schema)
        self.assertLess(text.index('{ "paint-wall"'), text.index('{ "plug"'))
        self.assertIn("RH_QMP_OOB | RH_QMP_PRECONFIG", text)
        self.assertNotIn("hidden", text)

    def test_events(self):
        text = commands.events_header(self.schema)
        self.assertIn("qmp_event_done(RhEventSink *sink, const char *id, bool has_count, int64_t count);", text)

    def test_introspection(self):
        infos = introspect.infos(self.schema)
        by_name = {info["name"]: info for info in infos}
        self.assertEqual(len(by_name), len(infos))
        self.assertEqual(by_name["paint-wall"], {
            "name": "paint-wall", "meta-type": "command", "arg-type": "paint-wall-args",
            "ret-type": "[Paint]", "allow-oob": True, "features": ["fast"]})
        self.assertEqual(by_name["paint-wall-args"]["members"], [
            {"name": "ref", "type": "Ref"}, {"name": "auto", "type": "bool", "default": None}])
        self.assertEqual(by_name["[Paint]"], {"name": "[Paint]", "meta-type": "array", "element-type": "Paint"})
        self.assertEqual(by_name["Ref"]["members"], [{"type": "str"}, {"type": "Job"}])
        self.assertEqual(by_name["Job"]["tag"], "kind")
        self.assertEqual(by_name["Job"]["variants"], [
            {"case": "red", "type": "Paint"}, {"case": "green", "type": "Nothing"},
            {"case": "dark-blue", "type": "0"}])
        self.assertEqual(by_name["Color"]["values"], ["red", "green", "dark-blue"])
        self.assertEqual(by_name["Color"]["members"][1], {"name": "green", "features": ["deprecated"]})
        self.assertEqual(by_name["int"], {"name": "int", "meta-type": "builtin", "json-type": "int"})
        self.assertNotIn("uint8", by_name)
        self.assertEqual(by_name["Kind"], {"name": "Kind", "meta-type": "enum", "members": [], "values": []})
        self.assertEqual(by_name["DONE"]["meta-type"], "event")
        self.assertNotIn("hidden", by_name)
        self.assertNotIn("SOON", by_name)

    def test_options(self):
        text = options.source(self.schema)
        self.assertIn(".flags = RH_OPTION_JSON | RH_OPTION_REPEAT | RH_OPTION_SHORTHAND", text)
        self.assertIn('.later = "brushes"', text)
        self.assertIn("RH_OPT_BIG_P", options.header(self.schema))

    def test_reference(self):
        page = reference.qmp(self.schema)
        self.assertIn("### paint-wall\n\nPaint a wall\nand more\n", page)
        self.assertIn("- `auto` `bool` (optional)", page)
        self.assertIn("Not available yet.", page)
        self.assertIn("Not supported yet: brushes.", reference.options(self.schema))


class Program(unittest.TestCase):
    def run_on(self, text, out):
        path = os.path.join(out, "in.schema")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return generate.main(["--out", out, path])

    def test_same_input_same_output_untouched(self):
        with tempfile.TemporaryDirectory() as out:
            self.assertEqual(self.run_on(SMALL, out), 0)
            before = {name: os.stat(os.path.join(out, name)).st_ino for name in generate.OUTPUTS}
            for name in generate.OUTPUTS:
                os.utime(os.path.join(out, name), (1, 1))
            self.assertEqual(self.run_on(SMALL, out), 0)
            for name in generate.OUTPUTS:
                state = os.stat(os.path.join(out, name))
                self.assertEqual((state.st_mtime, state.st_ino), (1, before[name]), name)

    def test_mistake_gives_exit_code(self):
        with tempfile.TemporaryDirectory() as out, contextlib.redirect_stderr(io.StringIO()) as text:
            self.assertEqual(self.run_on("struct A { x: B }", out), 1)
            self.assertIn("which is not defined", text.getvalue())

    def test_real_schema_is_documented(self):
        folder = os.path.join(ROOT, "qapi")
        schema = read(sorted(os.path.join(folder, f) for f in os.listdir(folder) if f.endswith(".schema")))
        silent = [e.name for e in schema.commands + schema.events + schema.options if not e.doc]
        self.assertEqual(silent, [])
        for info in introspect.infos(schema):
            json.dumps(info)


if __name__ == "__main__":
    unittest.main()
