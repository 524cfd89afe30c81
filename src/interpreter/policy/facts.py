"""What a piece of code is about to do, as far as reading it tells. The readers make it, the rules match it."""

from __future__ import annotations

from ..types.base import Value

UNKNOWN = "\x00"
"""Stands inside a word for a piece that reading cannot resolve."""


class Command(Value):
    """One simple command as it would be executed, wrappers taken off."""

    words: tuple[str, ...]
    """Program and arguments, quotes removed, variables and constants put in; `UNKNOWN` where that is not possible.
    The program keeps its spelling (`/bin/rm`); `name` is its last part."""
    through: tuple[str, ...] = ()
    """The wrappers around it, outermost first: `sudo`, `env`, `xargs`, `find`, `sh -c`, `ssh` ..."""
    host: str = ""
    """Where it runs if not here: the argument of `ssh`, a container, a pod."""
    fed_by: tuple[str, ...] = ()
    """Names of the commands before it in its pipeline, in order; also of those whose output becomes its program or
    its words: `bash <(curl x)`, `sh -c "$(curl x)"`, `source <(curl x)`, `eval "$(curl x)"`."""
    reads: tuple[str, ...] = ()
    """Files that it reads: redirections and arguments, as written; relative ones begin at `folder`."""
    writes: tuple[str, ...] = ()
    """Files that it writes or creates: redirections and arguments."""
    deletes: tuple[str, ...] = ()
    """Paths that it deletes or empties."""
    recursive: bool = False
    """Whether it deletes (or changes) folders with everything below them."""
    hosts: tuple[str, ...] = ()
    """`host` or `host:port` that its arguments name."""
    folder: str = ""
    """Where it runs, after constant `cd`s before it: as written; empty: the working folder."""
    code: tuple[str, str] = ("", "")
    """Language and text of a program handed to it: `python -c`, `node -e`, `psql -c` (sql), a here-document."""
    variables: tuple[tuple[str, str], ...] = ()
    """What is set for it alone (`LD_PRELOAD=x cmd`)."""
    text: str = ""
    """As it stands in the code, for people."""

    @property
    def name(self) -> str:
        return self.words[0].rpartition("/")[2] if self.words else ""


class Call(Value):
    """One call in Python or JavaScript that starts processes, deletes, writes outside, or reaches the network."""

    name: str
    """Dotted and resolved through imports: `shutil.rmtree`, `child_process.exec`."""
    arguments: tuple[str, ...] = ()
    """Positional and keyword values as text, constants folded; `UNKNOWN` where not constant."""
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    deletes: tuple[str, ...] = ()
    recursive: bool = False
    """As in `Command`."""
    hosts: tuple[str, ...] = ()
    text: str = ""


class Reading(Value):
    """All that was found. What is not here was not seen: the walls hold that."""

    commands: tuple[Command, ...] = ()
    calls: tuple[Call, ...] = ()
    deletes: tuple[str, ...] = ()
    """Paths that are deleted (`~` and relative as written, variables resolved), by commands and calls together."""
    writes: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    """`host` or `host:port` that are named in addresses."""
    unknown: tuple[str, ...] = ()
    """What could not be resolved, in words: a command whose name is a variable, code that does not parse ..."""
