"""Part `ipython` of the Python driver: the IPython of the user's environment, for commands that are not known here.

Nothing of it is loaded before it is needed, and it leaves the user's names and Python's hooks as they were.
"""

import builtins
import importlib
import sys
import tempfile

driver = globals().get("driver")
state = {}


class Events:
    """Libraries that think that they are in IPython want to be told of things that do not happen here."""

    def register(self, *_):
        pass

    unregister = trigger = register


def prepare(own):
    """What libraries look for in a shell."""
    own.events = Events()
    own.config = {}
    own.user_ns = driver.namespace


def shell(own):
    """IPython's shell over the user's names; None where there is no IPython."""
    if "shell" not in state:
        try:
            module = importlib.import_module("IPython.core.interactiveshell")
        except ImportError:
            return None
        config = importlib.import_module("traitlets.config").Config({"HistoryManager": {"enabled": False}})
        names, hook, shown = set(driver.namespace), sys.excepthook, builtins.display
        made = module.InteractiveShell(
            user_module=sys.modules["__main__"], ipython_dir=tempfile.mkdtemp(), config=config, colors="nocolor"
        )
        made.set_hook("show_in_pager", show)
        own.hooks, own.colors = made.hooks, made.colors
        sys.excepthook, builtins.display = hook, shown
        vars(builtins).pop("__IPYTHON__", None)
        for name in set(driver.namespace) - names:
            if not name.startswith("_"):
                del driver.namespace[name]
        state["shell"] = made
    return state["shell"]


def show(_shell, data, **_where):
    print(data.get("text/plain", "") if isinstance(data, dict) else data)
