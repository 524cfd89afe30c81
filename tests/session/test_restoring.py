"""A session that is taken up after everything has ended has its variables again."""

from __future__ import annotations

import json
import time
from pathlib import Path

from interpreter.kernels.ending import alive
from interpreter.kernels.manifests import manifests
from interpreter.llm.scripted import Reply
from interpreter.store import default_home
from interpreter.types.events import CheckpointRestored, SessionResumed
from interpreter.types.ops import Reset

from .helpers import Talk, run

FIRST = [Reply(code="rows = [3, 1, 2]\nalso = rows"), "One.", Reply(code="rows.sort()\nopen('f', 'w')"), "Two."]


async def two_turns(talk: Talk) -> None:
    await talk.turn("one")
    await talk.turn("two")


def ended(session: str) -> str:
    """The session, once its keeper has written the last checkpoint and is gone."""
    while alive(default_home() / "sessions" / session / "run"):
        time.sleep(0.01)
    return session


def folder_of(session: str) -> Path:
    return default_home() / "sessions" / session / "checkpoints"


def test_variables_are_there_after_everything_has_ended(tmp_path: Path) -> None:
    session = ended(run(two_turns, FIRST, tmp_path))

    async def again(talk: Talk) -> None:
        await talk.turn("and now?")
        assert talk.told() == "[1, 2, 3] True"
        (resumed,) = [e for e in (s.event for s in talk.session.log.events()) if isinstance(e, SessionResumed)]
        assert resumed.gone == ()
        assert "There: the python variables as after step 2: also, rows." in resumed.account
        assert [e.names for e in (s.event for s in talk.session.log.events()) if isinstance(e, CheckpointRestored)] == [
            2
        ]

    run(again, [Reply(code="print(rows, also is rows)"), "Three."], tmp_path, resume=session)


def test_a_shell_and_node_have_their_state_again(tmp_path: Path) -> None:
    shell = Reply(code="kept='a b'; mkdir sub; cd sub; shout() { echo \"<$kept>\"; }", language="shell")
    code = "const rows = [3, 1]; const sum = () => rows[0] + rows[1]; const held = setTimeout(() => 0, 1)"
    script = Reply(code=code, language="javascript")
    session = run(two_turns, [shell, "One.", script, "Two."], tmp_path)

    async def again(talk: Talk) -> None:
        await talk.turn("and now?")
        assert talk.told() == "<a b> sub"
        account = next(e.account for e in (s.event for s in talk.session.log.events()) if isinstance(e, SessionResumed))
        assert "held" in account
        await talk.turn("and there?")
        assert talk.told() == "4 undefined"

    then = [Reply(code='echo "$(shout) ${PWD##*/}"', language="shell"), "Three."]
    run(
        again,
        [*then, Reply(code="console.log(sum(), typeof held)", language="javascript"), "Four."],
        tmp_path,
        resume=session,
    )


def test_a_damaged_checkpoint_gives_way_to_the_one_before_it_and_that_is_said(tmp_path: Path) -> None:
    async def first(talk: Talk) -> None:
        await talk.turn("one")
        await talk.saved()
        await talk.turn("two")

    session = ended(run(first, FIRST, tmp_path))
    newest, older = list(manifests(folder_of(session)))[:2]
    written = json.loads((folder_of(session) / f"{newest.sha256}.json").read_text())
    before = json.loads((folder_of(session) / f"{older.sha256}.json").read_text())
    (own,) = [blob for blob in written["blobs"] if blob not in before["blobs"] and named(written, blob)]
    file = folder_of(session) / "blobs" / own
    data = file.read_bytes()
    file.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))

    async def again(talk: Talk) -> None:
        await talk.turn("and now?")
        told = "".join(message.text for message in talk.model.requests[-1].messages)
        assert "after step 1 instead" in told
        assert "[3, 1, 2]" in told

    run(again, [Reply(code="print(rows)"), "Three."], tmp_path, resume=session)


def named(manifest: dict[str, list[dict[str, object]]], blob: str) -> bool:
    """Whether a blob holds variables."""
    return any(group["blob"] == blob and group["names"] for group in manifest["groups"])


def test_a_reset_forgets(tmp_path: Path) -> None:
    async def story(talk: Talk) -> None:
        await two_turns(talk)
        await talk.session.send(Reset())

    session = ended(run(story, FIRST, tmp_path))

    async def again(talk: Talk) -> None:
        await talk.turn("and now?")
        assert "NameError" in talk.told()

    run(again, [Reply(code="print(rows)"), "Three."], tmp_path, resume=session)
