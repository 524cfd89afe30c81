"""The task file: YAML of a fixed form, read with the line of everything that is wrong with it."""

from __future__ import annotations

import difflib
import os
import re
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, NoReturn, cast
from urllib.parse import quote, urlsplit

import msgspec
import yaml

from ..errors import ConfigError, UsageError
from ..text.i18n import _
from ..text.spans import seconds_of
from ..types.goals import Ceilings, Check, FileCheck, HttpCheck, MetricCheck, Task

VERSION = 1
LARGEST = 1 << 20
MOST_NODES = 5_000
NAME = re.compile(r"[a-z][a-z0-9_]*")
PLACE = re.compile(r"\{\{\s*(\w+)\s*\}\}")
TOP = (
    "version", "goal", "variables", "checks", "health", "ceilings", "undo", "judge", "profile", "tools", "skills",
    "inputs", "policy",
)  # fmt: skip
CHECK = ("name", "command", "http", "file", "metric", "hold", "within", "timeout")
CEILINGS = ("steps", "seconds", "tokens", "cost")
KINDS: dict[str, type[msgspec.Struct]] = {"http": HttpCheck, "file": FileCheck, "metric": MetricCheck}
UNDO = ("ask", "allow", "deny")


class Loaded(NamedTuple):
    """A task file, and what of it is not the task's own."""

    task: Task
    ceilings: dict[str, Any]
    """Those that the file names."""
    profile: str = ""
    policy: tuple[str, ...] = ()
    """Rules that hold besides, each as YAML of one list item; none of them allows anything."""


def load_task(path: Path, given: Mapping[str, str]) -> Loaded:
    """Read a task file.

    Args:
        given: the variables' values from the command line.

    Raises ConfigError, which names file and line, and for a name that is not known the nearest that is.
    """
    text = read_text(path)
    try:
        root = cast("yaml.Node | None", cast(Any, yaml).compose(text, Loader=yaml.SafeLoader))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        fail(path, (mark.line + 1) if mark else 1, _("this is not YAML: {problem}", problem=str(error.problem)))
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        fail(path, 1, _("this is not YAML: {problem}", problem=str(error)))
    if not isinstance(root, yaml.MappingNode):
        fail(path, 1, _("a task file holds `name: value` lines, with `goal` among them."))
    return Reader(path, given).task(root)


def read_text(path: Path) -> str:
    """Raises ConfigError. A link is not followed: code inside the walls could have laid it."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError as error:
        problem = _("it is a link.") if path.is_symlink() else error.strerror
        raise ConfigError(
            _("The task file {file} cannot be read: {reason}", file=str(path), reason=problem),
            _('Name the file itself. A goal in words stands in quotes: interpreter run "GOAL"'),
        ) from None
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ConfigError(_("{file} should be a task file, but is no ordinary file.", file=str(path)))
        data = file.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise ConfigError(_("The task file {file} is larger than 1 MB.", file=str(path)))
    try:
        return data.decode("utf-8-sig")
    except UnicodeError:
        raise ConfigError(_("The task file {file} is not UTF-8 text.", file=str(path))) from None


def fail(path: Path, line: int, problem: str, hint: str = "") -> NoReturn:
    raise ConfigError(_("{file}, line {line}: {problem}", file=str(path), line=line, problem=problem), hint)


class Reader:
    def __init__(self, path: Path, given: Mapping[str, str]) -> None:
        self._path, self._given = path, given
        self._values: dict[str, str] = {}
        self._count = 0

    def task(self, root: yaml.MappingNode) -> Loaded:
        found = self.table(root, TOP)
        version, line = self.plain(found, "version", 1)
        if version != VERSION:
            fail(self._path, line, _("this program reads version {n} of task files.", n=VERSION))
        self.variables(found)
        goal, line = self.text(found, "goal", 1)
        if not goal.strip():
            fail(self._path, line, _("`goal` is missing or empty."), _("Say in words what is to be reached."))
        undo, line = self.text(found, "undo", 1, "ask")
        if undo not in UNDO:
            fail(self._path, line, _("`{name}` should be one of {choices}.", name="undo", choices=", ".join(UNDO)))
        task = Task(
            goal=goal,
            checks=self.checks(found, "checks"),
            health=self.checks(found, "health"),
            variables=self._values,
            inputs=self.inputs(found),
            tools=self.names(found, "tools"),
            skills=self.names(found, "skills"),
            without_undo=cast(Any, undo),
            judge=self.text(found, "judge", 1)[0],
            source=str(self._path),
        )
        ceilings = self.ceilings(found)
        profile, line = self.text(found, "profile", 1)
        if profile in ("host", "off"):
            fail(
                self._path,
                line,
                _("a task file cannot take the walls away."),
                _("Only the command line can: --sandbox host"),
            )
        task = msgspec.structs.replace(task, ceilings=msgspec.structs.replace(Ceilings(), **ceilings))
        return Loaded(task, ceilings, profile, self.policy(found))

    # --- nodes

    def table(self, node: yaml.Node, known: Sequence[str]) -> dict[str, tuple[yaml.Node, int]]:
        """The entries of a mapping. Refuses names that are not known, saying the nearest."""
        if not isinstance(node, yaml.MappingNode):
            fail(self._path, line_of(node), _("`name: value` lines are expected here."))
        found: dict[str, tuple[yaml.Node, int]] = {}
        for key, value in cast("list[tuple[yaml.Node, yaml.Node]]", node.value):
            name = str(key.value) if isinstance(key, yaml.ScalarNode) else ""
            if known and name not in known:
                problem = _("there is no `{name}` here.", name=name)
                if close := difflib.get_close_matches(name, known, 1, 0.5):
                    problem += " " + _("Did you mean `{close}`?", close=close[0])
                fail(self._path, line_of(key), problem, _("Known here: {names}", names=", ".join(known)))
            if name in found:
                fail(self._path, line_of(key), _("`{name}` stands here a second time.", name=name))
            found[name] = (value, line_of(key))
        return found

    def value(self, node: yaml.Node) -> Any:
        self._count += 1
        if self._count > MOST_NODES:
            fail(self._path, line_of(node), _("it holds too many values."))
        if isinstance(node, yaml.MappingNode):
            return {name: self.value(value) for name, (value, _line) in self.table(node, ()).items()}
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item) for item in cast("list[yaml.Node]", node.value)]
        try:
            return cast(Any, yaml.SafeLoader("")).construct_object(node)
        except (yaml.YAMLError, ValueError) as error:
            fail(self._path, line_of(node), _("this is not YAML: {problem}", problem=str(error)))

    def plain(self, found: dict[str, tuple[yaml.Node, int]], name: str, otherwise: Any) -> tuple[Any, int]:
        if name not in found:
            return otherwise, 1
        node, line = found[name]
        return self.value(node), line

    def text(
        self, found: dict[str, tuple[yaml.Node, int]], name: str, line: int, otherwise: str = ""
    ) -> tuple[str, int]:
        value, line = self.plain(found, name, otherwise)
        if value is None:
            return otherwise, line
        if not isinstance(value, str):
            fail(self._path, line, _("`{name}` should be {expected}.", name=name, expected=_("text")))
        return self.filled(value, line), line

    def names(self, found: dict[str, tuple[yaml.Node, int]], name: str) -> tuple[str, ...]:
        value, line = self.plain(found, name, [])
        items: list[Any] = [value] if isinstance(value, str) else value
        if not isinstance(value, (str, list)) or not all(isinstance(item, str) and item for item in items):
            fail(self._path, line, _("`{name}` should be {expected}.", name=name, expected=_("a list of names")))
        return tuple(self.filled(item, line) for item in items)

    # --- what it holds

    def variables(self, found: dict[str, tuple[yaml.Node, int]]) -> None:
        node, line = found.get("variables", (None, 1))
        entries = self.table(node, ()) if node is not None else {}
        for name, (value_node, at) in entries.items():
            if not NAME.fullmatch(name):
                fail(self._path, at, _("a variable's name has small letters, digits and _ only: `{name}`.", name=name))
            value: Any = self._given[name] if name in self._given else self.value(value_node)
            if value is None:
                fail(self._path, at, _("the variable `{name}` has no value.", name=name),
                     _("Give it one: --set {name}=VALUE", name=name))  # fmt: skip
            if isinstance(value, (dict, list)):
                fail(self._path, at, _("`{name}` should be {expected}.", name=name, expected=_("text")))
            self._values[name] = str(value).lower() if isinstance(value, bool) else str(value)
        for name in self._given:
            if name not in entries:
                problem = _("there is no variable `{name}` in this task file.", name=name)
                if close := difflib.get_close_matches(name, entries, 1, 0.5):
                    problem += " " + _("Did you mean `{close}`?", close=close[0])
                fail(self._path, line, problem)

    def filled(self, text: str, line: int, *, url: bool = False) -> str:
        """`{{name}}` replaced by the variable's value."""

        def put(match: re.Match[str]) -> str:
            if match[1] not in self._values:
                fail(self._path, line, _("there is no variable `{name}` in this task file.", name=match[1]))
            value = self._values[match[1]]
            return quote(value, safe="") if url else value

        return PLACE.sub(put, text)

    def checks(self, found: dict[str, tuple[yaml.Node, int]], section: str) -> tuple[Check, ...]:
        if section not in found:
            return ()
        node, line = found[section]
        if not isinstance(node, yaml.SequenceNode):
            fail(self._path, line, _("`{name}` should be a list of checks.", name=section))
        made: dict[str, Check] = {}
        for item in cast("list[yaml.Node]", node.value):
            check = self.check(item)
            if check.name in made:
                fail(self._path, line_of(item), _("two checks are called `{name}`.", name=check.name))
            made[check.name] = check
        return tuple(made.values())

    def check(self, node: yaml.Node) -> Check:
        line = line_of(node)
        if isinstance(node, yaml.ScalarNode):
            return self.named(Check(command=self.command(self.value(node), line)))
        found = self.table(node, CHECK)
        kinds = [name for name in ("command", *KINDS) if name in found]
        if len(kinds) != 1:
            fail(self._path, line, _("a check has exactly one of {names}.", names=", ".join(("command", *KINDS))))
        fields: dict[str, Any] = {
            name: self.duration(*found[name], name) for name in ("hold", "within", "timeout") if name in found
        }
        fields["name"] = self.text(found, "name", line)[0]
        kind = kinds[0]
        value_node, at = found[kind]
        if kind == "command":
            fields["command"] = self.command(self.value(value_node), at)
        else:
            fields[kind] = self.part(kind, value_node, at)
        return self.named(Check(**fields))

    def named(self, check: Check) -> Check:
        if check.name:
            return check
        what = check.http.url if check.http else check.file.path if check.file else ""
        what = what or (check.metric.query if check.metric else check.command)
        return msgspec.structs.replace(check, name=" ".join(what.split())[:80])

    def command(self, value: Any, line: int) -> str:
        if not isinstance(value, str) or not value.strip():
            fail(self._path, line, _("`{name}` should be {expected}.", name="command", expected=_("text")))
        if match := PLACE.search(value):
            fail(self._path, line, _("in a command a variable is written ${name}, not in braces.", name=match[1]),
                 _("It is a shell variable there, so that its value cannot become code. Quote it: \"${name}\"",
                   name=match[1]))  # fmt: skip
        return value.strip()

    def part(self, kind: str, node: yaml.Node, line: int) -> Any:
        made = KINDS[kind]
        entries = self.table(node, made.__struct_fields__)
        value: dict[str, Any] = {}
        for name, (one, at) in entries.items():
            plain = self.value(one)
            value[name] = self.filled(plain, at, url=name == "url") if isinstance(plain, str) else plain
        try:
            part = msgspec.convert(value, made)
        except msgspec.ValidationError as error:
            at = next((at for name, (_node, at) in entries.items() if f"$.{name}" in str(error)), line)
            fail(self._path, at, _("the check cannot be read: {problem}", problem=str(error)))
        self.sound(part, {name: at for name, (_node, at) in entries.items()}, line)
        return part

    def sound(self, part: object, lines: Mapping[str, int], line: int) -> None:
        """Refuse what could never pass or fail."""
        url = getattr(part, "url", None)
        # A metric without one asks the server that the person has configured.
        own = isinstance(part, MetricCheck) and "url" not in lines
        if isinstance(url, str) and not own:
            parts = urlsplit(url)
            if parts.scheme not in ("http", "https") or not parts.netloc:
                fail(self._path, lines.get("url", line), _("`url` should begin with http:// or https://."))
        pattern = getattr(part, "matches", "")
        try:
            re.compile(pattern)
        except re.error as error:
            fail(self._path, lines.get("matches", line), _("this is no regular expression: {problem}", problem=error))
        if isinstance(part, MetricCheck) and part.at_most is None and part.at_least is None:
            fail(self._path, line, _("a metric needs a bound: `at_most` or `at_least`."))

    def duration(self, node: yaml.Node, line: int, name: str) -> float:
        seconds = seconds_of(self.value(node))
        if seconds is None:
            fail(self._path, line, _("`{name}` should be a duration such as 30s, 5m or 1h.", name=name))
        return seconds

    def ceilings(self, found: dict[str, tuple[yaml.Node, int]]) -> dict[str, Any]:
        if "ceilings" not in found:
            return {}
        made: dict[str, Any] = {}
        for name, (node, line) in self.table(found["ceilings"][0], CEILINGS).items():
            value = self.duration(node, line, name) if name == "seconds" else self.value(node)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not value > 0 or value != value:
                fail(self._path, line, _("`{name}` should be a number above 0.", name=name))
            made[name] = float(value) if name in ("seconds", "cost") else int(value)
        return made

    def inputs(self, found: dict[str, tuple[yaml.Node, int]]) -> tuple[str, ...]:
        names = self.names(found, "inputs")
        for name in names:
            path = self._path.parent / name
            if not os.path.lexists(path):
                fail(self._path, found["inputs"][1], _("the input {path} is not there.", path=name))
        return names

    def policy(self, found: dict[str, tuple[yaml.Node, int]]) -> tuple[str, ...]:
        """Rules that tighten: each as YAML of one list item."""
        if "policy" not in found:
            return ()
        node, line = found["policy"]
        if not isinstance(node, yaml.SequenceNode):
            fail(self._path, line, _("`{name}` should be a list of rules.", name="policy"))
        rules: list[str] = []
        for item in cast("list[yaml.Node]", node.value):
            rule = self.value(item)
            loose = isinstance(rule, dict) and any(
                cast("dict[str, Any]", rule).get(key) == "allow" for key in ("decision", "outside", "unattended")
            )
            if not isinstance(rule, dict) or loose:
                fail(self._path, line_of(item), _("a rule of a task file may only ask or deny."))
            rules.append(cast(Any, yaml).safe_dump([rule], allow_unicode=True, sort_keys=False))
        return tuple(rules)


def line_of(node: yaml.Node) -> int:
    return cast(int, cast(Any, node).start_mark.line) + 1


def task_of_words(goal: str, verify: Sequence[str], judge: str = "") -> Task:
    """The task of `interpreter run "GOAL" --verify COMMAND`. Raises UsageError."""
    if not goal.strip():
        raise UsageError(_("The goal is empty."), _('Say what is to be reached: interpreter run "GOAL"'))
    return with_checks(Task(goal=goal, judge=judge), verify)


def with_checks(task: Task, verify: Sequence[str]) -> Task:
    """The task with commands of `--verify` as checks besides. Raises UsageError."""
    checks = {check.name: check for check in task.checks}
    for command in verify:
        if not command.strip():
            raise UsageError(_("The command of --verify is empty."))
        name = " ".join(command.split())[:80]
        checks.setdefault(name, Check(name=name, command=command.strip()))
    return msgspec.structs.replace(task, checks=tuple(checks.values()))


def settled(task: Task, named: Mapping[str, Any], standing: Mapping[str, Any], flags: Mapping[str, Any]) -> Task:
    """The ceilings in force: flags decide; else the lower of what the file and the person's settings say; else what is
    built in.
    """
    found: dict[str, Any] = {}
    for name in CEILINGS:
        said = [value for value in (named.get(name), standing.get(name)) if value is not None]
        chosen = flags.get(name)
        if chosen is not None:
            found[name] = chosen
        elif said:
            found[name] = min(said)
    return msgspec.structs.replace(task, ceilings=msgspec.structs.replace(Ceilings(), **found))
