"""Attacks of code on what belongs to this program: its log, keys, rules and sockets; without walls each is reached."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from interpreter.config.settings import WallOptions
from interpreter.llm.script import Reply
from interpreter.store import Store
from interpreter.types.events import ActionFinished, ActionStarted, ApprovalRequested, ApprovalResolved
from tests.bad.command import needs_walls, talk_of
from tests.session.helpers import Talk

pytestmark = [needs_walls, pytest.mark.skipif(sys.platform != "linux", reason="the walls are Linux's")]
REACHES: dict[str, str] = {
    "the log, to read it": "sqlite3.connect('HOME/log.db').execute('select count(*) from events').fetchone()",
    "the log, to answer a question in it": (
        "db = sqlite3.connect('HOME/log.db'); db.execute('BEGIN IMMEDIATE'); "
        "db.execute('select max(seq) from events').fetchone(); db.rollback()"
    ),
    "the log beside its file": "open('HOME/log.db-wal', 'rb').read(1)",
    "a link to the log": "os.symlink('HOME/log.db', 'a-link'); open('a-link', 'rb').read(1)",
    "the token of the keeper": "open(glob.glob('HOME/sessions/*/run/token')[0]).read()",
    "the socket of the keeper": (
        "s = socket.socket(socket.AF_UNIX); os.chdir(glob.glob('HOME/sessions/*/run')[0]); s.connect('keeper.sock')"
    ),
    "outputs, to change them": "open(glob.glob('HOME/sessions/*/run/outputs/*.out')[0], 'ab').write(b'')",
    "outputs, to plant one": (
        "os.symlink('/etc/passwd', glob.glob('HOME/sessions/*/run/outputs')[0] + '/x_next.out')"
    ),
    "the rules of the session": "open(glob.glob('HOME/sessions/s_*')[0] + '/rules.yaml', 'a').write('')",
    "the rules of the person": "open('HOME/policy.yaml', 'a').write('')",
    "the settings of the person": "open('HOME/config.yaml', 'a').write('')",
    "the folders that are trusted": "open('HOME/trusted.json', 'a').write('')",
    "the log of the network": "open(glob.glob('HOME/sessions/s_*')[0] + '/network.jsonl', 'a').write('')",
    "what was taken away": "os.makedirs(glob.glob('HOME/sessions/s_*')[0] + '/quarantine/x')",
    "the terminal of the person": "open('/proc/PID/fd/0'); open('/proc/PID/environ', 'rb').read(1)",
    "the memory of the host": "f = open('/proc/PID/mem', 'rb'); f.seek(int(MAP, 16)); f.read(1)",
    "the work of the host": "os.listdir('/proc/PID/cwd')",
}  # fmt: skip


def reached(tmp_path: Path, backend: str, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Which of them code gets at. Nothing of it is harmful: to open it is enough."""
    home, work = tmp_path / "tool", tmp_path / "work"
    work.mkdir(parents=True)
    home.mkdir(mode=0o700)
    monkeypatch.setenv("INTERPRETER_HOME", str(home))
    for name, text in (("policy.yaml", "version: 1\n"), ("config.yaml", "timeout: 30\n"), ("trusted.json", "{}")):
        (home / name).write_text(text)
    here = Path("/proc/self/maps").read_text().split("-", 1)[0]
    table = {name: code.replace("HOME", str(home)).replace("PID", str(os.getpid())).replace("MAP", repr(here))
             for name, code in REACHES.items()}  # fmt: skip
    loop = (
        "import glob, json, os, socket, sqlite3\nhere = os.getcwd()\nfound = []\n"
        f"for name, code in {table!r}.items():\n"
        "    os.chdir(here)\n"
        "    try:\n        exec(code)\n        found.append(name)\n"
        "    except Exception as error:\n        print(name, repr(error))\n"
        "os.chdir(here)\nwith open('found.json', 'w') as file: json.dump(found, file)\n"
    )
    ends: list[ActionFinished] = []

    def yes(event: object) -> None:
        assert not isinstance(event, ApprovalRequested), event

    async def story(talk: Talk) -> None:
        await talk.turn("go", on=yes)
        ends.extend(talk.of(ActionFinished))
        assert len(talk.of(ActionStarted)) == 2 and not talk.of(ApprovalResolved)

    (home / "policy.yaml").write_text(
        "version: 1\nrules:\n  - {name: mine, decision: allow, language: python, unknown: true}\n"
        "disable: [reading-keys, what-runs-by-itself]\n"
    )
    walls = WallOptions(backend=backend)  # pyright: ignore[reportArgumentType] - one of their names
    talk_of(story, [Reply(code="print('an output')"), Reply(code=loop), "done"], work, walls=walls)
    assert (work / "found.json").exists(), ends[-1].observation.text
    with Store.open(home) as store:
        assert store.visit(store.find("last").id).verify().whole
    return set(json.loads((work / "found.json").read_text()))


def test_code_reaches_nothing_that_is_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert reached(tmp_path, "auto", monkeypatch) == set()


def test_without_walls_it_reaches_all_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    missed = set(REACHES) - reached(tmp_path, "host", monkeypatch)
    assert missed == set()
