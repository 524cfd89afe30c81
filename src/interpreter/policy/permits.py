"""That what runs is what was allowed, once."""

from __future__ import annotations

from ..errors import PermitRefused
from ..text.i18n import _
from ..types.actions import Action, Permit
from ..types.base import code_sha256


class Permits:
    """Of one session."""

    def __init__(self) -> None:
        self._used: set[str] = set()
        """Actions whose permit was used."""

    def check(self, permit: Permit, action: Action) -> None:
        """Use a permit. Raises PermitRefused: it is for something else, or was used before."""
        belongs = permit.action == action.id and permit.language == action.language
        if not belongs or permit.sha256 != action.sha256 or code_sha256(action.code) != permit.sha256:
            raise PermitRefused(_("This code is not the code that was allowed."), _("Nothing was run."))
        if permit.action in self._used:
            raise PermitRefused(_("This permission was used before."), _("Nothing was run a second time."))
        self._used.add(permit.action)
