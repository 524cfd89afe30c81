"""Part `context` of the Python driver: facts about the user's names that go with an error. Small, and never contents."""

import os
import sys

driver = globals().get("driver")
CAP = 4000
MOST = 30
TABLES = 4
COLUMNS = 40


def facts(error, name):
    """Types and names only. A fact that would make the whole too large is left out."""
    made = {}
    for key, value in gather(error, name):
        size = len(str(made)) + len(str(value))
        if value and size <= CAP:
            made[key] = value
    return made


def gather(error, name):
    extra = getattr(error, "context", None)
    if type(error).__name__ == "InstallRequested" and isinstance(extra, dict):
        yield "install", [str(word)[:100] for word in extra.get("install", ())][:MOST]
        return
    if isinstance(error, SyntaxError):
        yield "line", error.lineno
        yield "offset", error.offset
        yield "text", (error.text or "").rstrip("\n")[:200]
        return
    if isinstance(error, ModuleNotFoundError):
        yield "module", error.name
        return
    if isinstance(error, FileNotFoundError):
        for pair in files(error):
            yield pair
        return
    if not isinstance(error, (KeyError, IndexError, AttributeError, NameError, ValueError, TypeError)):
        return
    frames = user_frames(error)
    yield "tables", tables(frames)
    if isinstance(error, NameError):
        yield "names", near(getattr(error, "name", None) or quoted(error), visible(frames))
    elif isinstance(error, AttributeError):
        owner = getattr(error, "obj", None)
        wanted = getattr(error, "name", None)
        if owner is not None and wanted:
            yield "attributes", near(wanted, safe_dir(owner))
    elif isinstance(error, KeyError):
        yield "keys", keys(error, frames)


def user_frames(error):
    """Name tables of the frames in cells, the innermost first, and the globals last."""
    found, step = [], error.__traceback__
    while step is not None:
        if step.tb_frame.f_code.co_filename.startswith("<cell "):
            found.insert(0, step.tb_frame.f_locals)
        step = step.tb_next
    return [names for names in found if names is not driver.namespace] + [driver.namespace]


def visible(frames):
    names = set(dir(__builtins__) if not isinstance(__builtins__, dict) else __builtins__)
    for frame in frames:
        names.update(name for name in frame if isinstance(name, str) and not name.startswith("_"))
    return names


def near(wanted, names):
    import difflib

    if not isinstance(wanted, str):
        return []
    names = [name for name in names if isinstance(name, str)]
    same = [name for name in names if name.lower() == wanted.lower() and name != wanted]
    close = difflib.get_close_matches(wanted, names[:5000], 5, 0.6)
    return list(dict.fromkeys(same + close))[:MOST]


def quoted(error):
    parts = str(error).split("'")
    return parts[1] if len(parts) > 1 else None


def safe_dir(owner):
    try:
        return [name for name in dir(owner) if not name.startswith("__")]
    except Exception:
        return []


def is_table(value):
    kind = type(value)
    module = (kind.__module__ or "").split(".")[0]
    if module == "pyarrow":
        return kind.__name__ == "Table"
    return kind.__name__ in ("DataFrame", "LazyFrame") and module in ("pandas", "polars", "geopandas", "modin", "dask")


def tables(frames):
    """Columns with their types, of the data frames that can be seen from where it failed."""
    found = {}
    for frame in frames:
        for name, value in list(frame.items()):
            if len(found) < TABLES and name != "self" and not name.startswith("_") and name not in found and is_table(value):
                found[name] = columns(value)
    return found


def columns(table):
    if type(table).__name__ == "LazyFrame":
        return {}
    if hasattr(table, "column_names"):
        return {str(one.name)[:60]: str(one.type)[:40] for one in list(table.schema)[:COLUMNS]}
    pairs = zip(list(table.columns)[:COLUMNS], list(table.dtypes)[:COLUMNS])
    return {str(column)[:60]: str(kind)[:40] for column, kind in pairs}


def keys(error, frames):
    """Keys of the dictionary that lacked one: the only dictionary on the failing line, where that is plain."""
    line_names = names_on_line(error)
    for frame in frames:
        for name in line_names:
            value = frame.get(name)
            if type(value) in (list, tuple) and value:
                value = value[0]  # rows of a file: the first stands for all
            if isinstance(value, dict) and not is_table(value) and error.args and error.args[0] not in value:
                return [repr(key)[:60] if not isinstance(key, str) else key[:60] for key in list(value)[:MOST]]
    return []


def names_on_line(error):
    """Names used by the innermost code of a cell."""
    step, code = error.__traceback__, None
    while step is not None:
        if step.tb_frame.f_code.co_filename.startswith("<cell "):
            code = step.tb_frame.f_code
        step = step.tb_next
    return list(code.co_names) + list(code.co_varnames) + list(code.co_freevars) if code else []


def files(error):
    try:
        yield "cwd", os.getcwd()
    except OSError:
        return
    path = error.filename
    if isinstance(path, bytes):
        path = os.fsdecode(path)
    if not isinstance(path, str):
        return
    folder = os.path.dirname(os.path.abspath(path))
    while not os.path.isdir(folder) and folder != os.path.dirname(folder):
        folder = os.path.dirname(folder)
    yield "folder", folder
    try:
        names = os.listdir(folder)[:2000]
    except OSError:
        return
    base = os.path.basename(path)
    yield "entries", (near(base, names) + [n for n in sorted(names) if n not in near(base, names)])[:MOST]
