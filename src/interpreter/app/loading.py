"""A saved conversation, taken up again."""

from __future__ import annotations

from pathlib import Path

from ..config.settings import Settings
from ..errors import SessionUnknown
from ..llm.client import ModelClient
from ..store import Store, default_home
from ..store.home import disk_error
from ..store.transcript import load
from ..text.i18n import _
from . import opening

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..session.service import Session
    from .goals import Goal


async def open_session(
    settings: Settings,
    *,
    resume: str | None = None,
    workspace: Path | None = None,
    client: ModelClient | None = None,
    begun: str = "",
    goal: Goal | None = None,
) -> Session:
    """`opening.open_session`, where `resume` may also be the path of a saved conversation (it has a `/` or `.json`)."""
    if resume and ("/" in resume or resume.endswith(".json")):
        session, told = await load_session(settings, resume, workspace=workspace, client=client)
        await session.note(told)
        return session
    try:
        return await opening.open_session(
            settings, resume=resume, workspace=workspace, client=client, begun=begun, goal=goal
        )
    except OSError as error:
        # The disk may be full for any of the many files that a session begins with.
        raise (disk_error(error) or error) from error


async def load_session(
    settings: Settings,
    path: str | Path,
    *,
    workspace: Path | None = None,
    leaving: Session | None = None,
    client: ModelClient | None = None,
) -> tuple[Session, str]:
    """The session of a saved conversation, and a sentence for the person.

    `leaving` is the session that the caller has open: it is closed once the file is known to be good.
    A session that this machine knows goes on at its newest durable step, also where the file is older (power may have
    failed in the middle of a turn). A conversation of another machine or program begins a new session that is told it.

    Raises:
        ConfigError, StoreError: the file is absent, torn, or no conversation; the message names the session to resume.
        SessionBusy: another process holds the session.
    """
    with Store.open(default_home()) as store:
        sessions = store.sessions()
        transcript = load(path, sessions[0].id if sessions else "")
        try:
            info = store.info(transcript.session) if transcript.session else None
        except SessionUnknown:
            info = None
    if leaving is not None:
        await leaving.close(keep_kernels=info is not None and info.id == leaving.id)
    if info is None:
        session = await opening.open_session(settings, workspace=workspace, client=client)
        await session.tell(list(transcript.messages))
        return session, _("The conversation of {path} was told to a new session.", path=path)
    session = await opening.open_session(settings, resume=info.id, client=client)
    if info.size > transcript.seq:
        told = _("The log of session {session} goes further than {path}; going on at its newest step.",
                 session=info.id, path=path)  # fmt: skip
    else:
        told = _("Going on with session {session}.", session=info.id)
    return session, told
