"""From the words of a command line to an exit code."""

from __future__ import annotations

import errno
import io
import os
import sys
import traceback
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..errors import InterpreterError, UsageError
from ..text.i18n import _, set_language
from .arguments import Arguments, parse
from .flags import NOT_YET
from .help import help_text
from .say import say, say_error

if TYPE_CHECKING:
    from .contract import Open

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""What a write says whose place is full or broken."""


def run(words: Sequence[str], open_session: Open | None = None) -> int:
    """Do what the command line says. `open_session` is given by tests; else it is that of `app`."""
    _fill_closed_streams()
    try:
        _early_language(words)
        return _run(_parsed(words), open_session)
    except InterpreterError as error:
        say_error(error)
        return error.exit_code
    except KeyboardInterrupt:
        say(_("Interrupted."))
        return 130
    except BrokenPipeError:
        # Nobody reads any more; Python would complain again while it closes standard output.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:
        if error.errno not in FULL or error.filename is not None:
            return _mistake(words, error)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        say(_("Standard output cannot be written: {reason}.", reason=error.strerror))
        say(_("What was done is kept in the log: interpreter sessions show last"))
        return 1
    except Exception as error:
        return _mistake(words, error)


def _parsed(words: Sequence[str]) -> Arguments:
    """The command line. Raises UsageError, and says it to a program that reads standard output as well."""
    try:
        arguments = parse(words)
        if arguments.asked in NOT_YET and not arguments.command:
            raise UsageError(
                _("Control of the screen is not there yet."),
                _("Everything else works without this flag: code in Python, shell, JavaScript and more."),
            )
    except UsageError as error:
        if _asked_form(words) in ("json", "jsonl"):
            from .views.machine import write_error

            write_error(error)
        raise
    return arguments


def _asked_form(words: Sequence[str]) -> str:
    """What `--output` says, read from a command line that may not be understood otherwise."""
    form = ""
    for at, word in enumerate(words):
        if word == "--":
            break
        if word.startswith("--output="):
            form = word[9:]
        elif word == "--output" and at + 1 < len(words):
            form = words[at + 1]
    return form


def _mistake(words: Sequence[str], error: Exception) -> int:
    """Not a wrong input but a mistake of ours: the place is of use only to who can mend it."""
    if "-v" in words or "--verbose" in words:
        traceback.print_exception(error)
    say(_("An error inside interpreter itself: {error}", error=f"{type(error).__name__}: {error}"))
    say(_("Sessions are kept. With --verbose it says where it happened."))
    return 1


def _fill_closed_streams() -> None:
    """Put the null device where a standard stream is closed: else the log or a socket would take its number, and
    what is printed would land in it."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            null = os.open(os.devnull, os.O_RDWR)
            if null != number:
                os.dup2(null, number)
                os.close(null)
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, "r" if number == 0 else "w", closefd=False))
    out: object = sys.stdout
    if isinstance(out, io.TextIOWrapper):
        # An answer in characters that this locale does not have is shown with their numbers, not lost.
        out.reconfigure(errors="backslashreplace")


def _early_language(words: Sequence[str]) -> None:
    """`--lang` decides also about the words of an error in the command line itself."""
    for at, word in enumerate(words):
        if word.startswith("--lang="):
            set_language(word[7:])
        elif word == "--lang" and at + 1 < len(words):
            set_language(words[at + 1])


def _run(arguments: Arguments, open_session: Open | None) -> int:
    if arguments.asked == "help" and not arguments.command:
        sys.stdout.write(help_text())
        return 0
    if arguments.asked == "version":
        from .. import __version__

        sys.stdout.write(f"interpreter {__version__}\n")
        return 0
    if arguments.command:
        from .manage import manage

        return manage(arguments)
    if arguments.perhaps:
        from ..app.keeping import is_name

        if is_name(arguments.perhaps):
            arguments = arguments._replace(task=None, resume=arguments.perhaps)
    begun = ""
    if open_session is None and not arguments.resume:
        from ..session.early import begin_early

        begun = begin_early()
    from .task import run_task

    return run_task(arguments, open_session, begun)
