"""Walls around programs: a profile says what may be reached, a backend holds it, or refuses."""

from .backend import WALLS, Backend
from .choice import Report, choose, report, run
from .grants import open_grants
from .profile import safe_workspace, workspace_profile
from .profiles import resolve
from .shape import shape
from .walls import Walls

__all__ = [
    "WALLS",
    "Backend",
    "Report",
    "Walls",
    "choose",
    "open_grants",
    "report",
    "resolve",
    "run",
    "safe_workspace",
    "shape",
    "workspace_profile",
]
