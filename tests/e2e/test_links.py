"""Questions that go out by `notify` and are answered over a one-time link: the whole way, with the real command."""

from __future__ import annotations

import html
import http.client
import json
import os
import re
import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlencode, urlsplit

from interpreter.types.events import (
    ActionStarted,
    ApprovalRequested,
    ApprovalResolved,
    Event,
    QuestionSent,
    SessionResumed,
)
from interpreter.types.goals import GoalFinished, RiseSeen

from .test_goals import call, finish
from .world import Done, World, read_until, reply, until

SEND = call("execute", language="shell", code="curl -s -X POST http://127.0.0.1:9/; touch made", undo="none")
CHINESE = {"Accept-Language": "fr, zh-CN;q=0.9, en;q=0.3"}


class Hook(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append(json.loads(body))  # type: ignore[attr-defined]
        self.send_response(self.server.status)  # type: ignore[attr-defined]
        self.end_headers()

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass


@contextmanager
def webhook(status: int = 200) -> Generator[tuple[str, list[dict[str, Any]]]]:
    """Somebody's chat: its address, and the messages that it got."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    server.got, server.status = [], status  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/hook/k3y", server.got  # type: ignore[attr-defined]
    finally:
        server.shutdown()
        server.server_close()


class Desk:
    """The listener, and a browser without a script."""

    def __init__(self, world: World, *words: str) -> None:
        self.world = world
        self.process = world.start("approvals", "serve", *words)
        said = read_until(self.process, "\n", error=True)
        found = re.search(r"http://\S+", said)
        assert found is not None, said
        self.url = found[0]

    def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, str]:
        connection = http.client.HTTPConnection(str(urlsplit(self.url).netloc), timeout=30)
        try:
            connection.request(method, path, body or None, {name.replace("_", "-"): v for name, v in headers.items()})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def open(self, link: str, **headers: str) -> tuple[int, str]:
        return self.ask("GET", urlsplit(link).path, b"", **headers)

    def give(self, link: str, answer: str, page: str = "", **more: str) -> tuple[int, str]:
        page = page or self.open(link)[1]
        mark = re.search(r'name="form" value="([^"]+)"', page)
        assert mark is not None, page
        body = urlencode({"form": mark[1], "answer": answer, **more}).encode()
        origin = {"Origin": self.url, "Content_Type": "application/x-www-form-urlencoded"}
        return self.ask("POST", urlsplit(link).path, body, **origin)


def configure(world: World, hook: str, desk: Desk | None) -> None:
    config = {
        "approval_notify": ["team"],
        "tool_settings": {"notify": {"targets": {"team": {"kind": "webhook", "url": hook}}}},
        **({"approval_url": desk.url} if desk is not None else {}),
    }
    (world.data / "config.yaml").write_text(json.dumps(config))


def link_in(message: dict[str, Any]) -> str:
    found = re.search(r"http://\S+/a/\S+", message["message"])
    assert found is not None, message
    return found[0]


def parked(world: World, *more: str) -> Done:
    world.serve(SEND, finish())
    return world.run("run", "Send it.", "--verify", "test -e made", "--approvals", "park", *more)


def resolved(events: list[Event]) -> list[tuple[str, str, str]]:
    return [(e.answer, e.by, e.channel) for e in events if isinstance(e, ApprovalResolved)]


def test_e290_a_parked_run_is_told_answered_over_the_link_and_goes_on(world: World) -> None:
    desk = Desk(world, "--port", "0")
    with webhook() as (hook, got):
        configure(world, hook, desk)
        done = parked(world)
        assert done.code == 4 and not (world.here / "made").exists()
        assert "The question was sent to team." in done.err and "k3y" not in done.err
        (message,) = got
    asked = world.of(ApprovalRequested)[0].approval
    for words in (f"interpreter approvals approve {asked}", world.session(), "touch made", "Rule no-undo"):
        assert words in message["message"]
    link = link_in(message)
    assert world.of(QuestionSent) == [QuestionSent(approval=asked, target="team", link=True)]
    assert link not in str(world.events()), "the link stands nowhere but in the message"
    for _look in range(2):  # a program that looks into messages opens it too: nothing is answered by that
        status, page = desk.open(link)
        assert status == 200 and "touch made" in html.unescape(page) and "interpreter run --resume" in page
    assert not world.of(ApprovalResolved)
    status, page = desk.give(link, "yes", name="Li Wei")
    assert status == 200 and f"Approved: {asked}" in page
    again = desk.open(link)
    assert again[0] == 410 and "This link has been used." in again[1] and "touch made" not in again[1]
    done = world.run("run", "--resume", "--approvals", "park")
    assert (done.code, done.out) == (0, "I saw it.\n") and (world.here / "made").exists()
    assert resolved(world.events()) == [("yes", "link to team: Li Wei", "link")]
    assert world.run("audit", "verify", "last").code == 0


def test_e291_a_no_over_the_link_with_a_reason_and_without(world: World) -> None:
    desk = Desk(world, "--port", "0")
    with webhook() as (hook, got):
        configure(world, hook, desk)
        assert parked(world).code == 4
        assert desk.give(link_in(got[0]), "no")[0] == 200
        done = world.run("run", "--resume", "--approvals", "park")
        assert done.code == 3 and not (world.here / "made").exists()
        world.serve(SEND, call("finish", status="failure", evidence="I may not."))
        assert world.run("run", "Send it.", "--verify", "test -e made", "--approvals", "park").code == 4
        assert desk.give(link_in(got[1]), "no", words="Not on a <b>Friday</b>.")[0] == 200
        done = world.run("run", "--resume", "--approvals", "park")
        assert done.code == 3 and "Not on a <b>Friday</b>." in str(world.requests()[-1]["messages"])
    assert [one[0] for one in resolved(world.events())] == ["no"]


def test_e292_in_chinese(world: World) -> None:
    desk = Desk(world, "--port", "0")
    with webhook() as (hook, got):
        configure(world, hook, desk)
        assert parked(world, "--lang", "zh_CN").code == 4
        assert "有问题在等待" in got[0]["title"] and "凭此链接回答" in got[0]["message"]
    link = link_in(got[0])
    status, page = desk.open(link, **{name.replace("-", "_"): value for name, value in CHINESE.items()})
    assert status == 200 and 'lang="zh-CN"' in page and "同意，继续" in page and "Yes, go on" not in page
    assert 'lang="en"' in desk.open(link)[1]
    status, page = desk.open(link + "x", Accept_Language="zh")
    assert status == 404 and "此链接无效" in page


def test_e293_a_run_that_waits_goes_on_by_itself(world: World) -> None:
    desk = Desk(world, "--port", "0")
    with webhook() as (hook, got):
        configure(world, hook, desk)
        world.serve(SEND, finish())
        process = world.start("run", "Send it.", "--verify", "test -e made", "--approvals", "wait")
        until(lambda: bool(got), "the team was told")
        status, page = desk.give(link_in(got[0]), "yes")
        assert status == 200 and "goes on by itself" in page
        assert world.finish(process).code == 0 and (world.here / "made").exists()
    assert resolved(world.events()) == [("yes", "link to team", "link")]
    assert world.of(ApprovalRequested)[0].deadline is not None, "it would not have waited for ever"


def test_e294_words_for_the_model(world: World) -> None:
    desk = Desk(world, "--port", "0")
    with webhook() as (hook, got):
        configure(world, hook, desk)
        ask = call("ask_human", question="Which <b>region</b>?", options=["eu", "cn"])
        world.serve(ask, "It is cn.")
        assert world.run("-y", "--tool", "ask_human", "--approvals", "park", "Ask me.").code == 4
        link = link_in(got[0])
        assert "Which <b>region</b>?" in got[0]["message"]
    page = desk.open(link)[1]
    assert "<b>" not in page and "&lt;b&gt;region" in page and "<li>cn</li>" in page
    assert desk.give(link, "yes", words="2")[0] == 200
    done = world.run("--resume", "last", "-y", "--approvals", "park", "--tool", "ask_human")
    assert done.code == 0 and "The person answered: cn" in str(world.requests()[-1]["messages"])


def test_e295_a_channel_that_fails_loses_no_question(world: World) -> None:
    with webhook(status=403) as (hook, got):
        configure(world, hook, None)
        done = parked(world)
        assert done.code == 4 and got and "It waits all the same" in done.err and "k3y" not in done.err
        assert world.of(QuestionSent)[0].problem.startswith("it answered 403")
        assert "approvals approve" in got[0]["message"] and "/a/" not in got[0]["message"]
    with webhook() as (hook, got):
        configure(world, hook, None)
        assert world.run("run", "--resume", "--approvals", "park").code == 4  # nobody has answered: it is told now
        assert len(got) == 1
        assert world.run("run", "--resume", "--approvals", "park").code == 4
        assert len(got) == 1, "once is enough"
    assert len({event.approval for event in world.of(ApprovalRequested)}) == 1
    (one,) = json.loads(world.run("approvals", "list", "--json").out)
    assert world.run("approvals", "approve", one["approval"]).code == 0
    assert world.run("run", "--resume", "--approvals", "park").code == 0


def give_and_tell(desk: Desk, link: str, page: str, told: list[int]) -> None:
    with suppress(OSError, http.client.HTTPException):
        told.append(desk.give(link, "yes", page)[0])


def test_e296_killed_at_the_answer_it_is_given_once_or_not_at_all(world: World) -> None:
    """The listener dies at any moment of an answer: afterwards the question is open, or has the one answer."""
    with webhook() as (hook, got):
        desk = Desk(world, "--port", "0")
        configure(world, hook, desk)
        assert parked(world).code == 4
        link, page = link_in(got[0]), desk.open(link_in(got[0]))[1]
    told: list[int] = []
    for pause in (0.0, 0.002, 0.01, 0.03, 0.2):
        if told and told[-1] == 200:
            break

        giving = threading.Thread(target=give_and_tell, args=(desk, link, page, told))
        giving.start()
        giving.join(pause)
        os.kill(desk.process.pid, signal.SIGKILL)
        desk.process.wait()
        giving.join()
        answers = resolved(world.events())
        assert len(answers) <= 1 and (answers or 200 not in told), "what was said to be answered is"
        desk = Desk(world, "--port", "0")
        status, page = desk.open(link)
        assert status == (410 if answers else 200)
        if answers:
            break
    else:
        assert desk.give(link, "yes", page)[0] == 200
    status, said = desk.open(link)
    assert status == 410 and "This link has been used." in said
    assert world.run("run", "--resume", "--approvals", "park").code == 0
    assert len(resolved(world.events())) == 1 and len(world.of(SessionResumed)) == 1


LOOK = [reply(code=f"print({n})", usage={"prompt": 900, "completion": 100}) for n in range(6)]
RUN = ("run", "Make it.", "--verify", "test -e made", "--max-steps", "20")
DEAR = reply(code="print('dear')", usage={"prompt": 60_000, "completion": 100})


def test_e297_a_sudden_rise_of_cost_stands_still_until_a_yes(world: World) -> None:
    desk = Desk(world, "--port", "0")
    with webhook() as (hook, got):
        configure(world, hook, desk)
        world.serve(*LOOK, DEAR, reply(code="open('made', 'w').close()"), finish())
        done = world.run(*RUN, "--approvals", "park")
        assert done.code == 4 and "A sudden rise: a request took 60100 tokens, usually 1000." in done.err
        assert [(e.what, e.now, e.before) for e in world.of(RiseSeen)] == [("tokens", 60_100, 1000)]
        assert world.run("run", "--resume", "--approvals", "park").code == 4 and len(world.requests()) == 7
        assert len(got) == 1, "the same question, told once"
        assert "60100" in desk.open(link_in(got[0]))[1]
        assert desk.give(link_in(got[0]), "yes")[0] == 200
    done = world.run("run", "--resume", "--approvals", "park")
    assert done.code == 0 and len(world.of(RiseSeen)) == 1
    assert [e.status for e in world.of(GoalFinished)] == ["waiting", "waiting", "proven"]
    assert len(world.of(ActionStarted)) == 7 + 1 + 2  # looks, the writing, the check before and after


def test_e298_killed_where_failures_rose_it_is_answered_and_goes_on(world: World) -> None:
    bad = [reply(code=f"raise ValueError('broken {word}')") for word in ("a", "b", "c", "d")]
    rest = (reply(code="open('made', 'w').close()"), finish())
    world.serve(*LOOK, bad[0], bad[1], reply(code="print('x')"), bad[2], bad[3], *rest)
    process = world.start(*RUN, "--approvals", "wait")
    read_until(process, "4 of the last actions failed", error=True)
    until(lambda: bool(world.of(ApprovalRequested)), "it has asked")
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    (one,) = json.loads(world.run("approvals", "list", "--json").out)
    assert (one["kind"], one["state"], one["subject"]) == ("pause", "parked", "failures")
    assert world.run("approvals", "approve", one["approval"]).code == 0
    done = world.run("run", "--resume", "--approvals", "park")
    assert done.code == 0 and len(world.requests()) == 13, "nothing is asked or run twice"
    assert len(world.of(ApprovalRequested)) == 1 and len(world.of(RiseSeen)) == 1


def test_e299_only_the_persons_own_configuration_sends_questions(world: World) -> None:
    (world.here / ".interpreter").mkdir()
    (world.here / ".interpreter" / "config.yaml").write_text(
        "approval_url: http://evil.example\napproval_notify: [team]\napproval_link: 600000\nrise_factor: 0\n"
    )
    done = parked(world)
    assert done.code == 4 and not world.of(QuestionSent)
    assert [name for name in ("approval_url", "approval_notify", "approval_link", "rise_factor") if name in done.err]
    assert done.err.count("was ignored") == 4
    (world.data / "config.yaml").write_text("approval_notify: [nobody]\n")
    done = parked(world)
    assert done.code == 2 and "names nobody, and there is no such target" in done.err
    (world.data / "config.yaml").write_text("approval_url: javascript:alert(1)\n")
    for words in (("serve",), ("serve", "--host", "example.com"), ("serve", "--port", "x"), ("list", "--port", "1")):
        assert world.run("approvals", *words).code == 2
