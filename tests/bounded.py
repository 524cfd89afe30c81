"""Code that must come to its end: in a process of its own, which is ended where it does not."""

from __future__ import annotations

import subprocess
import sys

LONGEST = 30
"""Seconds; far more than any of it takes, and far less than it takes where the time grows with the square."""


def printed(code: str) -> str:
    """What the code prints. Raises TimeoutExpired where it has no end, CalledProcessError where it fails."""
    done = subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.PIPE, text=True, timeout=LONGEST)
    return done.stdout.strip()
