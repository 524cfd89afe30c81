"""Asks the micro-tasks one by one, and measures."""

from __future__ import annotations

import asyncio
import contextlib
import statistics
from collections.abc import Callable
from typing import Literal

from ...errors import ModelAuthRefused, ModelError, ModelUnknown, ModelUnreachable, ToolsRefused
from ...llm import ModelClient
from ...llm.estimate import estimate_tokens
from ...text.i18n import _
from ...types.base import Value
from ...types.languages import spellings
from ...types.messages import Answer, Message, ModelRequest, ServerFacts, TextPart, ToolSpec, Usage
from ..options import AgentOptions
from ..parse import read_answer
from ..prompt import system_prompt, tools
from .advice import advise
from .tasks import LANGUAGES, TASKS, Heard, Task, short, user

LONGEST = 180.0
"""Seconds that one micro-task may take."""
FATAL = (ModelUnreachable, ModelAuthRefused, ModelUnknown)
"""Nothing else can be learnt after one of these."""


class ProbeResult(Value):
    """One micro-task."""

    name: str
    title: str
    """For people."""
    ok: bool
    way: str = ""
    """How the action was asked for: native, tag, fence, json, text (no action); empty where no answer came."""
    why: str = ""
    """Why it is not good, for people."""
    repairs: tuple[str, ...] = ()
    """What the parser had to mend."""
    reasoning: bool = False
    """The model thought before it answered."""


class ServerReport(Value):
    """What the micro-tasks show about a model on a server."""

    facts: ServerFacts
    results: tuple[ProbeResult, ...]
    tools: Literal["taken", "refused", "off"] = "taken"
    """off: asking by text is configured, so native calls were not tried."""
    refusal: str = ""
    """The server's own words when it refused tools."""
    first_token: float | None = None
    """Seconds, the median over all answers."""
    rate: float | None = None
    """Tokens per second while an answer streams."""
    rate_counted: bool = True
    """False where the server counts no tokens and the rate is an estimate."""
    usage_reported: bool = False
    cached: int = 0
    """Prompt tokens of a second request that the server's cache served, by its own count."""
    prompt: int = 0
    """Prompt tokens of that request."""
    advice: tuple[str, ...] = ()
    """What to change, for people."""

    @property
    def usable(self) -> bool:
        """At least one way of asking works, and the model stops when it is done."""
        good = {result.name for result in self.results if result.ok}
        return "stop" in good and bool(good & {"native_call", "fenced_block", "bare_json"})


class Prober:
    """Asks, and keeps every answer for the figures."""

    def __init__(self, native: ModelClient | None, text: ModelClient, facts: ServerFacts, seconds: float) -> None:
        self.native = native
        self.text = text
        self.facts = facts
        self.seconds = seconds
        self.refused = ""
        self.answers: list[Answer] = []
        told = system_prompt(
            AgentOptions(), workspace="/work", sandbox="bubblewrap", network="closed", languages=LANGUAGES
        )
        self.system = Message(role="system", parts=(TextPart(text=told),))
        self.tools: tuple[ToolSpec, ...] = tools(LANGUAGES)

    def request(self, task: Task) -> ModelRequest:
        bound = task.max_tokens
        if self.facts.context_window:
            bound = min(bound, max(64, self.facts.context_window // 4))
        offered = self.tools if task.tools else ()
        return ModelRequest(messages=(self.system, *task.messages), tools=offered, max_tokens=bound)

    async def ask(self, client: ModelClient, request: ModelRequest) -> Answer:
        """The whole answer. Raises ModelError and TimeoutError."""
        async with asyncio.timeout(self.seconds):
            async with contextlib.aclosing(client.stream(request)) as pieces:
                async for piece in pieces:
                    if isinstance(piece, Answer):
                        self.answers.append(piece)
                        return piece
        raise RuntimeError("a stream without an answer")

    async def run(self, task: Task) -> ProbeResult:
        """Raises ModelError only for what makes every further question useless."""
        if task.by == "native" and self.native is None:
            why = _("turned off by the setting llm.tools")
            if self.refused:
                why = _("the server takes no tools: {reason}", reason=short(self.refused))
            return failed(task, why)
        client = self.text if task.by == "text" or self.native is None else self.native
        try:
            answer = await self.ask(client, self.request(task))
        except ToolsRefused as error:
            self.native, self.refused = None, error.message
            return await self.run(task)
        except FATAL:
            raise
        except ModelError as error:
            return failed(task, short(error.message, 120))
        except TimeoutError:
            return failed(task, _("no whole answer within {seconds} s", seconds=f"{self.seconds:g}"))
        heard = Heard(answer, read_answer(answer, tuple(t.name for t in self.tools), spellings()))
        why = task.judge(heard)
        return ProbeResult(
            name=task.name,
            title=task.title(),
            ok=not why,
            way=way_of(heard),
            why=why,
            repairs=tuple(dict.fromkeys(r for action in heard.reading.actions for r in action.repairs)),
            reasoning=bool(answer.reasoning),
        )

    async def cache_hits(self) -> Usage:
        """The usage of the second request of a growing conversation; zeros where nothing was counted."""
        client = self.native or self.text
        messages = (self.system, *TASKS[-1].messages)
        longer = (*messages, Message(role="assistant", parts=(TextPart(text="1969."),)), user("Thank you."))
        usage = Usage()
        try:
            for asked in (messages, longer):
                usage = (await self.ask(client, ModelRequest(messages=asked, tools=self.tools, max_tokens=8))).usage
        except (ModelError, TimeoutError):
            return Usage()
        return usage


def failed(task: Task, why: str) -> ProbeResult:
    """A task that got no answer."""
    return ProbeResult(name=task.name, title=task.title(), ok=False, why=why)


def way_of(heard: Heard) -> str:
    """How the first action was asked for."""
    answer, reading = heard
    if answer.calls:
        return "native"
    if not reading.actions:
        return "text"
    repairs = " ".join(reading.actions[0].repairs)
    if "fenced block" in repairs:
        return "fence"
    return "json" if "(json)" in repairs else "tag"


async def probe_server(
    native: ModelClient | None,
    text: ModelClient,
    tell: Callable[[ProbeResult], None],
    seconds: float = LONGEST,
) -> ServerReport:
    """Ask all twelve, one after the other.

    Args:
        native: a client that insists on tools (it raises ToolsRefused); None where asking by text is configured.
        text: a client that asks by text.
        tell: is called with each result as it comes.
        seconds: the bound of one task.

    Raises ModelError when the server cannot be reached at all, or is lost on the way.
    """
    facts = await (native or text).connect()
    prober = Prober(native, text, facts, seconds)
    results: list[ProbeResult] = []
    for task in TASKS:
        results.append(await prober.run(task))
        tell(results[-1])
    answers = list(prober.answers)
    usage = await prober.cache_hits()
    rate, counted = rate_of(answers)
    return ServerReport(
        facts=facts,
        results=tuple(results),
        tools="off" if native is None else ("refused" if prober.refused else "taken"),
        refusal=prober.refused,
        first_token=statistics.median(a.first_token for a in answers) if answers else None,
        rate=rate,
        rate_counted=counted,
        usage_reported=any(a.usage.prompt for a in answers),
        cached=usage.cached,
        prompt=usage.prompt,
        advice=advise(
            facts,
            good={result.name for result in results if result.ok},
            ways={result.name: result.way for result in results},
            tools_refused=bool(prober.refused),
            thinking=any(a.reasoning or "think>" in a.text for a in answers),
            cached=usage.cached,
            prompt=usage.prompt,
        ),
    )


def rate_of(answers: list[Answer]) -> tuple[float | None, bool]:
    """(tokens per second, whether the server counted them); short answers say nothing about it."""
    counted = any(a.usage.completion for a in answers)
    tokens, seconds = 0, 0.0
    for answer in answers:
        said = answer.text + answer.reasoning + "".join(call.arguments for call in answer.calls)
        count = answer.usage.completion if counted else estimate_tokens(said)
        if count >= 8:
            tokens += count - 1
            seconds += answer.duration - answer.first_token
    return (tokens / seconds if seconds > 0 else None), counted
