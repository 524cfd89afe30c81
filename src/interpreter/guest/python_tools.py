"""Part `tools` of the Python driver: the module `interpreter_tools`, whose functions the host carries out.

A call goes over the control channel and is an action of its own there: judged, asked about and logged like any other.
"""

import _thread
import json
import os
import sys

driver = globals().get("driver")


class Channel:
    count = 0
    known = {}


def call(name, args=(), kwargs=None):
    """What a tool of the host returns. ToolError where it failed or may not run."""
    if _thread.get_ident() != driver.main_thread or os.getpid() != driver.home or driver.token is None:
        raise ToolError("tools can be called in the main thread of a running cell only")
    try:
        arguments = json.dumps({"args": list(args), "kwargs": kwargs or {}})
    except (TypeError, ValueError, RecursionError) as error:
        raise TypeError("a tool takes what JSON has a form for: %s" % error) from None
    sys.stdout.flush()
    sys.stderr.flush()
    Channel.count += 1
    mine = Channel.count
    driver.send_running({"op": "tool", "number": mine, "name": name, "arguments": arguments})
    while True:
        frame = driver.receive()
        if frame.get("op") == "tool" and frame.get("id") == driver.token and frame.get("number") == mine:
            break
    answer = json.loads(frame["text"])
    if not answer.get("ok"):
        raise ToolError(answer.get("error") or "the call failed")
    return answer.get("value")


class ToolError(RuntimeError):
    """A tool could not do what was asked, or may not."""


ToolError.__module__ = "interpreter_tools"


def functions():
    """The tools of this session, by name."""
    Channel.known = {one["name"]: function(one) for one in call("")}
    return Channel.known


def function(one):
    def tool(*args, **kwargs):
        return call(one["name"], args, kwargs)

    tool.__name__ = tool.__qualname__ = one["name"]
    tool.__module__ = "interpreter_tools"
    properties = one["parameters"].get("properties", {})
    lines = ["    %s: %s" % (name, schema.get("description", "")) for name, schema in properties.items()]
    tool.__doc__ = "\n".join([one["description"], "", "Args:"] + lines) if lines else one["description"]
    return tool


def find(name):
    """Of the module: a tool by its name."""
    if name.startswith("__"):
        raise AttributeError(name)
    try:
        found = Channel.known.get(name) or functions().get(name)
    except ToolError as error:
        raise ImportError(str(error)) from None
    if found is None:
        names = ", ".join(Channel.known) or "none; the setting `tools` names them"
        # Not an AttributeError: of that, `from interpreter_tools import NAME` would only say that it cannot.
        raise ImportError("there is no tool %r here; the tools are: %s" % (name, names))
    return found


class Module(type(sys)):
    """`from interpreter_tools import NAME`."""

    def __getattr__(self, name):
        return find(name)

    def __dir__(self):
        return sorted(functions())


class Loader:
    @staticmethod
    def create_module(spec):
        made = Module("interpreter_tools", "The tools of this session, carried out by the host.")
        made.ToolError = ToolError
        return made

    @staticmethod
    def exec_module(module):
        pass
