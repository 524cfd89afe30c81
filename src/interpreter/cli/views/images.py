"""Pictures in terminals that can draw them: kitty's protocol, iTerm2's, or sixel through a program that is there."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from ...aio.search import of_the_system

LARGEST = 8 << 20
CHUNK = 4096
Protocol = Literal["kitty", "iterm2", "sixel", ""]


def protocol(environ: Mapping[str, str]) -> Protocol:
    """What this terminal understands, told by its environment alone: asking it could be seen on the screen."""
    term, program = environ.get("TERM", ""), environ.get("TERM_PROGRAM", "")
    if environ.get("TMUX") or term.startswith(("screen", "tmux")):
        return ""  # tmux swallows or mangles all three unless it was told to let them through
    if environ.get("KITTY_WINDOW_ID") or term in ("xterm-kitty", "xterm-ghostty") or program == "ghostty":
        return "kitty"
    if program in ("iTerm.app", "WezTerm") or environ.get("LC_TERMINAL") == "iTerm2":
        return "iterm2"
    if "sixel" in term or term in ("foot", "foot-extra", "mlterm", "yaft-256color"):
        return "sixel" if of_the_system("img2sixel") else ""
    return ""


def picture(path: str, mime: str, kind: Protocol) -> str:
    """The bytes that draw a picture, as text; empty where it cannot be drawn."""
    if not kind or not mime.startswith("image/"):
        return ""
    try:
        data = Path(path).read_bytes() if Path(path).stat().st_size <= LARGEST else b""
    except OSError:
        return ""
    if not data:
        return ""
    if kind == "iterm2" and mime in ("image/png", "image/jpeg", "image/gif"):
        encoded = base64.b64encode(data).decode()
        return f"\x1b]1337;File=inline=1;size={len(data)};preserveAspectRatio=1:{encoded}\a\n"
    if kind == "kitty" and mime == "image/png":
        return _kitty(data)
    if kind == "sixel" and mime in ("image/png", "image/jpeg"):
        from ...app.pictures import sixel

        return sixel(of_the_system("img2sixel") or "", data)
    return ""


def _kitty(data: bytes) -> str:
    encoded = base64.b64encode(data).decode()
    chunks = [encoded[at : at + CHUNK] for at in range(0, len(encoded), CHUNK)]
    drawn: list[str] = []
    for number, chunk in enumerate(chunks):
        head = "a=T,f=100,q=2," if number == 0 else ""
        drawn.append(f"\x1b_G{head}m={int(number < len(chunks) - 1)};{chunk}\x1b\\")
    return "".join(drawn) + "\n"
