"""The rules that nobody has to write. The table is Python, because YAML would cost every start 20 ms."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from .builtin_data import DATA
from .builtin_operations import OPERATIONS
from .builtin_system import SYSTEM
from .rules import Example, Rule

CATASTROPHE = {"decision": "ask", "outside": "deny"}
"""Denied outside a sandbox and asked inside; no `allow` lifts it, only `disable` and `replace` do."""
QUESTION = {"decision": "ask", "yields": True}
"""Asked; an `allow` of the person's that covers the command lifts it."""
REFUSAL = {"decision": "deny"}
OUTSIDE = {"decision": "ask", "sandbox": "outside", "yields": True}
KINDS: dict[str, dict[str, Any]] = {
    "catastrophe": CATASTROPHE,
    "question": QUESTION,
    "refusal": REFUSAL,
    "question outside": OUTSIDE,
}


@lru_cache(1)
def builtin_rules() -> tuple[Rule, ...]:
    """All of them, made at the first call."""
    return tuple(_rule(kind, row) for table in (SYSTEM, DATA, OPERATIONS) for kind, row in table)


def _rule(kind: str, row: dict[str, Any]) -> Rule:
    fields = {**KINDS[kind], **row}
    for name in ("match", "not_match"):
        examples = fields.get(name, ())
        fields[name] = tuple(
            Example(code=one) if isinstance(one, str) else Example(language=one[0], code=one[1]) for one in examples
        )
    return Rule(**fields)
