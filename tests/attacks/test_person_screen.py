"""Attacks on the eyes: words of a model, a program or a project that move the cursor, hide code, or pose as ours."""

from __future__ import annotations

import io
import unicodedata
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from rich.console import Console

from interpreter.cli import answers, say
from interpreter.cli.contract import Question
from interpreter.cli.views import aside, back, paint, plain, questions, screen, words
from interpreter.cli.views.plain import Plain
from interpreter.cli.views.screen import Screen
from interpreter.llm.script import Reply
from interpreter.store import Store
from interpreter.text import clean
from interpreter.text.lookalike import lookalikes
from interpreter.types.actions import Action, Observation
from interpreter.types.base import code_sha256
from interpreter.types.events import (
    ActionFinished,
    ActionProposed,
    ApprovalRequested,
    ApprovalResolved,
    CheckpointMissed,
    CheckpointRestored,
    Event,
    GrantAdded,
    KernelEvent,
    ModelAnswered,
    ModelFailed,
    NetworkAttempt,
    NoteAdded,
    Progress,
    Quarantined,
    ReasoningDelta,
    TextDelta,
    TurnFinished,
    TurnStarted,
    Unsaved,
)
from interpreter.types.rewinding import Rewound, SnapshotTaken, VariablesBack
from interpreter.types.rules import Reason
from tests.bad.command import Place, needs_walls, played

EVIL = "\x1b[2J\x1b]0;title\x07\x1b]8;;http://x.example\x07link\x1b]8;;\x07\x1b]52;c;eA==\x07\x9b2Jhead\rOVER\b\u202e\u2066"
HARMFUL = set("\x1b\x9b\x07\b\u202e\u2066")
VIEWS = (words, aside, back, screen, paint, plain, questions, answers)


def action(code: str, language: str = "python") -> Action:
    return Action(id="a", language=language, code=code, sha256=code_sha256(code))


EVENTS: dict[str, tuple[Event, ...]] = {
    "the model's words": (TextDelta(turn="t", text=EVIL), ModelAnswered(turn="t", step=1, text=EVIL)),
    "its thoughts": (ReasoningDelta(turn="t", text=EVIL + "\n"),),
    "its answer": (TurnFinished(turn="t", reason="done", exit_code=0, text=EVIL),),
    "its code": (ActionProposed(turn="t", step=1, action=action(EVIL)),),
    "its language": (ActionProposed(turn="t", step=1, action=action("x", EVIL)),),
    "edited code": (ApprovalResolved(approval="ap", answer="edit", by="person", action=action(EVIL)),),
    "a refusal": (ActionFinished(action="a", status="denied", observation=Observation(text="x", shown=EVIL)),),
    "what the machinery refused": (
        ActionFinished(action="a", status="refused", observation=Observation(text=EVIL, shown="")),
    ),
    "how a turn failed": (TurnFinished(turn="t", reason="failed", exit_code=1, text=EVIL),),
    "a server's error": (ModelFailed(turn="t", step=1, error="ServerFault", message=EVIL),),
    "a note": (NoteAdded(text=EVIL),),
    "why a kernel ended": (KernelEvent(language="python", kernel="k", what="died", reason=EVIL),),
    "a granted path": (GrantAdded(path=EVIL, access="read", by="person"),),
    "a file that was taken away": (Quarantined(action="a", path=EVIL, kept="/kept", reason="x"),),
    "why variables were not saved": (CheckpointMissed(language="python", kernel="k", execution="x", reason=EVIL),),
    "a name that is missing": (
        CheckpointRestored(language="python", kernel="k", execution="x", missing=(Unsaved(name=EVIL, type=EVIL),)),
    ),
    "a path that no snapshot holds": (SnapshotTaken(action="a", uncovered=(EVIL,)),),
    "why there is no snapshot": (SnapshotTaken(action="a", missed=EVIL),),
    "what a rewind left": (Rewound(step=1, left=(EVIL,), irreversible=(EVIL,)),),
    "a name that a rewind misses": (
        Rewound(step=1, variables=(VariablesBack(language="python", step=1, missing=(EVIL,)),)),
    ),
    "a host": (NetworkAttempt(host=EVIL, port=1, decision="denied", by="default"),),
    "a proxy's reason": (NetworkAttempt(host="h", port=1, decision="denied", by="*", reason=EVIL),),
    "an installer's progress": (Progress(what=EVIL, text=EVIL),),
}


def asked(**fields: object) -> Question:
    request = ApprovalRequested(**{"approval": "ap", "kind": "run", **fields})  # pyright: ignore[reportArgumentType] - given by name
    return Question(request, action(EVIL, EVIL) if request.kind == "run" else None)


QUESTIONS = {
    "code": asked(),
    "a path": asked(kind="grant", question="Read?", subject=EVIL),
    "packages": asked(kind="install", question=f"Install {EVIL}?", subject=EVIL),
    "a host": asked(kind="network", question="Reach?", subject=EVIL, proposal="h", covers=(EVIL,)),
    "a program's prompt": asked(kind="input", question=EVIL, subject=EVIL),
    "why it is asked": asked(
        reasons=(Reason(rule="r", layer="project", decision="ask", text=EVIL, subject=EVIL),)
    ),
    "the rule that is offered": asked(
        proposal=f"- name: x\n  command: {EVIL}\n", covers=(EVIL,),
        reasons=(Reason(rule="r", layer="user", decision="ask", text="x"),),
    ),
}  # fmt: skip


def on_screen(draw: Callable[[Plain | Screen], None], capfd: pytest.CaptureFixture[str]) -> str:
    """What both views show. Without colours every escape that is there came from outside."""
    out = io.StringIO()
    fancy = Screen(verbose=True, console=Console(file=out, force_terminal=False, width=100, height=40))
    fancy.show(TurnStarted(turn="t", text=""))
    draw(fancy)
    fancy.end()
    simple = Plain(verbose=True)
    draw(simple)
    simple.end()
    shown = capfd.readouterr()
    return out.getvalue() + shown.out + shown.err


def harmful(text: str) -> bool:
    return bool(HARMFUL & set(text)) or "\rOVER" in text


def blind(monkeypatch: pytest.MonkeyPatch) -> None:
    """Views that show everything as it came."""
    for module in VIEWS:
        if hasattr(module, "reveal"):
            monkeypatch.setattr(module, "reveal", str)
    for module in (say, plain):
        monkeypatch.setattr(module, "clean_text", str)


@pytest.mark.parametrize("events", EVENTS.values(), ids=EVENTS.keys())
def test_no_words_move_the_cursor(
    events: tuple[Event, ...], capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def draw(view: Plain | Screen) -> None:
        for event in events:
            view.show(event)
        if isinstance(view, Screen):
            out = Console(file=io.StringIO(), width=100, height=40)
            for segments in out.render_lines(view):
                print("".join(segment.text for segment in segments))  # what moves while something runs

    seen = on_screen(draw, capfd)
    assert not harmful(seen), ascii(seen)
    blind(monkeypatch)
    assert harmful(on_screen(draw, capfd)), "the control: without the guard it comes through"


@pytest.mark.parametrize("question", QUESTIONS.values(), ids=QUESTIONS.keys())
def test_no_question_moves_the_cursor(
    question: Question, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def draw(view: Plain | Screen) -> None:
        if question.action is not None:
            view.show(ActionProposed(turn="t", step=1, action=question.action))
        view.ask(question)
        print(questions.question_text(question))

    seen = on_screen(draw, capfd)
    assert not harmful(seen), ascii(seen)
    blind(monkeypatch)
    assert harmful(on_screen(draw, capfd)), "the control: without the guard it comes through"


DRAWN = {0x600, 0x601, 0x602, 0x603, 0x604, 0x605, 0x6DD, 0x70F, 0x890, 0x891, 0x8E2, 0x110BD, 0x110CD}
"""Of the format characters those that have a form of their own."""
BLANK = (0x34F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x180B, 0x180C, 0x180D, 0x180F, 0x2065, 0x2800, 0x3164, 0xFFA0)


def unseen() -> Iterable[int]:
    """Characters that leave no mark: formats, selectors, fillers, and the plane that is made of them."""
    yield from (c for c in range(0x20, 0x110000) if unicodedata.category(chr(c)) in ("Cf", "Cc", "Zl", "Zp"))
    yield from BLANK
    yield from range(0xFE00, 0xFE10)
    yield from range(0xE0000, 0xE0200)


def test_no_character_is_without_a_mark() -> None:
    """A payload of selectors or tags behind a harmless letter is the newest form of this attack."""
    missed = [hex(c) for c in unseen() if c not in DRAWN and f"<U+{c:04X}>" not in clean.reveal(f"a{chr(c)}b")]
    assert missed == []
    payload = "eval(decode('" + "".join(chr(0xFE00 + n % 16) for n in range(64)) + "'))"
    assert words.hidden_count(payload) == 64
    assert "hidden characters (64)" in "\n".join(questions.warnings_of(payload))


def test_pictures_with_colours_are_no_warning() -> None:
    """The control: a sign that asks for colours behind a picture hides nothing."""
    assert clean.reveal("❤️ ⚠️ ☀️ 1️⃣") == "❤️ ⚠️ ☀️ 1️⃣"
    assert clean.reveal("a\ufe0f") == "a<U+FE0F>"


LOOKS = {
    "Cyrillic in a name": "p\u0430ypal = 1",
    "Cyrillic in a path": "open('/home/me/D\u043ewnloads/x.csv')",
    "Greek in a host": "curl https://g\u03bfogle.com",
    "Armenian": "imp\u0585rt os",
    "full width": "\uff4fs.system('x')",
    "mathematical": "\U0001d41e\U0001d42f\U0001d41a\U0001d425('x')",
    "all of it foreign": "\u0430\u0441\u0435 = 1",
}


@pytest.mark.parametrize("code", LOOKS.values(), ids=LOOKS.keys())
def test_letters_that_look_like_others_are_named(code: str) -> None:
    assert any("Careful" in line for line in questions.warnings_of(code))
    plainly = "".join(
        {"\u0430": "a", "\u043e": "o", "\u03bf": "o", "\u0585": "o", "\u0441": "c", "\u0435": "e"}.get(c, c)
        for c in unicodedata.normalize("NFKC", code)
    )
    assert plainly.isascii()
    assert questions.warnings_of(plainly) == [] == lookalikes(plainly), "the control: the honest spelling is no warning"


TAILS = {
    "a long line": "print(1)" + " " * 6000 + "; evil()",
    "a long text": "x = '" + "harmless " * 900 + "'; evil()",
    "tabs": "print(1)" + "\t" * 900 + "; evil()",
    "wide letters": "x = '" + "好" * 2000 + "'; evil()",
    "empty lines": "print(1)" + "\n" * 300 + "evil()",
    "empty lines of Windows": "print(1)" + "\r\n" * 300 + "evil()",
}


@pytest.mark.parametrize("code", TAILS.values(), ids=TAILS.keys())
def test_a_tail_beyond_the_screen_is_shown_and_announced(
    code: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LINES", "24")
    question = Question(ApprovalRequested(approval="ap", kind="run"), action(code))
    assert answers.too_long(question)

    def draw(view: Plain | Screen) -> None:
        view.show(ActionProposed(turn="t", step=1, action=action(code)))
        assert "evil()" in capfd.readouterr().err if isinstance(view, Plain) else True

    assert "evil()" in on_screen(draw, capfd)
    short = code.replace(" " * 6000, "").replace("harmless " * 900, "").replace("\t" * 900, "").replace("好" * 2000, "")
    short = short.replace("\r\n" * 300, "\n").replace("\n" * 300, "\n")
    assert not answers.too_long(Question(question.request, action(short))), "the control: what fits is not announced"


MANAGED = ("approvals list", "approvals show ID", "sessions list", "sessions show last", "config show", "policy check",
           "policy explain ls", "audit verify --all")  # fmt: skip


@needs_walls
def test_a_folder_with_a_hostile_name(tmp_path: Path) -> None:
    """It is named in questions, in lists and in paths of settings; a clone of somebody else's project may make one."""
    place = Place(tmp_path, work="a\x1b[2Jb\u202ec")
    with played(place, Reply(code="print(1)"), "done"):
        seen = [place.ask("go").text]
    assert "print(1)" in seen[0], "the control: it is asked about"
    with Store.open(place.home) as store:
        events = [entry.event for entry in store.visit(store.find("last").id).events()]
    (asked,) = [event for event in events if isinstance(event, ApprovalRequested)]
    assert "\x1b[2J" in asked.where, "the control: the name is in what is shown"
    for words_ in MANAGED:
        ran = place.run(*words_.replace("ID", asked.approval).split())
        assert ran.code == 0, ran.text
        seen.append(ran.text)
    assert not [text for text in seen if HARMFUL & set(text)]
