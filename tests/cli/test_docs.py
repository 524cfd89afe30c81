"""The documents say what the program has: every setting, flag, command, event, field and exit code."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from interpreter import errors
from interpreter.cli.codes import EXIT_CODES
from interpreter.cli.flags import COMMANDS, OWN
from interpreter.cli.words import WORDS
from interpreter.config.keys import KEYS
from interpreter.types.events import LIVE, Event, event_name
from interpreter.types.ops import Op

DOCS = Path(__file__).resolve().parents[2] / "docs"


def table_rows(name: str) -> list[list[str]]:
    """The cells of all table rows of a document, without heads."""
    lines = (DOCS / name).read_text(encoding="utf-8").splitlines()
    rows = [line for line in lines if line.startswith("| ")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]] for row in rows]


def ticked(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


def test_every_setting() -> None:
    rows = {ticked(row[0])[0]: row for row in table_rows("configuration.md") if ticked(row[0])}
    assert set(rows) == set(KEYS)
    for name, key in KEYS.items():
        row = rows[name]
        assert set(ticked(row[0])) == {name, *key.aliases}
        assert set(ticked(row[1])) == set(key.flags)
        assert ticked(row[2]) == [key.variable]
        assert row[4].startswith(key.help)
        assert row[5] == {"": "may set it", "never": "may not set it", "tighten": "only stricter"}[key.guard]


def test_every_flag() -> None:
    rows = table_rows("commands.md")
    told = {word for row in rows for word in ticked(row[0]) if word.startswith("-")}
    assert told == {flag for key in KEYS.values() for flag in key.flags} | {flag for own in OWN for flag in own.flags}


def test_every_command() -> None:
    cells = [row[0] for row in table_rows("commands.md")]
    told = {ticked(cell)[0] for cell in cells if ticked(cell)}
    assert {word[1:] for word in told if re.fullmatch(r"%\w+", word)} == {word.name for word in WORDS}
    assert {word.split()[1] for word in told if word.startswith("interpreter ")} == set(COMMANDS)


def test_every_exit_code() -> None:
    rows = [row for row in table_rows("exit-codes.md") if row[0].isdigit()]
    assert {int(row[0]): row[1] for row in rows} == EXIT_CODES
    tree = [errors.InterpreterError]
    for kind in tree:
        tree += kind.__subclasses__()
    raised = {kind.exit_code for kind in tree}
    assert raised <= set(EXIT_CODES)


@pytest.mark.parametrize("kind", get_args(Event), ids=lambda kind: kind.__name__)
def test_every_event(kind: Any) -> None:
    text = (DOCS / "events.md").read_text(encoding="utf-8")
    sections = dict(re.findall(r"^## (`\w+`(?: \(live\))?)\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL))
    assert len(sections) == len(get_args(Event))
    section = sections[f"`{event_name(kind)}`" + (" (live)" if kind in LIVE else "")]
    assert re.findall(r"^\| `(\w+)`", section, re.MULTILINE) == [field.name for field in msgspec.structs.fields(kind)]


@pytest.mark.parametrize("kind", get_args(Op), ids=lambda kind: kind.__name__)
def test_every_op(kind: Any) -> None:
    text = (DOCS / "ops.md").read_text(encoding="utf-8")
    sections = dict(re.findall(r"^## `(\w+)`\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL))
    assert len(sections) == len(get_args(Op))
    section = sections[str(kind.__struct_config__.tag)]
    assert re.findall(r"^\| `(\w+)`", section, re.MULTILINE) == [field.name for field in msgspec.structs.fields(kind)]
