"""What a program's person sees and answers: plain text, no screen library."""

from __future__ import annotations

import builtins
import sys
from collections.abc import Callable
from typing import Any, cast

from ..text.i18n import _
from ..types.actions import Action
from ..types.events import ApprovalRequested
from ..types.ops import ResolveApproval
from .chunks import Chunk

Reader = Callable[[str], str]


def default_reader() -> Reader | None:
    """How a line is asked for: at a terminal or in a notebook; None where nobody is there."""
    if "ipykernel" in sys.modules or (sys.stdin is not None and sys.stdin.isatty()):
        return cast("Reader", builtins.__dict__["input"])
    return None


def print_chunk(chunk: Chunk) -> None:
    """Write a chunk to standard output as it comes."""
    out = sys.stdout
    if chunk.get("end"):
        out.write("\n")
    elif chunk["type"] == "code" and chunk.get("start"):
        out.write(f"\n--- {chunk['format']}\n")
    elif chunk["type"] == "console" and chunk.get("start"):
        out.write("---\n")
    elif chunk["type"] == "image":
        out.write(_("Image: {path}", path=chunk["content"]) + "\n")
    elif chunk["type"] in ("message", "code", "console"):
        out.write(str(chunk.get("content", "")))
    out.flush()


def answer(request: ApprovalRequested, action: Action | None, read: Reader) -> ResolveApproval:
    """Ask the person and read their answer; what is not understood is asked again, the end of input is a no."""
    fields: dict[str, Any] = {"approval": request.approval, "channel": "python"}
    try:
        if request.kind == "input":
            return ResolveApproval(answer="yes", text=read(request.subject), **fields)
        if request.kind == "run":
            title = action.language if action is not None else ""
            reasons = "".join(f"{reason.rule}: {reason.text}\n" for reason in request.reasons)
            question = reasons + _("Run this {language} code ({where})? y/n/a, or n and a reason: ", language=title,
                                   where=request.where)  # fmt: skip
        else:
            question = f"{request.question} {request.subject}".rstrip() + " (y/n) "
        while True:
            word, _space, reason = read(question).strip().partition(" ")
            match word.lower():
                case "y" | "yes" | "是" | "好":
                    return ResolveApproval(answer="yes", **fields)
                case "n" | "no" | "否" | "不":
                    return ResolveApproval(answer="no", reason=reason.strip(), **fields)
                case "a" | "always" | "总是":
                    return ResolveApproval(answer="always", **fields)
                case _:
                    continue
    except EOFError:
        return ResolveApproval(answer="no", **fields)
