from __future__ import annotations

import pytest

from interpreter.text.redact import GONE, redact, redact_all, secret_values

# Put together here, so that no scanner takes this file for a leak.
SECRETS = {
    "openai": "sk-" + "proj-Ab1" * 5,
    "github": "ghp_" + "a1B2" * 9,
    "github fine": "github_pat_" + "11AAAA0" * 8,
    "gitlab": "glpat-" + "x1y2z3w4" * 3,
    "slack": "xoxb-" + "123456789012-abcdef",
    "aws": "AKIA" + "IOSFODNN7EXAMPLE",
    "google": "AIza" + "Sy" + "a1" * 16 + "b",
    "huggingface": "hf_" + "aBcD1234" * 4,
    "jwt": "eyJhbGciOiJIUzI1" + ".eyJzdWIiOiIxMjM0" + ".c2lnbmF0dXJl",
}


@pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS.keys())
@pytest.mark.parametrize("around", ["{}", "key {} here", "'{}'", "f({})", "x={}\n", "的{}，"])
def test_known_forms_are_taken_out(secret: str, around: str) -> None:
    shown = redact(around.format(secret))
    assert secret not in shown and secret[8:] not in shown and GONE in shown


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("password=hunter2", f"password={GONE}"),
        ("DB_PASSWORD=hunter2 run", f"DB_PASSWORD={GONE} run"),
        ("password: hunter2\n", f"password: {GONE}\n"),
        ('{"api_key": "abcd1234"}', f'{{"api_key": "{GONE}"}}'),
        ("client_secret = 'abcd 1234'", f"client_secret = '{GONE}'"),
        ("curl --token abcd1234 x", f"curl --token {GONE} x"),
        ("Authorization: Bearer abcdef123456.xyz", f"Authorization: Bearer {GONE}"),
        ("postgres://user:p4ss!w@db.local:5432/x", f"postgres://user:{GONE}@db.local:5432/x"),
        ("密码：hunter2。", f"密码：{GONE}"),
        ("?access_key=abcd1234&page=2", f"?access_key={GONE}&page=2"),
    ],
)
def test_values_beside_a_telling_name(text: str, expected: str) -> None:
    assert redact(text) == expected


def test_private_keys_also_cut_off_ones() -> None:
    key = "-----BEGIN OPENSSH " + "PRIVATE KEY-----\nb3BlbnNzaC1r\nAAAA\n"
    whole = f"before\n{key}-----END OPENSSH " + "PRIVATE KEY-----\nafter\n"
    for text in (whole, "before\n" + key):
        shown = redact(text)
        assert "b3Blb" not in shown and "AAAA" not in shown and shown.startswith("before\n")
    assert redact(whole).endswith("after\n")


@pytest.mark.parametrize(
    "code",
    [
        "max_tokens=4096",
        "token = next(tokens)",
        "def login(user, password=None):",
        "connect(password=password)",
        'os.environ["API_KEY"]',
        "api_key = os.environ['OPENAI_API_KEY']",
        "password = getpass()",
        "if token == 'x': pass",
        "secret: str",
        "echo $TOKEN; export TOKEN=$OTHER",
        "print('the basic idea of bearer bonds')",
        "http://localhost:8000/v1",
        "key = lambda row: row.value",
        "tokens_per_second: 41.5",
    ],
)
def test_code_that_names_a_secret_without_holding_one_stays(code: str) -> None:
    assert redact(code) == code


def test_known_values_are_taken_out_wherever_they_stand() -> None:
    environ = {
        "MY_API_KEY": "correct-horse",
        "HOME": "/home/user",
        "SHORT_TOKEN": "abc",
        "x_password": "battery-staple",
    }
    known = secret_values(environ)
    assert known == ("battery-staple", "correct-horse")
    assert redact("a correct-horse b battery-staple c abc /home/user", known) == f"a {GONE} b {GONE} c abc /home/user"


def test_nested_values_keep_their_shape() -> None:
    value = {"a": ["password=hunter2", 1, None], "password": {"b": ("x", True)}}
    assert redact_all(value) == {"a": [f"password={GONE}", 1, None], "password": {"b": ["x", True]}}


def test_redacting_twice_changes_nothing_more() -> None:
    text = "password=hunter2 and 'token': 'abcd1234' and postgres://u:pw99@h/"
    assert redact(redact(text)) == redact(text)
