"""Anchors and passages by themselves and beside each other: too short, malformed, verbatim."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from curate.audit.findings import findings, spoken
from curate.audit.texts import MEASURED, Dataset, bare, slices, word_count
from curate.stage import Engine
from curate.verify.form import form_fault
from schemas.settings import FilterSettings

# A query of a few words stands in many passages; five words in a row are hardly there by chance (as in curate.mine.guards).
LEAST_VERBATIM = 5
_LONG = 400
"""Characters: a longer text in a script with blanks has more words than any bound."""
_QUESTIONS = 0.7
"""When so many anchors of a sample read as questions, the others should too."""
_SAMPLE = 1000
_AT_ONCE = 2000
_ASKING = r"(?i)^\W*(?:what|which|who|whom|whose|where|when|why|how)\b"
_MARK = r"[?？؟]\s*[\"'”’»)\]]*\s*$"


def too_short(dataset: Dataset, mis_shaped: pl.DataFrame) -> list[pl.DataFrame]:
    """Fewer words than the gates of a build ask for, and than a third of the median: some texts are short by nature (answers, keywords).

    Rows of which something worse is said already are left out.
    """
    if dataset.kind in MEASURED:
        return []
    bounds = FilterSettings()
    counts = _counts(dataset)
    wanted = (
        (("anchor",), bounds.min_question_words, "anchor_too_short"),
        (("positive", "passage", "negative"), bounds.min_passage_words, "passage_too_short"),
    )
    found = []
    for roles, least, kind in wanted:
        sides = dataset.side(*roles).join(counts, on="text", how="left", maintain_order="left")
        usual = sides["words"].median()
        limit = max(1, min(least, int(usual // 3))) if isinstance(usual, float) else 1
        short = sides.filter(pl.col("words") < limit).join(mis_shaped, on="row", how="anti", maintain_order="left")
        said = pl.format("{} has {} of at least {} words", spoken(pl.col("role"), pl.col("slot")), "words", pl.lit(limit))
        found.append(findings(short, kind, said))
    return found


def _counts(dataset: Dataset) -> pl.DataFrame:
    """text, words: of long texts the bound only."""
    blocks = []
    for start, texts in slices(dataset.texts["text"]):
        beginning = pl.col("value").str.slice(0, _LONG)
        blocks.append(texts.to_frame("value").with_row_index("text", offset=start).select("text", words=word_count(beginning)))
    return pl.concat(blocks).with_columns(pl.col("text").cast(pl.UInt32))


def verbatim(dataset: Dataset) -> list[pl.DataFrame]:
    """The anchor is a positive, or stands in it word for word."""
    if dataset.kind in MEASURED:
        return []
    anchors = dataset.side("anchor").select("row", anchor="text", anchor_key="key")
    pairs = anchors.join(dataset.side("positive"), on="row", how="inner", maintain_order="left")
    equal = pairs.filter(pl.col("anchor_key") == pl.col("key"))
    others = pairs.filter(pl.col("anchor_key") != pl.col("key")).select("row", "anchor", "text")
    texts, inside = dataset.texts["text"], []
    for start in range(0, others.height, 50_000):
        some = others[start : start + 50_000]
        read = some.select("row", anchor=_bare(texts, some["anchor"]), positive=_bare(texts, some["text"]))
        read = read.filter(pl.col("anchor").str.count_matches(" ") >= LEAST_VERBATIM - 1)
        padded = pl.format(" {} ", "anchor")
        inside.append(read.filter(pl.format(" {} ", "positive").str.contains(padded, literal=True)))
    found = [findings(equal, "anchor_equals_passage", "anchor and positive are the same text")]
    if inside:
        found.append(findings(pl.concat(inside), "anchor_in_passage", "the positive holds the anchor word for word"))
    return found


def _bare(texts: pl.Series, numbers: pl.Series) -> pl.Series:
    return texts.gather(numbers).to_frame("t").select(bare(pl.col("t")))["t"]


def malformed(dataset: Dataset, engine: Engine) -> list[pl.DataFrame]:
    """Anchors that are no questions in a dataset of questions."""
    anchors = dataset.side("anchor")
    numbers = anchors["text"].unique(maintain_order=True)
    texts = dataset.texts["text"].gather(numbers)
    if dataset.kind in MEASURED or not asks(texts):
        return []
    blocks = [texts[start : start + _AT_ONCE].to_list() for start in range(0, len(texts), _AT_ONCE)]
    faults = [fault for block in engine.map(form_faults, blocks) for fault in block]
    named = pl.DataFrame({"text": numbers, "fault": pl.Series(faults, dtype=pl.String)}).drop_nulls("fault")
    rows = anchors.join(named, on="text", how="inner", maintain_order="left")
    statement = pl.col("fault") == "statement"
    return [
        findings(rows.filter(~statement), "malformed_anchor", pl.col("fault")),
        findings(rows.filter(statement), "anchor_not_a_question", "reads as a statement among questions", error=False),
    ]


def asks(texts: pl.Series) -> bool:
    """Whether most of a sample, taken at equal distances, are questions: by a mark at the end, or by the rules for questions."""
    if not len(texts):
        return False
    sample = texts.gather_every(max(1, len(texts) // _SAMPLE))
    if _share(sample, _MARK) >= _QUESTIONS:
        return True
    # Any short text may be a query: without marks, question words must say that these are questions.
    return _share(sample, _ASKING) >= _QUESTIONS


def _share(texts: pl.Series, pattern: str) -> float:
    return int(texts.str.contains(pattern).sum()) / len(texts)


def form_faults(texts: Sequence[str]) -> list[str | None]:
    """What keeps each text from being a question or a query."""
    return [form_fault(text) for text in texts]
