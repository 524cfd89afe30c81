"""The events that deserve one line at most."""

from __future__ import annotations

from ...text.clean import reveal
from ...text.i18n import _
from ...types.events import (
    CheckpointMissed,
    CheckpointRestored,
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
    QuestionSent,
    SessionResumed,
    Summarized,
)
from ...types.goals import GoalEvent
from .back import taken_back
from .words import mode_line

NAMES = 10
"""How many missing names are said one by one."""


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
        case CheckpointMissed() if verbose:
            return _("The variables were not saved after this step: {reason}", reason=reveal(event.reason))
        case CheckpointRestored() if verbose:  # else the account of what is back says it
            return _restored(event)
        case GrantAdded() if event.tool:
            return _("Opened for {tool}: {path}", tool=event.tool, path=reveal(event.path)) if verbose else ""
        case GrantAdded():
            return _("The code may now read {path}.", path=reveal(event.path))
        case ConversationUndone() if not event.rewind:
            return _("Taken back. Files and variables are as they were.")
        case ConversationReset():
            return _("The conversation begins anew; the kernels were restarted.")
        case Compacted() | Summarized():
            return _shorter(event, verbose)
        case _:
            return _sent(event) or _goal(event, verbose) or taken_back(event)


def _goal(event: Event, verbose: bool) -> str:
    if not isinstance(event, GoalEvent):
        return ""
    # Only a goal run pays for it.
    from .goal import goal_text

    return goal_text(event, verbose=verbose)


def _shorter(event: Compacted | Summarized, verbose: bool) -> str:
    """How the model's window was made to last."""
    match event:
        case Compacted() if event.cut:
            return _("Not all that you said fits the model's window: of older messages it reads the beginning only.")
        case Compacted() if verbose and event.answers:
            return _("Older steps are told to the model in short; all of them are kept.")
        case Compacted() if verbose:
            return _("Older outputs were shortened for the model; all of them are kept.")
        case Summarized() if verbose and event.problem:
            return _("The model's summary of older steps was not used: {reason}.", reason=reveal(event.problem))
        case _:
            return taken_back(event)


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


def _restored(event: CheckpointRestored) -> str:
    text = _("The {language} variables are back from the last checkpoint: {n} names.", language=event.language,
             n=event.names)  # fmt: skip
    if event.missing:
        names = ", ".join(reveal(one.name) for one in event.missing[:NAMES])
        more = len(event.missing) - NAMES
        text += " " + _("Missing: {names}", names=names) + (f" … (+{more})" if more > 0 else "")
    return text


def _sent(event: Event) -> str:
    if not isinstance(event, QuestionSent):
        return ""
    if event.problem:
        return _("The question was not sent to {target}: {reason} It waits all the same: interpreter approvals list",
                 target=reveal(event.target), reason=reveal(event.problem))  # fmt: skip
    return _("The question was sent to {target}.", target=reveal(event.target))


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
