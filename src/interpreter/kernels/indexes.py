"""Where packages come from: the person's own settings for pip, as far as an installer inside walls may know them.

The files are read on the host and only the settings named here travel, as variables. So the installer needs no home
folder, and no other setting (a script, a plug-in, a build of sources) comes in by that way.
"""

from __future__ import annotations

import configparser
import os
import sys
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote, urlsplit

from interpreter.types.base import Value

from ..text.expression import expression

SETTINGS = (
    "index-url", "extra-index-url", "find-links", "no-index", "trusted-host", "cert", "client-cert", "timeout",
    "default-timeout", "retries", "constraint", "pre", "prefer-binary",
)  # fmt: skip
_APPENDED = ("extra-index-url", "find-links", "trusted-host", "constraint")
_FILES = ("cert", "client-cert", "constraint")
_PIPS_OWN = expression(r'PyPI = PackageIndex\(\s*"https://([^/"]+)/?",\s*file_storage_domain="([^"]+)"')
_CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


class IndexSettings(Value):
    env: dict[str, str] = {}
    """`PIP_*` and certificate variables for the installer; may hold credentials of a private index: never shown."""
    readable: tuple[str, ...] = ()
    """Paths that these settings name: certificates, folders of wheels, indexes on disk."""
    hosts: tuple[str, ...] = ()
    """Where the installer may connect to."""


def index_settings(environ: Mapping[str, str], *, prefix: str = "") -> IndexSettings:
    """The settings in force for a person: the files that pip reads, then the variables.

    Unreadable files count as absent. `prefix`: this tool's own environment, whose `pip.conf` counts too; the
    project's own never does.
    """
    merged: dict[str, str] = {}
    for path in _config_files(environ, prefix or sys.prefix):
        merged.update(_read(path))
    for name in SETTINGS:
        if value := environ.get(_variable(name), "").strip():
            merged[name] = value
    env = {_variable(name): " ".join(value.split()) if name in _APPENDED else value for name, value in merged.items()}
    env |= {name: environ[name] for name in _CERTIFICATES if environ.get(name)}
    env |= {"PIP_CONFIG_FILE": os.devnull, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1"}
    paths, hosts = [env[name] for name in _CERTIFICATES if name in env], list(_default_hosts())
    for name, value in merged.items():
        for word in value.split() if name in (*_APPENDED, "index-url") else [value]:
            _sort_out(name, word, paths, hosts)
    readable = {path: None for path in paths if path.startswith("/") and Path(path).exists()}
    return IndexSettings(env=env, readable=tuple(readable), hosts=tuple(dict.fromkeys(hosts)))


def _default_hosts() -> tuple[str, ...]:
    """Where pip goes without any setting, read off pip itself; empty where it does not say."""
    spec = find_spec("pip")
    if spec is None or spec.origin is None:
        return ()
    try:
        text = Path(spec.origin).with_name("_internal").joinpath("models/index.py").read_text(encoding="utf-8")
    except OSError:
        return ()
    found = _PIPS_OWN.search(text)
    return (found[1], found[2]) if found else ()


def _variable(name: str) -> str:
    return "PIP_" + name.upper().replace("-", "_")


def _config_files(environ: Mapping[str, str], prefix: str) -> Iterator[Path]:
    """In pip's order: later ones win."""
    named = environ.get("PIP_CONFIG_FILE", "")
    if named == os.devnull:
        return
    home = Path(environ.get("HOME") or Path("~").expanduser())
    if sys.platform == "darwin":
        yield Path("/Library/Application Support/pip/pip.conf")
    for folder in reversed((environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(os.pathsep)):
        yield Path(folder, "pip/pip.conf")
    yield Path("/etc/pip.conf")
    yield home / ".pip/pip.conf"
    if sys.platform == "darwin":
        yield home / "Library/Application Support/pip/pip.conf"
    yield Path(environ.get("XDG_CONFIG_HOME") or home / ".config", "pip/pip.conf")
    yield Path(prefix, "pip.conf")
    if named:
        yield Path(named)


def _read(path: Path) -> dict[str, str]:
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, configparser.Error):
        return {}
    found: dict[str, str] = {}
    for section in ("global", "install"):
        if parser.has_section(section):
            for key, value in parser.items(section):
                name = key.replace("_", "-").removeprefix("--")
                if name in SETTINGS and value.strip():
                    found[name] = value.strip()
    return found


def _sort_out(name: str, word: str, paths: list[str], hosts: list[str]) -> None:
    """Whether a word of a setting is a path to be readable or a host to be reached."""
    url = urlsplit(word)
    if url.scheme in ("http", "https") and url.hostname:
        hosts.append(url.hostname)
    elif name == "trusted-host":
        hosts.append(urlsplit(f"//{word}").hostname or word)
    elif url.scheme == "file" or (name in (*_FILES, "find-links") and word.startswith("/")):
        path = Path(unquote(url.path))
        # The pages of an index on disk link to files beside it.
        paths.append(str(path.parent if path.name == "simple" else path))
