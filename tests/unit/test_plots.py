"""The charts of the benchmarks' pages: what is drawn lies inside, and in order."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree

import pytest

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def plots() -> ModuleType:
    path = Path(__file__).parents[2] / "benchmarks" / "plots.py"
    spec = importlib.util.spec_from_file_location("plots", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def points_of(svg: str) -> list[list[tuple[float, float]]]:
    lines = ElementTree.fromstring(svg).iter(f"{SVG}polyline")
    return [[tuple(map(float, pair.split(","))) for pair in line.get("points", "").split()] for line in lines]  # type: ignore[misc]


def labels_of(svg: str) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(svg).iter(f"{SVG}text")]


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("scale", [1e-4, 1.0, 3e6])
def test_all_points_lie_in_the_frame_and_keep_their_order(plots: ModuleType, scale: float, log: bool) -> None:
    values = [(x, scale * y) for x, y in [(1, 3), (10, 7), (70, 9.5), (1200, 41)]]
    svg = plots.line_chart("t", "x", "y", {"a": values, "b": [(1, scale), (1200, scale * 2)]}, log=log)
    height = float(ElementTree.fromstring(svg).get("height", ""))
    first, second = points_of(svg)
    assert len(first) == 4
    assert [x for x, _ in first] == sorted({x for x, _ in first})
    assert [y for _, y in first] == sorted({y for _, y in first}, reverse=True)  # larger is higher up
    for x, y in [*first, *second]:
        assert plots.LEFT <= x <= plots.WIDTH - plots.RIGHT
        assert plots.TOP <= y <= height - plots.BOTTOM


def test_logarithmic_axes_give_equal_factors_equal_lengths(plots: ModuleType) -> None:
    (line,) = points_of(plots.line_chart("t", "x", "y", {"a": [(1e3, 1), (1e4, 10), (1e5, 100)]}, log=True))
    (x0, y0), (x1, y1), (x2, y2) = line
    assert x1 - x0 == pytest.approx(x2 - x1, abs=0.2)
    assert y0 - y1 == pytest.approx(y1 - y2, abs=0.2)


def test_linear_axes_begin_at_zero_and_carry_round_numbers(plots: ModuleType) -> None:
    labels = labels_of(plots.line_chart("Title", "seconds", "chunks/s", {"a": [(0, 50), (40, 98)]}))
    assert {"0", "20", "100", "Title", "seconds", "chunks/s", "a"} <= set(labels)


def test_names_are_text_and_never_markup(plots: ModuleType) -> None:
    svg = plots.line_chart("a < b", "x", "y", {"<b>&": [(1, 1), (2, 2)]})
    assert {"a < b", "<b>&"} <= set(labels_of(svg))


def test_what_logarithms_cannot_show_is_left_out(plots: ModuleType) -> None:
    (line,) = points_of(plots.line_chart("t", "x", "y", {"a": [(0, 5), (1, 5), (2, 9), (3, 0)]}, log=True))
    assert len(line) == 2


def test_a_chart_of_nothing_is_refused(plots: ModuleType) -> None:
    with pytest.raises(ValueError, match="no points"):
        plots.line_chart("t", "x", "y", {"a": []})
