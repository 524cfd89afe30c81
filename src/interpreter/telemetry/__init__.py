"""Spans and metrics of what happens in a session, for a collector that the person names; else nothing is sent."""
