"""Expressions that are compiled at their first use: every one in the sources can be, and then it is the real one."""

from __future__ import annotations

import importlib
import pkgutil
import re

import interpreter
from interpreter.text.expression import Later, expression

APART = ("keeper", "guest", "__main__")
"""Programs of their own."""


def everywhere() -> dict[str, Later]:
    found: dict[str, Later] = {}
    for module in pkgutil.walk_packages(interpreter.__path__, "interpreter."):
        if not set(APART) & set(module.name.split(".")):
            held = vars(importlib.import_module(module.name))
            found |= {f"{module.name}.{name}": value for name, value in held.items() if isinstance(value, Later)}
    return found


def test_each_expression_of_the_sources_can_be_compiled() -> None:
    found = everywhere()
    assert len(found) > 40
    assert [name for name, later in found.items() if not isinstance(re.compile(later.pattern), re.Pattern)] == []


def test_it_is_the_real_one() -> None:
    later = expression(r"(a+)b", re.IGNORECASE)
    found = later.search("xAAB")
    assert found is not None and found[1] == "AA"
    assert later.sub("-", "ab ab") == "- -" and later.flags & re.IGNORECASE
    assert later.search == re.compile(r"(a+)b", re.IGNORECASE).search, "its own method after the first use"
