"""What may be done: rules over what a piece of code is about to do, read from its syntax."""

from __future__ import annotations

import importlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .layers import load_policy
    from .oddities import Finding, survey
    from .policy import Policy, read_code
    from .trusted import revoke, trust, trusts

__all__ = ["Finding", "Policy", "load_policy", "read_code", "revoke", "survey", "trust", "trusts"]

_PLACES = {
    "Finding": "oddities", "Policy": "policy", "load_policy": "layers", "read_code": "policy", "revoke": "trusted",
    "survey": "oddities",
    "trust": "trusted", "trusts": "trusted",
}  # fmt: skip


def __getattr__(name: str) -> object:
    # Rules and readers are wanted when the first action is judged, not while the program starts.
    if name in _PLACES:
        return getattr(importlib.import_module(f".{_PLACES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
