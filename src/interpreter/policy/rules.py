"""One rule, as a value: who it is about, what it decides, and the examples that prove it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from ..types.base import Value
from ..types.rules import Circumstances, Decision

Layer = Literal["built-in", "administrator", "user", "project", "skill", "command line", "session"]
STRICTNESS: dict[Decision, int] = {"allow": 0, "ask": 1, "deny": 2}


def N_(sentence: str) -> str:
    """Marks a sentence for translation; it is looked up where it is shown."""
    return sentence


def strictest(decisions: Iterable[Decision]) -> Decision:
    found: Decision = "allow"
    for decision in decisions:
        if STRICTNESS[decision] > STRICTNESS[found]:
            found = decision
    return found


class Example(Value):
    """Code, or a call of a tool, that a rule must match or must not match."""

    code: str = ""
    language: str = "shell"
    tool: str = ""
    arguments: dict[str, Any] = {}
    line: int = 0
    """Where it stands in its file; 0 in the built-in table."""


class Rule(Value):
    """What stands in several conditions must all hold; within one condition any of its patterns may.

    `command` and `call` are two spellings of one condition (who does it): either may hold.
    """

    name: str
    decision: Decision
    reason: str = ""
    layer: Layer = "built-in"
    place: str = ""
    """`file:line`; empty in the built-in table."""
    outside: Decision | None = None
    """The decision where there is no sandbox."""
    unattended: Decision | None = None
    """The decision where nobody is there to answer."""
    yields: bool = False
    """A built-in `ask` that an `allow` of the person's lifts for the commands and calls that it covers."""
    replaces: str = ""
    """The built-in rule that this one takes the place of."""

    language: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    call: tuple[str, ...] = ()
    through: tuple[str, ...] = ()
    piped_from: tuple[str, ...] = ()
    variable: tuple[str, ...] = ()
    """Names of variables that a command sets for itself."""
    deletes: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    host: tuple[str, ...] = ()
    branch: tuple[str, ...] = ()
    namespace: tuple[str, ...] = ()
    context: tuple[str, ...] = ()
    tool: tuple[str, ...] = ()
    argument: dict[str, tuple[str, ...]] = {}
    sandbox: Literal["", "inside", "outside"] = ""
    without: tuple[str, ...] = ()
    """Grants of which one is not open; inside a sandbox only."""
    unknown: bool = False
    """The rule is about code of which something could not be resolved."""

    match: tuple[Example, ...] = ()
    not_match: tuple[Example, ...] = ()

    def lacks(self, circumstances: Circumstances) -> str:
        """The first grant of `without` that is not open; empty where all are, or where there are no walls."""
        if not circumstances.walled or circumstances.grants is None:
            return ""
        return next((name for name in self.without if name not in circumstances.grants), "")

    def decides(self, circumstances: Circumstances) -> Decision:
        """The decision under these circumstances: the strictest of those that apply."""
        found: list[Decision] = [self.decision if circumstances.walled or self.outside is None else self.outside]
        if not circumstances.attended and self.unattended is not None:
            # A variant is said on purpose: it also loosens, but never what the missing walls forbid.
            found = [self.unattended] if found == [self.decision] else [*found, self.unattended]
        return strictest(found)


CONDITIONS = (
    "language", "command", "call", "through", "piped_from", "variable", "deletes", "writes", "reads", "host", "branch",
    "namespace", "context", "tool", "argument", "sandbox", "without", "unknown",
)  # fmt: skip
