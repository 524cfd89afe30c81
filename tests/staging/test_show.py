"""A difference is never shown as nothing, and what cannot be read is said by name."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from interpreter.cli.staged import as_data, name_of
from interpreter.errors import StageError
from interpreter.staging.changes import Layer
from interpreter.staging.show import diff, lines
from interpreter.types.staging import Change

FORM_FEED = (b"# note\x0cimport evil\nx\n", b"# note\nimport evil\nx\n")


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (*FORM_FEED, ["@@ -1,2 +1,3 @@", "-# note<U+000C>import evil", "+# note", "+import evil", " x"]),
        (b"a\rb\n", b"a\nb\n", ["@@ -1 +1,2 @@", "-a<U+000D>b", "+a", "+b"]),
        ("a\u2028b\n".encode(), b"a\nb\n", ["@@ -1 +1,2 @@", "-a<U+2028>b", "+a", "+b"]),
        (b"a\nb\n", b"a\r\nb\r\n", ["@@ -1,2 +1,2 @@", "-a", "-b", "+a<U+000D>", "+b<U+000D>"]),
        (b"a\r\nb\r\n", b"a\r\nc\r\n", ["@@ -1,2 +1,2 @@", " a", "-b", "+c"]),
        (b"a\nb\n", b"a\nb", ["the line feed at the end is gone"]),
        (b"a", b"a\n", ["the line feed at the end is new"]),
        (b"a\r", b"a", ["@@ -1 +1 @@", "-a<U+000D>", "+a"]),
        (b"a\nb\n", b"c\nb", ["@@ -1,2 +1,2 @@", "-a", "+c", " b", "the line feed at the end is gone"]),
        (b"\xef\xbb\xbfa\n", b"a\n", None),
        (b"", b"a", ["@@ -0,0 +1 @@", "+a"]),
        (b"a\n", b"", ["@@ -1 +0,0 @@", "-a"]),
        (b"a\n", b"\n", ["@@ -1 +1 @@", "-a", "+"]),
        (b"", b"\n", ["@@ -0,0 +1 @@", "+"]),
    ],
)
def test_every_difference_shows(before: bytes, after: bytes, told: list[str] | None) -> None:
    found = list(lines(before, after))
    assert found and (told is None or found == told)


def test_a_name_is_one_line_and_hides_nothing() -> None:
    change = Change(top="/w", path="evil.envrc\r\n  + readme.md\t\u202e\udcff", kind="added")
    assert name_of(change) == as_data([change])[0]["path"] == "evil.envrc\\r\\n  + readme.md\\t<U+202E>\\xff"


@pytest.mark.skipif(sys.platform != "linux", reason="there are no stages elsewhere")
def test_what_vanished_is_said_by_name(tmp_path: Path) -> None:
    (tmp_path / "upper").mkdir()
    layer = Layer(top=str(tmp_path), upper=str(tmp_path / "upper"), private="user")
    with pytest.raises(StageError, match=f"{tmp_path}/gone\\\\n cannot be read: No such file"):
        list(diff([layer], [Change(top=str(tmp_path), path="gone\n", kind="added")]))
    os.mkfifo(tmp_path / "upper" / "pipe")
    with pytest.raises(StageError, match="pipe cannot be read"):
        list(diff([layer], [Change(top=str(tmp_path), path="pipe", kind="added")]))
