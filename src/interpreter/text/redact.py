"""Taking secrets out of readings. The log itself keeps bodies exact; what is shown or exported goes through here."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

GONE = "[redacted]"
SHORTEST = 8
"""Known values shorter than this are left: they would take ordinary words with them."""

SECRET_NAME = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIAL", re.IGNORECASE)
PRIVATE_KEY = re.compile(r"-----BEGIN ([A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?)-----.*?(?:-----END \1-----|\Z)", re.DOTALL)
KNOWN_FORMS = re.compile(
    r"(?<![A-Za-z0-9_])(?:"
    r"sk-[A-Za-z0-9_-]{16,}"
    r"|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}|glpat-[A-Za-z0-9_-]{16,}"
    r"|xox[abeoprs]-[A-Za-z0-9-]{10,}"
    r"|(?:AKIA|ASIA)[0-9A-Z]{16}(?![A-Za-z0-9])"
    r"|AIza[0-9A-Za-z_-]{35}"
    r"|(?:hf|npm|gsk)_[A-Za-z0-9]{20,}|pypi-[A-Za-z0-9_-]{32,}|(?:rk|pk|sk)_(?:live|test)_[A-Za-z0-9]{16,}"
    r"|eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]+"
    r")"
)
HEADER = re.compile(r"(?i)(?<![A-Za-z])(bearer|basic)(\s+)(?=[A-Za-z0-9._~+/=-]*[0-9=._-])[A-Za-z0-9._~+/=-]{12,}")
ADDRESS = re.compile(r"(?i)([a-z][a-z0-9+.-]*://[^\s:/@\"']*):([^\s/@\"']+)@")
_NAME = (
    r"(?i:(?:password|passwd|passphrase|secret|token|api[_-]?key|access[_-]?key|private[_-]?key"
    r"|credential|密码|口令|密钥|令牌))"
)
QUOTED = re.compile(rf"({_NAME}[\"']?\s*(?:[:=]|=>)\s*)([\"'])(?!\2)((?:(?!\2)[^\n\\]|\\.)+)\2")
BARE = re.compile(rf"({_NAME}(?:=|：[ \t]*|:[ \t]+|[\"']:[ \t]*))(?![\"'\[({{$<])([^\s\"',;&)}}\]]{{4,}})")
OPTION = re.compile(r"(?i)(--?(?:password|passwd|token|secret|api[_-]?key)[ =])(?![\"'$<-])(\S{4,})")
# `password=password`, `token=self.token`, `key: str`: code that names a secret and does not hold it.
NOT_A_VALUE = re.compile(
    rf"[\w.-]*{_NAME}|(?:None|null|true|false|str|bytes|string|True|False)\Z|[\d.]+\Z|\*+\Z|.*[({{].*"
)


def secret_values(environ: Mapping[str, str]) -> tuple[str, ...]:
    """The values of variables whose names say that they hold a secret, longest first."""
    found = {value for name, value in environ.items() if SECRET_NAME.search(name) and len(value) >= SHORTEST}
    return tuple(sorted(found, key=len, reverse=True))


def redact(text: str, known_values: Iterable[str] = ()) -> str:
    """The text with secrets replaced by `[redacted]`.

    Args:
        known_values: exact secrets, such as `secret_values(os.environ)`; longer ones first.

    Forms that services give their keys, headers, addresses with a password, private keys, and values that stand
    beside a telling name. A secret of no known form that nobody names passes: this lowers the risk and ends none.
    """
    for value in known_values:
        if len(value) >= SHORTEST:
            text = text.replace(value, GONE)
    if "PRIVATE KEY" in text:
        text = PRIVATE_KEY.sub(rf"-----BEGIN \1-----{GONE}", text)
    text = KNOWN_FORMS.sub(GONE, text)
    text = HEADER.sub(rf"\1\2{GONE}", text)
    if "://" in text:
        text = ADDRESS.sub(rf"\1:{GONE}@", text)
    text = QUOTED.sub(lambda m: f"{m[1]}{m[2]}{GONE}{m[2]}" if is_value(m[3], 4) else m[0], text)
    text = BARE.sub(lambda m: f"{m[1]}{GONE}" if is_value(m[2], 4) else m[0], text)
    return OPTION.sub(lambda m: f"{m[1]}{GONE}" if is_value(m[2], 4) else m[0], text)


def is_value(found: str, least: int) -> bool:
    return len(found) >= least and GONE not in found and NOT_A_VALUE.match(found) is None


def redact_all(value: Any, known_values: Iterable[str] = ()) -> Any:
    """The same for every string in nested dicts and lists; names of fields stay."""
    if isinstance(value, str):
        return redact(value, known_values)
    if isinstance(value, dict):
        return {key: redact_all(item, known_values) for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, list | tuple):
        return [redact_all(item, known_values) for item in value]  # pyright: ignore[reportUnknownVariableType]
    return value
