"""Folders, files and settings that are not what they should be: a sentence, nothing lost, no trace of Python."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Generator
from pathlib import Path

import pytest

from interpreter.llm.script import Reply
from interpreter.types.events import ActionFinished
from tests import zygote
from tests.session.helpers import Talk

from .command import COMMAND, ROOT, Place, needs_walls, played, talk_of

needs_root = pytest.mark.skipif(not ROOT, reason="only root can mount")
needs_user = pytest.mark.skipif(ROOT, reason="root may read and write everything")


def bomb() -> bytes:
    rows = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    rows += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    return "\n".join(rows).encode()


CONTENTS = {
    "empty": b"",
    "comment": b"# nothing yet\n",
    "binary": bytes(range(256)) * 10,
    "zeros": b"\0" * 1000,
    "list": b"- a\n- b\n",
    "word": b"hello",
    "tags": b"model: !!python/object/apply:os.system ['touch pwned']\n",
    "bomb": bomb(),
    "deep": b"[" * 10_000,
    "control codes": b'"\\e[2Jmodle": x\n',
    "tabs": b"llm:\n\tmodel: x\n",
}


def fill(config: Path, kind: str) -> None:
    if kind == "folder":
        config.mkdir()
    elif kind == "fifo":
        os.mkfifo(config)
    elif kind in ("dangling", "loop"):
        config.symlink_to("nowhere" if kind == "dangling" else config.name)
    else:
        with config.open("wb") as file:
            file.write(CONTENTS.get(kind, b""))
            if kind == "100 MB":
                file.truncate(100 << 20)


FINE = ("empty", "comment", "dangling")
WRONG = (
    "binary",
    "zeros",
    "folder",
    "100 MB",
    "list",
    "word",
    "tags",
    "bomb",
    "deep",
    "control codes",
    "tabs",
    "fifo",
    "loop",
)


@pytest.mark.parametrize("where", ["project", "person"])
@pytest.mark.parametrize("kind", [*FINE, *WRONG])
def test_a_configuration_that_is_none(place: Place, kind: str, where: str) -> None:
    folder = place.work / ".interpreter" if where == "project" else place.home
    folder.mkdir(parents=True)
    fill(folder / "config.yaml", kind)
    ran = place.run("config", "show")
    assert ran.code == (0 if kind in FINE else 2), ran.text
    if kind in WRONG:
        assert "config.yaml" in ran.text
    assert b"\x1b" not in ran.out + ran.err
    assert len(ran.err) < 3000
    assert not (place.work / "pwned").exists()


@needs_user
def test_a_configuration_that_cannot_be_read(place: Place) -> None:
    folder = place.work / ".interpreter"
    folder.mkdir()
    (folder / "config.yaml").write_text("timeout: 3\n")
    (folder / "config.yaml").chmod(0)
    place.run("config", "show").says(2, "config.yaml", "ermission denied")


def damage(log: Path, how: str) -> None:
    data = log.read_bytes()
    match how:
        case "text":
            log.write_bytes(b"this is no database, it is a letter\n" * 200)
        case "empty":
            log.write_bytes(b"")
        case "cut":
            log.write_bytes(data[: len(data) // 2])
        case "head":
            log.write_bytes(b"\0" * 100 + data[100:])
        case "middle":
            half = len(data) // 2
            log.write_bytes(data[:half] + b"\xff" * 4096 + data[half + 4096 :])
        case "folder":
            log.unlink()
            log.mkdir()
        case "other program":
            log.unlink()
            with sqlite3.connect(log) as other:
                other.execute("CREATE TABLE sessions (mine TEXT)")
            other.close()
        case _:
            raise AssertionError(how)


@pytest.mark.parametrize("how", ["text", "cut", "head", "middle", "folder", "other program"])
def test_a_log_that_is_damaged_is_left_as_it_is(place: Place, how: str) -> None:
    with played(place, "one", "two"):
        assert place.ask("-y", "hello").code == 0
        log = place.home / "log.db"
        for beside in place.home.glob("log.db-*"):
            beside.unlink()
        damage(log, how)
        before = log.read_bytes() if log.is_file() else b""
        ran = place.ask("-y", "--resume", "last", "again")
        again = place.run("sessions")
    assert ran.code in (1, 2), ran.text
    assert "log.db" in ran.text or "s_" in ran.text
    assert any(word in ran.text for word in ("left as it is", "INTERPRETER_HOME", "othing was changed")), ran.text
    if how in ("text", "head", "other program"):
        assert log.read_bytes() == before
    assert again.code in (0, 1, 2)


@pytest.mark.parametrize("how", ["file", "log is a folder", "file above", "zero"])
def test_a_home_that_is_none(place: Place, how: str) -> None:
    home = place.home
    match how:
        case "file":
            home.write_text("x")
        case "log is a folder":
            (home / "log.db").mkdir(parents=True)
        case "file above":
            (place.top / "file").write_text("x")
            home = place.top / "file" / "home"
        case _:
            home = Path("/dev/null")
    with played(place, "hi"):
        ran = place.ask("-y", "hello", INTERPRETER_HOME=str(home))
    assert ran.code == 1, ran.text
    ran.says(1, "INTERPRETER_HOME")
    assert "othing was changed" in ran.text or "is kept" in ran.text


@needs_user
def test_a_home_that_cannot_be_written(place: Place) -> None:
    place.home.mkdir()
    place.home.chmod(0o500)
    with played(place, "hi"):
        place.ask("-y", "hello").says(1, str(place.home), "INTERPRETER_HOME")


@needs_walls
@pytest.mark.parametrize(
    "name",
    [
        "工作 文件夹",
        "a'b\"c$(touch pwned)`id`",
        "-rf",
        "é\u0301",
        "%s{}",
        "x" * 200,
        "new\nline",
        "\x1b[2J",
        "🦆",
        "a:b,c=d",
    ],
)
def test_folders_of_any_name(tmp_path: Path, name: str) -> None:
    place = Place(tmp_path, work=name, forks=True)
    code = "import os; open('made', 'w').write('x'); print(os.path.exists(os.path.join(os.getcwd(), 'made')))"
    with played(place, Reply(code=code), Reply(code="cat made && pwd", language="shell"), "done"):
        ran = place.ask("-y", "hello")
    ran.says(0, "done")
    assert (place.work / "made").read_text() == "x"
    assert [e.status for e in place.stored() if isinstance(e, ActionFinished)] == ["ok", "ok"]
    assert b"\x1b[2J" not in ran.out + ran.err
    assert not (place.work / "pwned").exists()
    assert not Path("pwned").exists()


@needs_walls
@pytest.mark.parametrize("length", [200, 450])
def test_a_home_with_a_long_path(tmp_path: Path, length: int) -> None:
    home = tmp_path
    while len(str(home)) < length:
        home = home / ("h" * min(100, length - len(str(home))))
    place = Place(tmp_path)
    with played(place, Reply(code="print(6 * 7)"), "It is 42."):
        ran = place.ask("-y", "hello", INTERPRETER_HOME=str(home))
    ran.says(0, "It is 42.")


@needs_walls
@pytest.mark.parametrize("length", [1000, 3000])
def test_a_working_folder_with_a_long_path(tmp_path: Path, length: int) -> None:
    deep = tmp_path
    while len(str(deep)) < length:
        deep = deep / ("w" * 150)
    deep.mkdir(parents=True)
    place = Place(tmp_path)
    with played(place, Reply(code="open('made', 'w').write('x')"), "done"):
        ran = place.ask("-y", "hello", cwd=deep)
    ran.says(0, "done")
    assert (deep / "made").exists()


@needs_walls
def test_a_read_only_folder(place: Place) -> None:
    place.work.chmod(0o555)
    with played(place, Reply(code="open('made', 'w')"), "I cannot write here."):
        ran = place.ask("-y", "hello")
        told = place.told()
    place.work.chmod(0o755)
    ran.says(0, "I cannot write here.")
    if not ROOT:
        assert "ermission denied" in told


@needs_walls
def test_a_working_folder_that_is_removed_while_code_runs(place: Place) -> None:
    """By the person, from outside: the session says what is the matter, and it goes on in a new folder of that name."""
    wait = "import time, os\nopen('on', 'w').close()\nwhile os.path.exists('on'): time.sleep(0.01)\nprint('still here')"
    with played(place, Reply(code=wait), Reply(code="open('x', 'w')"), "I stop.", "again"):
        words = [*COMMAND, "--api_base", place.url, "-y", "go"]
        with zygote.popen(
            words,
            cwd=place.work,
            env=place.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process:
            while not (place.work / "on").exists():
                assert process.poll() is None
                time.sleep(0.01)
            shutil.rmtree(place.work)
            out, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        assert b"Traceback" not in out
        statuses = [e.status for e in place.stored() if isinstance(e, ActionFinished)]
        assert statuses[0] == "ok"
        assert statuses[1] in ("error", "ok")
        ran = place.ask("-y", "--resume", "last", "again", cwd=place.top)
        assert ran.code == 2, ran.text
        assert str(place.work) in ran.text
        place.work.mkdir()
        place.ask("-y", "--resume", "last", "again", cwd=place.top).says(0, "again")


@needs_walls
def test_a_working_folder_that_becomes_a_link(place: Place) -> None:
    secret = place.top / "secret"
    secret.mkdir()
    with played(place, "one", Reply(code="open('made', 'w').write('x')"), "two"):
        place.ask("-y", "hello").says(0, "one")
        place.work.rmdir()
        place.work.symlink_to(secret)
        ran = place.ask("-y", "--resume", "last", "again", cwd=place.top)
    ran.says(2, str(place.work), str(secret), "--workspace")
    assert not (secret / "made").exists(), "the session was for another folder"


def test_a_deleted_working_folder(place: Place) -> None:
    gone = place.top / "gone"
    gone.mkdir()
    words = [*COMMAND, "-y", "hi"]
    code = f"import os; os.chdir({str(gone)!r}); os.rmdir({str(gone)!r}); os.execv({sys.executable!r}, {words!r})"
    done = subprocess.run(
        [sys.executable, "-c", code], env=place.env, capture_output=True, stdin=subprocess.DEVNULL, check=False
    )
    assert done.returncode == 2
    assert b"no longer exists" in done.stderr and b"Traceback" not in done.stderr


@pytest.mark.parametrize(
    "task",
    [
        "a\x1b[2Jb",
        "\u202eevil",
        "x" * 100_000,
        "\ud800".encode("utf-8", "surrogatepass").decode("utf-8", "surrogateescape"),
    ],
)
def test_tasks_of_any_kind(place: Place, task: str) -> None:
    with played(place, "fine"):
        place.ask("-y", task).says(0, "fine")
        place.run("sessions").says(0)
        ran = place.run("sessions", "show", "last")
    assert ran.code == 0
    assert b"\x1b" not in ran.out
    assert "\u202e" not in ran.text


STREAMS = {
    "no stdin": ("<&-", 0),
    "no stdout": (">&-", 0),
    "no stderr": ("2>&-", 0),
    "nothing at all": ("<&- >&- 2>&-", 0),
    "stdout full": (">/dev/full", 1),
    "stderr full": ("2>/dev/full", 0),
    "both full": (">/dev/full 2>/dev/full", 1),
}


@needs_walls
@pytest.mark.skipif(sys.platform != "linux", reason="/dev/full is Linux's")
@pytest.mark.parametrize("output", ["text", "json", "jsonl"])
@pytest.mark.parametrize(("redirect", "code"), STREAMS.values(), ids=STREAMS.keys())
def test_streams_that_are_closed_or_full(place: Place, redirect: str, code: int, output: str) -> None:
    with played(place, Reply(code="open('made', 'w').write('x')"), "done"):
        ran = place.ask("-y", "hello", "--output", output, around=["/bin/sh", "-c", f'exec "$@" {redirect}', "sh"])
    assert ran.code == code, ran.text
    if output != "jsonl" or "full" not in redirect:
        assert (place.work / "made").exists()
    place.stored()


@pytest.mark.parametrize("language", ["C", "POSIX", "", "xx_YY.nonsense", "zh_CN.GB18030", "tr_TR.UTF-8"])
def test_any_locale(place: Place, language: str) -> None:
    with played(place, Reply(text="Grüße, 世界 🦆")):
        ran = place.ask("-y", "你好", LC_ALL=language, LANG=language, PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    assert ran.code == 0, ran.text
    assert place.stored()


def test_two_programs_on_one_session(place: Place) -> None:
    with played(place, Reply(text="slow", delay=20), "quick"):
        words = [*COMMAND, "--api_base", place.url, "-y", "go"]
        with zygote.popen(
            words,
            cwd=place.work,
            env=place.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        ) as first:
            while (
                not (place.top / "asked.jsonl").exists() or "completions" not in (place.top / "asked.jsonl").read_text()
            ):
                assert first.poll() is None
                time.sleep(0.02)
            ran = place.ask("-y", "--resume", "last", "me too")
            other = place.ask("-y", "a new one")
            first.terminate()
            first.communicate(timeout=30)
    assert ran.code == 2, ran.text
    assert str(first.pid) in ran.text and "interpreter attach" in ran.text, ran.text
    other.says(0, "quick")


class Clock:
    """Time that goes backwards, an hour at each look."""

    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        self.now -= 3600
        return self.now


@needs_walls
def test_a_clock_that_goes_backwards(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERPRETER_HOME", str(place.home))
    monkeypatch.setattr(time, "time", Clock())

    async def story(talk: Talk) -> None:
        assert (await talk.turn("one")).reason == "done"
        assert (await talk.turn("two")).reason == "done"

    session = talk_of(story, [Reply(code="print(1)"), "done", "again"], place.work)
    talk_of(story, [Reply(code="print(1)"), "done", "again"], place.work, resume=session)
    monkeypatch.undo()
    assert len([e for e in place.stored() if isinstance(e, ActionFinished)]) == 2
    assert place.run("sessions").code == 0


@needs_root
@needs_walls
def test_a_machine_without_shared_memory(place: Place) -> None:
    hide = 'mount -t tmpfs -o size=64k,mode=000 none /dev/shm && exec "$@"'
    without = ["unshare", "-m", "sh", "-c", hide, "sh"]
    if subprocess.run([*without, "true"], capture_output=True, check=False).returncode:
        pytest.skip("nothing can be mounted here")
    with played(place, Reply(code="print(6 * 7)"), "It is 42."):
        place.ask("-y", "go", around=without).says(0, "It is 42.")


@pytest.fixture
def small_disk(tmp_path: Path) -> Generator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip(f"nothing can be mounted here: {done.stderr.decode().strip()}")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


@needs_root
@needs_walls
@pytest.mark.parametrize("free", [0, 40, 120, 300])
def test_a_full_disk_under_the_log(place: Place, small_disk: Path, free: int) -> None:
    """With `free` kB left: an answer or a sentence, and after there is space again the session goes on."""
    home = small_disk / "home"
    with played(place, Reply(code="print('x' * 3000)", times=3), "done", "again"):
        place.ask("-y", "hello", "--max_steps", "1", INTERPRETER_HOME=str(home))
        room = os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_frsize
        with (small_disk / "ballast").open("wb") as file:
            file.write(b"x" * max(0, room - free * 1024))
        ran = place.ask("-y", "--resume", "last", "go on", INTERPRETER_HOME=str(home))
        assert ran.code in (0, 1), ran.text
        if ran.code:
            assert "No space left" in ran.text or "full" in ran.text, ran.text
        (small_disk / "ballast").unlink()
        place.home = home
        ran = place.ask("-y", "--resume", "last", "go on", INTERPRETER_HOME=str(home))
        ran.says(0)
        place.stored()
