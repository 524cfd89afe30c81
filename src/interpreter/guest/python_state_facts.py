"""Part `state_facts` of the Python driver: what belongs to a session beside its variables; both ways."""

import importlib
import os
import pickle
import sys

driver = globals().get("driver")
SOURCES = 4 << 20
"""Bytes of cells' sources that are kept for functions and classes."""


# --- saving


def facts(save, modules):
    """Names that come with it, and a pickle of a word and its value, in the order in which they are to be loaded."""
    for word, make in (
        ("path", lambda: list(sys.path)),
        ("folder", os.getcwd),
        ("environment", environment),
        ("modules", lambda: modules),
        ("driver", lambda: (driver.count, driver.flags)),
        ("cells", lambda: cells(save.files)),
        ("made", lambda: {name: driver.made[name][1:] for name in save.names if name in driver.made}),
        ("warnings", lambda: sys.modules["warnings"].filters),
        ("random", lambda: save.facts["random"]),
        ("numpy", numpy_state),
    ):
        try:
            value = make()
            if value is not None:
                yield list(value) if word == "modules" else [], pickle.dumps((word, value), 5)
        except Exception:
            continue
    if driver.loop is not None:
        save.note("asyncio", "event loop", "a loop and its tasks cannot be saved")
    for name in save.facts["tables"]:
        save.note(name, "table", "it is in the memory of a database that ends with the kernel")
    for name in save.facts["threads"]:
        save.note(str(name), "thread", "threads cannot be saved")


def environment():
    """What the session has changed of it: new values, and names that are gone."""
    with open("/proc/self/environ", "rb") as file:
        pairs = [pair.partition(b"=") for pair in file.read().split(b"\0") if pair]
    first = {os.fsdecode(name): os.fsdecode(value) for name, _, value in pairs}
    now = dict(os.environ)
    return {k: v for k, v in now.items() if first.get(k) != v}, [k for k in first if k not in now]


def cells(files):
    """The sources of cells whose functions and classes are kept, the newest first while there is room."""
    found, room = {}, SOURCES
    for name in sorted(driver.cells, key=list(driver.cells).index, reverse=True):
        if name in files:
            room -= len(driver.cells[name])
            if room < 0:
                break
            found[name] = driver.cells[name]
    return found


def numpy_state():
    random = sys.modules.get("numpy.random")
    return random.get_state() if random else None


# --- loading


def apply(word, value, missing):
    """One fact; what cannot be had again is told to `missing(name, type, reason)`."""
    if word == "path":
        sys.path[:] = value
    elif word == "folder":
        try:
            os.chdir(value)
        except OSError as error:
            missing("working folder", "folder", "%s: %s" % (value, error.strerror))
    elif word == "environment":
        os.environ.update(value[0])
        for name in value[1]:
            os.environ.pop(name, None)
    elif word == "modules":
        return modules(value, missing)
    elif word == "driver":
        driver.count, driver.flags = value
    elif word == "cells":
        for name, code in value.items():
            driver.remember(name, code)
    elif word == "made":
        driver.restored = value
    elif word == "warnings":
        import warnings

        warnings.filters[:] = value
        getattr(warnings, "_filters_mutated", getattr(warnings, "_filters_mutated_lock_held", len))(*[])
    elif word in ("random", "numpy"):
        driver.afterwards.append((word, value))
    return 0


def modules(names, missing):
    count = 0
    for name, module in names.items():
        try:
            importlib.import_module(module)
            driver.namespace[name] = sys.modules[module]
            count += 1
        except BaseException as error:
            missing(name, "module", "%s: %s" % (type(error).__name__, error))
    return count


def finish():
    """What loading itself may have disturbed."""
    for word, value in driver.afterwards:
        try:
            if word == "random":
                importlib.import_module("random").setstate(value)
            else:
                importlib.import_module("numpy.random").set_state(value)
        except Exception:
            continue
    driver.afterwards = []
