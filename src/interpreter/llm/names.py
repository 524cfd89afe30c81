"""Names of models as people write them, and as servers do."""

from __future__ import annotations

from interpreter.errors import ModelUnknown
from interpreter.text.i18n import _

PREFIXES = ("openai/", "ollama/", "ollama_chat/", "hosted_vllm/", "vllm/", "lm_studio/", "custom_openai/")
STRICT = frozenset({"vllm", "ollama", "lmstudio", "sglang", "scripted"})
"""Servers whose list is the whole truth; others (llama.cpp, gateways) take names that they do not list."""
MOST = 12
"""Names that an error lists."""


def default_base(model: str | None) -> str | None:
    """The address that a prefix implies where none is given."""
    if model and model.startswith(("ollama/", "ollama_chat/")):
        return "http://localhost:11434/v1"
    if model and model.startswith("lm_studio/"):
        return "http://localhost:1234/v1"
    return None


def bare(model: str) -> str:
    """The name without the prefix that says which kind of server it is for."""
    for prefix in PREFIXES:
        if model.startswith(prefix) and len(model) > len(prefix):
            return model[len(prefix) :]
    return model


def choose_model(wanted: str | None, there: tuple[str, ...], kind: str, url: str, *, listed: bool) -> str:
    """The name to send. Raises ModelUnknown, listing what the server has."""
    if not wanted:
        usable = [name for name in there if "embed" not in name.lower()] or list(there)
        if len(usable) == 1:
            return usable[0]
        if not usable:
            raise ModelUnknown(
                _("The server {url} has no model.", url=url),
                _("Load one first (with Ollama: ollama pull qwen3:4b), then ask again."),
            )
        raise ModelUnknown(
            _("The server {url} has several models.", url=url),
            _("Choose one with --model: {names}", names=names(tuple(usable))),
        )
    for name in (wanted, bare(wanted)):
        if found := match(name, there):
            return found
    if listed and kind in STRICT:
        raise ModelUnknown(
            _("The server {url} does not have the model {model}.", url=url, model=bare(wanted)),
            _("It has: {names}", names=names(there))
            if there
            else _("It has none; with Ollama, load it first: ollama pull {model}", model=bare(wanted)),
        )
    return bare(wanted)


def match(name: str, there: tuple[str, ...]) -> str:
    """The listed name that is meant: the same, with Ollama's tag, or the only one with this last part."""
    for candidate in (name, f"{name}:latest"):
        if candidate in there:
            return candidate
    low = name.lower()
    alike = [n for n in there if n.lower() == low or n.lower().rpartition("/")[2] == low]
    return alike[0] if len(alike) == 1 else ""


def names(there: tuple[str, ...]) -> str:
    more = len(there) - MOST
    return ", ".join(there[:MOST]) + (f", ... (+{more})" if more > 0 else "")
