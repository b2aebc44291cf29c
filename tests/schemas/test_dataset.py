"""Each check of the dataset folder's models bites on a planted bad row."""

from __future__ import annotations

from typing import Any

import pandera.errors
import polars as pl
import pytest

from schemas.dataset import FORMATS, dataset_model, negative_columns, triplets_model

GOOD: dict[str, dict[str, list[Any]]] = {
    "triplets": {"anchor": ["a", "b"], "positive": ["p", "q"], "negative_1": ["n", "o"], "negative_2": ["m", "n"]},
    "pairs": {"anchor": ["a", "b"], "positive": ["p", "q"]},
    "labeled": {"anchor": ["a", "a"], "passage": ["p", "a"], "label": [1, 0]},
    "scored": {"anchor": ["a", "a"], "passage": ["p", "a"], "score": [0.0, 1.0]},
    "multi_positive": {"anchor": ["a", "b"], "positives": [["p", "q"], ["p"]], "negatives": [["n"], []]},
}
GOOD["distilled"] = GOOD["triplets"] | {
    "positive_score": [0.5, 1.00001],
    "negative_1_score": [-1.0, 0.0],
    "negative_2_score": [0.75, 0.25],
}
BAD = [
    ("triplets", "anchor", "p"),
    ("triplets", "anchor", " \n"),
    ("triplets", "positive", "n"),
    ("triplets", "negative_1", "m"),
    ("triplets", "negative_2", ""),
    ("triplets", "negative_2", None),
    ("pairs", "anchor", "p"),
    ("pairs", "positive", "\t"),
    ("labeled", "label", 2),
    ("labeled", "label", None),
    ("labeled", "passage", ""),
    ("scored", "score", 1.01),
    ("scored", "score", float("nan")),
    ("scored", "anchor", ""),
    ("distilled", "negative_1", "p"),
    ("distilled", "positive_score", None),
    ("distilled", "negative_2_score", None),
    ("distilled", "negative_1_score", -1.01),
    ("distilled", "positive_score", float("nan")),
    ("multi_positive", "anchor", ""),
    ("multi_positive", "anchor", "b"),
    ("multi_positive", "anchor", "q"),
    ("multi_positive", "positives", []),
    ("multi_positive", "positives", None),
    ("multi_positive", "positives", ["p", " \n"]),
    ("multi_positive", "positives", ["p", None]),
    ("multi_positive", "positives", ["p", "p"]),
    ("multi_positive", "positives", ["p", "n"]),
    ("multi_positive", "negatives", ["q"]),
    ("multi_positive", "negatives", ["n", "n"]),
    ("multi_positive", "negatives", [""]),
    ("multi_positive", "negatives", None),
]


@pytest.mark.parametrize("name", FORMATS)
def test_good_rows_pass_in_column_order(name: str) -> None:
    validated = dataset_model(name, 2).validate(pl.DataFrame(GOOD[name]))
    assert validated.columns == list(GOOD[name])


@pytest.mark.parametrize(("name", "column", "value"), BAD)
def test_a_planted_fault_is_refused(name: str, column: str, value: Any) -> None:
    rows = {key: [value if key == column else values[0], *values[1:]] for key, values in GOOD[name].items()}
    with pytest.raises((pandera.errors.SchemaError, pandera.errors.SchemaErrors)):
        dataset_model(name, 2).validate(pl.DataFrame(rows), lazy=True)


def test_the_number_of_negatives_is_part_of_the_model() -> None:
    rows = pl.DataFrame(GOOD["triplets"])
    for wrong in (1, 3):
        with pytest.raises((pandera.errors.SchemaError, pandera.errors.SchemaErrors)):
            triplets_model(wrong).validate(rows)
    assert list(triplets_model(3).to_schema().columns) == ["anchor", "positive", *negative_columns(3)]
