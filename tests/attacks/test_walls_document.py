"""What docs/security.md says of the attacks is what the suite tries."""

from __future__ import annotations

from .inside.plants import PLANTS
from .inside.registry import ATTACKS
from .inside.relays import RELAYS
from .open_ways import OPEN
from .table import BEGIN, DOCUMENT, END, placed


def test_the_document_is_up_to_date() -> None:
    document = DOCUMENT.read_text(encoding="utf-8")
    assert document.count(BEGIN) == document.count(END) == 1
    assert document == placed(document), "run: python -m tests.attacks.table"


def test_what_is_open_are_attacks() -> None:
    assert {name for lists in OPEN.values() for name in lists} <= set(ATTACKS)
    assert len(ATTACKS) + len(PLANTS) + len(RELAYS) >= 100
