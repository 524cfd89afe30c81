"""Part `display` of the Python driver: the richer forms of values, as MIME bundles."""

import importlib.util
import re
import sys

driver = globals().get("driver")
FORMS = (
    ("_repr_png_", "image/png"),
    ("_repr_jpeg_", "image/jpeg"),
    ("_repr_svg_", "image/svg+xml"),
    ("_repr_html_", "text/html"),
    ("_repr_markdown_", "text/markdown"),
    ("_repr_latex_", "text/latex"),
    ("_repr_json_", "application/json"),
)
CAP = 16 << 20
ADDRESS = re.compile(r" at 0x[0-9A-Fa-f]+(?=>)")
"""The same value has the same text in the next session."""


def text_of(value):
    try:
        text = repr(value)
    except Exception as error:
        text = "<%s: its repr raised %s>" % (type(value).__name__, type(error).__name__)
    return text if len(text) <= 50000 else text[:25000] + "\n...\n" + text[-25000:]


def encoded(data):
    if isinstance(data, tuple) and data:
        data = data[0]
    if isinstance(data, (bytes, bytearray)):
        import binascii

        return binascii.b2a_base64(bytes(data), newline=False).decode()
    return data


def ask(value, name):
    """What a method of the value's class gives; whatever goes wrong there counts as nothing."""
    method = getattr(type(value), name, None)
    if method is None or isinstance(value, type):
        return None
    try:
        return method(value)
    except Exception:
        return None


def bundle(value):
    """MIME type to text or base64; `text/plain` is always there."""
    found = {}
    kind = type(value)
    module = kind.__module__ or ""
    if module.startswith("matplotlib.") and hasattr(value, "savefig") and hasattr(value, "canvas"):
        found["image/png"] = picture(value)
    elif module.startswith("plotly.") and hasattr(value, "to_html"):
        found["text/plain"] = "<plotly figure: %s>" % (", ".join(trace.type for trace in value.data[:20]) or "empty")
        image = drawn(value)
        if image:
            found["image/png"] = image
        else:
            found["text/html"] = value.to_html(include_plotlyjs=True, full_html=True)
        return found
    made = ask(value, "_repr_mimebundle_")
    if isinstance(made, tuple) and made:
        made = made[0]
    if isinstance(made, dict):
        found.update((str(mime), encoded(data)) for mime, data in made.items())
    for name, mime in FORMS:
        if mime not in found:
            data = encoded(ask(value, name))
            if data is not None:
                found[mime] = data
    found = {mime: data for mime, data in found.items() if not isinstance(data, str) or len(data) <= CAP}
    if not isinstance(found.get("text/plain"), str):
        found["text/plain"] = ADDRESS.sub("", text_of(plain_form(value, module, found)))
    return found


def plain_form(value, module, found):
    """What stands for a value in text, where its own text says nothing."""
    if module == "pandas.io.formats.style":
        return value.data
    source = found.get("text/markdown", found.get("text/latex"))
    return Verbatim(source) if module.startswith("IPython.") and isinstance(source, str) else value


class Verbatim(str):
    __repr__ = str.__str__


def drawn(figure):
    """A plotly figure as an image, where the environment can draw one."""
    if importlib.util.find_spec("kaleido") is None:
        return None
    try:
        return encoded(figure.to_image(format="png"))
    except Exception:
        return None


def emit(data):
    driver.send_running({"op": "display", "data": data})


def show_rich(value):
    """Display a value that has more than text; False when it has not."""
    data = bundle(value)
    if len(data) < 2:
        return False
    driver.result = data["text/plain"]
    if hasattr(value, "savefig"):
        close_figure(value)
    emit(data)
    return True


def display(*values, **options):
    """Show values in their best form now."""
    raw = options.get("raw")
    for value in values:
        data = {str(k): encoded(v) for k, v in value.items()} if raw and isinstance(value, dict) else bundle(value)
        if len(data) < 2 and "text/plain" in data:
            print(value if isinstance(value, str) else data["text/plain"])
        else:
            sys.stdout.flush()
            if hasattr(value, "savefig"):
                close_figure(value)
            emit(data)


def picture(figure):
    import io

    file = io.BytesIO()
    figure.savefig(file, format="png", bbox_inches="tight")
    return encoded(file.getvalue())


def managers():
    helpers = sys.modules.get("matplotlib._pylab_helpers")
    return list(helpers.Gcf.get_all_fig_managers()) if helpers else []


def show_figures(*_args, **_options):
    """Every open figure once; then they are closed."""
    for manager in managers():
        figure = manager.canvas.figure
        emit({"image/png": picture(figure), "text/plain": text_of(figure)})
        close_figure(figure)


def close_figure(figure):
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot:
        pyplot.close(figure)


def forget_figures():
    """Nothing of a cell that failed appears with the next one."""
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot:
        pyplot.close("all")
