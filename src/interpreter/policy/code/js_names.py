"""Which name means what in JavaScript: modules, aliases, constants, and texts put together."""

from __future__ import annotations

import base64
import posixpath
from collections.abc import Iterator
from urllib.parse import unquote

from tree_sitter import Node

from ..facts import UNKNOWN
from .values import MOST, NOTHING, Values, joined, known, text_of

MODULES = frozenset(("child_process", "fs", "fs/promises", "vm", "os", "path", "net", "http", "https", "http2", "tls",
                     "dgram", "worker_threads", "cluster", "process", "module", "execa", "shelljs", "zx", "axios",
                     "got",
                     "node-fetch", "undici", "fs-extra", "rimraf", "del", "cross-spawn", "util"))  # fmt: skip
GLOBALS = ("globalThis", "global", "window", "self")
DEEPEST = 20
MOST_STEPS = 20_000
"""Expressions that are worked out for one program; what comes later counts as unknown."""


def every(node: Node) -> Iterator[Node]:
    """The node and all below it."""
    rows = [node]
    while rows:
        one = rows.pop()
        yield one
        rows.extend(reversed(one.children))


def source(node: Node) -> str:
    return (node.text or b"").decode("utf-8", "replace")


class JsNames:
    """The bindings of one program; a name that is bound twice has several values."""

    def __init__(self, root: Node) -> None:
        self.meaning: dict[str, str] = {}
        """A name to the dotted name that it stands for."""
        self.assigned: dict[str, list[Node | None]] = {}
        self.steps = 0
        for node in every(root):
            self._bind(node)

    def _bind(self, node: Node) -> None:
        if node.type == "import_statement":
            self._import(node)
        elif node.type == "variable_declarator":
            self._assign(node.child_by_field_name("name"), node.child_by_field_name("value"))
        elif node.type == "assignment_expression":
            self._assign(node.child_by_field_name("left"), node.child_by_field_name("right"))
        elif node.type == "augmented_assignment_expression" or node.type == "for_in_statement":
            self._assign(node.child_by_field_name("left"), None)
        elif node.type == "formal_parameters":
            for one in node.named_children:
                self._assign(one, None)

    def _import(self, node: Node) -> None:
        where = node.child_by_field_name("source")
        module = module_name(source(where)[1:-1]) if where else ""
        for one in every(node):
            if one.type == "import_specifier":
                name, alias = one.child_by_field_name("name"), one.child_by_field_name("alias")
                if name:
                    self.meaning[source(alias or name)] = f"{module}.{source(name)}"
            elif one.type == "namespace_import" or (
                one.type == "identifier" and one.parent is not None and one.parent.type == "import_clause"
            ):
                name = one if one.type == "identifier" else one.named_children[0]
                self.meaning[source(name)] = module

    def _assign(self, target: Node | None, value: Node | None) -> None:
        if target is None:
            return
        if target.type == "identifier":
            self.assigned.setdefault(source(target), []).append(value)
        elif target.type == "object_pattern":
            for one in target.named_children:
                if one.type == "pair_pattern":
                    key, name = one.child_by_field_name("key"), one.child_by_field_name("value")
                else:
                    key = name = one
                if (
                    key is None
                    or name is None
                    or name.type not in ("identifier", "shorthand_property_identifier_pattern")
                ):
                    continue
                base = self.dotted(value) if value is not None else ""
                if base:
                    self.meaning[source(name)] = self._attribute(base, source(key))
                self.assigned.setdefault(source(name), []).append(None)

    def dotted(self, node: Node | None, depth: int = 0) -> str:
        """`child_process.exec`, `fs.rmSync`; empty where it is no name."""
        if node is None or depth > DEEPEST:
            return ""
        if node.type in ("identifier", "shorthand_property_identifier"):
            return self._identifier(source(node), depth)
        if node.type == "member_expression":
            base = self.dotted(node.child_by_field_name("object"), depth + 1)
            attribute = source(node.child_by_field_name("property") or node)
            return self._attribute(base, attribute)
        if node.type == "subscript_expression":
            base = self.dotted(node.child_by_field_name("object"), depth + 1)
            text = self.text(node.child_by_field_name("index"))
            return self._attribute(base, "?" if UNKNOWN in text else text) if base else ""
        if node.type in ("await_expression", "parenthesized_expression", "sequence_expression"):
            inner = node.named_children[-1] if node.named_children else None
            return self.dotted(inner, depth + 1)
        if node.type == "call_expression":
            return self._made(node, depth)
        if node.type in ("function_expression", "arrow_function", "array", "object", "string", "template_string"):
            return "value"
        return "import" if node.type == "import" else ""

    def _identifier(self, name: str, depth: int) -> str:
        if name in self.meaning:
            return self.meaning[name]
        for value in self.assigned.get(name, [])[:MOST]:
            if value is not None and value.type in (
                "call_expression", "member_expression", "identifier", "await_expression", "subscript_expression",
            ):  # fmt: skip
                found = self.dotted(value, depth + 1)
                if found.split(".")[0] in MODULES or found in ("eval", "Function", "require") or found.endswith("?"):
                    return found
        return f"local.{name}" if name in self.assigned else name

    def _attribute(self, base: str, attribute: str) -> str:
        if base in GLOBALS:
            return attribute
        if attribute in ("default", "promises"):
            return base
        if attribute in ("call", "apply", "bind"):
            return base
        return f"{base}.{attribute}" if base else f"value.{attribute}"

    def _made(self, node: Node, depth: int) -> str:
        """`require("fs")`, `import("fs")`, `promisify(exec)`."""
        called = self.dotted(node.child_by_field_name("function"), depth + 1)
        arguments = node.child_by_field_name("arguments")
        first = arguments.named_children[0] if arguments and arguments.named_children else None
        if called in ("require", "import", "module.require", "process.mainModule.require", "process.getBuiltinModule"):
            text = self.text(first)
            return "?" if UNKNOWN in text else module_name(text)
        if called.endswith("createRequire"):
            return "require"
        if called.rpartition(".")[2] in ("promisify", "bind"):
            return self.dotted(first, depth + 1)
        return f"{called}()" if called else ""

    def text(self, node: Node | None) -> str:
        found = self.texts(node)
        return found[0] if len(found) == 1 else UNKNOWN

    def texts(self, node: Node | None) -> list[str]:
        return list(dict.fromkeys(text_of(value) for value in self.values(node)))

    def values(self, node: Node | None, depth: int = 0) -> Values:
        self.steps += 1
        if node is None or depth > DEEPEST or self.steps > MOST_STEPS:
            return [NOTHING]
        found = self._values(node, depth + 1)
        return found if 0 < len(found) <= MOST else [NOTHING]

    def _values(self, node: Node, depth: int) -> Values:
        kind = node.type
        if kind == "string":
            return ["".join(_piece(one) for one in node.named_children)]
        if kind == "template_string":
            parts = [self.values(one.named_children[0], depth) if one.type == "template_substitution" else [_piece(one)]
                     for one in node.named_children]  # fmt: skip
            return joined(parts, lambda row: "".join(text_of(one) for one in row))
        if kind == "number":
            return [_number(source(node))]
        if kind in ("true", "false"):
            return [kind == "true"]
        if kind == "array":
            return joined([self.values(one, depth) for one in node.named_children], list)
        if kind == "identifier":
            name = source(node)
            if name in ("__dirname",):
                return ["$WORKSPACE"]
            return [v for one in self.assigned.get(name, [None]) for v in self.values(one, depth)]
        if kind in ("parenthesized_expression", "await_expression"):
            return self.values(node.named_children[-1] if node.named_children else None, depth)
        if kind == "binary_expression" and source(node.child_by_field_name("operator") or node) == "+":
            sides = [self.values(node.child_by_field_name(side), depth) for side in ("left", "right")]
            return joined(sides, lambda row: text_of(row[0]) + text_of(row[1]))
        if kind == "ternary_expression":
            sides = [self.values(node.child_by_field_name(side), depth) for side in ("consequence", "alternative")]
            return [value for side in sides for value in side]
        if kind == "call_expression":
            return self._call(node, depth)
        if kind == "member_expression" and self.dotted(node) == "process.env.HOME":
            return ["~"]
        return [NOTHING]

    def _call(self, node: Node, depth: int) -> Values:
        func = node.child_by_field_name("function")
        arguments = node.child_by_field_name("arguments")
        args = arguments.named_children if arguments else []
        name = self.dotted(func)
        if name in ("process.cwd", "os.homedir", "os.tmpdir"):
            return [{"process.cwd": "$WORKSPACE", "os.homedir": "~", "os.tmpdir": "/tmp"}[name]]
        if name in ("path.join", "path.resolve"):
            return joined([self.values(one, depth) for one in args], lambda row: posixpath.join(*map(text_of, row)))
        if name == "String.fromCharCode":
            return joined([self.values(one, depth) for one in args], lambda row: "".join(chr(one) for one in row))
        if name == "atob":
            return joined([self.values(one, depth) for one in args[:1]], lambda row: _decoded(row[0], "base64"))
        if name in ("decodeURIComponent", "unescape", "decodeURI"):
            return joined([self.values(one, depth) for one in args[:1]], lambda row: unquote(row[0]))
        if name == "Buffer.from":
            return joined([self.values(one, depth) for one in args], lambda row: _decoded(*row[:2]))
        if func is not None and func.type == "member_expression":
            owner = self.values(func.child_by_field_name("object"), depth)
            method = source(func.child_by_field_name("property") or func)
            return joined([owner, *(self.values(one, depth) for one in args)], lambda row: _method(method, row))
        return [NOTHING]


def module_name(text: str) -> str:
    text = text.removeprefix("node:")
    return "fs" if text in ("fs/promises", "fs-extra", "graceful-fs") else text


def _piece(node: Node) -> str:
    if node.type != "escape_sequence":
        return source(node)
    text = source(node)[1:]
    plain = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "v": "\v", "0": "\0"}
    try:
        if text[:1] in ("x", "u"):
            return chr(int(text[1:].strip("{}"), 16))
    except (ValueError, OverflowError):
        return UNKNOWN
    return plain.get(text, "" if text.startswith("\n") else text)


def _number(text: str) -> int | float | str:
    try:
        return int(text, 0)
    except ValueError:
        return text


def _decoded(text: str, encoding: str = "utf8") -> str:
    if not known(text):
        raise ValueError
    if encoding == "hex":
        return bytes.fromhex(text).decode()
    return base64.b64decode(text).decode() if encoding.startswith("base64") else text


def _method(name: str, row: list[object]) -> object:
    subject, *rest = row
    if name == "join" and isinstance(subject, list):
        separator = rest[0] if rest else ","
        return str(separator).join(text_of(one) for one in subject)  # pyright: ignore[reportUnknownVariableType]
    if not isinstance(subject, str):
        return NOTHING
    if name in ("toString", "trim", "valueOf", "toLowerCase", "toUpperCase"):
        return {"toLowerCase": subject.lower, "toUpperCase": subject.upper, "trim": subject.strip}.get(
            name, lambda: subject
        )()
    if name == "concat":
        return subject + "".join(text_of(one) for one in rest)
    if name in ("replace", "replaceAll") and len(rest) == 2 and all(isinstance(one, str) and one for one in rest):
        if len(subject) * len(str(rest[1])) > 1_000_000:
            return NOTHING
        return subject.replace(str(rest[0]), str(rest[1]), 1 if name == "replace" else -1)
    if name == "split" and len(rest) == 1 and isinstance(rest[0], str):
        return subject.split(rest[0]) if rest[0] else list(subject)
    return UNKNOWN if UNKNOWN in subject else NOTHING
