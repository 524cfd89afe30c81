"""Telemetry of one session, where a collector is named. Loaded only then."""

from __future__ import annotations

import asyncio
import importlib
import time
from typing import Any

from .. import __version__
from ..telemetry.spans import Spans
from ..text.i18n import _
from .known import secrets_of
from .made import Made

POLL = 0.02


class Watching:
    """The reading, and what it is sent by."""

    def __init__(self, spans: Spans, sender: Any) -> None:
        self._spans, self._sender = spans, sender
        self.apply = spans.apply

    async def close(self) -> None:
        """Give what is left a moment to be sent; a collector that does not answer is not waited for."""
        module = importlib.import_module("..telemetry.otlp", __package__)
        thread, began = self._sender.close(), time.monotonic()
        while not module.closed(thread, began):
            await asyncio.sleep(POLL)


def watch(made: Made, endpoint: str) -> Watching | str:
    """A reading of the session's events, or why there is none, in a sentence for the person."""
    try:
        module = importlib.import_module("..telemetry.otlp", __package__)
    except ImportError:
        return _("Telemetry is not sent: it needs OpenTelemetry. Install it: pip install 'reinterpreter[otel]'")
    try:
        sender = module.Otlp(endpoint, __version__)
    except Exception as error:
        return _("Telemetry is not sent: {reason}", reason=str(error))
    content = made.settings.telemetry.content
    return Watching(Spans(sender, made.log.id, __version__, secrets_of(made.settings), content=content), sender)
