"""The demonstration's data, and that the recording tells the truth about them. `make demo` itself runs in CI."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import interpreter.cli.demo
from interpreter.cli.demo.__main__ import main, prepare
from interpreter.cli.demo.data import HEADING, LINES, write_sales
from interpreter.errors import UsageError
from interpreter.llm.script import Reply, Script, load_script

FOLDER = Path(interpreter.cli.demo.__file__).parent


def recording(name: str) -> Script:
    return load_script(FOLDER / f"replies.{name}.yaml")


def replies(name: str) -> list[Reply]:
    return [reply for reply in recording(name).replies if isinstance(reply, Reply)]


def test_what_the_recording_says_about_the_data_is_true(tmp_path: Path) -> None:
    write_sales(tmp_path / "data.csv")
    lines = full = 0
    months: Counter[str] = Counter()
    with (tmp_path / "data.csv").open(encoding="utf-8") as file:
        next(file)
        for line in file:  # one by one: a list of all of them takes seconds of memory alone
            lines += 1
            if line.strip(",\n"):
                full += 1
                row = line.split(",")
                months[row[1][:7]] += round(float(row[6]) * 100)
    best, amount = months.most_common(1)[0]
    assert (lines, LINES) == (1_000_000, 1_000_000)
    assert best == "2025-12"
    for name, month in (("en", "December 2025"), ("zh_CN", "2025 年 12 月")):
        told = replies(name)[-1].text
        facts = (f"{lines:,}", f"{lines - full:,}", f"{full:,}", f"{amount / 1e8:.2f}", month)
        assert [fact for fact in facts if fact not in told] == []


def test_the_same_data_every_time(tmp_path: Path) -> None:
    for name in ("one.csv", "two.csv"):
        write_sales(tmp_path / name, 20_000)
    assert (tmp_path / "one.csv").read_bytes() == (tmp_path / "two.csv").read_bytes()
    assert (tmp_path / "one.csv").read_text().count("\n") == 20_001


def test_there_is_no_column_of_the_name_that_the_task_uses() -> None:
    columns = HEADING.strip().split(",")
    assert "date" not in columns and "sale_day" in columns
    assert 'sales["date"]' in replies("en")[0].code
    assert 'sales["sale_day"]' in replies("en")[1].code


def test_both_recordings_run_the_same_code() -> None:
    def without_words(code: str) -> list[str]:
        return [line for line in code.splitlines() if not line.startswith("print(f")]

    english, chinese = replies("en"), replies("zh_CN")
    assert [without_words(reply.code) for reply in english] == [without_words(reply.code) for reply in chinese]
    for reply in [*english, *chinese]:
        compile(reply.code, "recording", "exec")


def test_a_folder_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    assert main(["--folder", str(tmp_path / "file" / "demo")]) == 2
    assert "--folder" in capsys.readouterr().err


def test_packages_that_cannot_be_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(UsageError, match="No matching distribution") as raised:
        prepare(tmp_path / "demo")
    assert "pip" in raised.value.hint
    assert (tmp_path / "demo" / "data.csv").exists()


def test_it_loads_nothing_heavy_before_it_is_asked_to() -> None:
    code = "import sys, interpreter.cli.demo; print([n for n in ('httpx', 'asyncio', 'yaml') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
