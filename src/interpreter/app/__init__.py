"""The composition root: the only place that names all concrete classes."""

from .compose import open_session
from .loading import load_session

__all__ = ["load_session", "open_session"]
