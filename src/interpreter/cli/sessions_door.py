"""`interpreter sessions`: the sessions of this person. No code is run and no model is asked."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..app.keeping import Keeping
from ..config.keys import KEYS
from ..errors import UsageError
from ..text.clean import clean_text
from ..text.i18n import _
from .arguments import Arguments, Parser, add_setting_flags, no_command, read, settle
from .configure import find_workspace, read_settings
from .printing import print_json, write
from .sessions import print_rows
from .sessions_carry import export, take_in
from .sessions_order import backup, name, prune, search, tag


class Found(NamedTuple):
    """What the command line says."""

    readings: Keeping
    words: Sequence[str]
    """After the verb."""
    flags: dict[str, Any]
    workspace: str


class Verb(NamedTuple):
    run: Callable[[Found], int]
    usage: str
    flags: tuple[str, ...] = ()
    """Names of its own flags, beside `--json` where it has one."""


def sessions(arguments: Arguments) -> int:
    """Carry it out; the exit code. Raises UsageError."""
    words = [settle(word) for word in arguments.rest]
    parser = Parser(prog="interpreter sessions", add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("words", nargs="*")
    parser.add_argument("--help", "-h", action="store_true")
    parser.add_argument("--workspace")
    for flag in SWITCHES:
        parser.add_argument(f"--{flag}", action="store_true")
    for flag in TEXTS:
        parser.add_argument(f"--{flag}", *SHORT.get(flag, ()), dest=flag, action="append" if flag in MANY else "store")
    add_setting_flags(parser)
    found = read(parser, words)
    if found["help"] or arguments.asked == "help":
        sys.stdout.write(usage())
        return 0
    named: list[str] = found["words"]
    asked = named[0] if named else "list"
    if asked not in VERBS:
        raise no_command("sessions", [asked], VERBS, usage().rstrip())
    verb = VERBS[asked]
    for flag in (*SWITCHES, *TEXTS):
        if found[flag] and flag not in verb.flags:
            spelled = f"--{flag.replace('_', '-')}"
            raise UsageError(_("{flag} does not belong to sessions {verb}.", flag=spelled, verb=asked), verb.usage)
    flags = {**arguments.flags, **{key: value for key, value in found.items() if key in KEYS and value is not None}}
    workspace = find_workspace(str(found["workspace"] or arguments.workspace))
    return verb.run(Found(Keeping(read_settings(workspace, flags)), named[1:], found, str(workspace)))


def usage() -> str:
    return "\n".join(verb.usage for verb in VERBS.values()) + "\n"


def one(found: Found, verb: str) -> str:
    if len(found.words) != 1:
        raise UsageError(_("Name one session: its id, the beginning of it, or last."), VERBS[verb].usage)
    return found.words[0]


def list_(found: Found) -> int:
    if found.words:
        raise UsageError(_("sessions list takes no names."), VERBS["list"].usage)
    rows = found.readings.labelled(str(found.flags["tag"] or ""), sizes=bool(found.flags["sizes"]))
    if found.flags["json"]:
        print_json(rows)
    else:
        print_rows(rows, write)
    return 0


def show(found: Found) -> int:
    lines = found.readings.timeline(one(found, "show"))
    if found.flags["json"]:
        print_json(lines)
        return 0
    for line in lines:
        moment = time.strftime("%H:%M:%S", time.localtime(line.time))
        write(moment + "  " + line.text.replace("\n", "\n" + " " * 10))
    return 0


def remove(found: Found) -> int:
    if not found.words:
        one(found, "rm")
    for wanted in found.words:
        write(_("Removed: {id}", id=clean_text(found.readings.delete(wanted))))
    return 0


def export_(found: Found) -> int:
    return export(found.readings, found.words[0] if found.words else "last", found.words[1:], found.flags)


def with_flags(work: Callable[[Keeping, Sequence[str], dict[str, Any]], int]) -> Callable[[Found], int]:
    return lambda found: work(found.readings, found.words, found.flags)


def import_(found: Found) -> int:
    return take_in(found.readings, found.words, Path(found.workspace), found.flags)


SWITCHES = (
    "json", "force", "redact", "trust_checkpoints", "sizes", "remove", "keep_named", "waiting", "dry_run", "yes",
)  # fmt: skip
TEXTS = (
    "form", "format", "output", "language", "without", "largest", "tag", "untag", "older_than", "larger_than", "keep",
)  # fmt: skip
SHORT = {"output": ("-o",)}
MANY = ("without", "untag")
VERBS = {
    "list": Verb(list_, "interpreter sessions list [--tag TAG] [--sizes] [--json]", ("json", "tag", "sizes")),
    "search": Verb(
        with_flags(search),
        "interpreter sessions search WORD ... [--json]",
        ("json",),
    ),
    "show": Verb(show, "interpreter sessions show ID [--json]", ("json",)),
    "export": Verb(
        export_,
        "interpreter sessions export [ID] [--format md|ipynb|html|py|json|jsonl|session] [-o FILE] [--force]",
        ("form", "format", "output", "force", "language", "without", "redact"),
    ),
    "import": Verb(
        import_,
        "interpreter sessions import FILE [--workspace FOLDER] [--trust-checkpoints] [--largest SIZE]",
        ("trust_checkpoints", "largest"),
    ),
    "name": Verb(
        with_flags(name),
        "interpreter sessions name ID NAME | --remove",
        ("remove",),
    ),
    "tag": Verb(
        with_flags(tag),
        "interpreter sessions tag ID TAG ... [--untag TAG]",
        ("untag",),
    ),
    "prune": Verb(
        with_flags(prune),
        "interpreter sessions prune [--older-than AGE] [--larger-than SIZE] [--keep-named] [--waiting] [--dry-run]"
        " [--yes]",
        ("older_than", "larger_than", "keep_named", "waiting", "dry_run", "yes"),
    ),
    "backup": Verb(
        with_flags(backup), "interpreter sessions backup FILE|FOLDER [--keep N] [--force]", ("keep", "force")
    ),
    "rm": Verb(remove, "interpreter sessions rm ID ..."),
}
