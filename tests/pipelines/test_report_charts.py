"""Charts hold what they were given and nothing that could run; histograms count every value once."""

from __future__ import annotations

from pathlib import Path

import pytest
from lxml import etree

from curate.store import open_store
from pipelines.reporting import charts
from pipelines.reporting.counting import first_words, fixed, histogram, median, shares, whole_numbers
from pipelines.reporting.page import ticked
from schemas.errors import ContractError
from schemas.report import Bin, Count

SVG = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">{}</svg>'


def texts(drawn: str) -> list[str]:
    return [element.text for element in etree.fromstring(drawn).iter("{*}text") if element.text]


def test_bars_name_their_values() -> None:
    drawn = charts.bars(
        [Count(name="<script>alert(1)</script>", count=12_345), Count(name="b\x00\u202ec", count=1)], "title & more"
    )
    assert "<script>" not in drawn
    found = texts(drawn)
    assert {"<script>alert(1)</script>", "b  c", "12,345", "1"} <= set(found)
    root = etree.fromstring(drawn)
    assert (root.get("role"), root.get("aria-label")) == ("img", "title & more")


def test_names_are_cut() -> None:
    name = "documents/of/the/first/year/and/others/named.html"
    assert "documents/of/the/fir…d/others/named.html" in texts(charts.bars([Count(name=name, count=1)], "t"))


def test_a_threshold_is_drawn() -> None:
    bins = (Bin(low=0, high=1, count=3), Bin(low=1, high=2, count=4))
    assert "threshold 1.5" in texts(charts.histogram(bins, "score", threshold=1.5))
    assert not any("threshold" in text for text in texts(charts.histogram(bins, "score")))
    assert {"here", "real queries"} <= set(texts(charts.histogram(bins, "score", beside=bins)))


def test_parts_intervals_and_maps() -> None:
    assert {"step one", "kept", "rejected", "quarantined"} <= set(
        texts(charts.parts([("step one", {"kept": 3, "rejected": 1})], "t"))
    )
    assert "tuned − base" in texts(charts.intervals([("tuned − base", 0.02, None, None)], "d"))
    drawn = charts.scatter({"a <b>": [(0, 1), (1, 0)], "c": [(0.5, 0.5)]}, "map")
    assert {"a <b>", "c"} <= set(texts(drawn))
    assert len(etree.fromstring(drawn).findall(".//{*}g[@class='mark-symbol role-mark marks']/{*}path")) == 3


def test_a_matrix_has_one_order_of_names_both_ways() -> None:
    cells = [("old <b>", "new", 1_200), ("new", "old <b>", 3), ("new", "new", 5)]
    drawn = charts.matrix(cells, "copies")
    assert [text for text in texts(drawn) if text in ("new", "old <b>")] == ["new", "old <b>"] * 2
    assert {"1,200", "3", "5"} <= set(texts(drawn))
    fields = etree.fromstring(drawn).findall(".//{*}g[@class='mark-rect role-mark layer_0_marks']/{*}path")
    label = [field.get("aria-label") for field in fields]
    assert sorted(label) == ["column: 0; row: 0; count: 5", "column: 0; row: 1; count: 1200", "column: 1; row: 0; count: 3"]
    assert drawn == charts.matrix(cells, "copies")


def test_the_same_chart_has_the_same_bytes_and_ids_of_its_own() -> None:
    one, other = (charts.bars([Count(name=name, count=1)], "t") for name in ("a", "b"))
    assert one == charts.bars([Count(name="a", count=1)], "t")
    ids = [set(etree.fromstring(chart).xpath("//@id")) for chart in (one, other)]
    assert ids[0].isdisjoint(ids[1])
    for chart, own in zip((one, other), ids, strict=True):
        assert all(f"url(#{name})" not in chart or name in own for name in own)


@pytest.mark.parametrize(
    "inner",
    [
        "<script>alert(1)</script>",
        '<g onclick="alert(1)"/>',
        '<path xlink:href="javascript:alert(1)"/>',
        "<foreignObject/>",
        '<image href="http://example.org/x.png"/>',
        "<style>@import 'x'</style>",
        "<!-- comment -->",
    ],
)
def test_only_shapes_and_text_are_let_through(inner: str) -> None:
    with pytest.raises(ContractError, match="a chart holds"):
        charts.safe_svg(SVG.format(inner), "t")


def test_whole_numbers_are_counted_once(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        values = "SELECT unnest([1, 2, 2, 3, 500]) AS v"
        assert whole_numbers(store, "SELECT v FROM (SELECT unnest(range(100)) AS v)")[0] == Bin(low=0, high=5, count=5)
        found = whole_numbers(store, values)
        assert sum(part.count for part in found) == 5
        assert found[-1].high >= 500
        assert whole_numbers(store, "SELECT 1 AS v WHERE false") == ()
        assert histogram([1, 2, 2, 3]) == whole_numbers(store, "SELECT unnest([1, 2, 2, 3]) AS v")
        shares = fixed(store, "SELECT unnest([-3.0, 0.0, 0.05, 0.1, 0.999, 1.0, NULL]) AS v", 0, 1, 0.05)
        assert [part.count for part in shares if part.count] == [2, 1, 1, 2]
        assert (len(shares), shares[1].low, shares[-1].count) == (20, 0.05, 2)
    assert histogram([]) == ()


def test_first_words_are_told_without_marks() -> None:
    found = first_words(['"What is it?"', "what else", "How?", "  ", "¿Qué es?"])
    assert [(one.name, one.count) for one in found] == [("what", 2), ("how", 1), ("¿qué", 1)]


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("set `a.b`, <i>", "set <code>a.b</code>, &lt;i&gt;"),
        ("curate rejects built --reason <x>", "<code>curate rejects built --reason &lt;x&gt;</code>"),
        ("one ` alone <b>", "one ` alone &lt;b&gt;"),
        ("Read `curate <a>`", "Read <code>curate &lt;a&gt;</code>"),
    ],
)
def test_code_in_texts_of_ours(text: str, made: str) -> None:
    assert ticked(text) == made


def test_shares_fall_into_bins_of_one_width() -> None:
    found = shares([0.0, 0.29, 0.3, 0.999, 1.0], 0.1)
    assert [(one.low, one.high, one.count) for one in found if one.count] == [
        (0, 0.1, 1),
        (0.2, 0.3, 1),
        (0.3, 0.4, 1),
        (0.9, 1.0, 2),
    ]
    assert len(found) == 10
    assert shares([], 0.1) == ()


def test_a_median_is_the_middle_of_its_bin() -> None:
    assert median(shares([0.05, 0.35, 0.95], 0.1)) == pytest.approx(0.35)
    assert median(shares([0.05, 0.05, 0.95, 0.95], 0.1)) == pytest.approx(0.05)
    assert median(()) is None
