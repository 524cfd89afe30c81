"""Answers that would cost minutes, or for ever, if their reading grew faster than they do."""

from __future__ import annotations

import pytest

from .parsing import programs, read

pytestmark = pytest.mark.timeout(60)


@pytest.mark.parametrize("line", ["#!/bin/bash " + "-" * 60 + " x", "#!" + "/a-" * 300_000 + " x"])
def test_a_first_line_with_strokes(line: str) -> None:
    assert programs(read(f"```sh\n{line}\necho\n```\n")) == [("shell", f"{line}\necho")]


@pytest.mark.parametrize(
    "line",
    [
        "#!/usr/bin/python3.11 -I",
        "#!/usr/bin/env -S python3 -I -u ",
        "#! /usr/bin/env python\t-x-y - --z\t",
        "#!/usr/local/bin/python3\r",
    ],
)
def test_a_shebang_names_the_language(line: str) -> None:
    assert [language for language, _code in programs(read(f"```sh\n{line}\nprint(1)\n```\n"))] == ["python"]
