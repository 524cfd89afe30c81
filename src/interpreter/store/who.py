"""Who works here: for the record, asked of the system and not of the environment."""

from __future__ import annotations

import os
import pwd
from typing import NamedTuple


class Who(NamedTuple):
    user: str
    """The name of the account; its number where it has none."""
    uid: int
    host: str


def who() -> Who:
    uid = os.getuid()
    try:
        user = pwd.getpwuid(uid).pw_name
    except KeyError:
        user = str(uid)
    return Who(user, uid, os.uname().nodename)
