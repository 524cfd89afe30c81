"""Staged mode by the real command: nothing reaches the folder before somebody says so."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import sys
from pathlib import Path

import pytest

from interpreter.app.layers import open_stage
from interpreter.staging.journal import chosen
from interpreter.store import Store
from interpreter.types.staging import StageCommitStarted

from .test_approvals import lines_until, send
from .world import World, reply

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or shutil.which("bwrap") is None, reason="staged mode needs bubblewrap"
)
WORK = [
    ("python", "open('a.txt', 'a').write('by python\\n')"),
    ("shell", "mkdir new && cp a.txt new/ && rm b.txt && mv old older && echo '#!' > run.sh && chmod 755 run.sh"),
    ("python", "import os\nprint(sorted(os.listdir('.')), os.path.exists('older/kept'))"),
]
NODE = ("javascript", "require('fs').appendFileSync('a.txt', 'by node\\n')")


def tree(folder: Path) -> dict[str, tuple[int, str]]:
    found: dict[str, tuple[int, str]] = {}
    for path in folder.rglob("*"):
        facts = path.lstat()
        body = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
        found[str(path.relative_to(folder))] = (facts.st_mode, hashlib.sha256(body).hexdigest())
    return found


def test_e154_a_staged_session_from_its_work_to_its_commit(world: World) -> None:
    (world.here / "a.txt").write_text("the person's\n")
    (world.here / "b.txt").write_text("old\n")
    (world.here / "old").mkdir()
    (world.here / "old" / "kept").write_text("1\n")
    before = tree(world.here)
    work = [*WORK, *([NODE] if shutil.which("node") else [])]
    world.serve(*(reply(code=code, language=language) for language, code in work), "Done.")
    done = world.run("-y", "--stage", "--output", "json", "change everything")
    assert [action["status"] for action in done.result["actions"]] == ["ok"] * len(work), done
    assert "True" in done.result["actions"][2]["output"]
    kinds = {change["path"]: change["kind"] for change in done.result["staged"]}
    assert kinds == {
        "a.txt": "changed", "b.txt": "deleted", "new": "added", "new/a.txt": "added", "run.sh": "added",
        "old": "deleted", "old/kept": "deleted", "older": "added", "older/kept": "added",
    }  # fmt: skip
    assert tree(world.here) == before
    shown = world.run("stage", "diff", "a.txt")
    assert shown.code == 0 and "+by python" in shown.out
    assert world.run("stage", "commit", "a.txt", "new").code == 0
    assert (world.here / "a.txt").read_text().startswith("the person's\nby python\n")
    assert (world.here / "new" / "a.txt").exists() and (world.here / "b.txt").exists()
    assert "b.txt" in world.run("stage").out
    assert world.run("stage", "commit").code == 0
    assert sorted(path.name for path in world.here.iterdir()) == ["a.txt", "new", "older", "run.sh"]
    assert (world.here / "run.sh").stat().st_mode & 0o777 == 0o755
    assert world.run("stage", "commit").code == 2


def test_e155_a_commit_in_a_session_brings_the_variables_back(world: World) -> None:
    first, second = "x = 41\nopen('made.txt', 'w').write('1')", "print(x + 1, open('made.txt').read())"
    world.serve(reply(code=first), "One.", reply(code=second), "Two.")
    process = world.start("--ops", "-y", "--stage", "begin", piped=True)
    assert lines_until(process, "turn_finished")["text"] == "One."
    assert not (world.here / "made.txt").exists()
    send(process, type="stage_commit", paths=["nowhere"])  # pyright: ignore[reportArgumentType] - as a program may
    assert "nothing at" in lines_until(process, "error")["message"]
    send(process, type="stage_commit")
    assert lines_until(process, "stage_committed")["files"] == 1
    assert (world.here / "made.txt").read_text() == "1"
    assert "Variables come back" in lines_until(process, "note_added")["text"]
    send(process, type="submit_input", text="go on")
    done = world.finish(process)
    outputs = [event["observation"]["text"] for event in done.lines if event["type"] == "action_finished"]
    assert len(outputs) == 1 and "42 1" in outputs[0]


def test_e156_file_tools_see_what_the_code_sees(world: World) -> None:
    """Before any kernel, after code wrote, and without following a link that the code has laid."""
    (world.here / "a.txt").write_text("the person's\n")
    secret = world.here.parent / "secret.txt"
    secret.write_text("the host's own\n")
    code = f"import os\nopen('a.txt', 'a').write('by the code\\n')\nos.symlink({str(secret)!r}, 'link')"
    world.serve(
        reply(calls=[{"name": "read_file", "arguments": {"path": "a.txt"}}]),
        reply(code=code),
        reply(calls=[{"name": "read_file", "arguments": {"path": "a.txt"}}]),
        reply(calls=[{"name": "search_files", "arguments": {"pattern": "by the", "path": "."}}]),
        reply(calls=[{"name": "read_file", "arguments": {"path": "link"}}]),
        "Done.",
    )
    tools = ("--tool", "read_file", "--tool", "search_files")
    done = world.run("-y", "--stage", *tools, "--output", "json", "look at it")
    first, _code, second, found, link = done.result["actions"]
    assert first["output"] == "     1  the person's\n[end of the file]", done
    assert second["output"] == "     1  the person's\n     2  by the code\n[end of the file]"
    assert "a.txt" in found["output"] and "by the code" in found["output"]
    assert link["status"] == "error" and "the host's own" not in link["output"]
    assert (world.here / "a.txt").read_text() == "the person's\n" and not (world.here / "link").exists()
    assert world.run("stage", "drop").code == 0


def test_e157_a_commit_that_fails_for_good_is_given_up_and_undo_knows_of_the_stage(world: World) -> None:
    world.serve(reply(code="open('out', 'w').write('1')"), "Made it.", "Again.")
    assert world.run("-y", "--stage", "make it").code == 0
    # As if it had died right after the decision; and then something is in the way.
    with Store.open(world.data) as store:
        log = store.resume(world.session())
        stage = open_stage(log.folder)
        assert stage is not None
        journal = stage.prepare(chosen(stage.changes(), []), "c_test")
        asyncio.run(log.append(StageCommitStarted(commit="c_test", journal=journal, files=1)))
        log.close()
    (world.here / "out").mkdir()
    (world.here / "out" / "mine.txt").write_text("the person's\n")
    failed = world.run("stage")
    assert failed.code != 0 and "something else" in failed.err, failed
    assert world.run("--resume", "last", "-y", "go on").code != 0
    given_up = world.run("stage", "abandon")
    assert given_up.code == 0 and "The commit is given up." in given_up.out, given_up
    assert (world.here / "out" / "mine.txt").read_text() == "the person's\n"
    assert "out" in world.run("stage").out and world.run("stage", "abandon").code == 2
    with world.talk("--resume", "last", "-y") as terminal:
        terminal.send("%undo\r")
        terminal.wait_for("Staged changes stay as they are: 2.")
        terminal.send("%stage drop\r")
        terminal.wait_for("Forgotten: 2 changes.")
        assert terminal.leave() == 0
    assert (world.here / "out" / "mine.txt").read_text() == "the person's\n"  # the folder is not the code's to undo
    refused = world.run("rewind", "0", "--files")
    assert refused.code == 2 and "interpreter stage drop" in refused.err


def test_e320_what_cannot_be_read_can_be_dropped(world: World) -> None:
    world.serve(reply(code="open('out', 'w').write('1')"), "Made it.")
    assert world.run("-y", "--stage", "make it").code == 0

    def spoil() -> None:
        """In place of the layer a link, which is never followed."""
        with Store.open(world.data) as store:
            stage = open_stage(store.folder(world.session()))
        assert stage is not None
        upper = Path(stage.layers[0].upper)
        upper.parent.mkdir(parents=True, exist_ok=True)
        if upper.exists():
            upper.rename(upper.with_name("away"))
        upper.symlink_to(world.here)

    spoil()
    assert "cannot be read" in world.run("stage").err
    with world.talk("--resume", "last", "-y") as terminal:
        terminal.send("%stage drop\r")
        terminal.wait_for("Forgotten: all that was staged.")
        assert terminal.leave() == 0
    assert "Nothing is staged." in world.run("stage").out
    spoil()
    dropped = world.run("stage", "drop")
    assert dropped.code == 0 and "Forgotten: all that was staged." in dropped.out, dropped
    assert "Nothing is staged." in world.run("stage").out and world.run("stage", "drop").code == 2
