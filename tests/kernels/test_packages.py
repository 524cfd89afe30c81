"""From import names to packages, and what is refused or cautioned about on the way."""

from __future__ import annotations

import pytest

from interpreter.kernels.packages import Wanted, distributions, plan, plan_requirements, question


def only(wanted: tuple[Wanted, ...]) -> Wanted:
    assert len(wanted) == 1
    return wanted[0]


@pytest.mark.parametrize(
    ("module", "distribution"),
    [
        ("PIL", "Pillow"), ("PIL.Image", "Pillow"), ("cv2", "opencv-python-headless"), ("sklearn", "scikit-learn"),
        ("sklearn.linear_model", "scikit-learn"), ("yaml", "PyYAML"), ("bs4", "beautifulsoup4"), ("pandas", "pandas"),
        ("docx", "python-docx"), ("dotenv", "python-dotenv"), ("fitz", "PyMuPDF"), ("psycopg2", "psycopg2-binary"),
        ("google.protobuf.message", "protobuf"), ("google.cloud.storage", "google-cloud-storage"), ("pytorch", "torch"),
        ("mpl_toolkits.mplot3d", "matplotlib"), ("serial", "pyserial"), ("skimage.io", "scikit-image"),
    ],
)  # fmt: skip
def test_known_names(module: str, distribution: str) -> None:
    wanted = only(plan([module]))
    assert (wanted.requirement, wanted.known, wanted.caution) == (distribution, True, "")


def test_one_package_is_wanted_once() -> None:
    assert [w.requirement for w in plan(["numpy", "numpy.linalg", "PIL.Image", "PIL"])] == ["numpy", "Pillow"]


def test_an_unknown_name_is_shown_as_it_is_with_a_caution() -> None:
    wanted = only(plan(["frobnicator9"]))
    assert (wanted.requirement, wanted.known) == ("frobnicator9", False)
    assert "frobnicator9" in wanted.caution


@pytest.mark.parametrize(
    ("wrong", "right"), [("pandsa", "pandas"), ("reqeusts", "requests"), ("matplotib", "matplotlib")]
)
def test_a_name_that_looks_like_a_known_one_is_named_beside_it(wrong: str, right: str) -> None:
    for wanted in (only(plan([wrong])), only(plan_requirements([wrong]))):
        assert not wanted.known
        assert right in wanted.caution


@pytest.mark.parametrize(
    "module",
    [
        "json",
        "utils",
        "config",
        "../x",
        "--index-url=http://x",
        "a b",
        "",
        "win32api",
        "pаndas",
        "x" * 200,
        "x;y",
        "-r",
    ],
)
def test_what_is_not_a_package_is_never_installed(module: str) -> None:
    """Names come out of the sandbox: they are claims. The Cyrillic letter in the list is one of them."""
    wanted = only(plan([module]))
    assert wanted.requirement == ""
    assert wanted.caution


def test_a_part_of_the_system_names_the_systems_package() -> None:
    assert "python3-tk" in only(plan(["tkinter"])).caution


@pytest.mark.parametrize(
    ("word", "requirement"),
    [
        ("pandas", "pandas"), ("pandas==2.2.3", "pandas==2.2.3"), ("polars[all] >= 1, <2", "polars[all]>=1,<2"),
        ("scikit-learn~=1.5", "scikit-learn~=1.5"), ("python_dateutil", "python_dateutil"),
    ],
)  # fmt: skip
def test_requirements_with_versions(word: str, requirement: str) -> None:
    wanted = only(plan_requirements([word]))
    assert (wanted.requirement, wanted.known) == (requirement, True)


@pytest.mark.parametrize(
    "word",
    [
        "git+https://example.org/x", "https://example.org/x.whl", "./here", "/tmp/x.whl", "-r", "--index-url=x", "-e",
        "pandas; python_version > '3'", "pandas @ https://example.org/x", "pandas\n--index-url=x", "", "..", "a" * 300,
        "pandas==", "pandas 1.0",
    ],
)  # fmt: skip
def test_addresses_paths_and_options_are_refused(word: str) -> None:
    wanted = only(plan_requirements([word]))
    assert wanted.requirement == ""
    assert wanted.caution


def test_the_question_names_everything_that_would_be_installed() -> None:
    asked = question(plan(["PIL", "pandas", "frobnicator9", "json"]), "")
    assert "Pillow (PIL), pandas, frobnicator9" in asked
    assert "json" not in asked
    assert asked.count("frobnicator9") == 2, "once as a package, once in its caution"
    assert "/data/.venv" in question(plan(["pandas"]), "/data/.venv")


def test_the_table_is_whole() -> None:
    table = distributions()
    assert len(table) > 200
    assert all(only(plan_requirements([name])).requirement == name for name in table.values())
