"""What code can do to a stage so that it cannot be read does not keep it from being dropped."""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import shutil
import sys
import tempfile
import warnings
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from interpreter.app.layers import runs_by_itself
from interpreter.app.staged import Staged
from interpreter.errors import InterpreterError, StageError
from interpreter.staging import changes, removal
from interpreter.staging.show import diff
from interpreter.staging.stage import Stage
from interpreter.types.events import Event, StageCommitted, StageDropped
from interpreter.types.ops import StageCommit, StageDrop
from interpreter.types.staging import UNCOUNTED
from interpreter.types.walls import layers_of

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="there are no stages elsewhere")
NOBODY = 65534


class Walls:
    """Those of a session, as far as a stage knows them."""

    def __init__(self) -> None:
        self.open = True

    def close_stage(self, reason: str, hint: str) -> None:
        self.open = False

    def stage(self, place: str) -> None:
        self.open = True


class Session:
    """A stage without an overlay: its upper folder is written to by hand."""

    def __init__(self, root: Path) -> None:
        self.here = root / "here"
        self.here.mkdir(mode=0o755)
        (self.here / "a").write_text("1")
        self.stage = Stage.begin(root / "session", [str(self.here)], runs_by_itself)
        self.upper.mkdir(parents=True)
        self.events: list[Event] = []
        self.walls = Walls()
        self.end: Callable[[], Awaitable[tuple[str, ...]]] = self.nothing
        walls: Any = self.walls
        self.staged = Staged(self.stage, str(self.here), self.emit, lambda: self.end(), walls)

    @property
    def upper(self) -> Path:
        return Path(layers_of(self.stage.place, str(self.here))) / "upper"

    async def emit(self, event: Event) -> None:
        self.events.append(event)

    async def nothing(self) -> tuple[str, ...]:
        return ()

    def drop(self, *paths: str) -> StageDropped:
        asyncio.run(self.staged.drop(StageDrop(paths=paths)))
        (found,) = [event for event in self.events if isinstance(event, StageDropped)]
        self.events.clear()
        return found

    def refused(self, op: StageCommit) -> str:
        with pytest.raises(InterpreterError) as refused:
            asyncio.run(self.staged.commit(op))
        assert self.walls.open and not self.stage.prepared
        return str(refused.value)


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return Session(tmp_path)


@contextmanager
def ordinary_user() -> Generator[Path]:
    """A folder of an ordinary user, for `as_user`: root may read everything."""
    root = Path(tempfile.mkdtemp(prefix="user-", dir="/tmp"))
    if os.geteuid() == 0:
        os.chown(root, NOBODY, NOBODY)
    try:
        yield root
    finally:
        shutil.rmtree(root, ignore_errors=True)


def as_user(work: Callable[[], None]) -> None:
    if os.geteuid() != 0:
        work()
        return
    concurrent.futures.ThreadPoolExecutor(1).shutdown()  # what is loaded on first use, that user may not read
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            work()
            os._exit(0)
        except BaseException as error:
            os.write(2, f"{type(error).__name__}: {error}\n".encode())
            raise
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_what_nobody_may_read_is_dropped_and_the_rest_committed() -> None:
    with ordinary_user() as root:

        def work() -> None:
            session = Session(root)
            (session.upper / "good").write_text("g")
            (session.upper / "bad").write_text("b")
            (session.upper / "bad").chmod(0)
            for name, mode in (("shut", 0), ("listed", 0o400)):
                (session.upper / name / "in").mkdir(parents=True)
                (session.upper / name).chmod(mode)
            kinds = [(change.path, change.kind) for change in session.stage.changes()]
            assert ("bad", "odd") in kinds and ("shut", "odd") in kinds and ("listed", "odd") in kinds
            assert "good" in "".join(diff(session.stage.layers, session.stage.changes()))
            asyncio.run(session.staged.commit(StageCommit(paths=("good",))))
            assert (session.here / "good").read_text() == "g"
            assert any(isinstance(event, StageCommitted) for event in session.events)
            session.drop("shut")
            assert not (session.upper / "shut").exists()
            session.upper.chmod(0)
            assert "cannot be read" in session.refused(StageCommit())
            assert session.drop().files == UNCOUNTED
            assert session.stage.changes() == [] and os.listdir(session.stage.folder) == ["state.json"]

        as_user(work)


def test_a_stage_of_more_than_can_be_counted_is_dropped(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "MOST", 20)
    for number in range(40):
        (session.upper / f"n{number}").touch()
    with pytest.raises(StageError, match="more than"):
        session.stage.changes()
    assert session.drop().files == UNCOUNTED and session.stage.changes() == []
    assert os.listdir(session.stage.folder) == ["state.json"]


def deep(folder: Path, count: int) -> None:
    fd = os.open(folder, os.O_RDONLY)
    for _number in range(count):
        os.mkdir("x", dir_fd=fd)
        deeper = os.open("x", os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = deeper
    os.close(fd)


def test_folders_in_one_another_without_end_are_dropped(session: Session) -> None:
    deep(session.upper, 1200)
    (session.upper / "other").touch()
    assert session.drop("x").left == 1 and os.listdir(session.upper) == ["other"]
    deep(session.upper, 1200)
    session.drop()
    assert os.listdir(session.stage.folder) == ["state.json"]


def test_removing_follows_no_link_and_opens_what_is_closed(tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "kept").touch()
    (tmp_path / "secret").chmod(0o500)
    with ordinary_user() as root:

        def work() -> None:
            inner = root / "gone" / "a" / "b" / "c"
            inner.mkdir(parents=True)
            (inner / "file").touch()
            (inner / "link").symlink_to(tmp_path / "secret")
            (root / "gone" / "link").symlink_to(tmp_path / "secret")
            for folder in (inner, *list(inner.parents)[:3]):
                folder.chmod(0)
            with removal.opened(str(root)) as fd:
                removal.remove("gone", fd)
            assert os.listdir(root) == []

        as_user(work)
    assert (tmp_path / "secret" / "kept").exists() and (tmp_path / "secret").stat().st_mode & 0o777 == 0o500
    (tmp_path / "secret").chmod(0o700)


def test_what_cannot_be_removed_is_said_and_the_stage_is_empty(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    (session.upper / "n").touch()

    def broken(name: str, below: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("interpreter.staging.stage.remove", broken)
    with pytest.raises(StageError, match="cannot be removed: Input/output error"):
        session.drop()
    assert any(isinstance(event, StageDropped) and event.files == 1 for event in session.events)
    assert session.stage.changes() == [] and session.walls.open


def test_a_refused_commit_leaves_the_stage_open(session: Session) -> None:
    async def taken_back() -> tuple[str, ...]:
        (session.upper / "n").unlink()
        return ()

    async def failing() -> tuple[str, ...]:
        raise StageError("no end")

    for name in "nm":
        (session.upper / name).touch()
    session.end = taken_back
    assert "changes nothing at" in session.refused(StageCommit(paths=("n",)))
    session.end = failing
    assert "no end" in session.refused(StageCommit())
    with pytest.raises(StageError, match="no end"):
        session.drop("m")
    assert session.walls.open
