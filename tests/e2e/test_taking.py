"""A session of the real command, taken along: page, notebook, script, and the same results from the script."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.e2e.world import World, reply

READ = "import csv\nrows = list(csv.DictReader(open('sales.csv', encoding='utf-8')))"
WRONG = "sum(int(row['amont']) for row in rows)"
SUM = """totals = {}
for row in rows:
    totals[row['region']] = totals.get(row['region'], 0) + int(row['amount'])
with open('totals.csv', 'w', encoding='utf-8') as file:
    file.writelines(f'{name},{amount}\\n' for name, amount in sorted(totals.items()))
totals"""
DRAW = """class Plot:
    def _repr_png_(self):
        return b'\\x89PNG\\r\\n\\x1a\\n' + b'\\0' * 40
Plot()"""
SHELL = "mkdir -p out && cd out\ncp ../totals.csv copy.csv\nLINES_IN=$(wc -l < copy.csv)"
AGAIN = "echo $LINES_IN > lines.txt"
MAGIC = "import asyncio\n%cd out\nawait asyncio.sleep(0)\n!cat lines.txt > again.txt"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Generator[World]:
    world = World(tmp_path_factory.mktemp("taking"))
    (world.here / "sales.csv").write_text("region,amount\n北方,10\n南方,20\n北方,5\n", encoding="utf-8")
    world.serve(
        reply("先看数据。", READ), reply(code=WRONG), reply(code=SUM), reply(code=DRAW), "两个地区。",
        reply(code=SHELL, language="shell"), reply(code=AGAIN, language="shell"), reply(code=MAGIC),
        reply(code="rm -rf /", language="shell"), "Done.",
    )  # fmt: skip
    try:
        assert world.run("-y", "把销售额按地区汇总").code == 0
        assert world.run("-y", "--resume", "last", "Copy it, and count the lines.").code in (0, 3)
        yield world
    finally:
        world.close()


def export(world: World, name: str, *words: str) -> str:
    done = world.run("sessions", "export", "last", "-o", name, "--force", *words)
    assert done.code == 0, done.err
    return (world.here / name).read_text(encoding="utf-8")


def test_the_script_makes_the_same_files_in_a_fresh_folder(world: World, tmp_path: Path) -> None:
    text = export(world, "steps.py")
    assert "amont" not in text and "rm -rf /" not in text and "# > 把销售额按地区汇总" in text
    shutil.copy(world.here / "sales.csv", tmp_path)
    (tmp_path / "steps.py").write_text(text, encoding="utf-8")
    subprocess.run([sys.executable, "steps.py"], cwd=tmp_path, check=True, timeout=60, capture_output=True)
    made = {p.relative_to(tmp_path): p.read_bytes() for p in tmp_path.rglob("*") if p.is_file() and p.suffix != ".py"}
    assert {str(path) for path in made} == {
        "sales.csv", "totals.csv", "out/copy.csv", "out/lines.txt", "out/again.txt",
    }  # fmt: skip
    for path, data in made.items():
        assert (world.here / path).read_bytes() == data, path


def test_the_page_shows_the_course_in_both_languages(world: World) -> None:
    text = export(world, "page.html")
    for words in (
        "先看数据。",
        "Step 1",
        "KeyError",
        "data:image/png;base64,",
        "allowed by the rules",
        "denied",
        "changed: totals.csv",
    ):
        assert words in text, words
    text = export(world, "page.html", "--lang", "zh")
    assert "第 1 步" in text and '<html lang="zh-CN">' in text


def test_the_notebook_holds_outputs_and_the_plot(world: World) -> None:
    cells = json.loads(export(world, "book.ipynb"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == [1, 2, 3, 4, 5, 6, 7]
    assert code[3]["outputs"][0]["data"]["image/png"].startswith("iVBORw0KGgo")
    assert code[4]["source"].startswith("%%bash\n")
    assert any("rm -rf /" in cell["source"] for cell in cells if cell["cell_type"] == "markdown")


def test_a_file_that_is_there_is_left(world: World) -> None:
    (world.here / "mine.html").write_text("mine")
    done = world.run("sessions", "export", "last", "-o", "mine.html")
    assert (done.code, (world.here / "mine.html").read_text()) == (2, "mine")
    assert "is there already" in done.err and "--force" in done.err
    assert not list(world.here.glob(".*.part"))
    done = world.run("sessions", "export", "--format", "html")
    assert done.code == 0 and (world.here / f"{world.session()}.html").exists()
    assert world.run("sessions", "export", "-o", "-").out.startswith("# Session s_")


def test_a_session_goes_on_on_another_machine(world: World) -> None:
    done = world.run("sessions", "export", "last", "--format", "session")
    assert done.code == 0 and "secrets too" in done.err
    file = world.here / f"{world.session()}.session.zip"
    assert file.stat().st_mode & 0o077 == 0
    there = {"INTERPRETER_HOME": str(world.root / "other")}
    place = world.root / "其他"
    place.mkdir()
    done = world.run("sessions", "import", str(file), "--trust-checkpoints", env=there, cwd=place)
    assert done.code == 0 and f"Imported: {world.session()}" in done.out, done.err
    assert "is here already" in world.run("sessions", "import", str(file), env=there, cwd=place).out
    world.serve(reply(code="print('the north has', totals['北方'])"), "Here I go on.")
    done = world.run("-y", "--resume", "last", "Where are we?", env=there, cwd=place)
    assert (done.code, done.out) == (0, "Here I go on.\n"), done.err
    assert "the north has 15" in done.err, "its variables came along"
    told = "".join(str(message["content"]) for message in world.requests()[0]["messages"])
    assert "把销售额按地区汇总" in told and "KeyError" in told
    done = world.run("audit", "verify", env=there)
    assert done.code == 0 and "came from a file" in done.out


def test_old_sessions_are_named_found_backed_up_and_pruned(world: World, tmp_path: Path) -> None:
    session = world.session()
    assert world.run("sessions", "name", "last", "销售").out == f"{session}  销售\n"
    assert world.run("sessions", "tag", "销售", "q3", "数据", "--untag", "q3").out == f"{session}  #q3  #数据\n"
    assert "销售" in world.run("sessions", "list", "--tag", "数据", "--sizes").out
    found = world.run("sessions", "search", "地区", "amont")
    assert (
        found.code == 0 and all(line.startswith(session) for line in found.out.splitlines()) and "step 2" in found.out
    )
    assert world.run("sessions", "search", "nowhere at all").code == 1
    done = world.run("sessions", "backup", str(tmp_path), "--keep", "1")
    assert done.code == 0 and "Written and verified" in done.out, done.err
    world.serve(reply(code="print('here')"), reply(code="echo here", language="shell"), "By its name.")
    assert world.run("-y", "--resume", "销售", stdin="Who are you?").out == "By its name.\n"
    done = world.run("sessions", "prune", "--older-than", "2099-01-01", "--keep-named")
    assert (done.code, done.out) == (0, "No session is beyond these bounds.\n")
    done = world.run("sessions", "prune", "--older-than", "2099-01-01")
    assert done.code == 2 and "--yes" in done.err and session in done.out
    assert "would be removed" in world.run("sessions", "prune", "--older-than", "2099-01-01", "--dry-run").out
    assert "Removed: 1" in world.run("sessions", "prune", "--older-than", "2099-01-01", "--yes").out
    assert world.run("sessions", "search", "地区").code == 1
    with zipfile.ZipFile(next(tmp_path.glob("*.zip"))) as archive:
        archive.extractall(tmp_path / "again")
    done = world.run("audit", "verify", env={"INTERPRETER_HOME": str(tmp_path / "again")})
    assert done.code == 0 and session in done.out, done.err
