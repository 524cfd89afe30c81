"""The micro-tasks of `interpreter doctor --model`, on the server that is configured."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from ..agent.probes import ProbeResult as ProbeResult
from ..agent.probes import ServerReport as ServerReport
from ..agent.probes import probe_server
from ..llm.http import HttpModel
from ..llm.options import ModelOptions


async def try_model(options: ModelOptions, tell: Callable[[ProbeResult], None]) -> ServerReport:
    """Ask the twelve micro-tasks; `tell` gets each result as it comes. Raises ModelError."""
    text = HttpModel(msgspec.structs.replace(options, tools="off"))
    native = None if options.tools == "off" else HttpModel(msgspec.structs.replace(options, tools="on"))
    try:
        return await probe_server(native, text, tell)
    finally:
        await text.close()
        if native is not None:
            await native.close()
