"""Words that are not what they seem."""

from __future__ import annotations

import pytest

from interpreter.text.lookalike import lookalikes


@pytest.mark.parametrize(
    ("text", "words", "script"),
    [
        ("p\u0430ypal = 1", ["p\u0430ypal"], "Cyrillic"),
        ("import \u043es", ["\u043es"], "Cyrillic"),
        ("\u0430\u0435 = 1\nprint(ae)", ["\u0430\u0435"], "Cyrillic"),  # alone, and no Russian around it
        ("\u03bfs.remove(x)", ["\u03bfs"], "Greek"),
        ("h\u0585st", ["h\u0585st"], "Armenian"),
        ("\uff45\uff56\uff41\uff4c('1')", ["\uff45\uff56\uff41\uff4c"], "plain"),
        ("\U0001d4ee\U0001d4ff\U0001d4aa\U0001d4b5('1')", ["\U0001d4ee\U0001d4ff\U0001d4aa\U0001d4b5"], "plain"),
    ],
)
def test_what_deceives_is_found_where_it_stands(text: str, words: list[str], script: str) -> None:
    found = lookalikes(text)
    assert [one.word for one in found] == words
    assert {one.script for one in found} == {script}
    assert all(text[one.start :].startswith(one.word) for one in found)


@pytest.mark.parametrize(
    "text",
    [
        "print('hello')",
        "# \u043d\u0430\u0448 \u0440\u043e\u0441\u0442: \u043e\u043d \u0438 \u0440\u043e\u0441\nx = 1",
        "print('\u4f60\u597d\uff0c\u4e16\u754c\u3002')  # \u8ba1\u7b97 A \u80a1",
        "alpha = '\u03b1 \u03b2 \u03b3'",
        "na\u00efve = caf\u00e9 = 'stra\u00dfe'",
        "x\u00b2 + y\u00b2  # area in m\u00b2",
        "",
    ],
)
def test_honest_text_is_left_in_peace(text: str) -> None:
    assert lookalikes(text) == []
