"""The work itself: languages, repair with facts, small windows, large output, workspaces."""

from __future__ import annotations

import json
import shutil
import sys

import pytest

from . import snapshots
from .world import World, read_until, reply

PROGRAMS = {
    "shell": ("bash", "x=6; echo $((x * 7))"),
    "javascript": ("node", "const x = 6; console.log(x * 7)"),
    "typescript": ("deno", "const x: number = 6; console.log(x * 7)"),
    "ruby": ("ruby", "puts 6 * 7"),
    "perl": ("perl", "print 6 * 7, qq(\\n);"),
    "php": ("php", "<?php echo 6 * 7, PHP_EOL;"),
    "lua": ("lua5.4", "print(6 * 7)"),
    "r": ("Rscript", "cat(6 * 7, '\\n')"),
    "java": ("java", "public class Main { public static void main(String[] a) { System.out.println(6 * 7); } }"),
    "c": ("gcc", '#include <stdio.h>\nint main(void) { printf("%d\\n", 6 * 7); return 0; }'),
    "sql": (sys.executable, "select 6 * 7 as answer;"),
}


@pytest.mark.parametrize("language", PROGRAMS)
def test_e95_languages(world: World, language: str) -> None:
    program, code = PROGRAMS[language]
    if shutil.which(program) is None:
        pytest.skip(f"no {program} here")
    world.serve(reply(code=code, language=language), "42.")
    done = world.run("-y", "--output", "json", "compute")
    (action,) = done.result["actions"]
    assert (done.code, action["status"]) == (0, "ok") and "42" in action["output"]


def test_e96_state_lasts_in_every_kernel(world: World) -> None:
    first = [("python", "x = 1"), ("shell", "x=2; cd /tmp"), ("javascript", "let x = 3")]
    second = [("python", "print(x)"), ("shell", "echo $x $PWD"), ("javascript", "console.log(x)")]
    languages = [pair for pair in (*first, *second) if pair[0] != "javascript" or shutil.which("node")]
    world.serve(*(reply(code=code, language=language) for language, code in languages), "Done.")
    result = world.run("-y", "--output", "json", "count").result
    outputs = [action["output"] for action in result["actions"]][len(languages) // 2 :]
    assert outputs == ["1", "2 /tmp", "3"][: len(outputs)]


def test_e97_a_wrong_column_is_repaired_with_the_facts(world: World) -> None:
    (world.here / "sales.csv").write_text("sale_day,sum\n2026-01-01,40\n2026-01-02,2\n")
    read = "import csv\nrows = list(csv.DictReader(open('sales.csv')))\nprint(rows[0]['date'])"
    world.serve(
        reply("I read it.", read),
        reply("The column has another name.", "print(sum(int(row['sum']) for row in rows))", when="KeyError"),
        "42.",
    )
    done = world.run("-y", "--output", "jsonl", "sum by date")
    assert done.code == 0 and "sale_day, sum" in world.told(1) and world.told(2) == "42"
    snapshots.check("e97", done, world)


def test_e98_a_missing_file_shows_its_neighbours(world: World) -> None:
    (world.here / "数据.csv").write_text("a\n1\n")
    world.serve(reply(code="open('data.csv')"), "There is another.")
    assert world.run("-y", "read data.csv").code == 0
    assert "FileNotFoundError" in world.told(1) and "数据.csv" in world.told(1)


def test_e99_twelve_steps_with_large_outputs_in_a_small_window(world: World) -> None:
    steps = [reply(f"Step {n}.", f"for n in range(3000): print('step {n} line', n)") for n in range(12)]
    world.serve(*steps, "All twelve are done.", context_window=8192, model="small")
    done = world.run("-y", "--max_tokens", "4096", "--output", "json", "把十二步都做完")
    assert (done.code, done.result["answer"]) == (0, "All twelve are done.")
    requests = world.requests()
    assert len(requests) == 13
    for request in requests:
        assert len(json.dumps(request["messages"], ensure_ascii=False)) < 3 * (8192 - 4096)
        # Word for word, at first by itself and later in the account of what gave way.
        words = request["messages"][1]["content"].splitlines()
        assert words == ["把十二步都做完"] or "The person said: 把十二步都做完" in words


def test_e100_fifty_megabytes_are_kept_and_little_is_read(world: World) -> None:
    world.serve(reply(code="for n in range(1000): print(('x' * 49 + '\\n') * 1000, end='')"), "Much.")
    result = world.run("-y", "--output", "json", "print much").result
    (action,) = result["actions"]
    assert (action["status"], action["output_size"]) == ("ok", 50_000_000)
    assert len(world.told(1)) < 11_000 and "out1" in world.told(1)
    (kept,) = world.data.rglob(f"*{action['output_sha256']}*.out")
    assert kept.stat().st_size == 50_000_000


def test_e101_long_output_is_paged(world: World) -> None:
    call = {"name": "read_output", "arguments": {"id": "out1", "offset": 100_000}}
    world.serve(reply(code="for n in range(20000): print('line', n)"), {"calls": [call]}, "I read it.")
    assert world.run("-y", "print").code == 0
    assert "out1" in world.told(1) and "line 10000" not in world.told(1)
    assert "\nline 10500\n" in world.told(2) and "offset: 110000" in world.told(2)


def test_e102_a_workspace_with_spaces_and_chinese_characters(world: World) -> None:
    folder = world.root / "my 数据 (2026)"
    folder.mkdir()
    world.serve(reply(code="open('结 果.txt', 'w').write('好')\nimport os\nprint(os.getcwd())"), "Written.")
    done = world.run("-y", "--output", "json", "write", cwd=folder)
    (action,) = done.result["actions"]
    assert (done.code, action["output"]) == (0, str(folder)) and (folder / "结 果.txt").read_text() == "好"


def test_e103_started_in_the_home_folder(world: World) -> None:
    (world.home / "diary.txt").write_text("secret")
    world.serve(reply(code="import os\nprint(os.path.exists(os.path.expanduser('~/diary.txt')), os.getcwd())"), "Done.")
    with world.terminal("-y", "look", cwd=world.home, columns=200) as terminal:
        assert terminal.finish() == 0
        screen = terminal.text
    made = next((world.home / "interpreter").iterdir())
    assert world.told(1) == f"False {made}"
    assert str(made) in screen


def test_e104_a_read_only_workspace(world: World) -> None:
    folder = world.root / "fixed"
    folder.mkdir(mode=0o555)
    world.serve(reply(code="open('made', 'w')"), "It cannot be written.")
    done = world.run("-y", "write", cwd=folder)
    assert (done.code, done.out) == (0, "It cannot be written.\n")
    assert "Permission denied: 'made'" in world.told(1) or "Read-only file system: 'made'" in world.told(1)
    assert list(folder.iterdir()) == []


def test_e105_the_workspace_is_deleted_while_code_runs(world: World) -> None:
    folder = world.root / "short"
    folder.mkdir()
    code = (
        "import os, time\nprint('on', flush=True)\nwhile os.stat('.').st_nlink: time.sleep(0.02)\nprint('still here')"
    )
    world.serve(reply(code=code), reply(code="print('and here')"), "Done.")
    process = world.start("-y", "--output", "jsonl", "work", cwd=folder)
    read_until(process, '"on\\n"')
    folder.rmdir()
    done = world.finish(process)
    assert done.code == 0 and "still here" in world.told(1) and "and here" in world.told(2)


def test_e106_keys_stay_outside(world: World) -> None:
    (world.home / ".ssh").mkdir()
    code = (
        f"import os\nprint([n for n in os.environ if 'KEY' in n or 'TOKEN' in n], os.path.exists('{world.home}/.ssh'))"
    )
    world.serve(reply(code=code), "None.")
    assert world.run("-y", "look", env={"OPENAI_API_KEY": "sk-1", "GITHUB_TOKEN": "t"}).code == 0
    assert world.told(1) == "[] False"


def test_e107_the_network_is_closed(world: World) -> None:
    port = world.serve("Never.").split(":")[2].split("/")[0]
    connect = f"import socket\ntry: socket.create_connection(('127.0.0.1', {port}), 2)"
    world.serve(reply(code=f"{connect}\nexcept OSError: print('closed')"), "Closed.")
    assert world.run("-y", "connect").code == 0
    assert world.told(1) == "closed"


def test_e108_a_program_that_ends_its_kernel(world: World) -> None:
    world.serve(reply(code="x = 1\nimport os\nos._exit(3)"), reply(code="print('x' in globals())"), "Gone.")
    done = world.run("-y", "--output", "json", "end")
    assert done.code == 0 and [action["status"] for action in done.result["actions"]] == ["died", "ok"]
    assert "False" in world.told(2) and "gone" in world.told(1)


def test_e109_no_walls_only_by_name(world: World) -> None:
    target = world.root / "outside.txt"
    code = f"open({str(target)!r}, 'w').write('out')"
    world.serve(reply(code=code), "It cannot be written.")
    assert world.run("-y", "write outside").code == 0 and not target.exists()
    world.serve(reply(code=code), "Done.")
    done = world.run("--sandbox", "host", "--output", "jsonl", "write outside")
    assert done.code == 4 and not target.exists()
    assert done.lines[0]["sandbox"].startswith("host/")
    with world.terminal("--sandbox", "host", "--resume", "last") as terminal:
        terminal.wait_for("Run this Python code (no sandbox, in")
        terminal.wait_for("a always")
        terminal.send("y\n")
        terminal.wait_for("Done.")
        terminal.wait_for("\n>")
        terminal.send("\x04")
        assert terminal.finish() == 0
    assert target.read_text() == "out"
