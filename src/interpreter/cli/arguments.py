"""The command line, read from the table of settings."""

from __future__ import annotations

import argparse
import difflib
import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, NoReturn

from ..config.keys import KEYS, Key
from ..errors import UsageError
from ..text.i18n import _, listed
from .flags import ASKED, COMMANDS, OUTPUTS, OWN

RESUMABLE = re.compile(r"last|[A-Za-z]+_[0-9a-f]+|[0-9a-f]{4,}|\S+\.json")


class Arguments(NamedTuple):
    command: str
    """Empty for a task or a conversation, else one of COMMANDS."""
    rest: tuple[str, ...]
    """What follows the command."""
    task: str | None
    flags: dict[str, Any]
    """Setting names with what was given for them."""
    resume: str = ""
    output: str = "text"
    workspace: str = ""
    asked: str = ""
    """`help`, `version`, or a flag for something that is not there yet."""
    ops: bool = False
    """Standard input holds ops of a program."""
    perhaps: str = ""
    """What stands after `--resume`: the task, unless a session is called that."""
    background: bool = False
    """Work without a terminal, as after a hang-up."""


class Parser(argparse.ArgumentParser):
    """argparse, but errors are ours."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(message, _("All flags: interpreter --help"))


def settle(word: str) -> str:
    """`--api-base=X` as `--api_base=X`: both spellings of a flag are one."""
    if not word.startswith("--") or len(word) == 2:
        return word
    name, equals, value = word.partition("=")
    return "--" + name[2:].replace("-", "_") + equals + value


def bare_flags(words: Sequence[str]) -> list[str]:
    """`--network "task"` as `--network=open "task"`: a flag that may stand alone takes only a value of its own."""
    bare = {flag: key for key in KEYS.values() if key.bare for flag in key.flags}
    found: list[str] = []
    for at, word in enumerate(words):
        if word == "--":
            return [*found, *words[at:]]
        key = bare.get(word)
        after = words[at + 1] if at + 1 < len(words) else ""
        own = ("true", "false", *(choice for choice in key.choices if choice)) if key is not None else ()
        found.append(f"{word}={key.bare}" if key is not None and after.lower() not in own else word)
    return found


def add_setting_flags(parser: argparse.ArgumentParser, leave_out: Sequence[str] = ()) -> None:
    """The flags of all settings; None stands for one that was not given."""
    for key in KEYS.values():
        if key.flags and key.name not in leave_out:
            _add(parser, key)


def _add(group: Any, key: Key) -> None:
    if key.kind == "bool":
        group.add_argument(*key.flags, dest=key.name, action="store_const", const="true")
        group.add_argument("--no_" + key.flags[0][2:], dest=key.name, action="store_const", const="false")
        return
    if key.bare:
        group.add_argument(*key.flags, dest=key.name, nargs="?", const=key.bare)
        group.add_argument("--no_" + key.flags[0][2:], dest=key.name, action="store_const", const="off")
        return
    many = key.kind in ("paths", "names", "hosts")
    group.add_argument(*key.flags, dest=key.name, action="append" if many else "store")


def make_parser() -> Parser:
    parser = Parser(prog="interpreter", add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("task", nargs="*")
    for flag in OWN:
        spelled = tuple(settle(word) for word in flag.flags)
        if flag.name == "resume":
            parser.add_argument(*spelled, dest=flag.name, nargs="?", const="last")
        else:
            parser.add_argument(*spelled, dest=flag.name, action="store" if flag.metavar else "store_true")
    add_setting_flags(parser)
    return parser


def parse(words: Sequence[str]) -> Arguments:
    """Read the command line. Raises UsageError for what it does not understand."""
    settled = bare_flags([settle(word) for word in words])
    if "--" in words:  # what follows is the task, as it stands
        cut = words.index("--")
        settled[cut:] = words[cut:]
    at = _command_at(settled)
    rest = tuple(words[at + 1 :]) if at is not None else ()
    found = read(make_parser(), settled if at is None else settled[:at])
    flags = {name: value for name, value in found.items() if name in KEYS and value is not None}
    asked = next((flag.name for flag in reversed(OWN) if flag.name in ASKED and found[flag.name]), "")
    if at is not None:
        return Arguments(settled[at], rest, None, flags, asked=asked)
    task, resume, perhaps = _task(found["task"]), str(found["resume"] or ""), ""
    if resume and not RESUMABLE.fullmatch(resume):
        if task is not None and any(char.isspace() for char in resume):
            raise UsageError(
                _("`{id}` is not the id of a session.", id=resume), _("Your sessions: interpreter sessions list")
            )
        if task is None:
            task, resume, perhaps = resume, "last", resume
    output = str(found["output"] or "text")
    if output not in OUTPUTS:
        raise UsageError(
            _("--output should be one of {choices}.", choices=", ".join(OUTPUTS)), _("All flags: interpreter --help")
        )
    ops = bool(found["ops"])
    if ops and found["output"] not in (None, "jsonl"):
        raise UsageError(_("With --ops standard output holds events: --output jsonl."))
    form, workspace = "jsonl" if ops else output, str(found["workspace"] or "")
    background = bool(found["background"])
    return Arguments("", (), task, flags, resume, form, workspace, asked, ops, perhaps, background)


def read(parser: argparse.ArgumentParser, words: Sequence[str]) -> dict[str, Any]:
    """What argparse finds, with its complaints as sentences of ours."""
    help_hint = _("All flags: interpreter --help")
    try:
        space, unknown = parser.parse_known_args(words)
    except argparse.ArgumentError as error:
        flag = (error.argument_name or "").split("/")[0]
        if "explicit argument" in error.message:
            raise UsageError(_("{flag} takes no value.", flag=flag), help_hint) from None
        if "choice" in error.message:
            raise UsageError(f"{flag}: {error.message}", help_hint) from None
        raise UsageError(_("{flag} needs a value.", flag=flag), help_hint) from None
    if unknown:
        known = [s for action in parser._actions for s in action.option_strings]  # pyright: ignore[reportPrivateUsage] - argparse has no public list
        word = unknown[0].partition("=")[0]
        close = difflib.get_close_matches(word, known, 1)
        problem = _("There is no flag {flag}.", flag=word)
        if close:
            problem += " " + _("Did you mean {close}?", close=close[0])
        raise UsageError(problem, help_hint)
    return vars(space)


def _task(words: list[str]) -> str | None:
    if len(words) > 1:
        close = difflib.get_close_matches(words[0], COMMANDS, 1)
        if close:
            hint = _("Did you mean the command `{close}`?", close=close[0])
        else:
            hint = _('Put the task in quotes: interpreter "{words}"', words=" ".join(words))
        raise UsageError(_("The task should be one argument."), hint)
    return words[0] if words else None


def _command_at(words: Sequence[str]) -> int | None:
    """Where the command stands: the first word that is neither a flag nor a flag's value."""
    takes = {"--output", "--workspace"}
    takes |= {flag for key in KEYS.values() if key.kind != "bool" for flag in key.flags}
    skip = False
    for at, word in enumerate(words):
        if skip:
            skip = False
        elif word == "--":
            return None
        elif word.startswith("-"):
            skip = word in takes
        else:
            return at if word in COMMANDS else None
    return None


def no_command(command: str, words: Sequence[str], verbs: Iterable[str], usage: str) -> UsageError:
    """What to say where the word after a command is missing or wrong."""
    if not words:
        return UsageError(_("Say what to do: {names}.", names=listed(verbs)), usage)
    problem = _("There is no command {name}.", name=f"{command} {words[0]}")
    if close := difflib.get_close_matches(words[0], list(verbs), 1):
        problem += " " + _("Did you mean {close}?", close=f"{command} {close[0]}")
    return UsageError(problem, usage)
