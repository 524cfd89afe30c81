"""A session as one HTML page: the timeline, whole in itself. It loads nothing and runs nothing, whatever it tells."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterable, Iterator
from hashlib import sha256

from ..errors import StoreError
from ..text.clean import clean_text, show_hidden
from ..text.cut import fit, head_tail, human_size
from ..text.i18n import _, language
from ..text.redact import redact
from ..types.actions import Display
from ..types.events import Stored
from .page_marks import coloured, escaped, table_of
from .page_story import Block, Notice, Request, Step, Sums, Teller, Words
from .page_style import STYLE
from .script import one_line

Read = Callable[[str, int], bytes | None]
Changed = Callable[[str, str], list[str]]
MOST_PATHS = 20
LARGEST_IMAGE = 8 << 20
MOST_OUTPUT = 60_000
"""Characters of an output that the page holds; the middle of a longer one is left out, and counted."""
IMAGES = ("image/png", "image/jpeg", "image/gif", "image/webp", "image/svg+xml")
NOT_RUN = ("denied", "not_run", "refused")


def page(
    events: Iterable[Stored],
    secrets: Iterable[str],
    read: Read,
    output: Callable[[Step], str],
    name: str = "",
    changed: Changed = lambda _before, _after: [],
    front: tuple[str, ...] = (),
) -> str:
    """The page.

    Args:
        secrets: values to take out beside what looks like a secret.
        read: gives the bytes of an image.
        output: what a step printed.
        name: the session's name, where it has one.
        changed: gives the paths that differ between two states of the workspace.
        front: sections that stand before the story, as HTML that is safe already.
    """
    teller = Teller().read(events)
    for block in teller.blocks:
        if isinstance(block, Step) and block.before and block.after and block.before != block.after:
            try:
                block.changed = changed(block.before, block.after)
            except StoreError:
                continue  # an older state that has been removed
    return Page(teller, tuple(secrets), read, output, name, front).text()


class Page:
    def __init__(
        self, teller: Teller, secrets: tuple[str, ...], read: Read, output: Callable[[Step], str], name: str,
        front: tuple[str, ...] = (),
    ) -> None:  # fmt: skip
        self._front = front
        self._sums, self._blocks = teller.sums, teller.told()
        self._secrets, self._read, self._output, self._name = secrets, read, output, name

    def text(self) -> str:
        style = f"'sha256-{base64.b64encode(sha256(STYLE.encode()).digest()).decode()}'"
        rules = f"default-src 'none'; style-src {style}; img-src data:; base-uri 'none'; form-action 'none'"
        title = self._title()
        lines = [
            f'<!DOCTYPE html>\n<html lang="{"zh-CN" if language() == "zh_CN" else "en"}">',
            '<head>\n<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{rules}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="referrer" content="no-referrer">\n<meta name="generator" content="interpreter">',
            f"<title>{escaped(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>",
            *self._head(title),
            *self._front,
            '<div class="line">',
            *(self._block(block) for block in self._blocks),
            "</div>",
            f"<footer>{escaped(_('Made by `interpreter sessions export`. Secrets that could be told were taken out.'))}"
            "</footer>\n</main>\n</body>\n</html>\n",
        ]
        return "\n".join(line for line in lines if line)

    def _safe(self, text: str) -> str:
        return redact(clean_text(text), self._secrets)

    def _html(self, text: str) -> str:
        return escaped(self._safe(text))

    def _title(self) -> str:
        if self._name:
            return self._safe(self._name)
        asked = next((block.text for block in self._blocks if isinstance(block, Request) and block.text.strip()), "")
        first = next((line for line in self._safe(asked).splitlines() if line.strip()), "")
        return fit(one_line(first), 120) or _("Session {id}", id=self._sums.session)

    def _head(self, title: str) -> Iterator[str]:
        sums = self._sums
        yield f'<header>\n<p class="over">{escaped(_("Session {id}", id=sums.session))}</p>'
        yield f'<h1>{escaped(title)}</h1>\n<dl class="facts">'
        for name, value, more in figures(sums):
            small = f"<small>{escaped(more)}</small>" if more else ""
            yield f"<div><dt>{escaped(name)}</dt><dd>{escaped(value)}{small}</dd></div>"
        yield '</dl>\n<dl class="where">'
        began = day(sums.began)
        rows = (
            (_("Began"), began),
            (_("Model"), ", ".join(sums.models)),
            (_("Folder"), sums.workspace),
            (_("Sandbox"), sums.walls),
            (_("Person"), sums.who),
        )
        for name, value in rows:
            if value:
                yield f"<dt>{escaped(name)}</dt><dd>{self._html(value)}</dd>"
        yield "</dl>"
        requests = [block for block in self._blocks if isinstance(block, Request) and block.number]
        if len(requests) > 1:
            yield f"<nav>{escaped(_('What was asked'))}\n<ol>"
            for block in requests:
                first = fit(one_line(self._safe(block.text)), 90)
                yield f'<li value="{block.number}"><a href="#r{block.number}">{escaped(first)}</a></li>'
            yield "</ol></nav>"
        yield "</header>"

    def _block(self, block: Block) -> str:
        match block:
            case Request():
                return self._request(block)
            case Words():
                return self._words(block)
            case Step():
                return self._step(block)
            case Notice():
                return f'<div class="notice{" bad" if block.bad else ""}{undone(block)}">{self._html(block.text)}</div>'
            case _:
                return ""

    def _request(self, block: Request) -> str:
        place = f' id="r{block.number}"' if block.number else ""
        who = _("Asked") if block.number else _("Said in between")
        images = "".join(f"<p>{self._html(image)}</p>" for image in block.images)
        meta = meta_line(f"<b>{escaped(who)}</b>", clock(block.time), gone(block))
        return f'<section class="request{undone(block)}"{place}>{meta}<p>{self._html(block.text)}</p>{images}</section>'

    def _words(self, block: Words) -> str:
        facts = [f"<b>{escaped(block.model)}</b>" if block.model else "", clock(block.time)]
        if block.tokens:
            facts.append(escaped(_("{n} tokens", n=f"{block.tokens:,}")))
        if block.duration:
            facts.append(seconds(block.duration))
        text = self._html(block.text.strip())
        return f'<section class="words{undone(block)}">{meta_line(*facts)}<p>{text}</p></section>'

    def _step(self, step: Step) -> str:
        kind = "ok" if step.status == "ok" else "bad" if step.status and step.status not in NOT_RUN else ""
        title = _("Step {n}", n=step.number) if step.number else _("Step")
        done = step.completion
        facts = [f"<b>{escaped(title)}</b>", escaped(step.language), clock(step.time), self._approval(step)]
        if done is not None:
            facts.append(seconds(done.duration))
            if done.resources.memory:
                facts.append(human_size(done.resources.memory))
        facts.append(f'<span class="badge {kind}">{escaped(status_word(step.status))}</span>')
        parts = [meta_line(*facts, gone(step))]
        code = redact(step.code.rstrip("\n"), self._secrets)
        parts.append(f'<pre class="code">{coloured(code, step.language)}</pre>')
        parts += self._results(step)
        lines = [
            *(_("network: {what}", what=self._safe(text)) for text in step.network),
            *(_("taken away: {path}", path=self._safe(path)) for path in step.taken),
            *(_("changed: {path}", path=self._safe(show_hidden(path))) for path in step.changed[:MOST_PATHS]),
            *([_("and {n} more", n=more)] if (more := len(step.changed) - MOST_PATHS) > 0 else []),
        ]
        if lines:
            parts.append('<ul class="told">' + "".join(f"<li>{escaped(line)}</li>" for line in lines) + "</ul>")
        return f'<section class="step {kind}{undone(step)}">{"".join(parts)}</section>'

    def _approval(self, step: Step) -> str:
        """Who let it run, or did not."""
        if step.answer:
            by = escaped(self._safe(step.by)) + (f" ({escaped(step.channel)})" if step.channel else "")
            yes = step.answer in ("yes", "always", "session", "edit")
            text = _("approved by {by}", by=by) if yes else _("denied by {by}", by=by)
            if step.edited:
                text = _("edited by {by}", by=by)
            return f'<span class="badge {"" if yes else "warn"}">{text}</span>'
        if step.own:
            return escaped(_("the person's own code"))
        if step.verdict == "deny":
            rules = escaped(self._safe(", ".join(step.rules)))
            return f'<span class="badge warn">{escaped(_("denied by a rule"))} {rules}</span>'
        return escaped(_("allowed by the rules")) if step.verdict == "allow" else ""

    def _results(self, step: Step) -> Iterator[str]:
        done = step.completion
        output = self._safe(self._output(step)).rstrip()
        error = done.error if done is not None else None
        trace = self._safe(error.traceback or f"{error.name}: {error.message}").strip() if error is not None else ""
        if output:
            label = _("printed") if done is not None else _("told")
            yield f'<div class="label">{escaped(label)}</div><pre>{escaped(head_tail(output, MOST_OUTPUT))}</pre>'
        if done is None:
            return
        if trace and trace not in output:
            yield f'<div class="label">{escaped(_("error"))}</div><pre class="error">{escaped(trace)}</pre>'
        shown = [self._display(display) for display in done.displays]
        yield from shown
        if done.result and not any("<table>" in text for text in shown):
            result = self._html(head_tail(done.result, MOST_OUTPUT))
            yield f'<div class="label">{escaped(_("result"))}</div><pre>{result}</pre>'
        if done.output.dropped:
            size = human_size(done.output.dropped)
            yield f'<div class="label">{escaped(_("{size} beyond the limit were not kept", size=size))}</div>'

    def _display(self, display: Display) -> str:
        text = self._safe(display.text).strip()
        if display.mime in IMAGES and (data := self._read(display.path, LARGEST_IMAGE)) is not None:
            source = base64.b64encode(data).decode("ascii")
            return f'<figure><img alt="{escaped(text)}" src="data:{display.mime};base64,{source}"></figure>'
        data = self._read(display.path, LARGEST_IMAGE) if display.mime == "text/html" else None
        if data is not None and (table := table_of(redact(data.decode("utf-8", "replace"), self._secrets))):
            return f"<figure>{table}</figure>"
        return f"<pre>{escaped(text)}</pre>" if text else ""


def figures(sums: Sums) -> Iterator[tuple[str, str, str]]:
    """Name, value and what belongs to it."""
    yield _("Requests"), str(sums.turns), ""
    failed = _("{n} of them failed", n=sums.failed) if sums.failed else ""
    yield _("Steps"), str(sums.steps), failed
    tokens = sums.prompt + sums.completion
    cached = _("{n} from the cache", n=f"{sums.cached:,}") if sums.cached else ""
    yield _("Tokens"), f"{tokens:,}", cached
    if sums.cost is not None:
        yield _("Cost"), f"{sums.cost:.4f}".rstrip("0").rstrip(".") or "0", ""
    took = _("model {model}, code {code}", model=seconds(sums.model_time), code=seconds(sums.run_time))
    yield _("Time"), seconds(sums.ended - sums.began), took


def meta_line(*facts: str) -> str:
    return f'<div class="meta">{"".join(f"<span>{fact}</span>" for fact in facts if fact)}</div>'


def undone(block: Block) -> str:
    return " undone" if block.undone else ""


def gone(block: Block) -> str:
    return f'<span class="badge gone">{escaped(_("taken back"))}</span>' if block.undone else ""


def clock(moment: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(moment))


def day(moment: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(moment)) if moment else ""


def seconds(amount: float) -> str:
    amount = max(0.0, amount)
    if amount < 60:
        return f"{amount:.2f} s" if amount < 10 else f"{amount:.0f} s"
    minutes, rest = divmod(round(amount), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def status_word(status: str) -> str:
    return {
        "ok": _("ok"), "error": _("failed"), "interrupted": _("interrupted"), "timeout": _("took too long"),
        "limit": _("a limit was reached"), "died": _("its kernel ended"), "lost": _("cut off"), "denied": _("denied"),
        "not_run": _("not run"), "refused": _("could not run"), "": _("not ended"),
    }.get(status, status)  # fmt: skip
