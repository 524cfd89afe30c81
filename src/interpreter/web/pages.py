"""The pages: plain HTML without a script. Everything that stands on them is escaped; code is a stranger's text."""

from __future__ import annotations

import os
import time
from base64 import b64encode
from hashlib import sha256
from html import escape

from ..app.links import MOST_CODE, Shown, question_of, unseen
from ..text.asked import kind_word, lines_of, reason_lines, warnings_of
from ..text.clean import reveal
from ..text.i18n import _, language
from ..text.verdicts import unclear
from ..types.languages import title
from ..types.tooling import read_call, readable

STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:52rem;margin:2rem auto;padding:0 1rem}"
    "pre{background:#f4f4f4;padding:.8rem;overflow:auto;white-space:pre-wrap;overflow-wrap:anywhere;direction:ltr}"
    "form{border:1px solid #bbb;padding:.8rem;margin:1rem 0}"
    "input,textarea{font:inherit;width:100%;box-sizing:border-box}"
    "button{font:inherit;padding:.4rem 1.2rem;margin-top:.6rem}.warn{color:#a00;font-weight:bold}dt{font-weight:bold}"
)
POLICY = (
    f"default-src 'none'; style-src 'sha256-{b64encode(sha256(STYLE.encode()).digest()).decode()}'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
HEADERS: tuple[tuple[str, str], ...] = (
    ("Content-Type", "text/html; charset=utf-8"),
    ("Content-Security-Policy", POLICY),
    ("Cache-Control", "no-store"),
    # Not `no-referrer`: with it browsers send forms with `Origin: null`, and the origin is looked at.
    ("Referrer-Policy", "same-origin"),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("X-Robots-Tag", "noindex, nofollow"),
)


def page(head: str, *parts: str) -> bytes:
    """A whole page; `head` is text, the parts are HTML."""
    lang = "zh-CN" if language() == "zh_CN" else "en"
    whole = (
        f'<!doctype html><html lang="{lang}"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width"><title>interpreter</title><style>{STYLE}</style></head>'
        f"<body><h1>{safe(head)}</h1>{''.join(parts)}</body></html>\n"
    )
    return whole.encode("utf-8", "replace")


def told(head: str, *sentences: str) -> bytes:
    """A page that says something and asks nothing."""
    return page(head, *(text(sentence) for sentence in sentences if sentence))


def asked(shown: Shown) -> bytes:
    """The page of a question, with its forms."""
    waiting = shown.waiting
    request, action = waiting.asked.request, waiting.action
    parts = [facts(shown)]
    of_model = question_of(action)
    if action is not None and of_model:
        parts += model_question(shown.code)
    elif action is not None:
        parts += [text(line, "warn") for line in warnings_of(action.code)]
        parts.append(text(f"{title(action.language)}, {lines_of(action.code)}, sha256 {action.sha256}"))
        parts.append(f"<pre>{safe(readable(action.language, shown.code[:MOST_CODE]))}</pre>")
        if shown.code != action.code:
            parts.append(text(_("Secrets that this program knows are taken out of what you see."), "warn"))
        if request.where:
            parts.append(text(_("It would run here: {where}", where=request.where)))
    else:
        parts += [text(request.question), f"<pre>{safe(request.subject)}</pre>" if request.subject else ""]
    parts += [f"<pre>{safe(line)}</pre>" for line in reason_lines(request.reasons)]
    parts += [text(_("Not understood: {what}", what=unclear(one))) for one in request.unknown]
    if not shown.whole:
        parts.append(text(unseen(request.approval), "warn"))
    yes = [yes_form(shown.form)] if shown.whole else []
    parts += answer_forms(shown.form) if of_model else [*yes, no_form(shown.form)]
    parts.append(text(after(shown)))
    return page(_("A question waits: {what}", what=kind_word(request.kind)), *parts)


def model_question(code: str) -> list[str]:
    """What the model wants to know, with its choices."""
    head = text(_("The model asks you:"))
    try:
        arguments = read_call(code).arguments
    except ValueError:  # a secret was taken out of it, and it cannot be read as a call any more
        return [head, f"<pre>{safe(code)}</pre>"]
    options = arguments.get("options")
    rows = "".join(f"<li>{safe(str(one))}</li>" for one in options) if isinstance(options, list) else ""  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] - a stranger's list
    return [head, f"<pre>{safe(str(arguments.get('question', '')))}</pre>", f"<ol>{rows}</ol>" if rows else ""]


def facts(shown: Shown) -> str:
    """Where it comes from and until when it waits."""
    waiting = shown.waiting
    request = waiting.asked.request
    rows = [
        (_("question"), request.approval),
        (_("session"), f"{waiting.asked.session} ({os.uname().nodename})"),
        (_("folder"), waiting.workspace),
        (_("asked"), moment(waiting.asked.time)),
    ]
    if request.deadline is not None:
        rows.append((_("deadline"), _("{time}; after it, silence is a no", time=moment(request.deadline))))
    return "<dl>" + "".join(f"<dt>{safe(name)}</dt><dd>{safe(value)}</dd>" for name, value in rows) + "</dl>"


def after(shown: Shown) -> str:
    """What happens once it is answered."""
    if shown.waiting.held:
        return _("The process that asked goes on by itself.")
    return _(
        "The run is parked. Once it is answered, go on with the flags that it had, and: {words}",
        words=shown.waiting.again,
    )


def form(mark: str, area: str, answer: str, button: str) -> str:
    """`area` is HTML; `button` is text."""
    name = safe(_("Your name, for the log (not checked):"))
    return (
        f'<form method="post"><input type="hidden" name="form" value="{safe(mark)}">{area}'
        f'<p><label>{name} <input name="name" maxlength="60" autocomplete="off"></label></p>'
        f'<button name="answer" value="{answer}">{safe(button)}</button></form>'
    )


def words(label: str, *, needed: bool) -> str:
    """A field for words of a person's."""
    more = " required" if needed else ""
    return f'<label>{safe(label)}<textarea name="words" rows="3" maxlength="4000"{more}></textarea></label>'


def yes_form(mark: str) -> str:
    return form(mark, "", "yes", _("Yes, go on"))


def no_form(mark: str) -> str:
    label = _("Why not (the model reads it and may try another way; without a reason the run stops):")
    return form(mark, words(label, needed=False), "no", _("No"))


def answer_forms(mark: str) -> list[str]:
    """For a question of the model's: words, or no answer."""
    area = words(_("Your answer, in words or as the number of a choice:"), needed=True)
    return [form(mark, area, "yes", _("Answer")), form(mark, "", "no", _("I do not answer"))]


def text(sentence: str, kind: str = "") -> str:
    return f'<p class="{kind}">{safe(sentence)}</p>' if kind else f"<p>{safe(sentence)}</p>"


def safe(value: str) -> str:
    """Escaped, and with everything written out that would deceive the eye."""
    return escape(reveal(value), quote=True)


def moment(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S %z", time.localtime(seconds))
