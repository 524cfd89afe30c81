"""Each kind of guest, born inside each kind of walls by the host's own side."""

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from interpreter.errors import SandboxUnavailable
from interpreter.kernels import KernelOptions, Kernels
from interpreter.kernels.environments import find_environment
from interpreter.kernels.recipes import find
from interpreter.sandbox import Walls, workspace_profile
from interpreter.types.actions import Action, Completion, Display, Permit
from interpreter.types.base import code_sha256, new_id
from interpreter.types.walls import Limits
from tests import libraries

CODE = {
    "shell": ["cd /tmp; kept=4; exit 3", "echo $((kept + 1)) $PWD; cat <<END\ntext\nEND"],
    "javascript": [
        "const kept = (await import('fs')).existsSync('/'); process.exit(3)",
        "console.log(5, kept, 'text')",
    ],
    "perl": ["exit 3", 'print "5 text\\n"'],
    "c": ["int main(void) { return 3; }", '#include <stdio.h>\nint main(void) { puts("5 text"); }'],
}


FRAMES = [
    ("python", "import pandas as pd\nsales = pd.DataFrame({'n': [40, 2]})"),
    ("sql", "SELECT sum(n) AS s FROM sales"),
    ("python", "int(_sql.execute('SELECT 42').fetchall()[0][0])"),
]


class Nobody:
    """Watches nothing and answers nothing."""

    def output(self, stream: str, data: bytes, skipped: int) -> None: ...

    def display(self, display: Display) -> None: ...

    async def ask_input(self, prompt: str, secret: bool) -> str | None:
        return None

    async def call_tool(self, number: int, name: str, arguments: str) -> str:
        raise AssertionError("no tool is called here")


@pytest.fixture(params=["bubblewrap", "landlock", "host"])
def walls(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Walls]:
    for name in ("work", "home"):
        (tmp_path / name).mkdir()
    profile = workspace_profile(
        tmp_path / "work", tmp_path / "home" / "scratch", home=tmp_path / "home", backend=request.param
    )
    try:
        yield Walls(profile)
    except SandboxUnavailable as error:
        pytest.skip(str(error))


async def run_all(
    walls: Walls, run_dir: Path, actions: Sequence[tuple[str, str]], options: KernelOptions | None = None
) -> list[Completion]:
    kernels = Kernels(run_dir, walls, options or KernelOptions(), lambda event: None)
    run_dir.mkdir(mode=0o700)
    await kernels.open()
    try:
        ended: list[Completion] = []
        for language, code in actions:
            action = Action(id=new_id("a"), language=language, code=code, sha256=code_sha256(code))
            permit = Permit(action=action.id, language=language, sha256=action.sha256, by="test")
            ended.append(await kernels.execute(permit, action, new_id("x"), Nobody(), Limits(timeout=60)))
        return ended
    finally:
        await kernels.close()


@pytest.mark.parametrize("language", CODE)
def test_it_runs_inside(walls: Walls, tmp_path: Path, language: str) -> None:
    if language in ("perl", "c") and find(language) is None:
        pytest.skip(f"nothing here runs {language}")
    actions = [(language, code) for code in CODE[language]]
    first, second = asyncio.run(run_all(walls, tmp_path / "run", actions))
    assert (first.status, first.exit_status, first.restarted) == ("error", 3, False), first
    assert (second.status, second.exit_status) == ("ok", 0), second
    text = Path(second.output.path).read_text()
    assert text.startswith("5")
    assert "text" in text
    assert list((tmp_path / "work").iterdir()) == []


def test_duckdb_reads_frames_inside(walls: Walls, tmp_path: Path) -> None:
    python = find_environment(tmp_path / "work", tmp_path / "home", {}, base=libraries.need_python())
    options = KernelOptions(python=python.python, readable=python.readable)
    ended = asyncio.run(run_all(walls, tmp_path / "run", FRAMES, options))
    assert [one.status for one in ended] == ["ok"] * 3, ended
    assert Path(ended[1].output.path).read_text().split() == ["s", "--", "42", "(1", "row)"]
    assert ended[2].result == "42"


def test_a_page_is_shown_by_its_picture_or_saved(walls: Walls, tmp_path: Path) -> None:
    [ended] = asyncio.run(run_all(walls, tmp_path / "run", [("html", "<h1>page</h1>")]))
    assert ended.status == "ok", Path(ended.output.path).read_text()
    [display] = ended.displays
    data = Path(display.path).read_bytes()
    assert data.startswith(b"\x89PNG") if display.mime == "image/png" else data == b"<h1>page</h1>"
