"""The events that deserve one line at most."""

from __future__ import annotations

from ...text.clean import reveal
from ...text.i18n import _
from ...types.events import (
    Compacted,
    ConversationReset,
    ConversationUndone,
    Event,
    GrantAdded,
    KernelEvent,
    ModeChanged,
    NetworkAttempt,
    NoteAdded,
    Quarantined,
    SessionResumed,
)
from .words import mode_line


def aside(event: Event, *, verbose: bool) -> str:
    """The line, or nothing where the event is of no use to this person."""
    match event:
        case NoteAdded() if verbose or event.source == "harness":
            text = event.text if verbose else shorten(event.text)
            return (_("Told the model: {text}") if event.to_model else _("Note: {text}")).format(text=reveal(text))
        case KernelEvent():
            return _kernel(event, verbose)
        case SessionResumed() if event.gone:
            return _("Variables that are gone: {languages}", languages=", ".join(event.gone))
        case ModeChanged():
            return mode_line(event.mode or ("auto" if event.auto else "ask"))
        case NetworkAttempt() if event.decision != "allowed" or verbose:
            return _network(event)
        case Quarantined():
            text = _("Taken away, because it would run by itself later: {path}", path=reveal(event.path))
            return text + (" " + _("It is kept at {kept}.", kept=event.kept) if event.kept else "")
        case GrantAdded() if event.tool:
            return _("Opened for {tool}: {path}", tool=event.tool, path=reveal(event.path)) if verbose else ""
        case GrantAdded():
            return _("The code may now read {path}.", path=reveal(event.path))
        case ConversationUndone():
            return _("Taken back. Files and variables are as they were.")
        case ConversationReset():
            return _("The conversation begins anew; the kernels were restarted.")
        case Compacted() if verbose:
            return _("Older outputs were shortened for the model; all of them are kept.")
        case _:
            return ""


def _kernel(event: KernelEvent, verbose: bool) -> str:
    reason = f" ({reveal(event.reason)})" if event.reason else ""
    match event.what:
        case "restarted":
            return _("The {language} kernel was restarted; its variables are gone.", language=event.language) + reason
        case "died":
            return _("The {language} kernel ended; its variables are gone.", language=event.language) + reason
        case "started" if verbose:
            return _("The {language} kernel started ({sandbox}).", language=event.language, sandbox=event.sandbox)
        case _:
            return ""


def _network(event: NetworkAttempt) -> str:
    where = reveal(f"[{event.host}]:{event.port}" if ":" in event.host else f"{event.host}:{event.port}")
    many = " " + _("({n} times)", n=event.count) if event.count > 1 else ""
    match event.decision:
        case "allowed":
            return _("Reached: {host} ({rule})", host=where, rule=reveal(event.by)) + many
        case "denied" if event.by in ("default", "nobody is there to say yes"):
            text = _("Not let through: {host}. To allow it: --allow-host {name}", host=where, name=reveal(event.host))
            return text + many
        case "denied" if event.by == "person":
            return ""  # they know
        case "denied":
            return _("Not let through: {host}. {reason}", host=where, reason=reveal(event.reason)) + many
        case _:
            return _("Not reached: {host}. {reason}", host=where, reason=reveal(event.reason)) + many


def shorten(text: str, most: int = 300) -> str:
    """What the harness told the model may be long; its beginning says what it was."""
    first = text.strip().split("\n\n")[0]
    return first if len(first) <= most else first[:most] + "…"
