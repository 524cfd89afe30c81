"""Constants of Python code, folded: texts put together, lists, paths, and the usual ways to hide a word."""

from __future__ import annotations

import ast
import base64
import binascii
import codecs
import posixpath
import re
import shlex
from collections.abc import Callable, Sequence
from typing import Any, cast

from ..facts import UNKNOWN
from .names import Names
from .values import MOST, NOTHING, Values, joined, known, row_of, text_of

STRING_METHODS = frozenset(
    ("lower", "upper", "strip", "lstrip", "rstrip", "replace", "title", "capitalize", "swapcase", "removeprefix",
     "removesuffix", "casefold", "encode", "decode", "split", "rsplit", "splitlines", "join",
     "format", "hex")
)  # fmt: skip
SAME_PATH = frozenset(
    ("resolve", "absolute", "expanduser", "as_posix", "as_uri", "__str__", "__fspath__", "with_suffix")
)
PLACES: dict[str, str] = {
    "os.getcwd": "$WORKSPACE", "pathlib.Path.cwd": "$WORKSPACE", "pathlib.Path.home": "~", "os.path.expanduser": "~",
    "tempfile.mkdtemp": "/tmp/" + UNKNOWN, "tempfile.gettempdir": "/tmp/" + UNKNOWN,
    "tempfile.mktemp": "/tmp/" + UNKNOWN,
    "tempfile.TemporaryDirectory": "/tmp/" + UNKNOWN, "tempfile.NamedTemporaryFile": "/tmp/" + UNKNOWN,
    "getpass.getuser": UNKNOWN, "os.tmpnam": "/tmp/" + UNKNOWN,
}  # fmt: skip
PATHS = frozenset(f"pathlib.{name}" for name in ("Path", "PurePath", "PosixPath", "PurePosixPath", "WindowsPath"))
SAME = frozenset(("str", "os.fspath", "os.path.abspath", "os.path.realpath", "os.path.normpath", "os.path.expandvars",
                  "builtins.str", "shlex.quote", "textwrap.dedent", "os.fsdecode", "sqlalchemy.text", "repr", "list",
                  "tuple", "sorted", "typing.cast"))  # fmt: skip


class Fold:
    """Values of expressions, as far as they follow from the code alone."""

    def __init__(self, names: Names) -> None:
        self.names = names
        self._busy: set[int] = set()
        self._done: dict[int, Values] = {}
        names.text = self.constant

    def constant(self, node: ast.expr) -> str:
        """One text that is wholly known; else empty."""
        found = self.text(node)
        return "" if UNKNOWN in found else found

    def text(self, node: ast.expr | None) -> str:
        """One text; UNKNOWN where there are several or none."""
        found = self.texts(node)
        return found[0] if len(found) == 1 else UNKNOWN

    def texts(self, node: ast.expr | None) -> list[str]:
        return list(dict.fromkeys(text_of(value) for value in self.values(node)))

    def values(self, node: ast.expr | None) -> Values:
        if node is None or id(node) in self._busy:
            return [NOTHING]
        if id(node) in self._done:
            return self._done[id(node)]
        self._busy.add(id(node))
        try:
            found = self._values(node)
        finally:
            self._busy.discard(id(node))
        self._done[id(node)] = found = found if 0 < len(found) <= MOST else [NOTHING]
        return found

    def _values(self, node: ast.expr) -> Values:  # noqa: C901 - one branch for each kind of node
        if isinstance(node, ast.Constant):
            return [node.value]
        if isinstance(node, ast.Name):
            return self._name(node)
        if isinstance(node, ast.JoinedStr):
            parts = [self.values(part) for part in node.values]
            return joined(parts, lambda row: "".join(text_of(one) for one in row))
        if isinstance(node, ast.FormattedValue):
            return [NOTHING] if node.format_spec is not None else self.values(node.value)
        if isinstance(node, ast.BinOp):
            return self._binary(node)
        if isinstance(node, ast.List | ast.Tuple | ast.Set):
            return self._row(node)
        if isinstance(node, ast.IfExp):
            return self.values(node.body) + self.values(node.orelse)
        if isinstance(node, ast.BoolOp):
            return [value for part in node.values for value in self.values(part)]
        if isinstance(node, ast.NamedExpr):
            return self.values(node.value)
        if isinstance(node, ast.Subscript):
            return self._subscript(node)
        if isinstance(node, ast.Call):
            return self._call(node)
        if isinstance(node, ast.Attribute):
            return self._attribute(node)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            return joined([self.values(node.operand)], lambda row: -row[0])
        if isinstance(node, ast.GeneratorExp | ast.ListComp):
            return self._comprehension(node)
        return [NOTHING]

    def _name(self, node: ast.Name) -> Values:
        found: Values = []
        for value in self.names.values_of(node.id):
            found += self.values(value) if value is not None else [NOTHING]
        return found or [NOTHING]

    def _row(self, node: ast.List | ast.Tuple | ast.Set) -> Values:
        parts: list[Values] = []
        for one in node.elts:
            if isinstance(one, ast.Starred):
                inner = self.values(one.value)
                spread = (row_of(inner[0]) if len(inner) == 1 else None) or [UNKNOWN]
                parts += [[value] for value in spread]
            else:
                values = self.values(one)
                parts.append(values if len(values) < 4 else [NOTHING])
        return joined(parts, list)

    def _binary(self, node: ast.BinOp) -> Values:
        sides = [self.values(node.left), self.values(node.right)]
        if isinstance(node.op, ast.Add):
            return joined(sides, lambda row: _added(row[0], row[1]))
        if isinstance(node.op, ast.Mod):
            return joined(sides, lambda row: _filled(row[0], row[1]))
        if isinstance(node.op, ast.Mult):
            return joined(sides, lambda row: _repeated(row[0], row[1]))
        if isinstance(node.op, ast.Div):
            return joined(sides, lambda row: _path([text_of(row[0]), text_of(row[1])]))
        if isinstance(node.op, ast.BitXor):
            return joined(sides, lambda row: row[0] ^ row[1])
        if isinstance(node.op, ast.Sub):
            return joined(sides, lambda row: row[0] - row[1])
        return [NOTHING]

    def _subscript(self, node: ast.Subscript) -> Values:
        name = self.names.dotted(node.value)
        if name == "os.environ":
            return [_variable(self.text(node.slice))]
        if isinstance(node.slice, ast.Slice):
            bounds = [
                self.values(part) if part else [None] for part in (node.slice.lower, node.slice.upper, node.slice.step)
            ]
            return joined([self.values(node.value), *bounds], lambda row: _known(row[0])[slice(*row[1:])])
        if isinstance(node.value, ast.Dict):
            key = self.text(node.slice)
            found = [v for k, v in zip(node.value.keys, node.value.values, strict=True) if k and self.text(k) == key]
            return self.values(found[0]) if len(found) == 1 else [NOTHING]
        return joined([self.values(node.value), self.values(node.slice)], lambda row: _known(row[0])[row[1]])

    def _attribute(self, node: ast.Attribute) -> Values:
        name = self.names.dotted(node)
        if name == "sys.executable":
            return ["python3"]
        if name in ("os.sep", "os.path.sep"):
            return ["/"]
        if node.attr == "parent":
            return joined([self.values(node.value)], lambda row: posixpath.join(_known(row[0]), ".."))
        if node.attr == "name" and isinstance(node.value, ast.Name):
            values = self.values(node.value)
            return values if any(text_of(value).startswith("/tmp/") for value in values) else [NOTHING]
        return [NOTHING]

    def _call(self, node: ast.Call) -> Values:
        name = self.names.dotted(node.func)
        if name in PLACES and not node.args:
            return [PLACES[name]]
        if any(isinstance(one, ast.Starred) for one in node.args) and not name.endswith("join"):
            return [NOTHING]
        if name in SAME and node.args:
            return self.values(node.args[-1 if name == "typing.cast" else 0])
        if name in PATHS or name == "os.path.join":
            parts = [self.values(one.value if isinstance(one, ast.Starred) else one) for one in node.args]
            return joined(parts, lambda row: _path([text_of(one) for one in row]))
        if name == "os.path.expanduser":
            return self.values(node.args[0])
        if name in ("os.getenv", "os.environ.get"):
            return [_variable(self.text(node.args[0]) if node.args else UNKNOWN)]
        if name in DECODERS and node.args:
            return joined([self.values(one) for one in node.args], lambda row: DECODERS[name]([_known(v) for v in row]))
        if isinstance(node.func, ast.Attribute):
            return self._method(node, node.func)
        return [NOTHING]

    def _method(self, node: ast.Call, func: ast.Attribute) -> Values:
        if func.attr in SAME_PATH:
            return self.values(func.value)
        if func.attr == "joinpath":
            parts = [self.values(one) for one in (func.value, *node.args)]
            return joined(parts, lambda row: _path([text_of(one) for one in row]))
        if func.attr == "format":
            parts = [self.values(one) for one in (func.value, *node.args)]
            keys = [keyword.arg for keyword in node.keywords]
            named = [self.values(keyword.value) for keyword in node.keywords]
            count = len(parts)
            return joined(parts + named, lambda row: _formatted(row[:count], dict(zip(keys, row[count:], strict=True))))
        if func.attr in STRING_METHODS and not node.keywords:
            parts = [self.values(one) for one in (func.value, *node.args)]
            return joined(parts, lambda row: _string_method(func.attr, row))
        return [NOTHING]

    def _comprehension(self, node: ast.GeneratorExp | ast.ListComp) -> Values:
        """`chr(n) for n in [114, 109]`, and the variable itself."""
        if len(node.generators) != 1 or node.generators[0].ifs:
            return [NOTHING]
        source = self.values(node.generators[0].iter)
        element = node.elt
        if len(source) != 1 or not isinstance(source[0], list | tuple | str | bytes):
            return [NOTHING]
        if isinstance(element, ast.Name):
            return [list(cast("list[Any]", source[0]))]
        if isinstance(element, ast.Call) and self.names.dotted(element.func) == "chr" and len(element.args) == 1:
            return joined([source], lambda row: [chr(_shifted(self, element.args[0], one)) for one in row[0]])
        return [NOTHING]


def _shifted(fold: Fold, node: ast.expr, value: Any) -> int:
    """`n`, `n - 1`, `ord(c) ^ 3`: one number out of the comprehension's variable."""
    if isinstance(node, ast.BinOp):
        other = fold.values(node.right)[0]
        left = _shifted(fold, node.left, value)
        if isinstance(node.op, ast.Add):
            return left + other
        if isinstance(node.op, ast.Sub):
            return left - other
        if isinstance(node.op, ast.BitXor):
            return left ^ other
        raise ValueError
    if isinstance(node, ast.Call):
        return ord(value) if isinstance(value, str) else value
    return value


def _known(value: Any) -> Any:
    if not known(value):
        raise ValueError
    return value


def _added(left: Any, right: Any) -> Any:
    rows = row_of(left), row_of(right)
    if rows != (None, None):
        return [*(rows[0] or [UNKNOWN]), *(rows[1] or [UNKNOWN])]
    if isinstance(left, str) or isinstance(right, str):
        return text_of(left) + text_of(right)
    return NOTHING if left is NOTHING or right is NOTHING else left + right


def _filled(pattern: Any, values: Any) -> Any:
    if not isinstance(pattern, str):
        return NOTHING
    row = tuple(row_of(values) or (values,))
    _bounded(pattern, row)
    if all(known(one) for one in row):
        return pattern % row
    return pattern.replace("%d", "%s") % tuple(text_of(one) for one in row)


def _repeated(value: Any, times: Any) -> Any:
    long = len(cast("str", value)) if isinstance(value, str | list) else 10_000
    return cast("Any", value) * times if isinstance(times, int) and long * times < 10_000 else NOTHING


def _path(parts: list[str]) -> str:
    return posixpath.join(*parts) if parts else "."


def _variable(name: str) -> Any:
    return {"HOME": "~", "PWD": "$WORKSPACE", "TMPDIR": "/tmp"}.get(name, NOTHING)


def _bounded(pattern: str, values: Sequence[Any]) -> None:
    """The code is a stranger's: a width of a million or a text put in ten thousand times is not worked out."""
    longest = max((len(text_of(one)) for one in values), default=0)
    if re.search(r"\d{4}", pattern) or len(pattern) * longest > 1_000_000:
        raise ValueError


def _formatted(row: list[Any], named: dict[str | None, Any]) -> str:
    _bounded(text_of(row[0]), [*row[1:], *named.values()])
    if re.search(r"\{[^}]*[.\[]", text_of(row[0])):
        raise ValueError  # attributes of a value are none of the code's text
    values = {str(key): text_of(value) for key, value in named.items()}
    return text_of(row[0]).format(*(text_of(one) for one in row[1:]), **values)


def _string_method(name: str, row: list[Any]) -> Any:
    subject, *rest = row
    if name == "join":
        items = list(rest[0]) if isinstance(rest[0], str) else row_of(rest[0])
        if items is None or len(subject) * len(items) > 1_000_000:
            return NOTHING
        return subject.join(text_of(one) for one in items)
    if not isinstance(subject, str | bytes):
        return NOTHING
    if (
        isinstance(subject, str)
        and UNKNOWN in subject
        and name not in ("strip", "rstrip", "lstrip", "split", "replace")
    ):
        return UNKNOWN
    if name == "replace" and len(subject) * len(rest[-1]) > 1_000_000:
        return NOTHING
    return getattr(subject, name)(*[_known(one) for one in rest])


def _bytes(value: Any) -> bytes:
    return value.encode() if isinstance(value, str) else bytes(list(value))


def _decoded(value: Any, codec: str = "utf-8") -> Any:
    if codec.replace("-", "").replace("_", "").lower() not in ("rot13", "hex", "base64", "utf8", "ascii", "latin1"):
        raise ValueError
    return codecs.decode(value, codec)


DECODERS: dict[str, Callable[[list[Any]], Any]] = {
    "chr": lambda row: chr(row[0]),
    "base64.b64decode": lambda row: base64.b64decode(row[0]),
    "base64.standard_b64decode": lambda row: base64.b64decode(row[0]),
    "base64.urlsafe_b64decode": lambda row: base64.urlsafe_b64decode(row[0]),
    "base64.b32decode": lambda row: base64.b32decode(row[0]),
    "base64.b16decode": lambda row: base64.b16decode(row[0]),
    "base64.b85decode": lambda row: base64.b85decode(row[0]),
    "binascii.unhexlify": lambda row: binascii.unhexlify(row[0]),
    "binascii.a2b_base64": lambda row: binascii.a2b_base64(row[0]),
    "bytes.fromhex": lambda row: bytes.fromhex(row[0]),
    "bytearray.fromhex": lambda row: bytes.fromhex(row[0]),
    "bytes": lambda row: _bytes(row[0]),
    "bytearray": lambda row: _bytes(row[0]),
    "codecs.decode": lambda row: _decoded(row[0], *row[1:]),
    "shlex.split": lambda row: shlex.split(row[0]),
    "reversed": lambda row: (row_of(row[0]) or list(text_of(row[0])))[::-1],
    "int": lambda row: int(*row),
    "shlex.join": lambda row: shlex.join(row[0]),
}
"""Functions whose value follows from their arguments alone."""
