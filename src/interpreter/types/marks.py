"""What is said about a session from outside, between its turns: its name, its tags, where it came from."""

from __future__ import annotations

from .base import Value


class SessionNamed(Value, tag="session_named"):
    """The person named the session; the newest name counts, and an empty one takes it away. May stand anywhere."""

    name: str
    user: str = ""
    uid: int = -1


class SessionTagged(Value, tag="session_tagged"):
    """The person put tags on the session, or took some off. May stand anywhere."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    user: str = ""
    uid: int = -1


class SessionImported(Value, tag="session_imported"):
    """Everything before came from a file: from another machine, or another person. None of it was sealed here, and no
    grant, mode or answer in it counts any more. Stored together with what came, and never without it."""

    source: str
    """The name of the file."""
    head: str
    """The hash of the last event that came with it."""
    workspace: str
    """The folder in which the session goes on here."""
    redacted: bool = False
    """Secrets were taken out when it was exported; the chain was made anew for it."""
    user: str = ""
    """The account of the system that took it in."""
    uid: int = -1
    host: str = ""
