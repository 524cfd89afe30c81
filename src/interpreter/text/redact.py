"""Taking secrets out of what is kept, shown and sent.

Two strengths. *Sure*: values that are known, and forms that only secrets have; for what a program printed, before it is
stored, shown or sent to the model. *All*: also whatever stands beside a telling name; for readings that leave the
session (exports, the audit trail, lists), where a word too much taken out does no harm.
"""

from __future__ import annotations

import json
import mmap
import re
from binascii import b2a_base64
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from .secret_forms import FORMS, octets, pattern

GONE = "[redacted]"
SHORTEST = 8
"""Known values shorter than this are left: they would take ordinary words with them."""
ORDINARY = r"[A-Za-z]?[a-z_-]{1,10}|[a-z]{11}|[0-9.,:/-]{1,11}|(?i:true|false|disabled|enabled|required)"
"""Values that may be anything: a password of that kind cannot be told from a word."""
SECRET_NAME = (
    r"(?i)(?:KEY|TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIAL)S?(?=$|_|[0-9])"
    r"|(?:^|_)(?:PASS|PWD|AUTH|AUTHORIZATION|PAT|DSN)(?=$|_|[0-9])|CONNECTION_?STRING"
)
NO_SECRET_NAME = (
    r"(?i)(?:^|_)(?:PUBLIC|(?:FILE|PATH|DIR|FOLDER|SOCK|SOCKET|NAME|TYPE|URL|URI|HOST|PORT|USER|MODE|METHOD|ALGORITHM"
    r"|SIZE|LENGTH|COUNT|LIMIT|TTL|TIMEOUT|VERSION|REGION)$)|^(?:OLD)?PWD$"
)
LOGIN = r"://[^\s:/@]*:([^\s/@]+)@"
HEADER = r"(?i)(?<![A-Za-z])(bearer|basic)(\s+)(?=[A-Za-z0-9._~+/=-]*[0-9=._-])[A-Za-z0-9._~+/=-]{12,}"
PRIVATE_KEY = r"(?s)-----BEGIN ([A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?)-----.*?(?:-----END \1-----|\Z)"
_NAME = (
    r"(?i:(?:password|passwd|passphrase|secret|token|api[_-]?key|access[_-]?key|private[_-]?key"
    r"|credential|密码|口令|密钥|令牌))"
)
QUOTED = rf"({_NAME}[\"']?\s*(?:[:=]|=>)\s*)([\"'])(?!\2)((?:(?!\2)[^\n\\]|\\.)+)\2"
BARE = rf"({_NAME}(?:=|：[ \t]*|:[ \t]+|[\"']:[ \t]*))(?![\"'\[({{$<])([^\s\"',;&)}}\]]{{4,}})"
OPTION = r"(?i)(--?(?:password|passwd|token|secret|api[_-]?key)[ =])(?![\"'$<-])(\S{4,})"
# `password=password`, `token=self.token`, `key: str`: code that names a secret and does not hold it.
NOT_A_VALUE = rf"[\w.-]*{_NAME}|(?:None|null|true|false|str|bytes|string|True|False)\Z|[\d.]+\Z|\*+\Z|.*[({{].*"
UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
"""What stands for itself in an address."""
Text = TypeVar("Text", str, bytes)


def secret_values(environ: Mapping[str, str]) -> tuple[str, ...]:
    """The values of variables whose names say that they hold a secret, and passwords in addresses; longest first.

    Left out are short ones, and single words that may stand anywhere (`postgres`, `changeme`).
    """
    found: set[str] = set()
    for name, value in environ.items():
        if "://" in value and (login := pattern(LOGIN).search(value)) is not None:
            found.update((login[1], without_percents(login[1])))
        elif len(value) >= SHORTEST and pattern(SECRET_NAME).search(name) and not pattern(NO_SECRET_NAME).search(name):
            found.add(value.strip())
    return tuple(sorted((value for value in found if worth_hiding(value)), key=lambda value: (-len(value), value)))


def worth_hiding(value: str) -> bool:
    return len(value) >= SHORTEST and pattern(ORDINARY).fullmatch(value) is None


def spellings(value: str) -> tuple[str, ...]:
    """A secret as programs write it: as it is, inside JSON, inside an address, in base64."""
    data = value.encode("utf-8", "replace")
    coded = b2a_base64(data, newline=False).decode().rstrip("=")
    quoted = json.dumps(value)[1:-1]
    forms = (
        value,
        quoted,
        quoted.replace("/", "\\/"),  # PHP
        "".join(f"\\u{ord(one):04x}" if one in "<>&" else one for one in quoted),  # Go
        json.dumps(value, ensure_ascii=False)[1:-1],
        "".join(chr(byte) if chr(byte) in UNRESERVED else f"%{byte:02X}" for byte in data),
        coded,
        coded.replace("+", "-").replace("/", "_"),
    )
    return tuple(dict.fromkeys(form for form in forms if len(form) >= SHORTEST))


def without_percents(text: str) -> str:
    data = re.sub(rb"%([0-9A-Fa-f]{2})", lambda found: bytes([int(found[1], 16)]), text.encode("utf-8", "replace"))
    return data.decode("utf-8", "replace")


class Redactor:
    """Takes out what is surely a secret.

    Args:
        values: secrets that are known, such as `secret_values(os.environ)`.
    """

    def __init__(self, values: Iterable[str] = ()) -> None:
        self.values: tuple[str, ...] = ()
        """In all their spellings, longest first."""
        self._plain: tuple[bytes, ...] = ()
        self.add(*values)

    def add(self, *values: str) -> None:
        """More secrets, known from now on; what is too short or too ordinary is left out."""
        values = tuple(value for value in values if worth_hiding(value))
        found = {form for value in values for form in spellings(value)}
        self._plain = tuple(dict.fromkeys((*self._plain, *(value.encode("utf-8", "replace") for value in values))))
        self.values = tuple(sorted(found.union(self.values), key=lambda value: (-len(value), value)))
        self._octets = tuple(value.encode("utf-8", "replace") for value in self.values)

    def known(self, text: str) -> str:
        """Known values replaced by `[redacted]`, and nothing else."""
        for value in self.values:
            if value in text:
                text = text.replace(value, GONE)
        return text

    def sure(self, text: str) -> str:
        """Known values and unmistakable forms replaced by `[redacted]`; the same object where there are none."""
        text = self.known(text)
        for form in FORMS:
            if any(trigger in text for trigger in form.triggers):
                text = pattern(form.source).sub(hidden, text)
        return text

    def sure_all(self, value: Any) -> Any:
        """The same for every string in nested dicts and lists; names of fields stay."""
        return mapped(value, self.sure)

    def mask(self, data: bytes) -> bytes:
        """The same as `sure` on bytes, with a `*` for each byte, so that every place stays where it was."""
        data = self.mask_known(data)
        for form in FORMS:
            if any(trigger.encode() in data for trigger in form.triggers):
                data = octets(form.source).sub(starred, data)
        return data

    def mask_known(self, data: bytes) -> bytes:
        for value in self._octets:
            if value in data:
                data = data.replace(value, b"*" * len(value))
        return data

    def holds_known(self, data: bytes | mmap.mmap) -> bool:
        """Whether a known value stands there as it is; its other spellings are not looked for."""
        return any(data.find(value) >= 0 for value in self._plain)

    @property
    def longest(self) -> int:
        """Bytes of the longest known value in any spelling; 0 without any."""
        return max((len(value) for value in self._octets), default=0)


def split(found: re.Match[Text]) -> tuple[Text, Text, Text]:
    """What stands before the secret in a match, the secret, and what stands behind it."""
    whole, start = found[0], found.start()
    if found.re.groups and found[1] is None:
        return whole, whole[:0], whole[:0]
    begin, end = found.span(1) if found.re.groups else found.span()
    return whole[: begin - start], whole[begin - start : end - start], whole[end - start :]


def hidden(found: re.Match[str]) -> str:
    before, secret, after = split(found)
    return f"{before}{GONE}{after}" if secret else before


def starred(found: re.Match[bytes]) -> bytes:
    before, secret, after = split(found)
    return before + b"*" * len(secret) + after


def redact(text: str, known_values: Iterable[str] = ()) -> str:
    """The text with secrets replaced by `[redacted]`, also where they only look like one.

    Args:
        known_values: exact secrets, such as `secret_values(os.environ)`; longer ones first.

    Forms that services give their keys, headers, addresses with a password, private keys, and values that stand
    beside a telling name. A secret of no known form that nobody names passes: this lowers the risk and ends none.
    """
    for value in known_values:
        if len(value) >= SHORTEST:
            text = text.replace(value, GONE)
    if "PRIVATE KEY" in text:
        text = pattern(PRIVATE_KEY).sub(rf"-----BEGIN \1-----{GONE}", text)
    text = PLAIN.sure(text)
    text = pattern(HEADER).sub(rf"\1\2{GONE}", text)
    text = pattern(QUOTED).sub(lambda m: f"{m[1]}{m[2]}{GONE}{m[2]}" if is_value(m[3], 4) else m[0], text)
    text = pattern(BARE).sub(lambda m: f"{m[1]}{GONE}" if is_value(m[2], 4) else m[0], text)
    return pattern(OPTION).sub(lambda m: f"{m[1]}{GONE}" if is_value(m[2], 4) else m[0], text)


def is_value(found: str, least: int) -> bool:
    return len(found) >= least and GONE not in found and pattern(NOT_A_VALUE).match(found) is None


def redact_all(value: Any, known_values: Iterable[str] = ()) -> Any:
    """The same for every string in nested dicts and lists; names of fields stay."""
    known = tuple(known_values)
    return mapped(value, lambda text: redact(text, known))


def mapped(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {key: mapped(item, change) for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, list | tuple):
        return [mapped(item, change) for item in value]  # pyright: ignore[reportUnknownVariableType]
    return value


PLAIN = Redactor()
