"""Charts as SVG to stand in a page: Vega-Lite specifications drawn by vl-convert, coloured by the page's style sheet."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from lxml import etree
from markupsafe import Markup

from pipelines.console import printable
from schemas.errors import ContractError
from schemas.report import Bin, Count

KEPT, REJECTED, QUARANTINED, OTHER = "#3b6ea8", "#c65d3b", "#c9a227", "#7a8794"
"""Colours that the page's style sheet replaces, lighter on a dark ground."""

INK, LINE = "#222222", "#dddddd"

WIDTH = 460

_CONFIG = {
    "background": None,
    "font": "system-ui, sans-serif",
    "view": {"stroke": None},
    "axis": {
        "labelColor": INK, "titleColor": INK, "domainColor": LINE, "tickColor": LINE, "gridColor": LINE,
        "labelLimit": 400, "titleFontWeight": "normal", "labelFontSize": 11, "titleFontSize": 11,
    },
    "legend": {"labelColor": INK, "titleColor": INK, "orient": "top", "labelFontSize": 11},
    "bar": {"color": KEPT},
}  # fmt: skip
_ELEMENTS = frozenset(f"{{http://www.w3.org/2000/svg}}{name}" for name in ("svg", "g", "path", "rect", "line", "text", "tspan", "defs", "clipPath", "circle", "title"))  # fmt: skip
_REFERENCE = re.compile(r'(id="|url\(#)(\w+)')
_LONGEST = 40


def bars(counts: Sequence[Count], title: str, colour: str = KEPT) -> Markup:
    """A bar a name, in the given order, with its number."""
    rows = [{"name": _label(one.name), "count": one.count, "place": place} for place, one in enumerate(counts)]
    # The number stands at each bar.
    x = {"field": "count", "type": "quantitative", "axis": None}
    y = {"field": "place", "type": "ordinal", "title": None, "axis": {"labelExpr": f"{_names(rows)}[datum.value]", "ticks": False, "domain": False}}  # fmt: skip
    layers = [
        {"mark": {"type": "bar", "color": colour, "height": 13}, "encoding": {"x": x, "y": y}},
        {
            "mark": {"type": "text", "align": "left", "dx": 4, "color": INK, "fontSize": 11},
            "encoding": {"x": x, "y": y, "text": {"field": "count", "type": "quantitative", "format": ","}},
        },
    ]
    return draw({"data": {"values": rows}, "layer": layers, "height": {"step": 20}}, title)


def histogram(bins: Sequence[Bin], title: str, *, threshold: float | None = None, beside: Sequence[Bin] = ()) -> Markup:
    """Counts by bin; `threshold` is drawn as a line, `beside` as a second histogram in shares."""
    both = bool(beside)
    rows = _shares(bins, "here", both) + (_shares(beside, "real queries", both) if both else [])
    x = {"field": "low", "bin": {"binned": True}, "type": "quantitative", "title": title, "axis": {"grid": False}}
    y = {"field": "value", "type": "quantitative", "stack": None, "title": "share" if both else None, "axis": {"tickCount": 4, "format": "%" if both else "~s", **({} if both else {"tickMinStep": 1})}}  # fmt: skip
    encoding: dict[str, Any] = {"x": x, "x2": {"field": "high"}, "y": y}
    if both:
        encoding["color"] = {"field": "of", "type": "nominal", "title": None, "scale": {"domain": ["here", "real queries"], "range": [KEPT, QUARANTINED]}}  # fmt: skip
    layers: list[dict[str, Any]] = [
        {"data": {"values": rows}, "mark": {"type": "bar", "opacity": 0.7 if both else 1}, "encoding": encoding}
    ]
    if threshold is not None:
        rule = {"mark": {"type": "rule", "color": REJECTED, "strokeWidth": 2}, "encoding": {"x": {"field": "at", "type": "quantitative"}}}  # fmt: skip
        note = {
            "mark": {"type": "text", "align": "left", "dx": 4, "dy": -4, "y": 0, "color": INK, "fontSize": 11},
            "encoding": {"x": {"field": "at", "type": "quantitative"}, "text": {"value": f"threshold {threshold:g}"}},
        }
        layers += [{"data": {"values": [{"at": threshold}]}, **one} for one in (rule, note)]
    return draw({"layer": layers, "height": 140}, title)


def _shares(bins: Sequence[Bin], of: str, share: bool) -> list[dict[str, Any]]:
    total = sum(one.count for one in bins) or 1
    return [{"low": one.low, "high": one.high, "value": one.count / total if share else one.count, "of": of} for one in bins]


def parts(rows: Sequence[tuple[str, Mapping[str, int]]], title: str) -> Markup:
    """A full bar a name, divided by state: kept, rejected, quarantined."""
    states = {"kept": KEPT, "rejected": REJECTED, "quarantined": QUARANTINED}
    values = [
        {"name": name, "place": place, "state": state, "order": order, "count": counts.get(state, 0)}
        for place, (name, counts) in enumerate(rows)
        for order, state in enumerate(states)
    ]
    named = [{"name": _label(name)} for name, _ in rows]
    encoding = {
        "x": {"field": "count", "type": "quantitative", "stack": "normalize", "title": None, "axis": {"grid": False, "format": "%", "tickCount": 5}},
        "y": {"field": "place", "type": "ordinal", "title": None, "axis": {"labelExpr": f"{_names(named)}[datum.value]", "ticks": False, "domain": False}},
        "color": {"field": "state", "type": "nominal", "title": None, "scale": {"domain": list(states), "range": list(states.values())}},
        "order": {"field": "order", "type": "quantitative"},
    }  # fmt: skip
    return draw(
        {"data": {"values": values}, "mark": {"type": "bar", "height": 16}, "encoding": encoding, "height": {"step": 26}}, title
    )


def matrix(cells: Sequence[tuple[str, str, int]], title: str) -> Markup:
    """A field for each pair of names (row, column), darker with its count, which stands in it. Rows and columns have one order: that of the names."""
    names = sorted({name for row, column, _ in cells for name in (row, column)})
    values = [{"row": names.index(row), "column": names.index(column), "count": count} for row, column, count in cells]
    labels = _names([{"name": _label(name)} for name in names])
    scale = {"type": "ordinal", "title": None, "scale": {"domain": list(range(len(names)))}}
    axis = {"labelExpr": f"{labels}[datum.value]", "ticks": False, "domain": False, "grid": False, "labelLimit": 170}
    place = {"x": {"field": "column", **scale, "axis": {**axis, "labelAngle": -40}}, "y": {"field": "row", **scale, "axis": axis}}
    darkness = {"type": "sqrt", "domainMin": 0, "range": [0.1, 0.75]}
    layers: list[dict[str, Any]] = [
        {
            "mark": {"type": "rect", "color": KEPT},
            "encoding": {**place, "opacity": {"field": "count", "type": "quantitative", "legend": None, "scale": darkness}},
        },
        {
            "mark": {"type": "text", "color": INK, "fontSize": 11},
            "encoding": {**place, "text": {"field": "count", "type": "quantitative", "format": ","}},
        },
    ]
    return draw({"data": {"values": values}, "layer": layers, "width": {"step": 38}, "height": {"step": 26}}, title)


def intervals(rows: Sequence[tuple[str, float, float | None, float | None]], title: str) -> Markup:
    """A point a name with its 95% interval, and a line at zero."""
    named = [{"name": _label(name)} for name, *_ in rows]
    values = [
        {"place": place, "mean": mean, "low": mean if low is None else low, "high": mean if high is None else high}
        for place, (_, mean, low, high) in enumerate(rows)
    ]
    y = {"field": "place", "type": "ordinal", "title": None, "axis": {"labelExpr": f"{_names(named)}[datum.value]", "ticks": False, "domain": False}}  # fmt: skip
    layers: list[dict[str, Any]] = [
        {"data": {"values": [{"zero": 0}]}, "mark": {"type": "rule", "color": OTHER, "strokeDash": [3, 3]}, "encoding": {"x": {"field": "zero", "type": "quantitative"}}},
        {"data": {"values": values}, "mark": {"type": "rule", "color": KEPT, "strokeWidth": 2}, "encoding": {"x": {"field": "low", "type": "quantitative", "title": title}, "x2": {"field": "high"}, "y": y}},
        {"data": {"values": values}, "mark": {"type": "point", "filled": True, "size": 60, "color": KEPT, "opacity": 1}, "encoding": {"x": {"field": "mean", "type": "quantitative"}, "y": y}},
    ]  # fmt: skip
    return draw({"layer": layers, "height": {"step": 26}}, title)


def scatter(groups: Mapping[str, Sequence[Sequence[float]]], title: str) -> Markup:
    """Points of several groups on two axes without a meaning of their own."""
    values = [{"x": x, "y": y, "of": name} for name, points in groups.items() for x, y in points]
    colours = [KEPT, REJECTED, QUARANTINED, OTHER]
    bare = {"axis": {"labels": False, "ticks": False, "grid": False, "domain": False}, "title": None}
    encoding = {
        "x": {"field": "x", "type": "quantitative", **bare},
        "y": {"field": "y", "type": "quantitative", **bare},
        "color": {"field": "of", "type": "nominal", "title": None, "scale": {"domain": list(groups), "range": colours[: len(groups)]}},
    }  # fmt: skip
    return draw({"data": {"values": values}, "mark": {"type": "point", "filled": True, "size": 14, "opacity": 0.55}, "encoding": encoding, "height": 320}, title)  # fmt: skip


def draw(spec: Mapping[str, Any], title: str) -> Markup:
    """A specification as SVG markup: held to plain shapes and text, whatever stood in the data; ids are its own on the page."""
    import vl_convert  # loads a JavaScript engine

    whole = {"$schema": "https://vega.github.io/schema/vega-lite/v5.json", "width": WIDTH, "config": _CONFIG, **spec}
    text = vl_convert.vegalite_to_svg(whole, vl_version="5.20", allowed_base_urls=[])
    return safe_svg(text, title)


def safe_svg(text: str, title: str) -> Markup:
    """SVG of known elements alone, without links and handlers. Raises ContractError for anything else."""
    root = etree.fromstring(text.encode(), etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True))
    for element in root.iter():
        if element.tag not in _ELEMENTS:
            raise ContractError(f"a chart holds {element.tag!r}", where="report.html")
        for name in element.attrib:
            if name.startswith("on") or name.endswith("href"):
                raise ContractError(f"a chart holds the attribute {name!r}", where="report.html")
    root.set("role", "img")
    root.set("aria-label", title)
    made: str = etree.tostring(root, encoding="unicode")
    own = f"c{abs(_stable(made)):x}-"
    return Markup(_REFERENCE.sub(lambda found: f"{found[1]}{own}{found[2]}", made))  # noqa: S704 (held to the list above)


def _stable(text: str) -> int:
    from zlib import crc32

    return crc32(text.encode())


def _label(text: str) -> str:
    shown = printable(text)
    # Paths differ at their ends, sentences at their beginnings.
    return shown if len(shown) <= _LONGEST else f"{shown[: _LONGEST // 2]}…{shown[1 - _LONGEST // 2 :]}"


def _names(rows: Sequence[Mapping[str, Any]]) -> str:
    """A Vega expression: the array of names. JSON is its syntax, too."""
    import json

    return json.dumps([row["name"] for row in rows], ensure_ascii=True)
