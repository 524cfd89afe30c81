from __future__ import annotations

from .command import place

__all__ = ["place"]
