"""The secrets that this program knows of, so that they can be taken out of everything."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from ..config.settings import Settings
from ..text.redact import secret_values
from ..types.rules import Credential

LARGEST = 1 << 16


def secrets_of(settings: Settings) -> tuple[str, ...]:
    """Those of the environment, the key of the model's server, and what its headers hold of the kind."""
    llm = settings.llm
    headers = {name.replace("-", "_"): value.split(" ")[-1] for name, value in llm.headers.items()}
    key = (llm.api_key,) if llm.api_key else ()
    return tuple(dict.fromkeys((*key, *secret_values(headers), *secret_values(os.environ))))


def credential_values(credentials: Iterable[Credential]) -> tuple[str, ...]:
    """The real values behind placeholders; one that cannot be read is left out: who needs it says so."""
    found: list[str] = []
    for credential in credentials:
        kind, _colon, place = credential.source.partition(":")
        if kind == "env":
            found.append(os.environ.get(place, ""))
        elif kind == "file":
            try:
                with Path(place).open("rb") as file:
                    found.append(file.read(LARGEST).decode("utf-8", "replace").strip())
            except OSError:
                continue
    return tuple(value for value in found if value)
