"""What rules say about something that is about to happen."""

from __future__ import annotations

from typing import Literal

from .base import Value

Decision = Literal["allow", "ask", "deny"]
"""From the loosest to the strictest; the strictest of all that match wins, whatever their order."""
Mode = Literal["ask", "auto", "plan"]
"""ask: a person says yes to each action. auto (-y): what stays inside walls and rules runs; what a rule asks about is
asked where somebody is there, else denied or parked. plan: nothing runs but what only reads."""


class Reason(Value):
    """One rule's part in a verdict."""

    rule: str
    """Its name, e.g. `recursive-delete-of-a-root`."""
    layer: Literal["built-in", "administrator", "user", "project", "skill", "command line", "mode", "session"]
    decision: Decision
    text: str
    """Why, in one sentence, for the person and the model."""
    subject: str = ""
    """What in the code it is about: the simple command, the call, the host."""
    grant: str = ""
    """The grant by name that would lift it: `docker`. Empty: it is not about a grant."""


class Verdict(Value):
    """The strictest decision, and who made it."""

    decision: Decision
    reasons: tuple[Reason, ...] = ()
    """Those of the winning strictness first, then the rest."""
    unknown: tuple[str, ...] = ()
    """What could not be resolved, in words; anything here makes the decision `ask` at least."""
    covered: bool = False
    """Whether explicit `allow` rules of the administrator, the person or a trusted project cover every part of it:
    then mode `ask` need not ask."""


class Circumstances(Value):
    """Where and for whom an action would happen: what rules may depend on besides the action itself."""

    walled: bool = True
    """False: no sandbox."""
    attended: bool = True
    """False: nobody is there to answer; rules use their `unattended` decision."""
    mode: Mode = "ask"
    workspace: str = ""
    """Absolute path of the working folder."""
    home: str = ""
    """Absolute path of the person's home."""
    grants: tuple[str, ...] | None = None
    """Names of the grants that are open. None: not known, so that no rule about a missing one applies."""


class Credential(Value):
    """A secret that stays outside: inside stands a placeholder, which the broker replaces for one host alone."""

    variable: str
    """The environment variable inside that holds the placeholder, e.g. `GITHUB_TOKEN`."""
    host: str
    """Pattern of the hosts that get the real value."""
    source: str
    """Where the real value is on the host: `env:NAME` or `file:/absolute/path`."""


class NetworkRules(Value):
    """Which hosts may be reached. A pattern is `host`, `*.host`, `host:port`, an address, or a group `@name`."""

    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    """Wins over `allow`."""
    otherwise: Decision = "deny"
    """For a host that nothing names. ask: asked where somebody is there, else denied. Private and link-local addresses
    are refused whatever stands here, unless `allow` names the address or the name itself."""
    read_only: bool = False
    """Only GET and HEAD; TLS is ended by the session's own authority."""
    credentials: tuple[Credential, ...] = ()
