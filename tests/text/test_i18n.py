"""Every sentence that a person reads exists in both languages."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from tools.i18n import complaints, fields, quote, sentences, variable_calls

from interpreter.text.i18n import _, catalogue, language, language_of, read_po, set_language, unquote

ONE_READING = pytest.mark.xdist_group("sentences")  # of all sources, in one worker


@ONE_READING
def test_every_sentence_has_its_translation_and_none_is_stale() -> None:
    assert complaints("zh_CN") == []


@ONE_READING
def test_no_sentence_is_put_together_before_it_is_translated() -> None:
    assert variable_calls() == []


def test_translations_are_chinese() -> None:
    bare = [zh for zh in catalogue("zh_CN").values() if not re.search(r"[\u4e00-\u9fff]", zh)]
    assert bare in ([], ["id"], ["ID"]) or all(len(re.sub(r"\{\w+\}|\W", "", zh)) <= 30 for zh in bare), bare


def test_the_collector_finds_sentences(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text('x = _("One {n}", n=1)\ny = N_("Two")\nz = f("Three")\nw = _(f"Four {x}")\n')
    assert sentences(tmp_path) == {"One {n}": "a.py:1", "Two": "a.py:2"}
    assert variable_calls(tmp_path) == ["a.py:4"]


def test_fields() -> None:
    assert fields("{a} and {b!r:>3} {{c}}") == {"a", "b"}


@pytest.mark.parametrize("text", ["plain", 'a "quote"', "back\\slash", "two\nlines\tand tab", "\\n", "C:\\new", "全角"])
def test_quoting_and_reading_agree(text: str) -> None:
    assert unquote(quote(text)) == text
    assert read_po(f"msgid {quote(text)}\nmsgstr {quote('x' + text)}\n") == {text: "x" + text}


def test_entries_over_several_lines_and_comments() -> None:
    text = '# note\n#: place\nmsgid ""\n"One "\n"two"\nmsgstr ""\n"eins "\n"zwei"\n\nmsgid "empty"\nmsgstr ""\n'
    assert read_po(text) == {"One two": "eins zwei"}


@pytest.mark.parametrize(
    ("name", "expected"),
    [("zh", "zh_CN"), ("zh_CN.UTF-8", "zh_CN"), ("zh-Hans", "zh_CN"), ("en_US", "en"), ("de", "en"), ("C", "en")],
)
def test_the_language_of_a_locale(name: str, expected: str) -> None:
    assert language_of(name) == expected


def test_the_environment_decides_until_something_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(variable, raising=False)
    assert language() == "en"
    monkeypatch.setenv("LANG", "zh_CN.UTF-8")
    assert language() == "zh_CN"
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    assert language() == "en" and os.environ["LANG"] == "zh_CN.UTF-8"
    set_language("zh")
    try:
        assert language() == "zh_CN"
    finally:
        set_language("")
    assert language() == "en"


def test_an_unknown_sentence_stays_as_it_is() -> None:
    set_language("zh")
    try:
        assert _("No such sentence {n}", n=3) == "No such sentence 3"
        assert _("Interrupted.") != "Interrupted."
    finally:
        set_language("")
