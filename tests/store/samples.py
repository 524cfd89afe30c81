"""Events as a session makes them, one of every stored kind."""

from __future__ import annotations

from interpreter.types.account import Act, Chapter, Compacted, Shortened, Summarized, Words
from interpreter.types.actions import Action, Completion, Display, ErrorReport, Observation, OutputRef, Resources
from interpreter.types.base import code_sha256
from interpreter.types.events import (
    ActionFinished,
    ActionJudged,
    ActionProposed,
    ActionStarted,
    ApprovalRequested,
    ApprovalResolved,
    CheckpointMissed,
    CheckpointRestored,
    CheckpointSaved,
    ConversationReset,
    ConversationUndone,
    Event,
    GrantAdded,
    KernelEvent,
    ModeChanged,
    ModelAnswered,
    ModelAsked,
    ModelFailed,
    NetworkAttempt,
    NoteAdded,
    Quarantined,
    QuestionSent,
    SessionClosed,
    SessionImported,
    SessionNamed,
    SessionResumed,
    SessionStarted,
    SessionTagged,
    StageCommitStarted,
    StageCommitted,
    StageDropped,
    TurnFinished,
    TurnStarted,
    Unsaved,
)
from interpreter.types.messages import ToolCall, Usage
from interpreter.types.rewinding import RewindStarted, Rewound, SnapshotTaken, VariablesBack
from interpreter.types.rules import Reason
from tests.goals.samples import goal_events


def action(code: str = "print(6 * 7)", name: str = "a_1", language: str = "python", call: str = "") -> Action:
    return Action(id=name, language=language, code=code, sha256=code_sha256(code), call_id=call)


def started(session: str = "s_1") -> SessionStarted:
    return SessionStarted(session=session, workspace="/project", sandbox="host", version="0.1.0")


def turn(number: int, text: str = "say it") -> TurnStarted:
    return TurnStarted(turn=f"t_{number}", text=text)


def done(number: int, text: str = "done") -> TurnFinished:
    return TurnFinished(turn=f"t_{number}", reason="done", exit_code=0, text=text)


def note(number: int) -> NoteAdded:
    return NoteAdded(text=f"note {number}")


def finished(name: str = "a_1", output: OutputRef | None = None, text: str = "42\n") -> ActionFinished:
    completion = Completion(execution="x_1", status="ok", exit_status=0, output=output or OutputRef())
    return ActionFinished(
        action=name, status="ok", observation=Observation(text=text, shown=text), completion=completion
    )


def every_kind() -> list[Event]:
    """One event of every stored type, with every field set to something of its own."""
    made = Action(
        id="a_1", language="python", code='print("é 你好")\n', sha256="ab" * 32, call_id="call_1", repairs=("mended",)
    )
    completion = Completion(
        execution="x_1", status="error", exit_status=1, duration=1.5,
        error=ErrorReport(name="ValueError", message="bad", traceback="Traceback ...", line=3), result="42",
        displays=(Display(mime="image/png", path="/home/user/x.png", text="<Figure>", size=7),),
        output=OutputRef(path="/home/user/x.out", size=9, sha256="cd" * 32, dropped=4),
        resources=Resources(cpu=0.5, memory=1024), limit="memory", restarted=True, context={"names": ["a", "b"]},
    )  # fmt: skip
    usage = Usage(prompt=10, cached=4, completion=5, reasoning=2, cost=0.25)
    return [
        SessionStarted(session="s_1", workspace="/project", sandbox="host", version="0.1.0", system="You are ..."),
        SessionResumed(living=("python",), gone=("shell",), unfinished=("a_0",)),
        TurnStarted(turn="t_1", text="sum 用户", images=("/project/a.png",)),
        ModelAsked(turn="t_1", step=1, model="m", api_base="http://localhost:8000/v1", messages=3, size=900),
        ModelAnswered(
            turn="t_1", step=1, text="I will", reasoning="hm", finish="tool_calls", usage=usage, model="m",
            calls=(ToolCall(id="call_1", name="execute", arguments="{}"),), first_token=0.1, duration=0.9, retries=1,
        ),
        ModelFailed(turn="t_1", step=2, error="ServerFault", message="broke", hint="again", partial="I w"),
        ActionProposed(turn="t_1", step=1, action=made),
        ApprovalRequested(
            approval="p_1", kind="run", action="a_1", question="?", subject="ab", where="host, in /project", secret=True
        ),
        ApprovalResolved(approval="p_1", answer="edit", by="person", channel="terminal", reason="r", action=made),
        QuestionSent(approval="p_1", target="team", problem="away", link=True),
        ActionStarted(action="a_1", execution="x_1", kernel="k_1", language="python", sandbox="host"),
        ActionFinished(
            action="a_1", status="error", completion=completion,
            observation=Observation(text="bad", shown="bad", facts=("a fact",)),
        ),
        KernelEvent(language="python", kernel="k_1", what="died", reason="killed", sandbox="host"),
        GrantAdded(path="/data/x.csv", access="read", by="person", tool="git"),
        ActionJudged(
            action="a_1", decision="ask", mode="auto", unknown=("$X",),
            reasons=(Reason(rule="r", layer="user", decision="ask", text="why", subject="rm x"),),
        ),
        NetworkAttempt(host="pypi.org", port=443, decision="denied", by="default", method="CONNECT", reason="unknown"),
        Quarantined(action="a_1", path="/project/.envrc", kept="/home/user/q/1", reason="runs by itself"),
        CheckpointSaved(
            language="python", kernel="k_1", execution="x_1", manifest="0" * 64, names=2, size=10, written=5,
            duration=0.1,
            unsaved=(Unsaved(name="g", type="generator", reason="cannot be saved", execution="x_0", rebuild=True),),
        ),
        CheckpointMissed(language="python", kernel="k_1", execution="x_1", reason="deadline"),
        CheckpointRestored(
            language="python", kernel="k_2", execution="x_1", names=1, missing=(Unsaved(name="m", reason="no module"),)
        ),
        SnapshotTaken(action="a_1", tree="0" * 64, files=2, size=10, uncovered=("big (large)",), after="1" * 64),
        RewindStarted(step=1, parts=("files", "conversation"), tree="0" * 64, before="1" * 64, action="a_1"),
        Rewound(
            step=1, tree="0" * 64, files=2, left=("pipe (kept)",), irreversible=("step 2: git push",), action="a_1",
            variables=(VariablesBack(language="python", step=1, names=2, missing=("g",)),),
        ),
        NoteAdded(text="go on", source="person", to_model=False),
        ModeChanged(auto=True),
        Compacted(
            actions=("a_1",), answers=2, cut=1, shortened=(Shortened(said=3, kept=160),),
            account=(
                Chapter(
                    words=(Words(text="Clean it", turn="t_1", cut=9),), left=1, steps=3, failed=1, files=("x.csv",),
                    acts=(Act(line="f()", language="python", status="error", gist="E", output="out1", own=True),),
                    mended=("f() failed; then worked: g()",), learned=("Done.",), summary="All is well.",
                    taken_back=True,
                ),
            ),
        ),
        Summarized(turn="t_1", text="All well.", problem="too long", usage=usage, model="m", duration=1.5, retries=1),
        ConversationUndone(turn="t_1"),
        ConversationReset(),
        TurnFinished(turn="t_1", reason="failed", exit_code=1, text="no", steps=2, usage=usage, duration=2.5),
        SessionClosed(reason="left"),
        SessionNamed(name="the sum 求和", user="u", uid=1000),
        SessionTagged(added=("work", "工作"), removed=("old",), user="u", uid=1000),
        SessionImported(
            source="s_1.session.zip", head="ef" * 32, workspace="/project", redacted=True, user="u", uid=1000, host="h"
        ),
        StageCommitStarted(commit="c_1", journal="ab" * 32, files=2, paths=("a.txt", "数据.csv")),
        StageCommitted(commit="c_1", files=2, left=1, kept=("/home/kept/1-a.txt",)),
        StageDropped(files=1, paths=("b.txt",), left=0),
        *goal_events(),
    ]  # fmt: skip
