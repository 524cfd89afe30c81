"""One skill, read from its SKILL.md: YAML between two lines `---`, and the instructions below it."""

from __future__ import annotations

import re
from typing import Any, Literal, cast

import yaml

from ..errors import SkillError
from ..text.i18n import _
from ..types.base import Value

Origin = Literal["project", "user", "built-in"]
FILE = "SKILL.md"
LARGEST = 1 << 16
"""Bytes of a SKILL.md."""
HEAD = 1 << 14
"""Characters of the part between the two lines."""
NAME = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
LONGEST_NAME, LONGEST_DESCRIPTION, LONGEST_COMPATIBILITY = 64, 1024, 500
FIELDS = ("name", "description", "license", "compatibility", "metadata", "allowed-tools")
FIRST = "interpreter-first"
"""Key of `metadata`: the script that looks before a model is asked."""
WORDS = "interpreter-words"
"""Key of `metadata`: words, with commas between, for which a goal run takes the skill by itself."""


class Skill(Value):
    name: str
    description: str
    origin: Origin
    folder: str
    """Absolute and real."""
    license: str = ""
    compatibility: str = ""
    metadata: dict[str, str] = {}
    allowed_tools: tuple[str, ...] = ()
    """As the file says. It allows nothing here: what may run is the policy's word."""
    body: str = ""
    """The instructions."""

    @property
    def first(self) -> str:
        """The path of the script that looks first, from the skill's folder on; empty: none."""
        return self.metadata.get(FIRST, "")

    @property
    def words(self) -> tuple[str, ...]:
        return tuple(word.strip().lower() for word in self.metadata.get(WORDS, "").split(",") if word.strip())


def read_skill(data: bytes, folder: str, origin: Origin) -> Skill:
    """The skill in the bytes of a SKILL.md. Raises SkillError with what is wrong, and where.

    A name that is not the folder's is refused, as the format asks: what is shown is then what is read.
    """
    head, body = split(data)
    fields = _fields(head)
    name, description = _text(fields, "name"), _text(fields, "description")
    if not name or not description:
        raise SkillError(_("`{name}` is missing.", name="description" if name else "name"))
    if len(name) > LONGEST_NAME or NAME.fullmatch(name) is None:
        raise SkillError(
            _("`{name}` is no name of a skill.", name=name[:LONGEST_NAME]),
            _("Small letters, digits, and single `-` between them; at most 64."),
        )
    if name != (there := folder.rstrip("/").rpartition("/")[2]):
        raise SkillError(_("The name is `{name}`, but the folder is called `{folder}`.", name=name, folder=there))
    if len(description) > LONGEST_DESCRIPTION:
        raise SkillError(_("The description is longer than {n} characters.", n=LONGEST_DESCRIPTION))
    compatibility = _text(fields, "compatibility")
    if len(compatibility) > LONGEST_COMPATIBILITY:
        raise SkillError(_("`{name}` is longer than {n} characters.", name="compatibility", n=LONGEST_COMPATIBILITY))
    return Skill(
        name=name,
        description=" ".join(description.split()),
        origin=origin,
        folder=folder,
        license=_text(fields, "license"),
        compatibility=compatibility,
        metadata=_metadata(fields),
        allowed_tools=tuple(_text(fields, "allowed-tools").split()),
        body=body.strip(),
    )


def split(data: bytes) -> tuple[str, str]:
    """What stands between the two lines, and what below. Raises SkillError."""
    if len(data) > LARGEST:
        raise SkillError(_("{file} is larger than {size}.", file=FILE, size="64 kB"))
    try:
        text = data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError:
        raise SkillError(_("{file} is not UTF-8 text.", file=FILE)) from None
    first, _newline, rest = text.partition("\n")
    end = re.search(r"(?m)^---[ \t]*$", rest)
    if first.strip() != "---" or end is None:
        raise SkillError(
            _("{file} does not begin with `---`, fields, and a second `---`.", file=FILE),
            _("A new one to begin with: interpreter skills new NAME"),
        )
    if end.start() > HEAD:
        raise SkillError(_("The fields of {file} are too long.", file=FILE))
    return rest[: end.start()], rest[end.end() :]


def _fields(head: str) -> dict[str, Any]:
    try:
        found: Any = yaml.safe_load(head)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = (mark.line + 2) if mark else 1
        raise SkillError(
            _("{file}, line {line}: {problem}", file=FILE, line=line, problem=str(error.problem))
        ) from None
    except (yaml.YAMLError, RecursionError, ValueError, OverflowError) as error:
        raise SkillError(_("{file} has no readable fields: {problem}", file=FILE, problem=str(error)[:200])) from None
    if not isinstance(found, dict):
        raise SkillError(_("The fields of {file} are written as `name: value`, one on a line.", file=FILE))
    return {_said(name, "name"): value for name, value in cast("dict[Any, Any]", found).items()}


def _text(fields: dict[str, Any], name: str) -> str:
    value = fields.get(name)
    if value is None:
        return ""
    if isinstance(value, dict | list):
        raise SkillError(_("`{name}` should be text.", name=name))
    return _said(value, name).strip()


def _said(value: object, name: str) -> str:
    try:
        return str(value)
    except ValueError:  # a number of thousands of digits
        raise SkillError(_("`{name}` should be text.", name=name)) from None


def _metadata(fields: dict[str, Any]) -> dict[str, str]:
    value = fields.get("metadata")
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise SkillError(_("`{name}` should be names, each with a text.", name="metadata"))
    pairs = cast("dict[Any, Any]", value)
    return {
        _said(name, "metadata"): _said(one, "metadata")
        for name, one in pairs.items()
        if not isinstance(one, dict | list)
    }
