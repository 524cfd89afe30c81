"""Views: pure consumers of events."""
