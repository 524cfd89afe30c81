"""The shape of the log, as numbered steps. A step that has been released is never edited; a change is a new step."""

from __future__ import annotations

APPLICATION_ID = 0x52455031
"""`REP1`, in the header of every log: a database of another program is never taken for one."""

MILESTONES = "'session_started', 'turn_started', 'turn_finished', 'session_closed'"
"""Types of events that have an index of their own, as it was made in step 1."""

QUESTIONS = "'approval_requested', 'approval_resolved'"
"""Types of events that have an index of their own, as it was made in step 2."""

MARKS = "'session_named', 'session_tagged', 'session_imported'"
"""Types of events that have an index of their own, as it was made in step 3."""

MARK_TYPES = ("session_named", "session_tagged", "session_imported")

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """
        CREATE TABLE sessions (
            key INTEGER PRIMARY KEY AUTOINCREMENT,
            id TEXT NOT NULL UNIQUE,
            workspace TEXT NOT NULL,
            created INTEGER NOT NULL
        )
        """,
        """
        CREATE TABLE events (
            session INTEGER NOT NULL REFERENCES sessions (key) ON DELETE CASCADE,
            seq INTEGER NOT NULL,
            time INTEGER NOT NULL,
            type TEXT NOT NULL,
            body BLOB,
            body_sha256 BLOB NOT NULL,
            hash BLOB NOT NULL,
            PRIMARY KEY (session, seq)
        )
        """,
        """
        CREATE INDEX milestones ON events (session, type, seq) WHERE type IN (
            'session_started', 'turn_started', 'turn_finished', 'session_closed'
        )
        """,
        """
        CREATE TABLE blobs (
            session INTEGER NOT NULL REFERENCES sessions (key) ON DELETE CASCADE,
            name TEXT NOT NULL,
            sha256 TEXT NOT NULL,
            size INTEGER NOT NULL,
            data BLOB,
            segments BLOB,
            PRIMARY KEY (session, name)
        ) WITHOUT ROWID
        """,
    ),
    (
        """
        CREATE INDEX questions ON events (session, seq) WHERE type IN ('approval_requested', 'approval_resolved')
        """,
    ),
    (
        """
        CREATE INDEX marks ON events (session, seq) WHERE type IN (
            'session_named', 'session_tagged', 'session_imported'
        )
        """,
    ),
)
"""Step n brings a log from version n - 1 to n (`PRAGMA user_version`)."""
