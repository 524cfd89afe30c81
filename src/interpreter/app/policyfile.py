"""Adding a rule to the person's policy file: what stands there stays as it is, comments included."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import yaml

from ..errors import ConfigError, StoreError
from ..text.i18n import _
from ..types.base import new_id

HEADER = """\
# Your rules about what may run; see docs/policy.md. `interpreter policy check` tests this file.
# What you answer with "always" is added below.
version: 1
rules:
"""


def add_rule(path: Path, rule: str, check: Callable[[], None]) -> None:
    """Add one rule to the list `rules` of a policy file, which is made where it is absent.

    Args:
        rule: YAML of one list item, beginning with `- `.
        check: reads the policy anew; where it raises, the file is put back as it was.

    Raises:
        ConfigError: the file is no policy with a list of rules.
        StoreError: it cannot be written.
    """
    change(path, lambda text: with_rule(text, rule, path), check)


def add_host(path: Path, host: str, check: Callable[[], None]) -> None:
    """Add one host to `network: allow:` of a policy file; otherwise as `add_rule`."""
    change(path, lambda text: with_host(text, host, path), check)


def change(path: Path, changed: Callable[[str], str], check: Callable[[], None]) -> None:
    place = Path(os.path.realpath(path))  # a link in somebody's dotfiles stays a link
    try:
        old = place.read_bytes() if place.exists() else None
    except OSError as error:
        raise unwritable(path, error) from error
    new = changed((old or HEADER.encode()).decode("utf-8", "replace"))
    replace(place, new.encode(), path)
    try:
        check()
    except BaseException:
        if old is None:
            place.unlink(missing_ok=True)
        else:
            replace(place, old, path)
        raise


def composed(text: str, path: Path) -> yaml.Node | None:
    """The nodes of a file, with their places. Raises ConfigError."""
    try:
        return cast("yaml.Node | None", cast(Any, yaml).compose(text, Loader=yaml.SafeLoader))
    except yaml.YAMLError as error:
        raise ConfigError(_("{path} is no YAML: {reason}", path=path, reason=error)) from error


def with_rule(text: str, rule: str, path: Path) -> str:
    """The text of a policy file with one more rule. Raises ConfigError."""
    root = composed(text, path)
    if not text.endswith("\n"):
        text += "\n"
    if root is None:
        return f"{text}version: 1\nrules:\n{indented(rule, 2)}"
    if not isinstance(root, yaml.MappingNode) or root.flow_style:
        raise ConfigError(_("{path} is no policy file: it should hold names with values.", path=path))
    entries = {key.value: (key, value) for key, value in root.value}
    if "rules" not in entries:
        return f"{text}rules:\n{indented(rule, 2)}"
    key, rules = entries["rules"]
    lines = text.splitlines(keepends=True)
    if isinstance(rules, yaml.SequenceNode) and rules.value and not rules.flow_style:
        item = cast("yaml.Node", rules.value[0]).start_mark
        before: str = lines[item.line][: item.column]
        column = before.index("-") if "-" in before else int(rules.start_mark.column)
        at = last_line(lines, rules)
        return "".join([*lines[:at], indented(rule, column), *lines[at:]])
    if isinstance(rules, yaml.SequenceNode) and rules.value:
        raise ConfigError(_("{path}: write `rules` as a list with one line for each rule.", path=path))
    at = key.start_mark.line  # `rules:` or `rules: []`
    return "".join([*lines[:at], "rules:\n", indented(rule, 2), *lines[at + 1 :]])


def with_host(text: str, host: str, path: Path) -> str:
    """The text of a policy file with one more host that may be reached. Raises ConfigError."""
    item = f'- "{host}"\n'
    root = composed(text, path)
    if not text.endswith("\n"):
        text += "\n"
    lines = text.splitlines(keepends=True)
    network = below(root, "network", path) if root is not None else None
    if network is None:
        begin = "" if root is not None else "version: 1\n"
        return f"{text}{begin}network:\n  allow:\n    {item}"
    key, value = network
    at = key.start_mark.line
    if not isinstance(value, yaml.MappingNode):
        return "".join([*lines[:at], f"network:\n  allow:\n    {item}", *lines[at + 1 :]])
    column = " " * (value.start_mark.column if value.value else 2)
    allow = below(value, "allow", path)
    if allow is None:
        return "".join([*lines[: at + 1], f"{column}allow:\n{column}  {item}", *lines[at + 1 :]])
    key, hosts = allow
    at = key.start_mark.line
    if isinstance(hosts, yaml.SequenceNode) and hosts.flow_style:
        end = hosts.end_mark.index - 1
        comma = ", " if hosts.value else ""
        return f'{text[:end].rstrip().rstrip(",")}{comma}"{host}"{text[end:]}'
    if isinstance(hosts, yaml.SequenceNode):
        at = hosts.start_mark.line
        return "".join([*lines[:at], f"{' ' * hosts.start_mark.column}{item}", *lines[at:]])
    return "".join([*lines[:at], f"{column}allow:\n{column}  {item}", *lines[at + 1 :]])


def below(node: yaml.Node, name: str, path: Path) -> tuple[yaml.Node, yaml.Node] | None:
    """A key of a mapping and its value. Raises ConfigError: it is no mapping that can be added to."""
    if not isinstance(node, yaml.MappingNode) or node.flow_style:
        raise ConfigError(_("{path} is no policy file: it should hold names with values.", path=path))
    return next(((key, value) for key, value in node.value if key.value == name), None)


def last_line(lines: list[str], rules: yaml.SequenceNode) -> int:
    """The line after the last rule: its end mark lies behind the empty lines and comments that follow it."""
    at = min(rules.end_mark.line, len(lines))
    while at > 0 and (not lines[at - 1].strip() or lines[at - 1].lstrip().startswith("#")):
        at -= 1
    return at


def indented(rule: str, columns: int) -> str:
    return "".join(f"{' ' * columns}{line}".rstrip() + "\n" for line in rule.strip("\n").splitlines())


def replace(place: Path, data: bytes, path: Path) -> None:
    """Write a file as a whole or not at all, for its owner alone where it is new."""
    beside = place.with_name(f".{place.name}.{new_id('new')}")
    try:
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        mode = place.stat().st_mode & 0o7777 if place.exists() else 0o600
        descriptor = os.open(beside, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, mode)
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        beside.replace(place)
    except OSError as error:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
        raise unwritable(path, error) from error


def unwritable(path: Path, error: OSError) -> StoreError:
    return StoreError(
        _("The policy file {path} cannot be read or written: {reason}.", path=path, reason=error.strerror),
        _("Nothing was changed in it."),
    )
