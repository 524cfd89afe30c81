"""The libraries that people really use, in a real Python kernel: what the model and the person get of each."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from interpreter.kernels.contracts import KernelOptions
from interpreter.kernels.runtimes import find_runtime
from tests import libraries
from tests.guest.keeper_client import Guest, KeeperClient, Ran

pytestmark = pytest.mark.xdist_group("real libraries")


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guest]:
    folder = tmp_path_factory.mktemp("libraries")
    runtime = find_runtime("python", KernelOptions(python=libraries.need_python()))
    (folder / "work").mkdir()
    with KeeperClient(folder / "run") as client:
        yield Guest(
            client,
            runtime.argv,
            runtime.driver,
            cwd=folder / "work",
            env={**runtime.env, "HOME": str(folder)},
            parts=runtime.parts,
        )


def shown(ran: Ran) -> list[tuple[str, bytes]]:
    """MIME type and content of everything that was shown."""
    assert ran.status == "ok", ran
    return [(display["mime"], Path(display["path"]).read_bytes()) for display in ran.completion["displays"]]


def is_png(data: bytes) -> bool:
    return data.startswith(b"\x89PNG") and len(data) > 1000


# --- pictures


def test_every_open_figure_is_shown_once_without_a_display(kernel: Guest) -> None:
    code = """
import matplotlib.pyplot as plt
first, axes = plt.subplots(2)
axes[0].plot([1, 2])
second = plt.figure()
plt.plot([3, 1])
plt.savefig("saved.png")
plt.show()
"""
    ran = kernel.run(code)
    assert [(mime, is_png(data)) for mime, data in shown(ran)] == [("image/png", True)] * 2
    assert ran.text == ""
    assert shown(kernel.run("plt.show()")) == []


def test_a_figure_that_is_the_result_is_shown_once(kernel: Guest) -> None:
    ran = kernel.run("import matplotlib.pyplot as plt\nfigure, axes = plt.subplots()\naxes.plot([1, 2])\nfigure")
    assert [mime for mime, _ in shown(ran)] == ["image/png"]
    assert ran.result == "<Figure size 640x480 with 1 Axes>"


def test_a_plot_of_pandas_needs_no_show(kernel: Guest) -> None:
    ran = kernel.run("import pandas as pd\npd.DataFrame({'a': [1, 2]}).plot()")
    assert [mime for mime, _ in shown(ran)] == ["image/png"]


def test_a_closed_figure_is_not_shown(kernel: Guest) -> None:
    ran = kernel.run("import matplotlib.pyplot as plt\nplt.plot([1])\nplt.savefig('only.png')\nplt.close()")
    assert shown(ran) == []


@pytest.mark.parametrize("code", ["figure", "figure.show()", "import plotly.io as pio; pio.show(figure)"])
def test_a_plotly_figure_is_a_page_that_needs_no_network(kernel: Guest, code: str) -> None:
    kernel.run("import plotly.express as px\nfigure = px.bar(x=['a', 'b'], y=[3, 1])")
    ran = kernel.run(code)
    [(mime, data)] = shown(ran)
    assert mime == "text/html"
    assert b"Plotly.newPlot" in data
    assert not re.search(rb'<script[^>]* src="http', data)
    assert ran.completion["displays"][0]["text"] == "<plotly figure: bar>"
    assert len(ran.result) < 50


def test_an_image_of_pillow(kernel: Guest) -> None:
    ran = kernel.run("from PIL import Image\nimage = Image.effect_noise((64, 64), 50); image")
    [(mime, data)] = shown(ran)
    assert (mime, is_png(data)) == ("image/png", True)
    assert ran.result == "<PIL.Image.Image image mode=L size=64x64>"
    assert [mime for mime, _ in shown(kernel.run("image.show()"))] == ["image/png"]


# --- tables and arrays


def test_a_data_frame_is_text_for_the_model_and_a_page_for_the_person(kernel: Guest) -> None:
    ran = kernel.run("import pandas as pd, numpy as np\ndf = pd.DataFrame({'a': range(100000)}); df")
    [(mime, data)] = shown(ran)
    assert (mime, b"<table" in data) == ("text/html", True)
    assert ran.result.endswith("[100000 rows x 1 columns]")
    assert len(ran.result) < 500
    ran = kernel.run("df.a")
    assert shown(ran) == []
    assert ran.result.endswith("Length: 100000, dtype: int64")


def test_a_styled_table_is_its_values_in_text(kernel: Guest) -> None:
    ran = kernel.run("import pandas as pd\npd.DataFrame({'a': [1, 22]}).style.highlight_max()")
    assert [mime for mime, _ in shown(ran)] == ["text/html"]
    assert ran.result == "    a\n0   1\n1  22"


def test_polars_and_arrow_are_short(kernel: Guest) -> None:
    ran = kernel.run("import polars as pl\npl.DataFrame({'a': range(100000)})")
    assert "shape: (100_000, 1)" in ran.result
    assert len(ran.result) < 1000
    ran = kernel.run("import pyarrow as pa\npa.table({'a': list(range(100000))})")
    assert ran.result.startswith("pyarrow.Table\na: int64")
    assert len(ran.result) < 2000


def test_large_arrays_are_cut(kernel: Guest) -> None:
    ran = kernel.run("import numpy as np\nnp.arange(10 ** 7).reshape(-1, 10)")
    assert ran.result.startswith("array([[")
    assert len(ran.result) < 1000


def test_a_progress_bar_goes_to_stderr(kernel: Guest) -> None:
    ran = kernel.run("from tqdm.auto import tqdm\nprint(sum(tqdm(range(1000))))")
    assert ran.status == "ok"
    assert "499500\n" in ran.text
    assert "1000/1000" in ran.text
    assert "Warning" not in ran.text


# --- IPython


def test_display_of_ipython_shows(kernel: Guest) -> None:
    code = "from IPython.display import HTML, Markdown, display\ndisplay(HTML('<b>x</b>'), Markdown('# hi'))"
    assert shown(kernel.run(code)) == [("text/html", b"<b>x</b>"), ("text/markdown", b"# hi")]
    assert kernel.run("Markdown('# hi')").result == "# hi"


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("%timeit -n 10 -r 2 sum(range(100))", r"s per loop \(best of 2, 10 loops each\)"),
        ("%%timeit -n 5\nsum(range(10))", r"best of 3, 5 loops each"),
        ("%%timeit -n 5 base = 3\nbase + 1", r"best of 3, 5 loops each"),
        ("%%time\ntotal = sum(range(1000))\nprint(total)", r"499500\nCPU times: .* wall time: "),
        ("!echo $((40 + 2))", r"^42\n$"),
        ("len?", r"Return the number of items in a container"),
        ("x = 1; print?", r"Prints the values to a stream"),
        ("%prun sum(range(100))", r"function calls in"),
        ("%%bash\necho from bash", r"^from bash\n$"),
    ],
)
def test_notebook_commands(kernel: Guest, code: str, told: str) -> None:
    ran = kernel.run(code)
    assert ran.status == "ok", ran
    assert re.search(told, ran.text), ran


def test_ipython_leaves_the_users_names_alone(kernel: Guest) -> None:
    kernel.run("%reset -f")
    kernel.run("mine = 1\n%lsmagic")
    assert kernel.run("[name for name in dir() if not name.startswith('_')]").result == "['mine']"
    assert kernel.run("try:\n    __IPYTHON__\nexcept NameError:\n    print('plain')").text == "plain\n"
    error = kernel.run("1 / 0").error["traceback"]
    assert "IPython" not in error
    assert error.endswith("ZeroDivisionError: division by zero\n")


def test_a_program_may_ask_for_its_shell(kernel: Guest) -> None:
    code = "from IPython import get_ipython\nget_ipython().run_line_magic('matplotlib', 'inline')"
    assert kernel.run(code).status == "ok"
    assert kernel.run("%pwd").status == "ok"
    assert kernel.run("get_ipython().user_ns is globals()").result == "True"


def test_a_command_that_does_not_exist_is_said(kernel: Guest) -> None:
    ran = kernel.run("%nosuch 1")
    assert (ran.status, ran.error["name"]) == ("error", "UsageError")
    assert ran.error["message"] == "there is no command %nosuch here"
    assert kernel.run("%load_ext no_such_extension").status == "error"


def test_installing_is_asked_of_the_person(kernel: Guest) -> None:
    for code in ("%pip install requests", "!pip install -q requests", "get_ipython().system('pip install requests')"):
        ran = kernel.run(code)
        assert (ran.error["name"], ran.completion["context"]) == ("InstallRequested", {"install": ["requests"]})


def test_sql_in_a_cell_of_python(kernel: Guest) -> None:
    kernel.run("import pandas as pd\nsales = pd.DataFrame({'n': [40, 2]})")
    assert kernel.run("%%sql\nSELECT sum(n) AS s FROM sales").text.splitlines()[2].strip() == "42"
    ran = kernel.run("%%sql\nSELECT n FROM nowhere")
    assert (ran.status, ran.error["name"]) == ("error", "UsageError")
    assert "nowhere" in ran.error["message"]
