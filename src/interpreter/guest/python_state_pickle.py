"""Part `state_pickle` of the Python driver: one pickle of the session, and what it shares with others. Runs in a child."""

import hashlib
import pickle
import sys
import types

driver = globals().get("driver")
values = driver.part("state_values")
Unsavable = values["Unsavable"]
INSIDE = 16384
"""Bytes of memory that stay inside the pickle."""
HELD = 32 << 20
"""Bytes of one pickle that are held; of a larger one only the hash, and it is made a second time to be sent."""
DEEP = 64 << 20
"""Bytes of a pickle beyond which only what a name holds directly is looked at for sharing."""
FIXED = {"datetime", "decimal", "fractions", "pathlib", "re", "uuid", "zoneinfo", "ipaddress"}
"""Modules whose objects cannot be changed, so that it does not matter whether two are one."""
LARGE = "larger than the ceiling for one variable"
SHARED_BY_NATURE = (
    str, bytes, int, float, complex, bool, type(None), type, range, slice, types.FunctionType, types.ModuleType,
    types.BuiltinFunctionType, types.CodeType, type(Ellipsis), property, pickle.PickleBuffer,
)  # fmt: skip


class Late(BaseException):
    """The deadline is near."""


class Stream:
    """Takes a pickle: hashes it, and holds it while it is small."""

    def __init__(self, most, send=None):
        self.most, self.send = most, send
        self.size = 0
        self.hash = hashlib.sha256()
        self.held = []

    def write(self, data):
        self.size += len(data)
        if self.size > self.most:
            raise Unsavable(LARGE)
        self.hash.update(data)
        if self.send:
            self.send(data)
        elif self.size <= HELD:
            self.held.append(bytes(data))
        else:
            self.held = None
        return len(data)


class Pickler(pickle.Pickler):
    """`known`: functions and classes that go by their name in the session; `views`: memory that several arrays share."""

    def __init__(self, stream, save, known, views=()):
        super().__init__(stream, 5, buffer_callback=self.beside)
        self.stream, self.save, self.known, self.views = stream, save, known, views
        self.buffers, self.owners, self.own, self.whole = [], {}, set(), set()
        self.immutable = set()

    def beside(self, buffer):
        view = buffer.raw()
        if view.nbytes < INSIDE:
            return True
        self.stream.most -= view.nbytes
        if self.stream.size > self.stream.most:
            raise Unsavable(LARGE)
        self.buffers.append(view)
        return False

    def reducer_override(self, thing):
        kind = type(thing)
        if id(thing) in self.known:
            return values["by_name"], (self.known[id(thing)],)
        if id(thing) in self.save.sentinels:
            return values["attribute"], self.save.sentinels[id(thing)]
        if kind is types.FunctionType:
            if values["importable"](thing, thing.__module__, thing.__qualname__):
                return NotImplemented
            self.own.add(id(thing))
            self.save.files.add(thing.__code__.co_filename)
            return values["function_parts"](thing, self.whole)
        if isinstance(thing, type):
            if values["importable"](thing, thing.__module__, thing.__qualname__) or thing is type(None):
                return NotImplemented
            if thing in self.save.singletons:
                return type, (self.save.singletons[thing],)
            self.own.add(id(thing))
            return values["class_parts"](thing, self.whole)
        other = values["OTHERS"].get(kind)
        if other is not None:
            return self.special(thing, kind, other)
        module = kind.__module__
        if module == "typing" and kind.__name__ in ("TypeVar", "ParamSpec", "NewType"):
            if values["importable"](thing, thing.__module__, thing.__name__):
                return NotImplemented
            self.own.add(id(thing))
            return values["typed_parts"](thing)
        if module == "numpy" and kind.__name__ == "ndarray":
            return self.array(thing)
        if module.startswith("pandas.core.indexes"):
            self.immutable.add(id(getattr(thing, "_data", None)))
        elif module.startswith("torch") and getattr(thing, "is_cuda", False) is True:
            raise Unsavable("it lies in the memory of a GPU")
        return NotImplemented

    def special(self, thing, kind, other):
        if kind.__name__ == "_lru_cache_wrapper":
            if values["importable"](thing, getattr(thing, "__module__", ""), getattr(thing, "__qualname__", "")):
                return NotImplemented
            self.own.add(id(thing))
        elif kind is types.CodeType:
            self.save.files.add(thing.co_filename)
        elif kind is types.ModuleType and sys.modules.get(thing.__name__) is not thing:
            raise Unsavable("a module that cannot be imported")
        return other(thing)

    def array(self, thing):
        """Arrays of one memory are found here, and made to share it again."""
        owner = thing
        while type(owner.base) is type(thing):
            owner = owner.base
        if thing.dtype.hasobject or not (owner.flags.c_contiguous or owner.flags.f_contiguous):
            return NotImplemented
        self.owners.setdefault(id(owner), set()).add(id(thing))
        self.save.kept += (owner, thing)
        if id(owner) not in self.views or thing is owner or owner.dtype.hasobject or not owner.flags.writeable:
            return NotImplemented
        offset = thing.__array_interface__["data"][0] - owner.__array_interface__["data"][0]
        return values["make_view"], (owner, offset, thing.shape, thing.strides, thing.dtype)

    def sharable(self, value):
        """Ids of what could be changed through another name; all of it is kept, so that no id comes twice."""
        if self.stream.size > DEEP:
            inner = (
                value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple, set)) else ()
            )
            things = [value, *inner]
        else:
            things = [thing for _number, thing in self.memo.copy().values()]
        never = self.immutable.union(self.known, self.save.sentinels)
        found = [
            thing
            for thing in things
            if id(thing) in self.own
            or not (isinstance(thing, SHARED_BY_NATURE) or id(thing) in never or fixed(type(thing)))
        ]
        self.save.kept += found
        return frozenset(map(id, found))


class Piece:
    """One pickle: of a name, or of names together."""

    def __init__(self, names):
        self.names = names
        self.kind = "pickle5"
        self.known = self.views = ()
        self.hash, self.size, self.held, self.buffers = "", 0, None, []
        self.shared, self.owners = frozenset(), {}

    @property
    def whole(self):
        return self.size + sum(size for _hash, size, _view in self.buffers)


def fixed(kind):
    """Whether objects of a type can never be changed."""
    module = kind.__module__
    if kind in (tuple, frozenset) or module in FIXED or module.startswith("pyarrow"):
        return True
    return "dtype" in kind.__name__.lower() or hasattr(kind, "__members__")


def weight(value):
    """About how many bytes a value holds, in no time."""
    try:
        size = getattr(value, "nbytes", None)
        if isinstance(size, int):
            return size
        if hasattr(value, "memory_usage") and hasattr(value, "index"):
            used = value.memory_usage(index=True)
            return int(used.sum() if hasattr(used, "sum") else used)
        if hasattr(value, "estimated_size"):
            return int(value.estimated_size())
        more = 64 * len(value) if isinstance(value, (list, tuple, dict, set, frozenset)) else 0
        return sys.getsizeof(value) + more
    except Exception:
        return 0


def joined(pieces, defined):
    """Lists of names that share something (all definitions are one), the cheapest first; and memory of several arrays."""
    owners = {}
    for piece in pieces.values():
        for owner, arrays in piece.owners.items():
            owners.setdefault(owner, set()).update(arrays)
    views = {owner for owner, arrays in owners.items() if len(arrays) > 1}
    leader = {name: name for name in pieces}

    def top(name):
        while leader[name] != name:
            leader[name] = name = leader[leader[name]]
        return name

    first = {}
    for name, piece in pieces.items():
        marks = set(piece.shared).union(views.intersection(piece.owners))
        if name in defined:
            marks.add("definitions")
        for mark in marks:
            other = first.setdefault(mark, name)
            if other != name:
                leader[top(name)] = top(other)
    groups = {}
    for name in sorted(pieces, key=list(pieces).index):
        groups.setdefault(top(name), []).append(name)
    return sorted(groups.values(), key=lambda names: sum(pieces[name].whole for name in names)), views
