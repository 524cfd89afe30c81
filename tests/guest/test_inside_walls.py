"""Each kind of guest, born inside each kind of walls by the host's own side."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from interpreter.errors import SandboxUnavailable
from interpreter.kernels import KernelOptions, Kernels
from interpreter.kernels.recipes import find
from interpreter.sandbox import Walls, workspace_profile
from interpreter.types.actions import Action, Completion, Display, Permit
from interpreter.types.base import code_sha256, new_id
from interpreter.types.walls import Limits

CODE = {
    "shell": ["cd /tmp; kept=4; exit 3", "echo $((kept + 1)) $PWD; cat <<END\ntext\nEND"],
    "javascript": [
        "const kept = (await import('fs')).existsSync('/'); process.exit(3)",
        "console.log(5, kept, 'text')",
    ],
    "perl": ["exit 3", 'print "5 text\\n"'],
    "c": ["int main(void) { return 3; }", '#include <stdio.h>\nint main(void) { puts("5 text"); }'],
}


class Nobody:
    """Watches nothing and answers nothing."""

    def output(self, stream: str, data: bytes, skipped: int) -> None: ...

    def display(self, display: Display) -> None: ...

    async def ask_input(self, prompt: str, secret: bool) -> str | None:
        return None


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


async def run_all(walls: Walls, run_dir: Path, language: str) -> list[Completion]:
    kernels = Kernels(run_dir, walls, KernelOptions(), lambda event: None)
    await kernels.open()
    try:
        ended: list[Completion] = []
        for code in CODE[language]:
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
    (tmp_path / "run").mkdir(mode=0o700)
    first, second = asyncio.run(run_all(walls, tmp_path / "run", language))
    assert (first.status, first.exit_status, first.restarted) == ("error", 3, False), first
    assert (second.status, second.exit_status) == ("ok", 0), second
    text = Path(second.output.path).read_text()
    assert text.startswith("5")
    assert "text" in text
    assert list((tmp_path / "work").iterdir()) == []
