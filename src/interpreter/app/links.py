"""Questions over links: made for a message, opened for a page, answered once."""

from __future__ import annotations

import hmac
import time
from pathlib import Path
from typing import Literal, NamedTuple

from ..agent.gate import asks_person
from ..config.settings import Settings
from ..errors import AlreadyAnswered, ConfigError, InterpreterError, UsageError
from ..store import default_home
from ..store.link_options import LinkOptions
from ..store.links import Link, digest_of, form_fits, form_mark, link_key, opened, sign
from ..text.i18n import _
from ..text.redact import Redactor
from ..types.actions import Action
from ..types.events import ApprovalRequested
from .answering import Answering, Given, Waiting
from .known import secrets_of

PLACE = "/a/"
"""Where the answers lie below the address that people reach."""
MOST_CODE = 100_000
"""Characters of code that a page shows; what cannot be seen is not approved there."""
LONGEST_WORDS, LONGEST_NAME = 4000, 60
"""Characters of a reason or an answer, and of the name that who answers may give."""


class Refused(NamedTuple):
    """Why a link opens nothing (any more), for whoever holds it."""

    status: Literal[404, 409, 410]
    told: str
    hint: str = ""


class Shown(NamedTuple):
    """What a link that counts opens."""

    waiting: Waiting
    form: str
    """What its form has to hand back."""
    code: str
    """What is to run, as a person reads it; known secrets taken out, nothing else."""

    @property
    def whole(self) -> bool:
        """Whether a page can show all of it; only then is there a yes."""
        return len(self.code) <= MOST_CODE or question_of(self.waiting.action)


class Links:
    """The questions of this home, for whoever holds a link. Each call opens the log and closes it again."""

    def __init__(self, settings: Settings) -> None:
        """Raises StoreError where there is no key and none can be made."""
        self._answering = Answering(settings)
        self._key = link_key(default_home())
        self._redactor = Redactor(secrets_of(settings))

    def open(self, token: str) -> Shown | Refused:
        """What stands behind a link. Nothing is changed, however often it is opened."""
        found = self._found(token)
        if isinstance(found, Refused):
            return found
        return self._shown(token, found[1])

    def answer(
        self, token: str, form: str, answer: Literal["yes", "no"], words: str, name: str
    ) -> Given | Refused | None:
        """Give the one answer. None: the form is not from the page of this link, or was opened too long ago."""
        found = self._found(token)
        if isinstance(found, Refused):
            return found
        if not form_fits(self._key, token, form, time.time()):
            return None
        link, waiting = found
        if answer == "yes" and not self._shown(token, waiting).whole:  # its page has no such button
            return Refused(409, unseen(link.approval), _("Nothing was answered."))

        def fits(now: Waiting) -> None:
            if not same(link, now):
                raise changed()

        try:
            return self._answering.answer(
                waiting.asked.request.approval, answer, reason=words[:LONGEST_WORDS], by=who(link, name),
                channel="link", fits=fits,
            )  # fmt: skip
        except InterpreterError as error:
            return refusal(error)

    def _shown(self, token: str, waiting: Waiting) -> Shown:
        code = self._redactor.known(waiting.action.code) if waiting.action is not None else ""
        return Shown(waiting, form_mark(self._key, token, time.time()), code)

    def _found(self, token: str) -> tuple[Link, Waiting] | Refused:
        link = opened(self._key, token, time.time())
        if link == "wrong":
            return Refused(404, _("This link is not valid."), _("Nothing was answered."))
        if link == "late":
            return Refused(
                410, _("This link has expired."), _("The question may wait still: interpreter approvals list")
            )
        try:
            found = self._answering.find(link.approval)
        except InterpreterError as error:
            return refusal(error)
        if not same(link, found):
            return refusal(changed())
        if found.late:
            return Refused(410, _("The deadline of this question has passed, and that is a no."))
        return link, found


def same(link: Link, found: Waiting) -> bool:
    """Whether the question is the very one that the link was made for."""
    request = found.asked.request
    digest = digest_of(request, found.action)
    exact = (request.approval, found.asked.session) == (link.approval, link.session)
    return hmac.compare_digest(digest, link.digest) and exact


def changed() -> UsageError:
    return UsageError(
        _("What is asked is not what this link was made for."),
        _("Nothing was answered. Look at it: interpreter approvals list"),
    )


def unseen(approval: str) -> str:
    return _("The code is too long for this page. To approve it: interpreter approvals show {id}", id=approval)


def refusal(error: InterpreterError) -> Refused:
    status: Literal[409, 410] = 410 if isinstance(error, AlreadyAnswered) else 409
    told = _("This link has been used.") + " " + error.message if status == 410 else error.message
    return Refused(status, told, error.hint)


def who(link: Link, name: str) -> str:
    """For the log: through whose link, and the name that was typed, which nobody has checked."""
    typed = " ".join(name.split())[:LONGEST_NAME]
    return f"link to {link.to}" + (f": {typed}" if typed else "")


def address(
    options: LinkOptions, home: Path, session: str, request: ApprovalRequested, action: Action | None, to: str
) -> tuple[str, float]:
    """The whole address that answers this question, and until when it counts; empty where none is configured.

    Raises StoreError: no key.
    """
    if not options.url:
        return "", 0.0
    now = time.time()
    until = min(now + options.lifetime, request.deadline or now + options.lifetime)
    link = Link(
        session=session, approval=request.approval, digest=digest_of(request, action), to=to, until=int(until) + 1
    )
    return options.url.rstrip("/") + PLACE + sign(link_key(home), link), until


def check_url(options: LinkOptions) -> None:
    """Raises ConfigError for an address that no link could begin with."""
    url = options.url
    if url and (not url.startswith(("http://", "https://")) or any(char in url for char in " ?#\"'<>\\\n")):
        raise ConfigError(
            _("`approval_url` should be an address that begins with http:// or https://, without ? and #."),
            _("For example: approval_url: https://answers.example.com"),
        )


def question_of(action: Action | None) -> bool:
    """Whether the model asks for words, and not for leave to run something."""
    return action is not None and asks_person(action)
