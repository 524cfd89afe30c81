"""What the commands beside the conversation have in common: words, flags of their own, and those of all settings."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..config.keys import KEYS
from ..config.settings import Settings
from .arguments import Arguments, Parser, add_setting_flags, bare_flags, read, settle
from .configure import find_workspace, read_settings


class Asked(NamedTuple):
    """A command line, read."""

    words: list[str]
    found: dict[str, Any]
    """Every flag with what was given for it."""
    flags: dict[str, Any]
    """Of settings, those that were given."""
    place: str
    """The folder that was named; empty: the current one."""

    def workspace(self) -> Path:
        """Raises UsageError: it is not there."""
        return find_workspace(self.place)

    def settings(self, workspace: Path | None = None) -> Settings:
        """All layers together. Raises UsageError, ConfigError."""
        return read_settings(workspace or self.workspace(), self.flags)


def settled(_parser: Parser, words: Sequence[str]) -> list[str]:
    return bare_flags([settle(word) for word in words])


def read_command(
    arguments: Arguments,
    usage: str,
    *,
    switches: Sequence[str] = (),
    texts: Sequence[str] = (),
    order: Callable[[Parser, Sequence[str]], list[str]] = settled,
) -> Asked | None:
    """The words of `arguments.rest`; None where help was asked for, which has been printed then.

    Args:
        switches: flags of its own that stand alone, without their dashes. `--help` and `--workspace` every command has.
        texts: flags of its own that take a word.
        order: puts words and flags as argparse takes them.

    Raises UsageError.
    """
    parser = Parser(prog=f"interpreter {arguments.command}", add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("words", nargs="*")
    parser.add_argument("--help", "-h", action="store_true")
    for flag in switches:
        parser.add_argument(f"--{flag}", action="store_true")
    for flag in ("workspace", *texts):
        parser.add_argument(f"--{flag}")
    add_setting_flags(parser)
    found = read(parser, order(parser, arguments.rest))
    if found["help"] or arguments.asked == "help":
        sys.stdout.write(usage)
        return None
    flags = {**arguments.flags, **{name: value for name, value in found.items() if name in KEYS and value is not None}}
    return Asked(list(found["words"]), found, flags, str(found["workspace"] or arguments.workspace))
