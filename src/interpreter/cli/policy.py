"""`interpreter policy check`, `explain`, `replay` and `trust`."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..app.rulings import Checked, Replayed, Rulings, Said
from ..config.settings import Settings
from ..errors import UsageError
from ..text.clean import clean_text
from ..text.cut import fit
from ..text.i18n import _
from ..text.verdicts import subject_words, unclear
from ..types.languages import canonical
from .arguments import Arguments, Parser, no_command, settle
from .command import read_command
from .configure import find_workspace

USAGE = """interpreter policy check [FILE] [--json]
interpreter policy explain 'COMMAND' [--language NAME] [--sandbox off] [--unattended] [--mode ask|auto|plan] [--json]
interpreter policy replay [--session ID | --all] [--json]
interpreter policy trust [FOLDER] [--revoke]
"""
MOST_SHOWN = 40


def policy(arguments: Arguments) -> int:
    """Carry it out; the exit code. Raises UsageError, and PolicyError for a file that is wrong."""
    switches = ("json", "all", "revoke", "unattended")
    texts = ("session", "language", "mode")
    asked = read_command(arguments, USAGE, switches=switches, texts=texts, order=_words_first)
    if asked is None:
        return 0
    words = asked.words
    work = {"check": _check, "explain": _explain, "replay": _replay, "trust": _trust}
    if not words or words[0] not in work:
        raise no_command("policy", words, work, USAGE.rstrip())
    named = words[0] == "trust" and len(words) > 1
    workspace = find_workspace(words[1]) if named else asked.workspace()
    settings = asked.settings(workspace)
    return work[words[0]](Rulings(settings, workspace), settings, words[1:], asked.found)


def _words_first(parser: Parser, words: Sequence[str]) -> list[str]:
    """The same words with the flags last: argparse takes plain words in one row only, and code may look like a flag."""
    known_flags = parser._option_string_actions  # pyright: ignore[reportPrivateUsage] - argparse has no public list
    plain: list[str] = []
    flags: list[str] = []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word == "--":
            plain += rest
            break
        known = known_flags.get(settle(word).partition("=")[0])
        if known is None and not word.startswith("-"):
            plain.append(word)
            continue
        flags.append(settle(word))
        if known is not None and known.nargs is None and "=" not in word and rest:
            flags.append(rest.pop(0))
    return [*flags, "--", *plain]


def _check(rulings: Rulings, _settings: Settings, words: Sequence[str], found: dict[str, Any]) -> int:
    if len(words) > 1:
        raise UsageError(_("policy check takes one file."), USAGE.rstrip())
    checked = rulings.check(Path(words[0]) if words else None)
    if found["json"]:
        _print_json(checked)
        return 0
    for layer, path in checked.files:
        _write(f"{_layer(layer)}: {path}")
    for layer, allow, ask, deny in checked.counts:
        _write(
            _("{layer}: {allow} allow, {ask} ask, {deny} deny", layer=_layer(layer), allow=allow, ask=ask, deny=deny)
        )
    for name, place in checked.grants:
        _write(_("{place}: opens {name}", place=place, name=name))
    for line in (*checked.notes, *_odd(checked)):
        _write(line)
    _write(_("All examples hold."))
    return 0


def _odd(checked: Checked) -> list[str]:
    told: list[str] = []
    for one in checked.odd:
        if one.kind == "never":
            told.append(_("{place}: `{name}` can never match.", place=one.place, name=one.rule))
        elif one.kind == "overruled":
            told.append(
                _("{place}: `{name}` is always overruled by {rules}.", place=one.place, name=one.rule, rules=one.about)
            )
        elif one.kind == "language":
            told.append(
                _("{place}: `{name}` names the language {language}, which does not exist.",
                  place=one.place, name=one.rule, language=one.about)
            )  # fmt: skip
        else:
            told.append(_("{place}: `{name}` has no `match` examples.", place=one.place, name=one.rule))
    return told


def _explain(rulings: Rulings, settings: Settings, words: Sequence[str], found: dict[str, Any]) -> int:
    if not words:
        raise UsageError(_("Say what is to be explained: a command, or code with --language."), USAGE.rstrip())
    language = canonical(str(found["language"] or "shell"))
    if language is None:
        raise UsageError(_("There is no language {name}.", name=str(found["language"])))
    mode = str(found["mode"] or "auto")
    if mode not in ("ask", "auto", "plan"):
        raise UsageError(_("--mode should be one of {choices}.", choices="ask, auto, plan"))
    said = rulings.explain(
        language,
        " ".join(words),
        walled=settings.walls.backend != "host",
        attended=not found["unattended"],
        mode=mode,  # pyright: ignore[reportArgumentType]
    )
    if found["json"]:
        _print_json(said)
        return 0
    _tell(said, unattended=bool(found["unattended"]))
    return 0


def _tell(said: Said, *, unattended: bool) -> None:
    verdict = said.verdict
    first = {
        "allow": _("It would run; in mode ask you are asked first."),
        "ask": _("You would be asked."),
        "deny": _("It would not run."),
    }[verdict.decision]
    if verdict.covered:
        first = _("It would run without a question.")
    elif verdict.decision == "ask" and unattended:
        first = _("Nobody is there to be asked: it would not run, or wait with --approvals park.")
    _write(f"{verdict.decision}: {first}")
    for reason in verdict.reasons:
        _write(f"  {reason.decision:5} {reason.rule} ({_layer(reason.layer)}): {_line(_(reason.text))}")
        if reason.subject:
            _write(f"        {_line(subject_words(reason.subject))}")
        if reason.grant:
            _write("        " + _("opened by `grants: [{name}]` in your policy, or --grant {name}", name=reason.grant))
    if not verdict.reasons:
        _write("  " + _("No rule is about it."))
    for one in verdict.unknown:
        _write("  " + _("Not understood: {what}", what=_line(unclear(one))))
    _write(_("What was understood:"))
    rows = (
        (_("commands"), said.commands), (_("calls"), said.calls), (_("deletes"), said.deletes),
        (_("writes"), said.writes), (_("reads"), said.reads), (_("hosts"), said.hosts),
    )  # fmt: skip
    for title, texts in rows:
        if texts:
            _write(f"  {title}: " + _line("; ".join(texts)))
    if not any(texts for _title, texts in rows):
        _write("  " + _("nothing that a rule could be about"))
    for note in said.notes:
        _write(note)


def _replay(rulings: Rulings, _settings: Settings, words: Sequence[str], found: dict[str, Any]) -> int:
    if words:
        raise UsageError(_("policy replay takes no names; say --session ID."), USAGE.rstrip())
    if found["session"] and found["all"]:
        raise UsageError(_("Name sessions or say --all, not both."), USAGE.rstrip())
    rows = rulings.replay(str(found["session"] or ""))
    if found["json"]:
        _print_json(rows)
        return 0
    if not rows:
        _write(_("The log holds no actions."))
        return 0
    counts = Counter(row.now for row in rows)
    _write(
        _("{n} actions: {allow} allow, {ask} ask, {deny} deny",
          n=len(rows), allow=counts["allow"], ask=counts["ask"], deny=counts["deny"])
    )  # fmt: skip
    for name, count in Counter(rule for row in rows for rule in row.rules).most_common():
        _write(f"  {count:5}  {name}")
    if unknown := sum(1 for row in rows if row.unknown):
        _write(f"  {unknown:5}  " + _("(not understood)"))
    for row in [row for row in rows if row.now != "allow"][:MOST_SHOWN]:
        _write(_row(row))
    return 0


def _row(row: Replayed) -> str:
    why = ", ".join(row.rules) or "; ".join(map(unclear, row.unknown))
    then = {"ran": _("ran"), "asked": _("was asked"), "denied": _("denied"), "not run": _("not run")}[row.then]
    first = row.code.strip().split("\n")[0]
    told = _("then: {what}", what=then)
    return f"{row.now:5} {row.session[:11]} {told}  {fit(_line(first), 60)}  [{fit(_line(why), 60)}]"


def _trust(rulings: Rulings, _settings: Settings, words: Sequence[str], found: dict[str, Any]) -> int:
    if len(words) > 1:
        raise UsageError(_("policy trust takes one folder."), USAGE.rstrip())
    if found["revoke"]:
        path, was = rulings.revoke()
        _write(
            _("No longer trusted: {file}", file=str(path)) if was else _("It was not trusted: {file}", file=str(path))
        )
        return 0
    path, loosened = rulings.trust()
    _write(_("Trusted as it stands now: {file}", file=str(path)))
    for one in loosened:
        _write("  " + _line(one))
    _write(_("Its rules count like your own, until it is changed or you say --revoke."))
    return 0


def _layer(name: str) -> str:
    return {
        "built-in": _("built-in"), "administrator": _("administrator"), "user": _("yours"), "project": _("project"),
        "skill": _("a skill"), "command line": _("command line"), "session": _("this session"), "mode": _("mode"),
    }[name]  # fmt: skip


def _line(text: str) -> str:
    return clean_text(text).replace("\n", " ⏎ ")


def _write(line: str) -> None:
    sys.stdout.write(clean_text(line) + "\n")


def _print_json(value: Any) -> None:
    from .printing import print_json

    print_json(value)
