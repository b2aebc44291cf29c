"""Columns that do not hold what they should: blanks, lists, single characters, control characters, wrongly decoded text."""

from __future__ import annotations

import polars as pl

from curate.audit.findings import findings, spoken
from curate.audit.texts import Dataset, slices
from schemas.audit import DatasetFinding

# Unspaced scripts have words of one character.
_ONE = r"^\s*[^\s\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}\p{Thai}]\s*$"
_APART = r"^\s*(?:[^\s\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}\p{Thai}][,|]?\s+){8,}\S?\s*$|^\s*\[(?:\s*['\"].['\"]\s*,){2,}"
_LIST = r"^\s*\[\s*(?:'.*'|\".*\")\s*,?\s*\]\s*$|^\s*\[\s*\]\s*$|^\s*\(\s*(?:'.*'|\".*\")\s*,?\s*\)\s*$|^\s*\[\s*(?:'|\")[\s\S]*(?:'|\")\s*\]\s*$"
_CONTROL = r"[\x00-\x08\x0B\x0E-\x1F\x7F]"
# UTF-8 read as Windows-1252, Latin-1 or Mac Roman (also Cyrillic); a replacement character.
_DAMAGE = (
    r"Ã[\u0080-\u00BF\u0152\u0153\u0160\u0161\u0178\u017D\u017E\u0192\u02C6\u02DC\u2013-\u203A\u20AC\u2122]|â€|â[\u0080-\u009F]|Â[\u00A0-\u00BF]"
    r"|(?:[ÐÑ][\u0080-\u00BF]){2}|ï»¿|ï¿½|‚Ä|√[©®ß∂º≥≠†]|\uFFFD"
)
_PATTERNS = {
    "list_for_text": (_LIST, "looks like a list written as text: {}"),
    "single_characters": (f"{_ONE}|{_APART}", "single characters: {}"),
    "control_characters": (_CONTROL, "holds {}"),
    "encoding_damage": (_DAMAGE, "holds {}"),
}
_SHOWN = 24
_MOST = 0.5


def shape(dataset: Dataset) -> list[pl.DataFrame]:
    """All of these, once a kind and row."""
    return [_blank(dataset), *_lists(dataset), *_patterns(dataset)]


def mis_shaped(dataset: Dataset, found: pl.DataFrame) -> list[DatasetFinding]:
    """When most rows have a fault of shape, the column was read or written wrongly as a whole."""
    shares = (
        found.filter(pl.col("kind").is_in(["list_for_text", "single_characters", "blank_text"]))
        .group_by("kind")
        .agg(pl.col("row").n_unique())
    )
    return [
        DatasetFinding(
            kind="mis_shaped_column",
            group="shape",
            detail=f"{kind} in {rows:,} of {dataset.height:,} rows: mend the column, not the rows",
        )
        for kind, rows in sorted(shares.rows())
        if rows >= _MOST * dataset.height
    ]


def _blank(dataset: Dataset) -> pl.DataFrame:
    frame, used = dataset.rows.frame, dataset.columns.used
    found = []
    for role, name in used.items():
        if role in ("split", "answer", "label", "score") or role.endswith("_score"):
            continue
        values, dtype = pl.col(name), frame.schema[name]
        if isinstance(dtype, pl.Array):
            values = values.arr.to_list()
        if isinstance(dtype, pl.List | pl.Array):
            inner = (
                values.list.eval(pl.element().cast(pl.String, strict=False).str.contains(r"\S").fill_null(False))
                if isinstance(dtype.inner, pl.String)
                else None
            )
            bad = values.is_null() if inner is None else values.is_null() | ~inner.list.all()
            # No negatives were found for it: nothing is wrong with that.
            bad = bad if role == "negatives" else bad | (values.list.len() == 0)
        else:
            bad = ~values.cast(pl.String, strict=False).str.contains(r"\S").fill_null(False)
        rows = frame.select(name).with_row_index("row").filter(bad).select("row", what=pl.lit(f"{role} (column {name})"))
        found.append(rows)
    return findings(pl.concat(found).sort("row", maintain_order=True), "blank_text", pl.format("{} is null or blank", "what"))


def _lists(dataset: Dataset) -> list[pl.DataFrame]:
    """A column of lists where one text a row is meant."""
    found = []
    for role, name in dataset.columns.used.items():
        if role in ("anchor", "positive", "passage") and isinstance(dataset.rows.frame.schema[name], pl.List):
            rows = dataset.rows.frame.select(name).with_row_index("row").filter(pl.col(name).list.len() > 0)
            found.append(findings(rows, "list_for_text", pl.format(f"{role} is a list of {{}}", pl.col(name).list.len())))
    return found


def _patterns(dataset: Dataset) -> list[pl.DataFrame]:
    hits: dict[str, list[pl.DataFrame]] = {kind: [] for kind in _PATTERNS}
    for start, texts in slices(dataset.texts["text"]):
        frame = texts.to_frame("value").with_row_index("text", offset=start)
        for kind, (pattern, _) in _PATTERNS.items():
            hits[kind].append(frame.filter(pl.col("value").str.contains(pattern)))
    return [_told(dataset, kind, pl.concat(some)) for kind, some in hits.items() if some]


def _told(dataset: Dataset, kind: str, hits: pl.DataFrame) -> pl.DataFrame:
    pattern, said = _PATTERNS[kind]
    if kind == "control_characters":
        code = pl.col("value").str.extract(f"({pattern})").str.encode("hex").str.to_uppercase()
        shown = pl.format("U+00{}", code)
    elif kind == "encoding_damage":
        shown = pl.col("value").str.extract(f"(\\S*(?:{pattern})\\S*)").str.slice(0, _SHOWN)
    else:
        shown = pl.col("value").str.strip_chars().str.slice(0, _SHOWN)
    hits = hits.select("text", shown=shown).with_columns(pl.col("text").cast(pl.UInt32))
    rows = dataset.sides.join(hits, on="text", how="inner", maintain_order="left")
    return findings(rows, kind, pl.format("{} " + said, spoken(pl.col("role"), pl.col("slot")), "shown"))
