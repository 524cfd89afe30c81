"""The model's side: any chat-completions server, and a scripted model for tests."""

from .client import ModelClient as ModelClient
