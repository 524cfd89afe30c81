"""Names and tags of sessions: facts of the log, said by events, read through a small index of their own."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from ..errors import UsageError
from ..text.i18n import _
from ..types.base import from_json
from ..types.events import SessionNamed, SessionTagged
from .migrations import MARKS
from .who import who

Query = Callable[[str, Sequence[object]], list[tuple[Any, ...]]]
NAME = re.compile(r"\w[\w.-]{0,63}")
LIKE_AN_ID = re.compile(r"last|[A-Za-z]+_[0-9a-f]+|[0-9a-f]{4,}|.*\.json")
"""What `--resume` takes for an id, the beginning of one, or a file."""


class Labels(NamedTuple):
    name: str = ""
    tags: tuple[str, ...] = ()


def labels(query: Query) -> dict[str, Labels]:
    """By the ids of the sessions that have any. Raises StoreError, LogDamaged."""
    rows = query(
        "SELECT s.id, e.type, e.body FROM events e INDEXED BY marks JOIN sessions s ON s.key = e.session"
        f" WHERE e.type IN ({MARKS}) AND e.body IS NOT NULL ORDER BY e.session, e.seq",
        (),
    )
    found: dict[str, Labels] = {}
    for session, kind, body in rows:
        before = found.get(session, Labels())
        try:
            if kind == "session_named":
                found[session] = before._replace(name=from_json(body, SessionNamed).name)
            elif kind == "session_tagged":
                event: SessionTagged = from_json(body, SessionTagged)
                kept = [tag for tag in before.tags if tag not in event.removed]
                found[session] = before._replace(tags=tuple(dict.fromkeys((*kept, *event.added))))
        except ValueError:
            # One event that cannot be read must not hide the others; `audit verify` tells of it.
            continue
    return found


def named(name: str) -> SessionNamed:
    me = who()
    return SessionNamed(name=name, user=me.user, uid=me.uid)


def tagged(added: Iterable[str], removed: Iterable[str]) -> SessionTagged:
    me = who()
    return SessionTagged(added=tuple(added), removed=tuple(removed), user=me.user, uid=me.uid)


def checked(word: str, *, name: bool) -> str:
    """A name or a tag in the form it is kept in. Raises UsageError for one that cannot be."""
    word = unicodedata.normalize("NFC", word.strip())
    if not NAME.fullmatch(word):
        raise UsageError(
            _("{word} cannot be a name or a tag.", word=repr(word)),
            _("It is one word of letters and digits of any language, with . _ and - inside; 64 characters at most."),
        )
    if name and LIKE_AN_ID.fullmatch(word):
        raise UsageError(
            _("{word} cannot be a name: it could be an id or a file.", word=repr(word)), _("Choose another name.")
        )
    return word
