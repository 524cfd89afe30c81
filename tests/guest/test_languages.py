from collections import Counter
from pathlib import Path

import pytest

from interpreter.types.languages import BY_NAME, LANGUAGES, canonical, title


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("py", "python"),
        ("Python3", "python"),
        ("{python}", "python"),
        ("bash", "shell"),
        ("/bin/sh", "shell"),
        ("zsh", "shell"),
        ("JS", "javascript"),
        ("node.js", "javascript"),
        ("ts", "typescript"),
        ("C++", "cpp"),
        (" golang ", "go"),
        ("rs", "rust"),
        ("R", "r"),
        ("ps1", "powershell"),
        ("language-python", "python"),
        (".py", "python"),
        ("shell  script", "shell"),
    ],
)
def test_a_spelling_means_one_language(spelling: str, name: str) -> None:
    assert canonical(spelling) == name


@pytest.mark.parametrize("spelling", ["", "json", "text", "diff", "console", "output", "brainfuck"])
def test_other_words_mean_none(spelling: str) -> None:
    assert canonical(spelling) is None


def test_no_spelling_means_two_languages() -> None:
    every = Counter(s for language in LANGUAGES for s in (language.name, *language.spellings))
    assert [s for s, n in every.items() if n > 1] == []
    assert all(s == s.lower() for s in every)
    assert all(canonical(name) == name for name in BY_NAME)


def test_title_of_an_unknown_language_is_its_name() -> None:
    assert (title("cpp"), title("deno")) == ("C++", "deno")


def test_every_language_is_documented() -> None:
    page = (Path(__file__).parents[2] / "docs" / "languages.md").read_text(encoding="utf-8")
    first = [line.split("|")[1] for line in page.splitlines() if line.startswith("| ")]
    told = {name.strip() for cell in first for name in cell.split(",")}
    assert [language.title for language in LANGUAGES if language.title not in told] == []
