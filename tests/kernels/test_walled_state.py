"""The state of a shell and of Node comes back behind the real walls, and opens none of them."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from interpreter.errors import SandboxUnavailable
from interpreter.kernels import KernelOptions
from interpreter.sandbox import Walls, workspace_profile
from interpreter.types.events import CheckpointSaved
from tests.kernels.bench import Bench, go

CODE = {
    "shell": (
        "mkdir -p sub; cd sub; kept=$'a\\nb'; shout() { echo \"<$1>\"; }\n"
        'escape() { echo 1 >"$OUT"; }; export OUT={outside}',
        'shout "$kept"; echo "${PWD##*/}"; escape 2>/dev/null; [ -e "$OUT" ] && echo open; touch inside && echo made',
        "<a\nb>\nsub\nmade\n",
    ),
    "javascript": (
        "const fs = require('fs'); class Table { rows() { return this.all.length } } const table = new Table(); "
        "table.all = [1, { two: 2 }]; const escape = (path) => fs.writeFileSync(path, '1'); const out = '{outside}'",
        "try { escape(out) } catch {} console.log(table.rows(), table.all[1].two, fs.existsSync(out)); "
        "escape('inside')",
        "2 2 false\n",
    ),
}


@pytest.mark.parametrize("language", CODE)
@pytest.mark.parametrize("backend", ["bubblewrap", "landlock"])
def test_it_comes_back_inside(tmp_path: Path, backend: str, language: str) -> None:
    if not shutil.which({"shell": "bash", "javascript": "node"}[language]):
        pytest.skip(f"no {language} here")
    for name in ("work", "scratch", "home"):
        (tmp_path / name).mkdir()
    profile = workspace_profile(
        tmp_path / "work",
        tmp_path / "scratch",
        home=tmp_path / "home",
        backend=backend,  # pyright: ignore[reportArgumentType]  # one of two literals
    )
    try:
        walls = Walls(profile)
    except SandboxUnavailable as error:
        pytest.skip(f"{backend}: {error}")
    before, after, shown = CODE[language]
    outside = tmp_path / "home" / "escaped"

    async def work() -> None:
        options = KernelOptions(python=sys.executable, checkpoint_folder=str(tmp_path / "checkpoints"))
        bench = Bench(tmp_path / "run", tmp_path / "work", options, walls)
        await bench.kernels.open()
        try:
            ran = await bench.run(before.replace("{outside}", str(outside)), language)
            saved = await bench.saved(ran)
            assert isinstance(saved, CheckpointSaved), saved
            restored = await bench.kernels.restore(language, saved.manifest)
            assert (restored.missing, restored.execution) == ((), ran.completion.execution)
            assert (await bench.run(after, language)).text == shown
        finally:
            await bench.kernels.close()

    go(work())
    assert not outside.exists()
    assert list((tmp_path / "work").rglob("inside"))
