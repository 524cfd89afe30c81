"""Open questions of every session, and their answers from another terminal. Nothing is run here."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal, NamedTuple

from ..agent.approvals import PARKED
from ..config.settings import Settings
from ..errors import AlreadyAnswered, InterpreterError, LogDamaged, UsageError
from ..store import SessionLog, Store, default_home
from ..store.questions import Asked, already
from ..store.store import begins
from ..store.who import who
from ..text.i18n import _
from ..types.actions import Action
from ..types.base import code_sha256
from ..types.events import ActionJudged, ActionProposed, ApprovalResolved
from ..types.goals import GoalStarted
from .rulebook import open_rules


class Waiting(NamedTuple):
    """A question with what it is about."""

    asked: Asked
    workspace: str
    action: Action | None
    """For kind run: the code that waits."""
    held: bool
    """Whether a living process waits for the answer; else it counts when the session is resumed."""
    again: str
    """The words that go on with the session; empty where it is held."""

    @property
    def late(self) -> bool:
        deadline = self.asked.request.deadline
        return deadline is not None and time.time() >= deadline


class Given(NamedTuple):
    """An answer that counts."""

    waiting: Waiting
    place: str = ""
    """The policy file that a rule was added to; empty: none."""
    problem: InterpreterError | None = None
    """Why the rule of `always` was not written."""


class Answering:
    """Each call opens the log and closes it again."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def waiting(self) -> list[Waiting]:
        """Every question that an answer would still reach, the oldest first. Raises StoreError."""
        with self._store() as store:
            found = [self._about(store, asked) for asked in store.questions()]
        reached = [one for one in found if one.held or one.asked.request.kind in PARKED]
        return sorted(reached, key=lambda one: one.asked.time)

    def find(self, wanted: str) -> Waiting:
        """The question of that id, or of the only id that begins so.

        Raises:
            AlreadyAnswered: it has its answer; says who gave it and when.
            UsageError: there is none, or more than one.
        """
        with self._store() as store:
            return self._find(store, wanted)

    def answer(
        self,
        wanted: str,
        answer: Literal["yes", "no", "always"],
        *,
        reason: str = "",
        sha256: str = "",
        by: str = "",
        channel: str = "command line",
        fits: Callable[[Waiting], None] = lambda _found: None,
    ) -> Given:
        """Give the answer; a rule that cannot be written is told, and the answer counts all the same.

        Args:
            by: who answers, for the log; empty: the account of this process.
            fits: raises where the answer is not meant for the question as it stands now.

        Raises:
            AlreadyAnswered: somebody was faster; says who and when. Nothing was changed.
            UsageError: no such question, or the answer does not fit it.
            LogDamaged: the code in the log is not the code that was asked about.
        """
        with self._store() as store:
            found = self._find(store, wanted)
            check(found, sha256)
            fits(found)
            request = found.asked.request
            event = ApprovalResolved(
                approval=request.approval, answer=answer, by=by or who().user, channel=channel, reason=reason
            )
            log = store.visit(found.asked.session)
            log.append_now(event)
        if answer != "always" or not request.proposal:
            return Given(found)
        rules = open_rules(self._settings, Path(found.workspace), log.folder)
        try:
            rules.write(request.proposal)
        except InterpreterError as error:
            return Given(found, problem=error)
        return Given(found, rules.place)

    def _store(self) -> Store:
        return Store.open(default_home(), self._settings.audit_key)

    def _find(self, store: Store, wanted: str) -> Waiting:
        found = [asked for asked in store.questions() if wanted and begins(asked.request.approval, wanted)]
        if len(found) > 1:
            names = ", ".join(asked.request.approval for asked in found[:5])
            raise UsageError(
                _("More than one question begins with {wanted}: {names}.", wanted=wanted, names=names),
                _("Give more of the id."),
            )
        if found:
            return self._about(store, found[0])
        if (given := store.answered(wanted)) is not None:
            raise AlreadyAnswered(*already(given))
        raise UsageError(_("No question {id} is waiting.", id=wanted), _("Those that are: interpreter approvals list"))

    def _about(self, store: Store, asked: Asked) -> Waiting:
        log = store.visit(asked.session)
        held = store.holder(asked.session) is not None
        action, mode, has_goal = about(log, asked)
        if asked.request.kind != "run":
            action, mode = None, "ask"
        flags = " -y --approvals park" if mode == "auto" else " --plan" if mode == "plan" else ""
        words = f"interpreter --resume {asked.session}{flags}"
        if has_goal:
            words = f"interpreter run --resume {asked.session} --approvals park"
        again = "" if held else words
        return Waiting(asked, log.workspace, action, held, again)


def about(log: SessionLog, asked: Asked) -> tuple[Action | None, str, bool]:
    """The code that a question is about, the mode in which it was judged, and whether the session has a goal."""
    action, mode, has_goal = None, "ask", False
    for stored in log.events():
        match stored.event:
            case ActionProposed() if stored.event.action.id == asked.request.action:
                action = stored.event.action
            case ActionJudged() if stored.event.action == asked.request.action:
                mode = stored.event.mode
            case GoalStarted():
                has_goal = True
            case _:
                pass
    return action, mode, has_goal


def check(found: Waiting, sha256: str) -> None:
    """Raises UsageError for an answer that does not fit the question, LogDamaged for code that was changed."""
    request = found.asked.request
    if request.kind == "input":
        raise UsageError(
            _("This question asks for a line of input."), _("Answer it where the program runs; or stop it there.")
        )
    if request.kind not in PARKED and not found.held:
        raise UsageError(
            _("Nobody waits for this answer any more: the process that asked has ended."),
            _("To go on with the session: {words}", words=found.again),
        )
    if found.late:
        raise UsageError(
            _("The deadline of this question has passed, and that is a no."),
            _("Nothing was run. The next run of the session is told so."),
        )
    if sha256 and sha256 != request.subject:
        raise UsageError(
            _("This answer is for other code: {theirs}, not {ours}.", theirs=sha256, ours=request.subject),
            _("Nothing was run; the question is still open."),
        )
    if request.kind == "run" and (found.action is None or code_sha256(found.action.code) != request.subject):
        raise LogDamaged(
            _("The code in the log is not the code that was asked about (session {id}).", id=found.asked.session),
            _("Nothing was answered. What was changed: interpreter audit verify {id}", id=found.asked.session),
        )
