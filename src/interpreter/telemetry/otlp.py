"""OpenTelemetry's own SDK, sending over HTTP. Loaded only where a collector is named; it is the extra `otel`."""

from __future__ import annotations

import logging
import os
import threading
import time
from typing import Any

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, set_span_in_context

from .spans import Mark, Values

SECONDS = 3.0
"""Of one request to the collector, and of the last one when the session ends."""
QUEUE = 2_048
"""Spans that wait to be sent; more are dropped."""
TOKENS = (1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864)
DURATIONS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
METRICS: dict[str, tuple[str, str, tuple[float, ...]]] = {
    "gen_ai.client.token.usage": ("{token}", "Number of input and output tokens used.", TOKENS),
    "gen_ai.client.operation.duration": ("s", "GenAI operation duration.", DURATIONS),
    "gen_ai.execute_tool.duration": ("s", "Duration of a tool's or code's execution.", DURATIONS),
    "gen_ai.invoke_agent.duration": ("s", "Duration of one turn of the agent.", DURATIONS),
}
KINDS = {"client": SpanKind.CLIENT, "internal": SpanKind.INTERNAL}


class OpenSpan:
    def __init__(self, span: Span) -> None:
        self.span = span

    def set(self, values: Values) -> None:
        self.span.set_attributes(dict(values))

    def event(self, name: str, values: Values) -> None:
        self.span.add_event(name, dict(values))

    def end(self, moment: int, error: str = "") -> None:
        if error:
            self.span.set_attribute("error.type", error)
            self.span.set_status(Status(StatusCode.ERROR, error))
        self.span.end(moment)


class Otlp:
    """An Exporter. It works on threads of its own; nothing here waits for the collector but `close`, and that not
    longer than SECONDS."""

    def __init__(self, endpoint: str, version: str) -> None:
        """`endpoint`: the base address; empty: as the OTEL_ variables say."""
        # The SDK says on standard error what it could not send; that is for who looks after the collector.
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL + 1)
        name = os.environ.get("OTEL_SERVICE_NAME") or "reinterpreter"
        resource = Resource.create({"service.name": name, "service.version": version})
        self._traces = TracerProvider(resource=resource, shutdown_on_exit=False)
        exporter = OTLPSpanExporter(**address(endpoint, "traces"))
        self._traces.add_span_processor(
            BatchSpanProcessor(
                exporter, max_queue_size=QUEUE, schedule_delay_millis=2_000, export_timeout_millis=SECONDS * 1000
            )
        )
        self._tracer = self._traces.get_tracer("reinterpreter", version)
        reader = PeriodicExportingMetricReader(
            OTLPMetricExporter(**address(endpoint, "metrics")),
            export_interval_millis=30_000,
            export_timeout_millis=SECONDS * 1000,
        )
        self._metrics = MeterProvider([reader], resource, shutdown_on_exit=False)
        meter = self._metrics.get_meter("reinterpreter", version)
        self._histograms = {
            name: meter.create_histogram(name, unit, told, explicit_bucket_boundaries_advisory=bounds)
            for name, (unit, told, bounds) in METRICS.items()
        }

    def begin(self, name: str, kind: str, values: Values, moment: int, parent: Mark | None) -> Mark:
        # An empty context stands for no parent: the person's own program may have a span of its own open.
        context = set_span_in_context(parent.span) if isinstance(parent, OpenSpan) else Context()
        made = self._tracer.start_span(name, context, KINDS[kind], dict(values), start_time=moment)
        return OpenSpan(made)

    def measure(self, name: str, value: float, values: Values) -> None:
        self._histograms[name].record(value, dict(values))

    def close(self) -> threading.Thread:
        """Send what is left, on a thread that ends with the process at the latest. Wait for it with `closed`."""
        thread = threading.Thread(target=self._close, daemon=True, name="interpreter-telemetry")
        thread.start()
        return thread

    def _close(self) -> None:
        for provider in (self._traces, self._metrics):
            try:
                provider.shutdown()
            except Exception:
                continue  # a collector that is not there is no reason for anything


def address(endpoint: str, signal: str) -> dict[str, Any]:
    known: dict[str, Any] = {"timeout": SECONDS}
    return known | ({"endpoint": f"{endpoint.rstrip('/')}/v1/{signal}"} if endpoint else {})


def closed(thread: threading.Thread, began: float) -> bool:
    """Whether there is nothing to wait for any more."""
    return not thread.is_alive() or time.monotonic() - began > SECONDS
