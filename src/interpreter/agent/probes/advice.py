"""What to change in a server's start command, by rules for each kind of server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ...text.i18n import _
from ...types.messages import ServerFacts

SMALL_WINDOW = 8192
GOOD_WINDOW = 32768
PARSERS = (
    ("qwen3-coder", "qwen3_coder"),
    ("llama-4", "llama4_pythonic"),
    ("llama-3", "llama3_json"),
    ("llama3", "llama3_json"),
    ("mistral", "mistral"),
    ("ministral", "mistral"),
    ("devstral", "mistral"),
    ("deepseek-v3", "deepseek_v3"),
    ("granite", "granite"),
    ("gpt-oss", "openai"),
    ("glm-4", "glm45"),
)
"""A part of a model's name to vLLM's parser of its calls; all others are tried with Qwen's, which many share."""
THINKERS = (("qwen3", "qwen3"), ("deepseek-r1", "deepseek_r1"), ("glm-4", "glm45"), ("granite", "granite"))


def tool_parser(model: str) -> str:
    return next((parser for part, parser in PARSERS if part in model.lower()), "hermes")


def reasoning_parser(model: str) -> str:
    return next((parser for part, parser in THINKERS if part in model.lower()), "qwen3")


def advise(
    facts: ServerFacts,
    *,
    good: set[str],
    ways: Mapping[str, str],
    tools_refused: bool,
    thinking: bool,
    cached: int,
    prompt: int,
) -> tuple[str, ...]:
    """Sentences, the most useful first.

    Args:
        good: names of the micro-tasks that went well.
        ways: how each was answered.
        thinking: the model thinks before it answers.
        cached, prompt: tokens of the second request of a conversation.
    """
    return (
        *tool_advice(facts, good, ways, tools_refused),
        *window_advice(facts),
        *thinking_advice(facts, good, thinking),
        *cache_advice(facts, cached, prompt),
        *last_advice(good),
    )


def tool_advice(facts: ServerFacts, good: set[str], ways: Mapping[str, str], tools_refused: bool) -> Iterator[str]:
    kind = facts.kind
    written = ways.get("native_call") in ("tag", "json")
    if not tools_refused and ("native_call" in good or not written):
        if "native_call" not in good and "fenced_block" in good:
            yield _("Native calls do not work well here, fenced blocks do: set `llm: {setting}` in config.yaml.",
                    setting="{tools: off}")  # fmt: skip
        return
    if kind == "vllm":
        flags = f"--enable-auto-tool-choice --tool-call-parser {tool_parser(facts.model)}"
        if tools_refused:
            yield _("Start vLLM with {flags}, so that it takes tools.", flags=flags)
        else:
            yield _("vLLM does not recognise this model's calls. Start it with {flags}.", flags=flags)
    elif kind == "llama.cpp":
        yield _("Start llama-server with --jinja, so that the model's own template writes and reads calls.")
    elif kind == "ollama":
        yield _("This model has no tools in Ollama (`ollama show {model}` lists what it can do). It is asked by text; "
                "a model with tools, such as qwen3, does better.", model=facts.model)  # fmt: skip
    elif kind == "sglang":
        yield _("Start SGLang with --tool-call-parser and the parser of this model.")
    else:
        yield _("This server does not take tools. The model is asked by text, which works where `{title}` is good.",
                title=_("a fenced block"))  # fmt: skip


def window_advice(facts: ServerFacts) -> Iterator[str]:
    window = facts.context_window
    how = {
        "vllm": f"--max-model-len {GOOD_WINDOW}",
        "llama.cpp": f"-c {GOOD_WINDOW}",
        "ollama": f"OLLAMA_CONTEXT_LENGTH={GOOD_WINDOW} ollama serve",
        "sglang": f"--context-length {GOOD_WINDOW}",
    }.get(facts.kind, "")
    if window is None:
        yield _("The server does not say how large its context window is: give --context_window TOKENS.")
    elif window < SMALL_WINDOW and facts.kind == "lmstudio":
        yield _(
            "The context window of {n} tokens is small: choose a larger one where LM Studio loads the model.", n=window
        )
    elif window < SMALL_WINDOW and how:
        yield _("The context window of {n} tokens is small. Start the server with: {how}", n=window, how=how)
    elif window < SMALL_WINDOW:
        yield _("The context window of {n} tokens is small: start the server with a larger one.", n=window)


def thinking_advice(facts: ServerFacts, good: set[str], thinking: bool) -> Iterator[str]:
    if "thinking" in good or not thinking:
        return
    if facts.kind == "vllm":
        flag = f"--reasoning-parser {reasoning_parser(facts.model)}"
        yield _("Start vLLM with {flag}, so that thinking and answer are told apart.", flag=flag)
    setting = "{extra_body: {chat_template_kwargs: {enable_thinking: false}}}"
    yield _("Where the model thinks without end, turn thinking off: `llm: {setting}` in config.yaml.", setting=setting)


def cache_advice(facts: ServerFacts, cached: int, prompt: int) -> Iterator[str]:
    if cached or not prompt or facts.kind != "vllm":
        return
    yield _("The server reports no cache hits. Start vLLM with --enable-prefix-caching (each step then costs only its "
            "new messages) and --enable-prompt-tokens-details (so that it says so).")  # fmt: skip


def last_advice(good: set[str]) -> Iterator[str]:
    if not good & {"native_call", "fenced_block", "bare_json"}:
        yield _("No way of asking for an action works: choose a model that is trained to follow instructions or to "
                "call tools, such as Qwen3-4B-Instruct-2507.")  # fmt: skip
    elif "stop" not in good:
        yield _("The model does not stop when a task is done: give it a bound with --max_steps, or choose another one.")
