from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wcwidth import wcwidth

from interpreter.text.cut import character_width, cut_marker, fit, head_tail, human_size, join_cut, pad, width

MARKER = re.compile(r"\[\.\.\. (?:([\d,]+) lines?, )?([\d.]+ (?:bytes?|[kMGT]B)) cut(?:; full output: (\S+))? \.\.\.\]")


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 bytes"), (1, "1 byte"), (999, "999 bytes"), (1000, "1.0 kB"), (12_345, "12.3 kB"), (99_949, "99.9 kB"),
        (123_456, "123 kB"), (999_400, "999 kB"), (999_600, "1.0 MB"), (1_234_567, "1.2 MB"), (5 * 10**9, "5.0 GB"),
        (7 * 10**15, "7000 TB"),
    ],
)  # fmt: skip
def test_sizes_in_words(size: int, text: str) -> None:
    assert human_size(size) == text


def test_what_fits_is_not_touched() -> None:
    assert head_tail("a\nb\n", 4) == "a\nb\n"
    assert head_tail("", 0) == ""


def test_a_long_text_is_cut_on_lines_and_the_loss_is_counted() -> None:
    lines = [f"line {n}\n" for n in range(1000)]
    cut = head_tail("".join(lines), 300, "out_abc")
    found = MARKER.search(cut)
    assert found is not None and found[3] == "out_abc"
    head, tail = cut[: found.start()], cut[found.end() + 1 :]
    assert "".join(lines).startswith(head) and head.endswith("\n")
    assert "".join(lines).endswith(tail) and tail.startswith("line ")
    gone = len(lines) - head.count("\n") - tail.count("\n")
    assert found[1] == str(gone)
    assert found[2] == human_size(len("".join(lines)) - len(head) - len(tail))
    assert len(cut) <= 300


def test_one_long_line_is_cut_inside() -> None:
    cut = head_tail("x" * 5000, 200)
    found = MARKER.search(cut)
    assert found is not None and found[1] is None
    kept = cut.count("x")
    assert found[2] == human_size(5000 - kept)
    assert 100 < kept < 200 and len(cut) <= 200


def test_sizes_count_bytes_not_characters() -> None:
    found = MARKER.search(head_tail("中" * 3000, 200))
    assert found is not None
    assert found[2].endswith("kB") and 8.3 < float(found[2].split()[0]) < 9.0


def test_the_share_of_the_head() -> None:
    text = "".join(f"{n}\n" for n in range(10_000))
    assert head_tail(text, 1000, head=0.2).index("[...") < 250 < 700 < head_tail(text, 1000, head=0.8).index("[...")


@given(st.text(alphabet="ab\n中", max_size=500), st.integers(0, 300), st.sampled_from(["", "out_1"]))
def test_the_cap_holds_and_the_count_is_exact(text: str, cap: int, full: str) -> None:
    cut = head_tail(text, cap, full)
    assert len(cut) <= cap
    found = MARKER.search(cut)
    if found is None:
        assert text.startswith(cut)
        return
    head = cut[: found.start()]
    tail = cut[found.end() + 1 :]
    if not text.startswith(head):
        head = head[:-1]
    assert text.startswith(head) and text.endswith(tail)
    gone = text[len(head) : len(text) - len(tail)]
    assert found[2] == human_size(len(gone.encode()))
    lines = int(found[1].replace(",", "")) if found[1] else 0
    assert gone.count("\n") <= lines <= gone.count("\n") + 1


def test_a_cut_of_what_was_never_loaded() -> None:
    assert join_cut("a", "z\n", 12_345, 1_234_567, "out_abc") == (
        "a\n[... 12,345 lines, 1.2 MB cut; full output: out_abc ...]\nz\n"
    )
    assert join_cut("a\n", "", 1, 5) == "a\n[... 1 line, 5 bytes cut ...]\n"
    assert cut_marker(0, 7) == "[... 7 bytes cut ...]"


@pytest.mark.parametrize(
    ("text", "columns"),
    [("abc", 3), ("中文", 4), ("é", 1), ("e\u0301", 1), ("ｆｕｌｌ", 8), ("🙂", 2), ("한국", 4), ("a\tb", 2), ("", 0)],
)
def test_width(text: str, columns: int) -> None:
    assert width(text) == columns


def test_width_agrees_with_the_table_that_terminals_use() -> None:
    # Newer tables know characters that this Python's does not: only what both know is compared.
    known = [
        chr(code)
        for code in (*range(0x20, 0x3000), *range(0x3000, 0xD7A4), *range(0xF900, 0x10000), *range(0x1F300, 0x1F700))
        if unicodedata.category(chr(code)) not in ("Cn", "Co", "Cf", "Cc", "Zl", "Zp") and wcwidth(chr(code)) >= 0
    ]
    differing = [character for character in known if character_width(character) != wcwidth(character)]
    assert len(known) > 50_000
    assert len(differing) < len(known) / 500, "".join(differing[:50])


def test_fit_and_pad() -> None:
    assert fit("中文字符", 8) == "中文字符"
    assert fit("中文字符", 7) == "中文字…"
    assert fit("中文字符", 6) == "中文…"
    assert fit("abc", 0) == ""
    assert [width(pad(text, 6)) for text in ("", "abc", "中文字符", "中文字")] == [6, 6, 6, 6]
