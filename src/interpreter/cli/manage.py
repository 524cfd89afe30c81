"""`interpreter sessions`, `doctor`, `config`: looking after what is there. No code is run and no model is asked."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ..config.keys import KEYS
from ..config.paths import project_file, user_file
from ..config.settings import Settings, value_of
from ..errors import UsageError
from ..text.clean import clean_text
from ..text.cut import fit, pad, width
from ..text.i18n import _
from .arguments import Arguments, Parser, add_setting_flags, no_command, read, settle
from .configure import find_workspace, read_settings
from .sessions import print_rows

if TYPE_CHECKING:
    from ..app.readings import Readings

FORMS = ("md", "ipynb", "json", "jsonl")


def manage(arguments: Arguments) -> int:
    """Carry out a management command; the exit code. Raises UsageError for one that does not exist."""
    if arguments.command == "approvals":
        from .approvals import approvals

        return approvals(arguments)
    if arguments.command == "policy":
        from .policy import policy

        return policy(arguments)
    if arguments.command == "audit":
        from .audit import audit

        return audit(arguments)
    parser = Parser(prog=f"interpreter {arguments.command}", add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("words", nargs="*")
    parser.add_argument("--help", "-h", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--form")
    parser.add_argument("--workspace")
    if arguments.command == "doctor":
        parser.add_argument("--model", action="store_true", dest="check_model")
        add_setting_flags(parser, leave_out=("llm.model",))
        parser.add_argument("-m", dest="llm.model")
    else:
        add_setting_flags(parser)
    found = read(parser, [settle(word) for word in arguments.rest])
    if found["help"] or arguments.asked == "help":
        sys.stdout.write(usage(arguments.command))
        return 0
    flags = {**arguments.flags, **{name: value for name, value in found.items() if name in KEYS and value is not None}}
    workspace = find_workspace(str(found["workspace"] or arguments.workspace))
    settings = read_settings(workspace, flags)
    words: list[str] = found["words"]
    if arguments.command == "config":
        return _config(settings, words, as_json=bool(found["json"]))
    if arguments.command == "doctor":
        from .doctor import doctor

        return doctor(settings, words, as_json=bool(found["json"]), check_model=bool(found["check_model"]))
    from ..app.readings import Readings

    return _sessions(Readings(settings), words, found)


def usage(command: str) -> str:
    lines = {
        "sessions": (
            "interpreter sessions list [--json]",
            "interpreter sessions show ID",
            "interpreter sessions export ID [--form md|ipynb|json|jsonl]",
            "interpreter sessions rm ID ...",
        ),
        "doctor": ("interpreter doctor [--model] [--json]",),
        "config": ("interpreter config show [NAME] [--json]",),
    }[command]
    return "\n".join(lines) + "\n"


def _choose(command: str, words: Sequence[str], work: dict[str, Callable[[Sequence[str]], int]]) -> int:
    name = words[0] if words else next(iter(work))
    if name not in work:
        raise no_command(command, [name], work, usage(command).rstrip())
    return work[name](words[1:])


def _sessions(readings: Readings, words: Sequence[str], found: dict[str, Any]) -> int:
    def one(rest: Sequence[str]) -> str:
        if len(rest) != 1:
            raise UsageError(_("Name one session: its id, the beginning of it, or last."), usage("sessions").rstrip())
        return rest[0]

    def list_(rest: Sequence[str]) -> int:
        if rest:
            raise UsageError(_("sessions list takes no names."), usage("sessions").rstrip())
        rows = readings.rows()
        if found["json"]:
            print_json(rows)
        else:
            print_rows(rows, write)
        return 0

    def show(rest: Sequence[str]) -> int:
        lines = readings.timeline(one(rest))
        if found["json"]:
            print_json(lines)
            return 0
        for line in lines:
            moment = time.strftime("%H:%M:%S", time.localtime(line.time))
            write(moment + "  " + line.text.replace("\n", "\n" + " " * 10))
        return 0

    def export(rest: Sequence[str]) -> int:
        form = str(found["form"] or "md")
        if form not in FORMS:
            raise UsageError(_("--form should be one of {choices}.", choices=", ".join(FORMS)))
        sys.stdout.write(readings.export(one(rest), form))
        return 0

    def remove(rest: Sequence[str]) -> int:
        if not rest:
            one(rest)
        for wanted in rest:
            write(_("Removed: {id}", id=readings.delete(wanted)))
        return 0

    return _choose("sessions", words, {"list": list_, "show": show, "export": export, "rm": remove})


def _config(settings: Settings, words: Sequence[str], *, as_json: bool) -> int:
    def show(rest: Sequence[str]) -> int:
        unknown = [name for name in rest if name not in KEYS]
        if unknown:
            raise UsageError(_("there is no setting called `{name}`.", name=unknown[0]))
        chosen = [key for key in KEYS.values() if not rest or key.name in rest]
        found = {key.name: (shown_value(settings, key.name), settings.origins.get(key.name, "")) for key in chosen}
        if as_json:
            print_json(
                {name: {"value": value, "from": origin or "built-in"} for name, (value, origin) in found.items()}
            )
            return 0
        _print_settings(found)
        if not rest:
            for note in settings.notes:
                write(note)
            write("")
            write(_("Your file: {path}", path=str(user_file(os.environ))))
            write(_("The project's file: {path}", path=str(project_file(find_workspace("")))))
        return 0

    return _choose("config", words, {"show": show})


def shown_value(settings: Settings, name: str) -> Any:
    """A value as it may be seen: keys and headers are not."""
    value = value_of(settings, KEYS[name])
    if name == "llm.api_key" and value:
        return "***"
    if name == "llm.headers":
        return dict.fromkeys(value, "***")
    return value


def _print_settings(found: dict[str, tuple[Any, str]]) -> None:
    import msgspec

    table = [
        (name, "" if value is None else fit(msgspec.json.encode(value).decode(), 50), origin or _("built-in"))
        for name, (value, origin) in found.items()
    ]
    first = max(width(line[0]) for line in table) + 2
    second = max(width(line[1]) for line in table) + 2
    for name, value, origin in table:
        write(pad(name, first) + pad(value, second) + origin)


def write(line: str) -> None:
    sys.stdout.write(clean_text(line) + "\n")


def print_json(value: Any) -> None:
    import msgspec

    sys.stdout.write(msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n")
