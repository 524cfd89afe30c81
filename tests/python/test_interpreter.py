"""The door for programs: the lines that people know, with a scripted model and everything else real."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from interpreter import Interpreter
from interpreter.errors import ConfigError, StoreError, UsageError
from interpreter.llm.scripted import Reply, ScriptedModel


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Interpreter]:
    with Interpreter() as interpreter:
        interpreter.workspace = tmp_path
        interpreter.auto_run = True
        yield interpreter


def script(interpreter: Interpreter, *replies: Reply | str) -> ScriptedModel:
    model = ScriptedModel(list(replies))
    interpreter.client = model
    return model


def test_the_lines_that_people_know(made: Interpreter, tmp_path: Path) -> None:
    script(made, Reply(code="x = 40\nx + 2"), "It is 42.")
    made.llm.api_base = "http://localhost:8000/v1"
    made.llm.model = "Qwen3-4B-Instruct-2507"
    made.llm.context_window = 32768
    made.llm.max_tokens = 4096
    made.llm.max_retries = 3
    made.os.timeout = 300
    made.os.run_timeout = 600
    assert made.llm.model == "Qwen3-4B-Instruct-2507"
    said = made.chat("what is 40 + 2", display=False)
    assert said == [
        {"role": "user", "type": "message", "content": "what is 40 + 2"},
        {"role": "assistant", "type": "code", "format": "python", "content": "x = 40\nx + 2"},
        {"role": "computer", "type": "console", "format": "output", "content": "42"},
        {"role": "assistant", "type": "message", "content": "It is 42."},
    ]
    backup = tmp_path / "session_backup.json"
    made.chat_history.save(backup)
    assert len(made.chat_history) == 4
    assert json.loads(backup.read_text())["messages"] == said


def test_another_thread_may_close_it(made: Interpreter) -> None:
    script(made, Reply(code="print('on', flush=True)\nimport time\ntime.sleep(600)"), "done")
    closing = threading.Thread(target=made.close)
    for chunk in made.chat("go", stream=True, display=False):
        if chunk.get("content") == "on\n":
            closing.start()
    assert made.result is not None and made.result.reason == "interrupted"
    made.close()  # at once, while the other is still at it
    closing.join(20)
    assert not closing.is_alive() and made.session is None


def test_a_turn_that_goes_on_elsewhere_ends_the_chat(made: Interpreter) -> None:
    script(made, Reply(code="print('on', flush=True)\nimport time\ntime.sleep(600)"), "done")
    with pytest.raises(UsageError, match="The session was closed") as raised:
        for chunk in made.chat("go", stream=True, display=False):
            if chunk.get("content") == "on\n" and made.session is not None:
                made._call(made.session.let_go())  # pyright: ignore[reportPrivateUsage] - as `%detach` does it
    assert made.session is not None and f"interpreter --resume {made.session.id}" in raised.value.hint


def test_chunks_have_start_and_end_marks(made: Interpreter) -> None:
    script(made, Reply(code="print('hi')"), "Said hi.")
    chunks = list(made.chat("greet", stream=True, display=False))
    starts = [(c["role"], c["type"]) for c in chunks if c.get("start")]
    ends = [(c["role"], c["type"]) for c in chunks if c.get("end")]
    assert starts == ends == [("assistant", "code"), ("computer", "console"), ("assistant", "message")]
    assert "".join(c["content"] for c in chunks if c["type"] == "message" and "content" in c) == "Said hi."
    assert "".join(c["content"] for c in chunks if c["type"] == "console" and "content" in c) == "hi\n"


def test_with_nobody_to_ask_nothing_runs_and_the_result_says_so(made: Interpreter, tmp_path: Path) -> None:
    made.auto_run = False
    script(made, Reply(code="open('made', 'w')"))
    for chunk in made.chat("write", stream=True, display=False):
        assert chunk["type"] != "confirmation"
    assert made.result is not None
    assert made.result.exit_code == 4
    assert "Not run" in made.messages[-1]["content"]
    assert not (tmp_path / "made").exists()


def test_reading_on_is_not_a_yes(made: Interpreter, tmp_path: Path) -> None:
    made.auto_run = False
    asked: list[str] = []

    def no(question: str) -> str:
        asked.append(question)
        return "n"

    made.ask = no
    script(made, Reply(code="open('made', 'w')"))
    kinds = [c["type"] for c in made.chat("write", stream=True, display=False)]
    assert "confirmation" in kinds
    assert len(asked) == 1
    assert made.result is not None
    assert made.result.exit_code == 3
    assert not (tmp_path / "made").exists()


def test_a_yes_runs_it(made: Interpreter, tmp_path: Path) -> None:
    made.auto_run = False
    made.ask = lambda _question: "y"
    script(made, Reply(code="open('made', 'w').close()"), "done")
    made.chat("write", display=False)
    assert (tmp_path / "made").exists()


def test_leaving_a_stream_interrupts_the_turn(made: Interpreter) -> None:
    script(made, Reply(code="print('on', flush=True)\nwhile True: pass"), Reply(code="1 + 1"), "2")
    stream = made.chat("long", stream=True, display=False)
    for chunk in stream:
        if chunk.get("content") == "on\n":
            break
    stream.close()
    assert made.result is not None
    assert made.result.reason == "interrupted"
    assert made.chat("again", display=False)[-1]["content"] == "2"


def test_a_wrong_setting_is_refused_at_once_with_the_nearest_name(made: Interpreter) -> None:
    with pytest.raises(ConfigError, match="max_tokens"):
        made.llm.max_token = 5
    with pytest.raises(ConfigError, match="whole number"):
        made.llm.max_tokens = "many"
    with pytest.raises(AttributeError):
        _ = made.nothing


def test_a_changed_setting_takes_effect_and_the_variables_stay(made: Interpreter) -> None:
    model = script(made, Reply(code="x = 5"), "set", Reply(code="print(x)"), "5")
    made.chat("one", display=False)
    made.llm.temperature = 0.5
    made.chat("two", display=False)
    assert model.requests[-1].temperature == 0.5
    assert model.requests[-1].messages[-1].text == "5"


def test_messages_can_be_given(made: Interpreter) -> None:
    model = script(made, "Ann, of course.")
    made.messages = [
        {"role": "user", "type": "message", "content": "My name is Ann."},
        {"role": "assistant", "type": "message", "content": "Hello Ann."},
    ]
    made.chat("Who am I?", display=False)
    assert [m.text for m in model.requests[0].messages[1:]] == ["My name is Ann.", "Hello Ann.", "Who am I?"]
    assert len(made.messages) == 4


def test_load_goes_on_at_the_newest_step_though_the_file_is_older(made: Interpreter, tmp_path: Path) -> None:
    model = script(made, "one", "two", "three")
    made.chat("1", display=False)
    made.chat_history.save(tmp_path / "b.json")
    made.chat("2", display=False)
    told = made.chat_history.load(tmp_path / "b.json")
    assert "further" in told
    made.chat("3", display=False)
    assert [m.text for m in model.requests[-1].messages[1:]] == ["1", "one", "2", "two", "3"]


def test_a_torn_or_absent_file_names_the_session_to_resume(made: Interpreter, tmp_path: Path) -> None:
    script(made, "one", "two")
    made.chat("1", display=False)
    assert made.session is not None
    made.chat_history.save(tmp_path / "b.json")
    (tmp_path / "torn.json").write_bytes((tmp_path / "b.json").read_bytes()[:40])
    with pytest.raises(StoreError, match=made.session.id):
        made.chat_history.load(tmp_path / "torn.json")
    with pytest.raises(ConfigError, match=made.session.id):
        made.chat_history.load(tmp_path / "absent.json")
    assert made.chat("2", display=False)[-1]["content"] == "two"


def test_it_works_inside_a_running_loop(made: Interpreter) -> None:
    script(made, Reply(code="2 + 2"), "4")

    async def main() -> str:
        return made.chat("x", display=False)[-1]["content"]

    assert asyncio.run(main()) == "4"


def test_a_message_that_is_none_is_refused(made: Interpreter) -> None:
    with pytest.raises(UsageError):
        made.chat([], display=False)


def test_display_prints_what_happens(made: Interpreter, capsys: pytest.CaptureFixture[str]) -> None:
    script(made, Reply(code="print('hi')"), "Said hi.")
    made.chat("greet")
    printed = capsys.readouterr().out
    assert "print('hi')" in printed
    assert "\nhi\n" in printed
    assert "Said hi." in printed


def test_importing_starts_prints_and_writes_nothing(tmp_path: Path) -> None:
    code = (
        "import sys, threading, interpreter; before = set(sys.modules);"
        "from interpreter import interpreter as i;"
        "assert threading.active_count() == 1;"
        "heavy = {'httpx', 'rich', 'prompt_toolkit', 'yaml', 'jupyter_client'} & set(sys.modules);"
        "assert not heavy, heavy"
    )
    env = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "INTERPRETER_HOME": str(tmp_path / "home")}
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, env=env, timeout=30)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert list(tmp_path.iterdir()) == []


def test_turns_and_steps_are_taken_back(made: Interpreter, tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        made.undo()
    script(made, Reply(code="open('a', 'w').write('1')"), "One.", Reply(code="open('a', 'w').write('2')"), "Two.")
    made.chat("write", display=False)
    made.chat("again", display=False)
    made.undo()
    assert (tmp_path / "a").read_text() == "1"
    assert [message["content"] for message in made.messages if message["role"] == "user"] == ["write"]
    made.rewind(0, files=True)
    assert not (tmp_path / "a").exists() and made.messages
    made.undo(conversation_only=True)
    assert made.messages == []


def test_the_session_is_exported_as_by_the_command(made: Interpreter, tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        made.export(tmp_path / "early.md")
    script(made, Reply(code="print(6 * 7)"), "It is 42.")
    made.chat("compute", display=False)
    page = made.export(tmp_path / "talk.html")
    assert page == tmp_path / "talk.html" and "It is 42." in page.read_text() and "<html" in page.read_text()
    assert "print(6 * 7)" in made.export(tmp_path / "steps.py").read_text()
    assert json.loads(made.export(tmp_path / "book", form="ipynb").read_text())["nbformat"] == 4
    assert zipfile.is_zipfile(made.export(tmp_path / "all.zip", without=["checkpoints"], redact=True))
    with pytest.raises(UsageError):  # a file is there already
        made.export(page)
    assert made.export(page, force=True) == page
    for wrong in ({"form": "docx"}, {"redact": True}, {"without": ["kernels"]}):
        with pytest.raises(UsageError):
            made.export(tmp_path / "wrong.md", **wrong)  # pyright: ignore[reportArgumentType] - as a program may
    assert not (tmp_path / "wrong.md").exists()
