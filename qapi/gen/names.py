"""From names of the wire to names of C."""

import re

# C keywords, and words that the preprocessor of a GNU dialect defines as numbers.
RESERVED = frozenset("""
    auto break bool case char const continue default do double else enum extern float for goto if
    inline int long register return short signed sizeof static struct switch typedef union unsigned
    void volatile while unix linux asm typeof errno stdin stdout stderr""".split())


def c_name(name):
    """`read-only` -> `read_only`, `static` -> `static_`: a member or parameter"""
    text = re.sub(r"[^A-Za-z0-9]", "_", name)
    if text[0].isdigit():
        text = "_" + text
    return text + "_" if text in RESERVED else text


def snake(name):
    """`BlockdevOptionsNull` -> `blockdev_options_null`, `VSERPORT_CHANGE` -> `vserport_change`"""
    text = re.sub(r"[^A-Za-z0-9]", "_", name)
    text = re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", text)
    text = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", text)
    return text.lower()


def c_type(name):
    """C name of the enum or struct type `name`"""
    return "Qmp" + "".join(part[:1].upper() + part[1:] for part in re.split(r"[^A-Za-z0-9]", name))


def c_const(enum, value):
    """C name of one value of an enum"""
    return "QMP_" + snake(enum).upper() + "_" + re.sub(r"[^A-Za-z0-9]", "_", value).upper()


def c_string(text):
    """a C string literal"""
    out = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return '"' + out + '"'
