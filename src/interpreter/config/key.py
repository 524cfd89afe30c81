"""One setting: where it stands, what it takes, and who may say it."""

from __future__ import annotations

from typing import Literal, NamedTuple

Kind = Literal["text", "bool", "int", "float", "choice", "paths", "names", "hosts", "map", "prices", "table", "size"]
Guard = Literal["", "never", "tighten"]


class Key(NamedTuple):
    name: str
    """Dotted, as it stands in a file: `llm.model`."""
    kind: Kind
    help: str
    """One English sentence; translated where it is shown."""
    flags: tuple[str, ...] = ()
    """The long flag first, with `_`."""
    into: str = ""
    """Option class and field in `Settings`; empty: the same as `name`."""
    env: str = ""
    """Environment variable without `INTERPRETER_`; empty: the last part of the name."""
    guard: Guard = ""
    """What a project's file may do. never: nothing; tighten: only a stricter value; empty: anything."""
    choices: tuple[str, ...] = ()
    """For kind choice, loosest first."""
    bare: str = ""
    """For kind choice: what the flag means without a value, and true in a file; false is then `off`."""
    least: float | None = None
    most: float | None = None
    implied: float | None = None
    """The bound that an unset limit has unattended; a project may not go above it."""
    aliases: tuple[str, ...] = ()
    """Other dotted names that mean the same."""

    @property
    def target(self) -> str:
        return self.into or self.name

    @property
    def variable(self) -> str:
        return "INTERPRETER_" + (self.env or self.name.rsplit(".", 1)[-1]).upper()


def N_(sentence: str) -> str:
    """Marks a sentence for translation; it is looked up later."""
    return sentence
