"""Lines that the person wants run as they are: `%% ls -l`, `%%python` and the code below it."""

from __future__ import annotations

from ..types.actions import Action
from ..types.base import code_sha256, new_id
from ..types.languages import canonical


def read_own_code(text: str) -> Action | None:
    """The action in `text` when it starts with `%%`, else None.

    `%% COMMAND` and `%%COMMAND` are for the shell; `%%LANGUAGE` alone on the first line names the language of the rest.
    """
    if not text.startswith("%%"):
        return None
    first, _newline, rest = text[2:].partition("\n")
    language = canonical(first.strip()) if rest.strip() else None
    code = rest if language else text[2:].lstrip(" ")
    return Action(id=new_id("a"), language=language or "shell", code=code, sha256=code_sha256(code))
