"""The audit trail for the doors: verified, or exported. Nothing is run."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec

from ..config.settings import Settings
from ..store import Store, default_home
from ..store.audit import Check, told, told_of_seals, verify
from ..store.audit_records import audit_records, changed_since, read_since
from ..types.base import to_json
from .known import secrets_of


class Report(NamedTuple):
    whole: bool
    lines: tuple[tuple[str, str], ...]
    """Session and what was found in it, in the order of the log."""
    seals: str
    """What is wrong with the seals; empty when nothing is."""
    check: Check


class Audits:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def verify(self, wanted: Sequence[str], expect: str = "") -> Report:
        """Compare sessions (none named: all) with their seals. Raises SessionUnknown, StoreError."""
        with Store.open(default_home(), self._settings.audit_key) as store:
            names = [name_of(store, name) for name in wanted] or None
            check = verify(store, names, expect)
        lines = tuple((found.session, told(found)) for found in check.sessions)
        return Report(check.whole, lines, told_of_seals(check), check)

    def records(self, wanted: Sequence[str], since: str = "") -> Iterator[bytes]:
        """One flat JSON object for each action, a line each; sessions (none named: all) from the oldest on.

        Raises SessionUnknown, StoreError, UsageError for a `since` that is no moment.
        """
        moment = read_since(since, time.time()) if since else None
        secrets = secrets_of(self._settings)
        with Store.open(default_home(), self._settings.audit_key) as store:
            names = [store.find(name).id for name in wanted] or [info.id for info in reversed(store.sessions())]
            for name in names:
                for record in audit_records(store.visit(name).events(), secrets):
                    if moment is None or changed_since(record, moment):
                        yield to_json(record) + b"\n"


def name_of(store: Store, wanted: str) -> str:
    """The id that is meant; also that of a session that is gone and that only the seals know."""
    if store.seals is not None and any(seal.session == wanted for seal in store.seals.read().seals):
        return wanted
    return store.find(wanted).id


def as_data(report: Report) -> dict[str, object]:
    """For `--json`."""
    return {**msgspec.to_builtins(report.check), "whole": report.whole, "told": dict(report.lines)}
