"""What the listener answers: a page for a link, and the one answer that its form gives.

Opening a link changes nothing: programs that read mail and chats follow links too. Nothing of a question is told to
whoever shows no valid link.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from ..app.answering import Given
from ..app.links import PLACE, Links, Refused
from ..text.clean import clean_text
from ..text.i18n import _, language, speaking
from . import pages
from .http import Request, Response

FORM = "application/x-www-form-urlencoded"
FIELDS = ("form", "answer", "words", "name")
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


class Answers:
    """`web.http.Answer`, over the questions of this home."""

    def __init__(
        self, links: Links, hosts: tuple[str, ...], origins: tuple[str, ...], *, lang: str = "",
        say: Callable[[str], None] = lambda _line: None,
    ) -> None:  # fmt: skip
        """
        Args:
            hosts: what may stand in the header Host; a page elsewhere whose name leads here has another one.
            origins: where a form may come from.
            lang: the language of the pages; empty: as the browser asks.
            say: told of every answer that was given.
        """
        self._links, self._hosts, self._origins = links, hosts, origins
        self._lang, self._say = lang, say
        self._own = language()
        """Of who runs the listener and reads what `say` is told."""

    async def __call__(self, request: Request) -> Response:
        with speaking(self._lang or wanted(request.headers.get("accept-language", ""))):
            try:
                response = await self._answer(request)
            except Exception as error:
                with speaking(self._own):
                    what = f"{type(error).__name__}: {error}"
                    self._say(_("An error inside interpreter itself: {error}", error=what))
                response = told(500, _("Something went wrong here."), _("The question is as it was."))
        return response._replace(headers=(*response.headers, *pages.HEADERS))

    async def _answer(self, request: Request) -> Response:
        if request.headers.get("host", "").lower() not in self._hosts:
            return told(421, _("This is not the address of these pages."))
        token = token_of(request.path)
        if not token:
            return told(404, _("There is nothing here."))
        if request.method in ("GET", "HEAD"):
            found = await asyncio.to_thread(self._links.open, token)
            if isinstance(found, Refused):
                return refused(found)
            return Response(200, pages.asked(found))
        if request.method != "POST":
            refusal = told(405, _("Only looking and answering are possible here."))
            return refusal._replace(headers=(("Allow", "GET, HEAD, POST"),))
        return await self._given(token, request)

    async def _given(self, token: str, request: Request) -> Response:
        fields = self._fields(request)
        if fields is None:
            return told(403, _("This form does not come from the page of this link."), _("Nothing was answered."))
        answer, words = fields.get("answer", ""), clean_text(fields.get("words", "")).strip()
        if answer not in ("yes", "no"):
            return told(400, _("This is no answer."), _("Nothing was answered."))
        name = clean_text(fields.get("name", ""))
        done = await asyncio.to_thread(self._links.answer, token, fields.get("form", ""), answer, words, name)
        if done is None:
            return told(403, _("This form does not come from the page of this link."), _("Nothing was answered."),
                        _("Open the link again."))  # fmt: skip
        if isinstance(done, Refused):
            return refused(done)
        return self._taken(done, answer)

    def _taken(self, done: Given, answer: str) -> Response:
        waiting = done.waiting
        approval = waiting.asked.request.approval
        with speaking(self._own):
            self._say(_("Answered over a link: {id}, {answer}", id=approval, answer=answer))
        head = _("Approved: {id}", id=approval) if answer == "yes" else _("Denied: {id}", id=approval)
        if waiting.held:
            return told(200, head, _("The process that asked goes on by itself."))
        return told(200, head, _("To go on: {words}", words=waiting.again))

    def _fields(self, request: Request) -> dict[str, str] | None:
        """The form; None where it is none of ours, or another site has sent it."""
        headers = request.headers
        origin = headers.get("origin")
        if origin is not None and origin.lower() not in self._origins:
            return None
        if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            return None
        if headers.get("content-type", "").partition(";")[0].strip().lower() != FORM:
            return None
        try:
            pairs = parse_qsl(
                request.body.decode("ascii"), keep_blank_values=True, max_num_fields=len(FIELDS), errors="strict"
            )
        except ValueError:
            return None
        fields = dict(pairs)
        return fields if len(fields) == len(pairs) and set(fields) <= set(FIELDS) else None


def refused(found: Refused) -> Response:
    return told(found.status, found.told, found.hint)


def told(status: int, head: str, *sentences: str) -> Response:
    return Response(status, pages.told(head, *sentences))


def token_of(path: str) -> str:
    """The link's own part, whatever a proxy has put before it; empty where there is none."""
    _before, place, token = path.rpartition(PLACE)
    return token if place and "/" not in token and "?" not in token else ""


def wanted(header: str) -> str:
    """The language that a browser asks for first among those that there are; empty where it asks for neither."""
    found: list[tuple[float, int, str]] = []
    for at, one in enumerate(header.split(",")[:20]):
        name, _semicolon, rest = one.strip().partition(";")
        weight = rest.strip().removeprefix("q=")
        try:
            quality = float(weight) if weight else 1.0
        except ValueError:
            continue
        if name.lower()[:2] in ("zh", "en") and 0 < quality <= 1:
            found.append((-quality, at, name))
    return min(found)[2] if found else ""


def names(url: str, address: str, port: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What may stand in Host and in Origin: this machine's own names, the address that was bound, and what people
    reach it by.
    """
    shown = f"[{address}]" if ":" in address else address
    here = [*LOOPBACK, *([shown] if shown not in ("0.0.0.0", "[::]") else [])]
    hosts = [f"{name}:{port}" for name in here]
    hosts += here if port == 80 else []
    origins = [f"http://{host}" for host in hosts]
    if url:
        parts: Any = urlsplit(url)
        hosts.append(parts.netloc.lower())
        origins.append(f"{parts.scheme}://{parts.netloc}".lower())
    return tuple(dict.fromkeys(hosts)), tuple(dict.fromkeys(origins))
