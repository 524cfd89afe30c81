"""Forms that only secrets have: what services give out as keys, and keys in their usual wrapping.

Each stands with texts without which it cannot occur, so that an ordinary text costs a few searches and no matching. A
form has one group, which is the secret, or none: then all of it is. A match in which the group has no part holds none.
"""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple


class Form(NamedTuple):
    triggers: tuple[str, ...]
    """At least one of these is in every text that holds the form."""
    source: str
    """A regular expression of ASCII characters, for text and for bytes."""


@cache
def pattern(source: str) -> re.Pattern[str]:
    """Compiled when a text needs it first: all of them together would cost every start several milliseconds."""
    return re.compile(source)


@cache
def octets(source: str) -> re.Pattern[bytes]:
    return re.compile(source.encode("ascii"))


def form(triggers: str, source: str) -> Form:
    """`triggers` are separated by blanks."""
    return Form(tuple(triggers.split()), source)


START = r"(?<![A-Za-z0-9_])"
"""Not in the middle of a word: base64 and hashes hold every short sequence of letters."""
END = r"(?![A-Za-z0-9])"


def word(triggers: str, source: str) -> Form:
    return form(triggers, START + source)


def told(begin: str, least: int) -> str:
    """`begin` and so many signs, of which a digit tells it from a name.

    A name is matched as well, without the group: else each `begin` within it would be looked at to the name's end.
    """
    return rf"(?:{begin}[A-Za-z_-]{{{least},}}+(?![0-9])|({begin}[A-Za-z0-9_-]{{{least},}}))"


FORMS = (
    # OpenAI, Anthropic, DashScope, DeepSeek, Moonshot, OpenRouter and others.
    word("sk-", told("sk-", 20)),
    word("ghp_ gho_ ghu_ ghs_ ghr_", r"gh[pousr]_[A-Za-z0-9]{20,}"),
    word("github_pat_", r"github_pat_[A-Za-z0-9_]{20,}"),
    word("glpat- gldt- glrt- glcbt- glptt- glsoat- glft-",
         r"gl(?:pat|dt|rt|cbt|ptt|soat|ft)-[A-Za-z0-9_-]{16,}"),
    word("xox xapp-", r"(?:xox[abeoprs]|xapp)-[A-Za-z0-9-]{10,}"),
    form("hooks.slack.com/services/", r"hooks\.slack\.com/services/([A-Za-z0-9/]{20,})"),
    word("AKIA ASIA ABIA ACCA", r"A(?:KIA|SIA|BIA|CCA)[0-9A-Z]{16}" + END),
    form("secret_access_key secretAccessKey SECRET_ACCESS_KEY SecretAccessKey",
         r"(?i:secret_?access_?key)[\"']?\s*[:=]\s*[\"']?([A-Za-z0-9/+]{40})(?![A-Za-z0-9/+])"),
    word("LTAI", r"LTAI[A-Za-z0-9]{16,20}" + END),
    word("AKLT", r"AKLT[A-Za-z0-9_-]{30,}"),
    word("AKID", r"AKID[A-Za-z0-9]{32}" + END),
    word("ark-", r"ark-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}[0-9a-z-]*"),
    word("AIza", r"AIza[0-9A-Za-z_-]{35}"),
    word("ya29.", r"ya29\.[A-Za-z0-9_-]{20,}"),
    word("GOCSPX-", r"GOCSPX-[A-Za-z0-9_-]{20,}"),
    form("AccountKey= SharedAccessKey=", r"(?:AccountKey|SharedAccessKey)=([A-Za-z0-9+/]{40,}={0,2})"),
    form("sig=", r"[?&]sig=([A-Za-z0-9%+/_-]{40,})"),
    form("Q~", r"(?<![A-Za-z0-9_~.-])[A-Za-z0-9_~.-]{3}[0-9]Q~[A-Za-z0-9_~.-]{31,34}(?![A-Za-z0-9_~.-])"),
    word("hf_ npm_ gsk_", r"(?:hf|npm|gsk)_[A-Za-z0-9]{30,}"),
    word("pypi-", told("pypi-", 50)),
    word("_live_ _test_", r"(?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{16,}"),
    word("whsec_", r"whsec_[A-Za-z0-9+/]{24,}"),
    word("SG.", r"SG\.[A-Za-z0-9_-]{20,24}\.[A-Za-z0-9_-]{39,50}"),
    word(":AA", r"[0-9]{8,10}:AA[A-Za-z0-9_-]{32,33}(?![A-Za-z0-9_-])"),
    word("hvs. hvb.", r"hv[sb]\.[A-Za-z0-9_-]{24,}"),
    word("dapi", r"dapi[0-9a-f]{32}" + END),
    word("dop_v1_ doo_v1_", r"do[op]_v1_[a-f0-9]{64}"),
    word("dckr_pat_ dckr_oat_", r"dckr_[po]at_[A-Za-z0-9_-]{20,}"),
    word("shpat_ shpss_ shpca_", r"shp(?:at|ss|ca)_[a-fA-F0-9]{32}"),
    word("glsa_", r"glsa_[A-Za-z0-9]{32}_[A-Fa-f0-9]{8}"),
    word("lin_api_", r"lin_api_[A-Za-z0-9]{32,}"),
    word("ATATT3", r"ATATT3[A-Za-z0-9_=-]{60,}"),
    word(".atlasv1.", r"[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_=-]{60,}"),
    word("AGE-SECRET-KEY-1", r"AGE-SECRET-KEY-1[0-9A-Z]{50,}"),
    # What is no token is taken whole as well, as a name is above.
    word("eyJ", r"(?:eyJ[A-Za-z0-9_-]{10,}+(?!\.eyJ[A-Za-z0-9_-]{10,}+\.)"
         r"|(eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]*))"),
    form("PRIVATE", r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----((?:\\+[nr]|\s)+"
         r"(?:(?!-----)[A-Za-z0-9+/=\s\\:,.-]){16,})"),
    form("uthorization UTHORIZATION",
         r"(?i:authorization)[\"']?\s*[:=]\s*[\"']?(?i:bearer|basic|token)\s+([A-Za-z0-9._~+/=-]{8,})"),
    # A password in an address; `$PASSWORD`, `{password}`, `<password>` and `***` stand for one.
    form("://", r"://[^\s:/@\"'?#]*:(?![$<{*%\[])([^\s/@\"']+)@"),
    form("assword= wd= ASSWORD= WD=",
         r"(?:^|(?<=;))[ \t]*(?i:password|pwd)[ \t]*=[ \t]*([^;\s\"'$<{*\[][^;\s\"']*)(?=;)"),
)  # fmt: skip
