"""What is wrong with a skill, or could be better, before it is used or given away. Nothing of it is run."""

from __future__ import annotations

import ast
import os
import re
import stat
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast

import yaml

from ..errors import PolicyError, SkillError
from ..policy.document import parse_document
from ..policy.schema import read_file as read_policy
from ..sandbox.carefully import content_of, open_folder
from ..text.i18n import _
from ..text.redact import Redactor
from .find import files_of, read_file
from .format import FIELDS, FILE, Origin, Skill, read_skill, split

POLICY, CHECKS, TOOLS = "policy.yaml", "checks.yaml", "tools.py"
MENTIONED = re.compile(r"(?<![\w/.])((?:scripts|references|assets)/[\w./-]*\w)")
LONG_BODY = 6000
"""Characters of instructions that a model with a small window reads badly."""
LONG_LINES = 500
CHECK_KINDS = ("command", "http", "file", "metric")


class Remark(NamedTuple):
    level: Literal["error", "warning", "note"]
    text: str


def check_folder(folder: str, origin: Origin = "user") -> tuple[Skill | None, list[Remark]]:
    """The skill where it can be read, and what there is to say of it, errors first."""
    real = os.path.realpath(folder)
    try:
        fd = open_folder(real, "")
    except OSError as error:
        return None, [
            Remark("error", _("{path} cannot be opened: {reason}.", path=folder, reason=error.strerror or error))
        ]
    try:
        content = content_of(fd, FILE)
    finally:
        os.close(fd)
    if content is None or content.data is None:
        return None, [
            Remark("error", _("There is no {file} in {path}, or it is no ordinary file.", file=FILE, path=folder))
        ]
    try:
        skill = read_skill(content.data, real, origin)
    except SkillError as error:
        return None, [Remark("error", str(error).replace("\n", " "))]
    remarks = [*_fields(content.data), *_body(skill), *_files(skill)]
    return skill, sorted(remarks, key=lambda remark: ("error", "warning", "note").index(remark.level))


def _fields(data: bytes) -> list[Remark]:
    fields = cast("dict[str, Any]", yaml.safe_load(split(data)[0]))
    unknown = [str(name) for name in fields if name not in FIELDS]
    remarks = [Remark("warning", _("The format has no field `{name}`.", name=name)) for name in unknown]
    if fields.get("allowed-tools"):
        remarks.append(Remark("note", _("`allowed-tools` allows nothing here: what may run is the policy's word.")))
    return remarks


def _body(skill: Skill) -> list[Remark]:
    remarks: list[Remark] = []
    if not skill.body:
        remarks.append(Remark("error", _("There are no instructions below the fields.")))
    if len(skill.body) > LONG_BODY:
        text = _("The instructions have {n} characters; small models follow about {most}. Move details to references/.",
                 n=len(skill.body), most=LONG_BODY)  # fmt: skip
        remarks.append(Remark("warning", text))
    if skill.body.count("\n") >= LONG_LINES:
        remarks.append(Remark("warning", _("The instructions are longer than {n} lines.", n=LONG_LINES)))
    there = set(files_of(skill))
    wanted = {*MENTIONED.findall(skill.body), *([skill.first] if skill.first else [])}
    for path in sorted(wanted):
        if path not in there and not any(one.startswith(f"{path}/") for one in there):
            remarks.append(Remark("error", _("{path} is named, but is not there.", path=path)))
    return remarks


def _files(skill: Skill) -> list[Remark]:
    remarks = _links(skill.folder)
    for path in files_of(skill):
        try:
            data = read_file(skill, path)
        except SkillError as error:
            remarks.append(Remark("error", error.message))
            continue
        text = data.decode("utf-8", "replace")
        if Redactor().sure(text) != text:
            remarks.append(Remark("error", _("{path} seems to hold a secret.", path=path)))
        if path.endswith(".py"):
            remarks += _python(path, text)
        if path == POLICY:
            remarks += policy_remarks(Path(skill.folder) / path, data)
        elif path == CHECKS:
            remarks += checks_remarks(Path(skill.folder) / path, data)
        elif path == TOOLS:
            remarks.append(
                Remark(
                    "note",
                    _(
                        "{path} is loaded only from your own skills, and only in sessions that begin with one.",
                        path=path,
                    ),
                )
            )
    return remarks


def _links(folder: str) -> list[Remark]:
    found: list[Remark] = []
    for top, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = f"{top}/{name}"
            if stat.S_ISLNK(os.lstat(path).st_mode):
                found.append(
                    Remark("warning", _("{path} is a link: it is not followed.", path=os.path.relpath(path, folder)))
                )
    return found[:20]


def _python(path: str, text: str) -> list[Remark]:
    try:
        ast.parse(text)
    except (SyntaxError, ValueError, RecursionError) as error:
        line = getattr(error, "lineno", None) or 1
        return [
            Remark(
                "error",
                _("{path}, line {line}: {problem}", path=path, line=line, problem=getattr(error, "msg", str(error))),
            )
        ]
    return []


def policy_remarks(path: Path, data: bytes) -> list[Remark]:
    """A skill's rules may ask and refuse; the rest of such a file does not count."""
    try:
        file = read_policy(parse_document(path, data), "project")
    except PolicyError as error:
        return [Remark("error", error.message)]
    loose = [rule.name for rule in file.rules if rule.decision == "allow"]
    remarks = [
        Remark("warning", _("The rule `{name}` would allow something: it does not count.", name=name)) for name in loose
    ]
    if file.grants or file.disable or (file.network is not None and (file.network.allow or file.network.credentials)):
        remarks.append(
            Remark("warning", _("{path} may only ask and refuse; what opens something does not count.", path=POLICY))
        )
    return remarks


def checks_remarks(path: Path, data: bytes) -> list[Remark]:
    try:
        for item in parse_document(path, data).items():
            pairs = item.pairs()
            if not any(kind in pairs for kind in CHECK_KINDS):
                item.fail(_("a check is one of {kinds}.", kinds=", ".join(CHECK_KINDS)))
    except PolicyError as error:
        return [Remark("error", error.message)]
    return []
