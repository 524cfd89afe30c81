"""A policy file as plain values that know their lines."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple, NoReturn, cast

import yaml

from ..errors import PolicyError
from ..text.i18n import _

LARGEST = 1 << 20
MOST_NODES = 50_000
PLAIN = tuple(f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null", "timestamp"))


class Item(NamedTuple):
    """A value, the line that it stands on (1-based), and its file."""

    value: Any
    """str, int, float, bool, None; a list of items; a dict of name to item."""
    line: int
    path: Path

    def fail(self, problem: str, hint: str = "") -> NoReturn:
        raise PolicyError(
            _("{file}, line {line}: {problem}", file=str(self.path), line=self.line, problem=problem), hint
        )

    def pairs(self) -> dict[str, Item]:
        if self.value is None:
            return {}
        if not isinstance(cast(object, self.value), dict):
            self.fail(_("names with values are expected here."))
        return cast("dict[str, Item]", self.value)

    def items(self) -> list[Item]:
        """A list; a single value counts as a list of one."""
        if isinstance(cast(object, self.value), list):
            return cast("list[Item]", self.value)
        return [] if self.value is None else [self]

    def text(self) -> str:
        if isinstance(self.value, bool) or not isinstance(self.value, str | int | float) or self.value == "":
            self.fail(_("a text is expected here."))
        text = str(self.value)
        if "\0" in text:
            self.fail(_("a text is expected here."))
        return text

    def texts(self) -> tuple[str, ...]:
        return tuple(item.text() for item in self.items())

    def flag(self) -> bool:
        if not isinstance(self.value, bool):
            self.fail(_("true or false is expected here."))
        return self.value

    def one_of(self, choices: Iterable[str]) -> str:
        choices = list(choices)
        value = self.text()
        if value not in choices:
            self.fail(_("`{value}` should be one of: {choices}.", value=value, choices=", ".join(choices)))
        return value

    def only(self, known: Iterable[str]) -> dict[str, Item]:
        """The pairs, when all their names are known; else refused with the nearest name."""
        known = list(known)
        pairs = self.pairs()
        for name, item in pairs.items():
            if name not in known:
                close = difflib.get_close_matches(name, known, 1, 0.5)
                problem = _("`{name}` is not known here.", name=name)
                if close:
                    problem += " " + _("Did you mean `{close}`?", close=close[0])
                item.fail(problem, _("Known here: {names}", names=", ".join(known)))
        return pairs


def parse_document(path: Path, data: bytes) -> Item:
    """A file's content. Raises PolicyError, naming file and line, for what is no plain YAML."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeError:
        Item(None, 1, path).fail(_("this is not UTF-8 text."))
    try:
        node = cast("yaml.Node | None", cast(Any, yaml).compose(text, Loader=yaml.SafeLoader))
        return Item(None, 1, path) if node is None else _Reader(path).item(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = (mark.line + 1) if mark else 1
        Item(None, line, path).fail(_("this is not YAML: {problem}", problem=str(error.problem)))
    except yaml.YAMLError as error:
        Item(None, 1, path).fail(_("this is not YAML: {problem}", problem=str(error)))
    except (RecursionError, ValueError, OverflowError):
        Item(None, 1, path).fail(_("it cannot be read: nested too deeply, or a value that is none."))


def read_bytes(path: Path) -> bytes:
    """Raises PolicyError for a file that is absent, unreadable or too large."""
    try:
        if not path.is_file():
            raise PolicyError(
                _("There is no policy file {file}.", file=str(path)),
                _("Check the path, or make the file: docs/policy.md shows its form."),
            )
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
    except OSError as error:
        raise PolicyError(
            _("The policy file {file} cannot be read: {reason}.", file=str(path), reason=error.strerror or "?"),
            _("Give yourself the right to read it, or move it away."),
        ) from None
    if len(data) > LARGEST:
        raise PolicyError(_("The policy file {file} is larger than 1 MB.", file=str(path)))
    return data


class _Reader:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.loader = yaml.SafeLoader("")
        self.count = 0

    def item(self, node: yaml.Node) -> Item:
        line = cast(int, cast(Any, node).start_mark.line) + 1
        self.count += 1
        here = Item(None, line, self.path)
        if self.count > MOST_NODES:
            here.fail(_("it holds too many values."))
        if isinstance(node, yaml.MappingNode):
            found: dict[str, Item] = {}
            for key_node, value_node in cast("list[tuple[yaml.Node, yaml.Node]]", node.value):
                key_line = cast(int, cast(Any, key_node).start_mark.line) + 1
                key = Item(None, key_line, self.path)
                if not isinstance(key_node, yaml.ScalarNode):
                    key.fail(_("a name is expected here."))
                name = str(key_node.value)
                if name in found:
                    key.fail(_("`{name}` stands here a second time.", name=name))
                value = self.item(value_node)
                found[name] = value if isinstance(value.value, list | dict) else value._replace(line=key_line)
            return Item(found, line, self.path)
        if isinstance(node, yaml.SequenceNode):
            return Item([self.item(one) for one in cast("list[yaml.Node]", node.value)], line, self.path)
        tag = str(cast(Any, node).tag)
        if tag not in PLAIN:
            here.fail(_("this is not YAML: {problem}", problem=tag))
        if tag.endswith("timestamp"):
            return Item(str(node.value), line, self.path)
        return Item(cast(Any, self.loader).construct_object(node), line, self.path)
