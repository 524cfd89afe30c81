"""What a person sees and answers on a real terminal, with real kernels: approvals, Ctrl-C, input, installs, grants."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from interpreter.types.events import ActionFinished, ActionProposed, ActionStarted, SessionClosed, TurnFinished
from tests.cli.terminal import Terminal
from tests.kernels.test_install import wheel

from .world import COMMAND, World, reply, until

ASKED = "a always"
YES_NO = "y yes · n no:"
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def test_e63_yes(world: World) -> None:
    world.serve(reply("I compute it.", "print(6 * 7)"), "It is 42.")
    with world.terminal("compute") as terminal:
        terminal.wait_for(ASKED)
        assert "print(6 * 7)" in terminal.text and "Run this Python code (sandbox (" in terminal.text
        assert world.of(ActionStarted) == []
        terminal.send("y\n")
        assert terminal.finish() == 0
        assert "42" in terminal.text and "It is 42." in terminal.text


def test_e64_no_ends_with_3(world: World) -> None:
    world.serve(reply(code="open('made', 'w')"), "Never.")
    with world.terminal("make") as terminal:
        terminal.wait_for(ASKED)
        terminal.send("n\n")
        assert terminal.finish() == 3
        assert "not run: you said no" in terminal.text
    assert not (world.here / "made").exists() and len(world.requests()) == 1


def test_e65_no_with_a_reason_goes_on(world: World) -> None:
    world.serve(reply(code="open('made', 'w')"), reply("Then like this.", "print('kind')"), "Done kindly.")
    with world.terminal("make") as terminal:
        terminal.wait_for(ASKED)
        terminal.send("n 不要写文件\n")
        terminal.wait_for(ASKED, times=2)
        terminal.send("y\n")
        assert terminal.finish() == 0
        assert "Done kindly." in terminal.text
    assert "不要写文件" in world.told(1) and not (world.here / "made").exists()


def test_e66_what_runs_is_what_was_edited(world: World) -> None:
    script = world.root / "my editor"
    script.write_text(f"#!{sys.executable}\nimport sys\nopen(sys.argv[-1], 'a').write('\\nprint(\"edited\")')\n")
    script.chmod(0o755)
    world.serve(reply(code="print('proposed')"), "Done.")
    with world.terminal("print", env={"EDITOR": f"'{script}'"}) as terminal:
        terminal.wait_for(ASKED)
        terminal.send("e\n")
        assert terminal.finish() == 0
        assert "Edited; this runs:" in terminal.text
    assert 'print(\\"edited\\")' in str(world.log.read_text()) and "edited" in world.told(1)


def test_e67_always_holds_for_this_language_in_this_session(world: World) -> None:
    world.serve(reply(code="print(1)"), reply(code="print(2)"), reply(code="echo 3", language="shell"), "Never.")
    with world.terminal("count") as terminal:
        terminal.wait_for(ASKED)
        terminal.send("a\n")
        terminal.wait_for("Run this Shell code")
        terminal.wait_for(ASKED, times=2)
        terminal.send("n\n")
        assert terminal.finish() == 3
    assert world.told(2) == "2"


def test_e68_ctrl_c_once_stops_and_is_back_at_the_prompt(world: World) -> None:
    world.serve(
        reply(code="kept = 41\nprint('on', flush=True)\nimport time\ntime.sleep(600)"),
        reply(code="print('and', kept + 1)"),
        "Still there.",
    )
    with world.talk("-y") as terminal:
        terminal.send("wait\r")
        terminal.wait_for("\non\n")
        terminal.send("\x03")
        terminal.wait_for("Stopping what runs.")
        terminal.wait_for("stopped after")
        terminal.wait_for("\n>", times=2)
        terminal.send("go on\r")
        terminal.wait_for("and 42")
        terminal.wait_for("Still there.")
        terminal.wait_for("\n>", times=3)
        terminal.send("\x04")
        assert terminal.finish() == 0
    assert "The person interrupted." in str(world.requests()[1]["messages"])


def test_e69_ctrl_c_twice_leaves_and_everything_is_kept(world: World) -> None:
    deaf = "import signal, time\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nprint('on', flush=True)\ntime.sleep(600)"
    world.serve(reply(code=deaf), "Never.")
    with world.talk("-y") as terminal:
        terminal.send("wait\r")
        terminal.wait_for("\non\n")
        terminal.send("\x03")
        terminal.wait_for("Stopping what runs.")
        terminal.send("\x03")
        assert terminal.finish() == 130
        assert f"interpreter --resume {world.session()}" in terminal.text
    assert len(world.of(TurnFinished)) == 1


def test_e127_ctrl_c_again_and_again_leaves_at_once_and_the_terminal_as_it_was(world: World) -> None:
    deaf = "import signal, time\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nprint('on', flush=True)\ntime.sleep(600)"
    url = world.serve(reply(code=deaf), "Never.")
    ended = world.here / "ended"
    # The last Ctrl-C may come after the program's end: it would end `stty`, and take away what is on its way.
    wait = "trap '' INT; : > ended; while [ ! -e said ]; do sleep 0.02; done"
    script = f"trap : INT; {COMMAND} -y -ab {url}; code=$?; {wait}; echo code $code; stty -a; echo END"
    with Terminal(["/bin/sh", "-c", script], world.here, env=world.env | {"TERM": "xterm-256color"}) as terminal:

        def pressed() -> bool:
            terminal.send("\x03")
            return ended.exists()

        terminal.wait_for("\n>", 30)
        terminal.send("wait\r")
        terminal.wait_for("\non\n")
        until(pressed, "the program ends")
        (world.here / "said").touch()
        terminal.wait_for("END")
        assert "code 130" in terminal.text
        assert " echo " in terminal.text and " icrnl " in terminal.text and " icanon " in terminal.text


def close_window(terminal: Terminal, then: Path) -> int:
    """Take the terminal away from the program, then make this file; its exit code."""
    process = terminal.child.ptyproc
    process.fileobj.close()  # not its number alone: the object would close it again, whatever it is by then
    process.closed = True
    then.touch()
    return process.wait()


def test_e70_the_terminal_is_closed_while_code_runs(world: World) -> None:
    wait = "while not os.path.exists('go'): time.sleep(0.02)"
    world.serve(reply(code=f"import os, time\nprint('on', flush=True)\n{wait}"), "Done.")
    terminal = world.talk("-y")
    terminal.send("wait\r")
    terminal.wait_for("\non\n")
    assert close_window(terminal, world.here / "go") == 130
    assert [event.reason for event in world.of(TurnFinished)] == ["done"]
    assert len(world.of(ActionFinished)) == len(world.of(ActionProposed)) == len(world.of(TurnFinished)) == 1
    assert isinstance(world.events()[-1], SessionClosed)


def test_e71_a_program_asks_for_a_line(world: World) -> None:
    world.serve(reply(code="name = input('Name: ')\nprint('hello', name)"), "Greeted.")
    with world.terminal("-y", "greet") as terminal:
        terminal.wait_for("Name:")
        terminal.wait_for("\n>")
        terminal.send("王小明\n")
        assert terminal.finish() == 0
        assert "hello 王小明" in terminal.text
    assert "hello 王小明" in world.told(1)


def test_e72_unattended_nobody_answers_a_program(world: World) -> None:
    world.serve(reply(code="name = input('Name: ')"), "It wanted a name.")
    done = world.run("-y", "--output", "json", "greet")
    (action,) = done.result["actions"]
    assert (done.code, action["status"]) == (0, "error") and "input" in action["output"].lower()


def module(world: World) -> dict[str, str]:
    """An index of one wheel, on disk."""
    wheel(world.root / "wheels", "tinymodule")
    return {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": (world.root / "wheels").as_uri(), "PIP_CONFIG_FILE": os.devnull}


def test_e73_a_missing_module_is_one_question_and_no_is_no(world: World) -> None:
    env = module(world)
    world.serve(reply(code="import tinymodule"), reply(code="import tinymodule"), "I do without.")
    with world.terminal("-y", "use tinymodule", env=env) as terminal:
        terminal.wait_for("Install this into the project's environment?")
        terminal.wait_for(YES_NO)
        terminal.send("n\n")
        assert terminal.finish() == 0
        assert terminal.text.count("Install this") == 1
    assert "tinymodule" in world.told(1) and "work without it" in world.told(1)


def test_e74_a_missing_module_is_installed_after_a_yes(world: World) -> None:
    env = module(world)
    code = "import tinymodule\nprint('version', tinymodule.version)"
    world.serve(reply(code=code), reply(code=code), "It works.")
    with world.terminal("-y", "use tinymodule", env=env) as terminal:
        terminal.wait_for(YES_NO)
        terminal.send("y\n")
        assert terminal.finish(60) == 0
        assert "version 1.0" in terminal.text and "It works." in terminal.text
        assert terminal.text.count("Installed: tinymodule 1.0.") == 1


def outside(world: World) -> Path:
    path = world.home / "Downloads" / "sales figures.csv"
    path.parent.mkdir()
    path.write_text("day,sum\n1,42\n")
    return path


def test_e75_a_file_outside_is_granted_to_the_living_kernel(world: World) -> None:
    path = outside(world)
    code = (
        f"try: print(kept, open({str(path)!r}).read())\nexcept OSError as error: print('closed:', type(error).__name__)"
    )
    world.serve(reply(code="kept = 'kept'"), "Ready.", reply(code=code), "42.")
    with world.talk("-y") as terminal:
        terminal.send("get ready\r")
        terminal.wait_for("\n>", times=2)
        terminal.send(f'sum up "{path}"\r')
        terminal.wait_for("May the code read it")
        terminal.wait_for(YES_NO)
        terminal.send("y\n")
        terminal.wait_for("\n>", times=3)
        terminal.send("\x04")
        assert terminal.finish() == 0
    if "kernels had to be started anew" in str(world.requests()[-2]["messages"]):
        pytest.skip("these walls cannot grant to a living kernel")
    assert world.told(-1) == "kept day,sum\n1,42"


def test_e76_a_file_outside_stays_closed_after_a_no(world: World) -> None:
    path = outside(world)
    code = f"try: print(open({str(path)!r}).read())\nexcept OSError as error: print('closed:', type(error).__name__)"
    world.serve(reply(code=code), "I may not.")
    with world.terminal("-y", f'sum up "{path}"') as terminal:
        terminal.wait_for(YES_NO)
        terminal.send("n\n")
        assert terminal.finish() == 0
    assert "did not allow" in str(world.requests()[0]["messages"]) and "closed:" in world.told(1)
    assert "42" not in world.told(1)


def test_e77_pictures_are_saved_and_their_path_is_shown(world: World) -> None:
    code = f"import base64\nclass Plot:\n    def _repr_png_(self): return base64.b64decode({PNG!r})\nPlot()"
    world.serve(reply(code=code), "Drawn.")
    with world.terminal("-y", "draw", columns=300) as terminal:
        assert terminal.finish() == 0
        line = next(line for line in terminal.text.splitlines() if "image/png saved:" in line)
    path = Path(line.split("saved: ")[1].strip())
    assert path.read_bytes().startswith(b"\x89PNG") and world.data in path.parents


def test_e78_no_color_and_no_moving_parts(world: World) -> None:
    world.serve(reply("I compute it.", "print(6 * 7)"), "It is **42**.")
    with world.terminal("-y", "compute", env={"NO_COLOR": "1"}) as terminal:
        assert terminal.finish() == 0
        assert "\x1b" not in terminal.raw and "It is **42**." in terminal.text


def test_e79_in_chinese(world: World) -> None:
    world.serve(reply("我来算。", "print(6 * 7)"), "等于 42。")
    with world.terminal("--lang", "zh_CN", "算一下") as terminal:
        terminal.wait_for("a 总是")
        assert "运行" in terminal.text
        terminal.send("是\n")
        assert terminal.finish() == 0
        assert "等于 42。" in terminal.text


def test_e80_output_with_control_codes_is_shown_harmlessly(world: World) -> None:
    code = "print('a\\x1b[2J\\x1b]0;title\\x07b\\x1b[31mred\\x1b[0m')"
    world.serve(reply(code=code), "Shown.")
    with world.terminal("-y", "paint") as terminal:
        assert terminal.finish() == 0
        assert "\x1b]0;title" not in terminal.raw and "\x1b[2J" not in terminal.raw and "abred" in terminal.text
    assert "\x1b" not in world.told(1)
