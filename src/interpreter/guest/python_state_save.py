"""Part `state_save` of the Python driver: what the session holds, written to the state channel. Runs in a child.

Each name is pickled by itself first; names that share something which can be changed are then pickled together, so that
it is still one thing afterwards. Large memory (arrays, frames) goes beside the pickle, without a copy. What the
keeper has already is only named. Cheap things come first: a deadline or a ceiling costs the dear ones.
"""

import builtins
import faulthandler
import gc
import hashlib
import json
import os
import pickle
import resource
import signal
import sys
import time
import types

driver = globals().get("driver")
values, pick = driver.part("state_values"), driver.part("state_pickle")
Unsavable, Late, Piece, Pickler, Stream = (
    values["Unsavable"],
    *(pick[n] for n in ("Late", "Piece", "Pickler", "Stream")),
)
weight, LARGE = pick["weight"], pick["LARGE"]
RECORD = 65536 - 21
PACKED = 65536
"""Bytes up to which things share one file."""
SPEED = 200 << 20
"""Bytes a second that a save takes about: what was made faster is better made again."""
SHOWN = " _"
"""The last value that was shown, which is no name of the session's."""
NEVER = {"__builtins__", "__name__", "__doc__", "__package__", "__loader__", "__spec__"}


class Save:
    def __init__(self, frame, facts):
        self.frame, self.facts = frame, facts
        self.head = frame["id"].encode()
        self.have = set(frame.get("known") or ())
        self.variable = frame.get("variable") or 1 << 31
        self.rest = frame.get("total") or 1 << 33
        self.ends = time.monotonic() + (frame.get("deadline") or 60.0)
        self.late = self.pickling = False
        self.sentinels = values["sentinels"]()
        self.singletons = {type(None): None, type(Ellipsis): Ellipsis, type(NotImplemented): NotImplemented}
        self.files, self.kept, self.hashes = set(), [], {}
        self.unsaved, self.groups = [], []
        self.names = {name: value for name, value in driver.namespace.items() if name not in NEVER}
        if not self.names.get("__annotations__"):
            self.names.pop("__annotations__", None)
        if "_" not in self.names and hasattr(builtins, "_"):
            self.names[SHOWN] = builtins._

    def on_alarm(self, number, frame):
        self.late = True
        if self.pickling:
            raise Late("the deadline came first")

    # --- pickles

    def dump(self, names, known, views=()):
        """Raises whatever a value raises, Unsavable, Late."""
        piece = Piece(names)
        piece.known, piece.views = known, views
        stream = Stream(self.variable * max(1, len(names)))
        pickler = Pickler(stream, self, known, views)
        if self.late:
            raise Late("the deadline came first")
        self.pickling = True
        try:
            pickler.dump([self.names[name] for name in names])
            piece.buffers = [self.hashed(view) for view in pickler.buffers]
        finally:
            self.pickling = False
        piece.hash, piece.size, piece.held = stream.hash.hexdigest(), stream.size, stream.held
        piece.owners = pickler.owners
        if len(names) == 1:
            piece.shared = pickler.sharable(self.names[names[0]])
        return piece

    def hashed(self, view):
        key = (id(view.obj), view.nbytes)
        if key not in self.hashes:
            self.kept.append(view.obj)
            self.hashes[key] = hashlib.sha256(view).hexdigest()
        return self.hashes[key], view.nbytes, view

    def attempt(self, name, known, tried=False):
        """The pickle of one name; None, and it is noted why, where there can be none. `tried`: it is also loaded."""
        try:
            if weight(self.names[name]) > self.variable:
                raise Unsavable(LARGE)
            piece = self.dump([name], known)
            if tried and piece.held is not None:
                buffers = [view for _name, _size, view in piece.buffers]
                self.kept.append(pickle.loads(b"".join(piece.held), buffers=buffers))
            return piece
        except BaseException as error:
            self.miss(name, error)
            return None

    def miss(self, name, why):
        if name == SHOWN:
            return
        value = self.names.get(name)
        _id, execution, seconds = driver.made.get(name, (0, "", 0.0))
        rebuild = str(why) == LARGE and seconds < weight(value) / SPEED
        kind = type(value)
        label = kind.__name__ if kind.__module__ == "builtins" else "%s.%s" % (kind.__module__, kind.__qualname__)
        reason = str(why) if isinstance(why, (Unsavable, Late)) else "%s: %s" % (type(why).__name__, why)
        self.note(name, label, reason, execution, rebuild)

    def note(self, name, kind, reason, execution="", rebuild=False):
        told = {"name": name[:200], "type": kind[:200], "reason": reason[:300], "execution": execution}
        self.unsaved.append(dict(told, rebuild=rebuild))

    # --- the order of work

    def modules(self):
        """Names of modules, which are not pickled."""
        found = {}
        for name, value in list(self.names.items()):
            if isinstance(value, types.ModuleType):
                del self.names[name]
                if sys.modules.get(value.__name__) is value and value.__name__ != "__main__":
                    found[name] = value.__name__
                elif name != SHOWN:
                    self.note(name, "module", "a module that cannot be imported")
        return found

    def definitions(self):
        """Functions and classes of the session that can be saved: by their ids, and a pickle of each."""
        kinds = (types.FunctionType, type, type(values["functools"].lru_cache(1)(len)))
        own = [
            name
            for name, value in self.names.items()
            if name != SHOWN and isinstance(value, kinds) and value is not type(None)
            and not values["importable"](value, getattr(value, "__module__", ""), getattr(value, "__qualname__", ""))
        ]  # fmt: skip
        while True:
            known = values["by_ids"](own, self.names)
            pieces = {}
            for name in own:
                mine = known[id(self.names[name])]
                others = {key: other for key, other in known.items() if other.split(".")[0] != mine.split(".")[0]}
                pieces[name] = self.attempt(name, others, tried=True)
            failed = [name for name in own if pieces[name] is None]
            if not failed:
                return known, pieces
            for name in failed:
                del self.names[name]
            own = [name for name in own if name not in failed]

    def collect(self):
        """Pieces, whatever shares something in one; that of the definitions first, then in the order of their cost."""
        known, pieces = self.definitions()
        defined = list(pieces)
        for name in sorted(self.names, key=lambda name: weight(self.names[name])):
            if name not in pieces:
                piece = self.attempt(name, known)
                if piece:
                    pieces[name] = piece
        groups, views = pick["joined"](pieces, defined)
        for names in groups:
            piece = pieces[names[0]]
            defines = bool(defined) and names[0] in defined
            if len(names) > 1 or views.intersection(piece.owners):
                try:
                    piece = self.dump(names, {} if defines else known, views)
                except BaseException as error:
                    for name in names:
                        self.miss(name, error)
                    continue
            piece.kind = "definitions" if defines else "pickle5"
            yield piece

    # --- the channel

    def send(self, kind, data=b""):
        os.writev(driver.state, [self.head + kind, data])

    def stream(self, data):
        view = memoryview(data)
        for start in range(0, len(view), RECORD):
            self.send(b"d", view[start : start + RECORD])

    def blob(self, name, data):
        if name not in self.have:
            self.stream(data)
            self.send(b"e", name.encode())
            self.have.add(name)

    def emit(self, piece):
        """Send what the keeper has not; then the group that names it."""
        if not self.allowed(piece):
            return
        for name, _size, view in piece.buffers:
            self.blob(name, view)
        if piece.held is not None:
            self.blob(piece.hash, b"".join(piece.held))
        elif piece.hash not in self.have:
            self.again(piece)
        self.group(piece, piece.hash, 0)

    def group(self, piece, blob, start):
        buffers = [name for name, _size, _view in piece.buffers]
        names = ["builtins._" if name == SHOWN else name for name in piece.names]
        told = {"names": names, "format": piece.kind, "blob": blob, "at": start, "size": piece.size}
        self.groups.append(dict(told, buffers=buffers))

    def again(self, piece):
        """A large pickle is made a second time, straight into the channel."""
        stream = Stream(1 << 62, self.stream)
        Pickler(stream, self, piece.known, piece.views).dump([self.names[name] for name in piece.names])
        piece.hash, piece.size = stream.hash.hexdigest(), stream.size
        self.send(b"e", piece.hash.encode())

    def packed(self, pieces):
        """Small pickles one after the other in one blob."""
        pieces = [piece for piece in pieces if self.allowed(piece)]
        if not pieces:
            return
        whole = b"".join(chunk for piece in pieces for chunk in piece.held)
        blob = hashlib.sha256(whole).hexdigest()
        for piece in pieces:
            for name, _size, view in piece.buffers:
                self.blob(name, view)
        self.blob(blob, whole)
        start = 0
        for piece in pieces:
            self.group(piece, blob, start)
            start += piece.size

    def allowed(self, piece):
        """Whether there is room and time for it; noted where not."""
        why = Unsavable("beyond the ceiling of a whole checkpoint")
        if piece.whole <= self.rest:
            self.rest -= piece.whole
            new = sum(size for name, size, _view in piece.buffers if name not in self.have)
            if new / SPEED <= max(1.0, self.ends - time.monotonic()):
                return True
            why = Late("the deadline came first")
        for name in piece.names:
            self.miss(name, why)
        return False

    def run(self):
        modules = self.modules()
        pieces = list(self.collect())
        facts = driver.part("state_facts")["facts"](self, modules)
        self.packed([of_fact(names, data) for names, data in facts])
        rest = []
        for piece in pieces:
            if piece.kind == "definitions":
                self.emit(piece)
            else:
                rest.append(piece)
        # In the order of their names, so that the blob is the same while they are.
        self.packed(sorted((p for p in rest if p.size <= PACKED), key=lambda p: p.names))
        for piece in sorted((p for p in rest if p.size > PACKED), key=lambda p: p.whole):
            self.emit(piece)
        made = sorted({execution for _id, execution, _seconds in driver.made.values()})
        contents = json.dumps({"groups": self.groups, "unsaved": self.unsaved, "made": made}).encode()
        for start in range(0, len(contents), RECORD):
            self.send(b"m", contents[start : start + RECORD])
        self.send(b"z")


def of_fact(names, data):
    piece = Piece(names)
    piece.kind = "fact"
    piece.held, piece.size = [data], len(data)
    return piece


def settle(frame):
    """Make this process one that harms nobody: mute, patient, small, and sure to end."""
    gc.disable()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nothing, number)
    deadline = frame.get("deadline") or 60.0
    faulthandler.dump_traceback_later(deadline, exit=True, file=nothing)
    try:
        os.nice(10)
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write("1000")
    except OSError:
        pass
    try:
        with open("/proc/self/statm") as file:
            size = int(file.read().split()[0]) * resource.getpagesize()
        _soft, hard = resource.getrlimit(resource.RLIMIT_AS)
        most = size + (frame.get("memory") or 1 << 29)
        resource.setrlimit(resource.RLIMIT_AS, (most if hard < 0 else min(most, hard), hard))
    except (OSError, ValueError):
        pass
    return deadline


def run(frame, facts):
    """The whole life of the child; whatever goes wrong is told, and then there is no checkpoint."""
    deadline = settle(frame)
    save = Save(frame, facts)
    helpers = types.ModuleType(values["HERE"])
    for name, helper in values["HELPERS"].items():
        helper.__module__, helper.__qualname__ = helpers.__name__, name
        setattr(helpers, name, helper)
    sys.modules[helpers.__name__] = helpers
    signal.signal(signal.SIGALRM, save.on_alarm)
    signal.setitimer(signal.ITIMER_REAL, 0.7 * deadline, 0.05 * deadline)
    try:
        save.run()
    except BaseException as error:
        save.send(b"f", ("%s: %s" % (type(error).__name__, error)).encode("utf-8", "replace")[:2000])
