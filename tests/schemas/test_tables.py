from __future__ import annotations

import polars as pl
import pytest

from schemas.reasons import REASONS, Reason
from schemas.tables import KEYS, TABLES, AuditResults, Splits, frame, polars_schema


@pytest.mark.parametrize("name", sorted(TABLES))
def test_every_table_says_what_one_row_is_and_has_an_empty_frame(name: str) -> None:
    assert (TABLES[name].__doc__ or "").strip().endswith(".")
    assert frame(TABLES[name], []).schema == pl.Schema(polars_schema(TABLES[name]))
    assert set(KEYS.get(name, ())) <= set(polars_schema(TABLES[name]))


@pytest.mark.parametrize(
    ("column", "value"), [("broken", "1"), ("broken", 1.5), ("claim", 3), ("examples", "abc"), ("examples", [1])]
)
def test_a_frame_refuses_wrong_types(column: str, value: object) -> None:
    row = {"claim": "c", "description": "d", "broken": 0, "examples": []} | {column: value}
    with pytest.raises(TypeError):
        frame(AuditResults, [row])


def test_a_missing_column_is_refused() -> None:
    with pytest.raises(KeyError):
        frame(Splits, [{"document_id": "x"}])


def test_reasons_are_snake_case_and_explained() -> None:
    assert all(reason.value == reason.name.lower() for reason in REASONS)
    assert all(reason.text and not reason.text.endswith(".") for reason in REASONS)
    assert Reason("file_empty") is Reason.FILE_EMPTY
