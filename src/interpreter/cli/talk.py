"""The `%` commands of a conversation."""

from __future__ import annotations

import difflib
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast, get_args

from ..config.settings import Settings, with_values
from ..errors import UsageError
from ..text.cut import pad, width
from ..text.i18n import _
from ..types.ops import Reset, SetMode, SubmitInput, Undo
from ..types.rules import Mode
from .contract import Conversation, TalkView
from .say import say
from .sessions import print_rows
from .tally import Tally
from .views.words import mode_line, usage_line
from .words import COMMAND_WORDS, WORDS

if TYPE_CHECKING:
    from ..app.readings import Readings

ON = ("on", "yes", "true", "1", "开")
OFF = ("off", "no", "false", "0", "关")


class Change(NamedTuple):
    """Go over to another session. An empty `resume` at the start: a new one; as a command's result: leave."""

    resume: str = ""
    settings: Settings | None = None
    back: str = ""
    """The session to return to when that fails."""
    detach: bool = False
    """Leave; what runs goes on."""
    submit: SubmitInput | None = None
    """Stay, and begin a turn with this."""


class Talk:
    def __init__(self, session: Conversation, settings: Settings, view: TalkView, tally: Tally) -> None:
        self._session, self._settings, self._view = session, settings, view
        self._tally = tally
        self._verbose = settings.verbose

    @property
    def _readings(self) -> Readings:
        from ..app.readings import Readings

        return Readings(self._settings)

    def is_command(self, text: str) -> bool:
        """`%word` or `/word`; not `%%`, not a path, not a sentence that happens to begin so."""
        first = text.split(maxsplit=1)[0] if text.split() else ""
        if first[:1] not in ("%", "/") or first.startswith("%%") or len(first) < 2:
            return False
        return first[0] == "%" or ("/" not in first[1:] and not os.path.lexists(first))

    async def command(self, text: str) -> Change | None:
        """Carry out a command. Raises UsageError for an unknown one, and what the command itself raises."""
        first, _space, rest = text.strip().partition(" ")
        name, rest = first[1:].lower(), rest.strip()
        if name in ("exit", "quit", "q"):
            return Change()
        work: dict[str, Callable[[str], Awaitable[Change | None]]] = {
            "help": self._help,
            "detach": self._detach,
            "undo": self._undo,
            "reset": self._reset,
            "save": self._save,
            "load": self._load,
            "resume": self._resume,
            "stage": self._stage,
            "skill": self._skill,
            "sessions": self._sessions,
            "model": self._model,
            "tokens": self._tokens,
            "ask": self._ask,
            "auto": self._auto,
            "plan": self._plan,
            "mode": self._mode,
            "verbose": self._set_verbose,
            "jupyter": self._jupyter,
            "markdown": self._markdown,
        }
        if name not in work:
            close = difflib.get_close_matches(name, COMMAND_WORDS, 1)
            problem = _("There is no command {name}.", name=first)
            if close:
                problem += " " + _("Did you mean {close}?", close="%" + close[0])
            hint = _("%help lists the commands; a line that begins with %% is run as your own shell code.")
            raise UsageError(problem, hint)
        return await work[name](rest)

    async def _help(self, _rest: str) -> None:
        left = [f"%{word.name} {word.argument}".strip() for word in WORDS] + ["%% COMMAND", "%%LANGUAGE"]
        right = [_(word.help) for word in WORDS]
        right += [
            _("Run a shell command of your own, in the same sandbox."),
            _("Run the code on the lines below it, in that language."),
        ]
        column = max(map(width, left)) + 2
        for name, text in zip(left, right, strict=True):
            say("  " + pad(name, column) + text)
        say(_('Alt-Enter begins a new line; """ opens and closes a block of several lines.'))

    async def _detach(self, _rest: str) -> Change:
        return Change(detach=True)

    async def _undo(self, rest: str) -> None:
        words = rest.split()
        alone = "--conversation" in words
        words = [word for word in words if word != "--conversation"]
        if len(words) > 1 or (words and not (words[0].isascii() and words[0].isdigit())):
            raise UsageError(_("%undo takes a number of turns, and --conversation to leave files and variables."))
        await self._session.send(Undo(turns=int(words[0]) if words else 1, files=not alone, variables=not alone))
        if self._session.staging is not None and (staged := await self._session.staging.changes()):
            # Snapshots are of the folder, which the code of a staged session does not change.
            say(_("Staged changes stay as they are: {n}. To take them back: %stage drop [PATH ...]", n=len(staged)))

    async def _reset(self, _rest: str) -> None:
        await self._session.send(Reset())

    async def _save(self, rest: str) -> None:
        path = self._path(rest, "conversation.json")
        count = self._readings.save(self._session.id, path)
        say(_("Saved {n} messages: {path}", n=count, path=str(path)))

    async def _load(self, rest: str) -> Change:
        if not rest:
            raise UsageError(_("%load takes the path of a saved conversation."))
        path = self._readings.saved(Path(rest).expanduser().absolute())
        return Change(resume=str(path), back=self._session.id)

    async def _resume(self, rest: str) -> Change:
        found = self._readings.find(rest or "last")
        if found == self._session.id:
            raise UsageError(_("This is the session that you are in."), _("Others: %sessions"))
        return Change(resume=found, back=self._session.id)

    async def _stage(self, rest: str) -> None:
        from .staged import talk_stage

        await talk_stage(self._session, rest)

    async def _skill(self, rest: str) -> Change | None:
        from .skills import talk_skill

        submit = talk_skill(self._settings, self._session.workspace, self._session.id, rest)
        return Change(submit=submit) if submit is not None else None

    async def _sessions(self, _rest: str) -> None:
        print_rows(self._readings.rows(), say)

    async def _model(self, rest: str) -> Change | None:
        if rest:
            changed = with_values(self._settings, {"llm.model": rest})
            return Change(resume=self._session.id, settings=changed, back=self._session.id)
        facts = self._session.facts
        if facts is None:
            say(
                _(
                    "No model was asked yet. Chosen: {model}",
                    model=self._settings.llm.model or _("the one that is found"),
                )
            )
            return None
        say(f"{facts.model} · {facts.kind} · {facts.api_base}")
        others = [name for name in facts.models if name != facts.model]
        if others:
            say(_("The server also has: {names}", names=", ".join(others[:20])))
        return None

    async def _tokens(self, _rest: str) -> None:
        say(_("This conversation, {n} turns: {usage}", n=self._tally.turns, usage=usage_line(self._tally.usage)))
        say(_("Last turn: {usage}", usage=usage_line(self._tally.last)))
        if self._session.window:
            say(_("The model's window: {n} tokens", n=self._session.window))

    async def _ask(self, _rest: str) -> None:
        await self._go_over("ask")

    async def _auto(self, rest: str) -> None:
        await self._go_over("auto" if self._switch(rest, self._session.auto) else "ask")

    async def _plan(self, rest: str) -> None:
        await self._go_over("plan" if self._switch(rest, self._session.mode == "plan") else "ask")

    async def _mode(self, rest: str) -> None:
        if not rest:
            say(mode_line(self._session.mode))
            return
        mode = rest.lower()
        if mode not in get_args(Mode):
            raise UsageError(_("The modes are {names}.", names=", ".join(get_args(Mode))))
        await self._go_over(cast(Mode, mode))

    async def _go_over(self, mode: Mode) -> None:
        await self._session.send(SetMode(auto=mode == "auto", mode=mode))

    async def _set_verbose(self, rest: str) -> None:
        self._verbose = self._switch(rest, self._verbose)
        self._view.set_verbose(self._verbose)
        say(_("Requests and usage are shown.") if self._verbose else _("Requests and usage are hidden."))

    async def _jupyter(self, rest: str) -> None:
        self._export(rest, "ipynb")

    async def _markdown(self, rest: str) -> None:
        self._export(rest, "md")

    def _export(self, rest: str, form: str) -> None:
        path = self._path(rest, f"{self._session.id}.{form}")
        try:
            path.write_text(self._readings.export(self._session.id, form), encoding="utf-8")
        except OSError as error:
            raise UsageError(_("{path} cannot be written: {reason}.", path=str(path), reason=error.strerror)) from None
        say(_("Written: {path}", path=str(path)))

    def _path(self, rest: str, default: str) -> Path:
        return (self._session.workspace / Path(rest or default).expanduser()).absolute()

    def _switch(self, rest: str, now: bool) -> bool:
        if not rest:
            return not now
        if rest.lower() in ON or rest.lower() in OFF:
            return rest.lower() in ON
        raise UsageError(_("Say on or off."))
