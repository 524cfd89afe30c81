"""What is surely a secret is taken out of what programs print, and nothing else is."""

from __future__ import annotations

import base64
import hashlib
import json
import random
import string
import uuid
from pathlib import Path
from urllib.parse import quote

import pytest

from interpreter.text.redact import GONE, Redactor, secret_values
from interpreter.text.secret_forms import FORMS, octets, pattern

A = "aB3dE6gH9jK2mN5pQ8rS"  # 20 signs of the usual kind
HEX = "0123456789abcdef"
# Put together here, so that no scanner takes this file for a leak.
SECRETS = {
    "openai": "sk-" + "proj-" + A * 2,
    "anthropic": "sk-" + "ant-api03-" + A * 4,
    "dashscope": "sk-" + HEX * 2,
    "openrouter": "sk-" + "or-v1-" + HEX * 4,
    "github": "ghp_" + A + A[:16],
    "github app": "ghs_" + A + A[:16],
    "github fine": "github_pat_" + "11AAAA0" * 8,
    "gitlab": "glpat-" + A,
    "gitlab deploy": "gldt-" + A,
    "slack": "xoxb-" + "123456789012-abcdef",
    "slack app": "xapp-" + "1-A0123-" + HEX,
    "aws": "AKIA" + "IOSFODNN7EXAMPLE",
    "aws session": "ASIA" + "IOSFODNN7EXAMPLE",
    "aliyun": "LTAI" + A,
    "volcengine": "AKLT" + A * 2,
    "tencent": "AKID" + A + A[:12],
    "ark": "ark-" + "01234567-89ab-cdef-0123-456789abcdef",
    "google": "AIza" + "Sy" + "a1" * 16 + "b",
    "google oauth": "ya29." + A * 2,
    "google client": "GOCSPX-" + A + A[:8],
    "azure client": "abc8Q~" + A + A[:14],
    "huggingface": "hf_" + A + A[:14],
    "groq": "gsk_" + A * 2,
    "npm": "npm_" + A + A[:16],
    "pypi": "pypi-" + "AgEIcHlwaS5vcmcC" + A * 3,
    "stripe": "sk_" + "live_" + A,
    "stripe hook": "whsec_" + A + A[:12],
    "sendgrid": "SG." + A + "ab." + A + A + "abc",
    "telegram": "123456789" + ":AA" + A + A[:12] + "x",
    "vault": "hvs." + A * 2,
    "databricks": "dapi" + HEX * 2,
    "digitalocean": "dop_v1_" + HEX * 4,
    "docker": "dckr_pat_" + A,
    "shopify": "shpat_" + HEX * 2,
    "grafana": "glsa_" + A + A[:12] + "_" + HEX[:8],
    "linear": "lin_api_" + A * 2,
    "atlassian": "ATATT3" + A * 4,
    "terraform": A[:14] + ".atlasv1." + A * 4,
    "age": "AGE-SECRET-KEY-1" + "Q2W3E4R5T6" * 6,
    "jwt": "eyJhbGciOiJIUzI1" + ".eyJzdWIiOiIxMjM0" + ".c2lnbmF0dXJl",
}
INSIDE = {
    "aws secret": ("aws_secret_access_key = {}\n", A * 2),
    "aws secret json": ('"SecretAccessKey": "{}",', A * 2),
    "azure storage": (
        "DefaultEndpointsProtocol=https;AccountName=x;AccountKey={};EndpointSuffix=y",
        A * 4 + "abcdef==",
    ),
    "azure bus": ("Endpoint=sb://x/;SharedAccessKeyName=Root;SharedAccessKey={}", A * 2 + "abc="),
    "azure sas": ("https://x.blob.core.windows.net/c?sv=2022&sig={}&se=2030", A * 2 + "%3D"),
    "slack hook": ("https://hooks.slack.com/services/{}", "T00000000/B00000000/" + A),
    "header": ("Authorization: Bearer {}\r\n", A),
    "header in code": ('-H "Authorization: Basic {}"', "dXNlcjpwYXNzd29yZA=="),
    "header in json": ('{{"authorization": "token {}"}}', A),
    "address": ("postgres://user:{}@db.local:5432/x", "p4ss!w"),
    "address of git": ("fatal: unable to access 'https://oauth2:{}@git.example/x.git/'", "abc123"),
    "redis": ("redis://:{}@cache:6379/0", "s3cr3t"),
    "ado": ("Server=db;Database=x;User Id=sa;Password={};Encrypt=true", "Pa55w0rd"),
    "odbc": ("Driver=x;Uid=sa;Pwd={};", "Pa55w0rd"),
}


@pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS.keys())
@pytest.mark.parametrize("around", ["{}", "key {} here", "'{}'", "f({})", "x={}\n", "的{}，", '{{"k":"{}"}}', "{}\r\n"])
def test_forms_of_services_are_taken_out(secret: str, around: str) -> None:
    text = around.format(secret)
    assert Redactor().sure(text) == around.format(GONE)
    data = text.encode()
    assert Redactor().mask(data) == around.format("*" * len(secret)).encode()


@pytest.mark.parametrize(("around", "secret"), INSIDE.values(), ids=INSIDE.keys())
def test_secrets_in_their_usual_place_are_taken_out(around: str, secret: str) -> None:
    text = around.format(secret)
    assert Redactor().sure(text) == around.format(GONE)
    masked = Redactor().mask(text.encode()).decode()
    assert masked == around.format("*" * len(secret))


def private_key(kind: str = "RSA ") -> tuple[str, str]:
    body = "\n".join([A * 3] * 5)
    return f"-----BEGIN {kind}" + f"PRIVATE KEY-----\n{body}\n-----END {kind}" + "PRIVATE KEY-----", body


@pytest.mark.parametrize("kind", ["", "RSA ", "EC ", "OPENSSH ", "ENCRYPTED "])
def test_private_keys_are_taken_out_and_what_follows_stays(kind: str) -> None:
    key, body = private_key(kind)
    shown = Redactor().sure(f"before\n{key}\nafter: it stays\n")
    assert A not in shown and shown.startswith("before\n") and shown.endswith("after: it stays\n")
    masked = Redactor().mask(f"before\n{key}\nafter\n".encode())
    assert A.encode() not in masked and len(masked) == len(f"before\n{key}\nafter\n")
    inside = json.dumps({"private_key": key, "next": 1})
    assert A not in Redactor().sure(inside) and Redactor().sure(inside).endswith('"next": 1}')
    assert A not in Redactor().sure("before\n" + key[: len(key) // 2]), "also one that was cut off"
    assert body


# What people print all day, and what must come through as it is.
ORDINARY = [
    hashlib.md5(b"x", usedforsecurity=False).hexdigest(),
    hashlib.sha1(b"x", usedforsecurity=False).hexdigest(),
    hashlib.sha256(b"x").hexdigest(),
    "sha256:" + hashlib.sha256(b"y").hexdigest(),
    "sha512-" + base64.b64encode(hashlib.sha512(b"z").digest()).decode(),
    str(uuid.UUID(int=2**127 + 12345)),
    "commit 3f2a1b4c5d6e7f8091a2b3c4d5e6f708192a3b4c\nAuthor: Ann <ann@example.com>\n",
    "<div class='sk-fading-circle sk-circle10'></div> import sklearn; sk-learn-contrib-packages-are-many",
    "task-0123456789abcdef0123456789abcdef risk-management-for-projects-2024-and-2025",
    "The basic idea of bearer bonds; token economy; password policy; secret santa",
    "max_tokens=4096 total_tokens: 12345 tokens_per_second: 41.5",
    "   token  count\n0  hello     12\n1  world      7\n",
    "key: abcdefgh\npassword: hunter2\ntoken: hello\nsecret = 42\n",
    "def login(user, password=None):\n    token = next(tokens)\n    return connect(password=password)",
    'api_key = os.environ["OPENAI_API_KEY"]',
    "postgres://user:$PASSWORD@db/x postgres://user:${PW}@db https://{user}:{password}@host http://u:<password>@h",
    "mysql://root:***@localhost/db and http://localhost:8000/v1?a=b:c@d",
    "ssh://git@github.com:22/x.git git@github.com:x/y.git file:///a/b:c@d",
    "for i in a:b@c do; user@host:~/x",
    "if line == '-----BEGIN PRIVATE KEY-----':\n    parse(line)\nprint('the rest stays')\n",
    "-----BEGIN CERTIFICATE-----\nMIIBszCCAVmgAwIBAgIUQ\n-----END CERTIFICATE-----",
    "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE\n-----END PUBLIC KEY-----",
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPm8 ann@box",
    "AKIAlooks but short AKIA1234 MAKIAVELLIANISTICALLY ASIATICA",
    "eyJhbGciOiJIUzI1NiJ9 alone is no token; eyJ.eyJ.x",
    "SG.short.x hvs.no ya29.no glpat-no npm_config_cache hf_hub_download(repo) gsk_x npm_lifecycle_event",
    "HF_HUB_OFFLINE=1 npm_package_json_is_a_long_variable_name pk_test_short my_live_stream_of_data",
    "2026-11-21T10:15:30.123456Z 192.168.10.20:8080 1234567890:AA",
    "Authorization: none\nauthorization required; Authorization header",
    "x;Password=$PASS;y ;Password={pw}; Pwd=\n PWD=/home/me;OLDPWD=/tmp",
    "pip install pypi-attestations==0.0.27 pypi-simple some-very-long-package-name-that-goes-on-and-on-for-ever",
    "arn:aws:iam::123456789012:role/x s3://bucket/AKIA/file",
    "[=====>    ] 45% 12.3MB/s eta 0:00:05",
    "data:image/png;base64," + base64.b64encode(bytes(range(256)) * 8).decode(),
    "dapi0123 whsec_no lin_api_x shpat_zz dop_v1_zz ATATT3 AGE-SECRET-KEY-",
    "中文：密码学导论，令牌环网络，密钥长度 2048 位",
]


@pytest.mark.parametrize("text", ORDINARY, ids=range(len(ORDINARY)))
def test_ordinary_texts_come_through(text: str) -> None:
    assert Redactor().sure(text) == text
    assert Redactor().mask(text.encode()) == text.encode()


def test_random_base64_hex_and_words_come_through() -> None:
    chance = random.Random(7)
    for letters in (
        string.ascii_letters + string.digits + "+/",
        HEX,
        string.ascii_lowercase + " -_.",
        string.printable,
    ):
        text = "".join(chance.choices(letters, k=200_000))
        assert Redactor().sure(text) == text


def test_the_source_of_python_itself_comes_through() -> None:
    for name in ("http/client.py", "urllib/request.py", "smtplib.py", "getpass.py", "hmac.py", "ssl.py", "netrc.py"):
        text = (Path(json.__file__).parent.parent / name).read_text(encoding="utf-8")
        assert Redactor().sure(text) == text, name


def test_a_form_without_its_trigger_does_not_exist() -> None:
    for form in FORMS:
        assert pattern(form.source).groups <= 1 and octets(form.source).groups == pattern(form.source).groups
        assert form.triggers and all(form.triggers)


@pytest.mark.parametrize(
    ("name", "value", "is_secret"),
    [
        ("OPENAI_API_KEY", "abcdefgh12345", True),
        ("x_password", "battery-staple", True),
        ("GITHUBTOKEN", "abcd1234", True),
        ("AWS_SECRET_ACCESS_KEY", "abcd1234", True),
        ("DB_PWD", "Pa55w0rd", True),
        ("REDIS_AUTH", "Pa55w0rd", True),
        ("SENTRY_DSN", "abcd1234@x", True),
        ("API_KEY_2", "abcd1234", True),
        ("MY_CREDENTIALS", "abcd1234", True),
        ("SHORT_TOKEN", "abc", False),
        ("DB_PASSWORD", "postgres", False),
        ("API_KEY", "not-needed", False),
        ("API_TOKEN", "123456789", False),
        ("TOKENIZERS_PARALLELISM", "false-false-false", False),
        ("SSH_AUTH_SOCK", "/tmp/ssh-abc/agent.1", False),
        ("SSH_KEY_PATH", "/home/ann/.ssh/id_rsa", False),
        ("GOOGLE_CREDENTIALS_FILE", "/home/ann/key.json", False),
        ("XKB_KEYMAP_X", "evdev-de-nodeadkeys", False),
        ("GNOME_KEYRING_CONTROL", "/run/user/1000/keyring", False),
        ("PWD", "/home/ann/project1", False),
        ("SSH_PUBLIC_KEY", "ssh-ed25519 AAAA1234", False),
        ("TOKEN_URL", "https://login.example/token", False),
        ("HOME", "/home/ann12345", False),
    ],
)
def test_which_variables_hold_secrets(name: str, value: str, is_secret: bool) -> None:
    assert secret_values({name: value}) == ((value,) if is_secret else ())


def test_the_password_of_an_address_in_the_environment_is_a_secret_also_decoded() -> None:
    found = secret_values({"DATABASE_URL": "postgres://ann:p%40ss-word1@db/x", "PROXY": "http://proxy:3128"})
    assert set(found) == {"p%40ss-word1", "p@ss-word1"}


def test_known_values_are_taken_out_in_every_spelling() -> None:
    value = 'sec"ret/ü &+1\nx'
    redactor = Redactor([value])
    for spelled in (
        value,
        json.dumps(value),
        json.dumps(value, ensure_ascii=False),
        json.dumps(value).replace("/", "\\/"),
        json.dumps(value).replace("&", "\\u0026"),
        quote(value, safe=""),
        base64.b64encode(value.encode()).decode(),
        base64.urlsafe_b64encode(value.encode()).decode(),
    ):
        shown = redactor.sure(f"a {spelled} b")
        assert GONE in shown and shown.startswith("a ") and shown.endswith(" b") and len(shown) <= 20, spelled


def test_the_longest_known_value_goes_first_and_values_can_be_added() -> None:
    redactor = Redactor(["abcd1234"])
    redactor.add("abcd1234-efgh", "word", "")
    assert redactor.sure("abcd1234-efgh abcd1234 word") == f"{GONE} {GONE} word"
    assert redactor.known("ghp_" + A + A[:16]) != GONE, "known values alone"


def test_nothing_is_copied_where_nothing_is_found() -> None:
    text, data = "nothing here " * 100, b"nothing here " * 100
    redactor = Redactor(["abcd1234"])
    assert redactor.sure(text) is text and redactor.mask(data) is data


def test_nested_values() -> None:
    redactor = Redactor(["abcd1234"])
    assert redactor.sure_all({"a": ["abcd1234", 1], "abcd1234": ("x abcd1234",)}) == {
        "a": [GONE, 1],
        "abcd1234": [f"x {GONE}"],
    }
