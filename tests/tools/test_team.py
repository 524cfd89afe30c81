"""The tools for work in a team, in a real session: asked, told, looked up, remembered."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from interpreter.app.answering import Answering
from interpreter.llm.script import ScriptCall
from interpreter.llm.scripted import Reply
from interpreter.skills.options import SkillOptions
from interpreter.tools.options import ToolOptions
from interpreter.types.events import ActionFinished, ApprovalRequested, Event, TurnFinished
from interpreter.types.ops import Op, ResolveApproval
from interpreter.types.tooling import TOOL, readable
from tests.session.helpers import Talk, run, settings

from .test_notify import serving, slack


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("INTERPRETER_HOME", str(folder))
    return folder


def call(name: str, /, **arguments: Any) -> Reply:
    return Reply(calls=(ScriptCall(name=name, arguments=arguments, id=f"c_{name}"),))


def results(talk: Talk) -> list[tuple[str, str]]:
    return [(event.status, event.observation.text) for event in talk.of(ActionFinished)]


def test_looked_up_remembered_and_told(tmp_path: Path, home: Path) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "回滚.md").write_text("# 回滚\n\n发布失败时先退回上一个版本。\n")
    replies = [
        call("knowledge_search", query="退回版本"),
        call("remember", fact="Releases are rolled back first.", about="shop"),
        call("recall", query="releases"), call("notify", message="Rolled back.", title="web"), "Done.",
    ]  # fmt: skip

    async def story(talk: Talk) -> None:
        await talk.turn("go")
        found = results(talk)
        assert [status for status, _text in found] == ["ok"] * 4, found
        assert "回滚.md, line 3 (回滚)" in found[0][1] and "shop: Releases are rolled back first." in found[2][1]
        assert "Sent to ops." in found[3][1]

    with serving(slack) as service:
        table = {
            "knowledge_search": {"folders": [str(docs)]},
            "notify": {"targets": {"ops": {"kind": "slack", "url": f"{service.url}/KEY-0123456789"}}},
        }
        names = ("knowledge_search", "remember", "recall", "notify")
        run(story, replies, tmp_path, tools=ToolOptions(offered=names, settings=table), auto_run=True)
        assert service.got[0][2]["text"] == "web\nRolled back."
    assert (home / "memory.md").read_text().count("Releases") == 1
    logged = b"".join(path.read_bytes() for path in home.rglob("*") if path.is_file())
    assert b"KEY-0123456789" not in logged


def test_the_person_is_asked_and_answers_by_number(tmp_path: Path) -> None:
    replies = [call("ask_human", question="Which namespace?", options=["shop", "pay"]), "Done."]

    def on(event: Event) -> Op | None:
        if isinstance(event, ApprovalRequested) and event.kind == "input":
            assert event.subject == "Which namespace?\n1. shop\n2. pay"
            return ResolveApproval(approval=event.approval, answer="yes", text="2")
        return None

    async def story(talk: Talk) -> None:
        await talk.turn("go", on=on)
        assert "The person answered: pay" in results(talk)[0][1]

    run(story, replies, tmp_path, tools=ToolOptions(offered=("ask_human",)), auto_run=True, can_ask=True)


def test_a_question_waits_where_nobody_is_there_and_its_answer_comes_back(tmp_path: Path) -> None:
    asks = call("ask_human", question="Which namespace?", options=["shop", "pay"])
    tools = ToolOptions(offered=("ask_human",))

    async def parked(talk: Talk) -> None:
        end = await talk.turn("go")
        assert (end.reason, end.exit_code) == ("waiting", 4)

    session = run(parked, [asks], tmp_path, tools=tools, auto_run=True, can_ask=False, approvals="park")
    answering = Answering(settings())
    (waiting,) = answering.waiting()
    assert waiting.action is not None and "Which namespace?" in readable(TOOL, waiting.action.code)
    answering.answer(waiting.asked.request.approval, "yes", reason="2")

    async def goes_on(talk: Talk) -> None:
        await talk.turn()
        assert "The person answered: pay" in results(talk)[0][1]

    run(goes_on, ["Done."], tmp_path, resume=session, tools=tools, auto_run=True, can_ask=False, approvals="park")


def test_a_question_is_asked_once_also_where_code_is_asked_about(tmp_path: Path) -> None:
    kinds: list[str] = []

    def on(event: Event) -> Op | None:
        if isinstance(event, ApprovalRequested):
            kinds.append(event.kind)
            return ResolveApproval(approval=event.approval, answer="yes", text="shop")
        return None

    async def story(talk: Talk) -> None:
        await talk.turn("go", on=on)
        assert "The person answered: shop" in results(talk)[0][1] and kinds == ["input"]

    replies = [call("ask_human", question="Which namespace?"), "Done."]
    run(story, replies, tmp_path, tools=ToolOptions(offered=("ask_human",)), auto_run=False, can_ask=True)


def test_where_nobody_is_there_the_model_is_told_so(tmp_path: Path) -> None:
    replies = [call("ask_human", question="Which namespace?"), "I stop: I need the namespace."]

    async def story(talk: Talk) -> None:
        await talk.turn("go")
        assert "Nobody answered." in results(talk)[0][1] and talk.of(TurnFinished)[-1].reason == "done"

    run(story, replies, tmp_path, tools=ToolOptions(offered=("ask_human",)), auto_run=True, can_ask=False)


def test_a_skill_is_read_where_there_is_no_code(tmp_path: Path) -> None:
    folder = tmp_path / ".agents" / "skills" / "weekly"
    folder.mkdir(parents=True)
    (folder / "SKILL.md").write_text("---\nname: weekly\ndescription: How we count.\n---\n1. Count.\n")
    (folder / "more.md").write_text("More.")
    replies = [
        call("read_skill", name="weekly"), call("read_skill", name="weekly", file="more.md"),
        call("read_skill", name="weekly", file="../../../x"), call("read_skill", name="nothing"), "Done.",
    ]  # fmt: skip

    async def story(talk: Talk) -> None:
        await talk.turn("go")
        found = [text for _status, text in results(talk)]
        assert "1. Count." in found[0] and "also: more.md" in found[0] and "More." in found[1]
        assert "has no file '../../../x'" in found[2] and "Skills: data-cleaning" in found[3]

    options = ToolOptions(offered=("recall",))
    run(story, replies, tmp_path, tools=options, auto_run=True, tools_only=True)


TOOLS = """from interpreter.tools.definition import ToolContext, tool


@tool(access="read")
def tides(ctx: ToolContext, place: str) -> str:
    \"\"\"When the tide is high.

    Args:
        place: A port.
    \"\"\"
    return f"In {place} at noon."
"""


def test_tools_come_from_the_persons_own_skills_alone(tmp_path: Path, home: Path) -> None:
    work = tmp_path / "work"
    for folder in (home / "skills" / "mine", work / ".agents" / "skills" / "theirs"):
        folder.mkdir(parents=True)
        (folder / "SKILL.md").write_text(f"---\nname: {folder.name}\ndescription: d\n---\n1. Look.\n")
        (folder / "tools.py").write_text(TOOLS if folder.name == "mine" else "open('/tmp/ran', 'w')\n" + TOOLS)

    async def story(talk: Talk) -> None:
        await talk.turn("go")
        assert "In Emden at noon." in results(talk)[0][1]

    run(story, [call("tides", place="Emden"), "Done."], work, skills=SkillOptions(use=("mine",)))

    async def without(talk: Talk) -> None:
        await talk.turn("go")
        assert "tides" not in [spec.name for spec in talk.model.requests[0].tools]

    run(without, ["Done."], work, skills=SkillOptions(use=("theirs",)))
