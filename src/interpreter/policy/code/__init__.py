"""Readers of Python and JavaScript, by their syntax trees."""
