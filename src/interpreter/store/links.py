"""Links that answer one question: signed with a key that only this home has.

A link carries its own terms, all of them under the code: session, question, the SHA-256 of what is asked, for whom it
was made, and until when it counts. That it counts once needs no list of used links: a question takes one answer, in one
transaction of the log, whichever way it comes.
"""

from __future__ import annotations

import hmac
import os
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error
from hashlib import sha256
from pathlib import Path
from typing import Literal

from ..errors import StoreError
from ..text.i18n import _
from ..types.actions import Action
from ..types.base import Value, to_json
from ..types.events import ApprovalRequested
from .home import reason_of
from .seals import own_key

KEY_NAME = "approvals.key"
LONGEST = 512
"""Characters of a link's own part."""
LONGEST_NAME = 60
"""Bytes of the name for whom a link was made."""
FORM_SECONDS = 3600
"""How long a page that was opened may be answered from."""
CODE = 43
"""Characters of a SHA-256 in base64 for addresses."""
FORM = re.compile(
    r"1\.([A-Za-z0-9_-]{1,64})\.([A-Za-z0-9_-]{1,64})\.([0-9a-f]{64})\.([A-Za-z0-9_-]{0,80})\.([0-9]{1,12})"
    rf"\.([A-Za-z0-9_-]{{{CODE}}})"
)


class Link(Value):
    """What a link says, once its code was found good."""

    session: str
    approval: str
    digest: str
    """`digest_of` the question that it was made for."""
    to: str
    """The target that it was sent to."""
    until: int
    """Unix seconds."""


def link_key(home: Path) -> bytes:
    """The key of this home, for its owner alone; made at first use. Raises StoreError."""
    path = home / KEY_NAME
    try:
        data = own_key(path)
        facts = path.stat()
    except OSError as error:
        raise StoreError(
            _("The key of the links, {path}, cannot be read or made: {reason}.", path=path, reason=reason_of(error)),
            _("No link was made or taken. Answer with: interpreter approvals list"),
        ) from error
    if len(data) < 32 or facts.st_mode & 0o077 or facts.st_uid != os.geteuid():
        raise StoreError(
            _("The key of the links, {path}, is too short, or is not yours alone.", path=path),
            _("No link was made or taken. Remove that file, and a new key is made; older links then count no more."),
        )
    return data


def digest_of(request: ApprovalRequested, action: Action | None) -> str:
    """The SHA-256 of what is asked, in hexadecimal: of the code to the letter, where there is code."""
    code = (action.language, action.code) if action is not None else ("", "")
    return sha256(to_json((request.kind, request.question, request.subject, *code))).hexdigest()


def sign(key: bytes, link: Link) -> str:
    """The link's own part: letters, digits, `_`, `-` and `.`."""
    name = link.to.encode()[:LONGEST_NAME].decode("utf-8", "ignore")
    to = urlsafe_b64encode(name.encode()).decode().rstrip("=")
    terms = f"1.{link.session}.{link.approval}.{link.digest}.{to}.{link.until}"
    return f"{terms}.{code_of(key, 'link', terms)}"


def opened(key: bytes, text: str, now: float) -> Link | Literal["wrong", "late"]:
    """What a link says. wrong: it was not made here, or was altered; late: it counts no more."""
    found = FORM.fullmatch(text) if len(text) <= LONGEST else None
    if found is None or not hmac.compare_digest(code_of(key, "link", text[: -CODE - 1]), found[6]):
        return "wrong"
    try:
        to = urlsafe_b64decode(found[4] + "=" * (-len(found[4]) % 4)).decode()
    except (Error, UnicodeDecodeError):
        return "wrong"
    link = Link(session=found[1], approval=found[2], digest=found[3], to=to, until=int(found[5]))
    return link if now < link.until else "late"


def form_mark(key: bytes, text: str, now: float) -> str:
    """What the page of a link hands back with its form, so that no other page can send one."""
    moment = str(int(now))
    return f"{moment}.{code_of(key, 'form', f'{moment}.{text}')}"


def form_fits(key: bytes, text: str, mark: str, now: float) -> bool:
    """Whether a form comes from the page of this very link, opened not long ago."""
    moment, _dot, code = mark.partition(".")
    if not (moment.isascii() and moment.isdecimal() and len(moment) <= 12):
        return False
    good = hmac.compare_digest(code_of(key, "form", f"{moment}.{text}").encode(), code.encode())
    return good and int(moment) <= now + 1 and now - int(moment) < FORM_SECONDS


def code_of(key: bytes, what: str, text: str) -> str:
    """The HMAC-SHA256 in the one spelling that is taken."""
    digest = hmac.new(key, f"interpreter {what} 1\n{text}".encode(), sha256).digest()
    return urlsafe_b64encode(digest).decode().rstrip("=")
