"""Part `state_values` of the Python driver: forms for what pickle alone cannot take: functions and classes of the session.

Whatever can be imported goes by its name. What was defined in a cell goes by value; its code as the interpreter's own
bytes, which only the same version reads. Functions share their cells, and all their globals are the session's names.
"""

import collections
import functools
import importlib
import marshal
import sys
import types

driver = globals().get("driver")
MAGIC = sys.modules["_frozen_importlib_external"].MAGIC_NUMBER
HERE = "_kernel_state"
"""The module that our helpers are in, as far as pickles know."""
SENTINELS = ("MISSING", "KW_ONLY", "_HAS_DEFAULT_FACTORY", "_FIELD", "_FIELD_CLASSVAR", "_FIELD_INITVAR")
SKIPPED = {"__dict__", "__weakref__", "__module__", "__qualname__", "_abc_impl", "__slots__"}
PLAIN_METAS = ("builtins", "abc")
Cell = type((lambda x: lambda: x)(0).__closure__[0])


class Unsavable(Exception):
    """Why something cannot be saved."""


# --- what makes them again


def by_name(name):
    first, *rest = name.split(".")
    found = driver.namespace[first]
    for part in rest:
        found = vars(found)[part]
    return found


def attribute(module, name):
    return getattr(importlib.import_module(module), name)


def make_code(data, magic):
    if magic != MAGIC:
        raise Unsavable("its code was made by another version of Python")
    return marshal.loads(data)


def make_cell():
    return Cell()


def make_function(code, module, closure):
    names = driver.namespace if module is None else importlib.import_module(module).__dict__
    return types.FunctionType(code, names, code.co_name, None, closure)


def set_function(function, state):
    fields, attributes, cells = state
    for name, value in fields.items():
        setattr(function, name, value)
    function.__dict__.update(attributes)
    for cell, value in cells:
        cell.cell_contents = value


def make_class(meta, name, bases, space):
    """An empty class; what `__init_subclass__` of the session's own does has been done once."""
    silenced = []
    for base in {kind for one in bases for kind in one.__mro__}:
        if "__init_subclass__" in vars(base) and base.__module__ == "__main__":
            silenced.append((base, vars(base)["__init_subclass__"]))
            base.__init_subclass__ = classmethod(lambda cls, **options: None)
    try:
        for kind in meta.__mro__:
            if kind.__module__ in PLAIN_METAS:
                return kind.__new__(meta, name, bases, dict(space))
        raise Unsavable("a class of this kind cannot be made again")
    finally:
        for base, hook in silenced:
            base.__init_subclass__ = hook


def make_whole(meta, name, bases, space):
    """A class whose metaclass wants to see everything at once."""
    prepared = meta.__prepare__(name, bases) if hasattr(meta, "__prepare__") else {}
    for key, value in space:
        prepared[key] = value
    return meta(name, bases, prepared)


def make_named(name, fields, defaults, module):
    return collections.namedtuple(name, fields, defaults=defaults, module=module)


def set_class(kind, state):
    attributes, cells = state
    for name, value in attributes.items():
        try:
            type.__setattr__(kind, name, value)
        except (AttributeError, TypeError):
            pass
    for cell in cells:
        cell.cell_contents = kind


def make_cached(function, maximum, typed):
    return functools.lru_cache(maximum, typed)(function)


def make_property(function, name):
    made = functools.cached_property(function)
    made.attrname = name
    return made


def make_view(base, offset, shape, strides, dtype):
    """An array that shares the memory of another."""
    numpy = sys.modules["numpy"]
    return numpy.ndarray(shape, dtype, base.reshape(-1, order="A").view("u1").data, offset, strides)


def make_typed(kind, name, arguments, options):
    """A variable of types, or a new name for one."""
    return getattr(sys.modules["typing"], kind)(name, *arguments, **options)


HELPERS = {
    name: value for name, value in list(globals().items()) if isinstance(value, types.FunctionType) and name != "driver"
}


# --- what takes them apart


def importable(thing, module, name):
    """Whether a function or class is found where it says that it is."""
    if not module or not name or module == "__main__" or "<locals>" in name:
        return False
    found = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    return found is thing


def by_ids(names, space):
    """Functions and classes by their ids, and how the session names them; classes within classes too."""
    found = {}
    todo = [(space[name], name) for name in names]
    while todo:
        thing, name = todo.pop()
        if id(thing) not in found:
            found[id(thing)] = name
            if isinstance(thing, type):
                inner = [(one, key) for key, one in vars(thing).items() if isinstance(one, type)]
                todo += [(one, name + "." + key) for one, key in inner if one.__module__ == "__main__"]
    return found


def code_parts(code):
    return make_code, (marshal.dumps(code, 2), MAGIC)


def function_parts(function, whole):
    """`whole`: ids of `__class__` cells that their classes fill."""
    space = function.__globals__
    module = None
    if space is not driver.namespace:
        module = space.get("__name__")
        if not isinstance(module, str) or getattr(sys.modules.get(module), "__dict__", None) is not space:
            raise Unsavable("a function whose globals belong to no module")
    fields = {"__qualname__": function.__qualname__, "__name__": function.__name__, "__module__": function.__module__}
    for name in ("__defaults__", "__kwdefaults__", "__annotations__", "__doc__"):
        value = getattr(function, name, None)
        if value:
            fields[name] = value
    if getattr(function, "__type_params__", ()):
        fields["__type_params__"] = function.__type_params__
    cells = []
    for cell in function.__closure__ or ():
        try:
            if id(cell) not in whole:
                cells.append((cell, cell.cell_contents))
        except ValueError:
            continue
    state = (fields, dict(function.__dict__), cells)
    return make_function, (function.__code__, module, function.__closure__), state, None, None, set_function


def class_parts(kind, whole):
    meta = type(kind)
    space = {"__module__": kind.__module__, "__qualname__": kind.__qualname__}
    if "__orig_bases__" in vars(kind):
        space["__orig_bases__"] = kind.__orig_bases__
    slots = vars(kind).get("__slots__")
    taken = set(SKIPPED)
    if slots is not None:
        space["__slots__"] = slots
        taken.update((slots,) if isinstance(slots, str) else slots)
    if kind.__bases__ == (tuple,) and "_field_defaults" in vars(kind):
        return named_parts(kind)
    attributes = {name: value for name, value in vars(kind).items() if name not in taken and not is_slot(value, kind)}
    if meta.__module__ not in PLAIN_METAS and meta.__module__ != "__main__":
        return whole_parts(kind, attributes, whole)
    return make_class, (meta, kind.__name__, kind.__bases__, space), (attributes, []), None, None, set_class


def is_slot(value, kind):
    names = ("member_descriptor", "getset_descriptor")
    return type(value).__name__ in names and getattr(value, "__objclass__", None) is kind


def named_parts(kind):
    fields = kind._fields
    defaults = tuple(kind._field_defaults[name] for name in fields if name in kind._field_defaults)
    plain = vars(make_named(kind.__name__, fields, defaults, kind.__module__))
    more = {
        name: value
        for name, value in vars(kind).items()
        if name not in SKIPPED and (name not in plain or (name in ("__doc__", "__annotations__", "__orig_bases__")))
    }
    more["__qualname__"] = kind.__qualname__
    return make_named, (kind.__name__, fields, defaults, kind.__module__), (more, []), None, None, set_class


def whole_parts(kind, attributes, whole):
    """Made from what the user wrote: its metaclass adds the rest anew."""
    written = [("__module__", kind.__module__), ("__qualname__", kind.__qualname__)]
    members = getattr(kind, "__members__", None) if "_member_map_" in vars(kind) else None
    if members is not None:
        written += [(name, member._value_) for name, member in members.items()]
        own = vars(kind).get("__new_member__", vars(kind).get("_new_member_"))
        if is_ours(own):
            attributes["__new__"] = own
    cells = []
    for name, value in attributes.items():
        if members is not None and name in members:
            continue
        if name in ("__doc__", "__annotations__", "model_config") or is_ours(value):
            written.append((name, value))
            for cell in getattr(bare(value), "__closure__", None) or ():
                if holds(cell, kind):
                    cells.append(cell)
                    whole.add(id(cell))
    for name in vars(kind).get("__annotations__", {}):
        fields = getattr(kind, "model_fields", None) or getattr(kind, "__fields__", None)
        default = getattr(fields.get(name), "default", None) if isinstance(fields, dict) else None
        if default is not None and type(default).__name__ not in ("PydanticUndefinedType", "UndefinedType"):
            written.append((name, default))
    bases = getattr(kind, "__orig_bases__", kind.__bases__) if hasattr(kind, "__total__") else kind.__bases__
    return make_whole, (type(kind), kind.__name__, bases, written), ({}, cells), None, None, set_class


def bare(value):
    """The function in a method, property or the like."""
    return getattr(value, "__func__", None) or getattr(value, "fget", None) or value


def is_ours(value):
    return getattr(bare(value), "__globals__", None) is driver.namespace


def holds(cell, thing):
    try:
        return cell.cell_contents is thing
    except ValueError:
        return False


def cached_parts(wrapper):
    if hasattr(wrapper, "cache_parameters"):
        given = wrapper.cache_parameters()
        return make_cached, (wrapper.__wrapped__, given["maxsize"], given["typed"])
    return make_cached, (wrapper.__wrapped__, wrapper.cache_info().maxsize, False)


def typed_parts(thing):
    kind, name = type(thing).__name__, thing.__name__
    if kind == "NewType":
        return make_typed, (kind, name, (thing.__supertype__,), {})
    options = {"covariant": thing.__covariant__, "contravariant": thing.__contravariant__}
    if thing.__bound__ is not None:
        options["bound"] = thing.__bound__
    return make_typed, (kind, name, getattr(thing, "__constraints__", ()), options)


OTHERS = {
    types.CodeType: code_parts,
    Cell: lambda cell: (make_cell, ()),
    types.MappingProxyType: lambda proxy: (types.MappingProxyType, (dict(proxy),)),
    property: lambda one: (property, (one.fget, one.fset, one.fdel, one.__doc__)),
    classmethod: lambda one: (classmethod, (one.__func__,)),
    staticmethod: lambda one: (staticmethod, (one.__func__,)),
    types.ModuleType: lambda module: (importlib.import_module, (module.__name__,)),
    type(functools.lru_cache(1)(len)): cached_parts,
    functools.cached_property: lambda one: (make_property, (one.func, one.attrname)),
}


def sentinels():
    """Objects that are told by their identity, and where each is found."""
    found = sys.modules.get("dataclasses")
    known = {id(getattr(found, name)): ("dataclasses", name) for name in SENTINELS if hasattr(found, name)}
    for name, kind in vars(types).items():
        if isinstance(kind, type) and not importable(kind, kind.__module__, kind.__qualname__):
            known[id(kind)] = ("types", name)
    return known
