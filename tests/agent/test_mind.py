"""The model's memory of its server: which window it really has, which languages there are."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest

from interpreter.agent.history import History
from interpreter.agent.mind import Mind
from interpreter.agent.parse import read_answer
from interpreter.errors import ContextExceeded
from interpreter.llm.faults import overflow
from interpreter.types.events import Event, SessionStarted, TurnStarted
from interpreter.types.languages import spellings
from interpreter.types.messages import Answer, ModelRequest, Piece, ServerFacts, ToolCall


class Narrow:
    """A server that says one window and has another."""

    def __init__(self, stated: int | None, words: str) -> None:
        self.facts: ServerFacts | None = ServerFacts(api_base="http://x", model="m", context_window=stated)
        self._words = words

    async def connect(self) -> ServerFacts:
        raise AssertionError("it is known already")

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Piece, None]:
        raise overflow(self._words)
        yield Answer()

    async def close(self) -> None:
        return None


class Into:
    """Events go into the history, as the session's hub does it."""

    def __init__(self, history: History) -> None:
        self._history = history

    async def emit(self, event: Event, *more: Event) -> None:
        assert not more
        self._history.apply(event)

    def hold(self, event: Event) -> None:
        raise AssertionError("nothing is held here")

    def show(self, event: Event) -> None:
        raise AssertionError("nothing is shown here")


def mind_of(server: Narrow, window: int | None = None) -> Mind:
    history = History(vision=False)
    history.apply(SessionStarted(session="s", workspace="/w", sandbox="x", version="1", system="s" * 4000))
    history.apply(TurnStarted(turn="t", text="go"))
    return Mind(server, history, Into(history), (), {}, context_window=window, max_tokens=None, temperature=None)


async def refused(mind: Mind, attempt: int = 0) -> ContextExceeded:
    request = await mind.request(attempt)
    with pytest.raises(ContextExceeded) as caught:
        async for _piece in mind.stream(request):
            raise AssertionError("nothing fits")
    return caught.value


@pytest.mark.parametrize(
    ("words", "window"),
    [
        ("This model's maximum context length is 4096 tokens. However, you requested 5120 tokens (1024 in the", 4096),
        ("the request exceeds the available context size (2048 tokens), try increasing it", 2048),
        ('{"n_prompt_tokens": 5000, "n_ctx": 4096, "type": "exceed_context_size_error"}', 4096),
        ("The prompt (total length 9000) is too long to fit into the model. max_model_len=8192", 8192),
        ("input is too long: 5000 tokens", None),
        ("context_length_exceeded", None),
    ],
)
def test_the_window_that_a_server_names_when_it_refuses(words: str, window: int | None) -> None:
    assert overflow(words).window == window


@pytest.mark.parametrize(("stated", "chosen"), [(32_768, None), (None, None), (None, 16_384), (8_192, 16_384)])
def test_a_smaller_window_is_remembered_for_the_session(stated: int | None, chosen: int | None) -> None:
    mind = mind_of(Narrow(stated, "maximum context length is 4096 tokens"), chosen)
    before = mind.cap()

    async def story() -> None:
        await refused(mind)

    asyncio.run(story())
    assert mind.window == 4096 and mind.cap().characters < before.characters


def test_a_larger_number_never_widens_what_was_known() -> None:
    mind = mind_of(Narrow(4096, "maximum context length is 99999 tokens"))

    async def story() -> None:
        await refused(mind)

    asyncio.run(story())
    assert mind.window == 4096


def test_room_is_remembered_where_the_server_names_no_window() -> None:
    history = History(vision=False)
    history.apply(SessionStarted(session="s", workspace="/w", sandbox="x", version="1", system="s"))
    server = Narrow(32_768, "input is too long")
    mind = Mind(server, history, Into(history), (), {}, context_window=None, max_tokens=None, temperature=None)

    async def story() -> tuple[int, int]:
        for number in range(6):
            history.apply(TurnStarted(turn=f"t_{number}", text="word " * 200))
        await refused(mind)
        shrunk = await refused(mind, 1)
        assert shrunk.window is None
        first = mind.room()
        for number in range(6, 40):
            history.apply(TurnStarted(turn=f"t_{number}", text="word " * 200))
        await mind.request(0)
        return first, mind.room()

    first, later = asyncio.run(story())
    assert first == later < 1500, "the next request begins with the room that is known to fit, not with the whole"


def test_an_unknown_language_is_answered_with_those_of_this_session() -> None:
    here = {spelling: name for spelling, name in spellings().items() if name in ("python", "shell")}
    call = ToolCall(id="c", name="execute", arguments='{"language": "vbscript", "code": "x = 1"}')
    (error,) = read_answer(Answer(calls=(call,), finish="tool_calls"), ("execute",), here).errors
    assert error.message == "There is no language 'vbscript' here. Use one of: python, shell."


def test_a_language_that_is_known_and_not_here_is_left_to_the_kernels() -> None:
    here = {spelling: name for spelling, name in spellings().items() if name in ("python", "shell")}
    call = ToolCall(id="c", name="execute", arguments='{"language": "ruby", "code": "puts 1"}')
    (action,) = read_answer(Answer(calls=(call,), finish="tool_calls"), ("execute",), here).actions
    assert action.language == "ruby", "they say what to install"
