"""A command line that cannot be understood, told to a program as it expects it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import zygote


def interpreter(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "INTERPRETER_HOME": str(home), "INTERPRETER_LANG": "en"}
    return zygote.run_text([sys.executable, "-m", "interpreter", *words], env=environment)


@pytest.mark.parametrize("form", ["json", "jsonl"])
@pytest.mark.parametrize(
    "words",
    [
        ("--output", "FORM", "--no-such-flag", "task"),
        ("--no-such-flag", "--output=FORM", "task"),
        ("--output", "FORM", "two", "words"),
        ("--output", "FORM", "--model"),
        ("--output", "FORM", "--os", "task"),
        ("--output", "FORM", "--max_steps", "many", "task"),
    ],
)
def test_a_wrong_command_line_is_one_error_object(tmp_path: Path, form: str, words: tuple[str, ...]) -> None:
    done = interpreter(tmp_path, *(word.replace("FORM", form) for word in words))
    told = json.loads(done.stdout)
    assert done.returncode == told["exit_code"] == 2
    assert (told["type"], told["status"]) == ("error", "error") and told["message"] in done.stderr
    assert set(told) == {"type", "status", "exit_code", "error", "message", "hint"}


@pytest.mark.parametrize(
    "words", [("--no-such-flag",), ("--output", "xml", "t"), ("--no-such-flag", "--", "--output=json")]
)
def test_without_a_form_for_programs_standard_output_stays_empty(tmp_path: Path, words: tuple[str, ...]) -> None:
    done = interpreter(tmp_path, *words)
    assert (done.returncode, done.stdout) == (2, "") and done.stderr
