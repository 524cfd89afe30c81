"""The commands of a conversation, on a real terminal with real kernels."""

from __future__ import annotations

import json
from pathlib import Path

from interpreter.cli.words import COMMAND_WORDS
from tests.cli.terminal import Terminal

from .world import World, reply


def say(terminal: Terminal, text: str) -> None:
    """Write a line and wait for the next prompt."""
    prompts = terminal.text.count("\n>")
    terminal.send(text + "\r")
    terminal.wait_for("\n>", times=prompts + 1)


def leave(terminal: Terminal) -> None:
    terminal.send("\x04")
    assert terminal.finish() == 0


def test_e81_help_lists_every_command(world: World) -> None:
    world.serve("Never.")
    with world.talk(lines=60) as terminal:
        say(terminal, "%help")
        for name in COMMAND_WORDS:
            assert f"%{name}" in terminal.text
        say(terminal, "%halp")
        assert "There is no command %halp. Did you mean %help?" in terminal.text
        leave(terminal)


def test_e82_undo_takes_back_the_last_turn(world: World) -> None:
    world.serve(reply(code="open('made', 'w').close()"), "One.", "Two.", "Three.", "Four.")
    made = world.here / "made"
    with world.talk("-y") as terminal:
        for text in ("first", "second", "%undo", "third"):
            say(terminal, text)
        assert "Taken back. Files and variables are as they were." in terminal.text
        assert made.exists()
        for text in ("%undo 2", "fourth"):
            say(terminal, text)
        assert "Taken back: the last 2 turns." in terminal.text
        assert not made.exists()
        leave(terminal)
    asked = [[m["content"] for m in one["messages"] if m["role"] == "user"] for one in world.requests()]
    assert asked[3] == ["first", "third"]
    assert len(asked[4]) == 1 and "fourth" in asked[4][0]


def test_e83_reset_begins_anew_with_new_kernels(world: World) -> None:
    world.serve(reply(code="kept = 1"), "Set.", reply(code="print('kept' in globals())"), "Gone.")
    with world.talk("-y") as terminal:
        for text in ("set it", "%reset", "look"):
            say(terminal, text)
        leave(terminal)
    assert world.told(-1) == "False"
    assert "set it" not in str(world.requests()[-1]["messages"])


def test_e84_save_and_load(world: World) -> None:
    world.serve(reply(code="kept = 42"), "Kept.", reply(code="print(kept)"), "Still.")
    with world.talk("-y") as terminal:
        say(terminal, "keep it")
        say(terminal, "%save 对话.json")
        assert "Saved " in terminal.text
        leave(terminal)
    first = world.session()
    saved = json.loads((world.here / "对话.json").read_text())
    assert saved["session"] == first and saved["messages"][0]["content"] == "keep it"
    with world.talk("-y") as terminal:
        prompts = terminal.text.count("\n>")
        terminal.send("%load 对话.json\r")
        terminal.wait_for(f"Session {first} goes on.")
        terminal.wait_for("\n>", times=prompts + 1)
        say(terminal, "print it")
        leave(terminal)
    assert "keep it" in str(world.requests()[-1]["messages"])
    assert world.session() == first


def test_e85_resume_in_a_conversation(world: World) -> None:
    world.serve("One.", "Two.")
    assert world.run("the first session").code == 0
    first = world.session()
    with world.talk() as terminal:
        say(terminal, f"%resume {first[:8]}")
        terminal.wait_for(f"Session {first} goes on.")
        say(terminal, "more")
        leave(terminal)
    assert "the first session" in str(world.requests()[1]["messages"])


def test_e86_sessions_are_listed(world: World) -> None:
    world.serve("One.")
    assert world.run("数一数 the files").code == 0
    with world.talk() as terminal:
        say(terminal, "%sessions")
        assert "数一数 the files" in terminal.text and "done" in terminal.text and "running" in terminal.text
        leave(terminal)


def test_e87_another_model(world: World) -> None:
    world.serve("From one.", "From two.", model="one", models=["one", "two"])
    with world.talk("-m", "one") as terminal:
        say(terminal, "hello")
        say(terminal, "%model")
        assert "one · scripted · http://127.0.0.1" in terminal.text and "The server also has: two" in terminal.text
        prompts = terminal.text.count("\n>")
        terminal.send("%model two\r")
        terminal.wait_for("goes on.")
        terminal.wait_for("\n>", times=prompts + 1)
        say(terminal, "and now")
        assert "From two." in terminal.text
        leave(terminal)
    assert [request["model"] for request in world.requests()] == ["one", "two"]


def test_e88_tokens_auto_and_verbose(world: World) -> None:
    usage = {"prompt": 1000, "cached": 400, "completion": 20}
    world.serve(reply("Hello.", usage=usage), reply(code="print('ran')", usage=usage), reply("Done.", usage=usage))
    with world.talk() as terminal:
        say(terminal, "hello")
        say(terminal, "%tokens")
        assert "1 turns: 1000 tokens read (400 from the cache), 20 written" in terminal.text
        say(terminal, "%auto on")
        assert "Code runs without a question, as far as the rules allow it." in terminal.text
        say(terminal, "%verbose on")
        say(terminal, "run it")
        assert "ran" in terminal.text and "Step 1: asking scripted" in terminal.text
        say(terminal, "%auto off")
        assert "You are asked before code runs." in terminal.text
        leave(terminal)


def test_e89_exports(world: World) -> None:
    world.serve(reply("I compute it.", "print(6 * 7)"), "It is **42**.")
    with world.talk("-y") as terminal:
        say(terminal, "compute")
        say(terminal, "%jupyter out.ipynb")
        say(terminal, "%markdown out.md")
        leave(terminal)
    notebook = json.loads((world.here / "out.ipynb").read_text())
    assert notebook["nbformat"] == 4 and "print(6 * 7)" in json.dumps(notebook)
    assert "It is **42**." in (world.here / "out.md").read_text()


def test_e90_own_shell_code_in_the_same_sandbox(world: World) -> None:
    world.serve("You made a folder.")
    with world.talk() as terminal:
        say(terminal, "%% mkdir made && cd made && echo made in $(basename $PWD)")
        assert "made in made" in terminal.text
        say(terminal, "%% pwd")
        assert f"{world.here}/made" in terminal.text.replace("\n", "")
        say(terminal, "what did I do?")
        leave(terminal)
    assert (world.here / "made").is_dir() and "mkdir made" in str(world.requests()[0]["messages"])


def test_e91_several_lines_and_pastes(world: World) -> None:
    world.serve("One.", "Two.")
    with world.talk() as terminal:
        terminal.send('"""first line\r第二行\r')
        say(terminal, 'third"""')
        say(terminal, "\x1b[200~pasted\nin two lines\x1b[201~")
        leave(terminal)
    assert world.requests()[0]["messages"][-1]["content"] == "first line\n第二行\nthird"
    assert world.requests()[1]["messages"][-1]["content"] == "pasted\nin two lines"


def test_e92_code_that_waited_is_asked_for_when_the_conversation_goes_on(world: World) -> None:
    world.serve(reply(code="open('made', 'w').close()"))
    assert world.run("make a file").code == 4
    world.serve("It is made.")
    with world.terminal("--resume") as terminal:
        terminal.wait_for("Code is waiting for your answer:")
        terminal.wait_for("a always")
        terminal.send("y\n")
        terminal.wait_for("It is made.")
        terminal.wait_for("\n>")
        leave(terminal)
    assert (world.here / "made").exists()


def test_e93_a_model_that_fails_leaves_the_conversation(world: World) -> None:
    world.serve({"fault": "server_error", "times": 3}, "It works again.")
    with world.talk() as terminal:
        say(terminal, "hello")
        assert "Traceback" not in terminal.text
        say(terminal, "again")
        assert "It works again." in terminal.text
        leave(terminal)


def test_e94_history_of_lines_is_private(world: World) -> None:
    world.serve("One.")
    with world.talk() as terminal:
        say(terminal, "remember me")
        leave(terminal)
    with world.talk() as terminal:
        terminal.send("\x1b[A")
        terminal.wait_for("> remember me")
        terminal.send("\x03")
        terminal.wait_for("Ctrl-C again or Ctrl-D leaves.")
        terminal.send("\x03")
        assert terminal.finish() == 0
    files = [path for path in world.root.rglob("history*") if path.is_file() and world.here not in path.parents]
    assert files and all(path.stat().st_mode & 0o077 == 0 for path in map(Path, files))
