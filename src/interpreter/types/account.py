"""What a finished stretch of a conversation comes to once it does not fit any more, and the events that say so."""

from __future__ import annotations

from .base import Value
from .messages import Usage


class Words(Value):
    """Something that the person said."""

    text: str
    turn: str = ""
    """Set where a turn began with it."""
    cut: int = 0
    """Characters that are left out behind `text`."""


class Act(Value):
    """One step in a line."""

    line: str
    """What ran: the first line that says something."""
    language: str = ""
    """Empty: nothing ran; the line is a remark, such as a loss of variables."""
    status: str = "ok"
    """As in ActionFinished."""
    gist: str = ""
    """The beginning of its result, or its error."""
    output: str = ""
    """The id under which a long result can be read on."""
    own: bool = False
    """The person ran it themselves."""


class Chapter(Value):
    """A stretch, mostly one turn; older ones are put together and grow coarser."""

    words: tuple[Words, ...] = ()
    left: int = 0
    """Things that the person said and that are left out altogether, before `words`."""
    acts: tuple[Act, ...] = ()
    """The newest steps, one by one."""
    steps: int = 0
    """How many steps there were in all."""
    failed: int = 0
    """How many of them failed."""
    files: tuple[str, ...] = ()
    """Written by steps that succeeded, the newest last."""
    mended: tuple[str, ...] = ()
    """What failed, and what worked then."""
    learned: tuple[str, ...] = ()
    """What the model itself said, the newest last, shortened."""
    summary: str = ""
    """By a model, in place of what stood here before."""
    taken_back: bool = False
    """The person took back what came after some point of it."""


class Shortened(Value):
    """Something that the person said, of which only the beginning is told."""

    said: int
    """Which, counted from the session's first."""
    kept: int
    """Characters."""


class Compacted(Value, tag="compacted"):
    """From here on the model's history is shorter; the log keeps everything."""

    actions: tuple[str, ...] = ()
    """These show their output only as head, tail and id."""
    dropped: tuple[str, ...] = ()
    """Logs of older versions: the exchanges that proposed these actions are told in short."""
    answers: int = 0
    """So many of the model's oldest answers, with what led to them and what came of them, are told by `account`."""
    account: tuple[Chapter, ...] = ()
    """The whole of it, with what earlier ones told; empty: as before."""
    shortened: tuple[Shortened, ...] = ()
    """What the person said since, and would not fit otherwise."""
    cut: int = 0
    """How many things that the person said are no longer told in full, from here on."""


class Summarized(Value, tag="summarized"):
    """A model was asked for a summary, because `summary: model` is set; after its ModelAsked, before Compacted."""

    turn: str
    text: str = ""
    """What it answered."""
    problem: str = ""
    """Why that is not used, and the account is: empty, too long, Interrupted, the class of an error ..."""
    usage: Usage = Usage()
    model: str = ""
    duration: float = 0.0
    retries: int = 0
