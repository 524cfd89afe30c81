"""The laws of the house hold for the sources as they are."""

from pathlib import Path

import interpreter
from tests.house.house_check import check


def test_the_house_stands() -> None:
    root = Path(interpreter.__file__).resolve().parent
    assert check(root) == []
