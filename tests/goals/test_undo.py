"""Nothing gets worse, and what was done can be taken back: health checks, undo in reverse order, the undo of a run."""

from __future__ import annotations

from pathlib import Path

from interpreter.app.goals import plan_run
from interpreter.goals.book import Book
from interpreter.llm.scripted import Reply
from interpreter.types.actions import Action, Observation
from interpreter.types.events import ActionFinished, ActionProposed, ActionStarted, Event, Stored
from interpreter.types.goals import (
    CheckFinished,
    HealthWorsened,
    Task,
    UndoFinished,
    UndoNamed,
    UndoStarted,
    UndoStepFinished,
)
from interpreter.types.rewinding import Rewound
from tests.session.helpers import settings

from .runs import check, execute, finish, run, stored

GOAL = check("test -e made")
WELL = check("! test -e ill")


def outward(text: str, undo: str) -> Reply:
    """A step that reaches beyond the folder for the rules, and is harmless: nothing listens there."""
    return execute(f"curl -s -X POST -d x http://127.0.0.1:9/ ; {text}", "shell", undo=undo)


def steps() -> list[Reply]:
    return [
        execute("open('one', 'w').write('1')"),
        outward("echo two >> $TMPDIR/trail", "echo undo-two >> $TMPDIR/trail"),
        execute("open('three', 'w').write('3')"),
        outward("echo four >> $TMPDIR/trail; touch ill", "echo undo-four >> $TMPDIR/trail; ls > seen-by-four"),
        execute("open('five', 'w').write('5')"),
    ]


def test_what_makes_it_worse_is_undone_in_reverse_order(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("as it was")
    task = Task(goal="Make it.", checks=(GOAL,), health=(WELL,))
    ran = run(task, [*steps(), finish()], tmp_path)
    assert (ran.end.exit_code, ran.finished.status) == (1, "worse") and len(ran.model.requests) == 4
    assert [worse.checks for worse in ran.of(HealthWorsened)] == [(WELL.name,)]
    named = {one.action: one for one in ran.of(UndoNamed)}
    assert [one.by for one in named.values()] == ["snapshot", "command", "snapshot", "command"]
    assert ran.of(UndoStarted)[0].actions == tuple(reversed(list(named)))
    undo = [p.action.code for p in ran.of(ActionProposed) if p.action.purpose == "undo"]
    assert [code.split()[1] for code in undo] == ["undo-four", "undo-two"]
    assert all(step.undone for step in ran.of(UndoStepFinished))
    assert (ran.of(UndoFinished)[0].left, ran.of(UndoFinished)[0].healthy) == ((), True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept"]
    assert ran.of(Rewound) and "undone" in ran.end.text and "health checks pass" in ran.end.text
    assert [c.passed for c in ran.of(CheckFinished) if c.phase == "health"] == [True, True, True, True, False]


def test_an_undo_that_fails_is_told(tmp_path: Path) -> None:
    task = Task(goal="Make it.", checks=(GOAL,), health=(WELL,))
    ran = run(task, [outward("touch ill", "exit 3"), finish()], tmp_path)
    assert ran.end.exit_code == 1 and "Not undone: 1 steps." in ran.end.text
    assert [step.undone for step in ran.of(UndoStepFinished)] == [False]


def test_what_was_ill_before_may_stay_so(tmp_path: Path) -> None:
    (tmp_path / "ill").touch()
    task = Task(goal="Make it.", checks=(GOAL,), health=(WELL,))
    ran = run(task, [execute("open('made', 'w').close()"), finish()], tmp_path)
    assert ran.end.exit_code == 0 and "fails already, before any work" in ran.told(0)


def test_a_run_is_undone_from_its_log(tmp_path: Path) -> None:
    task = Task(goal="Make it.", checks=(GOAL,))
    replies = [execute("open('made', 'w').close()"), outward("touch other", "true"), finish()]
    ran = run(task, replies, tmp_path)
    assert ran.end.exit_code == 0 and (tmp_path / "other").exists()
    back = run(None, [], tmp_path, resume=ran.session, undo=True, text="Undo everything that this run has done.")
    assert (back.end.exit_code, back.finished.status, back.model.requests) == (0, "undone", [])
    assert back.of(UndoStarted)[0].reason == "person" and list(tmp_path.iterdir()) == []
    again = run(None, [], tmp_path, resume=ran.session, undo=True, text="Undo everything that this run has done.")
    assert again.end.text == "There is nothing to undo." and again.of(UndoStarted) == []


def test_an_undo_that_was_cut_off_is_never_run_twice(tmp_path: Path) -> None:
    task = Task(goal="Make it.", checks=(GOAL,))
    undo = "echo once >> $TMPDIR/count; test $(wc -l < $TMPDIR/count) -lt 2"
    replies = [outward("touch made", undo), outward("touch other", undo), finish()]
    ran = run(task, replies, tmp_path)
    events = [Stored(session="s", seq=n, time=float(n), event=event) for n, event in enumerate(stored(ran.session), 1)]
    newest, older = reversed(events_of(events, UndoNamed))
    action = Action(id="act_1", language="shell", code=undo, sha256="", purpose="undo")
    begun: list[Event] = [
        UndoStarted(turn="t", reason="person", actions=(newest.action, older.action)),
        ActionProposed(turn="t", step=1, action=action),
        ActionStarted(action="act_1", execution="x", kernel="shell", language="shell", sandbox=""),
    ]
    book = Book()
    book.read(events)
    for event in begun:
        book.apply(event)
    assert [entry.tried for entry in book.written] == ["", "act_1"] and book.written[1].result is None
    book.apply(ActionFinished(action="act_1", status="lost", observation=Observation(text="", shown="")))
    assert book.written[1].result is None
    book.apply(ActionFinished(action="act_1", status="ok", observation=Observation(text="", shown="")))
    book.apply(UndoFinished(turn="t", undone=0, left=(newest.action,)))
    assert [entry.tried for entry in book.written] == ["", ""]


def events_of(events: list[Stored], kind: type[UndoNamed]) -> list[UndoNamed]:
    return [one.event for one in events if isinstance(one.event, kind)]


def test_an_undo_that_the_rules_deny_is_not_accepted(tmp_path: Path) -> None:
    path = tmp_path / "task.yaml"
    path.write_text(
        "goal: Make it.\nchecks: [test -e made]\npolicy:\n"
        "  - {name: no-such-undo, decision: deny, command: undo-hard, reason: It loses data.}\n"
        "  - {name: such-an-undo-asks, decision: ask, command: undo-softly, reason: Somebody looks first.}\n"
    )
    goal, _profile = plan_run(str(path), settings(), values={}, verify=(), judge="", ceilings={})
    replies = [
        outward("touch denied", "undo-hard"), outward("touch long", "undo-softly\n" * 2),
        outward("touch asked", "undo-softly"), outward("touch made", "undo-gently"), finish(),
    ]  # fmt: skip
    ran = run(goal.task, replies, tmp_path, goal=goal)
    assert "the rules refuse its undo (no-such-undo)" in ran.told(1)
    assert "the rules refuse its undo (such-an-undo-asks)" in ran.told(2)
    assert "such-an-undo-asks" in ran.told(3) and "nobody is here" in ran.told(3)
    assert ran.end.exit_code == 0 and [one.code for one in ran.of(UndoNamed)] == ["undo-gently"]
    assert sorted(one.name for one in tmp_path.iterdir()) == ["made", "task.yaml"]
