"""Unattended work towards a goal: a session whose turn ends when checks show it, or when a ceiling is met."""
