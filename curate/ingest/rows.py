"""Rows of table files: one document or one pair each, or the reason why not."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from curate.ingest.blocks import Parsed
from curate.ingest.clean import clean
from curate.ingest.columns import Layout
from curate.ingest.documents import document_row, passage_row
from curate.ingest.plain import read_plain
from curate.ingest.reject import NotKept, shown
from curate.stage import content_id
from schemas.reasons import Reason
from schemas.settings import IngestSettings

_LABELS = {"0": 0, "1": 1, "0.0": 0, "1.0": 1, "false": 0, "true": 1}


def record_row(name: str, values: Mapping[str, Any], layout: Layout) -> dict[str, Any]:
    """The document of a row. Raises NotKept."""
    text = _text(values, layout.text)
    title = _optional_text(values, layout.title)
    parsed = read_plain(text)
    return document_row(_source(name, values, layout), "record", Parsed(title or "", parsed.pieces))


def pair_rows(
    name: str, values: Mapping[str, Any], layout: Layout, settings: IngestSettings
) -> tuple[dict[str, Any], dict[str, Any]]:
    """(passage as a document, imported pair) of a row. Raises NotKept."""
    anchor = " ".join(_text(values, layout.anchor).split())
    passage = passage_row(name, _text(values, layout.positive))
    negatives = [text for column in layout.negatives for text in _texts(values, column)]
    negatives = list(dict.fromkeys(negatives))
    score = _score(values.get(layout.score), settings.score_scale) if layout.score else None
    label = _label(values.get(layout.label)) if layout.label else None
    carried = json.dumps([negatives, score, label], ensure_ascii=False)
    pair = {
        "imported_pair_id": content_id("pair", anchor, passage["document_id"], carried),
        "source": _source(name, values, layout),
        "anchor": anchor,
        "document_id": passage["document_id"],
        "negatives": negatives,
        "score": score,
        "label": label,
        "is_positive": not (label == 0 or (score is not None and score < settings.min_positive_score)),
    }
    return passage, pair


def _source(name: str, values: Mapping[str, Any], layout: Layout) -> str:
    value = values.get(layout.id) if layout.id else None
    if value is None or value == "":
        return name
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise NotKept(Reason.ROW_BROKEN, f"{layout.id}: an id must be text or a whole number, not {_kind(value)}")
    key = " ".join(clean(str(value)).split())
    return f"{name}#{key}" if key else name


def _text(values: Mapping[str, Any], column: str) -> str:
    text = _optional_text(values, column)
    if not text:
        raise NotKept(Reason.ROW_WITHOUT_TEXT, f"{column} is empty" if column in values else f"no {column}")
    return text


def _optional_text(values: Mapping[str, Any], column: str) -> str | None:
    value = values.get(column) if column else None
    if value is None:
        return None
    if not isinstance(value, str):
        # str() of a list or number would give a text nobody wrote.
        raise NotKept(Reason.ROW_BROKEN, f"{column}: expected text, found {_kind(value)}: {shown(value)}")
    return clean(value).strip()


def _texts(values: Mapping[str, Any], column: str) -> list[str]:
    value = values.get(column)
    if not isinstance(value, list):
        value = [value]
    found = [_optional_text({column: item}, column) for item in value]
    return [text for text in found if text]


def _score(value: Any, scale: float) -> float | None:
    if isinstance(value, str):
        try:
            value = float(value) if value.strip() else None
        except ValueError as error:
            raise NotKept(Reason.ROW_BROKEN, f"score: expected a number, found {shown(value)!r}") from error
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise NotKept(Reason.ROW_BROKEN, f"score: expected a number, found {_kind(value)}")
    try:
        score = float(value) / scale
    except OverflowError:
        score = math.inf
    if not 0 <= score <= 1:
        raise NotKept(
            Reason.SCORE_OUT_OF_RANGE, f"score {shown(value)} / {scale:g} is not between 0 and 1; set ingest.score_scale"
        )
    return score


def _label(value: Any) -> int | None:
    if value is None or value == "":
        return None
    label = _LABELS.get(str(value).strip().lower()) if isinstance(value, str | bool | int | float) else None
    if label is None:
        raise NotKept(Reason.LABEL_UNKNOWN, f"label {shown(value)!r} is neither 0 nor 1")
    return label


def _kind(value: Any) -> str:
    names = {bool: "true or false", int: "a number", float: "a number", list: "a list", dict: "a structure", bytes: "bytes"}
    return names.get(type(value), type(value).__name__)
