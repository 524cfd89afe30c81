"""Part `hooks` of the Python driver: modules that would open a window or read a terminal show and ask through it."""

import builtins
import sys

driver = globals().get("driver")


def show_one(self, *_args, **_options):
    display(self)


def display(*values, **options):
    """Show values in their best form."""
    driver.part("display")["display"](*values, **options)


def after_getpass(module):
    def getpass(prompt="Password: ", stream=None, **_options):
        """Ask the person for a line that is not shown."""
        return driver.ask(prompt, True)

    module.getpass = getpass


def after_pyplot(module):
    def show(*_args, **_options):
        """Show all open figures."""
        driver.part("display")["show_figures"]()

    module.show = show


def after_plotly(module):
    module.BaseFigure.show = show_one


def after_pillow(module):
    module.Image.show = show_one


def after_plotly_io(module):
    module.show = show_one


def after_ipython(module):
    module.display = display


def after_getipython(module):
    def get_ipython():
        """The shell of this kernel."""
        return driver.part("magics")["SHELL"]

    module.get_ipython = get_ipython


PATCHES = {
    "linecache": driver.fill if driver else None,
    "getpass": after_getpass,
    "matplotlib.pyplot": after_pyplot,
    "plotly.basedatatypes": after_plotly,
    "plotly.io._renderers": after_plotly_io,
    "PIL.Image": after_pillow,
    "IPython.core.display_functions": after_ipython,
    "IPython.core.getipython": after_getipython,
}


class Finder:
    """Stands first among the finders, and lets each module of `PATCHES` be found by the others."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == "interpreter_tools":
            machinery = __import__("importlib.machinery").machinery
            return machinery.ModuleSpec(name, driver.part("tools")["Loader"])
        patch = PATCHES.pop(name, None)
        if patch is None:
            return None
        for finder in sys.meta_path:
            find = getattr(finder, "find_spec", None)
            spec = find(name, path, target) if find and finder is not Finder else None
            if spec is not None:
                wrap(spec.loader, patch)
                return spec
        PATCHES[name] = patch
        return None


def wrap(loader, patch):
    run = getattr(loader, "exec_module", None)
    if run is None:
        return

    def exec_module(module):
        del loader.exec_module
        run(module)
        try:
            patch(module)
        except Exception:
            pass

    try:
        loader.exec_module = exec_module
    except AttributeError:
        pass


def install():
    builtins.display = display
    for name in list(PATCHES):
        if name in sys.modules:
            PATCHES.pop(name)(sys.modules[name])
    sys.meta_path.insert(0, Finder)
