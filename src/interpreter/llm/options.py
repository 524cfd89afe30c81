"""The settings of this room."""

from __future__ import annotations

from typing import Any, Literal

from interpreter.types.base import Value


class Prices(Value):
    """Cost of a million tokens, in any one currency."""

    input: float = 0.0
    cached: float | None = None
    """Of input tokens that the server had cached; None: the price of input."""
    output: float = 0.0


class ModelOptions(Value):
    api_base: str | None = None
    """With or without `/v1`; None: look for a server on the usual local ports."""
    model: str | None = None
    """As the server names it; prefixes such as `openai/` and `ollama/` are understood. None: the one it serves."""
    api_key: str | None = None
    """None: OPENAI_API_KEY, and only for an https server that is not on this machine."""
    context_window: int | None = None
    """Tokens; None: what the server says."""
    max_tokens: int | None = None
    """Tokens of one answer; None: the server's own bound."""
    temperature: float | None = None
    connect_timeout: float = 5.0
    """Seconds."""
    read_timeout: float = 300.0
    """Seconds between two pieces of an answer, and before the first."""
    max_retries: int = 2
    """Of one request, while nothing of its answer has come."""
    retry_wait: float = 0.5
    """Seconds before the first retry; doubled for each further one."""
    tools: Literal["auto", "on", "off"] = "auto"
    """How actions are asked for. auto: native calls until the server refuses them; off: by text from the start."""
    prices: Prices | None = None
    extra_body: dict[str, Any] = {}
    """Further fields of each request, for example chat_template_kwargs."""
    headers: dict[str, str] = {}
    """Further HTTP headers."""
