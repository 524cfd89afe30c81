from collections import Counter

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
