"""Output made to hold a redactor up: whatever it is, each sign is looked at a few times only."""

from __future__ import annotations

import pytest

from interpreter.text.redact import GONE, Redactor

from ..bounded import printed

LETTERS = "abcdefghijklmnopqrstuvwxyz"
FREEZE = """
from interpreter.text.redact import PLAIN, redact
text = {unit!r} * (1_000_000 // {size})
print(PLAIN.sure(text) == text == redact(text), PLAIN.mask(text.encode()) == text.encode())
"""


@pytest.mark.parametrize(
    "unit", ["sk-", "sk-abc-", "pypi-", "pypi-abc_def-", "eyJ-", "eyJabcdefghijk-", "eyJaaaaaaaaaa-.-"]
)
def test_what_begins_like_a_secret_again_and_again_holds_nothing_up(unit: str) -> None:
    assert printed(FREEZE.format(unit=unit, size=len(unit))) == "True True"


@pytest.mark.parametrize(
    "secret",
    [
        "sk-" + f"{LETTERS}-" * 6 + "1",
        "sk-" + "sk-" * 50 + "4",
        "pypi-" + f"{LETTERS}_" * 10 + "7abc",
        "eyJ" + "-eyJ" * 60 + ".eyJ" + f"-{LETTERS}-eyJ." + "abc",
    ],
)
def test_a_secret_whose_beginning_repeats_itself_is_taken_out_whole(secret: str) -> None:
    assert Redactor().sure(f"a {secret} b") == f"a {GONE} b"
    assert Redactor().mask(f"a {secret} b".encode()) == b"a " + b"*" * len(secret) + b" b"


@pytest.mark.parametrize("name", ["sk-" + f"{LETTERS}-" * 3, "pypi-" + f"{LETTERS}-" * 3, f"eyJ{LETTERS}.eyJ{LETTERS}"])
def test_a_name_beside_a_secret_stays(name: str) -> None:
    secret = "sk-" + "proj-Ab1" * 5
    assert Redactor().sure(f"{name} {secret} {name}") == f"{name} {GONE} {name}"
