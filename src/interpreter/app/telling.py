"""Questions that nobody at the terminal can answer, sent to where the person wants to be told. Loaded only then.

Sending runs beside the session: a channel that fails or hangs loses no question and holds nothing up but, for some
seconds, the end of the process.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Mapping
from typing import Any, cast

from ..errors import ConfigError, InterpreterError, StoreError
from ..text.asked import kind_word, lines_of, reason_lines, warnings_of
from ..text.clean import clean_text, reveal
from ..text.i18n import _
from ..text.redact import GONE, redact
from ..text.verdicts import unclear
from ..tools.notify.deliver import deliver
from ..tools.notify.services import Note
from ..tools.notify.targets import find_target, names_of
from ..tools.web import GuardedWeb
from ..types.actions import Action
from ..types.events import (
    ActionFinished,
    ActionProposed,
    ApprovalRequested,
    ApprovalResolved,
    Event,
    NetworkAttempt,
    QuestionSent,
    TurnFinished,
)
from ..types.languages import title
from ..types.tooling import read_call, readable
from .known import secrets_of
from .links import address, check_url, question_of
from .made import Made

MOST_LINES, MOST_CHARACTERS = 40, 1500
"""Of the code, in a message."""
MARK = "\0"
LONGEST = 30.0
"""Seconds of one message, all attempts together."""


async def nobody(_host: str, _port: int, _method: str) -> tuple[bool, str]:
    return False, "only configured addresses are reached here"


def unrecorded(_attempt: NetworkAttempt) -> None:
    """Configured addresses are not attempts of the model's."""


class Telling:
    """A reading of the session's events."""

    def __init__(self, made: Made) -> None:
        """Raises ConfigError: a wrong address for links."""
        self._made = made
        self._options = made.settings.links
        check_url(self._options)
        self.here: Callable[[], bool] = lambda: False
        """Whether somebody sits at the session's own front end, who sees the question there."""
        self._actions: dict[str, Action] = {}
        self._seen: dict[str, tuple[ApprovalRequested, Action | None]] = {}
        """Open questions that somebody at the terminal sees."""
        self._web = GuardedWeb(None, nobody, unrecorded)
        found: Any = made.settings.tools.settings.get("notify")
        self._targets: Mapping[str, Any] = cast("Mapping[str, Any]", found) if isinstance(found, dict) else {}
        for name in self._options.notify:
            if name not in names_of(self._targets):
                raise ConfigError(
                    _("`approval_notify` names {name}, and there is no such target.", name=name),
                    _("Targets stand in your configuration: tool_settings: notify: targets: {name}", name=name),
                )

    def apply(self, event: Event) -> None:
        match event:
            case ActionProposed():
                self._actions[event.action.id] = event.action
            case ApprovalResolved():
                self._seen.pop(event.approval, None)
                if event.action is not None:
                    self._actions[event.action.id] = event.action
            case ActionFinished():
                self._actions.pop(event.action, None)
            case ApprovalRequested():
                self._asked(event, self._actions.get(event.action))
            case TurnFinished() if event.reason == "waiting":
                # Who saw it at the terminal has gone without an answer.
                for request, action in self._seen.values():
                    self._send_all(request, action)
                self._seen.clear()
            case _:
                pass

    def _asked(self, request: ApprovalRequested, action: Action | None) -> None:
        if self.here():
            self._seen[request.approval] = (request, action)
        else:
            self._send_all(request, action)

    def _send_all(self, request: ApprovalRequested, action: Action | None) -> None:
        self._made.tasks.start(self._tell(request, action))

    async def _tell(self, request: ApprovalRequested, action: Action | None) -> None:
        known = await asyncio.to_thread(self._sent, request.approval)  # a long log takes its time
        await asyncio.gather(*(self._send(name, request, action) for name in self._options.notify if name not in known))

    def _sent(self, approval: str) -> set[str]:
        """The targets that know of it already: a session that is taken up again asks the same question."""
        return {
            stored.event.target
            for stored in self._made.log.events()
            if isinstance(stored.event, QuestionSent) and stored.event.approval == approval and not stored.event.problem
        }

    async def _send(self, name: str, request: ApprovalRequested, action: Action | None) -> None:
        problem, link = "", ""
        try:
            target = find_target(self._targets, name)
            link, until = address(
                self._options, self._made.store.home, self._made.log.id, request, action, target.name
            )  # fmt: skip
            async with asyncio.timeout(LONGEST):
                done = await deliver(self._web, target, self._note(request, action, link, until))
            problem = done.problem
        except TimeoutError:
            problem = _("It took longer than {n} s.", n=f"{LONGEST:g}")
        except (InterpreterError, OSError, ValueError) as error:
            problem = str(error)
        problem = self._made.ground.redactor.sure(clean_text(problem))
        event = QuestionSent(approval=request.approval, target=name, problem=problem, link=bool(link) and not problem)
        try:
            await self._made.hub.emit(event)
        except StoreError:
            self._made.hub.show(event)

    def _note(self, request: ApprovalRequested, action: Action | None, link: str, until: float) -> Note:
        known = (*self._made.ground.redactor.values, *secrets_of(self._made.settings))
        text = "\n".join(message_lines(request, action, self._made.log.id, str(self._made.workspace)))
        first, _mark, rest = redact(text, known).partition(MARK)
        once = _("Answer, once, until {time}: {link}", time=moment(until), link=link)
        # The link goes in afterwards: whatever looks like a secret is taken out, and it does.
        safe = first + (once + "\n" if link else "") + rest
        if GONE in safe and GONE not in text:
            looks = _("{mark} stands for what looks like a secret: look at the whole before you say yes.", mark=GONE)
            safe += "\n" + looks
        head = _("A question waits: {what}", what=kind_word(request.kind))
        return Note(message=safe, title=head, level="warning", session=self._made.log.id)


def message_lines(request: ApprovalRequested, action: Action | None, session: str, workspace: str) -> list[str]:
    """What is asked and how it is answered; MARK is the place of a link.

    What the model wrote stands below everything of ours and is set off, so that it cannot pass for it: a line that
    offers another link is the model's. It is also what a short-spoken service may cut off.
    """
    words, approval = question_of(action), request.approval
    both = f"interpreter approvals approve {approval} | interpreter approvals deny {approval}"
    line = f'interpreter approvals approve {approval} --reason "..."' if words else both
    lines = [asked_line(request, action), MARK + _("On the command line: {words}", words=line)]
    lines.append(_("Session {id} on {host}, in {path}", id=session, host=os.uname().nodename, path=flat(workspace)))
    if request.deadline is not None:
        lines.append(_("Deadline {time}: after it, silence is a no.", time=moment(request.deadline)))
    # A rule says which part of the code it is about; that is the model's as well.
    lines += [line.replace("\n", "\n  > ") for line in reason_lines(request.reasons)]
    lines += [_("Not understood: {what}", what=flat(unclear(one))) for one in request.unknown[:3]]
    if action is not None and words:
        return [*lines, *quoted(asked_words(action.code), approval)]
    if action is not None and request.kind == "run":
        lines += warnings_of(action.code)
        lines.append(f"--- {title(action.language)}, {lines_of(action.code)}, sha256 {action.sha256} ---")
        lines += quoted(readable(action.language, action.code).rstrip("\n"), approval)
    return lines


def asked_line(request: ApprovalRequested, action: Action | None) -> str:
    """The question itself, in short."""
    if question_of(action):
        return _("The model asks you:")
    if request.kind == "run" and action is not None:
        where = f" ({flat(request.where)})" if request.where else ""
        return _("May this {language} code run?", language=title(action.language)) + where
    return flat(f"{request.question} {request.subject}")


def asked_words(code: str) -> str:
    """What the model wants to know, with its choices."""
    called = read_call(code).arguments
    options: Any = called.get("options")
    rows = [f"{n}. {one}" for n, one in enumerate(options, 1)] if isinstance(options, list) else []  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] - a stranger's list
    return "\n".join([str(called.get("question", "")), *rows])


def flat(text: str) -> str:
    """In one line: a path or a name may hold a line break."""
    return reveal(" ".join(text.split()))


def quoted(text: str, approval: str) -> list[str]:
    """The beginning of what the model wrote, set off from what is ours; what is left out is said."""
    whole = reveal(text)
    lines = whole[:MOST_CHARACTERS].splitlines()[:MOST_LINES]
    left = len(whole) - len("\n".join(lines))
    marked = [f"> {line}" for line in lines]
    if left > 0:
        marked.append(_("… {n} more characters: interpreter approvals show {id}", n=left, id=approval))
    return marked


def moment(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))
