from __future__ import annotations

import ast
import base64
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from interpreter.errors import UsageError
from interpreter.store import SessionLog, Store
from interpreter.store.export import FORMS, LARGEST_OUTPUT, kept_files
from interpreter.store.export import export as export_text
from interpreter.types.actions import Observation, OutputRef
from interpreter.types.events import ActionFinished
from tests.store.conversation import PNG, conversation, image_path, proposed, ran
from tests.store.samples import every_kind, started, turn


def export(log: SessionLog, form: str, secrets: Sequence[str] = ()) -> str:
    return export_text(log.events(), form, secrets, kept_files(log.folder))


@pytest.fixture
def log(tmp_path: Path) -> Iterator[SessionLog]:
    with Store.open(tmp_path / "home") as store:
        log = store.create("s_1", "/project")
        log.append_now(*conversation(log))
        yield log


def test_markdown_reads_like_the_conversation(log: SessionLog) -> None:
    text = export(log, "md").replace(str(image_path(log)), "IMAGE")
    assert re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d", "MOMENT", text) == (
        "# Session s_1\n\n*MOMENT · /project*\n\n"
        "> Read x.\n> Then plot it. My token=[redacted] is here.\n\n"
        "Let me look.\n\nThen I go on.\n\n"
        "```python\nprint(open('x').read())\n```\n\n"
        "```text\nTraceback ...\nFileNotFoundError: x\n```\n\n"
        "```python\nprint('edited')\n```\n\n"
        "```text\nprinted password=[redacted]\n42\n```\n\n"
        "![image/png](<IMAGE>)\n\n"
        "> and hurry\n\n"
        "```shell\nls *.png\n```\n\n"
        "Here it is.\n\n"
        "> And now?\n\n"
        "*The server is gone.*\n"
    )


def test_a_fence_inside_the_code_does_not_end_the_block(log: SessionLog) -> None:
    log.append_now(turn(4), proposed(4, 'print("""\n````\n""")', "a_9", call="c"))
    assert '`````python\nprint("""\n````\n""")\n`````' in export(log, "md")


def check_notebook(body: dict[str, Any]) -> None:
    """The rules of nbformat 4.5 for what is used here."""
    assert (body["nbformat"], body["nbformat_minor"]) == (4, 5)
    assert set(body) == {"cells", "metadata", "nbformat", "nbformat_minor"}
    assert body["metadata"]["kernelspec"].keys() >= {"name", "display_name"}
    ids = [cell["id"] for cell in body["cells"]]
    assert len(set(ids)) == len(ids) and all(1 <= len(name) <= 64 and name.isalnum() for name in ids)
    for cell in body["cells"]:
        assert isinstance(cell["source"], str) and isinstance(cell["metadata"], dict)
        if cell["cell_type"] == "markdown":
            assert set(cell) == {"cell_type", "id", "metadata", "source"}
            continue
        assert set(cell) == {"cell_type", "id", "metadata", "source", "outputs", "execution_count"}
        for output in cell["outputs"]:
            needed = {
                "stream": {"name", "text"},
                "display_data": {"data", "metadata"},
                "execute_result": {"data", "metadata", "execution_count"},
                "error": {"ename", "evalue", "traceback"},
            }[output["output_type"]]
            assert set(output) == needed | {"output_type"}


def test_a_notebook_holds_outputs_errors_and_images(log: SessionLog) -> None:
    body = json.loads(export(log, "ipynb"))
    check_notebook(body)
    code = [cell for cell in body["cells"] if cell["cell_type"] == "code"]
    assert [cell["source"] for cell in code] == [
        "print(open('x').read())",
        "print('edited')",
        "%%bash\nls *.png",
    ]
    assert [cell["execution_count"] for cell in code] == [1, 2, 3]
    assert code[0]["outputs"][0]["ename"] == "FileNotFoundError"
    stream, image, result = code[1]["outputs"]
    assert stream["text"] == "printed password=[redacted]\n"
    assert base64.b64decode(image["data"]["image/png"]) == PNG
    assert image["data"]["text/plain"] == "<Figure>"
    assert result["data"] == {"text/plain": "42"}
    ast.parse(code[1]["source"])


def test_who_runs_all_cells_runs_nothing_that_was_denied(log: SessionLog) -> None:
    denied = ActionFinished(action="a_8", status="denied", observation=Observation(text="A person said no.", shown=""))
    log.append_now(turn(4), proposed(4, "rm -rf data", "a_8", "shell", "c"), denied)
    body = json.loads(export(log, "ipynb"))
    check_notebook(body)
    assert body["cells"][-1]["cell_type"] == "markdown"
    assert body["cells"][-1]["source"] == "```shell\nrm -rf data\n```\n\n*denied*"


def test_json_lines_are_the_log_itself(log: SessionLog) -> None:
    lines = [json.loads(line) for line in export(log, "jsonl").splitlines()]
    assert [line["seq"] for line in lines] == list(range(1, log.size + 1))
    assert lines[1]["event"]["type"] == "turn_started"
    assert "abcd1234" not in json.dumps(lines)
    assert [line["hash"] for line in lines] == [stored.hash for stored in log.events()]


def test_json_is_what_save_writes(log: SessionLog) -> None:
    body = json.loads(export(log, "json"))
    assert (body["session"], body["seq"]) == ("s_1", log.size)
    assert body["messages"][0]["role"] == "user"


@pytest.mark.parametrize("form", FORMS)
def test_known_secrets_are_in_no_export(log: SessionLog, form: str) -> None:
    log.append_now(turn(7, "correct-horse"), proposed(7, "x = 'correct-horse'", "a_7", call="c"))
    log.append_now(ran("a_7", log.put_bytes(b"correct-horse\n", ".out"), None, result="correct-horse"))
    text = export(log, form, ["correct-horse"])
    assert "correct-horse" not in text and "hunter2" not in text


@pytest.mark.parametrize("form", FORMS)
def test_every_kind_of_event_and_none(tmp_path: Path, form: str) -> None:
    with Store.open(tmp_path) as store:
        log = store.create("s_1", "/project")
        assert export(log, form) or form == "jsonl"
        log.append_now(*every_kind(), *every_kind()[2:16])
        assert export(log, form)


def test_files_that_are_gone_large_or_binary(log: SessionLog) -> None:
    binary, large = log.put_bytes(b"\x7fELF\x00\x01", ".out"), log.put_bytes(b"x" * (LARGEST_OUTPUT + 1), ".out")
    gone = OutputRef(path="/nowhere/x.out", size=9)
    log.append_now(turn(5))
    for name, ref in (("a_5", binary), ("a_6", large), ("a_7", gone)):
        log.append_now(proposed(5, name, name, call="c"), ran(name, ref))
    image_path(log).unlink()
    body = json.loads(export(log, "ipynb"))
    check_notebook(body)
    cells = {cell["source"]: cell["outputs"] for cell in body["cells"] if cell["cell_type"] == "code"}
    assert cells["a_5"][0]["text"] == "[binary data: ELF program, 6 bytes]"
    assert cells["a_6"][0]["text"] == "observed a_6", "what the model read of it"
    assert cells["a_7"][0]["text"] == "observed a_7"
    assert cells["print('edited')"][1]["data"] == {"text/plain": "<Figure>"}
    assert export(log, "md")


def test_another_form_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="pdf") as raised:
        export_text([], "pdf")
    assert "md, ipynb, html, py, json, jsonl" in raised.value.hint


def test_a_session_without_a_start_is_told_too(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        log = store.create("s_1", "/project")
        log.append_now(turn(1, "x"), started())
        assert export(log, "md").endswith(" · /project*\n\n> x\n")
