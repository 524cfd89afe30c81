"""Streaming over real HTTP: pieces, calls, thinking, usage, and the habits of sloppy servers."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from interpreter.errors import ModelError
from interpreter.llm.options import Prices
from interpreter.llm.script import Reply, Script, ScriptCall, ScriptUsage
from interpreter.types.messages import CallPiece, ImagePart, Message, ModelRequest, TextPart, TextPiece, ToolCall

from .ask import arguments, ask, reasoning, request, serving, text, user


def test_text_in_pieces_and_whole() -> None:
    async def main() -> None:
        said = "Guten Tag, 你好 🎉!\n\n" * 20
        async with serving([said]) as (model, _server):
            pieces, answer = await ask(model)
            assert len(pieces) > 20
            assert text(pieces) == answer.text == said
            assert (answer.finish, answer.calls, answer.reasoning, answer.retries) == ("stop", (), "", 0)
            assert answer.model == "scripted"
            assert 0 < answer.first_token <= answer.duration

    asyncio.run(main())


def test_calls_in_pieces_and_whole() -> None:
    async def main() -> None:
        reply = Reply(
            text="Look.", code="print('é')\n", calls=(ScriptCall(name="read_output", arguments={"id": "out1"}),)
        )
        async with serving([reply]) as (model, _server):
            pieces, answer = await ask(model)
            assert answer.text == "Look."
            assert answer.finish == "tool_calls"
            assert [c.name for c in answer.calls] == ["read_output", "execute"]
            assert [arguments(pieces, n) for n in (0, 1)] == [c.arguments for c in answer.calls]
            names = [p.name for p in pieces if isinstance(p, CallPiece) and p.name]
            assert names == ["read_output", "execute"]
            assert answer.calls[1].arguments == '{"language":"python","code":"print(\'é\')\\n"}'

    asyncio.run(main())


QUIRKS = [
    ("whole_calls",),
    ("no_index",),
    ("whole_calls", "no_index"),
    ("whole_calls", "object_arguments"),
    ("whole_calls", "no_index", "duplicate_ids"),
    ("whole_calls", "duplicate_ids"),
    ("whole_body",),
    ("no_usage",),
]


@pytest.mark.parametrize("quirks", QUIRKS, ids="-".join)
def test_calls_of_sloppy_servers(quirks: tuple[Any, ...]) -> None:
    async def main() -> None:
        calls = tuple(ScriptCall(arguments={"language": "python", "code": f"print({n})"}) for n in range(3))
        async with serving([Reply(calls=calls, quirks=quirks)]) as (model, _server):
            _pieces, answer = await ask(model)
            assert [c.arguments for c in answer.calls] == [
                f'{{"language":"python","code":"print({n})"}}' for n in range(3)
            ]
            assert len({c.id for c in answer.calls}) == 3
            assert all(c.id for c in answer.calls)

    asyncio.run(main())


@pytest.mark.parametrize("quirks", [(), ("reasoning_content",), ("think_tags",)], ids=str)
@pytest.mark.parametrize("size", [0, 1, 3])
def test_thinking_is_told_apart(quirks: tuple[Any, ...], size: int) -> None:
    async def main() -> None:
        reply = Reply(reasoning="Is 1 < 2?\nYes.", text="It is <b>so</b>.", quirks=quirks, piece=size)
        async with serving([reply]) as (model, _server):
            pieces, answer = await ask(model)
            assert reasoning(pieces) == answer.reasoning == "Is 1 < 2?\nYes."
            assert text(pieces) == answer.text == "It is <b>so</b>."

    asyncio.run(main())


def test_thinking_that_is_never_closed_and_thinking_that_was_never_opened() -> None:
    async def main() -> None:
        replies = [
            "<think>\nhm",
            "Let me see.\n</think>\n\nIt is 4.",
            "Write `</think>` to end it.",
            "<thinker> is a word",
        ]
        async with serving(replies) as (model, _server):
            _, answer = await ask(model)
            assert (answer.reasoning, answer.text) == ("\nhm", "")
            _, answer = await ask(model)
            assert (answer.reasoning, answer.text) == ("Let me see.\n", "It is 4.")
            for n in (2, 3):
                _, answer = await ask(model)
                assert (answer.reasoning, answer.text) == ("", replies[n])

    asyncio.run(main())


def test_usage_and_cost() -> None:
    async def main() -> None:
        usage = ScriptUsage(prompt=1000, cached=600, completion=50, reasoning=20)
        prices = Prices(input=2.0, cached=0.5, output=10.0)
        async with serving([Reply(text="a", usage=usage), Reply(text="b", quirks=("no_usage",))], prices=prices) as (
            model,
            _server,
        ):
            _, answer = await ask(model)
            assert (answer.usage.prompt, answer.usage.cached) == (1000, 600)
            assert (answer.usage.completion, answer.usage.reasoning) == (50, 20)
            assert answer.usage.cost == pytest.approx((400 * 2.0 + 600 * 0.5 + 50 * 10.0) / 1e6)  # pyright: ignore[reportUnknownMemberType]
            _, answer = await ask(model)
            assert (answer.usage.prompt, answer.usage.cost) == (0, None)

    asyncio.run(main())


@pytest.mark.parametrize("finish", ["stop", "length", "tool_calls"])
def test_finish_reasons(finish: Any) -> None:
    async def main() -> None:
        async with serving([Reply(text="a", finish=finish)]) as (model, _server):
            assert (await ask(model))[1].finish == finish

    asyncio.run(main())


def test_a_stream_without_its_end_mark_counts_when_it_was_finished() -> None:
    async def main() -> None:
        async with serving([Reply(text="all", fault="no_done")]) as (model, _server):
            assert (await ask(model))[1].text == "all"

    asyncio.run(main())


def test_what_is_sent() -> None:
    async def main() -> None:
        image = ImagePart(mime="image/png", data=b"\x89PNG")
        call = ToolCall(id="c1", name="execute", arguments='{"language": "python", "code": "1"}')
        broken = ToolCall(id="c2", name="no such tool!", arguments='{"code": ')
        messages = (
            Message(role="system", parts=(TextPart(text="Be brief."),)),
            Message(role="user", parts=(TextPart(text="look"), image)),
            Message(role="assistant", parts=(TextPart(text="ok"),), calls=(call, broken)),
            Message(role="tool", parts=(TextPart(text="1"),), call_id="c1"),
            Message(role="system", parts=(TextPart(text="later"),)),
            Message(role="user", parts=(TextPart(text="half \ud800 a pair"),)),
        )
        options: dict[str, Any] = {
            "max_tokens": 77,
            "temperature": 0.5,
            "extra_body": {"chat_template_kwargs": {"enable_thinking": False}},
            "headers": {"X-Team": "a"},
        }
        async with serving(["ok"], **options) as (model, server):
            await ask(model, request(*messages))
            seen = server.seen[-1]
            body = seen.body
            assert body["model"] == "scripted"
            assert (body["max_tokens"], body["temperature"], body["stream"]) == (77, 0.5, True)
            assert body["chat_template_kwargs"] == {"enable_thinking": False}
            assert body["tools"][0]["function"]["strict"] is True
            assert "tool_choice" not in body
            assert seen.headers["x-team"] == "a"
            sent = cast(list[dict[str, Any]], body["messages"])
            assert [m["role"] for m in sent] == ["system", "user", "assistant", "tool", "user", "user"]
            assert sent[1]["content"][1]["image_url"]["url"] == "data:image/png;base64,iVBORw=="
            assert sent[2]["tool_calls"][0]["function"]["arguments"] == call.arguments
            assert sent[2]["tool_calls"][1]["function"] == {
                "name": "no_such_tool_",
                "arguments": '{"unreadable":"{\\"code\\": "}',
            }
            assert sent[3] == {"role": "tool", "tool_call_id": "c1", "content": "1"}
            assert sent[5]["content"] == "half ? a pair"

    asyncio.run(main())


def test_structured_answers_and_forced_calls() -> None:
    async def main() -> None:
        async with serving(["{}", "x"]) as (model, server):
            schema = {"type": "object"}
            await ask(model, request(response_schema=schema, tool_choice="required"))
            assert server.seen[0].body["response_format"]["json_schema"]["schema"] == schema
            assert server.seen[0].body["tool_choice"] == "required"

    asyncio.run(main())


def test_each_request_is_the_one_before_and_the_new_messages() -> None:
    async def main() -> None:
        async with serving([Reply(text="fine", times=0)]) as (model, server):
            messages = [Message(role="system", parts=(TextPart(text="Be brief."),)), user("begin")]
            sizes: list[int] = []
            for n in range(12):
                _, answer = await ask(model, request(*messages))
                messages += [Message(role="assistant", parts=(TextPart(text=answer.text),)), user(f"step {n}")]
                sizes.append(len(server.seen[-1].raw))
            for n in range(1, 12):
                old, new = server.seen[n - 1], server.seen[n]
                assert new.raw.startswith(old.raw[:-2])
                assert new.new == sizes[n] - (sizes[n - 1] - 2)

    asyncio.run(main())


def test_one_connection_serves_many_requests() -> None:
    async def main() -> None:
        async with serving([Reply(text="fine", times=0)]) as (model, server):
            for _n in range(10):
                await ask(model)
            assert server.connections <= 2

    asyncio.run(main())


@pytest.mark.parametrize("how", ["close", "cancel"])
def test_leaving_stops_the_server(how: str) -> None:
    async def main() -> None:
        reply = Reply(text="word " * 4000, pace=0.005)
        async with serving([reply]) as (model, server):
            stream = model.stream(request())
            assert isinstance(await anext(stream), TextPiece)
            if how == "close":
                await stream.aclose()
            else:

                async def rest() -> None:
                    async for _piece in stream:
                        pass

                task = asyncio.ensure_future(rest())
                await asyncio.sleep(0.02)
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
            for _n in range(200):
                if server.seen[0].hung_up:
                    break
                await asyncio.sleep(0.02)
            assert server.seen[0].hung_up

    asyncio.run(main())


def test_a_reader_may_take_its_time() -> None:
    async def main() -> None:
        async with serving([Reply(text="word " * 40, pace=0.005)], read_timeout=0.1) as (model, _server):
            found: list[str] = []
            async for piece in model.stream(request()):
                if isinstance(piece, TextPiece):
                    found.append(piece.text)
                    await asyncio.sleep(0.3 if len(found) == 1 else 0)
            assert "".join(found) == "word " * 40

    asyncio.run(main())


def test_a_second_request_after_one_that_was_left() -> None:
    async def main() -> None:
        async with serving([Reply(text="word " * 1000, pace=0.01), "second"]) as (model, _server):
            stream = model.stream(request())
            await anext(stream)
            await stream.aclose()
            assert (await ask(model))[1].text == "second"

    asyncio.run(main())


def test_servers_that_refuse_tools_are_asked_by_text() -> None:
    async def main() -> None:
        call = ToolCall(id="c1", name="execute", arguments='{"language": "python", "code": "print(\'```\')"}')
        history = (
            Message(role="system", parts=(TextPart(text="Be brief."),)),
            user("go"),
            Message(role="assistant", parts=(TextPart(text="I look."),), calls=(call,)),
            Message(role="tool", parts=(TextPart(text="42"),), call_id="c1"),
        )
        script = Script(replies=(Reply(code="print(1)"), "done"), refuse=("tools",))
        async with serving(script) as (model, server):
            _, answer = await ask(model, request(*history))
            assert answer.text == "```python\nprint(1)\n```\n"
            assert answer.retries == 0
            assert model.by_text
            assert model.facts is not None
            sent = server.seen[-1].body
            assert "tools" not in sent
            assert [m["role"] for m in sent["messages"]] == ["system", "user", "assistant", "user"]
            assert sent["messages"][0]["content"].startswith("Be brief.\n\nTo run code, write it in a fenced block")
            assert sent["messages"][2]["content"] == "I look.\n````python\nprint('```')\n````"
            assert sent["messages"][3]["content"] == "Result of your code:\n42"
            assert len(server.seen) == 2
            await ask(model, request(*history))
            assert len(server.seen) == 3, "the refusal is remembered"

    asyncio.run(main())


@pytest.mark.parametrize("kind", ["vllm", "ollama"])
def test_each_way_of_refusing_tools(kind: Any) -> None:
    async def main() -> None:
        async with serving(Script(replies=("ok",), refuse=("tools",), kind=kind)) as (model, _server):
            assert (await ask(model))[1].text == "ok"

    asyncio.run(main())


def test_tools_by_text_from_the_start_and_tools_insisted_on() -> None:
    async def main() -> None:
        async with serving(["ok"], tools="off") as (model, server):
            await ask(model)
            assert "tools" not in server.seen[0].body
            assert server.seen[0].body["messages"][0]["role"] == "system"
        async with serving(Script(replies=("ok",), refuse=("tools",)), tools="on") as (model, _server):
            with pytest.raises(ModelError, match="does not take tools"):
                await ask(model)

    asyncio.run(main())


@pytest.mark.parametrize("field", ["stream_options", "strict", "max_tokens"])
def test_other_fields_that_a_server_refuses(field: Any) -> None:
    async def main() -> None:
        async with serving(Script(replies=("ok", "again"), refuse=(field,)), max_tokens=9) as (model, server):
            assert (await ask(model))[1].text == "ok"
            assert (await ask(model))[1].text == "again"
            assert len(server.seen) == 3
            if field == "max_tokens":
                assert server.seen[-1].body["max_completion_tokens"] == 9

    asyncio.run(main())


def test_requests_at_the_same_time() -> None:
    async def main() -> None:
        async with serving([Reply(text="fine", times=0, delay=0.02)]) as (model, server):
            answers = await asyncio.gather(*(ask(model) for _n in range(5)))
            assert [a.text for _, a in answers] == ["fine"] * 5
            assert len(server.seen) == 5

    asyncio.run(main())


def test_a_request_without_messages_is_sent_as_it_is() -> None:
    async def main() -> None:
        async with serving(["ok"]) as (model, server):
            await ask(model, ModelRequest(messages=()))
            assert server.seen[0].body["messages"] == []

    asyncio.run(main())
