"""docs/sessions.md says what the code does."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

from interpreter.store.export import FORMS
from interpreter.store.home import LOG_NAME
from interpreter.store.listing import State
from interpreter.store.transcript import FORMAT

PAGE = (Path(__file__).parents[2] / "docs" / "sessions.md").read_text(encoding="utf-8")


def column(title: str) -> list[str]:
    """The first column of the table that begins with this title."""
    table = PAGE.split(f"\n| {title} |", 1)[1].split("\n\n", 1)[0]
    return re.findall(r"^\| `?([\w/-]+)`? \|", table, re.MULTILINE)


def test_states_and_forms_stand_in_the_documents() -> None:
    assert column("state") == list(get_args(State))
    assert column("form") == [*FORMS[:4], "session", *FORMS[4:]]


def test_places_and_format_stand_in_the_documents() -> None:
    assert f"`{LOG_NAME}`" in PAGE
    assert f"`{FORMAT}`" in PAGE
