"""Walls around programs: a profile says what may be reached, a backend holds it, or refuses."""

from .backend import WALLS, Backend
from .choice import Report, choose, report, run
from .profile import safe_workspace, workspace_profile
from .walls import Walls

__all__ = ["WALLS", "Backend", "Report", "Walls", "choose", "report", "run", "safe_workspace", "workspace_profile"]
