"""Part `errors` of the Python driver: an exception as a report, without a trace of the driver."""

import sys
import traceback

driver = globals().get("driver")
MOST_LINES = 60


def describe(error, name):
    """The `done` report of a cell that ended in `error`."""
    if isinstance(error, SystemExit):
        return leave(error)
    if isinstance(error, KeyboardInterrupt):
        return {"status": "interrupted", "exit_status": 130, "error": report(error, name)}
    return {"status": "error", "exit_status": 1, "error": report(error, name), "context": context(error, name)}


def end_fork(error):
    """A fork of the user's ends as a script would."""
    if isinstance(error, SystemExit):
        raise error
    sys.stderr.write(text_of(error))
    raise SystemExit(1)


def leave(error):
    code = error.code
    if code is None or code == 0:
        return {"status": "ok", "exit_status": 0}
    if not isinstance(code, int):
        try:
            sys.stderr.write(str(code) + "\n")
        except BaseException:
            pass
        code = 1
    return {"status": "error", "exit_status": code, "error": {"name": "SystemExit", "message": str(error.code)}}


def report(error, name):
    kind = type(error)
    label = kind.__name__ if kind.__module__ in ("builtins", "__main__") else kind.__module__ + "." + kind.__qualname__
    try:
        message = str(error)
    except BaseException:
        message = "(its text cannot be made)"
    made = {"name": label, "message": message[:20000], "line": line_of(error, name)}
    try:
        made["traceback"] = text_of(error)
    except BaseException:
        made["traceback"] = "%s: %s\n" % (label, message[:20000])
    return made


def line_of(error, name):
    if isinstance(error, SyntaxError) and error.filename == name:
        return error.lineno
    line, step = None, error.__traceback__
    while step is not None:
        if step.tb_frame.f_code.co_filename == name:
            line = step.tb_lineno
        step = step.tb_next
    return line


def text_of(error):
    import linecache

    driver.fill(linecache)
    whole = traceback.TracebackException(type(error), error, error.__traceback__)
    clean(whole, set())
    lines = "".join(whole.format()).splitlines(True)
    if len(lines) > MOST_LINES:
        half = MOST_LINES // 2
        lines[half:-half] = ["  ... %d lines left out ...\n" % (len(lines) - 2 * half)]
    return "".join(lines)


def clean(whole, seen):
    """Take the driver's frames out, and what leads to the first frame of a cell."""
    if whole is None or id(whole) in seen:
        return
    seen.add(id(whole))
    frames = list(whole.stack)
    first = next((n for n, frame in enumerate(frames) if frame.filename.startswith("<cell ")), None)
    whole.stack[:] = [frame for frame in frames[first or 0 :] if frame.filename not in driver.mine]
    clean(whole.__cause__, seen)
    clean(whole.__context__, seen)
    for inner in getattr(whole, "exceptions", None) or ():
        clean(inner, seen)


def context(error, name):
    try:
        return driver.part("context")["facts"](error, name)
    except BaseException:
        return {}
