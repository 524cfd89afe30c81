"""What a session with a way out brings along: rules and secrets for its brokers, files and variables for programs.

The real value of a credential goes to the keeper and the broker alone, over their own channels: never into an argument,
an environment, a file or a log. The key of the certificate authority goes the same way.
"""

from __future__ import annotations

import importlib.util
import json
import os
import secrets
import string
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import SandboxUnavailable, UsageError
from ..keeper import hosts
from ..text.i18n import _
from ..types.rules import Credential, NetworkRules
from ..types.walls import Profile

AUTHORITY = Path(__file__).parents[1] / "keeper" / "authority.py"
NODE = Path(__file__).parents[1] / "guest" / "node_proxy.cjs"
SHORTEST = 8
"""Characters of a secret; a shorter one could stand in an answer by chance."""
LONGEST = 8192
BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
"""Where systems keep the authorities that they trust."""
OWN_BUNDLE = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
TRUSTING = (
    "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PIP_CERT", "GIT_SSL_CAINFO", "AWS_CA_BUNDLE",
    "CARGO_HTTP_CAINFO", "DENO_CERT", "npm_config_cafile",
)  # fmt: skip
"""Variables by which programs find a file of authorities."""


class WayOut:
    """Made once for a session's walls; every launch takes its variables, its readable folder and its settings.

    Args:
        folder: where files for programs inside are put; outside what they can write.
        environ: the person's environment, in which credentials and their own file of authorities may be named.

    Raises:
        UsageError: a pattern of the rules is none, a credential cannot be read, or what its rule needs is not
            installed.
    """

    def __init__(self, rules: NetworkRules, folder: Path | str, environ: Mapping[str, str]) -> None:
        for word in (*rules.allow, *rules.deny, *(credential.host for credential in rules.credentials)):
            check_pattern(word)
        self._folder = Path(os.path.abspath(folder))
        self._told = [secret(credential, environ) for credential in rules.credentials]
        self._ends_tls = rules.read_only or bool(rules.credentials)
        self._trust = trusted(environ)
        self._site = library_folder() if self._ends_tls else ""
        self._authority: dict[str, str] = {}

    def inside(self, profile: Profile) -> tuple[dict[str, str], tuple[str, ...]]:
        """Variables, and paths to be readable. Raises SandboxUnavailable: the files cannot be made."""
        try:
            self._folder.mkdir(mode=0o755, parents=True, exist_ok=True)
            values = {told["variable"]: told["placeholder"] for told in self._told}
            preload = self._folder / NODE.name
            put(preload, NODE.read_bytes())
            options = profile.environment.get("NODE_OPTIONS", "")
            values["NODE_OPTIONS"] = f"--require={for_node(preload)} {options}".strip()
            if self._ends_tls:
                values |= self._trusting()
        except (OSError, subprocess.SubprocessError, ValueError) as error:
            raise SandboxUnavailable(
                _("The way out to the network could not be prepared: {reason}", reason=error),
                _("Nothing was run. Without a network: leave --network out."),
            ) from error
        return values, (str(self._folder),)

    def broker(self) -> dict[str, Any]:
        """Settings of a broker beside its rules; call `inside` first."""
        return {"credentials": self._told, **({"authority": self._authority} if self._authority else {})}

    def _trusting(self) -> dict[str, str]:
        if not self._authority:
            command = [sys.executable, "-I", "-S", str(AUTHORITY), self._site]
            made = subprocess.run(command, capture_output=True, check=True, timeout=60)
            self._authority = {**json.loads(made.stdout), "site": self._site, "trust": self._trust}
        own, bundle, wget = (self._folder / name for name in ("authority.pem", "bundle.pem", "wgetrc"))
        certificate = self._authority["certificate"].encode()
        put(own, certificate)
        put(bundle, Path(self._trust).read_bytes().rstrip(b"\n") + b"\n" + certificate)
        put(wget, f"ca_certificate = {bundle}\n".encode())
        return dict.fromkeys(TRUSTING, str(bundle)) | {"NODE_EXTRA_CA_CERTS": str(own), "WGETRC": str(wget)}


def check_pattern(word: str) -> None:
    """Raises UsageError: a rule's word names no hosts."""
    try:
        hosts.patterns(word)
    except ValueError as error:
        raise UsageError(
            _("`{word}` names no hosts: {reason}.", word=word, reason=error),
            _("Write `host`, `*.host`, `host:port`, an address, or a group such as @git-hosts."),
        ) from error


def for_node(path: Path) -> str:
    """A path as one word of NODE_OPTIONS."""
    text = str(path)
    if not any(letter in text for letter in ' "\\'):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def put(path: Path, data: bytes) -> None:
    """Write a file as a whole, unless it says so already."""
    if path.is_file() and path.read_bytes() == data:
        return
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    beside.write_bytes(data)
    beside.chmod(0o644)
    beside.replace(path)


def secret(credential: Credential, environ: Mapping[str, str]) -> dict[str, str]:
    """A credential with its value and its placeholder. Raises UsageError, which never shows the value."""
    kind, _sep, place = credential.source.partition(":")
    try:
        value = environ.get(place, "") if kind == "env" else Path(place).read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        raise UsageError(
            _(
                "The credential {name} cannot be read from {source}.",
                name=credential.variable,
                source=credential.source,
            ),
            _("Nothing was run. Mend `network: credentials:` in your policy."),
        ) from error
    if not SHORTEST <= len(value) <= LONGEST or not value.isascii() or not value.isprintable() or " " in value:
        raise UsageError(
            _("The credential {name} ({source}) should be 8 or more printable characters without spaces.",
              name=credential.variable, source=credential.source),
            _("Nothing was run. Mend `network: credentials:` in your policy."),
        )  # fmt: skip
    return {
        "variable": credential.variable,
        "host": credential.host,
        "value": value,
        "placeholder": placeholder(len(value)),
    }


def placeholder(length: int) -> str:
    """As long as the value, so that answers keep their length; not to be guessed where there is room."""
    letters = string.ascii_letters + string.digits
    begin = "placeholder" if length >= 32 else ""
    return begin + "".join(secrets.choice(letters) for _ in range(length - len(begin)))


def trusted(environ: Mapping[str, str]) -> str:
    """The file of authorities by which the person's machine checks servers."""
    own = [environ[name] for name in OWN_BUNDLE if environ.get(name)]
    found = next((path for path in (*own, *BUNDLES) if os.path.isfile(path)), "")
    if found:
        return found
    spec = importlib.util.find_spec("pip")
    return str(Path(spec.origin or "").parent / "_vendor" / "certifi" / "cacert.pem") if spec else ""


def library_folder() -> str:
    """Where `cryptography` lies. Raises UsageError: it is not installed."""
    spec = importlib.util.find_spec("cryptography")
    if spec is None or spec.origin is None:
        raise UsageError(
            _("Read-only networking and credentials need the package cryptography, which is not installed."),
            _("Nothing was run. Install it: pip install 'reinterpreter[broker]'"),
        )
    return str(Path(spec.origin).parents[1])
