"""`interpreter doctor`, `config` and the way to the other commands: looking after what is there."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any, cast

from ..config.keys import KEYS
from ..config.paths import project_file, user_file
from ..config.settings import Settings, value_of
from ..errors import UsageError
from ..text.cut import fit, pad, width
from ..text.i18n import _
from .arguments import Arguments, Parser, add_setting_flags, no_command, read, settle
from .configure import find_workspace, read_settings
from .printing import print_json, write

DOORS = {
    "run": ("run", "run_goal"),
    "undo": ("run", "undo_goal"),
    "sessions": ("sessions_door", "sessions"),
    "rewind": ("rewind", "steps"),
    "diff": ("rewind", "steps"),
    "fork": ("rewind", "steps"),
    "attach": ("attach", "attach"),
    "detach": ("attach", "attach"),
    "approvals": ("approvals", "approvals"),
    "policy": ("policy", "policy"),
    "skills": ("skills", "skills"),
    "stage": ("stage", "stage"),
    "mcp": ("mcp", "mcp_command"),
    "replay": ("replay", "replay_command"),
    "audit": ("audit", "audit"),
}
"""Each command and the function that carries it out, whose module is loaded then."""


def manage(arguments: Arguments) -> int:
    """Carry out a management command; the exit code. Raises UsageError for one that does not exist."""
    if (door := DOORS.get(arguments.command)) is not None:
        module, name = door
        work: Callable[[Arguments], int] = getattr(importlib.import_module(f".{module}", __package__), name)
        return work(arguments)
    parser = Parser(prog=f"interpreter {arguments.command}", add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("words", nargs="*")
    parser.add_argument("--help", "-h", action="store_true")
    parser.add_argument("--json", action="store_true")
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
    from .doctor import doctor

    return doctor(settings, words, as_json=bool(found["json"]), check_model=bool(found["check_model"]))


def usage(command: str) -> str:
    lines = {
        "doctor": ("interpreter doctor [--model] [--json]",),
        "config": ("interpreter config show [NAME] [--json]",),
    }[command]
    return "\n".join(lines) + "\n"


def _choose(command: str, words: Sequence[str], work: dict[str, Callable[[Sequence[str]], int]]) -> int:
    name = words[0] if words else next(iter(work))
    if name not in work:
        raise no_command(command, [name], work, usage(command).rstrip())
    return work[name](words[1:])


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
    if name == "mcp_servers":
        return {server: without_values(entry) for server, entry in value.items()}
    return value


def without_values(entry: Any) -> Any:
    """A server's entry, its variables by name only."""
    if not isinstance(entry, dict):
        return entry
    rows = cast("dict[str, Any]", entry)
    return {**rows, "env": dict.fromkeys(rows["env"], "***")} if isinstance(rows.get("env"), dict) else rows


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
