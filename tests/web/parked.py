"""A home with parked questions, and the listener over it, as they are; the session itself is only its log."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from interpreter.app.links import Links, address
from interpreter.config.settings import Settings
from interpreter.store import Store
from interpreter.store.link_options import DAY, LinkOptions
from interpreter.types.actions import Action, Observation
from interpreter.types.base import code_sha256
from interpreter.types.events import (
    ActionFinished,
    ActionProposed,
    ApprovalRequested,
    ApprovalResolved,
    SessionStarted,
    Stored,
    TurnFinished,
    TurnStarted,
)
from interpreter.web.answers import Answers, names
from interpreter.web.http import Listener, listen

CODE = "print('<script>alert(1)</script>')"
FORM = "application/x-www-form-urlencoded"


class Home:
    """The home of the tests' own environment variable."""

    def __init__(self, path: Path, workspace: Path) -> None:
        self.path, self.workspace, self.count = path, workspace, 0

    def park(
        self, code: str = CODE, *, deadline: float | None = None, sha256: str = "", language: str = "python"
    ) -> tuple[str, str]:
        """A session that waits for a yes to this code; its id and that of the question."""
        self.count += 1
        session, approval = f"s_{self.count:04}", f"ap_{self.count:04}"
        action = Action(id="a_1", language=language, code=code, sha256=sha256 or code_sha256(code))
        with Store.open(self.path) as store:
            log = store.create(session, self.workspace)
            log.append_now(
                SessionStarted(session=session, workspace=str(self.workspace), sandbox="x", version="0"),
                TurnStarted(turn="t_1", text="do it"),
                ActionProposed(turn="t_1", step=1, action=action),
                ApprovalRequested(
                    approval=approval, kind="run", action="a_1", subject=action.sha256, where="here", deadline=deadline
                ),
                ActionFinished(action="a_1", status="not_run", observation=Observation(text="", shown="")),
                TurnFinished(turn="t_1", reason="waiting", exit_code=4),
            )  # fmt: skip
            log.close()
        return session, approval

    def link(self, approval: str, options: LinkOptions | None = None, to: str = "team") -> str:
        """The part of the link that is its own."""
        with Store.open(self.path) as store:
            asked = next(one for one in store.questions() if one.request.approval == approval)
            events = [stored.event for stored in store.visit(asked.session).events()]
        action = next(event.action for event in events if isinstance(event, ActionProposed))
        url = options or LinkOptions(url="http://127.0.0.1")
        whole, until = address(url, self.path, asked.session, asked.request, action, to)
        assert until > time.time() - DAY
        return urlsplit(whole).path.removeprefix("/a/")

    def answers(self, session: str) -> list[ApprovalResolved]:
        return [one.event for one in self.stored(session) if isinstance(one.event, ApprovalResolved)]

    def stored(self, session: str) -> list[Stored]:
        with Store.open(self.path) as store:
            log = store.visit(session)
            assert log.verify().whole
            return list(log.events())


class Browser:
    """Raw HTTP to a listener: whatever an attacker may send as well."""

    def __init__(self, port: int) -> None:
        self.port, self.host = port, f"127.0.0.1:{port}"

    async def raw(self, data: bytes) -> bytes:
        """What comes back until the other side closes; empty where it just does."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(data)
            await writer.drain()
            return await reader.read()
        except ConnectionError:
            return b""
        finally:
            writer.close()

    async def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, str]:
        given = {"Host": self.host, "Content-Length": str(len(body)), **headers}
        head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in given.items() if value)
        whole = await self.raw(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body)
        top, _blank, rest = whole.decode().partition("\r\n\r\n")
        return int(top.split(" ")[1]) if top else 0, top + "\n" + rest

    async def get(self, token: str, **headers: str) -> tuple[int, str]:
        return await self.ask("GET", f"/a/{token}", b"", **headers)

    async def post(self, token: str, fields: dict[str, str] | bytes, **headers: str) -> tuple[int, str]:
        body = fields if isinstance(fields, bytes) else urlencode(fields).encode()
        return await self.ask("POST", f"/a/{token}", body, **{"Content_Type": FORM, **headers})

    async def mark(self, token: str) -> str:
        found = re.search(r'name="form" value="([^"]+)"', (await self.get(token))[1])
        assert found is not None
        return found[1]


Story = Callable[[Browser], Awaitable[None]]


def served(story: Story, *, seconds: float = 10.0, most: int = 32, url: str = "", lang: str = "") -> None:
    async def whole() -> None:
        listening = listen("127.0.0.1", 0)
        port = listening.getsockname()[1]
        hosts, origins = names(url, "127.0.0.1", port)
        answers = Answers(Links(Settings()), hosts, origins, lang=lang)
        serving = asyncio.create_task(Listener(answers, seconds=seconds, most=most).serve(listening))
        try:
            await story(Browser(port))
        finally:
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)

    asyncio.run(asyncio.wait_for(whole(), 60))
