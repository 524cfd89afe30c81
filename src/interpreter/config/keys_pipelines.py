"""Settings of runs that nobody watches, and of what leaves them: reports, recordings, telemetry."""

from __future__ import annotations

from .key import N_, Key

PIPELINES = (
    Key(
        "report",
        "paths",
        N_("Write a report of the run into this file: .html, .md or .json; may be repeated."),
        ("--report",),
        guard="never",
    ),
    Key(
        "output_schema",
        "text",
        N_("A file with a JSON Schema: the final answer is JSON that fits it, or the run fails."),
        ("--output_schema",),
        "agent.output_schema",
        guard="never",
    ),
    Key(
        "record",
        "text",
        N_("Write requests, answers and results into this file; interpreter replay runs it again, offline."),
        ("--record",),
        guard="never",
    ),
    Key(
        "cache",
        "bool",
        N_("Answer a request that was asked before, to the letter, from the cache; it is said each time."),
        ("--cache",),
        guard="never",
    ),
    Key(
        "log_format",
        "choice",
        N_("How progress is written on standard error: text, or one JSON object a line."),
        ("--log_format",),
        choices=("text", "json"),
    ),
)
TELEMETRY = (
    Key(
        "telemetry.endpoint",
        "text",
        N_("Address of an OpenTelemetry collector (OTLP over HTTP). Unset: OTEL_EXPORTER_OTLP_ENDPOINT, else none."),
        env="telemetry_endpoint",
        guard="never",
    ),
    Key(
        "telemetry.content",
        "bool",
        N_("Send tasks, answers, code and outputs as well, with secrets taken out."),
        env="telemetry_content",
        guard="never",
    ),
)
FURTHER: tuple[tuple[str, tuple[Key, ...]], ...] = ((N_("Pipelines"), PIPELINES), (N_("Telemetry"), TELEMETRY))
