"""What succeeded becomes a skill."""

from __future__ import annotations

import pytest

from interpreter.errors import SkillError
from interpreter.skills.format import read_skill
from interpreter.skills.saving import draft, find_parameters, with_parameters
from interpreter.store.story import Entry, Ran, Said


def said(text: str) -> Said:
    return Said(role="user", text=text)


def ran(code: str, language: str = "python", status: str = "ok", gone: bool = False) -> Ran:
    return Ran(action="a", language=language, code=code, status=status, gone=gone, step=1)


@pytest.mark.parametrize(
    ("words", "code", "expected"),
    [
        ("deploy version 2.0.1", "docker build -t web:2.0.1 .", "docker build -t web:{{version}} ."),
        ("clean data/in 2024.csv", "read('data/in')", "read('{{file}}')"),
        ("用 sales.csv 统计", "open('sales.csv')", "open('{{file}}')"),
        ("the top 10 of 'north east'", "head(10) == 'north east' and 100", "head({{number}}) == '{{text}}' and 100"),
        ("look at https://a.example/x?y=1.", "get('https://a.example/x?y=1')", "get('{{url}}')"),
        ("from 2025-01-03 on", "day >= '2025-01-03'", "day >= '{{date}}'"),
        ("restart web in shop", "kubectl -n shop restart deploy/web", "kubectl -n {{name_2}} restart deploy/{{name}}"),
        ("sum the column", "column = rows['sum']", "column = rows['sum']"),
        ("show the web", "webserver = 'web'", "webserver = '{{name}}'"),
    ],
)
def test_parameters(words: str, code: str, expected: str) -> None:
    assert with_parameters(code, find_parameters([words], [code])) == expected


def test_only_what_succeeded_and_stands_is_kept() -> None:
    entries: list[Entry] = [
        said("count the lines of a.txt with the token ghp_abcdefghijklmnopqrstuvwxyz0123456789"),
        ran("open('b.txt')", status="error"),
        ran("n = len(open('a.txt').readlines())"),
        ran("rm a.txt", "shell", gone=True),
        ran("login ghp_abcdefghijklmnopqrstuvwxyz0123456789", "shell"),
        Ran(action="f", language="shell", code="python3 first_look.py", status="ok", source="skill x", step=1),
        ran("test -s a.txt", "shell"),
        ran("test -s a.txt", "shell"),
        ran("x = 1\n" * 500),
        ran("print('```')"),
    ]
    made = draft("count-lines", entries, checks=("curl -f http://localhost/",))
    skill = read_skill(made.files["SKILL.md"], "/x/count-lines", "user")
    text = made.files["SKILL.md"].decode()
    assert (made.steps, made.checks, made.secrets) == (5, 2, True)
    assert (
        "b.txt" not in text
        and "first_look" not in text
        and "rm " not in text
        and "ghp_" not in text
        and "{{file}}" in skill.body
    )
    assert made.files["scripts/step-4.py"].count(b"x = 1") == 500 and "scripts/step-4.py" in text
    assert "````python\nprint('```')\n````" in text
    assert made.files["checks.yaml"] == b'- command: "curl -f http://localhost/"\n'


def test_nothing_to_keep() -> None:
    with pytest.raises(SkillError, match="nothing to keep"):
        draft("a", [said("x"), ran("y", status="error")])
    with pytest.raises(SkillError, match="no name"):
        draft("A b", [ran("y")])


def test_a_description_that_yaml_would_misread() -> None:
    made = draft("a", [said('say: "hello" # {x}\n- \\n'), ran("print(1)")])
    assert 'say: "hello" # {x}' in read_skill(made.files["SKILL.md"], "/x/a", "user").description
