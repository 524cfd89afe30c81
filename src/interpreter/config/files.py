"""Reading a configuration file: plain entries with the line each stands on."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any, NoReturn, cast

import yaml

from ..errors import ConfigError
from ..text.i18n import _
from .entries import Entry
from .keys import KEYS, SPELLINGS

LARGEST = 1 << 20
MOST_NODES = 20_000
CORE = tuple(f"tag:yaml.org,2002:{name}" for name in ("map", "seq", "str", "int", "float", "bool", "null", "timestamp"))
"""The tags that plain YAML has; `!!python/...` is not among them."""


def read_entries(path: Path) -> list[Entry]:
    """The settings in a YAML file. An absent or empty file has none.

    Raises ConfigError for a folder, an unreadable, binary or oversized file, and for what is not YAML.
    """
    text = _read_text(path)
    if text is None or not text.strip():
        return []
    try:
        root = cast("yaml.Node | None", cast(Any, yaml).compose(text, Loader=yaml.SafeLoader))
        return [] if root is None else _Reader(path).entries(root)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        fail(path, (mark.line + 1) if mark else 1, _("this is not YAML: {problem}", problem=str(error.problem)))
    except yaml.YAMLError as error:
        fail(path, 1, _("this is not YAML: {problem}", problem=str(error)))
    except RecursionError:
        fail(path, 1, _("it is nested too deeply."))
    except (ValueError, OverflowError):
        fail(path, 1, _("it cannot be read: nested too deeply, or a value that is none."))


def fail(path: Path, line: int, problem: str, hint: str = "") -> NoReturn:
    """Refuse the file, naming the place."""
    raise ConfigError(_("{file}, line {line}: {problem}", file=str(path), line=line, problem=problem), hint)


def _read_text(path: Path) -> str | None:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise ConfigError(
            _("The configuration file {file} cannot be read: {reason}.", file=str(path), reason=error.strerror),
            _("Give yourself the right to read it, or move it away."),
        ) from None
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise ConfigError(
            _("{file} should be a configuration file, but is no ordinary file.", file=str(path)),
            _("Move it away and make a text file of that name."),
        )
    with os.fdopen(handle, "rb") as file:
        data = file.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise ConfigError(_("The configuration file {file} is larger than 1 MB.", file=str(path)))
    try:
        if b"\0" in data:
            raise UnicodeError
        return data.decode("utf-8-sig")
    except UnicodeError:
        raise ConfigError(
            _("The configuration file {file} is not UTF-8 text.", file=str(path)),
            _("Save it as UTF-8, or move it away."),
        ) from None


class _Reader:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.loader = yaml.SafeLoader("")
        self.count = 0

    def entries(self, root: yaml.Node) -> list[Entry]:
        if isinstance(root, yaml.ScalarNode) and self._value(root) is None:
            return []  # only a comment, or `---`
        if not isinstance(root, yaml.MappingNode):
            fail(self.path, _line(root), _("settings are written as `name: value`, one on a line."))
        return self._flat(root, "")

    def _flat(self, node: yaml.MappingNode, prefix: str) -> list[Entry]:
        found: list[Entry] = []
        for name, key_node, value_node in self._pairs(node):
            dotted = prefix + name
            section = any(spelling.startswith(dotted + ".") for spelling in SPELLINGS)
            if section and dotted not in KEYS and isinstance(value_node, yaml.MappingNode):
                found += self._flat(value_node, dotted + ".")
            else:
                found.append(Entry(dotted, self._value(value_node), _line(key_node)))
        return found

    def _pairs(self, node: yaml.MappingNode) -> list[tuple[str, yaml.Node, yaml.Node]]:
        pairs: list[tuple[str, yaml.Node, yaml.Node]] = []
        seen: set[str] = set()
        for key_node, value_node in cast("list[tuple[yaml.Node, yaml.Node]]", node.value):
            if not isinstance(key_node, yaml.ScalarNode):
                fail(self.path, _line(key_node), _("a name is expected here."))
            name = str(key_node.value)
            if name in seen:
                fail(self.path, _line(key_node), _("`{name}` stands here a second time.", name=name))
            seen.add(name)
            pairs.append((name, key_node, value_node))
        return pairs

    def _value(self, node: yaml.Node) -> Any:
        self.count += 1
        if self.count > MOST_NODES:
            fail(self.path, _line(node), _("it holds too many values."))
        tag = str(cast(Any, node).tag)
        if not tag.startswith(CORE):
            fail(self.path, _line(node), _("this is not YAML: {problem}", problem=tag))
        if isinstance(node, yaml.MappingNode):
            return {name: self._value(value) for name, _key, value in self._pairs(node)}
        if isinstance(node, yaml.SequenceNode):
            return [self._value(item) for item in cast("list[yaml.Node]", node.value)]
        return cast(Any, self.loader).construct_object(node)


def _line(node: yaml.Node) -> int:
    return cast(int, cast(Any, node).start_mark.line) + 1
