"""Verifying the log: its chains, and the seals that were made of them."""

from __future__ import annotations

import functools
from collections.abc import Collection
from typing import Literal

from ..errors import SessionUnknown, StoreError
from ..text.i18n import _
from ..types.base import Value
from .log import SessionLog
from .seals import Ledger, Seal
from .store import Store

Finding = Literal["", "gap", "body", "chain", "cut", "rewritten", "gone", "unsealed", "unreadable"]


class SessionCheck(Value, omit_defaults=False):
    """One session, compared with its chain and its seals."""

    session: str
    whole: bool
    events: int = 0
    sealed: int = 0
    """The seq that its newest seal names; what came after it is in the chain and not yet sealed."""
    finding: Finding = ""
    """gap, body, chain: see `Verdict`. cut: its newest events are gone. rewritten: the chain was made anew. gone: the
    whole session was removed, and not by this program. unsealed: turns have ended and no seal says so. unreadable: the
    file does not give it."""
    first: int | None = None
    """The first event that is bad."""
    last: int | None = None
    """The last one that may be bad, where that cannot be told more closely."""
    erased: tuple[int, ...] = ()
    """Events whose bodies were erased, as the design allows."""
    imported: int = 0
    """Events up to this one came from a file: their chain holds, and nobody here saw them happen."""
    detail: str = ""


class Check(Value, omit_defaults=False):
    """The whole answer of `interpreter audit verify`."""

    whole: bool
    sessions: tuple[SessionCheck, ...] = ()
    seals: int = 0
    """How many seals hold."""
    seals_problem: str = ""
    """See `Ledger`; empty when all is well."""
    seals_at: int = 0
    """The number of the first seal that does not hold."""
    deleted: tuple[str, ...] = ()
    """Sessions that the person removed, as the seals tell."""
    head: str = ""
    """To be kept elsewhere, and given back as `--expect`."""
    expected: bool = True
    """False: the head that was given is not among the seals; the whole home was put back to an older state."""


def verify(store: Store, wanted: Collection[str] | None = None, expect: str = "") -> Check:
    """Compare sessions with the seals.

    Args:
        wanted: ids; None: every session that the log or the seals know.
        expect: a head that was printed before, `NUMBER:CODE`.

    Raises StoreError when the key or the log cannot be read.
    """
    # The seals first: a session that goes on meanwhile is then ahead of them, never behind.
    ledger = store.seals.read() if store.seals is not None else Ledger()
    by_session: dict[str, list[Seal]] = {}
    for seal in ledger.seals:
        by_session.setdefault(seal.session, []).append(seal)
    deleted = tuple(name for name, seals in by_session.items() if seals[-1].what == "deleted")
    names = sorted(wanted) if wanted is not None else all_names(store, by_session, deleted)
    checks = tuple(check_session(store, name, by_session.get(name, [])) for name in names)
    expected = not expect or any(f"{seal.n}:{seal.mac}" == expect.strip() for seal in ledger.seals)
    return Check(
        whole=all(check.whole for check in checks) and not ledger.problem and expected,
        sessions=checks,
        seals=len(ledger.seals),
        seals_problem=ledger.problem,
        seals_at=ledger.at,
        deleted=deleted,
        head=ledger.head,
        expected=expected,
    )


def all_names(store: Store, by_session: dict[str, list[Seal]], deleted: tuple[str, ...]) -> list[str]:
    """Oldest first, then those that only the seals know."""
    there = [info.id for info in reversed(store.sessions())]
    return [*there, *(name for name in by_session if name not in there and name not in deleted)]


def check_session(store: Store, name: str, seals: list[Seal]) -> SessionCheck:
    heads = [seal for seal in seals if seal.what == "head"]
    removed = max((at for at, seal in enumerate(seals) if seal.what == "deleted"), default=-1)
    try:
        # A session that its owner removed may come back from a file; what was sealed before is no longer its own.
        return compare(store.visit(name), [seal for seal in seals[removed + 1 :] if seal.what == "head"])
    except SessionUnknown:
        if not heads:
            raise
        if seals[-1].what == "deleted":
            return SessionCheck(session=name, whole=True, sealed=heads[-1].seq)
        return SessionCheck(session=name, whole=False, sealed=heads[-1].seq, finding="gone", first=1,
                            last=heads[-1].seq)  # fmt: skip
    except StoreError as error:
        return SessionCheck(session=name, whole=False, finding="unreadable", detail=error.message)


def compare(log: SessionLog, heads: list[Seal]) -> SessionCheck:
    verdict = log.verify({seal.seq for seal in heads})
    sealed = max((seal.seq for seal in heads), default=0)
    finding: Finding = verdict.problem
    first = last = verdict.broken_at
    good = 0
    for seal in sorted(heads, key=lambda seal: seal.seq):
        found = verdict.marks.get(seal.seq)
        if found == seal.hash:
            good = seal.seq
        elif found is not None and (first is None or good < first):
            # Every link fits and the head is another: somebody computed the chain again.
            finding, first, last = "rewritten", good + 1, seal.seq
            break
    if not finding and sealed > verdict.events:
        finding, first, last = "cut", verdict.events + 1, sealed
    if not finding and not heads and has_ended_turn(log):
        finding, first, last = "unsealed", 1, verdict.events
    return SessionCheck(
        session=log.id,
        whole=not finding,
        events=verdict.events,
        sealed=sealed,
        finding=finding,
        first=first,
        last=last,
        erased=verdict.erased,
        imported=log.imported(),
    )


def has_ended_turn(log: SessionLog) -> bool:
    return any(kind in ("turn_finished", "session_closed") for _seq, kind in log.milestones())


def told(check: SessionCheck) -> str:
    """What was found in a session, for a person."""
    first, last = check.first, check.last
    match check.finding:
        case "":
            return told_of_whole(check)
        case "gap":
            return _("event {seq} is missing.", seq=first)
        case "body":
            return _("event {seq} was changed: its text does not fit its hash.", seq=first)
        case "chain":
            return _("event {seq} was changed: it does not follow the one before it.", seq=first)
        case "cut":
            return _("the end was cut off: events {first} to {last} are gone.", first=first, last=last)
        case "rewritten":
            return _("the log was written anew: of events {first} to {last} at least one was changed.", first=first,
                     last=last)  # fmt: skip
        case "gone":
            return _("the whole session was removed, and not by `interpreter sessions rm`.")
        case "unsealed":
            return _("no seal covers it, although it has ended turns: its seals were removed.")
        case "unreadable":
            return check.detail


def told_of_whole(check: SessionCheck) -> str:
    if not check.events:
        return _("removed by its owner.")
    parts = [_("whole, {n} events", n=check.events)]
    if rest := check.events - check.sealed:
        parts.append(_("{n} of them since the last seal", n=rest))
    if check.imported:
        parts.append(_("{n} of them came from a file", n=check.imported))
    if check.erased:
        parts.append(_("{n} texts erased", n=len(check.erased)))
    return _("{what}.", what=functools.reduce(lambda one, two: _("{one}, {two}", one=one, two=two), parts))


def told_of_seals(check: Check) -> str:
    """What is wrong with the seals themselves; empty when nothing is."""
    match check.seals_problem:
        case "changed":
            return _("Seal {n} was changed or forged.", n=check.seals_at)
        case "missing":
            return _("Seals from number {n} on are missing.", n=check.seals_at)
        case "cut":
            return _("The newest seals were cut off, from number {n} on.", n=check.seals_at)
        case "key":
            return _("Seal {n} was made with another key: name that key with INTERPRETER_AUDIT_KEY to check it.",
                     n=check.seals_at)  # fmt: skip
        case "header":
            return _("The count of the seals was changed or damaged.")
        case _:
            return ""
