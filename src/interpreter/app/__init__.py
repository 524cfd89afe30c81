"""The composition root: the only place that names all concrete classes."""

from ..llm.client import ModelClient
from .loading import load_session, open_session

__all__ = ["ModelClient", "load_session", "open_session"]
